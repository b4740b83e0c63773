"""Kafka into the folder: one plain consumer over all partitions of the tables' topics, bounded buffers, exact progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

import schemas
from schemas import DecodeError, Greeks
from streams import kafka, topics
from streams.history import figures
from streams.history.ranges import Ranges, is_in, next_missing
from streams.history.rows import Part, Read, batches
from streams.history.settings import HistorySettings
from streams.history.store import Progress, Store
from streams.history.tables import TABLES, Table
from streams.metrics import Page
from streams.moments import Moment
from streams.topics import MIB

BATCH = 2_000
CHECK_S = 10.0
"""So often the topics are looked at, rows or none: one that was made anew is read from its beginning by the consumer, whose offsets
would be taken for those of the one before, and passed over."""
COLUMNS_AFTER_BYTES = 2 * MIB
"""Of values kept as records: columns take a tenth of the memory."""
PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT)


class SinkError(RuntimeError):
    """The sink cannot go on as asked; the message says why and what to do."""


@dataclass
class Lane:
    """One table on its way: what is in, and what has been read since."""

    table: Table
    topic_name: str
    progress: Progress
    ends: dict[int, int]
    """Where each partition ended at the start."""
    position: dict[int, int] = field(default_factory=dict)
    """Next offset to be read."""
    runs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Offsets read since the last flush."""
    records: list[Read] = field(default_factory=list)
    rows: dict[Part, list[Any]] = field(default_factory=dict)
    n_rows: int = 0
    """Waiting, in either form."""
    n_bytes: int = 0
    """Of their values in Kafka."""
    n_record_bytes: int = 0
    """Of those that are no columns yet."""
    since_s: float = 0.0
    """When the oldest that waits came."""
    n_written: int = 0
    n_files: int = 0
    n_unreadable: int = 0
    n_missed: int = 0

    def take(self, partition: int, offset: int, kept: Read | None, n_bytes: int) -> None:
        """An offset has been read; None: what stood there is no row.  The only place that changes what waits."""
        if kept is not None:
            if not self.n_rows:
                self.since_s = time.monotonic()
            self.records.append(kept)
            self.n_rows += 1
            self.n_bytes += n_bytes
            self.n_record_bytes += n_bytes
        self.n_missed += offset - self.position[partition]
        runs = self.runs.setdefault(partition, [])
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + 1)
        else:
            runs.append((offset, offset + 1))
        self.position[partition] = offset + 1

    def read(self) -> dict[int, Ranges]:
        return {partition: tuple(runs) for partition, runs in self.runs.items()}

    def to_columns(self) -> None:
        """Records become columns."""
        for part, batch in batches(self.table, self.records).items():
            self.rows.setdefault(part, []).append(batch)
        self.records, self.n_record_bytes = [], 0

    @property
    def is_at_end(self) -> bool:
        return all(self.position[partition] >= end for partition, end in self.ends.items())

    @property
    def lag(self) -> int:
        return sum(max(0, end - self.position[partition]) for partition, end in self.ends.items())


