"""Which forward an option is priced with, and whether it is stale."""

from __future__ import annotations

from typing import NamedTuple

from schemas import ForwardSource
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Facts, Instrument, Point, Underlying

RANKS = (ForwardSource.FUTURE, ForwardSource.SYNTHETIC, ForwardSource.PARITY)
"""Order among the broadcast forwards of an expiry: the traded future, the venue's synthetic, put-call parity."""
RANKED = tuple(enumerate(RANKS))
RANK_OF = {source: rank for rank, source in RANKED}
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

    Broadcast: the first fresh one of future, synthetic, parity.  Without any fresh forward the newest known one, flagged, while
    it is not too old; then the index, which knows no basis; then the newest that was ever known.
    """
    if facts.window_ns <= now_ns and facts.rule is not None:
        return _window_index(inst, underlying)
    quote, own_ns = inst.quote, inst.quote_ns
    own_usd = quote.underlying_price if quote is not None and is_price(quote.underlying_price) else None
    points = underlying.forwards.get(facts.expiry_ns) if underlying is not None else None
    fresh_ns = now_ns - settings.forward_stale_ms * NS_PER_MS
    if points:
        for rank, source in RANKED:
            if rank in points:
                value, ts_ns = points[rank]
                if ts_ns >= fresh_ns:
                    if own_usd is not None and own_ns >= ts_ns:
                        return Forward(own_usd, ForwardSource.QUOTE, own_ns)
                    return Forward(value, source, ts_ns)
    own = Forward(own_usd, ForwardSource.QUOTE, own_ns) if own_usd is not None else None
    if own is not None and own_ns >= fresh_ns:
        return own
    return _stale_forward(own, points or {}, index_of(inst, underlying), fresh_ns, now_ns, settings)


def _stale_forward(
    own: Forward | None, points: dict[int, Point], index: Point | None, fresh_ns: int, now_ns: int, settings: EngineSettings
) -> Forward | None:  # fmt: skip
    """Where no forward of the expiry is fresh."""
    newest = own
    for rank, source in RANKED:
        point = points.get(rank)
        if point is not None and (newest is None or point.ts_ns > newest.ts_ns):
            newest = Forward(point.value, source, point.ts_ns)
    if newest is not None and newest.ts_ns >= now_ns - settings.forward_known_ms * NS_PER_MS:
        return newest._replace(source=ForwardSource.LAST_KNOWN)
    if index is not None and (newest is None or index.ts_ns > newest.ts_ns):
        source = ForwardSource.INDEX if index.ts_ns >= fresh_ns else ForwardSource.LAST_KNOWN
        return Forward(index.value, source, index.ts_ns)
    return newest._replace(source=ForwardSource.LAST_KNOWN) if newest is not None else None


def _window_index(inst: Instrument, underlying: Underlying | None) -> Forward | None:
    """The basis of the running sum."""
    index = index_of(inst, underlying)
    return Forward(index.value, ForwardSource.WINDOW_INDEX, index.ts_ns) if index is not None else None


def index_of(inst: Instrument, underlying: Underlying | None) -> Point | None:
    """The newer of the broadcast index and the one stamped on the instrument's quote."""
    index: Point | None = underlying.index if underlying is not None else None
    quote = inst.quote
    if quote is not None and is_price(quote.index_price) and (index is None or inst.quote_ns > index.ts_ns):
        return Point(quote.index_price or 0.0, inst.quote_ns)
    return index


def at_index(forward: Forward, index_then: float | None, index: Point | None) -> Forward:
    """The forward when the index stood elsewhere: the basis of now on the index of then."""
    if index is None or index_then is None or not is_price(index_then):
        return forward
    value = forward.value * (index_then / index.value)
    return forward._replace(value=value) if is_price(value) else forward


def has_moved(old: float | None, new: float | None, ratio: float) -> bool:
    """Whether a number differs from an older one by more than ``ratio`` of it, appeared, or vanished."""
    if old is None or new is None:
        return old is not new
    return abs(new - old) > ratio * abs(old)
