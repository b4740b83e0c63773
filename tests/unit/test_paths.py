"""The path engine's parts: draws, bridge, paths, bumps, statuses, and its implied volatilities (A1, A3-A7, A9-A12, A14, A17-A20)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from pricers import Status, implied_vols, value_options
from pricers._paths_contract import live_fixings
from pricers._paths_greeks import bumped_greeks, smooth_greeks
from pricers._paths_implied import implied_paths
from pricers._paths_kernel import bridge_of, path_normals, path_sums
from pricers._paths_walks import PathSettings
from pricers._valuation import (
    CHARM,
    DELTA,
    GAMMA,
    INVERSE,
    LINEAR,
    PRICE,
    RHO,
    ROLL,
    STD_ERROR,
    THETA,
    VANNA,
    VEGA,
    VOLGA,
)
from pricers.paths import PathValues, value_paths

YEAR_S = 31_536_000
FORWARD = 1e5
SMALL = PathSettings(m_paths=8)
WEEK: dict[str, Any] = {
    "forward": FORWARD, "sigma": 0.7, "option_sign": 1, "next_fixing_s": 7 * 86_400 - 1796.0, "interval_s": 60.0, "n_fixings": 30,
}  # fmt: skip
INSIDE: dict[str, Any] = WEEK | {"next_fixing_s": 25.0, "n_fixed": 10, "running_sum": 10 * 99_700.0}


def value(settings: PathSettings = SMALL, **changes: Any) -> PathValues:
    return value_paths(**{**WEEK, "strike": FORWARD, **changes}, paths=settings)


def scatter_of(n: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(n).uniform(-2, 2, count)


# --- draws ---


def test_every_coordinate_of_every_scramble_has_one_point_in_each_cell() -> None:
    """A7, E-09: 2^m scrambled Sobol points are balanced in each dimension, and none is infinite (E-08)."""
    normals = path_normals(40, 4, 64, 7)
    assert normals.shape == (4, 64, 40)
    assert np.all(np.isfinite(normals))
    cells = np.sort(np.floor(ndtr(normals) * 64).astype(int), axis=1)
    assert np.all(cells == np.arange(64)[None, :, None])


def test_draws_depend_on_the_seed_and_the_scramble_alone() -> None:
    """A9: no shared state. The same arguments give the same bits, another seed or scramble others."""
    first = path_normals(6, 4, 16, 1).copy()
    path_normals.cache_clear()
    assert np.array_equal(path_normals(6, 4, 16, 1), first)
    assert not np.any(path_normals(6, 4, 16, 2) == first)
    assert not np.any(first[0] == first[1])
    assert np.array_equal(path_normals(6, 2, 16, 1), first[:2])


def test_dimensions_beyond_sobol_are_still_independent_normals() -> None:
    """E-69: no fixed maximum of fixings."""
    normals = path_normals(21_230, 2, 2, 1)
    assert np.all(np.isfinite(normals))
    assert np.std(normals[:, :, 21_201:]) == pytest.approx(1.0, abs=5 / np.sqrt(2 * 2 * 2 * 29))


# --- paths ---


@pytest.mark.parametrize("n", [1, 2, 3, 10, 57])
def test_bridge_has_the_covariance_of_brownian_motion(n: int) -> None:
    """A3: Cov(W_i, W_j) = min(t_i, t_j) exactly: the bridge as a matrix, on uneven times, times its transpose."""
    times = np.cumsum(np.exp(scatter_of(n, n)))
    bridge = bridge_of(times)
    matrix = np.zeros((n + 1, n))
    for m in range(n):
        row = bridge.from_left[m] * matrix[bridge.left[m]]  # row -1 is now: zeros
        row = row + (bridge.from_right[m] * matrix[bridge.right[m]] if m > 0 else 0.0)
        row[m] += bridge.deviation[m]
        matrix[bridge.middle[m]] = row
    np.testing.assert_allclose(matrix[:n] @ matrix[:n].T, np.minimum.outer(times, times), rtol=1e-13)


def test_paths_keep_what_the_payoff_needs() -> None:
    """The kernel against a plain walk over the same variates, antithetic halves included (A5, E-17)."""
    times = np.array([0.1, 0.15, 0.2, 0.25])
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    normals = path_normals(4, 2, 4, 3)
    sigmas = np.array([0.5, 0.8])
    sums = path_sums(normals, times, weights, sigmas, True)
    last = np.sqrt(0.25) * normals[:, :, 0]
    middle = 0.15 / 0.25 * last + np.sqrt(0.15 * 0.1 / 0.25) * normals[:, :, 1]
    first = 0.1 / 0.15 * middle + np.sqrt(0.1 * 0.05 / 0.15) * normals[:, :, 2]
    third = 0.5 * (middle + last) + np.sqrt(0.05 * 0.05 / 0.1) * normals[:, :, 3]
    walk = np.stack([first, middle, third, last], axis=-1)
    for half, sign in ((0, 1.0), (1, -1.0)):
        np.testing.assert_allclose(sums.first[:, half::2], sign * first, rtol=1e-14)
        np.testing.assert_allclose(sums.last[:, half::2], sign * last, rtol=1e-14)
        np.testing.assert_allclose(sums.direction[:, half::2], sign * walk @ weights, rtol=1e-13)
        for s, sigma in enumerate(sigmas):
            expected = np.exp(sigma * sign * walk - 0.5 * sigma**2 * times) @ weights
            np.testing.assert_allclose(sums.mean[s][:, half::2], expected, rtol=1e-14)


@pytest.mark.parametrize("function", [bridge_of, path_sums], ids=lambda f: f.__name__)
def test_kernels_are_the_same_as_plain_python(function: Any) -> None:
    """A2: compiled, and the same to rounding without the compiler."""
    times = np.cumsum(np.exp(scatter_of(5, 9)))
    arguments = (times,)
    if function is path_sums:
        arguments = (path_normals(9, 2, 4, 1), times, np.full(9, 1 / 9), np.array([0.7]), True)  # type: ignore[assignment]
    for compiled, plain in zip(function(*arguments), function.py_func(*arguments), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-14, atol=1e-16)


def test_variance_of_the_direction_is_the_double_sum_of_its_definition() -> None:
    times = np.cumsum(np.exp(scatter_of(3, 12)))
    for carry in (0.0, 0.4):
        fixings = live_fixings(times, carry)
        weights = np.exp(carry * times) / np.exp(carry * times).sum()
        assert fixings.variance == pytest.approx(weights @ np.minimum.outer(times, times) @ weights, rel=1e-13)
        assert fixings.mean_time == pytest.approx(np.minimum.outer(times, times)[-1] @ weights, rel=1e-13)


# --- differences ---


def black(forward: np.ndarray, sigma: np.ndarray, later: np.ndarray) -> np.ndarray:
    """A European call, strike 1.1, one year."""
    s = sigma * np.sqrt(1.0 + later)
    d1 = np.log(forward / 1.1) / s + 0.5 * s
    return np.asarray(forward * ndtr(d1) - 1.1 * ndtr(d1 - s))


def test_eight_point_greeks_are_those_of_definitions_3_1() -> None:
    """Against the closed greeks of DEFINITIONS 3.1."""
    forward, sigma = 1.05, 0.4
    found = smooth_greeks(black, forward, sigma, (0.02, 0.008, 0.02))
    d1 = np.log(forward / 1.1) / sigma + 0.5 * sigma
    d2 = d1 - sigma
    phi = np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi)
    expected = {
        DELTA: ndtr(d1), GAMMA: phi / (forward * sigma), VEGA: forward * phi, VANNA: -phi * d2 / sigma,
        CHARM: phi * d2 / 2, VOLGA: forward * phi * d1 * d2 / sigma, THETA: -forward * phi * sigma / 2,
    }  # fmt: skip
    for column, exact in expected.items():
        assert found[column] == pytest.approx(exact, rel=1e-8), column


def test_three_point_greeks_are_exact_for_a_polynomial_of_second_order() -> None:
    """A17: forward, sigma and time each up and down, and the two mixed ones."""

    def price(f: float, s: float, later: float) -> float:
        return 3 + 2 * f + 0.5 * 7 * f * f + 5 * s + 0.5 * 11 * s * s - 13 * later + 17 * f * s - 19 * f * later

    h, ds, dt = 0.1, 0.2, 0.3
    scenes = [(0.0, 0.0), (-ds, 0.0), (ds, 0.0), (0.0, -dt), (0.0, dt)]
    cube = np.array([[[price(f, s, later)] for f in (-h, 0.0, h)] for s, later in scenes])
    found = bumped_greeks(cube, (h, ds, dt))[:, 0]
    expected = {PRICE: 3, DELTA: 2, GAMMA: 7, VEGA: 5, VOLGA: 11, THETA: 13, VANNA: 17, CHARM: 19}
    for column, exact in expected.items():
        assert found[column] == pytest.approx(exact, rel=1e-12), column


def test_common_draws_keep_the_noise_of_gamma_near_the_square_root_of_the_bump() -> None:
    """A18, E-07: with fresh draws a tenth of the bump gives a hundred times the noise; with common random draws sqrt(10) times.

    Sobol points make the wide bump's noise smaller still, the fewer the less: hence few, and a bound of 25 between the two.
    """
    plain = SMALL._replace(has_control=False)
    wide, narrow = (value(plain._replace(forward_bump=b)).std_errors[GAMMA] for b in (0.2, 0.02))
    assert 1.0 < narrow / wide < 25


def test_control_variate_and_mirrored_paths_only_change_the_noise() -> None:
    """A5, A35: four ways to the same price and delta, within 12 (t-quantile 1e-5) of their joint error; the control's is far smaller."""
    ways = [SMALL._replace(has_control=c, is_antithetic=a) for c in (True, False) for a in (True, False)]
    found = [value(way, **INSIDE, strike=99_800.0) for way in ways]
    for column in (PRICE, DELTA):
        for other in found[1:]:
            error = np.hypot(found[0].std_errors[column], other.std_errors[column])
            assert abs(found[0].values[column] - other.values[column]) <= 12 * error
    assert found[0].std_errors[PRICE] < 0.05 * found[2].std_errors[PRICE]


