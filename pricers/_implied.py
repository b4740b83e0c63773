"""Implied volatility of one option: a safeguarded root search on its out-of-the-money price.

Start: the normal volatility of the price in closed form (Jäckel, "Implied Normal Volatility", 2017), taken to lognormal.
Then Halley steps on 1/ln(price) for small prices and on ln(bound - price) near the bound, inside a bracket that every
evaluation narrows; a step that leaves the bracket is replaced by a bisection. The quote may be in the money: parity turns
it, at each step's own sigma, into the out-of-the-money price (for the inverse payoff parity depends on sigma).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pricers._contract import Split, Timing
from pricers._fixings import UnitConstants
from pricers._inverse import InverseShape, inverse_sides
from pricers._jit import kernel, merged
from pricers._linear import linear_shape
from pricers._qmc_desk import Desk
from pricers._qmc_inverse import qmc_inverse_sides
from pricers._qmc_linear import qmc_linear_shape
from pricers._valuation import in_range, is_drawn
from pricers.status import Status

OK = int(Status.OK)
NO_QUOTE = int(Status.NO_QUOTE)
BELOW_INTRINSIC = int(Status.BELOW_INTRINSIC)
ABOVE_BOUND = int(Status.ABOVE_BOUND)
DETERMINED = int(Status.DETERMINED)
LOW_VEGA = int(Status.LOW_VEGA)
FALLBACK = int(Status.FALLBACK)
CAPPED = int(Status.CAPPED)
BAD_INPUT = int(Status.BAD_INPUT)
NOT_CONVERGED = int(Status.NOT_CONVERGED)

MAX_STEPS = 100
LOW_VEGA_POINTS = 10.0  # half a tick worth more vol points than this: the number is noise, the band is the answer
SMALLEST = 1e-290
POLISHED = 1e-5  # relative: a step of the polishing search after which nothing is left to do


class SideValue(NamedTuple):
    """Out-of-the-money price and parity at a sigma, with two sigma-derivatives; in the quote's units."""

    f: float
    f1: float
    f2: float
    parity: float  # in-the-money minus out-of-the-money price
    parity1: float
    parity2: float


class Model(NamedTuple):
    """What prices inside the search: the contract, its fixings, and the engine with its draws (``is_drawn_ok``) or without."""

    c: Split
    sign: float
    t: Timing
    unit: UnitConstants
    is_inverse: bool
    engine: int
    is_drawn_ok: bool
    desk: Desk


class Root(NamedTuple):
    """A solved volatility."""

    sigma: float
    code: int
    n_steps: int
    vega: float  # at sigma, same units per 1.00
    value: float  # the option's own price at sigma


@kernel
def parity_value(sign: float, side: float, sides: tuple[InverseShape, InverseShape]) -> SideValue:
    """The inverse payoff's value from its out-of-the-money side and E[1 - K/A]."""
    half, whole = sides
    if side == sign:
        return SideValue(half.j, half.sigma1, half.sigma2, 0.0, 0.0, 0.0)
    return SideValue(half.j, half.sigma1, half.sigma2, sign * whole.j, sign * whole.sigma1, sign * whole.sigma2)


@merged
def side_value(m: Model, side: float, sigma: float) -> SideValue:
    """Price of the out-of-the-money ``side`` and, if the option is the other one, the parity that turns it."""
    c = m.c
    sign = m.sign
    from_draws = m.is_drawn_ok and is_drawn(sigma, m.unit, m.engine, m.is_inverse)
    if not m.is_inverse:
        if from_draws:
            f, _ = qmc_linear_shape(c.strike, side, sigma, m.t, m.unit.carry, m.desk)
        else:
            f = linear_shape(c.strike, side, sigma, m.unit)
        return SideValue(f.f, f.sigma1, f.sigma2, 0.0 if side == sign else sign * (1.0 - c.strike), 0.0, 0.0)
    if from_draws:
        is_half = c.strike > 0.0  # always, but no literal: it would be a type of its own
        half, whole, _ = qmc_inverse_sides(c, side, is_half, side != sign, sigma, m.t, m.unit, m.desk)
    else:
        half, whole = inverse_sides(c, side, side != sign, sigma, m.unit)
    return parity_value(sign, side, (half, whole))


