"""The newest row of every instrument, as a pure fold over messages in any order of arrival.

A row replaces another only if its (epoch, source_offset, result_seq) is higher, so that repeats after a crash, and rows
written late by a worker that was stopped and woke, change nothing.  Expired instruments leave the table by the log time of
their partition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas import Greeks, Watermark

Identity = tuple[int, int, int]
"""(epoch, source_offset, result_seq): rises from result to result of one instrument."""

STALE_AFTER_S = 5.0
_NEVER = 2**63


class Arrival(NamedTuple):
    """One decoded message: where it stood, its key and identity, when it came (s, wall), and its record (None: tombstone)."""

    partition: int
    key: str
    identity: Identity
    wall_s: float
    record: Any


def identity_of(headers: Mapping[str, bytes], record: Any = None) -> Identity:
    """Identity from a result's headers; of a record without them (written by other tools) from its own fields, epoch 0."""
    try:
        return int(headers["epoch"]), int(headers["source_offset"]), int(headers["result_seq"])
    except (KeyError, ValueError):
        return 0, getattr(record, "source_offset", 0), getattr(record, "result_seq", 0)


class Staleness(NamedTuple):
    """``partitions``: those without a watermark for STALE_AFTER_S of wall time; ``silent_s``: of the longest silence."""

    partitions: tuple[int, ...]
    silent_s: float

    @property
    def is_stale(self) -> bool:
        return bool(self.partitions)


class Table:
    """Rows, watermarks and counts of one topic.

    ``take`` is idempotent: the same arrival again changes nothing but ``n_repeats``.  Rows are bounded by the listed instruments.
    """

    def __init__(self, partitions: range | tuple[int, ...], wall_s: float) -> None:
        self.rows: dict[str, Greeks] = {}
        self.watermarks: dict[int, Watermark] = {}
        self.log_time_ns: dict[int, int] = {}
        self.n_repeats = 0
        self.n_expired = 0
        # By key: the highest identity taken, and where and when that may be forgotten.
        self._identities: dict[str, tuple[Identity, int, int]] = {}
        self._next_expiry_ns: dict[int, int] = {}
        self._heard_s: dict[int, float] = dict.fromkeys(partitions, wall_s)

    def take(self, arrival: Arrival) -> bool:
        """Take one message in; True when it is news: no repeat, nothing older, not expired."""
        last = self._identities.get(arrival.key)
        if last is not None and arrival.identity <= last[0]:
            self.n_repeats += 1
            return False
        record, partition = arrival.record, arrival.partition
        expiry_ns = getattr(record, "expiry_ns", None) or (_NEVER if last is None else last[2])
        self._identities[arrival.key] = (arrival.identity, partition, expiry_ns)
        self._next_expiry_ns[partition] = min(expiry_ns, self._next_expiry_ns.get(partition, _NEVER))
        if isinstance(record, Watermark):
            self.watermarks[arrival.partition] = record
            self.log_time_ns[arrival.partition] = record.log_time_ns
            self._heard_s[arrival.partition] = max(arrival.wall_s, self._heard_s.get(arrival.partition, 0.0))
            self._drop_expired(arrival.partition, record.log_time_ns)
            return True
        if record is None:
            self.rows.pop(arrival.key, None)
            return False
        if isinstance(record, Greeks):
            log_time_ns = max(record.ts_event_ns, self.log_time_ns.get(arrival.partition, 0))
            if record.expiry_ns is not None and record.expiry_ns <= log_time_ns:
                self.n_expired += 1
                self.rows.pop(arrival.key, None)
                return False
            self.rows[arrival.key] = record
        return True

    def _drop_expired(self, partition: int, log_time_ns: int) -> None:
        """Forget what this partition's time has passed, identities too: any repeat is past its expiry by itself."""
        if log_time_ns < self._next_expiry_ns.get(partition, _NEVER):
            return
        own = [(key, expiry_ns) for key, (_, where, expiry_ns) in self._identities.items() if where == partition]
        for key, expiry_ns in own:
            if expiry_ns <= log_time_ns:
                self.rows.pop(key, None)
                del self._identities[key]
        self._next_expiry_ns[partition] = min((e for _, e in own if e > log_time_ns), default=_NEVER)

    def heard_at(self, partition: int, wall_s: float) -> None:
        """Set when a partition was last heard: for watermarks that were written before this reader came."""
        self._heard_s[partition] = wall_s

    def staleness(self, wall_s: float) -> Staleness:
        """Which partitions have been silent, at this wall time (s)."""
        silences = {partition: wall_s - heard_s for partition, heard_s in self._heard_s.items()}
        silent = sorted(partition for partition, silence_s in silences.items() if silence_s > STALE_AFTER_S)
        return Staleness(tuple(silent), max(silences.values(), default=0.0))

    @property
    def newest_log_time_ns(self) -> int | None:
        """Highest log time of any partition; None before the first watermark."""
        return max(self.log_time_ns.values(), default=None)

    @property
    def coverage(self) -> float | None:
        """Priced over listed options, of the partitions' newest watermarks; None before the first."""
        n_listed = sum(mark.n_listed for mark in self.watermarks.values())
        return sum(mark.n_priced for mark in self.watermarks.values()) / n_listed if n_listed else None
