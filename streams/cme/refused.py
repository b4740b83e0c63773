"""What could not be read: a row with a reason, counted like any other; and how much is read at most.

A reader yields exactly one thing for every record or line of its source: the row, a ``Refused``, or an ``Ignored`` for what is
readable and of no use here.  So the three counts add up to the source's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

REASONS = {
    "too-large": "more bytes, rows or instruments than the limit: the rest is not read",
    "compression": "the compressed stream is damaged or ends too early: the rest is lost",
    "header": "the source begins otherwise than its format does: nothing of it is read",
    "metadata": "the block before the records cannot be read: nothing of the source is",
    "framing": "a length that no record has: where the next one begins is not known, the rest is lost",
    "truncated": "the source ends inside a record",
    "length": "the record is longer or shorter than its kind",
    "record": "the decoding library refuses the record",
    "text": "a text field is no text",
    "time": "a time that is missing or beyond 64 bits of nanoseconds",
    "type": "a kind of instrument that nobody knows",
    "symbol": "no name",
    "strike": "an option without a strike above 0",
    "expiry": "no expiry",
    "put-call": "an option that is neither put nor call",
    "price": "a price that is missing where the row is about nothing else, or negative",
    "quantity": "a quantity that is missing where the row is about nothing else, or negative",
    "trade-date": "a daily figure of no day",
    "columns": "another number of columns than the header has",
    "quotes": "quotation marks that do not match",
    "line": "a line longer than the limit",
    "number": "no decimal number where one belongs",
    "date": "no date where one belongs",
}
"""Every reason there is, and what it means."""


class Refused(NamedTuple):
    """A record, line or whole source that could not be read."""

    source: str
    """Name that the caller gave the source."""
    position: int
    """Number of the record or line, from 1; 0: the source itself."""
    reason: str
    """One of ``REASONS``."""
    detail: str
    """The input that made it so, shortened."""


class Ignored(NamedTuple):
    """A record or line that is readable and of no use here."""

    what: str


class Limits(NamedTuple):
    """How much is read at most.  Every length that a source claims is checked against these before anything is taken."""

    max_bytes: int = 1 << 30
    """As given, compressed or not."""
    max_expanded_bytes: int = 1 << 32
    """After decompression."""
    max_metadata_bytes: int = 1 << 26
    """Of DBN's block before the records: symbols of a whole exchange are some 10 MiB."""
    max_line_bytes: int = 4096
    """Of a CSV line: real ones have 140."""
    max_rows: int = 20_000_000


LIMITS = Limits()


def count(rows: Iterable[object]) -> Counter[str]:
    """How many of each: refused by reason, ignored by kind, everything else by its type's name."""
    found: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, Refused):
            found[f"refused {row.reason}"] += 1
        elif isinstance(row, Ignored):
            found[f"ignored {row.what}"] += 1
        else:
            found[type(row).__name__] += 1
    return found


def shortened(value: object, length: int = 60) -> str:
    """What a detail shows of an input."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
