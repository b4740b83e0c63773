"""DEFINITIONS 3.14 to its digits, and the numbers that 3.1 to 3.4 and DESIGN give in the text."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pricers import units, value_options
from streams.flow.exposures import Metric, exposures
from streams.flow.flips import FlipStatus, SmileRule, Variant, flip_set
from streams.flow.pressure import PressureLog, one_pct, pressure_base, step_pressure
from streams.flow.settings import FlowSettings, GreeksSource
from streams.flow.walls import max_pain
from tests.flow_world import DAY_S, book_of_legs, call, put

EUROPEAN = FlowSettings(greeks_source=GreeksSource.EUROPEAN, flip_tolerance_ratio=1e-9)
TWO_LEGS = [call(100, 110_000.0), put(-100, 90_000.0)]


def digits(number: float | None, places: int) -> str:
    """As printed."""
    assert number is not None
    return f"{number:.{places}f}"


def test_greeks_of_one_call_have_the_units_of_the_wire() -> None:
    """Row 1; E-29, C32: vanna and vega per point, charm per day."""
    g = book_of_legs([call(1, 105_000.0)]).european
    assert digits(g.price_usd[0], 6) == "1005.501470"
    assert digits(g.delta[0], 6) == "0.251427"
    assert f"{g.gamma_per_usd[0]:.6e}" == "4.603183e-05"
    assert digits(g.vega_usd_per_point[0], 6) == "44.140108"
    assert digits(g.vanna_per_point[0], 8) == "0.00471250"
    assert digits(g.charm_per_day[0], 8) == "-0.01683036"
    assert digits(g.volga_usd_per_point2[0] * 1e4, 3) == "4372.532"


def test_ngi_of_a_hundred_calls_at_the_money() -> None:
    """Row 2; J1."""
    book = book_of_legs([call(100, 100_000.0)])
    assert f"{book.european.gamma_per_usd[0]:.6e}" == "5.758073e-05"
    totals = exposures(book, EUROPEAN).totals
    assert digits(totals.ngi_usd, 2) == "575807.34"
    assert digits(totals.ngi_coin, 6) == "5.758073"


def test_every_exposure_of_the_two_leg_book() -> None:
    """Row 3; J1."""
    totals = exposures(book_of_legs(TWO_LEGS), EUROPEAN).totals
    assert digits(totals.ngi_usd, 2) == "62534.87"
    assert digits(totals.vss_usd, 2) == "81108.87"
    assert digits(totals.chl_24h_usd, 2) == "-289674.55"
    assert digits(totals.volg_usd, 6) == "8.861293"
    assert digits(totals.dex_usd, 2) == "1496482.96"


def test_hedge_pressure_of_the_two_leg_book() -> None:
    """Row 4; J1, E-62: + means that dealers buy."""
    book, over_8h = book_of_legs(TWO_LEGS), dataclasses.replace(EUROPEAN, realised_minutes=(480.0,))
    then = pressure_base(book, exposures(book, over_8h), 0.50, over_8h)
    now = then._replace(ts_ns=then.ts_ns + 8 * 3_600 * 10**9, index_price=1.01 * book.index_price, vol=0.49)
    log, _ = step_pressure(PressureLog(), then, over_8h)
    _, (realised,) = step_pressure(log, now, over_8h)
    assert digits(realised.hpp_usd, 2) == "115132.19"


def test_flip_of_the_two_leg_book() -> None:
    """Row 5; J1, J6."""
    found = flip_set(book_of_legs(TWO_LEGS), EUROPEAN).flips[SmileRule.STICKY_STRIKE, Variant.ALL]
    assert found.status == FlipStatus.OK and len(found.flips) == 1 and found.primary == found.flips[0]
    assert digits(found.flips[0].level_usd, 3) == "99260.505"
    assert found.flips[0].to_long
    want = math.sqrt(110_000 * 90_000) * math.exp(-0.25 * 7 / 365 / 2)
    assert found.flips[0].level_usd == pytest.approx(want, abs=1e-9 * 100_000)
    assert found.flip_pct == pytest.approx(100 * (want / 100_000 - 1), abs=1e-7)


def test_three_flips_of_the_four_leg_book() -> None:
    """Row 6: all of them with their directions, the nearest to the index is primary."""
    legs = [put(-100, 90_000.0), call(150, 97_000.0), call(-120, 104_000.0), call(100, 112_000.0)]
    book = book_of_legs([leg._replace(tau_s=3 * DAY_S) for leg in legs])
    found = flip_set(book, EUROPEAN).flips[SmileRule.STICKY_STRIKE, Variant.ALL]
    assert [digits(flip.level_usd, 3) for flip in found.flips] == ["92434.414", "101149.875", "108040.833"]
    assert [flip.to_long for flip in found.flips] == [True, False, True]
    assert found.primary == found.flips[1]


def test_max_pain_of_five_strikes() -> None:
    """Row 7."""
    strikes = [90_000.0, 95_000.0, 100_000.0, 105_000.0, 110_000.0]
    legs = [call(0, k, open_interest=oi) for k, oi in zip(strikes, (10, 20, 50, 70, 90), strict=True)]
    legs += [put(0, k, open_interest=oi) for k, oi in zip(strikes, (80, 60, 50, 20, 10), strict=True)]
    (found,) = max_pain(book_of_legs(legs))
    assert (found.strike, found.pain_usd, found.n_missing) == (100_000.0, 400_000.0, 0)


def test_the_venues_sample_greeks() -> None:
    """Row 8: BTC-27SEP24-40000-C of 2023-11-10T05:18:31Z, 322.1121 days before its expiry."""
    tau_s = (1_727_424_000 - 1_699_593_511) * 1.0
    book = book_of_legs([call(1, 40_000.0, tau_s=tau_s, sigma=0.6086, forward=39_165.86)], index_price=36_707.05)
    g = book.european
    assert digits(g.delta[0], 5) == "0.59832"
    assert digits(g.vega_usd_per_point[0], 3) == "142.302"
    assert digits(g.theta_usd_per_day[0], 4) == "-13.4433"


def test_the_local_number_and_the_exact_ones_stand_side_by_side() -> None:
    """3.2: near the flip +1 % moves the coin delta by 1.035, where NGI_coin says 0.625."""
    book = book_of_legs(TWO_LEGS)
    local = exposures(book, EUROPEAN)
    both = one_pct(book, local, EUROPEAN)
    assert local.totals.ngi_coin is not None and both.hedge_1pct_up_usd is not None
    assert digits(local.totals.ngi_coin, 3) == "0.625"
    assert digits(-both.hedge_1pct_up_usd / 100_000.0, 3) == "1.035"
    assert both.gex_1pct_local_usd == local.totals.ngi_usd
    assert both.hedge_1pct_down_usd is not None
    shift = {side: _delta(1 + side * 0.01) - _delta(1.0) for side in (-1, 1)}
    assert both.hedge_1pct_up_usd == pytest.approx(-100_000.0 * shift[1], rel=1e-9)
    assert both.hedge_1pct_down_usd == pytest.approx(-100_000.0 * shift[-1], rel=1e-9)


def _delta(ratio: float) -> float:
    """The two-leg book's delta in coin at a moved forward."""
    value = value_options(
        forward=100_000.0 * ratio, strike=[110_000.0, 90_000.0], sigma=0.5, option_sign=[1, -1], next_fixing_s=7 * DAY_S,
        interval_s=0.0, n_fixings=1, engine="european",
    )  # fmt: skip
    return float(100.0 * (value.delta[0] - value.delta[1]))


