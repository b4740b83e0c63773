"""Inverse payoff, closed form: max(±(A - K), 0) S_N / A in USD, by quadrature along the geometric direction.

Under the share measure (densities weighted by S_N / E[S_N]) the price is E[S_N] E[(±(1 - K/A))^+]. With A = (M + p) F G / n
and K the same in units c, the payoff is h(M) = 1 - c / (M + p), positive above the boundary k = c - p. The mean over the
direction is a quadrature on the out-of-the-money side (Gauss-Legendre from the boundary on); the variance that the direction
leaves enters at the boundary, as in the linear payoff, and along the curve of h. In the money, E[1 - K/A] over the whole line
(Gauss-Hermite, tilted to where 1/A has its weight) is added.

Greeks are the derivatives of the same sums, node by node. The forward acts through lambda = F_now / F, which multiplies c and
the observed part r of p, and not the due part s: p = lambda r + s. Differentiating the payoff at a fixed direction,

    V = B F J(lambda, sigma):  V_F = B (J - J_l),  V_FF = B J_ll / F,  B = exp((carry - rate) t_N),

and where the payoff's kink matters the density f(k) of M there comes in. For theta the due part is held as well; u1 = dJ, u2 =
d²J of that scaling, and u1_l, u2_l their derivatives to lambda, which charm needs.

Accuracy: <= 1e-9 of the forward for sigma <= 150 % (tests/golden/test_settlement_average_golden.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pricers._contract import Split
from pricers._direction import (
    FARTHEST,
    Boundary,
    Direction,
    boundary,
    share_direction,
)
from pricers._early import early_half, early_whole
from pricers._exp import fast_exp
from pricers._fixings import UnitConstants
from pricers._jit import constant, kernel
from pricers._linear import Residual, Shape, residual
from pricers._loadings import Floats
from pricers._normal import ONE_OVER_SQRT_TWO_PI, density
from pricers._wide import IN_RANGE, WIDEST, as_constants, is_endless, matched, wide_direction, width

N_NODES = 24
REACH = 9.0  # deviations beyond the peak where a normal density has no weight left: exp(-81/2) = 3e-18

_legendre_x, _legendre_w = np.polynomial.legendre.leggauss(N_NODES)
LEGENDRE_X = 0.5 * (_legendre_x + 1.0)
LEGENDRE_W = 0.5 * _legendre_w
HERMITE_X, _hermite_w = np.polynomial.hermite_e.hermegauss(N_NODES)
HERMITE_W = _hermite_w / math.sqrt(2.0 * math.pi)
N_ROWS = 15
XI, WEIGHT, J, V3, V4, V14, K12, K02, K13, K03, K14, S2, S13, S03, SS = (
    constant(row * N_NODES) for row in range(N_ROWS)
)
"""Of the nodes' numbers: rows at constant distance in one array, so that the compiler sees that they do not overlap."""


class InverseShape(NamedTuple):
    """J(lambda, sigma) and its derivatives; subscripts l = lambda, u = the scaling that holds due fixings."""

    j: float
    l1: float
    l2: float
    sigma1: float
    l1_sigma1: float
    sigma2: float
    u1: float
    u2: float
    u1_l: float
    u2_l: float


class Extra(NamedTuple):
    """e(k, sigma): what E[(M - k)^+] has above the same of the mean given the direction; and its derivatives."""

    e: float
    k1: float
    k2: float
    k3: float
    sigma1: float
    k1_sigma1: float
    sigma2: float


class Range(NamedTuple):
    """Nodes of one integral over the direction: Legendre from ``start`` over ``length`` (signed), or the whole line."""

    is_whole: bool
    start: float
    length: float
    tilt: float


@kernel
def place_nodes(g: Range, rows: Floats) -> None:
    """The direction's value at each node, and the node's weight with the density in it."""
    if g.is_whole:
        for node in range(N_NODES):
            x = HERMITE_X[node]
            rows[XI + node] = x - g.tilt
            rows[WEIGHT + node] = HERMITE_W[node] * fast_exp(g.tilt * (x - 0.5 * g.tilt))
        return
    scale = abs(g.length) * ONE_OVER_SQRT_TWO_PI
    for node in range(N_NODES):
        xi = g.start + g.length * LEGENDRE_X[node]
        rows[XI + node] = xi
        rows[WEIGHT + node] = scale * LEGENDRE_W[node] * fast_exp(-0.5 * xi * xi)


