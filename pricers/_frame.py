"""The live fixings as a QMC engine sees them: few nodes instead of all fixings, and the directions of their movement.

**Nodes.** Whatever is averaged over the fixings is a smooth function of the fixing's number (exponentials of low polynomials),
so the mean over n fixings is a Gauss rule for n equally spaced points: its nodes are the zeros of the Gram polynomial of degree
q, it is exact for polynomials up to degree 2q - 1, and for n <= q it is the sum itself.

**Directions.** With p_k the orthonormal Gram polynomials of the fixing's number, Y_k = mean_i p_k(i) W(t_i) are Gaussian. Y_0 is
the geometric direction, of variance V, which is integrated exactly. Given it, Y_1 .. Y_d have covariance K, and

    W_i = c_i / sqrt(V) X + sum_k l_k(i) Z_k + rest_i,     rest independent of X and Z and uncorrelated with Y_0 .. Y_d.

Their loadings are polynomials of degree k + 2, known in closed form, for d = 3 they leave 0.8 .. 2.4 % of the squared residual
covariance (principal components: 0.7 .. 1.8 %), and what they leave does not see the bend of c_i at all. For Brownian motion on an
even grid, with N fixings h apart and t_1 ahead,

    Cov(Y_k, Y_k)   = h (N² + k² + k - 1) / (2 N (2k - 1)(2k + 3))
    Cov(Y_k, Y_k+2) = -h/(4N) sqrt((N² - (k+1)²)(N² - (k+2)²) / ((4(k+1)² - 1)(4(k+2)² - 1)))        (k >= 0)
    Cov(Y_0, Y_1)   = h sqrt(3 (N² - 1)) / 12,      V = t_1 + h (N - 1)(2N - 1) / (6N),      all others 0.

tests/unit/test_qmc_parts.py holds all of it against the covariance matrix itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pricers._fixings import unit_constants_evenly
from pricers._jit import kernel
from pricers._loadings import MAX_DIMENSIONS, Floats, cholesky, covariance, loadings, recurrence, squares_left

MAX_NODES = 40
FEW_NODES = 8  # exact for products of two loadings of up to four directions
ALL_UP_TO = 16  # with few nodes: so many fixings are summed themselves
N_ROWS = 4  # weight, time, a, |l|²; the loadings follow
WEIGHT, TIME, LOADING, SQUARES = range(N_ROWS)


class Frame(NamedTuple):
    """Nodes and directions of the live fixings at volatility 1; times in years."""

    rows: Floats  # (N_ROWS + n_dimensions, >= n_nodes)
    n_nodes: int
    n_dimensions: int
    deviation: float  # sqrt(V)
    width: float  # sqrt(t_N - t_1)
    rest1: float  # A1 and A2 (pricers._fixings) of what the directions leave
    rest2: float
    lead1: float  # the same of what the direction X leaves
    lead2: float
    last_time: float


@kernel
def zeros(n: int, n_nodes: int, nodes: Floats) -> None:
    """Zeros of the Gram polynomial of degree ``n_nodes``, ascending, counted from the middle, by Newton with deflation.

    Starts from the Legendre polynomial's zeros, which are near enough for n > n_nodes²/6 (measured up to degree 40).
    """
    alpha = np.empty(MAX_NODES + 1)
    for k in range(1, n_nodes + 1):
        a = recurrence(k, float(n))
        alpha[k] = a * a
    half = n_nodes // 2
    if n_nodes % 2 == 1:
        nodes[half] = 0.0
    for j in range(half):
        guess = math.cos(math.pi * (j + 0.75) / (n_nodes + 0.5))
        y = 0.5 * math.sqrt(float(n * n) - 0.4 * n_nodes * n_nodes) * guess
        for _ in range(30):
            p0, p1, d0, d1 = 1.0, y, 0.0, 1.0
            for k in range(1, n_nodes):
                p0, p1, d0, d1 = p1, y * p1 - alpha[k] * p0, d1, p1 + y * d1 - alpha[k] * d0
            # The zeros already found, and their mirror images, are divided out.
            ratio = d1 / p1
            for i in range(j):
                ratio -= 2.0 * y / (y * y - nodes[i] * nodes[i])
            if n_nodes % 2 == 1:
                ratio -= 1.0 / y
            step = 1.0 / ratio
            y -= step
            if abs(step) <= 1e-15 * n:
                break
        nodes[j] = -abs(y)
        nodes[n_nodes - 1 - j] = abs(y)


@kernel
def frame(
    first_time: float, spacing: float, n_live: int, carry: float, n_dimensions: int, max_nodes: int, rows: Floats
) -> Frame:
    """Frame of ``n_live`` >= 1 fixings at first_time + j spacing (years, > 0) weighted by exp(carry t), in at most ``max_nodes``.

    ``rows`` (>= N_ROWS + n_dimensions, >= max_nodes) is filled. Cost: 1 us for 8 nodes.
    """
    n = float(n_live)
    d = min(n_dimensions, n_live - 1)
    nodes = np.empty(MAX_NODES)
    q = min(max_nodes, int(math.sqrt(6.0 * n)))
    if n_live <= (ALL_UP_TO if max_nodes <= FEW_NODES else MAX_NODES):
        q = n_live
        for i in range(q):
            nodes[i] = i - 0.5 * (n - 1.0)
    else:
        zeros(n_live, q, nodes)
    k_matrix = np.empty((MAX_DIMENSIONS + 3, MAX_DIMENSIONS + 3))
    lower = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS))
    variance = covariance(first_time, spacing, n, d + 2, k_matrix)
    deviation = math.sqrt(variance)
    cholesky(k_matrix, d, lower)
    coefficients = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS + 2))
    loadings(k_matrix, lower, d, coefficients)
    unit = unit_constants_evenly(first_time, spacing, n_live)
    rest1 = 0.0
    rest2 = 0.0
    if d < n_live - 1:
        left, first = squares_left(4.0 * deviation * unit.a2, k_matrix, lower, d)
        rest2 = left / (4.0 * deviation)
        if d == 1:
            rest1 = k_matrix[0, 2] * k_matrix[0, 2] / variance * first / (2.0 * deviation)
    gram = np.empty(MAX_NODES + 1)
    total = 0.0
    for i in range(q):
        y = nodes[i]
        gram[0] = 1.0
        squares = 1.0
        before = 0.0
        alpha_before = 0.0
        for k in range(1, max(q, d + 3)):
            if k >= n_live:
                gram[k] = 0.0
                continue
            alpha = recurrence(k, n)
            gram[k] = (y * gram[k - 1] - alpha_before * before) / alpha
            before = gram[k - 1]
            alpha_before = alpha
            if k < q:
                squares += gram[k] * gram[k]
        time = first_time + spacing * (y + 0.5 * (n - 1.0))
        rows[WEIGHT, i] = math.exp(carry * (time - first_time)) / squares if carry != 0.0 else 1.0 / squares
        total += rows[WEIGHT, i]
        rows[TIME, i] = time
        c = variance
        if n_live > 1:
            c += k_matrix[0, 1] * gram[1]
        if n_live > 2:
            c += k_matrix[0, 2] * gram[2]
        rows[LOADING, i] = c / deviation
        square = 0.0
        for k in range(d):
            load = 0.0
            for j in range(min(d + 2, n_live - 1)):
                load += coefficients[k, j] * gram[j + 1]
            rows[N_ROWS + k, i] = load
            square += load * load
        rows[SQUARES, i] = square
    for i in range(q):
        rows[WEIGHT, i] /= total
    last_time = first_time + spacing * (n - 1.0)
    return Frame(rows, q, d, deviation, math.sqrt(spacing * (n - 1.0)), rest1, rest2, unit.a1, unit.a2, last_time)
