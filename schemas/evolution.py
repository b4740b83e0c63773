"""Reading what another version of a schema has written."""

from __future__ import annotations

import io
import json
import math
from enum import IntEnum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import fastavro
from fastavro.schema import SchemaParseException

from schemas.catalogue import SCHEMA_TEXT, TYPE_BY_NAME
from schemas.varints import Decoder

Hint = Any


class Unreadable(Exception):
    """A writer's schema that cannot become any record of ours; codec.py names the key it was found under."""


@cache
def _hints(record_type: type[Any]) -> dict[str, Hint]:
    return get_type_hints(record_type)


@lru_cache(maxsize=512)
def reader_of(writer_text: str) -> Decoder:
    """Decoder for bodies that were written with this schema; it raises ValueError only."""
    try:
        written = json.loads(writer_text)
        writer: Any = fastavro.parse_schema(written)
        name = str(writer["name"])
    except (SchemaParseException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"not an Avro record schema ({error})") from error
    record_type = TYPE_BY_NAME.get(name)
    if record_type is None:
        raise Unreadable(f"record {name} is not known here")
    _require_sized_items(writer, {})
    reader = fastavro.parse_schema(json.loads(SCHEMA_TEXT[record_type]))

    def body(data: bytes, at: int) -> tuple[Any, int]:
        stream = io.BytesIO(data)
        stream.seek(at)
        try:
            found = fastavro.schemaless_reader(stream, writer, reader)
            return _from_plain(found, record_type), stream.tell()
        # Under a foreign schema fastavro raises what it likes (EOFError, its own, decimal's): all mean these bytes.
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    return body


def _from_plain(value: Any, hint: Hint) -> Any:
    """fastavro's dicts, lists and symbols as our records, tuples and enum members."""
    origin: Any = get_origin(hint)
    if origin is UnionType:
        return None if value is None else _from_plain(value, next(h for h in get_args(hint) if h is not NoneType))
    if origin is tuple:
        return tuple(_from_plain(item, get_args(hint)[0]) for item in value)
    if origin is dict:
        return {key: _from_plain(item, get_args(hint)[1]) for key, item in value.items()}
    if hint is float:
        if not math.isfinite(value):
            raise ValueError(f"a number is {value}")
        return float(value)
    if issubclass(hint, IntEnum):
        return hint[value]
    if hasattr(hint, "_fields"):
        return hint._make(_from_plain(value[name], kind) for name, kind in _hints(hint).items())
    return value


def to_plain(value: Any) -> Any:
    """A record as dicts, lists and symbols: what fastavro writes, and what JSON shows."""
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is None:
            return [to_plain(item) for item in value]
        return {name: to_plain(item) for name, item in zip(fields, value, strict=True)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def _require_sized_items(schema: Any, named: dict[str, Any]) -> None:
    """Refuse arrays of items that take no bytes: a false count would then not end at the end of the data.

    named : schemas by full name met so far; a name that stands for one of them takes its place.
    """
    if isinstance(schema, list):
        for branch in schema:
            _require_sized_items(branch, named)
    elif isinstance(schema, dict):
        if "name" in schema:
            named[schema["name"]] = schema
        if schema["type"] == "array" and _may_be_empty(schema["items"], named):
            raise Unreadable("it has an array whose items may take no bytes")
        for field in schema.get("fields", ()):
            _require_sized_items(field["type"], named)
        for key in ("items", "values"):
            if key in schema:
                _require_sized_items(schema[key], named)


def _may_be_empty(schema: Any, named: dict[str, Any]) -> bool:
    """Whether a value may take no bytes.  A record inside itself cannot be empty alone, so the recursion may say yes."""
    if isinstance(schema, str):
        schema = named.get(schema, schema)
    if isinstance(schema, dict):
        if schema["type"] == "record":
            inner = {name: kind for name, kind in named.items() if kind is not schema}
            return all(_may_be_empty(field["type"], inner) for field in schema["fields"])
        return bool(schema["type"] == "null" or (schema["type"] == "fixed" and schema["size"] == 0))
    return bool(schema == "null" or (isinstance(schema, str) and "." in schema))
