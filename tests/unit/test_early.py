"""The inverse payoff's closed form before its window (A8, A16): against mpmath's integrals of the same mean along the direction.

The reference takes M = exp(a xi - a²/2 + drift) Q(y) as it is: no reciprocal series, no recursion of moments, derivatives by
differences of integrals with 24 digits.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from pricers._contract import Split
from pricers._direction import share_direction
from pricers._early import early_half, early_whole
from pricers._fixings import UnitConstants, unit_constants
from pricers._inverse import half_line, whole_line

YEAR = 31_536_000.0
UNITS = {
    "31 min": unit_constants(64.0 / YEAR, 4.0 / YEAR, 450, 0.0),
    "1 d": unit_constants(84_604.0 / YEAR, 4.0 / YEAR, 450, 0.0),
    "1 y": unit_constants((YEAR - 1796.0) / YEAR, 4.0 / YEAR, 450, 0.0),
}


def along_the_direction(k: Any, side: float, sigma: Any, unit: UnitConstants, is_whole: bool = False) -> Any:
    """E[(side (1 - k/M))^+], or E[1 - k/M], with the two terms of the variance that the direction leaves."""
    s, v = mp.mpf(sigma), mp.mpf(unit.variance)
    root_v = mp.sqrt(v)
    a = s * root_v
    b = [
        unit.s0 * s**4 / 2,
        unit.r1 * s**3,
        unit.q2 * s**2 + unit.r2 * s**4,
        unit.q3 * s**3,
        unit.q4 * s**4,
    ]
    drift = s * s * unit.mean_time

    def mean(xi: Any) -> Any:
        y = xi - a
        series = (
            b[0] + b[1] * y + b[2] * (y * y - 1) / 2 + b[3] * (y**3 - 3 * y) / 6 + b[4] * (y**4 - 6 * y * y + 3) / 24
        )
        return mp.exp(a * xi - a * a / 2 + drift) * (1 + series)

    def integrand(xi: Any) -> Any:
        y = xi - a
        left = 2 * root_v * s**4 * (unit.a1 * y * y + unit.a2)
        return mp.npdf(xi) * (1 - k / mean(xi) * (1 + left))

    if is_whole:
        return mp.quad(integrand, [-14 - a, -7, -2, 2, 7, 14])
    z = mp.findroot(lambda xi: mp.log(mean(xi) / k), (mp.log(k) - drift) / a + a / 2)
    ends = [z, z + side * 2, z + side * 5, z + side * 14]
    integral = mp.quad(integrand, ends) if side > 0 else -mp.quad(integrand, ends[::-1])
    y = z - a
    return integral + mp.exp(drift) * s**3 * mp.npdf(y) * (unit.a1 * y * y + unit.a2) / k


def differences(function: Any, at: Any, step: Any) -> tuple[Any, Any, Any]:
    """The value, and its first and second central difference of eighth order."""
    first = {1: mp.mpf(4) / 5, 2: -mp.mpf(1) / 5, 3: mp.mpf(4) / 105, 4: -mp.mpf(1) / 280}
    second = {1: mp.mpf(8) / 5, 2: -mp.mpf(1) / 5, 3: mp.mpf(8) / 315, 4: -mp.mpf(1) / 560}
    up = {j: function(at + j * step) for j in range(-4, 5)}
    slope = sum(c * (up[j] - up[-j]) for j, c in first.items()) / step
    curve = (sum(c * (up[j] + up[-j]) for j, c in second.items()) - mp.mpf(205) / 72 * up[0]) / step**2
    return up[0], slope, curve


@pytest.mark.parametrize("away", [-1.5, 0.0, 2.0])
@pytest.mark.parametrize("moment", list(UNITS))
def test_value_and_sigma_derivatives_are_those_of_the_integral(moment: str, away: float) -> None:
    """The series of 1/Q leaves out sigma to the fifth: (sigma sqrt(q2))^5 at most, times y^5; derivatives of the tiny term
    along the curve are of leading order, a width's share of it."""
    unit, sigma = UNITS[moment], 0.9
    k = float(np.exp(away * sigma * unit.deviation))
    side = 1.0 if k >= 1.0 else -1.0
    found = early_half(k, side, sigma, unit, share_direction(sigma, unit))
    with mp.workdps(24):
        exact, first, second = differences(
            lambda s: along_the_direction(mp.mpf(k), side, s, unit), mp.mpf(sigma), mp.mpf("0.004")
        )
    assert abs(found.f - exact) <= 2e-14 + 30.0 * (sigma * np.sqrt(unit.q2)) ** 5
    assert abs(found.sigma1 - first) <= 1e-9 * abs(first)
    assert abs(found.sigma2 - second) <= 1e-7 * (abs(second) + abs(first))


@pytest.mark.parametrize("moment", list(UNITS))
def test_the_inverse_forward_contract_is_the_whole_lines_integral(moment: str) -> None:
    unit, sigma, k = UNITS[moment], 0.9, 1.01
    found = early_whole(k, sigma, unit, share_direction(sigma, unit))
    with mp.workdps(30):
        exact = along_the_direction(mp.mpf(k), 1.0, sigma, unit, is_whole=True)
    assert abs(found.f - exact) <= 4 * np.finfo(float).eps + 3.0 * (sigma * np.sqrt(unit.q2)) ** 6
    assert found.k1 == pytest.approx(found.f - 1.0, rel=1e-15)  # 1 - f is proportional to k


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("moment", list(UNITS))
def test_closed_form_and_quadrature_are_the_same_function(moment: str, side: float) -> None:
    """The other method in the tree, good to 1e-9 of the forward (24 nodes), which a year's second derivatives feel a hundredfold."""
    unit = UNITS[moment]
    for sigma in (0.2, 0.7, 1.5):
        d = share_direction(sigma, unit)
        for away in (0.0, 0.7, 2.5):
            k = float(np.exp(side * away * sigma * unit.deviation))
            early = early_half(k, side, sigma, unit, d)
            nodes = half_line(Split(k, 0.0, 0.0, 1.0, 1.0), side, d, sigma, unit)
            assert abs(early.f - nodes.j) <= 1e-9
            for mine, other in ((early.k1, nodes.l1), (early.k2, nodes.l2), (2.0 * early.k2 + early.k3, nodes.u2_l)):
                assert mine == pytest.approx(other, rel=1e-7, abs=1e-9)
            for mine, other in ((early.sigma1, nodes.sigma1), (early.k1_sigma1, nodes.l1_sigma1)):
                assert mine == pytest.approx(other, rel=1e-6, abs=1e-8)
            whole, line = early_whole(k, sigma, unit, d), whole_line(Split(k, 0.0, 0.0, 1.0, 1.0), d, sigma, unit)
            assert whole.f == pytest.approx(line.j, abs=1e-9)
            assert whole.sigma1 == pytest.approx(line.sigma1, rel=1e-6, abs=1e-9)
            assert whole.sigma2 == pytest.approx(line.sigma2, rel=1e-5, abs=1e-8)
