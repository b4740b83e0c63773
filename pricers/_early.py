"""Inverse payoff before its window, closed form: g(k, sigma) = E[(±(1 - k/M))^+] under the share measure, without a quadrature.

Given the direction, 1/M is lognormal times 1/Q, and Q differs from 1 by little: to fourth order in sigma, the order to which Q itself
is known, 1/Q = 1 - (Q - 1) + (q2 sigma² He_2(y)/2)². With w = xi + a = y + 2a and G = exp(a² - drift),

    E[1/M; M > k] = G int from w* on of phi(w) T(w - 2a) dw,     T = 1/Q,     w* = z + a,

and the integral of a polynomial is a combination of mu_i = int phi(w) (w - 2a)^i dw, which have a two-term recursion. With no fixing
known or due the forward acts through k alone, so that g's derivatives to k are all that greeks need.

The variance that the direction leaves adds e/k at the boundary and, along the curve of 1/M, k G int phi(w) 2 sqrt(V) sigma^4
(A1 y² + A2) dw (pricers._inverse); in the derivatives of the latter, which is 1e-10 of the forward, only leading orders are kept.

Accuracy: as the quadrature's (pricers._inverse), without its own error; tests/unit/test_early.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._direction import FARTHEST, Boundary, Direction, Polynomial, boundary, slope_at, value_at
from pricers._exp import fast_exp
from pricers._fixings import UnitConstants
from pricers._jit import kernel
from pricers._lane_math import upper_tail
from pricers._linear import Shape, residual
from pricers._normal import ONE_OVER_SQRT_TWO_PI


class Moments(NamedTuple):
    """Integrals of phi(w) y^i, i = 0 .. 4, over one side of a boundary or over the whole line."""

    m0: float
    m1: float
    m2: float
    m3: float
    m4: float


@kernel
def moments_beyond(tail: float, edge: float, y: float, shift: float) -> Moments:
    """Of w with y = w - ``shift``: ``tail`` is the probability, ``edge`` the density at the boundary (negative below it), y there.

    By parts: mu_(i+1) = edge y^i + i mu_(i-1) - shift mu_i.
    """
    m1 = edge - shift * tail
    m2 = edge * y + tail - shift * m1
    m3 = edge * y * y + 2.0 * m1 - shift * m2
    m4 = edge * y * y * y + 3.0 * m2 - shift * m3
    return Moments(tail, m1, m2, m3, m4)


@kernel
def mean_of(p: Polynomial, m: Moments) -> float:
    """Integral of the polynomial."""
    return p.p0 * m.m0 + p.p1 * m.m1 + p.p2 * m.m2 + p.p3 * m.m3 + p.p4 * m.m4


@kernel
def reciprocal(q: Polynomial, square: float) -> Polynomial:
    """T - 1 = -(Q - 1) + square (y² - 1)², square = (q2 sigma²/2)²; or both sides' sigma-derivatives at fixed y."""
    return Polynomial(square - q.p0, -q.p1, -2.0 * square - q.p2, -q.p3, square - q.p4)


@kernel
def moved(p: Polynomial, p1: Polynomial, rate: float) -> Polynomial:
    """p - rate p1': a sigma-derivative at fixed y, taken to fixed w."""
    return Polynomial(
        p.p0 - rate * p1.p1,
        p.p1 - 2.0 * rate * p1.p2,
        p.p2 - 3.0 * rate * p1.p3,
        p.p3 - 4.0 * rate * p1.p4,
        p.p4,
    )


class Reciprocal(NamedTuple):
    """T - 1 and its sigma-derivatives at fixed w; ln G' and its derivative; the leftover variance's 2 sqrt(V) sigma^4."""

    t: Polynomial
    t1: Polynomial
    t2: Polynomial
    level: float  # G
    rate: float  # d ln G / d sigma
    rate1: float
    spread: float


@kernel
def reciprocal_of(sigma: float, unit: UnitConstants, d: Direction) -> Reciprocal:
    """1/M along the direction."""
    s2 = sigma * sigma
    q4 = 0.25 * unit.q2 * unit.q2
    twice = 2.0 * d.a_unit
    t = reciprocal(d.q, q4 * s2 * s2)
    u1 = reciprocal(d.q_sigma, 4.0 * q4 * s2 * sigma)
    u2 = reciprocal(d.q_sigma2, 12.0 * q4 * s2)
    t1 = moved(u1, t, twice)
    # Twice the same operator: (d/dsigma - 2 sqrt(V) d/dy)².
    t2 = moved(moved(u2, u1, twice), t1, twice)
    lead = unit.variance - unit.mean_time
    return Reciprocal(t, t1, t2, fast_exp(lead * s2), 2.0 * sigma * lead, 2.0 * lead, twice * s2 * s2)


