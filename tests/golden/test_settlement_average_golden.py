"""The closed form against the independent reference of settlement averages (A1, A3, A23, A35, A37, E-15, E-72).

The reference (backward recursion, errors below 3e-14 of the forward) is read in place, every own row, none skipped. Where its
own greeks are differences, its noise is part of the tolerance: steps of 2 % of sigma in prices known to 2e-14 of the forward.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pricers import Status, Valuation, value_options

N_OWN_ROWS = 76
N_LITERATURE_ROWS = 33


class Table:
    """Columns of the reference table's rows."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.rows = rows
        self.ids = [row["case_id"] for row in rows]
        self.sign = np.array([1.0 if row["call_put"] == "call" else -1.0 for row in rows])

    def __getitem__(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([float(row[name] or "nan") for row in self.rows])

    def contract(self) -> dict[str, Any]:
        return {
            "forward": self["F"],
            "strike": self["K"],
            "sigma": self["sigma"],
            "option_sign": self.sign,
            "next_fixing_s": self["next_fixing_in_s"],
            "interval_s": self["sample_interval_s"],
            "n_fixings": self["n_samples"],
            "n_fixed": self["n_elapsed"],
            "running_sum": self["running_sum"],
        }


def read(shared: Path, payoff: str, is_own: bool = True) -> Table:
    with (shared / "reference" / "settlement_average.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == N_OWN_ROWS + N_LITERATURE_ROWS
    return Table([row for row in rows if (row["source"] == "own computation") == is_own and row["payoff"] == payoff])


def at_the_money(table: Table, payoff: str) -> Valuation:
    """The same moments with the strike at the mean of the average: the scale of each greek."""
    contract = table.contract()
    n, n_fixed = contract["n_fixings"], contract["n_fixed"]
    contract["strike"] = (contract["running_sum"] + (n - n_fixed) * contract["forward"]) / n
    return value_options(**{**contract, "option_sign": 1}, payoff=payoff, engine="closed_form")


def test_every_own_row_is_in_one_of_the_two_tables(shared: Path) -> None:
    assert len(read(shared, "linear").ids) + len(read(shared, "inverse").ids) == N_OWN_ROWS


@pytest.mark.parametrize(("payoff", "tolerance"), [("linear", 1e-12), ("inverse", 1e-9)])
def test_closed_form_price_agrees_with_the_reference_up_to_150_percent(
    shared: Path, payoff: str, tolerance: float
) -> None:
    table = read(shared, payoff)
    found = value_options(**table.contract(), payoff=payoff, engine="closed_form")
    error = np.abs(found.price_usd - table["price_usd"]) / table["F"]
    is_usual = table["sigma"] <= 1.5
    assert error[is_usual].max() <= tolerance, table.ids[int(np.argmax(np.where(is_usual, error, 0.0)))]
    # Before the window both payoffs are closed forms; the quadrature's error is inside it only.
    assert error[is_usual & (table["n_elapsed"] == 0)].max() <= 1e-12
    # Above: within what the status promises (1e-10 of the forward where it says OK).
    assert error[~is_usual].max(initial=0.0) <= 1e-10


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_rows_of_certain_exercise_are_determined_and_no_other_is(shared: Path, payoff: str) -> None:
    table = read(shared, payoff)
    found = value_options(**table.contract(), payoff=payoff, engine="closed_form")
    is_certain = np.array([case.startswith("det_") for case in table.ids])
    assert is_certain.any()
    assert np.array_equal(found.status == Status.DETERMINED, is_certain)
    assert np.all(found.status[~is_certain] == Status.OK)


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_closed_form_greeks_agree_with_the_reference(shared: Path, payoff: str) -> None:
    table = read(shared, payoff)
    found = value_options(**table.contract(), payoff=payoff, engine="closed_form")
    scale = at_the_money(table, payoff)
    forward, sigma = table["F"], table["sigma"]
    step = 0.02 * sigma
    is_usual = sigma <= 1.5
    noise = {
        "gamma": 0.0 * forward,
        "theta_per_year": 0.0 * forward,
        "charm_per_year": 0.0 * forward,
        "vanna": 5e-12 / step,  # of deltas known to 5e-12
        "volga": 4 * 2e-14 * forward / step**2,
    }
    assert np.abs(found.delta - table["delta"])[is_usual].max() <= 1e-8
    assert (np.abs(found.vega - table["vega"]) / forward)[is_usual].max() <= 1e-9
    for name, floor in noise.items():
        reference = table[name]
        is_given = is_usual & ~np.isnan(reference)
        largest = np.maximum(np.abs(reference), np.abs(getattr(scale, name)))
        excess = np.abs(getattr(found, name) - reference) - 1e-6 * largest - floor
        assert np.all(excess[is_given] <= 0.0), (
            name,
            table.ids[int(np.nanargmax(np.where(is_given, excess, -np.inf)))],
        )


def test_reference_gives_no_inverse_charm_so_another_test_must(shared: Path) -> None:
    """tests/properties/test_pricer_greeks.py holds it against differences in time."""
    assert np.all(np.isnan(read(shared, "inverse")["charm_per_year"]))


def test_literature_rows_leave_the_closed_forms_range_but_for_one_fixing(shared: Path) -> None:
    """Averages over years: FALLBACK, a QMC number with its standard error (held in test_literature.py); one fixing is Black's formula."""
    table = read(shared, "linear", is_own=False)
    discrete = Table([row for row in table.rows if float(row["n_samples"]) > 0])
    found = value_options(
        **discrete.contract(), rate=discrete["r"], carry=discrete["r"] - discrete["q"], engine="closed_form"
    )
    is_single = discrete["n_samples"] - discrete["n_elapsed"] == 1
    assert is_single.any()
    assert np.all((found.status == Status.FALLBACK) == ~is_single)
    assert np.all(np.isfinite(found.std_error) == ~is_single)
    error = np.abs(found.price_usd - discrete["price_usd"]) / discrete["F"]
    assert error[is_single].max() <= 1e-12  # a shifted strike, with rate and carry
