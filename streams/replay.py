"""Replay: price the log again from a moment in the past, with the workers' own ``step`` and without Faust.

From the newest checkpoint of the history at or before the moment the log is folded silently up to it; from there on
results go to side topics, the same bytes as the live workers published.  ``reset`` writes the state at the moment as the
group's next epoch instead, and sets the group's offsets: its workers then go on from there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

import schemas
from streams import kafka, registry, topics
from streams.garbage import rare_collections
from streams.moments import Moment
from streams.partitioning import N_PARTITIONS
from streams.worker import checkpoints
from streams.worker.checkpoints import Bounds, Found
from streams.worker.delivery import QUEUE_HIGH, BatchHeaders, why_not_delivered
from streams.worker.engines import ingest_wall_of
from streams.worker.folds import Fold, FoldMaker, Identity, RawRecord
from streams.worker.log_reader import PASSING, LogReader

RESULTS = (topics.GREEKS, topics.LATEST, topics.REJECTS, topics.TRADES, topics.AUDIT, topics.DEADLETTER)
CHUNK_ROWS = 1_000
BUFFER_ROWS = 4_000
"""Records of a partition read ahead of the others, at most; above it the partition is paused."""
POLL_ROWS = 256
"""Results handed to the producer between two looks at its reports."""
STUCK_S = 60.0


class ReplayError(RuntimeError):
    """The replay cannot be done as asked; the message says why and what to do."""


@dataclass(frozen=True)
class ReplaySettings:
    """What is replayed.  ``speed`` 0: as fast as it goes; else log time runs so many times as fast as the wall's."""

    bootstrap: str
    since: Moment
    until: Moment | None = None
    namespace: str = ""
    source_group: str = ""
    """Whose checkpoints are used; empty: the namespace's workers."""
    suffix: str = ""
    speed: float = 0.0
    cold_start_minutes: int = 65
    host: str = "replay"

    @property
    def group(self) -> str:
        return self.source_group or topics.group_name(self.namespace)

    @property
    def source_topic(self) -> str:
        return topics.full_name(topics.TICKS, self.namespace)


@dataclass
class Lane:
    """One partition of a replay: where its state starts, where results begin, where it ends (exclusive)."""

    partition: int
    fold: Fold
    state: Any
    offset: int
    first: int
    end: int
    epoch: int
    checkpoint: schemas.Checkpoint | None
    is_cold: bool
    n_silent: int = 0
    n_records: int = 0
    n_results: int = 0
    buffer: deque[Any] = field(default_factory=deque)
    is_paused: bool = False

    @property
    def is_done(self) -> bool:
        return self.offset + 1 >= self.end

    def summary(self) -> dict[str, Any]:
        return {
            "checkpoint_offset": self.checkpoint.offset if self.checkpoint else None,
            "epoch": self.epoch,
            "is_cold": self.is_cold,
            "first": self.first,
            "end": self.end,
            "silent": self.n_silent,
            "records": self.n_records,
            "results": self.n_results,
        }


def usable(
    found: Iterable[Found], first: int, bounds: Bounds, log_id: str, state_format: int
) -> schemas.Checkpoint | None:
    """Of the checkpoints below ``first`` that the log can be taken up after: the highest epoch's with the highest offset."""
    for item in sorted(found, key=lambda item: (item.epoch, item.offset), reverse=True):
        if bounds.start - 1 <= item.offset < first:
            record = schemas.decode(item.value)
            assert isinstance(record, schemas.Checkpoint), f"not a checkpoint: {type(record).__name__}"
            if not checkpoints.why_unusable(record, log_id, bounds, state_format):
                return record
    return None


def difference(checkpoint: schemas.Checkpoint, identity: Identity) -> str:
    """Why the bytes may differ from the live ones; empty when they will not."""
    plan = checkpoints.decide(checkpoint, checkpoint.log_id, Bounds(0, checkpoint.offset + 1), identity)
    return plan.reason


