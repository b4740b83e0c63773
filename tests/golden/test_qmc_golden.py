"""The QMC engine against the independent reference: all 76 own rows, and contracts nobody has seen (A1, A3, A16-A20, A23, A35, A37).

    price    |error| <= t·std_error, two-sided t-quantile 1e-5 with n_scrambles - 1 degrees, plus the reference's own error and
             rounding; and <= 1e-6 of the time value within two deviations, <= 1e-9 of the forward elsewhere
    greeks   delta <= 1e-6, the others <= 1e-4, relative or of the at-the-money value, with the default 64 points

Contracts nobody has seen are held against tests/settlement_recursion.py, which knows no direction, expansion or draw and is held
against the table here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.stats import t as student

from pricers import QmcSettings, Status, Valuation, value_options
from tests.golden.test_settlement_average_golden import Table, at_the_money, read
from tests.settlement_recursion import call, inverse_call

PAYOFFS = ["linear", "inverse"]
EPS = float(np.finfo(float).eps)
YEAR_S = 31_536_000


def quantile(n_scrambles: int) -> float:
    return float(student.isf(0.5e-5, n_scrambles - 1))


def mean_of_average(contract: dict[str, Any]) -> Any:
    left = contract["n_fixings"] - contract["n_fixed"]
    return (contract["running_sum"] + left * contract["forward"]) / contract["n_fixings"]


def deviations_away(contract: dict[str, Any]) -> Any:
    """Of the live average's logarithm, roughly: how far the strike lies from the money."""
    n, n_fixed = contract["n_fixings"], contract["n_fixed"]
    left = n - n_fixed
    live = (n * contract["strike"] - contract["running_sum"]) / (left * contract["forward"])
    seconds = contract["next_fixing_s"] + contract["interval_s"] * left / 3
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(live) / (contract["sigma"] * np.sqrt(seconds / YEAR_S))


def time_value(table: Table, payoff: str) -> Any:
    contract = table.contract()
    mean = mean_of_average(contract)
    intrinsic = np.maximum(contract["option_sign"] * (mean - contract["strike"]), 0.0)
    return table["price_usd"] - (intrinsic * contract["forward"] / mean if payoff == "inverse" else intrinsic)


def rounding(contract: dict[str, Any], error: Any) -> Any:
    """The reference's own error, and a few ulps of the numbers that the price is a difference of."""
    return error + 16 * EPS * np.maximum(contract["forward"], contract["strike"])


@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize(
    "settings",
    [
        QmcSettings(),
        QmcSettings(seed=1),
        QmcSettings(m_points=4),
        QmcSettings(8),
        QmcSettings(6, 4, 2),
        QmcSettings(5, 8, 1),
    ],
    ids=str,
)
def test_every_own_row_is_within_its_standard_error(shared: Path, payoff: str, settings: QmcSettings) -> None:
    table = read(shared, payoff)
    contract = table.contract()
    found = value_options(**contract, payoff=payoff, engine="qmc", qmc=settings)
    assert np.all(np.isfinite(found.std_error)) and np.all(found.std_error >= 0.0)
    excess = np.abs(found.price_usd - table["price_usd"]) - quantile(settings.n_scrambles) * found.std_error
    excess -= rounding(contract, table["price_err"])
    assert excess.max() <= 0.0, table.ids[int(np.argmax(excess))]


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_default_points_price_every_own_row_to_a_millionth_of_its_time_value(shared: Path, payoff: str) -> None:
    table = read(shared, payoff)
    contract = table.contract()
    found = value_options(**contract, payoff=payoff, engine="qmc")
    error = np.abs(found.price_usd - table["price_usd"]) - rounding(contract, table["price_err"])
    is_near = np.abs(deviations_away(contract)) <= 2.0
    assert is_near.sum() >= 10
    assert np.all(error[is_near] <= 1e-6 * time_value(table, payoff)[is_near])
    assert np.all(error <= 1e-9 * contract["forward"])
    is_certain = np.array([case.startswith("det_") for case in table.ids])
    assert np.array_equal(found.status == Status.DETERMINED, is_certain)
    assert np.all(found.status[~is_certain] == Status.OK)


