"""Kafka as a script: a log in memory, a producer that confirms when told, events with a generation.

Stubs stand at the socket only (the producer of librdkafka and the reader of the log); the worker's own code is all real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import schemas
from streams import topics
from streams.worker.checkpoints import Bounds, Found
from streams.worker.delivery import Delivery
from streams.worker.engines import Engines
from streams.worker.fence import Fence
from streams.worker.folds import RawRecord
from streams.worker.kernel import Kernel
from streams.worker.restore import Restorer
from streams.worker.settings import WorkerSettings
from streams.worker.work import Work
from tests.chaos.checksum import ChecksumFold, ChecksumMaker, record

NAMESPACE = "scripted"
CHECKPOINTS = topics.full_name(topics.CHECKPOINTS, NAMESPACE)
HISTORY = topics.full_name(topics.CHECKPOINTS_HISTORY, NAMESPACE)
GREEKS = topics.full_name(topics.GREEKS, NAMESPACE)
TICKS = topics.full_name(topics.TICKS, NAMESPACE)


@dataclass
class Sent:
    """A record given to the producer."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: dict[str, bytes]
    landed: Any
    is_confirmed: bool = False


def report_of(item: Sent, offset: int | None) -> Any:
    """What librdkafka hands to a delivery callback."""
    return SimpleNamespace(topic=lambda: item.topic, partition=lambda: item.partition, offset=lambda: offset)


class ScriptedProducer:
    """librdkafka's producer: keeps what it is given; confirms at once, or only when ``confirm`` is called."""

    def __init__(self, is_prompt: bool = True) -> None:
        self.sent: list[Sent] = []
        self.is_prompt = is_prompt

    def produce(
        self, topic: str, value: Any, key: bytes, partition: int, *, on_delivery: Any, timestamp: int, headers: Any
    ) -> None:
        self.sent.append(Sent(topic, partition, key, value, dict(headers), on_delivery))
        if self.is_prompt:
            self.confirm()

    def confirm(self, topic: str | None = None, error: Any = None, offset: int | None = 0) -> None:
        """Report the delivery of everything (of a topic) that is on its way, at an offset."""
        for item in self.sent:
            if not item.is_confirmed and topic in (None, item.topic):
                item.is_confirmed = True
                item.landed(error, report_of(item, offset))

    def poll(self, timeout_s: float) -> int:
        return 0

    def __len__(self) -> int:
        return sum(not item.is_confirmed for item in self.sent)

    def of(self, topic: str) -> list[Sent]:
        return [item for item in self.sent if item.topic == topic]


