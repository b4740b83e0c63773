"""Inverse payoff by QMC: E[S_N] E[(±(1 - K/A))^+] under the share measure, around the same integral over E[M|X].

With h(M) = 1 - c/(M + p) above k (pricers._inverse) and e(kappa) = E[(M - kappa)^+] - E[(E[M|X] - kappa)^+], replication says

    E[h^+(M)] = E[h^+(E[M|X])] + h'(k) e(k) + int from k on of h''(kappa) e(kappa) dkappa,

exactly. The first is a quadrature along the direction, with the mean from the nodes; e(k) and its derivatives are the linear
payoff's draws (pricers._gap) under the share measure. The last is small of second order against the second: for narrow averages
its e is the variance that the direction leaves, to leading order (the fourth power of sigma), for wide ones draws at every node
(``aside``).
"""

from __future__ import annotations

import math

import numpy as np

from pricers._contract import Split, Timing
from pricers._direction import FARTHEST
from pricers._fixings import UnitConstants
from pricers._frame import TIME, WEIGHT, Frame
from pricers._gap import Gap, narrow_gap
from pricers._inverse import (
    HERMITE_W,
    HERMITE_X,
    N_NODES,
    REACH,
    Extra,
    InverseShape,
    combined,
    grown_extra,
    kink,
    nothing,
)
from pricers._jit import kernel, merged
from pricers._linear import residual
from pricers._lower import Bars, as_boundary, bars_at, boundary_x
from pricers._normal import density
from pricers._qmc_desk import ROUNDING, TILTED, Desk, Seat, level_of, seat, series_error, tilted_seat, whole_error

N_HALF = 32
_half_x, _half_w = np.polynomial.legendre.leggauss(N_HALF)
HALF_X = 0.5 * (_half_x + 1.0)
HALF_W = 0.5 * _half_w
# Of e where draws make it at every node: it is small already.
N_FEW = 12
_few_x, _few_w = np.polynomial.legendre.leggauss(N_FEW)
FEW_X = 0.5 * (_few_x + 1.0)
FEW_W = 0.5 * _few_w
FEW_HERMITE_X, _few_hermite_w = np.polynomial.hermite_e.hermegauss(N_FEW)
FEW_HERMITE_W = _few_hermite_w / math.sqrt(2.0 * math.pi)
FAR_TILT = 3.0
FARTHEST_E = 6.0  # deviations from where 1/A has its weight: beyond, wide averages' e is as good as nothing, and its draws are wild
NOT_ANY = (0.0, 0.0, 0.0)


@kernel
def mean_time(f: Frame) -> float:
    """Weighted mean of the fixings' times."""
    total = 0.0
    for i in range(f.n_nodes):
        total += f.rows[WEIGHT, i] * f.rows[TIME, i]
    return total


@kernel
def extra_at(b: Bars, sigma: float, here: Seat) -> tuple[Extra, float]:
    """e at the boundary of ``b``, from the draws and what they leave; and its standard error."""
    g: Gap = narrow_gap(b, sigma, 1.0, here.frame, here.points, here.scratch)
    time = mean_time(here.frame)
    r = grown_extra(
        residual(as_boundary(b, sigma, here.frame), sigma, here.frame.rest1, here.frame.rest2),
        b.m,
        sigma * sigma * time,
        2.0 * sigma * time,
        2.0 * time,
    )
    extra = Extra(
        g.e + r.e,
        g.k1 + r.k1,
        g.k2 + r.k2,
        g.k3 + r.k3,
        g.sigma1 + r.sigma1,
        g.k1_sigma1 + r.k1_sigma1,
        g.sigma2 + r.sigma2,
    )
    error = math.hypot(g.error, series_error(g.e, sigma, here))
    return extra, whole_error(
        error, r.e, b.x - sigma * here.frame.deviation, sigma, math.exp(sigma * sigma * time), here
    )


@kernel
def leading_extra(b: Bars, sigma: float, unit: UnitConstants) -> tuple[float, float, float]:
    """e and its two sigma-derivatives at b's level: half the variance that the direction leaves, times the density of M."""
    y = b.x - sigma * unit.deviation
    e = unit.deviation * sigma**4 * (unit.a1 * y * y + unit.a2) * b.m * b.m * density(b.x) / b.x1
    return e, 4.0 / sigma * e, 12.0 / (sigma * sigma) * e


