"""One function per kind of record: refuse it, or let the timers due before it fire, apply it, and queue the work it triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas import (
    Clock,
    FeedGap,
    FutureQuote,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    RowStatus,
    SettlementFixing,
    Trigger,
    UnderlyingQuote,
)
from streams.engine import seqs
from streams.engine.expiry import expire, note_expiry
from streams.engine.forwards import RANK_OF, forward_of, has_moved, is_price
from streams.engine.gaps import apply_gap
from streams.engine.jobs import ClockDone, Dead, Item, Refusal, SetDone, option_job
from streams.engine.located import Unreadable
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Fixings, Instrument, Point, State, Underlying, facts_of
from streams.engine.triggers import arm_mark, fire, schedule, schedule_all, schedule_grid
from streams.engine.validate import (
    bounded,
    is_contract,
    is_fixing,
    is_new_broadcast,
    is_trade,
    raise_epoch,
    without_nonsense,
)

MOST_INDICES = 64
"""Price indices a partition follows: the venue has about twenty."""
MOST_FUTURES = 256
"""Futures and forwards kept per price index."""


def advance(state: State, ts_ns: int, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Move log time to a record's, firing what is due first.  Before the first Clock there is no log time."""
    if not state.has_clock:
        return
    log_time_ns = max(state.log_time_ns, ts_ns)
    if state.timers and state.timers[0][0] <= log_time_ns:
        fire(state, log_time_ns, offset, settings, out)
    state.log_time_ns = log_time_ns


