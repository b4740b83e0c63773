"""Faust's consumer without its thread: it starts, answers, fails and ends in the worker's own loop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from streams.worker.app import build_app
from streams.worker.same_loop import SameLoop
from streams.worker.settings import WorkerSettings


class Kafka:
    """aiokafka's consumer: when and where it was started and stopped."""

    def __init__(self, error: Exception | None = None) -> None:
        self.said: list[tuple[str, int]] = []
        self.error = error

    async def start(self) -> None:
        self.said.append(("start", threading.get_ident()))
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        self.said.append(("stop", threading.get_ident()))


def consumer_of(folder: Path, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> SameLoop:
    monkeypatch.setattr(SameLoop, "_create_consumer", lambda self, loop: kafka)
    app: Any = build_app(WorkerSettings(bootstrap="127.0.0.1:1", namespace="test"), folder)
    thread: SameLoop = app.consumer._thread
    assert type(thread) is SameLoop
    return thread


async def test_everything_happens_in_the_loop_that_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, here = Kafka(), threading.get_ident()
    n_threads = threading.active_count()
    consumer = consumer_of(tmp_path, kafka, monkeypatch)
    assert await consumer.maybe_start() is True
    assert await consumer.maybe_start() is False, "once"
    assert await consumer.call_thread(threading.get_ident) == here
    assert await consumer.call_thread(asyncio.sleep, 0, here) == here, "coroutines too"
    assert threading.active_count() == n_threads
    await asyncio.wait_for(consumer.stop(), 5.0)
    assert kafka.said == [("start", here), ("stop", here)]


async def test_what_a_call_raises_reaches_who_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = consumer_of(tmp_path, Kafka(), monkeypatch)
    await consumer.start()
    with pytest.raises(ZeroDivisionError):
        await consumer.call_thread(divmod, 1, 0)
    await consumer.stop()


async def test_a_broker_that_is_away_fails_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = consumer_of(tmp_path, Kafka(ConnectionError("nobody there")), monkeypatch)
    with pytest.raises(ConnectionError, match="nobody there"):
        await consumer.start()


async def test_a_call_that_waits_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's two workers of its queue of calls could both be waiting for records."""
    consumer = consumer_of(tmp_path, Kafka(), monkeypatch)
    await consumer.start()
    gate = asyncio.Event()
    waiting = [asyncio.create_task(consumer.call_thread(gate.wait)) for _ in range(3)]
    assert await asyncio.wait_for(consumer.call_thread(len, "abc"), 1.0) == 3
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    await consumer.stop()
