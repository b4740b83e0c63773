"""When a vol is solved, when an old one is used again, and what a row says of it (C15 to C18, E-50, E-51, E-59)."""

from __future__ import annotations

import pytest

from pricers import implied_vols
from schemas import ForwardQuote, ForwardSource, Greeks, InstrumentStatus, RowStatus, SigmaSource, Trigger
from tests.logs import CALL, DAY_S, EXPIRIES, FORWARD, NS, Log, ns, rows

EXPIRING = "BTC-12APR23-30000-C"
TINY = {"bid": 0.0005, "ask": None, "mark": None}
"""A quote whose bid lies far below any vol at the money: it says nothing."""


def inverse_sigma(premium_coin: float, forward: float, at_s: float, word: str = "19APR23") -> float:
    """The pricer's own answer for a premium of the 30 000 call in coin, at a forward and a moment, nothing fixed."""
    solved = implied_vols(
        price_usd=premium_coin * forward, forward=forward, strike=30_000.0, option_sign=1.0, payoff="inverse",
        next_fixing_s=(EXPIRIES[word] * NS - 449 * 4 * NS - ns(at_s)) / NS, interval_s=4.0, n_fixings=450,
    )  # fmt: skip
    return float(solved.sigma)


def timed(log: Log) -> list[Greeks]:
    return [row for row in rows(log.run()) if row.trigger == Trigger.TIME]


def forward_at(log: Log, at: float, forward: float) -> None:
    """A fresh forward of the 19 April expiry."""
    log.underlying(
        at, forward, forwards=[ForwardQuote(EXPIRIES["19APR23"] * NS, forward, ForwardSource.PARITY, ns(at))]
    )


def test_an_unchanged_quote_is_not_solved_again_under_a_moved_forward() -> None:
    """C15, C17, E-50, E-51: an hour without a change asks for no fresh vol, which would be a wrong one: of a stale price."""
    log = Log().ready()
    for at in range(60, 3_661, 60):
        log.clock(at)
        forward_at(log, at, FORWARD * 1.01)
    first, *later = rows(log.run())
    assert {row.trigger for row in later} >= {Trigger.TIME, Trigger.ILLIQUID}
    assert {(row.sigma, row.sigma_source, row.sigma_bid) for row in later} == {
        (first.sigma, SigmaSource.STICKY, first.sigma_bid)
    }
    assert [row.sigma_age_ms for row in later] == [(row.ts_event_ns - ns(0)) / 1e6 for row in later]
    assert later[-1].forward == FORWARD * 1.01
    # 7 days, vol near 60 %: the same price under a forward 1 % higher is 50 % (E-50)
    wrong = inverse_sigma(0.0330 / 1.01, FORWARD * 1.01, 3_600.0)
    assert (first.sigma or 0.0) - wrong > 0.08


def test_a_quote_that_could_not_be_priced_is_solved_as_soon_as_it_can_be() -> None:
    """C18: not at the vol of before the suspension while a newer quote lies there unsolved."""
    log = Log().ready()
    log.clocks(1, 3)
    log.contract(at=3.1, is_snapshot=False, status=InstrumentStatus.SUSPENDED)
    log.quote(at=3.2, bid=0.0425, ask=0.0435, mark=0.0430)
    log.contract(at=3.3, is_snapshot=False)
    log.clocks(4, 70)
    (row,) = timed(log)
    assert row.sigma_source == SigmaSource.BID_ASK_MID
    assert row.sigma_bid == pytest.approx(inverse_sigma(0.0425, FORWARD, 3.2), rel=1e-9)
    assert row.sigma_age_ms == (row.ts_event_ns - ns(3.2)) / 1e6


def test_a_contract_that_turns_out_to_be_another_is_solved_anew() -> None:
    """C17, C42: the quote has not moved; the vol that it had under the other strike is none of this contract."""
    log = Log().ready()
    log.clock(1)
    log.contract(at=1.5, is_snapshot=False, strike=30_500.0)
    log.clocks(2, 70)
    row = timed(log)[0]
    at_s = (EXPIRIES["19APR23"] * NS - 449 * 4 * NS - ns(0)) / NS
    solved = implied_vols(
        price_usd=0.0325 * FORWARD, forward=FORWARD, strike=30_500.0, option_sign=1.0, payoff="inverse",
        next_fixing_s=at_s, interval_s=4.0, n_fixings=450,
    )  # fmt: skip
    assert (row.strike, row.sigma_source) == (30_500.0, SigmaSource.BID_ASK_MID)
    assert row.sigma_bid == pytest.approx(float(solved.sigma), rel=1e-9)


