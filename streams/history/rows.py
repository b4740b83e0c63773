"""Records to columns, by day and currency.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa

from schemas import BadName, CmeMark, Greeks, names, to_plain
from streams.history.tables import Table, arrow_schema

DAY_NS = 86_400 * 10**9
UNKNOWN = "UNKNOWN"


class Part(NamedTuple):
    """Where rows belong in the folder."""

    day: str
    """UTC day of ``ts_event_ns``: 2026-01-09."""
    currency: str
    """The coin; UNKNOWN for a name that says none."""


class Read(NamedTuple):
    """A record with where it stood."""

    partition: int
    offset: int
    epoch: int | None
    record: Any


@lru_cache(maxsize=4_096)
def day_of(day: int) -> str:
    """Day number since the epoch as text."""
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"


@lru_cache(maxsize=65_536)
def currency_of_name(instrument_name: str) -> str:
    """The coin of the venue's name."""
    try:
        return names.parse(instrument_name).base_currency
    except BadName:
        return UNKNOWN


def part_of(record: Any) -> Part:
    """Day and currency of a record."""
    if isinstance(record, Greeks | CmeMark):
        currency = record.base_currency
    else:
        currency = getattr(record, "currency", None) or currency_of_name(record.instrument_name)
    # what stands in a path is a word
    is_word = currency.isascii() and currency.isalnum()
    return Part(day_of(record.ts_event_ns // DAY_NS), currency if is_word else UNKNOWN)


def batches(table: Table, reads: Iterable[Read]) -> dict[Part, pa.RecordBatch]:
    """Rows of one table as columns, each part's in the order given."""
    by_part: dict[Part, list[Read]] = {}
    for read in reads:
        by_part.setdefault(part_of(read.record), []).append(read)
    return {part: _batch(table, some) for part, some in by_part.items()}


def _batch(table: Table, reads: list[Read]) -> pa.RecordBatch:
    schema = arrow_schema(table)
    values = zip(*(read.record for read in reads), strict=True)
    arrays = [
        pa.array(map(_plain(field.type), column), field.type) for field, column in zip(schema, values, strict=False)
    ]
    arrays += [
        pa.array([read.partition for read in reads], pa.int32()),
        pa.array([read.offset for read in reads], pa.int64()),
        pa.array([read.epoch for read in reads], pa.int64()),
    ]
    return pa.record_batch(arrays, schema=schema)


def _plain(kind: Any) -> Callable[[Any], Any]:
    """From a record's value to what Arrow takes: enums by name, records as dicts."""
    if pa.types.is_string(kind):
        return lambda value: getattr(value, "name", value)
    return to_plain if pa.types.is_nested(kind) else lambda value: value
