"""CME's exposure beside Deribit's: the same unit, columns of their own, and no sum over them.

An exposure signed by observed trades and one signed by an assumption are different things, and so are two venues.  ``merge`` puts
them side by side by currency, and by expiry and strike in terms of the index; it adds nothing across venues and nothing across kinds
of sign, and a column to which nobody contributed is None, not 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas import CmeMark, RowStatus
from streams.cme.mark_rows import gamma_usd_per_pct

DERIBIT, CME = "deribit", "cme"


class Exposure(NamedTuple):
    """Dealers' gamma of one venue at one strike and expiry: change of delta, in USD at the index, for +1 % of the index."""

    venue: str
    currency: str
    expiry_ns: int
    strike_index: float
    """In terms of the index.  USD per coin."""
    trade_signed_usd_per_pct: float | None
    """Signed by observed trades; None where there are none."""
    assumption_signed_usd_per_pct: float | None
    """Signed by ``side_model``; None where no assumption was made."""
    side_model: str
    """Name of what gave the sign, in either column."""
    as_of_ns: int
    """What the positions behind it describe."""


class Columns(NamedTuple):
    """USD per 1 %, plus: dealers' delta rises with the index.  None: nobody contributed."""

    deribit_trade_signed_usd_per_pct: float | None
    deribit_assumption_signed_usd_per_pct: float | None
    cme_trade_signed_usd_per_pct: float | None
    cme_assumption_signed_usd_per_pct: float | None


class MergedStrike(NamedTuple):
    """Both venues at one expiry and strike."""

    expiry_ns: int
    strike_index: float
    columns: Columns


class Merged(NamedTuple):
    """Both venues, one currency."""

    currency: str
    totals: Columns
    strikes: tuple[MergedStrike, ...]
    """By expiry and strike_index, ascending; strikes of the two venues need not coincide."""
    deribit_side_models: tuple[str, ...]
    cme_side_models: tuple[str, ...]
    deribit_oldest_as_of_ns: int | None
    cme_oldest_as_of_ns: int | None
    """CME's open interest is daily: nothing here is intraday for it."""


class Exposures(NamedTuple):
    """What marks give, and how many of them could give nothing."""

    rows: tuple[Exposure, ...]
    n_without: int
    """Live marks without values, open interest, its as-of time or a strike in index terms: not in ``rows``."""


def exposures_of_marks(marks: Iterable[CmeMark], index_price_by_currency: dict[str, float]) -> Exposures:
    """CME's exposures at an index of now; the marks' own greeks and forwards stand.

    The index moves every second and the mark does not: a strike is shifted with the basis of the mark (strike_index), gamma is taken
    as it is.  An expired mark is nobody's.
    """
    rows, n_without = [], 0
    for mark in marks:
        if mark.status in (RowStatus.EXPIRED, RowStatus.NOT_OPEN):
            continue
        index_price = index_price_by_currency.get(mark.base_currency)
        assumed = gamma_usd_per_pct(mark.position_coin_assumption_signed, mark.gamma_per_usd, index_price)
        observed = gamma_usd_per_pct(mark.position_coin_trade_signed, mark.gamma_per_usd, index_price)
        as_of_ns, strike = mark.open_interest_as_of_ns, mark.strike_index
        if as_of_ns is None or strike is None or (assumed is None and observed is None):
            n_without += 1
            continue
        rows.append(
            Exposure(
                CME, mark.base_currency, mark.expiry_ns, strike, observed, assumed, mark.side_model, as_of_ns
            )
        )  # fmt: skip
    return Exposures(tuple(rows), n_without)


def merge(deribit: Sequence[Exposure], cme: Sequence[Exposure]) -> tuple[Merged, ...]:
    """Both venues side by side, a row per currency in alphabetical order.

    Raises
    ------
    ValueError : an exposure handed in as another venue's.
    """
    for rows, venue in ((deribit, DERIBIT), (cme, CME)):
        for row in rows:
            if row.venue != venue:
                raise ValueError(f"an exposure of {row.venue!r} among those of {venue!r}: {row}")
    return tuple(_merged(currency, deribit, cme) for currency in sorted({row.currency for row in (*deribit, *cme)}))


def _merged(currency: str, deribit: Sequence[Exposure], cme: Sequence[Exposure]) -> Merged:
    ours = [row for row in deribit if row.currency == currency]
    theirs = [row for row in cme if row.currency == currency]
    strikes: dict[tuple[int, float], tuple[list[Exposure], list[Exposure]]] = {}
    for row in ours:
        strikes.setdefault((row.expiry_ns, row.strike_index), ([], []))[0].append(row)
    for row in theirs:
        strikes.setdefault((row.expiry_ns, row.strike_index), ([], []))[1].append(row)
    return Merged(
        currency,
        _columns(ours, theirs),
        tuple(MergedStrike(*key, _columns(*strikes[key])) for key in sorted(strikes)),
        tuple(sorted({row.side_model for row in ours})),
        tuple(sorted({row.side_model for row in theirs})),
        min((row.as_of_ns for row in ours), default=None),
        min((row.as_of_ns for row in theirs), default=None),
    )


def _columns(deribit: Sequence[Exposure], cme: Sequence[Exposure]) -> Columns:
    return Columns(
        _total(row.trade_signed_usd_per_pct for row in deribit),
        _total(row.assumption_signed_usd_per_pct for row in deribit),
        _total(row.trade_signed_usd_per_pct for row in cme),
        _total(row.assumption_signed_usd_per_pct for row in cme),
    )


def _total(values: Iterable[float | None]) -> float | None:
    """Sum of what is there; None if nothing is."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def delta_equivalent_contracts(marks: Iterable[CmeMark], product: str) -> float:
    """Open interest of a product's options in contracts of its future, each weighted with its delta's magnitude.

    This is the arithmetic of CFTC's futures-and-options figure: combined open interest less that of futures alone.  Marks without a
    delta or open interest count nothing: compare ``n`` of them beside it.

    References
    ----------
    CFTC, Commitments of Traders, explanatory notes: option open interest on a futures-equivalent basis, by the exchanges' deltas.
    """
    return math.fsum(
        mark.open_interest_contracts / mark.open_interest_divisor * abs(mark.delta)
        for mark in marks
        if mark.product == product and mark.delta is not None and mark.open_interest_contracts is not None
    )
