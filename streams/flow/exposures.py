"""Dealers' exposures from the greeks of the book (DEFINITIONS 3.3): NGI, VSS, CHL, VOLG, DEX; total, by strike, by expiry.

With D m the dealers' position in coin, S the index:

    NGI      sum D m gamma S² · 0.01         USD per +1 % spot: change of the dealers' delta, valued at S
    NGI_coin NGI / S                         coin per +1 % spot
    VSS      sum D m vanna S · 0.01          USD per +1 vol point
    CHL_24h  sum D m charm S / 365           USD per day; an option that ends within it loses all its delta instead
    VOLG     sum D m volga · 0.0001          USD vega per point, per vol point
    DEX      sum D m delta S                 USD

**CHL of the last day** (E-76): an option repriced at min(24 h, T) has taken every fixing, so that its delta is 0 there, and what it
brings is -D m delta S.  Charm between fixings would miss it by a factor of hundreds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from streams.flow.book import Array, Book, Flags, GreekColumns, Integers
from streams.flow.settings import FlowSettings, Numeraire
from streams.flow.sources import Coverage, Label, coverage_of, greeks_of, label_of

DAYS_PER_YEAR = 365.0
PER_PCT = 0.01


class Metric(IntEnum):
    """Rows of the arrays below."""

    NGI = 0
    VSS = 1
    CHL_24H = 2
    VOLG = 3
    DEX = 4


class Band(NamedTuple):
    """Quantiles over the draws of the dealers' positions."""

    low: float
    high: float
    n_draws: int
    """Draws that have the number."""


class Breakdown(NamedTuple):
    """Exposures by strike or by expiry; a cell that no option fills is nan."""

    keys: Array
    """(k,): strikes in USD, or expiries in ns UTC, ascending."""
    values: Array
    """(metrics, k): rows by ``Metric``."""
    absolute_ngi: Array
    """(k,): sum of the magnitudes of the options' NGI."""
    n_used: Integers
    """(k,): options with a number."""
    n_missing: Integers
    """(k,): options without."""


class Totals(NamedTuple):
    """Sums over the book.  None: no option has the number, as the venue has no vanna."""

    ngi_usd: float | None
    ngi_coin: float | None
    vss_usd: float | None
    chl_24h_usd: float | None
    volg_usd: float | None
    dex_usd: float | None


class Exposures(NamedTuple):
    """Exposures of one source and numeraire."""

    label: Label
    coverage: Coverage
    """Of NGI; the others' may be less."""
    totals: Totals
    n_used: tuple[int, ...]
    """Options in each metric's sum."""
    by_strike: Breakdown
    by_expiry: Breakdown
    ngi_band_usd: Band | None
    """None: no draws."""
    per_coin: Array
    """(metrics, n): of a position of one coin; nan: not known."""
    by_option: Array
    """(metrics, n): of the dealers' position."""


def per_coin(book: Book, greeks: GreekColumns, numeraire: str) -> Array:
    """(metrics, n): what a dealer position of one coin in each option brings."""
    s = book.index_price
    is_coin = numeraire == Numeraire.COIN
    gamma = greeks.gamma_coin_per_usd if is_coin else greeks.gamma_per_usd
    vanna = greeks.vanna_coin_per_point if is_coin else greeks.vanna_per_point
    charm = greeks.charm_coin_per_day if is_coin else greeks.charm_per_day
    delta = greeks.delta_coin if is_coin else greeks.delta
    is_last_day = book.tau_years * DAYS_PER_YEAR < 1.0
    rows = np.empty((len(Metric), len(book.names)))
    rows[Metric.NGI] = gamma * s * s * PER_PCT
    rows[Metric.VSS] = vanna * s
    rows[Metric.CHL_24H] = np.where(is_last_day, -delta, charm) * s
    rows[Metric.VOLG] = greeks.volga_usd_per_point2
    rows[Metric.DEX] = delta * s
    return rows


def exposures(book: Book, settings: FlowSettings, source: str | None = None, numeraire: str | None = None) -> Exposures:
    """Exposures of the book; source and numeraire from the settings unless said.

    An option without the greek or without a position is left out of that sum and counted (E-10).
    """
    source = source if source is not None else settings.greeks_source
    numeraire = numeraire if numeraire is not None else settings.numeraire
    unit = per_coin(book, greeks_of(book, source, settings), numeraire)
    by_option = unit * book.position_coin
    known = np.isfinite(by_option)
    sums = [_total(row, has) for row, has in zip(by_option, known, strict=True)]
    ngi, vss, chl, volg, dex = sums
    return Exposures(
        label_of(book, source, numeraire, settings),
        coverage_of(book, known[Metric.NGI]),
        Totals(ngi, None if ngi is None else ngi / book.index_price, vss, chl, volg, dex),
        tuple(int(np.count_nonzero(has)) for has in known),
        breakdown(book.strikes, by_option),
        breakdown(book.expiry_ns.astype(np.float64), by_option),
        ngi_band(book, unit[Metric.NGI], known[Metric.NGI], settings),
        unit,
        by_option,
    )


def _total(values: Array, known: Flags) -> float | None:
    return float(values[known].sum()) if known.any() else None


def breakdown(keys: Array, by_option: Array) -> Breakdown:
    """Sums of (metrics, n) values by key."""
    distinct, place = np.unique(keys, return_inverse=True)
    k = distinct.size
    known = np.isfinite(by_option)
    values = np.empty((by_option.shape[0], k))
    for row, value, has in zip(values, by_option, known, strict=True):
        counts = np.bincount(place[has], minlength=k)
        row[:] = np.where(counts > 0, np.bincount(place[has], weights=value[has], minlength=k), np.nan)
    has = known[Metric.NGI]
    n_used = np.bincount(place[has], minlength=k)
    magnitude = np.bincount(place[has], weights=np.abs(by_option[Metric.NGI][has]), minlength=k)
    n_missing = np.bincount(place[~has], minlength=k)
    absolute = np.where(n_used > 0, magnitude, np.nan)
    return Breakdown(distinct, values, absolute, n_used.astype(np.int64), n_missing.astype(np.int64))


def ngi_band(book: Book, unit_ngi: Array, known: Flags, settings: FlowSettings) -> Band | None:
    """Quantiles of NGI over the draws; options outside ``known`` are in none of them."""
    if book.draws_coin.shape[0] == 0 or not known.any():
        return None
    # a draw knows no position where the side model knows none
    draws = book.draws_coin if known.all() else np.where(known, book.draws_coin, 0.0)
    totals = draws @ np.where(known, unit_ngi, 0.0)
    return band_of(totals, settings)


def band_of(values: Array, settings: FlowSettings) -> Band | None:
    """Quantiles of the finite values; None where there is none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return None
    low, high = np.percentile(finite, [settings.band_low_pct, settings.band_high_pct])
    return Band(float(low), float(high), int(finite.size))
