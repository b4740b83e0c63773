"""The worker's loop without Faust: take events, checkpoint, keep up.  Faust, Kafka and the fold are handed in.

Order of a batch (STREAMING): group by partition; fence; restore if needed; fence; kernel; fence; send and store without
an await.  A partition's lock is held across its awaits, so that a snapshot never meets a state that is being used up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

from streams.worker.delivery import Delivery
from streams.worker.engines import Engine, Engines, Event, Run, contiguous_runs, cut, raw_of
from streams.worker.fence import Fence, Token
from streams.worker.folds import Outgoing, RawRecord
from streams.worker.kernel import Kernel
from streams.worker.restore import Fenced, Restorer

JOB_ROWS = 64
"""Records a kernel call, about: a few ms."""


@dataclass
class Counts:
    """Since the start of the process."""

    events: int = 0
    """Handed over by Faust."""
    rows: int = 0
    results: int = 0
    skipped: int = 0
    """At or below the state's offset: their results were out."""
    dropped: int = 0
    """Behind the fence."""
    abandoned: int = 0
    """Met by a rebalance while in the kernel or a restore."""
    holes: int = 0
    checkpoints: int = 0
    rebalances: int = 0


class Take(NamedTuple):
    """A run at its engine: the first ``n_known`` records have been applied before."""

    run: Run
    engine: Engine
    n_known: int
    records: list[RawRecord]


def step_all(takes: Sequence[Take]) -> list[tuple[Any, list[Outgoing]]]:
    """(state, results) of each; called by the kernel."""
    return [
        take.engine.fold.step(take.engine.state, take.records) if take.records else (take.engine.state, [])
        for take in takes
    ]


def jobs_of(runs: Iterable[Run], n_rows: int = JOB_ROWS) -> list[list[Run]]:
    """Runs in their order, put together into kernel calls: each partition once a call, and about ``n_rows`` records, so
    that a large batch's first results do not wait for its last."""
    jobs: list[list[Run]] = []
    n_in_last = 0
    for run in sorted(runs, key=lambda run: run.partition):
        is_again = bool(jobs) and jobs[-1][-1].partition == run.partition
        if not jobs or is_again or n_in_last + len(run.events) > n_rows:
            jobs.append([])
            n_in_last = 0
        jobs[-1].append(run)
        n_in_last += len(run.events)
    return jobs


