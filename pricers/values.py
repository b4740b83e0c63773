"""The public functions: greeks and implied volatilities of settlement-average and European options.

Everything broadcasts; results are NamedTuples of arrays of the broadcast shape (0-d for scalars). Data never raises: bad input
gets nan and a status. A wrong call (unknown engine, shapes that do not broadcast) raises ``ValueError`` with what would be right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._qmc_settings import QmcSettings
from pricers._valuation import N_COLUMNS
from pricers.matrices import LIVE, PAYOFFS, TOLERANCE, TOTAL_VOL_MAX, ImpliedMatrix, implied_matrix, value_matrix

if TYPE_CHECKING:
    from pricers._paths_walks import PathSettings

Array = npt.NDArray[np.float64]

PATHS = "paths"
LIVE_ENGINES = tuple(LIVE)
"""Those fast enough for a stream; "paths" is the yardstick, a tenth of a second an option."""
ENGINES = (*LIVE_ENGINES, PATHS)
DEFAULT_ENGINE = "qmc"


class Valuation(NamedTuple):
    """Values per one coin of notional, in USD; float64 arrays, ``status`` int8."""

    price_usd: Array
    """USD per coin, of the linear and of the inverse payoff."""
    std_error: Array
    """USD, of a value made by draws; nan where it is deterministic."""
    delta: Array
    """d price / d forward, coin per coin; the running sum is held."""
    gamma: Array
    """d delta / d forward, per USD."""
    vega: Array
    """d price / d sigma, USD per 1.00."""
    theta_per_year: Array
    """d price / d calendar time between fixings, USD per year."""
    rho: Array
    """t_N (forward delta - price), USD per 1.00: rate up, forward with it, carry held."""
    vanna: Array
    """d delta / d sigma, per 1.00."""
    charm_per_year: Array
    """d delta / d calendar time between fixings, per year."""
    volga: Array
    """d vega / d sigma, USD per 1.00²."""
    roll_delta_per_fixing: Array
    """Delta after the next fixing is taken at the forward, time held, minus delta now; 0 before the window."""
    status: npt.NDArray[np.int8]
    """``Status``."""


class ImpliedVol(NamedTuple):
    """Implied volatilities; nan with a status where there is none."""

    sigma: Array
    """Per year, fraction."""
    status: npt.NDArray[np.int8]
    """``Status``."""
    sigma_low: Array
    """At price - tick/2; nan where that price has no volatility (or no tick was given)."""
    sigma_high: Array
    """At price + tick/2, likewise."""
    price_at_sigma_usd: Array
    """The model's price at sigma, USD: equals the quote up to rounding."""
    n_iterations: npt.NDArray[np.int32]
    """Model evaluations of the search."""


def value_options(
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
    engine: str = DEFAULT_ENGINE,
    rate: npt.ArrayLike = 0.0,
    carry: npt.ArrayLike = 0.0,
    qmc: QmcSettings | None = None,
    paths: PathSettings | None = None,
) -> Valuation:
    """Price and greeks of options on the average of their fixings.

    Parameters
    ----------
    forward : USD per coin, > 0: mean of every remaining fixing at carry 0; in general E[S_t] = forward exp(carry t).
    strike : USD per coin, >= 0.
    sigma : per year, fraction, >= 0.
    option_sign : +1 call, -1 put.
    next_fixing_s, interval_s : the remaining fixings come at max(0, next_fixing_s + j interval_s) seconds from now.
    n_fixings, n_fixed, running_sum : fixings in all, those known, and their sum (USD).
    payoff : "linear" max(±(A - K), 0) USD, or "inverse" max(±(A - K), 0) / A coin, here in USD: times the last fixing.
    engine : "qmc" (quasi-random draws over an exact lower bound), "closed_form" (an expansion; FALLBACK to QMC out of its range),
        "european" (Black-76 on the last fixing's time; the average is ignored, so both payoffs agree) or "paths" (plain simulation
        of every fixing, greeks by bumps: slow, an independent check).
    rate, carry : per year, continuous.
    qmc, paths : settings of the engines "qmc" and "paths"; no other engine looks at them.

    Returns
    -------
    Valuation of arrays of the broadcast shape.
    """
    _check(engine, payoff)
    shape, inputs = _broadcast(
        forward=forward,
        strike=strike,
        sigma=sigma,
        option_sign=option_sign,
        next_fixing_s=next_fixing_s,
        interval_s=interval_s,
        n_fixings=n_fixings,
        n_fixed=n_fixed,
        running_sum=running_sum,
        rate=rate,
        carry=carry,
    )
    if engine == PATHS:
        # scipy's points and searches: live engines need neither
        from pricers._paths_walks import PathSettings
        from pricers.paths import path_batch

        values, status = np.empty((N_COLUMNS, inputs.shape[1])), np.empty(inputs.shape[1], dtype=np.int8)
        path_batch(inputs, PAYOFFS[payoff], paths or PathSettings(), values, np.empty_like(values), status)
    else:
        values, status = value_matrix(inputs, payoff, engine, qmc)
    columns = values if len(shape) == 1 else values.reshape(N_COLUMNS, *shape)
    price, error, delta, gamma, vega, theta, rho, vanna, charm, volga, roll = columns
    return Valuation(price, error, delta, gamma, vega, theta, rho, vanna, charm, volga, roll, status.reshape(shape))


