"""Bands of implied volatilities: sigma at half a tick below and above the quote; all edges of a batch in one search.

Where draws make the price, an edge is the closed form's, moved in proportion by what draws do to the volatility of the quote itself.
They move it by 1e-7 of itself or less, and over half a tick that proportion hardly changes: the edge is right to the part of it that
does (tests/properties/test_implied_vols.py), at a tenth of the cost of a search with draws.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pricers._implied import FALLBACK, LOW_VEGA, LOW_VEGA_POINTS, OK
from pricers._implied_lanes import BOUND, CODE, LEAST, N_ROOT_ROWS, QUOTE, SIGMA, START, STEPS, USD, VALUE, VEGA
from pricers._jit import kernel
from pricers._valuation import INVERSE, QMC, Codes, Floats

Counts = npt.NDArray[np.int32]

SIGN, TICK, BAND = 3, 11, 14  # rows of ``inputs``
LOWER, UPPER = 1, 2  # rows of ``answers``
N_EDGES = 3
"""Of each option: below, above, and the quote itself, whose closed-form root a drawn edge is set against."""


@kernel
def settled(inputs: Floats, roots: Floats, answers: Floats, status: Codes, counts: Counts) -> int:
    """What a search has found, as the caller gets it; how many edges are to be searched."""
    n_asked = 0
    for i in range(inputs.shape[1]):
        code = int(roots[CODE, i])
        status[i] = code
        counts[i] = int(roots[STEPS, i])
        is_solved = code in (OK, FALLBACK)
        answers[0, i] = roots[SIGMA, i] if is_solved else np.nan
        answers[LOWER, i] = np.nan
        answers[UPPER, i] = np.nan
        answers[3, i] = roots[VALUE, i] * roots[USD, i] if is_solved else np.nan
        if code == OK and 0.01 * LOW_VEGA_POINTS * roots[VEGA, i] < 0.5 * inputs[TICK, i] / roots[USD, i]:
            status[i] = LOW_VEGA
        half = 0.5 * inputs[BAND, i] / roots[USD, i]
        if not is_solved or not half >= 0.0:
            continue
        for away in (-half, half):
            if roots[LEAST, i] < roots[QUOTE, i] + away < roots[BOUND, i]:
                n_asked += 1
    return n_asked


@kernel
def edges(inputs: Floats, roots: Floats, engine: int) -> tuple[Floats, Floats]:
    """Inputs and roots of a search for every edge: all below, then all above, then, for draws, all quotes; nan where none is asked."""
    n = inputs.shape[1]
    n_all = n * (N_EDGES if engine == QMC else N_EDGES - 1)
    edge_inputs = np.empty((inputs.shape[0], n_all))
    edge_roots = np.full((N_ROOT_ROWS, n_all), np.nan)
    for row in range(inputs.shape[0]):
        for first in range(0, n_all, n):
            for i in range(n):
                edge_inputs[row, first + i] = inputs[row, i]
    for i in range(n):
        code = int(roots[CODE, i])
        half = 0.5 * inputs[BAND, i] / roots[USD, i]
        is_banded = code in (OK, FALLBACK) and half >= 0.0
        sigma = roots[SIGMA, i]
        for k in range(n_all // n):
            at = k * n + i
            edge_roots[CODE, at] = OK
            edge_roots[STEPS, at] = 0.0
            away = -half if k == 0 else (half if k == 1 else 0.0)
            moved = roots[QUOTE, i] + away
            if not is_banded or not (roots[LEAST, i] < moved < roots[BOUND, i]):
                continue
            start = sigma + away / roots[VEGA, i]
            edge_roots[QUOTE, at] = moved
            # a slope says nothing of far away: from there a put's price may have no way back
            edge_roots[START, at] = start if 0.5 * sigma < start < 2.0 * sigma else np.nan
    return edge_inputs, edge_roots


@kernel
def take_edges(inputs: Floats, payoff: int, edge_roots: Floats, engine: int, answers: Floats) -> None:
    """The band's edges into ``answers``."""
    n = answers.shape[1]
    for i in range(n):
        quote = 2 * n + i
        moved = 0.0  # by draws, the quote's vol, over itself
        if engine == QMC and edge_roots[CODE, quote] == OK and edge_roots[SIGMA, quote] > 0.0:
            moved = answers[0, i] / edge_roots[SIGMA, quote] - 1.0
        for k in range(2):
            at = k * n + i
            sigma = edge_roots[SIGMA, at]
            if moved != 0.0 and edge_roots[CODE, at] == OK:  # a fallback of the closed form has been drawn already
                part = 1.0
                if payoff == INVERSE and inputs[SIGN, i] < 0.0:
                    # near a put's dip a price's error is much in vol, and at the edge only as much as vega there says
                    part = min(1.0, edge_roots[VEGA, quote] / edge_roots[VEGA, at])
                sigma += sigma * moved * part
            answers[LOWER + k, i] = sigma
