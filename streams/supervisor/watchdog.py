"""Whether a worker is silently dead: it runs, it owns partitions, their unread records grow, and it reads nothing (of one of
them).

Faust's consumer can stop handing records over without a word (faust #175, #640), and a process can be stopped or
stuck.  A worker whose consumer is dead still reads its partitions by itself every two seconds, so what counts is what
Faust has handed over.  Pure: times are seconds of any one clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.reports import Report

BLIND_S = 5.0
"""Who has not looked for longer (all of us were stopped, say) does not know what was meanwhile, and begins anew."""
PARTITION_TIMES = 4.0
"""One partition alone gets so many times as long: under a flood Faust serves partitions in turn, and some wait."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a worker at one moment."""

    now_s: float
    report: Report | None
    """Its newest; None before the first of its process."""
    reported_s: float
    """When that came."""
    ends: Mapping[int, int] | None
    """Offsets after the last record, by partition, as the broker has just said; None: it does not answer."""


def unread(report: Report, ends: Mapping[int, int]) -> dict[int, int]:
    """Records that Faust has not handed over, by the worker's partitions."""
    return {partition: max(0, ends.get(partition, 0) - 1 - offset) for partition, offset in report.handed.items()}


class Span:
    """How long unread records have been growing in one place while nothing was read there."""

    __slots__ = ("_first", "_moves", "_since_s")

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._first = 0
        self._moves: object = None

    def is_over(self, now_s: float, within_s: float, n_unread: int, moves: object) -> bool:
        """Whether ``within_s`` have passed.  ``moves`` changes with everything that is read; the span then begins anew."""
        has_moved, self._moves = moves != self._moves, moves
        if has_moved or not n_unread:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s, self._first = now_s, n_unread
        return now_s - self._since_s >= within_s and n_unread > self._first


class Watchdog:
    """Follows one process.

    Parameter: ``within_s``, how long the lag may grow while nothing is read.  The span begins anew with everything that
    explains it: something was read, partitions changed, the worker folds the log by itself in a catch-up, the broker is away.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._whole = Span()
        self._parts: dict[int, Span] = {}
        self._heard: tuple[float, float] | None = None
        self._looked_s: float | None = None
        self.unread = 0
        """Records not handed over, at the last observation."""

    def is_dead(self, seen: Observation) -> bool:
        """Whether the worker is to be ended: it says nothing, or reads nothing, or one of its partitions is not read though
        others are.  To be asked every second or so."""
        is_blind = self._looked_s is not None and seen.now_s - self._looked_s > BLIND_S
        self._looked_s = seen.now_s
        self.unread = 0
        if seen.report is None or seen.ends is None or is_blind:
            self._whole, self._parts, self._heard = Span(), {}, None
            return False
        found = unread(seen.report, seen.ends)
        self.unread = sum(found.values())
        return self._is_silent(seen) or self._reads_nothing(seen.now_s, seen.report, found)

    def _is_silent(self, seen: Observation) -> bool:
        """Its loop, which reports every second whatever happens, does not turn: whatever it was doing, it does it no more."""
        if self._heard is None or self._heard[0] != seen.reported_s:
            self._heard = (seen.reported_s, seen.now_s)
        return seen.now_s - self._heard[1] >= self._within_s

    def _reads_nothing(self, now_s: float, report: Report, found: Mapping[int, int]) -> bool:
        # its own reads of the log in a catch-up have a limit of their own, after which it ends by itself
        if report.is_catching_up:
            self._whole, self._parts = Span(), {}
            return False
        within_s = self._within_s
        group = (report.generation, tuple(report.handed))
        is_dead = self._whole.is_over(now_s, within_s, self.unread, (group, report.n_events))
        self._parts = {partition: self._parts.get(partition) or Span() for partition in found}
        for partition, n_unread in found.items():
            moves = (group, report.n_handed.get(partition))
            is_dead |= self._parts[partition].is_over(now_s, PARTITION_TIMES * within_s, n_unread, moves)
        return is_dead
