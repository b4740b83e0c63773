"""Claims in ``feed.status.v1``: of what there may be one of a namespace, whoever has claimed last goes on, and the others end.

So a standby takes over by starting, on whichever host, and one that was asleep ends when it wakes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from schemas import SINGLE_OBJECT, DecodeError, FeedStatus, Framing, decode, encode
from streams import kafka, topics

CLAIM_TIMEOUT_S = 20.0
LOOK_S, ASK_S = 0.2, 5.0
PARTITION = 0
FLOW_FEED = "flow/"
"""What a feed that is dealer flow's begins with, its group after it; all others are ingest's."""


class NotClaimed(RuntimeError):
    """Kafka has not confirmed a claim; the message says what it said."""


def claim(bootstrap: str, namespace: str, feed: str, state: str, host: str, framing: Framing = SINGLE_OBJECT) -> int:
    """Write a claim and return its offset: unique, and higher than that of every claim before.

    feed : its key; compaction keeps the newest claim of each.
    """
    record = FeedStatus(feed, -1, state, time.time_ns(), {}, 0, 0, 0, f"pid {os.getpid()} on {host}")
    offsets: list[int] = []
    errors: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(str(error))
        else:
            offsets.append(int(message.offset() or 0))

    client = kafka.producer(bootstrap, linger_ms=0)
    where = topics.full_name(topics.FEED_STATUS, namespace)
    client.produce(where, encode(record, framing), feed, PARTITION, on_delivery=delivered)
    client.flush(CLAIM_TIMEOUT_S)
    if not offsets:
        raise NotClaimed(f"the claim was not confirmed by Kafka at {bootstrap}: {'; '.join(errors) or 'no answer'}")
    return offsets[0]


class ClaimWatch:
    """Looks out for a rival's claim after ours, which stands at ``offset``."""

    def __init__(self, bootstrap: str, namespace: str, offset: int, is_rival: Callable[[FeedStatus], bool]) -> None:
        self._offset, self._is_rival = offset, is_rival
        self._resolve = kafka.resolver(bootstrap, namespace)
        self._place = TopicPartition(topics.full_name(topics.FEED_STATUS, namespace), PARTITION, offset + 1)
        # a claim is handed over at once all the same; with a reader's patience this would be 50 requests a second
        self._consumer = kafka.reader_consumer(bootstrap, fetch_wait_max_ms=1_000, enable_partition_eof=True)
        self._consumer.assign([self._place])
        self._read_to = offset + 1

    def newer(self) -> tuple[int, FeedStatus] | None:
        """(offset, claim) of a rival after us, if one has been handed over.  Never waits."""
        return self._look(0.0)

    def newer_by_now(self, within_s: float) -> tuple[int, FeedStatus] | None:
        """The same of all that stands in Kafka now: who has just woken up has been handed nothing yet.

        KafkaException or TimeoutError where Kafka does not answer in time.
        """
        deadline = time.monotonic() + within_s
        end = self._end(deadline)
        found = self._look(0.0)
        while found is None and self._read_to < end:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._place.topic} was not read to its end, {end}, within {within_s:.0f} s")
            found = self._look(LOOK_S)
        return found

    def _end(self, deadline: float) -> int:
        """Asked again until ``deadline``: a broker that restarts is back in seconds."""
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(self._place, timeout=ASK_S)[1])
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_S)

    def _look(self, wait_s: float) -> tuple[int, FeedStatus] | None:
        waited = self._consumer.consume(1, wait_s) if wait_s else []
        for message in (*waited, *self._consumer.consume(100, 0.0)):
            error, offset = message.error(), int(message.offset() or 0)
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._read_to = max(self._read_to, offset)
                continue
            self._read_to = max(self._read_to, offset + 1)
            value = message.value()
            if value is None or offset <= self._offset:
                continue
            try:
                record = decode(value, self._resolve)
            except DecodeError:
                continue
            if isinstance(record, FeedStatus) and self._is_rival(record):
                return offset, record
        return None

    def close(self) -> None:
        self._consumer.close()
