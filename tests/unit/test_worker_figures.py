"""What a worker says of itself: coverage of a hand-written log, counts, readiness, the report."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

import schemas
from schemas import RowStatus, SigmaSource, Trigger
from streams.engine import EngineSettings
from streams.metrics import Distribution, MetricsSettings, ratio
from streams.metrics.table import WORKER
from streams.reports import MOST_BYTES, encode
from streams.worker import readouts
from streams.worker.coverage import coverage_of, what_of
from streams.worker.figures import Figures, PartitionFigures
from streams.worker.folds import Coverage, RawRecord
from streams.worker.latency import Latencies, cumulative
from streams.worker.pricing import PricingMaker
from streams.worker.work import Counts
from tests import logs

SETTINGS = EngineSettings()
LIMITS = MetricsSettings()


def ready_log() -> logs.Log:
    """A call with open interest 12.5 coin, a put with 4 and without any price, a future; the index at 30 000."""
    log = logs.Log()
    log.clock(0)
    log.underlying()
    log.contract(logs.CALL)
    log.quote(logs.CALL)
    log.contract(logs.PUT)
    log.quote(logs.PUT, bid=None, ask=None, mark=None, open_interest=4.0)
    log.contract("BTC-PERPETUAL")
    log.set(n_here=3)
    log.clock(1)
    return log


def test_coverage_counts_options_and_weighs_them_by_open_interest_at_the_index() -> None:
    state, _ = ready_log().fold()
    found = coverage_of(state, SETTINGS)
    assert (found.n_listed, found.n_priced, found.waits_for) == (2, 1, "")
    assert found.open_interest_listed_usd == 16.5 * 30_000.0
    assert found.open_interest_priced_usd == 12.5 * 30_000.0
    assert sum(found.rejected.values()) == 1
    assert found.log_time_ns == logs.ns(1)


def test_a_price_of_more_than_a_minute_ago_is_none() -> None:
    """With no time trigger in between: the log stands still for 61 s after its last calculation."""
    state, _ = ready_log().fold()
    (call,) = (inst for inst in state.instruments.values() if inst.name == logs.CALL)
    state.log_time_ns = call.good_ns + 60 * logs.NS
    assert coverage_of(state, SETTINGS).n_priced == 1
    state.log_time_ns += 1
    assert coverage_of(state, SETTINGS).n_priced == 0


def test_an_option_whose_interest_or_index_is_not_known_weighs_nothing() -> None:
    log = logs.Log()
    log.clock(0)
    log.contract(logs.CALL)
    log.quote(logs.CALL)
    log.contract(logs.PUT)
    log.set(n_here=2)
    log.clock(1)
    found = coverage_of(log.fold()[0], SETTINGS)
    assert (found.n_listed, found.open_interest_listed_usd) == (2, 0.0)


def test_coverage_is_what_the_watermark_of_the_same_clock_says() -> None:
    state, results = ready_log().fold()
    mark = [r.record for r in results if isinstance(r.record, schemas.Watermark)][-1]
    found = coverage_of(state, SETTINGS)
    assert (mark.n_listed, mark.n_priced, mark.n_rejected) == (
        found.n_listed,
        found.n_priced,
        sum(found.rejected.values()),
    )


def test_a_fold_makes_it_at_the_first_clock_after_it_was_asked_for() -> None:
    log = ready_log()
    raw = [RawRecord(item.offset, schemas.encode(item.record), None) for item in log.located]
    fold = PricingMaker(SETTINGS, "sim", schemas.packaged).fold(3, "log-a")
    state, _ = fold.step(fold.new_state(), raw[:-1])
    assert fold.coverage() is None, "nobody had asked"
    fold.step(state, raw[-1:])
    found = fold.coverage()
    assert found is not None and found.n_listed == 2


def test_rows_are_counted_by_what_made_them_how_they_ended_and_their_sigma() -> None:
    log = ready_log()
    log.quote(logs.CALL, at=1.5, bid=0.0330)
    log.clocks(2, 62)  # a minute: the time trigger reprices at the sigma of the quote
    found = Counter(what_of(r) for r in log.run() if isinstance(r.record, schemas.Greeks) and r.topic == "greeks")
    assert found[Trigger.QUOTE, RowStatus.OK, SigmaSource.BID_ASK_MID] == 1
    assert found[Trigger.TIME, RowStatus.OK, SigmaSource.STICKY] == 1
    latest = [r for r in log.run() if r.topic == "latest"]
    assert latest and {what_of(r) for r in latest} == {()}, "the same row again"
    rejects = [what_of(r) for r in log.run() if isinstance(r.record, schemas.Reject)]
    assert rejects and all(len(what) == 1 and what[0] != RowStatus.OK for what in rejects)


def test_marks_that_wait_for_the_throttle_are_counted() -> None:
    log = logs.Log().ready()
    log.quote(at=2.0, mark=0.0340)  # the leading edge
    log.quote(at=2.3, mark=0.0350)  # arms the trailing one
    log.quote(at=2.6, mark=0.0360)  # takes its place
    log.clock(4)
    state, results = log.fold()
    marks = [row for row in logs.rows(results) if row.trigger == Trigger.MARK]
    assert [row.mark for row in marks] == [0.0340, 0.0360]
    assert state.counters["throttled_marks"] == 2


COVERED = Coverage(logs.ns(1), "", 100, 100, {}, 1e6, 1e6, {"old_records": 2})
PARTITION = PartitionFigures(1_000, 1_000, 400, 5, 0.5, 30_000, True, COVERED, 0.4)
READY = Figures(generation=1, owned=(3, 7), partitions={3: PARTITION, 7: PARTITION})


def reasons(figures: Figures) -> tuple[str, ...]:
    return readouts.readiness(figures, LIMITS).reasons


def changed(**fields: object) -> Figures:
    return replace(READY, partitions={3: PARTITION, 7: PARTITION._replace(**fields)})


def covered(**fields: object) -> Figures:
    return changed(coverage=COVERED._replace(**fields))


def test_a_worker_that_prices_its_whole_chain_is_ready() -> None:
    found = readouts.readiness(READY, LIMITS)
    assert (found.is_ready, found.coverage, found.open_interest_coverage) == (True, 1.0, 1.0)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (Figures(), "no partition is owned"),
        (replace(READY, catching_up=(7,)), "partitions 7 are being restored"),
        (changed(lag=10_000), "10005 records behind, more than 10000"),
        (changed(is_pricing=False, coverage=None), "partitions 7 wait for a Clock"),
        (
            changed(is_pricing=False, coverage=COVERED._replace(waits_for="a complete InstrumentSet")),
            "partitions 7 wait for a complete InstrumentSet",
        ),
        (changed(stale_s=5.1), "stale: partitions 7 had no Clock for 5 s"),
        (covered(n_priced=66), "coverage 0.830 < 0.99"),
        (covered(open_interest_priced_usd=0.9e6), "coverage by open interest 0.950 < 0.99"),
    ],
)
def test_it_is_not_ready_for_one_reason_which_it_says(figures: Figures, reason: str) -> None:
    (said,) = reasons(figures)
    assert reason in said


def test_full_coverage_of_a_moment_that_has_passed_is_not_ready() -> None:
    """The chain was priced whole, and then the feed went away: a ratio alone would stand at 1 for ever."""
    stale = replace(READY, partitions={3: PARTITION._replace(stale_s=60.0), 7: PARTITION._replace(stale_s=60.0)})
    found = readouts.readiness(stale, LIMITS)
    assert (found.coverage, found.is_ready) == (1.0, False)


def test_a_partition_without_options_hinders_nobody() -> None:
    nothing = COVERED._replace(n_listed=0, n_priced=0, open_interest_listed_usd=0.0, open_interest_priced_usd=0.0)
    assert reasons(changed(coverage=nothing)) == ()
    assert ratio(0, 0) is None


def test_every_metric_of_the_table_is_made_and_no_other() -> None:
    sent = {
        ("greeks", (Trigger.QUOTE, RowStatus.OK, SigmaSource.STICKY)): 7,
        ("greeks", (Trigger.TIME, RowStatus.OK, SigmaSource.STICKY)): 2,
        ("greeks", ()): 1,
        ("rejects", (RowStatus.NO_SIGMA,)): 3,
        ("rejects", ()): 1,
        ("trades", (RowStatus.OK,)): 4,
    }
    figures = replace(
        covered(rejected={"NO_SIGMA": 2}), sent=sent, log_events={"old_records": 1}, counts=Counts(rows=11, skipped=3)
    )
    found = readouts.samples(figures)
    assert set(found) | {"ready"} == {metric.name for metric in WORKER}
    assert found["rows_total"] == {("QUOTE", "OK"): 7, ("TIME", "OK"): 2}
    assert found["sigmas_total"] == {("STICKY",): 9}
    assert found["results_total"] == {("greeks",): 10, ("rejects",): 4, ("trades",): 4}
    assert found["rejects_total"] == {("NO_SIGMA",): 3}, "a tombstone is no reject"
    assert found["records_total"]["live",] == 11
    assert found["lag_records"] == {("3",): 5, ("7",): 5}
    for metric in WORKER:
        for labels in found.get(metric.name, {}):
            assert len(labels) == len(metric.labels), metric.name


def test_what_is_not_known_has_no_number() -> None:
    found = readouts.samples(changed(lag=None, coverage=None))
    assert set(found["lag_records"]) == {("3",)}
    assert "coverage_ratio" not in readouts.samples(Figures())


def test_the_latency_histogram_is_of_all_that_was_seen_since_the_start() -> None:
    latencies = Latencies()
    latencies.add([5_000_000, 5_000_000, 40_000_000])
    latencies.take()
    latencies.add([2_000_000_000])
    counts, sum_s = latencies.so_far()
    assert sum_s == pytest.approx(2.05, rel=1e-12)
    edges = cumulative(counts, (0.004, 0.008, 0.06, 10.0))
    assert edges == ((0.004, 0), (0.008, 2), (0.06, 3), (10.0, 4), (math.inf, 4))


def test_an_edge_of_the_histogram_counts_nothing_above_it() -> None:
    latencies = Latencies()
    latencies.add([8_000_001, 7_700_000])
    counts, _ = latencies.so_far()
    assert cumulative(counts, (0.008, 0.0083)) == ((0.008, 1), (0.0083, 2), (math.inf, 2))
    content = readouts.samples(replace(READY, latencies=counts, latency_sum_s=0.0157))["latency_seconds"][()]
    assert isinstance(content, Distribution) and content.cumulative[-1] == (math.inf, 2)


def test_the_report_leaves_coverage_to_the_supervisor_and_fits_into_a_pipe() -> None:
    told = readouts.report(3, covered(n_priced=0), 10_000)
    assert told.reasons == (), "one worker's hundred options: the supervisor judges all of them together"
    assert (told.n_priced, told.n_listed, told.handed) == (100, 200, {3: 1_000, 7: 1_000})
    verbose = {
        p: PARTITION._replace(is_pricing=False, coverage=COVERED._replace(waits_for=f"{p}" * 500)) for p in range(16)
    }
    told = readouts.report(3, replace(READY, partitions=verbose), 0)
    assert len(told.reasons) == 5 and len(encode(told)) <= min(4_096, MOST_BYTES)


def test_the_log_line_has_coverage_lag_and_rejects() -> None:
    """C28, C29: by reason, over the partitions of the process."""
    sent = {("greeks", (0, 0, 0)): 3, ("greeks", (4, 0, 3)): 2, ("greeks", (4, 1, 4)): 5, ("latest", (4, 0, 3)): 9}
    told = replace(covered(n_priced=66, rejected={"NO_SIGMA": 34}), sent=sent, log_events={"old_records": 2})
    said = readouts.line(told, 10_000)
    assert (said["coverage"], said["lag"], said["rejected_by_status"]) == (0.83, 10, {"NO_SIGMA": 34})
    assert said["rows_by_status"] == {RowStatus(0).name: 5, RowStatus(1).name: 5}
    assert said["log_events"] == {"old_records": 2}
