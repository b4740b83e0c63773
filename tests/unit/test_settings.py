"""Settings from environment and file: N1, C55, and secrets never printed."""

from __future__ import annotations

import json
import logging
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner

from streams import settings as settings_module
from streams import settings_catalogue as catalogue
from streams import settings_page as page
from streams.cli import main
from streams.deribit.channels import SessionSettings
from streams.engine.settings import EngineSettings
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from streams.ingest.settings import IngestSettings
from streams.settings import (
    SECTIONS,
    CommonSettings,
    Setting,
    SettingsError,
    as_printable,
    load,
    resolve,
    settings_hash,
)
from streams.worker.settings import WorkerSettings
from tests.conftest import ROOT

CLASSES = [*SECTIONS.values(), *catalogue.FIXED.values()]


@dataclass(frozen=True)
class Example:
    limit: int = 3
    is_on: bool = False
    names: tuple[str, ...] = ("z",)
    wait_s: float = 1.0
    client_secret: str = ""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "greekstream.toml"


def given(config: Path, text: str, **environ: str) -> dict[str, str]:
    """An environment with a settings file of this text."""
    config.write_text(text)
    return {"GREEKSTREAM_CONFIG": str(config), **environ}


def test_the_environment_overrides_defaults_and_arguments_override_the_environment() -> None:
    environ = {"GREEKSTREAM_X_LIMIT": "7", "GREEKSTREAM_X_IS_ON": "yes", "GREEKSTREAM_X_NAMES": "a, b"}
    assert load(Example, "X", environ) == Example(7, True, ("a", "b"))
    assert load(Example, "X", environ, limit=9).limit == 9
    assert load(Example, "X", environ, limit=None).limit == 7


def test_an_empty_variable_counts_as_not_set() -> None:
    environ = {"GREEKSTREAM_X_LIMIT": "", "GREEKSTREAM_X_NAMES": "", "GREEKSTREAM_X_IS_ON": ""}
    assert load(Example, "X", environ) == Example()


@pytest.mark.parametrize("name", ["GREEKSTREAM_X_LIMITS", "GREEKSTREAM_X_"])
def test_a_name_that_is_no_setting_is_an_error_that_names_settings(name: str) -> None:
    with pytest.raises(SettingsError, match="GREEKSTREAM_X_LIMIT"):
        load(Example, "X", {name: "1"})


@pytest.mark.parametrize(("field", "text"), [("LIMIT", "many"), ("LIMIT", "1.5"), ("IS_ON", "si"), ("WAIT_S", "nan")])
def test_a_value_that_cannot_be_read_is_an_error_that_names_it(field: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"GREEKSTREAM_X_{field}='{text}'"):
        load(Example, "X", {f"GREEKSTREAM_X_{field}": text})


def test_command_environment_file_and_default_come_in_this_order(config: Path) -> None:
    environ = given(config, '[worker]\nmax_rows = 7\ncheckpoint_s = 5\nhost = "a"\n', GREEKSTREAM_WORKER_MAX_ROWS="8")
    found = resolve(WorkerSettings, "WORKER", environ, host="b")
    assert found["max_rows"] == Setting(8, "environment")
    assert found["checkpoint_s"] == Setting(5.0, "file")
    assert found["host"] == Setting("b", "command")
    assert found["idle_s"] == Setting(WorkerSettings().idle_s, "default")
    assert load(WorkerSettings, "WORKER", environ).max_rows == 8


def test_keys_above_the_tables_are_what_every_command_needs(config: Path) -> None:
    environ = given(config, 'kafka_bootstrap = "k:1"\nstate_dir = "/s"\n')
    assert settings_module.kafka_bootstrap(environ) == "k:1"
    assert settings_module.state_dir(environ) == Path("/s")
    assert settings_module.kafka_bootstrap({**environ, "KAFKA_BOOTSTRAP": "k:2"}) == "k:2"
    assert settings_module.kafka_bootstrap({}) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[worker]\nmax_row = 1", r"\[worker\] max_row is no setting; did you mean max_rows\?"),
        ("[wroker]\nmax_rows = 1", r"wroker is neither a table nor a key of it; did you mean worker\?"),
        ('[worker]\nmax_rows = "many"', "max_rows = 'many': want a whole number, such as 512"),
        ("[worker]\nmax_rows = true", "want a whole number"),
        ("[worker]\nmax_rows = 1.0", "want a whole number"),
        ("[worker]\ncheckpoint_s = nan", "want a number"),
        ("[worker]\nhost = 1", "want text in quotes"),
        ("worker = 1", r"worker: want a table, \[worker\]"),
        ("[state_dir]\na = 1", "state_dir: want a value"),
        ("[worker", "not TOML"),
        (
            '[ingest]\nclient_secret = "hush"',
            r"(?!.*hush).*environment only; take it out and set DERIBIT_CLIENT_SECRET",
        ),
        ("[ingest]\ncurrencies = 'BTC'", r'want a list of texts, such as \["BTC", "ETH"\]'),
    ],
)
def test_a_wrong_file_is_one_line_that_says_what_to_do(config: Path, text: str, says: str) -> None:
    environ = given(config, text)
    with pytest.raises(SettingsError, match=says) as caught:
        load(WorkerSettings, "WORKER", environ)
        load(IngestSettings, "INGEST", environ)
    assert "\n" not in str(caught.value) and str(config) in str(caught.value)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(SettingsError, match=r"GREEKSTREAM_CONFIG=/nothere: No such file .*; name a file, or unset it"):
        settings_module.kafka_bootstrap({"GREEKSTREAM_CONFIG": "/nothere"})


