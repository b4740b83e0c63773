"""Normal draws of the QMC engine: scrambled Sobol points with mirror images, their weights, and what measures their error.

**Determinism.** The Sobol points are scipy's unscrambled ones (Joe and Kuo's direction numbers: fixed integers). They are scrambled
here, by Owen's nested uniform scrambling with a hash (splitmix64) of seed, scramble, dimension and leading bits in the place of a
random generator, so no generator's stream or version has a say. What floating point makes of them is rounded: normal deviates to
multiples of 2^-32, weights of 2^-44, error rows of 2^-36, so that another machine's or library's last digit leaves the bits alone.
tests/unit/test_qmc_parts.py pins the digest of the default points.

**Weights.** All integrands have exact means known for every linear and quadratic function of the draws. Regressing on those is
the same for every integrand, so it is done here once: the points' weights integrate 1 and every z_k z_l exactly (mirror images
take care of the odd functions), as far as there are enough points; ``errors`` gives each scramble's mean residual.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

LANES = 8  # points are padded (weight 0) to a multiple
BITS = 32
MAX_M_POINTS = 14
GOOD_INFLATION = 2.5
MAX_INFLATION = 6.0
MAX_ATTEMPTS = 64
MANY_POINTS = 4096  # from so many on second order is enough
MAX_FOURTH = 6  # directions whose fourth-order functions are taken


class Points(NamedTuple):
    """Draws of one level."""

    z: Floats  # (n_dimensions, n), standard normal
    weights: Floats  # (n,), sum 1
    errors: Floats  # (n_scrambles, n): row s times the integrand's values is scramble s's mean residual
    n_dimensions: int


def splitmix64(words: Words) -> Words:
    """Steele, Lea and Flood's finaliser: 64 well-mixed bits of each word."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def scrambled(words: Words, keys: Words) -> Words:
    """Owen's nested uniform scrambling of ``BITS``-bit fractions: each bit is flipped by a hash of the bits above it and a key."""
    answer = np.zeros_like(words)
    for bit in range(BITS):
        above = words >> np.uint64(BITS - bit)
        own = (words >> np.uint64(BITS - 1 - bit)) & np.uint64(1)
        flip = splitmix64(keys ^ splitmix64(above + (np.uint64(bit) << np.uint64(40)))) >> np.uint64(63)
        answer = (answer << np.uint64(1)) | (own ^ flip)
    return answer


def draws(n_points: int, n_scrambles: int, n_dimensions: int, seed: int, attempt: int = 0) -> Floats:
    """(n_dimensions, n_points): scramble after scramble, the second half of each the mirror image of the first."""
    per_scramble = n_points // n_scrambles
    n = max(per_scramble // 2, 1)
    base = qmc.Sobol(n_dimensions, scramble=False, bits=BITS).random(n)
    words = np.rint(base * 2.0**BITS).astype(np.uint64).T
    with np.errstate(over="ignore"):
        keys = splitmix64(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
        for number in (np.uint64(attempt), np.arange(n_scrambles, dtype=np.uint64)[:, None, None]):
            keys = splitmix64(keys ^ (number + np.uint64(1)))
        keys = splitmix64(keys ^ (np.arange(n_dimensions, dtype=np.uint64)[None, :, None] + np.uint64(1)))
        mixed = scrambled(np.broadcast_to(words, (n_scrambles, n_dimensions, n)), keys)
    z = np.rint(ndtri((mixed.astype(np.float64) + 0.5) / 2.0**BITS) * 2.0**32) / 2.0**32
    both = np.concatenate([z, -z], axis=2) if per_scramble > 1 else z
    return both.transpose(1, 0, 2).reshape(n_dimensions, n_points)


def known(z: Floats) -> list[list[Floats]]:
    """Functions of known mean (0): squares; products; even, other functions of fourth order (of the first directions)."""
    d = z.shape[0]
    fourth: list[list[Floats]] = [[], []]
    for chosen in combinations_with_replacement(range(min(d, MAX_FOURTH)), 4):
        counts = [chosen.count(k) for k in range(d)]
        mean = math.prod((1.0, 0.0, 1.0, 0.0, 3.0)[count] for count in counts)
        fourth[any(count % 2 for count in counts)].append(np.prod([z[k] for k in chosen], axis=0) - mean)
    return [[z[k] * z[k] - 1.0 for k in range(d)], [z[k] * z[j] for k, j in combinations(range(d), 2)], *fourth]


def regression(z: Floats, n_kinds: int) -> tuple[Floats, Floats]:
    """Weights of the constant of a regression on the first kinds of known functions, and those functions (columns)."""
    kinds = known(z)[:n_kinds]
    phi = np.column_stack([np.ones(z.shape[1]), *(function for kind in kinds for function in kind)])
    return phi @ np.linalg.inv(phi.T @ phi)[:, 0], phi


def chosen_draws(n_points: int, n_scrambles: int, n_dimensions: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Draws, weights, functions: as many kinds as need at most half of the mirrored pairs, of the first scrambling that suits.

    A scrambling suits if the sum of squared weights is at most ``GOOD_INFLATION``/n: what is not integrated exactly keeps about so
    many times the variance of a plain mean. If none of ``MAX_ATTEMPTS`` does, the best serves, or fewer kinds are taken.
    """
    sizes = np.cumsum([1] + [len(kind) for kind in known(np.ones((n_dimensions, 1)))])
    for n_kinds in range(4, 0, -1):
        if 4 * sizes[n_kinds] > n_points or n_points == n_scrambles or (n_kinds > 2 and n_points > MANY_POINTS):
            continue
        best = math.inf
        for attempt in range(MAX_ATTEMPTS):
            z = draws(n_points, n_scrambles, n_dimensions, seed, attempt)
            weights, phi = regression(z, n_kinds)
            inflation = n_points * float(weights @ weights)
            if inflation < best:
                best, found = inflation, (z, weights, phi)
            if best <= GOOD_INFLATION:
                break
        if best <= MAX_INFLATION:
            return found
    return draws(n_points, n_scrambles, n_dimensions, seed), np.full(n_points, 1.0 / n_points), np.ones((n_points, 1))


@cache
def points(m_points: int, n_scrambles: int, n_dimensions: int, seed: int) -> Points:
    """The 2^m_points draws of these settings; the same arrays every time."""
    n = 2**m_points
    z, weights, phi = chosen_draws(n, n_scrambles, n_dimensions, seed)
    member = np.repeat(np.eye(n_scrambles), n // n_scrambles, axis=1) * (n_scrambles / n)
    errors = member - (member @ phi) @ np.linalg.inv(phi.T @ phi) @ phi.T
    errors *= math.sqrt(n / (n - 2 * phi.shape[1])) if phi.shape[1] > 1 else 1.0
    pad = ((0, 0), (0, -n % LANES))
    found = Points(
        np.ascontiguousarray(np.pad(z, pad)),
        np.pad(np.rint(weights * 2.0**44) / 2.0**44, pad[1]),
        np.ascontiguousarray(np.pad(np.rint(errors * 2.0**36) / 2.0**36, pad)),
        n_dimensions,
    )
    for array in found[:3]:
        array.setflags(write=False)
    return found
