"""The pipeline as child processes: what its report says of restarts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from streams.stack import Stack


def test_restarts_are_those_of_the_supervisors_log_the_watchdogs_apart(tmp_path: Path) -> None:
    log = tmp_path / "workers.log"
    stack = Stack("127.0.0.1:1", "sim", 2, tmp_path)
    assert (stack.restarts(), stack.watchdog_restarts()) == (0, 0)
    child: Any = SimpleNamespace(log_path=log)
    stack.children["workers"] = child
    events = [
        "worker_started",
        "worker_exited",
        "worker_restarted",
        "watchdog_ends",
        "worker_exited",
        "worker_restarted",
    ]
    log.write_text("".join(f'{{"name":"worker-00","event":"{event}","restarts":1}}\n' for event in events) + "{cut off")
    assert (stack.restarts(), stack.watchdog_restarts()) == (2, 1)
