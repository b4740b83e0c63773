"""Rules 2 to 5 of the log: log time, timers, what is refused (E-79)."""

from __future__ import annotations

import pytest

from schemas import Clock, OptionQuote, Trigger, Watermark
from streams.engine import EngineSettings
from streams.engine.triggers import after, latest, phase_of
from tests.logs import CALL, IDENTITY, NS, PUT, START_NS, Log, ns, of_topic, rows

MINUTE_NS = 60 * NS
SETTINGS = EngineSettings()


def test_grid_points_after_and_latest() -> None:
    assert [after(now, 3, 10) for now in (-8, 2, 3, 4, 12, 13)] == [-7, 3, 13, 13, 13, 23]
    assert [latest(3, 10, until) for until in (3, 12, 13, 42)] == [3, 3, 13, 33]


def test_log_time_is_bounded_by_the_last_clock() -> None:
    """One bad timestamp cannot move the timers of a partition (rule 2)."""
    log = Log().ready()
    log.quote(CALL, at=9_999.0, bid=0.0330)
    state, results = log.fold()
    assert state.log_time_ns == ns(2)
    assert rows(results)[-1].ts_event_ns == ns(2)
    assert state.counters["clamped_times"] == 1


def test_a_bounded_time_is_what_the_state_keeps_and_compares() -> None:
    """The quote after a wild one is not old, and its age is counted from the bounded time (rule 2)."""
    log = Log().ready()
    log.quote(CALL, at=9_999.0, bid=0.0330)
    log.clock(3)
    log.quote(CALL, at=3.5, bid=0.0320)
    state, results = log.fold()
    assert rows(results)[-1].bid == 0.0320
    assert "old_records" not in state.counters


def test_times_from_before_the_first_clock_are_bounded_by_it() -> None:
    log = Log()
    log.contract(CALL)
    log.quote(CALL, at=9_999.0)
    log.underlying(at=9_999.0)
    log.set(at=9_999.0, n_here=1)
    log.clock(0)
    log.quote(CALL, at=2.5, bid=0.0330)
    log.underlying(at=2.6, index_price=31_000.0)
    state, results = log.fold()
    assert rows(results)[-1].bid == 0.0330
    index = state.underlyings["btc_usd"].index
    assert index is not None
    assert index.value == 31_000.0


def test_a_record_older_than_the_log_is_applied_at_the_current_log_time() -> None:
    """Venue order holds per channel only (rule 3): another instrument's old quote is no reason to go back."""
    log = Log().ready(CALL, PUT)
    log.clock(10)
    log.quote(PUT, at=4.0, bid=0.0330)
    _, results = log.fold()
    last = rows(results, PUT)[-1]
    assert (last.trigger, last.ts_event_ns, last.bid) == (Trigger.QUOTE, ns(10), 0.0330)
    assert last.quote_age_ms == 6_000.0


def test_a_refused_record_moves_neither_log_time_nor_timers() -> None:
    """Rule 2: a superseded ingest's quote and a repeated Clock, whatever their times."""
    log = Log().ready()
    log.epoch, log.seq = 2, 0
    log.clock(1)
    log.quote(CALL, at=3.0, ingest_epoch=1)
    log.add(Clock(ns(50), 1, 99, None))
    log.add(Clock(ns(50), 2, 1, None))
    state, _ = log.fold()
    assert state.log_time_ns == ns(1)
    assert state.counters["superseded_records"] == 2
    assert state.counters["repeated_broadcasts"] == 1


def test_every_instrument_has_a_time_row_once_a_minute_at_its_own_second() -> None:
    """Trigger 5 (C8): spread over the minute by a hash of the name, the due time is the row's time."""
    log = Log().ready(CALL, PUT)
    log.clocks(1, 180)
    _, results = log.fold()
    for name in (CALL, PUT):
        times = [row.ts_event_ns for row in rows(results, name) if row.trigger == Trigger.TIME]
        assert len(times) == 3
        assert {t % MINUTE_NS for t in times} == {phase_of(name, SETTINGS)}
    assert phase_of(CALL, SETTINGS) != phase_of(PUT, SETTINGS)


