"""The forward that a chain's own quotes imply, by put-call parity (rule 9)."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from schemas import OptionQuote, Payoff

MAX_AGE_NS = 10_000_000_000
"""Legs this much older than the newest pair are left out: they belong to another spot price."""
MAX_SPREAD = 0.02
"""Widest call plus put spread, as a share of the forward, that still says where the forward is."""


class Pair(NamedTuple):
    """Call and put of one strike."""

    strike: float
    call: OptionQuote
    put: OptionQuote


def _mid_and_spread(quote: OptionQuote) -> tuple[float, float] | None:
    bid, ask = quote.bid, quote.ask
    if bid is None or ask is None or bid <= 0.0 or ask <= bid:
        return None
    return (bid + ask) / 2.0, ask - bid


def pair_forward(pair: Pair, payoff: Payoff) -> float | None:
    """Forward of one pair, USD per coin; None when a side is missing, crossed or too wide.

    Linear: C - P = F - K.  Inverse, premiums in coin: c - p = 1 - K/F, hence F = K / (1 - (c - p)).
    """
    call, put = _mid_and_spread(pair.call), _mid_and_spread(pair.put)
    if call is None or put is None:
        return None
    difference, spread = call[0] - put[0], call[1] + put[1]
    if payoff == Payoff.INVERSE:
        return pair.strike / (1.0 - difference) if difference < 1.0 and spread <= MAX_SPREAD else None
    forward = pair.strike + difference
    return forward if forward > 0.0 and spread <= MAX_SPREAD * forward else None


def parity_forward(pairs: Iterable[Pair], payoff: Payoff) -> tuple[float, int] | None:
    """Median over the pairs, USD per coin, and the time of what it was made from: that of the newest pair's older leg, ns UTC."""
    found = []
    for pair in pairs:
        forward = pair_forward(pair, payoff)
        if forward is not None:
            found.append((min(pair.call.ts_event_ns, pair.put.ts_event_ns), forward))
    if not found:
        return None
    newest_ns = max(ts_ns for ts_ns, _ in found)
    return median(forward for ts_ns, forward in found if newest_ns - ts_ns <= MAX_AGE_NS), newest_ns
