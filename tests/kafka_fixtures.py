"""A real Apache Kafka for tests: one broker a session, one namespace a test.

``KAFKA_BOOTSTRAP`` names another Kafka to use; ``GREEKSTREAM_TEST_KAFKA`` too, for the tests alone: the commands that they run
do not see it (``tests.suite`` starts one broker for all of its groups and names it so).  Without either a local one is started
on free ports, its data under pytest's temporary folder, its jars from the project's state folder; it ends with the session,
and with the process if that is killed.  ``REQUIRE_BROKER=1`` makes a missing broker a failure instead of a skip.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from streams import kafka, settings
from streams.broker import BrokerError, LocalBroker
from streams.broker_jars import JarsMissing
from streams.broker_java import JavaMissing

T = TypeVar("T")

SHARED_KAFKA = "GREEKSTREAM_TEST_KAFKA"
"""Environment variable with the address of a Kafka that several sessions of tests share."""
PATIENCE_S = 90.0
"""For what must come some time: three groups of tests and their processes share two cores, on which a worker that starts in 3 s may
take 20.  A test that passes does not wait for it."""


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the session's Kafka."""
    from tests.conftest import skip_or_fail

    given = os.environ.get(SHARED_KAFKA) or settings.kafka_bootstrap()
    if given:
        if not kafka.is_reachable(given, 10.0):
            skip_or_fail(f"the Kafka given, {given}, does not answer", "REQUIRE_BROKER")
        yield given
        return
    broker = LocalBroker(
        tmp_path_factory.mktemp("kafka"), jars_dir=settings.state_dir() / "jars", dies_with_parent=True
    )
    try:
        address = broker.start()
    except (BrokerError, JarsMissing, JavaMissing) as error:
        skip_or_fail(f"no broker: {error}", "REQUIRE_BROKER")
    try:
        yield address
    finally:
        broker.stop()


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
