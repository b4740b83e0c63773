"""The parts of the QMC engine against their definitions: draws, nodes, directions, exponentials (A1, A7, A9, E-08, E-69)."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import kstest, qmc

from pricers import QmcSettings, value_options
from pricers._exp import fast_exp
from pricers._frame import LOADING, N_ROWS, SQUARES, TIME, WEIGHT, frame, zeros
from pricers._loadings import principal, recurrence
from pricers._points import BITS, draws, points, sobol
from pricers._qmc_settings import draws_of
from pricers._tilt import tilted

CASES = [
    (1, 0.7, 3, 8),
    (2, 0.7, 3, 8),
    (4, 0.7, 2, 8),
    (9, 0.7, 3, 8),
    (30, 0.7, 1, 8),
    (30, 1e-3, 3, 8),
    (300, 0.7, 2, 8),
    (450, 1e-3, 3, 8),
    (450, 16.0, 3, 8),
    (450, 1e6, 3, 8),
    (450, 16.0, 6, 16),
    (60, 0.7, 6, 16),
    (39, 0.7, 6, 16),
]


def covariance_left(n: int, first: float, d: int) -> tuple[Any, ...]:
    """From the covariance matrix itself: times, c / sqrt(V), loadings' products and residual covariance of the first d functionals."""
    times = first + np.arange(n)
    c = np.minimum.outer(times, times).mean(axis=0)
    v = c.mean()
    gamma = np.minimum.outer(times, times) - np.outer(c, c) / v
    basis = np.linalg.qr(np.vander(times - times.mean(), min(n, d + 1), increasing=True))[0][:, 1:]
    seen = gamma @ basis
    taken = seen @ np.linalg.pinv(basis.T @ gamma @ basis) @ seen.T
    return times, c / math.sqrt(v), v, taken, gamma - taken


@pytest.mark.parametrize(("n", "first", "d", "n_nodes"), CASES)
def test_frame_is_the_covariance_matrix(n: int, first: float, d: int, n_nodes: int) -> None:
    """Means of products over the nodes are those over all fixings; what the directions leave enters with its exact constants."""
    rows = np.full((N_ROWS + d, 40), np.nan)
    f = frame(first, 1.0, n, 0.0, d, n_nodes, rows)
    times, a, v, taken, left = covariance_left(n, first, d)
    w = rows[WEIGHT, : f.n_nodes]
    loads = rows[N_ROWS : N_ROWS + f.n_dimensions, : f.n_nodes]
    assert f.n_dimensions == min(d, n - 1)
    assert w.sum() == pytest.approx(1.0, rel=1e-14)
    assert f.deviation == pytest.approx(math.sqrt(v), rel=1e-14)
    for power in (1, 2, 3):
        assert w @ rows[LOADING, : f.n_nodes] ** power == pytest.approx(np.mean(a**power), rel=1e-13)
    assert w @ rows[TIME, : f.n_nodes] == pytest.approx(times.mean(), rel=1e-14)
    scale = n + 0.0
    assert w @ rows[SQUARES, : f.n_nodes] == pytest.approx(np.trace(taken) / n, rel=1e-9, abs=1e-12 * scale)
    # Loadings have mean 0 and are orthogonal: principal directions of what they span, the largest first.
    products = (loads * w) @ loads.T
    own = np.sort(np.linalg.eigvalsh(taken / n))[::-1][: f.n_dimensions]
    assert np.abs(loads @ w).max(initial=0.0) <= 1e-13 * math.sqrt(scale)
    np.testing.assert_allclose(np.diag(products), own, rtol=1e-8, atol=1e-12 * scale)
    np.testing.assert_allclose(products - np.diag(np.diag(products)), 0.0, atol=1e-12 * scale)
    # Variance of the average that is left, to the fourth power of sigma: half of tr R² + 2 tr R T, and the bend of c.
    bend = (a - math.sqrt(v)) / n
    assert f.rest1 == pytest.approx(bend @ left @ bend / (2 * math.sqrt(v)), rel=1e-6, abs=1e-9 * scale**1.5)
    both = (np.sum(left * left) + 2.0 * np.sum(left * taken)) / n**2
    assert f.rest2 == pytest.approx(both / (4 * math.sqrt(v)), rel=1e-7, abs=1e-13 * scale**1.5)


