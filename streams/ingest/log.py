"""The Kafka side of ingest: the claim, the records, and who else has claimed."""

from __future__ import annotations

import os
import time
from typing import Any

from schemas import SINGLE_OBJECT, FeedStatus, Framing, encode
from streams import claims, topics
from streams.ingest.core import Out
from streams.kafka_outbox import Outbox
from streams.partitioning import N_PARTITIONS

NS_PER_MS = 1_000_000
CLAIMED = "claimed"
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
    feed = f"claim/{host}/{os.getpid()}/{time.time_ns()}"
    try:
        return claims.claim(bootstrap, namespace, feed, CLAIMED, host, framing)
    except claims.NotClaimed as error:
        raise IngestError(str(error)) from error


class ClaimWatch:
    """Looks out for a claim after ours."""

    def __init__(self, bootstrap: str, namespace: str, epoch: int) -> None:
        self._epoch = epoch
        self._watch = claims.ClaimWatch(bootstrap, namespace, epoch, lambda record: record.state == CLAIMED)

    def check(self) -> None:
        """Superseded when there is one.  Never waits."""
        found = self._watch.newer()
        if found is not None:
            offset, record = found
            raise Superseded(
                f"another ingest has taken over: {record.detail} claimed epoch {offset}, ours is {self._epoch}. "
                "One ingest per namespace; stop the other one first to keep this one"
            )

    def close(self) -> None:
        self._watch.close()


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
