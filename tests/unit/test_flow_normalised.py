"""Realised hedge pressure over the daily volume and among its own history.  DEFINITIONS 3.3; J5."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics

import numpy as np
import pytest
from scipy import stats

from streams.flow.normalised import PressureTables, normalised, step_pressure_tables
from streams.flow.percentiles import N_SORTED, RollingTable, Table, _sorted, rank_pct
from streams.flow.pressure import Realised
from streams.flow.publish import FlowState, Publication, publish
from streams.flow.settings import FlowSettings
from tests.flow_world import DAY_S, book_of_legs, call, put

SETTINGS = FlowSettings()
NS = 1_000_000_000
DAY_NS = 86_400 * NS
MONDAY_NS, SATURDAY_NS = 4 * DAY_NS, 9 * DAY_NS
"""5 and 10 January 1970."""
MINUTES = SETTINGS.realised_minutes


def of(hpp_usd: tuple[float | None, ...]) -> tuple[Realised, ...]:
    return tuple(
        Realised(minutes, None, value, None, None, None) for minutes, value in zip(MINUTES, hpp_usd, strict=True)
    )


def ranks(tables: PressureTables, ts_ns: int, hpp_usd: tuple[float | None, ...]) -> list[float | None]:
    return [one.hpp_percentile for one in normalised(of(hpp_usd), tables, ts_ns, None, SETTINGS)]


def test_j5_each_horizon_has_the_percentile_of_its_magnitude_in_its_own_history_of_this_kind_of_day() -> None:
    """J5: against scipy's percentileofscore on weekdays and weekends of quite other sizes, horizons apart by powers of ten."""
    draw = random.Random(5)
    tables, samples = PressureTables(), {True: [[], [], [], []], False: [[], [], [], []]}
    for day in range(7):
        for i in range(150):
            size = 50.0 if day >= 5 else 1.0
            # rounded, so that there are ties, of either sign
            hpp_usd = tuple(size * 10.0**place * round(draw.gauss(0.0, 9.0)) for place in range(4))
            tables = step_pressure_tables(tables, MONDAY_NS + day * DAY_NS + i * 300 * NS, hpp_usd, SETTINGS)
            for history, value in zip(samples[day >= 5], hpp_usd, strict=True):
                history.append(abs(value))
    for ts_ns, is_weekend in ((MONDAY_NS + 7 * DAY_NS, False), (SATURDAY_NS + 7 * DAY_NS, True)):
        for base in (0.0, 4.0, -7.0, 300.0, 1e9):
            found = ranks(tables, ts_ns, tuple(base * 10.0**place for place in range(4)))
            for place, history in enumerate(samples[is_weekend]):
                want = stats.percentileofscore(history, abs(base) * 10.0**place, kind="weak")
                assert found[place] == pytest.approx(want, rel=1e-12), "one division"
    assert ranks(tables, MONDAY_NS, (300.0,) * 4)[0] == 100.0
    assert 0.0 < (ranks(tables, SATURDAY_NS, (300.0,) * 4)[0] or 0.0) < 100.0, "much on a Monday, little on a Saturday"


def test_j5_there_is_no_percentile_before_a_days_samples_and_none_of_what_is_not_known() -> None:
    tables = PressureTables()
    for i in range(SETTINGS.table_samples_min):
        assert ranks(tables, MONDAY_NS, (9.0, 9.0, None, 9.0)) == [None] * 4
        tables = step_pressure_tables(tables, MONDAY_NS + i * 300 * NS, (1.0, -2.0, None, None), SETTINGS)
    assert ranks(tables, MONDAY_NS, (9.0, 1.0, 9.0, 9.0)) == [100.0, 0.0, None, None]
    assert ranks(tables, MONDAY_NS, (None, -2.0, 9.0, float("nan"))) == [None, 100.0, None, None]
    assert ranks(tables, SATURDAY_NS, (9.0, 9.0, 9.0, 9.0)) == [None] * 4, "no weekend was seen"


def test_hpp_pct_adv_has_the_sign_of_the_flow_and_is_null_without_a_volume() -> None:
    pressures = of((-3e7, 0.0, None, 4e9))
    found = normalised(pressures, PressureTables(), MONDAY_NS, 2e10, SETTINGS)
    assert [one.hpp_pct_adv for one in found] == [-0.15, 0.0, None, 20.0]
    assert [one._replace(hpp_pct_adv=None) for one in found] == list(pressures), "nothing else changes"
    for adv_usd in (None, 0.0):
        none = normalised(pressures, PressureTables(), MONDAY_NS, adv_usd, SETTINGS)
        assert [one.hpp_pct_adv for one in none] == [None] * 4


