"""The engine in process, without Kafka (N3, N4, N6): one quote through ``step``, and ten thousand options for ten minutes.

Run by ``make bench``.  Beside each time stand the same fold with its pricing taken out and the error of the price that it buys.
"""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import psutil
import pytest

from pricers import value_options, warm_up
from schemas import SINGLE_OBJECT, Greeks
from streams.engine import EngineSettings, Result, State, new_state, step
from streams.engine.columns import Row
from tests import logs
from tests.bench import unpriced

N_OPTIONS, N_QUOTES = 100, 3_000
"""A partition of the whole chain; enough quotes for a 99th percentile of thirty."""
P99_MS = 5.0
"""N3."""
MEDIANS: dict[str, float] = {}

N_MANY, MINUTES, WARM_MINUTES, QUOTES_PER_S = 10_000, 10, 3, 100
"""N4: options, minutes of log time, those before the memory is looked at, and quotes a second."""
GROWTH_MB = 8.0
"""What the allocator may add over seven minutes and 180 000 rows: 40 bytes a row are no leak of rows."""


def names_of(n: int) -> list[str]:
    """Calls at and above the forward, so that one premium suits them all."""
    return [f"BTC-19APR23-{30_000 + i // 2}{'d5' if i % 2 else ''}-C" for i in range(n)]


def error_over_time_value(row: Greeks, other: str) -> float:
    """Difference of the row's price and the other engine's at the row's own inputs, over the price, which is all time value."""
    assert row.tau_years is not None and row.price_usd is not None
    value = value_options(
        forward=row.forward, strike=row.strike, sigma=row.sigma, option_sign=1.0, interval_s=4.0, n_fixings=450,
        next_fixing_s=row.tau_years * 31_536_000 - 449 * 4, payoff="inverse", engine=other,
    )  # fmt: skip
    return abs(float(value.price_usd) - row.price_usd) / row.price_usd


@pytest.mark.parametrize("engine", ["unpriced", "closed_form", "qmc"])
def test_one_quote_through_step(benchmark: Any, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """A record in, a row with three vols and every greek out; each quote is a batch of its own."""
    settings = EngineSettings(engine="qmc" if engine == "qmc" else "closed_form")
    warm_up()
    if engine == "unpriced":
        unpriced.take_pricing_out(monkeypatch.setattr)
    names = names_of(N_OPTIONS)
    log = logs.Log().ready(*names)
    state, _ = log.fold(settings)
    n_done = len(log.records)
    for i in range(
        N_QUOTES + 100
    ):  # 0.1 ms apart: all within the second of the Clock, so that no timer but the grid's fires
        log.quote(names[i % N_OPTIONS], at=1e-4 * (i + 1), bid=0.0320 + 0.0005 * (i // N_OPTIONS % 2))
    located = iter(log.located[n_done:])
    results: list[Result] = []

    def one(record: Any) -> None:
        """Up to the bytes: a row is written when it is asked for."""
        made = step(state, [record], settings)[1]
        for result in made:
            if isinstance(result.content, Row):
                result.content.value(SINGLE_OBJECT)
        results.extend(made)

    benchmark.pedantic(one, setup=lambda: ((next(located),), {}), rounds=N_QUOTES, warmup_rounds=100)
    p50, p99 = 1e3 * np.percentile(benchmark.stats.stats.data, [50, 99])
    MEDIANS[engine] = p50
    found = logs.rows(results)
    assert len(found) >= N_QUOTES, "every quote made a row"
    assert p99 <= P99_MS
    benchmark.extra_info.update(p50_ms=p50, p99_ms=p99, ratio_to_unpriced=p50 / MEDIANS.get("unpriced", float("nan")))
    if engine != "unpriced":
        error = error_over_time_value(found[-1], "closed_form" if engine == "qmc" else "qmc")
        assert error <= 1e-6
        benchmark.extra_info.update(error_over_time_value=error)


def minute_of(log: logs.Log, state: State, settings: EngineSettings, names: list[str], minute: int) -> int:
    """One minute of log time, second by second, results let go; how many rows it made."""
    n_rows = 0
    for second in range(minute * 60, minute * 60 + 60):
        log.first_offset += len(log.records)
        log.records.clear()
        for i in range(QUOTES_PER_S):
            name = names[(second * QUOTES_PER_S + i) % len(names)]
            log.quote(name, at=second + 0.005 * i, bid=0.0320 + 0.0005 * (second // 10 % 2))
        log.trade(names[second % len(names)], at=second + 0.6, trade_seq=second)
        log.underlying(second + 0.7, logs.FORWARD * (1 + 1e-4 * (second % 7)))
        log.clock(second + 1)
        results = step(state, log.located, settings)[1]
        n_rows += sum(result.topic == "greeks" and isinstance(result.content, Row) for result in results)
    return n_rows


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("engine", ["closed_form", "qmc"])
def test_ten_thousand_options_for_ten_minutes(benchmark: Any, engine: str) -> None:
    """N4: all of them in one process, repriced twice a minute; resident memory after three minutes and after ten."""
    settings = EngineSettings(engine=engine)
    warm_up()
    names, process = names_of(N_MANY), psutil.Process()
    log = logs.Log().ready(*names)
    state, _ = step(new_state(log.identity, settings), log.located, settings)
    sizes, n_rows = [], []

    def whole() -> None:
        for minute in range(MINUTES):
            n_rows.append(minute_of(log, state, settings, names, minute))
            gc.collect()
            sizes.append(process.memory_info().rss / 1e6)

    benchmark.pedantic(whole, rounds=1)
    assert min(n_rows) >= 1.5 * N_MANY, (
        "every option by time, and by the timer of the illiquid but for those just quoted"
    )
    growth_mb = sizes[-1] - sizes[WARM_MINUTES - 1]
    benchmark.extra_info.update(
        rss_mb=[round(size, 1) for size in sizes], growth_mb=growth_mb, rows=sum(n_rows),
        rows_per_s=sum(n_rows) / benchmark.stats["mean"], times_real_time=60 * MINUTES / benchmark.stats["mean"],
    )  # fmt: skip
    assert growth_mb <= GROWTH_MB, sizes