class Sink:
    """One sink of one namespace.  ``say(event, **facts)`` gets what operators should know."""

    def __init__(
        self, settings: HistorySettings, bootstrap: str, store: Store, page: Page[figures.Figures], say: Callable[..., None]
    ) -> None:  # fmt: skip
        self.settings, self._bootstrap, self._store, self._page, self._say = settings, bootstrap, store, page, say
        self._resolve = kafka.resolver(bootstrap, settings.namespace)
        self.lanes: dict[str, Lane] = {}
        """By topic."""
        self._check_due_s = 0.0

    def begin(self, since: Moment | None) -> None:
        """Where each partition is to be read from: the moment, or its first record; what is in is passed over."""
        existing = kafka.topic_names(self._bootstrap)
        for name in self.settings.tables:
            table = TABLES[name]
            topic = topics.full_name(table.topic, self.settings.namespace)
            if topic not in existing:
                option = f" --namespace {self.settings.namespace}" if self.settings.namespace else ""
                raise SinkError(
                    f"no topic {topic} for the table {name}; make it with: greekstream topics --create{option}"
                )
            lane = Lane(table, topic, self._store.begin(table, kafka.topic_id(self._bootstrap, topic)), {})
            partitions = range(existing[topic])
            edges = kafka.watermarks(self._bootstrap, topic, partitions)
            asked = self._asked(topic, partitions, since)
            for partition, (first, end) in edges.items():
                begin = min(max(first, asked.get(partition, first)), end)
                lane.ends[partition] = end
                lane.position[partition] = next_missing(lane.progress.ranges.get(partition, ()), begin)
            self.lanes[topic] = lane
            self._say("begins", table=name, records_to_read=lane.lag, flushes=lane.progress.n_flushes)

    def _asked(self, topic: str, partitions: Iterable[int], since: Moment | None) -> dict[int, int]:
        if since is None:
            return {}
        if since.time_ms is None:
            return since.offsets
        return kafka.offsets_for_time(self._bootstrap, topic, partitions, since.time_ms)

    def run(self, since: Moment | None, *, until_end: bool = False, stop: threading.Event | None = None) -> None:
        """For ever, until where the topics ended at the start, or until ``stop`` is set; what waits is then written.

        After an exception it is not: what was read since the last flush is read again by the next start.
        """
        self.begin(since)
        stop = stop or threading.Event()
        consumer = kafka.reader_consumer(self._bootstrap, queued_max_messages_kbytes=65_536, fetch_wait_max_ms=100)
        try:
            consumer.assign(
                [
                    TopicPartition(lane.topic_name, partition, offset)
                    for lane in self.lanes.values()
                    for partition, offset in lane.position.items()
                ]
            )
            while not stop.is_set() and not (until_end and all(lane.is_at_end for lane in self.lanes.values())):
                waited = consumer.consume(1, 0.5)
                for message in (*waited, *(consumer.consume(BATCH, 0.0) if waited else ())):
                    self._take(consumer, message)
                self._flush_what_is_due()
                self._page.put(self._figures())
            for lane in self.lanes.values():
                self._flush(lane)
        finally:
            consumer.close()

    def _take(self, consumer: Any, message: Any) -> None:
        error = message.error()
        if error is not None:
            if error.retriable() or error.code() in (*PASSING, KafkaError._PARTITION_EOF):
                return
            raise KafkaException(error)
        lane, partition, offset = self.lanes[message.topic()], message.partition(), message.offset()
        if offset < lane.position[partition]:
            return  # fetched before a seek
        ranges = lane.progress.ranges.get(partition, ())
        if is_in(ranges, offset):
            lane.position[partition] = next_missing(ranges, offset)
            consumer.seek(TopicPartition(lane.topic_name, partition, lane.position[partition]))
            return
        lane.take(partition, offset, self._kept(lane, message, partition, offset), len(message.value() or b""))
        if lane.n_record_bytes >= COLUMNS_AFTER_BYTES:
            lane.to_columns()
        if lane.n_rows >= self.settings.buffer_rows or lane.n_bytes >= self.settings.buffer_mb * MIB:
            self._flush(lane)

    def _kept(self, lane: Lane, message: Any, partition: int, offset: int) -> Read | None:
        """The row that a message is; None for tombstones, watermarks and bytes that are no record."""
        value = message.value()
        if value is None:
            return None
        try:
            record = schemas.decode(value, self._resolve)
        except DecodeError as error:
            lane.n_unreadable += 1
            self._say("unreadable", where=f"{lane.topic_name}[{partition}]@{offset}", why=str(error))
            return None
        if not isinstance(record, lane.table.record) or not is_wanted(record, self.settings.triggers):
            return None
        epoch = dict(message.headers() or ()).get("epoch")
        return Read(partition, offset, None if epoch is None else int(epoch), record)

    def _check(self, lane: Lane) -> None:
        """SinkError where the topic is not the one that it was at the start: what waits is not written under its name."""
        try:
            log_id = kafka.topic_id(self._bootstrap, lane.topic_name)
        except KafkaException as error:  # a broker that is away: what is written is of the topic that we have read
            self._say("topic_not_asked", topic=lane.topic_name, why=str(error))
            return
        except KeyError as error:
            raise SinkError(f"{error.args[0]}: start again once it is there") from error
        if log_id != lane.progress.log_id:
            raise SinkError(f"{lane.topic_name} was made anew: start again, and it is read from its first record")

    def _flush_what_is_due(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._check_due_s:
            self._check_due_s = now_s + CHECK_S
            for lane in self.lanes.values():
                self._check(lane)
        for lane in self.lanes.values():
            if lane.n_rows and now_s - lane.since_s >= self.settings.flush_s:
                self._flush(lane)

    def _flush(self, lane: Lane) -> None:
        """What waits, to disk; and then that it is there."""
        if not lane.runs:
            return
        self._check(lane)
        lane.to_columns()
        found = self._store.flush(lane.table, lane.progress, lane.rows, lane.read())
        lane.n_written += lane.n_rows
        lane.n_files += len(lane.rows)
        self._say("flush", table=lane.table.name, rows=lane.n_rows, files=len(lane.rows), to_read=lane.lag)
        lane.progress, lane.rows, lane.runs, lane.n_rows, lane.n_bytes = found, {}, {}, 0, 0

    def _figures(self) -> figures.Figures:
        return figures.Figures({lane.table.name: lane_figures(lane) for lane in self.lanes.values()})

    def summary(self) -> dict[str, Any]:
        """What has been done, by table."""
        return {lane.table.name: lane_figures(lane)._asdict() for lane in self.lanes.values()}


def is_wanted(record: Any, triggers: Collection[str]) -> bool:
    """Whether a record is to be written: rows of greeks by what made them, everything else always."""
    return not triggers or not isinstance(record, Greeks) or record.trigger.name in triggers


def lane_figures(lane: Lane) -> figures.TableFigures:
    """A table's figures."""
    return figures.TableFigures(lane.n_written, lane.n_files, lane.n_rows, lane.n_unreadable, lane.n_missed, lane.lag)
