"""The codec against fastavro, and against bytes that nobody wrote."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import IntEnum
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import (
    FINGERPRINT,
    MAX_BYTES,
    RECORD_TYPES,
    SCHEMA_TEXT,
    BadName,
    DecodeError,
    EncodeError,
    OptionType,
    UnknownSchema,
    decode,
    encode,
    names,
    to_plain,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, 0.1])
LONGS = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 9000)
INTS = st.integers(-(2**31), 2**31 - 1) | st.integers(-70, 200)


@cache
def values(kind: str) -> st.SearchStrategy[Any]:
    return {"long": LONGS, "int": INTS, "double": FINITE, "string": st.text(max_size=40), "boolean": st.booleans(),
            "bytes": st.binary(max_size=300)}[kind]  # fmt: skip


def strategy(schema: Any, hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field, from its Avro type and its Python type."""
    if isinstance(schema, list):
        inner = next(part for part in get_args(hint) if part is not NoneType)
        return st.none() | strategy(schema[1], inner)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return st.sampled_from(hint)
    if isinstance(schema, str):
        return values(schema)
    if schema["type"] == "array":
        return st.lists(strategy(schema["items"], get_args(hint)[0]), max_size=4).map(tuple)
    if schema["type"] == "map":
        return st.dictionaries(st.text(max_size=20), strategy(schema["values"], get_args(hint)[1]), max_size=4)
    hints = get_type_hints(hint)
    return st.tuples(*(strategy(f["type"], hints[f["name"]]) for f in schema["fields"])).map(hint._make)


RECORDS = {cls: strategy(json.loads(SCHEMA_TEXT[cls]), cls) for cls in RECORD_TYPES}
any_record = st.sampled_from(RECORD_TYPES).flatmap(RECORDS.__getitem__)


@cache
def fastavro_schema(cls: type[Any]) -> Any:
    return fastavro.parse_schema(json.loads(SCHEMA_TEXT[cls]))


def body_by_fastavro(record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro_schema(type(record)), to_plain(record))
    return out.getvalue()


