"""Least squares: of the whole sample with the errors of its terms, and rolling, for forecasts that know only what was known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.flow.uplift.record import Array, Integers

SINGULAR = 1e-10
"""Smallest over largest eigenvalue of a fit's correlations, below which its columns say the same."""


class Fit(NamedTuple):
    """y = x beta + residual."""

    coefficients: Array
    """(k,)."""
    influences: Array
    """(n, k): (x'x / n)^-1 x_t e_t; the mean's error is the coefficients'."""
    r_squared: float


def standardised(columns: Array) -> Array:
    """Each column with mean 0 and standard deviation 1; one that does not vary becomes 0."""
    spread = columns.std(axis=0)
    return np.asarray((columns - columns.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0))


def least_squares(columns: Array, y: Array) -> Fit | None:
    """Fit with a constant; the constant is not among what comes back.  None: the columns say the same, or one does not vary.

    columns : (n, k), standardised.
    """
    n = y.size
    centred = y - y.mean()
    gram = columns.T @ columns / n
    if columns.shape[1]:
        eigen = np.linalg.eigvalsh(gram)
        if not eigen[0] > SINGULAR * eigen[-1]:
            return None
    inverse = np.linalg.inv(gram)
    beta = inverse @ (columns.T @ centred) / n
    residuals = centred - columns @ beta
    total = float(centred @ centred)
    share = 1.0 - float(residuals @ residuals) / total if total > 0.0 else 0.0
    return Fit(beta, (columns * residuals[:, None]) @ inverse, share)


def without_each(columns: Array, y: Array, units: Integers, coefficients: Array) -> Array:
    """(g, k) by how much the coefficients change when a unit is left out, the constant fitted anew each time; nan: without one of them
    there is no fit.

    (g - 1) times the mean of their squares is the jackknife's variance: with few and unequal blocks it keeps its level where sums of
    residuals are too small, for a block with weight pulls the fit to itself (Cameron and Miller, Journal of Human Resources 50, 2015).
    """
    g = int(units[-1]) + 1
    table = np.concatenate([columns, np.ones((y.size, 1))], axis=1)
    begins = np.searchsorted(units, np.arange(g))
    grams = np.add.reduceat(table[:, :, None] * table[:, None, :], begins, axis=0)
    with_y = np.add.reduceat(table * y[:, None], begins, axis=0)
    left = grams.sum(axis=0) - grams
    eigen = np.linalg.eigvalsh(left)
    if not (eigen[:, 0] > SINGULAR * eigen[:, -1]).all():
        return np.full((g, coefficients.size), np.nan)
    rest = np.linalg.solve(left, (with_y.sum(axis=0) - with_y)[:, :, None])[:, :-1, 0]
    return np.asarray(coefficients - rest)


def rolling_forecasts(columns: Array, y: Array, times_ns: Integers, known_ns: Integers, n_train: int) -> Array:
    """(n,) forecasts of y: each row's by a fit on the last ``n_train`` rows whose outcomes were known at its time.

    nan: so many are not there yet, or the fit has no one solution.  A window of one length makes the test one of forecasting methods,
    their estimation included (Giacomini and White, "Tests of conditional predictive ability", Econometrica 74, 2006).
    """
    n = y.size
    out = np.full(n, np.nan)
    ends = np.minimum(np.searchsorted(known_ns, times_ns, side="right"), np.arange(n))
    rows = np.flatnonzero(ends >= n_train)
    if not rows.size:
        return out
    # the first fit's scale: no matter to a fit, but that sums keep their digits; and never from rows that come later
    first = columns[:n_train]
    spread = first.std(axis=0)
    x = (columns - first.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    origin = y[:n_train].mean()
    table = np.concatenate([x, (y - origin)[:, None]], axis=1)
    firsts = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
    seconds = np.cumsum(table[:, :, None] * x[:, None, :], axis=0)
    seconds = np.concatenate([np.zeros((1, *seconds.shape[1:])), seconds])
    begin, end = ends[rows] - n_train, ends[rows]
    means = (firsts[end] - firsts[begin]) / n_train
    moments = (seconds[end] - seconds[begin]) / n_train - means[:, :, None] * means[:, None, :-1]
    gram, with_y = moments[:, :-1, :], moments[:, -1, :]
    eigen = np.linalg.eigvalsh(gram)
    good = eigen[:, 0] > SINGULAR * np.maximum(eigen[:, -1], SINGULAR)
    gram = np.where(good[:, None, None], gram, np.eye(gram.shape[1]))
    beta = np.linalg.solve(gram, with_y[:, :, None])[:, :, 0]
    found = origin + means[:, -1] + ((x[rows] - means[:, :-1]) * beta).sum(axis=1)
    out[rows] = np.where(good, found, np.nan)
    return out