def turned_by_matrices(
    n: int, first: float, sigma: float, log_k: float, degree: int, d: int
) -> tuple[float, Any, float, float]:
    """The strike's direction from the covariance matrix itself: sqrt(V'), its loadings, loadings' products' trace, and A2."""
    times = first + np.arange(n)
    g_matrix = np.minimum.outer(times, times)
    basis = np.linalg.qr(np.vander((times - times.mean()) / n, min(n, max(degree, d) + 1), increasing=True))[0]
    low = basis[:, : degree + 1]
    c = g_matrix.mean(axis=0)
    a = c / math.sqrt(c.mean())

    def parts(x: float) -> Any:
        return np.exp(sigma * a * x - 0.5 * (sigma * a) ** 2) / n

    for step in range(3):
        x = brentq(lambda y: math.log(parts(y).sum()) - log_k, -60.0, 60.0, xtol=1e-13)
        x = min(max(x, -3.0), 3.0)
        m = parts(x).sum()
        g = parts(x) / m
        if step < 2:
            tilt = low @ (low.T @ g)
            c = g_matrix @ tilt
            a = c / math.sqrt(tilt @ c)
    deviation = float(math.sqrt(tilt @ c))
    given = g_matrix - np.outer(a, a)
    seen = given @ basis[:, 1 : d + 1]
    taken = seen @ np.linalg.pinv(basis[:, 1 : d + 1].T @ seen) @ seen.T
    squares = g @ (given**2 - taken**2) @ g + 2.0 / sigma**2 * (g @ (given - taken) @ g)
    y = x - sigma * deviation
    scale = 0.25 * sigma * m * m / (sigma * (parts(x) @ a)) * math.exp(0.5 * (y * y - x * x))
    return deviation, a, float(np.trace(taken) / n), scale * squares


@pytest.mark.parametrize(("n", "first", "n_nodes"), [(39, 0.5, 16), (39, 60.0, 16), (450, 1.0, 16), (450, 300.0, 24)])
@pytest.mark.parametrize(("width", "away"), [(0.2, 2.0), (0.5, -1.0), (1.0, 0.0), (1.0, 2.0), (0.3, 9.0)])
def test_a_strikes_direction_is_that_of_the_covariance_matrix(
    n: int, first: float, n_nodes: int, width: float, away: float
) -> None:
    """Tilted frames against matrices over all fixings; where nodes stand for them the sum over the rest of the polynomials is
    approximate, and only there."""
    d, degree = 4, 4
    sigma = width / math.sqrt(n - 1.0)
    rows = np.full((N_ROWS + d, 40), np.nan)
    plain = frame(first, 1.0, n, 0.0, d, n_nodes, rows)
    log_k = away * sigma * plain.deviation
    f = tilted(log_k, sigma, 0.0, degree, plain, first, 1.0, n)
    deviation, a, trace, rest = turned_by_matrices(n, first, sigma, log_k, degree, d)
    w = rows[WEIGHT, : f.n_nodes]
    assert f.deviation == pytest.approx(deviation, rel=1e-9)
    for power in (1, 2, 3):
        assert w @ rows[LOADING, : f.n_nodes] ** power == pytest.approx(np.mean(a**power), rel=1e-9)
    assert w @ rows[SQUARES, : f.n_nodes] == pytest.approx(trace, rel=1e-7)
    loads = rows[N_ROWS:, : f.n_nodes]
    np.testing.assert_allclose(np.sum(loads**2, axis=0), rows[SQUARES, : f.n_nodes], rtol=1e-12)
    assert f.rest2 == pytest.approx(rest, rel=1e-6 if n == 39 else 5e-3)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_directions_leave_little_more_than_principal_components_do(d: int) -> None:
    for first, worst in ((1e-3, 1.4), (16.0, 1.4), (1e5, 1.15)):
        *_, taken, left = covariance_left(450, first, d)
        best = np.sort(np.linalg.eigvalsh(taken + left))[::-1][d:]
        assert np.sum(left * left) <= worst * np.sum(best * best)