def test_error_falls_faster_than_the_square_root_of_the_paths() -> None:
    """A8, STYLE 2.3: slope of log2 rms error against m below -0.7, over strikes and seeds, without the control variate."""
    strikes = FORWARD * np.array([0.95, 1.0, 1.05])
    contract = WEEK | {"strike": strikes}
    truth = value_paths(**contract, paths=PathSettings(m_paths=12)).values[PRICE]
    m_range = np.arange(5, 11)
    rms = []
    for m in m_range:
        errors = [
            value_paths(
                **contract, paths=PathSettings(m_paths=int(m), n_scrambles=2, seed=seed, has_control=False)
            ).values[PRICE]
            - truth
            for seed in range(4)
        ]
        rms.append(np.sqrt(np.mean(np.square(errors))))
    assert np.polyfit(m_range, np.log2(rms), 1)[0] < -0.7


# --- one option ---


def test_values_depend_on_their_own_inputs_alone() -> None:
    """Same bits in any batch and order (A9)."""
    strikes = np.array([99_000.0, 100_000.0, 101_000.0])
    sigmas = np.array([0.5, 0.7, 0.5])
    batch = value_paths(**{**WEEK, "strike": strikes, "sigma": sigmas}, paths=SMALL)
    turned = value_paths(**{**WEEK, "strike": strikes[::-1], "sigma": sigmas[::-1]}, paths=SMALL)
    assert np.array_equal(batch.values, turned.values[:, ::-1])
    for i in range(3):
        assert np.array_equal(value(strike=strikes[i], sigma=sigmas[i]).values, batch.values[:, i])


