"""H8: the arithmetic of the uplift test against published numbers, other programs, and formulas written out."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

from streams.flow.uplift import long_run
from streams.flow.uplift.bootstrap import automatic_length, drawn_means
from streams.flow.uplift.family import adjusted, nominal_levels, rejected_at_look
from streams.flow.uplift.plan import Alternative, BlockKind, Correction, Spending
from streams.flow.uplift.regression import least_squares, rolling_forecasts, standardised, without_each
from tests.uplift_plans import autoregression

EPS = np.finfo(np.float64).eps
N = 300
_T = np.arange(1.0, N + 1.0)
X = np.stack([autoregression(np.sin(_T * _T), 0.5), autoregression(np.sin(1.7 * _T * _T + 1.0), 0.3)], axis=1)
Y = 0.4 * X[:, 0] + 0.1 * X[:, 1] + autoregression(np.sin(2.3 * _T**2 + 2.0), 0.6)
"""No random numbers: the same everywhere."""
DIGITS = 1e-9
"""Of the other programs' numbers below, which were printed with more."""


@pytest.mark.parametrize(
    ("n_lags", "std_error", "p_value"),
    [(0, 0.047683419160893144, 0.5024305394308718), (4, 0.05446788694687243, 0.557079933997858),
     (11, 0.0567964370639789, 0.5733504779615048)],
)  # fmt: skip
def test_h8_newey_west_errors_are_those_of_statsmodels(n_lags: int, std_error: float, p_value: float) -> None:
    """statsmodels 0.15.0: OLS(Y, constant and standardised X).fit(cov_type="HAC", maxlags, use_correction=True, use_t=True)."""
    fit = least_squares(standardised(X), Y)
    assert fit is not None
    omega = long_run.bartlett(fit.influences[:, 1], n_lags)
    found = long_run.judged(
        float(fit.coefficients[1]), math.sqrt(omega / (N - 3)), N - 3.0, 0.05, Alternative.TWO_SIDED
    )
    assert found.std_error == pytest.approx(std_error, rel=DIGITS)
    assert found.p_value == pytest.approx(p_value, rel=DIGITS)


DM = {
    (36, 1): [(-1.34, -1.32), (-0.57, -0.56), (-1.04, -1.02), (-2.32, -2.30), (0.23, 0.22), (-0.69, -0.68)],
    (31, 6): [(-2.89, -2.38), (1.80, 1.48), (0.37, 0.31), (-2.08, -1.71), (0.60, 0.49), (-3.52, -2.90)],
}
"""Journal of Transportation and Statistics 7 (2004) no. 1, paper 3, table 9: DM and DM* of 36 months, of which h - 1 fall away."""


def test_h8_the_small_sample_correction_is_that_of_published_tables() -> None:
    for (n, h), pairs in DM.items():
        for plain, corrected in pairs:
            found = plain * math.sqrt(long_run.small_sample_factor(n, h))
            assert abs(found - corrected) <= 0.015, "both are rounded to two digits, and one of the twelve by one more"


@pytest.mark.parametrize("h", [1, 2, 5])
def test_h8_diebold_mariano_is_its_formula_written_out(h: int) -> None:
    d = X[:, 0] ** 2 - 0.8 * Y**2
    mean = sum(d) / N
    omega = 0.0
    for i in range(N):
        for j in range(N):
            if abs(i - j) < h:
                omega += (d[i] - mean) * (d[j] - mean) / N
    statistic = mean / math.sqrt(omega / N) * math.sqrt((N + 1 - 2 * h + h * (h - 1) / N) / N)
    found = long_run.diebold_mariano(d, h, 0.05, Alternative.TWO_SIDED)
    assert omega > 0.0 and not found.note
    assert found.statistic == pytest.approx(statistic, rel=N * N * EPS)
    assert found.p_value == pytest.approx(2.0 * stats.t.sf(abs(statistic), N - 1), rel=1e-9)
    one_sided = long_run.diebold_mariano(d, h, 0.05, Alternative.B_BETTER)
    assert one_sided.p_value == pytest.approx(stats.t.sf(statistic, N - 1), rel=1e-9)


