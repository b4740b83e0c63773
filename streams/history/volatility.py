"""Volatility statistics (DEFINITIONS 3.13): rank, percentile, constant maturity, skew, realised volatility, risk premium.  Pure.

Vols are fractions a year of 365 days; the market never closes, so that no day is another kind of day (Yang-Zhang's overnight term has
nothing to measure).  What cannot be said is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SECONDS_PER_YEAR = 31_536_000.0
NS_PER_S = 1_000_000_000
N_DAYS = 364
"""52 weeks."""
Floats = npt.NDArray[np.float64]


# -- where a vol stands in its past --------------------------------------------------------------------------------------


def iv_rank(history: Sequence[float], sigma: float) -> float | None:
    """(sigma - min) / (max - min) over the days given, sigma's own among them; fraction.

    None where they do not differ: there is no rank in a flat past.
    """
    low, high = min((*history, sigma)), max((*history, sigma))
    return (sigma - low) / (high - low) if high > low else None


def iv_percentile(history: Sequence[float], sigma: float) -> float | None:
    """Share of the days given whose vol was lower than sigma; fraction; None of no day.

    Today, if it is among them, is no day with a lower vol.
    """
    return sum(one < sigma for one in history) / len(history) if history else None


# -- along the strikes ---------------------------------------------------------------------------------------------------


def at_the_money_sigma(strikes: Sequence[float], sigmas: Sequence[float], forward: float) -> float | None:
    """Vol at the forward: linear in log-moneyness between the two strikes around it, variance for variance.

    Several vols of one strike (call and put) are averaged first.  None where the forward lies outside the strikes: no extrapolation.
    """
    by_strike: dict[float, list[float]] = {}
    for strike, sigma in zip(strikes, sigmas, strict=True):
        by_strike.setdefault(strike, []).append(sigma)
    below = max((strike for strike in by_strike if strike <= forward), default=None)
    above = min((strike for strike in by_strike if strike >= forward), default=None)
    if below is None or above is None:
        return None
    low, high = math.fsum(by_strike[below]) / len(by_strike[below]), math.fsum(by_strike[above]) / len(by_strike[above])
    if above == below:
        return low
    weight = math.log(forward / below) / math.log(above / below)
    return math.sqrt((1.0 - weight) * low * low + weight * high * high)


def sigma_at_delta(deltas: Sequence[float], sigmas: Sequence[float], delta: float) -> float | None:
    """Vol at a delta, linear in delta between the two options around it; None outside them.

    Delta is the forward delta, not premium-adjusted: +0.25 a call, -0.25 a put.  Give calls or puts, not both.
    """
    pairs = sorted(zip(deltas, sigmas, strict=True))
    below = max((pair for pair in pairs if pair[0] <= delta), default=None)
    above = min((pair for pair in pairs if pair[0] >= delta), default=None)
    if below is None or above is None:
        return None
    if above[0] == below[0]:
        return below[1]
    weight = (delta - below[0]) / (above[0] - below[0])
    return (1.0 - weight) * below[1] + weight * above[1]


def risk_reversal(sigma_call: float, sigma_put: float) -> float:
    """IV(25C) - IV(25P)."""
    return sigma_call - sigma_put


def butterfly(sigma_call: float, sigma_put: float, sigma_atm: float) -> float:
    """(IV(25C) + IV(25P)) / 2 - IV(ATM)."""
    return (sigma_call + sigma_put) / 2.0 - sigma_atm


# -- along the expiries --------------------------------------------------------------------------------------------------


def constant_maturity_sigma(taus: Sequence[float], sigmas: Sequence[float], tau: float) -> float | None:
    """Vol at a maturity: total variance linear in time between the two expiries around it; years.

    None outside them: no extrapolation.
    """
    pairs = sorted(zip(taus, sigmas, strict=True))
    below = max((pair for pair in pairs if pair[0] <= tau), default=None)
    above = min((pair for pair in pairs if pair[0] >= tau), default=None)
    if below is None or above is None or tau <= 0.0:
        return None
    if above[0] == below[0]:
        return below[1]
    weight = (tau - below[0]) / (above[0] - below[0])
    total = (1.0 - weight) * below[1] ** 2 * below[0] + weight * above[1] ** 2 * above[0]
    return math.sqrt(total / tau)


def forward_sigma(tau_near: float, sigma_near: float, tau_far: float, sigma_far: float) -> float | None:
    """Vol between two expiries, from total variances; None where the far one has less: a calendar arbitrage has no vol."""
    total = sigma_far**2 * tau_far - sigma_near**2 * tau_near
    return math.sqrt(total / (tau_far - tau_near)) if tau_far > tau_near and total >= 0.0 else None


# -- what was realised ---------------------------------------------------------------------------------------------------


class Bars(NamedTuple):
    """Prices by interval; nan: nothing came in it.  ``(n,)`` each."""

    until_ns: npt.NDArray[np.int64]
    high: Floats
    low: Floats
    close: Floats


def bars(times_ns: npt.NDArray[np.int64], prices: Floats, begin_ns: int, end_ns: int, step_s: float) -> Bars:
    """Bars of [begin, end) from prices in order of time; prices that are not finite and positive are left out."""
    step_ns = round(step_s * NS_PER_S)
    n = max(0, (end_ns - begin_ns) // step_ns)
    until = begin_ns + step_ns * np.arange(1, n + 1, dtype=np.int64)
    high, low, close = (np.full(n, np.nan) for _ in range(3))
    usable = np.isfinite(prices) & (prices > 0.0) & (times_ns >= begin_ns) & (times_ns < begin_ns + n * step_ns)
    places, inside = (times_ns[usable] - begin_ns) // step_ns, prices[usable]
    np.fmax.at(high, places, inside)
    np.fmin.at(low, places, inside)
    close[places] = inside  # of several to one place the last counts
    return Bars(until, high, low, close)


class Realised(NamedTuple):
    """A realised vol and what it rests on."""

    sigma: float | None
    n_used: int
    n_missing: int
    """Intervals without a number: gaps are left out, not bridged."""


def close_to_close(found: Bars, step_s: float) -> Realised:
    """sqrt(mean(r²) a year), r = ln(close / close before), mean zero: over a month a drift cannot be told from none."""
    returns = np.diff(np.log(found.close)) if found.close.size > 1 else np.empty(0)
    return _annualised(returns * returns, step_s)


def parkinson(found: Bars, step_s: float) -> Realised:
    """sqrt(mean(ln(high / low)²) / (4 ln 2) a year).

    Prices seen now and then miss the true extremes: it errs low, the more the fewer prices a bar has.

    References
    ----------
    Parkinson, "The extreme value method for estimating the variance of the rate of return", 1980.
    """
    ranges = np.log(found.high / found.low)
    return _annualised(ranges * ranges / (4.0 * math.log(2.0)), step_s)


def _annualised(variances: Floats, step_s: float) -> Realised:
    known = variances[np.isfinite(variances)]
    sigma = math.sqrt(math.fsum(known) / known.size * SECONDS_PER_YEAR / step_s) if known.size else None
    return Realised(sigma, int(known.size), int(variances.size - known.size))


class Premium(NamedTuple):
    """IV² - RV²; a year's variance."""

    variance: float
    kind: str
    """trailing: RV of the time before the vol; forward: of the time that the vol was about.  They differ in sign on a day in five."""


def risk_premium(sigma: float, realised_sigma: float, kind: str) -> Premium:
    """Variance risk premium; ``kind`` says which realised vol it is.

    Raises
    ------
    ValueError : a kind that is neither trailing nor forward.
    """
    if kind not in ("trailing", "forward"):
        raise ValueError(f"kind {kind!r}: want trailing or forward")
    return Premium(sigma * sigma - realised_sigma * realised_sigma, kind)
