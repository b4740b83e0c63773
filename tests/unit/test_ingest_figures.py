"""What ingest says of itself: every metric of its table, and readiness with its reasons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.ingest.core.messages import Counts
from streams.ingest.core.recovery import Stage
from streams.ingest.core.state import Phase, new_state
from streams.ingest.figures import Figures, gather, readiness, samples
from streams.metrics.table import INGEST

READY = Figures(
    counts=Counts(events=10, conflated=2, gaps=1),
    now_ns=2_000_000_000,
    clock_ns=1_500_000_000,
    is_connected=True,
    stage=Stage.DONE,
    phase=Phase.RUNNING,
    is_set_complete=True,
    n_listed=1_500,
    n_waiting=3,
    n_queued=40,
    n_bytes=5_000,
    venue_lag_ms=120.0,
    lag_ms_by_channel={"ticker.option": 80.0},
    n_frames=9,
    n_connections=3,
    n_by_kind={"OptionQuote": 7, "Clock": 1},
)


def test_every_metric_of_the_table_is_made_and_no_other() -> None:
    found = samples(READY)
    assert set(found) | {"ready"} == {metric.name for metric in INGEST}
    assert found["reconnects_total"] == {(): 2}
    assert found["lag_seconds"] == {("ticker.option",): 0.08}
    assert found["records_total"] == {("OptionQuote",): 7, ("Clock",): 1}
    assert found["clock_timestamp_seconds"] == {(): 1.5}
    for metric in INGEST:
        for labels in found.get(metric.name, {}):
            assert len(labels) == len(metric.labels), metric.name


def test_before_the_first_clock_and_without_real_time_there_is_no_number() -> None:
    found = samples(replace(READY, clock_ns=0, venue_lag_ms=None))
    assert "clock_timestamp_seconds" not in found and "venue_lag_seconds" not in found


def test_a_connected_ingest_with_its_listing_written_is_ready() -> None:
    assert readiness(READY).is_ready


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (replace(READY, is_connected=False, stage=Stage.CONNECTING), "not connected"),
        (replace(READY, stage=Stage.BY_TIME), "catching up: by time"),
        (replace(READY, phase=Phase.STARTING), "no Clock is written yet: starting"),
        (replace(READY, is_set_complete=False), "INSTRUMENT SET missing"),
        (replace(READY, venue_lag_ms=7_200.0), "the newest event is 7 s old"),
    ],
)
def test_it_is_not_ready_for_one_reason_which_it_says(figures: Figures, reason: str) -> None:
    (said,) = readiness(figures).reasons
    assert reason in said


def test_figures_of_a_new_state_are_not_ready_and_do_not_change_with_it() -> None:
    state = new_state(1)
    shell = {"n_queued": 0, "n_bytes": 0}
    figures = gather(state, 5, **shell)
    state.counts.conflated += 1
    state.counts.lag_n["x"] = 1
    assert (figures.counts.conflated, figures.counts.lag_n, figures.now_ns) == (0, {}, 5)
    assert not readiness(figures).is_ready
