"""Child processes of ours: started in a group of their own, ended by the pid we hold, and never left behind.

A child dies with its parent even when the parent is killed with SIGKILL (Linux: PR_SET_PDEATHSIG).  Ctrl-C in a terminal
reaches only the parent, which then ends its children in the right order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec a lock that another thread held stays locked for ever.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
POLL_S = 0.02


def die_with_parent() -> None:
    """Run in the child before exec: ask the kernel for SIGTERM when the parent is gone (no effect off Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One child process with a name and a log file for its stderr; stdout is a pipe when ``is_talking``, ours when ``is_visible``.

    It runs ``module``, which is the command line unless a test has one of its own.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log_path: Path,
        *,
        is_talking: bool = False,
        is_visible: bool = False,
        environ: Mapping[str, str] | None = None,
        module: str = "streams.cli",
    ) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.log_path = name, log_path
        with log_path.open("wb") as log:  # of this run only: restarts are counted from it
            self.process: subprocess.Popen[str] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=None if is_visible else subprocess.PIPE if is_talking else log,
                stderr=log,
                text=True,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one prctl call, no lock can be held)
            )

    @property
    def stdout(self) -> IO[str]:
        assert self.process.stdout is not None, f"{self.name} was not started with is_talking"
        return self.process.stdout

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def last_log_lines(self, n_lines: int = 12) -> str:
        """The tail of the log, for an error message."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-n_lines:])

    def stop(self, within_s: float = 15.0) -> int:
        """SIGTERM, wait, then SIGKILL to the child's own group; returns its exit status."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


def wait_until(condition: Callable[[], bool], within_s: float, every_s: float = POLL_S) -> bool:
    """True as soon as ``condition()`` holds, False after ``within_s`` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        if condition():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
