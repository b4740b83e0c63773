"""What the residual draws add to the lower bound: E[(M - k)^+] - E[(E[M|X] - k)^+] and its derivatives, narrow averages.

Per draw Z the average is M(x, Z) with one boundary x_Z, M(x_Z, Z) = k. Less the same integral with the boundary frozen at the
x of E[M|X = x] = k, whose mean is the lower bound, what is left is local,

    e(Z) = int from x_Z to x of (M(t, Z) - k) phi(t) dt,

small of second order, with no cancellation. Narrow: sigma sqrt(t_N - t_1) is small, so a Taylor series about x in delta =
x_Z - x reaches everything, and each node's exponential is taken once per draw. M's deviations from their means are centred over
the draws (their true mean is zero), so all that is linear in them vanishes: the "free control variate" of the greeks.

The arrays are blocks of ``BLOCK`` columns at constant distance, so that the compiler can see that loops over draws vectorise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pricers._exp import fast_exp
from pricers._frame import LOADING, MAX_NODES, N_ROWS, SQUARES, TIME, Frame
from pricers._jit import kernel
from pricers._loadings import Floats
from pricers._lower import Bars
from pricers._normal import density
from pricers._points import Points

BLOCK = 64
LANES = 8
N_SUMS = 6  # deviations of M, M_x, M_xx, M_sigma, M_x_sigma, M_sigma_sigma
N_OUT = 7
# Three Gauss-Legendre nodes on [0, 1].
LEGENDRE_LOW = 0.5 - math.sqrt(0.15)
LEGENDRE_HIGH = 0.5 + math.sqrt(0.15)


class Gap(NamedTuple):
    """e(k, sigma) and its derivatives (k-derivatives as they are), and the standard error of e."""

    e: float
    k1: float
    k2: float
    k3: float
    sigma1: float
    k1_sigma1: float
    sigma2: float
    error: float


class Scratch(NamedTuple):
    """Work space for ``n_blocks`` blocks of draws."""

    loads: Floats  # blocks of (nodes, BLOCK): movement of each node in each draw, at volatility 1
    sums: Floats  # blocks of (N_SUMS, BLOCK)
    out: Floats  # (N_OUT, BLOCK)
    e: Floats  # every draw's e
    means: Floats  # (MAX_NODES,)


@kernel
def scratch(n_points: int, n_nodes: int) -> Scratch:
    """Work space for so many draws and nodes."""
    n_blocks = (n_points + BLOCK - 1) // BLOCK
    return Scratch(
        np.empty(n_blocks * n_nodes * BLOCK),
        np.empty(n_blocks * N_SUMS * BLOCK),
        np.empty(N_OUT * BLOCK),
        np.empty(n_blocks * BLOCK),
        np.empty(MAX_NODES),
    )


@kernel
def project(f: Frame, z: Floats, loads: Floats) -> None:
    """sum_k l_k(i) z_k(p) of node i in draw p, into ``loads``."""
    n_points = z.shape[1]
    for first in range(0, n_points, BLOCK):
        n = min(BLOCK, n_points - first)
        for i in range(f.n_nodes):
            start = first * f.n_nodes + i * BLOCK
            for p in range(n):
                loads[start + p] = 0.0
            for k in range(f.n_dimensions):
                load = f.rows[N_ROWS + k, i]
                own = loads[start : start + n]
                draw = z[k, first : first + n]
                for p in range(n):
                    own[p] += load * draw[p]


@kernel
def add_node(n: int, sigma: float, square: float, w: Floats, load_of: Floats, acc: Floats) -> None:
    """One node's part in the deviations of ``n`` draws; ``w``: its weights."""
    w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
    drift = 0.5 * sigma * sigma * square
    pull = sigma * square
    twice = 2.0 * w3
    for p in range(n):
        load = load_of[p]
        e = fast_exp(sigma * load - drift) - 1.0
        r = load - pull
        q1 = r + e * r
        q2 = q1 * r - square * (1.0 + e)
        acc[p] += w0 * e
        acc[BLOCK + p] += w1 * e
        acc[2 * BLOCK + p] += w2 * e
        acc[3 * BLOCK + p] += w3 * e + w0 * q1
        acc[4 * BLOCK + p] += w4 * e + w1 * q1
        acc[5 * BLOCK + p] += w5 * e + twice * q1 + w0 * q2


