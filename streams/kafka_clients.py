"""librdkafka clients with the project's settings, each made here and nowhere else, the reason beside each number."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, GroupMetadata

from streams.topics import MIB

T = TypeVar("T")

REQUEST_TIMEOUT_S = 20.0
COORDINATOR_TIMEOUT_S = 3.0
"""For a request to a group's coordinator.  On a new broker the first one makes Kafka create the topic of offsets and is
refused meanwhile: it is asked again (``settled``)."""


class KafkaUnreachable(RuntimeError):
    """Nothing that speaks Kafka answers at the address; the message says what to do."""


class RateLimited(logging.Filter):
    """At most ``n_lines`` records per ``period_s``; the next that passes says how many were held back.

    While a broker is away, librdkafka logs hundreds of identical lines a minute.
    """

    def __init__(self, n_lines: int = 5, period_s: float = 10.0) -> None:
        super().__init__()
        self.n_lines, self.period_s = n_lines, period_s
        self._since_s, self._n_passed, self._n_held = float("-inf"), 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created - self._since_s >= self.period_s:
            if self._n_held:
                record.msg = f"{record.msg} [{self._n_held} similar lines held back]"
            self._since_s, self._n_passed, self._n_held = record.created, 0, 0
        self._n_passed += 1
        if self._n_passed > self.n_lines:
            self._n_held += 1
            return False
        return True


@lru_cache(maxsize=8)
def _logger(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.addFilter(RateLimited())
    return logger


_CLIENT = {
    # A local broker is back 4 s after a kill; the default of 10 s between attempts would waste more than that.
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 1000,
    "log.connection.close": False,
    "log_level": 4,
    "client.id": "greekstream",
}


def producer(bootstrap: str, **overrides: Any) -> Producer:
    """Idempotent producer, murmur2 keys, zstd; its queue is bounded (BufferError when full: poll and try again).

    Overrides use librdkafka's names with ``_`` for ``.``: ``producer(b, linger_ms=1)``.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        **_CLIENT,
        "acks": "all",
        "enable.idempotence": True,
        # With more, librdkafka has reported success (without an offset) for records that a killed broker had not kept.
        "max.in.flight.requests.per.connection": 1,
        "linger.ms": 5,
        "compression.type": "zstd",
        # Agrees with Kafka's own partitioner, which librdkafka's default does not.
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 200_000,
        "queue.buffering.max.kbytes": 65_536,
        # A checkpoint of 512 KiB with its key fits twice; the topics' max.message.bytes bounds the rest.
        "message.max.bytes": 2 * MIB,
        # Longer than any broker restart: a delivery failure is fatal to its process.
        "delivery.timeout.ms": 120_000,
    }
    return Producer(_overridden(config, overrides), logger=_logger("streams.kafka.producer"))


def reader_consumer(bootstrap: str, **overrides: Any) -> Consumer:
    """Consumer that belongs to no group: assign partitions with offsets yourself; commits nothing.

    Starts at the earliest record when the assigned offset is outside the log; compare ``message.offset()`` where that
    matters.  Tuned for small, prompt reads (a restore), not for throughput.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        **_CLIENT,
        "group.id": "greekstream-reader",  # librdkafka wants one; without subscribe and commit the broker never sees it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": False,
        "fetch.wait.max.ms": 20,
        "queued.max.messages.kbytes": 16_384,
        # With the default of 1 s a full queue stalls a bulk read.
        "fetch.queue.backoff.ms": 10,
    }
    return Consumer(_overridden(config, overrides), logger=_logger("streams.kafka.consumer"))


def _overridden(config: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    named = {
        name if name == "log_level" or name.endswith("_cb") else name.replace("_", "."): value
        for name, value in overrides.items()
    }
    return {**config, **named}


_ADMINS: dict[tuple[str, int], AdminClient] = {}
# While the interpreter still runs: librdkafka waits for its threads, and a thread that calls back into an interpreter
# that is coming down never returns.
atexit.register(_ADMINS.clear)


def admin(bootstrap: str) -> AdminClient:
    """One admin client per address and process (a new connection costs tens of ms)."""
    key = (bootstrap, os.getpid())
    if key not in _ADMINS:
        # Its errors come back as exceptions of each call; its log would say them again.
        _ADMINS[key] = AdminClient({"bootstrap.servers": bootstrap, **_CLIENT, "log_level": 0})
    return _ADMINS[key]


def is_reachable(bootstrap: str, timeout_s: float = 2.0) -> bool:
    """Whether a broker answers a metadata request; False at once when nothing listens at any of the addresses."""
    if not any(_is_listening(address, timeout_s) for address in bootstrap.split(",")):
        return False
    try:
        admin(bootstrap).list_topics(timeout=timeout_s)
    except KafkaException:
        return False
    return True


def _is_listening(address: str, timeout_s: float) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
    except (OSError, ValueError):
        return False
    return True


def topic_names(bootstrap: str, timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, int]:
    """{name: number of partitions} of every topic of the cluster.  KafkaUnreachable when nothing answers."""
    try:
        metadata = admin(bootstrap).list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise KafkaUnreachable(
            f"no Kafka answers at {bootstrap} ({error}); start one with: greekstream broker start"
        ) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def results(futures: Mapping[Any, Future[Any]], allowed: Iterable[int] = ()) -> dict[Any, Any]:
    """Results of admin futures; a KafkaError whose code is allowed becomes None, any other is raised."""
    results = {}
    for key, future in futures.items():
        try:
            results[key] = future.result(REQUEST_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in allowed:
                raise
            results[key] = None
    return results


# What a cluster says while a topic is new or the broker just back; librdkafka's own flag is not set on admin errors.
_SETTLING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError._NOENT,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._PARTIAL,
        KafkaError._WAIT_COORD,
    }
)


def settled(bootstrap: str, ask: Callable[[], T], within_s: float = REQUEST_TIMEOUT_S) -> T:
    """``ask()``, asked again while the cluster settles; its last error when that takes longer than ``within_s``.

    Each time with a new admin client: one that has lived through a restart of the broker keeps the old leader epochs
    and is refused (FENCED_LEADER_EPOCH) until its metadata expire, minutes later.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > deadline:
                raise
        _ADMINS.pop((bootstrap, os.getpid()), None)
        time.sleep(0.05)


def groups(bootstrap: str, group: str | None = None) -> list[GroupMetadata]:
    """Every consumer group of the cluster with its state and members; with a name: that one, or nothing.

    By librdkafka's older call, which it calls deprecated: it waits in the caller's thread.  The newer one
    (DescribeConsumerGroups) can end the process when an answer is late; see ``kafka_offsets._as_group``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return settled(bootstrap, lambda: _list_groups(admin(bootstrap), group))


def _list_groups(client: AdminClient, group: str | None) -> list[GroupMetadata]:
    name = () if group is None else (group,)
    found = list(client.list_groups(*name, timeout=COORDINATOR_TIMEOUT_S))
    for item in found if group is not None else ():
        if item.error is not None:  # a group whose coordinator moves has no members to show, and may have many
            raise KafkaException(item.error)
    return found


def list_groups(bootstrap: str) -> list[str]:
    """Names of every consumer group of the cluster."""
    return sorted(group.id for group in groups(bootstrap))