@pytest.mark.parametrize("contract", [WEEK, INSIDE], ids=["week", "inside"])
def test_linear_parity_is_exact(contract: dict[str, Any]) -> None:
    """Call minus put is E[A] - K, delta the weight, and nothing else differs."""
    for strike in (99_000.0, 100_000.0, 101_000.0):
        call, put = (value(**{**contract, "strike": strike, "option_sign": sign}).values for sign in (1, -1))
        n_fixed = contract.get("n_fixed", 0)
        mean = (contract.get("running_sum", 0.0) + (30 - n_fixed) * FORWARD) / 30
        assert call[PRICE] - put[PRICE] == pytest.approx(mean - strike, abs=1e-10 * FORWARD)
        assert call[DELTA] - put[DELTA] == pytest.approx(1 - n_fixed / 30, rel=1e-10)
        for column in (GAMMA, VEGA, VANNA, VOLGA):
            assert call[column] == pytest.approx(float(put[column]), rel=1e-9)


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_rate_discounts_and_theta_knows_it(payoff: str) -> None:
    """C36: the discount of the last fixing's time; theta + carry F delta + sigma² F² gamma / 2 = rate price between fixings."""
    contract = {**WEEK, "payoff": payoff, "strike": 101_000.0, "rate": 0.3, "carry": 0.2}
    settings = SMALL._replace(m_paths=11)
    found = value(settings, **contract)
    undiscounted = value(settings, **contract | {"rate": 0.0})
    last = (WEEK["next_fixing_s"] + 29 * 60) / YEAR_S
    assert found.values[PRICE] == pytest.approx(float(undiscounted.values[PRICE]) * np.exp(-0.3 * last), rel=1e-12)
    v = found.values
    left = v[THETA] + 0.2 * FORWARD * v[DELTA] + 0.5 * (0.7 * FORWARD) ** 2 * v[GAMMA]
    noise = 12 * (found.std_errors[THETA] + 0.5 * (0.7 * FORWARD) ** 2 * found.std_errors[GAMMA])
    assert abs(left - 0.3 * v[PRICE]) <= noise + 1e-7 * abs(v[THETA])
    assert noise < 0.02 * abs(v[THETA])
    assert v[RHO] == pytest.approx(float(last * (FORWARD * v[DELTA] - v[PRICE])), rel=1e-12)


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("next_fixing_s", [25.0, -70.0])
def test_roll_is_the_delta_after_the_next_fixing_at_the_forward(payoff: str, next_fixing_s: float) -> None:
    """A38: against repricing with the fixing entered; another number of fixings is another draw, hence within both errors."""
    before = {**INSIDE, "next_fixing_s": next_fixing_s, "payoff": payoff, "strike": 99_900.0}
    after = before | {"next_fixing_s": next_fixing_s + 60.0, "n_fixed": 11, "running_sum": 10 * 99_700.0 + FORWARD}
    settings = SMALL._replace(m_paths=11)
    now, then = value(settings, **before), value(settings, **after)
    error = now.std_errors[ROLL] + now.std_errors[DELTA] + then.std_errors[DELTA]
    assert abs(now.values[ROLL] - (then.values[DELTA] - now.values[DELTA])) <= 12 * error
    assert now.values[ROLL] < -10 * error < 0.0
    assert value(**WEEK).values[ROLL] == 0.0