@pytest.mark.parametrize("n_nodes", [8, 16, 40])
def test_nodes_are_the_zeros_of_gram_polynomials(n_nodes: int) -> None:
    """Against the eigenvalues of the Jacobi matrix (Golub and Welsch), from the fewest fixings on for which nodes are asked."""
    for n in (math.ceil(n_nodes**2 / 6) + 1, 300, 450, 20_000):
        nodes = np.empty(40)
        zeros(n, n_nodes, nodes)
        beside = [recurrence(k, float(n)) for k in range(1, n_nodes)]
        jacobi = np.diag(beside, 1) + np.diag(beside, -1)
        np.testing.assert_allclose(nodes[:n_nodes], np.linalg.eigvalsh(jacobi), rtol=0, atol=1e-13 * n)


def test_weights_follow_the_carry() -> None:
    rows = np.empty((N_ROWS + 3, 40))
    f = frame(0.3, 0.01, 50, 0.4, 3, 8, rows)
    times = 0.3 + 0.01 * np.arange(50)
    for g in (lambda t: t, lambda t: np.exp(0.7 * t), lambda t: 1 / (1 + t)):
        exact = np.average(g(times), weights=np.exp(0.4 * times))
        assert rows[WEIGHT, : f.n_nodes] @ g(rows[TIME, : f.n_nodes]) == pytest.approx(exact, rel=1e-13)


def test_principal_vectors_are_those_of_lapack() -> None:
    generator = np.random.default_rng(5)
    for d in (1, 2, 3, 6):
        half = generator.normal(size=(d, d))
        matrix = half @ half.T
        vectors = np.empty((12, 12))
        padded = np.zeros((12, 12))
        padded[:d, :d] = matrix
        principal(padded, d, vectors)
        values, expected = np.linalg.eigh(matrix)
        np.testing.assert_allclose(np.abs(vectors[:d, :d]), np.abs(expected[:, ::-1]), atol=1e-9)
        np.testing.assert_allclose(np.diag(padded)[:d], values[::-1], rtol=1e-12)


def test_exponential_is_within_two_ulps() -> None:
    x = np.concatenate([np.linspace(-700, 700, 1000), np.linspace(-1, 1, 1000), [0.0, 1e-300, -1e-17]])
    with mpmath.workdps(30):
        worst = max(abs(float(mpmath.mpf(fast_exp(float(v))) / mpmath.exp(mpmath.mpf(float(v))) - 1)) for v in x)
    assert worst <= 2 * np.finfo(float).eps
    assert 0.0 < fast_exp(-1e9) < 1e-300 and fast_exp(1e9) > 1e307


@pytest.mark.parametrize("n_points", [1, 2, 8, 64, 1024])
def test_sobol_points_are_those_of_scipy(n_points: int) -> None:
    """Joe and Kuo's; scipy's come in Gray code's order."""
    theirs = np.rint(qmc.Sobol(12, scramble=False, bits=BITS).random(n_points) * 2.0**BITS).astype(np.uint64)
    assert set(map(tuple, sobol(n_points, 12).T)) == set(map(tuple, theirs))


def test_scrambled_points_are_a_net_of_uniform_points() -> None:
    """Owen: each scramble is still stratified, each point uniform, scrambles and dimensions independent."""
    from scipy.special import ndtr

    z = draws(2**11, 8, 3, seed=1)
    for s in range(8):
        half = ndtr(z[:, 256 * s : 256 * s + 128])
        for row in half:
            assert sorted((row * 128).astype(int)) == list(range(128))  # one point in each of 128 slices
        cells = (half[:2] * np.array([[16], [8]])).astype(int)
        assert len({tuple(cell) for cell in cells.T}) == 128
    single = ndtr(np.array([draws(8, 8, 1, seed=seed)[0] for seed in range(300)]))
    assert kstest(single.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(single.T) - np.eye(8)).max() < 5 / math.sqrt(300)


def test_second_half_of_each_scramble_mirrors_the_first() -> None:
    z = draws(64, 8, 3, seed=3).reshape(3, 8, 2, 4)
    assert np.array_equal(z[:, :, 0], -z[:, :, 1])