@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize("seed", [20230413, 7])
def test_default_points_greeks_of_every_own_row(shared: Path, payoff: str, seed: int) -> None:
    table = read(shared, payoff)
    contract = table.contract()
    found = value_options(**contract, payoff=payoff, engine="qmc", qmc=QmcSettings(seed=seed))
    scale = at_the_money(table, payoff)
    forward, step = table["F"], 0.02 * table["sigma"]
    noise = {  # of the reference: differences of prices and deltas in sigma
        "delta": 5e-12 + 0.0 * forward,
        "gamma": 0.0 * forward,
        "vega": 1e-13 * forward,
        "theta_per_year": 0.0 * forward,
        "charm_per_year": 0.0 * forward,
        "vanna": 5e-12 / step,
        "volga": 4 * 2e-14 * forward / step**2,
    }
    for name, floor in noise.items():
        reference = table[name]
        is_given = ~np.isnan(reference)
        largest = 1.0 if name == "delta" else np.maximum(np.abs(reference), np.abs(getattr(scale, name)))
        excess = np.abs(getattr(found, name) - reference) - (1e-6 if name == "delta" else 1e-4) * largest - floor
        assert np.all(excess[is_given] <= 0.0), (name, table.ids[int(np.argmax(np.where(is_given, excess, -np.inf)))])


def test_recursion_is_the_reference(shared: Path) -> None:
    """The yardstick of the contracts below against the table, where it costs little (short windows)."""
    table = read(shared, "linear")
    contract = table.contract()
    for i in np.flatnonzero((contract["n_fixings"] - contract["n_fixed"] <= 75) & (contract["option_sign"] > 0)):
        one = {name: column[i] for name, column in contract.items()}
        if table.ids[i].startswith("det_"):
            continue
        assert abs(float(recursion(one)[0]) - table["price_usd"][i]) <= 5e-14 * one["forward"], table.ids[i]
    table = read(shared, "inverse")
    contract = table.contract()
    for i in np.flatnonzero((contract["n_fixings"] - contract["n_fixed"] <= 75) & (contract["option_sign"] > 0)):
        one = {name: column[i] for name, column in contract.items()}
        found = inverse_call(*(arguments(one, one["strike"])))
        assert abs(found - table["price_usd"][i]) <= 5e-14 * one["forward"], table.ids[i]


def arguments(one: dict[str, Any], strike: Any) -> tuple[Any, ...]:
    return (
        strike, float(one["forward"]), float(one["sigma"]), float(one["next_fixing_s"]), float(one["interval_s"]),
        int(one["n_fixings"]), int(one["n_fixed"]), float(one["running_sum"]),
    )  # fmt: skip


def recursion(one: dict[str, Any]) -> Any:
    return call(*arguments(one, np.atleast_1d(one["strike"])))


def unseen(n: int, highest_width: float) -> list[dict[str, Any]]:
    """Contracts at random moments with few fixings (the recursion costs a step each), widths evenly up to the highest."""
    generator = np.random.default_rng(20230413)
    contracts = []
    for i in range(n):
        n_fixings = int(generator.integers(5, 60))
        n_fixed = int(generator.integers(0, n_fixings - 3)) if i % 2 else 0
        interval = float(generator.choice([4.0, 30.0, 60.0]))
        width = highest_width * (i + 1) / n
        left = n_fixings - n_fixed
        sigma = width / np.sqrt((left - 1) * interval / YEAR_S)
        ahead = (
            float(generator.uniform(0.05, 1.0)) * interval if n_fixed else float(generator.choice([5.0, 3600.0, 1e5]))
        )
        deviation = sigma * np.sqrt((ahead + interval * left / 3) / YEAR_S)
        ahead = ahead if deviation < 1.0 else interval
        deviation = sigma * np.sqrt((ahead + interval * left / 3) / YEAR_S)
        away = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0])
        past = n_fixed * 1e5 * float(generator.uniform(0.99, 1.01))
        contracts.append(
            {
                "forward": 1e5,
                "strike": (past + left * 1e5 * np.exp(away * deviation)) / n_fixings,
                "sigma": sigma,
                "next_fixing_s": ahead,
                "interval_s": interval,
                "n_fixings": n_fixings,
                "n_fixed": n_fixed,
                "running_sum": past,
            }
        )
    return contracts


def widths(contract: dict[str, Any]) -> float:
    """sigma sqrt(t_N - t_1): the volatility of the window itself."""
    n = contract["n_fixings"] - contract["n_fixed"]
    return float(contract["sigma"] * np.sqrt((n - 1) * contract["interval_s"] / YEAR_S))


