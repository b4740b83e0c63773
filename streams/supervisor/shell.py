"""The supervisor: worker processes in sessions of their own, restarted when they die, ended when it ends.

Faust supervises nothing outside its process.  Each worker has a static id, so one that comes back takes up its own
partitions and no other notices.  This is the shell; the decisions are in ``slots`` and ``watchdog``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from streams.metrics import Page
from streams.processes import die_with_parent
from streams.supervisor import readouts
from streams.supervisor.settings import KILL_AFTER_S
from streams.supervisor.slots import Backoff, Slot, meaning_of
from streams.supervisor.vitals import Vitals

TICK_S = 0.05
LOOK_S = 1.0
REPORT_FD = "GREEKSTREAM_WORKER_REPORT_FD"


@dataclass
class Supervisor:
    """Runs its slots until told to stop.

    Parameters: ``slots``; ``environ`` added to the children's; ``stop_within_s`` after which those that still run are
    killed by their pids; ``command`` before a slot's arguments; ``kill_after_s`` of those that the watchdog has ended;
    ``vitals`` of the workers, with the watchdog in them; ``page`` that gets figures every ``look_s``.
    """

    slots: Sequence[Slot]
    environ: Mapping[str, str] = field(default_factory=dict)
    backoff: Backoff = field(default_factory=Backoff)
    stop_within_s: float = 15.0
    command: Sequence[str] = (sys.executable, "-m", "streams.cli")
    clock: Callable[[], float] = time.monotonic
    kill_after_s: float = KILL_AFTER_S
    look_s: float = LOOK_S
    vitals: Vitals | None = None
    page: Page[readouts.Figures] | None = None

    def __post_init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = structlog.get_logger()
        self._n_signals = 0
        self._look_due_s = 0.0

    def ask_to_stop(self, *_: object) -> None:
        """A signal handler: once asks all to stop, twice kills them."""
        self._n_signals += 1

    @property
    def is_stopping(self) -> bool:
        return self._n_signals > 0

    def run(self) -> int:
        """Start, watch and restart until asked to stop; 0 if all ended by themselves then, 1 if some had to be killed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.ask_to_stop)
        try:
            while not self.is_stopping:
                self._start_due()
                time.sleep(TICK_S)
                self._note_deaths()
                self._look()
        finally:
            n_killed = self.stop()
        return 1 if n_killed else 0

    def _start_due(self) -> None:
        for slot in self.slots:
            if slot.due_s is not None and slot.due_s <= self.clock():
                process = self._spawn(slot)
                slot.started(self.clock())
                event = "worker_restarted" if slot.n_restarts else "worker_started"
                self._log.info(event, name=slot.name, pid=process.pid, restarts=slot.n_restarts)

    def _look(self) -> None:
        """Once a second: the workers' reports, the watchdog's verdicts, and our own page."""
        now_s = self.clock()
        if now_s < self._look_due_s:
            return
        self._look_due_s = now_s + self.look_s
        running = {slot.name: slot for slot in self.slots if slot.due_s is None and not slot.is_over}
        for name, why in self.vitals.dead(running) if self.vitals is not None else ():
            if running[name].kill_due_s is None:
                self._end(running[name], why)
        for slot in running.values():
            if slot.kill_due_s is not None and slot.kill_due_s <= now_s:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._processes[slot.name].pid, signal.SIGKILL)
        if self.page is not None:
            children = tuple(self._child(slot, slot.name in running) for slot in self.slots)
            self.page.put(readouts.Figures(children, self.vitals is not None and self.vitals.knows_ends))

    def _end(self, slot: Slot, why: str) -> None:
        """The watchdog's: SIGTERM, and SIGKILL from ``_look`` when that does not help; then it is started as after any death."""
        slot.n_watchdog += 1
        slot.kill_due_s = self.clock() + self.kill_after_s
        pid = self._processes[slot.name].pid
        self._log.warning("watchdog_ends", name=slot.name, pid=pid, why=why, watchdog_restarts=slot.n_watchdog)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def _child(self, slot: Slot, is_up: bool) -> readouts.Child:
        vital = self.vitals.of(slot.name) if self.vitals is not None and slot.reports else None
        return readouts.Child(slot.name, is_up, slot.n_restarts, slot.n_watchdog, vital)

    def _spawn(self, slot: Slot) -> subprocess.Popen[bytes]:
        pipe = self.vitals.listen(slot.name) if self.vitals is not None and slot.reports else None
        told = {REPORT_FD: str(pipe.write_fd)} if pipe is not None else {}
        # stdout too goes to our stderr: what we print ourselves stays readable by a machine
        process = subprocess.Popen(
            [*self.command, *slot.arguments],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            env={**os.environ, **self.environ, **slot.environ, **told},
            pass_fds=[pipe.write_fd] if pipe is not None else [],
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one call of a library loaded before, no lock can be held
        )
        if pipe is not None:
            pipe.started()
        self._processes[slot.name] = process
        return process

    def _note_deaths(self) -> None:
        for slot in self.slots:
            process = self._processes.get(slot.name)
            if slot.due_s is None and not slot.is_over and process is not None and process.poll() is not None:
                delay_s = slot.died(self.clock(), self.backoff, process.returncode)
                self._log.warning(
                    "worker_exited",
                    name=slot.name,
                    pid=process.pid,
                    status=process.returncode,
                    meaning=meaning_of(process.returncode),
                    restart_in_s=None if delay_s is None else round(delay_s, 2),
                )

    def stop(self) -> int:
        """SIGTERM to all, then SIGKILL to the groups of those that take too long; how many those were."""
        running = {name: process for name, process in self._processes.items() if process.poll() is None}
        self._log.info("stopping", running=sorted(running))
        for process in running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        n_asked, deadline = self._n_signals, self.clock() + self.stop_within_s
        while any(process.poll() is None for process in running.values()):
            if self.clock() > deadline or self._n_signals > max(1, n_asked):
                break
            time.sleep(TICK_S)
        leftovers = {name: process for name, process in running.items() if process.poll() is None}
        for process in leftovers.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._processes.values():
            process.wait()
        self._log.info(
            "stopped",
            killed=sorted(leftovers),
            restarts={slot.name: slot.n_restarts for slot in self.slots},
            watchdog_restarts={slot.name: slot.n_watchdog for slot in self.slots},
        )
        return len(leftovers)
