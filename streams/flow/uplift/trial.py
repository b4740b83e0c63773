"""One test of a plan on its samples: what was found, how sure, and what could have been found."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np

from streams.flow.uplift.bootstrap import bootstrapped
from streams.flow.uplift.long_run import (
    Judged,
    bartlett,
    cosines,
    detectable,
    diebold_mariano,
    judged,
    newey_west_lags,
    smoothed,
)
from streams.flow.uplift.plan import Alternative, Compare, Inference, Loss, Method, Plan, PlannedTest
from streams.flow.uplift.record import Array, Integers
from streams.flow.uplift.regression import Fit, least_squares, rolling_forecasts, standardised, without_each
from streams.flow.uplift.samples import Samples


class Ready(NamedTuple):
    """A test's samples, and of forecasts the losses."""

    samples: Samples
    losses_a: Array
    losses_b: Array
    n_units: int
    """Units that count, in all."""


class Trial(NamedTuple):
    """What one test found.  Of forecasts the estimate is loss of A minus loss of B: above 0, B is better.  Of coefficients it is the
    change of the outcome per standard deviation of B's predictor, A's and the controls held."""

    judged: Judged
    n_units: int
    n_samples: int
    n_ahead: int
    """Units that one outcome reaches over."""
    detectable: float
    figures: dict[str, float]


def losses(forecasts: Array, outcome: Array, loss: Loss) -> Array:
    if loss == Loss.SQUARED:
        return (outcome - forecasts) ** 2
    if loss == Loss.ABSOLUTE:
        return np.asarray(np.abs(outcome - forecasts))
    return np.where(np.isnan(forecasts), np.nan, np.sign(outcome) != np.sign(forecasts))


def ready(samples: Samples, test: PlannedTest) -> Ready:
    """Losses of both models on the rows that both have a forecast for, units counted."""
    if test.compare == Compare.COEFFICIENTS:
        n = int(samples.units[-1]) + 1 if samples.units.size else 0
        return Ready(samples, samples.outcome, samples.outcome, n)
    found = []
    for predictor in (samples.a, samples.b):
        if test.method == Method.PREDICTOR:
            forecasts = predictor
        else:
            columns = np.concatenate([samples.controls, predictor[:, None]], axis=1)
            forecasts = rolling_forecasts(
                columns, samples.outcome, samples.times_ns, samples.known_ns, test.train_samples
            )
        found.append(losses(forecasts, samples.outcome, test.loss))
    keep = ~(np.isnan(found[0]) | np.isnan(found[1]))
    _, units = np.unique(samples.units[keep], return_inverse=True)
    kept = Samples(
        samples.times_ns[keep], samples.known_ns[keep], samples.outcome[keep], samples.a[keep], samples.b[keep],
        samples.controls[keep], np.asarray(units, dtype=np.int64), {**samples.dropped, "no forecast": int((~keep).sum())},
    )  # fmt: skip
    return Ready(kept, found[0][keep], found[1][keep], int(units[-1]) + 1 if units.size else 0)


def reach(samples: Samples, n: int, every_s: float, has_blocks: bool, horizon_s: float) -> int:
    """Units that an outcome reaches over: h - 1 units after its own begin before it is known."""
    if not has_blocks:
        return max(math.ceil(horizon_s / every_s), 1)
    begins = samples.times_ns[:n][np.diff(samples.units[:n], prepend=-1) > 0]
    later = np.searchsorted(begins, samples.known_ns[:n], side="left") - 1
    return 1 + int(np.max(later - samples.units[:n], initial=0))


def _by_unit(values: Array, units: Integers) -> Array:
    """Sums over the samples of each unit."""
    return np.bincount(units, values, int(units[-1]) + 1).astype(np.float64)


def run(it: Ready, test: PlannedTest, plan: Plan, n_units: int) -> Trial:
    """The test on its first ``n_units`` units."""
    samples = it.samples
    n = int(np.searchsorted(samples.units, n_units))
    has_blocks = bool(plan.sampling.block_column)
    n_ahead = reach(samples, n, plan.sampling.every_s, has_blocks, test.horizon_s)
    compare = _forecasts if test.compare == Compare.FORECASTS else _coefficients
    found, figures = compare(it, test, plan, n, n_ahead)
    degrees = math.inf if math.isnan(found.degrees) else found.degrees
    return Trial(found, n_units, n, n_ahead, detectable(found.std_error, degrees, plan.alpha), figures)


