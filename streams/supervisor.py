"""The supervisor: worker processes in sessions of their own, restarted when they die, ended when it ends.

Faust supervises nothing outside its process.  Each worker has a static id, so one that comes back takes up its own
partitions and no other notices.  The decisions (``Slot``, ``Backoff``) know no process and no clock; ``Supervisor`` is
the shell around them.
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

from streams import supervisor_readouts
from streams.metrics import Page, port_of_ingest, port_of_worker
from streams.processes import die_with_parent
from streams.vitals import Vitals

MAX_ID = 15
TICK_S = 0.05
LOOK_S = 1.0
KILL_AFTER_S = 5.0
"""What the watchdog has given up gets so long for its checkpoints; a process that is stopped hears no SIGTERM at all."""
REPORT_FD = "GREEKSTREAM_WORKER_REPORT_FD"
METRICS_PORT = "GREEKSTREAM_METRICS_PORT"
EXIT_SUPERSEDED = 66
"""Of an ingest that saw a higher claim: starting it again would take the claim back, and so on without end."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first restart is at once: a killed worker is to be back in seconds.  One that keeps dying waits longer and
    longer, until it has lived for ``forgive_s``."""

    first_s: float = 0.5
    factor: float = 2.0
    most_s: float = 30.0
    forgive_s: float = 60.0

    def delay_s(self, n_deaths: int) -> float:
        """Seconds to wait after the ``n_deaths``-th death in a row (1: none)."""
        if n_deaths <= 1:
            return 0.0
        return min(self.most_s, self.first_s * self.factor ** min(n_deaths - 2, 30))


@dataclass(slots=True)
class Slot:
    """One child: what it is, and what has become of it.  Times are seconds of any one clock."""

    name: str
    arguments: tuple[str, ...]
    n_deaths: int = 0
    """In a row."""
    n_restarts: int = 0
    started_s: float | None = None
    due_s: float | None = 0.0
    """When to start it; None while it runs, and once it is over."""
    final: tuple[int, ...] = ()
    """Exit statuses after which it is not started again."""
    is_over: bool = False
    reports: bool = False
    """A worker: it reports through a pipe, and the watchdog follows it."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Of this child alone."""
    n_watchdog: int = 0
    """Times that the watchdog has ended it."""
    kill_due_s: float | None = None
    """When to kill it, if the watchdog's SIGTERM has not ended it by then."""

    def started(self, now_s: float) -> None:
        self.started_s, self.due_s, self.kill_due_s = now_s, None, None

    def died(self, now_s: float, backoff: Backoff, status: int = 1) -> float | None:
        """Note a death; the seconds until the restart, None if that was the last."""
        if status in self.final:
            self.is_over = True
            return None
        lived_s = now_s - (self.started_s if self.started_s is not None else now_s)
        self.n_deaths = 1 if lived_s >= backoff.forgive_s else self.n_deaths + 1
        delay_s = backoff.delay_s(self.n_deaths)
        self.due_s = now_s + delay_s
        self.n_restarts += 1
        return delay_s


def parse_workers(text: str) -> list[int]:
    """Worker ids of ``--workers``: ``4`` means 0 to 3; ``8-15`` and ``0,3,5-7`` name them.  ValueError otherwise."""
    if text.isdigit():
        if not 1 <= int(text) <= MAX_ID + 1:
            raise ValueError(f"--workers {text}: want 1 to {MAX_ID + 1}, one a partition at most")
        return list(range(int(text)))
    ids: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.strip().isdigit() or (dash and not last.strip().isdigit()):
            raise ValueError(f"--workers {text!r}: want a number, a range as 0-7, or a list as 0,3,5-7")
        ids |= set(range(int(first), int(last or first) + 1))
    if not ids or max(ids) > MAX_ID:
        raise ValueError(f"--workers {text!r}: ids are 0 to {MAX_ID}, and a range rises")
    return sorted(ids)


@dataclass
class Supervisor:
    """Runs its slots until told to stop.

    Parameters: ``slots``; ``environ`` added to the children's; ``stop_within_s`` after which those that still run are
    killed by their pids; ``command`` before a slot's arguments; ``vitals`` of the workers, with the watchdog in them;
    ``page`` that gets figures every second.
    """

    slots: Sequence[Slot]
    environ: Mapping[str, str] = field(default_factory=dict)
    backoff: Backoff = field(default_factory=Backoff)
    stop_within_s: float = 15.0
    command: Sequence[str] = (sys.executable, "-m", "streams.cli")
    clock: Callable[[], float] = time.monotonic
    vitals: Vitals | None = None
    page: Page[supervisor_readouts.Figures] | None = None

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
        self._look_due_s = now_s + LOOK_S
        running = {slot.name: slot for slot in self.slots if slot.due_s is None and not slot.is_over}
        for name, why in self.vitals.dead(running) if self.vitals is not None else ():
            if running[name].kill_due_s is None:
                self._end(running[name], why)
        for slot in running.values():
            if slot.kill_due_s is not None and slot.kill_due_s <= now_s:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._processes[slot.name].pid, signal.SIGKILL)
        if self.page is not None:
            self.page.put(tuple(self._child(slot, slot.name in running) for slot in self.slots))

    def _end(self, slot: Slot, why: str) -> None:
        """The watchdog's: SIGTERM, and SIGKILL from ``_look`` when that does not help; then it is started as after any death."""
        slot.n_watchdog += 1
        slot.kill_due_s = self.clock() + KILL_AFTER_S
        pid = self._processes[slot.name].pid
        self._log.warning("watchdog_ends", name=slot.name, pid=pid, why=why, watchdog_restarts=slot.n_watchdog)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def _child(self, slot: Slot, is_up: bool) -> supervisor_readouts.Child:
        vital = self.vitals.of(slot.name) if self.vitals is not None and slot.reports else None
        return supervisor_readouts.Child(slot.name, is_up, slot.n_restarts, slot.n_watchdog, vital)

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


def meaning_of(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return {
        0: "stopped by itself",
        64: "another worker of this id runs here",
        65: "refuses a record of a newer schema: upgrade the workers first",
        EXIT_SUPERSEDED: "another ingest has claimed the namespace; this one is the standby now",
        70: "failed, see its last lines",
    }.get(status, "failed")


def slots_for(
    ids: Sequence[int], namespace: str, group: str = "", ingest: Sequence[str] = (), metrics_port: int = 0
) -> list[Slot]:
    """One slot a worker, and one for ingest if there are arguments for it; each with a port of its own after the supervisor's."""
    common = (*(("--namespace", namespace) if namespace else ()), *(("--group", group) if group else ()))

    def on(port: int) -> dict[str, str]:
        return {METRICS_PORT: str(port)}

    slots = [
        Slot(
            f"worker-{i:02d}",
            ("worker", "--id", str(i), *common),
            reports=True,
            environ=on(port_of_worker(metrics_port, i)),
        )
        for i in ids
    ]
    if ingest:
        arguments = ("ingest", *ingest, *(("--namespace", namespace) if namespace else ()))
        slots.append(Slot("ingest", arguments, final=(EXIT_SUPERSEDED,), environ=on(port_of_ingest(metrics_port))))
    return slots
