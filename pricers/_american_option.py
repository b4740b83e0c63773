"""One American option: calls as mirrored puts, the cases without a boundary to solve for, and the loop over a batch.

A call on S with strike K, rate r and yield q is worth S times the put of strike 1 on K/S with rate q and yield r (McDonald and
Schroder, 1998), so that all arithmetic is that of the unit put.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pricers._american_boundary import (
    F_LEVEL,
    F_RATE,
    F_SIGMA,
    F_YIELD,
    WORST,
    Grid,
    Market,
    Work,
    copy_rows,
    eliminate,
    residual,
    solve_boundary,
)
from pricers._american_premium import (
    BY_RATE,
    BY_YIELD,
    DELTA,
    GAMMA,
    N_CURVES,
    N_VALUES,
    PREMIUM,
    PRICE,
    SPEED,
    VANNA,
    VEGA,
    VOLGA,
    add_premium,
    european_put,
)
from pricers._contract import SECONDS_PER_YEAR
from pricers._jit import kernel, merged
from pricers.status import Status

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

OK = int(Status.OK)
DETERMINED = int(Status.DETERMINED)
BAD_INPUT = int(Status.BAD_INPUT)
NOT_CONVERGED = int(Status.NOT_CONVERGED)

N_COLUMNS = 11
(
    COLUMN_PRICE, COLUMN_DELTA, COLUMN_GAMMA, COLUMN_VEGA, COLUMN_THETA, COLUMN_RHO, COLUMN_VANNA, COLUMN_CHARM, COLUMN_VOLGA,
    COLUMN_PREMIUM, COLUMN_BOUNDARY,
) = range(N_COLUMNS)  # fmt: skip
STEP = 1e-3
"""Of sigma, for the boundary's second derivative: fourth-order differences of first derivatives have a truncation of STEP^4 / 30
and a rounding of 1e-14 / STEP, both about 1e-11 of it."""
LEAST_TOTAL_VOL = 1e-6
"""Below it ln(B) has too few digits left in units of its own scale; the option is nearly deterministic."""
NEAREST = 4e-6
"""In deviations from the boundary: nearer, the third derivative (charm) is that at this distance.  Its integrand's peak is as high as
the distance is small, and rounding, 1e-16 over the distance, shows (measured: 1e-5 of charm at 1e-7 of the price, 1e-2 at 1e-8)."""
PASTING = 1e-7
"""Value matching at the boundary now, in strikes: the equation solved is smooth pasting, so this is an independent check."""


@kernel
def certain_put(s: float, market: Market, values: Floats) -> float:
    """sigma = 0 or no time: exercise at the best moment of a known future.  Returns the boundary now."""
    expiry, _, rate, dividend, _ = market
    best, moment = 0.0, -1.0
    middle = 0.0
    if rate * dividend > 0.0 and rate != dividend:
        middle = math.log(rate / (dividend * s)) / (rate - dividend)
    for i in range(3):
        t = 0.0 if i == 0 else (expiry if i == 1 else min(max(middle, 0.0), expiry))
        worth = math.exp(-rate * t) - s * math.exp(-dividend * t)
        if worth > best:
            best, moment = worth, t
    values[:] = 0.0
    values[PRICE] = best
    if moment >= 0.0:
        if 0.0 < moment < expiry:  # the best moment comes sooner with s
            values[GAMMA] = dividend * math.exp(-dividend * moment) / (s * (dividend - rate))
        values[DELTA] = -math.exp(-dividend * moment)
        values[BY_RATE] = -moment * math.exp(-rate * moment)
        values[BY_YIELD] = moment * s * math.exp(-dividend * moment)
    values[PREMIUM] = best - max(0.0, math.exp(-rate * expiry) - s * math.exp(-dividend * expiry))
    if expiry == 0.0:
        return 1.0
    return math.exp(market.log_limit)


@kernel
def exercised_put(s: float, market: Market, values: Floats) -> None:
    """At or below the boundary: worth its exercise value."""
    european_put(s, market, values)
    premium = 1.0 - s - values[PRICE]
    values[:] = 0.0
    values[PRICE], values[DELTA], values[PREMIUM] = 1.0 - s, -1.0, premium


@merged
def curves_of(
    market: Market, limit_by_rate: float, limit_by_yield: float, grid: Grid, work: Work, curves: Floats
) -> bool:
    """H and its derivatives at the nodes: -J dH = dF by the implicit function theorem."""
    columns = work.columns
    for j in range(grid.nodes.size):
        work.sides[0, j] = -columns[F_SIGMA, j]
        work.sides[1, j] = -columns[F_RATE, j] - columns[F_LEVEL, j] * limit_by_rate
        work.sides[2, j] = -columns[F_YIELD, j] - columns[F_LEVEL, j] * limit_by_yield
    copy_rows(work.jacobian, work.kept)
    copy_rows(work.jacobian, work.matrix)
    if not eliminate(work.matrix, work.sides):
        return False
    for j in range(grid.nodes.size):
        curves[0, j] = work.squares[j]
        for c in range(3):
            curves[c + 1, j] = work.sides[c, j]
    return second_curve(market, grid, work, curves)


@merged
def second_curve(market: Market, grid: Grid, work: Work, curves: Floats) -> bool:
    """H's second derivative to sigma: J H'' = -d/de (F_sigma + J H') along H + e H', sigma + e, by differences of fourth order."""
    n = grid.nodes.size
    step = STEP * market.sigma
    work.sides[0, :] = 0.0
    for i in range(4):
        side = -1.0 if i % 2 == 0 else 1.0
        far = 1.0 if i < 2 else 2.0
        weight = side * (8.0 if i < 2 else -1.0) / (12.0 * step)
        moved = side * far * step
        for j in range(n):
            work.trial[j] = curves[0, j] + moved * curves[1, j]
            if not work.trial[j] > 0.0:
                return False
        there = Market(market.expiry, market.sigma + moved, market.rate, market.dividend, market.log_limit)
        if residual(work.trial, there, grid, work) >= WORST:
            return False
        for j in range(n):
            total = work.columns[F_SIGMA, j]
            for m in range(n):
                total += work.jacobian[j, m] * curves[1, m]
            work.sides[0, j] -= weight * total
    copy_rows(work.kept, work.matrix)
    if not eliminate(work.matrix, work.sides[:1]):
        return False
    for j in range(n):
        curves[4, j] = work.sides[0, j]
    return True