def test_of_several_due_instances_only_the_latest_fires() -> None:
    """Rule 4 (E-79): after ten minutes of silence one row, at the last due time, and the next on the same grid."""
    log = Log().ready()
    log.clock(600)
    log.clock(660)
    _, results = log.fold()
    times = [row.ts_event_ns for row in rows(results) if row.trigger == Trigger.TIME]
    phase = phase_of(CALL, SETTINGS)
    want = [max(t for t in (ns(0) - ns(0) % MINUTE_NS + phase + i * MINUTE_NS for i in range(-1, 14)) if t <= ns(end))
            for end in (600, 660)]  # fmt: skip
    assert times == want


def test_timers_fire_before_the_record_by_due_time_trigger_and_instrument() -> None:
    """Rule 4: after a jump, when nothing is liquid any more, ``time`` and ``illiquid`` of all are due."""
    names = [CALL, PUT, "BTC-19APR23-31000-C", "BTC-19APR23-29500-P"]
    log = Log().ready(*names)
    jump = log.clock(200)
    _, results = log.fold()
    fired = [(r.ts_ns, int(r.record.trigger), r.key) for r in of_topic(results, "greeks") if r.source_offset == jump and
             not isinstance(r.record, Watermark)]  # fmt: skip
    assert len(fired) == 8
    assert fired == sorted(fired)
    seqs = [r.result_seq for r in results if r.source_offset == jump and r.topic != "latest"]
    assert seqs == list(range(len(seqs)))
    assert [r.record for r in results][-1].source_offset == jump  # the watermark comes last


def test_a_timer_due_exactly_at_a_records_log_time_fires_before_it() -> None:
    """Rule 4: "due at or before its log time": the timed row still shows the old quote."""
    due = next(t for t in range(ns(1), ns(62), NS // 1000) if t % MINUTE_NS == phase_of(CALL, SETTINGS))
    log = Log().ready()
    log.clock((due - START_NS) // NS)
    log.trade(CALL, at=(due - START_NS) / NS - 0.001)  # so that nothing else is due
    log.add(_quote_at(due))
    _, results = log.fold()
    timed, quoted = [row for row in rows(results) if row.ts_event_ns == due]
    assert (timed.trigger, timed.bid) == (Trigger.TIME, 0.0325)
    assert (quoted.trigger, quoted.bid) == (Trigger.QUOTE, 0.0330)


def _quote_at(ts_event_ns: int) -> OptionQuote:
    log = Log()
    log.quote(CALL, bid=0.0330)
    record = log.records[0]
    assert isinstance(record, OptionQuote)
    return record._replace(ts_event_ns=ts_event_ns)


@pytest.mark.parametrize(("epoch", "seq", "is_applied"), [(1, 3, False), (1, 4, True), (0, 99, False), (2, 0, True)])
def test_broadcasts_are_applied_once_and_never_of_a_lower_epoch(epoch: int, seq: int, is_applied: bool) -> None:
    """Rule 5: (epoch, seq), one counter over all broadcasts."""
    log = Log()
    log.clock(0)
    log.underlying(0)
    log.underlying(0)
    log.add(Clock(ns(5), epoch, seq, None))
    state, _ = log.fold()
    assert (state.log_time_ns == ns(5)) == is_applied


def test_a_quote_older_than_the_instruments_last_is_counted_and_not_applied() -> None:
    """Rule 5, per channel: an older trade or contract record of the same instrument is another channel."""
    log = Log().ready()
    log.quote(CALL, at=1.5, bid=0.0330)
    log.quote(CALL, at=1.4, bid=0.0300)
    log.trade(CALL, at=1.4)
    state, results = log.fold()
    assert state.counters["old_records"] == 1
    assert rows(results)[-1].bid == 0.0330
    assert len([r for r in of_topic(results, "trades") if r.key == CALL]) == 1


def test_the_partition_of_a_state_shifts_its_underlying_grid() -> None:
    """Trigger 3: the sixteen partitions do not burst together."""
    phases = set()
    for partition in range(16):
        log = Log(IDENTITY._replace(partition=partition)).ready()
        state, _ = log.fold()
        phases.add(state.underlyings["btc_usd"].due_grid_ns % (500 * 1_000_000))
    assert phases == {500 * 1_000_000 * p // 16 for p in range(16)}
