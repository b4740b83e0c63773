"""Snapshots, readiness, feed gaps: rules 1, 2 and 6 of the log (C18, C23, C24)."""

from __future__ import annotations

import pytest

from schemas import ForwardQuote, ForwardSource, Greeks, Reject, RowStatus, Trigger, Watermark
from streams.engine import EngineSettings
from tests.logs import CALL, PUT, Log, expiry_of, ns, of_topic, rows


def watermarks(log: Log) -> list[Watermark]:
    return [r.record for r in log.run() if r.topic == "greeks" and isinstance(r.record, Watermark)]


def test_nothing_is_priced_before_an_instrument_set_and_the_engine_says_what_it_waits_for() -> None:
    log = Log()
    log.contract(CALL)
    log.quote(CALL)
    state, results = log.fold()
    assert (results, state.waits_for) == ([], "the first Clock")
    log.clock(0)
    log.quote(CALL, at=0.5, bid=0.0330)
    log.clocks(1, 90)
    state, results = log.fold()
    assert rows(results) == []
    assert state.waits_for == "a complete InstrumentSet"
    assert {r.record.is_ready for r in results if isinstance(r.record, Watermark)} == {False}


def test_a_set_that_misses_instruments_of_its_snapshot_does_not_make_ready() -> None:
    """A cold start that fell into the middle of a snapshot waits for the next one."""
    log = Log()
    log.clock(0)
    log.contract(CALL)
    log.set(n_here=2)
    state, _ = log.fold()
    assert not state.is_ready
    assert state.waits_for == "a whole snapshot: 1 of 2 instruments of snapshot 1 were seen"
    log.contract(PUT)
    log.set(n_here=2)
    assert log.fold()[0].is_ready


def test_a_set_that_says_it_is_incomplete_does_not_make_ready() -> None:
    log = Log()
    log.clock(0)
    log.contract(CALL)
    log.set(n_here=1, is_complete=False)
    assert not log.fold()[0].is_ready


def test_a_set_met_before_any_clock_takes_effect_at_the_first_one() -> None:
    log = Log()
    log.contract(CALL)
    log.quote(CALL)
    log.set(n_here=1)
    assert log.fold()[1] == []
    first = log.clock(0)
    state, results = log.fold()
    assert state.is_ready
    (row,) = rows(results)
    assert (row.trigger, row.source_offset, row.ts_event_ns) == (Trigger.SNAPSHOT, first, ns(0))


def test_becoming_ready_prices_everything_once() -> None:
    """Trigger 7; a later, hourly set prices nothing."""
    log = Log().ready(PUT, CALL)
    log.set(at=1.0, snapshot_id=2)
    found = [(row.instrument_name, row.trigger) for row in rows(log.run())]
    assert found == [(CALL, Trigger.SNAPSHOT), (PUT, Trigger.SNAPSHOT)]


def test_a_newer_snapshot_quote_is_an_ordinary_one_and_an_older_one_changes_nothing() -> None:
    """Rule 1."""
    log = Log().ready()
    log.clock(5)
    log.quote(CALL, at=4.0, bid=0.0330, is_snapshot=True, snapshot_id=2)
    log.quote(CALL, at=4.0, bid=0.0300, is_snapshot=True, snapshot_id=2)
    log.quote(CALL, at=3.0, bid=0.0310, is_snapshot=True, snapshot_id=2)
    state, results = log.fold()
    assert [(row.trigger, row.bid) for row in rows(results)][1:] == [(Trigger.QUOTE, 0.0330)]
    assert "old_records" not in state.counters


def test_a_row_is_cold_until_the_first_quote_that_is_no_snapshot() -> None:
    log = Log()
    log.clock(0)
    log.underlying()
    log.contract(CALL)
    log.quote(CALL, is_snapshot=True, snapshot_id=1)
    log.set(n_here=1)
    log.quote(CALL, at=1.0, bid=0.0330, is_snapshot=True, snapshot_id=2)
    log.quote(CALL, at=1.5, bid=0.0320)
    assert [row.is_cold for row in rows(log.run())] == [True, True, False]


def test_a_newly_listed_instrument_is_priced_with_its_first_quote() -> None:
    log = Log().ready()
    log.contract(PUT, at=1.0, is_snapshot=False)
    log.quote(PUT, at=1.5)
    (row,) = rows(log.run(), PUT)
    assert (row.trigger, row.status) == (Trigger.QUOTE, RowStatus.OK)


