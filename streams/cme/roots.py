"""Which products and roots there are: one table of data, each line with its source and the first trade date.

A definition's own fields come first everywhere (multiplier, expiry, future); the table tells what they leave open, is all that
settlement files have, and is held against the definitions.  A root that it lacks is no obstacle where the definition names its future.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from streams.cme.days import LONDON_CLOSE, NEW_YORK_CLOSE, WallTime


class Family(StrEnum):
    """What kind of expiry an option has."""

    MONTHLY = "monthly"
    """With its future, into the reference rate of London."""
    WEEKLY = "weekly"
    """Delivers the next monthly future."""
    FRIDAY = "friday"
    """On Bitcoin Friday futures, cash, New York."""
    UNLISTED = "unlisted"
    """The root is not in the table; everything comes from the definition."""


class Product(NamedTuple):
    """A future, and so all options on it."""

    code: str
    base_currency: str
    multiplier: float
    """Coin per contract; of future and option alike."""
    close: WallTime
    """When it, and options on it, expire on their last day."""
    valid_from: date
    """First trade date of the future."""
    source: str


class Root(NamedTuple):
    """A series of options."""

    code: str
    product: str
    family: Family
    valid_from: date
    """First trade date; an earlier expiry is a mistake."""
    source: str
    weekday: int | None = None
    """Of weekly ones: 0 Monday to 4 Friday."""
    week: int | None = None
    """Of the month, from 1."""


class Tick(NamedTuple):
    """Least step of an option's premium."""

    tick_usd: float
    """USD per coin."""
    reduced_tick_usd: float
    reduced_until_usd: float
    """Premiums up to this have the reduced tick."""

    def at(self, premium_usd: float) -> float:
        """Tick at a premium, USD per coin."""
        return self.reduced_tick_usd if premium_usd <= self.reduced_until_usd else self.tick_usd


class Table(NamedTuple):
    """Products by code, roots by code, ticks by product."""

    products: dict[str, Product]
    roots: dict[str, Root]
    ticks: dict[str, Tick]

    def check(self) -> Table:
        """Itself, if it makes sense.

        Raises
        ------
        ValueError : keys that are not codes, a multiplier that is not positive, or a root of no product.
        """
        for code, product in self.products.items():
            if code != product.code or not product.multiplier > 0.0:
                raise ValueError(f"product {code!r}: the key must be its code, and multiplier positive: {product}")
        for code, root in self.roots.items():
            if code != root.code or root.product not in self.products:
                raise ValueError(
                    f"root {code!r}: the key must be its code, and its product one of {', '.join(self.products)}: {root}"
                )
            if (root.family == Family.WEEKLY) != (root.weekday is not None and root.week is not None):
                raise ValueError(f"root {code!r}: weekday and week belong to weekly roots, and to all of them: {root}")
        return self


_SPECIFICATION = "CME Group, contract specifications; symbol properties of the futures (multipliers)"
_PRODUCTS = (
    Product("BTC", "BTC", 5.0, LONDON_CLOSE, date(2017, 12, 18), _SPECIFICATION),
    Product("MBT", "BTC", 0.1, LONDON_CLOSE, date(2021, 5, 3), _SPECIFICATION),
    Product("ETH", "ETH", 50.0, LONDON_CLOSE, date(2021, 2, 8), _SPECIFICATION),
    Product("MET", "ETH", 0.1, LONDON_CLOSE, date(2021, 12, 6), _SPECIFICATION),
    Product(
        "BFF",
        "BTC",
        0.02,
        NEW_YORK_CLOSE,
        date(2024, 9, 30),
        "CME Group, 'Bitcoin Friday futures: your new BFF' (2024): 1/50",
    ),
)
_LAUNCH = "CME Group, launch of Bitcoin options"
_MICRO = "CME Group, options on Micro Bitcoin futures; the day is that of the launch of micro options (not checked)"
_ETHER = "CME Group, options on Ether futures; the day is that of their launch (not checked)"
_DAILY = "CME Group press release of 17 April 2023: expiries Monday to Friday from 22 May"
_WEEKDAYS = "ABCDE"
"""Last letter of a weekly root: Monday to Friday."""


def _weeklies(letter: str, product: str, valid_from: date, source: str) -> tuple[Root, ...]:
    """P1A to P5A, ... P1D to P5D, and four Fridays: the last Friday is the monthly option's."""
    return tuple(
        Root(f"{letter}{week}{day}", product, Family.WEEKLY, valid_from, source, weekday, week)
        for weekday, day in enumerate(_WEEKDAYS)
        for week in range(1, 5 if day == "E" else 6)
    )


_ROOTS = (
    Root("BTC", "BTC", Family.MONTHLY, date(2020, 1, 13), _LAUNCH),
    *_weeklies("P", "BTC", date(2023, 5, 22), _DAILY),
    Root("WM", "MBT", Family.MONTHLY, date(2022, 3, 28), _MICRO),
    *_weeklies("W", "MBT", date(2022, 3, 28), _MICRO),
    Root("ETH", "ETH", Family.MONTHLY, date(2022, 9, 12), _ETHER),
    *_weeklies("Y", "ETH", date(2023, 5, 22), _DAILY),
)
"""Options on MET and BFF are known by their future: their own roots are in no source that we have."""

CME = Table(
    {product.code: product for product in _PRODUCTS},
    {root.code: root for root in _ROOTS},
    {"BTC": Tick(5.0, 1.0, 25.0)},
).check()
"""Ticks of the other products are in no source that we have: their vols come without a band."""
