"""The average along the geometric direction, exactly: its mean, its boundary, and the lower bound E[(E[M|X] - k)^+].

With the nodes of pricers._frame, M(x) = E[M|X = x] = sum_i w_i exp(sigma a_i x - sigma² a_i² / 2 + share sigma² t_i): no expansion
in sigma. ``share`` is 0 under the pricing measure and 1 under the share measure of the last fixing (inverse payoff).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._direction import Boundary
from pricers._exp import fast_exp
from pricers._frame import LOADING, TIME, WEIGHT, Frame
from pricers._jit import kernel
from pricers._linear import Shape
from pricers._loadings import Floats
from pricers._normal import density, distribution

MAX_STEPS = 100


class Bars(NamedTuple):
    """M and its derivatives at one x; x-derivatives at fixed sigma and the other way round."""

    x: float
    m: float
    x1: float
    x2: float
    x3: float
    x4: float
    s: float  # dM/dsigma
    x1_s: float
    x2_s: float
    ss: float
    x1_ss: float


@kernel
def mean_at(x: float, sigma: float, share: float, f: Frame, means: Floats) -> tuple[float, float]:
    """M(x) and its slope; ``means``[i] gets node i's own part of M."""
    total = 0.0
    slope = 0.0
    for i in range(f.n_nodes):
        a = sigma * f.rows[LOADING, i]
        means[i] = fast_exp(a * (x - 0.5 * a) + share * sigma * sigma * f.rows[TIME, i])
    for i in range(f.n_nodes):
        means[i] *= f.rows[WEIGHT, i]
        total += means[i]
        slope += means[i] * sigma * f.rows[LOADING, i]
    return total, slope


@kernel
def boundary_x(log_k: float, sigma: float, share: float, f: Frame, means: Floats) -> float:
    """The x with M(x) = k. ln M is convex: Newton from the lognormal root converges from above after its first step."""
    a = sigma * f.deviation
    x = (log_k - share * sigma * sigma * (f.last_time - 0.5 * f.width * f.width)) / a + 0.5 * a
    for _ in range(MAX_STEPS):
        m, slope = mean_at(x, sigma, share, f, means)
        step = (math.log(m) - log_k) * m / slope
        x -= step
        if abs(step) <= 1e-9 * (1.0 + abs(x)):  # the next one would be its square
            break
    return x


@kernel
def bars_at(x: float, sigma: float, share: float, f: Frame, means: Floats) -> Bars:
    """All derivatives at x, and ``means``."""
    mean_at(x, sigma, share, f, means)
    m = 0.0
    b1 = 0.0
    b2 = 0.0
    b3 = 0.0
    b4 = 0.0
    s = 0.0
    s1 = 0.0
    s2 = 0.0
    ss = 0.0
    ss1 = 0.0
    for i in range(f.n_nodes):
        a = f.rows[LOADING, i]
        t = 2.0 * share * f.rows[TIME, i]
        own = means[i]
        rate = a * (x - sigma * a) + sigma * t  # d ln / d sigma
        bend = rate * rate - a * a + t
        m += own
        b1 += own * a
        b2 += own * a * a
        b3 += own * a * a * a
        b4 += own * a * a * a * a
        s += own * rate
        s1 += own * a * (1.0 + sigma * rate)
        s2 += own * a * a * (2.0 + sigma * rate)
        ss += own * bend
        ss1 += own * a * (sigma * bend + 2.0 * rate)
    v = sigma * sigma
    return Bars(x, m, sigma * b1, v * b2, v * sigma * b3, v * v * b4, s, s1, sigma * s2, ss, ss1)


@kernel
def as_boundary(b: Bars, sigma: float, f: Frame) -> Boundary:
    """The same in logarithms and in y = x - sigma sqrt(V), as the terms of the variance left out want it."""
    slope = b.x1 / b.m
    slope1 = b.x2 / b.m - slope * slope
    slope2 = b.x3 / b.m - 3.0 * slope * b.x2 / b.m + 2.0 * slope * slope * slope
    lift = b.s / b.m
    lift1 = b.x1_s / b.m - slope * lift
    lift2 = b.ss / b.m - lift * lift
    unit = f.deviation
    return Boundary(
        b.x - sigma * unit,
        b.x,
        math.nan,  # Q of the expansion: nobody asks for it here
        slope,
        slope1,
        slope2,
        lift,
        lift + unit * slope,
        lift1 + unit * slope1,
        lift2 + 2.0 * unit * lift1 + unit * unit * slope1,
    )


@kernel
def lower_bound(k: float, sign: float, sigma: float, f: Frame, b: Bars) -> Shape:
    """E[(±(E[M|X] - k))^+] with its derivatives; pricing measure."""
    z = b.x
    price = -k * distribution(-sign * z)
    tail = price
    for i in range(f.n_nodes):
        price += f.rows[WEIGHT, i] * distribution(sign * (sigma * f.rows[LOADING, i] - z))
    phi = density(z)
    z_s = -b.s / b.x1
    k2 = phi / b.x1
    k3 = -k2 / b.x1 * (z + b.x2 / b.x1)
    # f_sigma = phi M_x / sigma.
    sigma1 = phi * b.x1 / sigma
    sigma2 = sigma1 * (-z * z_s - 1.0 / sigma) + phi / sigma * (b.x1_s + b.x2 * z_s)
    return Shape(
        sign * price,
        sign * tail,
        k * k * k2,
        k * k * k * k3,
        sigma1,
        -k * phi * b.s / b.x1,
        sigma2,
    )
