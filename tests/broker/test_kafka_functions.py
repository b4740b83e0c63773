"""Topics as the table of the design has them, the partitioner, offsets, schemas and wiping, on a real broker."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

import schemas
from schemas.catalogue import TEXT_BY_FINGERPRINT
from streams import kafka, topics
from streams.partitioning import partition_of
from tests.kafka_fixtures import eventually

DAY_MS = 86_400_000
# Read off DESIGN's table, not off the code: partitions, cleanup, days kept in a live namespace.
TABLE = {
    "deribit.ticks.v1": (16, "delete", 7),
    "greeks.v1": (16, "delete", 7),
    "greeks.latest.v1": (16, "compact", None),
    "rejects.v1": (16, "compact,delete", 7),
    "trades.v1": (16, "delete", 30),
    "audit.v1": (16, "delete", 30),
    "checkpoints.v1": (16, "compact", None),
    "checkpoints.history.v1": (16, "delete", 7),
    "deadletter.v1": (16, "delete", 30),
    "feed.status.v1": (1, "compact", None),
    "schemas.v1": (1, "compact", None),
}


def configs(bootstrap: str, names: list[str]) -> dict[str, dict[str, str]]:
    futures = kafka.admin(bootstrap).describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    return {r.name: {k: e.value for k, e in future.result(10).items()} for r, future in futures.items()}


def test_topics_of_a_recording_are_kept_by_size_and_take_any_timestamp(bootstrap: str, namespace: str) -> None:
    n_partitions = kafka.topic_names(bootstrap)
    found = configs(bootstrap, [f"{namespace}.{name}" for name in TABLE])
    for name, (partitions, cleanup, days) in TABLE.items():
        config = found[f"{namespace}.{name}"]
        assert n_partitions[f"{namespace}.{name}"] == partitions, name
        assert set(config["cleanup.policy"].split(",")) == set(cleanup.split(",")), name
        assert config["compression.type"] == "zstd"
        assert config["retention.ms"] == "-1", name
        assert (int(config["retention.bytes"]) > 0) is (days is not None), name
        assert int(config["message.timestamp.after.max.ms"]) > 100 * 365 * DAY_MS
        assert int(config["message.timestamp.before.max.ms"]) > 100 * 365 * DAY_MS


def test_topics_of_a_live_namespace_are_kept_by_time(bootstrap: str) -> None:
    suffix = uuid.uuid4().hex[:8]
    names = [f"testnet.{name}" for name in TABLE]
    if set(names) & set(kafka.topic_names(bootstrap)):
        pytest.skip(f"this Kafka carries a live testnet namespace (test {suffix})")
    try:
        kafka.create_topics(bootstrap, "testnet", "server")
        found = configs(bootstrap, names)
        for name, (_, _, days) in TABLE.items():
            config = found[f"testnet.{name}"]
            assert config["retention.ms"] == ("-1" if days is None else str(days * DAY_MS)), name
            assert config["retention.bytes"] == "-1", name
    finally:
        kafka.wipe(bootstrap, "testnet")


def test_creating_again_changes_nothing_and_a_wrong_setting_is_found_and_mended(bootstrap: str, namespace: str) -> None:
    assert kafka.create_topics(bootstrap, namespace) == []
    assert kafka.config_differences(bootstrap, namespace) == {}
    name = topics.full_name(topics.GREEKS, namespace)
    kafka.create_topics(bootstrap, namespace, suffix="short", only=[topics.GREEKS])
    assert f"{name}.short" in kafka.topic_names(bootstrap)

    right = topics.config(topics.GREEKS, namespace)["retention.bytes"]
    set_config(bootstrap, name, "retention.bytes", "1048576")
    eventually(
        lambda: kafka.config_differences(bootstrap, namespace) == {name: {"retention.bytes": ("1048576", right)}}
    )
    assert kafka.repair_topics(bootstrap, namespace) == [name]
    eventually(lambda: kafka.config_differences(bootstrap, namespace) == {})


def set_config(bootstrap: str, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in kafka.admin(bootstrap).incremental_alter_configs([resource]).values():
        future.result(10)
    eventually(lambda: configs(bootstrap, [topic])[topic][key] == value)


def instrument_names() -> list[str]:
    """About 800 names of every shape the venue lists."""
    days = ["1JAN26", "27MAR26", "30JUN23", "26DEC25"]
    strikes = [*range(20_000, 120_000, 5_000)]
    inverse = [f"{c}-{d}-{k}-{s}" for c in ("BTC", "ETH") for d in days for k in strikes for s in "CP"]
    linear = [f"BTC_USDC-{d}-{k}-{s}" for d in days for k in strikes for s in "CP"]
    small = [f"XRP_USDC-{d}-{k}d{f}-{s}" for d in days for k in (0, 1, 2) for f in (5, 625, 75) for s in "CP"]
    return [*inverse, *linear, *small, "BTC-PERPETUAL", "ETH-PERPETUAL", "BTC-27MAR26", "BTC_USDC-PERPETUAL"]


def test_our_partitioner_agrees_with_the_producers_murmur2_on_every_name(bootstrap: str, namespace: str) -> None:
    names = instrument_names()
    went_to: dict[str, int] = {}
    producer = kafka.producer(bootstrap)
    for name in names:
        producer.produce(
            topics.full_name(topics.TICKS, namespace),
            key=name,
            value=b"x",
            on_delivery=lambda error, message: went_to.update({bytes(message.key()).decode(): message.partition()}),
        )
    assert producer.flush(30) == 0
    assert len(went_to) == len(names) > 500
    assert set(went_to.values()) == set(range(16)), "the names must reach every partition for this to mean anything"
    assert {name: partition for name, partition in went_to.items() if partition_of(name) != partition} == {}


def test_offsets_by_time_are_the_first_at_or_after_it_and_the_end_when_none_is(bootstrap: str, namespace: str) -> None:
    name = topics.full_name(topics.TICKS, namespace)
    producer = kafka.producer(bootstrap)
    april_2023_ms = 1_681_369_200_000
    for i in range(10):
        producer.produce(name, value=b"%d" % i, partition=3, timestamp=april_2023_ms + 1000 * i)
    producer.flush(30)
    assert kafka.watermarks(bootstrap, name, [3, 4]) == {3: (0, 10), 4: (0, 0)}
    at = lambda ms: kafka.offsets_for_time(bootstrap, name, [3, 4], april_2023_ms + ms)  # noqa: E731
    assert at(0) == {3: 0, 4: 0}
    assert at(4_500) == {3: 5, 4: 0}
    assert at(10_000) == {3: 10, 4: 0}


def test_a_topic_made_again_has_another_id(bootstrap: str, namespace: str) -> None:
    name = topics.full_name(topics.AUDIT, namespace)
    first = kafka.topic_id(bootstrap, name)
    assert first == kafka.topic_id(bootstrap, name)
    kafka.wipe(bootstrap, namespace)
    with pytest.raises(KeyError, match=name):
        kafka.topic_id(bootstrap, name)
    kafka.create_topics(bootstrap, namespace, only=[topics.AUDIT])
    assert kafka.topic_id(bootstrap, name) != first


def test_a_wipe_takes_its_namespace_and_no_other(bootstrap: str, namespace: str) -> None:
    neighbour = f"{namespace}-2"
    kafka.create_topics(bootstrap, neighbour, only=[topics.FEED_STATUS])
    assert kafka.wipe(bootstrap, namespace) == []
    left = [name for name in kafka.topic_names(bootstrap) if name.startswith(namespace)]
    assert left == [f"{neighbour}.feed.status.v1"]
    kafka.wipe(bootstrap, neighbour)
    with pytest.raises(ValueError, match="live namespace"):
        kafka.wipe(bootstrap, "")


def test_a_wipe_takes_the_groups_of_its_namespace(bootstrap: str, namespace: str) -> None:
    group = topics.group_name(namespace)
    name = topics.full_name(topics.TICKS, namespace)
    consumer = kafka.reader_consumer(bootstrap, group_id=group)
    consumer.subscribe([name])
    eventually(lambda: consumer.poll(0.1) or consumer.assignment())
    assert kafka.group_state(bootstrap, group) == ("stable", 1)
    assert kafka.wipe(bootstrap, namespace) == [group], "a group with a member stays, and is named"
    consumer.close()
    assert kafka.wipe(bootstrap, namespace) == []
    assert group not in kafka.list_groups(bootstrap)


def test_offsets_of_a_group_are_set_and_read_without_joining_it_and_only_while_it_is_empty(
    bootstrap: str, namespace: str
) -> None:
    group, name = topics.group_name(namespace), topics.full_name(topics.TICKS, namespace)
    assert kafka.group_state(bootstrap, group) == ("dead", 0)
    assert kafka.group_offsets(bootstrap, group, name, range(16)) == {}
    producer = kafka.producer(bootstrap)
    for i in range(7):
        producer.produce(name, value=b"%d" % i, partition=5)
    assert producer.flush(30) == 0
    kafka.set_group_offsets(bootstrap, group, name, {3: 0})
    assert kafka.found_group(bootstrap, group, name) == {p: 7 * (p == 5) for p in range(16) if p != 3}
    assert kafka.group_offsets(bootstrap, group, name, [3, 5]) == {3: 0, 5: 7}
    assert kafka.group_state(bootstrap, group) == ("empty", 0)
    consumer = kafka.reader_consumer(bootstrap, group_id=group)
    consumer.subscribe([name])
    eventually(lambda: consumer.poll(0.1) or consumer.assignment())
    with pytest.raises(KafkaException, match="UNKNOWN_MEMBER_ID"):
        kafka.set_group_offsets(bootstrap, group, name, {3: 1})
    consumer.close()
    assert kafka.group_offsets(bootstrap, group, name, [3, 5]) == {3: 0, 5: 7}


ASKS = """
import random, sys
from confluent_kafka import KafkaException
from streams import kafka, kafka_offsets

