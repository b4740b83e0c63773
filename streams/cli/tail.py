"""``greekstream tail``: decoded records of a topic."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from typing import Any

import click
import orjson
from confluent_kafka import KafkaError, Message, TopicPartition

import schemas
from schemas import DecodeError, Resolve
from streams import kafka, topics
from streams.cli.session import Moment, clear_errors, find_bootstrap, iso, namespace_option, until_stopped
from streams.reader import TopicMissing

BATCH = 1_000
PAYLOAD_SHOWN = 4_096
"""Bytes of an unreadable value that are shown."""


def as_json(message: Message, resolve: Resolve, *, is_schema_topic: bool = False) -> dict[str, Any]:
    """The message as an object: the record's fields as they are, its type in ``record``, where it stood in ``kafka``.

    Enums by name, bytes as base64.  A tombstone has ``record`` null; a value that is no record has ``error`` and ``payload``.
    """
    data = message.value()
    if data is None:
        fields: dict[str, Any] = {"record": None}
    elif is_schema_topic:
        fields = {"record": "schema", "schema": data.decode("utf-8", "replace")}
    else:
        try:
            record = schemas.decode(data, resolve)
            fields = {"record": type(record).__name__, **schemas.to_plain(record)}
        except (DecodeError, schemas.UnknownSchema) as error:
            fields = {"record": None, "error": str(error), "payload": data[:PAYLOAD_SHOWN], "n_bytes": len(data)}
    key = message.key()
    headers = {name: bytes(value or b"").decode("utf-8", "replace") for name, value in message.headers() or ()}
    fields["kafka"] = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": message.timestamp()[1],
        "key": None if key is None else bytes(key).decode("utf-8", "replace"),
        "headers": headers,
    }
    return fields


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not in any record")


def as_line(fields: dict[str, Any]) -> str:
    """For people: where and when, then the fields that are not null."""
    place = fields.pop("kafka")
    what = fields.pop("record") or ("UNREADABLE" if "error" in fields else "tombstone")
    shown = " ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in fields.items()
        if value is not None and name != "payload"
    )
    return (
        f"{iso(place['timestamp_ms'] * 1_000_000)} {place['partition']}@{place['offset']} {place['key']} {what} {shown}"
    )


def messages(
    bootstrap: str, name: str, starts: dict[int, int], ends: dict[int, int] | None, deadline_s: float | None
) -> Iterator[Message]:
    """Messages from the given offsets on; up to ``ends`` when given, and not beyond the deadline (monotonic seconds)."""
    left = None if ends is None else {p: end for p, end in ends.items() if end > starts[p]}
    consumer = kafka.reader_consumer(bootstrap, enable_partition_eof=True)
    try:
        consumer.assign([TopicPartition(name, partition, offset) for partition, offset in starts.items()])
        while (left is None or left) and (deadline_s is None or time.monotonic() < deadline_s):
            first = consumer.poll(0.2)
            for message in [] if first is None else [first, *consumer.consume(BATCH, 0)]:
                error, partition = message.error(), message.partition()
                if error is None:
                    if left is None or message.offset() < left.get(partition, 0):
                        yield message
                elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
                    raise TopicMissing(f"{name} is gone: somebody has deleted it")
                elif error.code() != KafkaError._PARTITION_EOF:
                    continue
                if left is not None and message.offset() + (error is None) >= left.get(partition, 0):
                    left.pop(partition, None)
    finally:
        consumer.close()


def _where(bootstrap: str, topic: str, namespace: str) -> tuple[str, int, topics.Topic]:
    """Full name, number of partitions and table entry of what was asked for on the command line."""
    try:
        given, entry, suffix = topics.split_name(topic)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="TOPIC") from error
    name = topics.full_name(entry, given or namespace, suffix)
    n_partitions = kafka.topic_names(bootstrap).get(name)
    if n_partitions is None:
        option = f" --namespace {given or namespace}" if given or namespace else ""
        raise TopicMissing(f"no topic {name} at {bootstrap}; make it with: greekstream topics --create{option}")
    return name, n_partitions, entry


@click.command("tail")
@click.argument("topic")
@click.option("--from-start", is_flag=True, help="From the first record that is still there.")
@click.option("--since", type=Moment(), help="From this moment of exchange time on, e.g. 2026-01-09T07:30:00Z.")
@click.option("--max", "max_records", type=click.IntRange(min=1), metavar="N", help="End after N records.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.option("--no-follow", is_flag=True, help="End at what stands there now instead of waiting for more.")
@click.option("--partition", type=click.IntRange(0, 15), help="This partition only.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line.")
@namespace_option
def command(
    topic: str, from_start: bool, since: int | None, max_records: int | None, seconds: float | None, no_follow: bool,
    partition: int | None, is_json: bool, namespace: str,
) -> None:  # fmt: skip
    """Decoded records of a topic, one a line: to look at what flows, or to feed jq.

    TOPIC is a name of the table (greeks.v1, deribit.ticks.v1), with or without its namespace, or a short one (greeks,
    ticks).  Without --from-start or --since only new records are shown.  Order holds within a partition.  With --json the
    record's fields stand at the top (enums by name, bytes as base64), `record` is its type, `kafka` says where it stood;
    a value that is no record is an object with `error` and `payload`.

    Example: greekstream tail greeks.v1 --namespace demo --from-start --max 5 --json
    """
    if from_start and since is not None:
        raise click.UsageError("--from-start and --since exclude each other")
    bootstrap = find_bootstrap()
    with clear_errors(), until_stopped():
        name, n_partitions, entry = _where(bootstrap, topic, namespace)
        chosen = range(n_partitions) if partition is None else range(partition, min(partition + 1, n_partitions))
        edges = kafka.watermarks(bootstrap, name, chosen)
        ends = {p: end for p, (_, end) in edges.items()}
        if since is not None:
            starts = kafka.offsets_for_time(bootstrap, name, chosen, since // 1_000_000)
        else:
            starts = {p: first for p, (first, _) in edges.items()} if from_start else ends
        deadline_s = None if seconds is None else time.monotonic() + seconds
        resolve = kafka.resolver(bootstrap, topics.split_name(name)[0])
        found = messages(bootstrap, name, starts, ends if no_follow else None, deadline_s)
        for n_shown, message in enumerate(found, 1):
            fields = as_json(message, resolve, is_schema_topic=entry is topics.SCHEMAS)
            line = orjson.dumps(fields, default=_base64) if is_json else as_line(fields).encode()
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
            if n_shown == max_records:
                return
