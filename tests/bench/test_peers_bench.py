"""The peers of PRICING on the same options, in one process: ratio of times, and both errors beside it (E-14, E-56).

    python -m venv .venv-peers
    .venv-peers/bin/pip install -e '.[dev,broker]' -r tests/bench/requirements-peers.txt
    .venv-peers/bin/python -m pytest tests/bench/test_peers_bench.py --benchmark-disable-gc

Run it twice: FinancePy asks for a numba whose kernels run a third as fast in the process that has compiled them.

Errors are relative to the reference price, worst over the options. Nothing here asserts a time; that we are at least as accurate is.
Our times are of a batch of copies of the same options, a price each with all greeks; theirs of one price at a time, without.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pricers import ENGINES, implied_vols, value_options, warm_up
from tests.golden.test_quantlib import Mapped, average_option, mapped
from tests.golden.test_settlement_average_golden import Table, read

HOW = "see the head of tests/bench/test_peers_bench.py: pip install -r tests/bench/requirements-peers.txt in an environment of its own"
OURS = sorted(set(ENGINES) & {"closed_form", "qmc"})
GROUPS = {
    "1 d": ["d1_K95000_C_lin", "d1_K100000_C_lin"],
    "31 min": ["m31_K100000_C_lin", "m31_K100200_C_lin"],
    "in window": ["m20_K100000_C_lin", "m20_K100200_C_lin"],
}
COPIES = 512


def best_s(price: Callable[[], Any], n_runs: int = 3) -> float:
    """Shortest processor time of some runs, seconds."""
    times = []
    for _ in range(n_runs):
        start = time.process_time()
        price()
        times.append(time.process_time() - start)
    return min(times)


def table_of(shared: Path, group: str) -> Table:
    rows = {row["case_id"]: row for row in read(shared, "linear").rows}
    return Table([rows[name] for name in GROUPS[group]])


Price = Callable[[], float]
"""One price of an option that is made already: making it, dates and all, is not on the clock."""


def compare(
    benchmark: Any, shared: Path, group: str, engine: str, made: Callable[[dict[str, str], Mapped], Price]
) -> None:
    """Benchmark ours, time the peer beside it, note ratio and errors; assert that the faster one is not the worse one."""
    table = table_of(shared, group)
    reference = table["price_usd"]
    contract = {name: np.repeat(np.asarray(column, dtype=float), COPIES) for name, column in table.contract().items()}
    warm_up()
    benchmark(value_options, **contract, engine=engine)
    ours_s = best_s(lambda: value_options(**contract, engine=engine)) / (COPIES * len(reference))
    ours = value_options(**table.contract(), engine=engine).price_usd
    pairs = [(row, mapped(row)) for row in table.rows]
    assert all(m is not None for _, m in pairs)
    prices = [made(row, m) for row, m in pairs if m is not None]
    peer_prices = np.array([price() for price in prices])
    peer_s = best_s(lambda: [price() for price in prices]) / len(prices)
    errors = np.abs(ours / reference - 1), np.abs(peer_prices / reference - 1)
    benchmark.extra_info.update(
        our_ns=1e9 * ours_s, peer_ns=1e9 * peer_s, times_faster=peer_s / ours_s,
        our_worst_relative_error=float(errors[0].max()), peer_worst_relative_error=float(errors[1].max()),
    )  # fmt: skip
    assert errors[0].max() <= max(errors[1].max(), 1e-6)


def made_by_quantlib(engine_of: Callable[[Any], Any]) -> Callable[[dict[str, str], Mapped], Price]:
    """QuantLib's option with an engine; ``recalculate`` because it remembers its price."""

    def made(row: dict[str, str], m: Mapped) -> Price:
        option, model = average_option(row, m)
        option.setPricingEngine(engine_of(model))

        def price() -> float:
            option.recalculate()
            return float(option.NPV())

        return price

    return made


@pytest.mark.parametrize("engine", OURS)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("n_paths", [1023, 8191])
def test_quantlib_monte_carlo(benchmark: Any, shared: Path, group: str, engine: str, n_paths: int) -> None:
    """Low-discrepancy, Brownian bridge, geometric control variate."""
    ql = pytest.importorskip("QuantLib", reason=f"QuantLib: {HOW}")
    made = made_by_quantlib(lambda model: ql.MCLDDiscreteArithmeticAPEngine(model, True, False, True, n_paths))
    compare(benchmark, shared, group, engine, made)


@pytest.mark.parametrize("engine", OURS)
@pytest.mark.parametrize("group", GROUPS)
def test_quantlib_turnbull_wakeman(benchmark: Any, shared: Path, group: str, engine: str) -> None:
    """Two moments: the fast one among the peers."""
    ql = pytest.importorskip("QuantLib", reason=f"QuantLib: {HOW}")
    compare(benchmark, shared, group, engine, made_by_quantlib(ql.TurnbullWakemanAsianEngine))


