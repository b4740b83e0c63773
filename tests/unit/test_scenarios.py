"""The scenario functions against ``value_options``, the normal distribution of mpmath and plain sums."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from pricers import _scenario_options, _scenario_sums, _scenario_zeros, scenarios, value_options

F = 100_000.0
RATIOS = np.linspace(0.8, 1.2, 41)
SIGNS = np.where(np.arange(61) % 2, 1.0, -1.0)
WINDOW_YEARS = 1_800 / 31_536_000


def inputs(tau_s: float, n_fixed: int, sigma: float) -> dict[str, Any]:
    """61 options around the money, as wide as the time and the vol make them matter."""
    reach = max(0.02, min(1.0, 2.5 * sigma * math.sqrt(tau_s / 31_536_000)))
    return {
        "forward": F, "strike": F * np.exp(np.linspace(-reach, reach, 61)), "sigma": sigma, "option_sign": SIGNS,
        "next_fixing_s": tau_s - (449 - n_fixed) * 4, "interval_s": 4.0, "n_fixings": 450, "n_fixed": n_fixed,
        "running_sum": n_fixed * F * 1.001,
    }  # fmt: skip


def exact(given: dict[str, Any], payoff: str) -> Any:
    """The closed form at every ratio: arrays (61, 41)."""
    columns = {name: np.asarray(value, dtype=float)[..., None] for name, value in given.items()}
    columns["forward"] = F * RATIOS
    return value_options(**columns, payoff=payoff, engine="closed_form")


def worst(got: np.ndarray, want: np.ndarray) -> float:
    """Largest difference over the largest magnitude."""
    return float(np.abs(got - want).max() / np.abs(want).max())


BEFORE = [(1_801.0, 0), (3_600.0, 0), (6 * 3_600.0, 0), (86_400.0, 0), (30 * 86_400.0, 0)]
INSIDE = [(1_790.0, 3), (900.0, 225), (900.0, 223), (60.0, 434)]
"""The third has two fixings due whose value is not known."""


@pytest.mark.parametrize("sigma", [0.5, 1.5])
@pytest.mark.parametrize(("tau_s", "n_fixed"), BEFORE + INSIDE)
def test_gamma_is_the_closed_forms_before_and_inside_the_window(tau_s: float, n_fixed: int, sigma: float) -> None:
    """Linear: what Edgeworth's term leaves is sigma² times the window's length, a twentieth of it at most (measured: 1/21)."""
    given_ = inputs(tau_s, n_fixed, sigma)
    value = exact(given_, "linear")
    columns = scenarios.option_columns(**given_)
    bound = sigma**2 * WINDOW_YEARS / 20.0 if n_fixed == 0 else 1e-12
    assert worst(scenarios.gamma_profile(columns, RATIOS), value.gamma) <= bound
    assert worst(scenarios.vanna_profile(columns, RATIOS), value.vanna) <= 3.0 * bound
    deltas = np.stack([scenarios.delta_ladder(columns, row, RATIOS, [0.0], [0.0])[0, 0] for row in np.eye(61)])
    assert np.abs(deltas - value.delta).max() <= bound


@pytest.mark.parametrize(("tau_s", "n_fixed"), INSIDE)
def test_the_inverse_payoff_is_exact_inside_the_window(tau_s: float, n_fixed: int) -> None:
    """Where the boundary is far it is its limit of no volatility, which differs by sigma² times the time left."""
    given_ = inputs(tau_s, n_fixed, 0.5)
    value = exact(given_, "inverse")
    columns = scenarios.option_columns(**given_, is_inverse=True)
    bound = 0.25 * tau_s / 31_536_000
    assert worst(scenarios.gamma_profile(columns, RATIOS), value.gamma) <= bound
    deltas = np.stack([scenarios.delta_ladder(columns, row, RATIOS, [0.0], [0.0])[0, 0] for row in np.eye(61)])
    assert np.abs(deltas - value.delta).max() <= bound


@pytest.mark.parametrize("is_coin", [False, True])
@pytest.mark.parametrize("n_fixed", [225, 223])
def test_far_from_the_boundary_gamma_is_that_of_the_payoff_itself(n_fixed: int, is_coin: bool) -> None:
    """The second derivative of sign (1 - K/A) F, A = P + w F, by mpmath's Taylor series; in coin F times that of 1 - K/A, and one slope.

    Half of the window is known; of the fixings to come two may be due. Rounding is by K w / A²: the bracket beside it may all but vanish.
    """
    sign = np.array([1.0, -1.0, 1.0, -1.0])
    given_ = {**inputs(900.0, n_fixed, 0.5), "strike": F * np.array([0.9, 1.1, 1.1, 0.9]), "option_sign": sign}
    columns = scenarios.option_columns(**given_, is_inverse=True, is_coin=is_coin)
    got = scenarios.gamma_profile(columns, RATIOS)[:, 20]
    share, past = (450 - n_fixed) / mpmath.mpf(450), mpmath.mpf(given_["running_sum"]) / 450
    for i in range(2):
        strike = mpmath.mpf(float(given_["strike"][i]))
        coin = mpmath.taylor(lambda x, k=strike: 1 - k / (past + share * x), mpmath.mpf(F), 2)
        want = F * coin[2] * 2 + coin[1] if is_coin else F * coin[2] * 2 + 2 * coin[1]
        scale = float(strike * share / (past + share * F) ** 2)
        assert abs(got[i] - float(sign[i] * want)) <= 32 * np.finfo(float).eps * scale
        assert abs(want) > 1e-4 * scale
    assert np.all(got[2:] == 0.0), "out of the money"
    linear = scenarios.gamma_profile(scenarios.option_columns(**given_), RATIOS)
    assert np.all(linear[:, 20] == 0.0)


@pytest.mark.parametrize(("tau_s", "n_fixed"), [(86_400.0, 0), (7 * 86_400.0, 0), (900.0, 225)])
def test_the_coin_numeraire_is_delta_less_the_premium(tau_s: float, n_fixed: int) -> None:
    """gamma - delta/F + V/F², vanna - vega/F and delta - V/F of the closed form of the same payoff (linear before the window)."""
    given_ = inputs(tau_s, n_fixed, 0.5)
    value = exact(given_, "inverse" if n_fixed else "linear")
    forward = F * RATIOS
    columns = scenarios.option_columns(**given_, is_inverse=True, is_coin=True)
    bound = (
        2e-5  # of the largest: the skewness is left out of the premium, sigma sqrt(window) / 10 of 1/F, gamma is 20/F
    )
    want = value.gamma - value.delta / forward + value.price_usd / forward**2
    assert worst(scenarios.gamma_profile(columns, RATIOS), want) <= bound
    assert worst(scenarios.vanna_profile(columns, RATIOS), value.vanna - value.vega / forward) <= 1e-4
    deltas = np.stack([scenarios.delta_ladder(columns, row, RATIOS, [0.0], [0.0])[0, 0] for row in np.eye(61)])
    assert np.abs(deltas - (value.delta - value.price_usd / forward)).max() <= bound
    after = scenarios.deltas_after(columns, 0.0)
    assert np.abs(after - deltas[:, 20]).max() <= 4e-16, "no time: the delta now"


def test_a_sum_of_gammas_is_the_sum_of_the_profile() -> None:
    given_ = inputs(86_400.0, 0, 0.5)
    columns = scenarios.option_columns(**given_, is_inverse=True, is_coin=SIGNS > 0)
    smiles = scenarios.smile_tables(
        np.log(given_["strike"] / F), 0.5 + 0.1 * np.linspace(-1, 1, 61) ** 2, np.zeros(61, dtype=int)
    )
    weights = np.cos(np.arange(61.0))
    for tables in (scenarios.NO_SMILES, smiles):
        rows = scenarios.gamma_profile(columns, RATIOS, tables)
        sums = scenarios.GammaSum(columns, tables)
        for j in (0, 20, 33):
            want = math.fsum(weights * rows[:, j])
            assert sums.at(weights, float(RATIOS[j])) == pytest.approx(want, rel=1e-12, abs=1e-15 * rows.max())


def test_roots_are_those_of_scipys_brent() -> None:
    """Brent's method against scipy's, over many brackets of a sum that wiggles, to the tolerance asked for and in few steps."""
    given_ = inputs(900.0, 225, 0.5)
    columns = scenarios.option_columns(**given_, is_inverse=True)
    sums = scenarios.GammaSum(columns)
    weights = np.cos(2.2 * np.arange(61.0))
    grid = np.linspace(0.98, 1.02, 41)
    values = [sums.at(weights, float(ratio)) for ratio in grid]
    pairs = scenarios.sign_changes(np.array(values))
    assert len(pairs) >= 5
    for left, right in pairs:
        low, high = float(grid[left]), float(grid[right])
        want = brentq(lambda ratio: sums.at(weights, ratio), low, high, xtol=1e-14)
        for tolerance in (1e-6, 1e-12):
            for turn in (1, -1):  # either end first
                ends, at_ends = (low, high)[::turn], (values[left], values[right])[::turn]
                assert abs(sums.root(weights, ends, at_ends, tolerance) - want) <= tolerance
    with pytest.raises(ValueError, match="want one below 0"):
        sums.root(weights, (0.99, 1.01), (1.0, 2.0))


def test_weighted_sums_are_the_matrix_product() -> None:
    random = np.random.default_rng(5)
    weights, rows = random.normal(size=(7, 133)), random.normal(size=(133, 29))
    gross = np.abs(weights) @ np.abs(rows)
    assert np.all(np.abs(scenarios.weighted_sums(weights, rows) - weights @ rows) <= 133 * 2.3e-16 * gross)
    single = scenarios.weighted_sums_single(weights, rows)
    assert single.dtype == np.float32
    assert np.all(np.abs(single - weights @ rows) <= 133 * 1.2e-7 * gross)
    few = scenarios.weighted_sums(weights[:3, :37], rows[:37, :4])
    plain = np.empty((3, 4))
    _scenario_sums.weighted_rows.py_func(weights[:3, :37].copy(), rows[:37, :4].copy(), plain)
    assert np.array_equal(few, plain), "compiled and not: the same bits"
    for k in range(3):
        alone = scenarios.weighted_sums(weights[k : k + 1, :37], rows[:37, :4])
        assert np.array_equal(alone[0], few[k]), "whatever stands beside it"


def test_the_smile_moves_with_the_forward_under_sticky_moneyness() -> None:
    """At the money stays at the money: its vol at F x is the smile's at ln(K / (F x)), by mpmath's normal density."""
    strikes = F * np.exp(np.linspace(-0.3, 0.3, 25))
    sigmas = 0.5 + 0.4 * np.log(strikes / F) ** 2 - 0.1 * np.log(strikes / F)
    columns = scenarios.option_columns(
        forward=F, strike=strikes, sigma=sigmas, option_sign=1, next_fixing_s=7 * 86_400.0, interval_s=0.0, n_fixings=1
    )
    smiles = scenarios.smile_tables(np.log(strikes / F), sigmas, np.zeros(25, dtype=int), n_nodes=100_001)
    got = scenarios.gamma_profile(columns, [1.05], smiles)[12, 0]
    sigma = float(np.interp(-math.log(1.05), np.log(strikes / F), sigmas))
    total = mpmath.mpf(sigma) * mpmath.sqrt(mpmath.mpf(7) / 365)
    d1 = mpmath.log(1.05) / total + total / 2
    assert got == pytest.approx(float(mpmath.npdf(d1) / (F * 1.05 * total)), rel=1e-7)
    assert scenarios.gamma_profile(columns, [1.0], smiles)[12, 0] == scenarios.gamma_profile(columns, [1.0])[12, 0]


@given(
    next_s=st.floats(-20, 5_000), interval_s=st.sampled_from([0.0, 4.0, 6.0, 0.7]), n=st.integers(1, 450),
    horizon_s=st.floats(0.001, 8_000),
)  # fmt: skip
def test_the_fixings_of_a_time_are_those_that_lie_in_it(
    next_s: float, interval_s: float, n: int, horizon_s: float
) -> None:
    want = sum(1 for j in range(n) if next_s + j * interval_s <= horizon_s)
    assert _scenario_options.n_taken(next_s, interval_s, n, horizon_s) == want
    assert _scenario_options.n_taken.py_func(next_s, interval_s, n, horizon_s) == want


def test_time_takes_fixings_at_the_moved_forward() -> None:
    """Seen 2 h before the expiry, 10 minutes before it: 300 fixings at the moved forward, against ``value_options`` of that state."""
    given_ = inputs(7_200.0, 0, 0.5)
    horizon_s = 7_200.0 - 600.0 + 1.0
    taken = sum(1 for j in range(450) if given_["next_fixing_s"] + 4 * j <= horizon_s)
    assert taken == 300
    # far from the boundary the inverse payoff is its limit of no volatility
    for payoff, bound in (("linear", 1e-12), ("inverse", 0.55**2 * 600.0 / 31_536_000)):
        columns = scenarios.option_columns(**given_, is_inverse=payoff == "inverse")
        for shift in (0.0, 0.05):
            state = {
                **given_, "sigma": 0.5 + shift, "n_fixed": taken,
                "next_fixing_s": given_["next_fixing_s"] + 4 * taken - horizon_s,
            }  # fmt: skip
            for ratio in (0.995, 1.002):
                state.update(forward=F * ratio, running_sum=taken * F * ratio)
                want = value_options(**state, payoff=payoff, engine="closed_form").delta
                got = [
                    scenarios.delta_ladder(columns, row, [ratio], [shift], [horizon_s])[0, 0, 0] for row in np.eye(61)
                ]
                assert np.abs(got - want).max() <= bound


def test_after_the_last_fixing_an_option_has_no_delta() -> None:
    for payoff in (False, True):
        columns = scenarios.option_columns(**inputs(900.0, 225, 0.5), is_inverse=payoff)
        assert np.all(scenarios.delta_ladder(columns, np.ones(61), RATIOS, [0.0, 0.1], [900.0, 86_400.0]) == 0.0)
        assert np.all(scenarios.deltas_after(columns, 900.0) == 0.0)
        assert np.any(scenarios.deltas_after(columns, 899.0) != 0.0)


def test_an_option_that_makes_no_sense_is_nan_and_never_zero() -> None:
    """E-10."""
    columns = scenarios.option_columns(**inputs(86_400.0, 0, 0.5))
    columns[2, 3], columns[0, 4] = -0.1, np.nan
    profile = scenarios.gamma_profile(columns, RATIOS)
    assert np.isnan(profile[[3, 4]]).all() and np.isfinite(np.delete(profile, [3, 4], axis=0)).all()
    assert np.isnan(scenarios.deltas_after(columns, 60.0)[[3, 4]]).all()
    assert np.isnan(scenarios.delta_ladder(columns, np.ones(61), [1.0], [0.0], [0.0])).all()
    weights = np.ones(61)
    weights[[3, 4]] = 0.0
    assert np.isfinite(scenarios.delta_ladder(columns, weights, [1.0], [0.0], [0.0])).all()


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ([1.0, 2.0, -1.0, -3.0], [(1, 2)]),
        ([0.0, 1.0, 0.0, 0.0, -1.0, 0.0], [(1, 4)]),
        ([1.0, 0.0, 1.0], []),
        ([0.0, 0.0], []),
        ([], []),
        ([-1e-9, 5.0, -3.0, 1e-8, -1e-9], [(1, 2)]),
        ([-5.0, 1e-9, 4.0, -1e-8, -2.0], [(0, 1), (2, 3)]),
        ([-5.0, 1e-9, -4.0, 3.0], [(2, 3)]),
        ([math.nan, -1.0, math.nan, 2.0], [(1, 3)]),
    ],
)
def test_changes_of_sign_skip_zeros_and_lobes_of_nothing(row: list[float], want: list[tuple[int, int]]) -> None:
    """A lobe counts from 1e-6 of the largest magnitude on."""
    values = np.array(row, dtype=np.float64)
    assert [tuple(pair) for pair in scenarios.sign_changes(values, 1e-6).tolist()] == want
    room = np.empty((values.size + 1, 2), dtype=np.int64)
    assert _scenario_zeros.sign_changes.py_func(values, 1e-6, room) == len(want)


def test_the_nearest_zero_of_each_row() -> None:
    levels = np.array([1.0, 2.0, 3.0, 4.0])
    rows = np.array([[1.0, -1.0, -1.0, 3.0], [1.0, 1.0, 1.0, 1.0]], dtype=np.float32)
    near, none = scenarios.nearest_zeros(levels, rows, 3.4)
    assert near == 3.25 and np.isnan(none)
    assert scenarios.nearest_zeros(levels, rows, 1.1)[0] == 1.5