def test_the_option_before_the_command_names_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREEKSTREAM_CONFIG", "/nothere")  # set here, so that the option's own setting is undone
    config.write_text("[worker]\nmax_rows = 7\n")
    done = CliRunner().invoke(main, ["--config", str(config), "settings", "--json"])
    facts = json.loads(done.stdout)
    assert facts["config"] == str(config)
    assert facts["sections"]["worker"]["max_rows"] == {"value": 7, "source": "file"}
    assert facts["sections"]["worker"]["idle_s"]["source"] == "default"


def test_what_is_printed_is_a_file_that_gives_the_same(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREEKSTREAM_INGEST_CURRENCIES", "USDC")
    monkeypatch.setenv("GREEKSTREAM_ENGINE_RATE", "0.02")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "k:1")
    environ = given(config, CliRunner().invoke(main, ["settings"]).stdout)
    assert load(IngestSettings, "INGEST", environ) == IngestSettings(currencies=("USDC",))
    assert load(EngineSettings, "ENGINE", environ) == EngineSettings(rate=0.02)
    assert load(CommonSettings, "", environ).kafka_bootstrap == "k:1"


def test_secrets_are_masked_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hush" not in str(as_printable(Example(client_secret="hush")))
    assert (
        as_printable(CommonSettings(schema_registry_url="https://me:hush@r:8081/x"))["schema_registry_url"]
        == "https://r:8081/x"
    )
    monkeypatch.setenv("DERIBIT_CLIENT_ID", "hush-id")
    monkeypatch.setenv("DERIBIT_CLIENT_SECRET", "hush")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "https://me:hush@r:8081")
    for words in (["settings"], ["settings", "--json"]):
        done = CliRunner().invoke(main, words)
        assert "hush" not in done.output and done.output.count("***") == 4  # of ingest and of the session
    started = catalogue.at_start(ingest=load(IngestSettings, "INGEST"), deribit=load(SessionSettings, "DERIBIT"))
    assert "hush" not in json.dumps(started)
    assert started["common"]["schema_registry_url"] == "https://r:8081"


def test_a_variable_that_nothing_reads_is_warned_about_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREEKSTREAM_ENGIN_RATES", "BTC=0.1")
    done = CliRunner().invoke(main, ["settings"])
    assert done.exit_code == 0
    assert "nothing reads GREEKSTREAM_ENGIN_RATES; did you mean GREEKSTREAM_ENGINE_RATES?" in done.stderr
    assert catalogue.at_start()["unknown_variables"] == {"GREEKSTREAM_ENGIN_RATES": "GREEKSTREAM_ENGINE_RATES"}


def test_settings_says_all_that_commands_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREEKSTREAM_ENGINE_ENGINE", "qcm")
    monkeypatch.setenv("GREEKSTREAM_WORKER_MAX_ROW", "1")
    done = CliRunner().invoke(main, ["settings"])
    assert done.exit_code == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["problem", "problem"]
    assert "want one of closed_form, european, qmc" in done.stderr and "GREEKSTREAM_WORKER_MAX_ROWS?" in done.stderr


def test_names_without_importing_are_the_fields() -> None:
    for section, (module, cls) in SECTIONS.items():
        assert list(catalogue.names(section)) == [field.name for field in catalogue.fields(module, cls)]


@pytest.mark.parametrize(("module", "cls"), CLASSES)
def test_every_setting_has_a_default_a_unit_and_a_reason(module: str, cls: str) -> None:
    catalogue.class_of(module, cls)()  # every field has a default, and they agree with each other
    for field in catalogue.fields(module, cls):
        assert len(field.reason) > 10, f"{cls}.{field.name}: say why, under the field"
        if field.type in ("whole number", "number"):
            assert field.unit, f"{cls}.{field.name}: a unit in the name, or in the annotation"