def test_one_fixing_left_is_black_and_its_roll_takes_all_delta() -> None:
    """With one fixing the geometric twin is the option: no error is left. Black on the strike that remains."""
    found = value(n_fixed=29, running_sum=29 * FORWARD, next_fixing_s=600.0, strike=100_010.0)
    s = 0.7 * np.sqrt(600 / YEAR_S)
    k = (30 * 100_010.0 - 29 * FORWARD) / FORWARD
    d1 = -np.log(k) / s + 0.5 * s
    assert found.values[PRICE] == pytest.approx(FORWARD / 30 * (ndtr(d1) - k * ndtr(d1 - s)), rel=1e-10)
    assert found.values[DELTA] == pytest.approx(ndtr(d1) / 30, rel=1e-8)
    assert found.values[STD_ERROR] <= 1e-12 * FORWARD
    assert found.values[ROLL] == -found.values[DELTA]


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_what_is_known_is_determined_and_has_no_error(payoff: str) -> None:
    known = value(n_fixed=30, running_sum=30 * 102_000.0, payoff=payoff)
    assert known.status == Status.DETERMINED
    expected = 2000.0 if payoff == "linear" else FORWARD * (1 - FORWARD / 102_000.0)
    assert known.values[PRICE] == pytest.approx(expected, rel=1e-14)
    still = value(sigma=0.0, strike=98_000.0, payoff=payoff)
    assert still.status == Status.DETERMINED
    assert still.values[PRICE] == pytest.approx(2000.0, rel=1e-14)
    assert still.values[DELTA] == pytest.approx(1.0, rel=1e-14)
    certain = value(n_fixed=20, running_sum=20 * 170_000.0, next_fixing_s=25.0, payoff=payoff)
    assert certain.status == Status.DETERMINED
    assert (
        value(n_fixed=20, running_sum=20 * 170_000.0, next_fixing_s=25.0, payoff=payoff, option_sign=-1).values[PRICE]
        == 0.0
    )
    assert known.std_errors.max() == still.std_errors.max() == 0.0
    assert (certain.std_errors[PRICE] == 0.0) == (payoff == "linear")


def test_bad_input_is_nan_and_a_status_and_bad_settings_are_an_error() -> None:
    found = value(sigma=[0.7, np.nan, -1.0, 0.7], n_fixed=[0, 0, 0, 31])
    assert list(found.status) == [Status.OK, Status.BAD_INPUT, Status.BAD_INPUT, Status.BAD_INPUT]
    assert np.all(np.isnan(found.values[:, 1:]))
    assert np.all(np.isfinite(found.values[:, 0]))
    for wrong in ({"n_scrambles": 6}, {"n_scrambles": 1}, {"m_paths": 2}, {"forward_bump": 0.0}, {"sigma_bump": 1.0}):
        with pytest.raises(ValueError):
            value(SMALL._replace(**wrong))
    with pytest.raises(ValueError, match="'linear', 'inverse'"):
        value(payoff="quanto")


