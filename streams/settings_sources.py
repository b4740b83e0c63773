"""What stands in the environment and in the settings file, as values of a field's type; errors are one line that says what
would be right."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LARGEST_FILE = 1 << 20
"""Bytes: a settings file is a page of text; more is some other file."""
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_WANTED = {
    bool: "true or false",
    int: "a whole number, such as 512",
    float: "a number, such as 2.5",
    str: 'text in quotes, such as "qmc"',
    Path: 'a path in quotes, such as ".state"',
    tuple[str, ...]: 'a list of texts, such as ["BTC", "ETH"]',
    tuple[float, ...]: "a list of numbers, such as [0.5, 1, 2]",
}
"""Types of fields, and what to write in the file for them."""


class SettingsError(ValueError):
    """A setting cannot be read; the message names it and says what would be right."""


def did_you_mean(name: str, known: Iterable[str], stem: str = "") -> str:
    """The known name nearest to this one, or all of them where none is near; ``stem`` stands before each."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {stem}{near[0]}?" if near else f"known are: {', '.join(stem + one for one in names)}"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("want a finite number")
    return value


def from_text(text: str, kind: Any, name: str) -> Any:
    """A variable's text as a value of this type."""
    try:
        if kind is bool:
            lowered = text.strip().lower()
            if lowered in _TRUE | _FALSE:
                return lowered in _TRUE
            raise ValueError("want true or false")
        if kind is float:
            return _finite(float(text))
        if kind in (int, str, Path):
            return kind(text)
        if kind == tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if kind == tuple[float, ...]:
            return tuple(_finite(float(part)) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} cannot be read as {getattr(kind, '__name__', kind)}: {error}") from error
    raise SettingsError(f"{name}: a setting of type {kind} cannot come from the environment")


def from_toml(value: Any, kind: Any, name: str) -> Any:
    """A value of the file as one of this type."""
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if kind == tuple[str, ...] and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    if kind == tuple[float, ...] and isinstance(value, list):
        return tuple(from_toml(part, float, name) for part in value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind in (bool, int, str) and type(value) is kind:
        return value
    raise SettingsError(f"{name} = {value!r}: want {_WANTED.get(kind, kind)}")


def read_file(path: Path, tables: Iterable[str], keys: Iterable[str]) -> dict[str, Any]:
    """The TOML file: these tables, and these keys above them; what stands in the tables is not looked at here."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SettingsError(f"{path}: more than {LARGEST_FILE} bytes; this is no settings file")
        whole = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"GREEKSTREAM_CONFIG={path}: {error.strerror}; name a file, or unset it") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{path}: not TOML: {error}") from error
    tables, keys = set(tables), set(keys)
    for name, value in whole.items():
        if name not in tables | keys:
            raise SettingsError(
                f"{path}: {name} is neither a table nor a key of it; {did_you_mean(name, tables | keys)}"
            )
        if (name in tables) != isinstance(value, dict):
            raise SettingsError(f"{path}: {name}: want {'a table, [' + name + ']' if name in tables else 'a value'}")
    return whole
