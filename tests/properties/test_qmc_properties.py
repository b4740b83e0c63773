"""What must hold of every QMC value: determinism, convergence, honest errors, greeks as differences, volatilities (A8-A20, A38)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from pricers import QmcSettings, Status, Valuation, implied_vols, value_options

YEAR_S = 31_536_000
PAYOFFS = ["linear", "inverse"]
QUANTILE = float(student.isf(0.5e-5, 7))
WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}

MOMENTS: dict[str, dict[str, Any]] = {
    "year": {"next_fixing_s": 3e7},
    "week": {"next_fixing_s": 7 * 86_400 - 1796.0},
    "two hours": {"next_fixing_s": 5404.0},
    "minute before the window": {"next_fixing_s": 64.0},
    "window opens": {"next_fixing_s": 4.0},
    "inside": {"next_fixing_s": 2.5, "n_fixed": 150, "running_sum": 150 * 99_700.0},
    "five minutes left": {"next_fixing_s": 3.0, "n_fixed": 375, "running_sum": 375 * 100_200.0},
    "fixings due": {"next_fixing_s": -21.5, "n_fixed": 150, "running_sum": 150 * 99_700.0},
    "one left": {"next_fixing_s": 2.0, "n_fixed": 449, "running_sum": 449 * 100_000.0},
}
CERTAIN = {"next_fixing_s": 3.0, "n_fixed": 300, "running_sum": 300 * 170_000.0}


def total_vol(contract: dict[str, Any], sigma: float) -> float:
    left = 450 - contract.get("n_fixed", 0)
    return float(sigma * np.sqrt((max(contract["next_fixing_s"], 0.0) + 4.0 * left / 3) / YEAR_S))


def option(
    moment: str, sigma: float, away: float, sign: int = 1, payoff: str = "linear", **changes: Any
) -> dict[str, Any]:
    """An option ``away`` deviations of its live average from the money."""
    here = {"forward": 1e5, "interval_s": 4.0, "n_fixings": 450, **MOMENTS[moment]}
    left = 450 - here.get("n_fixed", 0)
    strike = (here.get("running_sum", 0.0) + left * 1e5 * np.exp(away * total_vol(here, sigma))) / 450
    return {**here, "strike": strike, "sigma": sigma, "option_sign": sign, "payoff": payoff, "engine": "qmc", **changes}


def together(contracts: list[dict[str, Any]]) -> dict[str, Any]:
    """One batch of options of one payoff and engine: a seed's points are drawn once for all of them."""
    defaults = {"n_fixed": 0, "running_sum": 0.0}
    columns = {name: [{**defaults, **c}[name] for c in contracts] for name in {**defaults, **contracts[0]}}
    return columns | {name: contracts[0][name] for name in ("payoff", "engine")}


def difference(f: Any, x: float, step: float) -> float:
    return sum(weight * (f(x + j * step) - f(x - j * step)) for j, weight in WEIGHTS.items()) / step


@pytest.mark.parametrize("moment", [*MOMENTS, "certain"])
@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize(("sign", "away"), [(1, -1.5), (-1, 0.0), (1, 0.7)])
@pytest.mark.parametrize("carried", [False, True], ids=["no carry", "carry"])
def test_greeks_are_the_differences_of_the_engines_own_values(
    moment: str, payoff: str, sign: int, away: float, carried: bool
) -> None:
    """A17-A20, E-13: 8th-order differences with the same draws. The inverse payoff's smooth part is differentiated to leading order."""
    sigma = 0.7
    contract = option(moment, sigma, away, sign, payoff) if moment != "certain" else {
        **option("inside", sigma, 0.0, sign, payoff), **CERTAIN, "strike": 1e5
    }  # fmt: skip
    if carried:
        contract |= {"rate": 0.08, "carry": 0.05}

    def v(**changes: float) -> Valuation:
        return value_options(**{**contract, **changes})

    here = v()
    forward, next_s = 1e5, contract["next_fixing_s"]
    deviation = total_vol(contract, sigma)
    left = 450 - contract.get("n_fixed", 0)
    last = max(0.0, next_s + 4.0 * (left - 1)) / YEAR_S
    dx, ds = 0.05 * forward * deviation, 0.02 * sigma
    dt = 0.01 * next_s if next_s > 0 else 0.05
    rate = contract.get("rate", 0.0)
    found = {
        "delta": (difference(lambda x: float(v(forward=x).price_usd), forward, dx), 1.0),
        "gamma": (difference(lambda x: float(v(forward=x).delta), forward, dx), 0.4 / (forward * deviation)),
        "vega": (difference(lambda x: float(v(sigma=x).price_usd), sigma, ds), 0.4 * forward * deviation / sigma),
        "vanna": (difference(lambda x: float(v(sigma=x).delta), sigma, ds), 0.4 / sigma),
        "volga": (difference(lambda x: float(v(sigma=x).vega), sigma, ds), 0.4 * forward * deviation / sigma**2),
        "theta_per_year": (
            -YEAR_S * difference(lambda x: float(v(next_fixing_s=x).price_usd), next_s, dt),
            0.2 * forward * sigma**2 / deviation,
        ),
        "charm_per_year": (
            -YEAR_S * difference(lambda x: float(v(next_fixing_s=x).delta), next_s, dt),
            0.2 * sigma**2 / deviation**2,
        ),
        "rho": (
            difference(
                lambda r: float(v(rate=r, forward=forward * np.exp((r - rate) * last)).price_usd),
                rate,
                0.02 * deviation / max(last, 1e-9),
            ),
            forward * deviation * 1e-3,
        ),
    }
    noise = {"theta_per_year": 20 * 1e-16 * forward * YEAR_S / dt, "charm_per_year": 2e-14 * YEAR_S / dt}
    for name, (numeric, scale) in found.items():
        tolerance = 1e-6 * (scale + abs(numeric)) + noise.get(name, 0.0)
        assert abs(float(getattr(here, name)) - numeric) <= tolerance, (name, float(getattr(here, name)), numeric)


