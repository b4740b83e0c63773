"""The golden rows against QuantLib, where QuantLib can price them, within QuantLib's own error (A35, C43, E-14; PRICING "Peers").

    European               AnalyticEuropeanEngine, the settlement average of one fixing
    discrete average       Monte-Carlo low-discrepancy with Brownian bridge and geometric control variate; Turnbull-Wakeman

QuantLib counts in days. Only sigma² t, r t and q t enter, so its day may stand for any number of seconds when volatility and rates are
scaled: rows whose fixings fall on whole days of that time are mapped exactly, the others (a week and more before a window of 4 s steps)
not at all. Inside the window its Monte-Carlo is off by per cents (PRICING measured up to 1.3), so it is asked before it only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pricers import ENGINES, value_options
from tests.conftest import skip_or_fail
from tests.golden.test_settlement_average_golden import Table, read

try:
    import QuantLib as ql
except ImportError:
    ql = None

ENGINE_NAMES = sorted(set(ENGINES) & {"closed_form", "qmc"})
YEAR_S = 31_536_000
LONGEST_DAYS = 60_000
"""QuantLib's calendar ends in 2199."""
FEW_PATHS, PATHS = 255, 1023
SEED = 1
"""Its default, 0, is the clock: beyond the tabulated dimensions each run would draw other points, and another estimate of their error."""
NOT_MAPPED = {
    "y1_K30000_C_lin", "d30_K50000_C_lin", "d30_K100000_C_lin", "d30_K200000_C_lin", "d7_K80000_C_lin", "d7_K95000_C_lin",
    "d7_K100000_C_lin", "d7_K105000_C_lin", "d7_K125000_C_lin", "d7lo_K100000_C_lin", "d7hi_K3500_C_lin", "d7hi_K4375_C_lin",
    "d1n1800_K100000_C_lin",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quantlib() -> None:
    if ql is None:
        skip_or_fail("QuantLib is not installed: pip install QuantLib", "REQUIRE_QUANTLIB")


class Mapped(NamedTuple):
    """A row in QuantLib's days."""

    first_day: int
    step_days: int
    n_left: int
    sigma: float
    """Per QuantLib's year, such that sigma² t is the row's."""
    years_per_year: float
    """Years of the row in one of QuantLib's: rates are multiplied by it."""


def mapped(row: dict[str, str]) -> Mapped | None:
    """The row with its fixings on whole days of scaled time; None where its times have no common divisor large enough."""
    n_left = int(row["n_samples"]) - int(row["n_elapsed"])
    first, step = float(row["next_fixing_in_s"]), float(row["sample_interval_s"])
    for parts in (1, 2, 4, 8):
        unit = step / parts  # seconds for which a day stands
        days = first / unit
        last = days + parts * (n_left - 1)
        if abs(days - round(days)) < 1e-9 and last <= LONGEST_DAYS:
            scale = unit * 365 / YEAR_S
            return Mapped(round(days), parts, n_left, float(row["sigma"]) * math.sqrt(scale), scale)
    return None


def process(row: dict[str, str], m: Mapped, today: Any) -> Any:
    """Black-Scholes-Merton in scaled time: spot is the row's forward now, carry r - q."""
    days = ql.Actual365Fixed()

    def flat(rate: float) -> Any:
        return ql.YieldTermStructureHandle(ql.FlatForward(today, rate * m.years_per_year, days))

    sigma = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), m.sigma, days))
    spot = ql.QuoteHandle(ql.SimpleQuote(float(row["F"])))
    return ql.BlackScholesMertonProcess(spot, flat(float(row["q"])), flat(float(row["r"])), sigma)


def average_option(row: dict[str, str], m: Mapped) -> tuple[Any, Any]:
    """QuantLib's instrument with its past fixings, and the process."""
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    fixing_dates = [today + m.first_day + m.step_days * j for j in range(m.n_left)]
    kind = ql.Option.Call if row["call_put"] == "call" else ql.Option.Put
    option = ql.DiscreteAveragingAsianOption(
        ql.Average.Arithmetic, float(row["running_sum"]), int(row["n_elapsed"]), fixing_dates,
        ql.PlainVanillaPayoff(kind, float(row["K"])), ql.EuropeanExercise(fixing_dates[-1]),
    )  # fmt: skip
    return option, process(row, m, today)


def ours(rows: list[dict[str, str]], engine: str) -> np.ndarray:
    table = Table(rows)
    carried = {"rate": table["r"], "carry": table["r"] - table["q"]}
    return np.asarray(value_options(**table.contract(), **carried, engine=engine).price_usd)


def rows_of(shared: Path) -> list[dict[str, str]]:
    """Linear rows, own and literature."""
    return read(shared, "linear").rows + read(shared, "linear", is_own=False).rows


def priceable(shared: Path) -> list[tuple[dict[str, str], Mapped]]:
    """Those with discrete fixings that can be mapped and whose exercise is open."""
    rows = [row for row in rows_of(shared) if float(row["n_samples"]) > 0 and not row["case_id"].startswith("det_")]
    pairs = [(row, mapped(row)) for row in rows]
    return [(row, m) for row, m in pairs if m is not None]


