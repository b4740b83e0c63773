"""Claims of the source documents about pricing that no other test holds, each with its figure: docs/claims.md has the list.

Tolerance: half a unit of the last digit that the ruling prints.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import qmc

from pricers import implied_vols, units, value_options
from pricers.paths import PathSettings, value_paths

DAY_S = 86_400
YEAR_S = 31_536_000


def european(days: float, **changes: Any) -> dict[str, Any]:
    return {
        "option_sign": 1,
        "next_fixing_s": days * DAY_S,
        "interval_s": 0.0,
        "n_fixings": 1,
        "engine": "european",
    } | changes


def sigma_pct(price_usd: float, days: float, **changes: Any) -> float:
    return float(100 * implied_vols(**european(days, price_usd=price_usd, **changes)).sigma)


def test_unscrambled_sobol_starts_at_minus_infinity() -> None:
    """E-08: the first point is 0 in every dimension."""
    assert np.all(qmc.Sobol(3, scramble=False).random(1) == 0.0)


def test_ten_thousand_points_are_not_balanced() -> None:
    """E-09: scipy warns; a power of two is."""
    with pytest.warns(UserWarning, match="powers of two|power of 2"):
        qmc.Sobol(2, scramble=True, rng=np.random.default_rng(1)).random(10_000)


def test_fresh_draw_in_every_evaluation_makes_the_price_fall_with_volatility() -> None:
    """E-06: at steps as Brent takes them, 1e-4 of sigma; with one draw the price rises at every step."""
    sigmas = 0.7 * (1 + 1e-4 * np.arange(24))
    contract = {
        "forward": 1e5, "strike": 1e5, "option_sign": 1, "next_fixing_s": DAY_S, "interval_s": 60.0, "n_fixings": 30,
    }  # fmt: skip
    settings = PathSettings(m_paths=10, has_control=False)
    one = [value_paths(**contract, sigma=s, paths=settings).values[0] for s in sigmas]
    fresh = [value_paths(**contract, sigma=s, paths=settings._replace(seed=i)).values[0] for i, s in enumerate(sigmas)]
    assert np.all(np.diff(one) > 0)
    assert np.any(np.diff(fresh) < 0)


@pytest.mark.parametrize(("year", "vega"), [(365.0, 142.302), (365.25, 142.257)])
def test_year_of_the_venue_has_365_days(year: float, vega: float) -> None:
    """E-20, on the venue's sample: it published 142.30124 (a ten-thousandth of 142.302; 365.25 is three away)."""
    days = (1_727_424_000 - 1_699_593_511) / DAY_S
    found = value_options(forward=39_165.86, strike=40_000.0, sigma=0.6086, **european(days * 365.0 / year))
    assert abs(units.vega_usd_per_point(found.vega) - vega) <= 0.5e-3


@pytest.mark.parametrize(
    ("field", "value", "unit"), [("delta", 0.59832, 1e-5), ("theta", -13.4433, 1e-4), ("rho", 131.8285, 1e-4)]
)
def test_greeks_of_the_venues_sample(field: str, value: float, unit: float) -> None:
    """Facts, E-78."""
    days = (1_727_424_000 - 1_699_593_511) / DAY_S
    found = value_options(forward=39_165.86, strike=40_000.0, sigma=0.6086, **european(days))
    ours = {
        "delta": found.delta,
        "theta": units.theta_usd_per_day(found.theta_per_year),
        "rho": units.rho_usd_per_pct(found.rho),
    }
    assert abs(ours[field] - value) <= 0.5 * unit


@pytest.mark.parametrize(("strike", "sign", "price"), [(90_000, 1, 10_097), (90_000, -1, 97), (110_000, 1, 159)])
def test_proxy_price_is_the_same_for_every_strike_and_side_and_wrong(strike: float, sign: int, price: float) -> None:
    """E-34: 0.4 F sigma sqrt(T) = 2428 or so, where Black-76 has these."""
    found = value_options(forward=1e5, strike=strike, sigma=0.31, **european(14, option_sign=sign))
    assert abs(found.price_usd - price) <= 0.5
    assert abs(0.4 * 1e5 * 0.31 * np.sqrt(14 / 365) - 2428) <= 1.0


@pytest.mark.parametrize(("move", "pct"), [(0.01, 50.2), (-0.01, 69.0), (0.02, 38.9)])
def test_unchanged_price_is_another_volatility_when_the_forward_has_moved(move: float, pct: float) -> None:
    """E-50: seven days, at the money at 60 %, then a stale price."""
    price = float(value_options(forward=1e5, strike=1e5, sigma=0.6, **european(7)).price_usd)
    assert abs(sigma_pct(price, 7, forward=1e5 * (1 + move), strike=1e5) - pct) <= 0.05


@pytest.mark.parametrize(("rate", "pct"), [(0.0, 43.8), (0.065, 41.5)])
def test_volatility_of_the_service_documents_example(rate: float, pct: float) -> None:
    """E-58: 100/100, 30 days, price 5; the document expects 18 to 20 %. A spot of 100 grows with the rate (43.745 is printed 43.8)."""
    forward = 100.0 * np.exp(rate * 30 / 365)
    assert abs(sigma_pct(5.0, 30, forward=forward, strike=100.0, rate=rate) - pct) <= 0.1


def test_coin_settled_put_deep_in_the_money_is_worth_more_than_a_coin() -> None:
    """E-71, E-72: so "option above spot" is no error."""
    found = value_options(forward=1e5, strike=2.5e5, sigma=0.7, payoff="inverse", option_sign=-1, next_fixing_s=7 * DAY_S,
                          interval_s=4.0, n_fixings=450)  # fmt: skip
    assert found.price_usd > 1e5


def test_bump_of_a_millionth_on_a_price_of_a_hundred_thousand_is_noise() -> None:
    """E-36: the forward up by 1e-6 USD: rounding of the price alone moves delta by 2e-5; 1e-4 F on both sides does not."""
    contract = european(14, strike=1e5, sigma=0.31)
    exact = float(value_options(forward=1e5, **contract).delta)

    def price(forward: float) -> float:
        return float(value_options(forward=forward, **contract).price_usd)

    noisy = [abs((price(f + 1e-6) - price(f)) / 1e-6 - exact) for f in 1e5 + np.arange(200) * 1e-3]
    assert 1e-5 < max(noisy) < 1e-4
    h = 10.0
    assert (price(1e5 + h) - price(1e5 - h)) / (2 * h) == pytest.approx(exact, abs=1e-6)


def test_geometric_average_is_kemna_and_vorst_and_not_the_arithmetic_one() -> None:
    """E-14: its closed form is below the arithmetic average's price (Jensen), by sigma² of the window."""
    from pricers._paths_contract import Contract, live_fixings, twin_price_usd

    seconds = 3600.0 + 4.0 * np.arange(450)
    fixings = live_fixings(seconds / YEAR_S, 0.0)
    contract = Contract(1e5, 1.0, 450.0, 0.0, 0, 0.0, 0.0, False)
    # The geometric average's own mean is exp(-sigma² (mean t - V) / 2) of the twin's.
    shrunk = float(np.exp(-0.5 * 0.7**2 * (fixings.mean_time - fixings.variance)))
    geometric = float(twin_price_usd(contract, fixings, 1e5 * shrunk, 0.7, 0.0))
    arithmetic = value_options(
        forward=1e5, strike=1e5, sigma=0.7, option_sign=1, next_fixing_s=3600.0, interval_s=4.0, n_fixings=450
    ).price_usd
    assert 0.0 < arithmetic - geometric < 0.7**2 * 1800 / YEAR_S * 1e5
