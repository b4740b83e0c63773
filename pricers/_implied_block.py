"""Roots of a block of options: vectorised lanes where they reach (pricers._lanes), the scalar search elsewhere, draws to polish."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import _lanes as lane
from pricers._contract import Split, Timing, constants, split, timing
from pricers._fixings import UnitConstants
from pricers._implied import OK, Model, halley_step, parity_value, root, search, upper_bound
from pricers._inverse import inverse_sides
from pricers._jit import kernel
from pricers._normal import distribution
from pricers._qmc_desk import Desk
from pricers._valuation import EUROPEAN, QMC, Floats, european_timing
from pricers._wide import IN_RANGE, width

Numbers = npt.NDArray[np.int64]

N_ROOT_ROWS = 5
ROOT_SIGMA, ROOT_CODE, ROOT_STEPS, ROOT_VEGA, ROOT_VALUE = range(N_ROOT_ROWS)


class Block(NamedTuple):
    """Up to ``pricers._lanes.LANES`` options of a batch."""

    inputs: Floats  # (14, n): pricers._implied_batch
    members: Numbers  # which of the batch
    quotes: Floats  # in units of discounted weight times forward; nan: not asked
    starts: Floats  # sigma to start from, or nan
    strikes: Floats  # k and past of pricers._contract.Split
    pasts: Floats
    roots: Floats  # (N_ROOT_ROWS, LANES)
    rows: Floats  # the lanes


@kernel
def block_of(inputs: Floats) -> Block:
    """An empty block of that batch."""
    return Block(
        inputs,
        np.zeros(lane.LANES, dtype=np.int64),
        np.empty(lane.LANES),
        np.empty(lane.LANES),
        np.empty(lane.LANES),
        np.empty(lane.LANES),
        np.empty((N_ROOT_ROWS, lane.LANES)),
        lane.lanes(),
    )


@kernel
def fixings_of(inputs: Floats, i: int, engine: int) -> tuple[Timing, UnitConstants]:
    """Timing and constants of option ``i``'s fixings."""
    t = timing(inputs[4, i], inputs[5, i], int(inputs[6, i] - inputs[7, i]))
    if engine == EUROPEAN:
        t = european_timing(t)
    return t, constants(t, inputs[10, i])


@kernel
def split_of(inputs: Floats, i: int, engine: int, t: Timing, unit: UnitConstants) -> Split:
    """Known and unknown part of option ``i``; at least one fixing is live."""
    is_plain = engine == EUROPEAN
    return split(
        inputs[1, i], inputs[2, i], 1.0 if is_plain else inputs[6, i], 0.0 if is_plain else inputs[8, i], inputs[9, i],
        t.n_due, unit,
    )  # fmt: skip


@kernel
def usd_per_unit(inputs: Floats, i: int, c: Split, unit: UnitConstants, is_inverse: bool) -> float:
    """USD of one unit of the quote."""
    forward: float = inputs[1, i]
    carry: float = inputs[10, i]
    if is_inverse:
        return c.discount * forward * (math.exp(carry * unit.last_time) if carry != 0.0 else 1.0)
    return c.discount * forward * c.weight


@kernel
def is_same(inputs: Floats, i: int, j: int) -> bool:
    """Whether two options share their fixings: time to the next, interval, how many, carry."""
    return bool(
        inputs[4, i] == inputs[4, j]
        and inputs[5, i] == inputs[5, j]
        and inputs[6, i] - inputs[7, i] == inputs[6, j] - inputs[7, j]
        and inputs[10, i] == inputs[10, j]
    )


@kernel
def out_of_the_money(quote: float, sign: float, k: float, past: float, is_inverse: bool) -> float:
    """Out-of-the-money price of the linear payoff that belongs to the quote; for the inverse payoff about.

    S_N (1 - K/A) is about M (M - k) / (M + p), near the boundary (M - k) k / (k + p).
    """
    if not is_inverse:
        return quote if (k >= 1.0) == (sign > 0.0) else quote - sign * (1.0 - k)
    return (quote if (k >= 1.0) == (sign > 0.0) else quote - sign * (1.0 - k) / (1.0 + past)) * (k + past) / k


@kernel
def fill(n: int, b: Block, engine: int, is_inverse: bool) -> None:
    """Each lane asks for its option's root, or for nothing: then the scalar search says why there is none."""
    inputs = b.inputs
    rows = b.rows
    for p in range(n, lane.LANES):
        lane.idle(rows, p)
    _, unit = fixings_of(inputs, b.members[0], engine)
    before = b.members[0]
    for p in range(n):
        i = b.members[p]
        k = b.strikes[p]
        target = out_of_the_money(b.quotes[p], inputs[3, i], k, b.pasts[p], is_inverse)
        if not lane.SMALLEST < target < min(k, 1.0):
            lane.idle(rows, p)
            continue
        if not is_same(inputs, i, before):
            _, unit = fixings_of(inputs, i, engine)
            before = i
        rows[lane.K + p] = k
        rows[lane.LOG_K + p] = math.log(k)
        rows[lane.SIDE + p] = 1.0 if k >= 1.0 else -1.0
        rows[lane.DEVIATION + p] = unit.deviation
        rows[lane.Q2 + p] = unit.q2
        rows[lane.Q3 + p] = unit.q3
        rows[lane.Q4 + p] = unit.q4
        rows[lane.A1 + p] = unit.a1
        rows[lane.A2 + p] = unit.a2
        rows[lane.HIGH + p] = inputs[12, i] / unit.deviation
        rows[lane.WIDTH + p] = math.sqrt(unit.last_time - unit.first_time)
        rows[lane.TARGET + p] = target
        rows[lane.ENOUGH + p] = math.sqrt(inputs[13, i])
        rows[lane.START + p] = b.starts[p] if b.starts[p] > 0.0 else 0.0


