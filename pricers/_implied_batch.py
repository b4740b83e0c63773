"""Implied volatilities of a batch: who has one, the search for each, the band of its tick."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import _lanes as lane
from pricers._contract import constants, is_sane, timing
from pricers._implied import (
    ABOVE_BOUND,
    BAD_INPUT,
    BELOW_INTRINSIC,
    DETERMINED,
    FALLBACK,
    LOW_VEGA,
    LOW_VEGA_POINTS,
    NO_QUOTE,
    OK,
    intrinsic,
    upper_bound,
)
from pricers._implied_block import (
    ROOT_CODE,
    ROOT_SIGMA,
    ROOT_STEPS,
    ROOT_VALUE,
    ROOT_VEGA,
    Block,
    block_of,
    fixings_of,
    is_same,
    solve_block,
    split_of,
    usd_per_unit,
)
from pricers._jit import kernel
from pricers._qmc_desk import Desk, Draws, desk_of
from pricers._valuation import EUROPEAN, INVERSE, Codes, Floats

Counts = npt.NDArray[np.int32]


class Limits(NamedTuple):
    """Of each lane's quote: what it must exceed, what it must stay below, half a tick and the USD of its unit."""

    least: Floats
    bound: Floats
    half_tick: Floats
    usd: Floats


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
def bands(
    n: int, b: Block, limits: Limits, engine: int, is_inverse: bool, desk: Desk, answers: Floats, status: Codes
) -> None:
    """sigma at half a tick below and above the quotes of a solved block, and who is LOW_VEGA."""
    quotes = b.quotes.copy()
    first = b.roots.copy()
    for row in (1, 2):
        n_asked = 0
        for p in range(n):
            half_tick = limits.half_tick[p]
            moved = quotes[p] - half_tick if row == 1 else quotes[p] + half_tick
            is_solved = first[ROOT_CODE, p] == OK or first[ROOT_CODE, p] == FALLBACK
            b.quotes[p] = np.nan
            if is_solved and half_tick >= 0.0 and limits.least[p] < moved < limits.bound[p]:
                start = first[ROOT_SIGMA, p] + (moved - quotes[p]) / first[ROOT_VEGA, p]
                b.quotes[p] = moved
                b.starts[p] = start if start > 0.5 * first[ROOT_SIGMA, p] else np.nan
                n_asked += 1
        if n_asked == 0:
            continue
        solve_block(n, b, engine, is_inverse, desk)
        for p in range(n):
            if b.quotes[p] > 0.0:
                answers[row, b.members[p]] = b.roots[ROOT_SIGMA, p]
    for p in range(n):
        i = b.members[p]
        if first[ROOT_CODE, p] == OK and 0.01 * LOW_VEGA_POINTS * first[ROOT_VEGA, p] < limits.half_tick[p]:
            status[i] = LOW_VEGA


@kernel
def work_off(
    n: int, b: Block, limits: Limits, engine: int, is_inverse: bool, desk: Desk, answers: Floats, status: Codes,
    counts: Counts,
) -> None:  # fmt: skip
    """Answers of the first ``n`` options of the block."""
    solve_block(n, b, engine, is_inverse, desk)
    for p in range(n):
        i = b.members[p]
        code = int(b.roots[ROOT_CODE, p])
        status[i] = code
        counts[i] = int(b.roots[ROOT_STEPS, p])
        if code in (OK, FALLBACK):
            answers[0, i] = b.roots[ROOT_SIGMA, p]
            answers[3, i] = b.roots[ROOT_VALUE, p] * limits.usd[p]
    bands(n, b, limits, engine, is_inverse, desk, answers, status)


@kernel
def implied_batch(
    inputs: Floats, payoff: int, engine: int, draws: Draws, answers: Floats, status: Codes, counts: Counts
) -> None:
    """Implied volatilities of a batch: ``answers`` (4, n) is sigma, low, high, price at sigma. Each depends on its inputs alone.

    ``inputs`` (14, n): price_usd, forward, strike, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, rate,
    carry, tick_usd, total_vol_max, tolerance.
    """
    is_inverse = payoff == INVERSE and engine != EUROPEAN
    desk = desk_of(draws)
    b = block_of(inputs)
    limits = Limits(np.empty(lane.LANES), np.empty(lane.LANES), np.empty(lane.LANES), np.empty(lane.LANES))
    t = timing(1.0, 0.0, 1)
    unit = constants(t, 0.0)
    before = -1
    n = 0
    for i in range(inputs.shape[1]):
        for row in range(4):
            answers[row, i] = np.nan
        counts[i] = 0
        if not is_fit(inputs, i):
            status[i] = BAD_INPUT
            continue
        if not inputs[0, i] > 0.0:
            status[i] = NO_QUOTE
            continue
        if before < 0 or not is_same(inputs, i, before):
            t, unit = fixings_of(inputs, i, engine)
        before = i
        if t.n_live == 0:
            status[i] = DETERMINED
            continue
        c = split_of(inputs, i, engine, t, unit)
        if c.strike <= 0.0:
            status[i] = DETERMINED
            continue
        usd = usd_per_unit(inputs, i, c, unit, is_inverse)
        quote = inputs[0, i] / usd
        limits.least[n] = intrinsic(c, inputs[3, i], is_inverse)
        limits.bound[n] = upper_bound(c, inputs[3, i], is_inverse)
        if quote <= limits.least[n]:
            status[i] = BELOW_INTRINSIC
            continue
        if quote >= limits.bound[n]:
            status[i] = ABOVE_BOUND
            continue
        limits.half_tick[n] = 0.5 * inputs[11, i] / usd
        limits.usd[n] = usd
        b.members[n] = i
        b.quotes[n] = quote
        b.starts[n] = np.nan
        b.strikes[n] = c.strike
        b.pasts[n] = c.past
        n += 1
        if n == lane.LANES:
            work_off(n, b, limits, engine, is_inverse, desk, answers, status, counts)
            n = 0
    if n > 0:
        work_off(n, b, limits, engine, is_inverse, desk, answers, status, counts)
