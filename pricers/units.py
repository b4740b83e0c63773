"""The one place where numbers get the units and conventions of a display; every other module works in the pricers' own.

    per 1.00 and per year -> per point and per day     vega_usd_per_point ... rho_usd_per_pct
    coin and USD                                       price_coin, delta_coin, gamma_coin_per_usd, notional_coin
    variance, volatility                               total_variance, sigma_of_total_variance, sigma_points
    delta conventions                                  forward_delta, spot_delta, absolute_delta, simple_delta, delta_bucket
    of a quote and a delivery price                    spread_pct, settlement_sd_usd

Functions of one number take arrays too.  Names say the unit of what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pricers._normal import distribution

Number = TypeVar("Number", float, npt.NDArray[np.float64])

DAYS_PER_YEAR = 365.0
SECONDS_PER_YEAR = 31_536_000.0
POINTS_PER_UNIT = 100.0
"""Vol points in a sigma of 1.00; per cents in a rate of 1.00."""


def vega_usd_per_point(vega: Number) -> Number:
    """USD per 1.00 of sigma -> USD per vol point."""
    return vega / POINTS_PER_UNIT


def vanna_per_point(vanna: Number) -> Number:
    """Delta per 1.00 of sigma -> delta per vol point."""
    return vanna / POINTS_PER_UNIT


def volga_usd_per_point2(volga: Number) -> Number:
    """USD per 1.00² of sigma -> USD per vol point²."""
    return volga / (POINTS_PER_UNIT * POINTS_PER_UNIT)


def theta_usd_per_day(theta_per_year: Number) -> Number:
    """USD per year -> USD per day of 24 hours."""
    return theta_per_year / DAYS_PER_YEAR


def charm_per_day(charm_per_year: Number) -> Number:
    """Delta per year -> delta per day of 24 hours."""
    return charm_per_year / DAYS_PER_YEAR


def rho_usd_per_pct(rho: Number) -> Number:
    """USD per 1.00 of rate -> USD per 1 %."""
    return rho / POINTS_PER_UNIT


def price_coin(price_usd: Number, forward: Number) -> Number:
    """USD per coin -> coin per coin, at the forward."""
    return price_usd / forward


def price_usd(price_coin: Number, forward: Number) -> Number:
    """Coin per coin -> USD per coin, at the forward."""
    return price_coin * forward


def delta_coin(delta: Number, price_usd: Number, forward: Number) -> Number:
    """Premium-adjusted ("net transaction") delta: delta - price in coin."""
    return delta - price_usd / forward


def gamma_coin_per_usd(gamma: Number, delta: Number, price_usd: Number, forward: Number) -> Number:
    """Derivative of ``delta_coin`` to the forward: gamma - delta/F + V/F². Call minus put is -K/F² for a European pair."""
    return gamma - delta / forward + price_usd / (forward * forward)


def sigma_points(sigma: Number) -> Number:
    """Fraction -> vol points."""
    return sigma * POINTS_PER_UNIT


def sigma_of_points(points: Number) -> Number:
    """Vol points -> fraction."""
    return points / POINTS_PER_UNIT


def total_variance(sigma: Number, tau: Number) -> Number:
    """w = sigma² tau, from sigma per year and tau in years."""
    return sigma * sigma * tau


def sigma_of_total_variance(variance: Number, tau: Number) -> npt.NDArray[np.float64]:
    """sigma = sqrt(w / tau); nan where w is negative or tau is not positive."""
    w, years = np.asarray(variance, dtype=np.float64), np.asarray(tau, dtype=np.float64)
    is_sane = (w >= 0.0) & (years > 0.0)
    return np.sqrt(np.where(is_sane, w, np.nan) / np.where(is_sane, years, np.nan))


def notional_coin(amount: float, contract_size: float, contract_size_unit: str, price_usd: float) -> float:
    """Coin of notional in ``amount`` contracts: greeks are per coin of it, so that a position multiplies by this (E-53).

    An inverse future of 10 USD a contract holds 10/price coin; an option of 1 coin a contract holds 1.

    Raises
    ------
    ValueError : a unit other than "coin" and "usd".
    """
    if contract_size_unit == "coin":
        return amount * contract_size
    if contract_size_unit == "usd":
        return amount * contract_size / price_usd
    raise ValueError(f"contract_size_unit is {contract_size_unit!r}; want 'coin' or 'usd'")


def forward_delta(delta: npt.ArrayLike, rate: npt.ArrayLike, tau: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Undiscounted delta to the forward, from d price/d forward: times e^(rate tau).  N(d1) for a European call."""
    return np.asarray(np.multiply(delta, np.exp(np.multiply(rate, tau))), dtype=np.float64)


