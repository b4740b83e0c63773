"""Settings: frozen dataclasses owned by their rooms, read once, by the shell that starts, from environment and file.

A field ``queue_high`` of the section ``ingest`` is the variable ``GREEKSTREAM_INGEST_QUEUE_HIGH``, or the key ``queue_high`` in
the table ``[ingest]`` of the TOML file that ``GREEKSTREAM_CONFIG`` names.  Command line first, then environment, then file, then
the field's default.  Nothing else in the project reads the environment, apart from the names in ``PLAIN``, which other
tools share.  Secrets come from the environment only and are masked wherever settings are shown.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints
from urllib.parse import urlsplit, urlunsplit

from streams.settings_sources import SettingsError, did_you_mean, from_text, from_toml, read_file

__all__ = [
    "CONFIG", "PLAIN", "PLAIN_NAMES", "SECRET_WORDS", "SECTIONS", "CommonSettings", "Setting", "SettingsError", "as_printable",
    "common", "is_secret", "kafka_bootstrap", "load", "resolve", "schema_registry_url", "settings_hash", "state_dir", "variables",
    "without_password",
]  # fmt: skip

T = TypeVar("T")

PREFIX = "GREEKSTREAM"
CONFIG = f"{PREFIX}_CONFIG"
PLAIN = {
    "kafka_bootstrap": "KAFKA_BOOTSTRAP",
    "schema_registry_url": "SCHEMA_REGISTRY_URL",
    "client_id": "DERIBIT_CLIENT_ID",
    "client_secret": "DERIBIT_CLIENT_SECRET",
}
"""Fields with a name that other tools know; it comes before one with our prefix."""
PLAIN_NAMES = tuple(PLAIN.values())
SECRET_WORDS = ("secret", "password", "token", "client_id")

SECTIONS = {
    "": ("streams.settings", "CommonSettings"),
    "broker": ("streams.broker", "BrokerSettings"),
    "ingest": ("streams.ingest.settings", "IngestSettings"),
    "deribit": ("streams.deribit.channels", "SessionSettings"),
    "worker": ("streams.worker.settings", "WorkerSettings"),
    "engine": ("streams.engine.settings", "EngineSettings"),
    "simulate": ("streams.simulator.settings", "SimulatorSettings"),
    "metrics": ("streams.metrics.settings", "MetricsSettings"),
    "supervisor": ("streams.supervisor.settings", "SupervisorSettings"),
    "cme": ("streams.cme_service.settings", "CmeSettings"),
    "merge": ("streams.cme_service.settings", "MergeSettings"),
    "history": ("streams.history.settings", "HistorySettings"),
    "marks": ("streams.cme.quotes", "MarkSettings"),
    "share": ("streams.cme.share", "ShareSettings"),
    "flow": ("streams.flow.settings", "FlowSettings"),
    "dealer": ("streams.flow.side.settings", "SideSettings"),
    "fold": ("streams.flow_service.settings", "FoldSettings"),
}
"""Section of the file: (module, class).  By name: who asks what settings there are need not import Numba for it."""


@dataclass(frozen=True, slots=True)
class CommonSettings:
    """What every command needs: which Kafka, which schema registry, where local files lie."""

    kafka_bootstrap: str = ""
    """Kafka to use, host:port; empty: the local broker, because the first run should need nothing."""
    schema_registry_url: str = ""
    """Schema registry whose ids stand before records; empty: none, the packaged schemas are all a reader needs."""
    state_dir: Path = Path(".state")
    """The local broker's jars and data, logs and caches of local runs; beside the project, so that `make clean` finds it."""


class Setting(NamedTuple):
    """A value in force, and where it is from: ``command``, ``environment``, ``file`` or ``default``."""

    value: Any
    source: str


def is_secret(name: str) -> bool:
    """Whether a field of this name is never shown nor read from a file."""
    return any(word in name for word in SECRET_WORDS)


def variables(section: str, name: str) -> tuple[str, ...]:
    """The environment's names of a field; the first that is set counts."""
    plain = (PLAIN[name],) if name in PLAIN else ()
    if not section:
        return plain or (f"{PREFIX}_{name.upper()}",)
    return (*plain, f"{PREFIX}_{section.upper()}_{name.upper()}")


def _kinds(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if is_setting(field)}


def is_setting(field: dataclasses.Field[Any]) -> bool:
    """Whether a field can be set from outside: a table of the model, marked so, is changed in the code alone."""
    return field.init and not field.metadata.get("in_code_only", False)


