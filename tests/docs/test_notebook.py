"""The notebook of examples/ runs as it is, is kept without outputs, and what it computes is what the mathematics says."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.conftest import ROOT, skip_or_fail

NOTEBOOK = ROOT / "examples" / "average_through_the_window.ipynb"


def cells(kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    """The notebook's names after all of its cells; pictures are left out, as on a machine without matplotlib."""
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells("code")):
        source = "".join(cell["source"]).replace("import matplotlib.pyplot as plt", "raise ImportError")
        exec(compile(source, f"{NOTEBOOK.name}[{number}]", "exec"), names)
    return names


def test_outputs_are_stripped() -> None:
    assert len(cells("code")) > 4
    for cell in cells("code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None


def test_nbformat_accepts_the_notebook() -> None:
    try:
        import nbformat
    except ImportError:
        skip_or_fail("nbformat is not installed: pip install nbformat", "REQUIRE_NBFORMAT")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))


def test_before_the_window_it_shows_pricings_table(run: dict[str, Any]) -> None:
    """PRICING, "What the average does": half a unit of the last digit printed there."""
    expected = {
        "7 d": (-0.099, 0.099, 5e-4),
        "1 d": (-0.70, 0.70, 5e-3),
        "2 h": (-8.7, 9.5, 5e-2),
        "31 min": (-40.0, 68.0, 0.5),
    }
    assert set(run["before"]) == set(expected)
    for label, (price, gamma, half_digit) in expected.items():
        assert run["before"][label] == pytest.approx((price, gamma), abs=half_digit)


def test_inside_the_window_gamma_is_root_three_times_the_share(run: dict[str, Any]) -> None:
    """Exact for a continuous average; with N fixings left the factor is sqrt(6 N² / ((N + 1)(2 N + 1)))."""
    for share, ratio in zip(run["shares"], run["gamma_ratios"], strict=True):
        n = round(share * 450)
        # Terms of order sigma² tau / 8 are left out: below 1e-5 in half an hour.
        assert ratio == pytest.approx(share * math.sqrt(6.0 * n * n / ((n + 1) * (2 * n + 1))), rel=1e-4)
    assert run["deltas"] == pytest.approx([0.5 * share for share in run["shares"]], rel=2e-3), (
        "half of the share that moves"
    )


def test_the_morning_ends_at_its_payoff(run: dict[str, Any]) -> None:
    """With one fixing left price and payoff differ by the share of one fixing's move."""
    n_fixed, index, known, price, delta = run["morning"][-1]
    assert n_fixed == 449 and 0.0 <= delta <= 1.0 / 450 + 1e-15
    certain = max((known + index) / 450 - run["FORWARD"], 0.0)
    four_seconds_usd = run["FORWARD"] * run["SIGMA"] * math.sqrt(4.0 / 31_536_000.0)
    assert abs(price - certain) <= four_seconds_usd / 450
    assert run["payoff"] == pytest.approx(max(float(run["path"].mean()) - run["FORWARD"], 0.0), rel=1e-12)


def test_the_deviation_at_the_windows_start_is_0577_of_the_last_indexs(run: dict[str, Any]) -> None:
    """DEFINITIONS 3.11: sigma / sqrt(3) = 0.577 sigma; (n + 1)(2n + 1)/(6 n²) with n = 450 fixings."""
    for n_left, (average, last) in run["deviations"].items():
        exact = n_left / 450 * math.sqrt((n_left + 1) * (2 * n_left + 1) / (6.0 * n_left**2))
        assert average / last == pytest.approx(exact, rel=1e-12)
    average, last = run["deviations"][450]
    assert average / last == pytest.approx(0.577, abs=2e-3)
