"""An option as the path engine sees it: which fixings are known, due and live, its payoff, and its geometric twin in closed form.

The average of n fixings, with P the sum of the known ones and m fixings due but not known (worth the forward F now), is

    A = (P + m F + F G M) / n,    M = sum_i w_i exp(sigma W_i - sigma² t_i / 2),    G = sum_i exp(carry t_i),  w_i = exp(carry t_i) / G.

The geometric twin (Kemna and Vorst 1990, A35) puts M* = exp(sigma B - sigma² V / 2) in the place of M, with B = sum_i w_i W_i and
V = Var B, so that E[M*] = E[M] = 1. Its price is Black's formula; of the inverse payoff a one-dimensional integral of a smooth function.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from pricers._valuation import CHARM, DELTA, GAMMA, N_COLUMNS, PRICE, RHO, THETA

Array = npt.NDArray[np.float64]

SECONDS_PER_YEAR = 31_536_000.0  # 365 days of 86 400 s: the venue's year (E-20)
QUADRATURE = np.polynomial.legendre.leggauss(96)
REACH = 9.0
"""Standard deviations that the integral covers on each side: phi(9) is 1e-18."""


class Contract(NamedTuple):
    """What does not move when forward, volatility or time is bumped; USD per coin."""

    strike: float
    sign: float
    n_fixings: float
    past: float
    """Sum of the known fixings."""
    n_due: int
    rate: float
    carry: float
    is_inverse: bool


class Fixings(NamedTuple):
    """The live fixings."""

    times: Array
    """(n,), years, all > 0."""
    weights: Array
    """(n,), of M; they add up to 1."""
    growth: float
    """G: their number at carry 0."""
    variance: float
    """V, years."""
    mean_time: float
    """sum_i w_i t_i, years: Cov(B, W_N), since W_N is the last."""


def live_fixings(times: Array, carry: float) -> Fixings:
    """The fixings at ``times`` (n,), years, ascending."""
    growths = np.exp(carry * times)
    growth = float(growths.sum())
    weights = growths / growth
    left = np.cumsum(weights[::-1])[
        ::-1
    ]  # sum of w_j from i on; V = sum_ij w_i w_j min(t_i, t_j), each pair at its earlier time
    variance = float(np.sum(weights * times * (2.0 * left - weights)))
    return Fixings(times, weights, growth, variance, float(np.sum(weights * times)))


def moved_fixings(fixings: Fixings, carry: float, later: float) -> Fixings:
    """The same fixings, all ``later`` years further away: V = sum w_i w_j min(t_i, t_j) and the mean time grow by it."""
    return Fixings(
        fixings.times + later,
        fixings.weights,
        fixings.growth * math.exp(carry * later),
        fixings.variance + later,
        fixings.mean_time + later,
    )


def split_times(next_fixing_s: float, interval_s: float, n_remaining: int) -> tuple[int, Array]:
    """Fixings due, and the times (years) of the live ones."""
    seconds = next_fixing_s + interval_s * np.arange(n_remaining)
    live = np.asarray(seconds[seconds > 0.0] / SECONDS_PER_YEAR, dtype=np.float64)
    return n_remaining - live.size, live


def effective_strike(contract: Contract, growth: npt.ArrayLike, forward: npt.ArrayLike) -> Array:
    """k, the strike left for M: the payoff is (F G / n) times ±(M - k). At or below 0 a call's exercise is certain."""
    usd = np.asarray(forward)
    known = contract.past + contract.n_due * usd
    return np.asarray((contract.n_fixings * contract.strike - known) / (usd * np.asarray(growth)))


def settled_columns(contract: Contract, times: Array, forward: float) -> Array:
    """Columns (N_COLUMNS,) where nothing is random: every live fixing counts as its mean, the forward grown by carry.

    All fixings known, no volatility, or (linear) exercise that is certain already, whose price is parity.
    """
    mean = contract.past + forward * (contract.n_due + float(np.exp(contract.carry * times).sum()))
    if contract.sign * (mean - contract.n_fixings * contract.strike) <= 0.0:
        return np.zeros(N_COLUMNS)
    return exercised_columns(contract, times, forward)


