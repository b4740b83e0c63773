"""Which field of a record may not be written, and why: asked once encoding has failed, so it may take its time."""

from __future__ import annotations

import math
from types import NoneType
from typing import Any, get_args, get_type_hints

LOW = {"int": -(2**31), "long": -(2**63)}
HIGH = {"int": 2**31 - 1, "long": 2**63 - 1}
WANTED: dict[str, Any] = {"int": int, "long": int, "double": float, "string": str, "bytes": bytes, "boolean": bool}


def misfit(record: Any, schema: dict[str, Any]) -> str | None:
    """The first field of a record whose value may not be written, with what is wrong; None: none found.

    schema : the record's .avsc.
    """
    return _misfit(record, type(record), schema, "")


def _misfit(value: Any, hint: Any, schema: Any, place: str) -> str | None:
    if isinstance(schema, list):
        inner = next(part for part in get_args(hint) if part is not NoneType)
        return None if value is None else _misfit(value, inner, schema[1], place)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        if not isinstance(value, hint):
            return f"{place} is {value!r:.100}, want {hint.__name__}"
        hints = get_type_hints(hint)
        found = (
            _misfit(getattr(value, field["name"]), hints[field["name"]], field["type"], f"{place}.{field['name']}")
            for field in schema["fields"]
        )
    elif kind == "array" and isinstance(value, tuple | list):
        item = get_args(hint)[0]
        found = (_misfit(one, item, schema["items"], f"{place}[{i}]") for i, one in enumerate(value))
    elif kind == "map" and isinstance(value, dict):
        item = get_args(hint)[1]
        found = (_misfit(one, item, schema["values"], f"{place}[{key!r}]") for key, one in value.items())
    else:
        return _leaf_misfit(value, hint, kind, place)
    return next((text for text in found if text), None)


def _leaf_misfit(value: Any, hint: Any, kind: str, place: str) -> str | None:
    if kind == "double":
        fits = isinstance(value, int | float) and math.isfinite(value)
        return None if fits else f"{place} is {value!r:.100}, want a finite number"
    if kind in LOW and isinstance(value, int) and not LOW[kind] <= value <= HIGH[kind]:
        return f"{place} is {value}, which does not fit {'32' if kind == 'int' else '64'} bits"
    # Everything else but the arrays and maps of a wrong type is an enum, inline or by name: then the hint is its class.
    wanted = {"array": tuple, "map": dict}.get(kind) or WANTED.get(kind, hint)
    return None if isinstance(value, wanted) else f"{place} is {value!r:.100}, want {wanted.__name__}"
