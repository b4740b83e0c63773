"""Every greek against differences of price or delta, by repricing (A17-A20, A38, C33, C35, C36, E-13, E-76).

Central differences of 8th order: error h^8 / 630 of the ninth derivative, and rounding of the price over the step. Steps are
a twentieth of a deviation (forward), 2 % (sigma) and a small part of the time to the next fixing, where prices are smooth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricers import Valuation, value_options

YEAR_S = 31_536_000
WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}

MOMENTS = {
    "week": {"next_fixing_s": 7 * 86_400 - 1796.0},
    "two hours": {"next_fixing_s": 5404.0},
    "minute before the window": {"next_fixing_s": 64.0},
    "inside": {"next_fixing_s": 2.5, "n_fixed": 150, "running_sum": 150 * 99_700.0},
    "five minutes left": {"next_fixing_s": 3.0, "n_fixed": 375, "running_sum": 375 * 100_200.0},
    "fixings due": {"next_fixing_s": -21.5, "n_fixed": 150, "running_sum": 150 * 99_700.0},
    "certain": {"next_fixing_s": 3.0, "n_fixed": 300, "running_sum": 300 * 170_000.0},
}

closed_form = partial(value_options, engine="closed_form")
"""The engine held against differences here, unless a contract names another; QMC has tests/properties/test_qmc_properties.py."""


def difference(f: Callable[[float], float], x: float, step: float) -> float:
    return sum(weight * (f(x + j * step) - f(x - j * step)) for j, weight in WEIGHTS.items()) / step


def check(contract: dict[str, Any]) -> None:
    """All of delta, gamma, vega, vanna, volga, theta, charm and rho of one option."""

    def v(**changes: float) -> Valuation:
        return closed_form(**{**contract, **changes})

    here = v()
    forward, sigma, next_s = contract["forward"], contract["sigma"], contract["next_fixing_s"]
    left = 450 - contract.get("n_fixed", 0)
    deviation = sigma * np.sqrt((max(next_s, 0.0) + 4.0 * left / 3) / YEAR_S)
    dx, dsigma = 0.05 * forward * deviation, 0.02 * sigma
    dt = 0.01 * next_s if next_s > 0 else 0.05
    money = 1e-16 * forward  # rounding of a price
    scale = {
        "delta": 1.0,
        "gamma": 0.4 / (forward * deviation),
        "vega": 0.4 * forward * deviation / sigma,
        "vanna": 0.4 / sigma,
        "volga": 0.4 * forward * deviation / sigma**2,
        "theta_per_year": 0.2 * forward * sigma**2 / deviation,
        "charm_per_year": 0.2 * sigma**2 / deviation**2,
        "rho": forward * deviation * 1e-3,
    }
    found = {
        "delta": difference(lambda x: float(v(forward=x).price_usd), forward, dx),
        "gamma": difference(lambda x: float(v(forward=x).delta), forward, dx),
        "vega": difference(lambda x: float(v(sigma=x).price_usd), sigma, dsigma),
        "vanna": difference(lambda x: float(v(sigma=x).delta), sigma, dsigma),
        "volga": difference(lambda x: float(v(sigma=x).vega), sigma, dsigma),
        "theta_per_year": -YEAR_S * difference(lambda t: float(v(next_fixing_s=t).price_usd), next_s, dt),
        "charm_per_year": -YEAR_S * difference(lambda t: float(v(next_fixing_s=t).delta), next_s, dt),
    }
    last = max(0.0, next_s + 4.0 * (left - 1)) / YEAR_S
    found["rho"] = difference(
        lambda r: float(v(rate=r, forward=forward * np.exp((r - contract.get("rate", 0.0)) * last)).price_usd),
        contract.get("rate", 0.0),
        0.02 * deviation / max(last, 1e-9) if last > 0 else 1e-3,
    )
    noise = {"theta_per_year": 20 * money * YEAR_S / dt, "charm_per_year": 2e-14 * YEAR_S / dt}
    for name, numeric in found.items():
        tolerance = 1e-6 * scale[name] + 1e-6 * abs(numeric) + noise.get(name, 0.0)
        assert abs(float(getattr(here, name)) - numeric) <= tolerance, (name, float(getattr(here, name)), numeric)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("away", [-1.5, 0.0, 0.7])
@pytest.mark.parametrize("carried", [False, True], ids=["no carry", "carry"])
def test_greeks_are_the_differences(moment: str, payoff: str, sign: int, away: float, carried: bool) -> None:
    contract: dict[str, Any] = {
        "forward": 1e5,
        "sigma": 0.7,
        "option_sign": sign,
        "interval_s": 4.0,
        "n_fixings": 450,
        "payoff": payoff,
    }
    contract |= MOMENTS[moment]
    if carried:
        contract |= {"rate": 0.08, "carry": 0.05}
    left = 450 - contract.get("n_fixed", 0)
    deviation = 0.7 * np.sqrt((max(contract["next_fixing_s"], 0.0) + 4.0 * left / 3) / YEAR_S)
    live = contract["forward"] * np.exp(away * deviation)
    contract["strike"] = 1e5 if moment == "certain" else (contract.get("running_sum", 0.0) + left * live) / 450
    check(contract)


@pytest.mark.parametrize("moment", ["week", "two hours"])
@pytest.mark.parametrize("carried", [False, True], ids=["no carry", "carry"])
def test_european_greeks_are_the_differences(moment: str, carried: bool) -> None:
    contract: dict[str, Any] = {
        "forward": 1e5,
        "sigma": 0.7,
        "option_sign": 1,
        "interval_s": 4.0,
        "n_fixings": 450,
        "engine": "european",
    }
    contract |= MOMENTS[moment] | {"strike": 101_000.0}
    if carried:
        contract |= {"rate": 0.08, "carry": 0.05}
    check(contract)


@given(
    st.sampled_from(sorted(MOMENTS)[:-1]),
    st.sampled_from(["linear", "inverse"]),
    st.sampled_from([1, -1]),
    st.floats(0.2, 3.0),
    st.floats(-2.5, 2.5),
)
def test_theta_and_charm_obey_the_pricing_equation(
    moment: str, payoff: str, sign: int, sigma: float, away: float
) -> None:
    """PRICING: theta = -sigma² F² gamma / 2 between fixings at no rates, for both payoffs (fixings due held)."""
    contract: dict[str, Any] = {
        "forward": 1e5,
        "sigma": sigma,
        "option_sign": sign,
        "interval_s": 4.0,
        "n_fixings": 450,
        "payoff": payoff,
    }
    contract |= MOMENTS[moment]
    if moment in ("fixings due", "certain"):
        return
    left = 450 - contract.get("n_fixed", 0)
    deviation = sigma * np.sqrt((contract["next_fixing_s"] + 4.0 * left / 3) / YEAR_S)
    contract["strike"] = (contract.get("running_sum", 0.0) + left * 1e5 * np.exp(away * deviation)) / 450
    v = closed_form(**contract)
    assert v.theta_per_year == pytest.approx(-0.5 * sigma**2 * 1e10 * float(v.gamma), rel=1e-9)
    h = 0.05 * 1e5 * deviation
    slope = difference(lambda x: x * x * float(closed_form(**{**contract, "forward": x}).gamma), 1e5, h)
    assert v.charm_per_year == pytest.approx(
        -0.5 * sigma**2 * slope, rel=1e-6, abs=1e-6 * 0.2 * sigma**2 / deviation**2
    )


def test_bump_of_fixings_one_by_one_adds_up_to_the_delta_that_expires() -> None:
    """Through five fixings at an unmoved forward: the sum of rolls is the change of delta by exact repricing."""
    contract: dict[str, Any] = {
        "strike": 100_050.0,
        "sigma": 0.6,
        "option_sign": 1,
        "interval_s": 4.0,
        "n_fixings": 450,
        "payoff": "inverse",
    }
    state: dict[str, Any] = {"forward": 1e5, "next_fixing_s": 3.0, "n_fixed": 200, "running_sum": 200 * 99_900.0}
    first = closed_form(**contract, **state)
    rolled = 0.0
    for _ in range(5):
        rolled += float(closed_form(**contract, **state).roll_delta_per_fixing)
        state |= {
            "n_fixed": state["n_fixed"] + 1,
            "running_sum": state["running_sum"] + 1e5,
            "next_fixing_s": state["next_fixing_s"] + 4.0,
        }
    assert rolled == pytest.approx(float(closed_form(**contract, **state).delta - first.delta), rel=1e-12)
