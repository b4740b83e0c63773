"""Linear payoff, closed form: E[(M - k)^+] and its derivatives, at the cost of a few normal distributions.

    E[(M - k)^+] = N(-x) - k N(-z) + phi(x) S(x) + phi(x) sigma³ (A1 x² + A2),     S(x) = sum_m b_m He_{m-1}(x) / m!

The first part is the exact mean of (E[M|xi] - k)^+; the last is the variance that the direction leaves, at the boundary.

Accuracy: <= 1e-12 of the forward for sigma <= 150 % (tests/golden/test_settlement_average_golden.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._direction import FARTHEST, Boundary, Direction, boundary, pricing_direction
from pricers._exp import fast_exp
from pricers._fixings import UnitConstants
from pricers._jit import kernel
from pricers._lane_math import upper_tail
from pricers._normal import ONE_OVER_SQRT_TWO_PI
from pricers._wide import ENDLESS, WIDEST, as_constants, matched, width


class Shape(NamedTuple):
    """f(k, sigma) = E[(±(M - k))^+] and its derivatives, k-derivatives times the power of k."""

    f: float
    k1: float  # k f_k
    k2: float  # k² f_kk
    k3: float  # k³ f_kkk
    sigma1: float  # f_sigma
    k1_sigma1: float  # k f_k_sigma
    sigma2: float  # f_sigma_sigma


class Residual(NamedTuple):
    """The correction sigma³ phi(x) (A1 x² + A2) as a function of (ln k, sigma)."""

    e: float
    m1: float
    m2: float
    m3: float
    sigma1: float
    m1_sigma1: float
    sigma2: float


@kernel
def hermite_primitive(d: Direction, x: float) -> float:
    """S(x): phi(x) S(x) is the integral of phi(y) (Q(y) - 1) from x on, without its N(-x) part (b_0 - 1)."""
    # In powers: He_0 = 1, He_1 = x, He_2 = x² - 1, He_3 = x³ - 3 x with b_m / m! read back from the polynomial.
    p = d.q
    b4 = p.p4
    b3 = p.p3
    b2 = p.p2 + 6.0 * b4
    b1 = p.p1 + 3.0 * b3
    return b1 + b2 * x + b3 * (x * x - 1.0) + b4 * (x * x * x - 3.0 * x)


@kernel
def residual(b: Boundary, sigma: float, a1: float, a2: float) -> Residual:
    """What the variance left by the direction adds at the boundary, and its derivatives."""
    x = b.x
    scale = sigma * sigma * sigma * ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * x * x)
    # e_n(x): phi(x) e_n is the n-th derivative of phi(x) (A1 x² + A2).
    e0 = a1 * x * x + a2
    e1 = -a1 * x * x * x + (2.0 * a1 - a2) * x
    e2 = a1 * x**4 + (a2 - 5.0 * a1) * x * x + (2.0 * a1 - a2)
    e3 = -a1 * x**5 + (9.0 * a1 - a2) * x**3 + (3.0 * a2 - 12.0 * a1) * x
    # x as a function of (m = ln k, sigma).
    x_m = 1.0 / b.slope
    x_mm = -b.slope1 * x_m**3
    x_mmm = -b.slope2 * x_m**4 + 3.0 * b.slope1 * b.slope1 * x_m**5
    x_s = -b.l_sigma * x_m
    x_ss = -(b.l_sigma2 + 2.0 * b.slope_sigma * x_s + b.slope1 * x_s * x_s) * x_m
    x_ms = -(b.slope1 * x_s + b.slope_sigma) * x_m * x_m
    per_sigma = 3.0 / sigma
    return Residual(
        scale * e0,
        scale * e1 * x_m,
        scale * (e2 * x_m * x_m + e1 * x_mm),
        scale * (e3 * x_m**3 + 3.0 * e2 * x_m * x_mm + e1 * x_mmm),
        scale * (per_sigma * e0 + e1 * x_s),
        scale * (per_sigma * e1 * x_m + e2 * x_m * x_s + e1 * x_ms),
        scale * (2.0 * per_sigma / sigma * e0 + 2.0 * per_sigma * e1 * x_s + e2 * x_s * x_s + e1 * x_ss),
    )


@kernel
def far_shape(k: float, sign: float, is_below: bool) -> Shape:
    """The limit where exercise is as good as certain (``is_below``) or as good as impossible for a call."""
    if is_below == (sign > 0.0):
        return Shape(sign * (1.0 - k), -sign * k, 0.0, 0.0, 0.0, 0.0, 0.0)
    return Shape(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@kernel
def is_far(log_k: float, d: Direction) -> bool:
    """Whether the boundary lies beyond what a normal density can carry, on the same side for price and strike."""
    x = (log_k - d.drift) / d.a - 0.5 * d.a
    return x > FARTHEST or x + d.a < -FARTHEST


@kernel
def linear_shape(k: float, sign: float, sigma: float, unit: UnitConstants) -> Shape:
    """E[(±(M - k))^+] with every derivative; k > 0, sigma > 0. Cost: 0.2 us."""
    if width(sigma, unit) > WIDEST:
        return wide_shape(k, sign, sigma, unit)
    return narrow_shape(k, sign, sigma, unit)


@kernel
def narrow_shape(k: float, sign: float, sigma: float, unit: UnitConstants) -> Shape:
    """The closed form."""
    d = pricing_direction(sigma, unit)
    log_k = math.log(k)
    if is_far(log_k, d):
        return far_shape(k, sign, log_k < 0.0)
    b = boundary(log_k, d)
    phi_x = ONE_OVER_SQRT_TWO_PI * fast_exp(-0.5 * b.x * b.x)
    tail_z = upper_tail(sign * b.z)
    main = sign * (upper_tail(sign * b.x) - k * tail_z) + phi_x * hermite_primitive(d, b.x)
    # phi(z) k = phi(x) Q: the density of ln M at the boundary is phi(z) / slope.
    weight = phi_x * b.q
    bend = b.slope1 / b.slope
    k2 = weight / b.slope
    k3 = -k2 / b.slope * (b.z + b.slope + bend)
    sigma1 = weight * b.slope / sigma
    k1_sigma1 = weight / sigma * (-b.z + b.slope + bend)
    lift1 = b.slope_sigma - d.a_unit * b.slope1  # d lift / d xi
    sigma2 = weight / sigma * (b.z * b.lift - b.lift * bend + lift1 - b.slope / sigma)
    e = residual(b, sigma, unit.a1, unit.a2)
    return Shape(
        main + e.e,
        -sign * k * tail_z + e.m1,
        k2 + e.m2 - e.m1,
        k3 + e.m3 - 3.0 * e.m2 + 2.0 * e.m1,
        sigma1 + e.sigma1,
        k1_sigma1 + e.m1_sigma1,
        sigma2 + e.sigma2,
    )


@kernel
def wide_shape(k: float, sign: float, sigma: float, unit: UnitConstants) -> Shape:
    """One lognormal of the average's own moments (pricers._wide)."""
    if sigma * sigma * unit.last_time > ENDLESS:
        return Shape(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) if sign > 0.0 else Shape(k, k, 0.0, 0.0, 0.0, 0.0, 0.0)
    m = matched(sigma, unit, unit.carry, 0.0)
    f = narrow_shape(k, sign, 1.0, as_constants(unit, m.deviation))
    # From sigma 1 and deviation s to the derivative to s, and on to sigma.
    chain = m.deviation1 / m.deviation
    return Shape(
        f.f,
        f.k1,
        f.k2,
        f.k3,
        f.sigma1 * chain,
        f.k1_sigma1 * chain,
        f.sigma2 * chain * chain + f.sigma1 * m.deviation2 / m.deviation,
    )
