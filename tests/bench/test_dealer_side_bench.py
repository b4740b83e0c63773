"""The dealer side at the size of the venue: 1 500 options, 200 draws.  Run by ``make bench``.

What a second costs: its trades and tickers through ``step``, and one read-out.  A read-out copies the draws, it draws nothing.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from streams.flow.side import KeptDraws, SideSettings, SideState, from_bytes, positions, step, to_bytes
from tests.dealer_side.records import interest, trade

N_STRIKES, N_ROUNDS = 750, 2
SECOND_MS = 10.0
"""Processor time that the dealer side may take of a second of log time."""
NAMES = [f"BTC-27MAR26-{50_000 + 100 * i}-{kind}" for i in range(N_STRIKES) for kind in "CP"]
SETTINGS = SideSettings()


def tape(first: int, n: int) -> list[Any]:
    """``n`` trades, each with the open interest after it, over all options in turn."""
    rng, records = np.random.default_rng(first), []
    for i in range(first, first + n):
        name, at = NAMES[i % len(NAMES)], 10.0 + i
        amount, held = round(float(rng.lognormal(1.0, 1.0)) + 0.1, 1), round(100.0 + float(rng.normal(0.0, 3.0)), 1)
        records += [trade("buy" if rng.random() < 0.5 else "sell", amount, at=at, seq=1 + i, name=name)]
        records += [interest(held, at=at, name=name)]
    return records


@pytest.fixture(scope="module")
def state() -> SideState:
    state = SideState()
    for record in [interest(100.0, at=0, name=name) for name in NAMES] + tape(0, N_ROUNDS * len(NAMES)):
        state = step(state, record, SETTINGS)
    return state


@pytest.mark.benchmark(timer=time.process_time)
def test_a_second_of_three_trades_and_a_read_out(benchmark: Any, state: SideState) -> None:
    """Three trades, the rate of the synthetic market's demo, and a thousand tickers that say no news."""
    trades = iter([tape(1_000_000 + 3 * i, 3) for i in range(200)])
    held = [(name, state.holdings[name].open_interest_coin) for name in NAMES[:1_000]]
    tickers = iter([[interest(oi, at=2e6 + i, name=name) for name, oi in held] for i in range(30)])

    kept = KeptDraws()

    def second() -> Any:
        for record in [*next(trades), *next(tickers)]:
            step(state, record, SETTINGS)
        return positions(state, NAMES, SETTINGS, kept)

    found = benchmark.pedantic(second, rounds=20, warmup_rounds=2)
    assert found.draws_coin.shape == (SETTINGS.n_draws, len(NAMES)) and not np.any(np.isnan(found.draws_coin))
    benchmark.extra_info.update(options=len(NAMES), draws=SETTINGS.n_draws, limit_ms=SECOND_MS)
    assert benchmark.stats.stats.min * 1000 <= SECOND_MS


def test_a_checkpoint_and_back(benchmark: Any, state: SideState) -> None:
    """Every position has moved: the largest that it gets."""
    data = benchmark(to_bytes, state)
    assert to_bytes(from_bytes(data, SETTINGS)) == data
    benchmark.extra_info.update(bytes=len(data), bytes_per_option=len(data) / len(NAMES))