@merged
def unit_put(
    s: float,
    market: Market,
    grid: Grid,
    work: Work,
    panel: Floats,
    curves: Floats,
    found: Floats,
    values: Floats,
) -> tuple[int, float]:
    """Values of the put of strike 1 where a boundary exists; its status and the boundary now."""
    rate, dividend = market.rate, market.dividend
    is_below = dividend > rate  # X = r/q
    limit_by_rate = 1.0 / rate if is_below else 0.0
    limit_by_yield = -1.0 / dividend if is_below else 0.0
    values[:] = math.nan
    if not solve_boundary(market, grid, work):
        return NOT_CONVERGED, math.nan
    if not curves_of(market, limit_by_rate, limit_by_yield, grid, work, curves):
        return NOT_CONVERGED, math.nan
    boundary = math.exp(market.log_limit - math.sqrt(work.squares[grid.nodes.size - 1]))
    just_above = boundary * (1.0 + 1e-13)
    european_put(just_above, market, values)
    add_premium(just_above, market, limit_by_rate, limit_by_yield, grid, curves, panel, found, values)
    if not abs(values[PRICE] - (1.0 - boundary)) <= PASTING:
        return NOT_CONVERGED, math.nan
    if s <= boundary:
        exercised_put(s, market, values)
        return DETERMINED, boundary
    speed = 0.0
    nearest = boundary * math.exp(NEAREST * market.sigma * math.sqrt(market.expiry))
    if s < nearest:
        european_put(nearest, market, values)
        add_premium(nearest, market, limit_by_rate, limit_by_yield, grid, curves, panel, found, values)
        speed = values[SPEED]
    european_put(s, market, values)
    add_premium(s, market, limit_by_rate, limit_by_yield, grid, curves, panel, found, values)
    if s < nearest:
        values[SPEED] = speed
    return OK, boundary


