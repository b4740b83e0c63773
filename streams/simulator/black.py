"""Black-76 as the venue publishes it: rate 0, time in years of 365 days; vectorised, our own, apart from ``pricers``.

Prices are USD per coin; the caller divides by the forward for coin-settled contracts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

SECONDS_PER_YEAR = 31_536_000
DAYS_PER_YEAR = 365
N_NEWTON = 24
_SQRT_2PI = float(np.sqrt(2.0 * np.pi))
_TINY = 1e-12


class VenueGreeks(NamedTuple):
    """What a ticker's ``greeks`` holds, unrounded: vega per vol point, theta per day, rho per 1 %."""

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats


def price_usd(forward: Floats, strike: Floats, total_vol: Floats, option_sign: Floats) -> Floats:
    """Undiscounted premium, USD per coin; ``total_vol`` = sigma sqrt(tau), 0 gives the intrinsic value."""
    s = np.maximum(total_vol, _TINY)
    d1 = np.log(forward / strike) / s + 0.5 * s
    value = option_sign * (forward * ndtr(option_sign * d1) - strike * ndtr(option_sign * (d1 - s)))
    return np.asarray(np.maximum(value, 0.0))


def venue_greeks(forward: Floats, strike: Floats, sigma: Floats, tau: Floats, option_sign: Floats) -> VenueGreeks:
    """Delta, gamma, vega, theta and rho by the venue's rules.

    Theta is the smaller in size of a day's decay and the decay of the life that is left: the venue caps it so.
    Rho is of an option discounted from expiry whose forward moves with the rate: K tau N(d2) (call), per 1 %.
    """
    s = np.maximum(sigma * np.sqrt(tau), _TINY)
    d1 = np.log(forward / strike) / s + 0.5 * s
    d2 = d1 - s
    density = np.exp(-0.5 * d1 * d1) / _SQRT_2PI
    vega = forward * density * np.sqrt(tau)
    theta_per_year = 0.5 * forward * density * sigma / np.sqrt(np.maximum(tau, _TINY))
    return VenueGreeks(
        delta=option_sign * ndtr(option_sign * d1),
        gamma=density / (forward * s),
        vega=vega * 0.01,
        theta=-theta_per_year * np.minimum(1.0 / DAYS_PER_YEAR, tau),
        rho=option_sign * strike * tau * ndtr(option_sign * d2) * 0.01,
    )


def implied_total_vol(price: Floats, forward: Floats, strike: Floats, option_sign: Floats) -> Floats:
    """Total vol that gives ``price`` (USD per coin); nan where it is at or below intrinsic, or above the bound.

    Newton on the out-of-the-money side from the point of inflection, from which it converges monotonically.
    """
    intrinsic = np.maximum(option_sign * (forward - strike), 0.0)
    target = price - intrinsic
    out_sign = np.where(forward >= strike, -1.0, 1.0)
    bound = np.where(out_sign > 0, forward, strike)
    x = np.log(forward / strike)
    is_usable = (target > 1e-9 * forward) & (target < bound * (1.0 - 1e-9))
    s = np.maximum(np.sqrt(2.0 * np.abs(x)), 1e-4)
    for _ in range(N_NEWTON):
        d1 = x / s + 0.5 * s
        value = out_sign * (forward * ndtr(out_sign * d1) - strike * ndtr(out_sign * (d1 - s)))
        slope = forward * np.exp(-0.5 * d1 * d1) / _SQRT_2PI
        step = (target - value) / np.maximum(slope, 1e-300)
        s = np.maximum(s + np.minimum(np.maximum(step, -0.9 * s), 1.0), 1e-7)
        if not np.any(np.abs(step) > 1e-9):
            break
    return np.where(is_usable, s, np.nan)
