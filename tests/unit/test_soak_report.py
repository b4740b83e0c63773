"""What a long run's samples say: a growth is found, noise is not taken for one, and each fault is named."""

from __future__ import annotations

import dataclasses
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.soak import report
from tests.soak.report import Sample

RECORDS_PER_S = 2_000.0


def samples(minutes: float = 60.0, growth: float = 0.0, noise_mb: float = 1.0, **changes: Any) -> list[Sample]:
    """A run of four workers, a sample each 10 s; growth in MB/h."""
    rng = np.random.default_rng(1)
    found = []
    for i in range(1, int(minutes * 6) + 1):
        at_s = 10.0 * i
        warming_mb = -30.0 * np.exp(-at_s / 120.0)
        memory = {w: 200.0 + w + warming_mb + growth * at_s / 3600 + noise_mb * rng.standard_normal() for w in range(4)}
        one = Sample(
            at_s, memory, 70.0, 400.0, (200,) * 16, int(RECORDS_PER_S * at_s), 0.998, 0, 0, 80.0
        )  # fmt: skip
        found.append(dataclasses.replace(one, **changes))
    return found


def judged(run: list[Sample], **ends: Any) -> dict[str, Any]:
    return report.verdict(run, **{"is_through": True, "final_lag": 0, "final_coverage": 0.998, **ends})


def test_a_flat_run_is_well_though_its_first_minutes_grew() -> None:
    found = judged(samples())
    assert found["faults"] == []
    assert found["is_growth_judged"]
    assert abs(found["growth_mb_per_hour"]) <= 2 * found["growth_half_width_95"]
    assert found["records_per_s"] == pytest.approx(RECORDS_PER_S, rel=1e-3)
    assert (found["median_lag"], found["max_lag"], found["max_partition_lag"]) == (3_200, 3_200, 200)
    assert found["median_lag_s"] == pytest.approx(3_200 / RECORDS_PER_S, rel=1e-2)


def test_a_growth_is_measured_with_its_uncertainty_and_is_a_fault() -> None:
    found = judged(samples(growth=25.0))
    assert abs(found["growth_mb_per_hour"] - 25.0) <= 2 * found["growth_half_width_95"] < 5.0
    assert any("grow by" in fault for fault in found["faults"])


def test_a_run_too_short_says_that_its_growth_is_not_judged() -> None:
    found = judged(samples(minutes=8.0, growth=200.0))
    assert found["faults"] == [] and not found["is_growth_judged"]
    assert "not judged" in report.words(found)
    assert "not measurable" in report.words(judged(samples(minutes=3.0)))


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_interval_holds_the_true_slope_as_often_as_it_says(correlation: float) -> None:
    rng = np.random.default_rng(7)
    minutes, n_runs, n_held = np.arange(50), 300, 0
    for _ in range(n_runs):
        noise = np.zeros(len(minutes))
        for i, shock in enumerate(rng.standard_normal(len(minutes))):
            noise[i] = correlation * noise[i - 1] + shock if i else shock
        found = report.slope(list(60.0 * minutes), list(3.0 * minutes / 60.0 + noise))
        assert found is not None
        n_held += abs(found.per_hour - 3.0) <= found.half_width
    # 95 %; a correlation that is estimated from fifty minutes comes out too small, and the interval with it
    assert (0.90 if correlation == 0.0 else 0.80) <= n_held / n_runs <= 0.995


def test_a_line_without_noise_has_its_slope_exactly() -> None:
    found = report.slope([60.0 * i for i in range(20)], [200.0 + 5.0 * i / 60.0 for i in range(20)])
    assert found is not None
    assert found.per_hour == pytest.approx(5.0, rel=1e-9)
    assert found.half_width < 1e-6


@pytest.mark.parametrize(
    ("changes", "ends", "says"),
    [
        ({"lags": (1_000,) * 16}, {}, "median lag is 8.0 s"),
        ({"restarts": 2, "watchdog_restarts": 1}, {}, "2 restarts, 1 by the watchdog"),
        ({"workers_mb": {0: 200.0, 1: 300.0}}, {}, "largest worker has 300 MB"),
        ({}, {"final_coverage": 0.9}, "coverage 0.9"),
        ({}, {"final_coverage": None}, "coverage None"),
        ({}, {"is_through": False, "final_lag": 77}, "77 records are not acknowledged"),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], ends: dict[str, Any], says: str) -> None:
    (fault,) = judged(samples(**changes), **ends)["faults"]
    assert says in fault


@pytest.mark.parametrize("run", [samples(), samples(minutes=2.0), samples(minutes=1.0, coverage=None)])
def test_the_chart_has_every_panel_inside_its_frame(run: list[Sample]) -> None:
    root = ElementTree.fromstring(report.plot(run))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    titles = [e.text or "" for e in root.iter() if e.tag.endswith("text")]
    for words in (
        "memory of the workers",
        "each worker",
        "not acknowledged",
        "records a second",
        "priced options",
        "broker",
    ):
        assert any(words in title for title in titles), words
    points = [p for e in root.iter() if e.tag.endswith("polyline") for p in e.attrib["points"].split()]
    assert points
    for point in points:
        x, y = map(float, point.split(","))
        assert 0.0 <= x <= width and 0.0 <= y <= height


@pytest.mark.parametrize(("low", "high"), [(0.0, 60.0), (198.2, 203.9), (0.998, 0.998), (0.0, 1e6), (99.79, 99.81)])
def test_ticks_are_few_round_and_enclose(low: float, high: float) -> None:
    ticks = report.nice_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert len({f"{tick:g}" for tick in ticks}) == len(ticks), "they differ as they are written"
    assert ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9
