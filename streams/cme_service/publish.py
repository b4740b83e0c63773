"""Marks to Kafka, and the progress after them.

A batch is named by all that decides its bytes: the files' digests, the moment, the index, settings, version, CPU.  Its records are
confirmed by Kafka before the progress says so: after a crash in between they are written again, the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import schemas
from schemas import Checkpoint, CmeMark
from streams import kafka, registry, topics
from streams.cme_service.output import PARTITION, Output, newest_progress
from streams.worker.pricing import cpu_features, sources_hash

NS_PER_MS = 1_000_000
EPOCH, STATE_FORMAT = 1, 1
_SOURCES = ("schemas", "pricers", "streams/cme")
_LIBRARIES = ("numba", "llvmlite", "numpy", "scipy", "databento-dbn", "exchange_calendars")


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


def engine_version() -> str:
    """A hash of all that may change a byte of a mark: sources, schemas and libraries."""
    return f"cme-{sources_hash(_SOURCES, _LIBRARIES)}"


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
        self._output = Output(bootstrap)

    def published(self) -> str:
        """The batch that the progress says was published last into this very topic; empty if none was."""
        record = newest_progress(self.bootstrap, self._checkpoints, self._group)
        if record is None or record.log_id != self._log_id:
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
            self._output.produce(self.topic, mark.product.encode(), value, ts_ms, headers)
        self._output.confirm(self.topic)
        self._output.produce(
            self._checkpoints, f"{self._group}/{EPOCH}".encode(), self._progress(name, len(marks)), ts_ms, []
        )
        self._output.confirm(self._checkpoints)

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
