"""Trades and expiry: every distinct trade once, at any time of an instrument's life (rules 6 and 8 of the log)."""

from __future__ import annotations

import pytest

from pricers import implied_vols
from schemas import Greeks, Reject, RowStatus, SigmaSource, TradeGreeks, Trigger
from streams.engine import EngineSettings, new_state, restore, snapshot, step
from streams.engine.seqs import Seqs, add, bound, close
from tests.logs import CALL, EXPIRIES, FORWARD, IDENTITY, NS, PUT, Log, expiry_of, ns, of_topic, rows

EXPIRING = "BTC-12APR23-30000-C"
EXPIRES_S = 3_600


def trades(log: Log) -> list[TradeGreeks]:
    return [r.record for r in of_topic(log.run(), "trades") if isinstance(r.record, TradeGreeks)]


def test_seen_numbers_are_intervals() -> None:
    seqs: Seqs = []
    assert [add(seqs, n) for n in (5, 7, 6, 5, 3, 9, 4)] == [True, True, True, False, True, True, True]
    assert seqs == [[3, 7], [9, 9]]
    close(seqs)
    assert seqs == [[3, 9]]
    assert not add(seqs, 8)
    wide: Seqs = [[1, 1], [3, 3], [5, 5]]
    assert bound(wide, 2)
    assert wide == [[1, 3], [5, 5]]


def test_a_trade_is_written_with_greeks_at_its_moment() -> None:
    log = Log().ready()
    log.clock(1)
    at = log.trade(at=1.5, trade_seq=7, price=0.0330, block_trade_id="B-1")
    (row,) = trades(log)
    (first,) = rows(log.run())
    assert (row.trade_seq, row.block_trade_id, row.source_offset, row.status) == (7, "B-1", at, RowStatus.OK)
    assert (row.sigma, row.sigma_source) == (first.sigma, SigmaSource.BID_ASK_MID)  # the row's sigma
    solved = implied_vols(
        price_usd=0.0330 * FORWARD, forward=FORWARD, strike=30_000.0, option_sign=1.0, interval_s=4.0, n_fixings=450,
        next_fixing_s=(EXPIRIES["19APR23"] * NS - 449 * 4 * NS - ns(1.5)) / NS, payoff="inverse",
    )  # fmt: skip
    assert row.sigma_trade == pytest.approx(float(solved.sigma), rel=1e-12)
    assert (row.open_interest, row.bid, row.ask, row.forward) == (12.5, 0.0325, 0.0335, FORWARD)
    assert row.delta == pytest.approx(first.delta, rel=1e-3)


@pytest.mark.parametrize("now_s", [600, 2_000])
def test_a_backfilled_trade_is_solved_with_the_time_that_was_left_then(now_s: int) -> None:
    """Also where the settlement window has begun meanwhile: nothing was fixed when it was made."""
    log = Log().ready(EXPIRING)
    log.clock(now_s)
    if now_s >= EXPIRES_S - 1_800:
        log.fixing(at=now_s, expiry_ns=EXPIRIES["12APR23"] * NS, n_fixed=50, running_sum=50 * 1.01 * FORWARD)
    log.quote(EXPIRING, at=now_s)
    log.trade(EXPIRING, at=60.0, price=0.0040, is_backfill=True)
    (row,) = trades(log)
    solved = implied_vols(
        price_usd=0.0040 * FORWARD, forward=FORWARD, strike=30_000.0, option_sign=1.0, interval_s=4.0, n_fixings=450,
        next_fixing_s=EXPIRES_S - 449 * 4 - 60, payoff="inverse",
    )  # fmt: skip
    assert row.sigma_trade == pytest.approx(float(solved.sigma), rel=1e-12)


def test_a_trades_vol_is_the_instruments_last_vol_from_then_on() -> None:
    log = Log().ready()
    log.clock(1)
    log.trade(at=1.5, price=0.0330)
    log.clocks(2, 70)
    (trade,) = trades(log)
    timed = [row for row in rows(log.run()) if row.trigger == Trigger.TIME]
    assert [(row.sigma_last, row.sigma_last_status) for row in timed] == [(trade.sigma_trade, RowStatus.OK)]


def test_repeats_are_dropped_by_their_number_whatever_their_epoch_or_order() -> None:
    """Rule 6: a number below the lowest seen is new."""
    log = Log().ready()
    for seq in (5, 6, 5, 9, 7, 6, 3, 9):
        log.trade(at=0.5, trade_seq=seq)
    log.epoch, log.seq = 2, 0
    log.clock(1)
    log.trade(at=0.6, trade_seq=8, ingest_epoch=1)
    log.trade(at=0.6, trade_seq=9, is_backfill=True)
    assert [row.trade_seq for row in trades(log)] == [5, 6, 9, 7, 3, 8]


