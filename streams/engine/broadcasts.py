"""Records that every partition has: underlyings, fixings, clocks, closed snapshots, feed gaps; each applied once."""

from __future__ import annotations

from schemas import (
    Clock,
    FeedGap,
    FutureQuote,
    InstrumentSet,
    SettlementFixing,
    Trigger,
    UnderlyingQuote,
)
from streams.engine.expiry import expire
from streams.engine.forwards import LARGEST, RANK_OF, SMALLEST, is_price
from streams.engine.gaps import apply_gap
from streams.engine.jobs import ClockDone, Item, SetDone, option_job
from streams.engine.settings import EngineSettings
from streams.engine.state import Fixings, Point, State, Underlying
from streams.engine.triggers import advance, schedule_all, schedule_grid
from streams.engine.validate import (
    bounded,
    is_fixing,
    is_new_broadcast,
)

MOST_INDICES = 64
"""Price indices a partition follows: the venue has about twenty."""
MOST_FUTURES = 256
"""Futures and forwards kept per price index."""


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
        underlying.futures[future.instrument_name] = (
            future if at_ns == future.ts_event_ns and _is_sound(future) else _cleaned(future, at_ns)
        )
        if future.expiry_ns is not None and is_price(future.mark):
            _set_forward(state, underlying, future.expiry_ns, 0, Point(future.mark or 0.0, at_ns))
    for forward in record.forwards:
        rank = RANK_OF.get(forward.source)
        if rank is not None and is_price(forward.forward):
            point = Point(forward.forward, bounded(state, forward.ts_event_ns, settings))
            _set_forward(state, underlying, forward.expiry_ns, rank, point)


def _is_sound(future: FutureQuote) -> bool:
    """Whether every number of it can be what it says."""
    _, _, bid, ask, mark, last, interest, volume, funding, current_funding, _ = future
    return (
        (bid is None or SMALLEST < bid < LARGEST)
        and (ask is None or SMALLEST < ask < LARGEST)
        and (mark is None or SMALLEST < mark < LARGEST)
        and (last is None or SMALLEST < last < LARGEST)
        and (interest is None or -LARGEST < interest < LARGEST)
        and (volume is None or -LARGEST < volume < LARGEST)
        and (funding is None or -LARGEST < funding < LARGEST)
        and (current_funding is None or -LARGEST < current_funding < LARGEST)
    )


def _cleaned(future: FutureQuote, at_ns: int) -> FutureQuote:
    """With nonsense as null, and its time as it is believed."""
    prices = (v if is_price(v) else None for v in future[2:6])
    others = (v if v is not None and abs(v) < LARGEST else None for v in future[6:10])
    return FutureQuote._make((*future[:2], *prices, *others, at_ns))


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
    n_seen = len(state.snapshot_names) if record.snapshot_id == state.snapshot_id else 0
    if not state.is_ready:
        if not record.is_complete:
            state.waits_for = f"a complete InstrumentSet: snapshot {record.snapshot_id} says that it is not"
        elif n_seen < n_want:
            state.waits_for = (
                f"a whole snapshot: {n_seen} of {n_want} instruments of snapshot {record.snapshot_id} were seen"
            )
        else:
            state.is_ready, state.waits_for, state.snapshot_names = True, "", {}
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
