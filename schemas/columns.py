"""What a writer of many rows at once needs to know of a record's Avro body: the kind of each field, and heads encoded once.

The columns themselves are the writer's: this room knows no arrays.  ``codec.encode`` of the same record stays the reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import Any

from schemas.catalogue import SCHEMA_TEXT
from schemas.codec import CLASSES
from schemas.compiled import Compiler


class Column(Enum):
    """How a field stands in the body."""

    TEXT = "length and UTF-8"
    LONG = "zigzag varint: int, long, and an enum by its place among the symbols"
    NULLABLE_LONG = "branch 0, or 1 and a LONG"
    FLAG = "a byte"
    DOUBLE = "eight bytes, little-endian"
    NULLABLE_DOUBLE = "branch 0, or 1 and a DOUBLE"


_PLAIN = {
    "string": Column.TEXT,
    "long": Column.LONG,
    "int": Column.LONG,
    "boolean": Column.FLAG,
    "double": Column.DOUBLE,
}
_NULLABLE = {"long": Column.NULLABLE_LONG, "int": Column.NULLABLE_LONG, "double": Column.NULLABLE_DOUBLE}


def columns_of(record_type: type[Any], n_head: int) -> dict[str, Column]:
    """Kind of every field after the first ``n_head``, in the order of the body.  ValueError for one that is no column."""
    found: dict[str, Column] = {}
    enums: set[str] = set()
    for field in json.loads(SCHEMA_TEXT[record_type])["fields"][n_head:]:
        schema = field["type"]
        if isinstance(schema, dict) and schema["type"] == "enum":
            enums.add(f"{schema['namespace']}.{schema['name']}")
            found[field["name"]] = Column.LONG
        elif isinstance(schema, str) and schema in enums:
            found[field["name"]] = Column.LONG
        elif isinstance(schema, str) and schema in _PLAIN:
            found[field["name"]] = _PLAIN[schema]
        elif isinstance(schema, list) and schema[1:] and str(schema[1]) in _NULLABLE:
            found[field["name"]] = _NULLABLE[str(schema[1])]
        else:
            raise ValueError(f"{record_type.__name__}.{field['name']} is no column: {schema}")
    return found


def head_encoder(record_type: type[Any], head_type: type[Any]) -> Callable[[Any], bytes]:
    """Encoder of a record's first fields, those that ``head_type``, a NamedTuple, has: body bytes without a frame.

    Errors of the encoder: those of ``compiled.FAILURES``.
    """
    schema = json.loads(SCHEMA_TEXT[record_type])
    fields = schema["fields"][: len(head_type._fields)]
    names = tuple(field["name"] for field in fields)
    if names != head_type._fields:
        raise ValueError(f"{record_type.__name__} begins with {names}, not with {head_type._fields}")
    return Compiler({**CLASSES, schema["name"]: head_type}, schema | {"fields": fields}).encoder()
