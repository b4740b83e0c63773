"""A process from which services are forked: everything is imported and every kernel loaded once, so that a start costs a
tenth of a second of the processor where a new interpreter costs four.  What it starts are processes of their own, with pids to be
killed by.

    python -m tests.chaos.nursery       one JSON object a line on stdin, one answer a line on stdout; its children end with it
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from streams.processes import die_with_parent

PIECE_BYTES = 4_000
"""Of the flow service's checkpoints: a state of a few kilobytes is then several records, as that of a whole chain is."""


class Nursery:
    """The parent's side.  Children are told apart by their pids."""

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.nursery"],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **environ},
                preexec_fn=die_with_parent,  # noqa: PLW1509 - this process starts no thread before its children
            )
        assert self._ask({"do": "ready"}) == "yes"

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, request: Mapping[str, Any]) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, f"the nursery has ended with status {self._process.wait()}"
        return json.loads(line)

    def start(self, arguments: Sequence[str], log: Path) -> int:
        """``greekstream`` with these arguments, its output appended to a file; the pid."""
        return int(self._ask({"do": "start", "arguments": list(arguments), "log": str(log)}))

    def statuses(self) -> dict[int, int]:
        """Of every child that has ended since the last call: pid and exit status, or minus the signal's number."""
        return {int(pid): status for pid, status in self._ask({"do": "reap"}).items()}

    def used_s(self) -> float:
        """Processor time of the nursery and of all children that have ended, s."""
        return float(self._ask({"do": "used"}))


def _child(request: Mapping[str, Any]) -> None:
    """Become the service; never returns."""
    status = 70
    try:
        die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(0)
        from streams.cli import main

        main(args=request["arguments"], prog_name="greekstream")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _preload() -> None:
    """All that the services would import and load by themselves.  No client of Kafka: its threads would not live in a fork."""
    from streams import settings
    from streams.cli.worker import prepare_numba

    prepare_numba(settings.state_dir())
    import pyarrow.parquet  # noqa: F401

    import streams.cli.cme
    import streams.cli.flow_service
    import streams.cli.history
    import streams.cli.merge
    import streams.cme.exchange_days
    import streams.cme_service.merging
    import streams.cme_service.run
    import streams.flow_service.making
    import streams.history.sink
    import streams.settings_catalogue  # noqa: F401
    from pricers import scenarios
    from streams.flow_service import checkpoints
    from tests.chaos import service_files

    scenarios.warm_up()
    service_files.batches(service_files.contents(1))
    checkpoints.PIECE_BYTES = PIECE_BYTES


def main() -> None:
    _preload()
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = "yes"
        if request["do"] == "start":
            answer = os.fork()
            if not answer:
                _child(request)
            children.add(answer)
        elif request["do"] == "reap":
            answer = {}
            for pid in list(children):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    children.discard(pid)
                    answer[pid] = os.waitstatus_to_exitcode(status)
        elif request["do"] == "used":
            answer = sum(os.times()[:4])
        answers.write(json.dumps(answer) + "\n")
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
