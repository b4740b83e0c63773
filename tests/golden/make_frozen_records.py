"""Made tests/golden/frozen_records.json, once, with Apache's own ``avro`` package: neither our codec nor fastavro.

Run again only to ADD records or versions: bytes in the file stay readable for ever, so lines of it are never changed.

    python -m tests.golden.make_frozen_records > new.json

Each line: record, fingerprint (hex, as on the wire), fields as JSON (enums by name, bytes as hex), body (hex).
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import avro.io
import avro.schema

AVSC = Path(__file__).resolve().parents[2] / "schemas" / "avsc"
SPECIAL = {"instrument_name": "BTC_USDC-27MAR26-100000-C", "ts_event_ns": 1_774_598_400_123_456_789, "detail": "später"}


def crc_64_avro(data: bytes) -> int:
    """The Avro specification's fingerprint."""
    fingerprint = 0xC15D213AA4D7A795
    for byte in data:
        fingerprint ^= byte
        for _ in range(8):
            fingerprint = (fingerprint >> 1) ^ (0xC15D213AA4D7A795 & -(fingerprint & 1))
    return fingerprint


def value_of(schema: avro.schema.Schema, number: int, *, with_nulls: bool) -> Any:
    """A value that no neighbouring field has, so that exchanged fields are seen."""
    kind = schema.type
    if kind == "union":
        return None if with_nulls else value_of(schema.schemas[1], number, with_nulls=with_nulls)
    if kind == "record":
        return {
            field.name: SPECIAL.get(field.name, value_of(field.type, number + i, with_nulls=with_nulls))
            for i, field in enumerate(schema.fields)
        }
    if kind == "enum":
        return schema.symbols[1 + number % (len(schema.symbols) - 1)]
    if kind == "array":
        return [] if with_nulls else [value_of(schema.items, number + 7 * i, with_nulls=False) for i in range(2)]
    if kind == "map":
        return {} if with_nulls else {"deribit.ticks.v1/3": value_of(schema.values, number, with_nulls=False)}
    return {
        "string": f"text {number}",
        "long": (-1) ** number * 10 ** (number % 19),
        "int": (-1) ** number * (number * 1000 + 63),
        "double": (-1) ** number * (number + 0.1) * 10.0 ** (number % 9 - 4),
        "boolean": number % 2 == 0,
        "bytes": bytes([0, 255, number]),
    }[kind]


def main() -> None:
    for path in sorted(AVSC.glob("*.avsc")):
        schema = avro.schema.parse(path.read_text("utf-8"))
        fingerprint = crc_64_avro(schema.canonical_form.encode()).to_bytes(8, "little")
        for with_nulls in (False, True):
            fields = value_of(schema, 1, with_nulls=with_nulls)
            out = io.BytesIO()
            avro.io.DatumWriter(schema).write(fields, avro.io.BinaryEncoder(out))
            row = {
                "record": path.stem,
                "fingerprint": fingerprint.hex(),
                "fields": fields,
                "body": out.getvalue().hex(),
            }
            print(json.dumps(row, default=bytes.hex, ensure_ascii=False))


if __name__ == "__main__":
    main()
