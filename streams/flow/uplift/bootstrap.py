"""A mean's distribution by drawing blocks of the series, so that what depends on each other stays together.

Blocks lie on a circle (the series' end is followed by its beginning), so that the draws' mean is the sample's.
References: Politis and Romano, "The stationary bootstrap", JASA 89 (1994); their circular blocks (1992); Politis and White,
"Automatic block-length selection", Econometric Reviews 23 (2004), corrected by Patton, Politis and White, ibid. 28 (2009).
"""

from __future__ import annotations

import math

import numpy as np

from streams.flow.uplift.long_run import Judged, autocovariances
from streams.flow.uplift.plan import Alternative, BlockKind, LengthRule, PlannedTest
from streams.flow.uplift.record import Array

AT_ONCE = 1_000_000
"""Blocks drawn at once: what memory allows."""


def automatic_length(series: Array, kind: BlockKind) -> float:
    """Politis and White's block length: (2 G² / D)^(1/3) n^(1/3), with autocovariances weighed by a flat top.

    G = sum |k| c(k), D = 2 (sum c(k))² of the stationary bootstrap, 4/3 (sum c(k))² of circular blocks.  The weights end at twice the
    lag after which autocorrelations stay within 2 sqrt(log10 n / n) for as many lags as max(5, sqrt(log10 n)).
    """
    n = series.size
    n_quiet = max(5, math.ceil(math.sqrt(math.log10(n))))
    last = min(math.ceil(math.sqrt(n)) + n_quiet, n - 1)
    c = autocovariances(series, last)
    if not c[0] > 0.0:
        return 1.0
    is_small = np.abs(c[1:] / c[0]) < 2.0 * math.sqrt(math.log10(n) / n)
    quiet = [m for m in range(last - n_quiet + 1) if is_small[m : m + n_quiet].all()]
    loud = np.flatnonzero(~is_small)
    m = quiet[0] if quiet else int(loud[-1]) + 1 if loud.size else 1
    width = min(2 * max(m, 1), last)
    lags = np.arange(width + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - lags / width))
    g = 2.0 * float((weights * lags) @ c[: width + 1])
    total = float(c[0] + 2.0 * weights[1:] @ c[1 : width + 1])
    d = (2.0 if kind == BlockKind.STATIONARY else 4.0 / 3.0) * total**2
    length = (2.0 * g * g / d * n) ** (1.0 / 3.0) if d > 0.0 else 1.0
    return min(max(length, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))


def block_length(series: Array, test: PlannedTest, n_ahead: int) -> float:
    """By the plan's rule; never below the units that one outcome reaches over."""
    n = series.size
    if test.length_rule == LengthRule.FIXED:
        length = float(test.block_length)
    elif test.length_rule == LengthRule.CUBE_ROOT:
        length = float(math.ceil(n ** (1.0 / 3.0)))
    else:
        length = automatic_length(series, test.block_kind)
        length = length if test.block_kind == BlockKind.STATIONARY else float(round(length))
    return max(length, float(n_ahead))


def drawn_means(series: Array, kind: BlockKind, length: float, n_draws: int, rng: np.random.Generator) -> Array:
    """(n_draws,) means of as many terms as the series has."""
    n = series.size
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series]))])
    blocks = math.ceil(n / length)
    if kind == BlockKind.STATIONARY:
        blocks = math.ceil(
            n / length + 6.0 * math.sqrt(n / length) + 12.0
        )  # all but one draw in a billion fill n terms with these
    found = []
    for begin in range(0, n_draws, max(AT_ONCE // blocks, 1)):
        shape = (min(max(AT_ONCE // blocks, 1), n_draws - begin), blocks)
        starts = rng.integers(0, n, shape)
        if kind == BlockKind.MOVING:
            lengths = np.full(blocks, round(length))
            lengths[-1] = n - (blocks - 1) * round(length)
            found.append((sums[starts + lengths] - sums[starts]).sum(axis=1) / n)
            continue
        ends = np.minimum(np.cumsum(rng.geometric(min(1.0 / length, 1.0), shape), axis=1), n)
        lengths = np.diff(ends, axis=1, prepend=0)
        found.append((sums[starts + lengths] - sums[starts]).sum(axis=1) / ends[:, -1])
    return np.concatenate(found)


def bootstrapped(
    differences: Array, test: PlannedTest, n_ahead: int, alpha: float, rng: np.random.Generator
) -> tuple[Judged, float]:
    """Whether a mean of loss differentials is 0, and the block length used.

    p is the share of draws whose deviation from the sample's mean is as far out as that mean, the sample counted among them; deviations
    are stretched by sqrt(b / (b - 1)), b = n / length blocks, for a mean of b blocks knows its own spread that much too small.
    """
    n = differences.size
    mean, nan = float(differences.mean()), math.nan
    length = block_length(differences, test, n_ahead)
    if not float(np.ptp(differences)) > 0.0:
        return Judged(mean, nan, nan, nan, nan, nan, nan, "nothing varies: there is nothing to judge by"), length
    if length > n / 3.0:
        note = f"blocks of {length:.0f} of {n} units: fewer than three, too few to judge by"
        return Judged(mean, nan, nan, nan, nan, nan, nan, note), length
    deviations = drawn_means(differences, test.block_kind, length, test.n_draws, rng) - mean
    deviations *= math.sqrt(n / length / (n / length - 1.0))
    if test.alternative == Alternative.TWO_SIDED:
        n_beyond = int((np.abs(deviations) >= abs(mean)).sum())
    else:
        n_beyond = int((deviations >= mean).sum())
    std_error = float(deviations.std())
    low, high = np.quantile(deviations, [alpha / 2.0, 1.0 - alpha / 2.0])
    p_value = (1 + n_beyond) / (1 + test.n_draws)
    return Judged(mean, std_error, mean / std_error, nan, p_value, mean - float(high), mean - float(low)), length
