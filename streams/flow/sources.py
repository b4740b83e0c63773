"""Which greeks, and which options, an exposure is made of: the source (E-04), the numeraire, and what the result is called."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.flow.book import HOURS_PER_YEAR, Array, Book, Flags, GreekColumns
from streams.flow.settings import FlowSettings, GreeksSource, Numeraire

EUROPEAN_EQUIVALENT = "european_equivalent"
AVERAGED = "settlement_average"
MIXED = "mixed"
SIGN_CONVENTION = "positive position: dealers long; positive flow: dealers buy"


class Label(NamedTuple):
    """What every published number says of itself (DEFINITIONS 3.0)."""

    as_of_ns: int
    greeks_source: str
    """GreeksSource."""
    model: str
    """settlement_average, european_equivalent, or mixed (``auto``)."""
    numeraire: str
    side_model: str
    sign_convention: str
    warnings: tuple[str, ...]


class Coverage(NamedTuple):
    """What a sum rests on: options without greeks or position are in no sum, and are counted here."""

    n_options: int
    n_used: int
    n_missing: int
    open_interest_share: float | None
    """Of the open interest known, what the used options have; None: there is none."""
    position_share: float | None
    """The same of the magnitude of the dealers' positions known."""
    side_coverage: float | None
    """Of the side model: share of the open interest whose side was seen."""


def is_averaged(book: Book, source: str, settings: FlowSettings) -> Flags:
    """(n,): whether the settlement average is what an option is valued as."""
    if source == GreeksSource.SETTLEMENT_AVERAGE:
        return np.ones(len(book.names), dtype=np.bool_)
    if source == GreeksSource.AUTO:
        return np.asarray(book.tau_years * HOURS_PER_YEAR <= settings.auto_hours, dtype=np.bool_)
    return np.zeros(len(book.names), dtype=np.bool_)


def greeks_of(book: Book, source: str, settings: FlowSettings) -> GreekColumns:
    """The greeks of a source; ``auto`` takes each option's from where its hours say."""
    if source == GreeksSource.VENUE:
        return book.venue
    if source == GreeksSource.SETTLEMENT_AVERAGE:
        return book.average
    if source == GreeksSource.EUROPEAN:
        return book.european
    near = is_averaged(book, source, settings)
    pairs = zip(book.average, book.european, strict=True)
    return GreekColumns(*(np.where(near, ours, theirs) for ours, theirs in pairs))


def sigmas_of(book: Book, source: str) -> Array:
    """The vols at which a source's options are repriced."""
    return book.venue_sigmas if source == GreeksSource.VENUE else book.sigmas


def label_of(book: Book, source: str, numeraire: str, settings: FlowSettings, warnings: tuple[str, ...] = ()) -> Label:
    """The label of a result, with a warning where its flows assume European greeks (J10, J11)."""
    averaged = is_averaged(book, source, settings)
    model = AVERAGED if averaged.all() and averaged.size else MIXED if averaged.any() else EUROPEAN_EQUIVALENT
    if source == GreeksSource.SETTLEMENT_AVERAGE:
        model = AVERAGED
    if model != AVERAGED:
        warnings = (*warnings, "flows assume European greeks: contracts settle on an average")
    return Label(book.now_ns, str(source), model, str(numeraire), book.side_model, SIGN_CONVENTION, warnings)


def coverage_of(book: Book, used: Flags) -> Coverage:
    """Coverage of the sums over ``used``."""
    n_used = int(np.count_nonzero(used))
    return Coverage(
        len(book.names),
        n_used,
        len(book.names) - n_used,
        _share(book.open_interest_coin, used),
        _share(np.abs(book.position_coin), used),
        book.side_coverage,
    )


def _share(amounts: Array, used: Flags) -> float | None:
    known = np.isfinite(amounts)
    total = float(amounts[known].sum())
    return float(amounts[known & used].sum()) / total if total > 0.0 else None


def is_low(coverage: Coverage, settings: FlowSettings) -> bool:
    """Whether the open interest with greeks is too little to speak for the book; without any, the count decides."""
    share = coverage.open_interest_share
    if share is None:
        share = coverage.n_used / coverage.n_options if coverage.n_options else 0.0
    return share < settings.coverage_min


def is_coin(book: Book, numeraire: str) -> Flags:
    """(n,): whose greeks are net of the premium in coin."""
    return book.is_inverse if numeraire == Numeraire.COIN else np.zeros(len(book.names), dtype=np.bool_)
