"""The worker's own reader of logs and checkpoints: one consumer without a group, used in one thread.

A fresh consumer costs a second; this one is made once and assigned anew for each read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams import kafka
from streams.worker.checkpoints import Bounds, Found
from streams.worker.engines import ingest_wall_of
from streams.worker.folds import RawRecord

P = ParamSpec("P")
T = TypeVar("T")
STUCK_S = 60.0


class LogReadFailed(RuntimeError):
    """The log could not be read in time; the worker stops and its supervisor starts it again."""


class LogReader:
    """Bounded reads of single partitions.  Methods block: call them through ``run``, which keeps them in one thread."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="log-reader")
        self._made: Consumer | None = None
        self._next: tuple[str, int, int] | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))

    def _consumer(self) -> Consumer:
        if self._made is None:
            self._made = kafka.reader_consumer(self._bootstrap, enable_partition_eof=True)
        return self._made

    def bounds(self, topic: str, partition: int) -> Bounds:
        """First offset and end of the log, asked of the broker."""
        start, end = _patiently(
            f"bounds of {topic}[{partition}]",
            lambda: self._consumer().get_watermark_offsets(TopicPartition(topic, partition), timeout=5.0),
        )
        return Bounds(start, end)

    def read(self, topic: str, partition: int, begin: int, end: int, limit: int) -> list[Any]:
        """Up to about ``limit`` messages (confluent's) from ``begin``, below ``end``; fewer only where the range is used up.

        A read that goes on where the last one stopped costs no new assignment.
        """
        consumer = self._consumer()
        if self._next != (topic, partition, begin):
            consumer.assign([TopicPartition(topic, partition, begin)])
        self._next = None
        out: list[Any] = []
        position, deadline = begin, time.monotonic() + STUCK_S
        while position < end and len(out) < limit:
            # consume(n) waits for all n; one with patience and the rest as they lie there is prompt
            waited: list[Any] = consumer.consume(1, timeout=0.2)
            for message in waited + (consumer.consume(min(limit, 5_000), timeout=0.0) if waited else []):
                error = message.error()
                if error is None:
                    position = message.offset() + 1
                    if message.offset() < end:
                        out.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    # the end has been reached, whatever compaction has left before it
                    position = max(position, message.offset())
                elif not error.retriable() and error.code() not in PASSING:
                    raise KafkaException(error)
                else:
                    continue
                deadline = time.monotonic() + STUCK_S
            if time.monotonic() > deadline:
                raise LogReadFailed(f"{topic}[{partition}]@{position}: nothing came for {STUCK_S:.0f} s, end {end}")
        if position < end:
            self._next = (topic, partition, position)
        else:
            # what stays assigned is fetched on and on: 50 requests a second for nothing
            consumer.unassign()
        return out

    def records(self, topic: str, partition: int, begin: int, end: int, limit: int) -> list[RawRecord]:
        return [
            RawRecord(message.offset(), message.value(), ingest_wall_of(message.headers()))
            for message in self.read(topic, partition, begin, end, limit)
        ]

    def checkpoints(self, topic: str, partition: int, prefix: bytes) -> list[Found]:
        """Every checkpoint of the partition whose key begins with ``prefix``."""
        bounds = self.bounds(topic, partition)
        found, begin = [], bounds.start
        while begin < bounds.end:
            messages = self.read(topic, partition, begin, bounds.end, 200)
            if not messages:
                break
            begin = messages[-1].offset() + 1
            found += [item for item in map(_found, messages) if item is not None and item[0].startswith(prefix)]
        return [item[1] for item in found]

    def timestamp_ms(self, topic: str, partition: int, offset: int, end: int) -> int | None:
        """Kafka time of the first record at or after ``offset``; None if there is none below ``end``."""
        messages = self.read(topic, partition, offset, end, 1)
        return int(messages[0].timestamp()[1]) if messages else None

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        """Offset of the first record at or after the time; the end when there is none."""
        answer = _patiently(
            f"offset of {time_ms} ms in {topic}[{partition}]",
            lambda: self._consumer().offsets_for_times([TopicPartition(topic, partition, time_ms)], timeout=5.0),
        )
        return int(answer[0].offset) if answer[0].offset >= 0 else self.bounds(topic, partition).end

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The group's offset, or None."""
        offsets = _patiently(
            f"offsets of {group}", lambda: kafka.group_offsets(self._bootstrap, group, topic, [partition])
        )
        return offsets.get(partition)

    def log_id(self, topic: str) -> str:
        """Kafka's id of the topic.  KeyError if there is none."""
        return _patiently(f"id of {topic}", lambda: kafka.topic_id(self._bootstrap, topic))

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


# What a consumer reports while a broker is away, and gets over by itself.
PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT)


def _patiently(what: str, ask: Callable[[], T]) -> T:
    """The answer, asked again for a minute: a broker that restarts breaks connections, and not every call tries again."""
    deadline = time.monotonic() + STUCK_S
    while True:
        try:
            return ask()
        except (KafkaException, kafka.KafkaUnreachable) as error:
            if time.monotonic() > deadline:
                raise LogReadFailed(f"{what}: {error}") from error
            time.sleep(0.2)


def _found(message: Any) -> tuple[bytes, Found] | None:
    """(key, checkpoint) of a record of a checkpoint topic; None for a tombstone."""
    value, key = message.value(), message.key()
    if value is None or key is None:
        return None
    headers = dict(message.headers() or ())
    epoch = int(headers["epoch"]) if "epoch" in headers else int(key.rsplit(b"/", 1)[1])
    offset = int(headers["offset"]) if "offset" in headers else _decoded_offset(value)
    return key, Found(message.offset(), epoch, offset, value, key)


def _decoded_offset(value: bytes) -> int:
    import schemas

    record = schemas.decode(value)
    assert isinstance(record, schemas.Checkpoint)
    return record.offset
