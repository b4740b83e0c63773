"""Gamma or vanna of many options at many levels of the forward, their sum at one level, and its zeros.

Loops over levels have no call and no branch in them, so that they vectorise. Sums run in one fixed order whatever the processor.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._contract import Timing, constants, timing
from pricers._exp import fast_exp
from pricers._fixings import UnitConstants
from pricers._jit import inlined, kernel
from pricers._lane_math import upper_tail
from pricers._loadings import Floats
from pricers._normal import ONE_OVER_SQRT_TWO_PI
from pricers._scenario_options import (
    FAR,
    FORWARD,
    INTERVAL_S,
    IS_COIN,
    IS_INVERSE,
    N_FIXED,
    N_FIXINGS,
    NEXT_FIXING_S,
    RUNNING_SUM,
    SIGMA,
    SIGMA_MIN,
    SIGN,
    STRIKE,
    Prepared,
    begun_greeks,
)

GAMMA, VANNA = 0, 1
BEYOND = 37.0
"""Deviations at which the normal tail has underflowed."""
MAX_STEPS = 100


class Tables(NamedTuple):
    """Smiles as evenly spaced tables of sigma over ln(K/F); no table: the vol of a strike stays."""

    sigmas: Floats  # (n_smiles, n_nodes)
    firsts: Floats  # (n_smiles,): ln(K/F) of the first node
    per_steps: Floats  # (n_smiles,): 1 / distance of the nodes
    smile_of: npt.NDArray[np.int64]  # (n_options,)


@kernel
def smile_at(table: Floats, first: float, per_step: float, log_moneyness: float) -> float:
    """Linear interpolation in an evenly spaced table; flat beyond its ends."""
    q = min(max((log_moneyness - first) * per_step, 0.0), table.size - 1.0)
    n = min(int(q), table.size - 2)
    value: float = table[n] + (q - n) * (table[n + 1] - table[n])
    return value


@kernel
def sigma_at(options: Floats, i: int, level: float, log_ratio: float, smiles: Tables) -> float:
    """Vol of option i when the forward has moved: its own, plus what the smile says of the way (0 without a smile)."""
    sigma: float = options[SIGMA, i]
    if smiles.sigmas.shape[0] == 0:
        return sigma
    e = smiles.smile_of[i]
    table, first, per_step = smiles.sigmas[e], smiles.firsts[e], smiles.per_steps[e]
    moved = smile_at(table, first, per_step, -level - log_ratio) - smile_at(table, first, per_step, -level)
    return max(sigma + moved, SIGMA_MIN)


@kernel
def begun_value(
    options: Floats, i: int, ratio: float, sigma: float, what: int, t: Timing, unit: UnitConstants
) -> float:
    """Gamma or vanna of an option with a fixing behind it; ``t`` and ``unit`` of its fixings to come.

    Where the boundary is ``FAR`` deviations away gamma is that of the payoff itself with A = P + w F, w the share of the fixings to
    come: 0, or in the money of the inverse payoff sign (1 - K/A) F, whose second derivative is sign K · 2 w (1 - w F/A) / A², and in
    coin sign K · w (1 - 2 w F/A) / A². Most options of an expiring series are there: a fifth off the cost of its profile.
    """
    forward = options[FORWARD, i] * ratio
    if what == GAMMA and t.n_live > 0:
        n = options[N_FIXINGS, i]
        strike, sign = options[STRIKE, i], options[SIGN, i]
        k = (n * strike - options[RUNNING_SUM, i] - t.n_due * forward) / (t.n_live * forward)
        reach = fast_exp(FAR * sigma * unit.deviation)
        if k > reach or k * reach < 1.0:
            share = (t.n_live + t.n_due) / n
            average = options[RUNNING_SUM, i] / n + share * forward
            if options[IS_INVERSE, i] == 0.0 or sign * (1.0 - k) < 0.0:
                return 0.0
            moving = share * forward / average
            if options[IS_COIN, i] == 0.0:
                return float(2.0 * sign * strike * share * (1.0 - moving) / (average * average))
            return float(sign * strike * share * (1.0 - 2.0 * moving) / (average * average))
    g = begun_greeks(options, i, forward, sigma, options[N_FIXED, i], options[RUNNING_SUM, i], t, unit)
    if options[IS_COIN, i] == 0.0:
        return float(g.gamma if what == GAMMA else g.vanna)
    return float(g.gamma - (g.delta - g.price / forward) / forward if what == GAMMA else g.vanna - g.vega / forward)


@kernel
def timing_of(options: Floats, i: int) -> Timing:
    """When the fixings to come of an option come."""
    return timing(options[NEXT_FIXING_S, i], options[INTERVAL_S, i], int(options[N_FIXINGS, i] - options[N_FIXED, i]))


@inlined
def exercised(d2: float, sign: float) -> float:
    """sign N(sign d2)."""
    return sign * upper_tail(-sign * min(max(d2, -BEYOND), BEYOND))


@kernel
def add_coin_part(
    options: Floats, i: int, level: float, deviation: float, log_ratios: Floats, sigmas: Floats, what: int, row: Floats
) -> None:
    """From the USD to the coin numeraire: - sign (K/F²) N(sign d2) for gamma, -phi(d1) sqrt(V) (vega / F) for vanna."""
    per_strike = options[STRIKE, i] / (options[FORWARD, i] * options[FORWARD, i])
    sign = options[SIGN, i]
    for j in range(log_ratios.size):
        total = sigmas[j] * deviation
        d1 = (level + log_ratios[j]) / total + 0.5 * total
        if what == GAMMA:
            row[j] -= per_strike * fast_exp(-2.0 * log_ratios[j]) * exercised(d1 - total, sign)
        else:
            row[j] -= ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * d1 * d1) * deviation


@kernel
def profile_rows(options: Floats, ready: Prepared, log_ratios: Floats, what: int, smiles: Tables, out: Floats) -> None:
    """``out`` (n, m): gamma (or vanna) of option i with its forward times exp(log_ratios[j]); nan where it makes no sense."""
    sigmas = np.empty(log_ratios.size)
    for i in range(options.shape[1]):
        if not ready.usable[i]:
            for j in range(log_ratios.size):
                out[i, j] = np.nan
            continue
        level, deviation, skew = ready.levels[i], ready.deviations[i], ready.skews[i]
        if smiles.sigmas.shape[0] == 0:
            for j in range(log_ratios.size):
                sigmas[j] = options[SIGMA, i]
        else:
            e = smiles.smile_of[i]
            table, first, per_step = smiles.sigmas[e], smiles.firsts[e], smiles.per_steps[e]
            base = options[SIGMA, i] - smile_at(table, first, per_step, -level)
            for j in range(log_ratios.size):
                sigmas[j] = max(base + smile_at(table, first, per_step, -level - log_ratios[j]), SIGMA_MIN)
        if what == GAMMA:
            scale = ONE_OVER_SQRT_TWO_PI / (options[FORWARD, i] * deviation)
            for j in range(log_ratios.size):
                total = sigmas[j] * deviation
                d1 = (level + log_ratios[j]) / total + 0.5 * total
                turn = 1.0 + skew * sigmas[j] * d1 * (3.0 - d1 * d1)
                # phi(d1) / (F ratio total): the ratio goes into the exponent
                out[i, j] = turn * scale / sigmas[j] * fast_exp(-0.5 * d1 * d1 - log_ratios[j])
        else:
            for j in range(log_ratios.size):
                total = sigmas[j] * deviation
                d1 = (level + log_ratios[j]) / total + 0.5 * total
                turn = 1.0 + skew * sigmas[j] * d1 * (3.0 - d1 * d1)
                phi = ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * d1 * d1)
                out[i, j] = phi * (skew * (d1 * d1 - 1.0) + turn * (total - d1) / sigmas[j])
        if options[IS_COIN, i] != 0.0:
            add_coin_part(options, i, level, deviation, log_ratios, sigmas, what, out[i])
    for b in range(ready.begun.size):
        i = ready.begun[b]
        t = timing_of(options, i)
        unit = constants(t, 0.0)
        for j in range(log_ratios.size):
            sigma = sigma_at(options, i, ready.levels[i], log_ratios[j], smiles)
            out[i, j] = begun_value(options, i, fast_exp(log_ratios[j]), sigma, what, t, unit)


@kernel
def gamma_sum(
    options: Floats, ready: Prepared, weights: Floats, log_ratio: float, smiles: Tables, room: Floats
) -> float:
    """Sum of weight times gamma at one level, USD^-1 times the weights' unit; ``room`` (2, n) to work in."""
    n_options = weights.size
    sigmas, terms = room[0], room[1]
    if smiles.sigmas.shape[0] == 0:
        for i in range(n_options):
            sigmas[i] = options[SIGMA, i]
    else:
        for i in range(n_options):
            sigmas[i] = sigma_at(options, i, ready.levels[i], log_ratio, smiles)
    for i in range(n_options):
        total = sigmas[i] * ready.deviations[i]
        inverse = 1.0 / (options[FORWARD, i] * total)  # one division for two: they are what the loop waits for
        d1 = (ready.levels[i] + log_ratio) * options[FORWARD, i] * inverse + 0.5 * total
        turn = 1.0 + ready.skews[i] * sigmas[i] * d1 * (3.0 - d1 * d1)
        scale = weights[i] * ONE_OVER_SQRT_TWO_PI * inverse
        terms[i] = scale * turn * fast_exp(-0.5 * d1 * d1 - log_ratio)
    for i in range(n_options):
        if options[IS_COIN, i] != 0.0:
            total = sigmas[i] * ready.deviations[i]
            d2 = (ready.levels[i] + log_ratio) / total - 0.5 * total
            per_strike = options[STRIKE, i] / (options[FORWARD, i] * options[FORWARD, i])
            terms[i] -= weights[i] * per_strike * math.exp(-2.0 * log_ratio) * exercised(d2, options[SIGN, i])
    ratio = fast_exp(log_ratio)
    key = (-1.0, -1.0)
    t = timing(1.0, 0.0, 1)
    unit = constants(t, 0.0)
    for b in range(ready.begun.size):
        i = ready.begun[b]
        here = (options[NEXT_FIXING_S, i], options[N_FIXED, i])  # options of one series come together
        if here != key:
            key = here
            t = timing_of(options, i)
            unit = constants(t, 0.0)
        if weights[i] != 0.0:
            terms[i] = weights[i] * begun_value(options, i, ratio, sigmas[i], GAMMA, t, unit)
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0  # four sums in one fixed order: one alone waits for itself
    whole = n_options // 4 * 4
    for i in range(0, whole, 4):
        s0 += terms[i]
        s1 += terms[i + 1]
        s2 += terms[i + 2]
        s3 += terms[i + 3]
    for i in range(whole, n_options):
        s0 += terms[i]
    return (s0 + s1) + (s2 + s3)


