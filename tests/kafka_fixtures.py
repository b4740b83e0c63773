"""A real Apache Kafka for tests: one broker a session, one namespace a test.

``KAFKA_BOOTSTRAP`` names another Kafka to use; ``TESTS_KAFKA_BOOTSTRAP`` too, for the tests alone: the commands that they run
do not see it (``tests.suite`` starts one broker for all of its groups and names it so).  Without either a local one is started
on free ports, its data in memory, its jars from the project's state folder; it ends with the session, and with the process if
that is killed.  ``REQUIRE_BROKER=1`` makes a missing broker a failure instead of a skip.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from streams import kafka, settings
from streams.broker import BrokerError, LocalBroker
from streams.broker_jars import JarsMissing
from streams.broker_java import JavaMissing

T = TypeVar("T")

SHARED_KAFKA = "TESTS_KAFKA_BOOTSTRAP"
"""Environment variable with the address of a Kafka that several sessions of tests share."""
PATIENCE_S = 90.0
"""For what must come some time: three groups of tests and their processes share two cores, on which a worker that starts in 3 s may
take 20.  A test that passes does not wait for it."""
NO_BROKER = (BrokerError, JarsMissing, JavaMissing)
"""Why a local broker may not start."""
MEMORY, ROOM = Path("/dev/shm"), 4 * 1024**3
"""A file system in memory, and the free bytes that make it ours to use.

Topics are made and deleted for nearly every test, 150 partitions at a time, and Kafka waits for the disk at each: 1.9 s of
processor time on ext4, 0.4 s in memory.  What a disk has to hold is tested by brokers of their own, on a disk.
"""
PREFIX = "greekstream-tests-"


def _is_ours(path: Path) -> bool:
    """Whether the folder takes a broker: Java runs its zstd from there."""
    return (
        path.is_dir()
        and os.access(path, os.W_OK)
        and shutil.disk_usage(path).free >= ROOM
        and not os.statvfs(path).f_flag & os.ST_NOEXEC
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for a broker's data, in memory where there is room; those of killed processes are swept first."""
    parent = MEMORY if _is_ours(MEMORY) else Path(tempfile.gettempdir())
    for left in parent.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=parent) as folder:
        yield Path(folder)


@contextmanager
def own_broker() -> Iterator[str]:
    """Address of a Kafka that lives as long as the context, and not longer than this process.  Errors: ``NO_BROKER``."""
    with _folder() as folder:
        broker = LocalBroker(folder, jars_dir=settings.state_dir() / "jars", dies_with_parent=True)
        address = broker.start()
        try:
            yield address
        finally:
            broker.stop()


@pytest.fixture(scope="session")
def bootstrap() -> Iterator[str]:
    """Address of the session's Kafka."""
    from tests.conftest import skip_or_fail

    given = os.environ.get(SHARED_KAFKA) or settings.kafka_bootstrap()
    if given:
        if not kafka.is_reachable(given, 10.0):
            skip_or_fail(f"the Kafka given, {given}, does not answer", "REQUIRE_BROKER")
        yield given
        return
    with ExitStack() as stack:
        try:
            address = stack.enter_context(own_broker())
        except NO_BROKER as error:
            skip_or_fail(f"no broker: {error}", "REQUIRE_BROKER")
        yield address


@pytest.fixture
def namespace(bootstrap: str) -> Iterator[str]:
    """A namespace of this test alone, its topics made; wiped at the end."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    kafka.create_topics(bootstrap, name)
    yield name
    kafka.wipe(bootstrap, name)


def eventually(condition: Callable[[], T], within_s: float = PATIENCE_S, every_s: float = 0.05) -> T:
    """The first true value of ``condition()``; AssertionError with the last one when none came in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; the last value was {value!r}")
        time.sleep(every_s)


async def eventually_async(condition: Callable[[], T], within_s: float = PATIENCE_S, every_s: float = 0.05) -> T:
    """``eventually`` that lets the event loop run in between."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; the last value was {value!r}")
        await asyncio.sleep(every_s)