@kernel
def take_nodes(k: float, p: float, d: Direction, a1: float, a2: float, rows: Floats) -> None:
    """Every node's part of the integrals; a loop without a call in it, so that it vectorises."""
    a, a_unit = d.a, d.a_unit
    q0, q1, q2, q3, q4 = d.q
    s0, s1, s2, s3, s4 = d.q_sigma
    t0, t1, t2, t3, t4 = d.q_sigma2
    for node in range(N_NODES):
        xi = rows[XI + node]
        weight = rows[WEIGHT + node]
        y = xi - a
        q = 1.0 + ((((q4 * y + q3) * y + q2) * y + q1) * y + q0)
        m = fast_exp(a * (xi - 0.5 * a) + d.drift) * q
        # lift = d ln M / d sigma at fixed xi; lift2 its derivative.
        slope = ((4.0 * q4 * y + 3.0 * q3) * y + 2.0 * q2) * y + q1
        rise = (((((s4 * y + s3) * y + s2) * y + s1) * y + s0) - a_unit * slope) / q
        lift = a_unit * y + d.drift_sigma + rise
        bend = (
            ((((t4 * y + t3) * y + t2) * y + t1) * y + t0)
            - 2.0 * a_unit * (((4.0 * s4 * y + 3.0 * s3) * y + 2.0 * s2) * y + s1)
            + a_unit * a_unit * ((12.0 * q4 * y + 6.0 * q3) * y + 2.0 * q2)
        ) / q
        lift2 = d.drift_sigma2 - a_unit * a_unit + bend - rise * rise
        i1 = 1.0 / (m + p)
        w2 = weight * i1 * i1
        w3 = w2 * i1
        m_sigma = m * lift
        v = (a1 * y * y + a2) * m * m * w3
        rows[J + node] = weight * (m - k) * i1
        rows[V3 + node] = v
        rows[V4 + node] = v * i1
        rows[V14 + node] = v * i1 * m
        rows[K12 + node] = w2 * m
        rows[K02 + node] = w2
        rows[K13 + node] = w3 * m
        rows[K03 + node] = w3
        rows[K14 + node] = w3 * i1 * m
        rows[S2 + node] = w2 * m_sigma
        rows[S13 + node] = w3 * m * m_sigma
        rows[S03 + node] = w3 * m_sigma
        rows[SS + node] = w2 * (m * (lift * lift + lift2) - 2.0 * i1 * m_sigma * m_sigma)


@kernel
def sum_of(rows: Floats, first: int) -> float:
    """Sum over the nodes, in eight lanes: the same order of additions whatever the processor."""
    t0 = rows[first] + rows[first + 8] + rows[first + 16]
    t1 = rows[first + 1] + rows[first + 9] + rows[first + 17]
    t2 = rows[first + 2] + rows[first + 10] + rows[first + 18]
    t3 = rows[first + 3] + rows[first + 11] + rows[first + 19]
    t4 = rows[first + 4] + rows[first + 12] + rows[first + 20]
    t5 = rows[first + 5] + rows[first + 13] + rows[first + 21]
    t6 = rows[first + 6] + rows[first + 14] + rows[first + 22]
    t7 = rows[first + 7] + rows[first + 15] + rows[first + 23]
    total: float = ((t0 + t4) + (t2 + t6)) + ((t1 + t5) + (t3 + t7))
    return total


@kernel
def integrals(g: Range, k: float, p: float, s: float, d: Direction, sigma: float, unit: UnitConstants) -> InverseShape:
    """Integrals over the range of the payoff above and of its derivatives at a fixed direction, without the boundary's terms.

    K_ab is the integral of M^a / (M + p)^b; V3, V4 and V14 those of v / (M + p)^3, v / (M + p)^4 and M v / (M + p)^4, with
    v = (A1 y² + A2) M² the variance of M that the direction leaves: half of v times the payoff's curvature, and what it does to delta.
    """
    rows = np.empty(N_ROWS * N_NODES)
    place_nodes(g, rows)
    take_nodes(k, p, d, unit.a1, unit.a2, rows)
    c = k + p
    r = p - s
    spread = 2.0 * d.a_unit * sigma**4
    k12 = sum_of(rows, K12)
    k13 = sum_of(rows, K13)
    s2 = sum_of(rows, S2)
    v3 = sum_of(rows, V3)
    v14 = sum_of(rows, V14)
    # The variance's own part grows with sigma^4; what else sigma does to it is of higher order.
    bend_j = -c * spread * v3
    bend_l = c * spread * (2.0 * v3 - 3.0 * (v14 + s * sum_of(rows, V4)))
    bend_u = c * spread * (2.0 * v3 - 3.0 * v14)
    return InverseShape(
        sum_of(rows, J) + bend_j,
        bend_l - c * (k12 + s * sum_of(rows, K02)),
        2.0 * c * r * (k13 + s * sum_of(rows, K03)),
        c * s2 + 4.0 / sigma * bend_j,
        c * (2.0 * (sum_of(rows, S13) + s * sum_of(rows, S03)) - s2) + 4.0 / sigma * bend_l,
        c * sum_of(rows, SS) + 12.0 / (sigma * sigma) * bend_j,
        bend_u - c * k12,
        2.0 * c * p * k13,
        c * (2.0 * r * k13 - k12),
        2.0 * c * ((p + r) * k13 - 3.0 * p * r * sum_of(rows, K14)),
    )


