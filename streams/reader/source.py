"""The reader: a Kafka consumer around the table.

Belongs to no group, commits nothing, takes any topic of results.  It starts 65 s of log time before the newest record of
each partition, where the whole chain stands (every instrument has a row a minute), and never leaves the log from there on:
so there is no gap between the chain at once and the stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

import schemas
from schemas import DecodeError, Greeks, Resolve, Watermark
from streams import kafka, topics
from streams.reader.frame import to_frame
from streams.reader.table import Arrival, Staleness, Table, identity_of
from streams.topics import Topic

WINDOW_S = 65.0
"""Every instrument has a row each 60 s of log time; 5 s more for rows in flight."""
BATCH = 2_000
ANSWER_S = 5.0
"""A Kafka that is there answers sooner; a person waits for this."""


class TopicMissing(RuntimeError):
    """The topic does not exist on this Kafka; the message says how to make it."""


class Reader:
    """The whole chain at once, then the stream without a gap.

        with Reader(bootstrap, namespace="demo") as reader:
            chain = reader.chain()          # {instrument_name: Greeks}
            for row in reader:              # from there on, repeats and expired rows dropped
                ...

    Parameters
    ----------
    bootstrap : address of Kafka, ``host:port``.
    namespace : "" for the live venue.
    topic : a topic of results keyed by instrument; ``greeks.v1``, or ``topics.TRADES``, ``topics.LATEST`` ...
    window_s : log time, s, before each partition's newest record at which reading starts; None: from the log's start.
    resolve : for ``schemas.decode``; by default the packaged schemas, then the namespace's ``schemas.v1``.
    on_unreadable : gets (message, DecodeError) of values that are no record; they are counted in ``n_unreadable`` anyway.

    ``n_missed`` counts records that the topic's retention had deleted before this reader came to them: it was too slow, and
    its stream has a gap there (its table has not, 60 s later).  Compacted topics lose records by design: there it stays 0.

    Not safe for use from several threads.  Raises KafkaUnreachable, TopicMissing, and schemas.UnknownSchema for records of a
    writer that is newer than this package.
    """

    def __init__(
        self,
        bootstrap: str,
        namespace: str = "",
        *,
        topic: Topic = topics.GREEKS,
        suffix: str = "",
        window_s: float | None = WINDOW_S,
        resolve: Resolve | None = None,
        on_unreadable: Callable[[Message, DecodeError], None] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.topic_name = topics.full_name(topic, namespace, suffix)
        self.n_unreadable = 0
        self.n_missed = 0
        self._is_compacted = topic.is_compacted
        self._resolve = resolve or kafka.resolver(bootstrap, namespace)
        self._on_unreadable = on_unreadable
        self._wall = wall
        n_partitions = kafka.topic_names(bootstrap, ANSWER_S).get(self.topic_name)
        if n_partitions is None:
            option = f" --namespace {namespace}" if namespace else ""
            raise TopicMissing(
                f"no topic {self.topic_name} at {bootstrap}; make it with: greekstream topics --create{option}"
            )
        partitions = range(n_partitions)
        self.table = Table(partitions, wall())
        first = window_starts(bootstrap, self.topic_name, partitions, window_s)
        self._ends = {p: end for p, (_, end) in kafka.watermarks(bootstrap, self.topic_name, partitions).items()}
        self._behind = {p for p in partitions if first[p] < self._ends[p]}
        self._consumer = kafka.reader_consumer(bootstrap, enable_partition_eof=True)
        self._next = dict(first)
        self._consumer.assign([TopicPartition(self.topic_name, p, first[p]) for p in partitions])

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._consumer.close()

    def chain(self, within_s: float = 60.0) -> dict[str, Greeks]:
        """The newest row of every instrument that has not expired.

        The first call reads up to where the log ended when the reader was made; later ones give the table as it stands
        after the last ``poll`` or step of the iteration.  KafkaUnreachable when that takes longer than ``within_s``.
        """
        deadline = time.monotonic() + within_s
        while self._behind:
            self.poll(0.2)
            if self._behind and time.monotonic() > deadline:
                raise kafka.KafkaUnreachable(
                    f"{self.topic_name}: partitions {sorted(self._behind)} not read to their end in {within_s:.0f} s"
                )
        return dict(self.table.rows)

    def poll(self, timeout_s: float = 0.5) -> list[Any]:
        """Records that came within ``timeout_s``, in order within each instrument, and into the table.

        Watermarks, tombstones, repeats and expired rows are taken in and left out of the list.
        """
        news = []
        # One message is waited for, then all that is there is taken: a full batch waited for would add to each row's age.
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        for message in (first, *self._consumer.consume(BATCH, 0)):
            if not self._is_record(message):
                continue
            arrival = self._decoded(message)
            if arrival is not None and self.table.take(arrival) and not isinstance(arrival.record, Watermark):
                news.append(arrival.record)
        return news

    def __iter__(self) -> Iterator[Any]:
        """New records for ever; the first ones are those of the window, unless ``chain`` was called before."""
        while True:
            yield from self.poll()

    def frame(self) -> Any:
        """``chain()`` as a pandas DataFrame indexed by instrument (needs pandas; see ``to_frame``)."""
        return to_frame(self.chain().values())

    @property
    def watermarks(self) -> dict[int, Watermark]:
        """The newest watermark of each partition."""
        return dict(self.table.watermarks)

    @property
    def log_time_ns(self) -> int | None:
        return self.table.newest_log_time_ns

    @property
    def coverage(self) -> float | None:
        return self.table.coverage

    def staleness(self) -> Staleness:
        """Partitions without a watermark for 5 s of wall time: their rows are old news."""
        return self.table.staleness(self._wall())

    def _is_record(self, message: Message) -> bool:
        """Whether the message has a record; notes ends of partitions, passes over errors that librdkafka gets over."""
        error = message.error()
        partition = message.partition()
        if error is None:
            self._count_missed(partition, message.offset())
            if message.offset() + 1 >= self._ends.get(partition, 0):
                self._behind.discard(partition)
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            self._behind.discard(partition)
        elif error.code() in (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
        ):
            raise TopicMissing(f"{self.topic_name} is gone: somebody has deleted it")
        elif error.fatal():
            raise KafkaException(error)
        return False

    def _count_missed(self, partition: int, offset: int) -> None:
        """Offsets of our topics have no holes, for nobody writes them in transactions; a hole is what has been deleted."""
        if not self._is_compacted:
            self.n_missed += max(0, offset - self._next.get(partition, offset))
        self._next[partition] = offset + 1

    def _decoded(self, message: Message) -> Arrival | None:
        data, partition = message.value(), message.partition()
        record = None
        if data is not None:
            try:
                record = schemas.decode(data, self._resolve)
            except DecodeError as error:
                self.n_unreadable += 1
                if self._on_unreadable is not None:
                    self._on_unreadable(message, error)
                return None
        headers = dict(message.headers() or ())
        key = bytes(message.key() or b"").decode("utf-8", "replace")
        wall_s = self._wall()
        if message.offset() < self._ends.get(partition, 0):
            # Written before this reader came: what counts is when, else a topic dead for days would look alive.
            wall_s = min(wall_s, _written_s(headers))
            if isinstance(record, Watermark):
                self.table.heard_at(partition, wall_s)
        return Arrival(partition, key, identity_of(headers, record), wall_s, record)


def _written_s(headers: dict[str, bytes]) -> float:
    """Wall time, s, at which a result was calculated; 0 where it does not say."""
    try:
        return int(headers["calc_wall_ns"]) / 1e9
    except (KeyError, ValueError):
        return 0.0


def window_starts(bootstrap: str, topic_name: str, partitions: range, window_s: float | None) -> dict[int, int]:
    """Offset per partition to start at: the first record in the window before the partition's own newest one."""
    edges = kafka.watermarks(bootstrap, topic_name, partitions)
    starts = {partition: first for partition, (first, _) in edges.items()}
    filled = [partition for partition, (first, end) in edges.items() if end > first]
    if window_s is None or not filled:
        return starts
    request = {TopicPartition(topic_name, partition): OffsetSpec.max_timestamp() for partition in filled}
    newest_ms = {
        key.partition: future.result(20).timestamp
        for key, future in kafka.admin(bootstrap).list_offsets(request).items()
    }
    by_time: dict[int, list[int]] = {}
    for partition, time_ms in newest_ms.items():
        by_time.setdefault(max(0, time_ms - int(window_s * 1000)), []).append(partition)
    for time_ms, group in by_time.items():
        starts |= kafka.offsets_for_time(bootstrap, topic_name, group, time_ms)
    return starts
