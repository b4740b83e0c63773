"""Levels along the strikes (DEFINITIONS 3.5): walls, magnet, open-interest wall, max pain; and how long and how well they hold.

call wall   strike of the largest positive net GEX, at or above the index (constrained), or anywhere
put wall    strike of the most negative net GEX, at or below it, or anywhere
magnet      strike of the largest sum of magnitudes of GEX
OI wall     strike of the largest open interest: another thing, and named so
max pain    of one expiry: strike at which what its open interest pays out is least
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.flow.book import Array, Book, Flags
from streams.flow.exposures import Band, Exposures, Metric, band_of
from streams.flow.settings import FlowSettings


class Wall(NamedTuple):
    """A strike and what stands there."""

    strike: float
    amount: float
    """USD per 1 %, or coin of open interest."""
    band_usd: Band | None
    """Of the strike over the draws; None: no draws."""


class Walls(NamedTuple):
    """Levels of the book; None where no strike has the sign."""

    call_wall: Wall | None
    put_wall: Wall | None
    call_wall_anywhere: Wall | None
    put_wall_anywhere: Wall | None
    magnet: Wall | None
    oi_wall: Wall | None
    call_oi_wall: Wall | None
    put_oi_wall: Wall | None


class MaxPain(NamedTuple):
    """Of one expiry."""

    expiry_ns: int
    strike: float
    pain_usd: float
    """What all contracts pay out at that price."""
    n_missing: int
    """Options without a known open interest: in no sum."""


def walls(book: Book, exposures: Exposures, settings: FlowSettings) -> Walls:
    """Walls, magnet and open-interest walls; bands of the GEX ones from the draws."""
    strikes, s = exposures.by_strike.keys, book.index_price
    net, size = exposures.by_strike.values[Metric.NGI], exposures.by_strike.absolute_ngi
    drawn_net, drawn_size = _drawn(book, exposures)
    above, below, anywhere = strikes >= s, strikes <= s, np.ones(strikes.size, dtype=np.bool_)

    def wall(amounts: Array, drawn: Array, inside: Flags, sign: float) -> Wall | None:
        place = _largest(sign * amounts, inside)
        if place is None:
            return None
        band = None
        if drawn.shape[0]:
            band = band_of(_drawn_strikes(strikes, sign * drawn, inside), settings)
        return Wall(float(strikes[place]), float(amounts[place]), band)

    none = np.zeros((0, strikes.size))
    oi = [_open_interest(book, strikes, which) for which in (0.0, 1.0, -1.0)]
    return Walls(
        wall(net, drawn_net, above, 1.0),
        wall(net, drawn_net, below, -1.0),
        wall(net, drawn_net, anywhere, 1.0),
        wall(net, drawn_net, anywhere, -1.0),
        wall(size, drawn_size, anywhere, 1.0),
        *(wall(amounts, none, anywhere, 1.0) for amounts in oi),
    )


def _largest(amounts: Array, inside: Flags) -> int | None:
    """Place of the largest positive finite amount inside; the lowest strike of equals; None where there is none."""
    usable = np.where(inside & np.isfinite(amounts), amounts, -np.inf)
    place = int(np.argmax(usable)) if usable.size else 0
    return place if usable.size and usable[place] > 0.0 else None


def _drawn_strikes(strikes: Array, amounts: Array, inside: Flags) -> Array:
    """The strike that ``_largest`` finds in each row, (n_draws,); nan where there is none."""
    if not strikes.size:
        return np.full(amounts.shape[0], np.nan)
    usable = np.where(inside & np.isfinite(amounts), amounts, -np.inf)
    places = np.argmax(usable, axis=1)
    return np.where(usable[np.arange(places.size), places] > 0.0, strikes[places], np.nan)


def _drawn(book: Book, exposures: Exposures) -> tuple[Array, Array]:
    """Net and absolute GEX by strike of each draw, (n_draws, k)."""
    unit = exposures.per_coin[Metric.NGI]
    strikes = exposures.by_strike.keys
    n_draws = book.draws_coin.shape[0]
    net, size = np.zeros((n_draws, strikes.size)), np.zeros((n_draws, strikes.size))
    if n_draws:
        known = np.isfinite(unit) & np.isfinite(book.position_coin)
        order = np.flatnonzero(known)[np.argsort(book.strikes[known], kind="stable")]
        places, begins = np.unique(book.strikes[order], return_index=True)
        if order.size:
            amounts = book.draws_coin[:, order] * unit[order]
            at = np.searchsorted(strikes, places)
            net[:, at] = np.add.reduceat(amounts, begins, axis=1)
            size[:, at] = np.add.reduceat(np.abs(amounts), begins, axis=1)
    return net, size


def _open_interest(book: Book, strikes: Array, option_sign: float) -> Array:
    """Open interest by strike, coin: of calls (+1), puts (-1) or both (0)."""
    which = np.isfinite(book.open_interest_coin)
    if option_sign != 0.0:
        which &= book.option_signs == option_sign
    place = np.searchsorted(strikes, book.strikes[which])
    return np.bincount(place, weights=book.open_interest_coin[which], minlength=strikes.size).astype(np.float64)


def max_pain(book: Book) -> tuple[MaxPain, ...]:
    """Max pain of every expiry, ascending: the strike, among those listed, at which the open interest's payout is least.

    Pain at price P = sum of OI max(sign (P - K), 0) in USD; the lowest strike of equals.
    """
    results = []
    for expiry_ns in np.unique(book.expiry_ns):
        member = book.expiry_ns == expiry_ns
        known = member & np.isfinite(book.open_interest_coin)
        if not known.any():
            continue
        prices = np.unique(book.strikes[member])
        payout = np.maximum(book.option_signs[known] * (prices[:, None] - book.strikes[known]), 0.0)
        pain = payout @ book.open_interest_coin[known]
        place = int(np.argmin(pain))
        missing = int(np.count_nonzero(member & ~known))
        results.append(MaxPain(int(expiry_ns), float(prices[place]), float(pain[place]), missing))
    return tuple(results)