@kernel
def take(n: int, b: Block, engine: int) -> int:
    """Roots of the lanes that have converged to what the engine asks for; the others get a code of -1. How many those are."""
    n_left = 0
    rows = b.rows
    for p in range(n):
        width = rows[lane.WIDTH + p]
        sigma = rows[lane.SIGMA + p]
        if not b.quotes[p] > 0.0:
            continue
        if rows[lane.IS_DONE + p] == 0.0 or width < 0.0 or engine == QMC:
            b.roots[ROOT_CODE, p] = -1
            n_left += 1
            continue
        sign = b.inputs[3, b.members[p]]
        parity = 0.0 if rows[lane.SIDE + p] == sign else sign * (1.0 - rows[lane.K + p])
        b.roots[ROOT_SIGMA, p] = sigma
        b.roots[ROOT_CODE, p] = OK
        b.roots[ROOT_STEPS, p] = rows[lane.N_STEPS + p]
        b.roots[ROOT_VEGA, p] = rows[lane.VEGA + p]
        b.roots[ROOT_VALUE, p] = rows[lane.VALUE + p] + parity
    return n_left


@kernel
def inverse_start(rows: Floats, p: int, sign: float) -> float:
    """Sigma of an inverse option before its window, from the lane's linear one, to 1e-5 of itself or better.

    To leading order the inverse call is worth more than the linear one by k sigma² (t_N - t_1)/6 N(-z), the put less by the same with
    N(z).
    """
    k = rows[lane.K + p]
    sigma = rows[lane.SIGMA + p]
    a = sigma * rows[lane.DEVIATION + p]
    z = rows[lane.LOG_K + p] / a + 0.5 * a
    span = sigma * rows[lane.WIDTH + p]
    start: float = sigma - sign * k * span * span / 6.0 * distribution(-sign * z) / rows[lane.VEGA + p]
    return start


@kernel
def one_step(b: Block, p: int, sigma: float, c: Split, unit: UnitConstants) -> bool:
    """Whether one evaluation of the inverse closed form at ``sigma`` is enough; the root if so."""
    i = b.members[p]
    sign = b.inputs[3, i]
    side = 1.0 if c.strike >= 1.0 else -1.0
    v = parity_value(sign, side, inverse_sides(c, side, side != sign, sigma, unit))
    vega = v.f1 + v.parity1
    bound = upper_bound(c, side, True)
    target = b.quotes[p] - v.parity
    if not (v.f > lane.SMALLEST and lane.SMALLEST < target < bound and v.f < bound and vega > 0.0):
        return False
    step = halley_step(target, v, b.quotes[p], bound)
    following = sigma + step
    if not (abs(step) <= math.sqrt(b.inputs[13, i]) * sigma and following * unit.deviation <= b.inputs[12, i]):
        return False
    if width(following, unit) > IN_RANGE:
        return False
    b.roots[ROOT_SIGMA, p] = following
    b.roots[ROOT_CODE, p] = OK
    b.roots[ROOT_STEPS, p] = b.rows[lane.N_STEPS + p] + 1.0
    b.roots[ROOT_VEGA, p] = vega
    b.roots[ROOT_VALUE, p] = v.f + v.parity + step * (vega + 0.5 * step * (v.f2 + v.parity2))
    return True


@kernel
def search_left(n: int, b: Block, engine: int, is_inverse: bool, desk: Desk) -> None:
    """Roots of the options whose lane has none of the engine's, one by one; from the lane's sigma where it has one."""
    inputs = b.inputs
    t, unit = fixings_of(inputs, b.members[0], engine)
    before = b.members[0]
    for p in range(n):
        i = b.members[p]
        if not (b.quotes[p] > 0.0 and b.roots[ROOT_CODE, p] == -1):
            continue
        if not is_same(inputs, i, before):
            t, unit = fixings_of(inputs, i, engine)
            before = i
        c = split_of(inputs, i, engine, t, unit)
        is_near = b.rows[lane.IS_DONE + p] == 1.0 and b.rows[lane.WIDTH + p] >= 0.0
        sigma = b.rows[lane.SIGMA + p]
        is_before = is_inverse and c.past == 0.0
        if is_near and is_before:
            sigma = inverse_start(b.rows, p, inputs[3, i])
            if engine != QMC and one_step(b, p, sigma, c, unit):
                continue
        m = Model(c, inputs[3, i], t, unit, is_inverse, engine, True, desk)
        if is_near and engine == QMC and (is_before or not is_inverse):  # near enough for draws to finish
            r = search(b.quotes[p], m, sigma, inputs[12, i], inputs[13, i])
        else:
            r = root(b.quotes[p], m, sigma if is_near else b.starts[p], inputs[12, i], inputs[13, i])
        b.roots[ROOT_SIGMA, p] = r.sigma
        b.roots[ROOT_CODE, p] = r.code
        b.roots[ROOT_STEPS, p] = r.n_steps + (b.rows[lane.N_STEPS + p] if is_near else 0.0)
        b.roots[ROOT_VEGA, p] = r.vega
        b.roots[ROOT_VALUE, p] = r.value


@kernel
def solve_block(n: int, b: Block, engine: int, is_inverse: bool, desk: Desk) -> None:
    """Roots of the first ``n`` options' quotes into ``b.roots``; a quote of nan is not asked for."""
    fill(n, b, engine, is_inverse)
    lane.solve(b.rows)
    n_left = take(n, b, QMC if is_inverse else engine)
    if n_left > 0:
        search_left(n, b, engine, is_inverse, desk)
