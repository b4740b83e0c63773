"""The fixings still to come, and what their Gaussian covariance says: constants of an expiry at a moment.

Fixings are lognormal, ``S_i = forward · exp(carry t_i) · exp(sigma W(t_i) - sigma² t_i / 2)``. The live ones (``t_i > 0``) have
weights ``w_i ∝ exp(carry t_i)`` and the geometric direction ``sum_i w_i W(t_i)``, of variance ``V``. With

    c_i = sum_j w_j min(t_i, t_j),   V = sum_i w_i c_i,   delta_i = c_i - V,   d_i = delta_i / sqrt(V)

the constants are moments of d, of the residual covariance ``gamma_ij = min(t_i, t_j) - c_i c_j / V``, and of the times.
All sums are written in ``min(t_i, t_j) - t_1`` (doubly centred), so that a year before the window costs no digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._jit import kernel


class UnitConstants(NamedTuple):
    """Constants of the live fixings at volatility 1; times in years."""

    variance: float  # V: variance of the geometric direction, year
    deviation: float  # sqrt(V)
    q2: float  # sum w d^2
    q3: float  # sum w d^3
    q4: float  # sum w d^4
    a1: float  # sum w w d_i d_j gamma_ij / (2 sqrt(V))
    a2: float  # sum w w gamma_ij^2 / (4 sqrt(V))
    mean_time: float  # sum w t
    r1: float  # sum w (t - mean_time) d
    r2: float  # sum w (t - mean_time) d^2
    s0: float  # sum w (t - mean_time)^2
    first_time: float  # t_1
    last_time: float  # t_N
    growth: float  # sum exp(carry t_i): the number of live fixings at carry 0
    n_live: float
    carry: float


@kernel
def assembled(
    variance: float,
    growth: float,
    moments: tuple[float, float, float, float, float, float, float, float],
    mean_time: float,
    first_time: float,
    last_time: float,
    n_live: float,
    carry: float,
) -> UnitConstants:
    """Constants from ``V`` and the raw sums (delta^2, delta^3, delta^4, B^2, B delta delta, u delta, u delta^2, u^2)."""
    d2, d3, d4, bb, bdd, ud, udd, uu = moments
    deviation = math.sqrt(variance)
    return UnitConstants(
        variance,
        deviation,
        d2 / variance,
        d3 / (variance * deviation),
        d4 / (variance * variance),
        (bdd - d2 * d2 / variance) / (2.0 * variance * deviation),
        (bb - 2.0 * bdd / variance + d2 * d2 / (variance * variance)) / (4.0 * deviation),
        mean_time,
        ud / deviation,
        udd / variance,
        uu,
        first_time,
        last_time,
        growth,
        n_live,
        carry,
    )


@kernel
def unit_constants_evenly(first_time: float, spacing: float, n_live: int) -> UnitConstants:
    """Constants of ``n_live`` equally weighted fixings at first_time + j spacing, first_time > 0: polynomials in n, O(1).

    The polynomials are exact (rational interpolation of the double sums); tests/unit/test_fixings.py holds them against
    the sums themselves. Cost: 20 ns.
    """
    n = float(n_live)
    n2 = n * n
    scale = n2 - 1.0  # every central moment vanishes for a single fixing
    h = spacing
    d2 = h * h * scale * (4.0 * n2 - 1.0) / (180.0 * n2)
    d3 = h * h * h * scale * ((17.0 - 4.0 * n2) * n2 - 4.0) / (1890.0 * n2 * n)
    d4 = h * h * h * h * scale * (((16.0 * n2 - 72.0) * n2 + 117.0) * n2 - 25.0) / (15120.0 * n2 * n2)
    bb = h * h * scale * (2.0 * n2 + 7.0) / (180.0 * n2)
    bdd = h * h * h * scale * ((16.0 * n2 + 16.0) * n2 - 5.0) / (7560.0 * n2 * n)
    ud = h * h * scale / 24.0
    udd = h * h * h * scale * (4.0 - n2) / (360.0 * n)
    uu = h * h * scale / 12.0
    variance = first_time + h * (n - 1.0) * (2.0 * n - 1.0) / (6.0 * n)
    mean_time = first_time + 0.5 * h * (n - 1.0)
    return assembled(
        variance, n, (d2, d3, d4, bb, bdd, ud, udd, uu), mean_time, first_time, first_time + h * (n - 1.0), n, 0.0
    )


@kernel
def unit_constants_weighted(first_time: float, spacing: float, n_live: int, carry: float) -> UnitConstants:
    """Constants of fixings weighted by exp(carry t): prefix sums, O(n)."""
    growth = 0.0
    mean_u = 0.0  # times are u_j = j spacing after first_time
    for j in range(n_live):
        weight = math.exp(carry * (first_time + spacing * j))
        growth += weight
        mean_u += weight * spacing * j
    mean_u /= growth

    # c_j - first_time = sum_l w_l min(u_l, u_j): below j the times themselves, above j the weight that is left.
    c = 0.0
    variance_u = 0.0
    squares = 0.0
    min_squares = 0.0
    weight_left = 1.0
    for j in range(n_live):
        weight = math.exp(carry * (first_time + spacing * j)) / growth
        weight_left -= weight
        u = spacing * j
        variance_u += weight * c
        squares += weight * c * c
        min_squares += weight * u * u * (weight + 2.0 * weight_left)
        c += spacing * weight_left
    bb = min_squares - 2.0 * squares + variance_u * variance_u

    c = 0.0
    weight_left = 1.0
    d2 = 0.0
    d3 = 0.0
    d4 = 0.0
    ud = 0.0
    udd = 0.0
    uu = 0.0
    bdd = 0.0
    delta_left = 0.0  # sum over l > j of w_l delta_l, through sum w delta = 0
    for j in range(n_live):
        weight = math.exp(carry * (first_time + spacing * j)) / growth
        weight_left -= weight
        delta = c - variance_u
        u = spacing * j - mean_u
        delta_left -= weight * delta
        bdd += weight * delta * (spacing * j) * (weight * delta + 2.0 * delta_left)
        d2 += weight * delta * delta
        d3 += weight * delta * delta * delta
        d4 += weight * delta * delta * delta * delta
        ud += weight * u * delta
        udd += weight * u * delta * delta
        uu += weight * u * u
        c += spacing * weight_left
    return assembled(
        first_time + variance_u,
        growth,
        (d2, d3, d4, bb, bdd, ud, udd, uu),
        first_time + mean_u,
        first_time,
        first_time + spacing * (n_live - 1),
        float(n_live),
        carry,
    )


@kernel
def unit_constants(first_time: float, spacing: float, n_live: int, carry: float) -> UnitConstants:
    """Constants of the live fixings; ``first_time`` > 0 and ``spacing`` in years, ``n_live`` >= 1."""
    if carry == 0.0:
        return unit_constants_evenly(first_time, spacing, n_live)
    return unit_constants_weighted(first_time, spacing, n_live, carry)
