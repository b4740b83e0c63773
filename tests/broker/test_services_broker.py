"""The services of CME and history as processes: they become ready, do what they are for, and end on SIGTERM with status 0."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from streams import kafka, topics
from tests.cme_files import dbn_file, open_interest
from tests.cme_world import DAY, TAKEN, VECTOR
from tests.conftest import ROOT
from tests.kafka_fixtures import eventually
from tests.results_world import START_NS, ResultWriter, greeks


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_the_services_become_ready_and_end_when_they_are_asked_to(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    files, folder = tmp_path / "cme", tmp_path / "history"
    files.mkdir()
    writer = ResultWriter(bootstrap, namespace)
    writer.write(greeks("BTC-27MAR26-100000-C", START_NS))
    writer.flush()
    commands = (
        ("cme", str(files), "--follow"),
        ("merge", "--open-interest", str(files)),
        ("history", "--folder", str(folder), "--tables", "greeks,flow"),
    )
    environ = {
        **os.environ, "KAFKA_BOOTSTRAP": bootstrap, "GREEKSTREAM_CME_POLL_S": "0.2", "GREEKSTREAM_CME_SETTLE_S": "0.3",
        "GREEKSTREAM_HISTORY_FLUSH_S": "3600",
    }  # fmt: skip
    ports = [free_port() for _ in commands]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *words, "--namespace", namespace], cwd=ROOT, stderr=subprocess.PIPE,
            env={**environ, "GREEKSTREAM_METRICS_PORT": str(port)},
        )
        for words, port in zip(commands, ports, strict=True)
    ]  # fmt: skip
    try:
        eventually(lambda: all(is_ready(port) for port in ports))
        records = (*VECTOR, open_interest(7, DAY, 20, event_ns=TAKEN + 1))
        (files / "june.dbn").write_bytes(dbn_file(records))
        name = topics.full_name(topics.CME_MARKS, namespace)
        eventually(lambda: kafka.watermarks(bootstrap, name, [0])[0][1] == 1)
        assert not list(folder.rglob("*.parquet")), "an hour has not passed"
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert len(list(folder.rglob("*.parquet"))) == 1, "what waited was written on the way out"
