"""Hedge pressure: signs, ladder, the settlement window, realised.  DEFINITIONS 3.3, 3.11; J1, J6; RULINGS E-62, E-76; H7."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pricers import scenarios, value_options
from pricers._scenario_ladder import ladder_sums
from streams.flow.exposures import Metric, exposures
from streams.flow.pressure import (
    Ladder,
    Move,
    PressureBase,
    PressureLog,
    ladder,
    one_pct,
    pressure_base,
    step_pressure,
)
from streams.flow.settings import FlowSettings, GreeksSource
from tests.conftest import skip_or_fail
from tests.flow_world import DAY_S, EXPIRY_NS, book_of_legs, call, put

S = 100_000.0
SETTINGS = FlowSettings()
EUROPEAN = FlowSettings(greeks_source=GreeksSource.EUROPEAN)
NS_PER_S = 1_000_000_000


def at(rungs: Ladder, spot_pct: float, vol_points: float, hours: float) -> float:
    """One rung."""
    r = rungs.spot_pct.tolist().index(spot_pct)
    return float(rungs.hpp_usd[rungs.hours.tolist().index(hours), rungs.vol_points.tolist().index(vol_points), r])


@pytest.mark.parametrize("make", [call, put])
@pytest.mark.parametrize("tau_s", [7 * DAY_S, 900.0])
def test_e62_short_gamma_dealers_buy_rallies_and_sell_dips(make: object, tau_s: float) -> None:
    """E-62: the flow is minus the change of delta, for calls and puts, before the window and inside it, locally and exactly."""
    book = book_of_legs([make(-100, S, tau_s=tau_s)])  # type: ignore[operator]
    found = exposures(book, SETTINGS)
    assert found.totals.ngi_usd is not None and found.totals.ngi_usd < 0
    for spot_pct in (1.0, -1.0):
        log, _ = step_pressure(PressureLog(), pressure_base(book, found, None, SETTINGS), SETTINGS)
        later = log.bases[0]._replace(ts_ns=book.now_ns + 60 * NS_PER_S, index_price=S * (1.0 + spot_pct / 100.0))
        realised = step_pressure(log, later, SETTINGS)[1][0]
        assert realised.spot_usd is not None and realised.spot_usd * spot_pct > 0, "spot up: they buy, down: they sell"
    rungs = ladder(book, SETTINGS)
    both = one_pct(book, found, SETTINGS)
    assert both.hedge_1pct_up_usd is not None and both.hedge_1pct_down_usd is not None
    assert at(rungs, 1.0, 0.0, 0.0) == pytest.approx(both.hedge_1pct_up_usd, rel=1e-12) and both.hedge_1pct_up_usd > 0
    assert (
        at(rungs, -1.0, 0.0, 0.0) == pytest.approx(both.hedge_1pct_down_usd, rel=1e-12) and both.hedge_1pct_down_usd < 0
    )


def test_long_gamma_dealers_do_the_opposite() -> None:
    rungs = ladder(book_of_legs([call(100, S), put(50, 95_000.0)]), SETTINGS)
    assert at(rungs, 1.0, 0.0, 0.0) < 0 < at(rungs, -1.0, 0.0, 0.0)


def test_the_ladder_has_the_grid_of_the_definitions_and_nothing_moves_where_nothing_moves() -> None:
    rungs = ladder(book_of_legs([call(100, 105_000.0)]), SETTINGS, adv_usd=2e9)
    assert rungs.spot_pct.tolist() == [-5, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 5]
    assert rungs.vol_points.tolist() == [-5, -2, -1, 0, 1, 2, 5] and rungs.hours.tolist() == [0, 1, 4, 24]
    assert at(rungs, 0.0, 0.0, 0.0) == 0.0
    assert rungs.hpp_pct_adv is not None and np.array_equal(rungs.hpp_pct_adv, 100.0 * rungs.hpp_usd / 2e9)
    assert ladder(book_of_legs([call(1, S)]), SETTINGS).hpp_pct_adv is None
    assert ladder(book_of_legs([call(1, S)]), SETTINGS, adv_usd=0.0).hpp_pct_adv is None


def test_every_rung_is_a_full_repricing() -> None:
    """J6: against ``value_options`` at the moved inputs, all 308 rungs of a linear book of three tenors."""
    legs = [
        call(100, 103_000.0, tau_s=2 * DAY_S),
        put(-80, 96_000.0, tau_s=9 * DAY_S),
        call(-30, 120_000.0, tau_s=60 * DAY_S),
    ]
    rungs = ladder(book_of_legs(legs), SETTINGS)
    want = np.zeros_like(rungs.hpp_usd)
    for leg in legs:
        moved = value_options(
            forward=S * (1 + rungs.spot_pct / 100), strike=leg.strike, sigma=(0.5 + rungs.vol_points / 100)[:, None],
            option_sign=leg.option_sign, next_fixing_s=(leg.tau_s - 1_796.0 - 3_600.0 * rungs.hours)[:, None, None],
            interval_s=4.0, n_fixings=450, engine="closed_form",
        ).delta  # fmt: skip
        want -= leg.position * S * (moved - moved[0, 3, 5])
    gross = sum(abs(leg.position) for leg in legs) * S
    assert np.abs(rungs.hpp_usd - want).max() <= 1e-6 * gross


def test_small_moves_are_the_local_number() -> None:
    """-(NGI r + VSS v + CHL h) is the ladder's derivative, for forwards at the index."""
    book = book_of_legs([call(100, 110_000.0, tau_s=30 * DAY_S), put(-100, 90_000.0, tau_s=30 * DAY_S)])
    small = dataclasses.replace(SETTINGS, ladder_spot_pct=(1e-3,), ladder_vol_points=(1e-3,), ladder_hours=(0.0, 1e-2))
    totals, rungs = exposures(book, SETTINGS).totals, ladder(book, small)
    assert totals.ngi_usd is not None and totals.vss_usd is not None and totals.chl_24h_usd is not None
    for move in (Move(1e-3, 0, 0), Move(0, 1e-3, 0), Move(0, 0, 1e-2 / 24)):
        want = -(totals.ngi_usd * move.spot_pct + totals.vss_usd * move.vol_points + totals.chl_24h_usd * move.days)
        got = at(rungs, move.spot_pct, move.vol_points, 1e-2 if move.days else 0.0)
        assert got == pytest.approx(
            want, rel=2e-3
        )  # second order: 1e-3 of a point, 1e-2 h; third decimal of gamma's own slope


