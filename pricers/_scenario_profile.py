"""Gamma or vanna of many options at many levels of the forward, and weighted sums of them.

Loops over levels have no call and no branch in them, so that they vectorise. Sums run in one fixed order whatever the processor.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

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
    FORWARD,
    INTERVAL_S,
    IS_COIN,
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
AT_ONCE = 32
"""Options whose rows stay in the first cache while every weighted sum takes them in."""


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
    options: Floats, i: int, log_ratio: float, sigma: float, what: int, t: Timing, unit: UnitConstants
) -> float:
    """Gamma or vanna of an option with a fixing behind it; ``t`` and ``unit`` of its fixings to come."""
    forward = options[FORWARD, i] * math.exp(log_ratio)
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
            out[i, j] = begun_value(options, i, log_ratios[j], sigma, what, t, unit)


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
        d1 = (ready.levels[i] + log_ratio) / total + 0.5 * total
        turn = 1.0 + ready.skews[i] * sigmas[i] * d1 * (3.0 - d1 * d1)
        scale = weights[i] * ONE_OVER_SQRT_TWO_PI / (options[FORWARD, i] * total)
        terms[i] = scale * turn * fast_exp(-0.5 * d1 * d1 - log_ratio)
    for i in range(n_options):
        if options[IS_COIN, i] != 0.0:
            total = sigmas[i] * ready.deviations[i]
            d2 = (ready.levels[i] + log_ratio) / total - 0.5 * total
            per_strike = options[STRIKE, i] / (options[FORWARD, i] * options[FORWARD, i])
            terms[i] -= weights[i] * per_strike * math.exp(-2.0 * log_ratio) * exercised(d2, options[SIGN, i])
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
            terms[i] = weights[i] * begun_value(options, i, log_ratio, sigmas[i], GAMMA, t, unit)
    result = 0.0
    for i in range(n_options):
        result += terms[i]
    return result


@kernel
def gamma_root(
    options: Floats, ready: Prepared, weights: Floats, bracket: Floats, smiles: Tables, tolerance: float, room: Floats
) -> float:
    """The log-ratio between two at which the sum of weight times gamma is 0, by Brent's method.

    ``bracket``: the two log-ratios, and the sums there, of opposite signs. Interpolates through three points (inverse quadratic) or
    two (secant); halves the bracket wherever that leaves its better part or does not shrink fast enough.
    Reference: Brent, "Algorithms for Minimization without Derivatives" (1973), chapter 4.
    """
    a, b, fa, fb = bracket[0], bracket[1], bracket[2], bracket[3]
    if abs(fa) < abs(fb):
        a, b, fa, fb = b, a, fb, fa
    c, fc = a, fa  # the best before b
    last_move = abs(b - a)
    was_halved = True
    for _ in range(MAX_STEPS):
        if fb == 0.0 or abs(b - a) <= tolerance:
            break
        if fc not in (fa, fb):
            s = (
                a * fb * fc / ((fa - fb) * (fa - fc))
                + b * fa * fc / ((fb - fa) * (fb - fc))
                + c * fa * fb / ((fc - fa) * (fc - fb))
            )
        else:
            s = b - fb * (b - a) / (fb - fa)
        edge = 0.25 * (3.0 * a + b)
        is_inside = min(edge, b) < s < max(edge, b)
        limit = abs(b - c) if was_halved else last_move
        was_halved = not is_inside or abs(s - b) >= 0.5 * limit
        if was_halved:
            s = 0.5 * (a + b)
        elif abs(s - b) < 0.5 * tolerance:
            s = b + math.copysign(0.5 * tolerance, a - b)
        last_move = abs(b - c)
        fs = gamma_sum(options, ready, weights, s, smiles, room)
        c, fc = b, fb
        if (fs > 0.0) == (fb > 0.0):
            b, fb = s, fs
        else:
            a, fa = b, fb
            b, fb = s, fs
        if abs(fa) < abs(fb):
            a, b, fa, fb = b, a, fb, fa
    return float(b)


@kernel
def single_rows(rows: Floats, least: float, out: Any) -> None:
    """``rows`` in float32, 0 below ``least`` in magnitude: numbers that float32 holds with fewer digits are slow."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            value = rows[i, j]
            out[i, j] = np.float32(0.0 if abs(value) < least else value)


@kernel
def weighted_rows(weights: Any, rows: Any, out: Any) -> None:
    """``out`` (k, m) = ``weights`` (k, n) times ``rows`` (n, m), in the precision of what is given."""
    n_options, n_levels = rows.shape
    out[:, :] = 0.0
    for begin in range(0, n_options, AT_ONCE):
        end = min(begin + AT_ONCE, n_options)
        for k in range(weights.shape[0]):
            i = begin
            while i + 4 <= end:
                w0, w1, w2, w3 = weights[k, i], weights[k, i + 1], weights[k, i + 2], weights[k, i + 3]
                for j in range(n_levels):
                    out[k, j] += (w0 * rows[i, j] + w1 * rows[i + 1, j]) + (w2 * rows[i + 2, j] + w3 * rows[i + 3, j])
                i += 4
            while i < end:
                w0 = weights[k, i]
                for j in range(n_levels):
                    out[k, j] += w0 * rows[i, j]
                i += 1
