"""How sure a mean is when its terms depend on each other: long-run variances, and tests made of them.

Of a series with autocovariances c(k), Var(mean) = Omega / n with Omega = sum of c(k) over all lags k.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from streams.flow.uplift.plan import Alternative
from streams.flow.uplift.record import Array

DETECTED = 0.8
"""Power at which the smallest effect that would have been found is stated."""


class Judged(NamedTuple):
    """An estimate against 0.  nan: it cannot be judged, and ``note`` says why."""

    estimate: float
    std_error: float
    statistic: float
    degrees: float
    """Of Student's t; inf: the normal law; nan: from draws."""
    p_value: float
    low: float
    high: float
    """Interval of 1 - alpha, two-sided, of this estimate alone."""
    note: str = ""


def autocovariances(series: Array, n_lags: int) -> Array:
    """c(0) ... c(n_lags), each over n."""
    centred = series - series.mean()
    return np.array([centred[: series.size - k] @ centred[k:] / series.size for k in range(n_lags + 1)])


def rectangular(series: Array, n_lags: int) -> float:
    """c(0) + 2 sum c(k): unbiased where c vanishes beyond, and not always positive."""
    c = autocovariances(series, n_lags)
    return float(c[0] + 2.0 * c[1:].sum())


def bartlett(series: Array, n_lags: int) -> float:
    """c(0) + 2 sum (1 - k/(n_lags + 1)) c(k), never negative (Newey and West 1987)."""
    c = autocovariances(series, n_lags)
    return float(c[0] + 2.0 * ((1.0 - np.arange(1, n_lags + 1) / (n_lags + 1)) @ c[1:]))


def cosines(series: Array) -> tuple[float, int]:
    """Mean square of the series' first ``nu`` cosine coefficients, and ``nu``: t with nu degrees then holds its level.

    nu = 0.4 n^(2/3).  Reference: Lazarus, Lewis, Stock and Watson, "HAR Inference: Recommendations for Practice" (2018).
    """
    n = series.size
    nu = max(int(0.4 * n ** (2.0 / 3.0)), 1)
    waves = np.cos(math.pi * np.outer(np.arange(1, nu + 1), (np.arange(n) + 0.5) / n))
    parts = math.sqrt(2.0 / n) * (waves @ series)
    return float(parts @ parts / nu), nu


def p_value_of(statistic: float, degrees: float, alternative: Alternative) -> float:
    """By Student's t; ``stdtr`` itself, for scipy.stats takes a hundred times as long to say the same."""
    if alternative == Alternative.TWO_SIDED:
        return 2.0 * float(special.stdtr(degrees, -abs(statistic)))
    return float(special.stdtr(degrees, statistic if alternative == Alternative.NEGATIVE else -statistic))


def judged(
    estimate: float, std_error: float, degrees: float, alpha: float, alternative: Alternative, note: str = ""
) -> Judged:
    """By Student's t."""
    if not std_error > 0.0:
        nan = math.nan
        return Judged(estimate, nan, nan, nan, nan, nan, nan, note or "nothing varies: there is nothing to judge by")
    statistic = estimate / std_error
    half = std_error * float(special.stdtrit(degrees, 1.0 - alpha / 2.0))
    p_value = p_value_of(statistic, degrees, alternative)
    return Judged(estimate, std_error, statistic, degrees, p_value, estimate - half, estimate + half, note)


def detectable(std_error: float, degrees: float, alpha: float) -> float:
    """The size of an effect that is found eight times in ten, two-sided, by what is known of its error afterwards.

    (t(1 - alpha/2) + t(0.8)) std_error: the usual approximation of the noncentral t.
    """
    law = degrees if math.isfinite(degrees) else 1e9
    return std_error * float(special.stdtrit(law, 1.0 - alpha / 2.0) + special.stdtrit(law, DETECTED))


def small_sample_factor(n: int, h: int) -> float:
    """(n + 1 - 2 h + h (h - 1) / n) / n: by what the estimated variance of a mean of h-step loss differentials is too small."""
    return (n + 1.0 - 2.0 * h + h * (h - 1.0) / n) / n


def diebold_mariano(differences: Array, n_ahead: int, alpha: float, alternative: Alternative) -> Judged:
    """Whether a mean of loss differentials is 0, with the correction of Harvey, Leybourne and Newbold.

        DM = mean / sqrt(Omega / n),  DM* = DM sqrt(small_sample_factor(n, h)),  against t with n - 1 degrees,

    h = ``n_ahead`` units that one outcome reaches over, Omega with h - 1 lags of equal weight; where that is not positive, with the
    weights of Bartlett, and ``note`` says so.
    References: Diebold and Mariano (1995); Harvey, Leybourne and Newbold, "Testing the equality of prediction mean squared errors",
    International Journal of Forecasting 13 (1997).
    """
    n, h = differences.size, min(n_ahead, max(differences.size // 3, 1))
    note = "" if h == n_ahead else f"an outcome reaches over {n_ahead} units, more than a third of the sample: too few"
    if note:
        return judged(float(differences.mean()), math.nan, n - 1.0, alpha, alternative, note)
    omega = rectangular(differences, h - 1)
    if omega <= 0.0 < float(np.ptp(differences)):
        omega, note = (
            bartlett(differences, h - 1),
            "variance with Bartlett's weights: with equal ones it is not positive",
        )
    std_error = math.sqrt(max(omega, 0.0) / n / small_sample_factor(n, h))
    return judged(float(differences.mean()), std_error, n - 1.0, alpha, alternative, note)


def smoothed(differences: Array, alpha: float, alternative: Alternative) -> Judged:
    """Whether a mean of loss differentials is 0, its long-run variance by cosines: also where they depend on each other for longer than
    an outcome reaches, as those of forecasts do that leave something out.

    Reference: Coroneo and Iacone, "Comparing predictive accuracy in small samples using fixed-smoothing asymptotics", Journal of Applied
    Econometrics 35 (2020).
    """
    omega, nu = cosines(differences)
    return judged(float(differences.mean()), math.sqrt(omega / differences.size), float(nu), alpha, alternative)


def newey_west_lags(n_units: int, n_ahead: int) -> int:
    """h - 1, or 0.75 n^(1/3) (Stock and Watson's rule) where that is more."""
    return max(n_ahead - 1, int(0.75 * n_units ** (1.0 / 3.0)))