@kernel
def deviations(b: Bars, sigma: float, share: float, f: Frame, n_points: int, s: Scratch) -> None:
    """Deviations of M's derivatives at x from their means, draw by draw, into ``s.sums``."""
    n_blocks = (n_points + BLOCK - 1) // BLOCK
    for p in range(n_blocks * N_SUMS * BLOCK):
        s.sums[p] = 0.0
    w = np.empty(N_SUMS)
    for i in range(f.n_nodes):
        a = f.rows[LOADING, i]
        t = 2.0 * share * f.rows[TIME, i]
        rate = a * (b.x - sigma * a) + sigma * t
        own = s.means[i]
        w[0] = own
        w[1] = own * sigma * a
        w[2] = own * sigma * a * sigma * a
        w[3] = own * rate
        w[4] = own * a * (1.0 + sigma * rate)
        w[5] = own * (rate * rate - a * a + t)
        for block in range(n_blocks):
            n = min(BLOCK, n_points - block * BLOCK)
            start = (block * f.n_nodes + i) * BLOCK
            acc = s.sums[block * N_SUMS * BLOCK : (block + 1) * N_SUMS * BLOCK]
            add_node(n, sigma, f.rows[SQUARES, i], w, s.loads[start : start + BLOCK], acc)


@kernel
def weighted_sum(n: int, values: Floats, weights: Floats) -> float:
    """sum of values times weights, in eight lanes: the same order of additions whatever the processor."""
    t0, t1, t2, t3, t4, t5, t6, t7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(0, n, LANES):
        v = values[p : p + LANES]
        w = weights[p : p + LANES]
        t0 += v[0] * w[0]
        t1 += v[1] * w[1]
        t2 += v[2] * w[2]
        t3 += v[3] * w[3]
        t4 += v[4] * w[4]
        t5 += v[5] * w[5]
        t6 += v[6] * w[6]
        t7 += v[7] * w[7]
    return ((t0 + t4) + (t2 + t6)) + ((t1 + t5) + (t3 + t7))