def test_j5_histories_are_of_thirty_days_and_no_longer() -> None:
    hourly, tables = dataclasses.replace(SETTINGS, table_sample_s=3_600.0), PressureTables()
    for hour in range(40 * 24):
        tables = step_pressure_tables(tables, MONDAY_NS + hour * 3_600 * NS, (1.0, 2.0, 3.0, 4.0), hourly)
    for kind in (kind for table in tables.hpp_usd for kind in table):
        assert 7 * DAY_NS < kind.ts_ns[-1] - kind.ts_ns[0] <= 30 * DAY_NS, "of the newest sample of its kind"
        assert len(kind.values) == len(kind.ts_ns) <= 30 * 24 + 1


def test_a_rank_is_that_of_the_table_asked_for_though_another_lay_where_it_lies() -> None:
    """Sorted samples are kept by the table's place in memory: tables made and dropped by the thousand take each other's places."""
    draw = np.random.default_rng(3)
    hasty = dataclasses.replace(SETTINGS, table_samples_min=1)
    for _ in range(2_000):
        values = tuple(draw.normal(size=5).tolist())
        table = RollingTable(weekday=Table((0,) * 5, values))
        assert rank_pct(table, MONDAY_NS, 0.1, hasty) == 100.0 * sum(value <= 0.1 for value in values) / 5
    assert _sorted.cache_info().currsize <= N_SORTED


HASTY = dataclasses.replace(SETTINGS, realised_minutes=(0.05, 0.1), table_sample_s=1.0, table_samples_min=3)
"""Horizons of three and six seconds, each second a sample."""


def run(n: int, *, low_coverage: frozenset[int] = frozenset()) -> tuple[FlowState, list[Publication], list[float]]:
    """Seconds of a book of two expiries under a wandering index; in those of low coverage most open interest has no greeks."""
    draw = random.Random(8)
    state, found, volumes, index = FlowState(), [], [], 100_000.0
    for second in range(n):
        index *= 1.0 + draw.gauss(0.0, 1e-3)
        volumes.append(draw.uniform(1e10, 3e10))
        legs = [call(40, 100_500.0, tau_s=5 * DAY_S - second), put(-60, 97_000.0, tau_s=9 * DAY_S - second)]
        if second in low_coverage:
            legs.append(call(1, 100_000.0, tau_s=9 * DAY_S - second, open_interest=1e6, sigma=math.nan))
        book = book_of_legs(legs, index_price=index)
        shift = second * NS
        book = book._replace(now_ns=book.now_ns + shift, expiry_ns=book.expiry_ns + shift)
        state, publication = publish(state, book, HASTY, vol=0.5, volume_24h_usd=volumes[-1], with_ladder=False)
        found.append(publication)
    return state, found, volumes


def test_j5_a_publish_ranks_each_pressure_among_those_before_it_and_shares_it_by_the_median_volume() -> None:
    """J5, DEFINITIONS 3.3: by a plain count and a plain median over what was published."""
    _, found, volumes = run(14)
    for place in range(2):
        before: list[float] = []
        for second, publication in enumerate(found):
            one = publication.realised[place]
            if one.hpp_usd is None:
                assert one.hpp_pct_adv is None and one.hpp_percentile is None
                continue
            n_below = sum(value <= abs(one.hpp_usd) for value in before)
            assert one.hpp_percentile == (100.0 * n_below / len(before) if len(before) >= 3 else None)
            median = statistics.median(volumes[: second + 1])
            assert one.hpp_pct_adv == pytest.approx(100.0 * one.hpp_usd / median, rel=1e-12)
            before.append(abs(one.hpp_usd))
        assert len(before) == (11, 8)[place], "known from the horizon on"
    said = {publication.realised[0].hpp_percentile for publication in found} - {None}
    assert len(said) > 3 and min(one for one in said if one is not None) < 50.0


def test_j5_a_book_of_low_coverage_is_no_sample_of_the_pressure() -> None:
    state, found, _ = run(9, low_coverage=frozenset({5, 6}))
    assert all(publication.realised[0].hpp_usd is not None for publication in found[3:])
    samples = [abs(found[second].realised[0].hpp_usd or 0.0) for second in (3, 4, 7, 8)]
    assert list(state.pressures.hpp_usd[0].weekday.values) == samples
