"""Option quotes of a batch read at once: nine of ten records of a log are quotes, and the codec takes them field by field.

A frame that is in any way unusual (another version, a number that is none, a branch that does not exist, a byte too many) is left to
``schemas.decode``, which reads it or says why not; what is read here is what it would have read
(tests/properties/test_quotes_properties.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import schemas
from pricers._jit import kernel
from schemas import InstrumentStatus, OptionQuote
from streams.engine.columns import NULL, plain

FRAME = schemas.SINGLE_OBJECT[OptionQuote]
N_LEAST = 8
"""Fewer are faster one by one."""

LONG, NULLABLE_LONG, FLAG, TEXT, NULLABLE_TEXT, NULLABLE_DOUBLE, ENUM = range(7)
_FIELDS = json.loads(schemas.SCHEMA_TEXT[OptionQuote])["fields"]
_KINDS = {
    '"long"': LONG, '["null", "long"]': NULLABLE_LONG, '"boolean"': FLAG, '"string"': TEXT, '["null", "string"]': NULLABLE_TEXT,
    '["null", "double"]': NULLABLE_DOUBLE,
}  # fmt: skip
_PLAN = [_KINDS.get(json.dumps(field["type"]), ENUM) for field in _FIELDS]
PLAN = np.array(_PLAN, dtype=np.int8)
N_FLOATS = _PLAN.count(NULLABLE_DOUBLE)
N_WHOLE = len(_PLAN) - N_FLOATS + _PLAN.count(TEXT) + _PLAN.count(NULLABLE_TEXT)
"""Of a text two: where it begins and where it ends; -1: null."""
_STATES = [InstrumentStatus[symbol] for symbol in _FIELDS[-1]["type"]["symbols"]]
_N_FIRST = _PLAN[5:].index(NULLABLE_TEXT)
"""Doubles before ``underlying_index``."""
assert [i for i, kind in enumerate(_PLAN) if kind != NULLABLE_DOUBLE] == [0, 1, 2, 3, 4, 15, 33], _PLAN
VARINT_MOST = 9
"""Bytes of a whole number up to 2^62; what is longer is unusual."""


@kernel
def _read_long(data: npt.NDArray[np.uint8], at: int, end: int) -> tuple[Any, int]:
    """Value of a zigzag varint and the place after it; -1 where it is cut off or too long."""
    value = np.uint64(0)
    for i in range(VARINT_MOST):
        if at >= end:
            return 0, -1
        byte = data[at]
        at += 1
        value |= np.uint64(byte & 0x7F) << np.uint64(7 * i)
        if byte < 0x80:
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at
    return 0, -1


@kernel
def _read_quote(
    plan: npt.NDArray[np.int8], data: npt.NDArray[np.uint8], at: int, end: int, n_states: int, null: int,
    floats: npt.NDArray[np.float64], words: npt.NDArray[np.uint64], whole: npt.NDArray[np.int64],
) -> bool:  # fmt: skip
    """One body between two places; False: not as plain as that."""
    i_float, i_whole = 0, 0
    for kind in plan:
        if kind in (NULLABLE_DOUBLE, NULLABLE_LONG, NULLABLE_TEXT):
            if at >= end or data[at] not in (0, 2):
                return False
            is_null = data[at] == 0
            at += 1
            if is_null:
                if kind == NULLABLE_DOUBLE:
                    floats[i_float] = np.nan
                    i_float += 1
                elif kind == NULLABLE_LONG:
                    whole[i_whole] = null
                    i_whole += 1
                else:
                    whole[i_whole] = whole[i_whole + 1] = -1
                    i_whole += 2
                continue
        if kind == NULLABLE_DOUBLE:
            if at + 8 > end:
                return False
            word = np.uint64(0)
            for i in range(8):
                word |= np.uint64(data[at + i]) << np.uint64(8 * i)
            words[i_float] = word
            if not np.isfinite(floats[i_float]):
                return False
            i_float += 1
            at += 8
        elif kind in (FLAG, ENUM):
            if at >= end:
                return False
            byte = np.int64(data[at])
            at += 1
            if (kind == FLAG and byte > 1) or (kind == ENUM and (byte % 2 == 1 or byte >= 2 * n_states)):
                return False
            whole[i_whole] = byte if kind == FLAG else byte // 2
            i_whole += 1
        else:
            number, at = _read_long(data, at, end)
            if at < 0:
                return False
            if kind in (TEXT, NULLABLE_TEXT):
                if number < 0 or number > end - at:
                    return False
                whole[i_whole] = at
                at += number
                whole[i_whole + 1] = at
                i_whole += 2
            else:
                if number == null:
                    return False
                whole[i_whole] = number
                i_whole += 1
    return at == end


@kernel
def _read_quotes(
    plan: npt.NDArray[np.int8], data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], n_frame: int, n_most: int,
    n_states: int, null: int, floats: npt.NDArray[np.float64], whole: npt.NDArray[np.int64], is_plain: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    words = floats.view(np.uint64)
    first = 0
    for i in range(ends.size):
        is_plain[i] = ends[i] - first <= n_most and _read_quote(
            plan, data, first + n_frame, ends[i], n_states, null, floats[i], words[i], whole[i]
        )
        first = ends[i]


def read_quotes(frames: Sequence[bytes]) -> list[OptionQuote | None]:
    """Quotes of frames that begin with FRAME; None where ``schemas.decode`` has to be asked."""
    data = b"".join(frames)
    ends = np.cumsum(np.array([len(frame) for frame in frames], dtype=np.int64))
    floats, whole = np.empty((len(frames), N_FLOATS)), np.empty((len(frames), N_WHOLE), dtype=np.int64)
    is_plain = np.empty(len(frames), dtype=np.bool_)
    _read_quotes(
        PLAN, np.frombuffer(data, dtype=np.uint8), ends, len(FRAME), schemas.MAX_BYTES, len(_STATES), NULL, floats, whole, is_plain
    )  # fmt: skip
    rows = zip(is_plain.tolist(), plain(floats), whole.tolist(), strict=True)
    return [_quote(data, numbers, others) if fine else None for fine, numbers, others in rows]


def _quote(data: bytes, numbers: list[float | None], whole: list[int]) -> OptionQuote | None:
    ts_ns, epoch, name_at, name_end, is_snapshot, snapshot_id, index_at, index_end, state = whole
    try:
        name = data[name_at:name_end].decode()
        index = data[index_at:index_end].decode() if index_at >= 0 else None
    except UnicodeDecodeError:
        return None
    fields: Any = (
        ts_ns, epoch, name, is_snapshot == 1, snapshot_id if snapshot_id != NULL else None, *numbers[:_N_FIRST], index,
        *numbers[_N_FIRST:], _STATES[state],
    )  # fmt: skip
    return OptionQuote._make(fields)
