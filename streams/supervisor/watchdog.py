"""Whether a worker is silently dead: it runs, it owns partitions, their unread records grow, and it reads nothing.

Faust's consumer can stop handing records over without a word (its issues 175 and 640), and a process can be stopped or
stuck.  A worker whose consumer is dead still reads its partitions by itself every two seconds, so what counts is what
Faust has handed over.  Pure: times are seconds of any one clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.reports import Report


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


def unread(report: Report, ends: Mapping[int, int]) -> int:
    """Records of the worker's partitions that Faust has not handed over."""
    return sum(max(0, ends.get(partition, 0) - 1 - offset) for partition, offset in report.handed.items())


class Watchdog:
    """Follows one process.

    Parameter: ``within_s``, how long the lag may grow while nothing is read.  The span begins anew with everything that
    explains it: something was read, partitions changed, the worker folds the log by itself in a catch-up, the broker is away.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._since_s: float | None = None
        self._first_unread = 0
        self._progress: tuple[object, ...] = ()
        self.unread = 0
        """Records not handed over, at the last observation."""

    def is_dead(self, seen: Observation) -> bool:
        """Whether the worker is to be ended.  To be asked a few times within the span."""
        report, ends = seen.report, seen.ends
        self.unread = 0 if report is None or ends is None else unread(report, ends)
        if report is None or ends is None or not self.unread or self._has_moved(report):
            self._since_s = None
            return False
        is_heard = seen.now_s - seen.reported_s < self._within_s
        if report.is_catching_up and is_heard:
            # its own reads of the log have a limit of their own, after which it ends by itself
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s, self._first_unread = seen.now_s, self.unread
        return seen.now_s - self._since_s >= self._within_s and self.unread > self._first_unread

    def _has_moved(self, report: Report) -> bool:
        """Whether it has read, or its partitions have changed, since the last observation."""
        before, self._progress = self._progress, (report.generation, report.n_events, tuple(report.handed))
        return before != self._progress