@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize("sigma", [10.0, 25.0])
@pytest.mark.parametrize("moment", ["window opens", "inside"])
def test_greeks_are_the_differences_where_more_points_are_taken(moment: str, sigma: float, payoff: str) -> None:
    contract = option(moment, sigma, 0.4, 1, payoff)

    def v(**changes: float) -> Valuation:
        return value_options(**{**contract, **changes})

    here = v()
    deviation = total_vol(contract, sigma)
    dx, ds = 0.05e5 * deviation, 0.01 * sigma
    for name, numeric, scale in (
        ("delta", difference(lambda x: float(v(forward=x).price_usd), 1e5, dx), 1.0),
        ("gamma", difference(lambda x: float(v(forward=x).delta), 1e5, dx), 0.4 / (1e5 * deviation)),
        ("vega", difference(lambda x: float(v(sigma=x).price_usd), sigma, ds), 0.4e5 * deviation / sigma),
        ("vanna", difference(lambda x: float(v(sigma=x).delta), sigma, ds), 0.4 / sigma),
        ("volga", difference(lambda x: float(v(sigma=x).vega), sigma, ds), 0.4e5 * deviation / sigma**2),
    ):
        tolerance = 1e-4 * (
            scale + abs(numeric)
        )  # the Taylor series of the second derivatives ends with the first order
        assert abs(float(getattr(here, name)) - numeric) <= tolerance, (name, float(getattr(here, name)), numeric)