def test_a_feed_gap_closes_the_holes_of_its_channels() -> None:
    log = Log().ready(CALL, PUT)
    for name in (CALL, PUT):
        log.trade(name, at=0.5, trade_seq=1)
        log.trade(name, at=0.5, trade_seq=5)
    log.gap(at=1.0, from_s=0.6, to_s=0.9, channels=("trades.option.ETH.100ms",))
    log.trade(PUT, at=1.0, trade_seq=3)
    log.gap(at=1.0, from_s=0.6, to_s=0.9, channels=("trades.option.BTC.100ms",))
    log.trade(PUT, at=1.0, trade_seq=2)
    log.trade(CALL, at=1.0, trade_seq=3)
    log.trade(CALL, at=1.0, trade_seq=6)
    assert [(row.instrument_name, row.trade_seq) for row in trades(log)] == [
        (CALL, 1), (CALL, 5), (PUT, 1), (PUT, 5), (PUT, 3), (CALL, 6)]  # fmt: skip


def test_trades_before_the_first_clock_and_before_the_first_snapshot_are_not_ready() -> None:
    """Rule 2: the only records that answer before the engine is ready."""
    log = Log()
    log.trade(at=-1.0, trade_seq=1)
    log.clock(0)
    log.contract()
    log.quote()
    log.trade(at=0.5, trade_seq=2)
    log.trade(at=0.5, trade_seq=2)
    log.set(n_here=1)
    log.trade(at=0.6, trade_seq=3)
    assert [(row.trade_seq, row.status, row.price_usd is None) for row in trades(log)] == [
        (1, RowStatus.NOT_READY, True), (2, RowStatus.NOT_READY, True), (3, RowStatus.OK, False)]  # fmt: skip


def test_a_trade_of_an_unlisted_instrument_has_no_contract() -> None:
    log = Log().ready()
    log.trade("BTC-28APR23-99000-C", at=0.5)
    (row,) = trades(log)
    assert (row.status, row.sigma_trade_status, row.delta) == (RowStatus.NO_CONTRACT, RowStatus.NO_CONTRACT, None)


def test_a_trade_where_no_quote_was_ever_usable_is_valued_at_its_own_vol() -> None:
    log = Log()
    log.clock(0)
    log.underlying()
    log.contract()
    log.set(n_here=1)
    log.trade(at=0.5, price=0.0330)
    (row,) = trades(log)
    assert (row.status, row.sigma, row.sigma_source) == (RowStatus.OK, row.sigma_trade, SigmaSource.LAST_TRADE)


# ------------------------------------------------------------------ expiry


def expiring_log() -> Log:
    """Ready at 3 590 s, all fixings known up to 3 596, expiry at 3 600."""
    log = Log()
    log.clock(3_590)
    log.underlying(3_590, index_price=30_100.0)
    log.contract(EXPIRING)
    log.contract(CALL)
    log.fixing(3_590, expiry_of(EXPIRING) or 0, 447, 447 * 30_050.0)
    log.quote(EXPIRING, at=3_590, index_price=30_100.0, bid=0.0010, ask=0.0020)
    log.set(at=3_590, n_here=2)
    log.trade(EXPIRING, at=3_590.5, trade_seq=4, price=0.0015)
    log.clocks(3_591, 3_599)
    return log


def test_expiry_is_applied_by_the_first_clock_at_or_after_it() -> None:
    """Rule 8: a last row with status EXPIRED, the tombstone; a quote between expiry and that Clock fills state only."""
    log = expiring_log()
    log.quote(EXPIRING, at=3_600.5, index_price=30_100.0, bid=0.0030)
    log.fixing(3_600, expiry_of(EXPIRING) or 0, 450, 450 * 30_050.0)
    clock = log.clock(3_601)
    log.clock(3_602)
    results = log.run()
    last = rows(results, EXPIRING)[-1]
    assert (last.trigger, last.status, last.source_offset, last.price_usd) == (
        Trigger.EXPIRY,
        RowStatus.EXPIRED,
        clock,
        None,
    )
    assert last.last_good_ns is not None
    assert not [row for row in rows(results, EXPIRING) if row.trigger == Trigger.QUOTE]
    latest = [r for r in of_topic(results, "latest") if r.key == EXPIRING]
    assert latest[-1].record is None
    assert latest[-1].source_offset == clock
    assert EXPIRING not in log.fold()[0].instruments


def test_the_last_fixing_gives_the_payoff() -> None:
    """N = 0: DETERMINED, price known, no vol needed: (A - K) S/A in USD at the index, delta of the inverse payoff."""
    log = expiring_log()
    log.fixing(3_600, expiry_of(EXPIRING) or 0, 450, 450 * 30_050.0)
    row = [row for row in rows(log.run(), EXPIRING) if row.trigger == Trigger.FIXING][-1]
    assert (row.status, row.n_fixed, row.tau_years) == (RowStatus.DETERMINED, 450, 0.0)
    assert row.price_usd == pytest.approx(50.0 * 30_100.0 / 30_050.0, rel=1e-12)