def implied_vols(
    *,
    price_usd: npt.ArrayLike,
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    option_sign: npt.ArrayLike,
    next_fixing_s: npt.ArrayLike,
    interval_s: npt.ArrayLike,
    n_fixings: npt.ArrayLike,
    n_fixed: npt.ArrayLike = 0,
    running_sum: npt.ArrayLike = 0.0,
    payoff: str = "linear",
    engine: str = DEFAULT_ENGINE,
    rate: npt.ArrayLike = 0.0,
    carry: npt.ArrayLike = 0.0,
    qmc: QmcSettings | None = None,
    tick_usd: npt.ArrayLike = np.nan,
    total_vol_max: npt.ArrayLike = TOTAL_VOL_MAX,
    tolerance: npt.ArrayLike = TOLERANCE,
    paths: PathSettings | None = None,
) -> ImpliedVol:
    """Volatility at which the model's price is the quote; the parameters of ``value_options`` and:

    Parameters
    ----------
    price_usd : the quote, USD per coin, in or out of the money; nan, 0 or less is NO_QUOTE.
    tick_usd : price tick, USD per coin: gives the band sigma_low .. sigma_high and LOW_VEGA. nan: neither.
    total_vol_max : limit on sigma times the deviation of the remaining average; beyond it CAPPED.
    tolerance : relative, of sigma.

    Returns
    -------
    ImpliedVol of arrays of the broadcast shape.
    """
    _check(engine, payoff)
    shape, inputs = _broadcast(
        price_usd=price_usd,
        forward=forward,
        strike=strike,
        option_sign=option_sign,
        next_fixing_s=next_fixing_s,
        interval_s=interval_s,
        n_fixings=n_fixings,
        n_fixed=n_fixed,
        running_sum=running_sum,
        rate=rate,
        carry=carry,
        tick_usd=tick_usd,
        total_vol_max=total_vol_max,
        tolerance=tolerance,
        band_usd=tick_usd,
    )
    size = inputs.shape[1]
    if engine == PATHS:
        from pricers._paths_implied import implied_paths
        from pricers._paths_walks import PathSettings

        found = ImpliedMatrix(np.empty((4, size)), np.empty(size, dtype=np.int8), np.empty(size, dtype=np.int32))
        implied_paths(inputs[:-1], PAYOFFS[payoff], paths or PathSettings(), *found)
    else:
        found = implied_matrix(inputs, payoff, engine, qmc)
    sigma, low, high, price = found.answers if len(shape) == 1 else found.answers.reshape(4, *shape)
    return ImpliedVol(sigma, found.status.reshape(shape), low, high, price, found.counts.reshape(shape))


def warm_up(parts: Sequence[str] = ("values", "implied_vols")) -> None:
    """Compile (or load from cache) the live engines' specialisations, so that the first batch is as fast as the next.

    parts : what to compile; with an empty cache two processes are sooner ready, one part each.
    """
    option: dict[str, Any] = {
        "forward": np.ones(1), "strike": np.ones(1), "option_sign": 1, "next_fixing_s": 3600.0, "interval_s": 4.0, "n_fixings": 450,
    }  # fmt: skip
    price = 0.005  # of the forward; a sigma of 1 or so
    for engine in LIVE_ENGINES:
        for payoff in PAYOFFS:
            if "values" in parts:
                value_options(**option, sigma=np.ones(1), payoff=payoff, engine=engine)
            if "implied_vols" in parts:
                implied_vols(**option, price_usd=np.full(1, price), payoff=payoff, engine=engine)


def _check(engine: str, payoff: str) -> None:
    """ValueError for a name that is none."""
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; there are {', '.join(map(repr, ENGINES))}")
    if payoff not in PAYOFFS:
        raise ValueError(f"payoff {payoff!r} is unknown; there are {', '.join(map(repr, PAYOFFS))}")


def _broadcast(**arguments: npt.ArrayLike) -> tuple[tuple[int, ...], Array]:
    """The broadcast shape, and every argument as a row of one matrix: one array type, one specialisation of the kernels."""
    arrays = [np.asarray(argument, dtype=np.float64) for argument in arguments.values()]
    different = {array.shape for array in arrays if array.ndim}
    if len(different) == 1:  # as nearly always; numpy's own question costs as much as an option's price
        shape = different.pop()
    else:
        try:
            shape = np.broadcast_shapes(*(array.shape for array in arrays))
        except ValueError:
            named = zip(arguments, arrays, strict=True)
            shapes = ", ".join(f"{name} {array.shape}" for name, array in named if array.ndim)
            raise ValueError(f"shapes do not broadcast: {shapes}; give scalars or arrays of one shape") from None
    rows = np.empty((len(arrays), *shape))
    for i, array in enumerate(arrays):
        rows[i] = array
    return shape, rows if len(shape) == 1 else rows.reshape(len(arrays), math.prod(shape))
