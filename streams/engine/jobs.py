"""What a batch has to do, in order.  A job holds every input of its moment, so that later records of the batch cannot touch it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas import AuditKind, InstrumentState, OptionQuote, OptionTrade, RowStatus, SigmaSource, Trigger
from streams.engine.columns import Head
from streams.engine.comparisons import Quantity
from streams.engine.forwards import Forward, at_index, forward_of, has_moved, index_of
from streams.engine.located import Unreadable
from streams.engine.refusals import Refusal, refusal_of
from streams.engine.settings import NS_PER_MS, NS_PER_S, EngineSettings
from streams.engine.state import NOT_SOLVED, Facts, Fixings, Instrument, Point, Solved, State

NO_FIXINGS = Fixings(0, 0, 0.0, 0)
SOLVING = (Trigger.QUOTE, Trigger.MARK, Trigger.SNAPSHOT)
"""Triggers that solve implied vols; the others reprice at the sticky one."""
SOLVES = tuple(number in SOLVING for number in range(max(Trigger) + 1))
"""By the trigger's number."""


class Iv(NamedTuple):
    """An implied vol with its status."""

    sigma: float | None
    status: RowStatus
    low: float | None = None
    high: float | None = None


NO_IV = Iv(None, RowStatus.NO_QUOTE)


Comparison = tuple[AuditKind, Sequence[Quantity], Sequence[float | None], Sequence[float | None]]
"""Numbers of a row against others: for each quantity ours and the other's."""


@dataclass(slots=True, eq=False)
class Job:
    """An option to be priced at a moment; with a trade, for that trade."""

    offset: int
    now_ns: int
    trigger: Trigger
    inst: Instrument
    contract: InstrumentState | None
    facts: Facts | None
    head: Head | None
    quote: OptionQuote | None
    quote_ns: int
    forward: Forward | None
    index: Point | None
    dvol: float | None
    fixings: Fixings
    next_fixing_s: float
    is_liquid: bool
    is_stale: bool
    is_cold: bool
    solves: bool
    refusal: Refusal | None
    last_price: float | None
    """Dated last price to be solved in this job, under last_forward."""
    last_forward: float
    last_ns: int
    is_last_fresh: bool
    """The forward has not moved since the last trade: its vol may be used."""
    trade: OptionTrade | None = None
    sets_last: bool = False
    """The trade is the newest one: its vol becomes the instrument's sigma_last."""
    # filled by the batch
    ivs: list[Iv] | None = None
    """bid, ask, mark, last (or the trade's); None: nothing to solve."""
    solved: Solved = NOT_SOLVED
    sigma: float | None = None
    sigma_source: SigmaSource = SigmaSource.NONE
    sigma_ns: int = 0
    sigma_last: float | None = None
    sigma_last_status: RowStatus = RowStatus.NO_QUOTE
    place: int = -1
    """Row of the batch's numbers; -1: not valued."""
    value_status: int = 0
    marks: int = 0
    """What is a number in that row (values.IS_NUMBER, values.HAS_ERROR)."""
    sd_usd: float = 0.0
    """Standard deviation of the delivery price, where it was valued."""
    audits: tuple[Comparison, ...] = ()


@dataclass(slots=True, eq=False)
class FutureJob:
    """A row for a future or perpetual: delta 1, no kernel."""

    offset: int
    now_ns: int
    trigger: Trigger
    inst: Instrument
    contract: InstrumentState
    facts: Facts
    price: Point | None
    bid: float | None
    ask: float | None
    mark: float | None
    last: float | None
    open_interest: float | None
    volume_24h: float | None
    """Coin: the venue says it in USD."""
    index: Point | None
    dvol: float | None
    refusal: Refusal | None


class Expired(NamedTuple):
    """The instrument's last row, and its tombstones."""

    offset: int
    now_ns: int
    inst: Instrument


class ClockDone(NamedTuple):
    """A Clock has been worked off: latest rows and watermarks."""

    offset: int
    now_ns: int
    is_ready: bool
    listed: tuple[Instrument, ...]


class SetDone(NamedTuple):
    """An InstrumentSet has come: standing rejects and cleared ones are told again."""

    offset: int
    now_ns: int
    known: tuple[Instrument, ...]
    """All instruments, by name."""


class Dead(NamedTuple):
    """Bytes for the dead letters."""

    offset: int
    now_ns: int
    unreadable: Unreadable


Item = Job | FutureJob | Expired | ClockDone | SetDone | Dead


def is_liquid(inst: Instrument, now_ns: int, settings: EngineSettings) -> bool:
    """Traded lately; or two-sided, changed lately and tight.  Premiums and times only: no trigger may depend on a kernel."""
    since_ns = now_ns - settings.liquid_ms * NS_PER_MS
    if inst.traded_ns >= since_ns:
        return True
    quote = inst.quote
    if quote is None or inst.changed_ns < since_ns or quote.bid is None or quote.ask is None:
        return False
    if not 0.0 < quote.bid <= quote.ask:
        return False
    return (quote.ask - quote.bid) * 200.0 < settings.liquid_spread_pct * (quote.ask + quote.bid)


def _made_ns(trade: OptionTrade, facts: Facts | None, now_ns: int) -> int:
    """The moment whose time to expiry counts for a trade: now; of a backfilled one its own, while that lies before the window.

    Inside the window the sum of the fixings goes with the time: what is known is the one of now.
    """
    if not trade.is_backfill or facts is None or trade.ts_event_ns >= facts.window_ns:
        return now_ns
    return min(now_ns, trade.ts_event_ns)