def test_the_page_is_what_the_code_says() -> None:
    expected = CliRunner().invoke(main, ["settings", "--markdown"]).output
    assert (ROOT / "docs" / "settings.md").read_text() == expected, "greekstream settings --markdown > docs/settings.md"
    for section in SECTIONS:
        for name in catalogue.names(section):
            assert f"| `{name}` | `{settings_module.variables(section, name)[0]}`" in expected


def test_the_file_that_the_page_shows_can_be_read(config: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", page.HEAD, re.DOTALL)
    environ = given(config, text)
    assert set(tomllib.loads(text)) == {"kafka_bootstrap", "ingest", "engine"}
    assert load(EngineSettings, "ENGINE", environ).rates == ("BTC=0.02", "BTC-27MAR27=0.035")
    assert load(IngestSettings, "INGEST", environ).max_expiry_days == 120.0


def test_the_session_takes_its_manners_from_their_own_section() -> None:
    manners = load(
        SessionSettings, "DERIBIT", {"GREEKSTREAM_DERIBIT_SILENCE_S": "31", "GREEKSTREAM_DERIBIT_CURRENCIES": "BTC"}
    )
    session = IngestSettings(currencies=("ETH",)).session(manners)
    assert (session.silence_s, session.currencies) == (31.0, ("ETH",))


def test_the_hash_changes_with_every_value() -> None:
    hashes = {settings_hash(Example()), settings_hash(Example(limit=4)), settings_hash(Example(is_on=True))}
    assert len(hashes) == 3


@pytest.fixture
def logs_put_back() -> Iterator[None]:
    """Commands configure logging for their process; here that is the tests' own."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.mark.usefixtures("logs_put_back")
@pytest.mark.parametrize(
    ("words", "then", "section", "field"),
    [
        (["ingest", "--currencies", "BTC"], "streams.ingest.shell.run", "ingest", ("currencies", ["BTC"])),
        (["worker", "--id", "3"], "streams.worker.app.run", "worker", ("worker_id", 3)),
        (["worker", "--id", "3"], "streams.worker.app.run", "engine", ("rate", 0.0)),
        (["up", "--workers", "2-3"], "streams.cli.up._warm_up", "up", ("workers", [2, 3])),
        (["simulate", "--seed", "5"], "streams.simulator.run.simulate", "simulate", ("seed", 5)),
    ],
)
def test_long_running_commands_say_their_settings_once_in_one_line(
    monkeypatch: pytest.MonkeyPatch, words: list[str], then: str, section: str, field: tuple[str, object]
) -> None:
    async def simulate(*_: object, on_listening: Callable[[dict[str, str]], None]) -> dict[str, str]:
        on_listening({"url": "ws://x"})
        return {}

    def ended(*_: object, **__: object) -> None:
        raise click.ClickException("far enough")

    monkeypatch.setattr(then, simulate if section == "simulate" else ended)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:9")
    monkeypatch.setenv("DERIBIT_CLIENT_SECRET", "hush")
    done = CliRunner().invoke(main, words)
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    (line,) = [one for one in said if one["event"] == "settings"]
    assert line[section][field[0]] == field[1]
    assert line["common"]["kafka_bootstrap"] == "127.0.0.1:9"
    assert "hush" not in done.output


def test_lists_of_numbers_come_from_environment_and_file(config: Path) -> None:
    given_text = load(FlowSettings, "FLOW", {"GREEKSTREAM_FLOW_LADDER_HOURS": "0, 1.5,24"})
    assert given_text.ladder_hours == (0.0, 1.5, 24.0)
    in_file = load(FlowSettings, "FLOW", given(config, "[flow]\nladder_spot_pct = [1, 2.5]\n"))
    assert in_file.ladder_spot_pct == (1.0, 2.5)
    with pytest.raises(SettingsError, match="LADDER_HOURS"):
        load(FlowSettings, "FLOW", {"GREEKSTREAM_FLOW_LADDER_HOURS": "0,many"})
    with pytest.raises(SettingsError, match="ladder_spot_pct"):
        load(FlowSettings, "FLOW", given(config, '[flow]\nladder_spot_pct = ["1"]\n'))


def test_a_table_of_the_model_is_no_setting() -> None:
    assert "weights" not in resolve(SideSettings, "DEALER", {})
    with pytest.raises(SettingsError, match="DEALER_WEIGHTS is no setting"):
        load(SideSettings, "DEALER", {"GREEKSTREAM_DEALER_WEIGHTS": "1"})
