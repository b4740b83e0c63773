"""Results as workers write them, made by hand: rows, watermarks, rejects with the headers of every result."""

from __future__ import annotations

import time
from typing import Any

import schemas
from schemas import Audit, AuditKind, Greeks, Reject, RowStatus, Watermark, names
from streams import kafka, topics
from streams.partitioning import partition_of
from streams.reader import Arrival
from streams.topics import Topic

NS = 1_000_000_000
START_NS = 1_767_943_800 * NS
"""2026-01-09T07:30:00Z"""

_BY_TYPE: dict[str, Any] = {"str": "", "int": 0, "float": 0.0, "bool": False}


def blank(cls: type[Any]) -> dict[str, Any]:
    """Every field of a record with nothing in it: null where it may be null."""
    fields: dict[str, Any] = {}
    for name, hint in cls.__annotations__.items():
        text = hint if isinstance(hint, str) else getattr(hint, "__forward_arg__", str(hint))
        if text.startswith("tuple["):
            fields[name] = ()
        elif "None" in text:
            fields[name] = None
        else:
            fields[name] = _BY_TYPE[text] if text in _BY_TYPE else getattr(schemas, text)(1)
    return fields


def greeks(name: str, ts_ns: int = START_NS, *, offset: int = 0, seq: int = 0, **fields: Any) -> Greeks:
    """An OK row of an instrument, its contract from its name; ``fields`` replace any."""
    parsed = names.parse(name)
    values = blank(Greeks) | {
        "instrument_name": name, "kind": parsed.kind, "base_currency": parsed.base_currency,
        "price_index": parsed.price_index, "payoff": parsed.payoff, "option_type": parsed.option_type,
        "strike": parsed.strike, "expiry_ns": parsed.expiry_ns, "premium_unit": "coin", "status": RowStatus.OK,
        "source_partition": partition_of(name), "source_offset": offset, "result_seq": seq, "ts_event_ns": ts_ns,
        "price_usd": 1000.0, "delta": 0.5, "sigma": 0.6, "forward": 90_000.0, "contract_size": 1.0, "n_fixings": 450,
    }  # fmt: skip
    return Greeks(**(values | fields))


def watermark(partition: int, log_time_ns: int, *, offset: int = 0, listed: int = 10, priced: int = 9) -> Watermark:
    values = blank(Watermark) | {
        "partition": partition, "log_time_ns": log_time_ns, "source_offset": offset, "is_ready": True,
        "n_listed": listed, "n_priced": priced, "result_seq": 99,
    }  # fmt: skip
    return Watermark(**values)


def reject(name: str, status: RowStatus = RowStatus.NO_QUOTE, since_ns: int = START_NS) -> Reject:
    values = blank(Reject) | {
        "instrument_name": name, "status": status, "detail": "bid None, ask None", "since_ns": since_ns,
        "ts_event_ns": since_ns, "clears_when": "a bid or an ask arrives", "source_partition": partition_of(name),
    }  # fmt: skip
    return Reject(**values)


def audit(
    name: str, ts_ns: int = START_NS, *, offset: int = 0, seq: int = 0, kind: AuditKind = AuditKind.VENUE,
    quantity: str = "delta", ours: float | None = None, other: float | None = None,
) -> Audit:  # fmt: skip
    """A comparison; null where a side is not given."""
    difference = None if ours is None or other is None else ours - other
    return Audit(
        name, ts_ns, partition_of(name), offset, seq, kind, quantity, ours, other, difference, "coin per coin"
    )  # fmt: skip


def key_of(record: Any) -> str:
    return f"watermark/{record.partition}" if isinstance(record, Watermark) else str(record.instrument_name)


def arrival(record: Any, epoch: int = 0, wall_s: float = 0.0) -> Arrival:
    partition = record.partition if isinstance(record, Watermark) else record.source_partition
    return Arrival(partition, key_of(record), (epoch, record.source_offset, record.result_seq), wall_s, record)


def strip(day: str = "27MAR26", strikes: range = range(60_000, 130_000, 10_000), coin: str = "BTC") -> list[str]:
    """Names of a small chain of one expiry."""
    return [f"{coin}-{day}-{strike}-{side}" for strike in strikes for side in "CP"]


class ResultWriter:
    """Writes results of a namespace with the headers that workers give them."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self.namespace = namespace
        self._producer = kafka.producer(bootstrap, linger_ms=0)

    def write(
        self, record: Any, topic: Topic = topics.GREEKS, *, epoch: int = 0, key: str | None = None,
        value: bytes | None = None, wall_ns: int | None = None, time_ns: int | None = None, identity: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        """A record; or, with ``record`` None, ``value`` under ``key``: raw bytes, or a tombstone."""
        key = key_of(record) if key is None else key
        partition = record.partition if isinstance(record, Watermark) else partition_of(key)
        if time_ns is None:
            time_ns = record.log_time_ns if isinstance(record, Watermark) else record.ts_event_ns
        offset, seq = identity or (record.source_offset, record.result_seq)
        headers = {
            "epoch": epoch, "source_offset": offset, "result_seq": seq, "calc_wall_ns": wall_ns or time.time_ns(), "host": "here",
        }  # fmt: skip
        self._producer.produce(
            topics.full_name(topic, self.namespace),
            value if record is None else schemas.encode(record),
            key,
            partition,
            timestamp=time_ns // 1_000_000,
            headers=[(name, str(number).encode()) for name, number in headers.items()],
        )

    def flush(self) -> None:
        assert self._producer.flush(30) == 0
