"""What is traded while a delivery price is averaged, against the same time of other days (A34).  Pure; amounts in coin and USD.

A settlement window is what the series of one expiry are averaged over: the venue's 30 minutes before 08:00 UTC.  A currency's windows
are at one time of the day, so a *slot* of the day is watched on every day, whether anything expires then or not: days on which nothing
does are other days for all that is traded, and none for what expires.

    taker_net_coin     sum of s q                   s: +1 the taker bought, -1 he sold, 0 not known; q: coin
    taker_net_usd      sum of s q S                 S: the index at the trade, the forward where it has none
    taker_delta_coin   sum of s q delta
    taker_gamma_usd    sum of s q gamma S² 0.01     USD per +1 % spot, as NGI

The greeks are those of the moment of the trade: in the window most of a trade's delta may be fixed already, and the European twin does
not know it.  What has no greek or index is in no such sum and is counted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers import settlement
from schemas import Direction, Liquidation, TradeGreeks
from streams.engine import seqs
from streams.flow.settings import FlowSettings

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
PER_PCT = 0.01
SIGNS = {Direction.BUY: 1, Direction.SELL: -1}
N_INTERVALS_MAX = 64
"""Of trade numbers, for each instrument in one window: more holes than this are closed, the oldest first."""


class Sums(NamedTuple):
    """What was traded."""

    n_trades: int = 0
    n_buys: int = 0
    """The taker bought; with ``n_sells`` less than ``n_trades`` where some say no side."""
    n_sells: int = 0
    volume_coin: float = 0.0
    volume_usd: float = 0.0
    """Notional: coin times S."""
    taker_net_coin: float = 0.0
    taker_net_usd: float = 0.0
    taker_delta_coin: float = 0.0
    taker_gamma_usd: float = 0.0
    european_taker_delta_coin: float = 0.0
    european_taker_gamma_usd: float = 0.0
    n_blocks: int = 0
    n_liquidations: int = 0
    n_without_index: int = 0
    """In no sum in USD."""
    n_without_greeks: int = 0
    """In no sum of ours of delta or gamma."""
    n_without_european: int = 0
    n_unreadable: int = 0
    """No size: in no sum at all, ``n_trades`` neither."""


class Window(NamedTuple):
    """The slot's window of one day, not over yet."""

    end_ns: int
    seen: dict[str, seqs.Seqs]
    """Trade numbers by instrument; changed in place, as the fold uses up the state that it is given."""
    n_seconds: int = 0
    """Seconds of log time seen in it."""
    expiring: Sums = Sums()
    every: Sums = Sums()


class Day(NamedTuple):
    """What the slot saw on a day that is over."""

    end_ns: int
    expiring: Sums | None
    """None: nothing expired."""
    every: Sums


class Slot(NamedTuple):
    """One time of the day at which series expire, with the days it has seen whole, oldest first."""

    of_day_ns: int
    length_ns: int
    rule_id: str
    window: Window
    days: tuple[Day, ...] = ()


class Settlements(NamedTuple):
    """Of one currency."""

    expiries: tuple[int, ...] = ()
    """Those to come, ascending."""
    slots: tuple[Slot, ...] = ()


class Ended(NamedTuple):
    """The window of an expiry, over."""

    slot: Slot
    """As of before this day was added to its days."""
    window: Window
    seen_share: float
    """Seconds of the window in which log time went on; 1: all."""


def learn(state: Settlements, currency: str, expiry_ns: int, now_ns: int, settings: FlowSettings) -> Settlements:
    """An expiry that somebody trades or quotes; one whose window is over, or that has no window, makes none."""
    if expiry_ns in state.expiries or expiry_ns <= now_ns - _grace_ns(settings):
        return state
    state = state._replace(expiries=tuple(sorted({*state.expiries, expiry_ns})))
    rule = settlement.rule_of("option", currency, expiry_ns)
    if rule is None or not rule.window_s:
        return state
    of_day_ns, length_ns = expiry_ns % DAY_NS, rule.window_s * NS_PER_S
    if any((slot.of_day_ns, slot.length_ns) == (of_day_ns, length_ns) for slot in state.slots):
        return state
    window = Window(_next_end_ns(of_day_ns, now_ns - _grace_ns(settings)), {})
    slot = Slot(of_day_ns, length_ns, rule.rule_id, window)
    return state._replace(slots=tuple(sorted((*state.slots, slot), key=lambda one: (one.of_day_ns, one.length_ns))))


def take(state: Settlements, trade: TradeGreeks, expiry_ns: int) -> Settlements:
    """A trade of an option that expires then, once, by its number; its own time says whether it is in a window."""
    slots = tuple(_taken(slot, trade, expiry_ns) for slot in state.slots)
    return state._replace(slots=slots)


def _taken(slot: Slot, trade: TradeGreeks, expiry_ns: int) -> Slot:
    window = slot.window
    if not window.end_ns - slot.length_ns < trade.ts_event_ns <= window.end_ns:
        return slot
    known = window.seen.setdefault(trade.instrument_name, [])
    if not seqs.add(known, trade.trade_seq):
        return slot
    seqs.bound(known, N_INTERVALS_MAX)
    window = window._replace(every=added(window.every, trade))
    if expiry_ns == window.end_ns:
        window = window._replace(expiring=added(window.expiring, trade))
    return slot._replace(window=window)