def spot_delta(delta: Number, forward: Number, index_price: Number) -> Number:
    """d price / d index, from d price / d forward: the forward moves in proportion to the index."""
    return delta * forward / index_price


def absolute_delta(delta: Number) -> Number:
    """Magnitude of a delta: 0.25 for a 25-delta put and a 25-delta call."""
    return abs(delta)


def simple_delta(
    forward: npt.ArrayLike, strike: npt.ArrayLike, sigma: npt.ArrayLike, tau: npt.ArrayLike, option_sign: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Moneyness as a probability, sign N(sign ln(F/K) / (sigma sqrt(tau))): no sigma²/2, so that 0.5 is at the forward."""
    f, k, s, t, sign = (np.asarray(value, dtype=np.float64) for value in (forward, strike, sigma, tau, option_sign))
    with np.errstate(all="ignore"):  # what is not in its domain gives nan
        result: npt.NDArray[np.float64] = np.asarray(sign * _distribution(sign * np.log(f / k) / (s * np.sqrt(t))))
    return result


_distribution = np.vectorize(distribution, otypes=[np.float64])

DELTA_EDGES = (0.05, 0.15, 0.35, 0.65, 0.85, 0.95)
"""Between 10, 25, 50, 75 and 90 delta: a bucket is named by the delta in its middle."""


def delta_bucket(delta: float, edges: Sequence[float] = DELTA_EDGES) -> int:
    """Number of the bucket that a delta's magnitude lies in: 0 below the first edge, len(edges) at or above the last; -1 for nan.

    With the default edges a strike's bucket is 0 (wing), 1 (10), 2 (25), 3 (50), 4 (75), 5 (90) or 6 (deep).
    """
    size = abs(delta)
    if math.isnan(size):
        return -1
    return sum(1 for edge in edges if size >= edge)


def spread_pct(bid: float, ask: float) -> float:
    """(ask - bid) / mid, per cent."""
    return (ask - bid) * 200.0 / (ask + bid)


def settlement_sd_usd(
    forward: float, sigma: float, n_fixings: int, n_fixed: int, next_fixing_s: float, interval_s: float
) -> float:
    """Standard deviation of the delivery price from now: w F sigma sqrt(mean_ij min(t_i, t_j)) over the remaining fixings, USD.

    With m of the N remaining ones already due (at time 0) and the rest from t on every h,
        mean_ij min = ((N - m)/N)² (t + h (N - m - 1)(2 (N - m) - 1) / (6 (N - m))).
    """
    n_left = n_fixings - n_fixed
    if n_left <= 0:
        return 0.0
    first_s = next_fixing_s
    n_due = 0
    if first_s < 0.0:
        n_due = min(n_left, math.ceil(-first_s / interval_s)) if interval_s > 0.0 else n_left
        first_s += n_due * interval_s
    n_live = n_left - n_due
    if n_live <= 0:
        return 0.0
    mean_s = first_s + interval_s * (n_live - 1) * (2 * n_live - 1) / (6 * n_live)
    return n_live / n_fixings * forward * sigma * math.sqrt(max(0.0, mean_s) / SECONDS_PER_YEAR)


def expected_delivery_usd(forward: float, n_fixings: int, n_fixed: int, running_sum: float) -> float:
    """Mean of the delivery price: the known fixings, and the forward for those to come."""
    return (running_sum + (n_fixings - n_fixed) * forward) / n_fixings
