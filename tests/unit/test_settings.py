"""Settings from the environment: N1, and secrets never printed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from streams.settings import SettingsError, as_printable, load, settings_hash


@dataclass(frozen=True)
class Example:
    limit: int = 3
    is_on: bool = False
    names: tuple[str, ...] = ()
    client_secret: str = ""


def test_the_environment_overrides_defaults_and_arguments_override_the_environment() -> None:
    environ = {"GREEKSTREAM_X_LIMIT": "7", "GREEKSTREAM_X_IS_ON": "yes", "GREEKSTREAM_X_NAMES": "a, b"}
    assert load(Example, "X", environ) == Example(7, True, ("a", "b"))
    assert load(Example, "X", environ, limit=9).limit == 9
    assert load(Example, "X", environ, limit=None).limit == 7


@pytest.mark.parametrize("name", ["GREEKSTREAM_X_LIMITS", "GREEKSTREAM_X_"])
def test_a_name_that_is_no_setting_is_an_error_that_lists_the_settings(name: str) -> None:
    with pytest.raises(SettingsError, match="GREEKSTREAM_X_LIMIT"):
        load(Example, "X", {name: "1"})


def test_a_value_that_cannot_be_read_is_an_error_that_names_it() -> None:
    with pytest.raises(SettingsError, match="GREEKSTREAM_X_LIMIT='many'"):
        load(Example, "X", {"GREEKSTREAM_X_LIMIT": "many"})


def test_secrets_are_masked() -> None:
    assert "hush" not in str(as_printable(Example(client_secret="hush")))


def test_the_hash_changes_with_every_value() -> None:
    hashes = {settings_hash(Example()), settings_hash(Example(limit=4)), settings_hash(Example(is_on=True))}
    assert len(hashes) == 3
