"""The book as the scenario functions of pricers want it: usable options, their weights and their smiles.

Before the window options are valued by the linear closed form whatever their payoff (tests/unit/test_flow_repricing.py bounds the
difference to the inverse payoff as a share of NGI), inside it by their own; European ones by Black-76.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pricers import scenarios
from pricers.scenarios import Tables
from streams.flow.book import SECONDS_PER_YEAR, Array, Book, Flags, Integers
from streams.flow.settings import FlowSettings
from streams.flow.sources import is_averaged, is_coin, sigmas_of


class Repriced(NamedTuple):
    """Options of a book that can be valued anywhere, columns (n,) over the usable ones alone."""

    usable: Flags
    """(all,): which options of the book these are."""
    options: Array
    """The columns of pricers.scenarios."""
    position_coin: Array
    draws_coin: Array
    """(n_draws, n)."""
    expiry_ns: Integers
    tau_years: Array
    strikes: Array
    smiles: Tables


def repriced(
    book: Book,
    source: str,
    numeraire: str,
    settings: FlowSettings,
    *,
    with_smiles: bool = False,
    with_draws: bool = False,
) -> Repriced:
    """The usable options: forward, vol and position known, not expired; without smiles and draws unless asked for."""
    sigmas = sigmas_of(book, source)
    usable = (
        (book.forwards > 0.0)
        & (sigmas > 0.0)
        & np.isfinite(book.forwards + sigmas + book.position_coin)
        & (book.tau_years > 0.0)
        & (book.n_fixed < book.n_fixings)
    )
    options = scenarios.option_columns(
        forward=book.forwards[usable], strike=book.strikes[usable], sigma=sigmas[usable],
        option_sign=book.option_signs[usable], next_fixing_s=book.next_fixing_s[usable],
        interval_s=book.interval_s[usable], n_fixings=book.n_fixings[usable], n_fixed=book.n_fixed[usable],
        running_sum=book.running_sums[usable], is_inverse=book.is_inverse[usable],
        is_coin=is_coin(book, numeraire)[usable],
    )  # fmt: skip
    tau = book.tau_years[usable]
    european = scenarios.european_columns(options, tau * SECONDS_PER_YEAR)
    averaged = is_averaged(book, source, settings)[usable]
    options = np.where(averaged, options, european)
    smiles = scenarios.NO_SMILES
    if with_smiles:
        log_moneyness = np.log(book.strikes[usable] / book.forwards[usable])
        smiles = scenarios.smile_tables(log_moneyness, sigmas[usable], book.series[usable])
    draws = book.draws_coin if with_draws else book.draws_coin[:0]
    return Repriced(
        usable,
        options,
        book.position_coin[usable],
        draws if usable.all() else draws[:, usable],
        book.expiry_ns[usable],
        tau,
        book.strikes[usable],
        smiles,
    )
