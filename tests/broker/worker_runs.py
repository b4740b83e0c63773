"""Live runs that the broker tests of workers and replay look at: a log, workers, and what they published."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.worker import checkpoints
from streams.worker.log_reader import PASSING
from tests.chaos import harness, load
from tests.chaos.fleet import Fleet
from tests.kafka_fixtures import eventually

ENVIRON = {"GREEKSTREAM_WORKER_FOLD": harness.CHECKSUM, "GREEKSTREAM_WORKER_REPORT_S": "2"}
WITHIN_S = 60.0
LOOK_EVERY_S = 0.2
"""Between two looks at what stands in Kafka: looking takes time of the processor that the workers want."""


def write(bootstrap: str, namespace: str, records: Iterable[load.Written], **overrides: Any) -> int:
    """Write records to the log as fast as it goes, confirmed; overrides are the producer's."""
    producer = kafka.producer(bootstrap, **overrides)
    source = topics.full_name(topics.TICKS, namespace)
    n_written = 0
    for record in records:
        headers = [("ingest_wall_ns", str(time.time_ns()).encode())]
        producer.produce(
            source,
            record.value,
            record.key,
            record.partition,
            timestamp=record.log_time_ns // 1_000_000,
            headers=headers,
        )
        n_written += 1
    assert producer.flush(WITHIN_S) == 0
    return n_written


class Standing:
    """Where the checkpoints of the namespace's group stand, read on from question to question by one consumer."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self._name = topics.full_name(topics.CHECKPOINTS, namespace)
        source, group = topics.full_name(topics.TICKS, namespace), topics.group_name(namespace)
        self._prefixes = {p: checkpoints.key_prefix(group, source, p) for p in range(N_PARTITIONS)}
        self._newest: dict[int, tuple[int, int]] = {}
        self._bootstrap = bootstrap
        self._consumer = kafka.reader_consumer(bootstrap, fetch_wait_max_ms=200)
        self._consumer.assign([TopicPartition(self._name, p, 0) for p in range(N_PARTITIONS)])
        self._next = dict.fromkeys(range(N_PARTITIONS), 0)

    def offsets(self) -> dict[int, int]:
        """{partition: offset of the checkpoint that a restore would take}, of all that has been written until now."""
        ends = {p: end for p, (_, end) in kafka.watermarks(self._bootstrap, self._name, range(N_PARTITIONS)).items()}
        deadline = time.monotonic() + WITHIN_S
        while any(self._next[p] < end for p, end in ends.items()):
            assert time.monotonic() < deadline, f"{self._name} is not read up to {ends}, only to {self._next}"
            for message in self._consumer.consume(1, 0.2) + self._consumer.consume(500, 0.0):
                error = message.error()
                assert error is None or error.retriable() or error.code() in PASSING, error
                if error is None:
                    self._take(message)
        return {p: offset for p, (_, offset) in sorted(self._newest.items())}

    def _take(self, message: Any) -> None:
        partition = message.partition()
        self._next[partition] = message.offset() + 1
        if message.value() is None or not message.key().startswith(self._prefixes[partition]):
            return
        headers = dict(message.headers() or ())
        stands = (int(headers["epoch"]), int(headers["offset"]))
        self._newest[partition] = max(stands, self._newest.get(partition, stands))

    def close(self) -> None:
        self._consumer.close()


def stand_at(bootstrap: str, namespace: str) -> dict[int, int]:
    """{partition: offset of the checkpoint that a restore would take}."""
    with contextlib.closing(Standing(bootstrap, namespace)) as standing:
        return standing.offsets()


def wait_until_opened(bootstrap: str, namespace: str) -> None:
    """Every partition has the first checkpoint of an epoch: what is written from now on is priced."""
    with contextlib.closing(Standing(bootstrap, namespace)) as standing:
        eventually(lambda: len(standing.offsets()) == N_PARTITIONS, WITHIN_S, LOOK_EVERY_S)


def wait_until_worked_off(bootstrap: str, namespace: str, within_s: float = WITHIN_S) -> float:
    """Seconds until a checkpoint stands at the end of every partition's log."""
    began = time.monotonic()
    source = topics.full_name(topics.TICKS, namespace)
    ends = {p: high - 1 for p, (_, high) in kafka.watermarks(bootstrap, source, range(N_PARTITIONS)).items()}
    with contextlib.closing(Standing(bootstrap, namespace)) as standing:
        eventually(lambda: standing.offsets() == ends, within_s, LOOK_EVERY_S)
    return time.monotonic() - began


@contextmanager
def fleet_of(bootstrap: str, namespace: str, n_workers: int, log_dir: Path, **environ: str) -> Iterator[Fleet]:
    """Running workers that have joined, opened every partition and restored it."""
    with Fleet(bootstrap, namespace, log_dir, ENVIRON | environ) as fleet:
        if environ.get("GREEKSTREAM_WORKER_FOLD") == harness.PRICING:
            fleet.warm_up()
        for worker_id in range(n_workers):
            fleet.start(worker_id)
        wait_until_opened(bootstrap, namespace)
        eventually(
            lambda: {line["worker"] for line in fleet.events("partitions_ready")} == set(range(n_workers)),
            WITHIN_S, LOOK_EVERY_S,
        )  # fmt: skip
        yield fleet


def wait_until_left(bootstrap: str, group: str) -> None:
    """The group's static members are forgotten, which takes their session's 10 s."""
    eventually(lambda: kafka.group_state(bootstrap, group)[1] == 0, WITHIN_S, every_s=0.5)
