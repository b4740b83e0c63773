"""Value and greeks of one option from the shape of its payoff's mean, and the loop over a batch.

With k (strike left for the live fixings) and s (due fixings, which move with the forward), V = D w F f(k, sigma) and
dk/dF = -(k + s)/F. Calendar time between fixings obeys the pricing equation at known past,

    theta = rate V - carry F V_F - sigma² F² V_FF / 2     (derivatives with the due fixings held),

and charm is its derivative to the forward.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._contract import Split, Timing, constants, is_sane, single_constants, split, timing
from pricers._fixings import UnitConstants
from pricers._inverse import InverseShape, inverse_shape, settled_shape
from pricers._jit import kernel
from pricers._linear import Shape, far_shape, linear_shape
from pricers._qmc_desk import Desk, desk_of
from pricers._qmc_inverse import qmc_inverse_shape
from pricers._qmc_linear import qmc_linear_shape
from pricers._wide import IN_RANGE, is_in_qmc_range, width
from pricers.status import Status

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

LINEAR, INVERSE = 0, 1
CLOSED_FORM, EUROPEAN, QMC = 0, 1, 2

OK = int(Status.OK)
DETERMINED = int(Status.DETERMINED)
BAD_INPUT = int(Status.BAD_INPUT)
FALLBACK = int(Status.FALLBACK)

STILL = 1e-30  # total volatility below which nothing moves: derivatives would overflow

N_COLUMNS = 11
PRICE, STD_ERROR, DELTA, GAMMA, VEGA, THETA, RHO, VANNA, CHARM, VOLGA, ROLL = range(N_COLUMNS)


class Greeks(NamedTuple):
    """One option's values; units as ``pricers.Valuation``."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    vanna: float
    charm: float
    volga: float


@kernel
def linear_greeks(forward: float, sigma: float, rate: float, carry: float, time: float, c: Split, f: Shape) -> Greeks:
    """Greeks of the linear payoff from its shape."""
    level = c.discount * c.weight
    ratio = 1.0 + c.due / c.strike if c.due > 0.0 else 1.0  # (k + s) / k
    price = level * forward * f.f
    delta = level * (f.f - ratio * f.k1)
    half_variance = 0.5 * sigma * sigma
    held_delta = level * (f.f - f.k1)
    theta = rate * price - carry * forward * held_delta - half_variance * level * forward * f.k2
    charm = (
        rate * delta
        - carry * (held_delta + level * ratio * f.k2)
        - half_variance * level * (f.k2 - ratio * (2.0 * f.k2 + f.k3))
    )
    return Greeks(
        price,
        delta,
        level * ratio * ratio * f.k2 / forward,
        level * forward * f.sigma1,
        theta,
        time * (forward * delta - price),
        level * (f.sigma1 - ratio * f.k1_sigma1),
        charm,
        level * forward * f.sigma2,
    )


@kernel
def inverse_greeks(
    forward: float, sigma: float, rate: float, carry: float, time: float, discount: float, f: InverseShape
) -> Greeks:
    """Greeks of the inverse payoff from its shape."""
    level = discount * math.exp(carry * time)  # B
    half_variance = 0.5 * sigma * sigma
    price = level * forward * f.j
    delta = level * (f.j - f.l1)
    held_delta = level * (f.j - f.u1)
    theta = rate * price - carry * forward * held_delta - half_variance * level * forward * f.u2
    charm = rate * delta - carry * (held_delta - level * (f.l1 - f.u1_l)) - half_variance * level * (f.u2 - f.u2_l)
    return Greeks(
        price,
        delta,
        level * f.l2 / forward,
        level * forward * f.sigma1,
        theta,
        time * (forward * delta - price),
        level * (f.sigma1 - f.l1_sigma1),
        charm,
        level * forward * f.sigma2,
    )


