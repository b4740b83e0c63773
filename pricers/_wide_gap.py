"""What the residual draws add to the lower bound where the average is too wide for a Taylor series about its boundary.

The same e(k, sigma) as pricers._gap, made draw by draw without any series. Given the residual draw Z the average is

    M(x, Z) = sum_i W_i exp(sigma a_i x - sigma² a_i² / 2),     W_i = w_i exp(sigma l_i·Z - sigma² |l_i|² / 2),

with one boundary x_Z, M(x_Z, Z) = k, so that the draw's option is a sum of normal distributions, as the lower bound is:

    f_Z = ±( sum_i W_i N(±(sigma a_i - x_Z)) - k N(∓x_Z) )

of the out-of-the-money side; e is its mean less the lower bound. The boundary is optimal, so derivatives see it to first order
only where they are of second order.
"""

from __future__ import annotations

import math

import numpy as np

from pricers._exp import fast_exp
from pricers._frame import LOADING, MAX_NODES, SQUARES, WEIGHT, Frame
from pricers._gap import BLOCK, N_OUT, Gap, Scratch, error_of
from pricers._jit import kernel
from pricers._loadings import Floats
from pricers._lower import Bars
from pricers._normal import density, distribution
from pricers._points import Points

MAX_STEPS = 60


@kernel
def boundary_of(start: float, k: float, sigma: float, f: Frame, weights: Floats) -> float:
    """The x where the weighted nodes average to k: Newton on the logarithm, which is convex."""
    log_k = math.log(k)
    x = start
    for _ in range(MAX_STEPS):
        total = 0.0
        slope = 0.0
        for i in range(f.n_nodes):
            a = sigma * f.rows[LOADING, i]
            own = weights[i] * fast_exp(a * (x - 0.5 * a))
            total += own
            slope += own * a
        step = (math.log(total) - log_k) * total / slope
        x -= step
        if abs(step) <= 1e-10 * (1.0 + abs(x)):
            break
    return x


@kernel
def one_draw(
    x: float,
    k: float,
    side: float,
    sigma: float,
    f: Frame,
    weights: Floats,
    moves: Floats,
    squares: Floats,
    out: Floats,
) -> None:
    """f and its derivatives (the fields of Gap but the last) at the draw's boundary x into ``out``.

    W_i(sigma) = ``weights``[i] = w_i exp(sigma ``moves``[i] - sigma² ``squares``[i] / 2).
    """
    value = -k * distribution(-side * x)
    vega = 0.0
    bend = 0.0
    phi = density(x)
    slope = 0.0
    slope2 = 0.0
    lift = 0.0
    pull = 0.0
    mixed = 0.0
    for i in range(f.n_nodes):
        a = f.rows[LOADING, i]
        rate = moves[i] - sigma * squares[i]  # d ln W / d sigma
        tail = weights[i] * distribution(side * (sigma * a - x))
        value += tail
        vega += rate * tail
        bend += (rate * rate - squares[i]) * tail
        own = weights[i] * fast_exp(sigma * a * (x - 0.5 * sigma * a))
        slope += own * sigma * a
        slope2 += own * sigma * a * sigma * a
        lift += own * (rate + a * (x - sigma * a))
        pull += own * a
        mixed += own * a * (2.0 * rate + a * (x - sigma * a))
    k2 = phi / slope
    out[0] = side * value
    out[1] = -side * distribution(-side * x)
    out[2] = k2
    out[3] = -k2 / slope * (x + slope2 / slope)
    out[4] = side * vega + phi * pull
    out[5] = -k2 * lift
    out[6] = side * bend + phi * mixed + k2 * lift * lift


@kernel
def wide_gap(b: Bars, sigma: float, f: Frame, points: Points, s: Scratch) -> Gap:
    """The gap at the boundary of ``b`` (``s.loads`` are those of f), pricing measure. Cost: 0.8 us a draw."""
    side = 1.0 if b.x > 0.0 else -1.0
    weights = np.empty(MAX_NODES)
    moves = np.zeros(MAX_NODES)
    squares = np.zeros(MAX_NODES)
    low = np.empty(N_OUT)
    one = np.empty(N_OUT)
    total = np.zeros(N_OUT)
    # The bound is the draw that does not move, of nodes without variance.
    for i in range(f.n_nodes):
        weights[i] = f.rows[WEIGHT, i]
    one_draw(b.x, b.m, side, sigma, f, weights, moves, squares, low)
    for i in range(f.n_nodes):
        squares[i] = f.rows[SQUARES, i]
    for p in range(points.z.shape[1]):
        first = p // BLOCK * BLOCK
        for i in range(f.n_nodes):
            moves[i] = s.loads[first * f.n_nodes + i * BLOCK + p - first]
            weights[i] = f.rows[WEIGHT, i] * fast_exp(sigma * (moves[i] - 0.5 * sigma * squares[i]))
        one_draw(boundary_of(b.x, b.m, sigma, f, weights), b.m, side, sigma, f, weights, moves, squares, one)
        for r in range(N_OUT):
            total[r] += points.weights[p] * (one[r] - low[r])
        s.e[p] = one[0] - low[0]
    return Gap(total[0], total[1], total[2], total[3], total[4], total[5], total[6], error_of(s.e, points))
