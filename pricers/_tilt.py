"""The frame of one strike: the direction in which its exercise is decided, for wide averages.

The geometric direction weighs all fixings alike. Where the average is exercised the late ones have moved, and with
them their share in it: along the direction's mean path at the boundary x,

    g_i = w_i E[S_i | X = x] / E[M | X = x].

The direction X' = sum_i g_i W(t_i) sees every movement of the average there to first order, so that what the residual draws and
the directions left out do to it is of second order, however far from the money the strike lies (with the geometric direction
it grows with x²). Any direction makes a price exact; this one leaves the draws a fifth of the gap at two deviations.

In Gram polynomials (pricers._frame) g is a short series of ``degree``, so X' is a combination of Y_0 .. Y_degree, and everything
is small matrices: c' = K g, K' = K - c' c'^T / V', loadings from the Cholesky factor of K'[1..d, 1..d]. What d directions
leave enters by the variance of the average to fourth order of sigma, with the tilted weights, G = mean of g p_j p_k:

    Var(M | X' = x, rest) = sigma⁴ m² / 2 · (tr G K' G K' - tr G T G T),     T what the directions explain;

beyond the polynomials that the nodes integrate g is as good as constant, and the sum is the geometric direction's own.
"""

from __future__ import annotations

import math

import numpy as np

from pricers._fixings import unit_constants_evenly
from pricers._frame import LOADING, MAX_NODES, N_ROWS, SQUARES, TIME, WEIGHT, Frame
from pricers._jit import kernel
from pricers._loadings import MAX_DIMENSIONS, Floats, cholesky, own_covariance, principal, recurrence
from pricers._lower import boundary_x, mean_at

FARTHEST_TILT = 3.0  # deviations: beyond, nothing is worth a direction of its own, and g would want more polynomials
N_TILTS = 2  # the second follows the boundary that the first has moved


@kernel
def polynomials(first_time: float, spacing: float, n: float, f: Frame, gram: Floats) -> None:
    """Orthonormal Gram polynomials at the nodes: ``gram``[k, i], k from 0 to its last row."""
    for i in range(f.n_nodes):
        y = (f.rows[TIME, i] - first_time) / spacing - 0.5 * (n - 1.0)
        before = 0.0
        alpha_before = 0.0
        gram[0, i] = 1.0
        for k in range(1, gram.shape[0]):
            alpha = recurrence(k, n)
            gram[k, i] = (y * gram[k - 1, i] - alpha_before * before) / alpha
            before = gram[k - 1, i]
            alpha_before = alpha


@kernel
def turn(f: Frame, degree: int, shares: Floats, kk: Floats, gram: Floats, c: Floats) -> float:
    """Turn to g of ``shares`` (g_i at the nodes): c' = K g into ``c``, loadings a into the frame's rows. Returns sqrt(V')."""
    size = c.size
    variance = 0.0
    for j in range(size):
        c[j] = 0.0
    for k in range(degree + 1):
        g = 0.0
        for i in range(f.n_nodes):
            g += shares[i] * gram[k, i]
        for j in range(size):
            c[j] += kk[j, k] * g
    for k in range(degree + 1):
        for i in range(f.n_nodes):
            variance += c[k] * shares[i] * gram[k, i]
    deviation = math.sqrt(variance)
    for i in range(f.n_nodes):
        f.rows[LOADING, i] = 0.0
    for j in range(size):
        for i in range(f.n_nodes):
            f.rows[LOADING, i] += c[j] / deviation * gram[j, i]
    return deviation


@kernel
def shares_at(log_k: float, sigma: float, share: float, f: Frame, shares: Floats) -> tuple[float, float, float]:
    """g_i at the boundary (at most ``FARTHEST_TILT`` away) into ``shares``; that x, M there and its slope."""
    x = boundary_x(log_k, sigma, share, f, shares)
    x = min(max(x, -FARTHEST_TILT), FARTHEST_TILT)
    m, slope = mean_at(x, sigma, share, f, shares)
    for i in range(f.n_nodes):
        shares[i] /= m
    return x, m, slope


