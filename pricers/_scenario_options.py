"""One option after a move of the forward, the vol or the time: its delta, gamma and vanna, in the fewest operations.

**Before the first fixing** the average is nearly one lognormal of mean F and log-variance sigma² V: with V and q2 of
pricers._fixings, s = sigma sqrt(V), d1 = ln(F/K)/s + s/2, and a sixth of its skewness, w = sigma q2 / (2 sqrt(V)) (the third cumulant
of ln A is 3 sigma^4 q2 V to leading order), taken in as Edgeworth does,

    delta = sign N(sign d1) + w phi(d1) (d1² - 1),     gamma = phi(d1) (1 + w (3 d1 - d1³)) / (F s),
    vanna = phi(d1) ((w/sigma) (d1² - 1) - (1 + w (3 d1 - d1³)) d2/sigma).

That is pricers._linear to the next order, sigma² times the length of the window (1e-6 of gamma), of the linear payoff; the inverse one
is further away (tests/unit/test_scenarios.py says how far).

**From the first fixing on** the strike left and the payoff matter: the closed form itself, linear or inverse, as ``value_options`` has
it; where the boundary lies more than ``FAR`` deviations away, its limit of no volatility.

In the coin numeraire (``IS_COIN``) the premium, a coin amount, is taken off: delta - V/F and its derivatives; for one lognormal

    delta_coin = sign (K/F) N(sign d2),     gamma_coin = gamma - sign (K/F²) N(sign d2),     vanna_coin = -phi(d1) d1/sigma.

Rate and carry are 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._contract import Timing, constants, split, timing
from pricers._fixings import UnitConstants
from pricers._inverse import inverse_shape, settled_shape
from pricers._jit import kernel
from pricers._linear import linear_shape
from pricers._loadings import Floats
from pricers._valuation import Greeks, certain_greeks, inverse_greeks, known_greeks, linear_greeks

N_ROWS = 11
(
    FORWARD, STRIKE, SIGMA, SIGN, NEXT_FIXING_S, INTERVAL_S, N_FIXINGS, N_FIXED, RUNNING_SUM, IS_INVERSE, IS_COIN,
) = range(N_ROWS)  # fmt: skip
"""Rows of a matrix of options, one a column: the arguments of ``value_options``, 1 for the inverse payoff, 1 for greeks in coin."""

GAMMA, VANNA = 0, 1
FAR = 8.5
"""Deviations beyond which the normal density (1e-16 of its peak) adds nothing to what double precision holds."""
SIGMA_MIN = 1e-4
"""Floor of a shifted vol: 0.01 points."""


@kernel
def is_usable(options: Floats, i: int) -> bool:
    """Whether the column makes sense; else every number of it is nan."""
    total = 0.0
    for row in range(N_ROWS):
        total += options[row, i]
    return (
        math.isfinite(total)
        and options[FORWARD, i] > 0.0
        and options[STRIKE, i] > 0.0
        and options[SIGMA, i] > 0.0
        and abs(options[SIGN, i]) == 1.0
        and options[INTERVAL_S, i] >= 0.0
        and options[N_FIXINGS, i] >= 1.0
        and 0.0 <= options[N_FIXED, i] <= options[N_FIXINGS, i]
        and (options[N_FIXED, i] > 0.0) == (options[RUNNING_SUM, i] > 0.0)
    )


@kernel
def begun_greeks(
    options: Floats, i: int, forward: float, sigma: float, n_fixed: float, past: float, t: Timing, unit: UnitConstants
) -> Greeks:
    """Greeks of an option that has a fixing behind it (known or due), by the closed form of its own payoff."""
    sign = options[SIGN, i]
    n = options[N_FIXINGS, i]
    strike = options[STRIKE, i]
    is_inverse = options[IS_INVERSE, i] != 0.0
    if n_fixed >= n:  # settled: a position in it is gone
        return Greeks(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if t.n_live == 0:
        return known_greeks(forward, strike, sign, n, past, t.n_due, is_inverse)
    c = split(forward, strike, n, past, 0.0, t.n_due, unit)
    is_far = c.strike <= 0.0 or abs(math.log(c.strike)) > FAR * sigma * unit.deviation
    if is_inverse:
        shape = settled_shape(c, sign) if is_far else inverse_shape(c, sign, sigma, unit)
        return inverse_greeks(forward, sigma, 0.0, 0.0, unit.last_time, 1.0, shape)
    if is_far:
        if sign * (1.0 - c.strike) > 0.0:
            if sign > 0.0:
                return certain_greeks(forward, sign, 0.0, 0.0, unit.last_time, c)
            level = c.weight
            return Greeks(level * forward * (c.strike - 1.0), -level * (1.0 + c.due), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        return Greeks(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return linear_greeks(forward, sigma, 0.0, 0.0, unit.last_time, c, linear_shape(c.strike, sign, sigma, unit))


@kernel
def n_taken(next_fixing_s: float, interval_s: float, n_remaining: int, horizon_s: float) -> int:
    """How many of the remaining fixings have come when ``horizon_s`` > 0 has passed; those due now are among them."""
    if next_fixing_s > horizon_s:
        return 0
    if interval_s <= 0.0:
        return n_remaining
    reached = math.floor((horizon_s - next_fixing_s) / interval_s) + 1.0
    if reached >= n_remaining:
        reached = float(n_remaining)
    taken = int(reached)
    # The division rounds: a fixing is taken exactly when its own time says so.
    if taken < n_remaining and next_fixing_s + taken * interval_s <= horizon_s:
        taken += 1
    elif taken > 0 and next_fixing_s + (taken - 1) * interval_s > horizon_s:
        taken -= 1
    return taken


@kernel
def smile_at(table: Floats, first: float, per_step: float, log_moneyness: float) -> float:
    """Linear interpolation in an evenly spaced table; flat beyond its ends."""
    q = min(max((log_moneyness - first) * per_step, 0.0), table.size - 1.0)
    n = min(int(q), table.size - 2)
    value: float = table[n] + (q - n) * (table[n + 1] - table[n])
    return value


class Prepared(NamedTuple):
    """What no move of the forward or the vol changes."""

    levels: Floats  # (n,) ln(F/K)
    deviations: Floats  # (n,) sqrt(V), root of years
    skews: Floats  # (n,) w / sigma = q2 / (2 sqrt(V))
    begun: npt.NDArray[np.int64]  # those with a fixing behind them
    usable: npt.NDArray[np.bool_]  # (n,); the others' level and deviation are placeholders


@kernel
def unit_skew(unit: UnitConstants) -> float:
    """A sixth of the skewness of ln A at sigma 1."""
    return 0.5 * unit.q2 / unit.deviation


@kernel
def prepared(options: Floats) -> Prepared:
    """Levels and deviations of the options, and which of them have begun."""
    n_options = options.shape[1]
    levels = np.zeros(n_options)
    deviations = np.ones(n_options)
    skews = np.zeros(n_options)
    begun = np.empty(n_options, dtype=np.int64)
    usable = np.zeros(n_options, dtype=np.bool_)
    n_begun = 0
    for i in range(n_options):
        usable[i] = is_usable(options, i)
        if not usable[i]:
            continue
        levels[i] = math.log(options[FORWARD, i] / options[STRIKE, i])
        t = timing(options[NEXT_FIXING_S, i], options[INTERVAL_S, i], int(options[N_FIXINGS, i] - options[N_FIXED, i]))
        if options[N_FIXED, i] > 0.0 or t.n_due > 0:
            begun[n_begun] = i
            n_begun += 1
        else:
            unit = constants(t, 0.0)
            deviations[i] = unit.deviation
            skews[i] = unit_skew(unit)
    return Prepared(levels, deviations, skews, begun[:n_begun].copy(), usable)
