"""The triggers of DESIGN 4 on hand-written logs (C6 to C14, E-52, E-59, E-70, E-75)."""

from __future__ import annotations

import pytest

from schemas import ForwardQuote, ForwardSource, InstrumentStatus, RowStatus, SigmaSource, Trigger
from streams.engine import EngineSettings
from streams.engine.triggers import phase_of
from tests.logs import CALL, EXPIRIES, FORWARD, NS, PUT, START_NS, Log, expiry_of, future_of, ns, rows

GRID_NS = 500_000_000
SHIFT_NS = GRID_NS * 3 // 16  # partition 3


def made(log: Log, name: str = CALL) -> list[tuple[Trigger, float]]:
    """(trigger, seconds) of an instrument's rows after the snapshot's."""
    return [
        (row.trigger, (row.ts_event_ns - START_NS) / NS)
        for row in rows(log.run(), name)
        if row.trigger != Trigger.SNAPSHOT
    ]


def test_every_change_of_bid_or_ask_is_computed_at_once() -> None:
    """Trigger 1 (C6, C13): never throttled."""
    log = Log().ready()
    for i in range(5):
        log.quote(CALL, at=0.1 * (i + 1), bid=0.0330 + 0.0005 * i)
    log.quote(CALL, at=0.6, bid=0.0330 + 0.0005 * 4, ask=None)
    assert made(log) == [(Trigger.QUOTE, round(0.1 * (i + 1), 1)) for i in range(6)]


def test_bids_are_compared_in_ticks_of_the_instrument() -> None:
    """E-70: float noise and sizes are no change; half a tick (0.00025) is the line."""
    log = Log().ready()
    log.quote(CALL, at=0.1, bid=0.0325 + 1e-9, bid_size=7.0)
    log.quote(CALL, at=0.2, bid=0.0325 + 0.0002)
    assert made(log) == []
    log.quote(CALL, at=0.3, bid=0.0325 + 0.0002 + 0.0005)
    assert made(log) == [(Trigger.QUOTE, 0.3)]


def test_marks_are_throttled_with_leading_and_trailing_edge() -> None:
    """Trigger 2 (C11, C14, E-52): the last state of a burst is always computed."""
    log = Log().ready()
    for i in range(1, 8):  # 0.1 .. 0.7
        log.quote(CALL, at=0.1 * i, mark=0.0330 + 0.0002 * i)
    log.clock(1)
    log.clock(2)
    assert made(log) == [(Trigger.MARK, 0.1), (Trigger.MARK, 1.1)]
    assert rows(log.run(), CALL)[-1].mark == 0.0330 + 0.0002 * 7