@kernel
def left_by_direction(b: Boundary, k: float, d: Direction, sigma: float, unit: UnitConstants) -> Extra:
    """The extra that the direction leaves, to leading order."""
    return grown_extra(residual(b, sigma, unit.a1, unit.a2), k, d.drift, d.drift_sigma, d.drift_sigma2)


@kernel
def grown_extra(e: Residual, k: float, drift: float, drift1: float, drift2: float) -> Extra:
    """A residual under the share measure, where M's level is exp(drift); from ln k to k."""
    grown = math.exp(drift)
    return Extra(
        grown * e.e,
        grown * e.m1 / k,
        grown * (e.m2 - e.m1) / (k * k),
        grown * (e.m3 - 3.0 * e.m2 + 2.0 * e.m1) / (k * k * k),
        grown * (e.sigma1 + drift1 * e.e),
        grown * (e.m1_sigma1 + drift1 * e.m1) / k,
        grown * (e.sigma2 + 2.0 * drift1 * e.sigma1 + (drift2 + drift1**2) * e.e),
    )


@kernel
def kink(b: Boundary, k: float, p: float, s: float, e: Extra) -> InverseShape:
    """What the payoff's kink at the boundary adds: through the density of M there, and the extra ``e``."""
    c = k + p
    r = p - s
    k_l = c - r  # dk/dlambda = k + s
    phi = density(b.z)
    f = phi / (k * b.slope) + e.k2  # density of M at k
    f_k = -phi / (k * k * b.slope * b.slope) * (b.z + b.slope + b.slope1 / b.slope) + e.k3
    l1_m = (c - 2.0 * r) / (c * c)  # h_l differentiated to M, at k
    l2_at = 2.0 * r * k_l / (c * c)
    u2_at = 2.0 * p * k / (c * c)
    return InverseShape(
        e.e / c,
        e.k1 * k_l / c + e.e * l1_m,
        k_l * k_l * f / c - e.k1 * l2_at,
        e.sigma1 / c,
        -phi * k_l * b.lift / (c * b.slope) + e.k1_sigma1 * k_l / c + e.sigma1 * l1_m,
        phi * k * b.lift * b.lift / (c * b.slope) + e.sigma2 / c,
        e.k1 * k / c + e.e * (c - 2.0 * p) / (c * c),
        k * k * f / c - e.k1 * u2_at,
        f * k_l * k / c,
        (2.0 * k * k_l * f + k * k * k_l * f_k - k * k * f) / c - f * k_l * u2_at,
    )


@kernel
def combined(
    kinked: InverseShape, side: float, half: InverseShape, whole_sign: float, whole: InverseShape
) -> InverseShape:
    """kink + side · half line + whole_sign · whole line."""
    return InverseShape(
        kinked.j + side * half.j + whole_sign * whole.j,
        kinked.l1 + side * half.l1 + whole_sign * whole.l1,
        kinked.l2 + side * half.l2 + whole_sign * whole.l2,
        kinked.sigma1 + side * half.sigma1 + whole_sign * whole.sigma1,
        kinked.l1_sigma1 + side * half.l1_sigma1 + whole_sign * whole.l1_sigma1,
        kinked.sigma2 + side * half.sigma2 + whole_sign * whole.sigma2,
        kinked.u1 + side * half.u1 + whole_sign * whole.u1,
        kinked.u2 + side * half.u2 + whole_sign * whole.u2,
        kinked.u1_l + side * half.u1_l + whole_sign * whole.u1_l,
        kinked.u2_l + side * half.u2_l + whole_sign * whole.u2_l,
    )


