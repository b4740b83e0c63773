"""An independent reference: settlement averages by backward recursion over the fixings (no direction, no expansion, no draws).

With y = (n K - sum so far) / S after fixing j, the call is worth V = (S / n) g_j(y), and one step of a driftless lognormal is

    g_j(y) = E[xi g_(j+1)(y / xi - 1)],    xi = exp(sigma sqrt(h) Z - sigma² h / 2),    g_N(y) = max(-y, 0);

for y <= 0 exercise is certain and g is linear. The last step is Black's formula; the others a trapezoid rule in Z on a Chebyshev
series in ln(y / number left); the way to the first fixing is a trapezoid rule fine enough for the window's own smoothing.
Under the share measure (each expectation weighted by S_N) the same recursion gives E[S_N (A - kappa)^+], and the inverse payoff is

    (1 - K/A)^+ = (A - K)^+ / K - int from K to infinity of 2 K / kappa³ (A - kappa)^+ dkappa.

Accuracy: 1e-13 of the forward (tests/golden/test_qmc_golden.py holds it against the reference table).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

YEAR_S = 31_536_000.0
DEGREE = 127
REACH = 9.5
AT_ONCE = 2**15  # states in one evaluation of the series: fewer cost calls, more leave the cache


def _series(values: Floats) -> Floats:
    """Chebyshev coefficients of the values at the nodes cos(pi (j + 1/2) / n)."""
    n = len(values)
    j = np.arange(n)
    matrix = np.cos(np.pi * np.outer(j, j + 0.5) / n) * (2.0 / n)
    matrix[0] *= 0.5
    return matrix @ values


class Recursion:
    """E[weight · (sum of n fixings / S - y)^+] for all y, at a fixing: n left, spacing h (years), per share of S now.

    ``tilt`` 0: pricing measure, weight S-free; 1: every fixing's expectation under the share measure.
    """

    def __init__(self, sigma: float, spacing: float, n: int, tilt: int) -> None:
        self.sigma, self.h, self.tilt = sigma, spacing, tilt
        z = np.arange(-REACH, REACH + 1e-9, 0.125)
        # xi's own factor is taken into the measure: drift (tilt + 1/2) sigma² h, and exp(tilt sigma² h) is left.
        weights = np.exp(-0.5 * z * z) * 0.125 / math.sqrt(2.0 * math.pi)
        s = sigma * math.sqrt(spacing)
        xi = np.exp(s * z + (tilt + 0.5) * s * s)
        grown = math.exp(tilt * s * s)
        nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
        self.left = 0
        self.mean = 0.0  # of the sum left, in S now
        for left in range(1, n + 1):
            mean = grown * (1.0 + self.mean)
            reach = REACH * s * math.sqrt(left * (left + 1) * (2 * left + 1) / 6.0) / left + 1e-300
            centre = math.log(mean)
            y = np.exp(centre + reach * nodes)
            if left == 1:
                values = self._first(y)
            else:
                after = y[:, None] / xi[None, :] - 1.0
                values = grown * (self(after) @ weights)
            self.left, self.mean, self.centre, self.reach = left, mean, centre, reach
            self.coefficients = _series(values)

    def _first(self, y: Floats) -> Floats:
        s = self.sigma * math.sqrt(self.h)
        f = math.exp(self.tilt * s * s)
        d = (np.log(f / y)) / s + 0.5 * s
        return np.asarray(f * ndtr(d) - y * ndtr(d - s))

    def __call__(self, y: Floats) -> Floats:
        """At the state after a fixing, ``left`` to come."""
        with np.errstate(divide="ignore", invalid="ignore"):
            u = (np.log(np.maximum(y, 0.0)) - self.centre) / self.reach
        inner = chebyshev.chebval(np.clip(u, -1.0, 1.0), self.coefficients)
        return np.asarray(np.where(u < -1.0, self.mean - y, np.where(u > 1.0, 0.0, inner)))


@lru_cache(maxsize=8)
def recursion(sigma: float, spacing: float, n: int, tilt: int) -> Recursion:
    """``Recursion`` of these fixings; the strikes of one contract share it."""
    return Recursion(sigma, spacing, n, tilt)


def call(
    strike: Floats,
    forward: float,
    sigma: float,
    next_s: float,
    interval_s: float,
    n: int,
    n_fixed: int,
    past: float,
    tilt: int = 0,
) -> Floats:
    """E[(A - K)^+] (tilt 0) or E[S_N (A - K)^+] / forward (tilt 1), USD, for every strike at once."""
    left = n - n_fixed
    h = interval_s / YEAR_S
    t = next_s / YEAR_S
    s = sigma * math.sqrt(t)
    after = recursion(sigma, h, left - 1, tilt) if left > 1 else None
    smooth = sigma * math.sqrt(h * left / 3.0)
    step = min(0.125, 0.1 * smooth / s) if left > 1 else 0.125
    z = np.arange(-10.0, 10.0 + step, step)
    weights = np.exp(-0.5 * z * z) * step / math.sqrt(2.0 * math.pi)
    xi = np.exp(s * z + (tilt + 0.5) * s * s)
    grown = math.exp(tilt * s * s)
    strikes = (n * np.atleast_1d(strike) - past) / forward
    answer = np.empty(len(strikes))
    if after is None:
        for i, y in enumerate(strikes):
            d = math.log(grown / y) / s + 0.5 * s if y > 0 else math.inf
            answer[i] = grown * ndtr(d) - y * ndtr(d - s)
    else:
        rows = max(AT_ONCE // len(z), 1)
        for first in range(0, len(strikes), rows):
            some = slice(first, first + rows)
            answer[some] = grown * (after(strikes[some, None] / xi - 1.0) @ weights)
    return answer * forward / n


def inverse_call(
    strike: float,
    forward: float,
    sigma: float,
    next_s: float,
    interval_s: float,
    n: int,
    n_fixed: int,
    past: float,
) -> float:
    """E[S_N (1 - K/A)^+], USD, by replication with 600 strikes."""
    left = n - n_fixed
    deviation = sigma * math.sqrt((next_s + interval_s * left / 3.0) / YEAR_S)
    # Strikes from K to where nothing is left, in the live part.
    low = max((n * strike - past) / (left * forward), 1e-12)
    mean = math.exp(deviation * deviation)
    high = max(low, mean) * math.exp(11.0 * deviation)
    x, w = np.polynomial.legendre.leggauss(600)
    u = math.log(low) + 0.5 * (x + 1.0) * math.log(high / low)
    live = np.exp(u)
    kappa = (live * left * forward + past) / n
    dkappa = 0.5 * math.log(high / low) * w * live * left * forward / n
    first, rest = np.split(
        call(np.concatenate([[strike], kappa]), forward, sigma, next_s, interval_s, n, n_fixed, past, 1), [1]
    )
    return float(first[0] / strike - np.sum(2.0 * strike / kappa**3 * rest * dkappa)) * forward