@pytest.mark.parametrize("is_inverse", [False, True])
def test_e76_in_the_window_time_takes_the_delta_that_expires_at_each_fixing(is_inverse: bool) -> None:
    """E-76, A38: at the money, 20 minutes left, a minute is fifteen fixings (DESIGN 4: -0.00111 each, -0.0167 a minute), and charm
    between fixings sees 4e-5."""
    leg = call(1, S, tau_s=1_200.0, sigma=0.5, is_inverse=is_inverse)
    book = book_of_legs([leg])
    minute = dataclasses.replace(SETTINGS, ladder_hours=(0.0, 4 / 3_600, 1 / 60))
    rungs = ladder(book, minute)
    assert -at(rungs, 0.0, 0.0, 4 / 3_600) / S == pytest.approx(-0.00111, abs=1e-5)
    assert -at(rungs, 0.0, 0.0, 1 / 60) / S == pytest.approx(-0.0167, abs=1e-4)
    charm_minute = abs(float(book.average.charm_per_day[0])) / 1_440
    assert charm_minute < 1e-4
    assert abs(at(rungs, 0.0, 0.0, 1 / 60)) / S > 100 * charm_minute


def test_e76_chl_of_the_last_day_is_all_the_delta_that_is_left() -> None:
    """E-76: repriced at the expiry every fixing is taken; a minute past a day before it, CHL is charm; both sources, each its own."""
    for source in (GreeksSource.SETTLEMENT_AVERAGE, GreeksSource.EUROPEAN):
        legs = [
            call(10, 101_000.0, tau_s=DAY_S + 60),
            call(10, 101_000.0, tau_s=DAY_S - 60),
            put(-4, 99_000.0, tau_s=600.0),
        ]
        book = book_of_legs(legs)
        greeks = book.average if source == GreeksSource.SETTLEMENT_AVERAGE else book.european
        got = exposures(book, SETTINGS, source).by_option[Metric.CHL_24H]
        assert got[0] == pytest.approx(4 * S * greeks.delta[0], rel=1e-12)
        assert got[1] == pytest.approx(-10 * S * greeks.delta[1], rel=1e-12)
        assert got[2] == pytest.approx(10 * S * greeks.charm_per_day[2], rel=1e-12)


def test_past_the_expiry_the_hedge_is_taken_off() -> None:
    """Dealers long a call are short its delta in the underlying: at the end they buy it back, wherever spot has gone."""
    book = book_of_legs([call(100, 99_000.0, tau_s=1_800.0)])
    rungs = ladder(book, SETTINGS)
    delta_usd = 100 * S * float(book.average.delta[0])
    assert np.all(rungs.hpp_usd[1:] == rungs.hpp_usd[1, 0, 0])
    assert rungs.hpp_usd[1, 0, 0] == pytest.approx(delta_usd, rel=1e-5)


def test_european_and_averaged_ladders_part_company_in_the_window() -> None:
    """H7: half way through, spot +0.5 %: the European book still hedges all of an at-the-money option, ours half of it."""
    book = book_of_legs([call(-100, S, tau_s=900.0)])
    ours, theirs = ladder(book, SETTINGS), ladder(book, SETTINGS, GreeksSource.EUROPEAN)
    assert at(theirs, 5.0, 0.0, 0.0) == pytest.approx(50 * S, rel=2e-3)
    assert at(ours, 5.0, 0.0, 0.0) == pytest.approx(25 * S, rel=5e-3)
    assert theirs.label.model == "european_equivalent" and ours.label.model == "settlement_average"


