"""J5, H6: the labels' thresholds from history at a cold start: what they would have been, had the service never stopped."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest

from schemas import Flow, FlowExposure, FlowPressure
from streams.flow.fold import Context, Final, State, from_bytes, new_state, resumed, step, to_bytes
from streams.flow.percentiles import percentiles
from streams.flow.seeding import Sample, before, seeded
from streams.flow.settings import FlowSettings
from streams.flow_service.seeds import seeds
from streams.flow_service.settings import FoldSettings
from tests.flow_log import CONTEXT, NS, interleaved, lanes
from tests.flow_records import flow
from tests.results_world import blank

pytest.importorskip("pyarrow")
DAY_NS = 86_400 * NS
MONDAY_NS = 4 * DAY_NS
"""5 January 1970."""
HASTY = CONTEXT._replace(
    flow=dataclasses.replace(CONTEXT.flow, table_sample_s=2.0, table_samples_min=3, realised_minutes=(0.05, 0.1, 60.0))
)


def write(place: Path, records: list[Flow], n_per_file: int) -> None:
    """As ``greekstream history`` writes them."""
    from streams.history.rows import Read, batches
    from streams.history.store import Store
    from streams.history.tables import TABLES

    table = TABLES["flow"]
    store = Store(place)
    progress = store.begin(table, "log")
    for first in range(0, len(records), n_per_file):
        some = [Read(0, first + i, 1, record) for i, record in enumerate(records[first : first + n_per_file])]
        parts = {part: [batch] for part, batch in batches(table, some).items()}
        progress = store.flush(table, progress, parts, {0: ((first, first + len(some)),)})
    store.close()


def flow_exposure(**fields: Any) -> FlowExposure:
    return FlowExposure(**(blank(FlowExposure) | fields))


def pressure(minutes: float, spot_pct: float, vol_points: float | None, hpp_usd: float | None = None) -> FlowPressure:
    return FlowPressure(minutes, spot_pct, vol_points, hpp_usd, None, None, None)


def run(context: Context, state: State | None = None) -> tuple[State, list[Flow]]:
    state, out = state or new_state(context), []
    for arrival in interleaved(lanes(1), random.Random(0)):
        state, records = step(state, arrival, context)
        out += [record for record in records if isinstance(record, Flow)]
    return state, out


def test_j5_h6_thresholds_read_from_history_are_those_of_the_service_that_wrote_it(tmp_path: Path) -> None:
    """J5, H6: every sample, to the bit, of every currency; provisional records and records written twice are no samples."""
    state, records = run(HASTY)
    provisional = [
        record._replace(is_final=False, exposures=(record.exposures[0]._replace(ngi_usd=1e12),))
        for record in records[:9]
    ]
    write(tmp_path / "live", [*provisional, *records, *records[:5]], 40)
    said: list[Any] = []
    found = seeds(
        FoldSettings(thresholds_from=str(tmp_path)), HASTY.flow, lambda event, **facts: said.append((event, facts))
    )
    assert set(found) == {"BTC", "ETH"} and said[0][0] == "flow_thresholds_read"
    for currency, own in state.final.flow.items():
        assert own.tables.ngi_usd.weekday.values, "the log has samples"
        assert found[currency].tables == own.tables
        assert found[currency].typical == own.typical
        assert own.pressures.hpp_usd[0].weekday.values and own.pressures.hpp_usd[1].weekday.values
        assert found[currency].pressures == own.pressures


def test_j5_weekdays_and_weekends_of_history_stay_apart() -> None:
    settings = FlowSettings(table_samples_min=3)
    samples = [
        Sample(MONDAY_NS + day * DAY_NS + i * 600 * NS, (100.0 if day >= 5 else 1.0) * i, None, -2.0, None, None)
        for day in range(7)
        for i in range(1, 4)
    ]
    tables = seeded(samples, settings).tables
    monday = percentiles(tables.ngi_usd, MONDAY_NS + 7 * DAY_NS, (100.0,), settings)
    saturday = percentiles(tables.ngi_usd, MONDAY_NS + 12 * DAY_NS, (100.0,), settings)
    assert monday is not None and saturday is not None and (monday[0], saturday[0]) == (3.0, 300.0)
    assert set(seeded(samples, settings).typical.spot_1h_pct.weekday.values) == {2.0}, "a move's magnitude"


def test_h6_a_cold_start_with_thresholds_says_a_percentile_at_once_and_knows_nothing_of_later() -> None:
    _, without = run(CONTEXT)
    assert without[0].ngi_rank_pct is None and not without[0].is_scenario_warm
    first_ns = without[0].ts_event_ns
    past = [Sample(first_ns - i * 600 * NS, float(i), None, None, None, None) for i in reversed(range(-2, 400))]
    start = resumed(Final(flow={"BTC": seeded(past, CONTEXT.flow)}), CONTEXT)
    state, found = run(CONTEXT, start)
    assert found[0].ngi_rank_pct is not None and found[0].is_scenario_warm
    times = state.final.flow["BTC"].tables.ngi_usd.weekday.ts_ns
    assert times[-1] == first_ns, "its own; what history has of then and later is left out"
    assert times[-2] == first_ns - 600 * NS
    assert to_bytes(from_bytes(to_bytes(state.final), CONTEXT)) == to_bytes(state.final)


def test_what_is_cut_is_cut_from_every_table() -> None:
    settings = FlowSettings()
    samples = [Sample(MONDAY_NS + i * 300 * NS, 1.0, 2.0, 3.0, 4.0, 5.0, (6.0, -7.0, 8.0, 9.0)) for i in range(4)]
    cut = before(seeded(samples, settings), MONDAY_NS + 600 * NS)
    assert [len(table.weekday.values) for table in (*cut.tables, *cut.typical, *cut.pressures.hpp_usd)] == [2] * 9
    assert cut.pressures.hpp_usd[1].weekday.values == (7.0, 7.0), "a pressure's magnitude"
    assert cut == seeded(samples[:2], settings)


def test_h6_history_of_other_greeks_or_none_at_all_gives_no_thresholds_and_says_so(tmp_path: Path) -> None:
    _, records = run(HASTY)
    write(tmp_path / "live", records, 1_000)
    coin = dataclasses.replace(HASTY.flow, numeraire="coin")
    found = seeds(FoldSettings(thresholds_from=str(tmp_path)), coin, lambda *_, **__: None)
    assert all(not state.tables.ngi_usd.weekday.values for state in found.values())
    said: list[str] = []
    assert seeds(FoldSettings(), HASTY.flow, lambda event, **_: said.append(event)) == {} and said == []
    nowhere = FoldSettings(thresholds_from=str(tmp_path / "nowhere"))
    assert seeds(nowhere, HASTY.flow, lambda event, **_: said.append(event)) == {}
    assert said == ["flow_thresholds_not_read"]
    next((tmp_path / "live").rglob("*.parquet")).write_bytes(b"no parquet")
    assert seeds(FoldSettings(thresholds_from=str(tmp_path)), HASTY.flow, lambda event, **_: said.append(event)) == {}
    assert said == ["flow_thresholds_not_read"] * 2, "a damaged file stops no service"


def test_h6_the_hours_move_is_a_sample_by_its_magnitude_and_a_book_of_low_coverage_is_none_of_gamma(
    tmp_path: Path,
) -> None:
    whole = flow_exposure(open_interest_share=0.9, ngi_usd=7.0)
    records = [
        flow(MONDAY_NS, greeks_source="settlement_average", exposures=(whole,), pin_gex_usd=3.0, volume_24h_usd=1e9,
             realised=(pressure(5.0, 9.0, 9.0, -4e6), pressure(60.0, -1.5, -2.5, 2e6))),
        flow(MONDAY_NS + 300 * NS, greeks_source="settlement_average", exposures=(whole._replace(open_interest_share=0.1),),
             pin_gex_usd=4.0, realised=(pressure(60.0, 0.5, None, 5e6),)),
    ]  # fmt: skip
    write(tmp_path / "live", records, 1)
    state = seeds(FoldSettings(thresholds_from=str(tmp_path)), FlowSettings(), lambda *_, **__: None)["BTC"]
    assert [table.weekday.values for table in state.typical] == [(1.5, 0.5), (2.5,), (1e9,)]
    assert [table.weekday.values for table in state.tables] == [(7.0,), (3.0,)]
    assert [table.weekday.values for table in state.pressures.hpp_usd] == [(), (4e6,), (), (2e6,)], "1, 5, 15, 60 min"
