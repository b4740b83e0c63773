"""The demo as a user runs it: figures that add up, nothing left behind (item "It needs no key, no network, no terminal")."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from streams import kafka
from tests.conftest import ROOT
from tests.kafka_fixtures import eventually

FIELDS = {
    "records_in", "results_out", "instruments_listed", "instruments_priced", "coverage", "rejects", "latency_ms_p50",
    "latency_ms_p99", "workers", "restarts", "watchdog_restarts",
}  # fmt: skip


def environment(bootstrap: str, state_dir: Path) -> dict[str, str]:
    return {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "GREEKSTREAM_STATE_DIR": str(state_dir)}


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli", "demo", *arguments]


def processes_of(namespace: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if namespace in (p.info["cmdline"] or [])]


@pytest.mark.broker
@pytest.mark.slow
def test_the_demo_prices_the_whole_chain_and_says_so_in_json(bootstrap: str, tmp_path: Path) -> None:
    result = subprocess.run(
        demo("--seconds", "10", "--json", "--rate", "150", "--workers", "2", "--namespace", "demo-json"),
        cwd=ROOT, env=environment(bootstrap, tmp_path), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout.splitlines()[-1])
    assert set(figures) == FIELDS
    assert figures["coverage"] >= 0.99, figures
    assert figures["coverage"] == figures["instruments_priced"] / figures["instruments_listed"]
    assert figures["instruments_listed"] > 1_000
    assert figures["records_in"] > figures["instruments_listed"]
    assert figures["results_out"] >= figures["instruments_priced"]
    assert 0 < figures["latency_ms_p50"] <= figures["latency_ms_p99"]
    assert (figures["workers"], figures["restarts"], figures["watchdog_restarts"]) == (2, 0, 0)
    assert not processes_of("demo-json")
    assert not [name for name in kafka.topic_names(bootstrap) if name.startswith("demo-json.")]


@pytest.mark.broker
@pytest.mark.slow
def test_ctrl_c_ends_every_process_of_the_demo(bootstrap: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        demo("--rate", "200", "--workers", "2", "--namespace", "demo-stop"),
        cwd=ROOT, env=environment(bootstrap, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        # itself, up, ingest, two workers
        eventually(lambda: len(processes_of("demo-stop")) >= 5, within_s=120, every_s=0.2)
    finally:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=90)
    assert "SIGINT" in errors
    assert process.returncode == 0, errors
    eventually(
        lambda: not processes_of("demo-stop"), within_s=5
    )  # a child that was still compiling dies of its parent's end
