"""Simulated paths of the fixings still to come: scrambled Sobol points, a Brownian bridge, and what a payoff needs of each path.

One dimension for each live fixing. The first moves the last fixing, the second the middle one, and so on (breadth first), so
that the best Sobol dimensions carry the most variance. Nothing here knows a payoff, a moment or a direction of another engine.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

from pricers._jit import kernel

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SOBOL_BITS = 32
"""Digits of a coordinate: with half a cell added it is exact in a float64, never 0 and never 1, so no variate is infinite (E-08)."""

SOBOL_DIMENSIONS = 21_201
"""Dimensions of scipy's direction numbers; a path with more fixings takes its least important variates from a generator."""


class Bridge(NamedTuple):
    """How each fixing is drawn between two drawn before it; -1 is now, where the Brownian motion is 0."""

    middle: Indices
    left: Indices
    right: Indices
    from_left: Array
    from_right: Array
    deviation: Array  # sqrt(year)


class Sums(NamedTuple):
    """What is kept of every path, at each of several volatilities; the Brownian motion W is at volatility 1."""

    mean: Array
    """(n_sigmas, n_scrambles, n_paths): weighted mean of exp(sigma W_i - sigma² t_i / 2)."""
    direction: Array
    """(n_scrambles, n_paths): weighted mean of W_i, whose exponential is the geometric average."""
    first: Array
    """(n_scrambles, n_paths): W at the first live fixing."""
    last: Array
    """(n_scrambles, n_paths): W at the last one."""


@lru_cache(maxsize=2)
def path_normals(n_dimensions: int, n_scrambles: int, n_points: int, seed: int) -> Array:
    """Normal variates (n_scrambles, n_points, n_dimensions) of independently scrambled Sobol points; the same for the same arguments.

    Each scramble has its own generator, seeded by (seed, scramble): workers share no state (A9). ``n_points`` is a power of two.
    """
    n_sobol = min(n_dimensions, SOBOL_DIMENSIONS)
    normals = np.empty((n_scrambles, n_points, n_dimensions))
    for i in range(n_scrambles):
        generator = np.random.default_rng([seed, i])
        sobol = qmc.Sobol(n_sobol, scramble=True, bits=SOBOL_BITS, rng=generator)
        points = sobol.random(n_points)
        points += 0.5 ** (SOBOL_BITS + 1)
        ndtri(points, out=normals[i, :, :n_sobol])
        normals[i, :, n_sobol:] = generator.standard_normal((n_points, n_dimensions - n_sobol))
    normals.setflags(write=False)
    return normals


@kernel
def bridge_of(times: Array) -> Bridge:
    """Breadth-first bridge over ``times`` (n,), years, positive and not falling."""
    n = times.size
    middle = np.empty(n, dtype=np.int64)
    left = np.empty(n, dtype=np.int64)
    right = np.empty(n, dtype=np.int64)
    from_left = np.zeros(n)
    from_right = np.zeros(n)
    deviation = np.zeros(n)
    middle[0] = n - 1
    left[0] = -1
    right[0] = n - 1
    deviation[0] = np.sqrt(times[n - 1])
    n_drawn = 1
    lows = np.empty(2 * n + 1, dtype=np.int64)
    highs = np.empty(2 * n + 1, dtype=np.int64)
    lows[0] = -1
    highs[0] = n - 1
    n_waiting = 1
    i = 0
    while i < n_waiting:
        low = lows[i]
        high = highs[i]
        i += 1
        if high - low < 2:
            continue
        at = (low + high) // 2
        before = times[low] if low >= 0 else 0.0
        span = times[high] - before
        middle[n_drawn] = at
        left[n_drawn] = low
        right[n_drawn] = high
        if span > 0.0:
            from_right[n_drawn] = (times[at] - before) / span
            deviation[n_drawn] = np.sqrt((times[at] - before) * (times[high] - times[at]) / span)
        from_left[n_drawn] = 1.0 - from_right[n_drawn]
        n_drawn += 1
        lows[n_waiting] = low
        highs[n_waiting] = at
        lows[n_waiting + 1] = at
        highs[n_waiting + 1] = high
        n_waiting += 2
    return Bridge(middle, left, right, from_left, from_right, deviation)


@kernel
def path_sums(normals: Array, times: Array, weights: Array, sigmas: Array, is_antithetic: bool) -> Sums:
    """Walk every path; with ``is_antithetic`` each point gives a second path, from -Z (A5, E-17), right after the first.

    ``normals`` (n_scrambles, n_points, n) standard normal; ``times``, ``weights`` (n,), the weights adding up to 1;
    ``sigmas`` (n_sigmas,) per year. The first step is the jump over the time before the window (A3); where there is none it is
    short (A4). Cost: about 5 ns a fixing, path and volatility.
    """
    n_scrambles, n_points, n = normals.shape
    n_signs = 2 if is_antithetic else 1
    mean = np.zeros((sigmas.size, n_scrambles, n_points * n_signs))
    direction = np.zeros((n_scrambles, n_points * n_signs))
    first = np.empty((n_scrambles, n_points * n_signs))
    last = np.empty((n_scrambles, n_points * n_signs))
    bridge = bridge_of(times)
    walk = np.zeros(n + 1)  # walk[-1], the last entry, is now
    for i in range(n_scrambles):
        for j in range(n_points):
            walk[n - 1] = bridge.deviation[0] * normals[i, j, 0]
            for m in range(1, n):
                low = bridge.left[m] if bridge.left[m] >= 0 else n
                walk[bridge.middle[m]] = (
                    bridge.from_left[m] * walk[low]
                    + bridge.from_right[m] * walk[bridge.right[m]]
                    + bridge.deviation[m] * normals[i, j, m]
                )
            for half in range(n_signs):
                p = j * n_signs + half
                sign = 1.0 - 2.0 * half
                for m in range(n):
                    direction[i, p] += weights[m] * sign * walk[m]
                for s in range(sigmas.size):
                    total = 0.0
                    for m in range(n):
                        total += weights[m] * np.exp(sigmas[s] * (sign * walk[m] - 0.5 * sigmas[s] * times[m]))
                    mean[s, i, p] = total
                first[i, p] = sign * walk[0]
                last[i, p] = sign * walk[n - 1]
    return Sums(mean, direction, first, last)