class Replay:
    """One replay.  ``say(event, **facts)`` gets progress."""

    def __init__(self, settings: ReplaySettings, maker: FoldMaker, say: Callable[..., None]) -> None:
        self.settings, self.maker, self.say = settings, maker, say
        self.reader = LogReader(settings.bootstrap)
        self.producer = kafka.producer(settings.bootstrap)
        self.failures: list[str] = []
        self.differences: set[str] = set()

    # -- where to start ---------------------------------------------------------------------------------------------

    def _offset_at(self, moment: Moment, partition: int, bounds: Bounds) -> int:
        if moment.time_ms is not None:
            offset = self.reader.offset_at(self.settings.source_topic, partition, moment.time_ms)
        else:
            offset = moment.offsets[partition]
        return min(max(offset, bounds.start), bounds.end)

    def partitions(self) -> list[int]:
        """All, or those that the moment names."""
        return sorted(self.settings.since.offsets) or list(range(N_PARTITIONS))

    def lane(self, partition: int) -> Lane:
        """State and bounds of one partition."""
        settings, topic = self.settings, self.settings.source_topic
        bounds = self.reader.bounds(topic, partition)
        first = self._offset_at(settings.since, partition, bounds)
        end = bounds.end
        if settings.until is not None and (settings.until.time_ns is not None or partition in settings.until.offsets):
            end = max(first, self._offset_at(settings.until, partition, bounds))
        log_id = self.reader.log_id(topic)
        fold = self.maker.fold(partition, log_id)
        prefix = checkpoints.key_prefix(settings.group, topic, partition)
        history = topics.full_name(topics.CHECKPOINTS_HISTORY, settings.namespace)
        found = self.reader.checkpoints(history, partition, prefix)
        checkpoint = usable(found, first, bounds, log_id, self.maker.identity.state_format)
        if checkpoint is not None:
            self.differences.add(difference(checkpoint, self.maker.identity))
            state = fold.restore(checkpoint.state)
            return Lane(partition, fold, state, checkpoint.offset, first, end, checkpoint.epoch, checkpoint, False)
        begin = self._cold_begin(partition, first, bounds)
        # a fold from the very first record of a log has lost nothing
        epoch = max((item.epoch for item in found), default=checkpoints.FIRST_EPOCH)
        return Lane(partition, fold, fold.new_state(), begin - 1, first, end, epoch, None, begin > 0)

    def _cold_begin(self, partition: int, first: int, bounds: Bounds) -> int:
        if first <= bounds.start:
            return first
        time_ms = self.reader.timestamp_ms(self.settings.source_topic, partition, first - 1, bounds.end)
        earlier_ms = (time_ms or 0) - self.settings.cold_start_minutes * 60_000
        return max(bounds.start, min(first, self.reader.offset_at(self.settings.source_topic, partition, earlier_ms)))

    # -- to side topics ---------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """Fold to the moment, then write results to the side topics up to the end; the summary."""
        settings = self.settings
        kafka.create_topics(settings.bootstrap, settings.namespace, suffix=settings.suffix, only=RESULTS)
        # The side topics' subjects, where there is a registry; the fold has its framing already.
        registry.wire(settings.namespace, settings.suffix, RESULTS)
        names = {topic.short: topics.full_name(topic, settings.namespace, settings.suffix) for topic in RESULTS}
        lanes = {partition: self.lane(partition) for partition in self.partitions()}
        self._announce(lanes)
        began = time.monotonic()
        with rare_collections():
            self._fold(lanes, names, began)
        if self.producer.flush(STUCK_S) or self.failures:
            raise ReplayError(f"results not confirmed: {self.failures[:3] or 'Kafka did not answer'}")
        return self._summary(lanes, time.monotonic() - began) | {
            "suffix": settings.suffix,
            "topics": [name for short, name in names.items() if any(lane.n_results for lane in lanes.values())],
        }

    def _announce(self, lanes: dict[int, Lane]) -> None:
        cold = sorted(lane.partition for lane in lanes.values() if lane.is_cold)
        if cold:
            self.say("is_cold", partitions=cold, why="no checkpoint in the history at or before the moment is usable")
        for text in filter(None, self.differences):
            self.say("identity_differs", what=text, means="results may differ from the live ones")

    def _fold(self, lanes: dict[int, Lane], names: dict[str, str], began: float) -> None:
        """All partitions at once, each in its own order; ``speed`` holds log time to the wall's."""
        consumer = kafka.reader_consumer(self.settings.bootstrap, queued_max_messages_kbytes=65_536)
        topic = self.settings.source_topic
        try:
            consumer.assign(
                [TopicPartition(topic, lane.partition, lane.offset + 1) for lane in lanes.values() if not lane.is_done]
            )
            deadline = time.monotonic() + STUCK_S
            while not all(lane.is_done for lane in lanes.values()):
                waited = consumer.consume(1, 0.05)
                for message in waited + (consumer.consume(BUFFER_ROWS, 0.0) if waited else []):
                    self._buffer(message, lanes)
                is_dry = not waited
                n_worked = sum(self._work(lane, names, began, is_dry) for lane in lanes.values())
                self._regulate(consumer, lanes.values())
                if n_worked or waited or self.settings.speed:
                    deadline = time.monotonic() + STUCK_S
                elif time.monotonic() > deadline:
                    raise ReplayError(f"{topic}: nothing came for {STUCK_S:.0f} s")
        finally:
            consumer.close()

    def _buffer(self, message: Any, lanes: dict[int, Lane]) -> None:
        error = message.error()
        if error is None:
            lane = lanes[message.partition()]
            if message.offset() < lane.end:
                lane.buffer.append(message)
        elif not error.retriable() and error.code() not in (*PASSING, KafkaError._PARTITION_EOF):
            raise KafkaException(error)

    def _regulate(self, consumer: Any, lanes: Iterable[Lane]) -> None:
        """Pause what is read far ahead, or is at its end, so that the others are read."""
        for lane in lanes:
            should_pause = len(lane.buffer) >= BUFFER_ROWS or lane.is_done
            if should_pause != lane.is_paused:
                where = [TopicPartition(self.settings.source_topic, lane.partition)]
                (consumer.pause if should_pause else consumer.resume)(where)
                lane.is_paused = should_pause

    def _work(self, lane: Lane, names: dict[str, str], began: float, is_dry: bool) -> int:
        """Step through what is due of a partition's buffer; how many records that were."""
        is_last = bool(lane.buffer) and lane.buffer[-1].offset() + 1 >= lane.end
        if len(lane.buffer) < CHUNK_ROWS and not (is_dry or is_last or self.settings.speed):
            return 0
        n_due = self._n_due(lane, began)
        if not n_due:
            return 0
        messages = [lane.buffer.popleft() for _ in range(n_due)]
        records = [RawRecord(m.offset(), m.value(), ingest_wall_of(m.headers())) for m in messages]
        n_silent = sum(record.offset < lane.first for record in records)
        for part, is_silent in ((records[:n_silent], True), (records[n_silent:], False)):
            if part:
                lane.state, results = lane.fold.step(lane.state, part)
                lane.offset = part[-1].offset
                if not is_silent:
                    self._send(lane, results, part, names)
        lane.n_silent += n_silent
        lane.n_records += len(records) - n_silent
        return n_due

    def _n_due(self, lane: Lane, began: float) -> int:
        n_buffered = min(len(lane.buffer), BUFFER_ROWS)
        since_ns = self.settings.since.time_ns
        if not self.settings.speed or since_ns is None:
            return n_buffered
        horizon_ms = since_ns / 1e6 + (time.monotonic() - began) * 1e3 * self.settings.speed
        return next((i for i in range(n_buffered) if lane.buffer[i].timestamp()[1] > horizon_ms), n_buffered)

    def _send(self, lane: Lane, results: list[Any], sources: list[RawRecord], names: dict[str, str]) -> None:
        walls = {record.offset: record.ingest_wall_ns for record in sources}
        fixed = BatchHeaders(lane.epoch, time.time_ns(), self.settings.host)
        for first in range(0, len(results), POLL_ROWS):
            self._room()
            for result in results[first : first + POLL_ROWS]:
                headers = fixed.of(result, walls.get(result.source_offset))
                self._produce(names[result.topic], lane.partition, result.key, result.value, result.ts_ns, headers)
        lane.n_results += len(results)
        if self.failures:
            raise ReplayError(f"Kafka refuses results: {self.failures[0]}")

    def _room(self) -> None:
        """Take the reports that have come, and wait until the producer has room for POLL_ROWS more."""
        self.producer.poll(0)
        while len(self.producer) > QUEUE_HIGH:
            self.producer.poll(0.05)

    def _produce(self, topic: str, partition: int, key: bytes, value: bytes | None, ts_ns: int, headers: Any) -> None:
        self.producer.produce(
            topic,
            value,
            key,
            partition,
            on_delivery=self._landed,
            timestamp=max(0, ts_ns // 1_000_000),
            headers=headers,
        )

    def _landed(self, error: Any, message: Any) -> None:
        problem = why_not_delivered(error, message)
        if problem:
            self.failures.append(f"{message.topic()}[{message.partition()}]: {problem}")

    def _summary(self, lanes: dict[int, Lane], seconds: float) -> dict[str, Any]:
        records = sum(lane.n_records + lane.n_silent for lane in lanes.values())
        return {
            "since": str(self.settings.since),
            "until": str(self.settings.until) if self.settings.until else None,
            "source_group": self.settings.group,
            "records": sum(lane.n_records for lane in lanes.values()),
            "silent_records": sum(lane.n_silent for lane in lanes.values()),
            "results": sum(lane.n_results for lane in lanes.values()),
            "seconds": round(seconds, 3),
            "records_per_s": round(records / seconds, 1) if seconds else None,
            "is_cold": any(lane.is_cold for lane in lanes.values()),
            "identity_differs": "; ".join(sorted(filter(None, self.differences))) or None,
            "partitions": {str(lane.partition): lane.summary() for lane in lanes.values()},
        }

    # -- resetting a group ------------------------------------------------------------------------------------------

    def reset(self) -> dict[str, Any]:
        """Write the states at the moment under each partition's next epoch, and set the group's offsets to it."""
        group = self.settings.group
        require_stopped(self.settings.bootstrap, group)
        lanes = {partition: self.lane(partition) for partition in self.partitions()}
        for lane in lanes.values():
            lane.end = lane.first
        self._announce(lanes)
        began = time.monotonic()
        with rare_collections():
            self._fold(lanes, {}, began)
        epochs = {lane.partition: self._write_state(lane) for lane in lanes.values()}
        if self.producer.flush(STUCK_S) or self.failures:
            raise ReplayError(f"states not confirmed, offsets left as they were: {self.failures[:3]}")
        require_stopped(self.settings.bootstrap, group)
        offsets = {lane.partition: lane.first for lane in lanes.values()}
        try:
            kafka.set_group_offsets(self.settings.bootstrap, group, self.settings.source_topic, offsets)
        except KafkaException as error:
            raise ReplayError(f"the offsets of {group} in {self.settings.source_topic} are not set: {error}") from error
        return self._summary(lanes, time.monotonic() - began) | {"reset": group, "epochs": epochs}

    def _write_state(self, lane: Lane) -> int:
        """The state at the moment's offset - 1 as the first checkpoint of the next epoch; that epoch."""
        settings, identity = self.settings, self.maker.identity
        name = topics.full_name(topics.CHECKPOINTS, settings.namespace)
        prefix = checkpoints.key_prefix(settings.group, settings.source_topic, lane.partition)
        best = checkpoints.best(self.reader.checkpoints(name, lane.partition, prefix))
        epoch = best.epoch + 1 if best is not None else checkpoints.FIRST_EPOCH
        log_time_ns = lane.fold.log_time_ns(lane.state)
        record = checkpoints.record(
            settings.group, settings.source_topic, lane.partition, epoch, lane.first - 1,
            self.reader.log_id(settings.source_topic), log_time_ns, identity, lane.fold.snapshot(lane.state),
        )  # fmt: skip
        key = topics.checkpoint_key(settings.group, settings.source_topic, lane.partition, epoch).encode()
        headers = [("epoch", str(epoch).encode()), ("offset", str(lane.first - 1).encode())]
        for topic in (topics.CHECKPOINTS_HISTORY, topics.CHECKPOINTS):
            full = topics.full_name(topic, settings.namespace)
            self._produce(full, lane.partition, key, schemas.encode(record), log_time_ns, headers)
        return epoch


def require_stopped(bootstrap: str, group: str) -> None:
    """ReplayError if the group has members: two histories would mix."""
    state, n_members = kafka.group_state(bootstrap, group)
    if n_members:
        raise ReplayError(
            f"group {group} has {n_members} members ({state}); stop its workers first. A static member counts until its "
            "session is over, 10 s after the stop."
        )
