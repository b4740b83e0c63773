"""The rest of the checklist on hand-written logs: from contract to row, dependents, completeness, timers, statistics, settings."""

from __future__ import annotations

import math

import pytest

from schemas import ForwardQuote, ForwardSource, Greeks, OptionType, Reject, RowStatus, SigmaSource, Trigger, Watermark
from streams.engine import EngineSettings, State, new_state, snapshot, step
from streams.engine.triggers import phase_of
from tests.logs import CALL, DAY_S, EXPIRIES, FORWARD, IDENTITY, NS, PUT, Log, future_of, ns, of_topic, rows

LATER = "BTC-28APR23-30000-C"
LINEAR = "BTC_USDC-19APR23-30000-C"


def test_one_quote_goes_from_contract_to_row_to_latest() -> None:
    """C1, C2, C4, C5, C48: contract, prices, forward, time, three vols, every greek, cached, published, with the inputs beside."""
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    offset = log.quote(at=0.5, last=0.0331)
    log.clock(1)
    results = log.run()
    row = rows(results)[-1]
    assert (row.source_offset, row.trigger, row.status, row.ts_event_ns) == (
        offset,
        Trigger.QUOTE,
        RowStatus.OK,
        ns(0.5),
    )
    assert (row.strike, row.forward, row.bid, row.ask, row.mark, row.last) == (
        30_000.0,
        FORWARD,
        0.0325,
        0.0335,
        0.0330,
        0.0331,
    )
    assert row.tau_years == pytest.approx((EXPIRIES["19APR23"] - ns(0.5) / NS) / (365 * DAY_S), rel=1e-12)
    numbers = Greeks._fields[Greeks._fields.index("price_usd") : Greeks._fields.index("venue_sigma")]
    assert [name for name in numbers if getattr(row, name) is None] == []
    assert (row.sigma_bid or 1) < (row.sigma_mark or 0) < (row.sigma_ask or 0)
    (latest,) = [r for r in of_topic(results, "latest") if r.source_offset == offset]
    assert latest.record == row


@pytest.mark.parametrize("price_index", ["btc_usd", "btc_usdc"])
def test_a_tick_of_the_future_reprices_the_options_of_its_expiry_and_index(price_index: str) -> None:
    """C10, C22: the dependents are known from their contracts on, before any forward has come."""
    log = Log().ready(CALL, LATER, LINEAR)
    log.clock(1)
    name = "BTC-19APR23" if price_index == "btc_usd" else "BTC_USDC-19APR23"
    log.underlying(1.1, index_price=None, futures=[future_of(name, 1.1, 30_030.0)], price_index=price_index)
    log.clock(2)
    moved = [row for row in rows(log.run()) if row.trigger == Trigger.UNDERLYING]
    assert [(row.instrument_name, row.forward, row.forward_source) for row in moved] == [
        (CALL if price_index == "btc_usd" else LINEAR, 30_030.0, ForwardSource.FUTURE)
    ]


def test_the_index_on_a_quote_is_a_forward_where_there_is_no_other() -> None:
    """C20, C21, E-11: the last link before the last known one; named, so that nobody takes it for the expiry's forward."""
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    log.quote(at=0.5, underlying_price=None, index_price=29_900.0)
    row = rows(log.run())[-1]
    assert (row.forward, row.forward_source, row.status) == (29_900.0, ForwardSource.INDEX, RowStatus.OK)


def test_a_forward_that_nothing_replaces_stays_the_last_known_one_and_says_how_old_it_is() -> None:
    """C19, C20: eleven minutes of silence, no index anywhere."""
    log = Log()
    log.clock(0)
    log.contract()
    log.quote(index_price=None)
    log.set(n_here=1)
    log.clocks(1, 670)
    row = rows(log.run())[-1]
    assert (row.forward, row.forward_source, row.is_stale) == (FORWARD, ForwardSource.LAST_KNOWN, True)
    assert row.forward_age_ms == (row.ts_event_ns - ns(0)) / 1e6


# ------------------------------------------------------------------ completeness


