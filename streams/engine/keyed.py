"""Records of one instrument: quotes, trades, contracts.  Refused, or applied after the timers that are due before them."""

from __future__ import annotations

from schemas import (
    InstrumentState,
    OptionQuote,
    OptionTrade,
    RowStatus,
    Trigger,
)
from streams.engine import seqs
from streams.engine.columns import head_of
from streams.engine.expiry import note_expiry
from streams.engine.forwards import Forward, forward_of, has_moved, is_price
from streams.engine.jobs import Item, option_job
from streams.engine.measures import tick_at
from streams.engine.refusals import Refusal
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Instrument, State, Underlying, facts_of
from streams.engine.triggers import advance, arm_mark, schedule
from streams.engine.validate import (
    bounded,
    is_contract,
    is_trade,
    raise_epoch,
    without_nonsense,
)

NOISE = 1e-9
"""Relative difference of two premiums that no tick can explain."""


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
    old, was_unseen = inst.quote, inst.is_unseen
    inst.quote, inst.quote_ns, inst.is_unseen = quote, ts_ns, False
    if not quote.is_snapshot:
        inst.is_cold = False
    underlying = _mark_moved(state, inst)
    is_changed = old is None or _tick_moved(inst, old.bid, quote.bid) or _tick_moved(inst, old.ask, quote.ask)
    if is_changed:
        inst.changed_ns = ts_ns
    # A last price that changed somewhen in an outage has no date, and so no forward.
    is_new_last = old is not None and quote.last not in (old.last, inst.last_price)
    if is_new_last and not was_unseen and is_price(quote.last):
        forward = forward_of(inst.facts, inst, underlying, state.log_time_ns, settings) if inst.facts else None
        _note_last(inst, quote.last or 0.0, ts_ns, forward)
    if state.is_ready:
        _price_quote(state, inst, quote, is_changed, offset, settings, out)


def _price_quote(
    state: State, inst: Instrument, quote: OptionQuote, is_changed: bool, offset: int, settings: EngineSettings,
    out: list[Item],
) -> None:  # fmt: skip
    """``quote`` when the book has changed, has drifted from the last calculation's, or waits for one; else perhaps ``mark``."""
    if inst.facts is not None and inst.facts.is_option and inst.facts.expiry_ns <= state.log_time_ns:
        return  # expired: the next Clock says so, and no price is looked at
    is_drifted = _tick_moved(inst, inst.calc_bid, quote.bid) or _tick_moved(inst, inst.calc_ask, quote.ask)
    if is_changed or is_drifted or not inst.has_solved:
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
    else:
        state.count("throttled_marks")
        if inst.due_mark_ns is None:
            arm_mark(state, inst, due_ns)


def _tick_moved(inst: Instrument, old: float | None, new: float | None) -> bool:
    """Compared in ticks of the instrument (E-70): float noise is no change.  A tick made up from the name may be too coarse."""
    if old == new:
        return False
    if old is None or new is None:
        return True
    contract = inst.contract
    if contract is None or contract.is_inferred:
        return abs(new - old) > NOISE * abs(old)
    return abs(new - old) >= 0.5 * tick_at(contract, min(old, new))


def _mark_moved(state: State, inst: Instrument) -> Underlying | None:
    """Tell the repricing grid of the instrument's price index that there is something to look at."""
    if inst.contract is None:
        return None
    underlying = state.underlyings.get(inst.contract.price_index)
    if underlying is not None:
        underlying.is_moved = True
    return underlying


def _note_last(inst: Instrument, price: float, ts_ns: int, forward: Forward | None) -> None:
    """Keep a dated trade price with the forward of its moment, to be solved by the next solving calculation."""
    if ts_ns >= inst.last_ns and forward is not None:
        inst.last_price, inst.last_ns, inst.last_forward = price, ts_ns, forward.value
        inst.is_last_new, inst.is_last_moved = True, False


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
    _mark_moved(state, inst)
    inst.traded_ns = max(inst.traded_ns, ts_ns)
    if is_price(trade.price) and ts_ns >= inst.last_ns and job.forward is not None:
        _note_last(inst, trade.price, ts_ns, job.forward)
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
    if record.is_snapshot and record.snapshot_id is not None and not state.is_ready:
        if record.snapshot_id != state.snapshot_id:
            state.snapshot_id, state.snapshot_names = record.snapshot_id, {}
        state.snapshot_names[record.instrument_name] = None
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
    before, inst.facts, inst.contract_ns = inst.facts, facts_of(inst.contract), ts_ns
    inst.head = head_of(name, inst.contract)
    if before is not None and inst.facts != before._replace(is_open=inst.facts.is_open):
        inst.has_solved = False  # its vols are those of another contract
    state.by_index.setdefault(record.price_index, {})[name] = inst
    note_expiry(state, inst)
    _mark_moved(state, inst)


def _new_instrument(state: State, name: str, settings: EngineSettings) -> Instrument:
    inst = state.instruments[name] = Instrument(name)
    if state.is_ready:
        schedule(state, inst, settings)
    return inst
