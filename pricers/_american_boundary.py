"""The exercise boundary of an American put by spectral collocation: Andersen, Lake and Offengenden (2016), solved by Newton.

Strike 1, rate r, yield q (the underlying drifts at r - q).  With tau the time left, s = tau - u the time to a later moment,
d-+ the Black arguments of ln(B(tau) / B(u)) over s and phi, Phi the normal density and distribution, smooth pasting says

    int_0^tau e^(-r s) phi(d-) (r - q B(u)) / (B(tau) sigma sqrt(s)) du
        = e^(-q tau) Phi(d+(tau, B(tau))) + q int_0^tau e^(-q s) Phi(d+) du,

which is the paper's system A with its equal terms cancelled.  The unknown is H = ln(B/X)^2 at Chebyshev nodes in x = sqrt(tau),
X = min(1, r/q) the boundary just before expiry, with H(0) = 0.  Two things are ours.  The substitution s = tau sin^2(theta)
makes the integrands smooth at both ends, and puts all quadrature points at fixed multiples of the nodes: the interpolation is
a constant matrix.  And the logarithm of the equation's ratio is solved by a full Newton iteration, whose Jacobian also gives
the boundary's derivatives to sigma, r and q by the implicit function theorem.

References: L. Andersen, M. Lake, D. Offengenden, "High-performance American option pricing", Journal of Computational Finance
20(1), 2016.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._jit import kernel, merged
from pricers._normal import density, distribution

Floats = npt.NDArray[np.float64]

CONVERGED = 1e-8
"""Norm of the residual below which a Newton step that no longer helps has met rounding, not a wrong branch."""
FINISHED = 1e-14
N_NEWTON_MAX = 30
SHORTEST_STEP = 2e-3
WORST = 1e300
FLOOR = 1e-2
"""Least H between nodes, in multiples of a boundary that goes like sqrt(tau): where q is little above r the boundary leaves X
late and steeply, and the interpolation swings below 0 before that, at times that weigh nothing."""
F, F_SIGMA, F_RATE, F_YIELD, F_LEVEL = range(5)


class Grid(NamedTuple):
    """Nodes and weights of one collocation; all are constants."""

    nodes: Floats
    """(n,): x / sqrt(expiry), ascending, the last is 1; x = 0 is not among them."""
    barycentric: Floats
    """(n + 1,): weights of the interpolation, that of x = 0 first."""
    sines: Floats
    """(m,): sin(theta) at the quadrature points."""
    cosines: Floats
    weights: Floats
    cardinal: Floats
    """(n, m, n): H at node i's quadrature point k is the sum over j of cardinal[i, k, j] H[j]."""


class Market(NamedTuple):
    """What the boundary depends on; the strike is 1."""

    expiry: float  # years
    sigma: float
    rate: float
    dividend: float  # yield q
    log_limit: float  # ln X


class Work(NamedTuple):
    """Arrays that a solution needs, made once per batch."""

    squares: Floats  # (n,) H
    trial: Floats  # (n,)
    columns: Floats  # (5, n): ln ratio, and its derivatives to sigma, rate, yield and ln X at H held
    jacobian: Floats  # (n, n)
    products: Floats  # (2, n)
    kept: Floats  # (n, n), the solution's Jacobian
    matrix: Floats  # (n, n), destroyed by each solution
    sides: Floats  # (3, n)


def grid(n_nodes: int, n_points: int) -> Grid:
    """Chebyshev extrema in [0, 1] with Gauss-Legendre points in theta on [0, pi/2]."""
    nodes = 0.5 * (1.0 - np.cos(np.pi * np.arange(n_nodes + 1) / n_nodes))
    nodes[-1] = 1.0
    barycentric: Floats = np.where(np.arange(n_nodes + 1) % 2 == 0, 1.0, -1.0)
    barycentric[0] *= 0.5
    barycentric[-1] *= 0.5
    points, weights = np.polynomial.legendre.leggauss(n_points)
    theta = (points + 1.0) * (np.pi / 4.0)
    where = nodes[1:, None] * np.cos(theta)[None, :]
    terms = barycentric / (where[..., None] - nodes)  # a cosine below 1 never meets a node exactly but by rounding
    cardinal: Floats = np.ascontiguousarray((terms / terms.sum(-1, keepdims=True))[..., 1:])
    scale: Floats = weights * (np.pi / 4.0)
    return Grid(nodes[1:].copy(), barycentric, np.sin(theta), np.cos(theta), scale, cardinal)


