"""Rules 7 and 8 of the market log: the settlement average, before, through and after an outage; expiry; and the forwards of rule 9.

Expected numbers come from sums written here, never from the fold.
"""

from __future__ import annotations

import pytest

from pricers import settlement
from schemas import (
    Clock,
    ForwardSource,
    InstrumentState,
    InstrumentStatus,
    OptionTrade,
    SettlementFixing,
    UnderlyingQuote,
)
from streams.deribit import events as ev
from streams.ingest import core
from streams.ingest.core.fixings import RULES, Window
from tests.ingest_world import (
    CALL,
    MS,
    OTHER,
    PUT,
    S,
    World,
    at,
    future,
    index,
    instrument,
    listing,
    quote,
    recovered,
    trade,
)

EXPIRING_CALL, EXPIRING_PUT = "BTC-13APR23-30000-C", "BTC-13APR23-30000-P"
NAMES = (EXPIRING_CALL, EXPIRING_PUT, CALL)
EXPIRY = at("08:00:00")
OPENING = at("07:30:00")
N = 450


def fixings(world: World) -> list[SettlementFixing]:
    return world.records(SettlementFixing)


def running(start_ns: int) -> World:
    return World(start_ns=start_ns).start(NAMES)


def prices_to(world: World, first_ns: int, last_ns: int, step_ns: int = S, price: float = 30_000.0) -> None:
    """An index print every second, each a dollar above the one before."""
    for i, ts_ns in enumerate(range(first_ns, last_ns + 1, step_ns)):
        world.live(index(ts_ns, price + i))


def test_rule_7_no_fixing_before_the_window_and_the_first_at_its_first_grid_point() -> None:
    world = running(at("07:29:50"))
    prices_to(world, at("07:29:55"), at("07:30:05"))
    (first,) = fixings(world)
    assert (first.grid_index, first.grid_ns, first.n_fixed) == (1, OPENING + 4 * S, 1)
    assert (first.price_index, first.expiry_ns) == ("btc_usd", EXPIRY)
    assert first.price == first.running_sum == 30_000.0 + 9, "the print of 07:30:04 itself is at the grid point"
    assert (first.is_imputed, first.n_imputed, first.is_from_estimate) == (False, 0, False)


def test_rule_7_a_fixing_samples_the_newest_print_at_or_before_its_grid_point() -> None:
    world = running(at("07:30:55"))
    world.live(
        index(at("07:31:01"), 1.0),
        index(at("07:31:03.900000"), 2.0),
        index(at("07:31:04.050000"), 3.0),
        index(at("07:31:05"), 4.0),
    )
    fixing = next(f for f in fixings(world) if f.grid_ns == at("07:31:04"))
    assert (fixing.price, fixing.is_imputed) == (2.0, False)


def test_rule_7_without_a_print_in_the_interval_the_last_known_index_is_imputed() -> None:
    world = running(at("07:29:50"))
    world.live(index(at("07:30:00"), 29_000.0), index(at("07:30:04"), 30_000.0))
    world.pass_to(at("07:30:20"))
    world.live(index(at("07:30:21"), 31_000.0))
    world.pass_to(at("07:30:26"))
    found = [(f.grid_index, f.price, f.is_imputed, f.n_fixed, f.n_imputed, f.running_sum) for f in fixings(world)]
    assert found == [
        (1, 30_000.0, False, 1, 0, 30_000.0),
        (2, 30_000.0, True, 2, 1, 60_000.0),
        (3, 30_000.0, True, 3, 2, 90_000.0),
        (4, 30_000.0, True, 4, 3, 120_000.0),
        (5, 30_000.0, True, 5, 4, 150_000.0),
        (6, 31_000.0, False, 6, 4, 181_000.0),
    ]