@pytest.mark.parametrize("cls", RECORD_TYPES, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_bytes_are_fastavros_and_records_come_back(cls: type[Any], data: st.DataObject) -> None:
    record = data.draw(RECORDS[cls])
    frame = encode(record)
    assert frame == b"\xc3\x01" + FINGERPRINT[cls] + body_by_fastavro(record)
    back = decode(frame)
    assert back == record
    assert type(back) is cls
    # repr tells -0.0 from 0.0, True from 1 and an enum member from its number, which == does not.
    assert repr(back) == repr(record)


def outcome(frame: bytes) -> Any:
    """The record, or None for DecodeError; anything else is the test's failure."""
    try:
        return decode(frame)
    except DecodeError:
        return None


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    assert outcome(data) is None or data[:2] == b"\xc3\x01"


@given(st.sampled_from(RECORD_TYPES), st.binary(max_size=600))
def test_arbitrary_bodies_give_a_record_that_fastavro_reads_alike_or_decode_error(cls: type[Any], body: bytes) -> None:
    record = outcome(b"\xc3\x01" + FINGERPRINT[cls] + body)
    if record is not None:
        stream = io.BytesIO(body)
        assert to_plain(record) == fastavro.schemaless_reader(stream, fastavro_schema(cls), None)
        assert stream.tell() == len(body)


@st.composite
def mutated_frames(draw: st.DrawFn) -> bytes:
    """A valid frame with bytes exchanged, put in, taken out or cut off, its head left alone."""
    frame = bytearray(encode(draw(any_record)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(10, max(10, len(frame) - 1)))
        change = draw(st.sampled_from(["exchange", "insert", "remove", "cut", "count"]))
        if change == "exchange" and at < len(frame):
            frame[at] = draw(st.integers(0, 255))
        elif change == "insert":
            frame[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif change == "remove":
            del frame[at : at + draw(st.integers(1, 12))]
        elif change == "cut":
            del frame[at:]
        else:  # the largest and the most negative number, where a length or count may stand
            frame[at : at + 1] = draw(
                st.sampled_from([b"\xfe" + b"\xff" * 8 + b"\x01", b"\xff" * 9 + b"\x01", b"\x01"])
            )
    return bytes(frame)


@given(mutated_frames())
def test_mutated_frames_give_a_record_or_decode_error(frame: bytes) -> None:
    record = outcome(frame)
    if record is not None:
        # What passes is a record like any other: it can be written, and is then read as itself.
        assert repr(decode(encode(record))) == repr(record)


@given(any_record, st.integers(0, 9), st.integers(1, 255))
def test_a_broken_head_is_malformed_or_of_an_unknown_schema(record: Any, at: int, flip: int) -> None:
    frame = bytearray(encode(record))
    frame[at] ^= flip
    with pytest.raises((DecodeError, UnknownSchema)):
        decode(bytes(frame))


def lies(length: int) -> Iterator[bytes]:
    """Frames of a length whose counts and lengths are false, and as dense in items as can be."""
    for cls in RECORD_TYPES:
        for filler in (b"\x00", b"\x02", b"\xff"):
            yield b"\xc3\x01" + FINGERPRINT[cls] + filler * (length - 10)
            yield b"\xc3\x01" + FINGERPRINT[cls] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + filler * (length - 20)


def peak_bytes(frame: bytes) -> int:
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    outcome(frame)
    return tracemalloc.get_traced_memory()[1] - before


def test_memory_for_bad_bytes_is_bounded() -> None:
    """A one-byte item is at most a Python object of some tens of bytes.

    Every lie a sixteenth of the longest long, for what is traced takes ten times its time; and the greediest of them at full length.
    """
    short = MAX_BYTES // 16
    for cls in RECORD_TYPES:  # a codec is compiled when first used, which takes more memory than many a lie
        outcome(b"\xc3\x01" + FINGERPRINT[cls])
    tracemalloc.start()
    try:
        peaks = {frame: peak_bytes(frame) for frame in lies(short)}
        greediest = max(peaks, key=lambda frame: peaks[frame])
        assert peaks[greediest] < 200 * short
        longest = greediest + greediest[-1:] * (MAX_BYTES - short)
        assert 8 * peaks[greediest] < peak_bytes(longest) < 200 * MAX_BYTES  # which is read to its end, too
    finally:
        tracemalloc.stop()
    for frame in lies(MAX_BYTES):
        outcome(frame)


@given(any_record, st.data())
def test_one_bad_number_is_refused_by_name(record: Any, data: st.DataObject) -> None:
    doubles = [
        f["name"]
        for f in json.loads(SCHEMA_TEXT[type(record)])["fields"]
        if f["type"] in ("double", ["null", "double"])
    ]
    if doubles:
        name = data.draw(st.sampled_from(doubles))
        bad = data.draw(st.sampled_from([float("nan"), float("inf"), float("-inf")]))
        with pytest.raises(EncodeError, match=rf"{type(record).__name__}\.{name} is "):
            encode(record._replace(**{name: bad}))


@given(st.text(max_size=70) | st.from_regex(r"[A-Z]{2,5}(_USDC)?-[0-9A-Z_d-]{1,30}", fullmatch=True))
def test_any_text_is_a_name_or_bad_name(text: str) -> None:
    try:
        parsed = names.parse(text)
    except BadName:
        return
    assert text.startswith(parsed.base_currency)


@given(
    st.sampled_from(["BTC", "ETH", "BTC_USDC", "XRP_USDC"]),
    st.dates(min_value=date(2001, 1, 1), max_value=date(2098, 12, 31)),
    st.integers(1, 10**9).map(lambda n: n / 1000),
    st.sampled_from([member for member in OptionType if member.name != "UNKNOWN"]),
)
def test_option_names_come_back(underlying: str, day: Any, strike: float, option_type: Any) -> None:

    expiry_ns = int(datetime(day.year, day.month, day.day, 8, tzinfo=UTC).timestamp()) * 10**9
    parsed = names.parse(names.option_name(underlying, expiry_ns, strike, option_type))
    assert (parsed.strike, parsed.expiry_ns, parsed.option_type) == (strike, expiry_ns, option_type)