@kernel
def early_whole(k: float, sigma: float, unit: UnitConstants, d: Direction) -> Shape:
    """E[1 - k/M]: call minus put."""
    r = reciprocal_of(sigma, unit, d)
    m = moments_beyond(1.0, 0.0, 0.0, 2.0 * d.a)
    bend = r.spread * (unit.a1 * m.m2 + unit.a2)
    mean = 1.0 + mean_of(r.t, m)
    mean1 = mean_of(r.t1, m)
    mean2 = mean_of(r.t2, m)
    value = k * r.level * (mean + bend)
    slope = k * r.level * (r.rate * mean + mean1 + 4.0 / sigma * bend)
    turn = (
        k
        * r.level
        * ((r.rate * r.rate + r.rate1) * mean + 2.0 * r.rate * mean1 + mean2 + 12.0 / (sigma * sigma) * bend)
    )
    return Shape(1.0 - value, -value, 0.0, 0.0, -slope, -slope, -turn)


@kernel
def left_along(
    k: float, side: float, b: Boundary, sigma: float, unit: UnitConstants, r: Reciprocal, m: Moments
) -> Shape:
    """What the variance that the direction leaves adds along the curve of 1/M: tiny, and derived to leading order."""
    x = b.x
    z = b.z
    a = z - x
    f = -side * k * r.level * r.spread * (unit.a1 * m.m2 + unit.a2 * m.m0)
    x_m = 1.0 / a
    per = 1.0 / sigma
    phi = ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * z * z)
    at = phi * r.spread * (unit.a1 * x * x + unit.a2)
    at1 = phi * r.spread * 2.0 * unit.a1 * x
    at2 = phi * r.spread * 2.0 * unit.a1
    m1 = at * x_m
    m2 = (at1 - z * at) * x_m * x_m
    m3 = (at2 - 2.0 * z * at1 + (z * z - 1.0) * at) * x_m * x_m * x_m
    # The boundary moves by -(z + a)/sigma, x by -(z + 2a)/sigma.
    sigma1 = per * (4.0 * f - at * z)
    drift = per * (at * (z * (z + a) + 3.0) - at1 * (z + a + a))  # of at / a, times a; of at z likewise
    k1_sigma1 = sigma1 + drift * x_m
    sigma2 = per * (4.0 * sigma1 - 4.0 * per * f - z * drift + per * at * (z + a))
    # f is proportional to k where the boundary stays.
    return Shape(f, f + m1, m2, m3 - 2.0 * m2, sigma1, k1_sigma1, sigma2)


@kernel
def early_half(k: float, side: float, sigma: float, unit: UnitConstants, d: Direction) -> Shape:
    """E[(side (1 - k/M))^+] with its derivatives; no fixing known or due, sigma sqrt(t_N - t_1) small."""
    log_k = math.log(k)
    root = (log_k - d.drift) / d.a - 0.5 * d.a
    if side * (root + d.a) > FARTHEST:
        return Shape(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    b = boundary(log_k, d)
    z = b.z
    w = z + d.a
    r = reciprocal_of(sigma, unit, d)
    phi = ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * z * z)
    m = moments_beyond(upper_tail(side * w), side * ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * w * w), b.x, 2.0 * d.a)
    unit_a = d.a_unit
    scale = side * k * r.level
    mean = m.m0 + mean_of(r.t, m)
    mean1 = mean_of(r.t1, m)
    mean2 = mean_of(r.t2, m)
    f = side * upper_tail(side * z) - scale * mean
    bend = b.slope1 / b.slope
    k2 = phi / b.slope
    k3 = -k2 * (2.0 + (z + bend) / b.slope)
    z_s = -b.lift / b.slope
    moved1 = scale * (r.rate * mean + mean1)
    sigma1 = phi * unit_a - moved1
    k1_sigma1 = phi * (unit_a + z_s) - moved1
    # d ln T / d sigma at fixed w, at the boundary.
    turn = -(value_at(d.q_sigma, b.x) - 2.0 * unit_a * slope_at(d.q, b.x)) / b.q
    sigma2 = phi * ((unit_a + z_s) * (r.rate + turn) - z * unit_a * z_s) - scale * (
        (r.rate * r.rate + r.rate1) * mean + 2.0 * r.rate * mean1 + mean2
    )
    e = residual(b, sigma, unit.a1, unit.a2)
    grown = fast_exp(d.drift) / k
    h1 = e.m1 - e.e
    h2 = e.m2 - 2.0 * e.m1 + e.e
    h3 = e.m3 - 3.0 * e.m2 + 3.0 * e.m1 - e.e
    s1 = e.sigma1 + d.drift_sigma * e.e
    along = left_along(k, side, b, sigma, unit, r, m)
    return Shape(
        f + grown * e.e + along.f,
        -scale * mean + grown * h1 + along.k1,
        k2 + grown * (h2 - h1) + along.k2,
        k3 + grown * (h3 - 3.0 * h2 + 2.0 * h1) + along.k3,
        sigma1 + grown * s1 + along.sigma1,
        k1_sigma1 + grown * (e.m1_sigma1 + d.drift_sigma * e.m1 - s1) + along.k1_sigma1,
        sigma2
        + grown * (e.sigma2 + 2.0 * d.drift_sigma * e.sigma1 + (d.drift_sigma2 + d.drift_sigma * d.drift_sigma) * e.e)
        + along.sigma2,
    )