def _is_last_fresh(inst: Instrument, forward: Forward | None, trigger: Trigger, settings: EngineSettings) -> bool:
    """Whether the last trade is younger than the last move of the forward.  One that went and came back has moved, too.

    Not noted on the underlying grid, whose points depend on the partition: no vol shall.
    """
    if inst.last_price is None or inst.is_last_moved or forward is None:
        return False
    is_moved = has_moved(inst.last_forward, forward.value, settings.underlying_move_ratio)
    inst.is_last_moved = is_moved and trigger != Trigger.UNDERLYING
    return not is_moved


def _note_solve(inst: Instrument) -> None:
    """Later quotes are compared with this one: slow drift adds up (E-59)."""
    inst.has_solved, quote = True, inst.quote
    if quote is not None:
        inst.calc_bid, inst.calc_ask, inst.calc_mark, inst.calc_last = quote.bid, quote.ask, quote.mark, quote.last


def option_job(
    state: State, inst: Instrument, trigger: Trigger, now_ns: int, offset: int, settings: EngineSettings,
    trade: OptionTrade | None = None, forward: Forward | None = None,
) -> Job:  # fmt: skip
    """Catch the inputs of an option at now, and note on the instrument what this calculation was given.

    forward : the one of now, where the caller has looked it up.
    """
    facts, contract = inst.facts, inst.contract
    underlying = state.underlyings.get(contract.price_index) if contract is not None else None
    index = index_of(inst, underlying)
    fixings, next_fixing_s = NO_FIXINGS, 0.0
    made_ns = now_ns if trade is None else _made_ns(trade, facts, now_ns)
    if facts is not None:
        if forward is None:
            forward = forward_of(facts, inst, underlying, now_ns, settings)
        if trade is not None and trade.is_backfill and forward is not None:
            forward = at_index(forward, trade.index_price, index)  # it was made before what we know now
        if underlying is not None and made_ns == now_ns:
            fixings = underlying.fixings.get(facts.expiry_ns, NO_FIXINGS)
        next_fixing_s = (facts.first_grid_ns + fixings.n_fixed * facts.interval_ns - made_ns) / NS_PER_S
    stale_ns = now_ns - settings.forward_stale_ms * NS_PER_MS
    is_stale = inst.is_unseen or (forward is not None and forward.ts_ns < stale_ns)
    refusal = refusal_of(facts, inst, forward, fixings, made_ns, is_stale, settings, trade is not None)
    is_last_fresh = _is_last_fresh(inst, forward, trigger, settings) if trade is None else False
    solves, last_price = False, None
    if refusal is None and forward is not None:
        if trade is None:
            solves = SOLVES[trigger] or not inst.has_solved
            inst.calc_forward = forward.value
        if solves:
            _note_solve(inst)
            if inst.is_last_new:
                last_price, inst.is_last_new = inst.last_price, False
    elif SOLVES[trigger]:
        inst.has_solved = False  # the next job that may solves this quote, whatever its trigger
    return Job(
        offset, now_ns, trigger, inst, contract, facts, inst.head, inst.quote, inst.quote_ns, forward, index,
        underlying.dvol if underlying is not None else None,
        fixings, next_fixing_s, trigger is Trigger.UNDERLYING or is_liquid(inst, now_ns, settings), is_stale, inst.is_cold, solves, refusal,
        last_price, inst.last_forward, inst.last_ns, is_last_fresh, trade,
    )  # fmt: skip


def future_price(state: State, inst: Instrument) -> Point | None:
    """Mark, else mid, else last of a future or perpetual, with its time."""
    contract = inst.contract
    underlying = state.underlyings.get(contract.price_index) if contract is not None else None
    future = underlying.futures.get(inst.name) if underlying is not None else None
    if future is None:
        return None
    value = future.mark
    if value is None and future.bid is not None and future.ask is not None:
        value = 0.5 * (future.bid + future.ask)
    if value is None:
        value = future.last
    return Point(value, future.ts_event_ns) if value is not None else None


def future_job(
    state: State, inst: Instrument, contract: InstrumentState, facts: Facts, trigger: Trigger, now_ns: int, offset: int
) -> FutureJob:
    """Catch the inputs of a future or perpetual at now."""
    underlying = state.underlyings.get(contract.price_index)
    future = underlying.futures.get(inst.name) if underlying is not None else None
    price = future_price(state, inst)
    refusal = None
    if not facts.is_open:
        refusal = Refusal(RowStatus.NOT_OPEN, f"the instrument is {contract.status.name}", "its state is OPEN again")
    elif price is None:
        refusal = Refusal(RowStatus.NO_QUOTE, "no price of it yet", "an UnderlyingQuote brings one")
    else:
        inst.calc_forward = price.value
    bid, ask, mark, last, interest, volume_usd = future[2:8] if future is not None else (None,) * 6
    index = underlying.index if underlying is not None else None
    volume = volume_usd / index.value if volume_usd is not None and index is not None else math.nan
    return FutureJob(
        offset, now_ns, trigger, inst, contract, facts, price, bid, ask, mark, last, interest,
        volume if math.isfinite(volume) else None, index,
        underlying.dvol if underlying is not None else None, refusal,
    )  # fmt: skip
