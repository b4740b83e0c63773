"""The path simulation against the independent reference, every own row (A1, A3, A5, A17-A20, A23, A35, A37, E-09, E-13, E-72).

Every column must be within its own standard error: the two-sided t-quantile 1e-5 with n_scrambles - 1 degrees. A standard error
knows nothing of what no path has reached (a strike three deviations away), so each column also has a floor, relative to its value
at the money: 1e-6 where both sides of the strike have paths enough in every scramble, 5e-3 where they have not. And the standard
errors themselves must be small, or the first claim says nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from pricers import Status
from pricers.paths import PathSettings, PathValues, value_paths
from tests.golden.test_settlement_average_golden import Table, read

COLUMNS = {
    "price_usd": 0, "delta": 2, "gamma": 3, "vega": 4, "theta_per_year": 5, "vanna": 7, "charm_per_year": 8, "volga": 9,
}  # fmt: skip
SETTINGS = PathSettings(m_paths=10)
BUDGETS = {
    "price_usd": 5e-5, "delta": 1e-4, "gamma": 5e-3, "vega": 5e-4, "theta_per_year": 1e-3, "vanna": 5e-3,
    "charm_per_year": 2e-2, "volga": 2e-2,
}  # fmt: skip
"""Largest standard error of 1024 points, over the column's value at the money (vanna and volga: at the money of vega / sigma)."""


FEWEST_PATHS = 10
"""Paths of one scramble on the less likely side of the strike, from which on its spread can be believed."""


def quantile(settings: PathSettings) -> float:
    return float(student.isf(0.5e-5, settings.n_scrambles - 1))


def scales(table: Table) -> dict[str, np.ndarray]:
    """Size of each column at the money, from Black's formula on the variance of the remaining average (3.11)."""
    contract = table.contract()
    n_left = contract["n_fixings"] - contract["n_fixed"]
    weight = n_left / contract["n_fixings"]
    seconds = contract["next_fixing_s"] + contract["interval_s"] * (n_left - 1) * (2 * n_left - 1) / (6 * n_left)
    years = seconds / 31_536_000
    forward, sigma = contract["forward"], contract["sigma"]
    deviation = sigma * np.sqrt(years)
    vega = 0.4 * weight * forward * np.sqrt(years)
    return {
        "price_usd": vega * sigma,
        "delta": weight,
        "gamma": 0.4 * weight / (forward * deviation),
        "vega": vega,
        "theta_per_year": 0.5 * vega * sigma / years,
        "vanna": 0.4 * weight / sigma,
        "charm_per_year": 0.2 * weight / years,
        "volga": vega / sigma,
    }


def check(table: Table, found: PathValues, settings: PathSettings) -> None:
    """Every column of every row within t·std_error and the floors."""
    step = 0.02 * table["sigma"]  # of the reference's own differences
    noise = {"vanna": 5e-12 / step, "volga": 4 * 2e-14 * table["F"] / step**2}
    scale_by_name = scales(table)
    beyond = np.abs(table["delta"]) / scale_by_name["delta"]  # share of the paths that are exercised, nearly
    n_paths = 2**settings.m_paths / settings.n_scrambles * (2 if settings.is_antithetic else 1)
    floor = np.where(np.minimum(beyond, 1 - beyond) * n_paths >= FEWEST_PATHS, 1e-6, 5e-3)
    assert np.mean(floor == 1e-6) >= 0.5
    for name, scale in scale_by_name.items():
        column = COLUMNS[name]
        reference = table[name]
        is_given = ~np.isnan(reference)
        tolerance = quantile(settings) * found.std_errors[column] + floor * scale + noise.get(name, 0.0)
        excess = (np.abs(found.values[column] - reference) - tolerance) / scale
        assert np.all(excess[is_given] <= 0.0), (name, table.ids[int(np.nanargmax(excess))], float(np.nanmax(excess)))


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_every_own_row_is_within_its_standard_error(shared: Path, payoff: str) -> None:
    table = read(shared, payoff)
    found = value_paths(**table.contract(), payoff=payoff, paths=SETTINGS)
    check(table, found, SETTINGS)
    is_usual = table["sigma"] <= 1.5
    for name, scale in scales(table).items():
        worst = np.where(is_usual, found.std_errors[COLUMNS[name]] / scale, 0.0)
        assert worst.max() <= BUDGETS[name], (name, table.ids[int(worst.argmax())])
    is_certain = np.array([case.startswith("det_") for case in table.ids])
    assert np.array_equal(found.status == Status.DETERMINED, is_certain)
    assert np.all(found.status[~is_certain] == Status.OK)


@pytest.mark.parametrize("is_antithetic", [False, True], ids=["plain", "antithetic"])
@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_without_the_control_variate_too(shared: Path, payoff: str, is_antithetic: bool) -> None:
    """Nothing but paths and payoffs: what the engine finds owes nothing to a closed form. One row of each moment and payoff."""
    settings = SETTINGS._replace(has_control=False, is_antithetic=is_antithetic, forward_bump=0.2, sigma_bump=0.1)
    table = read(shared, payoff)
    moments = {
        tuple(row[name] for name in ("next_fixing_in_s", "n_samples", "n_elapsed", "F")): row
        for row in table.rows
        if abs(float(row["delta"])) > 0.1
    }
    table = Table(list(moments.values()))
    assert len(table.ids) >= 6
    found = value_paths(**table.contract(), payoff=payoff, paths=settings)
    scale = scales(table)
    for name, bias in {"price_usd": 0.0, "delta": 0.01, "vega": 0.01, "theta_per_year": 0.02, "gamma": 0.01}.items():
        # Bias of three points over ±0.2 deviations: 0.2²/6 of a derivative two orders up, at most 1.4 times the column's scale.
        error = np.abs(found.values[COLUMNS[name]] - table[name])
        tolerance = quantile(settings) * found.std_errors[COLUMNS[name]] + bias * scale[name]
        assert np.all(error <= tolerance), (name, table.ids[int(np.argmax(error - tolerance))])
    assert np.median(found.std_errors[0] / scale["price_usd"]) <= 2e-2