@kernel
def local_terms(n: int, first: int, b: Bars, centre: Floats, sums: Floats, out: Floats) -> None:
    """Each draw's e and its derivatives, over phi(x), into ``out``: Taylor series about x, Gauss-Legendre over the gap."""
    x = b.x
    c0, c1, c2, c3, c4, c5 = centre[0], centre[1], centre[2], centre[3], centre[4], centre[5]
    density_bar = 1.0 / b.x1
    bend_bar = -density_bar * density_bar * (x + b.x2 / b.x1)
    mixed_bar = b.s / b.x1
    vega_bar = b.s * mixed_bar
    half3 = 0.5 * b.x3
    sixth3 = b.x3 / 6.0
    sixth4 = b.x4 / 6.0
    small4 = b.x4 / 24.0
    half_s = 0.5 * b.x2_s
    for p in range(n):
        u = sums[first + p] - c0
        m1 = b.x1 + (sums[first + BLOCK + p] - c1)
        m2 = b.x2 + (sums[first + 2 * BLOCK + p] - c2)
        ms = b.s + (sums[first + 3 * BLOCK + p] - c3)
        ms1 = b.x1_s + (sums[first + 4 * BLOCK + p] - c4)
        mss = b.ss + (sums[first + 5 * BLOCK + p] - c5)
        half2 = 0.5 * m2
        d = -u / m1
        d -= (u + d * (m1 + d * (half2 + d * (sixth3 + d * small4)))) / (m1 + d * (m2 + d * (half3 + d * sixth4)))
        d -= (u + d * (m1 + d * (half2 + d * (sixth3 + d * small4)))) / (m1 + d * (m2 + d * (half3 + d * sixth4)))
        y1 = LEGENDRE_LOW * d
        y2 = 0.5 * d
        y3 = LEGENDRE_HIGH * d
        f1 = fast_exp(-y1 * (x + 0.5 * y1)) * (5.0 / 18.0)
        f2 = fast_exp(-y2 * (x + 0.5 * y2)) * (8.0 / 18.0)
        f3 = fast_exp(-y3 * (x + 0.5 * y3)) * (5.0 / 18.0)
        fd = fast_exp(-d * (x + 0.5 * d))
        e1 = u + y1 * (m1 + y1 * (half2 + y1 * (sixth3 + y1 * small4)))
        e2 = u + y2 * (m1 + y2 * (half2 + y2 * (sixth3 + y2 * small4)))
        e3 = u + y3 * (m1 + y3 * (half2 + y3 * (sixth3 + y3 * small4)))
        s1 = ms + y1 * (ms1 + y1 * half_s)
        s2 = ms + y2 * (ms1 + y2 * half_s)
        s3 = ms + y3 * (ms1 + y3 * half_s)
        q1 = mss + y1 * b.x1_ss
        q2 = mss + y2 * b.x1_ss
        q3 = mss + y3 * b.x1_ss
        end1 = 1.0 / (m1 + d * (m2 + d * (half3 + d * sixth4)))  # of M_x at the draw's boundary
        end2 = m2 + d * (b.x3 + 0.5 * d * b.x4)
        ends = ms + d * (ms1 + d * half_s)
        f = fd * end1
        out[p] = -d * (f1 * e1 + f2 * e2 + f3 * e3)
        out[BLOCK + p] = d * (f1 + f2 + f3)
        out[2 * BLOCK + p] = f - density_bar
        out[3 * BLOCK + p] = -f * end1 * (x + d + end2 * end1) - bend_bar
        out[4 * BLOCK + p] = -d * (f1 * s1 + f2 * s2 + f3 * s3)
        out[5 * BLOCK + p] = mixed_bar - f * ends
        out[6 * BLOCK + p] = f * ends * ends - vega_bar - d * (f1 * q1 + f2 * q2 + f3 * q3)


@kernel
def error_of(values: Floats, points: Points) -> float:
    """Standard error of the weighted mean of ``values``, one a draw, from the scrambles."""
    n_scrambles, n = points.errors.shape
    total = 0.0
    for s in range(n_scrambles):
        miss = weighted_sum(n, values, points.errors[s])
        total += miss * miss
    return math.sqrt(total / (n_scrambles * (n_scrambles - 1.0)))


@kernel
def narrow_gap(b: Bars, sigma: float, share: float, f: Frame, points: Points, s: Scratch) -> Gap:
    """The gap at the boundary of ``b`` (``s.means`` and ``s.loads`` are those of b and f)."""
    n_points = points.z.shape[1]
    deviations(b, sigma, share, f, n_points, s)
    centre = np.zeros(N_SUMS)
    for first in range(0, n_points, BLOCK):
        n = min(BLOCK, n_points - first)
        for r in range(N_SUMS):
            centre[r] += weighted_sum(n, s.sums[first * N_SUMS + r * BLOCK :], points.weights[first:])
    total = np.zeros(N_OUT)
    for first in range(0, n_points, BLOCK):
        n = min(BLOCK, n_points - first)
        local_terms(n, first * N_SUMS, b, centre, s.sums, s.out)
        for r in range(N_OUT):
            total[r] += weighted_sum(n, s.out[r * BLOCK :], points.weights[first:])
        for p in range(n):
            s.e[first + p] = s.out[p]
    phi = density(b.x)
    return Gap(
        phi * total[0],
        phi * total[1],
        phi * total[2],
        phi * total[3],
        phi * total[4],
        phi * total[5],
        phi * total[6],
        phi * error_of(s.e, points),
    )
