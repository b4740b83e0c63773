"""Tickers of one step of the synthetic market go out over its 100 ms, each instrument at its own moment."""

from __future__ import annotations

import asyncio
import json

import pytest

from streams.simulator import places
from streams.simulator.market import new_market, step
from streams.simulator.source import SyntheticSource

START_NS = 1_767_960_000 * 10**9  # 2026-01-09T12:00:00Z
MARKET = {"start_ns": START_NS, "seed": 1, "n_options": 60, "n_linear": 20, "rate": 4_000.0}


class Listener:
    """A hub that follows every ticker: the flushes, each as [(instrument, ms of the market)]."""

    n_ticker_followers = 1

    def __init__(self) -> None:
        self.now: list[tuple[str, int]] = []
        self.flushes: list[list[tuple[str, int]]] = []

    def wants(self, channel: str) -> bool:
        return channel.startswith("ticker.") and channel.endswith(".100ms")

    def publish(self, channel: str, data: bytes) -> None:
        said = json.loads(data)
        self.now.append((said["instrument_name"], said["timestamp"]))

    async def flush(self) -> None:
        self.flushes.append(self.now)
        self.now = []


@pytest.mark.parametrize(("interval_s", "n"), [(0.1, 10), (1.0, 10), (0.05, 5), (0.01, 1), (0.001, 1)])
def test_the_parts_are_ten_milliseconds_apart_or_more(interval_s: float, n: int) -> None:
    assert places.n_places(interval_s) == n


def test_parts_are_the_step_and_an_instrument_is_always_in_the_same_one() -> None:
    state = new_market(**MARKET)
    place: dict[object, int] = {}
    n_moved = 0
    for _ in range(20):
        state, updates = step(state)
        split = places.parts(updates, 10)
        assert sorted(row for part in split for row in part.option_rows) == sorted(updates.option_rows)
        assert sorted(name for part in split for name in part.futures) == sorted(updates.futures)
        for i, part in enumerate(split):
            n_moved += sum(place.setdefault(one, i) != i for one in (*part.option_rows, *part.futures))
        sizes = [len(part.option_rows) for part in split]
        assert max(sizes) <= max(1, len(updates.option_rows)) / 10 + 6, "about as many in each"
    assert len(place) > 80
    assert n_moved == 0


async def test_a_steps_tickers_come_in_several_flushes_and_all_before_the_next_steps() -> None:
    source, hub = SyntheticSource(new_market(**MARKET)), Listener()
    running = asyncio.create_task(source.run(hub))
    while len(hub.flushes) < 30:
        await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    times = [ms for flush in hub.flushes for _, ms in flush]
    assert times == sorted(times)
    first = [flush for flush in hub.flushes if flush and flush[0][1] == START_NS // 10**6 + 100]
    assert len(first) > 5
    assert all(len(flush) < len(times) / 3 / 2 for flush in first), "no burst of half a step"
    names = [name for flush in first for name, _ in flush]
    assert len(set(names)) == len(names)


async def test_a_step_asked_for_at_once_is_published_whole() -> None:
    source, hub = SyntheticSource(new_market(**MARKET)), Listener()
    updates = source.advance(hub)
    assert len(hub.now) == len(updates.option_rows) + len(updates.futures)
