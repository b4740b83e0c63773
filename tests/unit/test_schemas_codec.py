"""Frames: marks, fingerprints, limits, what is refused and how it says so; other versions of a schema."""

from __future__ import annotations

import io
import json
import math
from enum import IntEnum
from typing import Any

import fastavro
import pytest

from schemas import (
    FINGERPRINT,
    MAX_BYTES,
    RECORD_TYPES,
    SCHEMA_TEXT,
    Checkpoint,
    Clock,
    DeadLetter,
    DecodeError,
    EncodeError,
    FeedGap,
    InstrumentSet,
    OptionTrade,
    RowStatus,
    SchemaError,
    SettlementFixing,
    TickDirection,
    UnknownSchema,
    Watermark,
    confluent_framing,
    decode,
    encode,
    fingerprint_of,
)
from schemas.compiled import Compiler
from schemas.enums import Direction, Liquidation

CLOCK = Clock(1_681_370_000_000_000_000, 17, 3, -1.5)
TRADE = OptionTrade(
    1, 2, "BTC-13APR23-30000-C", "t1", 9, 0.01, 2.5, Direction.BUY, TickDirection.MINUS, None, 30_000.0, None,
    Liquidation.NONE, None, None, None, None, None, False,
)  # fmt: skip


def crc_64_avro(data: bytes) -> int:
    """The Avro specification's own loop, bit by bit (section "Schema Fingerprints"), not fastavro's."""
    empty = 0xC15D213AA4D7A795
    fingerprint = empty
    for byte in data:
        fingerprint ^= byte
        for _ in range(8):
            fingerprint = (fingerprint >> 1) ^ (empty & -(fingerprint & 1))
    return fingerprint


def test_fingerprint_is_the_specifications() -> None:
    # The specification's first example: the fingerprint of "null".
    assert crc_64_avro(b'"null"') == 0x63DD24E7CC258F8A
    # Parsing canonical form by hand: no doc, full name, fixed order of keys, no spaces.
    canonical = (
        '{"name":"greekstream.v1.Clock","type":"record","fields":[{"name":"ts_event_ns","type":"long"},'
        '{"name":"ingest_epoch","type":"long"},{"name":"seq","type":"long"},'
        '{"name":"offset_ms","type":["null","double"]}]}'
    )
    assert FINGERPRINT[Clock] == crc_64_avro(canonical.encode()).to_bytes(8, "little")


def test_single_object_frame_is_mark_fingerprint_body() -> None:
    body = encode(CLOCK)[10:]
    assert encode(CLOCK)[:10] == b"\xc3\x01" + FINGERPRINT[Clock]
    # 17 and 3 as zigzag varints, then branch 1 of the union and -1.5 as a little-endian double.
    assert body[9:] == b"\x22\x06\x02" + b"\x00\x00\x00\x00\x00\x00\xf8\xbf"


def test_confluent_frame_is_zero_id_body_and_is_resolved_by_id() -> None:
    data = encode(CLOCK, confluent_framing({Clock: 258}))
    assert data == b"\x00\x00\x00\x01\x02" + encode(CLOCK)[10:]
    asked = []
    assert decode(data, lambda key: asked.append(key) or SCHEMA_TEXT[Clock]) == CLOCK
    assert asked == [258]


def test_confluent_frame_without_a_registry_is_no_record() -> None:
    with pytest.raises(DecodeError, match="SCHEMA_REGISTRY_URL") as caught:
        decode(encode(CLOCK, confluent_framing({Clock: 258})))
    assert caught.value.reason == "no-registry"


def test_record_that_the_registry_has_no_id_for_is_refused() -> None:
    with pytest.raises(EncodeError, match=r"greekstream\.v1\.Clock"):
        encode(CLOCK, confluent_framing({}))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(number: float) -> None:
    with pytest.raises(EncodeError, match=r"Clock\.offset_ms is (nan|-?inf)"):
        encode(CLOCK._replace(offset_ms=number))
    fixing = SettlementFixing(1, 2, 3, "btc_usd", 5, 6, 7, 1.0, False, 1, number, 0, False, None)
    with pytest.raises(EncodeError, match=r"SettlementFixing\.running_sum is"):
        encode(fixing)


