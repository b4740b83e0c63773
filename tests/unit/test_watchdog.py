"""The watchdog's verdict on hand-written sequences: one observation a second, a limit of five."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.reports import Report
from streams.supervisor.watchdog import Observation, Watchdog, unread

LIMIT_S = 5.0
HEALTHY = Report(worker=3, generation=1, n_events=100, is_catching_up=False, handed={3: 99, 7: 49})


class Sequence:
    """Seconds of a worker's life.  ``ends`` grow by two a second in each of its partitions unless told otherwise."""

    def __init__(self, report: Report | None = HEALTHY, within_s: float = LIMIT_S) -> None:
        self.watchdog = Watchdog(within_s)
        self.now_s, self.reported_s = 1_000.0, 1_000.0
        self.report, self.ends = report, {3: 100, 7: 50}

    def second(
        self, report: Report | None = None, *, written: int = 2, is_silent: bool = False, is_away: bool = False
    ) -> bool:
        self.now_s += 1.0
        self.ends = {partition: end + written for partition, end in self.ends.items()}
        if not is_silent:
            self.report, self.reported_s = report or self.report, self.now_s
        return self.watchdog.is_dead(
            Observation(self.now_s, self.report, self.reported_s, None if is_away else self.ends)
        )

    def reading(self) -> Report:
        """A report of one that has read all there is."""
        assert self.report is not None
        handed = {partition: end - 1 for partition, end in self.ends.items()}
        return replace(self.report, n_events=self.report.n_events + 4, handed=handed)


def test_unread_is_what_lies_behind_the_last_record_handed_over() -> None:
    assert unread(HEALTHY, {3: 100, 7: 50}) == {3: 0, 7: 0}
    assert unread(HEALTHY, {3: 103, 7: 51}) == {3: 3, 7: 1}
    assert unread(HEALTHY, {3: 90}) == {3: 0, 7: 0}, "an answer that is older than the report"


def test_one_that_reads_nothing_while_its_log_grows_is_dead_when_the_time_is_over() -> None:
    life = Sequence()
    # the first second shows it standing for the first time: the span begins there
    assert [life.second() for _ in range(8)] == [False] * 6 + [True] * 2


def test_one_that_reads_is_alive_however_far_behind() -> None:
    life = Sequence()
    life.ends = {3: 1_000_000, 7: 1_000_000}
    for i in range(60):
        reading = replace(HEALTHY, n_events=100 + i, handed={3: 99 + i, 7: 49 + i}, n_handed={3: i, 7: i})
        assert not life.second(reading)


def test_one_record_read_begins_the_span_anew() -> None:
    life = Sequence()
    assert not any(life.second() for _ in range(6))
    assert not life.second(replace(HEALTHY, n_events=101, handed={3: 100, 7: 49}))
    assert [life.second() for _ in range(6)] == [False] * 5 + [True]


def test_one_partition_that_is_not_read_while_the_other_is_gets_four_times_as_long() -> None:
    life = Sequence()
    verdicts = [
        life.second(replace(HEALTHY, n_events=100 + i, handed={3: 99 + 2 * i, 7: 49}, n_handed={3: i, 7: 0}))
        for i in range(1, 30)
    ]
    assert verdicts.index(True) == 4 * LIMIT_S + 1


def test_records_that_are_known_already_are_read_too() -> None:
    """After a catch-up from the log Faust hands over again what the worker has been through by itself."""
    life = Sequence()
    life.ends = {3: 1_000_000, 7: 1_000_000}
    for i in range(60):
        assert not life.second(replace(HEALTHY, n_events=100 + i, n_handed={3: i, 7: i}))


def test_nothing_written_is_nothing_to_read() -> None:
    life = Sequence()
    assert not any(life.second(written=0) for _ in range(60))


def test_a_lag_that_stands_still_is_not_one_that_grows() -> None:
    """A gap in the offsets, as a compaction or a transaction leaves, is not made of records."""
    life = Sequence()
    life.ends = {3: 104, 7: 50}
    assert not any(life.second(written=0) for _ in range(60))


def test_a_record_a_minute_that_is_read_is_no_lag() -> None:
    life = Sequence()
    for minute in range(3):
        # the end is known a second before the report that has the record
        assert not life.second(written=1)
        assert not life.second(life.reading(), written=0)
        assert not any(life.second(written=0) for _ in range(58)), minute


def test_a_catch_up_from_the_log_is_no_death() -> None:
    life = Sequence()
    assert not any(life.second(replace(HEALTHY, is_catching_up=True)) for _ in range(600))
    # it is over, and Faust hands nothing over: the second observation of that begins the span
    assert [life.second(HEALTHY) for _ in range(7)] == [False] * 6 + [True]


def test_a_rebalance_begins_the_span_anew() -> None:
    life = Sequence()
    assert not any(life.second() for _ in range(6))
    assert not life.second(replace(HEALTHY, generation=2, handed={}))
    assert not any(life.second() for _ in range(60)), "it owns nothing"
    assert not life.second(replace(HEALTHY, generation=3, handed={3: 99}))
    assert [life.second() for _ in range(6)] == [False] * 5 + [True]


def test_while_the_broker_is_away_nobody_is_blamed() -> None:
    life = Sequence()
    assert not any(life.second() for _ in range(6))
    assert not any(life.second(is_away=True) for _ in range(120))
    assert [life.second() for _ in range(7)] == [False] * 6 + [True]


def test_a_process_that_is_stopped_reports_nothing_and_is_dead_too() -> None:
    life = Sequence()
    life.second()
    assert [life.second(is_silent=True) for _ in range(6)] == [False] * 4 + [True] * 2


@pytest.mark.parametrize("report", [replace(HEALTHY, is_catching_up=True), replace(HEALTHY, handed={})])
def test_one_that_is_stopped_in_a_restore_is_dead_too(report: Report) -> None:
    """Nothing is restored yet, so that nothing can be said of its lag (seen: stopped 0.2 s after its assignment)."""
    life = Sequence(report)
    life.second()
    assert [life.second(is_silent=True) for _ in range(6)] == [False] * 4 + [True] * 2


def test_a_pause_of_everything_blames_nobody() -> None:
    """The supervisor was stopped as long as its workers, as when a container is paused: all look silent when it wakes."""
    life = Sequence()
    assert not any(life.second(life.reading()) for _ in range(3))
    life.now_s += 3_600.0
    assert not life.second(is_silent=True)
    assert not any(life.second(life.reading()) for _ in range(20))


def test_before_its_first_report_nothing_is_known() -> None:
    life = Sequence(report=None)
    assert not any(life.second(is_silent=True) for _ in range(600))


@pytest.mark.parametrize("within_s", [2.0, 30.0])
def test_the_limit_is_the_one_given(within_s: float) -> None:
    life = Sequence(within_s=within_s)
    verdicts = [life.second() for _ in range(40)]
    assert verdicts.index(True) == within_s + 1
