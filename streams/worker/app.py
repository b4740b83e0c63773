"""The Faust application of a worker, and its life: warm up, join, work, checkpoint, leave."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import faust
import structlog

from streams import kafka_schemas, loops, reports
from streams.garbage import few_arenas, rare_collections
from streams.kafka_outbox import Outbox
from streams.metrics import MetricsSettings, Page
from streams.partitioning import N_PARTITIONS
from streams.worker import checkpoints, figures, readouts
from streams.worker.agent import attach
from streams.worker.consumer import DirectTransport
from streams.worker.delivery import Delivery, patient_topics
from streams.worker.engines import Engines
from streams.worker.fence import Fence
from streams.worker.folds import FoldMaker, load_maker
from streams.worker.imports import lean, leaving_out
from streams.worker.kernel import Kernel
from streams.worker.latency import Latencies
from streams.worker.log_reader import LogReader
from streams.worker.place import Place
from streams.worker.restore import Restorer
from streams.worker.settings import PRICING, WorkerSettings
from streams.worker.work import Inbox, Work

WorkerPage = Page[figures.Figures]
EXIT_STOPPED, EXIT_FAILED, EXIT_REFUSED, EXIT_TAKEN = 0, 70, 65, 64
LOG_ID_EVERY_S = 30.0
BEAT_S = 1.0
"""Interval of the figures for metrics, health and the supervisor."""
TICK_S, MOST_TICK_S = 0.05, 0.5
"""Between two looks at whose checkpoint is due; the longer one is for partitions that have just been given."""
FETCH_BYTES = 64 * 1024
CATCH_UP_S = 86_400.0
"""A worker that folds a long log takes nothing from Faust meanwhile.  Its consumer would leave the group after 1 000 s of that
(seen: the partitions went to others, who began anew), and Faust would warn of it all the time."""


SWITCH_INTERVAL_S = 0.0005
"""The kernel gives the interpreter lock away in each compiled call and asks for it again: with Python's 5 ms each could
cost 5 ms while the loop is busy, and a batch makes several."""


class NoHttp:
    """In the place of aiohttp's client, which Faust loads (with TLS's certificates) and no worker uses."""


class WorkerApp(faust.App):
    """Faust's App with hooks at the very beginning of a revocation and of an assignment.

    Faust's own signals come at the end of both, after awaits in which the old generation still passes, or records of the
    new one already arrive.
    """

    on_revoke_first: Callable[[], None]
    on_assign_first: Callable[[Iterable[int]], None]

    def on_init_dependencies(self) -> Any:
        """Without Faust's monitor, which keeps statistics of each record that nobody reads (6 % of the loop's work)."""
        dependencies = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return dependencies

    def create_event(self, key: Any, value: Any, headers: Any, message: Any) -> Any:
        """Without a look at the settings for the class of each record's event."""
        return faust.Event(self, key, value, headers, message)

    def _new_transport(self) -> Any:
        return DirectTransport(self.conf.broker_consumer, self)

    async def _on_partitions_revoked(self, revoked: Any) -> None:
        self.on_revoke_first()
        await super()._on_partitions_revoked(revoked)

    async def _on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        self.on_assign_first(sorted(tp.partition for tp in assigned))
        await super()._on_partitions_assigned(assigned, generation_id)


def build_app(settings: WorkerSettings, data_dir: Path) -> WorkerApp:
    """The app of one worker.  Built by a function, never at import (STREAMING, rule 9)."""
    return WorkerApp(
        settings.group_name,
        broker=[f"kafka://{address}" for address in settings.bootstrap.split(",")],
        datadir=data_dir,
        consumer_group_instance_id=settings.member_id,
        consumer_auto_offset_reset="latest",
        # its default makes a revocation wait without limit for acknowledgements that never come
        stream_wait_empty=False,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(3.0, settings.session_timeout_s / 4),
        broker_commit_interval=settings.commit_s,
        broker_max_poll_interval=CATCH_UP_S,
        stream_processing_timeout=CATCH_UP_S,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        HttpClient=NoHttp,
        store="memory://",
        cache="memory://",
        value_serializer="raw",
        key_serializer="raw",
        autodiscover=False,
        # its default of 1 MiB is thousands of records a partition that no skip (``place``) can call back
        consumer_max_fetch_size=FETCH_BYTES,
        stream_buffer_maxsize=4 * settings.max_rows,
    )


