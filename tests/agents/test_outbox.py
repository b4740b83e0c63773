"""The outbox: one request at a time with whatever waits, order within a partition, and silence after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from streams import kafka_outbox
from streams.kafka_outbox import Outbox, Place
from streams.worker.delivery import why_not_delivered

BATCH_ROWS = 3


class Batch:
    """aiokafka's builder; takes three records."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def append(self, *, timestamp: int, key: bytes, value: bytes | None, headers: Any) -> object | None:
        if len(self.values) == BATCH_ROWS:
            return None
        self.values.append(value)
        return object()

    def close(self) -> None:
        return None


class Client:
    """aiokafka's producer: keeps what is sent, answers when told."""

    made: Client

    def __init__(self, **_: Any) -> None:
        self.sent: list[tuple[str, int, list[bytes | None], asyncio.Future[Any]]] = []
        self.n_answered = 0
        Client.made = self

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append((topic, partition, batch.values, future))
        return future

    @property
    def on_their_way(self) -> list[tuple[int, list[bytes | None]]]:
        """(partition, values) of every batch that has no answer."""
        return [(partition, values) for _, partition, values, _ in self.sent[self.n_answered :]]

    async def answer(self, offset: int = 0, error: Exception | None = None) -> None:
        """To everything on its way; then let the outbox go on."""
        for *_, future in self.sent[self.n_answered :]:
            if error is None:
                future.set_result(SimpleNamespace(offset=offset))
            else:
                future.set_exception(error)
        self.n_answered = len(self.sent)
        await turn()


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Desk:
    """An outbox with its scripted client, and what it has reported."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kafka_outbox, "AIOKafkaProducer", Client)
        self.reports: list[tuple[bytes, Any, Place]] = []

    async def open(self) -> Desk:
        self.outbox = Outbox("broker:9092", patient_topics=["table"])
        await self.outbox.start()
        self.client = Client.made
        return self

    def put(self, partition: int, *values: bytes, topic: str = "t") -> None:
        for value in values:
            self.outbox.produce(
                topic, value, b"k", partition, timestamp=1, headers=[],
                on_delivery=lambda error, place, value=value: self.reports.append((value, error, place)),
            )  # fmt: skip

    def offsets(self) -> dict[bytes, int | None]:
        return {value: place.offset() for value, error, place in self.reports if error is None}

    def errors(self) -> dict[bytes, str]:
        return {value: error for value, error, _ in self.reports if error is not None}


Story = Callable[[Desk], Coroutine[Any, Any, None]]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Story], None]:
    async def told(story: Story) -> None:
        desk = await Desk(monkeypatch).open()
        await story(desk)
        await desk.outbox.close(0.0)

    return lambda story: asyncio.run(told(story))


def test_what_comes_while_a_request_is_on_its_way_goes_with_the_next_and_all_partitions_go_together(
    tell: Callable[[Story], None],
) -> None:
    async def story(desk: Desk) -> None:
        desk.put(0, b"a")
        desk.put(1, b"b")
        await turn()
        assert desk.client.on_their_way == [(0, [b"a"]), (1, [b"b"])]
        desk.put(0, b"c", b"d")
        desk.put(2, b"e")
        await turn()
        assert len(desk.client.sent) == 2, "a second request beside the first"
        await desk.client.answer(offset=7)
        assert desk.client.on_their_way == [(0, [b"c", b"d"]), (2, [b"e"])]
        assert len(desk.outbox) == 3
        await desk.client.answer(offset=20)
        assert desk.offsets() == {b"a": 7, b"b": 7, b"c": 20, b"d": 21, b"e": 20}
        assert await desk.outbox.flush(1.0) == 0

    tell(story)


def test_more_than_a_batch_takes_goes_first_with_the_next_request(tell: Callable[[Story], None]) -> None:
    async def story(desk: Desk) -> None:
        desk.put(0, b"1", b"2", b"3", b"4", b"5")
        await turn()
        desk.put(0, b"6")
        assert desk.client.on_their_way == [(0, [b"1", b"2", b"3"])]
        await desk.client.answer()
        assert desk.client.on_their_way == [(0, [b"4", b"5", b"6"])]
        await desk.client.answer()
        assert list(desk.offsets()) == [b"1", b"2", b"3", b"4", b"5", b"6"]

    tell(story)


def test_after_a_failure_nothing_more_is_sent_and_everybody_is_told(tell: Callable[[Story], None]) -> None:
    async def story(desk: Desk) -> None:
        desk.put(0, b"a")
        await turn()
        desk.put(0, b"b")
        await desk.client.answer(error=OSError("gone"))
        desk.put(0, b"c")
        await turn()
        assert [values for _, _, values, _ in desk.client.sent] == [[b"a"]], "a hole in the partition"
        assert set(desk.errors()) == {b"a", b"b", b"c"}
        assert "gone" in desk.outbox.failure
        assert len(desk.outbox) == 0

    tell(story)


def test_what_is_not_confirmed_in_time_has_failed(
    tell: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_outbox, "DELIVERY_TIMEOUT_S", 0.05)

    async def story(desk: Desk) -> None:
        desk.put(0, b"a")
        assert await desk.outbox.flush(5.0) == 0
        assert "not confirmed within" in desk.errors()[b"a"]

    tell(story)


def test_a_confirmation_without_an_offset_counts_as_none(tell: Callable[[Story], None]) -> None:
    async def story(desk: Desk) -> None:
        desk.put(0, b"a")
        await turn()
        await desk.client.answer(offset=-1)
        ((_, error, place),) = desk.reports
        assert error is None
        assert "without an offset" in why_not_delivered(error, place)

    tell(story)


def numbered(first: int, end: int) -> list[bytes]:
    return [str(i).encode() for i in range(first, end)]


def test_a_burst_of_patient_records_goes_in_portions_and_what_is_prompt_does_not_wait_for_them(
    tell: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_outbox, "PATIENT_ROWS", 2)
    monkeypatch.setattr(kafka_outbox, "PATIENT_SHARE", 2)
    monkeypatch.setattr(kafka_outbox, "PATIENT_S", 0.05)

    async def story(desk: Desk) -> None:
        desk.put(0, *numbered(0, 4), topic="table")
        desk.put(1, *numbered(4, 6), topic="table")
        desk.put(0, b"prompt")
        await turn()
        assert desk.client.on_their_way == [(0, [b"prompt"])]
        await desk.client.answer()
        assert desk.client.on_their_way == [], "the first portion goes a little later"
        await asyncio.sleep(0.06)
        assert desk.client.on_their_way == [(0, numbered(0, 3))], "half of them"
        desk.put(0, b"another")
        await desk.client.answer()
        assert desk.client.on_their_way == [(0, [b"another"])], "nor the second one at once"
        await desk.client.answer()
        await asyncio.sleep(0.06)
        assert desk.client.on_their_way == [(0, [b"3"]), (1, [b"4"])], "two at least"
        assert len(desk.outbox) == 3
        await desk.client.answer()
        await asyncio.sleep(0.06)
        await desk.client.answer()
        told = [value for value, _, _ in desk.reports]
        assert told == [b"prompt", *numbered(0, 3), b"another", b"3", b"4", b"5"]
        assert await desk.outbox.flush(1.0) == 0

    tell(story)


def test_patient_records_beyond_what_a_batch_takes_keep_their_order(
    tell: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_outbox, "PATIENT_S", 0.001)

    async def story(desk: Desk) -> None:
        desk.put(0, *numbered(0, 8), topic="table")
        flushed = asyncio.create_task(desk.outbox.flush(5.0))
        while not flushed.done():
            await asyncio.sleep(0.005)
            desk.put(1, b"between")
            await desk.client.answer()
            if b"7" in desk.offsets():
                break
        assert [value for value, _, _ in desk.reports if value != b"between"] == numbered(0, 8)
        await turn()
        await desk.client.answer()
        assert await flushed == 0

    tell(story)


def test_patient_records_are_given_up_with_the_others_after_a_failure(tell: Callable[[Story], None]) -> None:
    async def story(desk: Desk) -> None:
        desk.put(0, b"row", topic="table")
        desk.put(0, b"a")
        await turn()
        await desk.client.answer(error=OSError("gone"))
        assert set(desk.errors()) == {b"a", b"row"}
        assert await desk.outbox.flush(1.0) == 0

    tell(story)


def test_a_flush_waits_for_patient_records(tell: Callable[[Story], None]) -> None:
    async def story(desk: Desk) -> None:
        desk.put(0, b"row", topic="table")
        await turn()
        assert await desk.outbox.flush(0.0) == 1, "it is not even on its way"
        flushed = asyncio.create_task(desk.outbox.flush(5.0))
        await asyncio.sleep(2 * kafka_outbox.PATIENT_S)
        assert not flushed.done()
        await desk.client.answer()
        assert await flushed == 0

    tell(story)