def test_the_trailing_edge_is_the_beginning_of_the_next_second() -> None:
    log = Log().ready()
    for i in range(1, 30):
        if i % 10 == 0:
            log.clock(i // 10)
        log.quote(CALL, at=0.1 * i, mark=0.0330 + 0.0002 * i)
    log.clock(6)
    assert made(log) == [(Trigger.MARK, 0.1), (Trigger.MARK, 1.1), (Trigger.MARK, 2.1), (Trigger.MARK, 3.1)]


def test_bids_are_computed_while_marks_are_throttled() -> None:
    """C13."""
    log = Log().ready()
    log.quote(CALL, at=0.1, mark=0.0340)
    log.quote(CALL, at=0.2, mark=0.0350)
    log.quote(CALL, at=0.3, mark=0.0350, bid=0.0330)
    assert made(log) == [(Trigger.MARK, 0.1), (Trigger.QUOTE, 0.3)]


def test_a_mark_change_under_its_threshold_arms_nothing_and_slow_drift_passes_it() -> None:
    """C12, E-59: compared with the input of the last calculation, not with the last tick."""
    log = Log().ready()
    log.quote(CALL, at=0.1, mark=0.0330 * 1.0005)
    log.clock(2)
    assert made(log) == []
    log.quote(CALL, at=2.5, mark=0.0330 * 1.0009)
    log.clock(3)
    assert made(log) == []
    log.quote(CALL, at=3.5, mark=0.0330 * 1.0012)
    assert made(log) == [(Trigger.MARK, 3.5)]


def test_an_armed_trailing_edge_computes_even_when_the_mark_came_back() -> None:
    log = Log().ready()
    log.quote(CALL, at=0.1, mark=0.0340)
    log.quote(CALL, at=0.2, mark=0.0350)
    log.quote(CALL, at=0.3, mark=0.0340)
    log.clock(2)
    assert made(log) == [(Trigger.MARK, 0.1), (Trigger.MARK, 1.1)]


def test_a_change_of_last_is_a_mark_trigger() -> None:
    log = Log().ready()
    log.quote(CALL, at=0.1, last=0.0331)
    assert made(log) == [(Trigger.MARK, 0.1)]


def forward_at(log: Log, at: float, forward: float) -> None:
    source = ForwardSource.SYNTHETIC
    log.underlying(at, forwards=[ForwardQuote(EXPIRIES["19APR23"] * NS, forward, source, ns(at))])


def first_grid_after(at: float) -> float:
    now = ns(at)
    t = now + GRID_NS - (now - SHIFT_NS) % GRID_NS
    return (t - START_NS) / NS


def test_a_moved_forward_reprices_liquid_options_on_the_grid_at_their_sticky_vol() -> None:
    """Trigger 3 (C7, C10, E-50): at the next grid point of log time, no vol is solved."""
    log = Log().ready()
    log.clock(1)
    forward_at(log, 1.5, FORWARD * 1.001)
    log.clocks(2, 3)
    assert made(log) == [(Trigger.UNDERLYING, first_grid_after(1.5))]
    first, moved = rows(log.run(), CALL)
    assert (moved.forward, moved.forward_source) == (FORWARD * 1.001, ForwardSource.SYNTHETIC)
    assert (moved.sigma, moved.sigma_source) == (first.sigma, SigmaSource.STICKY)
    assert moved.sigma_age_ms == (moved.ts_event_ns - ns(0)) / 1e6
    assert (moved.sigma_bid, moved.sigma_mark) == (first.sigma_bid, first.sigma_mark)
    assert (moved.price_usd or 0) > (first.price_usd or 0)


def test_a_forward_that_moves_less_than_a_basis_point_reprices_nothing_until_it_adds_up() -> None:
    """Compared with the forward of the option's last calculation."""
    log = Log().ready()
    log.clock(1)
    forward_at(log, 1.2, FORWARD * 1.00008)
    log.clock(2)
    assert made(log) == []
    forward_at(log, 2.2, FORWARD * 1.00016)
    log.clock(3)
    assert made(log) == [(Trigger.UNDERLYING, first_grid_after(2.2))]


@pytest.mark.parametrize(
    ("bid", "ask", "at", "is_traded", "is_liquid"),
    [
        (0.0325, 0.0335, 1.5, False, True),
        (0.0325, 0.0335, 29.5, False, True),
        (0.0325, 0.0335, 31.5, False, False),  # unchanged for 30 s
        (0.0325, 0.0335, 31.5, True, True),  # ... but traded
        (0.0300, 0.0335, 1.5, False, False),  # 11 % wide
        (None, 0.0335, 1.5, False, False),
        (0.0335, 0.0325, 1.5, False, False),  # crossed
    ],
)
def test_only_liquid_options_follow_the_underlying(
    bid: float | None, ask: float, at: float, is_traded: bool, is_liquid: bool
) -> None:
    """Traded within 30 s, or two-sided, changed within 30 s and tight (C7, C30, E-75)."""
    log = Log()
    log.clock(0)
    log.contract()
    log.quote(bid=bid, ask=ask)
    log.set(n_here=1)
    if is_traded:
        log.clock(8)
        log.trade(at=8.0, price=0.0330)
    log.clock(int(at))
    forward_at(log, at, FORWARD * 1.001)
    log.clocks(int(at) + 1, int(at) + 2)
    results = [row for row in rows(log.run()) if row.trigger == Trigger.UNDERLYING]
    assert bool(results) == is_liquid
    assert all(row.is_liquid for row in results)


def test_a_fixing_reprices_the_expiring_series_of_its_price_index() -> None:
    """Trigger 4 (rule 7): that series only, liquid or not, both numbers from the record."""
    name, linear = "BTC-12APR23-30000-C", "BTC_USDC-12APR23-30000-C"
    log = Log().ready(name, CALL, linear, at=1_840.0)
    expiry_ns = expiry_of(name) or 0
    log.fixing(1_840.5, expiry_ns, 10, 10 * 29_990.0, n_imputed=2)
    (row,) = [row for row in rows(log.run()) if row.trigger == Trigger.FIXING]
    assert (row.instrument_name, row.n_fixed, row.running_sum, row.n_imputed) == (name, 10, 10 * 29_990.0, 2)
    assert (row.n_fixings, row.sigma_source) == (450, SigmaSource.STICKY)


def test_illiquid_options_are_repriced_half_a_minute_after_their_time() -> None:
    """Trigger 6 (C9): not the liquid ones."""
    log = Log().ready(CALL, PUT)
    for at in range(1, 181):
        log.clock(at)
        log.quote(PUT, at=at + 0.5, bid=0.0320 if at % 2 else 0.0325)
    phase_ns = phase_of(CALL, EngineSettings()) + 30 * NS
    # The first half minute is liquid: its quote has just changed.
    want = [(t - START_NS) / NS for t in range(ns(30), ns(180), NS // 1_000) if (t - phase_ns) % (60 * NS) == 0]
    assert [at for trigger, at in made(log, CALL) if trigger == Trigger.ILLIQUID] == want
    assert len(want) >= 2
    assert not [at for trigger, at in made(log, PUT) if trigger == Trigger.ILLIQUID]


def test_futures_have_delta_one_and_the_rest_zero_on_underlying_and_time() -> None:
    """C34, E-53: written by the partition that owns the name, so that positions can be summed from one topic."""
    log = Log().ready(CALL)
    for name in ("BTC-PERPETUAL", "BTC-28APR23"):
        log.contract(name)
    log.clock(1)
    log.underlying(1.2, futures=[future_of("BTC-PERPETUAL", 1.2, 30_010.0), future_of("BTC-28APR23", 1.2, 30_100.0)])
    log.clock(2)
    log.underlying(2.2, futures=[future_of("BTC-PERPETUAL", 2.2, 30_011.0), future_of("BTC-28APR23", 2.2, 30_200.0)])
    log.clock(3)
    assert [t for t, _ in made(log, "BTC-PERPETUAL")] == [Trigger.UNDERLYING]  # a third of a basis point
    assert [t for t, _ in made(log, "BTC-28APR23")] == [Trigger.UNDERLYING] * 2
    row = rows(log.run(), "BTC-28APR23")[-1]
    assert (row.price_usd, row.price_coin, row.delta, row.forward) == (30_200.0, 1.0, 1.0, 30_200.0)
    zeros = (row.gamma_per_usd, row.vega_usd_per_point, row.theta_usd_per_day, row.rho_usd_per_pct, row.vanna_per_point,
             row.charm_per_day, row.volga_usd_per_point2, row.roll_delta_per_fixing)  # fmt: skip
    assert zeros == (0.0,) * 8
    assert (row.contract_size, row.contract_size_unit, row.premium_unit, row.sigma) == (10.0, "usd", "usd", None)
    log.clocks(4, 70)
    assert Trigger.TIME in {t for t, _ in made(log, "BTC-PERPETUAL")}


def test_a_change_of_the_instruments_state_shows_at_its_next_trigger() -> None:
    """DESIGN 4: rows are written by triggers only."""
    log = Log().ready()
    log.contract(at=1.0, is_snapshot=False, status=InstrumentStatus.SUSPENDED)
    log.clock(2)
    assert made(log) == []
    log.quote(at=2.5, bid=0.0330)
    row = rows(log.run())[-1]
    assert (row.trigger, row.status, row.price_usd) == (Trigger.QUOTE, RowStatus.NOT_OPEN, None)
