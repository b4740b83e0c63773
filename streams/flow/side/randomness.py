"""Random numbers made from (seed, key): neither order, time nor company changes them.  Stratified, so that means are exact.

A key is an instrument, a trade or a class of trades.  Draw d of one key has nothing to do with draw d of another.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _shuffled(seed: int, key: str, n: int) -> NDArray[np.int64]:
    """A permutation of 0..n-1: the order of n 64-bit words of SHAKE-128 of the key."""
    words = np.frombuffer(hashlib.shake_128(f"{seed}/{key}".encode()).digest(8 * n), "<u8")
    return np.argsort(words, kind="stable")


def uniforms(seed: int, key: str, n: int) -> Floats:
    """float64 (n,): the midpoints of n equal parts of [0, 1], shuffled."""
    return (_shuffled(seed, key, n) + 0.5) / n


@lru_cache(maxsize=8)
def _quantiles(n: int) -> Floats:
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse((i + 0.5) / n) for i in range((n + 1) // 2, n)])
    return np.concatenate([-upper[::-1], np.zeros(n % 2), upper])  # odd to the bit


def normals(seed: int, key: str, n: int) -> Floats:
    """float64 (n,): quantiles of the standard normal at these midpoints, shuffled; their mean is 0."""
    return np.asarray(_quantiles(n)[_shuffled(seed, key, n)])
