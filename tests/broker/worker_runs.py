"""Live runs that the broker tests of workers and replay look at: a log, workers, and what they published."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.worker.log_reader import LogReader
from tests.chaos import harness, load, oracle
from tests.chaos.fleet import Fleet
from tests.kafka_fixtures import eventually

ENVIRON = {"GREEKSTREAM_WORKER_FOLD": harness.CHECKSUM, "GREEKSTREAM_WORKER_REPORT_S": "2"}
WITHIN_S = 60.0


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


def stand_at(bootstrap: str, namespace: str) -> dict[int, int]:
    """{partition: offset of the checkpoint that a restore would take}."""
    reader = LogReader(bootstrap)
    group = topics.group_name(namespace)
    newest = {p: oracle.newest_checkpoint(reader, namespace, group, p) for p in range(N_PARTITIONS)}
    return {partition: item[0] for partition, item in newest.items() if item is not None}


def wait_until_opened(bootstrap: str, namespace: str) -> None:
    """Every partition has the first checkpoint of an epoch: what is written from now on is priced."""
    eventually(lambda: len(stand_at(bootstrap, namespace)) == N_PARTITIONS, WITHIN_S)


def wait_until_worked_off(bootstrap: str, namespace: str, within_s: float = WITHIN_S) -> float:
    """Seconds until a checkpoint stands at the end of every partition's log."""
    began = time.monotonic()
    source = topics.full_name(topics.TICKS, namespace)
    ends = {p: high - 1 for p, (_, high) in kafka.watermarks(bootstrap, source, range(N_PARTITIONS)).items()}
    eventually(lambda: stand_at(bootstrap, namespace) == ends, within_s)
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
            lambda: {line["worker"] for line in fleet.events("partitions_ready")} == set(range(n_workers)), WITHIN_S
        )
        yield fleet


def wait_until_left(bootstrap: str, group: str) -> None:
    """The group's static members are forgotten, which takes their session's 10 s."""
    eventually(lambda: kafka.group_state(bootstrap, group)[1] == 0, WITHIN_S, every_s=0.5)
