"""What the supervisor decides of its children: who they are, when one is started again, what its end means.  No process,
no clock."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.metrics import port_of_cme, port_of_flow, port_of_ingest, port_of_merge, port_of_worker

MAX_ID = 15
METRICS_PORT = "GREEKSTREAM_METRICS_PORT"
EXIT_SUPERSEDED = 66
"""Of an ingest, or a service of dealer flow, that saw a higher claim: starting it again would take the claim back, and so on without
end."""


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


def meaning_of(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return {
        0: "stopped by itself",
        64: "another worker of this id runs here",
        65: "refuses a record of a newer schema: upgrade the workers first",
        EXIT_SUPERSEDED: "another of its kind has claimed the namespace; this one is the standby now",
        70: "failed, see its last lines",
    }.get(status, "failed")


def slots_for(
    ids: Sequence[int],
    namespace: str,
    group: str = "",
    ingest: Sequence[str] = (),
    metrics_port: int = 0,
    *,
    has_flow: bool = False,
    cme_folder: str = "",
) -> list[Slot]:
    """One slot a worker, one for dealer flow if asked for, two for CME's files and what is merged from them if a folder is given, and
    one for ingest if there are arguments for it; each with a port of its own after the supervisor's."""
    own = ("--namespace", namespace) if namespace else ()
    common = (*own, *(("--group", group) if group else ()))

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
    if has_flow:
        arguments = ("flow-service", *own)
        slots.append(Slot("flow", arguments, final=(EXIT_SUPERSEDED,), environ=on(port_of_flow(metrics_port))))
    if cme_folder:
        arguments = ("cme", cme_folder, "--follow", *own)
        slots.append(Slot("cme", arguments, environ=on(port_of_cme(metrics_port))))
        arguments = ("merge", "--open-interest", cme_folder, *own)
        slots.append(Slot("merge", arguments, environ=on(port_of_merge(metrics_port))))
    if ingest:
        arguments = ("ingest", *ingest, *own)
        slots.append(Slot("ingest", arguments, final=(EXIT_SUPERSEDED,), environ=on(port_of_ingest(metrics_port))))
    return slots