@kernel
def nothing() -> InverseShape:
    """All zeros."""
    return InverseShape(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@kernel
def whole_line(c: Split, d: Direction, sigma: float, unit: UnitConstants) -> InverseShape:
    """E[1 - K/A] and its derivatives: the inverse forward contract, call minus put."""
    everywhere = Range(True, 0.0, 0.0, d.a / (1.0 + c.past))
    return integrals(everywhere, c.strike, c.past, c.due, d, sigma, unit)


@kernel
def half_line(c: Split, side: float, d: Direction, sigma: float, unit: UnitConstants) -> InverseShape:
    """E[(side · (1 - K/A))^+] and its derivatives, from the boundary outwards."""
    log_k = math.log(c.strike)
    x = (log_k - d.drift) / d.a - 0.5 * d.a
    if side > 0.0:
        if x + d.a > FARTHEST:
            return nothing()
    elif x + d.a < -FARTHEST:
        return nothing()
    b = boundary(log_k, d)
    inward = b.z if side > 0.0 else -(b.z + d.a)  # how far the peak lies behind the boundary, if positive
    length = math.sqrt(max(inward, 0.0) ** 2 + REACH * REACH) - inward
    outwards = Range(False, b.z, side * length, 0.0)
    k = c.strike
    half = integrals(outwards, k, c.past, c.due, d, sigma, unit)
    return combined(kink(b, k, c.past, c.due, left_by_direction(b, k, d, sigma, unit)), side, half, 0.0, half)


@kernel
def direction_of(sigma: float, unit: UnitConstants) -> tuple[Direction, UnitConstants]:
    """The share measure's direction, or the matched lognormal where the closed form has left its range."""
    if width(sigma, unit) <= WIDEST:
        return share_direction(sigma, unit), unit
    m = matched(sigma, unit, unit.carry, 1.0)
    return wide_direction(m), as_constants(unit, m.deviation)


@kernel
def endless_whole(c: Split) -> InverseShape:
    """The limit of E[1 - K/A] for infinite volatility: observed fixings bound 1/A."""
    k = c.strike if c.past == 0.0 else 0.0
    return InverseShape(1.0 - k, -k, 0.0, 0.0, 0.0, 0.0, -k, 0.0, 0.0, 0.0)


@kernel
def of_strike(f: Shape) -> InverseShape:
    """A shape on which the forward acts through the strike ratio alone."""
    return InverseShape(
        f.f, f.k1, f.k2, f.sigma1, f.k1_sigma1, f.sigma2, f.k1, f.k2, f.k1 + f.k2, 2.0 * f.k2 + f.k3
    )  # fmt: skip


@kernel
def inverse_sides(
    c: Split, side: float, is_whole: bool, sigma: float, unit: UnitConstants
) -> tuple[InverseShape, InverseShape]:
    """The out-of-the-money ``side``, and if asked E[1 - K/A]; k > 0, sigma > 0."""
    if is_endless(sigma, unit):
        k = c.strike if c.past == 0.0 else 0.0  # observed fixings bound 1/A, and a put is worth nothing
        one = InverseShape(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        put = InverseShape(k, k, 0.0, 0.0, 0.0, 0.0, k, 0.0, 0.0, 0.0)
        return (one if side > 0.0 else put), endless_whole(c)
    if c.past == 0.0 and width(sigma, unit) <= IN_RANGE:
        d = share_direction(sigma, unit)
        early = of_strike(early_half(c.strike, side, sigma, unit, d))
        return early, (of_strike(early_whole(c.strike, sigma, unit, d)) if is_whole else early)
    d, unit_here = direction_of(sigma, unit)
    half = half_line(c, side, d, sigma, unit_here)
    return half, (whole_line(c, d, sigma, unit_here) if is_whole else half)


@kernel
def inverse_shape(c: Split, sign: float, sigma: float, unit: UnitConstants) -> InverseShape:
    """J and its derivatives; sigma > 0. A negative strike ratio is certain exercise: the whole line, or nothing."""
    if c.strike <= 0.0:
        if sign < 0.0:
            return nothing()
        if is_endless(sigma, unit):
            return endless_whole(c)
        d, unit_here = direction_of(sigma, unit)
        return whole_line(c, d, sigma, unit_here)
    side = 1.0 if c.strike >= 1.0 else -1.0
    half, whole = inverse_sides(c, side, side != sign, sigma, unit)
    if side == sign:
        return half
    return combined(half, 0.0, half, sign, whole)


@kernel
def settled_shape(c: Split, sign: float) -> InverseShape:
    """The limit of no volatility: M = 1."""
    if sign * (1.0 - c.strike) <= 0.0:
        return nothing()
    p = c.past
    r = p - c.due
    i1 = sign / (1.0 + p)
    i2 = (c.strike + p) * i1 / (1.0 + p)
    i3 = 2.0 * i2 / (1.0 + p)
    return InverseShape(
        (1.0 - c.strike) * i1,
        -i2 * (1.0 + c.due),
        i3 * r * (1.0 + c.due),
        0.0,
        0.0,
        0.0,
        -i2,
        i3 * p,
        r * i3 - i2,
        i3 * (p + r - 3.0 * p * r / (1.0 + p)),
    )