@kernel
def normal_start(price: float, k: float) -> float:
    """Total lognormal volatility near the root: from the closed-form normal volatility of an out-of-the-money price, k = K/F."""
    away = abs(k - 1.0)
    if away < 1e-14:
        total = price * math.sqrt(2.0 * math.pi)
    else:
        ratio = -price / away
        if ratio < -0.001882039271:
            g = 1.0 / (ratio - 0.5)
            g2 = g * g
            top = 0.032114372355 - g2 * (0.016969777977 - g2 * (2.6207332461e-3 - 9.6066952861e-5 * g2))
            bottom = 1.0 - g2 * (0.6635646938 - g2 * (0.14528712196 - 0.010472855461 * g2))
            x = g * (1.0 / math.sqrt(2.0 * math.pi) + top / bottom * g2)
        else:
            h = math.sqrt(-math.log(-ratio))
            x = (9.4883409779 - h * (9.6320903635 - h * (0.58556997323 + 2.1464093351 * h))) / (
                1.0 - h * (0.65174820867 + h * (1.5120247828 + 6.6437847132e-5 * h))
            )
        total = away / abs(x) * (abs(math.log(k)) / away)
    return min(total * (1.0 + total * total / 24.0), 4.0)


@kernel
def halley_step(target: float, v: SideValue, quote: float, bound: float) -> float:
    """Change of sigma towards ``v.f = quote - v.parity`` (= target > 0), on the transform that is straightest there."""
    target1 = -v.parity1
    target2 = -v.parity2
    if abs(target1) > 0.02 * v.f1:
        # Parity moves about as much as the price itself: nothing is straighter than their sum.
        miss = v.f - target
        slope = v.f1 - target1
        bend = v.f2 - target2
    elif v.f < 0.5 * bound or target < 0.5 * bound:
        # 1 / ln(price / (2 bound)): nearly straight in sigma² for small prices, no pole below the bound.
        lf = math.log(0.5 * v.f / bound)
        lt = math.log(0.5 * target / bound)
        uf = v.f1 / v.f
        ut = target1 / target
        uf2 = v.f2 / v.f - uf * uf
        ut2 = target2 / target - ut * ut
        miss = 1.0 / lf - 1.0 / lt
        slope = -uf / (lf * lf) + ut / (lt * lt)
        bend = (2.0 * uf * uf / lf - uf2) / (lf * lf) - (2.0 * ut * ut / lt - ut2) / (lt * lt)
    else:
        rf = bound - v.f
        rt = bound - target
        miss = math.log(rt / rf)
        slope = v.f1 / rf - target1 / rt
        bend = v.f2 / rf + (v.f1 / rf) ** 2 - target2 / rt - (target1 / rt) ** 2
    newton = -miss / slope
    correction = 1.0 + 0.5 * newton * bend / slope
    return newton / min(max(correction, 0.5), 2.0)


@kernel
def upper_bound(c: Split, sign: float, is_inverse: bool) -> float:
    """A bound that no volatility reaches, in units of discounted weight times forward (inverse: discounted forward).

    Call: 1. Linear put: k. Inverse put: the most that E[(c/(M + p) - 1)^+] can be with E[1/M] <= 1, which is k without
    observed fixings.
    """
    if sign > 0.0:
        return 1.0
    if not is_inverse or c.past == 0.0:
        return c.strike
    m = math.sqrt(c.past * (c.past + c.strike)) - c.past
    return m * (c.strike - m) / (m + c.past)


