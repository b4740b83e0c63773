"""Settings for people: docs/settings.md, and what ``greekstream settings`` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streams.settings import CONFIG, SECTIONS, Setting, is_secret, printable, variables
from streams.settings_catalogue import FIXED, Field, fields

TITLES = {
    "": "Kafka, schema registry, local files",
    "broker": "The local Apache Kafka",
    "ingest": "Ingest",
    "deribit": "Manners towards the venue",
    "worker": "Workers",
    "engine": "The engine: every threshold that can change a result",
    "simulate": "The simulated venue",
    "metrics": "Metrics, health and readiness",
    "supervisor": "The supervisor",
    "cme": "CME's files",
    "merge": "CME's exposure beside Deribit's",
    "history": "History",
    "marks": "CME's marks: what decides them, beside the files",
    "share": "CME's share of futures open interest",
    "flow": "Dealer flow: every threshold of exposures, flips, ladder and labels",
    "dealer": "Dealer flow: whose side the dealers are on",
    "fold": "Dealer flow: the service",
}
NOTES = {
    "": "Above the tables of the file; the variables have no section in their names.",
    "broker": "Not read where `KAFKA_BOOTSTRAP` is set.",
    "ingest": "Options of `greekstream ingest` come first.",
    "deribit": "Of the command that records; ingest takes from here what its own section does not say.",
    "worker": "Nothing here changes a byte of a result. `greekstream up` passes its environment on to its workers.",
    "engine": "A change of any of these opens the next epoch of every partition, and stands in every `Watermark` as `settings_hash`.",
    "simulate": "Options of `greekstream simulate` come first.",
    "metrics": "Of each long-running process; `docs/operations.md` says what is served.",
    "supervisor": "Of `greekstream up`, beside its options.",
    "cme": "Of `greekstream cme`, beside its options.",
    "merge": "Of `greekstream merge`, beside its options.",
    "history": "Of `greekstream history` and its commands, beside their options.",
    "marks": "Of `greekstream cme`. A change of any of these makes another batch of the same files.",
    "share": "Of `greekstream merge`, which watches it.",
    "flow": "A change of any of these stands in every record of `flow.v1` as `settings_hash`, and opens the service's next epoch.",
    "dealer": "As the section before. The weights of the classes of trades are a table in `streams/flow/side/weights.py`.",
    "fold": "Options of `greekstream flow-service` come first. Nothing here changes a byte of a record but what a cold start has seen.",
}
HEAD = f"""# Settings

Made from the code by `greekstream settings --markdown`; a test keeps it so. `greekstream settings` shows what is in force, and from where.

A setting is a field of one section. It is taken from the first of these that has it: the command line's option, the environment,
the file that `{CONFIG}` names (or the option `--config` before the command), its default. An empty variable counts as not set.

```toml
# greekstream.toml
kafka_bootstrap = "127.0.0.1:9092"

[ingest]
currencies = ["BTC", "ETH", "USDC"]
max_expiry_days = 120

[engine]
engine = "closed_form"
rates = ["BTC=0.02", "BTC-27MAR27=0.035"]
```

In the environment a list is written with commas: `GREEKSTREAM_INGEST_CURRENCIES=BTC,ETH,USDC`. A name that no section has, or a value
of another type, is one line on stderr and exit status 1 before anything starts; a variable of an unknown section is a warning, in
`greekstream settings` and in the line `settings` that ingest, `up`, workers and the simulator log once when they start. **Secrets**
(`DERIBIT_CLIENT_ID`, `DERIBIT_CLIENT_SECRET`) come from the environment only; a file that holds one is refused. They are masked
wherever settings are shown, and so is a password in an address.
"""


def as_toml(value: Any) -> str:
    """A value as the file has it."""
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, Path):
        return json.dumps(printable("", value))
    return json.dumps(value)


def _row(section: str | None, field: Field) -> str:
    where = "" if section is None else " ".join(f"`{name}`" for name in variables(section, field.name)) + " | "
    default = as_toml(field.default)
    unit = f"{field.type}, {field.unit}" if field.unit else field.type
    reason = field.reason.replace("|", "\\|").replace("``", "`")
    return f"| `{field.name}` | {where}`{default}` | {unit} | {reason} |"


def _table(section: str | None, module: str, cls: str) -> list[str]:
    variable, rule = ("variable | ", "---|") if section is not None else ("", "")
    lines = [f"| field | {variable}default | type, unit | what and why |", f"|---|{rule}---|---|---|"]
    return [*lines, *(_row(section, field) for field in fields(module, cls))]


def markdown() -> str:
    """docs/settings.md."""
    lines = [HEAD]
    for section, (module, cls) in SECTIONS.items():
        name = f"`[{section}]`: " if section else ""
        lines += [f"## {name}{TITLES[section]}", "", NOTES[section], "", *_table(section, module, cls), ""]
    lines += [
        "## Fixed in the code",
        "",
        "Numbers that the rules of the log and the peers rely on. They are not settings.",
        "",
    ]
    for title, (module, cls) in FIXED.items():
        lines += [f"### {title[0].upper()}{title[1:]}", "", *_table(None, module, cls), ""]
    return "\n".join(lines)


def shown(section: str, found: dict[str, Setting]) -> str:
    """A section in force, in the form of the file; what is a secret, or has no place there, stands behind a ``#``."""
    lines = [f"[{section}]"] if section else []
    for name, (value, source) in found.items():
        text = f"{name} = {as_toml(printable(name, value))}"
        is_note = is_secret(name) or source == "default"
        lines.append(f"{'# ' if is_note else ''}{text:{44 if is_note else 46}} # {source}")
    return "\n".join(lines)


def as_plain(found: dict[str, dict[str, Setting]]) -> dict[str, Any]:
    """All sections in force, for JSON: {section: {field: {value, source}}}, the common one under ``common``."""
    return {
        section or "common": {
            name: {"value": printable(name, value), "source": source} for name, (value, source) in one.items()
        }
        for section, one in found.items()
    }