def base(second: float, index: float, vol: float | None, ngi: float | None = -2e6) -> PressureBase:
    """A base whose vanna is 1 million a point and whose time is 1, 5, 15, 60 thousand."""
    return PressureBase(EXPIRY_NS + int(second * NS_PER_S), index, vol, ngi, 1e6, (1e3, 5e3, 15e3, 60e3))


def test_realised_pressure_is_measured_from_the_state_of_its_begin() -> None:
    """1, 5, 15 and 60 minutes, only where the begin is known; NGI, VSS and time of the begin, moves since."""
    log = PressureLog()
    for second in range(0, 901):
        log, found = step_pressure(log, base(second, S * (1 + second / 9e5), 0.5 - second * 1e-5), SETTINGS)
    one, five, quarter, hour = found
    assert hour.move is None and hour.hpp_usd is None
    assert quarter.move is not None
    assert quarter.move.spot_pct == pytest.approx(0.1) and quarter.move.vol_points == pytest.approx(-0.9)
    assert quarter.spot_usd == pytest.approx(2e6 * 0.1) and quarter.vol_usd == pytest.approx(0.9e6)
    assert quarter.time_usd == -15e3 and quarter.hpp_usd == pytest.approx(2e5 + 0.9e6 - 15e3)
    assert five.time_usd == -5e3 and one.time_usd == -1e3
    assert one.move is not None and one.move.days == pytest.approx(1 / 1_440)


def test_a_gap_has_no_realised_pressure_and_old_states_go() -> None:
    log, _ = step_pressure(PressureLog(), base(0, S, 0.5), SETTINGS)
    log, found = step_pressure(log, base(66, S, 0.5), SETTINGS)
    assert found[0].move is None, "the state of a minute ago is six seconds older than asked"
    log, found = step_pressure(log, base(65, S, 0.5), SETTINGS)
    assert len(log.bases) == 2, "one that is not newer replaces nothing"
    log, _ = step_pressure(log, base(4_000, S, 0.5), SETTINGS)
    assert [item.ts_ns for item in log.bases] == [EXPIRY_NS + 4_000 * NS_PER_S]


def test_what_is_not_known_is_in_no_realised_sum() -> None:
    """E-10: without a vol the vanna part is None and left out; without NGI there is no number."""
    log, _ = step_pressure(PressureLog(), base(0, S, None), SETTINGS)
    log, found = step_pressure(log, base(60, S * 1.01, 0.6), SETTINGS)
    assert found[0].vol_usd is None and found[0].hpp_usd == pytest.approx(2e6 * 1.0 - 1e3)
    log, _ = step_pressure(PressureLog(), base(0, S, 0.5, ngi=None), SETTINGS)
    log, found = step_pressure(log, base(60, S, 0.5), SETTINGS)
    assert found[0].hpp_usd is None and found[0].move is not None


def test_the_base_of_a_moment_has_what_time_alone_will_do() -> None:
    """Charm where more than a day is left, else the fixings of the horizon: in the window minutes bring what charm does not know."""
    book = book_of_legs([call(10, 105_000.0), call(3, S, tau_s=1_200.0)])
    found = exposures(book, SETTINGS)
    got = pressure_base(book, found, 0.5, SETTINGS)
    far = float(found.by_option[Metric.CHL_24H, 1])
    after = value_options(
        forward=S, strike=S, sigma=0.5, option_sign=1, next_fixing_s=-60.0 + 4.0 + 60.0, interval_s=4.0, n_fixings=450,
        n_fixed=book.n_fixed[0] + 15, running_sum=(book.n_fixed[0] + 15) * S, engine="closed_form",
    )  # fmt: skip
    near = 3 * S * (float(after.delta) - float(book.average.delta[0]))
    assert got.decay_usd[0] == pytest.approx(near + far / 1_440, rel=1e-6)
    assert got.ngi_usd == found.totals.ngi_usd and got.index_price == S
    hour = -3 * S * float(book.average.delta[0]) + far / 24
    assert got.decay_usd[3] == pytest.approx(hour, rel=1e-6), "after an hour the expiring call is gone"


def test_a_base_needs_no_kernel_that_the_start_has_not_compiled() -> None:
    """A ladder over options in another layout is another specialisation: seconds in which the service says nothing."""
    if not hasattr(ladder_sums, "signatures"):
        skip_or_fail("NUMBA_DISABLE_JIT: nothing is compiled", "REQUIRE_JIT")
    scenarios.warm_up()
    compiled = set(ladder_sums.signatures)
    book = book_of_legs([call(10, 105_000.0), call(3, S, tau_s=1_200.0), put(3, S, tau_s=1_200.0)])
    pressure_base(book, exposures(book, SETTINGS), 0.5, SETTINGS)
    assert set(ladder_sums.signatures) == compiled
