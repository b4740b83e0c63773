"""The true smile of an underlying: SSVI with a power-law curvature, kept inside its no-arbitrage region.

    w(k, theta) = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)),   phi = eta / (theta^g (1 + theta)^(1 - g))

With 0 < g <= 1/2 and eta (1 + |rho|) <= 2 there is neither butterfly nor calendar arbitrage as long as theta rises with
time (Gatheral and Jacquier, arXiv 1204.0646).  Time is the settlement average's: an option on the mean of the last 30
minutes has less variance than one on the last price, and the market quotes it so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .black import SECONDS_PER_YEAR, Floats

WINDOW_S = 1800
LEVEL_RANGE = (0.15, 1.60)
RHO_LIMIT = 0.6
ETA_MARGIN = 0.98  # of the bound 2 / (1 + |rho|)


class Smile(NamedTuple):
    """One underlying's surface: present and long-run vol (fractions), speed of reversion per year, skew and curvature."""

    level: float
    long_run: float
    kappa: float
    rho: float
    eta: float
    power: float = 0.5


def bounded(smile: Smile) -> Smile:
    """The nearest smile inside the no-arbitrage region."""
    rho = _clip(smile.rho, -RHO_LIMIT, RHO_LIMIT)
    return smile._replace(
        level=_clip(smile.level, *LEVEL_RANGE),
        rho=rho,
        eta=_clip(smile.eta, 0.05, ETA_MARGIN * 2.0 / (1.0 + abs(rho))),
        power=_clip(smile.power, 0.05, 0.5),
    )


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def effective_tau(seconds_left: Floats) -> Floats:
    """Years of variance of the mean of the last 30 minutes: tau - 2w/3 before the window, u^3/(3 w^2) with u left in it."""
    u = np.maximum(np.asarray(seconds_left, dtype=np.float64), 0.0)
    inside = u**3 / (3.0 * WINDOW_S**2)
    return np.where(u >= WINDOW_S, u - 2.0 * WINDOW_S / 3.0, inside) / SECONDS_PER_YEAR


def atm_variance(smile: Smile, tau: Floats) -> Floats:
    """theta: total variance at the money over ``tau`` years of a variance that reverts to its long-run level; rising."""
    excess = smile.level**2 - smile.long_run**2
    return smile.long_run**2 * tau + excess * -np.expm1(-smile.kappa * tau) / smile.kappa


def curvature(smile: Smile, theta: Floats) -> Floats:
    theta = np.maximum(theta, 1e-14)
    return np.asarray(smile.eta / (theta**smile.power * (1.0 + theta) ** (1.0 - smile.power)))


def total_variance(smile: Smile, log_moneyness: Floats, tau: Floats) -> Floats:
    """w(k, tau), ``log_moneyness`` = ln(strike / forward), ``tau`` in effective years."""
    theta = atm_variance(smile, tau)
    x = curvature(smile, theta) * log_moneyness
    return 0.5 * theta * (1.0 + smile.rho * x + np.sqrt((x + smile.rho) ** 2 + 1.0 - smile.rho**2))


def violations(smile: Smile, taus: Floats) -> list[str]:
    """Which of the no-arbitrage conditions fail over these tenors (years, rising); empty when none does."""
    found = []
    theta = atm_variance(smile, taus)
    phi = curvature(smile, theta)
    if np.any(np.diff(theta) <= 0):
        found.append("theta does not rise")
    if np.any(theta * phi * (1 + abs(smile.rho)) >= 4):
        found.append("theta phi (1 + |rho|) >= 4")
    if np.any(theta * phi**2 * (1 + abs(smile.rho)) > 4):
        found.append("theta phi^2 (1 + |rho|) > 4")
    slope = np.diff(theta * phi) / np.diff(theta)
    limit = (1 + np.sqrt(1 - smile.rho**2)) * phi[:-1] / max(smile.rho**2, 1e-12)
    if np.any(slope < 0) or np.any(slope > limit):
        found.append("calendar condition on theta phi")
    return found