@kernel
def node_terms(
    b: Bars, weight: float, spread: float, e: tuple[float, float, float], c: float, p: float, s: float
) -> InverseShape:
    """One node of the direction: the payoff of E[M|X] and its derivatives, and h'' e. ``spread``: its part of d kappa."""
    r = p - s
    m = b.m
    i1 = 1.0 / (m + p)
    i2 = i1 * i1
    i3 = i2 * i1
    i4 = i2 * i2
    i5 = i4 * i1
    e0 = spread * e[0]
    e1 = spread * e[1]
    e2 = spread * e[2]
    # Second derivatives to M of the integrands as functions of M: of 1/(M + p)^n times M + s or M.
    h2 = -2.0 * c * i3
    hl2 = -c * (6.0 * (m + s) * i4 - 4.0 * i3)
    hll2 = 2.0 * c * r * (12.0 * (m + s) * i5 - 6.0 * i4)
    hu2 = -c * (6.0 * m * i4 - 4.0 * i3)
    huu2 = 2.0 * c * p * (12.0 * m * i5 - 6.0 * i4)
    hul2 = c * (2.0 * r * (12.0 * m * i5 - 6.0 * i4) - (6.0 * m * i4 - 4.0 * i3))
    huul2 = 2.0 * c * ((p + r) * (12.0 * m * i5 - 6.0 * i4) - 3.0 * p * r * (20.0 * m * i5 * i1 - 8.0 * i5))
    w2 = weight * c * i2
    w3 = weight * 2.0 * c * i3
    return InverseShape(
        weight * (m + p - c) * i1 + h2 * e0,
        -w2 * (m + s) + hl2 * e0,
        w3 * r * (m + s) + hll2 * e0,
        w2 * b.s + h2 * e1,
        (w3 * (m + s) - w2) * b.s + hl2 * e1,
        w2 * b.ss - w3 * b.s * b.s + h2 * e2,
        -w2 * m + hu2 * e0,
        w3 * p * m + huu2 * e0,
        (w3 * r - w2) * m + hul2 * e0,
        w3 * ((p + r) * m - 3.0 * p * r * m * i1) + huul2 * e0,
    )


@kernel
def drawn_extra(b: Bars, sigma: float, here: Seat) -> tuple[float, float, float]:
    """The same from draws."""
    e, _ = extra_at(b, sigma, here)
    return e.e, e.sigma1, e.sigma2


@kernel
def bend_error(bend: float, sigma: float, here: Seat) -> float:
    """Standard error of the integral of h'' e: half a width of it to leading order, a hundredth from draws, and more from width 0.45 on.

    Measured: docs/qmc.md. There two deviations in the money the error is a twentieth of it at width 1.
    """
    wide = sigma * here.frame.width
    return abs(bend) * (0.5 * wide if here.level == 0 else max(0.01, 0.05 * wide * wide)) + ROUNDING