def test_all_rows_are_priced_by_quantlib_but_those_it_has_no_dates_for(shared: Path) -> None:
    discrete = [row for row in rows_of(shared) if float(row["n_samples"]) > 0]
    assert {row["case_id"] for row in discrete if mapped(row) is None} == NOT_MAPPED
    assert len(priceable(shared)) == len(discrete) - len(NOT_MAPPED) - 1  # one row's exercise is certain


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_discrete_averages_against_turnbull_and_wakeman(shared: Path, engine: str) -> None:
    """A lognormal with the average's first two moments: its own error is the third one's, which averaging makes.

    With s the deviation of the average and u that of the price over the averaging, that error is a part of u³ / s of the live
    weight: 1/200 at most on these rows, from 1e-8 of the price a day before to some per cent over years; asked here: 1/50.
    """
    pairs = priceable(shared)
    found = ours([row for row, _ in pairs], engine)
    for (row, m), price in zip(pairs, found, strict=True):
        option, model = average_option(row, m)
        option.setPricingEngine(ql.TurnbullWakemanAsianEngine(model))
        years = (m.first_day + m.step_days * np.arange(m.n_left)) * m.years_per_year / 365
        sigma = float(row["sigma"])
        deviation = sigma * math.sqrt(np.minimum.outer(years, years).mean())
        width = sigma * math.sqrt(years[-1] - years[0])
        weight = (
            m.n_left
            / float(row["n_samples"])
            * float(row["F"])
            * math.exp((float(row["r"]) - float(row["q"])) * years[-1])
        )
        assert abs(option.NPV() - price) <= 0.02 * weight * width**3 / deviation + 1e-13 * float(row["F"]), row[
            "case_id"
        ]


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_discrete_averages_before_the_window_against_monte_carlo(
    shared: Path, engine: str, low_discrepancy: Any
) -> None:
    """Its own error: what four times the paths change, at worst over the strikes of one moment, and as much again."""
    rows = [row for row, _, _ in low_discrepancy]
    for (row, _, many), price in zip(low_discrepancy, ours(rows, engine), strict=True):
        moment = row["next_fixing_in_s"]
        error = max(abs(m - f) for other, f, m in low_discrepancy if other["next_fixing_in_s"] == moment)
        assert error <= 1e-3 * float(row["F"]) * float(row["sigma"]) * math.sqrt(float(moment) / YEAR_S)
        assert abs(many - price) <= 2 * error, row["case_id"]


@pytest.fixture(scope="module")
def low_discrepancy(shared: Path) -> list[tuple[dict[str, str], float, float]]:
    """QuantLib's prices with few and with four times as many paths, of the rows of 450 fixings at 70 % before their window."""
    prices = []
    for row, m in priceable(shared):
        if row["n_elapsed"] == "0" and row["n_samples"] == "450" and row["sigma"] == "0.7":
            option, model = average_option(row, m)
            found = []
            for n_paths in (FEW_PATHS, PATHS):
                engine = ql.MCLDDiscreteArithmeticAPEngine(
                    model, brownianBridge=True, controlVariate=True, requiredSamples=n_paths, seed=SEED
                )
                option.setPricingEngine(engine)
                found.append(option.NPV())
            prices.append((row, found[0], found[1]))
    assert len(prices) >= 10
    return prices


def test_european_engine_against_the_analytic_one_on_every_row(shared: Path) -> None:
    """C43: price, delta, gamma and vega of the last fixing, rates and carry included; a year of QuantLib stands for its time."""
    rows = [row for row in rows_of(shared) if float(row["n_samples"]) > 0]
    table = Table(rows)
    carry = table["r"] - table["q"]
    found = value_options(**table.contract(), rate=table["r"], carry=carry, engine="european")
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    for i, row in enumerate(rows):
        left = int(row["n_samples"]) - int(row["n_elapsed"])
        years = (float(row["next_fixing_in_s"]) + (left - 1) * float(row["sample_interval_s"])) / YEAR_S
        root, forward = math.sqrt(years), float(row["F"])
        kind = ql.Option.Call if row["call_put"] == "call" else ql.Option.Put
        option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, float(row["K"])), ql.EuropeanExercise(today + 365))
        option.setPricingEngine(
            ql.AnalyticEuropeanEngine(process(row, Mapped(365, 0, 1, float(row["sigma"]) * root, years), today))
        )
        deviation = float(row["sigma"]) * root
        rounding = 64 * np.finfo(float).eps * (1 + 1 / deviation)  # of d1 at a small deviation
        for name, theirs, scale in (
            ("price_usd", option.NPV(), forward),
            ("delta", option.delta(), 1.0),
            ("gamma", option.gamma(), 1 / (forward * deviation)),
            ("vega", option.vega() * root, forward * root),
        ):
            assert abs(getattr(found, name)[i] - theirs) <= rounding * scale, (row["case_id"], name)
