"""Constants of the remaining fixings against their definition as double sums (A3, A21, A23)."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from pricers._contract import timing
from pricers._fixings import UnitConstants, unit_constants, unit_constants_evenly, unit_constants_weighted

mpmath.mp.dps = 40
FOUR_SECONDS = 4 / 31_536_000


def by_definition(first: float, spacing: float, n: int, carry: float) -> list[float]:
    """UnitConstants from the formulas of PRICING.md, 40 digits."""
    times = [mpmath.mpf(first) + j * mpmath.mpf(spacing) for j in range(n)]
    growth = [mpmath.exp(carry * t) for t in times]
    w = [g / sum(growth) for g in growth]
    every = range(n)
    c = [sum(w[j] * min(times[i], times[j]) for j in every) for i in every]
    v = sum(w[i] * c[i] for i in every)
    a = mpmath.sqrt(v)
    d = [x / a - a for x in c]
    gamma = [[min(times[i], times[j]) - c[i] * c[j] / v for j in every] for i in every]
    mean = sum(w[i] * times[i] for i in every)
    u = [t - mean for t in times]
    return [
        v,
        a,
        *(sum(w[i] * d[i] ** m for i in every) for m in (2, 3, 4)),
        sum(w[i] * w[j] * d[i] * d[j] * gamma[i][j] for i in every for j in every) / (2 * a),
        sum(w[i] * w[j] * gamma[i][j] ** 2 for i in every for j in every) / (4 * a),
        mean,
        *(sum(w[i] * u[i] * d[i] ** m for i in every) for m in (1, 2)),
        sum(w[i] * u[i] ** 2 for i in every),
        times[0],
        times[-1],
        sum(growth),
        mpmath.mpf(n),
        mpmath.mpf(carry),
    ]


@pytest.mark.parametrize(
    ("first", "spacing", "n", "carry"),
    [
        (1e-7, FOUR_SECONDS, 2, 0.0),
        (0.5 * FOUR_SECONDS, FOUR_SECONDS, 40, 0.0),
        (1.0, FOUR_SECONDS, 25, 0.0),
        (0.1, 0.1, 12, 0.0),
        (0.1, 0.1, 12, -0.3),
        (0.02, FOUR_SECONDS, 30, 0.2),
        (0.3, 0.0, 7, 0.1),
    ],
)
def test_constants_are_their_defining_sums(first: float, spacing: float, n: int, carry: float) -> None:
    expected = by_definition(first, spacing, n, carry)
    found = unit_constants(first, spacing, n, carry)
    # Moments of differences of times lose the ratio of the whole time to the spacing; their own scale is d ~ n spacing / a.
    scale = max(1e-30, (n * spacing) / first**0.5)
    for name, ours, exact in zip(UnitConstants._fields, found, expected, strict=True):
        assert ours == pytest.approx(float(exact), rel=1e-11, abs=1e-13 * scale**2), name


def test_even_and_weighted_constants_are_the_same_at_no_carry() -> None:
    for n in (1, 2, 3, 100, 450, 1800):
        even = np.array(unit_constants_evenly(0.01, FOUR_SECONDS, n))
        weighted = np.array(unit_constants_weighted(0.01, FOUR_SECONDS, n, 0.0))
        np.testing.assert_allclose(even, weighted, rtol=2e-9, atol=1e-30 if n > 1 else 1e-20)


def test_single_fixing_leaves_nothing_beside_its_direction() -> None:
    c = unit_constants(0.25, FOUR_SECONDS, 1, 0.0)
    assert (c.variance, c.deviation, c.growth) == (0.25, 0.5, 1.0)
    assert (c.q2, c.q3, c.q4, c.a1, c.a2, c.r1, c.r2, c.s0) == (0.0,) * 8


def test_kernel_as_plain_python_gives_the_same_bits() -> None:
    for n in (1, 17, 450):
        arguments = (3e-5, FOUR_SECONDS, n)
        assert unit_constants_evenly.py_func(*arguments) == unit_constants_evenly(*arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("next_fixing_s", "n", "due", "live", "first_s"),
    [
        (4.0, 10, 0, 10, 4.0),
        (0.5, 10, 0, 10, 0.5),
        (0.0, 10, 1, 9, 4.0),
        (-0.5, 10, 1, 9, 3.5),
        (-4.0, 10, 2, 8, 4.0),
        (-35.9, 10, 9, 1, 0.1),
        (-36.0, 10, 10, 0, None),
        (-1e9, 10, 10, 0, None),
        (5.0, 0, 0, 0, None),
    ],
)
def test_timing_splits_due_from_live(next_fixing_s: float, n: int, due: int, live: int, first_s: float | None) -> None:
    found = timing(next_fixing_s, 4.0, n)
    assert (found.n_due, found.n_live) == (due, live)
    if first_s is not None:
        assert found.first_time * 31_536_000 == pytest.approx(first_s)
        assert found.last_time * 31_536_000 == pytest.approx(first_s + 4.0 * (live - 1))
    else:
        assert found.last_time == 0.0


def test_fixings_at_one_moment_are_due_together() -> None:
    assert timing(-1.0, 0.0, 5).n_due == 5
    assert timing(1.0, 0.0, 5).n_live == 5


def test_timing_agrees_with_counting_for_spacings_that_do_not_divide() -> None:
    for interval in (0.1, 0.3, 4.0, 7.7):
        for k in range(200):
            due = timing(-k * interval, interval, 500).n_due
            assert due == sum(-k * interval + j * interval <= 0.0 for j in range(500))