def test_a_grid_point_without_its_record_counts_as_remaining_and_due() -> None:
    """Rule 7: both numbers stay together, next_fixing_s is negative; with 450 - 447 left and 2 due, less variance is left."""
    log = expiring_log()
    log.quote(EXPIRING, at=3_599.5, index_price=30_100.0, bid=0.0015)
    row = [row for row in rows(log.run(), EXPIRING) if row.trigger == Trigger.QUOTE][-1]
    assert (row.n_fixed, row.running_sum) == (447, 447 * 30_050.0)
    assert row.status in (RowStatus.OK, RowStatus.DETERMINED)
    assert row.price_usd is not None


def test_an_older_fixing_than_the_newest_is_counted_and_not_applied() -> None:
    log = expiring_log()
    log.fixing(3_592, expiry_of(EXPIRING) or 0, 448, 448 * 30_050.0)
    log.fixing(3_592, expiry_of(EXPIRING) or 0, 446, 446 * 30_000.0)
    log.fixing(3_592, expiry_of(EXPIRING) or 0, 449, 0.0)  # a sum of nothing
    state, results = log.fold()
    assert (state.counters["old_records"], state.counters["bad_records"]) == (1, 1)
    assert {row.running_sum / row.n_fixed for row in rows(results, EXPIRING)} == {30_050.0}


def test_no_timer_of_an_instrument_fires_at_or_after_its_expiry() -> None:
    """Rules 4 and 8: over a long silence the latest instance before expiry fires."""
    log = expiring_log()
    log.clock(3_900)
    fired = [row for row in rows(log.run(), EXPIRING) if row.trigger in (Trigger.TIME, Trigger.ILLIQUID)]
    assert all(row.ts_event_ns < ns(EXPIRES_S) for row in fired)
    assert [row.ts_event_ns for row in rows(log.run(), EXPIRING) if row.trigger == Trigger.EXPIRY] == [ns(3_900)]


def test_a_standing_reject_clears_at_expiry() -> None:
    log = expiring_log()
    log.contract(EXPIRING, at=3_599.2, is_snapshot=False, settlement_rule="unheard-of")
    log.quote(EXPIRING, at=3_599.5, bid=0.0015)
    log.clock(3_600)
    told = [r.record for r in of_topic(log.run(), "rejects") if r.key == EXPIRING]
    assert isinstance(told[0], Reject)
    assert told[1:] == [None]


def test_later_records_of_an_expired_instrument_are_counted_and_change_nothing_trades_apart() -> None:
    log = expiring_log()
    log.clock(3_600)
    n = len(log.run())
    log.quote(EXPIRING, at=3_601.0)
    log.contract(EXPIRING, at=3_601.0)
    state, results = log.fold()
    assert (len(results), state.counters["late_records"]) == (n, 2)
    log.trade(EXPIRING, at=3_599.9, trade_seq=5)
    log.trade(EXPIRING, at=3_590.5, trade_seq=4)
    late = trades(log)[1:]
    assert [(row.trade_seq, row.status, row.price_usd) for row in late] == [(5, RowStatus.EXPIRED, None)]


def test_the_trade_sequence_of_the_expired_stays_an_hour() -> None:
    log = expiring_log()
    log.clock(3_600)
    log.clock(EXPIRES_S + 3_600)
    assert EXPIRING in log.fold()[0].seqs
    log.clock(EXPIRES_S + 3_601)
    state, _ = log.fold()
    assert EXPIRING not in state.seqs
    assert EXPIRING not in state.expired


def test_a_future_expires_as_well() -> None:
    log = expiring_log()
    log.contract("BTC-12APR23", at=3_599.0)
    log.clock(3_600)
    (row,) = rows(log.run(), "BTC-12APR23")
    assert (row.trigger, row.status, isinstance(row, Greeks)) == (Trigger.EXPIRY, RowStatus.EXPIRED, True)


# ------------------------------------------------------------------ state


def test_a_snapshot_of_a_hundred_instruments_is_small_and_comes_back_equal() -> None:
    """At most 512 KiB (DESIGN 5), an alarm at half: with pending rows and holes in every trade sequence."""
    log = Log()
    names = [f"BTC-19APR23-{20_000 + 250 * i}-C" for i in range(100)]
    log.ready(*names)
    for i, name in enumerate(names):
        log.quote(
            name, at=0.5, bid=0.0325 + 0.0005 * (i % 7 + 1), mark_sigma=0.5 + i / 977, venue_delta=0.1 + i / 1_009
        )
        for seq in range(0, 64, 2):
            log.trade(name, at=0.6, trade_seq=seq, price=0.033)
    settings = EngineSettings()
    state, _ = step(new_state(IDENTITY, settings), log.located, settings)
    assert len(state.pending) == 100
    data = snapshot(state)
    assert len(data) < 256 * 1024
    assert snapshot(restore(data, IDENTITY)) == data
