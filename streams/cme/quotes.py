"""Prices that a mark can be made from: the books of option and future now, or their settlements of one trade date.

A volatility is only as good as its forward: an option's mid goes with the future's mid of the same moments, a settlement with the
future's settlement of the same trade date.  Never one with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pricers.clocks import NS_PER_S
from schemas import CmeSource, RowStatus
from streams.cme.book import Book, Quote, settlement_ns
from streams.cme.contracts import Unpriced
from streams.cme.sides import DEFAULT_SIDE_MODEL, SIGNS

DAY_NS = 86_400 * NS_PER_S


@dataclass(frozen=True)
class MarkSettings:
    """Everything that decides a mark, apart from the book."""

    side_model: str = DEFAULT_SIDE_MODEL
    """Whose assumption the signs are (``sides.SIGNS``)."""
    open_interest_divisor: Annotated[float, "times each contract is counted"] = 1.0
    """CME counts each open contract once; 2 for a source that adds buyers and sellers."""
    quote_max_age_s: float = 150.0
    """A book older than this is no price now: two and a half intervals of bbo-1m."""
    spread_max_pct: float = 50.0
    """Of the mid: a wider market says less than yesterday's settlement."""
    settlement_max_age_days: float = 5.0
    """A long weekend and a day; an older one is no price."""
    rate: Annotated[float, "per year, continuous"] = 0.0
    """Discounts the premium.  0 as for all greeks here (DEFINITIONS 3.1)."""
    total_vol_max: Annotated[float, "volatility times root of years"] = 6.0
    """The search for a volatility gives up beyond it."""

    def __post_init__(self) -> None:
        """Raises ValueError for a side model that is not known, and for a divisor, age or limit that is not positive."""
        if self.side_model not in SIGNS:
            raise ValueError(f"side model {self.side_model!r} is unknown; there are {', '.join(SIGNS)}")
        for name in (
            "open_interest_divisor", "quote_max_age_s", "spread_max_pct", "settlement_max_age_days", "total_vol_max"
        ):  # fmt: skip
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; want a positive number")
        if not -1.0 < self.rate < 1.0:
            raise ValueError(f"rate is {self.rate}; want a fraction a year, between -1 and 1")


class Price(NamedTuple):
    """A price with its moment."""

    usd: float
    """USD per coin."""
    ns: int
    source: CmeSource


class Pair(NamedTuple):
    """An option's price and the forward that belongs to it."""

    price_usd: float
    forward: float
    ns: int
    """The moment of both: time to expiry counts from it."""
    source: CmeSource


def fresh_quote(book: Book, key: str, now_ns: int, settings: MarkSettings) -> Quote | None:
    """The book of an instrument if it is young enough."""
    quote = book.quotes.get(key)
    if quote is None or not 0 <= now_ns - quote.ts_ns <= settings.quote_max_age_s * NS_PER_S:
        return None
    return quote


def mid(quote: Quote | None, settings: MarkSettings) -> float | Unpriced:
    """Mid of a two-sided book that is not crossed and not too wide; USD per coin."""
    if quote is None or not quote.bid or not quote.ask:
        return Unpriced(RowStatus.NO_QUOTE, "no fresh two-sided book")
    if quote.bid > quote.ask:
        return Unpriced(RowStatus.CROSSED_QUOTE, f"bid {quote.bid} over ask {quote.ask}")
    middle = (quote.bid + quote.ask) / 2.0
    if (quote.ask - quote.bid) * 100.0 > settings.spread_max_pct * middle:
        return Unpriced(RowStatus.NO_QUOTE, f"bid {quote.bid} and ask {quote.ask} are too far apart")
    return middle


def settlement_of(book: Book, key: str, day_ns: int) -> float | None:
    """Settlement price of an instrument for a trade date; USD per coin."""
    found = book.settlements.get(key, {}).get(day_ns)
    return None if found is None else found.price


def settlement_day(book: Book, key: str, now_ns: int, settings: MarkSettings) -> int | None:
    """The newest trade date, not too old, for which an instrument has a settlement price taken by now."""
    days = book.settlements.get(key, {})
    first_ns = now_ns - settings.settlement_max_age_days * DAY_NS
    held = (day for day, one in days.items() if one.price is not None and first_ns <= settlement_ns(day) <= now_ns)
    return max(held, default=None)


def forward_now(book: Book, key: str, now_ns: int, settings: MarkSettings) -> Price | Unpriced:
    """A future's price: the mid of its book, else its newest settlement."""
    quote = fresh_quote(book, key, now_ns, settings)
    middle = mid(quote, settings)
    if quote is not None and isinstance(middle, float):
        return Price(middle, quote.ts_ns, CmeSource.BID_ASK_MID)
    day = settlement_day(book, key, now_ns, settings)
    price = None if day is None else settlement_of(book, key, day)
    if day is None or not price:
        return Unpriced(RowStatus.NO_FORWARD, f"future {key} has neither a fresh book nor a settlement")
    return Price(price, settlement_ns(day), CmeSource.SETTLEMENT)


def pairs_of(
    book: Book, key: str, future_key: str, forward: Price, now_ns: int, settings: MarkSettings
) -> list[Pair | Unpriced]:
    """What the option's volatility can be solved from, the best first; and why not, where something is missing."""
    return [
        _book_pair(book, key, forward, now_ns, settings),
        _settlement_pair(book, key, future_key, now_ns, settings),
    ]


def _book_pair(book: Book, key: str, forward: Price, now_ns: int, settings: MarkSettings) -> Pair | Unpriced:
    middle = mid(fresh_quote(book, key, now_ns, settings), settings)
    if not isinstance(middle, float):
        return middle
    if forward.source != CmeSource.BID_ASK_MID:
        return Unpriced(RowStatus.NO_FORWARD, "a book of the option, and none of its future")
    return Pair(middle, forward.usd, now_ns, CmeSource.BID_ASK_MID)


def _settlement_pair(book: Book, key: str, future_key: str, now_ns: int, settings: MarkSettings) -> Pair | Unpriced:
    day = settlement_day(book, key, now_ns, settings)
    price = None if day is None else settlement_of(book, key, day)
    if day is None or price is None:
        return Unpriced(RowStatus.NO_QUOTE, "no settlement")
    forward = settlement_of(book, future_key, day)
    if not forward:
        return Unpriced(RowStatus.NO_FORWARD, "a settlement of the option, and none of its future for that day")
    return Pair(price, forward, settlement_ns(day), CmeSource.SETTLEMENT)
