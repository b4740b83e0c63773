"""What the supervisor knows of its workers beside their pids: their reports, the log's ends, and who is silently dead."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from streams.reports import Listener, Report
from streams.supervisor.watchdog import Observation, Watchdog

WATCHDOG_S = 30.0
"""A worker is ended when its lag has grown for so long while it read nothing.  A rebalance resets the span; what it has to
cover is how long Faust needs to go on after the broker was away: up to 16 s have been measured, a session of 10 s in them."""


class Ends(Protocol):
    """Who knows where the log ends."""

    def newest(self) -> Mapping[int, int] | None: ...


class Vital(NamedTuple):
    """What is known of one worker's process."""

    report: Report | None
    report_age_s: float
    """Since its last report, or its start."""
    unread: int


class _Process:
    def __init__(self, watchdog_s: float, now_s: float) -> None:
        self.listener = Listener()
        self.watchdog = Watchdog(watchdog_s)
        self.report: Report | None = None
        self.reported_s = now_s


class Vitals:
    """Of the workers of one supervisor, by name.  ``watchdog_s`` 0: nobody is ever called dead."""

    def __init__(self, ends: Ends, watchdog_s: float = WATCHDOG_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._ends, self._watchdog_s, self._clock = ends, watchdog_s, clock
        self._processes: dict[str, _Process] = {}

    def listen(self, name: str) -> Listener:
        """The pipe of a process that is about to be started; what was known of the one before it is forgotten."""
        self.forget(name)
        self._processes[name] = _Process(self._watchdog_s, self._clock())
        return self._processes[name].listener

    def forget(self, name: str) -> None:
        """The process is over."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.listener.close()

    def dead(self, running: Collection[str]) -> list[tuple[str, str]]:
        """Read the pipes; who of those that run is to be ended, and why in words."""
        now_s, found = self._clock(), []
        for process in self._processes.values():
            report = process.listener.newest()
            if report is not None:
                process.report, process.reported_s = report, now_s
        ends = self._ends.newest()
        for name, process in self._processes.items():
            seen = Observation(now_s, process.report, process.reported_s, ends)
            if name in running and process.watchdog.is_dead(seen) and self._watchdog_s:
                silent_s = now_s - process.reported_s
                found.append((name, f"{process.watchdog.unread} records unread, silent for {silent_s:.0f} s"))
        return found

    @property
    def knows_ends(self) -> bool:
        """Whether the broker answers: while it does not, nobody is called dead."""
        return self._ends.newest() is not None

    def of(self, name: str) -> Vital:
        """What is known of a worker; nothing of a process that has not been started."""
        process = self._processes.get(name)
        if process is None:
            return Vital(None, 0.0, 0)
        return Vital(process.report, self._clock() - process.reported_s, process.watchdog.unread)
