"""Deltas of many options after moves of spot, vol and time, with the fixings of that time taken at the moved forward."""

from __future__ import annotations

import math

import numpy as np

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
    begun_greeks,
    is_usable,
    n_taken,
    unit_skew,
)

BEYOND = 37.0
"""Deviations at which the normal tail has underflowed."""


@kernel
def later(options: Floats, i: int, horizon_s: float) -> tuple[int, Timing]:
    """How many fixings a time takes (horizon 0: none, what is due stays due), and when the rest comes."""
    n_remaining = int(options[N_FIXINGS, i] - options[N_FIXED, i])
    taken = 0
    if horizon_s > 0.0:
        taken = n_taken(options[NEXT_FIXING_S, i], options[INTERVAL_S, i], n_remaining, horizon_s)
    next_s = options[NEXT_FIXING_S, i] + taken * options[INTERVAL_S, i] - horizon_s
    return taken, timing(next_s, options[INTERVAL_S, i], n_remaining - taken)


@inlined
def tail(d: float, sign: float) -> float:
    """sign N(sign d)."""
    return sign * upper_tail(-sign * min(max(d, -BEYOND), BEYOND))


@inlined
def lognormal_delta(d1: float, sign: float, skew: float) -> float:
    """sign N(sign d1), and what the skewness adds."""
    x = min(max(d1, -BEYOND), BEYOND)
    return sign * upper_tail(-sign * x) + skew * ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * x * x) * (x * x - 1.0)


@kernel
def begun_delta(
    options: Floats, i: int, ratio: float, sigma: float, taken: int, t: Timing, unit: UnitConstants
) -> float:
    """Delta at the moved forward, with ``taken`` fixings more at that forward."""
    forward = options[FORWARD, i] * ratio
    past = options[RUNNING_SUM, i] + taken * forward
    g = begun_greeks(options, i, forward, sigma, options[N_FIXED, i] + taken, past, t, unit)
    return g.delta if options[IS_COIN, i] == 0.0 else g.delta - g.price / forward


@kernel
def ladder_sums(
    options: Floats, weights: Floats, ratios: Floats, sigma_shifts: Floats, horizons_s: Floats, out: Floats
) -> None:
    """``out`` (n_horizons, n_shifts, n_ratios) = sum over options of weight times delta; options of weight 0 are left out."""
    out[:, :, :] = 0.0
    log_ratios = np.log(ratios)
    for i in range(weights.size):
        if weights[i] == 0.0:
            continue
        if not is_usable(options, i):
            out[:, :, :] = np.nan
            return
        sign = options[SIGN, i]
        weight = weights[i]
        level = math.log(options[FORWARD, i] / options[STRIKE, i])
        for a in range(horizons_s.size):
            taken, t = later(options, i, horizons_s[a])
            if t.n_due + t.n_live == 0:
                continue
            unit = constants(t, 0.0)
            is_begun = options[N_FIXED, i] + taken > 0.0 or t.n_due > 0
            for b in range(sigma_shifts.size):
                sigma = max(options[SIGMA, i] + sigma_shifts[b], SIGMA_MIN)
                if is_begun:
                    for c in range(ratios.size):
                        out[a, b, c] += weight * begun_delta(options, i, ratios[c], sigma, taken, t, unit)
                    continue
                total = sigma * unit.deviation
                skew = sigma * unit_skew(unit)
                if options[IS_COIN, i] != 0.0:
                    for c in range(ratios.size):
                        d2 = (level + log_ratios[c]) / total - 0.5 * total
                        per_forward = options[STRIKE, i] / (options[FORWARD, i] * ratios[c])
                        out[a, b, c] += weight * per_forward * tail(d2, sign)
                    continue
                for c in range(ratios.size):
                    d1 = (level + log_ratios[c]) / total + 0.5 * total
                    out[a, b, c] += weight * lognormal_delta(d1, sign, skew)


@kernel
def deltas_after(options: Floats, horizon_s: float, out: Floats) -> None:
    """``out`` (n,): each option's delta after a time at the same forward and vol; nan where the option makes no sense."""
    for i in range(options.shape[1]):
        if not is_usable(options, i):
            out[i] = np.nan
            continue
        taken, t = later(options, i, horizon_s)
        if t.n_due + t.n_live == 0:
            out[i] = 0.0
            continue
        unit = constants(t, 0.0)
        if options[N_FIXED, i] + taken > 0.0 or t.n_due > 0:
            out[i] = begun_delta(options, i, 1.0, options[SIGMA, i], taken, t, unit)
            continue
        total = options[SIGMA, i] * unit.deviation
        level = math.log(options[FORWARD, i] / options[STRIKE, i])
        sign = options[SIGN, i]
        if options[IS_COIN, i] != 0.0:
            out[i] = options[STRIKE, i] / options[FORWARD, i] * tail(level / total - 0.5 * total, sign)
        else:
            out[i] = lognormal_delta(level / total + 0.5 * total, sign, options[SIGMA, i] * unit_skew(unit))