class Worker:
    """One process's worth of partitions."""

    def __init__(
        self, settings: WorkerSettings, maker: FoldMaker, data_dir: Path, page: WorkerPage, most_lag: int
    ) -> None:
        self.settings = settings
        self._page, self._most_lag = page, most_lag
        self._figures = figures.Figures()
        self.log = structlog.get_logger().bind(worker=settings.worker_id)
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[BaseException] = self._loop.create_future()
        self._stop = asyncio.Event()
        self.latencies = Latencies()
        self.app = build_app(settings, data_dir)
        self.fence = Fence(lambda: self.app.consumer_generation_id)
        self.kernel = Kernel(
            settings.short_rows,
            slow_share=settings.slow_share,
            slow_s=settings.slow_s,
            slow_seed=settings.slow_seed,
        )
        self.reader = LogReader(settings.bootstrap)
        self.delivery = Delivery(
            Outbox(settings.bootstrap, patient_topics=patient_topics(settings.namespace)),
            settings.namespace,
            settings.host or socket.gethostname(),
            on_latency=self.latencies.add,
            on_failure=self.fail,
        )
        self.restorer = Restorer(settings, maker, self.reader, self.kernel, self.delivery, self.fence, self.log.info)
        self.place = Place(self.app, settings.source_topic)
        self.work = Work(self.fence, Engines(), self.delivery, self.restorer, self.kernel, self._skip_to)
        self.app.on_revoke_first = self._on_revoked
        self.app.on_assign_first = self._on_assigned
        self._nudge = asyncio.Event()
        self.inbox = Inbox(settings.max_rows)
        attach(self.app, settings.source_topic, self.inbox)

    def fail(self, error: BaseException) -> None:
        """Stop the process without acknowledging anything more."""
        if not self._failed.done():
            self._failed.set_result(error)

    def stop(self) -> None:
        """Ask for a graceful stop."""
        self._stop.set()

    def _on_revoked(self) -> None:
        self.work.on_revoked()
        self.log.info("revoked", generation=self.app.consumer_generation_id)

    def _on_assigned(self, partitions: Iterable[int]) -> None:
        self.work.on_assigned(partitions)
        self.place.on_assigned()
        self._nudge.set()
        self.log.info("assigned", partitions=sorted(self.fence.owned), generation=self.app.consumer_generation_id)

    async def run(self) -> int:
        """Work until stopped or failed; the process's exit status."""
        await self.delivery.start()
        tasks = [
            self._guarded(loop)
            for loop in (self._working, self._checkpointing, self._reconciling, self._beating, self._reporting)
        ]
        starting = asyncio.create_task(self.app.start())
        starting.add_done_callback(self._started)
        stopping, crashed = asyncio.create_task(self._stop.wait()), asyncio.create_task(self.app._crashed.wait())
        ends: set[asyncio.Future[Any]] = {self._failed, stopping, crashed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            return await self._leave(tasks)
        error = self._failed.result() if self._failed.done() else self.app.crash_reason
        return self._refuse(error)

    def _guarded(self, loop: Callable[[], Any]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(loop())
        task.add_done_callback(self._started)
        return task

    def _started(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.fail(task.exception())  # type: ignore[arg-type]

    def _refuse(self, error: BaseException | None) -> int:
        is_refusal = type(error).__name__ == "UnknownSchema"
        self.log.error(
            "worker_refuses" if is_refusal else "worker_failed",
            error=f"{type(error).__name__}: {error}",
            what_to_do="upgrade this worker before the writers" if is_refusal else "the supervisor starts it again",
            trace=_trace_of(error),
        )
        return EXIT_REFUSED if is_refusal else EXIT_FAILED

    async def _leave(self, tasks: list[asyncio.Task[None]]) -> int:
        """Checkpoint, acknowledge, commit, leave."""
        self.work.drain()
        began = time.monotonic()
        try:
            await asyncio.wait_for(self._drain(tasks), self.settings.stop_within_s)
        except TimeoutError:
            self.log.warning("stop_cut_off", after_s=self.settings.stop_within_s)
        after_s = round(time.monotonic() - began, 3)
        by_status = readouts.rows_by_status(self.work.delivery.sent)
        self.log.info("worker_stopped", after_s=after_s, **asdict(self.work.counts), rows_by_status=by_status)
        return EXIT_STOPPED

    async def _drain(self, tasks: list[asyncio.Task[None]]) -> None:
        owned = sorted(self.fence.owned)
        for events in await asyncio.gather(*(self.work.checkpoint(partition) for partition in owned)):
            self._acknowledge(events)
        # Not before: who is given up in a kernel call leaves a state behind that knows records without their results.
        # A checkpoint has each partition's lock, so no call is under way now, and draining begins none.
        for task in tasks:
            task.cancel()
        if owned:
            await self.app.consumer.commit()
        await self.app.stop()
        await self.delivery.close()

    def _acknowledge(self, events: list[Any]) -> None:
        for event in events:
            event.ack()

    async def _skip_to(self, partition: int, offset: int) -> None:
        if await self.place.skip_to(partition, offset):
            self.log.info("skipped_to", partition=partition, offset=offset)

    async def _working(self) -> None:
        """An exception here, as in any of these loops, ends the process before anything more is acknowledged."""
        while True:
            await self.work.take(await self.inbox.get())

    async def _checkpointing(self) -> None:
        every_s = self.settings.checkpoint_s
        due = {p: checkpoints.first_due_s(p, N_PARTITIONS, time.monotonic(), every_s) for p in range(N_PARTITIONS)}
        while True:
            wait_s = min((due[p] for p in self.fence.owned), default=math.inf) - time.monotonic()
            await asyncio.sleep(min(max(wait_s, TICK_S), MOST_TICK_S))
            now_s = time.monotonic()
            for partition in sorted(self.fence.owned, key=due.__getitem__):
                if due[partition] <= now_s:
                    self._acknowledge(await self.work.checkpoint(partition))
                    due[partition] = checkpoints.first_due_s(partition, N_PARTITIONS, time.monotonic(), every_s)

    async def _reconciling(self) -> None:
        was_restored = False
        log_id_due_s = time.monotonic() + LOG_ID_EVERY_S
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), 1.0)
            self._nudge.clear()
            token = self.fence.token()
            for partition in sorted(self.fence.owned):
                await self.work.reconcile(partition, self.settings.idle_s)
            is_restored = self.work.is_restored() and self.fence.holds(token)
            if is_restored and not was_restored:
                self.log.info("partitions_ready", partitions=sorted(self.fence.owned))
            was_restored = is_restored
            if self.settings.parent_pid and os.getppid() != self.settings.parent_pid:
                self.log.warning("supervisor_gone", parent_pid=self.settings.parent_pid)
                self.stop()
            if time.monotonic() > log_id_due_s:
                await self._check_log_id()
                log_id_due_s = time.monotonic() + LOG_ID_EVERY_S

    async def _check_log_id(self) -> None:
        """A topic deleted and made again under a running worker would look like a log of old repeats."""
        log_id = await self.reader.run(self.reader.log_id, self.settings.source_topic)
        for engine in self.work.engines:
            if engine.log_id != log_id:
                raise RuntimeError(f"{self.settings.source_topic} was made anew: log_id {engine.log_id}, now {log_id}")

    async def _beating(self) -> None:
        watch = figures.Watch(self.place.end)
        tell = reports.teller(self.settings.report_fd)
        while True:
            self._figures = figures.gather(self.work, watch, self.latencies, len(self.inbox))
            self._page.put(self._figures)
            tell(readouts.report(self.settings.worker_id, self._figures, self._most_lag))
            await asyncio.sleep(BEAT_S)

    async def _reporting(self) -> None:
        last_s, last_rows = time.monotonic(), 0
        while True:
            await asyncio.sleep(self.settings.report_s)
            now_s, rows = time.monotonic(), self.work.counts.rows
            self.log.info(
                "work",
                rows_per_s=round((rows - last_rows) / (now_s - last_s), 1),
                kernel_s=round(self.kernel.busy_s, 3),
                filled=self.restorer.n_filled,
                **asdict(self.work.counts),
                **readouts.line(self._figures, self._most_lag),
                **self.latencies.take(),
            )
            last_s, last_rows = now_s, rows


def _trace_of(error: BaseException | None) -> list[str]:
    import traceback

    return traceback.format_exception(error)[-6:] if error is not None else []


async def _main(settings: WorkerSettings, maker: FoldMaker, data_dir: Path, page: WorkerPage, most_lag: int) -> int:
    worker = Worker(settings, maker, data_dir, page, most_lag)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    worker.log.info("worker_joins", group=settings.group_name, member=settings.member_id, topic=settings.source_topic)
    return await worker.run()


def only_one(settings: WorkerSettings, state_dir: Path) -> IO[str] | None:
    """A lock on this worker's id on this host, for the life of the process; None if another holds it.

    Two members with one static id would fence each other without end.
    """
    folder = state_dir / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(f"{settings.bootstrap} {settings.member_id}".encode()).hexdigest()[:16]
    file = (folder / f"{name}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def run(settings: WorkerSettings, state_dir: Path, metrics: MetricsSettings, page: WorkerPage) -> None:
    """Run one worker, which leaves its figures on the page; ends the process with 0 after a graceful stop, 65 when it
    refuses the log, 64 when its id is taken on this host, else 70.

    ``os._exit``: a failed worker must not commit on its way out, and threads of Kafka clients do not hold a stopped one.
    """
    lock = only_one(settings, state_dir)
    if lock is None:
        structlog.get_logger().error("worker_id_taken", worker=settings.worker_id, member=settings.member_id)
        os._exit(EXIT_TAKEN)
    try:
        status = _run(settings, state_dir, metrics, page)
    except Exception as error:
        # a broker that is away while we start, kernels that do not compile: the same line as of any other failure
        structlog.get_logger().error(
            "worker_failed", worker=settings.worker_id, error=f"{type(error).__name__}: {error}", trace=_trace_of(error)
        )
        status = EXIT_FAILED
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(status)


def warm_maker(settings: WorkerSettings) -> FoldMaker:
    """The maker of the settings' fold, its kernels loaded, or compiled into the cache."""
    is_ours = settings.fold == PRICING  # another may need what ours does without
    with lean() if is_ours else contextlib.nullcontext():
        maker = load_maker(settings.fold, bootstrap=settings.bootstrap, namespace=settings.namespace)
    # Numba imports at its first kernel too, and compiling makes garbage
    with leaving_out() if is_ours else contextlib.nullcontext(), rare_collections():
        maker.warm_up()
    return maker


def _run(settings: WorkerSettings, state_dir: Path, metrics: MetricsSettings, page: WorkerPage) -> int:
    began = time.monotonic()
    few_arenas()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    maker = warm_maker(settings)
    if not settings.parent_pid:  # the supervisor has done it for all of its workers
        kafka_schemas.publish_schemas(settings.bootstrap, settings.namespace)
    structlog.get_logger().info("warm", worker=settings.worker_id, after_s=round(time.monotonic() - began, 3))
    # Faust wants a folder, and puts nothing into it here
    with rare_collections():
        return loops.run_process(_main(settings, maker, state_dir / "workers", page, metrics.ready_lag))