def test_an_instrument_written_twice_does_not_stand_in_for_one_that_was_not_seen() -> None:
    """C23: the whole snapshot or none of it is priced."""
    log = Log()
    log.clock(0)
    log.contract(CALL)
    log.contract(CALL)
    log.quote(CALL)
    log.set(n_here=2)
    state, results = log.fold()
    assert (state.is_ready, rows(results)) == (False, [])
    assert state.waits_for == "a whole snapshot: 1 of 2 instruments of snapshot 1 were seen"


def test_a_new_listing_does_not_stand_in_for_an_instrument_of_the_snapshot() -> None:
    """C23, B13: the log is joined in the midst of a snapshot, and something is listed before it is closed."""
    log = Log()
    log.clock(0)
    log.contract(CALL)
    log.contract(PUT, is_snapshot=False, snapshot_id=None)
    log.set(n_here=2)
    state, _ = log.fold()
    assert state.waits_for == "a whole snapshot: 1 of 2 instruments of snapshot 1 were seen"
    log.contract(CALL, snapshot_id=2)
    log.contract(PUT, snapshot_id=2)
    log.set(snapshot_id=2, n_here=2)
    state, results = log.fold()
    assert state.is_ready and not state.snapshot_names
    assert [row.instrument_name for row in rows(results)] == [CALL, PUT]


# ------------------------------------------------------------------ timers and settings


def test_a_trailing_edge_in_a_silence_is_computed_at_its_own_time() -> None:
    """C14, E-52, E-79: not when the next record happens to come."""
    log = Log().ready()
    log.quote(at=0.1, mark=0.0340)
    log.quote(at=0.4, mark=0.0350)
    late = log.clock(50)
    row = [row for row in rows(log.run()) if row.trigger == Trigger.MARK][-1]
    assert (row.ts_event_ns, row.mark, row.source_offset) == (ns(1.1), 0.0350, late)


def test_the_throttle_is_a_setting() -> None:
    """C11, C55: 250 ms, the other default of the source."""
    log = Log().ready()
    for i in range(1, 10):
        log.quote(at=0.1 * i, mark=0.0330 + 0.0002 * i)
    log.clock(2)
    times = [
        row.ts_event_ns for row in rows(log.run(EngineSettings(mark_throttle_ms=250))) if row.trigger == Trigger.MARK
    ]
    assert times == [ns(0.1), ns(0.35), ns(0.6), ns(0.85), ns(1.1)]


def test_intervals_and_thresholds_are_settings() -> None:
    """C55, C12, C7, C9: every 10 s, half of it later, nothing below 5 %."""
    settings = EngineSettings(time_ms=10_000, illiquid_offset_ms=5_000, mark_change_ratio=0.05, liquid_ms=0)
    log = Log().ready()
    log.quote(at=0.5, mark=0.0330 * 1.04)
    log.clocks(1, 40)
    found = [row for row in rows(log.run(settings)) if row.trigger != Trigger.SNAPSHOT]
    phase = phase_of(CALL, settings)
    assert phase < 10 * NS
    by_trigger = {t: [row.ts_event_ns % (10 * NS) for row in found if row.trigger == t] for t in Trigger}
    assert by_trigger[Trigger.TIME] == [phase] * 4
    assert by_trigger[Trigger.ILLIQUID] == [(phase + 5 * NS) % (10 * NS)] * 4
    assert not by_trigger[Trigger.MARK]


@pytest.mark.parametrize(
    ("name", "value"),
    [("time_ms", 0), ("underlying_grid_ms", -1), ("n_trade_intervals_max", 0), ("mark_change_ratio", -0.1),
     ("sigma_gap", math.nan), ("rate", math.inf), ("carry", -11.0)],
)  # fmt: skip
def test_a_setting_that_no_log_could_be_folded_with_is_refused_at_once(name: str, value: float) -> None:
    """C55: before the first record, with what would be right."""
    with pytest.raises(ValueError, match=f"{name} .*: want a number of at least"):
        EngineSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "is_pin_risk"), [("BTC-12APR23-30000-C", True), ("BTC-13APR23-30000-C", False)])
def test_pin_risk_begins_a_day_before_expiry(name: str, is_pin_risk: bool) -> None:
    """C31: at the strike both; 1 h and 25 h to go.  The sd of the delivery price is there either way."""
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=0.0060, ask=0.0065, mark=0.00625)
    row = rows(log.run())[-1]
    assert row.is_pin_risk == is_pin_risk
    assert (row.settlement_sd_usd or 0) > 0


