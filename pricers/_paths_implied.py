"""Implied volatilities of the path engine: Brent's search on one draw (A11, A14, E-06), each failure a status and never an exception.

The draw is the same at every step, so the objective is one smooth, deterministic function of sigma. The bracket starts where the
geometric twin crosses the quote and widens until the paths' own prices bracket it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from pricers._contract import is_sane
from pricers._paths_contract import (
    Contract,
    Fixings,
    effective_strike,
    exercised_columns,
    live_fixings,
    settled_columns,
    split_times,
    twin_price_usd,
)
from pricers._paths_kernel import path_sums
from pricers._paths_walks import PathSettings, View, check, normals_of, simulated_usd
from pricers._valuation import INVERSE, PRICE
from pricers.status import Status

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int32]

LOW_VEGA_POINTS = 10.0
"""Half a tick worth more vol points than this is LOW_VEGA."""
LEAST_TOTAL = 1e-7
"""Total volatility of the average at which a search starts."""
N_GRID = 400
WIDENING = 1.2
"""Factor by which an end of the bracket moves until the paths' price passes the quote."""


class Market(NamedTuple):
    """One option's price as a function of sigma alone, USD per coin; the quote is of the same option and units."""

    simulated: Callable[[float], float]
    twin: Callable[[Array], Array]
    deviation: float
    """Standard deviation of the average at sigma 1."""
    total_max: float


class Solved(NamedTuple):
    """Sigma and its status; price there; model evaluations."""

    sigma: float
    status: Status
    price_usd: float
    n_evaluations: int


def market_of(contract: Contract, fixings: Fixings, forward: float, total_max: float, settings: PathSettings) -> Market:
    """Price by simulation on one draw, and of the geometric twin."""
    normals = normals_of(fixings.times, settings)

    def simulated(sigma: float) -> float:
        sums = path_sums(normals, fixings.times, fixings.weights, np.array([sigma]), settings.is_antithetic)
        paths = View(fixings, sigma, sums.mean[0], sums.direction, sums.last)
        price = float(simulated_usd(contract, paths, forward, settings.has_control).mean())
        return price + (float(twin_price_usd(contract, fixings, forward, sigma, 0.0)) if settings.has_control else 0.0)

    def twin(sigmas: Array) -> Array:
        return twin_price_usd(contract, fixings, forward, sigmas, 0.0)

    return Market(simulated, twin, math.sqrt(fixings.variance), total_max)


def solve(quote: float, market: Market, tolerance: float) -> Solved:
    """The sigma with positive vega at which the simulated price is ``quote``, relative error ``tolerance`` (A11)."""
    n_evaluations = 0

    def excess(sigma: float) -> float:
        nonlocal n_evaluations
        n_evaluations += 1
        return market.simulated(sigma) - quote

    sigmas = np.geomspace(LEAST_TOTAL, market.total_max, N_GRID) / market.deviation
    lowest, highest = float(sigmas[0]), float(sigmas[-1])
    twins = market.twin(sigmas)
    rising = np.flatnonzero((twins[:-1] < quote) & (twins[1:] >= quote))
    if rising.size:
        low, high = float(sigmas[rising[0]]), float(sigmas[rising[0] + 1])
    else:
        low = high = float(sigmas[int(np.argmin(twins))]) if np.all(twins >= quote) else highest
    while excess(low) >= 0.0:
        if low <= lowest:
            return Solved(np.nan, Status.BELOW_INTRINSIC, np.nan, n_evaluations)
        low = max(low / WIDENING, lowest)
    while excess(high) < 0.0:
        if high >= highest:
            return Solved(np.nan, Status.CAPPED, np.nan, n_evaluations)
        high = min(high * WIDENING, highest)
    sigma = float(brentq(excess, low, high, xtol=1e-300, rtol=max(tolerance, 4.0 * np.finfo(float).eps)))
    return Solved(sigma, Status.OK, market.simulated(sigma), n_evaluations)


