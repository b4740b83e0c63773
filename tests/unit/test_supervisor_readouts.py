"""Metrics and readiness of all workers together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.metrics import MetricsSettings
from streams.metrics.table import SUPERVISOR
from streams.reports import Report
from streams.supervisor.readouts import Child, Figures, readiness, samples
from streams.supervisor.vitals import Vital

LIMITS = MetricsSettings()
REPORT = Report(0, 1, 10, False, {0: 1}, {0: 1}, 60, 60, 5e9, 5e9)
UP = Child("worker-00", True, 0, 0, Vital(REPORT, 0.3, 0))


def workers(*changes: dict[str, object]) -> Figures:
    """Sixteen workers of 60 options each, the first ones with other reports."""
    reports = [replace(REPORT, **change) for change in changes]  # type: ignore[arg-type]
    reports += [REPORT] * (16 - len(reports))
    return Figures(
        tuple(Child(f"worker-{i:02d}", True, 0, 0, Vital(report, 0.3, 0)) for i, report in enumerate(reports))
    )


def test_all_workers_with_the_chain_priced_are_ready() -> None:
    found = readiness(workers(), LIMITS)
    assert (found.is_ready, found.coverage, found.open_interest_coverage) == (True, 1.0, 1.0)


def test_coverage_is_judged_over_the_whole_chain() -> None:
    """One option of a worker's sixty is 1.7 % of that worker's, and 0.1 % of the chain."""
    assert readiness(workers({"n_priced": 59}), LIMITS).is_ready
    found = readiness(workers(*[{"n_priced": 50}] * 16), LIMITS)
    assert found.reasons == ("coverage 0.833 < 0.99",)


def test_a_large_option_without_a_price_is_missed_though_it_is_only_one() -> None:
    found = readiness(workers({"n_priced": 59, "priced_usd": 3e9}), LIMITS)
    assert found.reasons == ("coverage by open interest 0.975 < 0.99",)


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        (UP._replace(is_up=False), "worker-00 does not run"),
        (UP._replace(vital=Vital(None, 4.0, 0)), "worker-00 starts"),
        (UP._replace(vital=Vital(REPORT, 12.0, 0)), "worker-00 has been silent for 12 s"),
        (
            UP._replace(vital=Vital(replace(REPORT, reasons=("catching up: 3",)), 0.1, 0)),
            "worker-00: catching up: 3",
        ),
        (Child("ingest", False, 2, 0, None), "ingest does not run"),
    ],
)
def test_one_child_that_is_not_well_is_enough(child: Child, reason: str) -> None:
    (said,) = readiness(Figures((*workers().children[1:], child)), LIMITS).reasons
    assert reason in said


def test_no_option_at_all_is_not_ready() -> None:
    nothing = {"n_listed": 0, "n_priced": 0, "listed_usd": 0.0, "priced_usd": 0.0}
    assert readiness(workers(*[nothing] * 16), LIMITS).reasons == ("no option is listed",)


def test_reasons_are_bounded() -> None:
    found = readiness(workers(*[{"reasons": ("a", "b")}] * 16), LIMITS)
    assert len(found.reasons) == 21 and found.reasons[-1] == "and 12 more"


def test_every_metric_of_the_table_is_made_and_no_other() -> None:
    children = (
        UP._replace(n_restarts=3, n_watchdog=1, vital=Vital(REPORT, 0.3, 17)),
        Child("ingest", True, 2, 0, None),
    )
    found = samples(Figures(children, knows_ends=True))
    assert found["log_ends_known"] == {(): 1}
    assert set(found) | {"ready"} == {metric.name for metric in SUPERVISOR}
    assert found["restarts_total"] == {("worker-00",): 3, ("ingest",): 2}
    assert found["watchdog_restarts_total"] == {("worker-00",): 1, ("ingest",): 0}
    assert found["unread_records"] == {("worker-00",): 17}, "ingest reads no log"
