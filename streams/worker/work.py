"""The worker's loop without Faust: take events, checkpoint, keep up.  Faust, Kafka and the fold are handed in.

Order of a batch (STREAMING): group by partition; fence; restore if needed; fence; kernel; fence; send and store without
an await.  A partition's lock is held across its awaits, so that a snapshot never meets a state that is being used up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.worker.delivery import Delivery
from streams.worker.engines import Engine, Engines, Event, Run, contiguous_runs, cut, raw_of
from streams.worker.fence import Fence, Token
from streams.worker.kernel import Kernel
from streams.worker.restore import Fenced, Restorer


@dataclass
class Counts:
    """Since the start of the process."""

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


class Work:
    """Engines of the owned partitions, and what is done to them."""

    def __init__(self, fence: Fence, engines: Engines, delivery: Delivery, restorer: Restorer, kernel: Kernel) -> None:
        self.fence, self.engines, self.delivery = fence, engines, delivery
        self.restorer, self.kernel = restorer, kernel
        self.counts = Counts()
        self.is_draining = False
        """Set by a graceful stop: no event is taken any more, checkpoints are."""

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
        runs = contiguous_runs(events, self.fence.admits)
        self.counts.dropped += len(events) - sum(len(run.events) for run in runs)
        for run in runs:
            token = self.fence.token()
            async with self.engines.lock(run.partition):
                try:
                    await self._take_run(run, token)
                except Fenced:
                    self.counts.abandoned += len(run.events)

    async def _take_run(self, run: Run, token: Token) -> None:
        if self.is_draining or not self.fence.holds(token) or run.partition not in self.fence.owned:
            raise Fenced
        engine = self.engines.get(run.partition)
        if engine is None or cut(engine.offset, run).has_hole:
            engine = await self._restored(run.partition, run.first, token, engine)
        n_known, has_hole = cut(engine.offset, run)
        assert not has_hole, f"{run.partition}: restored at {engine.offset}, the run begins at {run.first}"
        self.counts.skipped += n_known
        records = [raw_of(event.message) for event in run.events[n_known:]]
        if records:
            await self.delivery.room()
            if not self.fence.holds(token):
                raise Fenced
            state, results = await self.kernel.run(engine.fold.step, engine.state, records)
            if not self.fence.holds(token):
                raise Fenced
            # no await from here on: results and state go together
            engine.tickets.append(self.delivery.send(run.partition, engine.epoch, results, records))
            engine.state, engine.offset = state, records[-1].offset
            self.counts.rows += len(records)
            self.counts.results += len(results)
        engine.hold(run.events)
        engine.last_event_s = time.monotonic()

    async def _restored(self, partition: int, before: int | None, token: Token, old: Engine | None) -> Engine:
        """A fresh engine in the place of none, or of one that met a hole; the old one's held events move over."""
        self.counts.holes += old is not None
        engine = await self.restorer.restore(partition, before, token)
        if old is not None:
            engine.hold(old.held)
        engine.last_event_s = time.monotonic()
        self.engines.put(engine)
        return engine

    async def checkpoint(self, partition: int) -> list[Any]:
        """Write the partition's checkpoint; the events that may now be acknowledged.

        Snapshot before the flush of the results it covers; flush; fence; write; flush; fence (rule 4).
        """
        token = self.fence.token()
        async with self.engines.lock(partition):
            engine = self.engines.get(partition)
            if engine is None or not self.fence.holds(token) or engine.offset <= engine.checkpointed:
                return []
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
        engine.checkpointed = max(engine.checkpointed, offset)
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