@kernel
def gamma_root(
    options: Floats, ready: Prepared, weights: Floats, bracket: Floats, smiles: Tables, tolerance: float, room: Floats
) -> float:
    """The log-ratio between two at which the sum of weight times gamma is 0, by Brent's method, to ``tolerance``.

    ``bracket``: the two log-ratios, and the sums there, of opposite signs. ``best`` is the end with the smaller sum, ``other`` the end
    beyond the zero, ``last`` what was best before. Each step goes where a parabola through the three (or a line through two) puts the
    zero, or halfway to ``other`` if that leaves the bracket's better three quarters or does not halve the step before the last.
    Reference: Brent, "Algorithms for Minimization without Derivatives" (1973), chapter 4.
    """
    last, best, f_last, f_best = bracket[0], bracket[1], bracket[2], bracket[3]
    other, f_other = last, f_last
    step = step_before = best - last
    least = 0.5 * tolerance
    for _ in range(MAX_STEPS):
        if (f_best > 0.0) == (f_other > 0.0):
            other, f_other = last, f_last
            step = step_before = best - last
        if abs(f_other) < abs(f_best):
            last, best, other = best, other, best
            f_last, f_best, f_other = f_best, f_other, f_best
        half = 0.5 * (other - best)
        if abs(half) <= least or f_best == 0.0:
            break
        is_halved = True
        if abs(step_before) >= least and abs(f_last) > abs(f_best):
            by_last = f_best / f_last
            if last == other:
                p, q = 2.0 * half * by_last, 1.0 - by_last
            else:
                u, v = f_last / f_other, f_best / f_other
                p = by_last * (2.0 * half * u * (u - v) - (best - last) * (v - 1.0))
                q = (u - 1.0) * (v - 1.0) * (by_last - 1.0)
            if p > 0.0:
                q = -q
            p = abs(p)
            if 2.0 * p < min(3.0 * half * q - abs(least * q), abs(step_before * q)):
                step_before, step = step, p / q
                is_halved = False
        if is_halved:
            step = step_before = half
        last, f_last = best, f_best
        best += step if abs(step) > least else math.copysign(least, half)
        f_best = gamma_sum(options, ready, weights, best, smiles, room)
    return float(best)
