"""Bytes once written are read for ever: every record as Apache's avro package wrote it (see make_frozen_records.py)."""

from __future__ import annotations

import json
from collections import Counter
from enum import IntEnum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from schemas import FINGERPRINT, RECORD_TYPES, decode, encode

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "golden" / "frozen_records.jsonl").read_text("utf-8").splitlines()
]
TYPES = {cls.__name__: cls for cls in RECORD_TYPES}


def record_of(value: Any, hint: Any) -> Any:
    """The row's JSON as our record."""
    if type(None) in get_args(hint):
        return None if value is None else record_of(value, next(h for h in get_args(hint) if h is not NoneType))
    if get_origin(hint) is tuple:
        return tuple(record_of(item, get_args(hint)[0]) for item in value)
    if get_origin(hint) is dict:
        return value
    if hint is bytes:
        return bytes.fromhex(value)
    if issubclass(hint, IntEnum):
        return hint[value]
    if hasattr(hint, "_fields"):
        return hint(**{name: record_of(value[name], kind) for name, kind in get_type_hints(hint).items()})
    return value


def test_every_record_is_frozen_full_and_with_nulls() -> None:
    assert all(count >= 2 for count in Counter(row["record"] for row in ROWS).values())
    assert {row["record"] for row in ROWS} == set(TYPES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['record']}-{len(row['body']) // 2}")
def test_frozen_bytes_are_still_read_and_written(row: dict[str, Any]) -> None:
    cls = TYPES[row["record"]]
    record = record_of(row["fields"], cls)
    frame = bytes.fromhex("c301" + row["fingerprint"] + row["body"])
    assert FINGERPRINT[cls].hex() == row["fingerprint"]
    assert decode(frame) == record
    assert encode(record) == frame
