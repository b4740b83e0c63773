"""Far out of the closed form's range: who answers, and the average as one lognormal of its own mean and variance.

What decides is sigma sqrt(t_N - t_1), the volatility over the averaging itself (0.0076 sigma for 30 minutes).

    up to IN_RANGE          the closed form's error is below 1e-10 of the forward: status OK
    up to QMC_RANGE         draws (pricers._qmc_desk); status FALLBACK for the closed form, OK for the engine "qmc"
    beyond                  this module, status FALLBACK: a robust, smooth and monotone value, right to some per cent, which keeps
                            root searches on solid ground up to any total volatility

The lognormal's first two moments are exact (Levy 1992); under the share measure they are those of that measure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._direction import Direction, Polynomial
from pricers._fixings import UnitConstants
from pricers._jit import kernel

IN_RANGE = 0.04
QMC_RANGE = 1.05
WIDEST = 1.05
ENDLESS = 200.0  # sigma² t_N beyond which moments overflow: the limit of infinite volatility is reached long before
ENDLESS_TOTAL = 7.0  # total volatility at which the inverse payoff's quadrature gives way to that limit (5e-4 from it)


class Lognormal(NamedTuple):
    """ln of mean, and standard deviation of ln M, with two sigma-derivatives."""

    deviation: float
    deviation1: float
    deviation2: float
    drift: float
    drift1: float
    drift2: float


@kernel
def width(sigma: float, unit: UnitConstants) -> float:
    """sigma sqrt(t_N - t_1)."""
    return sigma * math.sqrt(unit.last_time - unit.first_time)


@kernel
def is_endless(sigma: float, unit: UnitConstants) -> bool:
    """Whether the inverse payoff is at its limit of infinite volatility."""
    return sigma * sigma * unit.last_time > ENDLESS or sigma * unit.deviation > ENDLESS_TOTAL


@kernel
def is_in_qmc_range(sigma: float, unit: UnitConstants, is_inverse: bool) -> bool:
    """Whether draws make a value."""
    return width(sigma, unit) <= QMC_RANGE and not (is_inverse and is_endless(sigma, unit))


@kernel
def matched(sigma: float, unit: UnitConstants, carry: float, share: float) -> Lognormal:
    """The lognormal with the mean and variance of M under the pricing (``share`` 0) or the share measure (1). O(n)."""
    n = unit.n_live
    spacing = (unit.last_time - unit.first_time) / (n - 1.0) if n > 1.0 else 0.0
    v = sigma * sigma
    g = share
    # Sums from the last fixing back: e0 = sum of w exp(g v t) so far, e1, e2 its derivatives to v; m0.. the same of M².
    e0 = 0.0
    e1 = 0.0
    e2 = 0.0
    m0 = 0.0
    m1 = 0.0
    m2 = 0.0
    j = n - 1.0
    while j >= 0.0:
        t = unit.first_time + spacing * j
        weight = math.exp(carry * t) / unit.growth
        # Pairs (i, l > i): w_i w_l exp(v ((g + 1) t_i + g t_l)); the diagonal: w_i² exp(v (2 g + 1) t_i).
        own = weight * math.exp(g * v * t)
        a = weight * math.exp((g + 1.0) * v * t)
        rise = (g + 1.0) * t
        m0 += a * (own + 2.0 * e0)
        m1 += a * ((rise + g * t) * own + 2.0 * (rise * e0 + e1))
        m2 += a * ((rise + g * t) ** 2 * own + 2.0 * (rise * rise * e0 + 2.0 * rise * e1 + e2))
        e0 += own
        e1 += g * t * own
        e2 += g * t * g * t * own
        j -= 1.0
    drift = math.log(e0)
    drift_v = e1 / e0
    drift_vv = e2 / e0 - drift_v * drift_v
    variance = max(math.log(m0) - 2.0 * drift, 1e-300)
    variance_v = m1 / m0 - 2.0 * drift_v
    variance_vv = m2 / m0 - (m1 / m0) ** 2 - 2.0 * drift_vv
    if share > 0.0 and variance > drift:
        # E[1/M] <= 1 there (S_N / A is worth no more than one coin a coin); a lognormal's is exp(variance - drift).
        variance = drift
        variance_v = drift_v
        variance_vv = drift_vv
    # v = sigma²: d/dsigma = 2 sigma d/dv.
    deviation = math.sqrt(variance)
    variance1 = 2.0 * sigma * variance_v
    variance2 = 2.0 * variance_v + 4.0 * v * variance_vv
    deviation1 = 0.5 * variance1 / deviation
    return Lognormal(
        deviation,
        deviation1,
        (0.5 * variance2 - deviation1 * deviation1) / deviation,
        drift,
        2.0 * sigma * drift_v,
        2.0 * drift_v + 4.0 * v * drift_vv,
    )


@kernel
def as_constants(unit: UnitConstants, deviation: float) -> UnitConstants:
    """Unit constants of a single lognormal of that deviation at sigma 1."""
    return UnitConstants(
        deviation * deviation, deviation, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        unit.first_time, unit.last_time, unit.growth, unit.n_live, unit.carry,
    )  # fmt: skip


@kernel
def wide_direction(log_normal: Lognormal) -> Direction:
    """The lognormal as a direction for the inverse payoff: its second sigma-derivative rides on the polynomial of y."""
    zero = Polynomial(0.0, 0.0, 0.0, 0.0, 0.0)
    return Direction(
        log_normal.deviation,
        log_normal.deviation1,
        log_normal.drift,
        log_normal.drift1,
        log_normal.drift2,
        zero,
        zero,
        Polynomial(0.0, log_normal.deviation2, 0.0, 0.0, 0.0),
    )
