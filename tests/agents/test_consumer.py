"""The shorter way of a record into the agent's queue, and when Faust's own is taken."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from mode.utils.locks import Event

from streams.worker.consumer import N_IN_TURN, DirectConsumer, RawSchema


async def handed_over(is_flow_on: bool) -> tuple[bool, bool]:
    """(in a task of its own, before ``wait_first`` came back): how and whether a record was handed over."""
    consumer: Any = DirectConsumer.__new__(DirectConsumer)
    consumer._stopped, consumer._crashed, consumer.suspend_flow = Event(), Event(), Event()
    consumer._loop = asyncio.get_running_loop()
    consumer.flow_active = True
    consumer.app = SimpleNamespace(flow_control=SimpleNamespace(is_active=lambda: is_flow_on))
    tasks: list[Any] = []

    async def hand_over() -> None:
        tasks.append(asyncio.current_task())

    await consumer.wait_first(hand_over(), consumer.suspend_flow.wait())
    return tasks[0] is not asyncio.current_task(), bool(tasks)


def test_a_record_is_handed_over_without_a_task_while_the_flow_is_on() -> None:
    assert asyncio.run(handed_over(is_flow_on=True)) == (False, True)


def test_a_record_is_handed_over_as_faust_does_while_the_flow_is_off() -> None:
    assert asyncio.run(handed_over(is_flow_on=False)) == (True, True)


class FetchedConsumer(DirectConsumer):
    """Without Kafka: what a fetch brings is given."""

    def __init__(self, records: Any, *, is_flow_on: bool = True, active: Any = None) -> None:
        self._records, self._active = records, active
        app: Any = SimpleNamespace(consumer_generation_id=7)
        self.app, self.flow_active = app, is_flow_on
        self._buffered_partitions: set[Any] = set()
        self.n_seeks = 0

    should_stop = False

    async def _wait_next_records(self, timeout: float) -> Any:
        return self._records, self._active

    async def perform_seek(self) -> None:
        self.n_seeks += 1


def record(partition: int, offset: int) -> Any:
    return SimpleNamespace(
        topic="ticks", partition=partition, offset=offset, timestamp=1_500, timestamp_type=0, headers=(), key=b"k",
        value=b"v", checksum=None, serialized_key_size=1, serialized_value_size=1,
    )  # fmt: skip


FETCH = {TP("ticks", 2): [record(2, 5), record(2, 6)], TP("ticks", 1): [record(1, 9)]}


async def taken(consumer: FetchedConsumer, stop_after: Any = None) -> list[tuple[int, int, int]]:
    """(partition, offset, generation) of each record; ``stop_after`` is called after the first."""
    found = []
    async for tp, message in consumer.getmany(timeout=1.0):
        assert (tp.partition, message.key, message.value) == (message.partition, b"k", b"v")
        found.append((message.partition, message.offset, message.generation_id))
        if stop_after is not None:
            stop_after()
    return found


def test_a_fetch_is_handed_over_some_of_each_partition_in_turn_in_order() -> None:
    assert asyncio.run(taken(FetchedConsumer(FETCH))) == [(2, 5, 7), (2, 6, 7), (1, 9, 7)]


def test_no_partition_waits_while_a_long_fetch_of_another_is_handed_over() -> None:
    """One that has had no record for ``idle_s`` is folded past Faust; with a backlog all would be, one after the other."""
    lengths = {0: 2_000, 1: 70, 2: 2_000, 3: 1}
    fetch = {TP("ticks", p): [record(p, offset) for offset in range(n)] for p, n in lengths.items()}
    found = asyncio.run(taken(FetchedConsumer(fetch)))
    for p, n in lengths.items():
        assert [offset for partition, offset, _ in found if partition == p] == list(range(n))
    assert {partition for partition, *_ in found[: 4 * N_IN_TURN]} == set(lengths)
    batches = [found[i : i + 4 * N_IN_TURN] for i in range(0, 4_000, 4 * N_IN_TURN)]
    assert all({0, 2} <= {partition for partition, *_ in batch} for batch in batches)


def test_partitions_that_are_paused_are_left_out_of_a_fetch() -> None:
    assert asyncio.run(taken(FetchedConsumer(FETCH, active={TP("ticks", 1)}))) == [(1, 9, 7)]


def test_nothing_is_handed_over_when_a_fetch_brings_nothing() -> None:
    assert asyncio.run(taken(FetchedConsumer(None))) == []


def test_what_was_fetched_while_the_flow_is_off_is_dropped_and_sought_again() -> None:
    consumer = FetchedConsumer(FETCH, is_flow_on=False)
    assert (asyncio.run(taken(consumer)), consumer.n_seeks) == ([], 1)


def test_the_rest_of_a_fetch_is_dropped_when_a_rebalance_stops_the_flow_or_another_generation_has_begun() -> None:
    """STREAMING, rule 1."""
    stopped, reborn = FetchedConsumer(FETCH), FetchedConsumer(FETCH)
    assert asyncio.run(taken(stopped, lambda: setattr(stopped, "flow_active", False))) == [(2, 5, 7)]
    assert asyncio.run(taken(reborn, lambda: setattr(reborn.app, "consumer_generation_id", 8))) == [(2, 5, 7)]


def test_an_event_holds_key_value_and_headers_as_they_came_a_tombstone_too() -> None:
    app: Any = SimpleNamespace(create_event=lambda *parts: parts)
    decode = RawSchema().compile(app)
    message: Any = SimpleNamespace(key=b"k", value=None, headers=[("ingest_wall_ns", b"1")])
    assert asyncio.run(decode(message, propagate=True)) == (b"k", None, message.headers, message)