def test_huge_finite_numbers_pass_though_their_sum_is_infinite() -> None:
    fixing = SettlementFixing(1, 2, 3, "btc_usd", 5, 6, 7, 1.7e308, False, 1, 1.7e308, 0, False, 1.7e308)
    assert decode(encode(fixing)) == fixing


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (CLOCK._replace(seq=None), "Clock.seq is None, want int"),
        (CLOCK._replace(seq=1.0), "Clock.seq is 1.0, want int"),
        (CLOCK._replace(seq=2**63), "Clock.seq is 9223372036854775808, which does not fit 64 bits"),
        (CLOCK._replace(offset_ms="1"), "Clock.offset_ms is '1', want a finite number"),
        (TRADE._replace(instrument_name=b"x"), "OptionTrade.instrument_name is b'x', want str"),
        (
            TRADE._replace(block_leg_count=2**31),
            "OptionTrade.block_leg_count is 2147483648, which does not fit 32 bits",
        ),
        (TRADE._replace(direction=1), "OptionTrade.direction is 1, want Direction"),
        (
            TRADE._replace(direction=TickDirection.PLUS),
            "OptionTrade.direction is <TickDirection.PLUS: 1>, want Direction",
        ),
        (
            InstrumentSet(1, 2, 3, 4, True, (1, 2**31), ()),
            "InstrumentSet.count_by_partition[1] is 2147483648, which does not",
        ),
        ("text", "str is no record that crosses a topic"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_wrong_values_are_refused_by_field(record: Any, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(record)
    assert message in str(caught.value)


def test_an_enum_of_another_room_with_the_same_number_is_refused() -> None:
    class Status(IntEnum):
        NO_QUOTE = 1  # RowStatus.OK has this number

    assert hash(Status.NO_QUOTE) == hash(RowStatus.OK)
    with pytest.raises(EncodeError, match="direction"):
        encode(TRADE._replace(direction=Status.NO_QUOTE))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-frame"),
        (b"\xc3", "no-frame"),
        (b"\xc3\x01" + FINGERPRINT[Clock][:7], "no-frame"),
        (b"\x00\x00\x00", "no-frame"),
        (b"hello, world", "no-frame"),
        (encode(CLOCK)[:-1], "malformed"),
        (encode(CLOCK)[:10], "malformed"),
        (encode(CLOCK) + b"\0", "trailing"),
        (encode(CLOCK)[:-9] + b"\x04" + bytes(8), "malformed"),  # branch 2 of a union of two
        (encode(CLOCK)[:-8] + b"\x00\x00\x00\x00\x00\x00\xf8\x7f", "malformed"),  # NaN
        (bytes(MAX_BYTES + 1), "too-long"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else value,
)
def test_bytes_that_are_no_record(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_false_counts_and_lengths_end_at_once() -> None:
    head = encode(FeedGap(1, 2, 3, (), 4, 5, 6, 7))[:13]
    endless = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2**63 - 1
    negative = b"\x01"  # -1: a block of one item with its size in bytes
    for tail in (endless, endless + b"\0" * 5000, negative + endless, b"\x02" + endless, b"\x02\x01", b"\xff" * 11):
        with pytest.raises(DecodeError):
            decode(head + tail)


def test_an_array_in_blocks_with_byte_sizes_is_read() -> None:
    whole = InstrumentSet(1, 2, 3, 4, True, (5, 6, 7), ("btc_usd",))
    head = encode(whole)[:15]
    # Two blocks: -2 items in 2 bytes, then 1 item; as the specification allows every writer.
    data = head + b"\x03\x04\x0a\x0c" + b"\x02\x0e" + b"\x00" + b"\x02\x0ebtc_usd\x00"
    assert decode(data) == whole


def test_a_frame_of_an_unknown_schema_is_no_malformed_record() -> None:
    with pytest.raises(UnknownSchema, match="6100000000000000") as caught:
        decode(b"\xc3\x01a" + bytes(7) + b"body")
    assert not isinstance(caught.value, DecodeError)
    assert isinstance(caught.value, SchemaError)


def test_records_over_the_limit_are_neither_written_nor_read() -> None:
    letter = DeadLetter("t", 0, 0, "r", "d", bytes(MAX_BYTES))
    with pytest.raises(EncodeError, match="limit"):
        encode(letter)
    largest = Checkpoint("g", "t", 0, 1, 2, {}, "id", 3, "s", "e", "c", 1, bytes(512 * 1024))
    assert decode(encode(largest)) == largest


def older(cls: type[Any], **changes: Any) -> str:
    """Text of another version of a record's schema: last field dropped, or fields replaced."""
    schema = json.loads(SCHEMA_TEXT[cls])
    schema["fields"] = changes["fields"](schema["fields"])
    return json.dumps(schema)


def frame_of(text: str, plain: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(text)), plain)
    return b"\xc3\x01" + fingerprint_of(text) + out.getvalue()


PLAIN_CLOCK = {"ts_event_ns": 5, "ingest_epoch": 6, "seq": 7, "offset_ms": 8.0}


def test_a_newer_writers_extra_fields_are_dropped() -> None:
    text = older(Clock, fields=lambda fields: [*fields, {"name": "more", "type": "string", "default": ""}])
    data = frame_of(text, PLAIN_CLOCK | {"more": "x"})
    assert decode(data, lambda key: {fingerprint_of(text): text}[key]) == Clock(5, 6, 7, 8.0)
    with pytest.raises(UnknownSchema):
        decode(data)


def test_a_newer_writers_symbol_becomes_unknown() -> None:
    def with_symbol(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
        direction = next(field for field in fields if field["name"] == "direction")
        direction["type"]["symbols"].append("CROSS")
        return fields

    text = older(OptionTrade, fields=with_symbol)
    plain = TRADE._asdict() | {"direction": "CROSS", "tick_direction": "MINUS", "liquidation": "NONE"}
    assert decode(frame_of(text, plain), lambda _: text) == TRADE._replace(direction=Direction.UNKNOWN)


def test_an_older_writers_missing_field_takes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it will be once a field with a default has been added: the present schema has one, the writer's lacks it."""
    from schemas import evolution

    present = json.loads(SCHEMA_TEXT[Watermark])
    present["fields"][-1]["default"] = "not yet known"
    monkeypatch.setitem(evolution.SCHEMA_TEXT, Watermark, json.dumps(present))
    text = older(Watermark, fields=lambda fields: fields[:-1])
    mark = Watermark(3, 4, 5, True, 6, 7, 8, 9, "hash", "1", "avx2", "single-object", "not yet known")
    evolution.reader_of.cache_clear()
    assert decode(frame_of(text, mark._asdict()), lambda _: text) == mark
    evolution.reader_of.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '"string"',
        '{"type": "record", "name": "Other", "namespace": "greekstream.v1", "fields": []}',
        older(FeedGap, fields=lambda f: [*f, {"name": "x", "type": {"type": "array", "items": "null"}}]),
    ],
    ids=["no JSON", "no record", "no record of ours", "items without bytes"],
)
def test_schemas_that_can_become_no_record_are_unknown_not_malformed(text: str) -> None:
    with pytest.raises(UnknownSchema, match="upgrade readers"):
        decode(b"\xc3\x01" + bytes(8), lambda _: text)


@pytest.mark.parametrize("tail", [b"", b"\xff" * 4, b"\x02", b"\x80" * 40, bytes(200)])
def test_bad_bytes_of_another_version_are_malformed_too(tail: bytes) -> None:
    text = older(Watermark, fields=lambda fields: [*fields, {"name": "more", "type": "long", "default": 0}])
    with pytest.raises(DecodeError):
        decode(b"\xc3\x01" + fingerprint_of(text) + tail, lambda _: text)


def test_a_resolver_that_fails_is_not_taken_for_bad_bytes() -> None:
    def broken(_: bytes | int) -> str:
        raise ValueError("registry down")

    with pytest.raises(ValueError, match="registry down") as caught:
        decode(b"\xc3\x01" + bytes(8), broken)
    assert not isinstance(caught.value, SchemaError)


def test_every_record_has_a_schema_of_its_own() -> None:
    assert len({FINGERPRINT[cls] for cls in RECORD_TYPES}) == len(RECORD_TYPES)


def test_an_avsc_with_a_symbol_that_python_lacks_fails_at_import() -> None:
    schema = json.loads(SCHEMA_TEXT[OptionTrade])
    next(f for f in schema["fields"] if f["name"] == "direction")["type"]["symbols"].append("CROSS")
    classes = {
        "OptionTrade": OptionTrade,
        "Direction": Direction,
        "TickDirection": TickDirection,
        "Liquidation": Liquidation,
    }
    with pytest.raises(KeyError, match="CROSS"):
        Compiler(classes, schema).encoder()
