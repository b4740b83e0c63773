"""What both services of CME write to Kafka, and what they know of the last time."""

from __future__ import annotations

from typing import Any

import schemas
from schemas import Checkpoint
from streams import kafka
from streams.worker.delivery import why_not_delivered
from streams.worker.log_reader import LogReader

PARTITION = 0
DELIVERY_S = 130.0
QUEUE_HIGH = 50_000
POLL_S = 0.05


class PublishError(RuntimeError):
    """Kafka did not confirm a batch; the message says what it said.  Nothing is recorded: run it again."""


class Output:
    """One producer; what it was given is in Kafka when ``confirm`` returns."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = kafka.producer(bootstrap)
        self._failures: list[str] = []

    def produce(
        self, topic: str, key: bytes, value: bytes, ts_ms: int, headers: list[tuple[str, str | bytes | None]]
    ) -> None:
        """Hand a record over; waits while too many are on their way."""
        while len(self._producer) > QUEUE_HIGH:
            self._producer.poll(POLL_S)
        self._producer.produce(
            topic, value, key, PARTITION, on_delivery=self._landed, timestamp=max(0, ts_ms), headers=headers
        )  # fmt: skip
        self._producer.poll(0)

    def confirm(self, topic: str) -> None:
        """Wait until Kafka has everything; PublishError, which names ``topic``, if it does not take it."""
        n_left = self._producer.flush(DELIVERY_S)
        failures, self._failures = self._failures, []
        if n_left or failures:
            said = "; ".join(sorted(set(failures))[:3]) or f"{n_left} records without an answer"
            raise PublishError(f"{topic} did not confirm: {said}")

    def _landed(self, error: Any, message: Any) -> None:
        problem = why_not_delivered(error, message)
        if problem:
            self._failures.append(problem)


def newest_progress(bootstrap: str, topic: str, group: str) -> Checkpoint | None:
    """The last checkpoint that ``group`` wrote into a topic of checkpoints; whether it still holds is the caller's to say."""
    reader = LogReader(bootstrap)
    try:
        kept = reader.checkpoints(topic, PARTITION, f"{group}/".encode())
    finally:
        reader.close()
    newest = max(kept, key=lambda one: one.kafka_offset, default=None)
    record = None if newest is None else schemas.decode(newest.value)
    return record if isinstance(record, Checkpoint) else None
