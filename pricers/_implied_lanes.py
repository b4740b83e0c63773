"""Roots of a batch in vectorised lanes (pricers._lanes), some options at a time; what they cannot have is left to pricers._implied_rest."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import _lanes as lane
from pricers._contract import Split, Timing, constants, is_sane, single_constants, split, timing
from pricers._fixings import UnitConstants
from pricers._implied import (
    ABOVE_BOUND,
    BAD_INPUT,
    BELOW_INTRINSIC,
    DETERMINED,
    NO_QUOTE,
    OK,
    intrinsic,
    upper_bound,
)
from pricers._jit import kernel
from pricers._valuation import EUROPEAN, INVERSE, QMC, Floats, european_timing

Numbers = npt.NDArray[np.int64]

N_ROOT_ROWS = 10
QUOTE, START, SIGMA, CODE, STEPS, VEGA, VALUE, USD, LEAST, BOUND = range(N_ROOT_ROWS)
"""Of each option: the quote in units of discounted weight times forward (nan: not asked) and a sigma to start from (or nan); the root,
its status, model evaluations, vega and price; USD of one unit, and what quotes must exceed (by more than rounding) and stay below."""
ROUNDING = (
    4.0 * 2.0**-52
)  # of the larger of forward and strike: what price, strike / forward and their difference may have lost
LEFT, LEFT_NEAR = -1, -2  # no status yet; near: SIGMA and VEGA are the linear closed form's root


class Block(NamedTuple):
    """Up to ``pricers._lanes.LANES`` options of a batch."""

    inputs: Floats  # (15, n): pricers._implied_batch
    members: Numbers  # which of the batch
    pasts: Floats  # past of pricers._contract.Split
    rows: Floats  # the lanes


@kernel
def fixings_of(inputs: Floats, i: int, engine: int) -> tuple[Timing, UnitConstants]:
    """Timing and constants of option ``i``'s fixings."""
    t = timing(inputs[4, i], inputs[5, i], int(inputs[6, i] - inputs[7, i]))
    if engine == EUROPEAN:
        t = european_timing(t)
        if t.n_live > 0:
            return t, single_constants(t.first_time, inputs[10, i])
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
def near_enough(tolerance: float) -> float:
    """The relative step that ends a lane's search: tolerance^(11/32), 3.7e-4 of the usual one.

    A step's error is at most half its fourth power (0.13 of it below a total volatility of 2): 2e-15 of sigma there.
    """
    fourth = math.sqrt(math.sqrt(tolerance))
    sixteenth = math.sqrt(math.sqrt(fourth))
    return fourth * sixteenth * math.sqrt(sixteenth)


@kernel
def is_fit(inputs: Floats, i: int) -> bool:
    """Whether option ``i``'s inputs, the price apart, make sense."""
    return (
        is_sane(
            inputs[1, i], inputs[2, i], inputs[3, i], inputs[4, i], inputs[5, i], inputs[6, i], inputs[7, i], inputs[8, i],
            inputs[9, i], inputs[10, i],
        )
        and inputs[12, i] > 0.0
        and inputs[13, i] > 0.0
        and not inputs[11, i] < 0.0
    )  # fmt: skip


@kernel
def enter(b: Block, p: int, i: int, c: Split, unit: UnitConstants) -> None:
    """Option ``i`` of the batch into lane ``p``, whatever quote will be asked of it."""
    rows = b.rows
    tolerance = b.inputs[13, i]
    rows[lane.K + p] = c.strike
    rows[lane.SIDE + p] = 1.0 if c.strike >= 1.0 else -1.0
    rows[lane.DEVIATION + p] = unit.deviation
    rows[lane.Q2 + p] = unit.q2
    rows[lane.Q3 + p] = unit.q3
    rows[lane.Q4 + p] = unit.q4
    rows[lane.A1 + p] = unit.a1
    rows[lane.A2 + p] = unit.a2
    rows[lane.HIGH + p] = b.inputs[12, i] / unit.deviation
    rows[lane.WIDTH + p] = math.sqrt(unit.last_time - unit.first_time)
    if p > 0 and tolerance == b.inputs[13, b.members[p - 1]]:
        rows[lane.ENOUGH + p] = rows[lane.ENOUGH + p - 1]
    else:
        rows[lane.ENOUGH + p] = near_enough(tolerance)
    b.members[p] = i
    b.pasts[p] = c.past


