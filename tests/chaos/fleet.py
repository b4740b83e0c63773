"""Worker processes of a test, held by pid: started, killed, stopped, woken; each writes its JSON log to a file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import psutil

from streams.partitioning import N_PARTITIONS
from streams.processes import die_with_parent

WARM_WITHIN_S = 280
"""Kernels compile in a minute on a free core; a test's own limit is 300 s."""


class Recovery(NamedTuple):
    """A worker back from the dead, s: from its start to its first line as a worker (Python, packages, kernels), and from there
    until all its partitions were restored."""

    worker: int
    start_s: float
    recovered_s: float


class Fleet:
    """Workers by id.  ``environ`` adds to the environment of each; a dead worker is started again by ``tend``."""

    _is_warm = False

    def __init__(self, bootstrap: str, namespace: str, log_dir: Path, environ: Mapping[str, str]) -> None:
        self._environ = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, **environ}
        self._namespace, self._log_dir = namespace, log_dir
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: dict[int, float] = {}
        self._retired: list[subprocess.Popen[bytes]] = []
        self._started: dict[int, list[float]] = {}
        self.n_restarts = 0
        self.unexpected_ends: list[tuple[int, int]] = []
        self._expected: set[int] = set()
        log_dir.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in [*self._processes.values(), *self._retired]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, worker_id: int) -> None:
        self._started.setdefault(worker_id, []).append(time.time())
        with (self._log_dir / f"worker-{worker_id}.log").open("ab") as log:
            self._processes[worker_id] = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker", "--id", str(worker_id), "--namespace", self._namespace],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environ, "GREEKSTREAM_WORKER_SLOW_SEED": str(worker_id)},
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - this process starts no thread before its children
            )

    def warm_up(self, within_s: float = WARM_WITHIN_S) -> None:
        """Compile the kernels once: workers that all compile at their start would take minutes to come up."""
        if Fleet._is_warm:
            return
        arguments = [sys.executable, "-m", "streams.cli", "worker", "--warm-up"]
        subprocess.run(arguments, env=self._environ, check=True, timeout=within_s)
        Fleet._is_warm = True

    @property
    def ids(self) -> list[int]:
        return sorted(self._processes)

    def kill(self, worker_id: int) -> None:
        self._signal(worker_id, signal.SIGKILL)

    def terminate(self, worker_id: int) -> None:
        self._signal(worker_id, signal.SIGTERM)

    def retire(self, worker_id: int) -> None:
        """An orderly stop for good: nobody starts it again.  Its partitions are its own for a session timeout (static membership)."""
        self.terminate(worker_id)
        self._retired.append(self._processes.pop(worker_id))
        self._expected.discard(worker_id)

    def freeze(self, worker_id: int, for_s: float) -> None:
        """SIGSTOP now, SIGCONT by ``tend`` when the time is over."""
        self._signal(worker_id, signal.SIGSTOP, is_end=False)
        self._frozen[worker_id] = time.monotonic() + for_s

    def _signal(self, worker_id: int, number: signal.Signals, *, is_end: bool = True) -> None:
        if is_end:
            self._expected.add(worker_id)
        with contextlib.suppress(ProcessLookupError):
            self._processes[worker_id].send_signal(number)

    def tend(self) -> None:
        """Wake those whose time is over, start the dead again.  To be called a few times a second."""
        now_s = time.monotonic()
        for worker_id, until_s in list(self._frozen.items()):
            if now_s >= until_s:
                self._signal(worker_id, signal.SIGCONT, is_end=False)
                del self._frozen[worker_id]
        for worker_id, process in list(self._processes.items()):
            status = process.poll()
            if status is not None:
                if worker_id in self._expected:
                    self._expected.discard(worker_id)
                else:
                    self.unexpected_ends.append((worker_id, status))
                self._frozen.pop(worker_id, None)
                self.n_restarts += 1
                self.start(worker_id)

    def stop(self, within_s: float = 90.0) -> dict[int, int]:
        """SIGTERM to all; {worker: exit status}."""
        for worker_id in self.ids:
            self._signal(worker_id, signal.SIGCONT, is_end=False)
            self.terminate(worker_id)
        statuses = {}
        for worker_id, process in self._processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(within_s)
            if process.poll() is not None:
                statuses[worker_id] = process.returncode
        return statuses

    def rss_mb(self) -> dict[int, float]:
        """Resident memory of each running worker, MB."""
        sizes = {}
        for worker_id, process in self._processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes[worker_id] = round(psutil.Process(process.pid).memory_info().rss / 1e6, 1)
        return sizes

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of all workers with this event."""
        return list(self.lines(name))

    def lines(self, *names: str) -> Iterator[dict[str, Any]]:
        """Log lines with one of these events, worker after worker, of each in the order of their time."""
        marks = [f'"{name}"' for name in names]
        for path in sorted(self._log_dir.glob("worker-*.log")):
            for line in path.read_text(errors="replace").splitlines():
                if not any(mark in line for mark in marks):
                    continue
                with contextlib.suppress(ValueError):
                    item = json.loads(line)
                    if isinstance(item, dict) and item.get("event") in names:
                        yield item

    def is_settled(self) -> bool:
        """Whether every running worker has partitions, all of one generation, sixteen in all, and has said since that it is not
        restoring any.  One that has been started again counts from its own first line on."""
        given: dict[int, dict[str, Any]] = {}
        n_joins: Counter[int] = Counter()
        is_busy: dict[int, bool] = {}
        for line in self.lines("worker_joins", "assigned", "work"):
            worker_id = line["worker"]
            is_busy[worker_id] = line["event"] != "work" or any("restored" in reason for reason in line["not_ready"])
            if line["event"] == "assigned":
                given[worker_id] = line
            elif line["event"] == "worker_joins":
                given.pop(worker_id, None)
                n_joins[worker_id] += 1
        if self._expected or any(n_joins[worker_id] < len(self._started[worker_id]) for worker_id in self.ids):
            return False
        if not set(self.ids) <= set(given) or any(is_busy[worker_id] for worker_id in self.ids):
            return False
        ours = [given[worker_id] for worker_id in self.ids]
        partitions = sorted(p for line in ours for p in line["partitions"])
        is_one = len({line["generation"] for line in ours}) == 1
        return is_one and all(line["partitions"] for line in ours) and partitions == list(range(N_PARTITIONS))

    def recoveries(self) -> list[Recovery]:
        """Of each worker that was started again, and came so far."""
        found, joined = [], {}
        for line in self.lines("worker_joins", "partitions_ready"):
            worker_id, at_s = line["worker"], datetime.fromisoformat(line["timestamp"]).timestamp()
            if line["event"] == "worker_joins":
                joined[worker_id] = at_s
            elif worker_id in joined:
                back_s = joined.pop(worker_id)
                started_s = max((s for s in self._started.get(worker_id, ()) if s <= back_s), default=None)
                # the first start of a worker recovers nothing
                if started_s is not None and started_s > self._started[worker_id][0]:
                    found.append(Recovery(worker_id, back_s - started_s, at_s - back_s))
        return found

    def tail(self, n_lines: int = 8) -> str:
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-n_lines:])
            for path in sorted(self._log_dir.glob("worker-*.log"))
        )
