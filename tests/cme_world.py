"""A small CME world for tests: options and futures of June 2026, marks of them, and Black-76 by the formula."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import schemas
from schemas import CmeMark
from streams.cme.book import Book, Facts, step
from streams.cme.days import BusinessDays
from streams.cme.dbn import dbn_rows
from streams.cme.marks import marks
from streams.cme.quotes import MarkSettings
from tests.cme_files import DAY_NS, at_ns, dbn_file, definition, settlement

DAY = at_ns(2026, 6, 12)
TAKEN = at_ns(2026, 6, 12, 20)  # 15:00 in Chicago, in summer
WEEK = TAKEN + 7 * DAY_NS
INDEX = {"BTC": 100_000.0}
US = BusinessDays("US", date(2026, 1, 1), date(2026, 12, 31), frozenset({date(2026, 6, 19)}))
FACTS = Facts(us=US)
DEFAULT = MarkSettings()
F, K = 100_000.0, 105_000.0


def future(number: int = 3, symbol: str = "BTCM6", product: str = "BTC", expiry: int = WEEK) -> Any:
    return definition(number, symbol, product, "F", expiry, multiplier={"BTC": 5.0, "MBT": 0.1, "BFF": 0.02}[product])


def option(number: int, kind: str, strike: float, **more: Any) -> Any:
    given = {"asset": "BTC", "expiration_ns": WEEK, "multiplier": 5.0, "underlying_id": 3, **more}
    return definition(number, f"{given['asset']}M6 {kind}{strike:.0f}", kind=kind, strike=strike, **given)


def book_of(*records: Any) -> Book:
    book = Book()
    for row in dbn_rows(dbn_file(records), "x"):
        step(book, row, FACTS)
    assert not any(name.startswith("refused") for name in book.n_rows)
    return book


def marked(
    *records: Any, now: int = TAKEN, settings: MarkSettings = DEFAULT, index: dict[str, float] = INDEX
) -> list[CmeMark]:
    found = marks(book_of(*records), now, index, FACTS, settings)
    for mark in found:
        assert schemas.decode(schemas.encode(mark)) == mark, "no nan crosses a topic"
        assert mark.position_coin_trade_signed is None, "nobody says who the dealer is"
        assert mark.gamma_usd_per_pct_trade_signed is None
        assert mark.side_model == settings.side_model
    return found


def only(*records: Any, **more: Any) -> CmeMark:
    (mark,) = marked(*records, **more)
    return mark


def black(forward: float, strike: float, sigma: float, tau: float, sign: int) -> tuple[float, float]:
    """Price and delta by the formula, with the library's error function: independent of the pricers."""
    deviation = sigma * math.sqrt(tau)
    d1 = math.log(forward / strike) / deviation + deviation / 2.0
    n1, n2 = (0.5 * math.erfc(-sign * d / math.sqrt(2.0)) for d in (d1, d1 - deviation))
    return sign * (forward * n1 - strike * n2), sign * n1


VECTOR = (future(), option(7, "C", K), settlement(3, DAY, F), settlement(7, DAY, 1005.501470))
