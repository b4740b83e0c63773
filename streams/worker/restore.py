"""Restore: best checkpoint + the log (STREAMING, rule 3), cold starts and epochs (DESIGN 5).

A missing or stale checkpoint costs time, never truth.  Every await may meet a rebalance: ``Fenced`` is raised then, and
nothing has been sent or stored since.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import schemas
from streams import topics
from streams.worker import checkpoints
from streams.worker.checkpoints import Bounds, ColdStart, Resume
from streams.worker.delivery import Delivery
from streams.worker.engines import Engine
from streams.worker.fence import Fence, Token
from streams.worker.folds import FoldMaker
from streams.worker.kernel import Kernel
from streams.worker.log_reader import LogReader, LogReadFailed
from streams.worker.settings import NS_PER_MIN, WorkerSettings

ALARM_BYTES = 256 * 1024
"""Half of what a checkpoint may have."""
FOLD_ROWS = 512
FILL_CHECKPOINT_S = 10.0
SILENT_ROWS = 4_000
"""Records a kernel call while folding: small enough for the fence and the loop, large enough for one vectorised call."""


class Fenced(Exception):
    """A rebalance or a stop came in between; whatever was in hand is abandoned."""


class Restorer:
    """Makes the engine of a partition that this worker has been given."""

    def __init__(
        self,
        settings: WorkerSettings,
        maker: FoldMaker,
        reader: LogReader,
        kernel: Kernel,
        delivery: Delivery,
        fence: Fence,
        say: Callable[..., None],
    ) -> None:
        self._settings, self._maker, self._reader, self._kernel = settings, maker, reader, kernel
        self._delivery, self._fence, self._say = delivery, fence, say
        self._topic = settings.source_topic
        self._checkpoint_topic = topics.full_name(topics.CHECKPOINTS, settings.namespace)
        self.n_restored = self.n_filled = 0
        self.filling: dict[int, float] = {}
        """Partitions that are being filled from the log now, and since when (monotonic)."""
        self.is_draining = False
        self._alarmed: set[int] = set()

    def _check(self, token: Token) -> None:
        """Fenced when a rebalance has come, or the worker is about to leave: nobody waits for what is read or folded now."""
        if self.is_draining or not self._fence.holds(token):
            raise Fenced

    async def restore(self, partition: int, before: int | None, token: Token) -> Engine:
        """The engine of ``partition``, standing at least at ``before`` - 1 (None: at the end of the log).

        ``before`` is the offset of the record in hand; results between the checkpoint and it go out again, identical.
        """
        self.n_restored += 1
        while True:
            engine = await self._open(partition, before, token)
            if engine is not None:
                break
        await self.fill(engine, before, token)
        return engine

    async def _found(self, partition: int) -> list[checkpoints.Found]:
        prefix = checkpoints.key_prefix(self._settings.group_name, self._topic, partition)
        return await self._reader.run(self._reader.checkpoints, self._checkpoint_topic, partition, prefix)

    async def _open(self, partition: int, before: int | None, token: Token) -> Engine | None:
        """The engine at its checkpoint, or after a cold start; None when another worker has opened the epoch first."""
        found = await self._found(partition)
        self._check(token)
        chosen = checkpoints.best(found)
        checkpoint = _decoded(chosen)
        log_id = await self._reader.run(self._reader.log_id, self._topic)
        bounds = await self._reader.run(self._reader.bounds, self._topic, partition)
        self._check(token)
        plan = checkpoints.decide(checkpoint, log_id, bounds, self._maker.identity)
        fold = self._maker.fold(partition, log_id)
        if isinstance(plan, Resume):
            state = await self._kernel.run(fold.restore, plan.checkpoint.state)
            self._check(token)
            engine = Engine(partition, fold, plan.epoch, state, plan.checkpoint.offset, log_id)
            engine.history_ns = plan.checkpoint.log_time_ns
            engine.checkpointed = -2 if plan.opens_epoch else plan.checkpoint.offset
            opens = plan.opens_epoch
        else:
            engine = await self._cold_start(partition, before, plan, bounds, log_id, token)
            opens = True
        if opens and not await self._open_epoch(engine, plan, token):
            return None
        engine.covered_s = time.monotonic()
        return engine

    async def _cold_start(
        self, partition: int, before: int | None, plan: ColdStart, bounds: Bounds, log_id: str, token: Token
    ) -> Engine:
        """Fold silently from before the group's offset; what lay before that is lost, and said once."""
        read, run = self._reader, self._reader.run
        committed = await run(read.committed, self._settings.group_name, self._topic, partition)
        self._check(token)
        first = committed if committed is not None else (bounds.end if before is None else before)
        first = min(max(first, bounds.start), bounds.end)
        begin = await self._silent_begin(partition, first, bounds)
        self._check(token)
        self._say(
            "cold_start", partition=partition, epoch=plan.epoch, reason=plan.reason, first=first, folds_from=begin
        )
        fold = self._maker.fold(partition, log_id)
        engine = Engine(partition, fold, plan.epoch, fold.new_state(), begin - 1, log_id)
        async for records in self._chunks(partition, begin, first, SILENT_ROWS, token):
            state, _ = await self._kernel.run(fold.step, engine.state, records)
            self._check(token)
            engine.state, engine.offset = state, records[-1].offset
        engine.offset = first - 1
        return engine

    async def _silent_begin(self, partition: int, first: int, bounds: Bounds) -> int:
        """Offset 65 min of log time before ``first``, or the log's start."""
        if first <= bounds.start:
            return first
        read, run = self._reader, self._reader.run
        time_ms = await run(read.timestamp_ms, self._topic, partition, first - 1, bounds.end)
        if time_ms is None:
            return bounds.start
        earlier_ms = time_ms - self._settings.cold_start_minutes * 60_000
        return min(first, max(bounds.start, await run(read.offset_at, self._topic, partition, earlier_ms)))

    async def _open_epoch(self, engine: Engine, plan: Resume | ColdStart, token: Token) -> bool:
        """Write the epoch's first checkpoint; False if another worker's stands before it."""
        data = await self._kernel.run(engine.fold.snapshot, engine.state)
        self._check(token)
        log_time_ns = engine.fold.log_time_ns(engine.state)
        ticket = self.send_checkpoint(engine, data, engine.offset, log_time_ns, is_opening=True)
        await ticket.confirmed()
        self._check(token)
        first = checkpoints.opener(await self._found(engine.partition), engine.epoch)
        self._check(token)
        if first is None or first.offset != engine.offset or _state(first) != data:
            self._say("epoch_lost", partition=engine.partition, epoch=engine.epoch)
            return False
        engine.checkpointed = engine.offset
        self._say(
            "epoch_opened", partition=engine.partition, epoch=engine.epoch, offset=engine.offset, reason=plan.reason
        )
        return True

    def send_checkpoint(
        self, engine: Engine, data: bytes, offset: int, log_time_ns: int, *, is_opening: bool = False
    ) -> Any:
        """Checkpoint of a state at ``offset``; into the history too when it opens an epoch or log time has passed a grid
        point of the history."""
        identity, group = self._maker.identity, self._settings.group_name
        where = (group, self._topic, engine.partition, engine.epoch, offset)
        record = checkpoints.record(*where, engine.log_id, log_time_ns, identity, data)
        value = schemas.encode(record)
        engine.checkpoint_bytes = len(value)
        if len(value) > ALARM_BYTES and engine.partition not in self._alarmed:
            self._alarmed.add(engine.partition)
            self._say("checkpoint_large", partition=engine.partition, bytes=len(value), limit=2 * ALARM_BYTES)
        key = topics.checkpoint_key(group, self._topic, engine.partition, engine.epoch)
        to = (engine.partition, key, value, engine.epoch, offset, log_time_ns)
        every_ns = self._settings.history_minutes * NS_PER_MIN
        if is_opening or checkpoints.is_history_due(engine.history_ns, log_time_ns, every_ns):
            self._delivery.send_checkpoint(topics.CHECKPOINTS_HISTORY, *to)
            engine.history_ns = log_time_ns
        return self._delivery.send_checkpoint(topics.CHECKPOINTS, *to)

    async def fill(self, engine: Engine, before: int | None, token: Token) -> None:
        """Fold the log from the engine's offset up to ``before`` - 1 (None: to its end) and send the results.

        A long one writes checkpoints on its way: who is ended in it goes on from there, not from the beginning.
        """
        if before is None:
            before = (await self._reader.run(self._reader.bounds, self._topic, engine.partition)).end
            self._check(token)
        self.filling[engine.partition] = time.monotonic()
        try:
            await self._fill(engine, before, token)
        finally:
            del self.filling[engine.partition]

    async def _fill(self, engine: Engine, before: int, token: Token) -> None:
        due_s = time.monotonic() + FILL_CHECKPOINT_S
        async for records in self._chunks(engine.partition, engine.offset + 1, before, FOLD_ROWS, token):
            await self._delivery.room()
            self._check(token)
            state, results = await self._kernel.run(engine.fold.step, engine.state, records)
            if not self._fence.holds(token):  # not for a stop: the step has used the engine's state up
                raise Fenced
            engine.tickets += self._delivery.send(engine.partition, engine.epoch, results, records, is_live=False)
            engine.state, engine.offset = state, records[-1].offset
            self.n_filled += len(records)
            if time.monotonic() > due_s:
                await self._checkpoint(engine, token)
                due_s = time.monotonic() + FILL_CHECKPOINT_S

    async def _checkpoint(self, engine: Engine, token: Token) -> None:
        """Snapshot, results confirmed, fence, checkpoint confirmed (rule 4).  The caller holds the partition's lock."""
        offset, log_time_ns = engine.offset, engine.fold.log_time_ns(engine.state)
        data = await self._kernel.run(engine.fold.snapshot, engine.state)
        for ticket in engine.unconfirmed():
            await ticket.confirmed()
        self._check(token)
        await self.send_checkpoint(engine, data, offset, log_time_ns).confirmed()
        self._check(token)
        engine.checkpointed, engine.covered_s = offset, time.monotonic()

    async def _chunks(self, partition: int, begin: int, end: int, n_rows: int, token: Token) -> Any:
        """Records of [begin, end) in lists; the fence holds when each is handed out."""
        while begin < end:
            records = await self._reader.run(self._reader.records, self._topic, partition, begin, end, n_rows)
            self._check(token)
            if not records:
                return
            if records[0].offset != begin or records[-1].offset != begin + len(records) - 1:
                # retention has overtaken us, or the read is not what it should be: start again from what there is
                raise LogReadFailed(f"{self._topic}[{partition}]: wanted {begin} on, got {records[0].offset} on")
            begin = records[-1].offset + 1
            yield records


def _decoded(found: checkpoints.Found | None) -> schemas.Checkpoint | None:
    """The record, or None; one that cannot be decoded is as good as none."""
    if found is None:
        return None
    record = schemas.decode(found.value)
    assert isinstance(record, schemas.Checkpoint), f"not a checkpoint: {type(record).__name__}"
    return record


def _state(found: checkpoints.Found) -> bytes:
    record = _decoded(found)
    assert record is not None
    return record.state