@pytest.mark.parametrize("away", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_greeks_of_an_average_over_years_are_the_derivatives_of_its_price(away: float, sign: int) -> None:
    """Width 0.9, where each draw is solved by itself: fourth-order differences of price, delta and vega, steps of 1e-3.

    Greeks hold the strike's direction, which moves with forward and volatility. Any direction is exact but for the draws' error, so
    differences see how that changes: it is up to 1e-5 of the price here.
    """
    deviation = 0.9 * np.sqrt((1.0 + 11.0 / 3) / 11.0)
    contract = {
        "strike": 100.0 * np.exp(away * deviation), "option_sign": sign, "next_fixing_s": YEAR_S / 12,
        "interval_s": YEAR_S / 12, "n_fixings": 12, "engine": "qmc",
    }  # fmt: skip
    sigma = 0.9 / np.sqrt(11 / 12)
    here = value_options(**contract, forward=100.0, sigma=sigma)
    assert here.status == Status.OK
    steps = 1e-3 * np.array([-2.0, -1.0, 1.0, 2.0])
    weights = np.array([1.0, -8.0, 8.0, -1.0]) / 12e-3
    forwards = value_options(**contract, forward=100.0 * (1 + steps), sigma=sigma)
    sigmas = value_options(**contract, forward=100.0, sigma=sigma * (1 + steps))
    found = {
        "delta": weights @ forwards.price_usd / 100.0, "gamma": weights @ forwards.delta / 100.0,
        "vega": weights @ sigmas.price_usd / sigma, "vanna": weights @ sigmas.delta / sigma,
        "volga": weights @ sigmas.vega / sigma,
    }  # fmt: skip
    money = value_options(**{**contract, "strike": 100.0}, forward=100.0, sigma=sigma)
    for name, difference in found.items():
        scale = max(abs(float(getattr(here, name))), abs(float(getattr(money, name))))
        assert abs(float(getattr(here, name)) - difference) <= (2e-5 if name == "volga" else 2e-6) * scale, name


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_roll_is_the_delta_after_the_next_fixing_at_the_forward(payoff: str) -> None:
    """A38, E-76."""
    contract = option("inside", 0.7, 0.3, 1, payoff)
    after = {**contract, "n_fixed": 151, "running_sum": contract["running_sum"] + 1e5, "next_fixing_s": 6.5}
    now, then = value_options(**contract), value_options(**after)
    assert now.roll_delta_per_fixing == pytest.approx(float(then.delta - now.delta), rel=1e-11)
    last = value_options(**option("one left", 0.7, 0.3, 1, payoff))
    assert last.roll_delta_per_fixing == -last.delta
    assert value_options(**option("week", 0.7, 0.3, 1, payoff)).roll_delta_per_fixing == 0.0


SETTINGS = st.builds(
    QmcSettings, st.integers(3, 8), st.sampled_from([2, 4, 8]), st.integers(1, 4), st.integers(0, 2**63)
)


@given(st.sampled_from(sorted(MOMENTS)), st.floats(0.05, 2.0), st.floats(-3, 3), st.sampled_from([1, -1]), SETTINGS)
def test_closed_form_lies_within_the_standard_error(
    moment: str, sigma: float, away: float, sign: int, settings: QmcSettings
) -> None:
    """Any settings: the t-quantile of the draws' own error, and the closed form's (1e-12 of the forward at 150 %, fifth power)."""
    contract = option(moment, sigma, away, sign)
    drawn = value_options(**contract, qmc=settings)
    closed = value_options(**{**contract, "engine": "closed_form"})
    quantile = float(student.isf(0.5e-6, settings.n_scrambles - 1))
    scale = max(contract["forward"], contract["strike"])
    allowed = quantile * drawn.std_error + 1e-12 * max(1.0, sigma / 1.5) ** 5 * 1e5 + 32 * np.finfo(float).eps * scale
    assert abs(drawn.price_usd - closed.price_usd) <= allowed


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_more_points_do_not_outrun_their_standard_error(payoff: str) -> None:
    """CONTRACT: what the directions leave is in the error, so |error| / std_error does not grow with the points."""
    contract = option("window opens", 5.0, 0.8, 1, payoff)
    best = value_options(**contract, qmc=QmcSettings(12, 8, 8))
    for d in (1, 2, 3, 4):
        for m in (4, 6, 8, 10, 12):
            found = value_options(**contract, qmc=QmcSettings(m, 8, d))
            assert abs(found.price_usd - best.price_usd) <= QUANTILE * (found.std_error + best.std_error), (d, m)


def test_error_falls_faster_than_random_points_would_let_it() -> None:
    """Slope of the root mean square error against the points (E-08): below -0.7; plain random points have -0.5."""
    contract = option("window opens", 5.0, 0.8)
    exact = float(value_options(**contract, qmc=QmcSettings(13, 8, 3)).price_usd)
    sizes = np.array([3, 5, 7, 9])
    errors = [
        np.sqrt(np.mean([(float(value_options(**contract, qmc=QmcSettings(int(m), 8, 3, s)).price_usd) - exact) ** 2
                         for s in range(12)]))
        for m in sizes
    ]  # fmt: skip
    assert np.polyfit(sizes * np.log(2.0), np.log(errors), 1)[0] < -0.7


def test_standard_error_is_the_scatter_of_seeds() -> None:
    """Neither flattering nor idle: over 40 seeds the errors' scatter is within a factor three of the stated error."""
    contract = together([option(moment, 3.0, 1.0) for moment in ("window opens", "inside")])
    found = [value_options(**contract, qmc=QmcSettings(6, 8, 3, seed)) for seed in range(40)]
    scatter = np.std([v.price_usd for v in found], axis=0)
    stated = np.sqrt(np.mean([v.std_error**2 for v in found], axis=0))
    assert np.all(scatter <= 3.0 * stated)
    assert np.all(stated <= 30.0 * scatter)


def test_seed_changes_the_bits_and_nothing_else_does() -> None:
    contract = option("inside", 1.5, 0.4)
    first = value_options(**contract)
    again = value_options(**contract, qmc=QmcSettings())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert value_options(**contract, qmc=QmcSettings(seed=1)).price_usd != first.price_usd


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_points_of_wide_averages_come_with_the_first_wide_option_and_change_no_other(payoff: str) -> None:
    """A9: batches without a width above 0.1 are priced without them; on either side of 0.1 an option has its bits in any batch."""
    settings = QmcSettings(seed=77)
    edge = 0.1 / np.sqrt(449 * 4 / YEAR_S)
    contract = option("window opens", edge, 0.4, 1, payoff, qmc=settings)
    sigmas = edge * (1.0 + np.array([-0.5, -1e-3, -1e-12, 1e-12, 1e-3, 9.0]))
    together = value_options(**{**contract, "sigma": sigmas})
    for i, sigma in enumerate(sigmas):
        alone = value_options(**{**contract, "sigma": sigma})
        for name in Valuation._fields:
            assert getattr(alone, name) == getattr(together, name)[i], (i, name)
    assert np.all(together.std_error > 0.0)


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_closed_form_out_of_its_range_answers_with_the_draws(payoff: str) -> None:
    """CONTRACT: FALLBACK, the value is the QMC engine's, its standard error with it."""
    contract = option("window opens", 9.0, 0.5, 1, payoff)
    closed = value_options(**{**contract, "engine": "closed_form"})
    drawn = value_options(**contract)
    assert (closed.status, drawn.status) == (Status.FALLBACK, Status.OK)
    for name in Valuation._fields[:-1]:
        assert getattr(closed, name) == getattr(drawn, name)
    del contract["sigma"]
    solved = [implied_vols(**{**contract, "engine": e}, price_usd=drawn.price_usd) for e in ("closed_form", "qmc")]
    assert [s.status for s in solved] == [Status.FALLBACK, Status.OK]
    for s in solved:
        assert s.sigma == pytest.approx(9.0, rel=1e-9)


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_value_hardly_jumps_where_the_points_change(payoff: str) -> None:
    """At the widths where more points are taken the price moves by less than 3e-7 of itself, and keeps its order."""
    for width in (0.025, 0.1, 0.3):
        sigma = width / np.sqrt(449 * 4 / YEAR_S)
        for away in (-1.0, 0.0, 1.0):
            contract = option("window opens", sigma, away, 1 if away >= 0 else -1, payoff)
            low, high = (value_options(**{**contract, "sigma": sigma * (1 + e)}).price_usd for e in (-1e-9, 1e-9))
            assert abs(high / low - 1.0) <= 3e-7 + 1e-8
            wide = [value_options(**{**contract, "sigma": sigma * (1 + e)}).price_usd for e in (-1e-4, 1e-4)]
            assert wide[0] < wide[1]


@given(
    st.sampled_from(sorted(MOMENTS)), st.floats(0.1, 25.0), st.floats(-3, 3), st.sampled_from([1, -1]),
    st.sampled_from(PAYOFFS),
)  # fmt: skip
def test_volatility_is_the_one_whose_qmc_price_is_the_quote(
    moment: str, sigma: float, away: float, sign: int, payoff: str
) -> None:
    """A11, A12: polished with the engine's own price; price_at_sigma is that price."""
    if total_vol(MOMENTS[moment], sigma) > 2.0:
        return
    contract = option(moment, sigma, away, sign, payoff)
    del contract["sigma"]
    value = value_options(**contract, sigma=sigma)
    if value.status == Status.DETERMINED or value.vega <= 0.0:
        return
    found = implied_vols(**contract, price_usd=value.price_usd)
    noise = 256 * np.finfo(float).eps * max(1e5, contract["strike"])
    if noise > 1e-4 * sigma * value.vega:
        return
    assert found.status == Status.OK
    assert abs(found.sigma - sigma) <= 1e-8 * sigma + noise / float(value.vega)
    again = value_options(**contract, sigma=found.sigma)
    assert abs(again.price_usd - found.price_at_sigma_usd) <= noise + 1e-9 * abs(float(value.price_usd))


def test_price_error_in_volatility_is_far_below_a_basis_point() -> None:
    """A16: over 16 seeds the implied volatility of one quote scatters by less than 1e-6 vol points with the default points."""
    contract = together([option(moment, 0.7, 0.5) for moment in MOMENTS])
    quotes = value_options(**contract).price_usd
    del contract["sigma"]
    sigmas = [implied_vols(**contract, price_usd=quotes, qmc=QmcSettings(seed=s)).sigma for s in range(16)]
    assert np.all(100 * np.ptp(sigmas, axis=0) <= 1e-6), list(MOMENTS)
