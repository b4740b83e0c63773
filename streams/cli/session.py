"""What the reading commands share: the Kafka to use, times on the command line, and a clean end on Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import Any, NoReturn

import click
from confluent_kafka import KafkaException

from schemas import UnknownSchema
from streams import broker, kafka, settings
from streams.kafka import KafkaUnreachable
from streams.reader import TopicMissing
from streams.registry import RegistryError

namespace_option = click.option(
    "--namespace", default="", metavar="NAME", help="Prefix of topics and groups; empty for the live venue."
)


def find_bootstrap() -> str:
    """Address of a Kafka that answers; ClickException with what to do otherwise."""
    try:
        address = broker.find_bootstrap(settings.kafka_bootstrap(), settings.state_dir())
    except broker.BrokerError as error:
        raise click.ClickException(str(error)) from error
    if not kafka.is_reachable(address, 5.0):
        raise click.ClickException(
            f"no Kafka answers at {address}; start one with: greekstream broker start (or set KAFKA_BOOTSTRAP)"
        )
    return address


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what Kafka or a newer writer can do to a reader into one line and exit status 1."""
    try:
        yield
    except (KafkaUnreachable, TopicMissing, UnknownSchema, RegistryError, KafkaException, ValueError) as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """End the block, without a trace, on Ctrl-C and on SIGTERM."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set: for loops that must end between two steps, never inside one.  A second signal ends at once."""
    asked = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Moment(click.ParamType):
    """A moment in exchange time: ISO 8601 (UTC where it says no zone), or seconds since the epoch.  Value: ns UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        with contextlib.suppress(ValueError):
            return round(float(value) * 1000) * 1_000_000
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{value!r} is no time; want one such as 2026-01-09T07:30:00Z or 1767943800", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000) * 1_000_000


def iso(time_ns: int | None, digits: int = 3) -> str:
    """``2026-01-09T07:30:00.123Z``; ``-`` for None."""
    if time_ns is None:
        return "-"
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    fraction = f".{time_ns % 1_000_000_000:09d}"[: digits + 1] if digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def age(seconds: float) -> str:
    """``3 s``, ``4 min``, ``2 h``, ``5 d``: one unit, enough to judge by."""
    for limit, size, unit in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172_800.0, 3600.0, "h")):
        if abs(seconds) < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
