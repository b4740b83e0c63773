"""Everything known of CME at a point of its files: a fold over rows of either source.

    book = Book()
    for row in dbn_rows(file, name):
        step(book, row, facts)

Order does not matter and repeats change nothing: of two records about the same thing the one of the higher rank holds, whichever
came first.  The book knows nothing of the time: who asks for marks of a moment folds what was published up to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from pricers.clocks import CALENDAR, Clock
from streams.cme.contracts import Contract, contract_of_definition, contract_of_row, key_of_id, trade_date_ns
from streams.cme.days import SESSION_END, SETTLEMENT, BusinessDays, business_day_before, instant_ns, utc_day
from streams.cme.dbn import OPEN_INTEREST, Definition, Statistic, TopOfBook
from streams.cme.refused import Ignored, Refused, count
from streams.cme.roots import CME, Table
from streams.cme.settlement_csv import SettlementRow

N_SETTLEMENTS = 7
"""Trade dates kept of an instrument: an option's newest settlement may be some days older than its future's."""
N_INSTRUMENTS = 500_000
"""More than the exchange lists in all; beyond it something is wrong with the source."""


class Facts(NamedTuple):
    """What the fold is told and does not find in its rows."""

    table: Table = CME
    us: BusinessDays | None = None
    """For the day before a settlement file's: None leaves its open interest without an as-of time."""
    clock: Clock = CALENDAR
    """What part of a year lies before expiry: 365 days for crypto (E-20); another one for a market with sessions."""


class Settled(NamedTuple):
    """A settlement price of a trade date; its order is its rank."""

    is_final: bool
    seen_ns: int
    sequence: int
    price: float | None
    """USD per coin; None: withdrawn, or none that day."""


class Interest(NamedTuple):
    """Open interest at the end of a trade date; its order is its rank."""

    day_ns: int
    """Midnight UTC of the trade date, or of the day of the settlement file, which is the next one."""
    is_final: bool
    seen_ns: int
    sequence: int
    contracts: float | None
    """As published; None: withdrawn."""
    as_of_ns: int
    """End of that trade date; 0: not known."""
    published_ns: int
    """0: the source does not say."""


class Quote(NamedTuple):
    """Top of book; its order is its rank."""

    ts_ns: int
    bid: float | None
    ask: float | None


@dataclass(slots=True)
class Book:
    """State of the fold, by key of the instrument."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    settlements: dict[str, dict[int, Settled]] = field(default_factory=dict)
    """By trade date (its midnight UTC, ns): the newest N_SETTLEMENTS."""
    interests: dict[str, Interest] = field(default_factory=dict)
    quotes: dict[str, Quote] = field(default_factory=dict)
    n_rows: Counter[str] = field(default_factory=Counter)
    """Rows by what became of them."""


Row = Definition | Statistic | TopOfBook | SettlementRow | Refused | Ignored


def step(book: Book, row: Row, facts: Facts) -> Book:
    """Fold one row in; the book given in is used up.  Idempotent, and the same for any order of the rows."""
    match row:
        case Definition():
            _list(book, contract_of_definition(row))
        case Statistic():
            _statistic(book, row)
        case TopOfBook():
            key = key_of_id(row.instrument_id)
            if _has_room(book, book.quotes, key):
                quote = Quote(row.ts_ns, row.bid, row.ask)
                held = book.quotes.get(key)
                book.quotes[key] = quote if held is None else max(quote, held, key=_rank)
        case SettlementRow():
            contract = contract_of_row(row, trade_date_ns(row.business_day), facts.table)
            if isinstance(contract, str):
                return step(book, Ignored(contract), facts)
            _settlement_row(book, row, contract, facts)
    book.n_rows.update(count((row,)))
    return book


def settlement_ns(trade_date: int) -> int:
    """When the settlement price of a trade date (its midnight UTC) is taken."""
    return instant_ns(utc_day(trade_date), SETTLEMENT)


def session_end_ns(day: date) -> int:
    """End of a trade date: what its open interest describes."""
    return instant_ns(day, SESSION_END)


def _statistic(book: Book, row: Statistic) -> None:
    key = key_of_id(row.instrument_id)
    # A withdrawal takes a final figure back too.
    rank = (row.is_final or row.value is None, row.ts_event_ns, row.sequence)
    if row.stat_type == OPEN_INTEREST:
        as_of_ns = session_end_ns(utc_day(row.trade_date_ns))
        _interest(book, key, Interest(row.trade_date_ns, *rank, row.value, as_of_ns, row.ts_event_ns))
    else:
        _settle(book, key, row.trade_date_ns, Settled(*rank, row.value))


def _settlement_row(book: Book, row: SettlementRow, contract: Contract, facts: Facts) -> None:
    day_ns = trade_date_ns(row.business_day)
    _list(book, contract)
    _settle(book, contract.key, day_ns, Settled(True, day_ns, 0, row.settlement))
    if row.previous_open_interest is not None:
        before = None if facts.us is None else business_day_before(row.business_day, facts.us)
        as_of_ns = 0 if before is None else session_end_ns(before)
        interest = Interest(day_ns, True, day_ns, 0, row.previous_open_interest, as_of_ns, 0)
        _interest(book, contract.key, interest)


def _list(book: Book, contract: Contract) -> None:
    held = book.contracts.get(contract.key)
    if held is None and not _has_room(book, book.contracts, contract.key):
        return
    if held is None or (contract.seen_ns, repr(contract)) > (held.seen_ns, repr(held)):
        book.contracts[contract.key] = contract


def _settle(book: Book, key: str, day_ns: int, settled: Settled) -> None:
    if not _has_room(book, book.settlements, key):
        return
    days = book.settlements.setdefault(key, {})
    held = days.get(day_ns)
    if held is None or _rank(settled) > _rank(held):
        days[day_ns] = settled
        if len(days) > N_SETTLEMENTS:
            del days[min(days)]


def _interest(book: Book, key: str, interest: Interest) -> None:
    if _has_room(book, book.interests, key):
        held = book.interests.get(key)
        book.interests[key] = interest if held is None else max(interest, held, key=_rank)


def _rank(row: Settled | Interest | Quote) -> tuple[tuple[bool, float], ...]:
    """Order of rows about the same thing: field by field, nothing before something."""
    return tuple((value is not None, value or 0) for value in row)


def _has_room(book: Book, held: Mapping[str, object], key: str) -> bool:
    if key in held or len(held) < N_INSTRUMENTS:
        return True
    book.n_rows["refused too-large"] += 1
    return False
