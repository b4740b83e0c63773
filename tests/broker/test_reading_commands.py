"""tail, topics, why, watch and the plain example as processes of their own, on a real Kafka."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition

import schemas
from schemas import AuditKind, Checkpoint
from streams import kafka, topics
from streams.partitioning import partition_of
from tests.conftest import ROOT
from tests.results_world import NS, START_NS, ResultWriter, audit, greeks, reject, strip, watermark

NAMES = strip()
CALL = NAMES[6]


@pytest.fixture
def writer(bootstrap: str, namespace: str) -> ResultWriter:
    return ResultWriter(bootstrap, namespace)


class Commands:
    """Runs greekstream against the test's Kafka and namespace."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self.environ = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "COLUMNS": "200"}
        self.namespace = namespace

    def start(self, *words: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "streams.cli", *words, "--namespace", self.namespace]
        return subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environ, cwd=ROOT
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def lines(self, *words: str) -> list[dict[str, Any]]:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def commands(bootstrap: str, namespace: str) -> Commands:
    return Commands(bootstrap, namespace)


def test_tail_shows_records_as_objects_and_ends_after_max(commands: Commands, writer: ResultWriter) -> None:
    for i in range(8):
        writer.write(greeks(CALL, START_NS + i * NS, offset=i))
    writer.flush()
    first = commands.lines("tail", "greeks.v1", "--from-start", "--max", "5", "--json")
    assert [one["source_offset"] for one in first] == [0, 1, 2, 3, 4]
    assert {one["record"] for one in first} == {"Greeks"}
    row = first[0]
    assert (row["status"], row["option_type"], row["kind"], row["bid"]) == ("OK", "CALL", "OPTION", None)
    assert row["ts_event_ns"] == START_NS
    assert row["kafka"]["key"] == CALL
    assert row["kafka"]["partition"] == partition_of(CALL)
    assert row["kafka"]["timestamp_ms"] == START_NS // 1_000_000
    assert row["kafka"]["headers"]["epoch"] == "0"

    since = commands.lines("tail", "greeks", "--since", "2026-01-09T07:30:05Z", "--max", "2", "--json")
    assert [one["source_offset"] for one in since] == [5, 6]
    seconds = commands.lines("tail", "greeks", "--since", str(START_NS // NS + 7), "--max", "1", "--json")
    assert [one["source_offset"] for one in seconds] == [7]
    whole = commands.lines("tail", f"{commands.namespace}.greeks.v1", "--from-start", "--no-follow", "--json")
    assert [one["source_offset"] for one in whole] == list(range(8))


def test_tail_shows_what_is_no_record_and_goes_on(commands: Commands, writer: ResultWriter) -> None:
    writer.write(None, key=CALL, value=b"\x01\x02junk", time_ns=START_NS, identity=(1, 0))
    writer.write(None, key=CALL, value=None, time_ns=START_NS, identity=(2, 0))
    unknown = b"\xc3\x01" + bytes(8) + b"body"
    writer.write(None, key=CALL, value=unknown, time_ns=START_NS, identity=(3, 0))
    writer.write(greeks(CALL, offset=4))
    writer.flush()
    junk, tombstone, foreign, row = commands.lines("tail", "greeks", "--from-start", "--no-follow", "--json")
    assert junk["record"] is None
    assert junk["error"].startswith("no-frame")
    assert base64.b64decode(junk["payload"]) == b"\x01\x02junk"
    assert tombstone == {"record": None, "kafka": tombstone["kafka"]}
    assert "upgrade readers" in foreign["error"]
    assert row["record"] == "Greeks"
    done = commands.run("tail", "greeks", "--from-start", "--no-follow")
    assert "2026-01-09T07:30:00.000Z" in done.stdout
    assert "UNREADABLE" in done.stdout and "price_usd=1000" in done.stdout


def test_tail_shows_bytes_as_base64(commands: Commands, bootstrap: str, namespace: str) -> None:
    state = bytes(range(256))
    record = Checkpoint("g", "t", 3, 1, 2, {"t/3": 9}, "id", START_NS, "s", "e", "c", 1, state)
    producer = kafka.producer(bootstrap)
    producer.produce(topics.full_name(topics.CHECKPOINTS, namespace), schemas.encode(record), "g/t/3/1", 3)
    producer.flush(10)
    (found,) = commands.lines("tail", "checkpoints.v1", "--from-start", "--max", "1", "--json")
    assert base64.b64decode(found["state"]) == state
    assert found["offsets"] == {"t/3": 9}


def test_tail_follows_and_ends_quietly_on_ctrl_c(commands: Commands, writer: ResultWriter) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = commands.start("tail", "greeks", "--json")
        try:
            # Written until it shows one: it starts at the end of the log, at a moment that only it knows.
            os.set_blocking(process.stdout.fileno(), False)
            shown, deadline = "", time.monotonic() + 30
            while not shown and time.monotonic() < deadline:
                writer.write(greeks(CALL, offset=1))
                writer.flush()
                time.sleep(0.2)
                shown = process.stdout.readline()
            assert json.loads(shown)["record"] == "Greeks"
            process.send_signal(number)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def test_tail_refuses_what_is_no_topic(commands: Commands) -> None:
    done = commands.run("tail", "greek.v1")
    assert done.returncode == 2
    assert "greeks.v1" in done.stderr and "Traceback" not in done.stderr
    done = Commands(commands.environ["KAFKA_BOOTSTRAP"], "nothere").run("tail", "greeks")
    assert done.returncode == 1
    assert "greekstream topics --create --namespace nothere" in done.stderr


@pytest.mark.parametrize(
    "words", [("tail", "greeks"), ("topics",), ("why", CALL), ("watch",), ("audit",)], ids=lambda words: words[0]
)
def test_without_a_broker_every_command_says_what_to_do(words: tuple[str, ...], commands: Commands) -> None:
    commands.environ["KAFKA_BOOTSTRAP"] = "127.0.0.1:9"
    done = commands.run(*words)
    assert done.returncode == 1
    assert "no Kafka answers at 127.0.0.1:9; start one with: greekstream broker start" in done.stderr
    assert "Traceback" not in done.stderr


def test_topics_counts_records_and_lags(
    commands: Commands, writer: ResultWriter, bootstrap: str, namespace: str
) -> None:
    for i in range(7):
        writer.write(greeks(CALL, offset=i))
    writer.flush()
    group, name = topics.group_name(namespace), topics.full_name(topics.GREEKS, namespace)
    consumer = kafka.reader_consumer(bootstrap, group_id=group)

    consumer.commit(offsets=[TopicPartition(name, partition_of(CALL), 5)], asynchronous=False)
    consumer.close()
    (found,) = commands.lines("topics", "--json")
    by_name = {row["topic"]: row for row in found["topics"]}
    assert (by_name[name]["partitions"], by_name[name]["records"]) == (16, 7)
    assert by_name[f"{namespace}.schemas.v1"]["partitions"] == 1
    (row,) = [row for row in found["groups"] if row["group"] == group]
    assert (row["topic"], row["lag"], row["worst_partition"], row["worst_lag"]) == (name, 2, partition_of(CALL), 2)
    shown = commands.run("topics").stdout
    assert f"{namespace}.deribit.ticks.v1" in shown and group in shown


def test_topics_creates_what_is_missing(commands: Commands, bootstrap: str) -> None:
    fresh = Commands(bootstrap, f"{commands.namespace}-new")
    try:
        (before,) = fresh.lines("topics", "--json")
        assert not any(row["exists"] for row in before["topics"])
        assert "greekstream topics --create --namespace" in fresh.run("topics").stdout
        (made,) = fresh.lines("topics", "--create", "--json")
        assert len(made["created"]) == len(topics.NOW)
        assert all(row["exists"] for row in made["topics"])
    finally:
        kafka.wipe(bootstrap, fresh.namespace)


def test_why_tells_the_reason_since_when_and_what_clears_it(commands: Commands, writer: ResultWriter) -> None:
    put = NAMES[7]
    writer.write(greeks(put, START_NS, offset=1, last_good_ns=START_NS - 60 * NS, price_usd=None, delta=None))
    writer.write(reject(put), topics.REJECTS)
    writer.write(reject(CALL), topics.REJECTS)
    writer.write(None, topics.REJECTS, key=CALL, value=None, time_ns=START_NS, identity=(2, 0))  # cleared
    writer.write(greeks(CALL, START_NS, offset=2))
    for partition in range(16):
        writer.write(watermark(partition, START_NS + 50 * NS, offset=3))
    writer.flush()
    done = commands.run("why", put)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{put}: NO_QUOTE since 2026-01-09T07:30:00Z (50 s) (bid None, ask None); clears when a bid or an ask arrives; "
        "last good row 2026-01-09T07:29:00Z\n"
    )
    fine = commands.run("why", CALL).stdout
    assert fine.startswith(f"{CALL}: nothing is wrong: OK, 1000.00 USD, sigma 0.6000")
    assert "50 s old" in fine
    never = commands.run("why", "BTC-27MAR26-555000-C").stdout
    assert "no reject and no row" in never and never.count("\n") == 1
    expired = commands.run("why", "BTC-8JAN26-90000-C").stdout
    assert "expired 2026-01-08T08:00:00Z" in expired
    (facts,) = commands.lines("why", put, "--json")
    assert (facts["reject"]["status"], facts["row"]["instrument_name"]) == ("NO_QUOTE", put)
    bad = commands.run("why", "BTC-27MAR26")
    assert bad.returncode == 0
    bad = commands.run("why", "nonsense")
    assert bad.returncode == 2 and "no instrument name" in bad.stderr
    (found,) = commands.lines("why", "--statistics", "--json")
    assert (found["n_standing"], found["n_listed"], found["n_priced"]) == (1, 160, 144)
    assert found["reasons"][0]["by_series"] == [{"underlying": "BTC", "expiry": "27MAR26", "n": 1}]


def test_audit_says_how_far_the_numbers_of_a_time_range_are_apart(commands: Commands, writer: ResultWriter) -> None:
    put = NAMES[7]
    nothing = commands.run("audit")
    assert nothing.returncode == 1
    assert "audit.v1 is empty: workers write it once a minute" in nothing.stderr
    replayed = commands.run("audit", "--suffix", "again")
    assert replayed.returncode == 1
    assert "make it with: greekstream replay --out-suffix again --namespace" in replayed.stderr
    for i in range(20):  # one a minute; differences of 0.01, 0.02, ... 0.20
        found = audit(CALL, START_NS + 60 * i * NS, offset=i, ours=0.5, other=0.5 - (i + 1) / 100)
        writer.write(found, topics.AUDIT)
        if i == 12:
            writer.write(found, topics.AUDIT)  # a worker was killed and wrote it again
    writer.write(audit(CALL, START_NS + 1_141 * NS, offset=30, quantity="rho_usd_per_pct", other=2.0), topics.AUDIT)
    european = audit("ETH-27MAR26-3000-C", START_NS + 1_141 * NS, kind=AuditKind.EUROPEAN, ours=0.5, other=0.5)
    writer.write(european, topics.AUDIT)
    writer.write(None, topics.AUDIT, key=put, value=b"junk", time_ns=START_NS + 1_141 * NS, identity=(1, 0))
    writer.flush()
    (whole,) = commands.lines("audit", "--json")
    assert (whole["records"], whole["repeats"], whole["unreadable"]) == (12, 1, 1)
    delta, rho, other = whole["distributions"]
    # the last ten minutes: differences of 0.11 to 0.20
    assert (delta["kind"], delta["quantity"], delta["n"], delta["n_missing"]) == ("VENUE", "delta", 10, 0)
    quantiles = [delta[name] for name in ("median", "p90", "p99", "max")]
    assert quantiles == pytest.approx([0.15, 0.19, 0.20, 0.20])
    assert (rho["n"], rho["n_missing"], rho["max"], rho["unit"]) == (0, 1, None, "coin per coin")
    assert (other["kind"], other["max"]) == ("EUROPEAN", 0.0)
    words = (
        "--since",
        "2026-01-09T07:30:00Z",
        "--until",
        "2026-01-09T07:32:00Z",
        "--currency",
        "BTC",
        "--kind",
        "venue",
    )
    (early,) = commands.lines("audit", *words, "--by-expiry", "--by-minute", "--json")
    assert [(f["minute"], f["expiry"], f["n"], f["max"]) for f in early["distributions"]] == [
        ("2026-01-09T07:30:00Z", "BTC-27MAR26", 1, pytest.approx(0.01)),
        ("2026-01-09T07:31:00Z", "BTC-27MAR26", 1, pytest.approx(0.02)),
    ]
    shown = commands.run("audit", "--kind", "VENUE").stdout
    assert "11 audits from 2026-01-09T07:39:01.001Z to 2026-01-09T07:49:01.001Z" in shown
    assert "VENUE    delta" in shown and "0.15" in shown
    none = commands.run("audit", "--since", "2026-01-10T00:00:00Z", "--until", "2026-01-10T01:00:00Z")
    assert none.returncode == 0 and "the newest of" in none.stdout and "2026-01-09T07:49:01.000Z" in none.stdout


@pytest.fixture
def chain(writer: ResultWriter) -> Iterator[None]:
    for i, name in enumerate(NAMES):
        writer.write(greeks(name, START_NS, offset=i, is_liquid=True, price_usd=1000.0 + i))
    for partition in range(16):
        writer.write(watermark(partition, START_NS + NS, offset=99))
    writer.flush()
    yield


@pytest.mark.usefixtures("chain")
def test_watch_prints_plain_snapshots_where_there_is_no_terminal(commands: Commands) -> None:
    done = commands.run("watch", "--seconds", "1.5", "--interval", "1", "--currency", "BTC")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    snapshots = done.stdout.strip().split("\n\n")
    assert len(snapshots) == 3
    assert "btc_usd 27MAR26" in snapshots[0] and "coverage 90.0 %" in snapshots[0]
    assert "> 90,000 <" in snapshots[0] and "1,006.00" in snapshots[0] and "1,007.00" in snapshots[0]
    none = commands.run("watch", "--seconds", "0", "--currency", "ETH").stdout
    assert "no options yet (14 rows so far)" in none


@pytest.mark.usefixtures("chain")
def test_watch_fills_a_terminal_and_gives_it_back(commands: Commands) -> None:

    main, child = pty.openpty()
    commands.environ |= {"TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    arguments = [sys.executable, "-m", "streams.cli", "watch", "--namespace", commands.namespace]
    process = subprocess.Popen(
        arguments, stdout=child, stderr=subprocess.PIPE, stdin=child, env=commands.environ, cwd=ROOT
    )
    os.close(child)
    shown = b""
    try:
        deadline = time.monotonic() + 30
        os.set_blocking(main, False)
        while b"> 90,000 <" not in shown and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                shown += os.read(main, 65_536)
            time.sleep(0.05)
        assert b"\x1b[?1049h" in shown, "the alternate screen"
        assert b"> 90,000 <" in shown
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        with contextlib.suppress(OSError):  # a terminal hands out 4 KiB at a time, and an error when all is read
            while True:
                shown += os.read(main, 65_536)
        assert b"\x1b[?1049l" in shown, "the terminal is given back"
        assert process.stderr.read() == b""
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
        os.close(main)


@pytest.mark.usefixtures("chain")
def test_the_plain_example_reads_what_workers_write(commands: Commands, bootstrap: str) -> None:
    script = str(ROOT / "examples" / "consume_greeks.py")
    arguments = [sys.executable, script, bootstrap, f"{commands.namespace}.greeks.v1"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")
    try:
        rows = [process.stdout.readline().split() for _ in NAMES]
    finally:
        process.kill()
        _, err = process.communicate()
    assert err == ""
    assert {row[0] for row in rows} == set(NAMES)
    assert {tuple(row[1:]) for row in rows if row[0] == CALL} == {("OK", "1006.0", "0.6", "0.5")}