@kernel
def intrinsic(c: Split, sign: float, is_inverse: bool) -> float:
    """The limit for sigma to 0, in the same units. An inverse in-the-money put dips below it: 0, and the search finds its dip."""
    if is_inverse and sign < 0.0:
        return 0.0
    return max(sign * (1.0 - c.strike), 0.0) / (1.0 + c.past if is_inverse else 1.0)


@merged
def search(quote: float, m: Model, start: float, total_max: float, tolerance: float) -> Root:
    """One search with one model.

    ``start`` is a sigma, or nan for the closed-form start. Converges when a Halley step is below sqrt(tolerance): its error
    is then of third order, far below tolerance itself.
    """
    c = m.c
    sign = m.sign
    unit = m.unit
    is_inverse = m.is_inverse
    k = c.strike
    side = 1.0 if k >= 1.0 else -1.0
    bound = upper_bound(c, side, is_inverse)
    low = 0.0
    high = total_max / unit.deviation
    sigma = start
    still_price = max(sign * (1.0 - k), 0.0) / (1.0 + c.past if is_inverse else 1.0)
    if not sigma > 0.0:
        # In units of the linear payoff: S_N (1 - K/A) is about M (M - k) / (M + p), near the boundary (M - k) k / (k + p).
        still = quote if side == sign else quote - sign * (1.0 - k) / (1.0 + c.past if is_inverse else 1.0)
        guess = still * (k + c.past) / k if is_inverse else still
        total = normal_start(guess, k) if guess > 0.0 else max(0.25 * abs(math.log(k)), 1e-3)
        sigma = total / unit.deviation
    sigma = min(sigma, high)
    enough = max(math.sqrt(tolerance), POLISHED) if m.is_drawn_ok else math.sqrt(tolerance)
    is_done = False
    is_reached = False  # whether some sigma gives the quote or more
    is_crossed = False  # whether the price at ``low`` is below the quote and rising: then a root lies in the bracket
    for n_steps in range(1, MAX_STEPS + 1):
        v = side_value(m, side, sigma)
        target = quote - v.parity
        vega = v.f1 + v.parity1
        if is_done:
            return Root(sigma, in_range(sigma, unit, m.engine, is_inverse), n_steps - 1, vega, v.f + v.parity)
        is_usable = v.f > SMALLEST and target > SMALLEST and v.f < bound and target < bound and vega > 0.0
        excess = v.f - target
        # A put's price may fall on both ends: below its dip (price under the intrinsic one), and at absurd volatilities, where
        # observed fixings bound 1/A. Only the rising part between counts.
        if excess >= 0.0 and (vega > 0.0 or v.f + v.parity >= still_price):
            high = sigma
            is_reached = True
        else:
            low = sigma
            is_crossed = vega > 0.0
            if sigma >= high:
                return Root(np.nan, CAPPED, n_steps, vega, np.nan)
        # An in-the-money inverse put is worth at least its parity, which falls with sigma: at or below that no sigma fits.
        if sign < 0.0 and side != sign and excess >= 0.0 and sigma == high and target <= 0.0:
            return Root(np.nan, BELOW_INTRINSIC, n_steps, vega, np.nan)
        step = halley_step(target, v, quote, bound) if is_usable else np.nan
        following = sigma + step
        if abs(step) <= enough * sigma:
            # What is left is of third order; another price would only say so.
            value = v.f + v.parity + step * (vega + 0.5 * step * (v.f2 + v.parity2))
            return Root(following, in_range(sigma, unit, m.engine, is_inverse), n_steps, vega, value)
        if low < following < high:
            sigma = following
        elif following >= high and high * unit.deviation >= total_max and low < high:
            sigma = high
        else:
            sigma = min(0.5 * (low + high), 2.0 * sigma) if sigma == low else 0.5 * (low + high)
            if high - low <= tolerance * high:
                if not is_crossed:
                    code = BELOW_INTRINSIC if is_reached else CAPPED
                    return Root(np.nan, code, n_steps, vega, np.nan)
                is_done = True
    return Root(np.nan, NOT_CONVERGED, MAX_STEPS, np.nan, np.nan)