def test_h8_a_variance_that_is_not_positive_is_taken_with_bartletts_weights_and_said() -> None:
    d = np.where(np.arange(60) % 2 == 0, 1.0, -1.0) + 0.01 * np.sin(np.arange(60.0))
    assert long_run.rectangular(d, 1) <= 0.0
    found = long_run.diebold_mariano(d, 2, 0.05, Alternative.TWO_SIDED)
    assert "Bartlett" in found.note and 0.0 < found.p_value <= 1.0


def test_h8_an_outcome_that_reaches_over_the_sample_is_not_judged() -> None:
    found = long_run.diebold_mariano(Y[:30], 12, 0.05, Alternative.TWO_SIDED)
    assert math.isnan(found.p_value) and "more than a third" in found.note


def test_h8_cosines_of_white_noise_have_its_variance() -> None:
    """Mean of chi-squares: over 2 000 series with nu = 17 the relative error is sqrt(2 / (17 · 2 000)) = 0.0077."""
    rng = np.random.default_rng(3)
    found = [long_run.cosines(series) for series in rng.normal(size=(2_000, 300)) * 3.0 + 7.0]
    assert {nu for _, nu in found} == {int(0.4 * 300 ** (2 / 3))}
    assert abs(np.mean([omega for omega, _ in found]) / 9.0 - 1.0) <= 5.0 * 0.0077


@pytest.mark.parametrize("length", [1.0, 4.0, 12.5])
def test_h8_the_stationary_bootstrap_has_its_known_variance(length: float) -> None:
    """Politis and Romano 1994: n Var = c(0) + 2 sum ((1 - k/n) q^k + (k/n) q^(n-k)) c(k), q = 1 - 1/length."""
    c, q = long_run.autocovariances(Y, N - 1), 1.0 - 1.0 / length
    k = np.arange(1, N)
    want = (c[0] + 2.0 * (((1.0 - k / N) * q**k + k / N * q ** (N - k)) @ c[1:])) / N
    n_draws = 40_000
    means = drawn_means(Y, BlockKind.STATIONARY, length, n_draws, np.random.default_rng(1))
    assert abs(means.mean() - Y.mean()) <= 5.0 * math.sqrt(want / n_draws)
    assert abs(means.var() / want - 1.0) <= 5.0 * math.sqrt(2.0 / n_draws) * 1.2, "draws of nearly normal means"


def test_h8_moving_blocks_have_the_variance_of_the_blocks_on_a_circle() -> None:
    length, n_draws = 10, 40_000
    blocks = np.array([np.take(Y, np.arange(i, i + length), mode="wrap").mean() for i in range(N)])
    want = blocks.var() / (N / length)
    means = drawn_means(Y, BlockKind.MOVING, float(length), n_draws, np.random.default_rng(2))
    assert abs(means.mean() - Y.mean()) <= 5.0 * math.sqrt(want / n_draws)
    assert abs(means.var() / want - 1.0) <= 5.0 * math.sqrt(2.0 / n_draws) * 1.2


@pytest.mark.parametrize("rho", [0.3, 0.6])
def test_h8_the_automatic_block_length_is_that_of_an_autoregression(rho: float) -> None:
    """c(k) = rho^|k|: (2 G² / D)^(1/3) = (2 rho / (1 - rho²))^(2/3) of the stationary bootstrap, (3/2)^(1/3) as much of circular
    blocks.  The mean over 20 series of 20 000 within 15 %: the lag that the rule finds is itself uncertain."""
    series = autoregression(np.random.default_rng(11).normal(size=(20, 20_000)), rho)
    want = (2.0 * rho / (1.0 - rho * rho)) ** (2.0 / 3.0) * 20_000 ** (1.0 / 3.0)
    found = np.array([automatic_length(each, BlockKind.STATIONARY) for each in series])
    assert abs(found.mean() / want - 1.0) <= 0.15
    moving = np.array([automatic_length(each, BlockKind.MOVING) for each in series])
    assert np.allclose(moving / found, 1.5 ** (1.0 / 3.0), rtol=8 * EPS)