def test_the_coin_numeraire_splits_calls_and_puts() -> None:
    """3.1, USERS 6: gamma_coin / gamma at the money, sigma 50 %, of five tenors; call minus put is -K/F² to the bit of rounding."""
    days = (1, 7, 30, 90, 180)
    legs = [make(1, 100_000.0, tau_s=d * DAY_S, is_inverse=True) for d in days for make in (call, put)]
    g = book_of_legs(legs).european
    ratio = (g.gamma_coin_per_usd / g.gamma_per_usd).reshape(5, 2)
    assert [f"{value:.3f}" for value in ratio[:, 0]] == ["0.968", "0.916", "0.830", "0.717", "0.615"]
    assert [f"{value:.3f}" for value in ratio[:, 1]] == ["1.033", "1.089", "1.190", "1.345", "1.509"]
    split = g.gamma_coin_per_usd[0::2] - g.gamma_coin_per_usd[1::2]
    assert np.allclose(split, -1.0 / 100_000.0, rtol=1e-10, atol=0.0)
    coin = exposures(book_of_legs(legs), EUROPEAN, numeraire="coin")
    assert coin.label.numeraire == "coin"
    assert np.allclose(coin.by_option[Metric.NGI], g.gamma_coin_per_usd * 1e8, rtol=1e-15)


def test_effective_variance_of_the_average() -> None:
    """3.11, E-03: gamma at the money, sigma 70 %, settlement-average over European, from 30 days to the middle of the window."""
    want = {
        30 * DAY_S: "1.0002", 7 * DAY_S: "1.0010", DAY_S: "1.0070", 43_200.0: "1.014", 21_600.0: "1.029", 7_200.0: "1.095",
        3_600.0: "1.224", 1_800.0: "1.729", 900.0: "0.86",
    }  # fmt: skip
    for tau_s, digits_ in want.items():
        book = book_of_legs([call(1, 100_000.0, tau_s=tau_s, sigma=0.7)])
        ratio = float(book.average.gamma_per_usd[0] / book.european.gamma_per_usd[0])
        assert f"{ratio:.{len(digits_) - 2}f}" == digits_


def test_points_and_days_are_converted_in_one_place() -> None:
    """E-29, E-54: what the book takes from the wire is what pricers.units makes."""
    value = value_options(
        forward=1e5, strike=1.05e5, sigma=0.5, option_sign=1, next_fixing_s=7 * DAY_S, interval_s=0.0, n_fixings=1,
        engine="european",
    )  # fmt: skip
    g = book_of_legs([call(1, 105_000.0)]).european
    assert g.vanna_per_point[0] == units.vanna_per_point(float(value.vanna))
    assert g.charm_per_day[0] == units.charm_per_day(float(value.charm_per_year))
