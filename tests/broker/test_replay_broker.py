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
from streams.worker.folds import load_maker
from tests import logs
from tests.broker import worker_runs as runs
from tests.chaos import harness, load, oracle
from tests.chaos.oracle import Identity, Published

N_RECORDS = 6_000
MID_NS = load.FIRST_NS + load.HOUR_NS // 2
"""Halfway through the checksum fold's hour of log."""


def live(bootstrap: str, namespace: str, n_workers: int, tmp_path: Path, fold: str, n_records: int = N_RECORDS) -> None:
    """A log worked off by live workers in four parts, so that the history has checkpoints along it."""
    environ = {
        "GREEKSTREAM_WORKER_FOLD": fold,
        "GREEKSTREAM_WORKER_HISTORY_MINUTES": "15" if fold == harness.CHECKSUM else "1",
    }
    with runs.fleet_of(bootstrap, namespace, n_workers, tmp_path, **environ) as fleet:
        records = list(harness.LOADS[fold](11, n_records))
        for part in range(4):
            runs.write(bootstrap, namespace, records[part * n_records // 4 : (part + 1) * n_records // 4])
            runs.wait_until_worked_off(bootstrap, namespace)
        assert set(fleet.stop().values()) == {0}


def runner(bootstrap: str, namespace: str, fold: str, **settings: Any) -> Replay:
    maker = load_maker(fold, bootstrap=bootstrap, namespace=namespace)
    return Replay(ReplaySettings(bootstrap, namespace=namespace, **settings), maker, lambda *a, **k: None)


def by_identity(found: Iterable[Published]) -> dict[Identity, tuple[bytes, bytes | None, int]]:
    return {i.identity: (i.key, i.value, i.ts_ms) for i in found}


def assert_same(again: Iterable[Published], before: Iterable[Published], first: dict[int, int]) -> int:
    """Every result that live workers made of records from ``first`` on is there again, byte for byte; how many.

    A row of ``latest`` keeps the identity that it had in ``greeks``, so some of them come from before ``first``.
    """
    everything = by_identity(before)
    wanted = {i: value for i, value in everything.items() if i.source_offset >= first[i.partition]}
    found = by_identity(again)
    assert {i: found.get(i) for i in wanted} == wanted
    more = {i: value for i, value in found.items() if i not in wanted}
    assert all(i.topic == "latest" and everything[i] == value for i, value in more.items())
    return len(wanted)


def test_since_mid_log_gives_the_live_bytes_of_one_worker_bounded_by_until_and_offsets(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    live(bootstrap, namespace, 1, tmp_path, harness.CHECKSUM)
    before = oracle.published(bootstrap, namespace)
    since = moments.Moment(time_ns=MID_NS)
    summary = runner(bootstrap, namespace, harness.CHECKSUM, since=since, suffix="again").run()
    lanes = summary["partitions"].values()
    first = {int(p): lane["first"] for p, lane in summary["partitions"].items()}
    again = oracle.published(bootstrap, namespace, suffix="again")
    assert assert_same(again, before, first) == len(again) == summary["results"] > N_RECORDS // 3
    assert not summary["is_cold"]
    assert any((lane["checkpoint_offset"] or 0) > 0 for lane in lanes), "the history's checkpoints were used"
    assert summary["silent_records"] < N_RECORDS // 3, "not folded from the log's start"

    bounds = {"since": moments.parse("3:100,5:20"), "until": moments.parse("3:150,5:30")}
    summary = runner(bootstrap, namespace, harness.CHECKSUM, suffix="part", **bounds).run()
    part = oracle.published(bootstrap, namespace, ["greeks"], suffix="part")
    wanted = [(3, offset) for offset in range(100, 150)] + [(5, offset) for offset in range(20, 30)]
    assert [(i.identity.partition, i.identity.source_offset) for i in part] == wanted
    assert by_identity(part).items() <= by_identity(before).items()
    assert summary["records"] == 60

    the_command_prints_one_json_object_last(bootstrap, namespace)
    a_log_whose_start_is_cut_off_is_cold(bootstrap, namespace)


def the_command_prints_one_json_object_last(bootstrap: str, namespace: str) -> None:
    arguments = ["replay", "--since", str(MID_NS), "--namespace", namespace, "--group", "try", "--speed", "3600"]
    environ = {**os.environ, **runs.ENVIRON, "KAFKA_BOOTSTRAP": bootstrap}
    command = [sys.executable, "-m", "streams.cli", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    name = topics.full_name(topics.GREEKS, namespace, "replay-try")
    assert name in summary["topics"]
    assert sum(high for _, high in kafka.watermarks(bootstrap, name, range(16)).values()) > N_RECORDS // 3
    # half an hour of log at 3600 times the wall's pace takes half a second
    assert summary["seconds"] >= 0.4


def a_log_whose_start_is_cut_off_is_cold(bootstrap: str, namespace: str) -> None:
    source = topics.full_name(topics.TICKS, namespace)
    ends = {p: high for p, (_, high) in kafka.watermarks(bootstrap, source, range(N_PARTITIONS)).items()}
    cuts = [TopicPartition(source, p, end - 5) for p, end in ends.items() if end > 5]
    for future in kafka.admin(bootstrap).delete_records(cuts).values():
        future.result(20)
    summary = runner(bootstrap, namespace, harness.CHECKSUM, since=moments.parse("0:0"), suffix="cut").run()
    assert summary["is_cold"]
    assert summary["partitions"]["0"]["first"] == ends[0] - 5
    assert summary["partitions"]["0"]["checkpoint_offset"] is None


def test_the_engines_bytes_of_four_workers_come_again_from_mid_log_and_from_two_after_a_reset(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    live(bootstrap, namespace, 4, tmp_path / "first", harness.PRICING, 9_000)
    before = oracle.published(bootstrap, namespace)
    group, source = topics.group_name(namespace), topics.full_name(topics.TICKS, namespace)
    # of 93 s of log: past the one-minute grid point at which its history has a checkpoint
    since = moments.Moment(time_ns=logs.START_NS + 75 * 10**9)
    offsets = kafka.offsets_for_time(bootstrap, source, range(N_PARTITIONS), (since.time_ms or 0))
    summary = runner(bootstrap, namespace, harness.PRICING, since=since, suffix="again").run()
    assert {int(p): lane["first"] for p, lane in summary["partitions"].items()} == offsets
    assert not summary["is_cold"]
    assert summary["identity_differs"] is None
    assert any((lane["checkpoint_offset"] or 0) > 0 for lane in summary["partitions"].values())
    assert assert_same(oracle.published(bootstrap, namespace, suffix="again"), before, offsets) > 500

    rewind = runner(bootstrap, namespace, harness.PRICING, since=since, source_group=group)
    runs.wait_until_left(bootstrap, group)
    assert set(rewind.reset()["epochs"].values()) == {2}
    assert kafka.group_offsets(bootstrap, group, source, range(N_PARTITIONS)) == offsets
    environ = {"GREEKSTREAM_WORKER_FOLD": harness.PRICING}
    with runs.fleet_of(bootstrap, namespace, 2, tmp_path / "second", **environ) as fleet:
        with pytest.raises(ReplayError, match="has 2 members"):
            rewind.reset()
        runs.wait_until_worked_off(bootstrap, namespace)
        fleet.stop()
        assert not fleet.events("cold_start")
    under_the_next_epoch = [item for item in oracle.published(bootstrap, namespace) if item.epoch == 2]
    assert_same(under_the_next_epoch, before, offsets)
    runner(bootstrap, namespace, harness.PRICING, since=since, suffix="after").run()
    assert_same(oracle.published(bootstrap, namespace, suffix="after"), before, offsets)