@pytest.mark.parametrize("engine", OURS)
@pytest.mark.parametrize("group", ["1 d", "31 min"])
def test_financepy_monte_carlo(benchmark: Any, shared: Path, group: str, engine: str) -> None:
    """Its standard Monte-Carlo with control variate, 10 000 paths, on the same scaled days as QuantLib."""
    pytest.importorskip("financepy", reason=f"financepy: {HOW}")
    from financepy.market.curves.discount_curve_flat import DiscountCurveFlat
    from financepy.models.black_scholes import BlackScholes
    from financepy.products.equity.equity_asian_option import EquityAsianOption
    from financepy.utils.date import Date
    from financepy.utils.global_types import OptionTypes

    today = Date(1, 1, 2020)
    no_rate = DiscountCurveFlat(today, 0.0)

    def made(row: dict[str, str], m: Mapped) -> Price:
        start = today.add_days(m.first_day - m.step_days)
        expiry = today.add_days(m.first_day + m.step_days * (m.n_left - 1))
        option = EquityAsianOption(start, expiry, float(row["K"]), OptionTypes.EUROPEAN_CALL, m.n_left)
        arguments = (today, float(row["F"]), no_rate, no_rate, BlackScholes(m.sigma), 10_000, 1, 0.0)
        return lambda: float(option.value_mc_fast_vc_numba(*arguments))

    compare(benchmark, shared, group, engine, made)


def european_quotes(n: int) -> dict[str, np.ndarray]:
    """Out-of-the-money Black-76 prices within three deviations, a day to a year."""
    generator = np.random.default_rng(20230413)
    years = np.geomspace(1 / 365, 1.0, n)
    sigma = generator.uniform(0.3, 1.2, n)
    strike = 1e5 * np.exp(generator.uniform(-3, 3, n) * sigma * np.sqrt(years))
    sign = np.where(strike >= 1e5, 1.0, -1.0)
    contract = {"forward": np.full(n, 1e5), "strike": strike, "option_sign": sign, "next_fixing_s": years * 31_536_000}
    value = value_options(**contract, sigma=sigma, interval_s=0.0, n_fixings=1, engine="european")
    return contract | {"sigma": sigma, "price_usd": value.price_usd, "vega": value.vega, "years": years}


def note(
    benchmark: Any, quotes: dict[str, np.ndarray], found: np.ndarray, peer: np.ndarray, ours_s: float, peer_s: float
) -> None:
    """Times and errors of implied volatilities, the error as a price over the forward."""

    def error(sigma: np.ndarray) -> float:
        n = sigma.size
        return float(np.max(np.abs(sigma - quotes["sigma"][:n]) * quotes["vega"][:n]) / 1e5)

    benchmark.extra_info.update(
        our_ns=1e9 * ours_s, peer_ns=1e9 * peer_s, times_faster=peer_s / ours_s,
        our_worst_error_in_price_over_forward=error(found), peer_worst_error_in_price_over_forward=error(peer),
    )  # fmt: skip
    assert error(found) <= max(error(peer), 1e-14)


def solved(quotes: dict[str, np.ndarray]) -> np.ndarray:
    names = ("price_usd", "forward", "strike", "option_sign", "next_fixing_s")
    found = implied_vols(**{name: quotes[name] for name in names}, interval_s=0.0, n_fixings=1, engine="european")
    return np.asarray(found.sigma)


def test_py_vollib_vectorized_implied_volatility(benchmark: Any) -> None:
    """European, 8192 quotes at once on both sides."""
    pytest.importorskip("py_vollib_vectorized", reason=f"py_vollib_vectorized: {HOW}")
    from py_vollib_vectorized import vectorized_implied_volatility_black

    quotes = european_quotes(8192)
    flags = np.where(quotes["option_sign"] > 0, "c", "p")

    def peer() -> np.ndarray:
        return np.asarray(
            vectorized_implied_volatility_black(
                quotes["price_usd"], quotes["forward"], quotes["strike"], 0.0, quotes["years"], flags, return_as="numpy"
            )
        )

    warm_up()
    peer_sigma = peer()
    found = benchmark(solved, quotes)
    note(benchmark, quotes, found, peer_sigma, best_s(lambda: solved(quotes)) / 8192, best_s(peer) / 8192)


def test_quantlib_implied_volatility(benchmark: Any) -> None:
    """European, one at a time: the root search on the Black formula, to the same relative accuracy."""
    ql = pytest.importorskip("QuantLib", reason=f"QuantLib: {HOW}")
    quotes = european_quotes(8192)
    n = 512

    def peer() -> np.ndarray:
        roots = [
            ql.blackFormulaImpliedStdDev(
                ql.Option.Call if sign > 0 else ql.Option.Put,
                strike,
                forward,
                price,
                1.0,
                0.0,
                ql.nullDouble(),
                1e-12,
                100,
            )
            for sign, strike, forward, price in zip(
                quotes["option_sign"][:n],
                quotes["strike"][:n],
                quotes["forward"][:n],
                quotes["price_usd"][:n],
                strict=True,
            )
        ]
        return np.array(roots) / np.sqrt(quotes["years"][:n])

    warm_up()
    peer_sigma = peer()
    found = benchmark(solved, quotes)
    note(benchmark, quotes, found, peer_sigma, best_s(lambda: solved(quotes)) / 8192, best_s(peer) / n)
