"""Scenario labels.  DEFINITIONS 3.6; J4, J5, C31; RULINGS E-62, E-63."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from streams.flow.book import Book, with_positions
from streams.flow.exposures import exposures
from streams.flow.labels import (
    FLOW_TEXT,
    Reading,
    Scenario,
    ScenarioState,
    ScenarioTables,
    Typical,
    expected_delivery,
    is_pin_risk,
    read_scenario,
    step_scenario,
    strongest_pin,
)
from streams.flow.percentiles import RollingTable, Table
from streams.flow.pressure import Move, Realised
from streams.flow.settings import FlowSettings
from streams.flow.typical import TypicalTables, step_typical, typical_of
from tests.flow_world import DAY_S, EXPIRY_NS, Leg, book_of_legs, call, put

S = 100_000.0
SETTINGS = FlowSettings()
QUIET = Typical(0.4, 0.3, 24e9)
"""0.4 % and 0.3 points an hour; a billion USD an hour."""


def table(low: float, high: float) -> RollingTable:
    """A month of samples even between two numbers, on weekdays and weekends alike."""
    values = tuple(np.linspace(low, high, 1_001).tolist())
    return RollingTable(Table((0,) * 1_001, values), Table((0,) * 1_001, values))


WARM = ScenarioTables(table(-1e6, 1e6), table(0.0, 1e6))
"""NGI: 20th percentile -0.6 million, 80th 0.6; gamma at the pin: 80th 0.8 million."""


def read(
    legs: list[Leg] | Book,
    tables: ScenarioTables = WARM,
    typical: Typical = QUIET,
    standing: Scenario = Scenario.NEUTRAL,
) -> Reading:
    """The reading of a book of legs."""
    book = legs if isinstance(legs, Book) else book_of_legs(legs)
    return read_scenario(book, exposures(book, SETTINGS), tables, typical, SETTINGS, standing)


def sized(legs: list[Leg], ngi_usd: float) -> list[Leg]:
    """The same legs in the size that has this NGI."""
    found = exposures(book_of_legs(legs), SETTINGS).totals.ngi_usd
    assert found is not None
    return [leg._replace(position=leg.position * ngi_usd / found) for leg in legs]


AT_THE_MONEY = [call(1, S, tau_s=30 * DAY_S)]


def test_e63_a_pin_needs_large_positive_gamma_near_the_index() -> None:
    """E-63: no gamma at all is no pin; nor is negative gamma there, gamma far off, or gamma of a later expiry."""
    tomorrow = 20 * 3_600.0
    assert read(sized([call(1, S, tau_s=tomorrow)], 0.9e6)).scenario == Scenario.GAMMA_PIN
    assert read([call(0, S, tau_s=tomorrow)]).scenario != Scenario.GAMMA_PIN
    assert read(sized([call(1, S, tau_s=tomorrow)], -0.9e6)).scenario == Scenario.SHORT_GAMMA_ACCEL
    lively = Typical(10.0, 0.3, 24e9)
    weaker = read(sized([call(1, S, tau_s=tomorrow)], 0.7e6), typical=lively)
    assert weaker.scenario == Scenario.LONG_GAMMA_DAMPED, "below its percentile"
    sd = 0.5 * math.sqrt(tomorrow / 31_536_000)
    assert read(sized([call(1, S * math.exp(0.51 * sd), tau_s=tomorrow)], 0.9e6)).pin is None
    near = read(sized([call(1, S * math.exp(0.49 * sd), tau_s=tomorrow)], 0.9e6)).pin
    assert near is not None and near.distance_sd == pytest.approx(-0.49)
    assert read(sized([call(1, S, tau_s=25 * 3_600.0)], 0.9e6)).pin is None


def test_the_pin_is_the_net_of_the_strike_and_the_largest_of_them() -> None:
    legs = [call(50, S, tau_s=20 * 3_600.0), put(-80, S, tau_s=20 * 3_600.0), call(9, 100_100.0, tau_s=20 * 3_600.0)]
    book = book_of_legs(legs)
    pin = strongest_pin(book, exposures(book, SETTINGS), SETTINGS)
    assert pin is not None and pin.strike == 100_100.0 and pin.gex_usd > 0
    assert strongest_pin(book_of_legs(legs[:2]), exposures(book_of_legs(legs[:2]), SETTINGS), SETTINGS) is None


def test_c31_inside_the_window_what_is_left_decides_the_pin() -> None:
    """C31, 3.11: half way, a quarter of the variance's cube: the strike is measured in the deviation that is left, from where the
    average stands, not from the index."""
    leg = call(1, S, tau_s=900.0, average_so_far=100_200.0)
    book = book_of_legs([leg])
    delivery = expected_delivery(book)
    n_fixed = float(book.n_fixed[0])
    share = 1 - n_fixed / 450
    mean = (n_fixed * 100_200.0 + (450 - n_fixed) * S) / 450
    assert delivery.mean[0] == pytest.approx(mean, rel=1e-12)
    left_s = 4.0 * (450 - n_fixed)
    want = share * 0.5 * math.sqrt(left_s / 3 / 31_536_000)  # to the width of one fixing in 225
    assert delivery.deviation[0] == pytest.approx(want, rel=0.01)
    for strike, is_pin in (
        (mean, True),
        (mean * (1 + 0.45 * want), True),
        (mean * (1 + 0.55 * want), False),
        (S, False),
    ):
        here = book_of_legs([leg._replace(strike=strike)])
        assert bool(is_pin_risk(here, expected_delivery(here), SETTINGS)[0]) is is_pin


def test_e62_negative_gamma_means_that_dealers_buy_rallies() -> None:
    """E-62: below its percentile, or by volume alone; never for positive gamma, however low its percentile."""
    assert read(sized(AT_THE_MONEY, -0.7e6)).scenario == Scenario.SHORT_GAMMA_ACCEL
    assert FLOW_TEXT[Scenario.SHORT_GAMMA_ACCEL] == "dealers buy rallies and sell dips"
    assert read(sized(AT_THE_MONEY, -0.5e6)).scenario == Scenario.NEUTRAL
    always_long = ScenarioTables(table(1e6, 2e6), table(0.0, 1e6))
    assert read(sized(AT_THE_MONEY, 0.5e6), always_long).scenario == Scenario.NEUTRAL
    thin = Typical(0.4, 0.3, 96e6)  # a tenth of an hour of it: 0.4 million
    assert read(sized(AT_THE_MONEY, -0.5e6), typical=thin).scenario == Scenario.SHORT_GAMMA_ACCEL
    assert read(sized(AT_THE_MONEY, -0.3e6), typical=thin).scenario == Scenario.NEUTRAL


def test_j4_materiality_is_against_real_volume() -> None:
    """J4: NGI against a tenth of the median hour."""
    assert read(sized(AT_THE_MONEY, 0.5e6), typical=Typical(0.4, 0.3, 96e6)).is_material is True
    assert read(sized(AT_THE_MONEY, 0.5e6)).is_material is False
    assert read(sized(AT_THE_MONEY, 0.5e6), typical=Typical()).is_material is None


def test_long_gamma_is_damped_above_its_percentile() -> None:
    assert read(sized(AT_THE_MONEY, 0.7e6)).scenario == Scenario.LONG_GAMMA_DAMPED
    assert read(sized(AT_THE_MONEY, 0.5e6)).scenario == Scenario.NEUTRAL


def test_a_vanna_squeeze_is_twice_the_flow_of_spot() -> None:
    """|VSS v| > 2 |NGI r| of the typical hour."""
    legs = [call(100, 115_000.0, tau_s=30 * DAY_S), put(-100, 87_000.0, tau_s=30 * DAY_S)]
    totals = exposures(book_of_legs(legs), SETTINGS).totals
    assert totals.ngi_usd is not None and totals.vss_usd is not None
    even = abs(2 * totals.ngi_usd * 0.4 / totals.vss_usd)
    assert read(legs, typical=Typical(0.4, even * 1.01, 24e12)).scenario == Scenario.VANNA_SQUEEZE
    assert read(legs, typical=Typical(0.4, even * 0.99, 24e12)).scenario != Scenario.VANNA_SQUEEZE
    assert read(legs, typical=Typical()).scenario == Scenario.NEUTRAL, "no yardstick, no squeeze"


def test_charm_drifts_when_time_forces_more_than_spot_and_vol() -> None:
    """All the delta of an option deep in the money that ends in ten hours."""
    legs = sized([call(1, 96_500.0, tau_s=10 * 3_600.0)], 0.3e6)
    assert read(legs).scenario == Scenario.CHARM_DRIFT
    assert read(legs, typical=Typical(100.0, 0.3, 24e9)).scenario == Scenario.NEUTRAL


def test_low_coverage_is_unknown_whatever_else() -> None:
    book = book_of_legs([*sized(AT_THE_MONEY, -9e6), call(1, S, open_interest=1e6, sigma=math.nan)])
    assert read(book).scenario == Scenario.UNKNOWN
    book = book_of_legs(AT_THE_MONEY)
    assert read(with_positions(book, [math.nan], side_model="test")).scenario == Scenario.UNKNOWN


def test_without_a_history_only_the_rules_that_need_none_are_tried() -> None:
    cold = read(sized(AT_THE_MONEY, -9e6), ScenarioTables())
    assert cold.scenario == Scenario.NEUTRAL and not cold.is_warm
    thin = read(sized(AT_THE_MONEY, -9e6), ScenarioTables(), Typical(0.4, 0.3, 96e6))
    assert thin.scenario == Scenario.SHORT_GAMMA_ACCEL and read(AT_THE_MONEY).is_warm


def test_a_label_that_stands_is_left_five_percentiles_later() -> None:
    """Hysteresis: short below the 20th, no longer short above the 25th."""
    legs = sized(AT_THE_MONEY, -0.55e6)
    assert read(legs).scenario == Scenario.NEUTRAL
    assert read(legs, standing=Scenario.SHORT_GAMMA_ACCEL).scenario == Scenario.SHORT_GAMMA_ACCEL
    assert read(sized(AT_THE_MONEY, -0.45e6), standing=Scenario.SHORT_GAMMA_ACCEL).scenario == Scenario.NEUTRAL
    assert read(sized(AT_THE_MONEY, 0.55e6), standing=Scenario.LONG_GAMMA_DAMPED).scenario == Scenario.LONG_GAMMA_DAMPED


def test_a_new_label_must_come_up_three_times_on_end() -> None:
    def reading(scenario: Scenario) -> Reading:
        return Reading(scenario, None, True, None)

    state = step_scenario(ScenarioState(), reading(Scenario.NEUTRAL), SETTINGS)
    assert state.scenario == Scenario.NEUTRAL, "the first is said at once"
    said = []
    order = [Scenario.GAMMA_PIN, Scenario.GAMMA_PIN, Scenario.NEUTRAL, *[Scenario.GAMMA_PIN] * 3, Scenario.UNKNOWN]
    for scenario in order:
        state = step_scenario(state, reading(scenario), SETTINGS)
        said.append(state.scenario)
    assert said == [*[Scenario.NEUTRAL] * 5, Scenario.GAMMA_PIN, Scenario.UNKNOWN]


def test_the_yardsticks_are_medians_of_real_moves_and_real_volume() -> None:
    """J4, J5: the hour's move and the 24-h volume, sampled each five minutes."""
    settings = dataclasses.replace(SETTINGS, table_samples_min=3)
    tables = TypicalTables()
    for i, (move, vol, volume) in enumerate([(-0.3, 0.5, 1e9), (0.6, -0.1, 3e9), (0.2, 0.2, 2e9)]):
        realised = (Realised(5.0, Move(9, 9, 9), 0, 0, 0, 0), Realised(60.0, Move(move, vol, 1 / 24), 0, 0, 0, 0))
        tables = step_typical(tables, EXPIRY_NS + i * 300_000_000_000, realised, volume, settings)
    assert typical_of(tables, EXPIRY_NS, settings) == Typical(0.3, 0.2, 2e9)
    unknown = (Realised(60.0, Move(1.0, 0.0, 1 / 24), 0.0, 0.0, None, 0.0),)
    tables = step_typical(TypicalTables(), EXPIRY_NS, unknown, None, settings)
    assert tables.spot_1h_pct.weekday.values == (1.0,) and tables.vol_1h_points.weekday.values == ()
    assert tables.volume_24h_usd == RollingTable()