def _forecasts(it: Ready, test: PlannedTest, plan: Plan, n: int, n_ahead: int) -> tuple[Judged, dict[str, float]]:
    units = it.samples.units[:n]
    sizes = _by_unit(np.ones(n), units)
    a, b = _by_unit(it.losses_a[:n], units) / sizes, _by_unit(it.losses_b[:n], units) / sizes
    figures = {"loss_a": float(a.mean()), "loss_b": float(b.mean())}
    if not (a != b).any():
        note = "both models forecast the same everywhere: there is nothing to compare"
        return judged(0.0, math.nan, math.inf, plan.alpha, test.alternative, note), figures
    if test.inference == Inference.BLOCK_BOOTSTRAP:
        name = int.from_bytes(hashlib.sha256(test.name.encode()).digest()[:8], "big")
        rng = np.random.default_rng([plan.seed, name])
        found, length = bootstrapped(a - b, test, n_ahead, plan.alpha, rng)
        return found, {**figures, "block_length": length}
    if test.inference == Inference.COSINES:
        return smoothed(a - b, plan.alpha, test.alternative), figures
    return diebold_mariano(a - b, n_ahead, plan.alpha, test.alternative), figures


def _coefficients(it: Ready, test: PlannedTest, plan: Plan, n: int, n_ahead: int) -> tuple[Judged, dict[str, float]]:
    samples = it.samples
    y, units = samples.outcome[:n], samples.units[:n]
    controls = standardised(samples.controls[:n])
    a, b = standardised(samples.a[:n, None]), standardised(samples.b[:n, None])
    bare, with_a, with_b, both = (
        least_squares(np.concatenate([controls, *more], axis=1), y) for more in ((), (a,), (b,), (a, b))
    )
    if bare is None or with_a is None or with_b is None or both is None:
        nan = math.nan
        note = "the predictors and controls say the same, or one does not vary: their parts cannot be told apart"
        return judged(nan, nan, math.inf, plan.alpha, test.alternative, note), {}
    all_columns = np.concatenate([controls, a, b], axis=1)
    b_judged = _coefficient(both, -1, all_columns, y, units, test, plan, n_ahead, test.alternative)
    a_judged = _coefficient(both, -2, all_columns, y, units, test, plan, n_ahead, Alternative.TWO_SIDED)
    figures = {
        "r2_controls": bare.r_squared, "r2_with_a": with_a.r_squared, "r2_with_b": with_b.r_squared,
        "r2_with_both": both.r_squared, "r2_added_by_b": both.r_squared - with_a.r_squared,
        "r2_added_by_a": both.r_squared - with_b.r_squared, "estimate_of_a": a_judged.estimate, "p_value_of_a": a_judged.p_value,
        "outcome_std": float(y.std()),
    }  # fmt: skip
    return b_judged, figures


def _coefficient(
    fit: Fit, place: int, columns: Array, y: Array, units: Integers, test: PlannedTest, plan: Plan, n_ahead: int, alternative: Alternative
) -> Judged:  # fmt: skip
    """One coefficient by the long-run variance of what each sample adds to it, or, with blocks, of what leaving each out takes away.

    n / (n - k): residuals are smaller than errors.
    """
    n, k = y.size, fit.coefficients.size + 1
    has_blocks = bool(plan.sampling.block_column)
    if has_blocks:
        parts = without_each(columns, y, units, fit.coefficients)[:, place]
        if np.isnan(parts).any():
            note = "something varies in one block alone: without it there is no fit"
            return judged(float(fit.coefficients[place]), math.nan, math.inf, plan.alpha, alternative, note)
        factor, degrees, lags = parts.size - 1.0, parts.size - 1.0, n_ahead - 1
    else:
        parts = fit.influences[:, place]
        factor, degrees, lags = 1.0 / (n - k), float(n - k), newey_west_lags(n, n_ahead)
    if test.inference == Inference.COSINES:
        omega, nu = cosines(parts)
        degrees = float(nu)
    else:
        omega = bartlett(parts, min(lags, parts.size - 1))
    return judged(float(fit.coefficients[place]), math.sqrt(omega * factor), degrees, plan.alpha, alternative)
