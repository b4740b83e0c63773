"""The one place where greeks get the units of a display: from per 1.00 and per year to per point and per day."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", float, npt.NDArray[np.float64])

DAYS_PER_YEAR = 365.0
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