def test_an_expired_option_is_asked_nothing_more() -> None:
    """C26, N5: a quote after expiry fills state only, before any price of it is looked at: no row, no reject, no vol."""
    name = "BTC-12APR23-30000-C"
    log = Log()
    log.clock(3_599)
    log.underlying(3_599)
    log.contract(name)
    log.set(at=3_599, n_here=1)
    log.quote(name, at=3_600.0, bid=-1.0, ask=0.5, underlying_price=None)
    state, results = log.fold()
    (row,) = rows(results)
    assert (row.trigger, row.status) == (Trigger.SNAPSHOT, RowStatus.NO_QUOTE)
    assert not state.instruments[name].has_solved


# ------------------------------------------------------------------ statistics


def test_the_rejects_topic_and_the_counters_are_the_statistics() -> None:
    """C27 to C29: what a reader keeps by key is what stands, by reason; the watermark has the totals; counts say what was dropped."""
    log = Log().ready(CALL, PUT)
    log.contract(LATER)  # never quoted
    log.quote(PUT, at=0.5, bid=None, ask=None, mark=None)
    log.quote("BTC-28APR23-99000-C", at=0.6)  # never listed
    log.quote(CALL, at=0.7, ingest_epoch=0)
    log.quote(CALL, at=-5.0)
    log.clocks(1, 61)
    state, results = log.fold()
    standing = {r.key: r.record.status for r in of_topic(results, "rejects") if isinstance(r.record, Reject)}
    assert standing == {LATER: RowStatus.NO_QUOTE, "BTC-28APR23-99000-C": RowStatus.NO_CONTRACT}
    mark = [r.record for r in results if isinstance(r.record, Watermark)][-1]
    assert (mark.n_listed, mark.n_priced, mark.n_rejected) == (3, 2, 1)
    assert state.counters == {"superseded_records": 1, "old_records": 1}
    assert [row.sigma_source for row in rows(results, PUT)][1] == SigmaSource.STICKY


# ------------------------------------------------------------------ memory


def day_of(log: Log, day: int) -> None:
    """Ten options that are listed, quoted, traded with holes, rejected, and expire within the day; forwards and fixings of theirs."""
    start, expiry_ns = day * DAY_S, ns(day * DAY_S + 20_000)
    names = [f"BTC-D{day}-{30_000 + i}-C" for i in range(10)]
    log.clock(start)
    log.underlying(start, forwards=[ForwardQuote(expiry_ns, FORWARD, ForwardSource.SYNTHETIC, ns(start))])
    for i, name in enumerate(names):
        log.contract(name, start, strike=FORWARD, option_type=OptionType.CALL, expiry_ns=expiry_ns, snapshot_id=day)
        log.quote(name, start, bid=0.0100, ask=0.0105, mark=None if i else 0.0102)
        for seq in range(0, 1_200, 2):
            if i == 0:
                log.trade(name, start, seq, 0.0102)
    log.set(start, snapshot_id=day, n_here=10)
    log.fixing(start + 18_204, expiry_ns, 1, FORWARD)
    for at in range(0, DAY_S, 3_600):
        log.clock(start + at)


def containers(state: State) -> dict[str, int]:
    """How much the state holds of everything that it holds."""
    sizes = {
        name: len(getattr(state, name))
        for name in ("instruments", "seqs", "expired", "pending", "cleared", "timers", "by_index")
    }
    for underlying in state.underlyings.values():
        sizes |= {
            "forwards": len(underlying.forwards),
            "fixings": len(underlying.fixings),
            "futures": len(underlying.futures),
        }
    return sizes


def test_the_state_does_not_grow_with_the_days() -> None:
    """N4: every day lists ten options and ends them; a week later the state holds what it held after the first day."""
    settings = EngineSettings(engine="closed_form")
    log, state, sizes, n_done = Log(), new_state(IDENTITY, settings), [], 0
    for day in range(7):
        day_of(log, day)
        state, _ = step(state, log.located[n_done:], settings)
        n_done = len(log.records)
        sizes.append((containers(state), len(snapshot(state)) // 512))
    assert all(size == sizes[1] for size in sizes[2:]), sizes
