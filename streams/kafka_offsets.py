"""Where things stand in the log: ids, offsets, groups; and bounded reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.kafka_clients import (
    COORDINATOR_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    KafkaUnreachable,
    admin,
    groups,
    reader_consumer,
    results,
    settled,
)

FORMER_MEMBERS_S = 15.0
"""A static member that has gone stands in its group until its session is over (10 s, and the broker's own delay)."""
_CONSUME_S = 0.05
"""``consume`` waits as long for a full batch, so this is what the last, partial one costs."""
# Errors a consumer reports while a broker is away and then gets over by itself.
_PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT)


def topic_id(bootstrap: str, topic_name: str) -> str:
    """Kafka's id of the topic (``log_id``): a topic deleted and made again has another.  KeyError if there is none."""
    try:
        description = results(admin(bootstrap).describe_topics(TopicCollection([topic_name])))[topic_name]
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KeyError(f"no topic {topic_name} at {bootstrap}") from error
        raise
    return str(description.topic_id)


def _list_offsets(bootstrap: str, topic_name: str, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
    request = {TopicPartition(topic_name, partition): spec for partition in partitions}
    answers = settled(bootstrap, lambda: results(admin(bootstrap).list_offsets(request))) if request else {}
    return {key.partition: answer.offset for key, answer in answers.items()}


def watermarks(bootstrap: str, topic_name: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """{partition: (offset of the first record, offset the next one will get)}."""
    partitions = list(partitions)
    first = _list_offsets(bootstrap, topic_name, partitions, OffsetSpec.earliest())
    end = _list_offsets(bootstrap, topic_name, partitions, OffsetSpec.latest())
    return {partition: (first[partition], end[partition]) for partition in partitions}


def offsets_for_time(bootstrap: str, topic_name: str, partitions: Iterable[int], time_ms: int) -> dict[int, int]:
    """{partition: offset of the first record at or after ``time_ms`` (Kafka time), or the end when none is}."""
    partitions = list(partitions)
    found = _list_offsets(bootstrap, topic_name, partitions, OffsetSpec.for_timestamp(time_ms))
    open_ended = [partition for partition, offset in found.items() if offset < 0]
    return found | _list_offsets(bootstrap, topic_name, open_ended, OffsetSpec.latest())


def found_group(bootstrap: str, group: str, topic_name: str) -> dict[int, int]:
    """Commit the log's present end for each partition that the group has no offset of; returns what was committed.

    A new group would otherwise begin wherever the log ends when its members have joined, seconds later: what is written
    meanwhile would be folded in silence.  Kafka refuses while the group has members: static ones of a former run are
    waited for until their session is over; others have begun by themselves, and the group is left alone.
    """
    partitions = range(
        len(admin(bootstrap).list_topics(topic_name, timeout=REQUEST_TIMEOUT_S).topics[topic_name].partitions)
    )
    committed = group_offsets(bootstrap, group, topic_name, partitions)
    missing = [partition for partition in partitions if partition not in committed]
    deadline = time.monotonic() + FORMER_MEMBERS_S
    while missing and group_state(bootstrap, group)[1]:
        if time.monotonic() > deadline:
            return {}
        time.sleep(0.2)
    if not missing:
        return {}
    ends = {partition: end for partition, (_, end) in watermarks(bootstrap, topic_name, missing).items()}
    try:
        set_group_offsets(bootstrap, group, topic_name, ends)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_MEMBER_ID:
            raise
        return {}  # its members came in between
    return ends


def group_offsets(bootstrap: str, group: str, topic_name: str, partitions: Iterable[int]) -> dict[int, int]:
    """{partition: committed offset}; partitions without a commit are left out."""
    wanted = [TopicPartition(topic_name, partition) for partition in partitions]
    answer = _as_group(bootstrap, group, lambda consumer: consumer.committed(wanted, timeout=COORDINATOR_TIMEOUT_S))
    return {item.partition: item.offset for item in answer if item.offset >= 0}


def lags(bootstrap: str, topic_name: str, partitions: Iterable[int], committed: Mapping[int, int]) -> dict[int, int]:
    """{partition: records of the log at or after the committed offset, or all of them where there is none}."""
    edges = watermarks(bootstrap, topic_name, partitions)
    return {partition: end - max(first, committed.get(partition, 0)) for partition, (first, end) in edges.items()}


def set_group_offsets(bootstrap: str, group: str, topic_name: str, offsets: Mapping[int, int]) -> None:
    """Commit {partition: offset} for a group without members.

    KafkaException with UNKNOWN_MEMBER_ID, and nothing committed, when it has some.
    """
    wanted = [TopicPartition(topic_name, partition, offset) for partition, offset in offsets.items()]
    _as_group(bootstrap, group, lambda consumer: consumer.commit(offsets=wanted, asynchronous=False) or [])


def _as_group(bootstrap: str, group: str, ask: Callable[[Consumer], list[TopicPartition]]) -> list[TopicPartition]:
    """What a consumer that has the group's name, but does not join it, is told; KafkaException of the first partition
    that was refused.

    The admin client's requests for the same (ListConsumerGroupOffsets, AlterConsumerGroupOffsets) end the process, by
    an assertion or a segmentation fault inside librdkafka (seen with 2.16), when their answer comes after their time is up;
    and on a new broker, whose first such request makes Kafka create the topic of offsets, it never comes in time.
    """

    def once() -> list[TopicPartition]:
        # A synchronous commit waits for the coordinator as long as a session lasts.
        session_ms = round(1_000 * COORDINATOR_TIMEOUT_S)
        consumer = reader_consumer(bootstrap, group_id=group, session_timeout_ms=session_ms, log_level=0)
        try:
            answer = ask(consumer)
        finally:
            consumer.close()
        for item in answer:
            if item.error is not None:
                raise KafkaException(item.error)
        return answer

    return settled(bootstrap, once)


def group_state(bootstrap: str, group: str) -> tuple[str, int]:
    """(state in lower case, number of members); ("dead", 0) for a group that does not exist."""
    for found in groups(bootstrap, group):
        return found.state.lower(), len(found.members)
    return "dead", 0


def read_range(
    bootstrap: str, topic_name: str, ranges: Mapping[int, tuple[int, int]], timeout_s: float = REQUEST_TIMEOUT_S
) -> Iterator[Message]:
    """Messages of each partition from its first offset up to, not including, its last; per partition in order.

    Ends when each partition has reached its end, holes of compaction included.  KafkaUnreachable when nothing comes for
    ``timeout_s``.
    """
    left = {partition: end for partition, (first, end) in ranges.items() if end > first}
    if not left:
        return
    consumer = reader_consumer(bootstrap, enable_partition_eof=True)
    try:
        consumer.assign([TopicPartition(topic_name, partition, ranges[partition][0]) for partition in left])
        deadline = time.monotonic() + timeout_s
        while left:
            batch = consumer.consume(500, _CONSUME_S)
            if batch:
                deadline = time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise KafkaUnreachable(f"nothing from {topic_name} at {bootstrap} for {timeout_s:.0f} s")
            for message in batch:
                partition, error = message.partition(), message.error()
                if error is None:
                    if message.offset() < left.get(partition, 0):
                        yield message
                    next_offset = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    next_offset = message.offset()
                elif error.retriable() or error.code() in _PASSING:
                    continue
                else:
                    raise KafkaException(error)
                if next_offset >= left.get(partition, 0):
                    left.pop(partition, None)
    finally:
        consumer.close()
