"""Where rows of numbers over ascending levels change sign.

Exact zeros between two signs are skipped.  A lobe, a run of one sign, counts only where it reaches a share of the row's largest
magnitude: the tail of an empty profile changes sign where nothing is left of it but rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pricers._jit import kernel
from pricers._loadings import Floats

Places = npt.NDArray[np.int64]


@kernel
def sign_changes(row: Any, lobe_share: float, pairs: Places) -> int:
    """Fill ``pairs`` (>= m, 2) with the last place of a lobe and the first of the next one that counts; how many there are."""
    largest = 0.0
    for j in range(row.size):
        largest = max(largest, abs(row[j]))
    least = lobe_share * largest
    n_pairs = 0
    kept_sign = 0.0  # of the last lobe that counts, and where it ends
    kept_end = -1
    sign = 0.0  # of the lobe at hand
    first = 0
    last = 0
    reach = 0.0
    for j in range(row.size + 1):
        here = 0.0
        if j < row.size:
            value = row[j]
            if value == 0.0 or math.isnan(value):
                continue
            here = 1.0 if value > 0.0 else -1.0
            if here == sign:
                last = j
                reach = max(reach, abs(value))
                continue
        # a lobe ends: take it in if it counts
        if sign != 0.0 and reach >= least:
            if kept_sign == -sign:
                pairs[n_pairs, 0] = kept_end
                pairs[n_pairs, 1] = first
                n_pairs += 1
            kept_sign = sign
            kept_end = last
        if j < row.size:
            sign = here
            first = j
            last = j
            reach = abs(row[j])
    return n_pairs


@kernel
def nearest_zeros(levels: Floats, rows: Any, target: float, lobe_share: float, out: Floats) -> None:
    """``out`` (k,): the zero of each row (k, m) nearest to ``target``, by linear interpolation; nan where it has none."""
    pairs = np.empty((levels.size + 1, 2), dtype=np.int64)
    for k in range(rows.shape[0]):
        out[k] = math.nan
        nearest = math.inf
        for p in range(sign_changes(rows[k], lobe_share, pairs)):
            a, b = pairs[p, 0], pairs[p, 1]
            left, right = float(rows[k, a]), float(rows[k, b])
            zero = levels[a] + (levels[b] - levels[a]) * left / (left - right)
            if abs(zero - target) < nearest:
                nearest = abs(zero - target)
                out[k] = zero
