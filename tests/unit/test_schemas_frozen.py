"""Bytes once written are read for ever: every record as Apache's avro package wrote it (see make_frozen_records.py)."""

from __future__ import annotations

import json
from collections import Counter
from enum import IntEnum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import schemas
from schemas import FINGERPRINT, RECORD_TYPES, decode, encode, fingerprint_of
from schemas.catalogue import PAST_TEXTS

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "golden" / "frozen_records.jsonl").read_text("utf-8").splitlines()
]
TYPES = {cls.__name__: cls for cls in RECORD_TYPES}


def record_of(value: Any, hint: Any) -> Any:
    """The row's JSON as our record; a field that its version did not have yet is null."""
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
        return hint(**{name: record_of(value.get(name), kind) for name, kind in get_type_hints(hint).items()})
    return value


def test_every_record_is_frozen_full_and_with_nulls() -> None:
    assert all(count >= 2 for count in Counter(row["record"] for row in ROWS).values())
    assert {row["record"] for row in ROWS} == set(TYPES)
    assert {row["fingerprint"] for row in ROWS} >= {key.hex() for key in FINGERPRINT.values()}, "the present version"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['record']}-{len(row['body']) // 2}")
def test_frozen_bytes_are_still_read_and_those_of_the_present_version_written(row: dict[str, Any]) -> None:
    """Without a registry or a topic of schemas: nobody is asked for a version that was once packaged."""
    cls = TYPES[row["record"]]
    record = record_of(row["fields"], cls)
    frame = bytes.fromhex("c301" + row["fingerprint"] + row["body"])
    assert decode(frame, nobody) == record
    if FINGERPRINT[cls].hex() == row["fingerprint"]:
        assert encode(record) == frame


def nobody(key: bytes | int) -> str:
    raise AssertionError(f"asked for {key!r}")


def test_every_schema_of_a_former_version_has_frozen_bytes_and_is_named_after_itself() -> None:
    past = {fingerprint_of(text).hex(): json.loads(text)["name"] for text in PAST_TEXTS}
    frozen = {row["fingerprint"]: row["record"] for row in ROWS}
    assert past == {key: name for key, name in frozen.items() if key not in {one.hex() for one in FINGERPRINT.values()}}
    files = {path.stem for path in (Path(schemas.__file__).parent / "avsc" / "past").glob("*.avsc")}
    assert files == {f"{name}.{key}" for key, name in past.items()}


def test_a_pressure_written_before_it_was_normalised_has_null_there() -> None:
    """J5: the versions differ in nothing else."""
    old, new = (
        [decode(bytes.fromhex("c301" + row["fingerprint"] + row["body"])) for row in ROWS if row["fingerprint"] == key]
        for key in ("afcf384dfa5a0a5f", FINGERPRINT[schemas.Flow].hex())
    )
    assert len(old) == len(new) == 2 and [len(flow.realised) for flow in old] == [2, 0]
    assert [(one.hpp_pct_adv, one.hpp_percentile) for one in old[0].realised] == [(None, None)] * 2
    assert all(one.hpp_pct_adv is not None and one.hpp_percentile is not None for one in new[0].realised)
    for was, now in zip(old, new, strict=True):
        bare = tuple(one._replace(hpp_pct_adv=None, hpp_percentile=None) for one in now.realised)
        assert now._replace(realised=bare) == was