def exercised_columns(contract: Contract, times: Array, forward: float) -> Array:
    """Columns (N_COLUMNS,) of ±(A - K), paid whatever its sign, with every live fixing at its mean: linear parity."""
    found = np.zeros(N_COLUMNS)
    n, rate, carry = contract.n_fixings, contract.rate, contract.carry
    growth = float(np.exp(carry * times).sum()) / n  # of the live fixings, as a share of the average
    share = growth + contract.n_due / n
    average = contract.past / n + share * forward
    last = float(times[-1]) if times.size else 0.0
    level = contract.sign * math.exp(-rate * last)
    if not contract.is_inverse:
        found[PRICE], found[DELTA] = level * (average - contract.strike), level * share
        found[THETA] = rate * found[PRICE] - carry * level * growth * forward
        found[CHARM] = rate * found[DELTA] - carry * level * growth
    else:
        level *= math.exp(carry * last)
        kept = contract.strike / average
        moving = share * forward / average
        found[PRICE] = level * forward * (1.0 - kept)
        found[DELTA] = level * (1.0 - kept * (1.0 - moving))
        found[GAMMA] = level * 2.0 * kept * (share / average) * (1.0 - moving)
        live = growth * forward / average
        found[THETA] = (rate - carry) * found[PRICE] - carry * level * forward * kept * live
        found[CHARM] = (rate - carry) * found[DELTA] - carry * level * kept * live * 2.0 * (1.0 - moving)
    found[RHO] = last * (forward * found[DELTA] - found[PRICE])
    return found


def path_payoff_usd(contract: Contract, fixings: Fixings, forward: float, mean: Array, last: Array) -> Array:
    """Discounted payoff, USD per coin, where M is ``mean`` and the last fixing ``last`` times its mean (used by the inverse one)."""
    discount = math.exp(-contract.rate * fixings.times[-1])
    average = (contract.past + forward * (contract.n_due + fixings.growth * mean)) / contract.n_fixings
    payoff = np.maximum(contract.sign * (average - contract.strike), 0.0)
    if contract.is_inverse:
        payoff *= forward * math.exp(contract.carry * fixings.times[-1]) * last / average
    return np.asarray(discount * payoff)


def twin_price_usd(
    contract: Contract, fixings: Fixings, forward: npt.ArrayLike, sigma: npt.ArrayLike, later: npt.ArrayLike
) -> Array:
    """Price of the geometric twin, USD per coin; ``forward``, ``sigma`` and ``later`` broadcast.

    ``later``: years by which every live fixing is moved away; V and all times grow by it, so that differences in it are in
    minus calendar time, and may reach below the time of the first fixing (the price is analytic there as long as V > 0).
    """
    forward, sigma, later = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (forward, sigma, later)))
    last_time = fixings.times[-1] + later
    discount = np.exp(-contract.rate * last_time)
    growth = fixings.growth * np.exp(contract.carry * later)
    k = effective_strike(contract, growth, forward)
    deviation = sigma * np.sqrt(fixings.variance + later)
    if not contract.is_inverse:
        return np.asarray(discount * forward * growth / contract.n_fixings * _black(k, deviation, contract.sign))
    # Girsanov: under the measure of the last fixing B gains sigma Cov(B, W_N).
    shift = sigma * sigma * (fixings.mean_time + later)
    share = discount * forward * np.exp(contract.carry * last_time)
    return np.asarray(share * _share_integral(contract, forward, growth, k, deviation, shift))


def _black(k: Array, deviation: Array, sign: float) -> Array:
    """E[max(±(M* - k), 0)] for a lognormal of mean 1; k <= 0 is certain exercise of the call."""
    is_open = k > 0.0
    safe = np.where(is_open, k, 1.0)
    d1 = -np.log(safe) / deviation + 0.5 * deviation
    price = sign * (ndtr(sign * d1) - safe * ndtr(sign * (d1 - deviation)))
    return np.where(is_open, price, np.maximum(sign * (1.0 - k), 0.0))


def _share_integral(
    contract: Contract, forward: Array, growth: Array, k: Array, deviation: Array, shift: Array
) -> Array:
    """E'[max(±(1 - K / A*), 0)] with ln M* normal of mean shift - deviation²/2: Gauss-Legendre from the exercise boundary on."""
    drift = shift - 0.5 * deviation * deviation
    is_open = k > 0.0
    boundary = np.where(is_open, (np.log(np.where(is_open, k, 1.0)) - drift) / deviation, -REACH - 1.0)
    if contract.sign > 0.0:
        low, high = np.maximum(boundary, -REACH), np.maximum(boundary + 1.0, REACH)
    else:
        low, high = np.minimum(boundary - 1.0, -REACH), np.minimum(boundary, REACH)
    nodes, node_weights = QUADRATURE
    half = 0.5 * (high - low)
    x = 0.5 * (high + low)[..., None] + half[..., None] * nodes
    mean = np.exp(drift[..., None] + deviation[..., None] * x)
    average = (contract.past + forward[..., None] * (contract.n_due + growth[..., None] * mean)) / contract.n_fixings
    inside = contract.sign * (1.0 - contract.strike / average) * np.exp(-0.5 * x * x)
    value = half * np.sum(inside * node_weights, axis=-1) / math.sqrt(2.0 * math.pi)
    return np.where(is_open | (contract.sign > 0.0), value, 0.0)
