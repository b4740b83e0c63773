"""Implied volatilities of a batch: who has one, the search for each, the band of its tick.

Several kernels, put together here and not in another: each is compiled once, and the scalar search with its draws, much the largest,
only where it is called.
"""

from __future__ import annotations

import numpy as np

from pricers._implied_bands import Counts, edges, settled, take_edges
from pricers._implied_lanes import N_ROOT_ROWS, lanes_batch
from pricers._implied_rest import rest_batch
from pricers._valuation import CLOSED_FORM, QMC, Codes, Floats


def solve(inputs: Floats, payoff: int, engine: int, draws: Floats, is_first: bool, roots: Floats) -> None:
    """Roots of the quotes: in lanes, and one by one what they leave."""
    if lanes_batch(inputs, payoff, engine, is_first, roots) > 0:
        rest_batch(inputs, payoff, engine, draws, roots)


def implied_batch(
    inputs: Floats, payoff: int, engine: int, draws: Floats, answers: Floats, status: Codes, counts: Counts
) -> None:
    """Implied volatilities of a batch: ``answers`` (4, n) is sigma, low, high, price at sigma. Each depends on its inputs alone.

    ``inputs`` (15, n): price_usd, forward, strike, option_sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, rate,
    carry, tick_usd, total_vol_max, tolerance, band_usd (the band reaches half of it to either side; nan: no band). ``draws``:
    pricers._qmc_desk.packed.
    """
    roots = np.empty((N_ROOT_ROWS, inputs.shape[1]))
    solve(inputs, payoff, engine, draws, True, roots)
    if settled(inputs, roots, answers, status, counts) > 0:
        edge_inputs, edge_roots = edges(inputs, roots, engine)
        solve(edge_inputs, payoff, CLOSED_FORM if engine == QMC else engine, draws, False, edge_roots)
        take_edges(inputs, payoff, edge_roots, engine, answers)