@merged
def put_of(
    s: float,
    expiry: float,
    sigma: float,
    rate: float,
    dividend: float,
    grid: Grid,
    work: Work,
    panel: Floats,
    curves: Floats,
    found: Floats,
    values: Floats,
) -> tuple[int, float]:
    """Values of the put of strike 1 for any rate and yield; its status and the boundary now (0: never exercised early)."""
    if dividend < rate < 0.0:
        return BAD_INPUT, math.nan  # exercise between two boundaries
    is_never = rate <= 0.0 and dividend >= rate  # waiting earns -rate on the strike and costs nothing
    market = Market(expiry, sigma, rate, dividend, math.log(rate / dividend) if dividend > rate > 0.0 else 0.0)
    if sigma == 0.0 or expiry == 0.0:
        boundary = certain_put(s, market, values)
        return DETERMINED, 0.0 if is_never and expiry > 0.0 else boundary
    if is_never:
        european_put(s, market, values)
        return OK, 0.0
    if sigma * math.sqrt(expiry) < LEAST_TOTAL_VOL:
        return NOT_CONVERGED, math.nan
    return unit_put(s, market, grid, work, panel, curves, found, values)


@kernel
def american_batch(
    inputs: Floats,
    grid: Grid,
    work: Work,
    panel: Floats,
    curves: Floats,
    answers: Floats,
    status: Codes,
) -> None:
    """Fill ``answers`` (11, n) and ``status`` (n,) from ``inputs`` (7, n): forward, strike, sigma, option_sign, expiry_s, rate, carry."""
    values, found = np.empty(N_VALUES), np.empty(N_CURVES)
    for i in range(inputs.shape[1]):
        forward, strike, sigma, sign = inputs[0, i], inputs[1, i], inputs[2, i], inputs[3, i]
        expiry_s, rate, carry = inputs[4, i], inputs[5, i], inputs[6, i]
        answers[:, i] = math.nan
        status[i] = BAD_INPUT
        if not math.isfinite(forward + strike + sigma + sign + expiry_s + rate + carry):
            continue
        if forward <= 0.0 or strike <= 0.0 or sigma < 0.0 or expiry_s < 0.0 or abs(sign) != 1.0:
            continue
        expiry = expiry_s / SECONDS_PER_YEAR
        if sign > 0.0:
            s, scale, own, other = strike / forward, forward, rate - carry, rate
        else:
            s, scale, own, other = forward / strike, strike, rate, rate - carry
        code, boundary = put_of(s, expiry, sigma, own, other, grid, work, panel, curves, found, values)
        status[i] = code
        if code in (BAD_INPUT, NOT_CONVERGED):
            continue
        is_exercised = code == DETERMINED and values[DELTA] == -1.0
        if sign > 0.0:
            delta = values[PRICE] - s * values[DELTA]
            gamma = s * s * values[GAMMA] / forward
            speed = -s * s * (3.0 * values[GAMMA] + s * values[SPEED]) / (forward * forward)
            vanna = values[VEGA] - s * values[VANNA]
            rho = values[BY_YIELD]
            answers[COLUMN_BOUNDARY, i] = strike / boundary if boundary > 0.0 else math.inf
        else:
            delta, gamma, speed = values[DELTA], values[GAMMA] / strike, values[SPEED] / (strike * strike)
            vanna, rho = values[VANNA], values[BY_RATE]
            answers[COLUMN_BOUNDARY, i] = strike * boundary
        price = scale * values[PRICE]
        if is_exercised:
            price, delta = sign * (forward - strike), sign  # to the bit
        answers[COLUMN_PRICE, i], answers[COLUMN_DELTA, i], answers[COLUMN_GAMMA, i] = price, delta, gamma
        answers[COLUMN_VEGA, i], answers[COLUMN_RHO, i] = scale * values[VEGA], scale * rho
        answers[COLUMN_PREMIUM, i] = scale * values[PREMIUM]
        answers[COLUMN_VANNA, i], answers[COLUMN_VOLGA, i] = vanna, scale * values[VOLGA]
        # Calendar time by the pricing equation and its derivative to the underlying's price: it holds where one waits.
        bend = forward * gamma
        half_variance = 0.5 * sigma * sigma
        theta = rate * price - carry * forward * delta - half_variance * forward * bend
        charm = rate * delta - carry * (delta + bend) - half_variance * (2.0 * bend + forward * forward * speed)
        answers[COLUMN_THETA, i] = 0.0 if is_exercised else theta
        answers[COLUMN_CHARM, i] = 0.0 if is_exercised else charm
