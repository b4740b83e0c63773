"""What a worker knows of itself, gathered by its loop once a second from counters that the work keeps anyway.

What is made of it (``readouts``) is made where it is asked for.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from streams.worker.engines import Engine
from streams.worker.folds import Coverage
from streams.worker.latency import Latencies
from streams.worker.work import Counts, Work

LONG_FILL_S = 5.0
"""A fill from the log that takes longer is a catch-up; the one that closes a hole every two seconds is not."""


class PartitionFigures(NamedTuple):
    """One owned partition.  Offsets and records of its log; seconds of the monotonic clock."""

    offset: int
    handed: int
    n_handed: int
    lag: int | None
    """Records not applied; None before anything has been fetched."""
    checkpoint_age_s: float
    checkpoint_bytes: int
    is_pricing: bool
    coverage: Coverage | None
    stale_s: float
    """Since log time was last seen to move."""


@dataclass(frozen=True)
class Figures:
    """One moment of a worker.  Never changed once it is made."""

    generation: int = 0
    owned: tuple[int, ...] = ()
    partitions: Mapping[int, PartitionFigures] = field(default_factory=dict)
    """The owned ones that are restored."""
    catching_up: tuple[int, ...] = ()
    """Owned, and not restored yet or in a long fill."""
    counts: Counts = field(default_factory=Counts)
    n_filled: int = 0
    n_restored: int = 0
    kernel_s: float = 0.0
    n_kernel_calls: int = 0
    n_in_inbox: int = 0
    n_unconfirmed: int = 0
    sent: Mapping[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    log_events: Mapping[str, int] = field(default_factory=dict)
    latencies: Mapping[int, int] = field(default_factory=dict)
    latency_sum_s: float = 0.0

    @property
    def coverages(self) -> list[Coverage]:
        return [item.coverage for item in self.partitions.values() if item.coverage is not None]

    @property
    def n_listed(self) -> int:
        return sum(item.n_listed for item in self.coverages)

    @property
    def n_priced(self) -> int:
        return sum(item.n_priced for item in self.coverages)

    @property
    def listed_usd(self) -> float:
        return sum(item.open_interest_listed_usd for item in self.coverages)

    @property
    def priced_usd(self) -> float:
        return sum(item.open_interest_priced_usd for item in self.coverages)

    @property
    def rejected(self) -> dict[str, int]:
        """Standing rejects by reason."""
        found: defaultdict[str, int] = defaultdict(int)
        for item in self.coverages:
            for reason, n in item.rejected.items():
                found[reason] += n
        return dict(found)


class Watch:
    """What has to be remembered from one gathering to the next.  Touched from the event loop only."""

    def __init__(self, end_of: Callable[[int], int | None]) -> None:
        self._end_of = end_of
        self._log_times: dict[int, tuple[int, float]] = {}
        self._known_events: dict[int, dict[str, int]] = {}
        self._log_events: defaultdict[str, int] = defaultdict(int)

    def partitions(self, work: Work, now_s: float) -> dict[int, PartitionFigures]:
        """Figures of the owned partitions that have an engine."""
        engines = {p: engine for p in sorted(work.fence.owned) if (engine := work.engines.get(p)) is not None}
        for gone in set(self._log_times) - set(engines):
            del self._log_times[gone]
            self._known_events.pop(gone, None)
        return {p: self._partition(p, engine, now_s) for p, engine in engines.items()}

    def log_events(self) -> dict[str, int]:
        """The engines' counters, counted from when this process first saw them: a state brings those of its past."""
        return dict(self._log_events)

    def _partition(self, partition: int, engine: Engine, now_s: float) -> PartitionFigures:
        coverage, end = engine.fold.coverage(), self._end_of(partition)
        log_time_ns = -1 if coverage is None else coverage.log_time_ns
        seen_ns, since_s = self._log_times.setdefault(partition, (log_time_ns, now_s))
        if log_time_ns != seen_ns:
            since_s = now_s
            self._log_times[partition] = (log_time_ns, now_s)
        if coverage is not None:
            self._count(partition, coverage)
        is_covered = engine.offset <= engine.checkpointed
        return PartitionFigures(
            engine.offset,
            engine.handed,
            engine.n_handed,
            None if end is None else max(0, end - 1 - engine.offset),
            0.0 if is_covered else now_s - engine.covered_s,
            engine.checkpoint_bytes,
            coverage is not None and not coverage.waits_for,
            coverage,
            now_s - since_s,
        )

    def _count(self, partition: int, coverage: Coverage) -> None:
        known = self._known_events.get(partition)
        if known is not None:
            for kind, n in coverage.log_events.items():
                # less: the partition was restored from an earlier state meanwhile, and counts again
                self._log_events[kind] += max(0, n - known.get(kind, 0))
        self._known_events[partition] = coverage.log_events


def catching_up(work: Work, now_s: float) -> tuple[int, ...]:
    """Owned partitions that are not restored, or for longer than a moment in a fill from the log."""
    long = {p for p, since_s in work.restorer.filling.items() if now_s - since_s > LONG_FILL_S}
    return tuple(p for p in sorted(work.fence.owned) if p in long or work.engines.get(p) is None)


def gather(work: Work, watch: Watch, latencies: Latencies, n_in_inbox: int) -> Figures:
    """The worker's figures of this moment; called in the event loop."""
    now_s = time.monotonic()
    counts, sum_s = latencies.so_far()
    partitions = watch.partitions(work, now_s)
    return Figures(
        generation=work.fence.token().generation,
        owned=tuple(sorted(work.fence.owned)),
        partitions=partitions,
        catching_up=catching_up(work, now_s),
        counts=replace(work.counts),
        n_filled=work.restorer.n_filled,
        n_restored=work.restorer.n_restored,
        kernel_s=work.kernel.busy_s,
        n_kernel_calls=work.kernel.n_calls,
        n_in_inbox=n_in_inbox,
        n_unconfirmed=work.delivery.n_unconfirmed,
        sent=dict(work.delivery.sent),
        log_events=watch.log_events(),
        latencies=counts,
        latency_sum_s=sum_s,
    )
