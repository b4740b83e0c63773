"""Which tables there are, and their columns: those of the record's Avro schema, then where the row stood in Kafka.

Nothing is said twice: names, types and nullability come from ``schemas/avsc``; Parquet and ClickHouse follow them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa

from schemas import SCHEMA_TEXT, Audit, CmeMark, Flow, FlowMerged, FlowStrike, Greeks, SettlementFlow, TradeGreeks
from streams import topics
from streams.topics import Topic


class Table(NamedTuple):
    """A table of history."""

    name: str
    topic: Topic
    record: type[Any]
    key: tuple[str, ...]
    """What its rows are asked by: order of the file's rows, and of the ClickHouse table."""

    @property
    def things(self) -> tuple[str, ...]:
        """The key without the time: what has a newest row."""
        return tuple(name for name in self.key if name != "ts_event_ns")


TABLES = {
    table.name: table
    for table in (
        Table("greeks", topics.GREEKS, Greeks, ("instrument_name", "ts_event_ns")),
        Table("trades", topics.TRADES, TradeGreeks, ("instrument_name", "ts_event_ns")),
        Table("flow", topics.FLOW, Flow, ("currency", "ts_event_ns")),
        Table("audit", topics.AUDIT, Audit, ("instrument_name", "ts_event_ns")),
        Table("flow_strikes", topics.FLOW_STRIKES, FlowStrike, ("currency", "ts_event_ns", "expiry_ns", "strike")),
        Table("flow_settlements", topics.FLOW_SETTLEMENTS, SettlementFlow, ("currency", "ts_event_ns", "expiry_ns")),
        Table("flow_merged", topics.FLOW_MERGED, FlowMerged, ("currency", "ts_event_ns")),
        Table("cme_marks", topics.CME_MARKS, CmeMark, ("instrument_name", "ts_event_ns")),
    )
}
"""By name.  The first four are written unless others are asked for."""


class Place(NamedTuple):
    """A column that says where a row stood; not of the record."""

    name: str
    type: str
    """As in Avro."""
    is_nullable: bool
    doc: str


PLACES = (
    Place("log_partition", "int", False, "Partition of the topic that the row was read from. Number."),
    Place("log_offset", "long", False, "Offset there: with the partition, the row's identity in this table. Count."),
    Place("epoch", "long", True, "Epoch of the writer, from the record's header; of two rows of one identity the higher counts. Count."),
)  # fmt: skip

_PRIMITIVES = {
    "string": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "bytes": pa.binary(),
}


class Column(NamedTuple):
    """A column as the Avro schema has it."""

    name: str
    schema: Any
    """Without the union with null."""
    is_nullable: bool
    doc: str


@cache
def columns(table: Table) -> tuple[Column, ...]:
    """The record's fields in their order, then ``PLACES``."""
    fields = json.loads(SCHEMA_TEXT[table.record])["fields"]
    return (
        *(Column(one["name"], *_nullable(one["type"]), one["doc"]) for one in fields),
        *(Column(place.name, place.type, place.is_nullable, place.doc) for place in PLACES),
    )


def _nullable(schema: Any) -> tuple[Any, bool]:
    if isinstance(schema, list):
        (inner,) = [one for one in schema if one != "null"]
        return inner, True
    return schema, False


@cache
def arrow_schema(table: Table) -> pa.Schema:
    """Columns of its Parquet files; each field's ``doc`` is in its metadata, times stay ns in 64 bits as on the wire."""
    named: dict[str, Any] = {}
    return pa.schema(
        [
            pa.field(one.name, _arrow(one.schema, named), one.is_nullable, metadata={"doc": one.doc})
            for one in columns(table)
        ]
    )


def _arrow(schema: Any, named: dict[str, Any]) -> Any:
    """Arrow type; enums are text, records are structs.  ``named``: types met so far."""
    if isinstance(schema, str):
        return _PRIMITIVES[schema] if schema in _PRIMITIVES else named[schema]
    kind = schema["type"]
    if kind == "array":
        inner, is_nullable = _nullable(schema["items"])
        return pa.list_(pa.field("element", _arrow(inner, named), is_nullable))
    if kind == "enum":
        found = pa.string()
    elif kind == "record":
        fields = []
        for one in schema["fields"]:
            inner, is_nullable = _nullable(one["type"])
            fields.append(pa.field(one["name"], _arrow(inner, named), is_nullable))
        found = pa.struct(fields)
    else:
        raise TypeError(f"no column for the Avro type {kind!r}")
    named[f"{schema.get('namespace', 'greekstream.v1')}.{schema['name']}"] = found
    return found
