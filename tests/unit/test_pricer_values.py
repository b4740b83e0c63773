"""Calls, statuses and known values of the pricers (A10, A12-A14, A23, A35, A38, C32, C33, C35, C36, C43, C47, C51, E-55)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pricers import (
    DEFAULT_ENGINE,
    LIVE_ENGINES,
    QmcSettings,
    Status,
    Valuation,
    implied_vols,
    units,
    value_options,
    warm_up,
)

FORWARD = 100_000.0
WEEK_S = 7 * 86_400.0
WEEK = {"forward": FORWARD, "next_fixing_s": WEEK_S - 1796.0, "interval_s": 4.0, "n_fixings": 450}
INSIDE = {**WEEK, "next_fixing_s": 2.5, "n_fixed": 150, "running_sum": 150 * 99_500.0}
EUROPEAN_WEEK = {**WEEK, "engine": "european"}


def value(**changes: Any) -> Valuation:
    return value_options(**{"strike": FORWARD, "sigma": 0.7, "option_sign": 1, **WEEK, **changes})


def test_black_greeks_are_those_of_the_definitions_table() -> None:
    """DEFINITIONS 3.14: F 100 000, K 105 000, 7 d, 50 %, call."""
    found = value(strike=105_000.0, sigma=0.5, **EUROPEAN_WEEK)
    assert found.price_usd == pytest.approx(1005.501470, abs=5e-7)
    assert found.delta == pytest.approx(0.251427, abs=5e-7)
    assert found.gamma == pytest.approx(4.603183e-5, abs=5e-12)
    assert units.vega_usd_per_point(found.vega) == pytest.approx(44.140108, abs=5e-7)
    assert units.vanna_per_point(found.vanna) == pytest.approx(0.00471250, abs=5e-9)
    assert units.charm_per_day(found.charm_per_year) == pytest.approx(-0.01683036, abs=5e-9)
    assert found.volga == pytest.approx(4372.532, abs=5e-4)


def test_black_greeks_are_those_of_the_venue_sample() -> None:
    """BTC-27SEP24-40000-C as published on 2023-11-10 05:18:31 UTC (DEFINITIONS, Facts); last digits are the venue's rounding."""
    seconds = 321 * 86_400 + (8 * 3600 - (5 * 3600 + 18 * 60 + 31)) + 86_400  # to 2024-09-27 08:00 UTC
    found = value_options(
        forward=39_165.86, strike=40_000.0, sigma=0.6086, option_sign=1, next_fixing_s=seconds, interval_s=0.0,
        n_fixings=1, engine="european", payoff="inverse",
    )  # fmt: skip
    assert units.price_coin(found.price_usd, 39_165.86) == pytest.approx(0.21692, abs=5e-6)
    assert found.delta == pytest.approx(0.59832, abs=5e-6)
    assert found.gamma == pytest.approx(1.727e-5, abs=5e-9)
    assert units.vega_usd_per_point(found.vega) == pytest.approx(142.302, abs=5e-4)
    assert units.theta_usd_per_day(found.theta_per_year) == pytest.approx(-13.4433, abs=5e-5)
    assert units.rho_usd_per_pct(found.rho) == pytest.approx(131.8285, abs=5e-4)


def test_default_engine_is_qmc() -> None:
    assert DEFAULT_ENGINE == "qmc"
    assert value().price_usd == value(engine="qmc").price_usd
    assert np.isfinite(value().std_error)
    assert value().price_usd != value(engine="european").price_usd


def test_wrong_calls_raise_with_what_would_be_right() -> None:
    with pytest.raises(ValueError, match="'linear', 'inverse'"):
        value(payoff="quanto")
    with pytest.raises(ValueError, match="unknown"):
        value(engine="fast")
    with pytest.raises(ValueError, match=r"strike \(2,\), sigma \(3,\)"):
        value(strike=[1.0, 2.0], sigma=[1.0, 2.0, 3.0])


def test_results_have_the_broadcast_shape() -> None:
    found = value(strike=np.full((3, 1), FORWARD), sigma=np.full(4, 0.5))
    assert all(column.shape == (3, 4) for column in found)
    assert all(column.shape == () for column in value())
    assert all(column.shape == (0,) for column in value(strike=np.empty(0)))
    solved = implied_vols(price_usd=np.full((2, 1), 3000.0), strike=[FORWARD, 101_000.0], option_sign=1, **WEEK)
    assert all(column.shape == (2, 2) for column in solved)
    assert found.status.dtype == np.int8


def test_inputs_may_be_views_integers_and_other_strides() -> None:
    strikes = np.linspace(90_000, 110_000, 40)
    found = value(strike=strikes[::-2], option_sign=np.int8(1))
    assert np.array_equal(found.price_usd, value(strike=strikes).price_usd[::-2])


