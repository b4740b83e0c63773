"""Sentences of DESIGN 1 that need more than one thing at once: two averages after an outage, an end before its Clock, one bad time."""

from __future__ import annotations

import pytest

from schemas import Clock, FeedGap, ForwardSource, InstrumentStatus, OptionQuote, SettlementFixing, UnderlyingQuote
from streams.deribit import events as ev
from streams.ingest import core
from streams.ingest.core.underlyings import PriceIndex
from tests.ingest_world import CALL, MS, NOON, OTHER, PUT, S, World, at, future, index, listing, quote, recovered

EXPIRING, EXPIRING_ETH = "BTC-13APR23-30000-C", "ETH-13APR23-2000-C"
EXPIRY = at("08:00:00")


def known(price_index: str, n_fixed: int, price: float) -> SettlementFixing:
    grid_ns = EXPIRY - (450 - n_fixed) * 4 * S
    return SettlementFixing(
        grid_ns, 3, 9, price_index, EXPIRY, n_fixed, grid_ns, price, False, n_fixed, n_fixed * price, 0, False, None
    )


def test_rule_7_after_an_outage_what_was_due_is_written_in_the_order_of_its_grid_time() -> None:
    """Fixings move log time: one average after the other would make the second one late by the whole outage."""
    world = World(
        recovered(
            at("07:40:01"),
            fixings=(known("btc_usd", 150, 30_000.0), known("eth_usd", 150, 2_000.0)),
            index_prices={"btc_usd": (at("07:40:00"), 30_000.0), "eth_usd": (at("07:40:00"), 2_000.0)},
        ),
        start_ns=at("07:40:31"),
        currencies=("BTC", "ETH"),
    )
    world.connect((EXPIRING,))
    world.give(listing((EXPIRING_ETH,), "ETH"))
    world.live(index(at("07:40:32"), 30_300.0), index(at("07:40:32.500000"), 2_010.0, "eth_usd"))
    world.pass_to(at("07:40:34"))
    found = [out for out in world.outs if isinstance(out.record, SettlementFixing)]
    assert {out.record.price_index for out in found} == {"btc_usd", "eth_usd"}
    assert len(found) >= 14
    assert [out.record.grid_ns for out in found] == sorted(out.record.grid_ns for out in found)
    assert all(out.log_time_ns(p) == out.record.grid_ns for out in found for p in range(16))


def test_rule_7_of_two_prints_of_one_moment_the_later_arrival_is_known() -> None:
    prices = PriceIndex("btc_usd", "BTC")
    prices.take_index(NOON, 30_100.0)
    prices.take_index(NOON, 30_000.0)
    assert prices.index_at(NOON, 4 * S) == prices.index_known_at(NOON + 60 * S) == 30_000.0


def test_rule_6_a_late_quote_does_not_replace_a_newer_one_that_waits() -> None:
    world = World().start()
    world.give(core.Pressure(0))
    world.live(quote(NOON + 5 * S, CALL, bid=0.2))
    world.give(quote(NOON + 4 * S, CALL, bid=0.1))
    assert [r.bid for r in world.records(OptionQuote, world.give(core.Pressure(None)))] == [0.2]
    assert (world.state.counts.conflated, world.state.counts.late) == (1, 1)


@pytest.mark.parametrize("word", ["settled", "terminated"])
def test_rule_8_an_end_told_before_its_clock_still_brings_the_delivery_price(word: str) -> None:
    world = World(start_ns=at("07:59:50")).start((EXPIRING, CALL))
    world.live(*(index(ts_ns) for ts_ns in range(at("07:59:55"), EXPIRY + 1, S)))
    assert world.records(Clock)[-1].ts_event_ns < EXPIRY
    world.give(ev.InstrumentChange(EXPIRING, EXPIRY + 20 * MS, word))
    outcomes = world.pass_to(at("08:00:20"))
    assert core.GetDeliveryPrices("btc_usd") in outcomes
    prices = ev.DeliveryPrices("btc_usd", (ev.DeliveryPrice("btc_usd", EXPIRY, 30_123.45),))
    written = [out.record for out in world.give(prices) if isinstance(out, core.Out)]
    assert [(r.instrument_name, r.delivery_price, r.status) for r in written] == [
        (EXPIRING, 30_123.45, InstrumentStatus.SETTLED)
    ]


