"""Marks to Kafka, and the progress after them.

A batch is named by all that decides its bytes: the files' digests, the moment, the index, settings, version, CPU.  Its records are
confirmed by Kafka before the progress says so: after a crash in between they are written again, the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import schemas
from schemas import Checkpoint, CmeMark
from streams import kafka, registry, topics
from streams.worker.delivery import why_not_delivered
from streams.worker.log_reader import LogReader
from streams.worker.pricing import cpu_features

NS_PER_MS = 1_000_000
PARTITION, EPOCH, STATE_FORMAT = 0, 1, 1
DELIVERY_S = 130.0
QUEUE_HIGH = 50_000
_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("schemas", "pricers", "streams/cme")
_LIBRARIES = ("numba", "llvmlite", "numpy", "scipy", "databento-dbn", "exchange_calendars")


class PublishError(RuntimeError):
    """Kafka did not confirm a batch; the message says what it said.  Nothing is recorded: run it again."""


class Name(NamedTuple):
    """What a batch is, as its progress says it."""

    digests: tuple[str, ...]
    now_ns: int
    index_price_by_currency: tuple[tuple[str, float], ...]
    settings_hash: str
    engine_version: str
    cpu_features: str
    wire_format: str

    @property
    def batch(self) -> str:
        """Sixteen hex digits: headers and progress carry them."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()[:16]


@cache
def engine_version() -> str:
    """A hash of all that may change a byte of a mark: sources, schemas and libraries."""
    digest = hashlib.sha256(" ".join(f"{name}={version(name)}" for name in _LIBRARIES).encode())
    for room in _SOURCES:
        for path in sorted((_ROOT / room).rglob("*")):
            if path.suffix in (".py", ".avsc"):
                digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return f"cme-{digest.hexdigest()[:10]}"


def name_of(
    digests: Iterable[str], now_ns: int, index: Mapping[str, float], settings_hash: str, wire: registry.Wire
) -> Name:
    """Name of a batch; files in any order, the same file twice counting once."""
    return Name(
        tuple(sorted(set(digests))), now_ns, tuple(sorted(index.items())), settings_hash, engine_version(), cpu_features(),
        wire.name,
    )  # fmt: skip


class Publisher:
    """Writes batches of marks of one namespace."""

    def __init__(self, bootstrap: str, namespace: str, profile: str, host: str) -> None:
        needed = (topics.CME_MARKS, topics.CHECKPOINTS, topics.SCHEMAS)
        kafka.create_topics(bootstrap, namespace, profile, only=needed)
        kafka.publish_schemas(bootstrap, namespace)
        self.wire = registry.wire(namespace, only=(topics.CME_MARKS,))
        self.topic = topics.full_name(topics.CME_MARKS, namespace)
        self._checkpoints = topics.full_name(topics.CHECKPOINTS, namespace)
        self._group = topics.group_name(namespace, "cme")
        self._log_id = kafka.topic_id(bootstrap, self.topic)
        self.bootstrap, self._host = bootstrap, host
        self._producer = kafka.producer(bootstrap)
        self._failures: list[str] = []

    def published(self) -> str:
        """The batch that the progress says was published last into this very topic; empty if none was."""
        reader = LogReader(self.bootstrap)
        try:
            kept = reader.checkpoints(self._checkpoints, PARTITION, f"{self._group}/".encode())
        finally:
            reader.close()
        newest = max(kept, key=lambda one: one.kafka_offset, default=None)
        record = None if newest is None else schemas.decode(newest.value)
        if not isinstance(record, Checkpoint) or record.log_id != self._log_id:
            return ""
        return str(json.loads(record.state).get("batch", ""))

    def publish(self, marks: Sequence[CmeMark], name: Name) -> None:
        """Write the marks, wait for Kafka's confirmation, then write the progress and wait for that.

        PublishError when either is not confirmed.
        """
        fixed: list[tuple[str, str | bytes | None]] = [
            ("batch", name.batch.encode()), ("n_results", str(len(marks)).encode()), ("epoch", str(EPOCH).encode()),
            ("calc_wall_ns", str(time.time_ns()).encode()), ("host", self._host.encode()),
        ]  # fmt: skip
        ts_ms = max(0, name.now_ns // NS_PER_MS)
        for i, mark in enumerate(marks):
            value = schemas.encode(mark, self.wire.framing)
            headers = [*fixed, ("source_offset", b"0"), ("result_seq", str(i).encode())]
            self._produce(self.topic, mark.product.encode(), value, ts_ms, headers)
        self._confirmed(self.topic)
        self._produce(self._checkpoints, f"{self._group}/{EPOCH}".encode(), self._progress(name, len(marks)), ts_ms, [])
        self._confirmed(self._checkpoints)

    def _progress(self, name: Name, n_marks: int) -> bytes:
        state = json.dumps(
            {"batch": name.batch, "n_files": len(name.digests), "index_prices": dict(name.index_price_by_currency)}
        )
        return schemas.encode(
            Checkpoint(
                group=self._group, topic=self.topic, partition=PARTITION, epoch=EPOCH, offset=n_marks, offsets={},
                log_id=self._log_id, log_time_ns=name.now_ns, settings_hash=name.settings_hash,
                engine_version=name.engine_version, cpu_features=name.cpu_features, state_format=STATE_FORMAT,
                state=state.encode(),
            )
        )  # fmt: skip

    def _produce(
        self, topic: str, key: bytes, value: bytes, ts_ms: int, headers: list[tuple[str, str | bytes | None]]
    ) -> None:
        while len(self._producer) > QUEUE_HIGH:
            self._producer.poll(0.05)
        self._producer.produce(
            topic, value, key, PARTITION, on_delivery=self._landed, timestamp=ts_ms, headers=headers
        )  # fmt: skip
        self._producer.poll(0)

    def _landed(self, error: Any, message: Any) -> None:
        problem = why_not_delivered(error, message)
        if problem:
            self._failures.append(problem)

    def _confirmed(self, topic: str) -> None:
        n_left = self._producer.flush(DELIVERY_S)
        failures, self._failures = self._failures, []
        if n_left or failures:
            said = "; ".join(sorted(set(failures))[:3]) or f"{n_left} records without an answer"
            raise PublishError(f"{topic} did not confirm: {said}")