def reached(width: float) -> float:
    """Of the time value, strikes within two deviations, default settings: the table of docs/qmc.md."""
    return 1e-6 if width <= 0.3 else (3e-6 if width <= 0.45 else (1e-5 if width <= 0.6 else 1e-4))


def check(found: Valuation, reference: Any, own: Any, contract: dict[str, Any]) -> None:
    """Within the standard error, and within ``reached``."""
    error = np.abs(found.price_usd - reference) - rounding(contract, 4e-13 * contract["forward"])
    assert np.all(error <= quantile(8) * found.std_error), (contract, error / found.std_error)
    time_value = reference - own
    assert np.all(error <= reached(widths(contract)) * time_value), (contract, error / time_value)


@pytest.mark.parametrize("highest_width", [0.025, 0.1, 0.3, 1.0])
def test_unseen_linear_contracts(highest_width: float) -> None:
    """Up to a window's volatility of 1.0, 13 000 % over 30 minutes; strikes within two deviations; two seeds."""
    for contract in unseen(10, highest_width):
        exact = recursion(contract)
        mean = mean_of_average(contract)
        for sign, seed in ((1, 20230413), (-1, 20230413), (1, 11), (-1, 11)):
            found = value_options(**contract, option_sign=sign, engine="qmc", qmc=QmcSettings(seed=seed))
            reference = exact if sign > 0 else exact - (mean - contract["strike"])
            check(found, reference, np.maximum(sign * (mean - contract["strike"]), 0.0), contract)


@pytest.mark.parametrize("highest_width", [0.1, 0.3, 1.0])
def test_unseen_inverse_contracts(highest_width: float) -> None:
    for contract in unseen(5, highest_width):
        mean = mean_of_average(contract)
        strikes = contract["strike"][
            contract["strike"] >= mean
        ]  # calls out of the money: all of the price is time value
        found = value_options(**{**contract, "strike": strikes}, option_sign=1, payoff="inverse", engine="qmc")
        exact = np.array([inverse_call(*arguments(contract, float(strike))) for strike in strikes])
        check(found, exact, 0.0, {**contract, "strike": strikes})


# 450 fixings every 4 s, the first in 4 s; strikes of -2, -1, 1, 0 and 2 deviations; calls in USD by
# tests/settlement_recursion.py. sigma, n_fixed, running_sum, strikes, linear calls, inverse calls at the last two strikes.
# fmt: off
WIDE = [
    (13.24, 0, 0.0, [89057.62, 94370.35, 105965.49, 100000.0, 112286.85],
     [10984.947338769229, 6088.279078766871, 502.5361906199515, 2307.2306186235674, 55.356405760367764],
     [2389.75492276096, 59.681973370094]),
    (39.71, 0, 0.0, [70640.1, 84047.67, 118980.1, 100000.0, 141562.65],
     [29455.7626897927, 17200.28591279843, 1641.7076187169787, 6906.922207989439, 211.21369892209998],
     [7629.563562947998, 261.4003234054711]),
    (39.71, 225, 22275000.0, [88573.32, 93700.29, 106060.71, 99500.0, 113482.28],
     [10964.957611615248, 6259.808753672317, 558.7023768802258, 2448.6174174902776, 66.89152789012513],
     [2854.8422034406053, 91.48400758170338]),
    (79.4, 0, 0.0, [49908.97, 70646.28, 141550.26, 100000.0, 200364.77],
     [50209.72016456049, 31486.341810138823, 3690.6233803561954, 13723.427904856104, 583.9451053808607],
     [16455.353171396477, 862.1801855674106]),
]
# fmt: on
MORE = QmcSettings(m_points=8, n_dimensions=4)


