"""The shorter way of a record into the agent's queue, and when Faust's own is taken."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from mode.utils.locks import Event

from streams.worker.consumer import DirectConsumer


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
