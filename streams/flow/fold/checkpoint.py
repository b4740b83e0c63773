"""The final state <-> bytes: a JSON head, the side state, the rows; compressed.  Equal states give equal bytes.

What is not final is not in it: the lanes are read again from where the final state stood.
"""

from __future__ import annotations

import zlib
from typing import Any

import orjson

import schemas
from schemas import Greeks
from streams.flow.normalised import PressureTables
from streams.flow.publish import FlowState
from streams.flow.settlements import Settlements
from streams.flow.side import BadState
from streams.flow.side import from_bytes as side_of
from streams.flow.side import to_bytes as side_bytes

from .lanes import Mark
from .plain import plain, typed
from .state import Context, Final

STATE_FORMAT = 3
READABLE = (2, STATE_FORMAT)
"""Format 2 knows no histories of the realised hedge pressure: they begin empty."""
LEVEL = 1
N_LENGTH = 8
MOST_BYTES = 1 << 28


class BadCheckpoint(ValueError):
    """Bytes that are no state of this format."""


def to_bytes(final: Final) -> bytes:
    """The state as bytes; rows by name, lanes by topic and partition."""
    rows = [schemas.encode(final.rows[name]) for name in sorted(final.rows)]
    side = side_bytes(final.side)
    head = {
        "format": STATE_FORMAT,
        "second_ns": final.second_ns,
        "began_ns": final.began_ns,
        "marks": [[*key, plain(final.marks[key])] for key in sorted(final.marks)],
        "flow": [[currency, plain(final.flow[currency])] for currency in sorted(final.flow)],
        "settlements": [[currency, plain(final.settlements[currency])] for currency in sorted(final.settlements)],
        "n_side": len(side),
        "n_rows": [len(row) for row in rows],
    }
    text = orjson.dumps(head)
    return zlib.compress(b"".join([len(text).to_bytes(N_LENGTH, "little"), text, side, *rows]), LEVEL)


def from_bytes(data: bytes, context: Context) -> Final:
    """The state of ``to_bytes``, under the same settings.  Errors: BadCheckpoint for bytes that are none."""
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(data, MOST_BYTES)
        if not unpacker.eof:
            raise ValueError("cut off, or too long")
        return _final(raw, context)
    except (zlib.error, orjson.JSONDecodeError, schemas.DecodeError, schemas.UnknownSchema, BadState, ValueError, KeyError,
            TypeError) as error:  # fmt: skip
        raise BadCheckpoint(f"{len(data)} bytes are no state of format {STATE_FORMAT}: {error}") from error


def _final(raw: bytes, context: Context) -> Final:
    at = N_LENGTH + int.from_bytes(raw[:N_LENGTH], "little")
    head: dict[str, Any] = orjson.loads(raw[N_LENGTH:at])
    if head["format"] not in READABLE:
        raise ValueError(f"state format {head['format']}")
    side = side_of(raw[at : at + head["n_side"]], context.side)
    at += head["n_side"]
    rows = {}
    for size in head["n_rows"]:
        row = schemas.decode(raw[at : at + size])
        if not isinstance(row, Greeks):
            raise ValueError(f"a {type(row).__name__} among the rows")
        rows[row.instrument_name] = row
        at += size
    if at != len(raw):
        raise ValueError(f"{len(raw) - at} bytes more than it says")
    marks = {(topic, partition): typed(mark, Mark) for topic, partition, mark in head["marks"]}
    lacking = [plain(PressureTables())] if head["format"] == 2 else []
    flow = {currency: typed([*state, *lacking], FlowState) for currency, state in head["flow"]}
    settlements = {currency: typed(state, Settlements) for currency, state in head["settlements"]}
    return Final(head["second_ns"], head["began_ns"], rows, side, flow, settlements, marks)
