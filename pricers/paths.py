"""``engine="paths"``: plain path simulation, the yardstick and the cross-check of the other engines.

A path is a jump to the first live fixing and one step to each of the rest (A3), from independently scrambled Sobol points (A1,
A7, E-08, E-09), drawn once for a contract and used again for every bump and every step of a root search (A18, E-06, E-07). Greeks
are central differences with a forward bump in standard deviations of the remaining average (A17, A19, A20, E-13). Options:
antithetic paths (A5) and a control variate (A35): the geometric average, and parity for the linear payoff in the money. Paths then
simulate only the difference to what is known, greeks included, so that the bias of a bump falls with it. The inverse payoff is
simulated under the pricing measure, as max(±(A - K), 0) S_N / A. The code shares input checks with the other engines, and no moment
or direction.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._contract import is_sane
from pricers._paths_contract import (
    Contract,
    Fixings,
    effective_strike,
    exercised_columns,
    settled_columns,
    split_times,
    twin_price_usd,
)
from pricers._paths_greeks import bumped_greeks, smooth_greeks
from pricers._paths_walks import (
    HERE,
    LATER,
    SIGMA_DOWN,
    SIGMA_UP,
    SOONER,
    PathSettings,
    Walks,
    check,
    simulated_usd,
    view,
    walk,
    without_first,
)
from pricers._valuation import DELTA, INVERSE, LINEAR, N_COLUMNS, PRICE, RHO, ROLL, STD_ERROR
from pricers.status import Status

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

LARGEST_BUMP = 0.2
"""Of the forward: where volatility is so large that a part of a deviation is more."""


class PathValues(NamedTuple):
    """Columns as ``Valuation`` has them, and the standard error of each."""

    values: Array
    """(11, ...): price_usd, std_error, delta, gamma, vega, theta_per_year, rho, vanna, charm_per_year, volga, roll_delta_per_fixing."""
    std_errors: Array
    """(11, ...): of each column, from the scrambles; 0 where nothing was simulated. Row 1 equals row 0."""
    status: Codes


def value_paths(
    *,
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    sigma: npt.ArrayLike,
    option_sign: npt.ArrayLike,
    next_fixing_s: npt.ArrayLike,
    interval_s: npt.ArrayLike,
    n_fixings: npt.ArrayLike,
    n_fixed: npt.ArrayLike = 0,
    running_sum: npt.ArrayLike = 0.0,
    payoff: str = "linear",
    rate: npt.ArrayLike = 0.0,
    carry: npt.ArrayLike = 0.0,
    paths: PathSettings | None = None,
) -> PathValues:
    """Price and greeks by simulation, with a standard error for every column; parameters and units as ``value_options``.

    Data never raises: bad input is nan with BAD_INPUT. Settings that cannot be run raise ``ValueError``.
    """
    if payoff not in ("linear", "inverse"):
        raise ValueError(f"payoff {payoff!r} is unknown; there are 'linear', 'inverse'")
    columns = (
        forward,
        strike,
        sigma,
        option_sign,
        next_fixing_s,
        interval_s,
        n_fixings,
        n_fixed,
        running_sum,
        rate,
        carry,
    )
    arrays = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in columns))
    shape = arrays[0].shape
    inputs = np.array([array.ravel() for array in arrays])
    values = np.empty((N_COLUMNS, inputs.shape[1]))
    errors = np.empty((N_COLUMNS, inputs.shape[1]))
    status = np.empty(inputs.shape[1], dtype=np.int8)
    path_batch(inputs, INVERSE if payoff == "inverse" else LINEAR, paths or PathSettings(), values, errors, status)
    return PathValues(values.reshape(N_COLUMNS, *shape), errors.reshape(N_COLUMNS, *shape), status.reshape(shape))


def path_batch(inputs: Array, payoff: int, settings: PathSettings, values: Array, errors: Array, status: Codes) -> None:
    """Value every option of ``inputs`` (11, n), rows as ``value_batch``, into ``values``, ``errors`` (11, n) and ``status`` (n,).

    Each option depends on its own inputs and the settings alone; paths are kept while consecutive options share them.
    """
    check(settings)
    key: tuple[float, ...] = ()
    walks: Walks | None = None
    for i, row in enumerate(inputs.T):
        forward, strike, sigma, sign, next_s, interval_s, n, n_fixed, past, rate, carry = (float(x) for x in row)
        is_valid = is_sane(forward, strike, sign, next_s, interval_s, n, n_fixed, past, rate, carry)
        if not (is_valid and sigma >= 0.0 and math.isfinite(sigma)):
            values[:, i] = errors[:, i] = np.nan
            status[i] = Status.BAD_INPUT
            continue
        n_due, times = split_times(next_s, interval_s, int(n - n_fixed))
        contract = Contract(strike, sign, n, past, n_due, rate, carry, payoff == INVERSE)
        if (next_s, interval_s, n - n_fixed, carry, sigma) != key:
            key = (next_s, interval_s, n - n_fixed, carry, sigma)
            walks = walk(times, carry, sigma, settings) if times.size > 0 and sigma > 0.0 else None
        by_scramble, status[i] = columns(contract, times, walks, forward, settings)
        if n_fixed < n and (n_fixed > 0.0 or next_s <= interval_s):
            by_scramble[ROLL] = delta_after_next(contract, times, walks, forward, settings) - by_scramble[DELTA]
        errors[:, i] = by_scramble.std(axis=1, ddof=1) / math.sqrt(settings.n_scrambles)
        values[:, i] = by_scramble.mean(axis=1)
        values[STD_ERROR, i] = errors[STD_ERROR, i] = errors[PRICE, i]


def columns(
    contract: Contract, times: Array, walks: Walks | None, forward: float, settings: PathSettings
) -> tuple[Array, Status]:
    """All columns but the roll, (N_COLUMNS, n_scrambles); ``walks`` is None where nothing is random."""
    if walks is None or is_certain(contract, walks.fixings, forward):
        exact = settled_columns(contract, times, forward)
        return np.repeat(exact[:, None], settings.n_scrambles, axis=1), Status.DETERMINED
    fixings = walks.fixings
    simulated = out_of_the_money(contract, fixings, forward, settings)
    d_forward = forward_bump(fixings, walks.sigma, forward, settings)
    forwards = (forward - d_forward, forward, forward + d_forward)
    cube = np.array(
        [
            [simulated_usd(simulated, view(walks, scenario), f, settings.has_control) for f in forwards]
            for scenario in (HERE, SIGMA_DOWN, SIGMA_UP, SOONER, LATER)
        ]
    )
    found = bumped_greeks(cube, (d_forward, walks.d_sigma, walks.d_time))
    if settings.has_control:
        found += twin_columns(simulated, fixings, walks.sigma, forward)[:, None]
    if simulated != contract:
        found += exercised_columns(contract, times, forward)[:, None]
    found[RHO] = fixings.times[-1] * (forward * found[DELTA] - found[PRICE])
    is_determined = effective_strike(contract, fixings.growth, forward) <= 0.0
    return found, Status.DETERMINED if is_determined else Status.OK


def delta_after_next(
    contract: Contract, times: Array, walks: Walks | None, forward: float, settings: PathSettings
) -> Array:
    """Delta of each scramble (n_scrambles,) once the next fixing is taken at ``forward``, time held; a fixing remains."""
    is_due = contract.n_due > 0
    contract = contract._replace(past=contract.past + forward, n_due=max(contract.n_due - 1, 0))
    left = times if is_due else times[1:]
    if walks is None or left.size == 0:
        return np.full(settings.n_scrambles, settled_columns(contract, left, forward)[DELTA])
    paths = view(walks, HERE) if is_due else without_first(walks)
    if is_certain(contract, paths.fixings, forward):
        return np.full(settings.n_scrambles, settled_columns(contract, left, forward)[DELTA])
    simulated = out_of_the_money(contract, paths.fixings, forward, settings)
    d_forward = forward_bump(paths.fixings, walks.sigma, forward, settings)
    up = simulated_usd(simulated, paths, forward + d_forward, settings.has_control)
    down = simulated_usd(simulated, paths, forward - d_forward, settings.has_control)
    parity = exercised_columns(contract, left, forward)[DELTA] if simulated != contract else 0.0
    twin = twin_columns(simulated, paths.fixings, walks.sigma, forward)[DELTA] if settings.has_control else 0.0
    return np.asarray((up - down) / (2.0 * d_forward) + twin + parity)


def out_of_the_money(contract: Contract, fixings: Fixings, forward: float, settings: PathSettings) -> Contract:
    """The option to simulate: with the control variate an in-the-money linear one is the other side and parity, E[M] being known."""
    if contract.is_inverse or not settings.has_control:
        return contract
    return contract._replace(sign=1.0 if effective_strike(contract, fixings.growth, forward) >= 1.0 else -1.0)


def is_certain(contract: Contract, fixings: Fixings, forward: float) -> bool:
    """Whether the price is parity: linear, with a strike that the known fixings have passed already."""
    return not contract.is_inverse and bool(effective_strike(contract, fixings.growth, forward) <= 0.0)


def forward_bump(fixings: Fixings, sigma: float, forward: float, settings: PathSettings) -> float:
    """Bump of the forward, USD (E-13): a part of the remaining average's standard deviation, never a percentage."""
    return forward * min(settings.forward_bump * sigma * math.sqrt(fixings.variance), LARGEST_BUMP)


def twin_columns(contract: Contract, fixings: Fixings, sigma: float, forward: float) -> Array:
    """Columns (N_COLUMNS,) of the geometric twin, to some 1e-10: the steps are small parts of its deviation, sigma and variance."""
    d_forward = forward * min(0.05 * sigma * math.sqrt(fixings.variance), 0.02)
    steps = (d_forward, 0.02 * sigma, 0.02 * fixings.variance)
    return smooth_greeks(partial(twin_price_usd, contract, fixings), forward, sigma, steps)
