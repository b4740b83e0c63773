"""Which forward an option is priced with, and whether it is stale."""

from __future__ import annotations

from typing import NamedTuple

from schemas import ForwardSource
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Facts, Instrument, Point, Underlying

RANKS = (ForwardSource.FUTURE, ForwardSource.SYNTHETIC, ForwardSource.PARITY)
"""Order among the broadcast forwards of an expiry: the traded future, the venue's synthetic, put-call parity."""
RANK_OF = {source: rank for rank, source in enumerate(RANKS)}
LARGEST = 1e300
SMALLEST = 1e-100
"""No price lies outside, and inside the products of two prices neither overflow nor vanish."""


class Forward(NamedTuple):
    value: float
    """USD per coin."""
    source: ForwardSource
    ts_ns: int


def is_price(value: float | None) -> bool:
    """A positive number of a size that a price can have."""
    return value is not None and SMALLEST < value < LARGEST


def forward_of(
    facts: Facts, inst: Instrument, underlying: Underlying | None, now_ns: int, settings: EngineSettings
) -> Forward | None:
    """The forward at now: the newer of the quote's own and the broadcast one; the index inside the settlement window.

    Broadcast: the first fresh one of future, synthetic, parity.  Without any fresh forward the index, if it is fresh (it is
    broadcast every second, so it is a fall-back and never wins by being newer), then the newest that was ever known.
    """
    quote = inst.quote
    if facts.window_ns <= now_ns and facts.rule is not None:
        return _window_index(inst, underlying)
    oldest_ns = now_ns - settings.forward_stale_ms * NS_PER_MS
    own: Forward | None = None
    if quote is not None and quote.underlying_price is not None and SMALLEST < quote.underlying_price < LARGEST:
        own = Forward(quote.underlying_price, ForwardSource.QUOTE, inst.quote_ns)
    if underlying is None:
        known: list[Forward] = []
    else:
        points = underlying.forwards.get(facts.expiry_ns)
        known = (
            [Forward(points[rank].value, RANKS[rank], points[rank].ts_ns) for rank in sorted(points)] if points else []
        )
        for candidate in known:
            if candidate.ts_ns >= oldest_ns:
                return own if own is not None and own.ts_ns >= candidate.ts_ns else candidate
    if own is not None and own.ts_ns >= oldest_ns:
        return own
    index = underlying.index if underlying is not None else None
    if index is not None and index.ts_ns >= oldest_ns:
        return Forward(index.value, ForwardSource.INDEX, index.ts_ns)
    if own is not None:
        known.append(own)
    if known:
        newest = max(known, key=_age_key)
        return newest._replace(source=ForwardSource.LAST_KNOWN)
    if index is not None:
        return Forward(index.value, ForwardSource.LAST_KNOWN, index.ts_ns)
    return None


def _age_key(forward: Forward) -> int:
    return forward.ts_ns


def _window_index(inst: Instrument, underlying: Underlying | None) -> Forward | None:
    """The newer of the broadcast index and the one stamped on the quote: the basis of the running sum."""
    index: Point | None = underlying.index if underlying is not None else None
    quote = inst.quote
    if quote is not None and is_price(quote.index_price) and (index is None or inst.quote_ns > index.ts_ns):
        return Forward(quote.index_price or 0.0, ForwardSource.WINDOW_INDEX, inst.quote_ns)
    return Forward(index.value, ForwardSource.WINDOW_INDEX, index.ts_ns) if index is not None else None


def has_moved(old: float | None, new: float | None, ratio: float) -> bool:
    """Whether a number differs from an older one by more than ``ratio`` of it, appeared, or vanished."""
    if old is None or new is None:
        return old is not new
    return abs(new - old) > ratio * abs(old)