def work(n_nodes: int) -> Work:
    """Arrays for one grid."""
    n = n_nodes
    return Work(
        np.empty(n),
        np.empty(n),
        np.empty((5, n)),
        np.empty((n, n)),
        np.empty((2, n)),
        np.empty((n, n)),
        np.empty((n, n)),
        np.empty((3, n)),
    )


@kernel
def copy_rows(source: Floats, target: Floats) -> None:
    """``target[:, :] = source`` of one shape: as a loop, for numba takes five seconds to compile the error that the slices may raise."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@kernel
def eliminate(matrix: Floats, sides: Floats) -> bool:
    """Solve matrix x = side for each row of ``sides``, in place; False where the matrix is singular."""
    n, n_sides = matrix.shape[0], sides.shape[0]
    for i in range(n):
        pivot = i
        for row in range(i + 1, n):
            if abs(matrix[row, i]) > abs(matrix[pivot, i]):
                pivot = row
        if not abs(matrix[pivot, i]) > 0.0:
            return False
        if pivot != i:
            for column in range(i, n):
                matrix[i, column], matrix[pivot, column] = matrix[pivot, column], matrix[i, column]
            for side in range(n_sides):
                sides[side, i], sides[side, pivot] = sides[side, pivot], sides[side, i]
        for row in range(i + 1, n):
            ratio = matrix[row, i] / matrix[i, i]
            for column in range(i + 1, n):
                matrix[row, column] -= ratio * matrix[i, column]
            for side in range(n_sides):
                sides[side, row] -= ratio * sides[side, i]
    for side in range(n_sides):
        for i in range(n - 1, -1, -1):
            total = sides[side, i]
            for column in range(i + 1, n):
                total -= matrix[i, column] * sides[side, column]
            sides[side, i] = total / matrix[i, i]
    return True


@kernel
def equation(i: int, squares: Floats, market: Market, grid: Grid, work: Work) -> bool:
    """Fill row i of the logarithmic equation, its Jacobian and its derivatives; False where it has no value.

    ``a_`` is the left integral, ``b_`` the right one without its q, ``c_`` the European term; ``_s _r _q`` are derivatives to
    sigma, r and q, ``_here`` to ln B(tau) alone, and the rows of ``products`` to H through ln B(u).
    """
    expiry, sigma, rate, dividend, log_limit = market
    n, m = squares.size, grid.sines.size
    root = math.sqrt(expiry) * grid.nodes[i]
    tau = root * root
    depth = math.sqrt(squares[i])
    boundary = math.exp(log_limit - depth)
    a = a_s = a_r = a_q = a_here = kernel_sum = 0.0
    b = b_s = b_r = b_q = b_here = 0.0
    for j in range(n):
        work.products[0, j] = work.products[1, j] = 0.0
    for k in range(m):
        square = 0.0
        for j in range(n):
            square += grid.cardinal[i, k, j] * squares[j]
        floor = FLOOR * grid.cosines[k] * grid.cosines[k]
        is_low = not square > floor * squares[i]
        if is_low:
            square = floor * squares[i]
        depth_then = math.sqrt(square)
        then = math.exp(log_limit - depth_then)
        root_s = root * grid.sines[k]
        s = root_s * root_s
        deviation = sigma * root_s
        minus = (depth_then - depth + (rate - dividend - 0.5 * sigma * sigma) * s) / deviation
        plus = minus + deviation
        weight = 2.0 * tau * grid.sines[k] * grid.cosines[k] * grid.weights[k]
        mass = weight * math.exp(-rate * s) * density(minus) / (boundary * deviation)
        flow = mass * (rate - dividend * then)
        discount = weight * math.exp(-dividend * s)
        point, tail = discount * density(plus), discount * distribution(plus)
        slope = minus / deviation
        kernel_sum += mass
        a += flow
        a_s += flow * (minus * plus - 1.0) / sigma
        a_r += mass - s * flow - flow * minus * root_s / sigma
        a_q += flow * minus * root_s / sigma - mass * then
        a_here -= flow + flow * slope
        b += tail
        b_s -= point * minus / sigma
        b_r += point * root_s / sigma
        b_q -= s * tail + point * root_s / sigma
        b_here += point / deviation
        to_square = -0.5 / depth_then
        a_then = (flow * slope - mass * dividend * then) * to_square
        b_then = -point / deviation * to_square
        if is_low:
            work.products[0, i] += a_then * floor
            work.products[1, i] += b_then * floor
        else:
            for j in range(n):
                work.products[0, j] += a_then * grid.cardinal[i, k, j]
                work.products[1, j] += b_then * grid.cardinal[i, k, j]
    deviation = sigma * root
    plus = (log_limit - depth + (rate - dividend + 0.5 * sigma * sigma) * tau) / deviation
    discount = math.exp(-dividend * tau)
    point, c = discount * density(plus), discount * distribution(plus)
    # A negative yield's integral goes to the left side: both sides stay positive.
    left, right, to_left = (a, c + dividend * b, 0.0) if dividend >= 0.0 else (a - dividend * b, c, dividend)
    to_right = dividend - to_left
    held = to_left / left + to_right / right  # factor of every derivative of b
    extra = b * (1.0 / right if dividend >= 0.0 else 1.0 / left)  # derivative of the q in front of b
    work.columns[F, i] = math.log(left / right)
    work.columns[F_SIGMA, i] = a_s / left - held * b_s + point * (plus - deviation) / (sigma * right)
    work.columns[F_RATE, i] = a_r / left - held * b_r - point * root / (sigma * right)
    work.columns[F_YIELD, i] = a_q / left - held * b_q - extra + (tau * c + point * root / sigma) / right
    work.columns[F_LEVEL, i] = -rate * kernel_sum / left - point / (deviation * right)
    for j in range(n):
        work.jacobian[i, j] = work.products[0, j] / left - held * work.products[1, j]
    work.jacobian[i, i] += (a_here / left - held * b_here - point / (deviation * right)) * (-0.5 / depth)
    return math.isfinite(work.columns[F, i])


@kernel
def residual(squares: Floats, market: Market, grid: Grid, work: Work) -> float:
    """Norm of the logarithmic equations at H; fills ``columns`` and ``jacobian``.  ``WORST`` where H is not feasible."""
    total = 0.0
    for i in range(squares.size):
        if not squares[i] > 0.0 or not equation(i, squares, market, grid, work):
            return WORST
        total += work.columns[F, i] * work.columns[F, i]
    return math.sqrt(total)


@kernel
def start(steepness: float, market: Market, grid: Grid, squares: Floats) -> None:
    """First guess: ln(X/B) = z / (1 + z / its perpetual value), z = steepness sigma sqrt(tau)."""
    expiry, sigma, rate, dividend, log_limit = market
    variance = sigma * sigma
    middle = (rate - dividend) / variance - 0.5
    radius = math.sqrt(middle * middle + 2.0 * rate / variance)
    exponent = -middle - radius if middle >= 0.0 else -2.0 * rate / variance / (radius - middle)
    deepest = 700.0
    if exponent < 0.0:
        deepest = max(1e-8, log_limit - math.log(exponent / (exponent - 1.0)))
    for i in range(squares.size):
        z = steepness * sigma * math.sqrt(expiry) * grid.nodes[i]
        depth = z / (1.0 + z / deepest)
        squares[i] = depth * depth


@merged
def newton(market: Market, grid: Grid, work: Work) -> bool:
    """Damped Newton from ``work.squares``; whether it arrived, with ``columns`` and ``jacobian`` of the solution."""
    squares, trial = work.squares, work.trial
    norm = residual(squares, market, grid, work)
    if norm >= WORST:
        return False
    for _ in range(N_NEWTON_MAX):
        copy_rows(work.jacobian, work.matrix)
        for i in range(squares.size):
            work.sides[0, i] = work.columns[F, i]
        if not eliminate(work.matrix, work.sides[:1]):
            return False
        length = 1.0
        while True:
            for i in range(squares.size):
                trial[i] = min(max(squares[i] - length * work.sides[0, i], 0.1 * squares[i]), 10.0 * squares[i])
            found = residual(trial, market, grid, work)
            if found < norm * (1.0 - 0.1 * length):
                break
            if norm < CONVERGED:
                residual(squares, market, grid, work)
                return True
            length *= 0.5
            if length < SHORTEST_STEP:
                return False
        for i in range(squares.size):
            squares[i] = trial[i]
        norm = found
        if norm < FINISHED:
            return True
    return False


@kernel
def solve_boundary(market: Market, grid: Grid, work: Work) -> bool:
    """Find the boundary: ``work.squares`` is H at the nodes.  False where no start leads to a solution.

    0.64 sigma sqrt(tau) is the boundary's slope near expiry where q > r (0.638: Evans, Kuske and Keller, 2002); elsewhere the
    slope is sqrt(2 ln(1/tau)) like, and 2 is near enough.
    """
    above = market.dividend > market.rate
    for steepness in (0.64, 2.0, 1.2, 4.0) if above else (2.0, 1.0, 4.0, 0.64):
        start(steepness, market, grid, work.squares)
        if newton(market, grid, work):
            return True
    return False
