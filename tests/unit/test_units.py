"""Display units in one place (C32, C33, C45, C46, E-54)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pricers import Status, source_hash, units, value_options
from pricers.futures import value_futures


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


def test_c32_vega_has_both_conventions_by_name() -> None:
    """E-54: per 1.00 of sigma and per vol point, the first a hundred times the second; DEFINITIONS 3.14: 44.140108 per point."""
    v = value_options(
        forward=1e5, strike=105_000.0, sigma=0.5, option_sign=1, next_fixing_s=7 * 86_400.0, interval_s=0.0, n_fixings=1,
        engine="european",
    )  # fmt: skip
    assert float(units.vega_usd_per_point(v.vega)) == pytest.approx(44.140108, abs=5e-7)
    assert float(v.vega) == pytest.approx(4414.0108, abs=5e-5)
    assert float(units.vanna_per_point(v.vanna)) == pytest.approx(0.00471250, abs=5e-9)
    assert float(units.charm_per_day(v.charm_per_year)) == pytest.approx(-0.01683036, abs=5e-9)
    assert float(units.volga_usd_per_point2(v.volga)) == pytest.approx(0.4372532, abs=5e-8)


def test_c33_theta_per_day_and_rho_per_cent_are_those_of_the_venues_sample() -> None:
    """DEFINITIONS, Facts: BTC-27SEP24-40000-C on 2023-11-10: theta -13.4433 a day, rho 131.8285 per 1 %."""
    tau_s = 1_727_424_000.0 - 1_699_593_511.0  # 2024-09-27 08:00:00 - 2023-11-10 05:18:31 UTC
    v = value_options(
        forward=39_165.86, strike=40_000.0, sigma=0.6086, option_sign=1, next_fixing_s=tau_s, interval_s=0.0, n_fixings=1,
        engine="european",
    )  # fmt: skip
    assert float(units.theta_usd_per_day(v.theta_per_year)) == pytest.approx(-13.4433, abs=1e-4)
    assert float(units.rho_usd_per_pct(v.rho)) == pytest.approx(131.8285, abs=1e-4)


def test_c34_futures_have_delta_one_and_nothing_else() -> None:
    found = value_futures(price_usd=[30_000.0, math.nan, -1.0])
    assert found.status.tolist() == [Status.OK, Status.BAD_INPUT, Status.BAD_INPUT]
    assert (float(found.price_usd[0]), float(found.delta[0])) == (30_000.0, 1.0)
    rest = [
        column[0]
        for name, column in found._asdict().items()
        if name not in ("price_usd", "std_error", "delta", "status")
    ]
    assert len(rest) == 8 and not any(rest)
    assert all(np.isnan(column[1:]).all() for column in found[:-1])
    assert value_futures(price_usd=5.0).delta.shape == ()


def test_c34_a_position_in_futures_is_its_coin_of_notional() -> None:
    """E-53: an inverse future of 10 USD a contract holds 10/price coin; 100 000 contracts at 40 000 USD are 25 coin."""
    assert units.notional_coin(100_000.0, 10.0, "usd", 40_000.0) == 25.0
    assert units.notional_coin(-3.0, 10.0, "coin", 150.0) == -30.0
    with pytest.raises(ValueError, match="want 'coin' or 'usd'"):
        units.notional_coin(1.0, 1.0, "BTC", 1.0)


def test_c45_variance_and_volatility_go_back_and_forth() -> None:
    assert units.total_variance(0.5, 0.25) == 0.0625
    assert float(units.sigma_of_total_variance(0.0625, 0.25)) == 0.5
    assert np.isnan(units.sigma_of_total_variance(np.array([-1.0, 1.0, 1.0]), np.array([1.0, 0.0, -1.0]))).all()
    assert (
        units.sigma_of_points(65.0) == pytest.approx(0.65) and units.sigma_points(units.sigma_of_points(65.0)) == 65.0
    )


def test_c46_delta_conventions_against_scipy() -> None:
    forward, index, strike, sigma, tau, rate = 42_000.0, 40_000.0, 45_000.0, 0.7, 0.3, 0.05
    deviation = sigma * math.sqrt(tau)
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    for sign in (1, -1):
        v = value_options(
            forward=forward, strike=strike, sigma=sigma, option_sign=sign, next_fixing_s=tau * 31_536_000.0, interval_s=0.0,
            n_fixings=1, engine="european", rate=rate,
        )  # fmt: skip
        driftless = sign * stats.norm.cdf(sign * d1)
        assert float(units.forward_delta(v.delta, rate, tau)) == pytest.approx(driftless, rel=1e-13)
        # The forward is index times a constant: chain rule.
        assert float(units.spot_delta(v.delta, forward, index)) == pytest.approx(
            math.exp(-rate * tau) * driftless * forward / index, rel=1e-13
        )
        assert float(units.absolute_delta(v.delta)) == pytest.approx(math.exp(-rate * tau) * abs(driftless), rel=1e-13)
        simple = units.simple_delta(forward, strike, sigma, tau, sign)
        assert float(simple) == pytest.approx(
            sign * stats.norm.cdf(sign * math.log(forward / strike) / deviation), rel=1e-13
        )
    assert units.simple_delta(forward, forward, sigma, tau, [1, -1]).tolist() == [0.5, -0.5]
    assert np.isnan(units.simple_delta(forward, strike, sigma, -1.0, 1))


def test_c46_strikes_fall_into_delta_buckets() -> None:
    assert [units.delta_bucket(d) for d in (0.01, 0.10, -0.25, 0.5, -0.75, 0.9, -0.99)] == [0, 1, 2, 3, 4, 5, 6]
    assert [units.delta_bucket(d) for d in (0.05, 0.0499)] == [1, 0], "an edge belongs to the bucket above it"
    assert units.delta_bucket(math.nan) == -1
    assert units.delta_bucket(0.3, edges=(0.25,)) == 1


def test_spread_is_per_cent_of_the_mid() -> None:
    assert units.spread_pct(95.0, 105.0) == pytest.approx(10.0)


def test_settlement_sd_is_the_double_sum_over_what_is_left() -> None:
    """sqrt of F² sigma² / n² sum_ij min(t_i, t_j), summed plainly; fixings that are due count at time 0."""
    forward, sigma, n, step = 40_000.0, 0.7, 45, 40.0
    for n_fixed, next_s in ((0, 6000.0), (0, 0.0), (10, 12.0), (10, -95.0), (44, 7.0), (44, -1.0), (45, -40.0)):
        times = [max(0.0, next_s + j * step) / 31_536_000.0 for j in range(n - n_fixed)]
        double_sum = math.fsum(min(a, b) for a in times for b in times)
        expected = forward * sigma / n * math.sqrt(double_sum)
        assert units.settlement_sd_usd(forward, sigma, n, n_fixed, next_s, step) == pytest.approx(expected, rel=1e-12)
    assert units.settlement_sd_usd(forward, sigma, 1, 0, 31_536_000.0, 0.0) == pytest.approx(forward * sigma)


def test_expected_delivery_is_what_is_known_and_the_forward_for_the_rest() -> None:
    assert units.expected_delivery_usd(110.0, 4, 1, 90.0) == 105.0
    assert units.expected_delivery_usd(110.0, 450, 0, 0.0) == pytest.approx(110.0)
