"""What goes into ``step`` and what comes out: a record with its place in the log, a result with its place in the output."""

from __future__ import annotations

from typing import NamedTuple

from schemas import Audit, DeadLetter, Greeks, Record, Reject, TradeGreeks, Watermark
from streams.engine.columns import Row
from streams.engine.comparisons import Compared


class Unreadable(NamedTuple):
    """Bytes that could not be decoded, made by the shell; the engine answers with a DeadLetter."""

    reason: str
    detail: str
    payload: bytes


class Located(NamedTuple):
    """A record of the partition's log at its offset."""

    offset: int
    record: Record | Unreadable


ResultRecord = Greeks | Watermark | Reject | TradeGreeks | Audit | DeadLetter
Content = ResultRecord | Row | Compared
"""Rows and comparisons are made records where somebody asks for them, and bytes without it."""


class Result(NamedTuple):
    """Something to be written.  Its identity is (log_id, partition, source_offset, result_seq).

    A row for ``latest`` keeps the identity that it had in ``greeks``.
    """

    topic: str
    """Short name: greeks, latest, rejects, trades, audit, deadletter."""
    key: str
    content: Content | None
    """The record, or what can be made one; None: a tombstone."""
    ts_ns: int
    """Log time, which becomes the Kafka timestamp."""
    source_offset: int
    result_seq: int

    @property
    def record(self) -> ResultRecord | None:
        """What is written; None: a tombstone."""
        return self.content.record if isinstance(self.content, Row | Compared) else self.content


class Identity(NamedTuple):
    """Which log is folded, by what.  Everything here goes onto the Watermarks."""

    partition: int
    log_id: str
    settings_hash: str
    engine_version: str
    cpu_features: str
    wire_format: str
    source_topic: str


class EngineError(Exception):
    """A defect of the caller, never of the data.

    EngineError
    ├── LogHole       the next record is not the one after the state's offset: restore, never go on
    └── BadSnapshot   bytes that are no snapshot of this state format
    """


class LogHole(EngineError):
    def __init__(self, partition: int, at: int, got: int) -> None:
        super().__init__(
            f"partition {partition}: state stands at offset {at}, next record is {got}; restore from a checkpoint"
        )
        self.at, self.got = at, got


class BadSnapshot(EngineError):
    pass
