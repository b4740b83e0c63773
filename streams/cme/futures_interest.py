"""Open interest of CME's futures by day and currency, in coin: the numerator of the share monitor.

    held = FuturesInterest()
    for row in rows: step(held, row, facts)
    days(held, settings.open_interest_divisor)

Order does not matter and repeats change nothing.  A day is the trade date that a figure describes.  Bounded: the newest N_DAYS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from streams.cme.book import Facts, Row
from streams.cme.contracts import Contract, contract_of_definition, contract_of_row, key_of_id, trade_date_ns
from streams.cme.days import business_day_before, utc_day
from streams.cme.dbn import OPEN_INTEREST, Definition, Statistic
from streams.cme.roots import Table
from streams.cme.settlement_csv import SettlementRow
from streams.cme.share import ShareReading, ShareSettings, ShareSignal, ShareState
from streams.cme.share import step as share_step
from streams.cme.venues_csv import VenueInterest

N_DAYS = 60
"""More than twice what the monitor looks back on."""


class _Figure(NamedTuple):
    """Open interest of one future on one day; its order is its rank."""

    is_final: bool
    seen_ns: int
    sequence: int
    contracts: float


@dataclass(slots=True)
class FuturesInterest:
    """State of the fold."""

    futures: dict[str, Contract] = field(default_factory=dict)
    by_day: dict[int, dict[str, _Figure]] = field(default_factory=dict)
    """By midnight UTC of the day, and key of the instrument (options among them: a definition may come later)."""


class DayInterest(NamedTuple):
    """All futures of one currency on one day."""

    day: date
    currency: str
    open_interest_coin: float
    n_futures: int


def step(held: FuturesInterest, row: Row, facts: Facts) -> FuturesInterest:
    """Fold one row in; the state given in is used up."""
    match row:
        case Definition() if row.option_sign == 0:
            _list(held, contract_of_definition(row))
        case Statistic() if row.stat_type == OPEN_INTEREST:
            if row.value is not None:
                figure = _Figure(row.is_final, row.ts_event_ns, row.sequence, row.value)
                _take(held, row.trade_date_ns, key_of_id(row.instrument_id), figure)
        case SettlementRow() if row.option_sign == 0 and row.previous_open_interest is not None:
            day_ns = trade_date_ns(row.business_day)
            contract = contract_of_row(row, day_ns, facts.table)
            before = None if facts.us is None else business_day_before(row.business_day, facts.us)
            if isinstance(contract, Contract) and before is not None:
                _list(held, contract)
                _take(held, trade_date_ns(before), contract.key, _Figure(True, day_ns, 0, row.previous_open_interest))
        case _:
            pass
    return held


def _list(held: FuturesInterest, contract: Contract) -> None:
    known = held.futures.get(contract.key)
    if known is None or (contract.seen_ns, repr(contract)) > (known.seen_ns, repr(known)):
        held.futures[contract.key] = contract


def _take(held: FuturesInterest, day_ns: int, key: str, figure: _Figure) -> None:
    if len(held.by_day) >= N_DAYS and day_ns < min(held.by_day):
        return
    of_day = held.by_day.setdefault(day_ns, {})
    of_day[key] = max(figure, of_day.get(key, figure))
    if len(held.by_day) > N_DAYS:
        del held.by_day[min(held.by_day)]


def days(held: FuturesInterest, divisor: float, table: Table) -> list[DayInterest]:
    """By day and currency, ascending; the coin of a contract from its definition, else from the table."""
    found: dict[tuple[int, str], list[float]] = {}
    for day_ns, figures in held.by_day.items():
        for key, figure in figures.items():
            future = held.futures.get(key)
            product = None if future is None else table.products.get(future.root)
            if future is None or product is None:
                continue
            multiplier = product.multiplier if future.multiplier is None else future.multiplier
            found.setdefault((day_ns, product.base_currency), []).append(figure.contracts / divisor * multiplier)
    return [
        DayInterest(utc_day(day_ns), currency, math.fsum(coins), len(coins))
        for (day_ns, currency), coins in sorted(found.items())
    ]


def readings(
    cme: Iterable[DayInterest], venues: Iterable[VenueInterest], settings: ShareSettings
) -> dict[str, list[ShareReading]]:
    """What the monitor reads, by currency, days ascending.  CME's own futures come before a venue's row that has its name."""
    found: dict[str, dict[date, dict[str, float]]] = {}
    for row in venues:
        found.setdefault(row.currency, {}).setdefault(row.day, {})[row.venue] = row.open_interest_coin
    for one in cme:
        found.setdefault(one.currency, {}).setdefault(one.day, {})[settings.cme] = one.open_interest_coin
    return {
        currency: [ShareReading(day, by_venue) for day, by_venue in sorted(by_day.items())]
        for currency, by_day in sorted(found.items())
    }


def newest_signals(
    by_currency: Mapping[str, Iterable[ShareReading]], settings: ShareSettings
) -> dict[str, ShareSignal]:  # fmt: skip
    """The monitor's last word of each currency: of the newest day on which every venue had a figure."""
    found = {}
    for currency, some in by_currency.items():
        state = ShareState()
        for reading in some:
            state, signal = share_step(state, reading, settings)
            if signal.share_of_futures_open_interest is not None:
                found[currency] = signal
    return found