@pytest.mark.parametrize("settings", [(6, 8, 3), (5, 8, 3), (4, 8, 3), (6, 2, 3), (7, 8, 3), (6, 8, 1), (8, 8, 4)])
def test_weights_integrate_what_is_known_exactly(settings: tuple[int, int, int]) -> None:
    m, s, d = settings
    p = points(m, s, d, 20230413)
    assert p.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert 2**m * np.sum(p.weights**2) <= 6.0
    for k in range(d):
        assert p.weights @ p.z[k] == pytest.approx(0.0, abs=1e-13)
        assert p.weights @ p.z[k] ** 2 == pytest.approx(1.0, abs=1e-11)
        if m >= 6:
            assert p.weights @ p.z[k] ** 4 == pytest.approx(3.0, abs=1e-10)
            assert p.weights @ (p.z[k] * p.z[0]) ** 2 == pytest.approx(3.0 if k == 0 else 1.0, abs=1e-10)
    # The scrambles' mean residuals add to nothing, and see nothing of what is integrated exactly.
    assert np.abs(p.errors.sum(axis=0)).max() <= 1e-9
    assert np.abs(p.errors @ np.ones(p.z.shape[1])).max() <= 1e-9
    assert np.abs(p.errors @ p.z[0] ** 2).max() <= 1e-8


@pytest.mark.parametrize("settings", [(10, 8, 4), (12, 8, 5), (12, 4, 2)])
def test_weights_of_wide_averages_integrate_sixth_order_exactly(settings: tuple[int, int, int]) -> None:
    """Gaussian moments: 15 of sixth order in one direction, 3 of z_1⁴ z_2², 1 of z_1² z_2² z_3². Weights are rounded to 2^-32: of
    z⁶ over 4096 points that leaves 1e-6."""
    m, s, d = settings
    p = points(m, s, d, 20230413, is_high=True)
    assert 2**m * np.sum(p.weights**2) <= 6.0
    squares = p.z**2
    for k in range(d):
        assert p.weights @ squares[k] ** 3 == pytest.approx(15.0, abs=1e-5)
        assert p.weights @ (squares[k] ** 2 * squares[k - 1]) == pytest.approx(3.0, abs=1e-5)
    if d > 2:
        assert p.weights @ np.prod(squares[:3], axis=0) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(p.errors @ squares[0] ** 3).max() <= 1e-2


@pytest.mark.parametrize(("levels", "expected"), [(slice(0, 2), "d79de1ba0f716ba8"), (slice(2, 4), "ebd149cefa99bd4a")])
def test_default_draws_are_pinned(levels: slice, expected: str) -> None:
    """Same settings, same bits: on any machine and with any version of the libraries. A change of the first digest changes every
    QMC value, of the second those of averages wider than 0.1."""
    digest = hashlib.sha256()
    for p in draws_of(None)[levels]:
        for array in p[:3]:
            digest.update(array.tobytes())
    assert digest.hexdigest()[:16] == expected


def test_draws_are_made_once_and_cannot_be_changed() -> None:
    assert draws_of(QmcSettings()) is draws_of(QmcSettings())
    with pytest.raises(ValueError, match="read-only"):
        draws_of(None).usual.z[0, 0] = 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"m_points": 2}, r"4 points for 8 scrambles; give m_points >= 3"),
        ({"m_points": 0}, r"m_points 0 is not within 1 \.\. 14"),
        ({"m_points": 15}, r"m_points 15 is not within 1 \.\. 14"),
        ({"m_points": 6.5}, "not an integer"),
        ({"n_scrambles": 1}, "power of two from 2 on"),
        ({"n_scrambles": 6}, "power of two"),
        ({"n_scrambles": 0}, "power of two"),
        ({"n_dimensions": 0}, r"n_dimensions 0 is not within 1 \.\. 10"),
        ({"n_dimensions": 11}, r"n_dimensions 11 is not within 1 \.\. 10"),
        ({"seed": -1}, "negative"),
    ],
)
def test_impossible_settings_say_what_would_be_right(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value_options(
            forward=1e5, strike=1e5, sigma=0.7, option_sign=1, next_fixing_s=64.0, interval_s=4.0, n_fixings=450,
            engine="qmc", qmc=QmcSettings(**settings),
        )  # fmt: skip