@dataclass
class ScriptedReader:
    """The log and the checkpoint topic, in memory.  ``start`` cuts the log's beginning off."""

    producer: ScriptedProducer
    logs: dict[int, list[bytes]] = field(default_factory=dict)
    start: int = 0
    id_of_log: str = "log-1"
    group_offset: int | None = None
    before_answer: Any = None
    """Called once before the next answer: where a test lets a rebalance happen."""

    async def run(self, function: Any, *args: Any) -> Any:
        await asyncio.sleep(0)
        answer = function(*args)
        if self.before_answer is not None:
            hook, self.before_answer = self.before_answer, None
            hook()
        return answer

    def bounds(self, topic: str, partition: int) -> Bounds:
        return Bounds(self.start, len(self.logs.get(partition, [])))

    def records(self, topic: str, partition: int, begin: int, end: int, limit: int) -> list[RawRecord]:
        begin = max(begin, self.start)
        values = self.logs[partition][begin : min(end, begin + limit)]
        return [RawRecord(begin + i, value, None) for i, value in enumerate(values)]

    def checkpoints(self, topic: str, partition: int, prefix: bytes) -> list[Found]:
        return [
            Found(i, int(item.headers["epoch"]), int(item.headers["offset"]), item.value or b"")
            for i, item in enumerate(self.producer.of(CHECKPOINTS))
            if item.partition == partition and item.key.startswith(prefix)
        ]

    def timestamp_ms(self, topic: str, partition: int, offset: int, end: int) -> int | None:
        return offset * 60_000

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        return max(0, time_ms // 60_000)

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        return self.group_offset

    def log_id(self, topic: str) -> str:
        return self.id_of_log


class Bench:
    """A worker without Faust, on a scripted Kafka.  One record a minute of log time."""

    def __init__(
        self,
        n_records: int = 100,
        *,
        partition: int = 3,
        is_prompt: bool = True,
        maker: Any = None,
        short_rows: int = 0,
    ) -> None:
        self.partition = partition
        self.producer = ScriptedProducer(is_prompt)
        values = [record(offset * 60_000_000_000, offset, offset % 5 == 0) for offset in range(n_records)]
        self.reader = ScriptedReader(self.producer, {partition: values})
        self.generation = 1
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.fence = Fence(lambda: self.generation)
        self.settings = WorkerSettings(namespace=NAMESPACE)
        self.kernel = Kernel(short_rows)
        self.delivery = Delivery(self.producer, NAMESPACE, "host")
        self.maker = maker or ChecksumMaker()
        restorer = Restorer(
            self.settings,
            self.maker,
            self.reader,  # type: ignore[arg-type]
            self.kernel,
            self.delivery,
            self.fence,
            lambda event, **facts: self.said.append((event, facts)),
        )
        self.skipped_to: list[tuple[int, int]] = []
        self.work = Work(self.fence, Engines(), self.delivery, restorer, self.kernel, self._skip_to)
        self.work.on_assigned([partition])

    def events(self, offsets: Sequence[int], generation: int | None = None) -> list[Any]:
        """Faust events of these offsets, fetched under a generation (default: the present one)."""
        return [
            SimpleNamespace(
                message=SimpleNamespace(
                    partition=self.partition,
                    offset=offset,
                    value=self.reader.logs[self.partition][offset],
                    headers=None,
                    generation_id=self.generation if generation is None else generation,
                )
            )
            for offset in offsets
        ]

    async def _skip_to(self, partition: int, offset: int) -> None:
        self.skipped_to.append((partition, offset))

    def rebalance(self) -> None:
        """Revoked and assigned again, under the next generation."""
        self.work.on_revoked()
        self.generation += 1
        self.work.on_assigned([self.partition])

    @property
    def engine(self) -> Any:
        return self.work.engines.get(self.partition)

    def results(self) -> list[tuple[int, bytes | None]]:
        """(source offset, value) of everything sent to greeks.v1, in order."""
        return [(int(item.headers["source_offset"]), item.value) for item in self.producer.of(GREEKS)]

    def checkpoint_offsets(self) -> list[int]:
        return [int(item.headers["offset"]) for item in self.producer.of(CHECKPOINTS)]

    def add_checkpoint(self, offset: int, epoch: int = 1, **changes: Any) -> None:
        """A checkpoint as another worker would have left it: the right state at ``offset``."""
        fold = ChecksumFold()
        records = self.reader.records(TICKS, self.partition, 0, offset + 1, 10_000)
        state, _ = fold.step(fold.new_state(), records)
        identity = self.maker.identity
        facts: dict[str, Any] = {
            "group": self.settings.group_name,
            "topic": TICKS,
            "partition": self.partition,
            "epoch": epoch,
            "offset": offset,
            "offsets": {},
            "log_id": "log-1",
            "log_time_ns": fold.log_time_ns(state),
            "settings_hash": identity.settings_hash,
            "engine_version": identity.engine_version,
            "cpu_features": identity.cpu_features,
            "state_format": identity.state_format,
            "state": fold.snapshot(state),
        }
        value = schemas.encode(schemas.Checkpoint(**(facts | changes)))
        key = topics.checkpoint_key(self.settings.group_name, TICKS, self.partition, epoch).encode()
        headers = {"epoch": str(epoch).encode(), "offset": str(offset).encode()}
        self.producer.sent.append(Sent(CHECKPOINTS, self.partition, key, value, headers, None, True))

    def oracle(self, first: int, last: int, begin: int = 0) -> list[tuple[int, bytes]]:
        """What one thread would send for [first, last], having folded from ``begin``."""
        fold = ChecksumFold()
        _, out = fold.step(fold.new_state(), self.reader.records(TICKS, self.partition, begin, last + 1, 10_000))
        return [(r.source_offset, r.value or b"") for r in out if r.topic == "greeks" and r.source_offset >= first]