def _from_file(section: str, kinds: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Setting]:
    path = environ.get(CONFIG)
    if not path:
        return {}
    whole = read_file(Path(path), tables=[name for name in SECTIONS if name], keys=list(_kinds(CommonSettings)))
    given = {key: value for key, value in whole.items() if key in kinds} if not section else whole.get(section, {})
    where = f"{path}: [{section}] " if section else f"{path}: "
    for name in given:
        if name not in kinds:
            raise SettingsError(f"{where}{name} is no setting; {did_you_mean(name, kinds)}")
        if is_secret(name):
            raise SettingsError(
                f"{where}{name}: secrets come from the environment only; take it out and set {variables(section, name)[0]}"
            )
    return {name: Setting(from_toml(value, kinds[name], where + name), "file") for name, value in given.items()}


def _from_environment(section: str, kinds: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Setting]:
    found = {}
    for name, kind in kinds.items():
        for variable in variables(section, name):
            if environ.get(variable):  # an empty one is as good as none: so compose files pass what is not given
                found[name] = Setting(from_text(environ[variable], kind, variable), "environment")
                break
    return found


def _refuse_unknown(section: str, kinds: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    stem = f"{PREFIX}_{section.upper()}_"
    for variable in environ:
        name = variable.removeprefix(stem)
        if section and name != variable and name not in {known.upper() for known in kinds}:
            raise SettingsError(
                f"{variable} is no setting; {did_you_mean(name, (known.upper() for known in kinds), stem)}"
            )


def resolve(
    cls: type[Any], section: str, environ: Mapping[str, str] | None = None, **overrides: Any
) -> dict[str, Setting]:
    """Every field of a settings dataclass with its value and source; ``overrides`` that are None are not given.

    Errors: SettingsError for a value that cannot be read, or a name in environment or file that no field has.
    """
    environ = os.environ if environ is None else environ
    section = section.lower()
    kinds = _kinds(cls)
    _refuse_unknown(section, kinds, environ)
    found = {field.name: Setting(field.default, "default") for field in dataclasses.fields(cls) if is_setting(field)}
    found |= _from_file(section, kinds, environ) | _from_environment(section, kinds, environ)
    return found | {name: Setting(value, "command") for name, value in overrides.items() if value is not None}


def load(cls: type[T], section: str, environ: Mapping[str, str] | None = None, **overrides: Any) -> T:
    """Make a settings dataclass: defaults, then the file, then the environment, then overrides that are not None.

    Errors: SettingsError, of one line that says what would be right.
    """
    found = resolve(cls, section, environ, **overrides)
    try:
        return cls(**{name: setting.value for name, setting in found.items()})
    except ValueError as error:
        stem = "_".join(part for part in (PREFIX, section.upper()) if part)
        raise SettingsError(f"settings {stem}_*: {error}") from error


def without_password(url: str) -> str:
    """An address without the user and password that stand in it."""
    parts = urlsplit(url) if "://" in url and "@" in url else None
    return url if parts is None else urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def printable(name: str, value: Any) -> Any:
    """A value as it may be shown: secrets and passwords in addresses masked, paths as text."""
    if is_secret(name):
        return "***" if value else value
    if isinstance(value, Path):
        return "" if value == Path() else str(value)
    return without_password(value) if isinstance(value, str) else value


def as_printable(settings: Any) -> dict[str, Any]:
    """The settings as a plain dict with secrets masked, for the line printed at start."""
    return {key: printable(key, value) for key, value in dataclasses.asdict(settings).items()}


def settings_hash(*settings: Any) -> str:
    """Sixteen hex digits that change when any value of these settings changes (carried by every Watermark)."""
    text = json.dumps([as_printable(item) for item in settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def common(environ: Mapping[str, str] | None = None) -> CommonSettings:
    """Which Kafka, schema registry and state folder; the folder absolute."""
    found = load(CommonSettings, "", environ)
    return dataclasses.replace(found, state_dir=found.state_dir.absolute())


def kafka_bootstrap(environ: Mapping[str, str] | None = None) -> str | None:
    """KAFKA_BOOTSTRAP, or None when the local broker is to be used."""
    return common(environ).kafka_bootstrap or None


def schema_registry_url(environ: Mapping[str, str] | None = None) -> str:
    """SCHEMA_REGISTRY_URL; empty where no schema registry is used."""
    return common(environ).schema_registry_url


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the local broker's jars and data, and logs of local runs, live: GREEKSTREAM_STATE_DIR or ./.state."""
    return common(environ).state_dir
