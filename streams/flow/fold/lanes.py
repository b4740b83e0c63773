"""One lane: one partition of greeks.v1 or trades.v1, as the fold reads it.

Workers end each second of log time with a Watermark in both topics.  What stands before it and after the one before belongs to its
second; a segment is what a lane has of one second.  Which records a segment holds depends on the lane alone.

Repeats (a worker that came back, an old one that woke) have a place (source offset, result number) that the lane has passed, and
are dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import Greeks, TradeGreeks, Watermark

GREEKS, TRADES = "greeks", "trades"
TOPICS = (GREEKS, TRADES)
NS_PER_S = 1_000_000_000
NEVER = -1
RESET_S = 60.0
"""A restored worker repeats a few seconds; one whose log time is this much older was set back on purpose."""

Value = Greeks | TradeGreeks | Watermark
LaneKey = tuple[str, int]
"""(topic, partition)."""


class LaneError(RuntimeError):
    """A lane is not the continuation of what was read from it; the fold must begin anew.

    LaneError
     ├─ OtherLog       the market log was made anew
     └─ WorkersReset   somebody set the workers back
    """


class OtherLog(LaneError):
    """The Watermark is of another log than the one before it."""


class WorkersReset(LaneError):
    """A higher epoch goes on from long before where the lane stood."""


class Arrival(NamedTuple):
    """A decoded record and where it stood."""

    topic: str
    """GREEKS or TRADES."""
    partition: int
    offset: int
    epoch: int
    """Of the worker's state, from the header of the same name."""
    record: Value


class Mark(NamedTuple):
    """Where a lane stands at a Watermark: all that is needed to go on behind it."""

    offset: int = NEVER
    """Of the Watermark."""
    source_offset: int = NEVER
    result_seq: int = NEVER
    second_ns: int = NEVER
    """Log time of the Watermark, down to the second: every second up to it is over in this lane."""
    log_time_ns: int = NEVER
    epoch: int = NEVER
    log_id: str = ""
    n_listed: int = 0


NO_MARK = Mark()


class Segment(NamedTuple):
    """What a lane has of one second."""

    mark: Mark
    records: tuple[Greeks | TradeGreeks, ...]


@dataclass(slots=True)
class Lane:
    """Segments that are over, oldest first, and the records after the newest of them."""

    mark: Mark = NO_MARK
    """The newest that has closed a segment."""
    place: tuple[int, int] = (NEVER, NEVER)
    """(source offset, result number) of the last record taken."""
    closed: deque[Segment] = field(default_factory=deque)
    opened: list[Greeks | TradeGreeks] = field(default_factory=list)
    n_repeats: int = 0


def lane_at(mark: Mark) -> Lane:
    """The lane that has been read up to a mark."""
    return Lane(mark=mark, place=(mark.source_offset, mark.result_seq))


def take(lane: Lane, arrival: Arrival) -> bool:
    """Take one record into its lane; True where it closed a segment.

    Of several Watermarks in one second the first closes it, and what follows belongs to the next.

    Raises
    ------
    OtherLog, WorkersReset : what comes is no continuation.
    """
    record = arrival.record
    if isinstance(record, Watermark):
        _check(lane.mark, arrival, record)
    place = (record.source_offset, record.result_seq)
    if place <= lane.place:
        lane.n_repeats += 1
        return False
    lane.place = place
    if not isinstance(record, Watermark):
        lane.opened.append(record)
        return False
    second_ns = record.log_time_ns // NS_PER_S * NS_PER_S
    if second_ns <= lane.mark.second_ns:
        return False
    lane.mark = Mark(
        arrival.offset, *place, second_ns, record.log_time_ns, max(arrival.epoch, lane.mark.epoch), record.log_id,
        record.n_listed,
    )  # fmt: skip
    lane.closed.append(Segment(lane.mark, tuple(lane.opened)))
    lane.opened = []
    return True


def _check(mark: Mark, arrival: Arrival, record: Watermark) -> None:
    where = f"{arrival.topic}[{arrival.partition}]@{arrival.offset}"
    if mark.log_id and record.log_id != mark.log_id:
        raise OtherLog(f"{where}: of log {record.log_id}, before it {mark.log_id}: the market log was made anew")
    if arrival.epoch > mark.epoch > NEVER and record.log_time_ns < mark.log_time_ns - int(RESET_S * NS_PER_S):
        raise WorkersReset(
            f"{where}: epoch {arrival.epoch} goes on at {record.log_time_ns} ns, epoch {mark.epoch} stood at "
            f"{mark.log_time_ns} ns: the workers were set back"
        )
