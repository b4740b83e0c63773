"""The whole pipeline as child processes of one parent: venue simulator, ingest, workers.  Used by the demo and by tests.

Start order: topics, simulator, workers, ingest (so that the workers see the first snapshot live).  Stop order: ingest, then
simulator, then workers (which checkpoint and leave).  Namespaces of demos and tests are wiped by the caller.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from streams import kafka, settings, topics
from streams.metrics import MetricsSettings, port_of_ingest
from streams.processes import Child, wait_until

MAX_WORKERS = 16
START_WITHIN_S = 240.0
"""For the group's place in the log: sixteen workers on two cores have it after 30 s, beside other work after more than 60."""


class StackError(RuntimeError):
    """A part of the pipeline did not come up or died; the message has the end of its log."""


def default_workers(n_cores: int | None = None) -> tuple[int, str]:
    """How many workers this machine carries, and why: two a core (each mostly waits for Kafka), at most sixteen."""
    n_cores = n_cores or os.cpu_count() or 1
    n_workers = min(MAX_WORKERS, 2 * n_cores)
    if n_workers == MAX_WORKERS:
        return n_workers, f"{n_workers} workers, one a partition"
    return n_workers, f"{n_workers} workers instead of {MAX_WORKERS}: {n_cores} cores, two workers a core"


@dataclass
class Stack:
    """Children of one namespace.

    Parameters: ``bootstrap`` of Kafka; ``namespace``; ``n_workers``; ``log_dir`` for the children's stderr;
    ``simulate`` and ``ingest`` are extra arguments of those commands; ``say`` gets a line of progress.
    """

    bootstrap: str
    namespace: str
    n_workers: int
    log_dir: Path
    simulate: Sequence[str] = ()
    ingest: Sequence[str] = ()
    environ: dict[str, str] = field(default_factory=dict)
    has_flow: bool = False
    """Whether the service of dealer flow runs too: a tenth of a core for a whole chain."""
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)
    children: dict[str, Child] = field(default_factory=dict)
    simulator_url: str = ""

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, name: str, *arguments: str, is_talking: bool = False, **environ: str) -> Child:
        child = Child(
            name,
            [name if name != "workers" else "up", *arguments],
            self.log_dir / f"{name}.log",
            is_talking=is_talking,
            environ={"KAFKA_BOOTSTRAP": self.bootstrap, **self.environ, **environ},
        )
        self.children[name] = child
        return child

    def start_simulator(self) -> str:
        """Start the venue and return its websocket address."""
        self.say("starting the simulated venue")
        child = self._start("simulate", "--port", "0", *self.simulate, is_talking=True)
        line = child.stdout.readline()
        if not line:
            raise StackError(f"the simulator did not start:\n{child.last_log_lines()}")
        answer = json.loads(line)
        self.simulator_url = str(answer["url"])
        self.say(f"venue at {self.simulator_url}, {answer.get('instruments', '?')} instruments")
        return self.simulator_url

    def start_workers(self) -> Child:
        self.say(f"starting {self.n_workers} workers" + (" and dealer flow" if self.has_flow else ""))
        flow = "--flow" if self.has_flow else "--no-flow"
        return self._start("workers", "--workers", str(self.n_workers), "--namespace", self.namespace, flow)

    def start_ingest(self) -> Child:
        self.say("starting ingest")
        arguments = ("--url", self.simulator_url, "--namespace", self.namespace, *self.ingest)
        # the supervisor of the workers has the port itself
        port = port_of_ingest(settings.load(MetricsSettings, "METRICS", {**os.environ, **self.environ}).port)
        return self._start("ingest", *arguments, GREEKSTREAM_METRICS_PORT=str(port))

    def start(self) -> None:
        """Everything, ingest last and only when the group has its place in the log: the first record is priced live."""
        self.start_simulator()
        self.start_workers()
        group = topics.group_name(self.namespace)
        source, partitions = topics.full_name(topics.TICKS, self.namespace), range(topics.TICKS.n_partitions)

        def is_founded() -> bool:
            self.check()
            return len(kafka.group_offsets(self.bootstrap, group, source, partitions)) == len(partitions)

        if not wait_until(is_founded, START_WITHIN_S, every_s=0.2):
            raise StackError(f"the workers' group has no place in the log after {START_WITHIN_S:.0f} s")
        self.start_ingest()

    def check(self) -> None:
        """Raise StackError when a child that should run is gone (the simulator may end: a recording has an end)."""
        for name in ("workers", "ingest"):
            child = self.children.get(name)
            if child is not None and not child.is_alive():
                raise StackError(f"{name} ended with status {child.process.returncode}:\n{child.last_log_lines()}")

    def restarts(self) -> int:
        """How often the supervisor has restarted a worker, from its log."""
        return self._n_events("worker_restarted")

    def watchdog_restarts(self) -> int:
        """How often it has ended one that was silently dead."""
        return self._n_events("watchdog_ends")

    def _n_events(self, event: str) -> int:
        child = self.children.get("workers")
        if child is None or not child.log_path.exists():
            return 0
        text = child.log_path.read_text(errors="replace")
        return sum(1 for line in text.splitlines() if f'"event": "{event}"' in line or f'"event":"{event}"' in line)

    def stop_source(self) -> None:
        """End ingest and the simulator; the workers go on with what is in the log."""
        for name in ("ingest", "simulate"):
            if name in self.children:
                self.children.pop(name).stop()

    def wait_for_source(self, within_s: float) -> bool:
        """True when the simulator has ended by itself (end of a recording) within the time."""
        return wait_until(lambda: not self.children["simulate"].is_alive(), within_s, every_s=0.2)

    def stop(self) -> None:
        self.stop_source()
        if "workers" in self.children:
            self.children.pop("workers").stop(within_s=30.0)
