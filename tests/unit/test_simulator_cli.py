"""``greekstream simulate`` as a process: its first line, its last line, signals and wrong options."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

COMMAND = [sys.executable, "-c", "from streams.cli import main; main()", "simulate"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_serves_and_stops_cleanly(number: signal.Signals, tmp_path: Path):
    truth = tmp_path / "truth.jsonl"
    process = start(
        "--seed", "5", "--options", "60", "--truth", str(truth), "--expire-in", "3600", "--currencies", "eth"
    )
    try:
        hello = json.loads(process.stdout.readline())
        assert hello["seed"] == 5 and hello["instruments"] > 50
        with connect(hello["url"], proxy=None) as websocket:
            websocket.send('{"jsonrpc":"2.0","id":1,"method":"public/get_time"}')
            now_ms = json.loads(websocket.recv(timeout=10))["result"]
            assert 3500 < 86_400 - (now_ms / 1000 - 8 * 3600) % 86_400 <= 3600
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert json.loads(out.splitlines()[-1])["is_complete"] is False
    assert "Traceback" not in errors
    assert json.loads(truth.read_text().splitlines()[0])["full"]


def test_it_ends_after_the_seconds_asked_for():
    process = start("--seconds", "1", "--options", "60", "--rate", "100")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    hello, summary = (json.loads(line) for line in out.splitlines())
    assert hello["url"].startswith("ws://127.0.0.1:")
    assert summary["option_ticks"] > 30 and summary["seconds"] < 10


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--speed", "max"], "for a recording"),
        (["--speed", "-1"], "positive number"),
        (["--start", "2026-01-01T00:00:00Z", "--expire-in", "5"], "not both"),
        (["--start", "yesterday"], "is no time"),
        (["--currencies", "DOGE"], "BTC, ETH"),
        (["--recording", "nowhere.zst"], "does not exist"),
    ],
)
def test_wrong_options_are_refused_with_what_would_be_right(arguments: list[str], says: str):
    process = start(*arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert says in errors and "Traceback" not in errors


def test_what_cannot_be_played_or_listened_on_is_said_in_a_line(tmp_path: Path):
    (tmp_path / "noise.jsonl").write_text("noise\n")
    for arguments in (["--recording", str(tmp_path / "noise.jsonl")], ["--host", "203.0.113.1", "--options", "60"]):
        process = start(*arguments)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert errors.startswith("Error: ") and "Traceback" not in errors


def test_help_has_an_example():
    process = start("--help")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "greekstream simulate --expire-in 120" in out