def apply_quote(state: State, quote: OptionQuote, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """A newer quote replaces the older one; a change of bid or ask prices at once, one of mark or last is throttled."""
    if quote.ingest_epoch < state.epoch:
        state.count("superseded_records")
        return
    name = quote.instrument_name
    inst = state.instruments.get(name)
    if inst is None:
        if name in state.expired:
            state.count("late_records")
            return
        if sum(1 for known in state.instruments.values() if known.contract is None) >= settings.n_unlisted_max:
            state.count("unlisted_records")
            return
    elif inst.facts is not None and not inst.facts.is_option:
        state.count("bad_records")
        return
    ts_ns = bounded(state, quote.ts_event_ns, settings)
    if inst is not None and inst.quote is not None:
        if quote.is_snapshot and ts_ns <= inst.quote_ns:
            inst.is_unseen = False
            return
        if ts_ns < inst.quote_ns:
            state.count("old_records")
            return
    raise_epoch(state, quote.ingest_epoch)
    advance(state, ts_ns, offset, settings, out)
    quote = without_nonsense(state, quote)
    if inst is None:
        inst = _new_instrument(state, name, settings)
    old, inst.quote, inst.quote_ns, inst.is_unseen = inst.quote, quote, ts_ns, False
    if not quote.is_snapshot:
        inst.is_cold = False
    underlying = _mark_moved(state, inst)
    is_changed = old is None or _tick_moved(inst, old.bid, quote.bid) or _tick_moved(inst, old.ask, quote.ask)
    if is_changed:
        inst.changed_ns = ts_ns
    if old is not None and quote.last != old.last and is_price(quote.last) and quote.last != inst.last_price:
        _note_last(inst, quote.last or 0.0, ts_ns, underlying, state.log_time_ns, settings)
    if not state.is_ready or (
        inst.facts is not None and inst.facts.is_option and inst.facts.expiry_ns <= state.log_time_ns
    ):
        return
    if is_changed:
        out.append(option_job(state, inst, Trigger.QUOTE, state.log_time_ns, offset, settings))
    elif has_moved(inst.calc_mark, quote.mark, settings.mark_change_ratio) or has_moved(
        inst.calc_last, quote.last, settings.mark_change_ratio
    ):
        _mark_changed(state, inst, offset, settings, out)


def _mark_changed(state: State, inst: Instrument, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Leading edge: at once when the last ``mark`` calculation is long enough ago; else the trailing edge is armed."""
    due_ns = inst.mark_calc_ns + settings.mark_throttle_ms * NS_PER_MS
    if state.log_time_ns >= due_ns:
        inst.mark_calc_ns = state.log_time_ns
        out.append(option_job(state, inst, Trigger.MARK, state.log_time_ns, offset, settings))
    elif inst.due_mark_ns is None:
        arm_mark(state, inst, due_ns)


def _tick_moved(inst: Instrument, old: float | None, new: float | None) -> bool:
    """Compared in ticks of the instrument (E-70): float noise is no change."""
    if old == new:
        return False
    if old is None or new is None:
        return True
    contract = inst.contract
    tick = 0.0
    if contract is not None:
        tick = contract.tick_size
        for step in contract.tick_size_steps:
            if min(old, new) >= step.above_price:
                tick = max(tick, step.tick_size)
    return abs(new - old) >= 0.5 * tick


def _mark_moved(state: State, inst: Instrument) -> Underlying | None:
    """Tell the repricing grid of the instrument's price index that there is something to look at."""
    if inst.contract is None:
        return None
    underlying = state.underlyings.get(inst.contract.price_index)
    if underlying is not None:
        underlying.is_moved = True
    return underlying


def _note_last(
    inst: Instrument, price: float, ts_ns: int, underlying: Underlying | None, now_ns: int, settings: EngineSettings
) -> None:
    """Keep a dated trade price with the forward of its moment, to be solved by the next solving calculation."""
    if ts_ns < inst.last_ns or inst.facts is None:
        return
    forward = forward_of(inst.facts, inst, underlying, now_ns, settings)
    if forward is not None:
        inst.last_price, inst.last_ns, inst.last_forward, inst.is_last_new = price, ts_ns, forward.value, True


def apply_trade(state: State, trade: OptionTrade, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Every distinct trade gives exactly one TradeGreeks, whatever the state of the engine; a repeat gives none."""
    name = trade.instrument_name
    if not is_trade(trade):
        state.count("bad_records")
        return
    known = state.seqs.get(name)
    inst = state.instruments.get(name)
    if known is None:
        known = []
        if (
            inst is not None
            or name in state.expired
            or len(state.seqs) < len(state.instruments) + settings.n_unlisted_max
        ):
            state.seqs[name] = known
        else:
            state.count("unlisted_records")
    if not seqs.add(known, trade.trade_seq):
        state.count("repeated_trades")
        return
    if seqs.bound(known, settings.n_trade_intervals_max):
        state.count("closed_trade_holes")
    ts_ns = bounded(state, trade.ts_event_ns, settings)
    advance(state, ts_ns, offset, settings, out)
    is_listed = inst is not None
    if inst is None:
        inst = Instrument(name)
    now_ns = state.log_time_ns if state.has_clock else ts_ns
    job = option_job(state, inst, Trigger.UNKNOWN, now_ns, offset, settings, trade)
    job.refusal = _trade_refusal(state, inst, now_ns) or job.refusal
    out.append(job)
    if not is_listed or inst.facts is None:
        return
    underlying = _mark_moved(state, inst)
    inst.traded_ns = max(inst.traded_ns, ts_ns)
    if is_price(trade.price) and ts_ns >= inst.last_ns and job.forward is not None:
        _note_last(inst, trade.price, ts_ns, underlying, now_ns, settings)
        # The trade's own job solves its price, if it may; else the next solving calculation does.
        job.sets_last = job.refusal is None
        inst.is_last_new = not job.sets_last


def _trade_refusal(state: State, inst: Instrument, now_ns: int) -> Refusal | None:
    """Reasons that only a trade can meet: it is answered at any time, after expiry and before the first snapshot too."""
    expiry_ns = inst.contract.expiry_ns if inst.contract is not None else state.expired.get(inst.name)
    if expiry_ns is not None and (inst.name in state.expired or expiry_ns <= now_ns):
        return Refusal(RowStatus.EXPIRED, "traded at or after expiry", "never")
    if not state.is_ready:
        return Refusal(RowStatus.NOT_READY, f"waits for {state.waits_for}", "the snapshot is complete")
    return None


def apply_instrument(
    state: State, record: InstrumentState, offset: int, settings: EngineSettings, out: list[Item]
) -> None:
    """A contract's facts and status; it prices nothing, the next trigger shows it."""
    if record.ingest_epoch < state.epoch:
        state.count("superseded_records")
        return
    raise_epoch(state, record.ingest_epoch)
    if record.is_snapshot and record.snapshot_id is not None:
        if record.snapshot_id != state.snapshot_id:
            state.snapshot_id, state.n_snapshot = record.snapshot_id, 0
        state.n_snapshot += 1
    name = record.instrument_name
    if not is_contract(record):
        state.count("bad_records")
        return
    if name in state.expired or (
        record.expiry_ns is not None and state.has_clock and record.expiry_ns <= state.clock_ns
    ):
        state.count("late_records")
        return
    ts_ns = bounded(state, record.ts_event_ns, settings)
    inst = state.instruments.get(name)
    if inst is not None and ts_ns < inst.contract_ns:
        if not record.is_snapshot:
            state.count("old_records")
        return
    advance(state, ts_ns, offset, settings, out)
    if inst is None:
        inst = _new_instrument(state, name, settings)
    if inst.contract is not None and inst.contract.price_index != record.price_index:
        state.by_index.get(inst.contract.price_index, {}).pop(name, None)
    steps = tuple(step for step in record.tick_size_steps if is_price(step.above_price) and is_price(step.tick_size))
    inst.contract = without_nonsense(state, record._replace(tick_size_steps=steps))
    inst.facts, inst.contract_ns = facts_of(inst.contract), ts_ns
    state.by_index.setdefault(record.price_index, {})[name] = inst
    note_expiry(state, inst)
    _mark_moved(state, inst)


def _new_instrument(state: State, name: str, settings: EngineSettings) -> Instrument:
    inst = state.instruments[name] = Instrument(name)
    if state.is_ready:
        schedule(state, inst, settings)
    return inst


def apply_underlying(
    state: State, record: UnderlyingQuote, offset: int, settings: EngineSettings, out: list[Item]
) -> None:
    """Index, futures and forwards of a price index: what is newer replaces what is older."""
    if not is_new_broadcast(state, record.ingest_epoch, record.seq):
        return
    ts_ns = bounded(state, record.ts_event_ns, settings)
    advance(state, ts_ns, offset, settings, out)
    underlying = _underlying(state, record.price_index, settings)
    if underlying is None:
        return
    underlying.is_moved = True
    if is_price(record.index_price) and (underlying.index is None or ts_ns >= underlying.index.ts_ns):
        underlying.index = Point(record.index_price or 0.0, ts_ns)
    if is_price(record.dvol):
        underlying.dvol = record.dvol
    if record.is_complete:
        listed = {future.instrument_name for future in record.futures}
        for gone in [name for name in underlying.futures if name not in listed]:
            del underlying.futures[gone]
    for future in record.futures:
        at_ns = bounded(state, future.ts_event_ns, settings)
        before = underlying.futures.get(future.instrument_name)
        if before is None and len(underlying.futures) >= MOST_FUTURES:
            state.count("unlisted_records")
            continue
        if before is not None and at_ns < before.ts_event_ns:
            continue
        prices = (v if is_price(v) else None for v in future[2:6])
        others = (v if v is not None and abs(v) < 1e300 else None for v in future[6:10])
        underlying.futures[future.instrument_name] = FutureQuote._make((*future[:2], *prices, *others, at_ns))
        if future.expiry_ns is not None and is_price(future.mark):
            _set_forward(state, underlying, future.expiry_ns, 0, Point(future.mark or 0.0, at_ns))
    for forward in record.forwards:
        rank = RANK_OF.get(forward.source)
        if rank is not None and is_price(forward.forward):
            point = Point(forward.forward, bounded(state, forward.ts_event_ns, settings))
            _set_forward(state, underlying, forward.expiry_ns, rank, point)


def _underlying(state: State, price_index: str, settings: EngineSettings) -> Underlying | None:
    underlying = state.underlyings.get(price_index)
    if underlying is None:
        if len(state.underlyings) >= MOST_INDICES:
            state.count("unlisted_records")
            return None
        underlying = state.underlyings[price_index] = Underlying(price_index)
        if state.is_ready:
            schedule_grid(state, underlying, settings)
    return underlying


def _set_forward(state: State, underlying: Underlying, expiry_ns: int, rank: int, point: Point) -> None:
    points = underlying.forwards.get(expiry_ns)
    if points is None:
        if len(underlying.forwards) >= MOST_FUTURES:
            state.count("unlisted_records")
            return
        points = underlying.forwards[expiry_ns] = {}
    if rank not in points or point.ts_ns >= points[rank].ts_ns:
        points[rank] = point


def apply_fixing(
    state: State, record: SettlementFixing, offset: int, settings: EngineSettings, out: list[Item]
) -> None:
    """Both cumulative numbers from the newest record; it reprices the expiring series (rule 7)."""
    if not is_new_broadcast(state, record.ingest_epoch, record.seq):
        return
    advance(state, record.ts_event_ns, offset, settings, out)
    underlying = _underlying(state, record.price_index, settings)
    if underlying is None:
        return
    before = underlying.fixings.get(record.expiry_ns)
    if not is_fixing(record) or (before is None and len(underlying.fixings) >= MOST_FUTURES):
        state.count("bad_records")
        return
    if before is not None and record.grid_index < before.grid_index:
        state.count("old_records")
        return
    underlying.fixings[record.expiry_ns] = Fixings(
        record.grid_index, record.n_fixed, record.running_sum, record.n_imputed
    )
    underlying.is_moved = True
    if not state.is_ready:
        return
    series = state.by_index.get(record.price_index, {})
    for name in sorted(series):
        facts = series[name].facts
        if facts is not None and facts.is_option and facts.expiry_ns == record.expiry_ns:
            out.append(option_job(state, series[name], Trigger.FIXING, state.log_time_ns, offset, settings))


def apply_clock(state: State, record: Clock, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Closes a second: timers, expiries, a snapshot that waited for it, then latest rows and watermarks."""
    if not is_new_broadcast(state, record.ingest_epoch, record.seq):
        return
    if state.has_clock:
        advance(state, record.ts_event_ns, offset, settings, out)
        state.clock_ns = max(state.clock_ns, record.ts_event_ns)
    else:
        state.clock_ns = state.log_time_ns = record.ts_event_ns
        state.waits_for = "a complete InstrumentSet"
        _bound_early_times(state, settings)
    expire(state, offset, settings, out)
    if state.pending_set is not None:
        pending, state.pending_set = state.pending_set, None
        _complete(state, pending, offset, settings, out)
    listed = tuple(i for i in state.instruments.values() if i.facts is not None and i.facts.is_option)
    out.append(ClockDone(offset, state.log_time_ns, state.is_ready, listed))


def _bound_early_times(state: State, settings: EngineSettings) -> None:
    """Times that came before the first Clock are bounded by it now."""
    for inst in state.instruments.values():
        inst.quote_ns = bounded(state, inst.quote_ns, settings)
        inst.changed_ns = bounded(state, inst.changed_ns, settings)
        inst.contract_ns = bounded(state, inst.contract_ns, settings)
        inst.traded_ns = bounded(state, inst.traded_ns, settings)
        inst.last_ns = bounded(state, inst.last_ns, settings)
    for underlying in state.underlyings.values():
        if underlying.index is not None:
            underlying.index = Point(underlying.index.value, bounded(state, underlying.index.ts_ns, settings))
        for points in underlying.forwards.values():
            for rank, point in points.items():
                points[rank] = Point(point.value, bounded(state, point.ts_ns, settings))
        for name, future in underlying.futures.items():
            underlying.futures[name] = future._replace(ts_event_ns=bounded(state, future.ts_event_ns, settings))


def apply_set(state: State, record: InstrumentSet, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Closes a snapshot.  Before the first Clock it waits for it."""
    if not is_new_broadcast(state, record.ingest_epoch, record.seq):
        return
    advance(state, bounded(state, record.ts_event_ns, settings), offset, settings, out)
    if state.has_clock:
        _complete(state, record, offset, settings, out)
    else:
        state.pending_set = record


def _complete(state: State, record: InstrumentSet, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """A cold engine becomes ready when it has seen the whole snapshot, and prices everything once."""
    counts = record.count_by_partition
    n_want = counts[state.partition] if state.partition < len(counts) else 0
    n_seen = state.n_snapshot if record.snapshot_id == state.snapshot_id else 0
    n_seen = max(n_seen, sum(1 for inst in state.instruments.values() if inst.contract is not None))
    if not state.is_ready:
        if not record.is_complete:
            state.waits_for = f"a complete InstrumentSet: snapshot {record.snapshot_id} says that it is not"
        elif n_seen < n_want:
            state.waits_for = (
                f"a whole snapshot: {n_seen} of {n_want} instruments of snapshot {record.snapshot_id} were seen"
            )
        else:
            state.is_ready, state.waits_for = True, ""
            schedule_all(state, settings)
            for name in sorted(state.instruments):
                facts = state.instruments[name].facts
                if facts is None or (facts.is_option and facts.expiry_ns > state.log_time_ns):
                    inst = state.instruments[name]
                    out.append(option_job(state, inst, Trigger.SNAPSHOT, state.log_time_ns, offset, settings))
    known = tuple(state.instruments[name] for name in sorted(state.instruments))
    out.append(SetDone(offset, state.log_time_ns, known))


def apply_feed_gap(state: State, record: FeedGap, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """What an outage spans: quotes from before its end are stale, holes in the trade numbers are closed (rule 6)."""
    if is_new_broadcast(state, record.ingest_epoch, record.seq):
        advance(state, bounded(state, record.ts_event_ns, settings), offset, settings, out)
        apply_gap(state, record.channels, bounded(state, record.to_ns, settings))


def apply_unreadable(state: State, record: Unreadable, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    state.count("unreadable_records")
    out.append(Dead(offset, state.log_time_ns, record))


HANDLERS: dict[type, Callable[[State, Any, int, EngineSettings, list[Item]], None]] = {
    OptionQuote: apply_quote,
    OptionTrade: apply_trade,
    InstrumentState: apply_instrument,
    UnderlyingQuote: apply_underlying,
    SettlementFixing: apply_fixing,
    Clock: apply_clock,
    InstrumentSet: apply_set,
    FeedGap: apply_feed_gap,
    Unreadable: apply_unreadable,
}
"""Kinds of records of the log; anything else is counted and changes nothing."""
