"""Hysteresis of the regime, the freeze before expiries, rolling percentiles.  DEFINITIONS 3.4, 3.6; J5, J9."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from streams.flow.exposures import Band
from streams.flow.flips import Flips, FlipStatus, SmileRule, Variant, flip_set
from streams.flow.percentiles import RollingTable, is_weekend, median, percentiles, rank_pct, step_table
from streams.flow.regime import Frozen, Regime, RegimeState, step_freeze, step_regime
from streams.flow.settings import FlowSettings
from tests.flow_world import EXPIRY_NS, book_of_legs, call, put

SETTINGS = FlowSettings()
NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
MONDAY_NS = 4 * DAY_NS
"""5 January 1970."""
FOUND = flip_set(book_of_legs([call(100, 110_000.0), put(-100, 90_000.0)]), SETTINGS).flips[
    SmileRule.STICKY_STRIKE, Variant.ALL
]


def flips(gamma: float, low: float = 99_000.0, high: float = 101_000.0, status: FlipStatus = FlipStatus.OK) -> Flips:
    """A reading with this gamma at the index and this band of the flip."""
    return FOUND._replace(gamma_at_index_usd=gamma, band_usd=Band(low, high, 200), status=status)


def test_inside_the_band_a_regime_changes_after_three_publishes_on_end() -> None:
    state = step_regime(RegimeState(), flips(1.0), 100_500.0, SETTINGS)
    assert state.regime == Regime.LONG_GAMMA, "the first is taken as it is"
    for gamma in (-1.0, -1.0, 1.0, -1.0, -1.0):
        state = step_regime(state, flips(gamma), 99_500.0, SETTINGS)
        assert state.regime == Regime.LONG_GAMMA
    assert step_regime(state, flips(-1.0), 99_500.0, SETTINGS).regime == Regime.SHORT_GAMMA


def test_outside_the_band_it_changes_at_once() -> None:
    state = step_regime(RegimeState(), flips(1.0), 102_000.0, SETTINGS)
    assert step_regime(state, flips(-1.0), 98_999.0, SETTINGS).regime == Regime.SHORT_GAMMA
    none = flips(-1.0)._replace(band_usd=None, primary=None, status=FlipStatus.NONE_ALL_SHORT)
    assert step_regime(state, none, 102_000.0, SETTINGS).regime == Regime.SHORT_GAMMA
    no_draws = flips(-1.0)._replace(band_usd=None)
    assert step_regime(state, no_draws, 98_000.0, SETTINGS).regime == Regime.LONG_GAMMA, (
        "a flip without a band: three on end"
    )


def test_low_coverage_changes_no_regime_and_breaks_the_count() -> None:
    state = step_regime(RegimeState(), flips(1.0), 100_500.0, SETTINGS)
    state = step_regime(step_regime(state, flips(-1.0), 99_500.0, SETTINGS), flips(-1.0), 99_500.0, SETTINGS)
    assert state.n_candidate == 2
    low = step_regime(state, flips(-1.0, status=FlipStatus.LOW_COVERAGE), 99_500.0, SETTINGS)
    assert low == RegimeState(Regime.LONG_GAMMA, Regime.LONG_GAMMA, 0)


def test_j9_levels_stand_still_before_an_expiry_and_say_so() -> None:
    """J9: from five minutes before to the expiry; then those of the moment."""
    frozen: Frozen[str] = Frozen()
    said = []
    for left_s in (600, 301, 300, 120, 0):
        frozen, levels, warnings = step_freeze(
            frozen, EXPIRY_NS - left_s * NS_PER_S, EXPIRY_NS, f"at {left_s}", SETTINGS
        )
        said.append((levels, len(warnings), frozen.expiry_ns is not None))
    assert said == [
        ("at 600", 0, False), ("at 301", 0, False), ("at 301", 1, True), ("at 301", 1, True), ("at 301", 1, True),
    ]  # fmt: skip
    assert "expiries roll off in 0 s" in warnings[0]
    frozen, levels, warnings = step_freeze(frozen, EXPIRY_NS + NS_PER_S, EXPIRY_NS + DAY_NS, "after", SETTINGS)
    assert (levels, warnings, frozen.expiry_ns) == ("after", (), None)


def test_a_start_inside_the_freeze_keeps_what_it_saw_first() -> None:
    frozen: Frozen[str] = Frozen()
    for left_s in (60, 59):
        frozen, levels, warnings = step_freeze(
            frozen, EXPIRY_NS - left_s * NS_PER_S, EXPIRY_NS, f"at {left_s}", SETTINGS
        )
    assert levels == "at 60" and len(warnings) == 1
    assert step_freeze(Frozen(), EXPIRY_NS, None, "empty", SETTINGS)[1] == "empty"


@pytest.mark.parametrize(
    ("day", "want"), [(0, False), (1, False), (2, True), (3, True), (4, False), (8, False), (9, True)]
)
def test_weekends_are_saturdays_and_sundays_utc(day: int, want: bool) -> None:
    """1 January 1970 was a Thursday."""
    assert is_weekend(day * DAY_NS) is want and is_weekend((day + 1) * DAY_NS - 1) is want


def filled(values: list[float], settings: FlowSettings, begin_ns: int = MONDAY_NS) -> RollingTable:
    """One sample each five minutes."""
    table = RollingTable()
    for i, value in enumerate(values):
        table = step_table(table, begin_ns + i * 300 * NS_PER_S, value, settings)
    return table


def test_j5_weekends_do_not_move_the_weekdays_thresholds() -> None:
    """J5: a thousand weekday samples, then a weekend of quite other numbers."""
    settings = dataclasses.replace(SETTINGS, table_samples_min=100)
    values = np.random.default_rng(1).normal(size=1_000).tolist()
    table = filled(values, settings)
    want = np.percentile(values, [20, 80])
    assert np.array_equal(percentiles(table, MONDAY_NS, (20.0, 80.0), settings), want)
    saturday_ns = MONDAY_NS + 5 * DAY_NS
    for i in range(200):
        table = step_table(table, saturday_ns + i * 300 * NS_PER_S, 50.0 + i, settings)
    assert np.array_equal(percentiles(table, MONDAY_NS + 7 * DAY_NS, (20.0, 80.0), settings), want)
    assert median(table, saturday_ns, settings) == 149.5
    assert rank_pct(table, saturday_ns, 99.0, settings) == 25.0


def test_a_sample_is_taken_once_in_five_minutes_and_kept_for_thirty_days() -> None:
    table = RollingTable()
    for second in range(0, 601):
        table = step_table(table, MONDAY_NS + second * NS_PER_S, float(second), SETTINGS)
    assert table.weekday.values == (0.0, 300.0, 600.0)
    table = step_table(table, MONDAY_NS + 30 * DAY_NS + 300 * NS_PER_S, 7.0, SETTINGS)
    assert table.weekday.values == (300.0, 600.0, 7.0)


def test_there_is_no_percentile_of_too_few_samples_and_none_of_nothing() -> None:
    table = filled([1.0] * 287, SETTINGS)
    assert (
        percentiles(table, MONDAY_NS, (50.0,), SETTINGS) is None and rank_pct(table, MONDAY_NS, 1.0, SETTINGS) is None
    )
    assert step_table(table, MONDAY_NS + 2 * DAY_NS, None, SETTINGS) is table
    assert step_table(table, MONDAY_NS + 2 * DAY_NS, float("nan"), SETTINGS) is table
    table = step_table(table, MONDAY_NS + 2 * DAY_NS, 1.0, SETTINGS)
    assert median(table, MONDAY_NS, SETTINGS) == 1.0