class Inbox:
    """Events between the agent and the kernel, bounded: Faust hands over while the kernel computes, and what has come
    meanwhile makes the next batch, so that batches grow with the load."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._events: list[Any] = []
        self._filled, self._drained = asyncio.Event(), asyncio.Event()

    def put(self, event: Any) -> None:
        """Add an event."""
        self._events.append(event)
        self._filled.set()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_full(self) -> bool:
        """More than a batch is waiting: take no more until there is ``room``."""
        return len(self._events) > self._max_rows

    async def room(self) -> None:
        """Wait until not more than a batch is waiting."""
        while self.is_full:
            self._drained.clear()
            await self._drained.wait()

    async def get(self) -> list[Any]:
        """Take what is there, a batch at most; waits for the first."""
        while not self._events:
            self._filled.clear()
            await self._filled.wait()
        batch, self._events = self._events[: self._max_rows], self._events[self._max_rows :]
        self._drained.set()
        return batch


class Work:
    """Engines of the owned partitions, and what is done to them."""

    def __init__(
        self,
        fence: Fence,
        engines: Engines,
        delivery: Delivery,
        restorer: Restorer,
        kernel: Kernel,
        skip_to: Callable[[int, int], Awaitable[Any]],
    ) -> None:
        self.fence, self.engines, self.delivery, self.skip_to = fence, engines, delivery, skip_to
        self.restorer, self.kernel = restorer, kernel
        self.counts = Counts()
        self.is_draining = False
        """Set by a graceful stop: no event is taken any more, checkpoints are."""

    def drain(self) -> None:
        """Begin nothing more; what is in the kernel is finished, sent and stored.  Then ``checkpoint`` each partition."""
        self.is_draining = self.restorer.is_draining = True

    def on_assigned(self, partitions: Iterable[int]) -> None:
        self.engines.drop_all()
        self.fence.assign(partitions)
        self.counts.rebalances += 1

    def on_revoked(self) -> None:
        """States and held events are dropped: nothing can be acknowledged on a rebalance, repeats are identical."""
        self.fence.revoke()
        self.engines.drop_all()

    async def take(self, events: Sequence[Event]) -> None:
        """Work a batch off.  Raises on defects only; what a rebalance overtakes is dropped and comes again."""
        if self.is_draining:
            return
        self.counts.events += len(events)
        runs = contiguous_runs(events, self.fence.admits)
        self.counts.dropped += len(events) - sum(len(run.events) for run in runs)
        for job in jobs_of(runs):
            token = self.fence.token()
            async with AsyncExitStack() as locks:
                for run in job:  # in order of partition; nobody else holds more than one of them
                    await locks.enter_async_context(self.engines.lock(run.partition))
                try:
                    await self._take_job(job, token)
                except Fenced:
                    self.counts.abandoned += sum(len(run.events) for run in job)

    async def _take_job(self, job: Sequence[Run], token: Token) -> None:
        """One kernel call for runs of several partitions: a call each would cost more than most of them compute."""
        if self.is_draining or not self._is_ours(job, token):
            raise Fenced
        takes = [await self._placed(run, token) for run in job]
        await self.delivery.room()
        if not self.fence.holds(token):
            raise Fenced
        answers = await self.kernel.run_rows(sum(len(take.records) for take in takes), step_all, takes)
        if not self.fence.holds(token):
            raise Fenced
        # no await until they are stored: results and states go together
        for take, answer in zip(takes, answers, strict=True):
            engine = take.engine
            if take.records:
                state, results = answer
                engine.tickets += self.delivery.send(engine.partition, engine.epoch, results, take.records)
                engine.state, engine.offset = state, take.records[-1].offset
                self.counts.results += len(results)
            self.counts.rows += len(take.records)
            self.counts.skipped += take.n_known
            engine.hold(take.run.events)
            engine.handed = max(engine.handed, take.run.last)
            engine.n_handed += len(take.run.events)
            engine.last_event_s = time.monotonic()
        for take in takes:
            if not take.records and self.fence.holds(token):
                await self.skip_to(take.engine.partition, take.engine.offset)

    def _is_ours(self, job: Sequence[Run], token: Token) -> bool:
        return self.fence.holds(token) and all(run.partition in self.fence.owned for run in job)

    async def _placed(self, run: Run, token: Token) -> Take:
        """The run at its engine, restored if there is none or a hole before the run."""
        engine = self.engines.get(run.partition)
        if engine is None or cut(engine.offset, run).has_hole:
            engine = await self._restored(run.partition, run.first, token, engine)
        n_known, has_hole = cut(engine.offset, run)
        assert not has_hole, f"{run.partition}: restored at {engine.offset}, the run begins at {run.first}"
        return Take(run, engine, n_known, [raw_of(event.message) for event in run.events[n_known:]])

    async def _restored(self, partition: int, before: int | None, token: Token, old: Engine | None) -> Engine:
        """A fresh engine in the place of none, or of one that met a hole; the old one's held events move over."""
        self.counts.holes += old is not None
        engine = await self.restorer.restore(partition, before, token)
        if old is not None:
            engine.hold(old.held)
        engine.last_event_s, engine.handed = time.monotonic(), engine.offset
        self.engines.put(engine)
        return engine

    async def checkpoint(self, partition: int) -> list[Any]:
        """Write the partition's checkpoint; the events that may now be acknowledged.

        Snapshot before the flush of the results it covers; flush; fence; write; flush; fence (rule 4).
        """
        token = self.fence.token()
        async with self.engines.lock(partition):
            engine = self.engines.get(partition)
            if engine is None or not self.fence.holds(token):
                return []
            if engine.offset <= engine.checkpointed:
                # events that came after a fill had gone past them need no new one
                return engine.release(engine.checkpointed)
            offset, tickets = engine.offset, engine.unconfirmed()
            log_time_ns = engine.fold.log_time_ns(engine.state)
            data = await self.kernel.run(engine.fold.snapshot, engine.state)
        for ticket in tickets:
            await ticket.confirmed()
        if not self.fence.holds(token):
            return []
        await self.restorer.send_checkpoint(engine, data, offset, log_time_ns).confirmed()
        if not self.fence.holds(token):
            return []
        engine.checkpointed, engine.covered_s = max(engine.checkpointed, offset), time.monotonic()
        self.counts.checkpoints += 1
        # an engine put in its place meanwhile has taken the held events over
        return (self.engines.get(partition) or engine).release(offset)

    async def reconcile(self, partition: int, idle_s: float) -> None:
        """Restore an owned partition that has no engine yet, and close a hole that no further record would show:
        events dropped by the fence are not always delivered again."""
        token = self.fence.token()
        async with self.engines.lock(partition):
            if self.is_draining or not self.fence.holds(token) or partition not in self.fence.owned:
                return
            engine = self.engines.get(partition)
            try:
                if engine is None:
                    await self._restored(partition, None, token, None)
                elif time.monotonic() - engine.last_event_s > idle_s:
                    await self.restorer.fill(engine, None, token)
                    engine.last_event_s = time.monotonic()
            except Fenced:
                return

    def is_restored(self) -> bool:
        """Whether every owned partition has its engine."""
        return bool(self.fence.owned) and all(self.engines.get(partition) for partition in self.fence.owned)
