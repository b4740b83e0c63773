"""Settings: frozen dataclasses owned by their rooms, read once from the environment by the shell that starts.

A field ``queue_limit`` of a dataclass loaded with prefix ``INGEST`` is read from ``GREEKSTREAM_INGEST_QUEUE_LIMIT``.
Nothing else in the project reads the environment, apart from the names in ``PLAIN_NAMES``, which other tools share.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")

PREFIX = "GREEKSTREAM"
PLAIN_NAMES = ("KAFKA_BOOTSTRAP", "SCHEMA_REGISTRY_URL", "DERIBIT_CLIENT_ID", "DERIBIT_CLIENT_SECRET")
SECRET_WORDS = ("secret", "password", "token", "client_id")
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


class SettingsError(ValueError):
    """A setting in the environment cannot be read; the message names it and says what would be right."""


def _parse(text: str, kind: Any, name: str) -> Any:
    try:
        if kind is bool:
            lowered = text.strip().lower()
            if lowered in _TRUE | _FALSE:
                return lowered in _TRUE
            raise ValueError("want true or false")
        if kind in (int, float, str):
            return kind(text)
        if kind is Path:
            return Path(text)
        if kind == tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} cannot be read as {getattr(kind, '__name__', kind)}: {error}") from error
    raise SettingsError(f"{name}: a setting of type {kind} cannot come from the environment")


def load(cls: type[T], prefix: str, environ: Mapping[str, str] | None = None, **overrides: Any) -> T:
    """Make a settings dataclass: field defaults, then the environment, then overrides that are not None.

    Errors: SettingsError for a value that cannot be read, or for a GREEKSTREAM_<prefix>_ name that no field has.
    """
    environ = os.environ if environ is None else environ
    stem = f"{PREFIX}_{prefix}_" if prefix else f"{PREFIX}_"
    hints = get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    known = {stem + name.upper(): name for name in fields}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if name in known:
            values[known[name]] = _parse(text, fields[known[name]], name)
        elif prefix and name.startswith(stem):
            raise SettingsError(f"{name} is no setting; known are: {', '.join(sorted(known))}")
    values.update({key: value for key, value in overrides.items() if value is not None})
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError(f"settings {stem}*: {error}") from error


def as_printable(settings: Any) -> dict[str, Any]:
    """The settings as a plain dict with secrets masked, for the line printed at start."""
    printable = {}
    for key, value in dataclasses.asdict(settings).items():
        hidden = any(word in key for word in SECRET_WORDS)
        printable[key] = ("***" if value else value) if hidden else (str(value) if isinstance(value, Path) else value)
    return printable


def settings_hash(*settings: Any) -> str:
    """Sixteen hex digits that change when any value of these settings changes (carried by every Watermark)."""
    text = json.dumps([as_printable(item) for item in settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kafka_bootstrap(environ: Mapping[str, str] | None = None) -> str | None:
    """KAFKA_BOOTSTRAP, or None when the local broker is to be used."""
    return (os.environ if environ is None else environ).get("KAFKA_BOOTSTRAP") or None


def schema_registry_url(environ: Mapping[str, str] | None = None) -> str:
    """SCHEMA_REGISTRY_URL; empty where no schema registry is used."""
    return (os.environ if environ is None else environ).get("SCHEMA_REGISTRY_URL") or ""


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the local broker's jars and data, and logs of local runs, live: GREEKSTREAM_STATE_DIR or ./.state."""
    return Path((os.environ if environ is None else environ).get("GREEKSTREAM_STATE_DIR") or ".state").absolute()
