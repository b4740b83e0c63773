"""What the service writes: records, dead letters, checkpoints, and their confirmation."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import schemas
from schemas import Checkpoint, DeadLetter, DecodeError, Flow, FlowStrike, SettlementFlow, Watermark
from streams import kafka, topics
from streams.flow_service import checkpoints
from streams.flow_service.settings import FoldSettings
from streams.registry import Wire
from streams.worker.delivery import why_not_delivered

NS_PER_MS = 1_000_000
MAX_PAYLOAD = 64 * 1024
POLL_S = 0.1
QUEUE_HIGH = 20_000


class FlowServiceError(RuntimeError):
    """The service cannot go on; the message says why and what to do.

    FlowServiceError
     ├─ Reset        what is read is no continuation of what was: only a cold start goes on
     └─ Superseded   another service of this group has started after us: it goes on, we end
    """


class Reset(FlowServiceError):
    """What is read is no continuation of what was: only a cold start goes on.

    ``lane``, ``by``: the Watermark that shows it, and its lane, if it was one.
    """

    def __init__(self, message: str, lane: tuple[str, int] | None = None, by: Watermark | None = None) -> None:
        super().__init__(message)
        self.lane, self.by = lane, by


class Superseded(FlowServiceError):
    """Another service of this group has started after us: it goes on, we end."""


class Output:
    """One idempotent producer; what Kafka refuses is an error at the next look."""

    def __init__(self, bootstrap: str, settings: FoldSettings, wire: Wire, host: str, epoch: int) -> None:
        self._settings, self._wire = settings, wire
        self._producer = kafka.producer(bootstrap)
        self._host = ("host", host.encode())
        self.epoch = epoch
        """Of what is sent from now on."""
        self._failures: list[str] = []
        self._names = {
            kind: topics.full_name(topic, settings.namespace, settings.out_suffix)
            for kind, topic in zip((Flow, FlowStrike, SettlementFlow), topics.FLOW_OUTPUTS, strict=True)
        }

    @property
    def flow_topic(self) -> str:
        return self._names[Flow]

    def send(self, records: Iterable[Any]) -> None:
        """Records of dealer flow, in order."""
        for record in records:
            value = schemas.encode(record, self._wire.framing)
            self._produce(self._names[type(record)], record.currency, value, 0, record.ts_event_ns)

    def send_unreadable(self, message: Any, problem: DecodeError, ts_ns: int) -> None:
        """A value that is no record, with where it stands."""
        partition, offset = int(message.partition()), int(message.offset())
        payload = (message.value() or b"")[:MAX_PAYLOAD]
        letter = DeadLetter(str(message.topic()), partition, offset, problem.reason, str(problem), payload)
        name = self._settings.name(topics.DEADLETTER)
        self._produce(name, f"{partition}/{offset}", schemas.encode(letter, self._wire.framing), partition, ts_ns)

    def send_checkpoint(self, topic: topics.Topic, pieces: Iterable[tuple[str, Checkpoint]]) -> None:
        """The pieces of a state; never with a registry's ids, as those of the workers."""
        name, partition = self._settings.name(topic), checkpoints.partition(self._settings.group_name)
        for key, record in pieces:
            self._produce(name, key, schemas.encode(record), partition, record.log_time_ns)

    def look(self) -> None:
        """Take the reports that have come, and wait while too much is on its way.  Errors: FlowServiceError."""
        self._producer.poll(0)
        while len(self._producer) > QUEUE_HIGH and not self._failures:
            self._producer.poll(POLL_S)
        if self._failures:
            raise FlowServiceError(f"Kafka refuses records: {self._failures[0]}")

    def confirm(self) -> None:
        """Until everything sent stands in Kafka.  Errors: FlowServiceError if it does not within the setting."""
        left = self._producer.flush(self._settings.confirm_s)
        if left or self._failures:
            raise FlowServiceError(f"{left} records not confirmed: {self._failures[:1] or 'Kafka is slow or away'}")

    def _produce(self, topic: str, key: str, value: bytes, partition: int, ts_ns: int) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("epoch", str(self.epoch).encode()), self._host, ("calc_wall_ns", str(time.time_ns()).encode()),
        ]  # fmt: skip
        while True:
            try:
                self._producer.produce(
                    topic, value, key.encode(), partition, on_delivery=self._landed,
                    timestamp=max(0, ts_ns // NS_PER_MS), headers=headers,
                )  # fmt: skip
                return
            except BufferError:
                self._producer.poll(POLL_S)

    def _landed(self, error: Any, message: Any) -> None:
        problem = why_not_delivered(error, message)
        if problem:
            self._failures.append(f"{message.topic()}[{message.partition()}]: {problem}")
