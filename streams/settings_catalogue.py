"""Every setting there is: section, name, variable, type, unit, default and reason, from the dataclasses that own them.

The reason is the text that stands under the field in the source; the unit is in the field's name, or in its annotation.
What only needs the names (a misspelt variable) reads the sources and imports none of them.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from streams.settings import (
    CONFIG,
    PLAIN_NAMES,
    PREFIX,
    SECTIONS,
    Setting,
    SettingsError,
    as_printable,
    common,
    is_setting,
    load,
    resolve,
    variables,
)  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent
UNITS = {
    "ms": "ms", "s": "s", "minutes": "min", "days": "days", "ns": "ns UTC", "mb": "MiB", "bytes": "bytes", "pct": "per cent",
    "ratio": "fraction",
}  # fmt: skip
"""By the last word of a field's name."""
TYPES = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    tuple[str, ...]: "list",
    tuple[float, ...]: "list of numbers",
}
ELSEWHERE = {f"{PREFIX}_NAMESPACE": "docker-compose.yml", f"{PREFIX}_SHARED": "tests", CONFIG: "the file of settings"}
"""Names with our prefix that are no field of a section, and whose they are."""
FIXED = {
    "rules of the log": ("streams.ingest.core.messages", "CoreSettings"),
    "the venue's socket": ("streams.deribit.client", "ClientSettings"),
    "limits of the simulated venue": ("streams.simulator.server", "ServerSettings"),
}
"""Numbers with names and reasons that are changed in the code only: others rely on them."""


class Field(NamedTuple):
    """One field as its class declares it.  ``unit`` is empty where the value is no number."""

    name: str
    type: str
    unit: str
    default: Any
    reason: str


def _class_node(module: str, cls: str) -> ast.ClassDef:
    path = ROOT / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls)


def _reasons(module: str, cls: str) -> dict[str, str]:
    """{field: the text under it}, in order; empty text where there is none."""
    found, last = {}, ""
    for node in _class_node(module, cls).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = "" if _is_in_code_only(node) else node.target.id
            if last:
                found[last] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last and not found[last]:
            found[last] = " ".join(str(node.value.value).split())
        else:
            last = ""
    return found


@cache
def names(section: str) -> tuple[str, ...]:
    """The fields of a section, without importing it."""
    return tuple(_reasons(*SECTIONS[section]))


def _is_in_code_only(node: ast.AnnAssign) -> bool:
    """As ``streams.settings.is_setting`` has it of the field, once it is imported."""
    return isinstance(node.value, ast.Call) and "in_code_only" in ast.unparse(node.value)


def class_of(module: str, cls: str) -> type[Any]:
    found: type[Any] = getattr(importlib.import_module(module), cls)
    return found


def fields(module: str, cls: str) -> list[Field]:
    """The fields of a settings class, with all that a page says of them."""
    kind = class_of(module, cls)
    hints, reasons = get_type_hints(kind, include_extras=True), _reasons(module, cls)
    found = []
    for item in filter(is_setting, dataclasses.fields(kind)):
        hint, unit = hints[item.name], UNITS.get(item.name.rpartition("_")[2], "")
        if get_origin(hint) is Annotated:
            hint, unit = get_args(hint)[:2]
        if hint is int and not unit and item.name.startswith("n_"):
            unit = "count"
        found.append(Field(item.name, TYPES[hint], unit, item.default, reasons[item.name]))
    return found


def in_force(section: str, environ: Mapping[str, str] | None = None) -> dict[str, Setting]:
    """Every field of a section with value and source; SettingsError where the command that reads it would stop too."""
    kind = class_of(*SECTIONS[section])
    found = resolve(kind, section, environ)
    load(kind, section, environ)
    return found


def examine(environ: Mapping[str, str] | None = None) -> tuple[dict[str, dict[str, Setting]], list[str]]:
    """Every section that can be read, in force; and one line for each that cannot."""
    found, faults = {}, []
    for section in SECTIONS:
        try:
            found[section] = in_force(section, environ)
        except SettingsError as error:
            faults.append(str(error))
    return found, sorted(set(faults))


def unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Variables with our prefix that nothing reads, each with the nearest name that something does read, or None."""
    environ = os.environ if environ is None else environ
    known = {name for section in SECTIONS for field in names(section) for name in variables(section, field)}
    known |= set(PLAIN_NAMES) | set(ELSEWHERE)
    unknown = sorted(name for name in environ if name.startswith(f"{PREFIX}_") and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, n=1)), None) for name in unknown}


def at_start(**sections: Any) -> dict[str, Any]:
    """What a process says once, when it starts: its settings as they are in force, secrets masked, and what nothing reads."""
    facts: dict[str, Any] = {"config": os.environ.get(CONFIG) or None, "common": as_printable(common())}
    facts |= {name: as_printable(item) if dataclasses.is_dataclass(item) else item for name, item in sections.items()}
    unknown = unknown_variables()
    return facts | ({"unknown_variables": unknown} if unknown else {})