def test_rule_2_one_bad_time_of_two_quotes_does_not_stop_the_parity_forward() -> None:
    """c - p = 1 - K/F: at K = 30 000 and F = 30 100 the difference is 0.0033222591."""
    world = World().start()
    bad_ns = NOON + 3_600 * S
    world.live(index(NOON + 5 * S))
    world.give(quote(bad_ns, CALL, bid=0.0199, ask=0.0201), quote(bad_ns, PUT, bid=0.0199, ask=0.0201))
    world.pass_to(NOON + 8 * S)
    difference = 1.0 - 30_000.0 / 30_100.0
    world.live(
        quote(NOON + 12 * S, CALL, bid=0.0199 + difference, ask=0.0201 + difference),
        quote(NOON + 12 * S + MS, PUT, bid=0.0199, ask=0.0201),
    )
    world.pass_to(NOON + 15 * S)
    parity = [f for u in world.records(UnderlyingQuote) for f in u.forwards if f.source == ForwardSource.PARITY]
    assert parity[-1].forward == pytest.approx(30_100.0, rel=1e-9)
    assert parity[-1].ts_event_ns == NOON + 12 * S


def test_rule_2_one_bad_time_of_a_mark_does_not_stop_the_marks() -> None:
    world = World().start()
    world.tick(NOON + 5 * S)
    world.give(ev.MarkPrices("btc_usd", (ev.MarkPrice(OTHER, NOON + 3_600 * S, 0.05, 0.6),)))
    world.pass_to(NOON + 30 * S)
    outcomes = world.give(ev.MarkPrices("btc_usd", (ev.MarkPrice(OTHER, NOON + 30 * S, 0.06, 0.6),)))
    assert [r.mark for r in world.records(OptionQuote, outcomes)] == [0.06]


def test_rule_2_what_waited_for_the_first_clock_of_a_short_restart_keeps_its_time() -> None:
    """Held records follow the Clocks of the seconds that were missed: none is bounded by the log's last one."""
    world = World(recovered(NOON - 8 * S))
    world.tick()
    world.give(ev.Connected(world.now_ns), quote(NOON - 100 * MS, CALL))
    world.give(world.venue_time(), listing())
    world.pass_to(NOON + 3 * S)
    (written,) = [o for o in world.outs if isinstance(o.record, OptionQuote) and not o.record.is_snapshot]
    assert written.log_times_ns == (NOON - 100 * MS,)
    assert world.state.counts.clamped == 0
    clocks = [c.ts_event_ns for c in world.records(Clock)]
    assert clocks == list(range(NOON - 8 * S, clocks[-1] + 1, S)), "a short one is made up second by second"


def test_rule_9_a_silent_index_does_not_get_the_time_of_a_living_future() -> None:
    """The complete record has one time for all: an index that is not of it is left out, and engines keep it at its own."""
    world = World().start()
    world.live(index(NOON + 5 * S, 30_000.0))
    world.live(*(future(NOON + 5 * S + i * 500 * MS, 30_010.0 + i) for i in range(1, 20)))
    complete = [u for u in world.records(UnderlyingQuote) if u.is_complete and u.ts_event_ns > NOON + 5 * S]
    late = [u for u in complete if u.ts_event_ns > NOON + 8 * S]
    assert len(late) >= 4
    assert [u.index_price for u in late] == [None] * len(late)
    assert complete[0].index_price == 30_000.0, "a second's difference is the ordinary case"


def test_rule_6_a_quote_that_waited_through_an_outage_is_not_written_after_its_gap() -> None:
    """Engines would take it as seen again.  What has been seen again since may wait on."""
    world = World().start()
    world.live(quote(NOON + 4 * S, CALL), quote(NOON + 4 * S, OTHER))
    world.give(core.Pressure(0))
    world.live(quote(NOON + 5 * S, CALL, bid=0.011), quote(NOON + 5 * S, OTHER, bid=0.012))
    world.give(ev.Disconnected(world.now_ns, "lost", ("ticker.x.100ms",)))
    world.pass_to(NOON + 20 * S)
    world.give(ev.Connected(world.now_ns))
    world.live(quote(NOON + 20 * S + 100 * MS, OTHER, bid=0.013))
    world.give(ev.Subscribed(world.now_ns, ("ticker.x.100ms",)))
    (request,) = [r for r in world.of(core.TradesByTime) if r.end_ms * MS > NOON + 20 * S]
    world.give(ev.TradePage(request, (), False))
    world.pass_to(NOON + 22 * S)
    gap_at = [type(out.record) for out in world.outs].index(FeedGap)
    world.give(core.Pressure(None))
    later = [out.record for out in world.outs[gap_at:] if isinstance(out.record, OptionQuote)]
    assert {r.instrument_name: r.bid for r in later if not r.is_snapshot} == {OTHER: 0.013}