BAD = [
    {"forward": math.nan}, {"forward": 0.0}, {"forward": -1.0}, {"forward": math.inf}, {"strike": -1.0}, {"strike": math.nan},
    {"sigma": -0.1}, {"sigma": math.nan}, {"sigma": math.inf}, {"option_sign": 0}, {"option_sign": 2}, {"option_sign": math.nan},
    {"next_fixing_s": math.nan}, {"interval_s": -4.0}, {"interval_s": math.nan}, {"n_fixings": 0}, {"n_fixings": 1.5},
    {"n_fixed": -1}, {"n_fixed": 451, "running_sum": 1e6}, {"n_fixed": 0.5, "running_sum": 1e5}, {"n_fixings": math.nan},
    {"n_fixed": 10, "running_sum": -1.0}, {"running_sum": 5.0}, {"n_fixed": 3, "running_sum": 0.0}, {"rate": math.nan},
    {"carry": math.inf}, {"running_sum": math.nan},
]  # fmt: skip


@pytest.mark.parametrize("engine", sorted(LIVE_ENGINES))
@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_input_gets_nan_and_a_status_and_leaves_its_neighbours_alone(
    bad: dict[str, float], payoff: str, engine: str
) -> None:
    good = {
        "strike": FORWARD,
        "sigma": 0.7,
        "option_sign": 1,
        "n_fixed": 0,
        "running_sum": 0.0,
        "rate": 0.0,
        "carry": 0.0,
        **WEEK,
    }
    batch = {name: [number, bad.get(name, number), number] for name, number in good.items()}
    found = value_options(**batch, payoff=payoff, engine=engine)
    assert list(found.status) == [Status.OK, Status.BAD_INPUT, Status.OK]
    assert all(np.isnan(column[1]) for column in found[:-1])
    assert found.price_usd[0] == found.price_usd[2] == value_options(**good, payoff=payoff, engine=engine).price_usd
    del batch["sigma"]
    if "sigma" in bad:
        return
    solved = implied_vols(**batch, price_usd=found.price_usd[0], payoff=payoff, engine=engine)
    assert list(solved.status) == [Status.OK, Status.BAD_INPUT, Status.OK]
    assert np.isnan(solved.sigma[1])


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_all_fixed_pays_the_payoff(payoff: str) -> None:
    """A23: with every fixing known the average is known; the inverse payoff's coin amount is worth the forward."""
    average = 101_000.0
    known = {"n_fixed": 450, "running_sum": 450 * average, "next_fixing_s": 4.0, "payoff": payoff}
    for sign in (1, -1):
        found = value(strike=[99_000.0, 103_000.0], option_sign=sign, **known)
        intrinsic = np.maximum(sign * (average - np.array([99_000.0, 103_000.0])), 0.0)
        coin = intrinsic / average
        assert found.price_usd == pytest.approx(coin * FORWARD if payoff == "inverse" else intrinsic, rel=1e-14)
        assert found.delta == pytest.approx(coin if payoff == "inverse" else 0.0 * coin, rel=1e-12)
        assert np.all(found.status == Status.DETERMINED)
        assert np.all(found.vega == 0.0)


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_fixings_due_but_unknown_are_worth_the_forward(payoff: str) -> None:
    """next_fixing_s < 0: the price is that of the same option with those fixings entered at the forward; delta is not."""
    due = value(next_fixing_s=-6.5, n_fixed=150, running_sum=150 * 99_500.0, payoff=payoff)
    taken = value(next_fixing_s=1.5, n_fixed=152, running_sum=150 * 99_500.0 + 2 * FORWARD, payoff=payoff)
    assert due.price_usd == pytest.approx(float(taken.price_usd), rel=1e-13)
    bumped = [
        value(forward=FORWARD + h, next_fixing_s=-6.5, n_fixed=150, running_sum=150 * 99_500.0, payoff=payoff)
        for h in (-0.1, 0.1)
    ]
    assert due.delta == pytest.approx(float(bumped[1].price_usd - bumped[0].price_usd) / 0.2, rel=1e-6)
    assert due.delta > taken.delta
    assert due.theta_per_year == pytest.approx(float(taken.theta_per_year), rel=1e-11)


def test_all_remaining_fixings_due_is_determined() -> None:
    found = value(next_fixing_s=-1e6, strike=99_000.0)
    assert found.status == Status.DETERMINED
    assert found.price_usd == pytest.approx(1000.0)
    assert found.delta == pytest.approx(1.0)
    solved = implied_vols(price_usd=1000.0, strike=99_000.0, option_sign=1, **{**WEEK, "next_fixing_s": -1e6})
    assert solved.status == Status.DETERMINED
    assert np.isnan(solved.sigma)