def test_a_feed_gap_makes_older_quotes_stale_until_seen_again() -> None:
    """Rule 6; by a quote, or by a snapshot quote that changes nothing (rule 1)."""
    log = Log().ready()
    log.clock(10)
    log.gap(at=10.0, from_s=2.0, to_s=9.0)
    for at in range(11, 72):
        log.clock(at)
        log.underlying(at, forwards=[ForwardQuote(expiry_of(CALL) or 0, 30_000.0, ForwardSource.PARITY, ns(at))])
    log.quote(CALL, at=0.0, is_snapshot=True, snapshot_id=2)  # no newer than the state's: it confirms it
    for at in range(72, 132):
        log.clock(at)
        log.underlying(at, forwards=[ForwardQuote(expiry_of(CALL) or 0, 30_000.0, ForwardSource.PARITY, ns(at))])
    assert [row.is_stale for row in rows(log.run(), CALL) if row.trigger == Trigger.TIME] == [True, False]


@pytest.mark.parametrize(
    ("channels", "is_hit"),
    [((), True), ((f"ticker.{CALL}.100ms",), True), ((f"ticker.{PUT}.100ms",), False), (("trades.option.BTC.100ms",), False),
     (("ticker.any.raw",), True)],
)  # fmt: skip
def test_a_feed_gap_spans_its_channels_only(channels: tuple[str, ...], is_hit: bool) -> None:
    log = Log().ready()
    log.clock(10)
    log.gap(at=10.0, from_s=2.0, to_s=9.0, channels=channels)
    assert log.fold()[0].instruments[CALL].is_unseen == is_hit


def test_a_stale_forward_is_flagged_by_default_and_rejected_by_setting() -> None:
    """C19, both policies: five seconds after the last forward."""
    log = Log().ready()
    log.clocks(1, 70)
    timed = [row for row in rows(log.run()) if row.trigger == Trigger.TIME]
    assert [(row.is_stale, row.status) for row in timed] == [(True, RowStatus.OK)]
    assert (timed[0].forward_age_ms or 0) > 5_000
    strict = [row for row in rows(log.run(EngineSettings(reject_stale=True))) if row.trigger == Trigger.TIME]
    assert [(row.status, row.price_usd, row.last_good_ns) for row in strict] == [(RowStatus.STALE_QUOTE, None, ns(0))]


def test_standing_rejects_and_clearings_are_told_again_after_each_set() -> None:
    """DESIGN 2, rejects.v1: a reader of one hour of it knows them all."""
    log = Log().ready()
    log.contract(PUT)  # never quoted
    log.clocks(1, 61)
    log.quote("BTC-19APR23-50000-C", at=61.1)
    log.contract("BTC-19APR23-50000-C", at=61.2, is_snapshot=False)
    log.quote("BTC-19APR23-50000-C", at=61.3, bid=0.0001, ask=0.0005, mark=0.0003)
    told = log.set(at=62.0, snapshot_id=2)
    again = log.set(at=63.0, snapshot_id=3)
    rejects = of_topic(log.run(), "rejects")
    assert [(r.key, r.record is None) for r in rejects if r.source_offset == told] == [
        (PUT, False), ("BTC-19APR23-50000-C", True)]  # fmt: skip
    assert [(r.key, r.record is None) for r in rejects if r.source_offset == again] == [(PUT, False)]
    records = [r.record for r in rejects if isinstance(r.record, Reject) and r.key == PUT]
    assert len({record.since_ns for record in records}) == 1
    assert not any(isinstance(r.record, Greeks) for r in rejects)


def test_watermarks_count_what_is_listed_priced_and_rejected() -> None:
    """Listed, not expired options; finite price and delta in the last 60 s; standing rejects."""
    log = Log().ready(CALL)
    log.contract(PUT)
    log.contract("BTC-PERPETUAL")
    log.clocks(1, 130)
    marks = watermarks(log)
    assert [(m.n_listed, m.n_priced, m.n_rejected) for m in (marks[0], marks[1], marks[-1])] == [
        (0, 0, 0),
        (2, 1, 0),
        (2, 1, 1),
    ]
    assert [m.log_time_ns for m in marks] == [ns(at) for at in range(131)]
    trades = [r.record for r in log.run() if r.topic == "trades"]
    assert [(m.log_time_ns, m.n_priced) for m in trades if isinstance(m, Watermark)] == [
        (m.log_time_ns, m.n_priced) for m in marks
    ]


def test_a_quote_for_what_is_no_option_is_counted_and_changes_nothing() -> None:
    log = Log().ready()
    log.contract("BTC-PERPETUAL")
    log.quote("BTC-PERPETUAL", at=0.5)
    state, results = log.fold()
    assert state.counters["bad_records"] == 1
    assert state.instruments["BTC-PERPETUAL"].quote is None
    assert rows(results, "BTC-PERPETUAL") == []
