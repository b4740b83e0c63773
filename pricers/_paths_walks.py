"""Walks: the simulated paths of one expiry at one volatility and its bumps, and what a payoff is worth on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._paths_contract import Contract, Fixings, live_fixings, moved_fixings, path_payoff_usd
from pricers._paths_kernel import Sums, path_normals, path_sums

Array = npt.NDArray[np.float64]


class PathSettings(NamedTuple):
    """Settings of ``engine="paths"`` (A15)."""

    m_paths: int = 12
    """2^m_paths Sobol points in all, split evenly over the scrambles; antithetic paths come on top."""
    n_scrambles: int = 8
    """Independent scrambles, a power of two: their spread is the standard error."""
    seed: int = 20230413
    is_antithetic: bool = True
    has_control: bool = True
    """Simulate the difference to the geometric average, whose price is closed."""
    forward_bump: float = 0.1
    """In standard deviations of the remaining average (E-13)."""
    sigma_bump: float = 0.05
    """Relative (A20)."""
    time_bump: float = 0.05
    """Relative to the variance time of the average; at most half the time to the next fixing."""


class Walks(NamedTuple):
    """Paths of one set of fixings at one volatility, and bumped: all that strikes, signs and forwards have in common."""

    fixings: Fixings
    carry: float
    sigma: float
    d_sigma: float
    d_time: float
    """Years."""
    now: Sums
    """At sigma, sigma - d_sigma, sigma + d_sigma."""
    sooner: Sums
    """At sigma, every live fixing d_time nearer."""
    later: Sums


class View(NamedTuple):
    """The paths of one scenario; arrays (n_scrambles, n_paths)."""

    fixings: Fixings
    sigma: float
    mean: Array
    """M of each path."""
    direction: Array
    """B of each path."""
    last: Array
    """W at the last fixing."""


HERE, SIGMA_DOWN, SIGMA_UP, SOONER, LATER = range(5)


def check(settings: PathSettings) -> None:
    """Raise ``ValueError`` for settings that cannot be run."""
    m, n = settings.m_paths, settings.n_scrambles
    if n < 2 or n & (n - 1) or not n <= 2**m <= 2**30:
        raise ValueError(
            f"{n} scrambles of 2^{m} points in all: scrambles must be a power of two from 2 to 2^m, m at most 30"
        )
    if min(settings.forward_bump, settings.sigma_bump, settings.time_bump) <= 0.0 or settings.sigma_bump >= 1.0:
        raise ValueError(f"bumps must be positive, and sigma_bump below 1: {settings}")


def normals_of(times: Array, settings: PathSettings) -> Array:
    """The variates of these fixings, the same for every contract, bump and root search (A18, E-06)."""
    n_points = 2**settings.m_paths // settings.n_scrambles
    return path_normals(times.size, settings.n_scrambles, n_points, settings.seed)


def walk(times: Array, carry: float, sigma: float, settings: PathSettings) -> Walks:
    """Simulate the fixings at ``times`` (n,), years, and again for the bumps of volatility and time."""
    normals = normals_of(times, settings)
    fixings = live_fixings(times, carry)
    d_sigma = settings.sigma_bump * sigma
    d_time = min(settings.time_bump * fixings.variance, 0.5 * float(times[0]))

    def simulated(moved: float, *sigmas: float) -> Sums:
        return path_sums(normals, times + moved, fixings.weights, np.array(sigmas), settings.is_antithetic)

    now = simulated(0.0, sigma, sigma - d_sigma, sigma + d_sigma)
    return Walks(fixings, carry, sigma, d_sigma, d_time, now, simulated(-d_time, sigma), simulated(d_time, sigma))


def view(walks: Walks, scenario: int) -> View:
    """One of HERE, SIGMA_DOWN, SIGMA_UP, SOONER, LATER."""
    if scenario in (SOONER, LATER):
        sums, later = (walks.sooner, -walks.d_time) if scenario == SOONER else (walks.later, walks.d_time)
        fixings = moved_fixings(walks.fixings, walks.carry, later)
        return View(fixings, walks.sigma, sums.mean[0], sums.direction, sums.last)
    sigma = walks.sigma + (0.0, -walks.d_sigma, walks.d_sigma)[scenario]
    return View(walks.fixings, sigma, walks.now.mean[scenario], walks.now.direction, walks.now.last)


def without_first(walks: Walks) -> View:
    """The paths at sigma, of all live fixings but the first; there are at least two."""
    fixings, sigma, now = walks.fixings, walks.sigma, walks.now
    share = fixings.weights[0]
    price = np.exp(sigma * (now.first - 0.5 * sigma * fixings.times[0]))
    mean = (now.mean[0] - share * price) / (1.0 - share)
    direction = (now.direction - share * now.first) / (1.0 - share)
    return View(live_fixings(fixings.times[1:], walks.carry), sigma, mean, direction, now.last)


def simulated_usd(contract: Contract, paths: View, forward: float, has_control: bool) -> Array:
    """Mean discounted payoff of each scramble (n_scrambles,), USD; with ``has_control`` its excess over the geometric twin's."""
    fixings, sigma = paths.fixings, paths.sigma
    last = np.exp(sigma * (paths.last - 0.5 * sigma * fixings.times[-1])) if contract.is_inverse else paths.last
    payoff = path_payoff_usd(contract, fixings, forward, paths.mean, last)
    if has_control:
        twin = np.exp(sigma * (paths.direction - 0.5 * sigma * fixings.variance))
        payoff -= path_payoff_usd(contract, fixings, forward, twin, last)
    return np.asarray(payoff.mean(axis=1))
