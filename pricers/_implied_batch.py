"""Implied volatilities of a batch: who has one, the search for each, the band of its tick."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pricers._contract import constants, is_sane, split, timing
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
    Model,
    intrinsic,
    root,
    upper_bound,
)
from pricers._jit import kernel
from pricers._qmc_desk import Draws, desk_of
from pricers._valuation import EUROPEAN, INVERSE, Codes, Floats, european_timing

Counts = npt.NDArray[np.int32]


@kernel
def implied_batch(
    inputs: Floats, payoff: int, engine: int, draws: Draws, answers: Floats, status: Codes, counts: Counts
) -> None:
    """Implied volatilities of a batch: ``answers`` (4, n) is sigma, low, high, price at sigma. Each depends on its inputs alone.

    ``inputs`` (14, n): price_usd, forward, strike, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, rate,
    carry, tick_usd, total_vol_max, tolerance.
    """
    price_usd = inputs[0]
    forward = inputs[1]
    strike = inputs[2]
    option_sign = inputs[3]
    next_fixing_s = inputs[4]
    interval_s = inputs[5]
    n_fixings = inputs[6]
    n_fixed = inputs[7]
    running_sum = inputs[8]
    rate = inputs[9]
    carry = inputs[10]
    tick_usd = inputs[11]
    total_vol_max = inputs[12]
    tolerance = inputs[13]
    is_inverse = payoff == INVERSE and engine != EUROPEAN
    desk = desk_of(draws)
    t = timing(1.0, 0.0, 1)
    unit = constants(t, 0.0)
    key = (-1.0, -1.0, -1.0, 0.0)
    for i in range(forward.size):
        for row in range(4):
            answers[row, i] = np.nan
        counts[i] = 0
        n = n_fixings[i]
        past = running_sum[i]
        sign = option_sign[i]
        price = price_usd[i]
        if not (
            is_sane(
                forward[i], strike[i], sign, next_fixing_s[i], interval_s[i], n, n_fixed[i], past, rate[i], carry[i]
            )
            and total_vol_max[i] > 0.0
            and tolerance[i] > 0.0
            and not tick_usd[i] < 0.0
        ):
            status[i] = BAD_INPUT
            continue
        if not price > 0.0:
            status[i] = NO_QUOTE
            continue
        here = (next_fixing_s[i], interval_s[i], n - n_fixed[i], carry[i])
        if here != key:
            key = here
            t = timing(next_fixing_s[i], interval_s[i], int(n - n_fixed[i]))
            if engine == EUROPEAN:
                t = european_timing(t)
            unit = constants(t, carry[i])
        if engine == EUROPEAN:
            n = 1.0
            past = 0.0
        if t.n_live == 0:
            status[i] = DETERMINED
            continue
        c = split(forward[i], strike[i], n, past, rate[i], t.n_due, unit)
        if c.strike <= 0.0:
            status[i] = DETERMINED
            continue
        usd = c.discount * forward[i] * (math.exp(carry[i] * unit.last_time) if is_inverse else c.weight)
        quote = price / usd
        least = intrinsic(c, sign, is_inverse)
        bound = upper_bound(c, sign, is_inverse)
        if quote <= least:
            status[i] = BELOW_INTRINSIC
            continue
        if quote >= bound:
            status[i] = ABOVE_BOUND
            continue
        model = Model(c, sign, t, unit, is_inverse, engine, True, desk)
        r = root(quote, model, np.nan, total_vol_max[i], tolerance[i])
        status[i] = r.code
        counts[i] = r.n_steps
        if r.code not in (OK, FALLBACK):
            continue
        answers[0, i] = r.sigma
        answers[3, i] = r.value * usd
        half_tick = 0.5 * tick_usd[i] / usd
        if half_tick >= 0.0:
            for row in range(1, 3):
                moved = quote - half_tick if row == 1 else quote + half_tick
                if least < moved < bound:
                    shift = moved - quote
                    start = r.sigma + shift / r.vega
                    if not start > 0.5 * r.sigma:
                        start = np.nan
                    other = root(moved, model, start, total_vol_max[i], tolerance[i])
                    answers[row, i] = other.sigma
            if r.code == OK and 0.01 * LOW_VEGA_POINTS * r.vega < half_tick:
                status[i] = LOW_VEGA
