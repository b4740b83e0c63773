"""A loop is asked to stop between two steps, never inside one."""

from __future__ import annotations

import os
import signal

import pytest

from streams.cli.session import asked_to_stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_raises_nothing_and_the_next_one_counts_as_before(number: signal.Signals) -> None:
    heard: list[int] = []
    before = {one: signal.signal(one, lambda got, _: heard.append(got)) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        with asked_to_stop() as asked:
            os.kill(os.getpid(), number)
            assert asked.wait(10.0) and heard == []
            os.kill(os.getpid(), number)
            assert heard == [number], "who insists is not kept waiting"
        os.kill(os.getpid(), number)
        assert heard == [number, number]
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