def added(sums: Sums, trade: TradeGreeks) -> Sums:
    """The sums with one trade more."""
    amount = trade.amount_coin
    if not 0.0 < amount < math.inf:
        return sums._replace(n_unreadable=sums.n_unreadable + 1)
    sign = SIGNS.get(trade.direction, 0)
    signed = sign * amount
    s = next(
        (price for price in (trade.index_price, trade.forward) if price is not None and 0.0 < price < math.inf), None
    )
    per_pct = None if s is None else s * s * PER_PCT
    ours = _delta_gamma(signed, trade.delta, trade.gamma_per_usd, per_pct)
    european = _delta_gamma(signed, trade.european_delta, trade.european_gamma_per_usd, per_pct)
    return Sums(
        n_trades=sums.n_trades + 1,
        n_buys=sums.n_buys + (sign > 0),
        n_sells=sums.n_sells + (sign < 0),
        volume_coin=sums.volume_coin + amount,
        volume_usd=sums.volume_usd + amount * (s or 0.0),
        taker_net_coin=sums.taker_net_coin + signed,
        taker_net_usd=sums.taker_net_usd + signed * (s or 0.0),
        taker_delta_coin=sums.taker_delta_coin + (ours[0] if ours else 0.0),
        taker_gamma_usd=sums.taker_gamma_usd + (ours[1] if ours else 0.0),
        european_taker_delta_coin=sums.european_taker_delta_coin + (european[0] if european else 0.0),
        european_taker_gamma_usd=sums.european_taker_gamma_usd + (european[1] if european else 0.0),
        n_blocks=sums.n_blocks + (trade.block_trade_id is not None),
        n_liquidations=sums.n_liquidations + (trade.liquidation not in (Liquidation.NONE, Liquidation.UNKNOWN)),
        n_without_index=sums.n_without_index + (s is None),
        n_without_greeks=sums.n_without_greeks + (ours is None),
        n_without_european=sums.n_without_european + (european is None),
        n_unreadable=sums.n_unreadable,
    )


def _delta_gamma(
    signed: float, delta: float | None, gamma: float | None, per_pct: float | None
) -> tuple[float, float] | None:
    """What a trade adds to both sums; None: it lacks a greek, or S."""
    if delta is None or gamma is None or per_pct is None or not math.isfinite(delta) or not math.isfinite(gamma):
        return None
    return signed * delta, signed * gamma * per_pct


def end_second(state: Settlements, second_ns: int, settings: FlowSettings) -> tuple[Settlements, list[Ended]]:
    """Log time has passed a second: it counts in its window, and windows that are over by the grace are closed.

    A day enters the comparison of later ones if enough of its window was seen.  A window of which nothing was seen is none.
    """
    slots, over = [], []
    closed_ns = second_ns - _grace_ns(settings)
    for slot in state.slots:
        window = slot.window
        if window.end_ns <= closed_ns:
            ended = Ended(slot, window, min(1.0, window.n_seconds * NS_PER_S / slot.length_ns))
            if window.end_ns in state.expiries and (window.n_seconds or window.every.n_trades):
                over.append(ended)
            slot = _next_day(ended, window.end_ns in state.expiries, closed_ns, settings)
            window = slot.window
        if window.end_ns - slot.length_ns < second_ns <= window.end_ns:
            slot = slot._replace(window=window._replace(n_seconds=window.n_seconds + 1))
        slots.append(slot)
    expiries = state.expiries
    if expiries and expiries[0] <= closed_ns:
        expiries = tuple(expiry_ns for expiry_ns in expiries if expiry_ns > closed_ns)
    return Settlements(expiries, tuple(slots)), over


def is_whole(ended: Ended, settings: FlowSettings) -> bool:
    """Whether enough of the window was seen to compare it with other days."""
    return ended.window.n_seconds > 0 and ended.seen_share >= settings.settlement_share_min


def _next_day(ended: Ended, has_expired: bool, closed_ns: int, settings: FlowSettings) -> Slot:
    slot, window = ended.slot, ended.window
    days = slot.days
    if is_whole(ended, settings):
        days = (*days, Day(window.end_ns, window.expiring if has_expired else None, window.every))
    end_ns = _next_end_ns(slot.of_day_ns, closed_ns)
    oldest_ns = end_ns - settings.settlement_days * DAY_NS
    return slot._replace(window=Window(end_ns, {}), days=tuple(day for day in days if day.end_ns >= oldest_ns))


def _grace_ns(settings: FlowSettings) -> int:
    return round(settings.settlement_grace_s * NS_PER_S)


def _next_end_ns(of_day_ns: int, after_ns: int) -> int:
    """The first moment later than ``after_ns`` at this time of the day."""
    return after_ns + DAY_NS - (after_ns - of_day_ns) % DAY_NS


class Compared(NamedTuple):
    """A number against the same number of other days."""

    n_days: int
    mean: float | None
    """None without days."""
    sd: float | None
    """Of the sample (n - 1); None below two days."""
    ratio: float | None
    """value / mean; None where the mean is not positive: a net amount has no ratio to a mean of the other sign."""


def compared(value: float | None, others: list[float]) -> Compared:
    """Mean and standard deviation of the others, and the value's ratio to the mean."""
    n = len(others)
    if not n:
        return Compared(0, None, None, None)
    mean = math.fsum(others) / n
    sd = math.sqrt(math.fsum((other - mean) ** 2 for other in others) / (n - 1)) if n > 1 else None
    return Compared(n, mean, sd, value / mean if value is not None and mean > 0.0 else None)


def known(sums: Sums, measure: str) -> float | None:
    """A sum; None where there were trades and none of them is in it: a sum of nothing is null."""
    lacking = {
        "volume_usd": sums.n_without_index, "taker_net_usd": sums.n_without_index,
        "taker_delta_coin": sums.n_without_greeks, "taker_gamma_usd": sums.n_without_greeks,
        "european_taker_delta_coin": sums.n_without_european, "european_taker_gamma_usd": sums.n_without_european,
    }.get(measure, 0)  # fmt: skip
    return None if sums.n_trades and lacking == sums.n_trades else float(getattr(sums, measure))
