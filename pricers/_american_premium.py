"""Value of an American put from its exercise boundary: the European price and the income of exercising early.

Strike 1; s is the underlying's price, above the boundary now.  Kim's representation, with u the time from now,

    V = p(s) + int_0^T r e^(-r u) Phi(-d-) - q s e^(-q u) Phi(-d+) du,     d-+ of ln(s / B(T - u)) over u,

with u = T sin^2(theta) and Gauss-Legendre on panels that halve towards theta = 0, where the integrand of the gamma lives when s
is near the boundary.  Derivatives to s and to the parameters are taken under the integral; those to sigma, r and q carry the
boundary's own.  With w = 1/(sigma sqrt(u)), b = ln B and a stroke for d/dsigma, all of them follow from

    d-' = -d+/sigma - w b',     d+' = -d-/sigma - w b',     s e^(-q u) phi(d+) = B e^(-r u) phi(d-).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pricers._american_boundary import FLOOR, Grid, Market
from pricers._jit import kernel
from pricers._normal import density, distribution

Floats = npt.NDArray[np.float64]

PRICE, DELTA, GAMMA, VEGA, BY_RATE, BY_YIELD, PREMIUM, SPEED, VANNA, VOLGA = range(10)
N_VALUES = 10
N_CURVES = 5
"""H at the nodes; its derivatives to sigma, rate and yield; its second one to sigma."""
N_PANELS_MAX = 48
NEGLIGIBLE = 39.0
"""The density is zero beyond this many deviations."""


@kernel
def interpolate(where: float, grid: Grid, curves: Floats, found: Floats) -> None:
    """The curves at x = where, 0 < where <= 1; each is 0 at 0 and ``curves[c, j]`` at node j."""
    n = grid.nodes.size
    total = grid.barycentric[0] / where
    found[:] = 0.0
    for j in range(n):
        gap = where - grid.nodes[j]
        if gap == 0.0:
            for c in range(N_CURVES):
                found[c] = curves[c, j]
            return
        weight = grid.barycentric[j + 1] / gap
        total += weight
        for c in range(N_CURVES):
            found[c] += weight * curves[c, j]
    for c in range(N_CURVES):
        found[c] /= total


@kernel
def european_put(s: float, market: Market, values: Floats) -> None:
    """Black-Scholes put of strike 1 and its derivatives, in the columns of this module."""
    expiry, sigma, rate, dividend, _ = market
    root = math.sqrt(expiry)
    plus = (math.log(s) + (rate - dividend + 0.5 * sigma * sigma) * expiry) / (sigma * root)
    discount, growth = math.exp(-rate * expiry), math.exp(-dividend * expiry)
    at_strike, at_spot = discount * distribution(sigma * root - plus), s * growth * distribution(-plus)
    point = growth * density(plus)
    values[PRICE] = at_strike - at_spot
    values[DELTA] = -at_spot / s
    values[GAMMA] = point / (s * sigma * root)
    minus = plus - sigma * root
    values[VEGA] = s * point * root
    values[SPEED] = -values[GAMMA] / s * (1.0 + plus / (sigma * root))
    values[VANNA] = -point * minus / sigma
    values[VOLGA] = values[VEGA] * plus * minus / sigma
    values[BY_RATE] = -expiry * at_strike
    values[BY_YIELD] = expiry * at_spot
    values[PREMIUM] = 0.0


@kernel
def add_vol_terms(
    s: float,
    sigma: float,
    rate: float,
    cost: float,
    deviation: float,
    minus: float,
    point: float,
    depth: float,
    found: Floats,
    values: Floats,
) -> None:
    """One moment's part of vanna and volga.  ``cost``: q B; ``point``: e^(-r u) phi(d-) with its weight; ``found``: the curves there."""
    plus = minus + deviation
    slope = -0.5 / depth * found[1]  # of ln B to sigma
    curve = slope * slope / depth - 0.5 / depth * found[4]
    move = slope / deviation
    minus1, plus1 = -plus / sigma - move, -minus / sigma - move
    both2 = (move - curve / deviation * sigma) / sigma
    minus2 = -plus1 / sigma + plus / (sigma * sigma) + both2
    plus2 = -minus1 / sigma + minus / (sigma * sigma) + both2
    mass = point / deviation
    mass1 = -mass * (minus * minus1 + 1.0 / sigma)
    values[VANNA] += (mass * cost * slope - mass1 * (rate - cost) + cost * point * plus1) / s
    values[VOLGA] += point * (rate * (minus * minus1 * minus1 - minus2) - cost * (plus * plus1 * plus1 - plus2))


@kernel
def add_premium(
    s: float,
    market: Market,
    limit_by_rate: float,
    limit_by_yield: float,
    grid: Grid,
    curves: Floats,
    panel: Floats,
    found: Floats,
    values: Floats,
) -> None:
    """Add the early exercise premium and its derivatives to ``values``.

    ``curves`` (5, n): H and its derivatives at the nodes.  ``limit_by_``: derivatives of ln X.
    ``panel`` (2, m): Gauss-Legendre points in (0, 1) and weights.
    """
    expiry, sigma, rate, dividend, log_limit = market
    root = math.sqrt(expiry)
    log_s, last = math.log(s), grid.nodes.size - 1
    interpolate(1.0, grid, curves, found)
    distance = log_s - log_limit + math.sqrt(found[0])
    high = 0.5 * math.pi
    for _ in range(N_PANELS_MAX):
        if distance > NEGLIGIBLE * sigma * root * math.sin(high):
            break
        low = 0.5 * high
        for k in range(panel.shape[1]):
            theta = low + (high - low) * panel[0, k]
            sine, cosine = math.sin(theta), math.cos(theta)
            root_u = root * sine
            u, deviation = root_u * root_u, sigma * root_u
            weight = 2.0 * expiry * sine * cosine * panel[1, k] * (high - low)
            interpolate(cosine, grid, curves, found)
            floor = FLOOR * cosine * cosine
            if not found[0] > floor * curves[0, last]:
                for c in range(N_CURVES):
                    found[c] = floor * curves[c, last]
            depth = math.sqrt(found[0])
            boundary = math.exp(log_limit - depth)
            minus = (log_s - log_limit + depth + (rate - dividend - 0.5 * sigma * sigma) * u) / deviation
            plus = minus + deviation
            discount, growth = weight * math.exp(-rate * u), weight * math.exp(-dividend * u)
            below, below_spot = discount * distribution(-minus), s * growth * distribution(-plus)
            point = discount * density(minus)
            mass = point / deviation
            income = rate - dividend * boundary
            values[PREMIUM] += rate * below - dividend * below_spot
            values[DELTA] -= mass * income / s + dividend * below_spot / s
            bend = mass * (income * (1.0 + minus / deviation) + dividend * boundary) / (s * s)
            values[GAMMA] += bend
            values[SPEED] += (mass * income / (deviation * deviation * s * s) - bend * (2.0 + minus / deviation)) / s
            moved = -0.5 / depth
            add_vol_terms(s, sigma, rate, dividend * boundary, deviation, minus, point, depth, found, values)
            values[VEGA] += (
                point * (rate * plus - dividend * boundary * minus) / sigma + mass * income * moved * found[1]
            )
            values[BY_RATE] += (
                below * (1.0 - rate * u)
                - point * root_u / sigma * income
                + mass * income * (moved * found[2] + limit_by_rate)
            )
            values[BY_YIELD] += (
                -below_spot * (1.0 - dividend * u)
                + point * root_u / sigma * income
                + mass * income * (moved * found[3] + limit_by_yield)
            )
        high = low
    values[PRICE] += values[PREMIUM]