def test_rule_7_every_grid_point_up_to_t_stands_before_clock_t() -> None:
    world = running(at("07:29:50"))
    prices_to(world, at("07:29:55"), at("07:31:00"))
    seen = 0
    for out in world.outs:
        if isinstance(out.record, SettlementFixing):
            seen += 1
            assert out.record.grid_index == seen
        elif isinstance(out.record, Clock):
            assert seen == max(0, (out.record.ts_event_ns - OPENING) // (4 * S))
    assert seen == 14


def test_rule_7_the_whole_window_has_450_points_and_ends_at_the_expiry() -> None:
    world = World(start_ns=at("07:29:50"), clock="venue", currencies=("BTC",))
    world.connect(NAMES)
    prices = {ts_ns: 30_000.0 + (ts_ns // S) % 17 for ts_ns in range(at("07:29:56"), EXPIRY + 4 * S, 2 * S)}
    for ts_ns, price in prices.items():
        world.give(index(ts_ns, price))
    found = fixings(world)
    assert [f.grid_index for f in found] == list(range(1, N + 1))
    assert found[-1].grid_ns == EXPIRY
    assert found[-1].running_sum == pytest.approx(sum(prices[OPENING + 4 * S * i] for i in range(1, N + 1)), rel=1e-12)
    assert not any(f.is_imputed for f in found)
    place = [type(out.record) for out in world.outs].index(Clock, [out.record for out in world.outs].index(found[-1]))
    assert world.outs[place].record.ts_event_ns == EXPIRY


def test_rule_7_a_restart_goes_on_from_the_last_fixing_of_the_log() -> None:
    last_clock = at("07:40:01")
    known = SettlementFixing(
        at("07:40:00"), 3, 9, "btc_usd", EXPIRY, 150, at("07:40:00"), 30_000.0, False, 150, 4_500_000.0, 2, False, None
    )
    world = World(
        recovered(last_clock, fixings=(known,), index_prices={"btc_usd": (at("07:40:00"), 30_000.0)}),
        start_ns=at("07:40:13"),
    )
    world.connect(NAMES)
    world.live(index(at("07:40:14"), 30_300.0), index(at("07:40:17"), 30_500.0))
    assert [(f.grid_index, f.price, f.is_imputed) for f in fixings(world)] == [
        (151, 30_000.0, True),
        (152, 30_000.0, True),
        (153, 30_000.0, True),
        (154, 30_300.0, False),
    ]
    assert fixings(world)[-1].running_sum == pytest.approx(4_500_000.0 + 3 * 30_000.0 + 30_300.0)
    assert fixings(world)[-1].n_imputed == 2 + 3


def test_rule_7_after_more_than_a_minute_away_the_average_comes_from_the_venues_estimate() -> None:
    last_clock = at("07:36:00")
    known = SettlementFixing(
        last_clock, 3, 9, "btc_usd", EXPIRY, 90, last_clock, 30_000.0, False, 90, 90 * 30_000.0, 0, False, None
    )
    world = World(recovered(last_clock, fixings=(known,)), start_ns=at("07:45:00.500000"))
    world.connect(NAMES)
    assert [type(o.record) for o in world.outs][:1] == [Clock]
    assert world.outs[0].record.ts_event_ns == last_clock, "nothing is late: the new Clock waits for what was due"
    # 225 of 450 points are over; their true mean is 30 100, the index is 30 200.
    average, price = 30_100.0, 30_200.0
    estimate = (225 * average + 225 * price) / N
    held = world.give(trade(at("07:45:00"), 5, EXPIRING_CALL), index(at("07:45:00.400000"), price))
    assert not held, "a record now would be bounded by a Clock of nine minutes ago"
    world.give(ev.DeliveryEstimate("btc_usd", at("07:45:00.450000"), estimate, 900.0, True))
    world.pass_to(at("07:45:01"))
    found = fixings(world)
    assert [f.grid_index for f in found] == list(range(91, 226))
    assert all(f.is_from_estimate and f.is_imputed for f in found)
    assert found[-1].running_sum == pytest.approx(225 * average, rel=1e-12)
    assert found[-1].n_fixed == 225
    new_clocks = [c.ts_event_ns for c in world.records(Clock)][1:]
    assert new_clocks[0] == at("07:45:00"), "one Clock at the new time; the seconds between do not exist"
    order = [type(o.record).__name__ for o in world.outs]
    assert order.index("OptionTrade") > order.index("SettlementFixing")
    (trade_out,) = [o for o in world.outs if type(o.record).__name__ == "OptionTrade"]
    assert trade_out.log_times_ns == (at("07:45:00"),)


def test_rule_7_a_new_log_that_starts_inside_the_window_takes_the_past_from_the_estimate() -> None:
    world = World(start_ns=at("07:37:30"))
    world.connect(NAMES)
    world.give(index(world.now_ns, 30_000.0), ev.DeliveryEstimate("btc_usd", world.now_ns, 29_925.0, 1_350.0, True))
    world.pass_to(at("07:37:31"))
    found = fixings(world)
    clocks = [c.ts_event_ns for c in world.records(Clock)]
    assert clocks[0] == OPENING, "before the first grid point, so that every Clock keeps the rule"
    # w = 112/450 at 07:37:28: 29 925 = w avg + (1 - w) 30 000.
    assert found[-1].n_fixed == 112
    assert found[-1].running_sum / 112 == pytest.approx(30_000.0 - 75.0 * 450 / 112, rel=1e-12)


def test_rule_7_without_an_estimate_the_missed_points_are_imputed_after_a_while() -> None:
    last_clock = at("07:36:00")
    known = SettlementFixing(
        last_clock, 3, 9, "btc_usd", EXPIRY, 90, last_clock, 30_000.0, False, 90, 90 * 30_000.0, 0, False, None
    )
    world = World(recovered(last_clock, fixings=(known,)), start_ns=at("07:45:00"))
    world.connect(NAMES)
    world.live(index(at("07:45:01"), 31_000.0))
    assert not fixings(world)
    world.pass_to(at("07:45:13"))
    found = fixings(world)
    assert len(found) >= 135 and all(f.is_imputed and not f.is_from_estimate for f in found[:135])


def test_rule_7_an_impossible_estimate_is_not_believed() -> None:
    last_clock = at("07:36:00")
    known = SettlementFixing(
        last_clock, 3, 9, "btc_usd", EXPIRY, 90, last_clock, 30_000.0, False, 90, 90 * 30_000.0, 0, False, None
    )
    world = World(recovered(last_clock, fixings=(known,)), start_ns=at("07:45:00"))
    world.connect(NAMES)
    world.give(index(world.now_ns, 30_000.0), ev.DeliveryEstimate("btc_usd", world.now_ns, 60_000.0, 900.0, True))
    world.pass_to(at("07:45:02"))
    assert fixings(world) and not any(f.is_from_estimate for f in fixings(world))


def test_rule_7_the_venues_estimate_is_kept_as_the_cross_check() -> None:
    world = running(at("07:29:50"))
    prices_to(world, at("07:29:56"), at("07:30:07"))
    world.give(ev.DeliveryEstimate("btc_usd", at("07:30:07.500000"), 30_011.0, 1792.0, True))
    prices_to(world, at("07:30:08"), at("07:30:09"), price=30_020.0)
    world.pass_to(at("07:30:14"))
    by_grid = {f.grid_index: f.venue_estimate for f in fixings(world)}
    assert by_grid[2] == 30_011.0
    assert by_grid[1] is None and by_grid[3] is None, "an estimate of another moment is none"


def test_rule_7_the_rules_are_those_of_the_pricers() -> None:
    for rule_id, rule in RULES.items():
        theirs = settlement.RULES[rule_id]
        assert (rule.n_fixings, rule.interval_ns) == (theirs.n_fixings, theirs.interval_ns)
        for now_ns in (OPENING - S, OPENING, OPENING + 7 * S, EXPIRY - 1, EXPIRY, EXPIRY + S):
            assert Window("btc_usd", EXPIRY, rule).n_due(now_ns) == settlement.n_due(EXPIRY, theirs, now_ns)
        assert [Window("btc_usd", EXPIRY, rule).grid_ns(i) for i in (1, 2, rule.n_fixings)] == [
            settlement.grid_ns(EXPIRY, theirs, i) for i in (1, 2, rule.n_fixings)
        ]
    assert set(settlement.RULES) - set(RULES) == {"last-fixing"}, "which has no window"


def test_rule_7_a_series_is_sampled_by_its_own_rule() -> None:
    world = World(start_ns=at("07:29:50"))
    old = instrument(EXPIRING_CALL)._replace(settlement_rule="deribit-30min-6s")
    world.connect(())
    world.give(ev.InstrumentList("BTC", (old,), 0))
    prices_to(world, at("07:29:55"), at("07:30:20"))
    assert [f.grid_ns for f in fixings(world)] == [at("07:30:06"), at("07:30:12"), at("07:30:18")]
    resumed = World(recovered(at("07:30:18"), fixings=(fixings(world)[-1],)), start_ns=at("07:30:20"))
    resumed.connect((CALL,))
    resumed.live(index(at("07:30:23"), 1.0), index(at("07:30:25"), 2.0))
    assert [(f.grid_index, f.grid_ns, f.price) for f in fixings(resumed)] == [(4, at("07:30:24"), 1.0)]


def test_rule_7_each_price_index_has_its_own_average() -> None:
    world = World(start_ns=at("07:29:50"), currencies=("BTC", "ETH"))
    world.connect((EXPIRING_CALL,))
    world.give(listing(("ETH-13APR23-2000-C", "ETH-14APR23-2000-C"), "ETH"))
    world.pass_to(at("07:29:58"))
    world.live(
        index(at("07:30:03"), 30_000.0),
        index(at("07:30:03.500000"), 2_000.0, "eth_usd"),
        index(at("07:30:05"), 30_001.0),
    )
    assert {(f.price_index, f.price) for f in fixings(world)} == {("btc_usd", 30_000.0), ("eth_usd", 2_000.0)}


# ---- rule 8


def test_rule_8_the_clock_at_the_expiry_ends_the_instrument_and_the_venues_price_follows() -> None:
    world = running(at("07:59:50"))
    prices_to(world, at("07:59:55"), at("08:00:02"))
    assert [c.ts_event_ns for c in world.records(Clock)][-1] >= EXPIRY
    outcomes = world.pass_to(at("08:00:20"))
    assert core.GetDeliveryPrices("btc_usd") in outcomes
    assert core.GetInstruments("BTC") in outcomes, "new series are listed at the expiry"
    outcomes = world.give(
        ev.DeliveryPrices(
            "btc_usd", (ev.DeliveryPrice("btc_usd", EXPIRY, 30_123.45), ev.DeliveryPrice("btc_usd", 1, 2.0))
        )
    )
    states = world.records(InstrumentState, outcomes)
    assert {(s.instrument_name, s.delivery_price, s.status) for s in states} == {
        (EXPIRING_CALL, 30_123.45, InstrumentStatus.SETTLED),
        (EXPIRING_PUT, 30_123.45, InstrumentStatus.SETTLED),
    }
    assert core.GetDeliveryPrices("btc_usd") not in world.pass_to(at("08:03:00")), "known: not asked again"


def test_rule_8_expired_instruments_are_in_no_later_snapshot() -> None:
    world = running(at("07:59:50"))
    prices_to(world, at("07:59:55"), at("08:00:02"))
    world.give(listing(NAMES))  # a late answer that still has them
    outcomes = world.pass_to(at("08:02:10"))
    names = {s.instrument_name for s in world.records(InstrumentState, outcomes) if s.is_snapshot}
    assert names == {CALL}


def test_rule_6_a_trade_repeated_after_its_expiry_is_written_once() -> None:
    world = running(at("07:59:50"))
    last = trade(at("07:59:59"), 7, EXPIRING_CALL)
    world.live(last)
    prices_to(world, at("08:00:00"), at("08:00:03"))
    world.give(last, trade(at("07:59:59"), 8, EXPIRING_CALL))
    world.pass_to(at("08:30:00"), every_ns=S)
    world.give(last)
    assert [t.trade_seq for t in world.records(OptionTrade)] == [7, 8]
    world.pass_to(at("09:00:05"), every_ns=S)
    assert EXPIRING_CALL not in world.state.ledger.by_name, "not for ever"


def test_rule_6_what_waits_for_the_clock_after_a_sleep_is_written_by_a_stop() -> None:
    """Inside a settlement window that Clock waits for the venue's estimate, 10 s at most; a stop does not."""
    world = running(at("07:40:00"))
    slept_ns = world.now_ns + 600 * S
    world.give(ev.VenueTime(slept_ns, world.now_ns, world.now_ns), index(slept_ns), trade(slept_ns, 1, CALL))
    assert not world.records(OptionTrade)
    world.give(core.Stop(world.now_ns))
    assert [t.trade_seq for t in world.records(OptionTrade)] == [1]
    assert world.records(Clock)[-1].ts_event_ns >= slept_ns - S


# ---- rule 9: forwards


def forwards(world: World, source: ForwardSource) -> dict[int, float]:
    complete = [u for u in world.records(UnderlyingQuote) if u.is_complete]
    return {f.expiry_ns: f.forward for f in complete[-1].forwards if f.source == source}


def chain(ts_ns: int, forward: float, strikes: tuple[float, ...], expiry: str = "14APR23") -> list[object]:
    """Calls and puts in coin with c - p = 1 - K/F exactly, two-sided."""
    quotes = []
    for strike in strikes:
        call_mid, put_mid = 0.05 + max(0.0, 1.0 - strike / forward), 0.05 + max(0.0, strike / forward - 1.0)
        for letter, mid in (("C", call_mid), ("P", put_mid)):
            quotes.append(quote(ts_ns, f"BTC-{expiry}-{strike:.0f}-{letter}", bid=mid - 0.001, ask=mid + 0.001))
    return quotes


def test_rule_9_put_call_parity_gives_the_forward_of_coin_settled_options() -> None:
    world = World(start_ns=at("12:00:00")).start()
    world.live(index(at("12:00:05"), 30_000.0))
    world.give(*chain(at("12:00:05"), 30_250.0, (28_000.0, 29_000.0, 30_000.0, 31_000.0, 32_000.0)))
    world.pass_to(at("12:00:07"))
    assert forwards(world, ForwardSource.PARITY)[at("2023-04-14T08:00:00")] == pytest.approx(30_250.0, rel=1e-12)


def test_rule_9_the_parity_forward_is_robust_against_one_bad_quote_and_one_empty_side() -> None:
    world = World(start_ns=at("12:00:00")).start()
    world.live(index(at("12:00:05"), 30_000.0))
    quotes = chain(at("12:00:05"), 30_250.0, (28_000.0, 29_000.0, 30_000.0, 31_000.0, 32_000.0))
    quotes[0] = quote(at("12:00:05"), "BTC-14APR23-28000-C", bid=0.5, ask=0.501)
    quotes[3] = quote(at("12:00:05"), "BTC-14APR23-29000-P", bid=None, ask=0.01)
    world.give(*quotes)
    world.pass_to(at("12:00:07"))
    assert forwards(world, ForwardSource.PARITY)[at("2023-04-14T08:00:00")] == pytest.approx(30_250.0, rel=1e-12)


def test_rule_9_parity_of_linear_options_adds_the_difference_to_the_strike() -> None:
    names = ("BTC_USDC-14APR23-30000-C", "BTC_USDC-14APR23-30000-P")
    world = World(start_ns=at("12:00:00"), currencies=("USDC",))
    world.tick()
    world.give(ev.Connected(world.now_ns), world.venue_time(), listing(names, "USDC"), ev.Subscribed(world.now_ns, ()))
    world.live(index(at("12:00:01"), 30_000.0, "btc_usdc"))
    world.give(
        quote(at("12:00:01"), names[0], bid=590.0, ask=610.0), quote(at("12:00:01"), names[1], bid=340.0, ask=360.0)
    )
    world.pass_to(at("12:00:04"))
    (record,) = {u.price_index for u in world.records(UnderlyingQuote)}
    assert record == "btc_usdc"
    assert forwards(world, ForwardSource.PARITY)[at("2023-04-14T08:00:00")] == pytest.approx(30_250.0)


def test_rule_9_the_venues_synthetic_forward_is_broadcast_and_its_window_value_is_not() -> None:
    world = World(start_ns=at("12:00:00")).start()
    world.live(
        quote(at("12:00:05"), CALL, underlying_price=30_111.0, underlying_index="SYN.BTC-14APR23"),
        quote(at("12:00:05"), OTHER, underlying_price=29_999.0, underlying_index="SYN.EXPIRY"),
    )
    world.pass_to(at("12:00:07"))
    assert forwards(world, ForwardSource.SYNTHETIC) == {at("2023-04-14T08:00:00"): 30_111.0}


def test_rule_9_the_stamped_price_of_a_listed_future_stands_in_only_while_its_ticker_is_silent() -> None:
    stamped = {"underlying_price": 30_500.0, "underlying_index": "BTC-28APR23"}
    world = World(start_ns=at("12:00:00")).start()
    world.live(future(at("12:00:05"), 30_510.0, "BTC-28APR23"), quote(at("12:00:06"), OTHER, **stamped))
    world.pass_to(at("12:00:08"))
    assert not forwards(world, ForwardSource.FUTURE)
    world.live(quote(at("12:00:15"), OTHER, **stamped))
    world.pass_to(at("12:00:17"))
    assert forwards(world, ForwardSource.FUTURE) == {at("2023-04-28T08:00:00"): 30_500.0}


def test_parity_of_the_expiring_series_stops_with_its_window() -> None:
    world = World(start_ns=at("07:29:50"))
    names = tuple(f"BTC-13APR23-{k}-{t}" for k in (29_000, 30_000, 31_000) for t in "CP")
    world.connect(names)
    world.live(index(at("07:29:56"), 30_000.0))
    world.give(*chain(at("07:29:56"), 30_010.0, (29_000.0, 30_000.0, 31_000.0), "13APR23"))
    world.pass_to(at("07:30:05"))
    before = forwards(world, ForwardSource.PARITY)[EXPIRY]
    world.give(*chain(at("07:30:06"), 33_000.0, (29_000.0, 30_000.0, 31_000.0), "13APR23"))
    world.pass_to(at("07:30:10"))
    assert forwards(world, ForwardSource.PARITY)[EXPIRY] == before


def test_the_index_of_the_tickers_stands_in_for_a_silent_index_channel() -> None:
    world = World(start_ns=at("07:30:50")).start(NAMES)
    world.live(index(at("07:30:56"), 30_000.0))
    world.live(*[quote(at("07:30:56") + k * S, CALL, index_price=30_500.0) for k in range(5, 20)])
    by_grid = {f.grid_ns: f.price for f in fixings(world)}
    assert by_grid[at("07:31:04")] == 30_000.0
    assert by_grid[at("07:31:12")] == 30_500.0


def test_helper_names_are_what_the_tests_think() -> None:
    assert instrument(EXPIRING_CALL).expiry_ns == EXPIRY
    assert instrument(PUT).expiry_ns == at("2023-04-14T08:00:00")
    assert 100 * MS == 10**8
