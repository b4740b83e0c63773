"""Records to bytes and back: Avro single-object frames, and Confluent's where a registry has given ids.

    C3 01 | 8-byte CRC-64-AVRO fingerprint, little-endian | body         single object
    00    | 4-byte registry id, big-endian                | body         Confluent

A frame of another version of a schema is read with fastavro's resolution: fields that it lacks take the present schema's
default, fields that it has more are dropped, an enum symbol unknown here becomes UNKNOWN.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from schemas import enums
from schemas.catalogue import (
    FINGERPRINT,
    RECORD_TYPES,
    ROOMS,
    SCHEMA_TEXT,
    TEXT_BY_FINGERPRINT,
    Resolve,
    full_name,
    packaged,
)
from schemas.compiled import FAILURES, Compiler
from schemas.errors import DecodeError, EncodeError, UnknownSchema
from schemas.evolution import Unreadable, reader_of
from schemas.misfits import misfit
from schemas.varints import Decoder

MAX_BYTES = 1 << 20
"""Longest frame that is written or read: Kafka's own limit, and twice the largest checkpoint."""

SINGLE_OBJECT_MARK = b"\xc3\x01"
CONFLUENT_MARK = b"\x00"
_SINGLE_OBJECT_HEAD, _CONFLUENT_HEAD = 10, 5

Framing = Mapping[type[Any], bytes]
"""What stands before the body, by record type."""

SINGLE_OBJECT: Framing = MappingProxyType({cls: SINGLE_OBJECT_MARK + FINGERPRINT[cls] for cls in RECORD_TYPES})


def confluent_framing(id_by_type: Mapping[type[Any], int]) -> Framing:
    """Framing with the ids that a registry has given to the packaged schemas."""
    return MappingProxyType({cls: CONFLUENT_MARK + number.to_bytes(4, "big") for cls, number in id_by_type.items()})


CLASSES: dict[str, type[Any]] = {
    name: thing for room in (enums, *ROOMS) for name, thing in vars(room).items() if isinstance(thing, type)
}
"""Class of every record and enum by its name in the .avsc."""
_TYPE_BY_TEXT: dict[str, Any] = {SCHEMA_TEXT[cls]: cls for cls in RECORD_TYPES}


# Each is made when it is first asked for: no process needs all, and all take 0.1 s.
@cache
def _encoder(cls: type[Any]) -> Callable[[Any], bytes]:
    return _compiler(cls).encoder()


@cache
def _decoder(cls: type[Any]) -> Decoder:
    return _compiler(cls).decoder()


def _compiler(cls: type[Any]) -> Compiler:
    return Compiler(CLASSES, json.loads(SCHEMA_TEXT[cls]))


_BY_FINGERPRINT: dict[bytes, Decoder] = {}
"""Those of packaged schemas that have been met."""


def encode(record: Any, framing: Framing = SINGLE_OBJECT) -> bytes:
    """Frame and body of one record.

    Errors: EncodeError, naming record, field and value, for NaN, infinity, a value of another type, more than MAX_BYTES, or
    a type of record that ``framing`` does not have.
    """
    kind = record.__class__
    try:
        data = framing[kind] + _encoder(kind)(record)
    except FAILURES as error:
        raise _encode_error(record, framing, error) from error
    if len(data) > MAX_BYTES:
        raise EncodeError(f"{kind.__name__} of {len(data)} bytes; the limit is {MAX_BYTES}")
    return data


def _encode_error(record: Any, framing: Framing, error: Exception) -> EncodeError:
    kind = record.__class__
    if kind not in FINGERPRINT:
        return EncodeError(f"{kind.__name__} is no record that crosses a topic")
    if kind not in framing:
        return EncodeError(f"the framing has no entry for {full_name(kind)}: its schema is not registered")
    return EncodeError(f"{kind.__name__}{misfit(record, json.loads(SCHEMA_TEXT[kind])) or f': {error}'}")


def decode(data: bytes, resolve: Resolve = packaged) -> Any:
    """The record in a frame.

    resolve : fingerprint (8 bytes) or registry id (int) -> text of the writer's schema; asked only for what is not packaged.
    Errors: DecodeError for bytes that are no record, trailing bytes and more than MAX_BYTES included; UnknownSchema for a
    frame whose schema ``resolve`` does not know, or that can become no record of ours.
    """
    if len(data) > MAX_BYTES:
        raise DecodeError("too-long", f"{len(data)} bytes; the limit is {MAX_BYTES}")
    if data.__class__ is not bytes:
        data = bytes(data)
    if data[:2] == SINGLE_OBJECT_MARK and len(data) >= _SINGLE_OBJECT_HEAD:
        at = _SINGLE_OBJECT_HEAD
        body = _BY_FINGERPRINT.get(data[2:at]) or _packaged_body(data[2:at]) or _body_of(data[2:at], resolve)
    elif data[:1] == CONFLUENT_MARK and len(data) >= _CONFLUENT_HEAD:
        at = _CONFLUENT_HEAD
        body = _body_of(int.from_bytes(data[1:at], "big"), resolve)
    else:
        raise DecodeError("no-frame", f"{len(data)} bytes that start with {data[:12].hex() or 'nothing'}")
    try:
        record, end = body(data, at)
    except FAILURES as error:
        raise DecodeError("malformed", f"{type(error).__name__}: {error}") from error
    if end != len(data):
        raise DecodeError("trailing", f"the record ends at {end} of {len(data)} bytes")
    return record


def _packaged_body(key: bytes) -> Decoder | None:
    """Decoder of a packaged schema, present or past, made at its first frame."""
    text = TEXT_BY_FINGERPRINT.get(key)
    if text is None:
        return None
    body = _BY_FINGERPRINT[key] = _reader_of(text)
    return body


def _body_of(key: bytes | int, resolve: Resolve) -> Decoder:
    """Decoder for a schema that has to be asked for."""
    text = resolve(key)
    try:
        return _reader_of(text)
    except Unreadable as error:
        raise UnknownSchema(key, str(error)) from error


def _reader_of(text: str) -> Decoder:
    """Decoder of a writer's schema: our own where it is a present one, else by fastavro's resolution.  Errors: Unreadable."""
    cls = _TYPE_BY_TEXT.get(text)
    return reader_of(text) if cls is None else _decoder(cls)