@kernel
def certain_greeks(forward: float, sign: float, rate: float, carry: float, time: float, c: Split) -> Greeks:
    """Linear payoff with k <= 0: a call is exercised and worth its parity, a put is worth nothing."""
    if sign < 0.0:
        return Greeks(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    level = c.discount * c.weight
    price = level * forward * (1.0 - c.strike)
    delta = level * (1.0 + c.due)
    theta = rate * price - carry * forward * level
    return Greeks(
        price, delta, 0.0, 0.0, theta, time * (forward * delta - price), 0.0, rate * delta - carry * level, 0.0
    )


@kernel
def known_greeks(
    forward: float, strike: float, sign: float, n: float, past: float, n_due: int, is_inverse: bool
) -> Greeks:
    """Every fixing known or due now: the payoff itself, and how it moves with the forward.

    Exactly at the strike by half, as the limit of a small vol does, so that a call and a put are the forward contract there too.
    """
    average = (past + n_due * forward) / n
    due = n_due / n
    if sign * (average - strike) < 0.0:
        return Greeks(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    side = sign if average != strike else 0.5 * sign
    if not is_inverse:
        return Greeks(sign * (average - strike), side * due, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    # (1 - K/A) F: the coin amount is known but for the due fixings.
    per_average = strike / average
    delta = 1.0 - per_average + per_average * due * forward / average
    gamma = 2.0 * per_average * due / average * (1.0 - due * forward / average)
    return Greeks(sign * forward * (1.0 - per_average), side * delta, side * gamma, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@kernel
def european_timing(t: Timing) -> Timing:
    """The same option as if its delivery price were the last fixing alone."""
    if t.n_live == 0:
        return Timing(1, 0, 0.0, 0.0, 0.0)
    return Timing(0, 1, t.last_time, 0.0, t.last_time)


@kernel
def in_range(sigma: float, unit: UnitConstants, engine: int, is_inverse: bool) -> int:
    """OK, or FALLBACK where the engine has left its range (pricers._wide)."""
    if engine == QMC:
        return OK if is_in_qmc_range(sigma, unit, is_inverse) else FALLBACK
    return OK if width(sigma, unit) <= IN_RANGE else FALLBACK


@kernel
def is_drawn(sigma: float, unit: UnitConstants, engine: int, is_inverse: bool) -> bool:
    """Whether draws make the value: the engine's own, or the closed form's fallback."""
    return (engine == QMC or width(sigma, unit) > IN_RANGE) and is_in_qmc_range(sigma, unit, is_inverse)


@kernel
def live_greeks(
    forward: float,
    sigma: float,
    sign: float,
    rate: float,
    carry: float,
    c: Split,
    t: Timing,
    unit: UnitConstants,
    is_inverse: bool,
    engine: int,
    desk: Desk,
) -> tuple[int, Greeks, float]:
    """Status, greeks and standard error of an option that has at least one live fixing."""
    code = in_range(sigma, unit, engine, is_inverse)
    error = 0.0 if engine == QMC else np.nan
    is_still = sigma * unit.deviation < STILL
    if is_inverse:
        if c.strike <= 0.0 or is_still:
            code = DETERMINED
        if is_still:
            g = settled_shape(c, sign)
        elif is_drawn(sigma, unit, engine, is_inverse):
            g, error = qmc_inverse_shape(c, sign, sigma, t, unit, desk)
            error *= c.discount * math.exp(carry * unit.last_time) * forward
        else:
            g = inverse_shape(c, sign, sigma, unit)
            error = np.nan
        return code, inverse_greeks(forward, sigma, rate, carry, unit.last_time, c.discount, g), error
    if c.strike <= 0.0:
        return DETERMINED, certain_greeks(forward, sign, rate, carry, unit.last_time, c), error
    if is_still:
        f = far_shape(c.strike, sign, c.strike < 1.0)
        return DETERMINED, linear_greeks(forward, sigma, rate, carry, unit.last_time, c, f), error
    if is_drawn(sigma, unit, engine, is_inverse):
        f, error = qmc_linear_shape(c.strike, sign, sigma, t, carry, desk)
        error *= c.discount * c.weight * forward
    else:
        f = linear_shape(c.strike, sign, sigma, unit)
        error = np.nan
    return code, linear_greeks(forward, sigma, rate, carry, unit.last_time, c, f), error


@kernel
def value_batch(inputs: Floats, payoff: int, engine: int, draws: Floats, values: Floats, status: Codes) -> None:
    """Value every option of a batch into ``values`` (N_COLUMNS, n) and ``status`` (n,). Each depends on its inputs alone.

    ``inputs`` (11, n): forward, strike, sigma, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, rate, carry.
    ``draws``: pricers._qmc_desk.packed. The fixings' constants are kept while consecutive options share them: options of one expiry
    come together.
    """
    (forward, strike, sigma, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, rate, carry) = (
        inputs
    )
    is_inverse = payoff == INVERSE and engine != EUROPEAN
    desk = desk_of(draws)
    desk_after = desk_of(draws)  # of the moment after the next fixing
    t = timing(1.0, 0.0, 1)
    unit = constants(t, 0.0)
    key = (-1.0, -1.0, -1.0, 0.0)
    for i in range(forward.size):
        n = n_fixings[i]
        past = running_sum[i]
        if not (
            is_sane(
                forward[i],
                strike[i],
                option_sign[i],
                next_fixing_s[i],
                interval_s[i],
                n,
                n_fixed[i],
                past,
                rate[i],
                carry[i],
            )
            and sigma[i] >= 0.0
            and math.isfinite(sigma[i])
        ):
            status[i] = BAD_INPUT
            for column in range(N_COLUMNS):
                values[column, i] = np.nan
            continue
        here = (next_fixing_s[i], interval_s[i], n - n_fixed[i], carry[i])
        if here != key:
            key = here
            t = timing(next_fixing_s[i], interval_s[i], int(n - n_fixed[i]))
            if engine == EUROPEAN:
                t = european_timing(t)
            is_single = engine == EUROPEAN and t.n_live > 0
            unit = single_constants(t.first_time, carry[i]) if is_single else constants(t, carry[i])
        if engine == EUROPEAN:
            n = 1.0
            past = 0.0
        roll = 0.0
        if t.n_live == 0:
            code = DETERMINED
            error = 0.0 if engine == QMC else np.nan
            g = known_greeks(forward[i], strike[i], option_sign[i], n, past, t.n_due, is_inverse)
        else:
            c = split(forward[i], strike[i], n, past, rate[i], t.n_due, unit)
            code, g, error = live_greeks(
                forward[i], sigma[i], option_sign[i], rate[i], carry[i], c, t, unit, is_inverse, engine, desk
            )
        is_in_window = n_fixed[i] > 0.0 or next_fixing_s[i] <= interval_s[i]
        if engine != EUROPEAN and is_in_window and n_fixed[i] < n:
            after = timing(next_fixing_s[i] + interval_s[i], interval_s[i], int(n - n_fixed[i]) - 1)
            past += forward[i]
            if after.n_live == 0:
                g_after = known_greeks(forward[i], strike[i], option_sign[i], n, past, after.n_due, is_inverse)
            else:
                unit_after = constants(after, carry[i])
                c = split(forward[i], strike[i], n, past, rate[i], after.n_due, unit_after)
                _, g_after, _ = live_greeks(
                    forward[i], sigma[i], option_sign[i], rate[i], carry[i], c, after, unit_after, is_inverse, engine,
                    desk_after,
                )  # fmt: skip
            roll = g_after.delta - g.delta
        status[i] = code
        values[PRICE, i] = g.price
        values[STD_ERROR, i] = error
        values[DELTA, i] = g.delta
        values[GAMMA, i] = g.gamma
        values[VEGA, i] = g.vega
        values[THETA, i] = g.theta
        values[RHO, i] = g.rho
        values[VANNA, i] = g.vanna
        values[CHARM, i] = g.charm
        values[VOLGA, i] = g.volga
        values[ROLL, i] = roll
