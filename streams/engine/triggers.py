"""One scheduler: timers with due times, in log time.

Fired before a record is applied, all that are due at or before its log time, ordered by (due time, trigger, instrument).  Of several
due instances of one timer only the latest fires, at its own time; the next is the first grid point after the record's log time
(rule 4 of the log).  So between records every due time lies after the log time, and all but the armed ``mark`` ones follow from it.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from operator import itemgetter
from zlib import crc32

from schemas import Trigger
from streams.engine.forwards import Forward, forward_of, has_moved
from streams.engine.jobs import Item, future_job, future_price, is_liquid, option_job
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Instrument, State, Underlying

N_SHIFTS = 16
"""Partitions of the log: their underlying grids are shifted so that they do not burst together."""
MARK, UNDERLYING, TIME, ILLIQUID = int(Trigger.MARK), int(Trigger.UNDERLYING), int(Trigger.TIME), int(Trigger.ILLIQUID)


def after(now_ns: int, phase_ns: int, period_ns: int) -> int:
    """First grid point later than now; grid points are phase + i period."""
    return now_ns + period_ns - (now_ns - phase_ns) % period_ns


def latest(first_ns: int, period_ns: int, until_ns: int) -> int:
    """Last of first, first + period, ... that is not after until."""
    return first_ns + (until_ns - first_ns) // period_ns * period_ns


def phase_of(name: str, settings: EngineSettings) -> int:
    """Where in the minute an instrument has its ``time``: a hash of its name, the same in every process."""
    return crc32(name.encode("utf-8", "surrogatepass")) % settings.time_ms * NS_PER_MS


def schedule(state: State, inst: Instrument, settings: EngineSettings) -> None:
    """Set the periodic timers of an instrument from the log time."""
    period_ns = settings.time_ms * NS_PER_MS
    phase_ns = phase_of(inst.name, settings)
    inst.due_time_ns = after(state.log_time_ns, phase_ns, period_ns)
    inst.due_illiquid_ns = after(state.log_time_ns, phase_ns + settings.illiquid_offset_ms * NS_PER_MS, period_ns)
    heappush(state.timers, (inst.due_time_ns, TIME, inst.name))
    heappush(state.timers, (inst.due_illiquid_ns, ILLIQUID, inst.name))


def schedule_grid(state: State, underlying: Underlying, settings: EngineSettings) -> None:
    """Set the repricing grid of a price index from the log time."""
    period_ns = settings.underlying_grid_ms * NS_PER_MS
    underlying.due_grid_ns = after(state.log_time_ns, period_ns * state.partition // N_SHIFTS, period_ns)
    heappush(state.timers, (underlying.due_grid_ns, UNDERLYING, underlying.price_index))


def schedule_all(state: State, settings: EngineSettings) -> None:
    """All timers anew: when the engine becomes ready, and after a restore (armed trailing edges are in the state)."""
    state.timers.clear()
    if not state.is_ready:
        return
    for inst in state.instruments.values():
        schedule(state, inst, settings)
        if inst.due_mark_ns is not None:
            state.timers.append((inst.due_mark_ns, MARK, inst.name))
    for underlying in state.underlyings.values():
        schedule_grid(state, underlying, settings)
    heapify(state.timers)


def arm_mark(state: State, inst: Instrument, due_ns: int) -> None:
    """Arm the trailing edge of an instrument's mark throttle."""
    inst.due_mark_ns = due_ns
    heappush(state.timers, (due_ns, MARK, inst.name))


