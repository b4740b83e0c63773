"""The book of a currency at a moment, in columns: every option, its greeks by source, and the dealers' position in it.

One ``Book`` is made each second from the newest row of every instrument; nothing in it is changed afterwards.  A number that is not
known is nan here and null on the wire: it is left out of every sum and counted (E-10), never a zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HOURS_PER_YEAR = 8_760.0
SECONDS_PER_YEAR = 31_536_000.0


class GreekColumns(NamedTuple):
    """Greeks per coin of notional from one source, float64 (n,), in the units of the wire; nan: not known.

    The last four are net of the premium in coin: delta - V/F, and its derivatives.  Of linear contracts, whose premium is in USD, they
    are the plain ones.
    """

    price_usd: Array
    delta: Array
    gamma_per_usd: Array
    vega_usd_per_point: Array
    theta_usd_per_day: Array
    vanna_per_point: Array
    charm_per_day: Array
    volga_usd_per_point2: Array
    delta_coin: Array
    gamma_coin_per_usd: Array
    vanna_coin_per_point: Array
    charm_coin_per_day: Array


class Book(NamedTuple):
    """Columns (n,) over the options of a currency, ordered by expiry, price index, strike, calls first, name."""

    now_ns: int
    """As of: log time, ns UTC."""
    index_price: float
    """USD per coin: S of every formula."""
    names: tuple[str, ...]
    expiry_ns: Integers
    strikes: Array
    option_signs: Array
    """+1 call, -1 put."""
    is_inverse: Flags
    multipliers: Array
    """Coin per contract."""
    forwards: Array
    """Of the series, the newest known; USD per coin."""
    sigmas: Array
    """Ours; fraction."""
    venue_sigmas: Array
    tau_years: Array
    """From ``now_ns`` to the expiry."""
    n_fixings: Array
    """Of the settlement window."""
    n_fixed: Array
    running_sums: Array
    """Sum of the fixings known, USD per coin times count."""
    next_fixing_s: Array
    """Seconds to the first fixing not known; negative: it is due."""
    interval_s: Array
    series: Integers
    """Number of the (expiry, price index) that an option is of, from 0: one forward and one smile each."""
    open_interest_coin: Array
    average: GreekColumns
    """Of the contract as it settles."""
    european: GreekColumns
    venue: GreekColumns
    position_coin: Array
    """Dealers' net position, + = dealers are long (E-65): D times the multiplier.  nan: not known."""
    draws_coin: Array
    """(n_draws, n): possible positions, one book a row; no rows, no bands."""
    side_model: str
    """How the positions were found; stands in every result."""
    side_coverage: float | None
    """Share of the open interest whose side was seen."""


def greek_columns(
    *,
    forward: npt.ArrayLike,
    is_inverse: npt.ArrayLike,
    price_usd: npt.ArrayLike = np.nan,
    delta: npt.ArrayLike = np.nan,
    gamma_per_usd: npt.ArrayLike = np.nan,
    vega_usd_per_point: npt.ArrayLike = np.nan,
    theta_usd_per_day: npt.ArrayLike = np.nan,
    vanna_per_point: npt.ArrayLike = np.nan,
    charm_per_day: npt.ArrayLike = np.nan,
    volga_usd_per_point2: npt.ArrayLike = np.nan,
) -> GreekColumns:
    """Columns of one shape with the coin numeraire's beside them; what is not given is nan.

    gamma_coin = gamma - delta/F + V/F² (call minus put: -K/F²), vanna_coin = vanna - vega/F, charm_coin = charm - theta/F, each at the
    ``forward`` (USD per coin) at which the greeks were made.
    """
    given = (
        price_usd, delta, gamma_per_usd, vega_usd_per_point, theta_usd_per_day, vanna_per_point, charm_per_day,
        volga_usd_per_point2,
    )  # fmt: skip
    arrays = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in (forward, *given)))
    f, columns = arrays[0], arrays[1:]
    price, slope, gamma, vega, theta, vanna, charm, _ = columns
    is_coin = np.broadcast_to(np.asarray(is_inverse, dtype=np.bool_), f.shape)
    volga = columns[-1]
    return GreekColumns(
        price,
        slope,
        gamma,
        vega,
        theta,
        vanna,
        charm,
        volga,
        np.where(is_coin, slope - price / f, slope),
        np.where(is_coin, gamma - slope / f + price / (f * f), gamma),
        np.where(is_coin, vanna - vega / f, vanna),
        np.where(is_coin, charm - theta / f, charm),
    )


def with_positions(
    book: Book,
    position_coin: npt.ArrayLike,
    draws_coin: npt.ArrayLike | None = None,
    *,
    side_model: str,
    side_coverage: float | None = None,
) -> Book:
    """The same book with the dealers' positions, aligned with ``book.names``; coin, + = dealers long.

    Raises
    ------
    ValueError : a shape that is not the book's.
    """
    n = len(book.names)
    position = np.asarray(position_coin, dtype=np.float64)
    draws = np.zeros((0, n)) if draws_coin is None else np.asarray(draws_coin, dtype=np.float64)
    if position.shape != (n,) or draws.ndim != 2 or draws.shape[1] != n:
        raise ValueError(f"positions {position.shape} and draws {draws.shape}: want ({n},) and (n_draws, {n})")
    return book._replace(position_coin=position, draws_coin=draws, side_model=side_model, side_coverage=side_coverage)