def upper_bound_usd(contract: Contract, fixings: Fixings, forward: float) -> float:
    """What no volatility reaches: a call's weight times the forward, a linear put's strike.

    An inverse put pays (k - M) / (M + p) with p the known part, in units of M, and E[1/M] <= 1 under the measure of the last
    fixing. As a function of 1/M that lies below the steepest line through 0 that touches it, at M = sqrt(p (p + k)) - p.
    """
    last = float(fixings.times[-1])
    discount = math.exp(-contract.rate * last)
    k = float(effective_strike(contract, fixings.growth, forward))
    if not contract.is_inverse:
        return discount * forward * fixings.growth / contract.n_fixings * (1.0 if contract.sign > 0.0 else k)
    share = discount * forward * math.exp(contract.carry * last)
    if contract.sign > 0.0:
        return share
    p = (contract.past + contract.n_due * forward) / (forward * fixings.growth)
    m = math.sqrt(p * (p + k)) - p
    return share * (m * (k - m) / (m + p) if p > 0.0 else k)


def implied_paths(
    inputs: Array, payoff: int, settings: PathSettings, answers: Array, status: Codes, counts: Counts
) -> None:
    """Volatilities of a batch; rows of ``inputs`` (14, n) and ``answers`` (4, n) as ``implied_batch`` has them, tick and band being one."""
    check(settings)
    answers[:] = np.nan
    counts[:] = 0
    for i, row in enumerate(inputs.T):
        status[i], answers[:, i], counts[i] = implied_one(row, payoff == INVERSE, settings)


def implied_one(row: Array, is_inverse: bool, settings: PathSettings) -> tuple[Status, tuple[float, ...], int]:
    """Status, (sigma, low, high, price at sigma) and model evaluations of one quote."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    price, forward, strike, sign, next_s, interval_s, n, n_fixed, past, rate, carry, tick, total_max, tolerance = (
        float(x) for x in row
    )
    is_valid = is_sane(forward, strike, sign, next_s, interval_s, n, n_fixed, past, rate, carry)
    if not (is_valid and total_max > 0.0 and tolerance > 0.0 and not tick < 0.0):
        return Status.BAD_INPUT, nothing, 0
    if not price > 0.0:
        return Status.NO_QUOTE, nothing, 0
    n_due, times = split_times(next_s, interval_s, int(n - n_fixed))
    contract = Contract(strike, sign, n, past, n_due, rate, carry, is_inverse)
    if times.size == 0 or effective_strike(contract, live_fixings(times, carry).growth, forward) <= 0.0:
        return Status.DETERMINED, nothing, 0
    fixings = live_fixings(times, carry)
    still = float(settled_columns(contract, times, forward)[PRICE])
    least = 0.0 if is_inverse and sign < 0.0 else still
    bound = upper_bound_usd(contract, fixings, forward)
    if price <= least:
        return Status.BELOW_INTRINSIC, nothing, 0
    if price >= bound:
        return Status.ABOVE_BOUND, nothing, 0
    shift = 0.0
    side = 1.0 if effective_strike(contract, fixings.growth, forward) >= 1.0 else -1.0
    if (
        not is_inverse and sign != side
    ):  # the search is on the other side, by parity; the inverse one has its parity in each path
        shift = float(exercised_columns(contract, times, forward)[PRICE])
        contract = contract._replace(sign=side)
    market = market_of(contract, fixings, forward, total_max, settings)
    found = solve(price - shift, market, tolerance)
    if found.status != Status.OK:
        return found.status, nothing, found.n_evaluations
    low, high = (
        solve(price + half - shift, market, tolerance).sigma if least < price + half < bound else np.nan
        for half in (-0.5 * tick, 0.5 * tick)
    )
    step = 1e-3 * found.sigma
    vega = float(np.diff(market.twin(np.array([found.sigma - step, found.sigma + step])))[0]) / (2.0 * step)
    is_low = 0.01 * LOW_VEGA_POINTS * vega < 0.5 * tick
    answer = (found.sigma, low, high, found.price_usd + shift)
    return (Status.LOW_VEGA if is_low else Status.OK), answer, found.n_evaluations
