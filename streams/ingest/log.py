"""The Kafka side of ingest: the claim, the records, and who else has claimed."""

from __future__ import annotations

import os
import time
from typing import Any

from confluent_kafka import KafkaError, Message, TopicPartition

from schemas import SINGLE_OBJECT, DecodeError, FeedStatus, Framing, decode, encode
from streams import kafka, topics
from streams.ingest.core import Out
from streams.kafka_outbox import Outbox
from streams.partitioning import N_PARTITIONS

NS_PER_MS = 1_000_000
CLAIMED = "claimed"
CLAIM_TIMEOUT_S = 20.0
QUEUE_MOST = 200_000
"""Records on their way at most: what no conflation makes fewer (trades, broadcasts) in far more than a delivery may take."""


class IngestError(RuntimeError):
    """Ingest cannot go on; the message says why and what to do."""


class Superseded(IngestError):
    """Another ingest has claimed the namespace after us: it goes on, we end."""


class DeliveryFailed(IngestError):
    """Kafka has not confirmed a record: the log would have a hole, so the process ends and its successor recovers."""


def claim(bootstrap: str, namespace: str, host: str, framing: Framing = SINGLE_OBJECT) -> int:
    """Write a claim record and return its offset, the ingest epoch.

    Its key is its own, so that compaction keeps every claim and epochs stay explainable.
    """
    wall_ns = time.time_ns()
    record = FeedStatus(
        f"claim/{host}/{os.getpid()}/{wall_ns}", -1, CLAIMED, wall_ns, {}, 0, 0, 0, f"pid {os.getpid()} on {host}"
    )
    offsets: list[int] = []
    errors: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(str(error))
        else:
            offsets.append(int(message.offset() or 0))

    client = kafka.producer(bootstrap, linger_ms=0)
    where = topics.full_name(topics.FEED_STATUS, namespace)
    client.produce(where, encode(record, framing), record.feed, 0, on_delivery=delivered)
    client.flush(CLAIM_TIMEOUT_S)
    if not offsets:
        raise IngestError(f"the claim was not confirmed by Kafka at {bootstrap}: {'; '.join(errors) or 'no answer'}")
    return offsets[0]


class ClaimWatch:
    """Looks out for a claim after ours."""

    def __init__(self, bootstrap: str, namespace: str, epoch: int) -> None:
        self._epoch = epoch
        self._resolve = kafka.resolver(bootstrap, namespace)
        # a claim is handed over at once all the same; with a reader's patience this would be 50 requests a second
        self._consumer = kafka.reader_consumer(bootstrap, fetch_wait_max_ms=1_000)
        self._consumer.assign([TopicPartition(topics.full_name(topics.FEED_STATUS, namespace), 0, epoch + 1)])

    def check(self) -> None:
        """Superseded when there is one.  Never waits."""
        for message in self._consumer.consume(100, 0.0):
            value = message.value()
            if message.error() is not None or value is None or int(message.offset() or 0) <= self._epoch:
                continue
            try:
                record = decode(value, self._resolve)
            except DecodeError:
                continue
            if isinstance(record, FeedStatus) and record.state == CLAIMED:
                raise Superseded(
                    f"another ingest has taken over: {record.detail} claimed epoch {message.offset()}, ours is {self._epoch}. "
                    "One ingest per namespace; stop the other one first to keep this one"
                )

    def close(self) -> None:
        self._consumer.close()


class LogProducer:
    """Writes Outs: explicit partitions, Kafka time = log time, wall time and host as headers.  Lives in one event loop."""

    def __init__(
        self, bootstrap: str, namespace: str, host: str, framing: Framing = SINGLE_OBJECT, linger_ms: int = 0
    ) -> None:
        self._outbox = Outbox(bootstrap, linger_ms=linger_ms)
        self._ticks = topics.full_name(topics.TICKS, namespace)
        self._status = topics.full_name(topics.FEED_STATUS, namespace)
        self._host = ("host", host.encode())
        self._framing = framing
        self.n_bytes = 0

    async def start(self) -> None:
        """Connect; before the first record."""
        await self._outbox.start()

    @property
    def n_queued(self) -> int:
        """Records not yet confirmed."""
        return len(self._outbox)

    def write(self, out: Out, wall_ns: int) -> None:
        """Hand one record, or its sixteen copies, over; never waits.  DeliveryFailed when far too much waits already."""
        value = encode(out.record, self._framing)
        headers = [("ingest_wall_ns", str(wall_ns).encode()), self._host]
        key = out.key.encode()
        if out.partition is not None:
            self.n_bytes += len(value)
            self._produce(self._ticks, value, key, out.partition, out.log_times_ns[0] // NS_PER_MS, headers)
            return
        self.n_bytes += len(value) * N_PARTITIONS
        for partition, log_time_ns in enumerate(out.log_times_ns):
            self._produce(self._ticks, value, key, partition, log_time_ns // NS_PER_MS, headers)

    def write_status(self, record: FeedStatus) -> None:
        """A state of the feed; its Kafka time is wall time."""
        value = encode(record, self._framing)
        self._produce(self._status, value, record.feed.encode(), 0, time.time_ns() // NS_PER_MS, [])

    def _produce(self, topic: str, value: bytes, key: bytes, partition: int, time_ms: int, headers: Any) -> None:
        if len(self._outbox) >= QUEUE_MOST:
            raise DeliveryFailed(f"{QUEUE_MOST} records wait for Kafka; a restart goes on from the log's end")
        self._outbox.produce(topic, value, key, partition, timestamp=time_ms, headers=headers)

    def check(self) -> None:
        """DeliveryFailed when a record was not taken."""
        if self._outbox.failure:
            raise DeliveryFailed(
                f"Kafka did not take a record, {self._outbox.failure}; a restart goes on from the log's end"
            )

    async def close(self, timeout_s: float) -> None:
        """Wait until everything is confirmed, and disconnect; DeliveryFailed when it is not in time."""
        n_left = await self._outbox.close(timeout_s)
        self.check()
        if n_left:
            raise DeliveryFailed(f"{n_left} records were not confirmed within {timeout_s:.0f} s")