@kernel
def ask(n: int, b: Block, is_inverse: bool, roots: Floats) -> None:
    """Each lane asks for its option's root, or for nothing: then the scalar search says why there is none."""
    rows = b.rows
    for p in range(n):
        i = b.members[p]
        k = rows[lane.K + p]
        given = roots[START, i]
        target = out_of_the_money(roots[QUOTE, i], b.inputs[3, i], k, b.pasts[p], is_inverse)
        is_asked = lane.SMALLEST < target < min(k, 1.0)
        rows[lane.IS_ASKED + p] = 1.0 if is_asked else 0.0
        rows[lane.TARGET + p] = target if is_asked else 0.5 * min(k, 1.0)
        rows[lane.START + p] = given if given > 0.0 else 0.0
    for p in range(n, lane.LANES):
        rows[lane.IS_ASKED + p] = 0.0


@kernel
def take(n: int, b: Block, is_final: bool, roots: Floats) -> int:
    """Roots of the lanes that have converged, ``is_final`` if to what the engine asks for; how many are left."""
    n_left = 0
    rows = b.rows
    for p in range(n):
        i = b.members[p]
        sign = b.inputs[3, i]
        parity = 0.0 if rows[lane.SIDE + p] == sign else sign * (1.0 - rows[lane.K + p])
        is_solved = rows[lane.IS_DONE + p] == 1.0 and rows[lane.IS_ASKED + p] == 1.0
        roots[SIGMA, i] = rows[lane.SIGMA + p]
        roots[STEPS, i] = rows[lane.N_STEPS + p]
        roots[VEGA, i] = rows[lane.VEGA + p]
        roots[VALUE, i] = rows[lane.VALUE + p] + parity
        if is_solved and is_final:
            roots[CODE, i] = OK
        else:
            roots[CODE, i] = LEFT_NEAR if is_solved else LEFT
            n_left += 1
    return n_left


@kernel
def enrolled(inputs: Floats, i: int, c: Split, unit: UnitConstants, is_inverse: bool, roots: Floats) -> bool:
    """Whether option ``i``'s price has a volatility as far as its bounds can tell; its units, bounds and quote, or why not."""
    sign = inputs[3, i]
    usd = usd_per_unit(inputs, i, c, unit, is_inverse)
    quote = inputs[0, i] / usd
    least = intrinsic(c, sign, is_inverse)
    if least > 0.0:  # else nothing is subtracted, and the smallest price has its volatility
        least += ROUNDING * max(1.0, c.strike)
    bound = upper_bound(c, sign, is_inverse)
    roots[USD, i] = usd
    roots[LEAST, i] = least
    roots[BOUND, i] = bound
    if quote <= least:
        roots[CODE, i] = BELOW_INTRINSIC
        return False
    if quote >= bound:
        roots[CODE, i] = ABOVE_BOUND
        return False
    roots[QUOTE, i] = quote
    return True


@kernel
def lanes_batch(inputs: Floats, payoff: int, engine: int, is_first: bool, roots: Floats) -> int:
    """Roots of a batch's quotes into ``roots`` (N_ROOT_ROWS, n), as far as lanes have them; how many are left.

    ``is_first``: the quotes are the prices, and who has none gets a status; else they stand in ``roots``, nan for no question.
    """
    is_inverse = payoff == INVERSE and engine != EUROPEAN
    size = inputs.shape[1]
    b = Block(inputs, np.zeros(lane.LANES, dtype=np.int64), np.zeros(lane.LANES), lane.lanes())
    t = timing(1.0, 0.0, 1)
    unit = constants(t, 0.0)
    before = -1
    n = 0
    n_left = 0
    for i in range(size + 1):
        if n == lane.LANES or (i == size and n > 0):
            ask(n, b, is_inverse, roots)
            lane.solve(b.rows, engine == EUROPEAN)
            n_left += take(n, b, not is_inverse and engine != QMC, roots)
            n = 0
        if i == size:
            break
        if is_first:
            for row in range(N_ROOT_ROWS):
                roots[row, i] = np.nan
            roots[STEPS, i] = 0.0
            if not is_fit(inputs, i):
                roots[CODE, i] = BAD_INPUT
                continue
            if not inputs[0, i] > 0.0:
                roots[CODE, i] = NO_QUOTE
                continue
        elif not roots[QUOTE, i] > 0.0:
            continue
        if before < 0 or not is_same(inputs, i, before):
            t, unit = fixings_of(inputs, i, engine)
        before = i
        if t.n_live == 0:
            roots[CODE, i] = DETERMINED
            continue
        c = split_of(inputs, i, engine, t, unit)
        if c.strike <= 0.0:
            roots[CODE, i] = DETERMINED
            continue
        if is_first and not enrolled(inputs, i, c, unit, is_inverse, roots):
            continue
        enter(b, n, i, c, unit)
        n += 1
    return n_left
