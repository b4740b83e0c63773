"""Display units in one place (C32, C33, C45, C46, E-54)."""

from __future__ import annotations

import numpy as np
import pytest

from pricers import source_hash, units, value_options


def test_conversions_are_those_of_the_definitions() -> None:
    """DEFINITIONS 3.1: point = 0.01 of sigma, volga per point squared, day = 1/365 year."""
    assert units.vega_usd_per_point(100.0) == 1.0
    assert units.vanna_per_point(100.0) == 1.0
    assert units.volga_usd_per_point2(10_000.0) == 1.0
    assert units.theta_usd_per_day(365.0) == units.charm_per_day(365.0) == 1.0
    assert units.rho_usd_per_pct(100.0) == 1.0
    assert units.sigma_points(0.65) == pytest.approx(65.0)
    assert units.price_usd(units.price_coin(2000.0, 40_000.0), 40_000.0) == 2000.0


def test_coin_gamma_is_the_slope_of_coin_delta_and_call_minus_put_is_known() -> None:
    """DEFINITIONS 3.1: gamma_coin(call) - gamma_coin(put) = -K / F² exactly; delta_coin = d(V)/dF - V/F."""
    forward, strike = 40_000.0, 43_000.0

    def coin(at: float, sign: int) -> tuple[float, float]:
        v = value_options(
            forward=at,
            strike=strike,
            sigma=0.6,
            option_sign=sign,
            next_fixing_s=2.6e6,
            interval_s=0.0,
            n_fixings=1,
            engine="european",
        )
        return (
            float(units.delta_coin(v.delta, v.price_usd, np.float64(at))),
            float(units.gamma_coin_per_usd(v.gamma, v.delta, v.price_usd, np.float64(at))),
        )

    for sign in (1, -1):
        slope = (coin(forward + 5.0, sign)[0] - coin(forward - 5.0, sign)[0]) / 10.0
        assert coin(forward, sign)[1] == pytest.approx(slope, rel=1e-6)
    assert coin(forward, 1)[1] - coin(forward, -1)[1] == pytest.approx(-strike / forward**2, rel=1e-12)


@pytest.mark.parametrize(
    ("days", "call", "put"), [(1, 0.968, 1.033), (7, 0.916, 1.089), (30, 0.830, 1.190), (180, 0.615, 1.509)]
)
def test_coin_gamma_ratios_are_those_of_the_definitions(days: int, call: float, put: float) -> None:
    for sign, expected in ((1, call), (-1, put)):
        v = value_options(
            forward=1e5,
            strike=1e5,
            sigma=0.5,
            option_sign=sign,
            next_fixing_s=86_400.0 * days,
            interval_s=0.0,
            n_fixings=1,
            engine="european",
        )
        ratio = units.gamma_coin_per_usd(v.gamma, v.delta, v.price_usd, np.float64(1e5)) / v.gamma
        assert ratio == pytest.approx(expected, abs=6e-4)


def test_source_hash_is_stable_and_short() -> None:
    assert source_hash() == source_hash()
    assert len(source_hash()) == 16
    assert int(source_hash(), 16) > 0