def once(bootstrap, ask):
    try:
        answer = ask()
        n_answered[0] += 1
        return answer
    except KafkaException:
        return []

n_answered = [0]
kafka_offsets.settled = once
dice = random.Random(7)
for i in range(150):
    kafka_offsets.COORDINATOR_TIMEOUT_S = dice.choice((0.001, 0.003, 0.01, 0.03, 0.1, 0.3))
    kafka.group_offsets(sys.argv[1], f"nobody-{i}", sys.argv[2], range(16))
print(n_answered[0])
"""


def test_answers_that_come_too_late_do_not_end_the_process(bootstrap: str, namespace: str) -> None:
    """By the admin client's own request one process in four ended in twenty such asks (SIGABRT or SIGSEGV)."""
    name = topics.full_name(topics.TICKS, namespace)
    child = subprocess.run(
        [sys.executable, "-c", ASKS, bootstrap, name], check=False, capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert 0 < int(child.stdout) < 150, "some answers must be in time and some late for this to mean anything"


def test_a_reader_learns_a_newer_writers_schema_from_the_topic(bootstrap: str, namespace: str) -> None:
    assert kafka.publish_schemas(bootstrap, namespace) == len(TEXT_BY_FINGERPRINT)
    assert kafka.publish_schemas(bootstrap, namespace) == 0, "published once"
    assert kafka.published_schemas(bootstrap, namespace) == TEXT_BY_FINGERPRINT

    newer = (
        '{"type": "record", "name": "Clock", "namespace": "greekstream.v1", "fields": [{"name": "x", "type": "long"}]}'
    )
    fingerprint = schemas.catalogue.fingerprint_of(newer)
    resolve = kafka.resolver(bootstrap, namespace)
    with pytest.raises(schemas.UnknownSchema, match=fingerprint.hex()):
        resolve(fingerprint)
    name = topics.full_name(topics.SCHEMAS, namespace)
    producer = kafka.producer(bootstrap)
    producer.produce(name, key=fingerprint.hex(), value=newer, partition=0)
    producer.produce(name, key="0000000000000000", value="no schema", partition=0)
    producer.produce(name, key="1111111111111111", value=newer, partition=0)
    producer.flush(30)
    assert kafka.resolver(bootstrap, namespace)(fingerprint) == newer
    with pytest.raises(schemas.UnknownSchema):
        kafka.resolver(bootstrap, namespace)(bytes.fromhex("1111111111111111"))


def test_a_bounded_read_ends_where_it_was_told_to(bootstrap: str, namespace: str) -> None:
    name = topics.full_name(topics.TRADES, namespace)
    producer = kafka.producer(bootstrap)
    for i in range(100):
        producer.produce(name, value=b"%d" % i, partition=i % 2)
    producer.flush(30)
    read = [
        (m.partition(), m.offset()) for m in kafka.read_range(bootstrap, name, {0: (10, 20), 1: (45, 50), 2: (0, 0)})
    ]
    assert sorted(read) == [(0, offset) for offset in range(10, 20)] + [(1, offset) for offset in range(45, 50)]
