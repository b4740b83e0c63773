"""Speed of the QMC engine with its accuracy beside it (A8, A16, A36): ns an option, scaling with options, points and directions.

Run by ``make bench``. Errors are the worst over the reference's own rows; ``time_error2`` is time an option times the square of
the error, so that "faster" cannot mean "worse".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pricers import QmcSettings, implied_vols, value_options, warm_up
from tests.bench.test_pricer_bench import board, reference_error

PAYOFFS = ["linear", "inverse"]


def outside(n: int) -> dict[str, Any]:
    """The board without its expiry inside the window, where the roll doubles the work."""
    options = board(n)
    is_outside = options["n_fixed"] == 0
    return {name: column[is_outside] if np.ndim(column) else column for name, column in options.items()}


@pytest.mark.parametrize("n", [1, 512, 8192])
@pytest.mark.parametrize("payoff", PAYOFFS)
def test_price_and_all_greeks(benchmark: Any, shared: Path, payoff: str, n: int) -> None:
    options = board(n)
    warm_up()
    found = benchmark(value_options, **options, engine="qmc", payoff=payoff)
    error = reference_error(shared, payoff, "qmc")
    assert error <= 1e-12
    benchmark.extra_info.update(
        n=n, ns_per_option=1e9 * benchmark.stats["median"] / n, worst_error_over_forward=error,
        median_std_error_over_forward=float(np.median(found.std_error)) / 1e5,
    )  # fmt: skip


@pytest.mark.parametrize("m_points", [4, 6, 8, 10])
@pytest.mark.parametrize("n_dimensions", [1, 3, 4])
@pytest.mark.parametrize("payoff", PAYOFFS)
def test_scaling_with_points_and_directions(benchmark: Any, payoff: str, m_points: int, n_dimensions: int) -> None:
    options = outside(512)
    n = len(options["strike"])
    settings = QmcSettings(m_points=m_points, n_dimensions=n_dimensions)
    best = value_options(**options, engine="qmc", payoff=payoff, qmc=QmcSettings(12, 8, 6)).price_usd
    found = benchmark(value_options, **options, engine="qmc", payoff=payoff, qmc=settings)
    error = float(np.max(np.abs(found.price_usd - best)) / 1e5)
    seconds = benchmark.stats["median"] / n
    benchmark.extra_info.update(
        ns_per_option=1e9 * seconds, worst_error_over_forward=error, time_error2=seconds * error**2
    )


@pytest.mark.parametrize("sigma", [0.7, 8.0, 25.0])
@pytest.mark.parametrize("payoff", PAYOFFS)
def test_wide_averages_take_more_points(benchmark: Any, payoff: str, sigma: float) -> None:
    options = {
        "forward": 1e5, "strike": 1e5 * np.exp(np.linspace(-1, 1, 32) * 0.0044 * sigma), "sigma": sigma, "option_sign": 1,
        "next_fixing_s": 64.0, "interval_s": 4.0, "n_fixings": 450,
    }  # fmt: skip
    found = benchmark(value_options, **options, engine="qmc", payoff=payoff)
    benchmark.extra_info.update(
        us_per_option=1e6 * benchmark.stats["median"] / 32,
        worst_std_error_over_forward=float(found.std_error.max()) / 1e5,
    )


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_implied_volatilities(benchmark: Any, payoff: str) -> None:
    options = outside(2048)
    sigma = options.pop("sigma")
    value = value_options(**options, sigma=sigma, engine="qmc", payoff=payoff)
    found = benchmark(implied_vols, **options, price_usd=value.price_usd, engine="qmc", payoff=payoff)
    is_solved = np.isfinite(found.sigma) & (value.vega > 1.0)
    error = float(np.max(np.abs(found.sigma - sigma)[is_solved] * value.vega[is_solved]) / 1e5)
    assert error <= 1e-13
    benchmark.extra_info.update(
        ns_per_option=1e9 * benchmark.stats["median"] / len(sigma), worst_error_in_price_over_forward=error
    )


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_board_of_2044_options_with_bid_ask_and_mark(benchmark: Any, payoff: str) -> None:
    options = board(2044)
    sigma = options.pop("sigma")
    mark = value_options(**options, sigma=sigma, engine="qmc", payoff=payoff).price_usd
    warm_up()

    def whole() -> Any:
        solved = [implied_vols(**options, price_usd=mark + d, engine="qmc", payoff=payoff) for d in (-5.0, 5.0, 0.0)]
        return value_options(**options, sigma=solved[2].sigma, engine="qmc", payoff=payoff)

    benchmark(whole)
    benchmark.extra_info.update(ms_per_board=1e3 * benchmark.stats["median"])