def test_certain_exercise_is_parity_and_keeps_only_the_inverse_vega() -> None:
    past = {"n_fixed": 300, "running_sum": 300 * 170_000.0, "next_fixing_s": 4.0}
    call = value(**past)
    put = value(**past, option_sign=-1)
    assert call.status == put.status == Status.DETERMINED
    assert call.price_usd == pytest.approx((300 * 170_000.0 + 150 * FORWARD) / 450 - FORWARD, rel=1e-14)
    assert call.delta == pytest.approx(150 / 450, rel=1e-14)
    assert (call.vega, call.gamma, put.price_usd) == (0.0, 0.0, 0.0)
    inverse = value(**past, payoff="inverse")
    assert inverse.status == Status.DETERMINED
    assert 0.0 < inverse.vega < 1.0


def test_roll_delta_is_zero_before_the_window_and_the_expiring_delta_inside() -> None:
    """A38, E-76: against repricing with the next fixing entered at the forward and time held."""
    assert value().roll_delta_per_fixing == 0.0
    assert value(next_fixing_s=4.000001).roll_delta_per_fixing == 0.0
    assert value(next_fixing_s=4.0).roll_delta_per_fixing != 0.0
    for payoff in ("linear", "inverse"):
        for next_fixing_s in (2.5, -5.0):
            before = {**INSIDE, "next_fixing_s": next_fixing_s, "payoff": payoff}
            after = {
                **before,
                "next_fixing_s": next_fixing_s + 4.0,
                "n_fixed": 151,
                "running_sum": 150 * 99_500.0 + FORWARD,
            }
            now, then = value(**before), value(**after)
            assert now.roll_delta_per_fixing == pytest.approx(float(then.delta - now.delta), rel=1e-12)
            assert now.roll_delta_per_fixing < 0.0
    last = value(next_fixing_s=2.0, n_fixed=449, running_sum=449 * FORWARD)
    assert last.roll_delta_per_fixing == -last.delta
    assert value(**INSIDE, engine="european").roll_delta_per_fixing == 0.0


def test_european_engine_ignores_the_average() -> None:
    """Black-76 on the last fixing's time, whatever is known of the window; both payoffs are worth the same in USD."""
    single = value(next_fixing_s=2.5 + 299 * 4.0, interval_s=0.0, n_fixings=1)
    for payoff in ("linear", "inverse"):
        inside = value(**INSIDE, engine="european", payoff=payoff)
        for name in ("price_usd", "delta", "gamma", "vega", "theta_per_year", "vanna", "charm_per_year", "volga"):
            assert getattr(inside, name) == pytest.approx(float(getattr(single, name)), rel=1e-11), name


def test_closed_form_says_when_it_leaves_its_range() -> None:
    usual, far = value(sigma=4.0, engine="closed_form"), value(sigma=8.0, engine="closed_form")
    assert (usual.status, far.status) == (Status.OK, Status.FALLBACK)
    assert value(sigma=8.0, engine="european").status == Status.OK
    assert far.price_usd > usual.price_usd


def test_no_sigma_is_too_large_to_answer() -> None:
    for payoff in ("linear", "inverse"):
        found = value(sigma=np.geomspace(1e-8, 1e8, 60), payoff=payoff)
        assert np.all(np.isfinite(found.price_usd)) and np.all(np.isfinite(found.delta))
        assert found.price_usd[-1] == pytest.approx(FORWARD)


def test_std_error_is_nan_where_nothing_is_drawn_and_settings_of_others_are_accepted() -> None:
    for engine in ("closed_form", "european"):
        assert np.isnan(value(engine=engine, qmc=QmcSettings(m_points=8)).std_error)
    assert np.isfinite(value(engine="qmc", qmc=QmcSettings(m_points=8)).std_error)


def test_warm_up_leaves_nothing_to_compile() -> None:
    warm_up()
    from pricers._implied_lanes import lanes_batch
    from pricers._implied_rest import rest_batch
    from pricers._valuation import value_batch

    kernels: list[Any] = [value_batch, lanes_batch, rest_batch]
    compiled = [len(kernel.signatures) for kernel in kernels]
    assert all(compiled)
    for engine in LIVE_ENGINES:
        for payoff in ("linear", "inverse"):
            price = value(engine=engine, payoff=payoff, strike=np.full(3, FORWARD)).price_usd
            for tick in (np.nan, 5.0):
                implied_vols(
                    price_usd=price, strike=FORWARD, option_sign=1, engine=engine, payoff=payoff, tick_usd=tick, **WEEK
                )
    assert [len(kernel.signatures) for kernel in kernels] == compiled