# --- implied volatility ---


def implied(
    price_usd: Any, payoff: str = "linear", settings: PathSettings = SMALL, **changes: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Answers (4, n) and statuses (n,)."""
    contract = {"strike": FORWARD, "n_fixed": 0, "running_sum": 0.0, **WEEK, **changes}
    names = ["forward", "strike", "option_sign", "next_fixing_s", "interval_s", "n_fixings", "n_fixed", "running_sum"]
    last = [
        changes.get(name, default)
        for name, default in (("tick_usd", np.nan), ("total_vol_max", 6.0), ("tolerance", 1e-10))
    ]
    rows = np.broadcast_arrays(price_usd, *(contract[name] for name in names), 0.0, 0.0, *last)
    inputs = np.array([np.ravel(np.asarray(row, dtype=float)) for row in rows])
    answers, status = np.empty((4, inputs.shape[1])), np.empty(inputs.shape[1], dtype=np.int8)
    implied_paths(
        inputs,
        INVERSE if payoff == "inverse" else LINEAR,
        settings,
        answers,
        status,
        np.empty(inputs.shape[1], dtype=np.int32),
    )
    return answers, status


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_the_public_functions_hand_over_to_the_paths(payoff: str) -> None:
    strikes = FORWARD * np.array([[0.95, 1.0], [1.05, 1.1]])
    ours = value_options(**{**WEEK, "strike": strikes}, payoff=payoff, engine="paths", paths=SMALL)
    own = value_paths(**{**WEEK, "strike": strikes}, payoff=payoff, paths=SMALL)
    np.testing.assert_array_equal(np.array(ours[:11]), own.values)
    np.testing.assert_array_equal(ours.status, own.status)
    contract = {name: number for name, number in WEEK.items() if name != "sigma"} | {"strike": strikes}
    back = implied_vols(price_usd=ours.price_usd, **contract, payoff=payoff, engine="paths", paths=SMALL)
    assert back.sigma.shape == (2, 2)
    np.testing.assert_allclose(back.sigma, 0.7, rtol=2e-9)


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("contract", [WEEK, INSIDE], ids=["week", "inside"])
def test_volatility_comes_back_and_reprices_its_quote(contract: dict[str, Any], sign: int, payoff: str) -> None:
    """A11, A12: price, sigma, price: to Brent's tolerance over the vega, in and out of the money."""
    deviation = 0.004 if contract is INSIDE else 0.09
    strikes = (99_900.0 if contract is INSIDE else FORWARD) * np.exp(deviation * np.array([-0.5, 0.0, 0.5]))
    found = value(**{**contract, "strike": strikes, "option_sign": sign, "payoff": payoff})
    answers, status = implied(found.values[PRICE], payoff, **{**contract, "strike": strikes, "option_sign": sign})
    assert np.all(status == Status.OK)
    np.testing.assert_allclose(answers[0], 0.7, rtol=2e-9)
    np.testing.assert_allclose(answers[3], found.values[PRICE], rtol=1e-9)


def test_band_of_the_tick_is_around_sigma_and_low_vega_says_so() -> None:
    price = float(value().values[PRICE])
    answers, status = implied(price, tick_usd=10.0)
    assert status == Status.OK
    for row, moved in ((1, price - 5.0), (2, price + 5.0)):
        assert answers[row, 0] == pytest.approx(float(implied(moved)[0][0, 0]), rel=1e-9)
    far = value(strike=140_000.0)
    assert implied(far.values[PRICE], strike=140_000.0, tick_usd=10.0)[1] == Status.LOW_VEGA


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_every_failure_is_a_status_and_never_an_exception(payoff: str) -> None:
    """A14: no sign change is a code."""
    answers, status = implied([np.nan, 0.0, 1000.0, FORWARD, 0.999 * FORWARD], payoff, strike=98_000.0)
    assert list(status[:4]) == [Status.NO_QUOTE, Status.NO_QUOTE, Status.BELOW_INTRINSIC, Status.ABOVE_BOUND]
    assert status[4] == Status.CAPPED
    assert np.all(np.isnan(answers))
    assert implied(100.0, payoff, next_fixing_s=-1e6)[1] == Status.DETERMINED
    assert implied(100.0, payoff, **INSIDE, strike=20_000.0)[1] == Status.DETERMINED
    assert implied(100.0, payoff, forward=-1.0)[1] == Status.BAD_INPUT
    assert implied(1.5 * FORWARD, payoff, option_sign=-1)[1] == Status.ABOVE_BOUND
