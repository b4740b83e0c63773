"""``make test``: every test, in groups that run side by side on two cores.

    python -m tests.suite               all groups, and what of each takes ten seconds or more
    python -m tests.suite --durations   what takes a second

Most tests of a real Kafka wait: for a session to time out, for a second of the log to end.  What needs the processor for long
(chaos, the demo, a recorded day) runs one after the other in a group of its own; what waits runs beside it, in two groups; and
the arithmetic, which has no clock in it, takes what they leave.  One Kafka serves all groups (a JVM that waits still takes 4 %
of a core); tests that break a broker start their own.  One group's output is shown as it comes, the others' when they end.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams import settings
from tests.kafka_fixtures import NO_BROKER, SHARED_KAFKA, own_broker

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".state" / "suite"
NEVER = ("tests/bench", "tests/clickhouse")
"""Benches are run by ``make bench``: a timed test proves the machine.  ``make clickhouse`` installs what it needs."""


@dataclass(frozen=True)
class Group:
    """Files and folders of one pytest process; ``niceness`` as of nice(1)."""

    name: str
    paths: tuple[str, ...]
    niceness: int


GROUPS = (
    Group(
        "heavy",
        ("tests/chaos", "tests/broker/test_demo.py", "tests/broker/test_recorded.py", "tests/broker/test_replay_broker.py"),
        0,
    ),
    Group(
        "services",
        ("tests/broker/test_worker_broker.py", "tests/broker/test_ingest_broker.py", "tests/broker/test_flow_service.py",
         "tests/broker/test_services_broker.py", "tests/broker/test_registry_broker.py", "tests/broker/test_history_broker.py",
         "tests/broker/test_cme_broker.py", "tests/broker/test_flow_fence.py"),
        0,
    ),
    Group("arithmetic", ("tests/golden", "tests/properties", "tests/unit/test_engine*.py", "tests/unit/test_lanes.py",
                         "tests/unit/test_paths.py", "tests/unit/test_pric*.py", "tests/unit/test_qmc*.py",
                         "tests/unit/test_schemas*.py"), 19),
)  # fmt: skip
REST = "waiting"
"""The group of everything that no other one names."""


def files() -> list[str]:
    """Every test file that ``make test`` is to run."""
    found = (path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))
    return sorted(path for path in found if not path.startswith(NEVER))


def files_of(group: Group) -> list[str]:
    """The test files that a group names, in order of their names."""
    found: set[str] = set()
    for pattern in group.paths:
        found |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern) if path.is_file()}
        found |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"{pattern}/**/test_*.py")}
    return sorted(found)


def groups() -> dict[str, tuple[list[str], int]]:
    """Files and niceness by group; together they are all files, each once."""
    named = {group.name: (files_of(group), group.niceness) for group in GROUPS}
    taken = {path for paths, _ in named.values() for path in paths}
    return {REST: ([path for path in files() if path not in taken], 0), **named}


def _start(name: str, paths: Sequence[str], niceness: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = ["nice", "-n", str(niceness), sys.executable, "-m", "pytest", *arguments, *paths]
    if name == REST:
        return subprocess.Popen(command, cwd=ROOT)
    with (LOGS / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


@contextmanager
def one_kafka() -> Iterator[None]:
    """A broker for every group, unless the caller has one; where none can be started, the tests say so themselves."""
    if settings.kafka_bootstrap() is not None or os.environ.get(SHARED_KAFKA):
        yield
        return
    with ExitStack() as stack:
        try:
            os.environ[SHARED_KAFKA] = stack.enter_context(own_broker())
        except NO_BROKER as error:
            print(f"no broker for the tests to share: {error}", flush=True)
        yield


def run(arguments: Sequence[str]) -> int:
    """Run every group to its end; the exit status is 0 only if all of theirs are."""
    with one_kafka():
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    running = {name: _start(name, paths, nice, arguments) for name, (paths, nice) in groups().items()}
    statuses: dict[str, int] = {}
    try:
        for name, process in running.items():
            statuses[name] = process.wait()
            if name != REST:
                sys.stdout.write(f"\n===== {name} =====\n{(LOGS / f'{name}.log').read_text(errors='replace')}")
            print(f"{name}: exit status {statuses[name]}, {time.monotonic() - began:.0f} s after the start", flush=True)
    except KeyboardInterrupt:
        for process in running.values():
            process.send_signal(signal.SIGINT)
        for process in running.values():
            process.wait()
        return 130
    return int(any(statuses.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durations", action="store_true", help="all tests of a second or more")
    arguments = parser.parse_args()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would only spin
    # each of the hundred processes that the tests start would compile all of our sources: 0.3 s of a worker's start
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    raise SystemExit(run(["--durations=60", f"--durations-min={1 if arguments.durations else 10}"]))


if __name__ == "__main__":
    main()