P_VALUES = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0,
]
"""Benjamini and Hochberg 1995, section 3.2: at 0.05 their procedure rejects four, Bonferroni's three."""


def test_h8_the_family_is_corrected_as_published() -> None:
    order = np.random.default_rng(5).permutation(len(P_VALUES))
    p = np.array(P_VALUES)[order]
    by = {kind: np.array(adjusted(p.tolist(), kind)) for kind in Correction}
    assert (by[Correction.BENJAMINI_HOCHBERG] <= 0.05).sum() == 4 and (by[Correction.HOLM] <= 0.05).sum() == 3
    want = stats.false_discovery_control(p)
    assert np.allclose(by[Correction.BENJAMINI_HOCHBERG], want, rtol=8 * EPS, atol=0.0)
    ranks = np.argsort(np.argsort(p))
    by_hand = [min(1.0, max(sorted(p)[j] * (15 - j) for j in range(ranks[i] + 1))) for i in range(15)]
    assert np.allclose(by[Correction.HOLM], by_hand, rtol=8 * EPS, atol=0.0)


@pytest.mark.parametrize("kind", list(Correction))
def test_h8_a_test_that_cannot_be_judged_helps_no_other(kind: Correction) -> None:
    assert adjusted([0.01, math.nan, 0.02], kind) == adjusted([0.01, 1.0, 0.02], kind)


BOUNDARIES = {
    Spending.OBRIEN_FLEMING: (4.8769, 3.3569, 2.6803, 2.2898, 2.0310),
    Spending.POCOCK: (2.4380, 2.4268, 2.4102, 2.3966, 2.3860),
}
"""Lan and DeMets's boundaries of five equal looks at 0.05, two-sided, as their program and R's ldbounds print them."""


@pytest.mark.parametrize("kind", list(Spending))
def test_h8_boundaries_of_repeated_looks_are_the_published_ones(kind: Spending) -> None:
    levels = nominal_levels(kind, 0.05, (20, 40, 60, 80, 100), 2)
    # four digits, of which the program's own grid leaves the last uncertain by one
    assert np.abs(stats.norm.isf(np.array(levels) / 2.0) - BOUNDARIES[kind]).max() <= 1.5e-4
    one_sided = nominal_levels(kind, 0.025, (20, 40, 60, 80, 100), 1)
    assert np.allclose(one_sided, np.array(levels) / 2.0, rtol=1e-4), "a path that crosses both sides is rare"


def test_h8_the_second_boundary_is_the_integral_that_defines_it() -> None:
    """By mpmath, 15 digits: P(|B(0.2)| < c1 sqrt(0.2), |B(0.4)| > c2 sqrt(0.4)) is what the second look spends."""
    mp = mpmath.mp

    def tail(z: Any) -> Any:
        return mp.erfc(z / mp.sqrt(2)) / 2

    z = mp.findroot(lambda z: tail(z) - mp.mpf("0.0125"), 2.24)
    spent = [2 * tail(z / mp.sqrt(mp.mpf(share))) for share in ("0.2", "0.4")]
    first = mp.findroot(lambda c: tail(c) - spent[0], 4.87)
    step = mp.sqrt(mp.mpf("0.2"))
    side = first * step

    found = nominal_levels(Spending.OBRIEN_FLEMING, 0.05, (20, 40, 60, 80, 100), 2)
    second = mp.findroot(lambda c: 2 * tail(c) - mp.mpf(found[1]), 3.36)
    edge = second * mp.sqrt(mp.mpf("0.4"))
    crossed = mp.quad(lambda x: mp.npdf(x, 0, step) * tail((edge - x) / step), [-side, 0, 1, side])
    assert found[0] == pytest.approx(float(2 * tail(first)), rel=1e-9)
    assert float(crossed) == pytest.approx(float(spent[1] - spent[0]), rel=1e-9), "one side, at the second look"


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("kind", list(Spending))
def test_h8_all_looks_together_reject_by_chance_as_often_as_alpha_says(kind: Spending, sides: int) -> None:
    """Drawn paths instead of the integral; 200 000 of them, five standard errors."""
    looks = (25, 30, 60, 61, 100)
    levels = nominal_levels(kind, 0.05, looks, sides)
    steps = np.diff(looks, prepend=0)
    paths = np.cumsum(np.random.default_rng(8).normal(size=(200_000, 5)) * np.sqrt(steps), axis=1) / np.sqrt(looks)
    p = stats.norm.sf(np.abs(paths)) * 2.0 if sides == 2 else stats.norm.sf(paths)
    share = (p <= levels).any(axis=1).mean()
    assert abs(share - 0.05) <= 5.0 * math.sqrt(0.05 * 0.95 / 200_000)


