"""The services of a run, held by pid: what happens to them is drawn from a seed, and who dies is started again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.processes import wait_until
from streams.supervisor import EXIT_SUPERSEDED
from tests.chaos.nursery import Nursery

SERVICES = ("flow", "cme", "merge", "history")
KINDS = ("kill", "kill", "term", "sleep")
TWIN = "twin"
"""Of dealer flow: it sleeps, another is started, takes over, and the first one wakes and must end."""
ASLEEP_S = (0.5, 3.0)
SETTLE_S = 120.0


class Event(NamedTuple):
    at_s: float
    service: str
    kind: str
    for_s: float = 0.0
    """Of a sleep."""

    def __str__(self) -> str:
        return f"{self.at_s:.1f}s {self.kind} {self.service}"


def draw(seed: int, duration_s: float, n_events: int) -> list[Event]:
    """Each service is killed once, dealer flow is taken over from once, and ``n_events`` more are drawn."""
    rng = random.Random(f"services {seed}")
    what = [(service, "kill") for service in SERVICES] + [("flow", TWIN)]
    what += [(rng.choice(SERVICES), rng.choice(KINDS)) for _ in range(n_events)]
    rng.shuffle(what)
    times = sorted(rng.uniform(0.05, 0.95) * duration_s for _ in what)
    return [
        Event(round(at_s, 1), *one, round(rng.uniform(*ASLEEP_S), 1)) for at_s, one in zip(times, what, strict=True)
    ]


class Services:
    """The services of one namespace, started again when they die, as the supervisor does."""

    def __init__(self, nursery: Nursery, commands: Mapping[str, Sequence[str]], folder: Path) -> None:
        self._nursery, self._commands, self._folder = nursery, commands, folder
        self.pids: dict[str, int] = {}
        self._asleep: list[tuple[float, int]] = []
        self._ghosts: set[int] = set()
        self._ended: dict[int, int] = {}
        self._expected: set[int] = set()
        self.n_restarts = 0
        self.faults: list[str] = []
        for name in commands:
            self.start(name)

    def start(self, name: str) -> None:
        self.pids[name] = self._nursery.start(self._commands[name], self.log_of(name))

    def log_of(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def happen(self, event: Event) -> None:
        """Do it; a sleeper is woken by ``tend``."""
        pid = self.pids[event.service]
        if event.kind in ("kill", "term"):
            self._expected.add(pid)
            self._signal(pid, signal.SIGKILL if event.kind == "kill" else signal.SIGTERM)
            return
        self._signal(pid, signal.SIGSTOP)
        self._asleep.append((time.monotonic() + event.for_s, pid))
        if event.kind == TWIN:
            self._ghosts.add(pid)
            self.start(event.service)

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def tend(self) -> None:
        """Wake those whose time is over, start the dead again.  To be called a few times a second."""
        now_s = time.monotonic()
        for item in [item for item in self._asleep if item[0] <= now_s]:
            self._signal(item[1], signal.SIGCONT)
            self._asleep.remove(item)
        self._ended |= self._nursery.statuses()
        self._asleep = [item for item in self._asleep if item[1] not in self._ended]
        for pid in self._ghosts & self._ended.keys():
            if self._ended[pid] != EXIT_SUPERSEDED:
                self.faults.append(f"flow, taken over from, ended with status {self._ended[pid]}")
            self._ghosts.discard(pid)
        for name, pid in list(self.pids.items()):
            if pid in self._ended:
                if self._ended[pid] == EXIT_SUPERSEDED and self._ghosts:
                    # the sleeper had not claimed yet when it was put to sleep: it did when it woke, and so goes on
                    self.pids[name] = self._ghosts.pop()
                    continue
                if pid not in self._expected:
                    self.faults.append(f"{name} ended by itself with status {self._ended[pid]}\n{self.tail(name)}")
                self.n_restarts += 1
                self.start(name)

    @property
    def is_quiet(self) -> bool:
        """Nobody sleeps, and whoever was taken over from has ended."""
        return not self._asleep and not self._ghosts

    def stop(self, names: Sequence[str]) -> None:
        """SIGTERM to these, which must leave in order; the others stay."""
        self.tend()
        leaving = {name: self.pids.pop(name) for name in names}
        for pid in leaving.values():
            self._signal(pid, signal.SIGTERM)
        wait_until(lambda: self.tend() or leaving.keys() <= self._ended_of(leaving).keys(), SETTLE_S)
        statuses = self._ended_of(leaving)
        if statuses != dict.fromkeys(names, 0):
            self.faults.append(f"not all left in order: {statuses}")

    def _ended_of(self, pids: Mapping[str, int]) -> dict[str, int]:
        return {name: self._ended[pid] for name, pid in pids.items() if pid in self._ended}

    def tail(self, name: str, n_lines: int = 6) -> str:
        return "\n".join(self.log_of(name).read_text(errors="replace").splitlines()[-n_lines:])
