"""Marks of one moment as they are published: which of them, and what became of the others.

batch(book, newest_ns(book), {"BTC": 105_000.0}, facts, settings, over_ns)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from schemas import CmeMark, RowStatus
from streams.cme.book import Book, Facts, settlement_ns
from streams.cme.marks import foreign, marks
from streams.cme.quotes import MarkSettings


class Batch(NamedTuple):
    """All that is said of one moment."""

    now_ns: int
    marks: tuple[CmeMark, ...]
    """To be published, in their order."""
    n_by_status: Counter[str]
    """Of these."""
    n_foreign: Counter[str]
    """Not published, by root: of no product of the table."""
    n_over: int
    """Not published: ended too long ago to be news."""


def newest_ns(book: Book) -> int | None:
    """The newest moment at which a book has a price or an open interest; None where it has neither.

    Definitions are no news: a listing may be newer than every price.
    """
    days = {day for held in book.settlements.values() for day, one in held.items() if one.price is not None}
    moments = {settlement_ns(day) for day in days}
    moments |= {quote.ts_ns for quote in book.quotes.values()}
    moments |= {one.published_ns for one in book.interests.values() if one.published_ns}
    return max(moments, default=None)


def batch(
    book: Book,
    now_ns: int,
    index_price_by_currency: Mapping[str, float],
    facts: Facts,
    settings: MarkSettings,
    over_ns: int,
) -> Batch:
    """Marks of every option of the table's products at a moment, those that ended more than ``over_ns`` before apart.

    Deterministic: the same book, moment, index and settings give the same records in the same order.
    """
    found = marks(book, now_ns, index_price_by_currency, facts, settings)
    ours = [mark for mark in found if mark.product]
    news = tuple(
        mark for mark in ours if mark.status != RowStatus.EXPIRED or mark.expiry_ns >= now_ns - over_ns
    )  # fmt: skip
    return Batch(now_ns, news, Counter(mark.status.name for mark in news), foreign(found), len(ours) - len(news))