@pytest.mark.parametrize(
    ("row", "settings", "allowed"),
    [
        (0, None, 3e-7),
        (1, None, 1e-6),
        (2, None, 1e-6),
        (3, None, 5e-6),
        (0, MORE, 3e-7),
        (1, MORE, 3e-7),
        (3, MORE, 3e-6),
    ],
)
def test_windows_at_thousands_of_per_cent(row: int, settings: QmcSettings | None, allowed: float) -> None:
    """A16: 1324 %, 3971 % (from the window's start, and at its middle) and 7940 %: widths 0.1, 0.3, 0.21 and 0.6."""
    sigma, n_fixed, past, strikes, linear, inverse = WIDE[row]
    contract: dict[str, Any] = {
        "forward": 1e5, "sigma": sigma, "next_fixing_s": 4.0, "interval_s": 4.0, "n_fixings": 450, "n_fixed": n_fixed,
        "running_sum": past, "option_sign": 1, "engine": "qmc", "qmc": settings,
    }  # fmt: skip
    mean = (past + (450 - n_fixed) * 1e5) / 450
    found = value_options(**contract, strike=strikes)
    time_value = np.array(linear) - np.maximum(mean - np.array(strikes), 0.0)
    error = np.abs(found.price_usd - linear)
    assert np.all(found.status == Status.OK)
    assert np.all(error <= allowed * time_value), error / time_value
    assert np.all(error <= quantile(8) * found.std_error), error / found.std_error
    assert np.all(found.std_error <= 5.0 * allowed * time_value), found.std_error / time_value
    found = value_options(**contract, strike=strikes[-len(inverse) :], payoff="inverse")
    error = np.abs(found.price_usd - inverse)
    assert np.all(error <= allowed * np.array(inverse)), error / inverse
    assert np.all(error <= quantile(8) * found.std_error), error / found.std_error


@pytest.mark.parametrize("width", [0.15, 0.3, 0.6, 1.0])
def test_wide_average_of_two_fixings_is_mpmaths_integral(width: float) -> None:
    """E[((S_1 + S_2)/2 - K)^+] is one integral of Black's formula over ln S_1, here in 30 digits: a reference without recursion."""
    hour = YEAR_S // 8760
    with mpmath.workdps(30):
        variance = mpmath.mpf(width) ** 2
        for first_s, away in ((60.0, 0.0), (60.0, 1.5), (float(hour), -1.0), (4.0 * hour, 2.0)):
            sigma = width / np.sqrt(hour / YEAR_S)
            s1 = mpmath.mpf(sigma) * mpmath.sqrt(mpmath.mpf(first_s) / YEAR_S)
            strike = 100.0 * float(np.exp(away * sigma * np.sqrt((first_s + hour / 4.0) / YEAR_S)))

            def black(z: Any, s1: Any = s1, strike: float = strike, variance: Any = variance) -> Any:
                s = 100 * mpmath.exp(s1 * z - s1**2 / 2)
                k = 2 * strike - s
                if k <= 0:
                    return (s - k) * mpmath.npdf(z)
                plus = mpmath.log(s / k) / mpmath.sqrt(variance) + mpmath.sqrt(variance) / 2
                return (s * mpmath.ncdf(plus) - k * mpmath.ncdf(plus - mpmath.sqrt(variance))) * mpmath.npdf(z)

            kink = (mpmath.log(2 * strike / 100) + s1**2 / 2) / s1
            points = sorted(
                {mpmath.mpf(-12), mpmath.mpf(0), min(max(kink, mpmath.mpf(-12)), mpmath.mpf(12)), mpmath.mpf(12)}
            )
            exact = float(mpmath.quad(black, points) / 2)
            found = value_options(
                forward=100.0, strike=strike, sigma=sigma, option_sign=1, next_fixing_s=first_s, interval_s=float(hour),
                n_fixings=2, engine="qmc",
            )  # fmt: skip
            error = abs(float(found.price_usd) - exact)
            assert error <= reached(width) * (exact - max(100.0 - strike, 0.0)), (first_s, away, error)
            assert error <= quantile(8) * float(found.std_error) + 1e-13 * 100.0


@pytest.mark.parametrize("width", [0.02, 0.3, 1.0])
def test_inverse_parity_does_not_see_the_time_before_the_window(width: float) -> None:
    """C - P = F - K E[S_N / A], and E[S_N / A] is of the window alone: up to a total volatility of 6.9 before it."""
    sigma = width / np.sqrt(29 * 4 / YEAR_S)
    contract: dict[str, Any] = {
        "forward": 1e5, "strike": 1e5, "sigma": sigma, "interval_s": 4.0, "n_fixings": 30, "option_sign": [1, -1],
        "payoff": "inverse", "engine": "qmc",
    }  # fmt: skip
    gaps = []
    for deviation in (1.5, 3.0, 5.0, 6.9):
        found = value_options(**contract, next_fixing_s=(deviation / sigma) ** 2 * YEAR_S - 40.0)
        assert np.all(found.status == Status.OK)
        gaps.append(float(found.price_usd[0] - found.price_usd[1]))
    assert np.ptp(gaps) <= 1e5 * {0.02: 1e-11, 0.3: 1e-8, 1.0: 1e-5}[width], gaps