@kernel
def draw_loadings(sigma: float, f: Frame, shares: Floats, kk: Floats, c: Floats, gram: Floats) -> float:
    """Loadings of the frame's directions into its rows, orthogonal under the shares. Returns tr G T G T + 2 g T g / sigma²."""
    d = f.n_dimensions
    k_given = np.empty((MAX_DIMENSIONS + 1, MAX_NODES))
    for k in range(1, d + 1):
        for j in range(c.size):
            k_given[k, j] = kk[k, j] - c[k] * c[j] / (f.deviation * f.deviation)
    lower = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS))
    cholesky(k_given, d, lower)
    loads = np.zeros((MAX_DIMENSIONS, MAX_NODES))
    for k in range(d):
        if not lower[k, k] > 0.0:
            continue
        for j in range(c.size):
            for i in range(f.n_nodes):
                loads[k, i] += k_given[k + 1, j] * gram[j, i]
        for m in range(k):
            for i in range(f.n_nodes):
                loads[k, i] -= lower[k, m] * loads[m, i]
        for i in range(f.n_nodes):
            loads[k, i] /= lower[k, k]
    products = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS))
    vectors = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS))
    taken = 0.0
    for k in range(d):
        mean = 0.0
        for i in range(f.n_nodes):
            mean += shares[i] * loads[k, i]
        taken += 2.0 / (sigma * sigma) * mean * mean
        for m in range(d):
            product = 0.0
            for i in range(f.n_nodes):
                product += shares[i] * loads[k, i] * loads[m, i]
            products[k, m] = product
            taken += product * product
    principal(products, d, vectors)
    for i in range(f.n_nodes):
        f.rows[SQUARES, i] = 0.0
    for k in range(d):
        for i in range(f.n_nodes):
            load = 0.0
            for m in range(d):
                load += vectors[m, k] * loads[m, i]
            f.rows[N_ROWS + k, i] = load
            f.rows[SQUARES, i] += load * load
    return taken


@kernel
def squares_of(sigma: float, f: Frame, shares: Floats, kk: Floats, gram: Floats) -> float:
    """tr G K' G K' over the polynomials at hand, and what g's own beyond ``degree`` adds: 2 g K' g / sigma².

    Both are sums over pairs of nodes of their covariance given X', whose own part (of X') is a_i a_j.
    """
    total = 0.0
    moved = np.empty(gram.shape[0])
    for i in range(f.n_nodes):
        for j in range(moved.size):
            moved[j] = 0.0
            for k in range(moved.size):
                moved[j] += kk[j, k] * gram[k, i]
        for m in range(f.n_nodes):
            own = -f.rows[LOADING, i] * f.rows[LOADING, m]
            for j in range(moved.size):
                own += moved[j] * gram[j, m]
            total += shares[i] * shares[m] * own * (own + 2.0 / (sigma * sigma))
    return total


@kernel
def squares_beyond(first_time: float, spacing: float, n_live: int, size: int, kk: Floats) -> float:
    """Sum of squares of the geometric direction's K beyond the first ``size`` polynomials."""
    unit = unit_constants_evenly(first_time, spacing, n_live)
    total = 4.0 * math.sqrt(kk[0, 0]) * unit.a2
    for j in range(1, size):
        for k in range(1, size):
            own = kk[j, k] - kk[0, j] * kk[0, k] / kk[0, 0]
            total -= own * own
    return max(total, 0.0)


@kernel
def tilted(
    log_k: float, sigma: float, share: float, degree: int, f: Frame, first_time: float, spacing: float, n_live: int
) -> Frame:
    """The frame ``f`` of n_live >= 2 fixings, turned to the strike's direction; ``f.rows`` are overwritten. Cost: 20 us.

    ``degree`` of g, at most the frame's directions and ``n_live`` - 1: frames of one degree have one direction X'.
    """
    n = float(n_live)
    q = f.n_nodes
    size = n_live if n_live <= q else q - 2  # two more would not be integrated exactly, with g, by the nodes
    gram = np.zeros((size, q))
    polynomials(first_time, spacing, n, f, gram)
    kk = np.empty((MAX_NODES + 1, MAX_NODES + 1))
    own_covariance(first_time, spacing, n, size - 1, kk)
    c = np.empty(size)
    shares = np.empty(MAX_NODES)
    degree = min(degree, size - 1)
    deviation = f.deviation
    for step in range(N_TILTS + 1):
        f = Frame(f.rows, q, f.n_dimensions, deviation, f.width, 0.0, 0.0, f.lead1, f.lead2, f.last_time)
        x, m, slope = shares_at(log_k, sigma, share, f, shares)
        if step < N_TILTS:
            deviation = turn(f, degree, shares, kk, gram, c)
    taken = draw_loadings(sigma, f, shares, kk, c, gram)
    if f.n_dimensions >= n_live - 1:
        return f
    squares = squares_of(sigma, f, shares, kk, gram) - taken
    if size < n_live:
        mean_square = 0.0
        for k in range(degree + 1):
            g = 0.0
            for i in range(q):
                g += shares[i] * gram[k, i]
            mean_square += g * g
        squares += mean_square * squares_beyond(first_time, spacing, n_live, size, kk)
    # Half the variance times the density of M at the boundary, sigma⁴ m² squares / 4 · phi(x) / M_x, as
    # sigma³ phi(x - sigma sqrt(V')) A2 (pricers._linear.residual), under the share measure per exp(sigma² mean time).
    y = x - sigma * f.deviation
    scale = 0.25 * sigma * m * m / slope * math.exp(0.5 * (y * y - x * x))
    if share > 0.0:
        time = 0.0
        for i in range(q):
            time += f.rows[WEIGHT, i] * f.rows[TIME, i]
        scale *= math.exp(-sigma * sigma * time)
    return Frame(
        f.rows, q, f.n_dimensions, f.deviation, f.width, 0.0, scale * max(squares, 0.0), f.lead1, f.lead2, f.last_time
    )  # fmt: skip