@kernel
def whole_line(c: Split, sigma: float, here: Seat, aside: Seat, unit: UnitConstants) -> tuple[InverseShape, float]:
    """E[1 - K/A], its derivatives and its standard error; the nodes are tilted to where 1/A has its weight.

    Far tilted, they no longer see where the 1 has its weight: what they miss of it (3e-7 at a total volatility of 5) is added.
    """
    total = nothing()
    every = 0.0
    bend = 0.0
    k_c = c.strike + c.past
    tilt = sigma * here.frame.deviation / (1.0 + c.past)
    for node in range(N_NODES):
        x = HERMITE_X[node] - tilt
        weight = HERMITE_W[node] * math.exp(tilt * (HERMITE_X[node] - 0.5 * tilt))
        b = bars_at(x, sigma, 1.0, here.frame, here.scratch.means)
        e = leading_extra(b, sigma, unit) if here.level == 0 else NOT_ANY
        one = node_terms(b, weight, weight / density(x) * b.x1, e, k_c, c.past, c.due)
        bend += one.j - weight * (b.m - c.strike) / (b.m + c.past)
        every += weight
        total = combined(total, 1.0, one, 0.0, one)
    if tilt > FAR_TILT:
        missed = InverseShape(1.0 - every, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        total = combined(total, 1.0, missed, 0.0, missed)
    if here.level > 0:
        for node in range(N_FEW):
            x = FEW_HERMITE_X[node] - tilt
            if here.level >= TILTED and abs(x + tilt) > FARTHEST_E:
                continue
            weight = FEW_HERMITE_W[node] * math.exp(tilt * (FEW_HERMITE_X[node] - 0.5 * tilt))
            b = bars_at(x, sigma, 1.0, aside.frame, aside.scratch.means)
            e = drawn_extra(b, sigma, aside)
            one = node_terms(b, 0.0, weight / density(x) * b.x1, e, k_c, c.past, c.due)
            bend += one.j
            total = combined(total, 1.0, one, 0.0, one)
    return total, bend_error(bend, sigma, here)


@kernel
def half_line(
    c: Split, side: float, sigma: float, here: Seat, aside: Seat, unit: UnitConstants
) -> tuple[InverseShape, float]:
    """E[(side · (1 - K/A))^+] and its derivatives, and the standard error."""
    k = c.strike
    log_k = math.log(k)
    a = sigma * here.frame.deviation
    x = (log_k - sigma * sigma * mean_time(here.frame)) / a + 0.5 * a
    if side * x > FARTHEST:
        return nothing(), 0.0
    x = boundary_x(log_k, sigma, 1.0, here.frame, here.scratch.means)
    b = bars_at(x, sigma, 1.0, here.frame, here.scratch.means)
    e, error = extra_at(b, sigma, here)
    total = kink(as_boundary(b, sigma, here.frame), k, c.past, c.due, e)
    inward = x if side > 0.0 else -(x + a)  # how far the peak lies behind the boundary, if positive
    bend = 0.0
    length = math.sqrt(max(inward, 0.0) ** 2 + REACH * REACH) - inward
    for node in range(N_HALF):
        at = x + side * length * HALF_X[node]
        stretch = length * HALF_W[node]
        bars = bars_at(at, sigma, 1.0, here.frame, here.scratch.means)
        more = leading_extra(bars, sigma, unit) if here.level == 0 else NOT_ANY
        one = node_terms(bars, stretch * density(at), stretch * bars.x1, more, k + c.past, c.past, c.due)
        bend += one.j - stretch * density(at) * (bars.m - k) / (bars.m + c.past)
        total = combined(total, side, one, 0.0, one)
    if here.level > 0:
        tilt = a / (1.0 + c.past)
        for node in range(N_FEW):
            at = x + side * length * FEW_X[node]
            if here.level >= TILTED and abs(at + tilt) > FARTHEST_E:
                continue
            bars = bars_at(at, sigma, 1.0, aside.frame, aside.scratch.means)
            more = drawn_extra(bars, sigma, aside)
            one = node_terms(bars, 0.0, length * FEW_W[node] * bars.x1, more, k + c.past, c.past, c.due)
            bend += one.j
            total = combined(total, side, one, 0.0, one)
    return total, math.hypot((error + ROUNDING * (1.0 + k)) / (k + c.past), bend_error(bend, sigma, here))


@merged
def seats(k: float, sigma: float, t: Timing, carry: float, desk: Desk) -> tuple[Seat, Seat]:
    """Where the option is priced, and its curvature's e: with one direction, and draws of the level below (tilted: at least the most)."""
    level = level_of(sigma, t)
    if level < TILTED:
        here = seat(level, t, carry, desk)
        aside = seat(max(level - 1, 0), t, carry, desk)
    else:
        log_k = math.log(k) if k > 0.0 else 0.0
        aside = tilted_seat(level, desk.draws.most, log_k, sigma, 1.0, t, carry, desk)
        here = aside
        if level > TILTED:
            here = tilted_seat(level, desk.draws.widest, log_k, sigma, 1.0, t, carry, desk)
    return here, aside


@kernel
def qmc_inverse_sides(
    c: Split, side: float, is_half: bool, is_whole: bool, sigma: float, t: Timing, unit: UnitConstants, desk: Desk
) -> tuple[InverseShape, InverseShape, float]:
    """If asked the out-of-the-money ``side`` (k > 0) and E[1 - K/A], and the standard error of both; sigma > 0."""
    here, aside = seats(c.strike, sigma, t, unit.carry, desk)
    half, whole = nothing(), nothing()
    error, error_whole = 0.0, 0.0
    if is_half:
        half, error = half_line(c, side, sigma, here, aside, unit)
    if is_whole:
        whole, error_whole = whole_line(c, sigma, here, aside, unit)
    return half, whole, math.hypot(error, error_whole)


@merged
def qmc_inverse_shape(
    c: Split, sign: float, sigma: float, t: Timing, unit: UnitConstants, desk: Desk
) -> tuple[InverseShape, float]:
    """J, its derivatives and its standard error; sigma > 0. A negative strike ratio is certain exercise: the whole line, or nothing."""
    is_certain = c.strike <= 0.0
    side = 1.0 if c.strike >= 1.0 else -1.0
    is_whole = sign > 0.0 if is_certain else side != sign
    if is_certain and not is_whole:
        return nothing(), 0.0
    half, whole, error = qmc_inverse_sides(c, side, not is_certain, is_whole, sigma, t, unit, desk)
    if is_whole:
        half = combined(half, 0.0, half, sign, whole)
    return half, error
