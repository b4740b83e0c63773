"""Many tests at once: p-values adjusted, and boundaries of repeated looks.

References: Holm, Scandinavian Journal of Statistics 6 (1979); Benjamini and Hochberg, JRSS B 57 (1995); Lan and DeMets, Biometrika 70
(1983); Armitage, McPherson and Rowe, JRSS A 132 (1969); Maurer and Bretz, Statistics in Biopharmaceutical Research 5 (2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from streams.flow.uplift.plan import Correction, Spending
from streams.flow.uplift.record import Array

N_NODES = 400
LEAST_SPENT = 1e-16
"""What a look spends at least, to be one."""
FAR = 9.0
"""Deviations that no path passes: 1e-19."""


def adjusted(p_values: Sequence[float], correction: Correction) -> tuple[float, ...]:
    """Adjusted p-values, in the order given; nan counts as 1, so that a test that cannot be judged helps no other."""
    p = np.where(np.isnan(p_values), 1.0, np.asarray(p_values, dtype=np.float64))
    m, order = p.size, np.argsort(p, kind="stable")
    ranks = np.arange(1, m + 1)
    if correction == Correction.HOLM:
        stepped = np.maximum.accumulate(p[order] * (m - ranks + 1))
    else:
        stepped = np.minimum.accumulate((p[order] * m / ranks)[::-1])[::-1]
    out = np.empty(m)
    out[order] = np.minimum(stepped, 1.0)
    return tuple(float(value) for value in out)


def spent(kind: Spending, alpha: float, share: float) -> float:
    """One-sided alpha spent by a share of the sample: 2 (1 - N(z(1 - alpha/2) / sqrt(share))), or alpha ln(1 + (e - 1) share)."""
    if kind == Spending.POCOCK:
        return alpha * math.log1p((math.e - 1.0) * share)
    return 2.0 * float(special.ndtr(special.ndtri(alpha / 2.0) / math.sqrt(share)))


@lru_cache(maxsize=256)
def nominal_levels(kind: Spending, alpha: float, looks: tuple[int, ...], sides: int) -> tuple[float, ...]:
    """The p-value below which each look rejects, so that all together do so by chance with probability ``alpha``.

    The paths' density at each look is integrated over what has not been rejected, by Gauss and Legendre's rule; increments are
    independent and normal.  ``sides`` 2: both sides, alpha/2 each; p-values are two-sided then.
    """
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    shares = [n / looks[-1] for n in looks]
    levels: list[float] = []
    x, density = np.zeros(1), np.ones(1)  # where the paths are at the look before: at 0, all of them
    before, done = 0.0, 0.0
    for share in shares:
        step = math.sqrt(share - before)
        target = spent(kind, alpha / sides, share) - done
        if (
            target < LEAST_SPENT
        ):  # nothing is spent yet: no path stops here, and the next look is reckoned from the one before
            levels.append(0.0)
            continue

        def excess(z: float, x: Array = x, density: Array = density, step: float = step, share: float = share,
                   target: float = target) -> float:  # fmt: skip
            return float(density @ special.ndtr((x - z * math.sqrt(share)) / step)) - target

        z = float(optimize.brentq(excess, 0.0 if excess(0.0) > 0.0 else -FAR, 40.0, xtol=1e-12))
        levels.append(sides * float(special.ndtr(-z)))
        high = min(z, FAR) * math.sqrt(share)
        low = -high if sides == 2 else -FAR * math.sqrt(share)
        places = 0.5 * (high - low) * nodes + 0.5 * (high + low)
        kernel = np.exp(-0.5 * ((places[:, None] - x[None, :]) / step) ** 2) / (step * math.sqrt(2.0 * math.pi))
        x, density = places, (kernel @ density) * weights * 0.5 * (high - low)
        before, done = share, done + target
    return tuple(levels)


def rejected_at_look(
    p_values: Sequence[float], is_rejected: Sequence[bool], kind: Spending, alpha: float, looks: tuple[int, ...], look: int,
    sides: Sequence[int],
) -> tuple[bool, ...]:  # fmt: skip
    """Holm at one look: of m tests left each is held against the boundary at alpha / m, and one rejected leaves its share to the rest."""
    out = [bool(each) for each in is_rejected]
    while not all(out):
        share = alpha / out.count(False)
        more = [
            i for i, p in enumerate(p_values)
            if not out[i] and p <= nominal_levels(kind, share, looks, sides[i])[look]
        ]  # fmt: skip
        if not more:
            break
        for i in more:
            out[i] = True
    return tuple(out)
