"""Open interest of futures by venue and day, as a file of one's own: four columns.

    day,currency,venue,open_interest_coin
    2026-06-12,BTC,Binance,98765.4

Nothing in the pipeline reads other venues; whoever has their figures writes such a file.  Bytes never raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO, NamedTuple

from streams.cme.bounded import Source, Unreadable, rows
from streams.cme.refused import LIMITS, Limits, Refused, shortened

HEADER = b"day,currency,venue,open_interest_coin"
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,12})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class VenueInterest(NamedTuple):
    """Futures open interest of one venue at the end of one day, perpetuals included, one-sided."""

    day: date
    currency: str
    venue: str
    open_interest_coin: float


def venue_rows(source: bytes | BinaryIO, name: str, limits: Limits = LIMITS) -> Iterator[VenueInterest | Refused]:
    """One thing for every line after the header."""
    return rows(source, name, limits, _check_header, _row)


def _check_header(stream: Source) -> None:
    head = stream.line()
    if head is None or head[0].removeprefix(b"\xef\xbb\xbf").strip() != HEADER:
        raise Unreadable("header", f"want {HEADER.decode()}")


def _row(line: bytes, is_whole: bool, name: str, position: int) -> VenueInterest | Refused:
    shown = shortened(line[:60])
    if not is_whole:
        return Refused(name, position, "line", f"begins with {shown}")
    try:
        cells = [cell.strip() for cell in line.decode("utf-8").split(",")]
    except UnicodeDecodeError as error:
        return Refused(name, position, "text", f"{error}"[:120])
    if len(cells) != HEADER.count(b",") + 1:
        return Refused(name, position, "columns", f"{len(cells)} of {HEADER.count(b',') + 1}: {shown}")
    day, currency, venue, number = cells
    if not currency or not venue:
        return Refused(name, position, "symbol", f"no currency or no venue: {shown}")
    if not _NUMBER.fullmatch(number):
        return Refused(name, position, "number", f"open_interest_coin is {shortened(number)}")
    try:
        when = date.fromisoformat(day) if _DAY.fullmatch(day) else None
    except ValueError:
        when = None
    if when is None:
        return Refused(name, position, "date", f"day is {shortened(day)}")
    return VenueInterest(when, currency.upper(), venue, float(number))
