"""Speed of the pricers, with the accuracy that the time buys (A8, A16, A36, A42): ns an option, errors asserted.

Run by ``make bench``, never by ``make test``. Errors are against the reference table where it has the moment; implied
volatilities are in the price metric (vega times the error of sigma, over the forward).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pricers import implied_vols, value_options, warm_up

SIZES = [1, 512, 8192]
N_EXPIRIES = 14


def board(n: int) -> dict[str, Any]:
    """``n`` options sorted by expiry: 14 of them from hours to a year, one inside its window; bid-like strikes within 3 sd."""
    generator = np.random.default_rng(20230413)
    seconds = np.geomspace(1500.0, 31_536_000.0, N_EXPIRIES)[np.sort(generator.integers(N_EXPIRIES, size=n))]
    is_inside = seconds < 1800
    n_fixed = np.where(is_inside, 75, 0)
    sigma = generator.uniform(0.3, 1.2, n)
    deviation = sigma * np.sqrt(seconds / 31_536_000)
    return {
        "forward": np.full(n, 1e5),
        "strike": 1e5 * np.exp(generator.uniform(-3, 3, n) * deviation),
        "sigma": sigma,
        "option_sign": generator.choice([-1.0, 1.0], n),
        "next_fixing_s": np.where(is_inside, 4.0, seconds - 1796.0),
        "interval_s": 4.0,
        "n_fixings": 450,
        "n_fixed": n_fixed,
        "running_sum": n_fixed * 1e5,
    }


def reference_error(shared: Path, payoff: str, engine: str) -> float:
    """Worst price error over the forward on the reference's own rows up to 150 %; nan for the engine that prices another contract."""
    if engine == "european":
        return float("nan")
    with (shared / "reference" / "settlement_average.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["source"] == "own computation" and row["payoff"] == payoff and float(row["sigma"]) <= 1.5
        ]

    def column(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([float(row[name]) for row in rows])

    found = value_options(
        forward=column("F"), strike=column("K"), sigma=column("sigma"),
        option_sign=[1 if row["call_put"] == "call" else -1 for row in rows], next_fixing_s=column("next_fixing_in_s"),
        interval_s=column("sample_interval_s"), n_fixings=column("n_samples"), n_fixed=column("n_elapsed"),
        running_sum=column("running_sum"), payoff=payoff, engine=engine,
    )  # fmt: skip
    return float(np.max(np.abs(found.price_usd - column("price_usd")) / column("F")))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("engine", "payoff", "bound"),
    [("european", "linear", None), ("closed_form", "linear", 1e-12), ("closed_form", "inverse", 1e-9)],
)
def test_price_and_all_greeks(
    benchmark: Any, shared: Path, engine: str, payoff: str, bound: float | None, n: int
) -> None:
    options = board(n)
    warm_up()
    benchmark(value_options, **options, engine=engine, payoff=payoff)
    error = reference_error(shared, payoff, engine)
    if bound is not None:
        assert error <= bound
    benchmark.extra_info.update(n=n, ns_per_option=1e9 * benchmark.stats["median"] / n, worst_error_over_forward=error)


@pytest.mark.parametrize("band", [False, True], ids=["sigma", "sigma and band"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("engine", "payoff"), [("european", "linear"), ("closed_form", "linear"), ("closed_form", "inverse")]
)
def test_implied_volatilities(benchmark: Any, engine: str, payoff: str, n: int, band: bool) -> None:
    options = board(n)
    sigma = options.pop("sigma")
    value = value_options(**options, sigma=sigma, engine=engine, payoff=payoff)
    warm_up()
    found = benchmark(
        implied_vols,
        **options,
        price_usd=value.price_usd,
        engine=engine,
        payoff=payoff,
        tick_usd=10.0 if band else np.nan,
    )
    is_solved = np.isfinite(found.sigma) & (value.vega > 0.01 * 1e5 * np.sqrt(1e-6))
    error = (
        float(np.max(np.abs(found.sigma - sigma)[is_solved] * value.vega[is_solved]) / 1e5) if is_solved.any() else 0.0
    )
    assert error <= 1e-13
    benchmark.extra_info.update(
        n=n, ns_per_option=1e9 * benchmark.stats["median"] / n, worst_error_in_price_over_forward=error,
        evaluations=float(found.n_iterations.mean()),
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["closed_form", "qmc"])
@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_board_of_2000_options_with_bid_ask_and_mark(benchmark: Any, engine: str, payoff: str) -> None:
    """The board of PRICING: 14 expiries; bid, ask and mark IV, and price and greeks at the mark's sigma, on one core."""
    options = board(2000)
    sigma = options.pop("sigma")
    calls: dict[str, Any] = {"payoff": payoff, "engine": engine}
    value = value_options(**options, sigma=sigma, **calls)
    warm_up()

    def whole() -> Any:
        solved = [implied_vols(**options, price_usd=value.price_usd + shift, **calls) for shift in (-5.0, 5.0, 0.0)]
        return value_options(**options, sigma=solved[2].sigma, **calls)

    again = benchmark(whole)
    is_solved = np.isfinite(again.price_usd)
    error = float(np.max(np.abs(again.price_usd - value.price_usd)[is_solved]) / 1e5)
    assert is_solved.mean() > 0.9
    assert error <= 1e-12
    benchmark.extra_info.update(
        ms_per_board=1e3 * benchmark.stats["median"], worst_error_over_forward=error, solved=float(is_solved.mean())
    )
