"""Replay on a real Kafka: the bytes that the live workers published, from any moment, also after a reset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from streams import kafka, moments, topics
from streams.partitioning import N_PARTITIONS
from streams.replay import Replay, ReplayError, ReplaySettings
from tests.broker import worker_runs as runs
from tests.chaos import checksum, load, oracle
from tests.chaos.oracle import Published

N_RECORDS = 6_000
FIRST_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
MID_NS = FIRST_NS + HOUR_NS // 2


def live(bootstrap: str, namespace: str, n_workers: int, tmp_path: Path) -> None:
    """An hour of log, worked off by live workers in four parts, so that the history has checkpoints along it."""
    with runs.fleet_of(bootstrap, namespace, n_workers, tmp_path) as fleet:
        records = list(load.checksum_load(11, N_RECORDS))
        for part in range(4):
            runs.write(bootstrap, namespace, records[part * N_RECORDS // 4 : (part + 1) * N_RECORDS // 4])
            runs.wait_until_worked_off(bootstrap, namespace)
        assert set(fleet.stop().values()) == {0}


def replay(bootstrap: str, namespace: str, **settings: Any) -> dict[str, Any]:
    settings = {"since": moments.Moment(time_ns=MID_NS), "suffix": "again"} | settings
    runner = Replay(
        ReplaySettings(bootstrap, namespace=namespace, **settings), checksum.ChecksumMaker(), lambda *a, **k: None
    )
    return runner.run()


def by_identity(found: Iterable[Published], since_ns: int = 0) -> dict[Any, tuple[bytes, bytes | None, int]]:
    """Results with at least this log time, their last bytes by identity."""
    return {i.identity: (i.key, i.value, i.ts_ms) for i in found if i.ts_ms * 1_000_000 >= since_ns}


@pytest.mark.parametrize("n_workers", [1, 4])
def test_since_mid_log_gives_result_by_result_the_live_bytes(
    bootstrap: str, namespace: str, tmp_path: Path, n_workers: int
) -> None:
    live(bootstrap, namespace, n_workers, tmp_path)
    summary = replay(bootstrap, namespace)
    wanted = by_identity(oracle.published(bootstrap, namespace), MID_NS)
    found = oracle.published(bootstrap, namespace, suffix="again")
    assert by_identity(found) == wanted
    assert len(found) == len(wanted) == summary["results"]
    assert len(wanted) > N_RECORDS // 3
    assert not summary["is_cold"]
    starts = [lane["checkpoint_offset"] for lane in summary["partitions"].values()]
    assert any(offset is not None and offset > 0 for offset in starts), "the history's checkpoints were used"
    assert summary["silent_records"] < N_RECORDS // 3, "not folded from the log's start"


def test_until_and_offsets_bound_a_replay(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    live(bootstrap, namespace, 2, tmp_path)
    summary = replay(
        bootstrap,
        namespace,
        since=moments.parse("3:100,5:20"),
        until=moments.parse("3:150,5:30"),
        suffix="part",
    )
    found = oracle.published(bootstrap, namespace, suffix="part")
    assert {i.identity.partition for i in found} == {3, 5}
    offsets = sorted({(i.identity.partition, i.identity.source_offset) for i in found})
    assert offsets == [(3, o) for o in range(100, 150)] + [(5, o) for o in range(20, 30)]
    assert summary["records"] == 60
    everything = by_identity(oracle.published(bootstrap, namespace))
    assert all(everything[identity] == value for identity, value in by_identity(found).items())


def test_after_a_reset_the_workers_publish_the_same_bytes_under_the_next_epoch(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    live(bootstrap, namespace, 2, tmp_path / "first")
    before = by_identity(oracle.published(bootstrap, namespace), MID_NS)
    group = topics.group_name(namespace)
    settings = ReplaySettings(bootstrap, moments.Moment(time_ns=MID_NS), namespace=namespace, source_group=group)
    runner = Replay(settings, checksum.ChecksumMaker(), lambda *a, **k: None)
    with pytest.raises(ReplayError, match="has 2 members"):
        runner.reset()
    runs.wait_until_left(bootstrap, group)
    summary = runner.reset()
    assert set(summary["epochs"].values()) == {2}
    source = topics.full_name(topics.TICKS, namespace)
    wanted = kafka.offsets_for_time(bootstrap, source, range(N_PARTITIONS), MID_NS // 1_000_000)
    assert kafka.group_offsets(bootstrap, group) == {(source, p): offset for p, offset in wanted.items()}
    with runs.fleet_of(bootstrap, namespace, 2, tmp_path / "second") as fleet:
        runs.wait_until_worked_off(bootstrap, namespace)
        fleet.stop()
        assert not fleet.events("cold_start")
    again = [item for item in oracle.published(bootstrap, namespace) if item.epoch == 2]
    assert by_identity(again) == before
    # and a replay afterwards gives them once more
    replay(bootstrap, namespace, suffix="after")
    assert by_identity(oracle.published(bootstrap, namespace, suffix="after")) == before


def test_a_log_whose_start_is_cut_off_is_cold(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    live(bootstrap, namespace, 1, tmp_path)
    source = topics.full_name(topics.TICKS, namespace)
    ends = {p: high for p, (_, high) in kafka.watermarks(bootstrap, source, range(N_PARTITIONS)).items()}
    cuts = [TopicPartition(source, p, end - 5) for p, end in ends.items() if end > 5]
    for future in kafka.admin(bootstrap).delete_records(cuts).values():
        future.result(20)
    summary = replay(bootstrap, namespace, since=moments.parse("0:0"), suffix="cut")
    assert summary["is_cold"]
    assert summary["partitions"]["0"]["first"] == ends[0] - 5
    assert summary["partitions"]["0"]["checkpoint_offset"] is None


def test_the_command_prints_one_json_object_last_and_names_its_topics(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    live(bootstrap, namespace, 1, tmp_path)
    arguments = ["replay", "--since", str(MID_NS), "--namespace", namespace, "--group", "try", "--speed", "3600"]
    environ = {**os.environ, **runs.ENVIRON, "KAFKA_BOOTSTRAP": bootstrap}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    name = topics.full_name(topics.GREEKS, namespace, "replay-try")
    assert name in summary["topics"]
    assert sum(high for _, high in kafka.watermarks(bootstrap, name, range(16)).values()) > N_RECORDS // 3
    # half an hour of log at 3600 times the wall's pace takes half a second at least
    assert summary["seconds"] >= 0.4