def test_h8_a_look_too_early_to_spend_anything_rejects_nothing() -> None:
    levels = nominal_levels(Spending.OBRIEN_FLEMING, 0.05, (20, 10_000), 2)
    assert levels[0] == 0.0 and levels[1] == pytest.approx(0.05, rel=1e-9)


def test_h8_at_a_look_one_rejected_leaves_its_share_of_alpha_to_the_rest() -> None:
    looks = (30, 60)
    whole, half = (nominal_levels(Spending.POCOCK, a, looks, 2)[0] for a in (0.05, 0.025))
    between = 0.5 * (whole + half)
    said: dict[str, Any] = {"kind": Spending.POCOCK, "alpha": 0.05, "looks": looks, "look": 0, "sides": (2, 2)}
    assert rejected_at_look((between, between), (False, False), **said) == (False, False)
    assert rejected_at_look((between, half), (False, False), **said) == (True, True)
    assert rejected_at_look((between, math.nan), (False, False), **said) == (False, False)
    assert rejected_at_look((1.0, between), (True, False), **said) == (True, True)


def test_h8_rolling_forecasts_are_fits_on_what_was_known() -> None:
    times = np.arange(N, dtype=np.int64) * 60
    known = times + 150  # an outcome is known two and a half rows later: at the third
    found = rolling_forecasts(X, Y, times, known, 50)
    assert np.isnan(found[:52]).all() and not np.isnan(found[52:]).any()
    for t in (52, 97, N - 1):
        rows = slice(t - 2 - 50, t - 2)
        design = np.column_stack([np.ones(50), X[rows]])
        beta = np.linalg.lstsq(design, Y[rows], rcond=None)[0]
        want = beta @ [1.0, *X[t]]
        # of a fit by sums: rounding of sums over N terms, by the condition of the window's correlations
        assert found[t] == pytest.approx(want, rel=1e3 * N * EPS)


def test_h8_a_window_in_which_a_predictor_stands_still_has_no_forecast() -> None:
    x = X.copy()
    x[100:200, 1] = 3.0
    times = np.arange(N, dtype=np.int64)
    found = rolling_forecasts(x, Y, times, times + 1, 50)
    assert np.flatnonzero(np.isnan(found)).tolist() == [*range(50), *range(150, 201)]


def test_h8_what_leaving_a_block_out_takes_away_is_the_difference_of_two_fits() -> None:
    units = np.minimum(np.arange(N) // 7, 30)  # the last block is larger
    columns = standardised(X)
    fit = least_squares(columns, Y)
    assert fit is not None
    found = without_each(columns, Y, units, fit.coefficients)
    for g in range(31):
        kept = units != g
        design = np.column_stack([columns[kept], np.ones(int(kept.sum()))])
        beta = np.linalg.lstsq(design, Y[kept], rcond=None)[0]
        # a difference of two coefficients of order 1, each by sums over N terms
        assert np.allclose(found[g], fit.coefficients - beta[:2], rtol=0.0, atol=4.0 * N * EPS)


def test_h8_columns_that_say_the_same_have_no_fit() -> None:
    assert least_squares(standardised(np.stack([Y, 2.0 * Y + 1.0], axis=1)), Y) is None
    assert least_squares(standardised(np.stack([Y, np.full(N, 2.0)], axis=1)), Y) is None
