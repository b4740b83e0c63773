"""Normal draws of the QMC engine: scrambled Sobol points with mirror images, their weights, and what measures their error.

**Determinism.** The Sobol points are made of Joe and Kuo's direction numbers, which are fixed integers (scipy.stats.qmc has the
same, and takes a second to import; tests/unit/test_qmc_parts.py holds one against the other). They are scrambled by Owen's nested
uniform scrambling with a hash (splitmix64) of seed, scramble, dimension and leading bits in the place of a random generator, so
no generator's stream or version has a say. What floating point makes of them is rounded: normal deviates to
multiples of 2^-32, weights of 2^-44, error rows of 2^-36 (the many points of wide averages: 2^-32 and 2^-24, or one of them would
now and then lie on the edge), so that another machine's or library's last digit, or its number of threads, leaves the bits alone.
tests/unit/test_qmc_parts.py pins the digest of the default points.

**Weights.** Every integrand's control variates are the same polynomials of the draws, whose means are known, so the regression on them
is done here once: the points' weights integrate 1, every z_k z_l and, with enough points, functions of fourth order exactly (mirror
images take care of the odd ones); where the average is wide, of sixth and some of eighth order too. ``errors`` measures by jackknife
what is left.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, combinations_with_replacement
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

LANES = 8  # points are padded (weight 0) to a multiple
BITS = 32
NORMAL = NormalDist()  # its inverse is Wichura's AS 241; scipy.special takes longer to import than all of this to run
MAX_M_POINTS = 14
GOOD_INFLATION = 2.5
MAX_INFLATION = 6.0
MAX_ATTEMPTS = 64
BLIND = 0.7
MANY_VALUES = 2**23  # of known functions at all points: more take too long to fit
MAX_FOURTH = 6  # directions whose fourth-order functions are taken
# Kinds of further functions for wide averages: order, of how many directions, only even ones.
HIGH = (((6, MAX_FOURTH, True),), ((6, 3, False),), ((6, 4, False), (8, 2, False)))
MAX_HIGH_ATTEMPTS = 8
# Joe and Kuo (2008), new-joe-kuo-6.21201, dimensions 2 .. 12: degree, coefficients of the polynomial, first direction numbers.
DIRECTIONS = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
)


class Points(NamedTuple):
    """Draws of one level."""

    z: Floats  # (n_dimensions, n), standard normal
    weights: Floats  # (n,), sum 1
    errors: Floats  # (n_scrambles, n): row s times the integrand's values stands for scramble s's mean residual
    n_dimensions: int
    blind: float  # part of the gap that may hide in its tail: 0 where fourth order is integrated exactly


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


def sobol(n_points: int, n_dimensions: int) -> Words:
    """(n_dimensions, n_points): the first Sobol points as ``BITS``-bit fractions; ``n_points`` is a power of two."""
    n_bits = n_points.bit_length() - 1
    numbers = np.arange(n_points, dtype=np.uint64)
    words = np.zeros((n_dimensions, n_points), dtype=np.uint64)
    for k in range(n_dimensions):
        if k == 0:
            steps = [1] * n_bits
        else:
            degree, coefficients, first = DIRECTIONS[k - 1]
            steps = list(first[:n_bits])
            for j in range(len(steps), n_bits):
                step = steps[j - degree] ^ (steps[j - degree] << degree)
                for i in range(1, degree):
                    if coefficients >> (degree - 1 - i) & 1:
                        step ^= steps[j - i] << i
                steps.append(step)
        for j, step in enumerate(steps):
            words[k] ^= ((numbers >> np.uint64(j)) & np.uint64(1)) * np.uint64(step << (BITS - 1 - j))
    return words


def draws(n_points: int, n_scrambles: int, n_dimensions: int, seed: int, attempt: int = 0) -> Floats:
    """(n_dimensions, n_points): scramble after scramble, the second half of each the mirror image of the first."""
    per_scramble = n_points // n_scrambles
    n = max(per_scramble // 2, 1)
    words = sobol(n, n_dimensions)
    with np.errstate(over="ignore"):
        keys = splitmix64(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
        for number in (np.uint64(attempt), np.arange(n_scrambles, dtype=np.uint64)[:, None, None]):
            keys = splitmix64(keys ^ (number + np.uint64(1)))
        keys = splitmix64(keys ^ (np.arange(n_dimensions, dtype=np.uint64)[None, :, None] + np.uint64(1)))
        mixed = scrambled(np.broadcast_to(words, (n_scrambles, n_dimensions, n)), keys)
    uniform = (mixed.astype(np.float64) + 0.5) / 2.0**BITS
    z = np.array([NORMAL.inv_cdf(u) for u in uniform.ravel()]).reshape(uniform.shape)
    z = np.rint(z * 2.0**32) / 2.0**32
    both = np.concatenate([z, -z], axis=2) if per_scramble > 1 else z
    return both.transpose(1, 0, 2).reshape(n_dimensions, n_points)


def high_functions(z: Floats) -> list[list[Floats]]:
    """Functions of sixth and eighth order of known mean (0), products of Hermite polynomials, in the kinds of ``HIGH``."""
    d = z.shape[0]
    hermite = [np.ones_like(z), z]
    for order in range(2, 9):
        hermite.append((z * hermite[-1] - math.sqrt(order - 1.0) * hermite[-2]) / math.sqrt(order))
    taken: set[tuple[int, ...]] = set()
    kinds: list[list[Floats]] = []
    for parts in HIGH:
        kinds.append([])
        for order, first, is_even in parts:
            for chosen in combinations_with_replacement(range(min(d, first)), order):
                counts = tuple(chosen.count(k) for k in range(d))
                if counts in taken or (is_even and any(count % 2 for count in counts)):
                    continue
                taken.add(counts)
                kinds[-1].append(np.prod([hermite[count][k] for k, count in enumerate(counts)], axis=0))
    return kinds


def known(z: Floats, is_high: bool = False) -> list[list[Floats]]:
    """Functions of known mean (0): squares; products; even, other functions of fourth order (of the first directions); high ones."""
    d = z.shape[0]
    fourth: list[list[Floats]] = [[], []]
    for chosen in combinations_with_replacement(range(min(d, MAX_FOURTH)), 4):
        counts = [chosen.count(k) for k in range(d)]
        mean = math.prod((1.0, 0.0, 1.0, 0.0, 3.0)[count] for count in counts)
        fourth[any(count % 2 for count in counts)].append(np.prod([z[k] for k in chosen], axis=0) - mean)
    return [
        [z[k] * z[k] - 1.0 for k in range(d)],
        [z[k] * z[j] for k, j in combinations(range(d), 2)],
        *fourth,
        *(high_functions(z) if is_high else ()),
    ]


def regression(z: Floats, n_kinds: int, is_high: bool) -> tuple[Floats, Floats]:
    """Weights of the constant of a regression on the first kinds of known functions, and those functions (columns)."""
    kinds = known(z, is_high)[:n_kinds]
    phi = np.column_stack([np.ones(z.shape[1]), *(function for kind in kinds for function in kind)])
    return phi @ np.linalg.inv(phi.T @ phi)[:, 0], phi


def chosen_draws(
    n_points: int, n_scrambles: int, n_dimensions: int, seed: int, is_high: bool
) -> tuple[Floats, Floats, Floats, int]:
    """Draws, weights, functions and how many kinds of them: what half of the pairs carries, of the first scrambling that suits.

    A scrambling suits if the sum of squared weights is at most ``GOOD_INFLATION``/n: what is not integrated exactly keeps about so
    many times the variance of a plain mean. If none of ``MAX_ATTEMPTS`` does, the best serves, or fewer kinds are taken.
    """
    sizes = np.cumsum([1] + [len(kind) for kind in known(np.ones((n_dimensions, 1)), is_high)])
    tried: dict[int, Floats] = {}
    for n_kinds in range(len(sizes) - 1, 0, -1):
        if 4 * sizes[n_kinds] > n_points or n_points == n_scrambles or sizes[n_kinds] * n_points > MANY_VALUES:
            continue
        best = math.inf
        for attempt in range(MAX_HIGH_ATTEMPTS if n_kinds > 4 else MAX_ATTEMPTS):
            if attempt not in tried:
                tried[attempt] = draws(n_points, n_scrambles, n_dimensions, seed, attempt)
            z = tried[attempt]
            weights, phi = regression(z, n_kinds, is_high)
            inflation = n_points * float(weights @ weights)
            if inflation < best:
                best, found = inflation, (z, weights, phi, n_kinds)
            if best <= GOOD_INFLATION:
                break
        if best <= MAX_INFLATION:
            return found
    return (
        draws(n_points, n_scrambles, n_dimensions, seed),
        np.full(n_points, 1.0 / n_points),
        np.ones((n_points, 1)),
        0,
    )


def left_out(phi: Floats, n_scrambles: int, is_high: bool) -> Floats:
    """(n_scrambles, n): row s is by how much the weights change without scramble s, times n_scrambles - 1 (jackknife).

    The weights fitted to the other scrambles alone: a fit that leans on few points shows in the error. Where the others are too
    few for a fit, mean residuals of the scrambles serve.
    """
    n = len(phi)
    member = np.repeat(np.arange(n_scrambles), n // n_scrambles)
    if 3 * phi.shape[1] > (n - n // n_scrambles):
        means = np.equal.outer(np.arange(n_scrambles), member) * (n_scrambles / n)
        residuals: Floats = means - (means @ phi) @ np.linalg.inv(phi.T @ phi) @ phi.T
        return residuals * math.sqrt(n / max(n - 2 * phi.shape[1], 1))
    rows = np.zeros((n_scrambles, n))
    whole = phi.T @ phi if is_high else np.zeros(0)
    for s in range(n_scrambles):
        others = member != s
        fit = phi[others]
        if is_high:  # many functions: the others' products are all but this scramble's, eight times as fast
            own = phi[~others]
            one = np.zeros(phi.shape[1])
            one[0] = 1.0
            rows[s, others] = fit @ np.linalg.solve(whole - own.T @ own, one)
        else:
            rows[s, others] = fit @ np.linalg.inv(fit.T @ fit)[:, 0]
    changes: Floats = (n_scrambles - 1.0) * (rows - rows.mean(axis=0))
    return changes


@cache
def points(m_points: int, n_scrambles: int, n_dimensions: int, seed: int, is_high: bool = False) -> Points:
    """The 2^m_points draws of these settings; the same arrays every time. ``is_high``: for wide averages, see ``high_functions``."""
    n = 2**m_points
    z, weights, phi, n_kinds = chosen_draws(n, n_scrambles, n_dimensions, seed, is_high)
    errors = left_out(phi, n_scrambles, is_high)
    pad = ((0, 0), (0, -n % LANES))
    unit_w, unit_e = (2.0**-32, 2.0**-24) if is_high else (2.0**-44, 2.0**-36)
    found = Points(
        np.ascontiguousarray(np.pad(z, pad)),
        np.pad(np.rint(weights / unit_w) * unit_w, pad[1]),
        np.ascontiguousarray(np.pad(np.rint(errors / unit_e) * unit_e, pad)),
        n_dimensions,
        0.0 if n_kinds >= 3 else BLIND / math.sqrt(n),
    )
    for array in found[:3]:
        array.setflags(write=False)
    return found
