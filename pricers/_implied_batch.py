"""Implied volatilities of a batch: who has one, the search for each, the band of its tick.

Two kernels, put together here and not in a third: each is compiled once, and the scalar search with its draws, much the larger,
only where it is called.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pricers._implied import FALLBACK, LOW_VEGA, LOW_VEGA_POINTS, OK
from pricers._implied_lanes import (
    BOUND,
    CODE,
    LEAST,
    N_ROOT_ROWS,
    QUOTE,
    SIGMA,
    START,
    STEPS,
    USD,
    VALUE,
    VEGA,
    lanes_batch,
)
from pricers._implied_rest import rest_batch
from pricers._qmc_desk import Draws
from pricers._valuation import Codes, Floats

Counts = npt.NDArray[np.int32]
LOWER, UPPER = 1, 2  # rows of ``answers``


def solve(inputs: Floats, payoff: int, engine: int, draws: Draws, is_first: bool, roots: Floats) -> None:
    """Roots of the quotes: in lanes, and one by one what they leave."""
    if lanes_batch(inputs, payoff, engine, is_first, roots) > 0:
        rest_batch(inputs, payoff, engine, draws, roots)


def bands(
    inputs: Floats,
    payoff: int,
    engine: int,
    draws: Draws,
    roots: Floats,
    is_solved: npt.NDArray[np.bool_],
    answers: Floats,
) -> npt.NDArray[np.bool_]:
    """sigma at half a tick below and above the solved quotes, into ``answers``; who is LOW_VEGA. ``roots`` is used up."""
    half_tick = 0.5 * inputs[11] / roots[USD]
    quote, sigma, vega = roots[QUOTE].copy(), roots[SIGMA].copy(), roots[VEGA].copy()
    is_low: npt.NDArray[np.bool_] = (roots[CODE] == OK) & (0.01 * LOW_VEGA_POINTS * vega < half_tick)
    for row, away in ((LOWER, -half_tick), (UPPER, half_tick)):
        moved = quote + away
        is_asked = is_solved & (half_tick >= 0.0) & (roots[LEAST] < moved) & (moved < roots[BOUND])
        if not is_asked.any():
            continue
        start = sigma + (moved - quote) / vega
        roots[QUOTE] = np.where(is_asked, moved, np.nan)
        roots[START] = np.where(start > 0.5 * sigma, start, np.nan)
        solve(inputs, payoff, engine, draws, False, roots)
        answers[row, is_asked] = roots[SIGMA, is_asked]
    return is_low


def implied_batch(
    inputs: Floats, payoff: int, engine: int, draws: Draws, answers: Floats, status: Codes, counts: Counts
) -> None:
    """Implied volatilities of a batch: ``answers`` (4, n) is sigma, low, high, price at sigma. Each depends on its inputs alone.

    ``inputs`` (14, n): price_usd, forward, strike, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, rate,
    carry, tick_usd, total_vol_max, tolerance.
    """
    roots = np.empty((N_ROOT_ROWS, inputs.shape[1]))
    solve(inputs, payoff, engine, draws, True, roots)
    status[:] = roots[CODE]
    counts[:] = roots[STEPS]
    is_solved = (status == OK) | (status == FALLBACK)
    answers[0] = np.where(is_solved, roots[SIGMA], np.nan)
    answers[1:3] = np.nan
    answers[3] = np.where(is_solved, roots[VALUE] * roots[USD], np.nan)
    if (inputs[11] >= 0.0).any():
        with np.errstate(all="ignore"):  # nan is how an option without a root is left out
            is_low = bands(inputs, payoff, engine, draws, roots, is_solved, answers)
        status[is_low] = LOW_VEGA
