"""One expiry of the table as a board: strikes down the middle, calls left, puts right.  Pure; ``greekstream watch`` draws it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from schemas import BadName, Greeks, Kind, OptionType, names

NS_PER_S = 1_000_000_000


class Line(NamedTuple):
    """One strike; a side without a row is None."""

    strike: float
    call: Greeks | None
    put: Greeks | None
    is_atm: bool


class Board(NamedTuple):
    """``forward``: of the newest row with one; ``lines``: by strike, ascending; ``expiries_ns``: all that the table has."""

    price_index: str
    expiry_ns: int
    forward: float | None
    lines: tuple[Line, ...]
    expiries_ns: tuple[int, ...]


def price_index_of(currency: str) -> str:
    """``BTC`` -> btc_usd (coin-settled), ``BTC_USDC`` -> btc_usdc (linear)."""
    return currency.lower() if "_" in currency else f"{currency.lower()}_usd"


def parse_expiry(code: str) -> int:
    """``27MAR26`` -> ns UTC of that day's 08:00.  ValueError for anything else."""
    try:
        expiry_ns = names.parse(f"BTC-{code.upper()}").expiry_ns
    except BadName:
        expiry_ns = None
    if expiry_ns is None:
        raise ValueError(f"{code!r} is no expiry; want one as the venue writes it, such as 27MAR26 or 7APR23")
    return expiry_ns


def options_of(rows: Iterable[Greeks], price_index: str) -> list[Greeks]:
    return [
        row for row in rows if row.kind is Kind.OPTION and row.price_index == price_index and row.expiry_ns is not None
    ]


def busiest_expiry(options: Iterable[Greeks]) -> int | None:
    """The nearest expiry with at least half as many liquid options as the busiest; None without any option."""
    n_liquid: Counter[int] = Counter()
    for row in options:
        n_liquid[row.expiry_ns or 0] += row.is_liquid
    busy = max(n_liquid.values(), default=0) / 2
    return min((expiry_ns for expiry_ns, n in n_liquid.items() if n >= busy), default=None)


def board(rows: Iterable[Greeks], price_index: str, expiry_ns: int | None = None) -> Board | None:
    """The board of one expiry (by default the busiest); None when the table has no such option."""
    options = options_of(rows, price_index)
    expiry_ns = busiest_expiry(options) if expiry_ns is None else expiry_ns
    chosen = [row for row in options if row.expiry_ns == expiry_ns]
    if expiry_ns is None or not chosen:
        return None
    with_forward = [row for row in chosen if row.forward is not None]
    forward = max(with_forward, key=lambda row: row.ts_event_ns).forward if with_forward else None
    sides: dict[float, dict[OptionType, Greeks]] = {}
    for row in chosen:
        if row.strike is not None and row.option_type is not None:
            sides.setdefault(row.strike, {})[row.option_type] = row
    strikes = sorted(sides)
    atm = min(strikes, key=lambda strike: abs(strike - forward)) if forward is not None and strikes else None
    lines = tuple(
        Line(strike, sides[strike].get(OptionType.CALL), sides[strike].get(OptionType.PUT), strike == atm)
        for strike in strikes
    )
    expiries = tuple(sorted({row.expiry_ns for row in options if row.expiry_ns is not None}))
    return Board(price_index, expiry_ns, forward, lines, expiries)


def around_the_money(lines: tuple[Line, ...], n_lines: int) -> tuple[Line, ...]:
    """At most ``n_lines`` of them, with the money in the middle where there is enough on both sides."""
    if len(lines) <= n_lines:
        return lines
    middle = next((i for i, line in enumerate(lines) if line.is_atm), len(lines) // 2)
    first = min(max(0, middle - n_lines // 2), len(lines) - n_lines)
    return lines[first : first + n_lines]
