"""The average along its geometric direction: mean given the direction, exercise boundary, and their derivatives.

Given the standardised direction ``xi`` (normal), ``y = xi - a`` and ``a = sigma sqrt(V)``, the mean of the average is

    M(xi) = exp(a xi - a²/2 + drift) Q(y),     Q(y) = sum_m b_m He_m(y) / m!,

a short Hermite series because fixings are close together against the time they lie ahead (PRICING, "closed form"). Under the
pricing measure ``b = (1, 0, q2 sigma², q3 sigma³, q4 sigma⁴)`` and the drift is 0. Under the share measure (inverse payoff)
each fixing has an extra factor ``exp(sigma² t_i)``, expanded about the mean time: drift ``sigma² mean_time``, and moments of
time and direction in b. Orders up to sigma⁴ are kept: the first one left out is sigma⁵.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._fixings import UnitConstants
from pricers._jit import kernel
from pricers._lane_math import twice_atanh

SMALL_BEND = 0.25  # up to here the series of _lane_math is the logarithm
FARTHEST = 38.0  # normal densities underflow beyond: nothing is left to price


class Polynomial(NamedTuple):
    """Coefficients of y^0 .. y^4."""

    p0: float
    p1: float
    p2: float
    p3: float
    p4: float


class Direction(NamedTuple):
    """The conditional mean as a function of direction and sigma."""

    a: float  # sigma sqrt(V)
    a_unit: float  # sqrt(V)
    drift: float
    drift_sigma: float  # d drift / d sigma
    drift_sigma2: float
    q: Polynomial  # Q(y) - 1
    q_sigma: Polynomial  # dQ/dsigma at fixed y
    q_sigma2: Polynomial


class Boundary(NamedTuple):
    """Where M(xi) = k, and the derivatives there. L(y, sigma) = ln M."""

    x: float  # y at the boundary
    z: float  # xi = x + a
    q: float  # Q
    slope: float  # L_y = d ln M / d xi
    slope1: float  # L_yy
    slope2: float  # L_yyy
    lift: float  # d ln M / d sigma at fixed xi
    l_sigma: float  # L_sigma at fixed y
    slope_sigma: float  # L_y_sigma
    l_sigma2: float  # L_sigma_sigma


@kernel
def hermite(b0: float, b1: float, b2: float, b3: float, b4: float) -> Polynomial:
    """Powers of y from Hermite coefficients: sum b_m He_m(y) / m!."""
    return Polynomial(
        b0 - 0.5 * b2 + 0.125 * b4,
        b1 - 0.5 * b3,
        0.5 * b2 - 0.25 * b4,
        b3 / 6.0,
        b4 / 24.0,
    )


@kernel
def value_at(p: Polynomial, y: float) -> float:
    """p(y)."""
    return (((p.p4 * y + p.p3) * y + p.p2) * y + p.p1) * y + p.p0


@kernel
def slope_at(p: Polynomial, y: float) -> float:
    """p'(y)."""
    return ((4.0 * p.p4 * y + 3.0 * p.p3) * y + 2.0 * p.p2) * y + p.p1


@kernel
def curvature_at(p: Polynomial, y: float) -> float:
    """p''(y)."""
    return (12.0 * p.p4 * y + 6.0 * p.p3) * y + 2.0 * p.p2


@kernel
def third_at(p: Polynomial, y: float) -> float:
    """p'''(y)."""
    return 24.0 * p.p4 * y + 6.0 * p.p3


@kernel
def pricing_direction(sigma: float, unit: UnitConstants) -> Direction:
    """The direction under the pricing measure: E[M] = 1."""
    s2 = sigma * sigma
    b2 = unit.q2 * s2
    b3 = unit.q3 * s2 * sigma
    b4 = unit.q4 * s2 * s2
    return Direction(
        sigma * unit.deviation,
        unit.deviation,
        0.0,
        0.0,
        0.0,
        hermite(0.0, 0.0, b2, b3, b4),
        hermite(0.0, 0.0, 2.0 * unit.q2 * sigma, 3.0 * unit.q3 * s2, 4.0 * unit.q4 * s2 * sigma),
        hermite(0.0, 0.0, 2.0 * unit.q2, 6.0 * unit.q3 * sigma, 12.0 * unit.q4 * s2),
    )


@kernel
def share_direction(sigma: float, unit: UnitConstants) -> Direction:
    """The direction under the share measure of the last fixing: densities weighted by S_N / E[S_N]."""
    s2 = sigma * sigma
    s3 = s2 * sigma
    s4 = s2 * s2

    return Direction(
        sigma * unit.deviation,
        unit.deviation,
        s2 * unit.mean_time,
        2.0 * sigma * unit.mean_time,
        2.0 * unit.mean_time,
        hermite(0.5 * unit.s0 * s4, unit.r1 * s3, unit.q2 * s2 + unit.r2 * s4, unit.q3 * s3, unit.q4 * s4),
        hermite(
            2.0 * unit.s0 * s3,
            3.0 * unit.r1 * s2,
            2.0 * unit.q2 * sigma + 4.0 * unit.r2 * s3,
            3.0 * unit.q3 * s2,
            4.0 * unit.q4 * s3,
        ),
        hermite(
            6.0 * unit.s0 * s2,
            6.0 * unit.r1 * sigma,
            2.0 * unit.q2 + 12.0 * unit.r2 * s2,
            6.0 * unit.q3 * sigma,
            12.0 * unit.q4 * s2,
        ),
    )


@kernel
def log_of(bend: float) -> float:
    """ln(1 + bend)."""
    if abs(bend) < SMALL_BEND:
        return twice_atanh(bend / (2.0 + bend))
    return math.log1p(bend)


@kernel
def boundary_at(log_k: float, d: Direction) -> float:
    """x with ln M = log_k: from the lognormal root a Halley step on Q(x) exp(a (x - root)) = 1 and a Newton step on its logarithm.

    The second leaves less than rounding in range.
    """
    root = (log_k - d.drift) / d.a - 0.5 * d.a
    miss = value_at(d.q, root)
    rise = d.a + slope_at(d.q, root)
    turn = curvature_at(d.q, root) - d.a * d.a
    x = root - 2.0 * miss * rise / (2.0 * rise * rise - miss * turn)
    bend = value_at(d.q, x)
    return x - (d.a * (x - root) + log_of(bend)) / (d.a + slope_at(d.q, x) / (1.0 + bend))


@kernel
def boundary(log_k: float, d: Direction) -> Boundary:
    """The exercise boundary of log strike ratio ``log_k`` and every derivative that greeks need."""
    x = boundary_at(log_k, d)
    q = 1.0 + value_at(d.q, x)
    q1 = slope_at(d.q, x) / q
    q2 = curvature_at(d.q, x) / q
    q3 = third_at(d.q, x) / q
    qs = value_at(d.q_sigma, x) / q
    qs1 = slope_at(d.q_sigma, x) / q
    qss = value_at(d.q_sigma2, x) / q
    l_sigma = d.a_unit * x + d.a * d.a_unit + d.drift_sigma + qs
    slope = d.a + q1
    return Boundary(
        x,
        x + d.a,
        q,
        slope,
        q2 - q1 * q1,
        q3 - 3.0 * q1 * q2 + 2.0 * q1 * q1 * q1,
        l_sigma - d.a_unit * slope,
        l_sigma,
        d.a_unit + qs1 - q1 * qs,
        d.a_unit * d.a_unit + d.drift_sigma2 + qss - qs * qs,
    )