def test_small_moves_of_a_bid_add_up() -> None:
    """E-59, E-70: compared with the bid of the last calculation; a tick is 0.0005."""
    log = Log().ready()
    for i in (1, 2, 3):
        log.quote(at=0.1 * i, bid=0.0325 + 0.0002 * i)
    assert [row.ts_event_ns for row in rows(log.run()) if row.trigger == Trigger.QUOTE] == [ns(0.2)]


def test_yesterdays_vol_is_never_todays_silently() -> None:
    """C18: a night without the venue: the vol has its age, the row is stale, until the option is seen again."""
    log = Log().ready()
    log.clocks(1, 2)
    log.clock(DAY_S)
    log.underlying(DAY_S, FORWARD * 1.02)
    log.gap(at=DAY_S, from_s=2.0, to_s=DAY_S - 1.0)
    log.clock(DAY_S + 61)
    over_night = timed(log)[-1]
    assert (over_night.sigma_source, over_night.is_stale) == (SigmaSource.STICKY, True)
    assert (over_night.sigma_age_ms or 0) >= 86_400_000
    log.quote(at=DAY_S + 61.5, bid=0.0445, ask=0.0455, mark=0.0450, underlying_price=FORWARD * 1.02)
    today = rows(log.run())[-1]
    assert (today.sigma_source, today.sigma_age_ms, today.is_stale) == (SigmaSource.BID_ASK_MID, 0.0, False)
    assert today.sigma_bid == pytest.approx(inverse_sigma(0.0445, FORWARD * 1.02, DAY_S + 61.5), rel=1e-9)


@pytest.mark.parametrize(("has_moved", "source"), [(False, SigmaSource.LAST_TRADE), (True, SigmaSource.STICKY)])
def test_a_trade_from_before_a_move_is_no_source_when_the_forward_has_come_back(
    has_moved: bool, source: SigmaSource
) -> None:
    """E-51: younger than the last move of the spot, not: at the same spot."""
    log = Log().ready()
    log.trade(at=0.5, price=0.0330)
    log.clocks(1, 2)
    if has_moved:
        log.quote(at=2.1, underlying_price=FORWARD * 1.01, bid=0.0365, ask=0.0375, mark=0.0370)
    log.quote(at=2.6, underlying_price=FORWARD, **TINY)
    row = rows(log.run())[-1]
    assert (row.trigger, row.sigma_source) == (Trigger.QUOTE, source)


@pytest.mark.parametrize("ready_s", [1_200.0, 2_000.0])
def test_a_trade_met_by_a_cold_engine_is_solved_with_the_time_that_was_left_when_it_was_made(ready_s: float) -> None:
    """An hour before expiry, ready 20 minutes later or in the window: with that moment's time its vol would be half as much again."""
    log = Log()
    log.clock(0)
    log.contract(EXPIRING)
    log.quote(EXPIRING)
    log.trade(EXPIRING, at=0.5, price=0.0040)
    log.clock(ready_s)
    log.underlying(ready_s)
    if ready_s > 1_800.0:
        log.fixing(ready_s, EXPIRIES["12APR23"] * NS, 50, 50 * FORWARD)
    log.set(at=ready_s, n_here=1)
    (row,) = rows(log.run())
    assert (row.trigger, row.sigma_last_status) == (Trigger.SNAPSHOT, RowStatus.OK)
    assert row.sigma_last == pytest.approx(inverse_sigma(0.0040, FORWARD, 0.5, "12APR23"), rel=1e-9)


def test_the_venues_vol_and_greeks_stand_beside_ours_and_change_none_of_them() -> None:
    """C47, E-51, E-73: only the digits of a mark may come from its vol, and none do where bid and ask decide."""
    wild = {
        "mark_sigma": 3.0,
        "venue_delta": -7.0,
        "venue_gamma": 9.0,
        "venue_vega": 8.0,
        "venue_theta": 7.0,
        "venue_rho": 6.0,
    }
    plain, told = (rows(Log().ready().run())[-1], None)
    log = Log()
    log.clock(0)
    log.underlying()
    log.contract()
    log.quote(CALL, **wild)
    log.set(n_here=1)
    told = rows(log.run())[-1]
    assert (told.venue_sigma, told.venue_delta, told.venue_rho) == (3.0, -7.0, 6.0)
    ours = [name for name in Greeks._fields if not name.startswith("venue_")]
    assert {name: getattr(told, name) for name in ours} == {name: getattr(plain, name) for name in ours}