def fire(state: State, until_ns: int, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Fire everything due at or before ``until_ns``; its jobs go to ``out``."""
    due = sorted(_take_due(state, until_ns, settings))
    i = 0
    while i < len(due):
        now_ns, trigger, key = due[i]
        i += 1
        if trigger == UNDERLYING:
            keys = [key]
            while i < len(due) and due[i][:2] == (now_ns, UNDERLYING):
                keys.append(due[i][2])
                i += 1
            _reprice_moved(state, keys, now_ns, offset, settings, out)
            continue
        inst = state.instruments[key]
        contract, facts = inst.contract, inst.facts
        if facts is not None and contract is not None and not facts.is_option:
            if trigger == TIME:
                out.append(future_job(state, inst, contract, facts, Trigger.TIME, now_ns, offset))
        elif trigger == MARK:
            inst.mark_calc_ns = now_ns
            out.append(option_job(state, inst, Trigger.MARK, now_ns, offset, settings))
        elif trigger == TIME or not is_liquid(inst, now_ns, settings):
            out.append(option_job(state, inst, Trigger(trigger), now_ns, offset, settings))


def _take_due(state: State, until_ns: int, settings: EngineSettings) -> list[tuple[int, int, str]]:
    """Pop what is due and set each timer's next instance.  Entries that no longer match their instrument are dropped."""
    timers, due = state.timers, []
    period_ns, grid_ns = settings.time_ms * NS_PER_MS, settings.underlying_grid_ms * NS_PER_MS
    while timers and timers[0][0] <= until_ns:
        at_ns, trigger, key = heappop(timers)
        if trigger == UNDERLYING:
            underlying = state.underlyings.get(key)
            if underlying is None or underlying.due_grid_ns != at_ns:
                continue
            last_ns = latest(at_ns, grid_ns, until_ns)
            underlying.due_grid_ns = last_ns + grid_ns
            heappush(timers, (underlying.due_grid_ns, UNDERLYING, key))
            due.append((last_ns, UNDERLYING, key))
            continue
        inst = state.instruments.get(key)
        if inst is None:
            continue
        # No timer of an instrument fires at or after its expiry (rule 8).
        end_ns = until_ns
        if inst.facts is not None and inst.contract is not None and inst.contract.expiry_ns is not None:
            end_ns = min(until_ns, inst.contract.expiry_ns - 1)
        if trigger == MARK:
            if inst.due_mark_ns != at_ns:
                continue
            inst.due_mark_ns = None
            if at_ns <= end_ns:
                due.append((at_ns, MARK, key))
            continue
        if at_ns != (inst.due_time_ns if trigger == TIME else inst.due_illiquid_ns):
            continue
        next_ns = latest(at_ns, period_ns, until_ns) + period_ns
        if trigger == TIME:
            inst.due_time_ns = next_ns
        else:
            inst.due_illiquid_ns = next_ns
        heappush(timers, (next_ns, trigger, key))
        if at_ns <= end_ns:
            due.append((latest(at_ns, period_ns, end_ns), trigger, key))
    return due


def _reprice_moved(
    state: State, price_indices: list[str], now_ns: int, offset: int, settings: EngineSettings, out: list[Item]
) -> None:
    """``underlying``: liquid options, and futures, whose forward has moved since their last calculation, by name."""
    candidates: dict[str, Instrument] = {}
    for price_index in price_indices:
        underlying = state.underlyings[price_index]
        if underlying.is_moved:
            underlying.is_moved = False
            candidates.update(state.by_index.get(price_index, {}))
    ratio, lively_ns = settings.underlying_move_ratio, now_ns - settings.liquid_ms * NS_PER_MS
    moved: list[tuple[str, Instrument, Forward | None]] = []
    for name, inst in candidates.items():
        contract, facts = inst.contract, inst.facts
        if contract is None or facts is None or (contract.expiry_ns is not None and contract.expiry_ns <= now_ns):
            continue
        if not facts.is_option:
            price = future_price(state, inst)
            if price is not None and has_moved(inst.calc_forward, price.value, ratio):
                moved.append((name, inst, None))
        elif (inst.traded_ns >= lively_ns or inst.changed_ns >= lively_ns) and is_liquid(inst, now_ns, settings):
            forward = forward_of(facts, inst, state.underlyings[contract.price_index], now_ns, settings)
            if forward is not None and has_moved(inst.calc_forward, forward.value, ratio):
                moved.append((name, inst, forward))
    for _, inst, forward in sorted(moved, key=itemgetter(0)):
        contract, facts = inst.contract, inst.facts
        if forward is not None:
            out.append(option_job(state, inst, Trigger.UNDERLYING, now_ns, offset, settings, forward=forward))
        elif contract is not None and facts is not None:
            out.append(future_job(state, inst, contract, facts, Trigger.UNDERLYING, now_ns, offset))


def advance(state: State, ts_ns: int, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Move log time to a record's, firing what is due first.  Before the first Clock there is no log time."""
    if not state.has_clock:
        return
    log_time_ns = max(state.log_time_ns, ts_ns)
    if state.timers and state.timers[0][0] <= log_time_ns:
        fire(state, log_time_ns, offset, settings, out)
    state.log_time_ns = log_time_ns
