"""What the doctor concludes from facts; and that what it tells people to type can be typed."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from schemas import FeedStatus, Watermark
from streams import doctor
from streams.cli import main
from streams.doctor import OK, PROBLEM, UNKNOWN, Finding, Mark

NOW_S = 1_700_000_000.0


def mark(partition: int, age_s: float | None = 1.0, **changes: object) -> Mark:
    watermark = Watermark(
        partition=partition, log_time_ns=1, source_offset=10, is_ready=True, n_listed=100, n_priced=100, n_rejected=0, result_seq=0,
        settings_hash="aa", engine_version="1", cpu_features="avx2", wire_format="single-object", log_id="x",
    )  # fmt: skip
    return Mark(watermark._replace(**changes), None if age_s is None else NOW_S - age_s)


def marks(**changes: object) -> dict[int, Mark]:
    return {partition: mark(partition, **changes) for partition in range(16)}  # type: ignore[arg-type]


def feed(state: str) -> FeedStatus:
    return FeedStatus("deribit", 5, state, 1, {"ticker": 12.0}, 0, 0, 2, "")


EXISTING = {f"sim.{name}": 16 for name in (
    "deribit.ticks.v1", "greeks.v1", "greeks.latest.v1", "rejects.v1", "trades.v1", "audit.v1", "checkpoints.v1",
    "checkpoints.history.v1", "deadletter.v1", "feed.status.v1", "schemas.v1", "flow.v1", "flow.strikes.v1",
    "flow.settlements.v1",
)}  # fmt: skip
WITHOUT_TRADES = {name: n for name, n in EXISTING.items() if "trades" not in name}

HEALTHY = [
    doctor.judge_topics("sim", EXISTING, {}),
    doctor.judge_clock(0.01),
    doctor.judge_feed("sim", feed("connected")),
    doctor.judge_group("sim", "sim.greekstream-workers", "stable", 4, dict.fromkeys(range(16), 20)),
    doctor.judge_coverage("sim", marks(), NOW_S),
    doctor.judge_versions(marks()),
]
ILL = {
    "a topic is missing": (doctor.judge_topics("sim", WITHOUT_TRADES, {}), "sim.trades.v1"),
    "a setting is wrong": (doctor.judge_topics("sim", EXISTING, {"sim.greeks.v1": {"retention.ms": ("5", "6")}}), "retention.ms is 5"),
    "partitions are wrong": (doctor.judge_topics("sim", EXISTING, {"sim.greeks.v1": {"partitions": ("8", "16")}}), "partitions is 8"),
    "the clock is off": (doctor.judge_clock(-0.8), "-800 ms"),
    "no ingest": (doctor.judge_feed("sim", None), "no ingest"),
    "ingest disconnected": (doctor.judge_feed("sim", feed("disconnected")), "disconnected"),
    "no worker": (doctor.judge_group("sim", "g", "empty", 0, {0: 5}), "0 members"),
    "all lag": (doctor.judge_group("sim", "g", "stable", 2, dict.fromkeys(range(16), 1000)), "16000"),
    "one lags": (doctor.judge_group("sim", "g", "stable", 16, {3: 20_000, 4: 1}), "20001"),
    "nothing priced": (doctor.judge_coverage("sim", {}, NOW_S), "no watermark"),
    "a partition missing": (doctor.judge_coverage("sim", {p: m for p, m in marks().items() if p != 7}, NOW_S), ": 7"),
    "stale": (doctor.judge_coverage("sim", marks() | {9: mark(9, 30.0)}, NOW_S), "partitions 9 had no watermark for up to 30 s"),
    "not ready": (doctor.judge_coverage("sim", marks() | {2: mark(2, is_ready=False)}, NOW_S), "snapshot: 2"),
    "not covered": (doctor.judge_coverage("sim", marks() | {2: mark(2, n_priced=80)}, NOW_S), "1580 of 1600"),
    "nothing listed": (doctor.judge_coverage("sim", marks(n_listed=0, n_priced=0), NOW_S), "0 of 0"),
    "mixed engines": (doctor.judge_versions(marks() | {5: mark(5, engine_version="2")}), "engine_version differs"),
    "mixed settings": (doctor.judge_versions(marks() | {5: mark(5, settings_hash="bb")}), "bb on partitions 5"),
}  # fmt: skip


def several(found: Finding | list[Finding]) -> list[Finding]:
    return [found] if isinstance(found, Finding) else found


@pytest.mark.parametrize("found", HEALTHY)
def test_a_healthy_pipeline_has_no_problem_and_nothing_to_do(found: Finding | list[Finding]) -> None:
    assert several(found)
    assert [(finding.state, finding.remedy) for finding in several(found)] == [(OK, "")] * len(several(found))


@pytest.mark.parametrize("name", ILL)
def test_an_illness_is_named_with_its_place_and_with_what_to_do(name: str) -> None:
    found, words = ILL[name]
    problems = [finding for finding in several(found) if finding.state == PROBLEM]
    assert len(problems) == 1
    assert words in problems[0].text
    assert problems[0].remedy


def test_a_clock_that_cannot_be_read_is_unknown_not_fine() -> None:
    assert doctor.judge_clock(None).state == UNKNOWN


def test_a_watermark_without_a_wall_time_is_not_called_stale() -> None:
    assert [finding.state for finding in doctor.judge_coverage("", marks(age_s=None), NOW_S)] == [OK]


@pytest.mark.parametrize("name", ILL)
def test_every_command_the_doctor_prescribes_can_be_typed(name: str) -> None:
    found, _ = ILL[name]
    for finding in several(found):
        for line in re.findall(r"greekstream ([^,;]+)", finding.remedy):
            words = shlex.split(line)
            command = main.get_command(click.Context(main), words[0])
            assert command is not None, line
            command.make_context(words[0], words[1:], resilient_parsing=False)
