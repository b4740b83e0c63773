"""What is made of a worker's figures: samples of its metrics, readiness, and the report to its supervisor.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from schemas import RowStatus, SigmaSource, Trigger
from streams.metrics import Distribution, MetricsSettings, Page, Readiness, Samples, ratio, why_not_covered
from streams.reports import Report
from streams.worker.figures import Figures
from streams.worker.latency import cumulative

EDGES_S = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Of the latency histogram; 8 and 30 ms are the figures to reach, 120 ms is that of one spot move."""
STALE_S = 5.0
"""Without a new Clock for so long a partition is stale, as readers see it."""
MOST_REASONS, MOST_CHARS = 5, 200
"""Of a report: it is to fit into one write of a pipe."""

Plain = dict[str, dict[tuple[str, ...], float]]


def readiness(figures: Figures, settings: MetricsSettings) -> Readiness:
    """Ready: every owned partition restored, past its snapshot, fresh, near the log's end, and its chain priced."""
    shares = ratio(figures.n_priced, figures.n_listed), ratio(figures.priced_usd, figures.listed_usd)
    reasons = why_not_current(figures, settings.ready_lag) or why_not_covered(*shares, settings.ready_coverage)
    return Readiness(tuple(reasons), *shares)


def why_not_current(figures: Figures, most_lag: int) -> list[str]:
    """Reasons against readiness but coverage, which one worker's hundred options say little of: it is judged over all."""
    if not figures.owned:
        return ["no partition is owned: the group has given this worker none yet"]
    reasons = []
    if figures.catching_up:
        reasons.append(f"catching up: partitions {_in_words(figures.catching_up)} are being restored from the log")
    lag = sum(item.lag or 0 for item in figures.partitions.values())
    if lag > most_lag:
        reasons.append(f"catching up: {lag} records behind, more than {most_lag}")
    waits: defaultdict[str, list[int]] = defaultdict(list)
    for partition, item in figures.partitions.items():
        if not item.is_pricing:
            waits["a Clock" if item.coverage is None else item.coverage.waits_for].append(partition)
    reasons += [f"partitions {_in_words(ps)} wait for {what}" for what, ps in waits.items()]
    stale = [p for p, item in figures.partitions.items() if item.is_pricing and item.stale_s > STALE_S]
    if stale:
        oldest_s = max(figures.partitions[p].stale_s for p in stale)
        reasons.append(f"stale: partitions {_in_words(stale)} had no Clock for {oldest_s:.0f} s")
    return reasons


def _in_words(partitions: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, partitions))


def report(worker_id: int, figures: Figures, most_lag: int) -> Report:
    """What the supervisor is told."""
    return Report(
        worker=worker_id,
        generation=figures.generation,
        n_events=figures.counts.events,
        is_catching_up=bool(figures.catching_up),
        handed={partition: item.handed for partition, item in figures.partitions.items()},
        n_handed={partition: item.n_handed for partition, item in figures.partitions.items()},
        n_listed=figures.n_listed,
        n_priced=figures.n_priced,
        listed_usd=figures.listed_usd,
        priced_usd=figures.priced_usd,
        reasons=tuple(text[:MOST_CHARS] for text in why_not_current(figures, most_lag)[:MOST_REASONS]),
    )


def page(settings: MetricsSettings) -> Page[Figures]:
    """The worker's page, empty yet."""
    return Page("worker", samples, lambda figures: readiness(figures, settings))


def line(figures: Figures, most_lag: int) -> dict[str, object]:
    """What the worker's log line of every second says beside its counts."""
    share = ratio(figures.n_priced, figures.n_listed)
    by_interest = ratio(figures.priced_usd, figures.listed_usd)
    return {
        "lag": sum(item.lag or 0 for item in figures.partitions.values()),
        "listed": figures.n_listed,
        "priced": figures.n_priced,
        "coverage": None if share is None else round(share, 4),
        "coverage_open_interest": None if by_interest is None else round(by_interest, 4),
        "rejected_by_status": figures.rejected,
        "rows_by_status": rows_by_status(figures.sent),
        "log_events": dict(figures.log_events),
        "not_ready": why_not_current(figures, most_lag),
    }


def rows_by_status(sent: Mapping[tuple[str, tuple[int, ...]], int]) -> dict[str, int]:
    """Rows of greeks.v1 since the process started (C28, C29), from what has been ``sent``."""
    found: defaultdict[str, int] = defaultdict(int)
    for (topic, what), n in sent.items():
        if topic == "greeks" and what:
            found[RowStatus(what[1]).name] += n
    return dict(found)


def samples(figures: Figures) -> Samples:
    """Samples of the table ``WORKER``."""
    found = _totals(figures) | _of_partitions(figures) | _of_results(figures)
    for name, part, whole in (
        ("coverage_ratio", figures.n_priced, figures.n_listed),
        ("open_interest_coverage_ratio", figures.priced_usd, figures.listed_usd),
    ):
        share = ratio(part, whole)
        if share is not None:
            found[name] = {(): share}
    histogram = Distribution(cumulative(figures.latencies, EDGES_S), figures.latency_sum_s)
    return {**found, "latency_seconds": {(): histogram}}


def _totals(figures: Figures) -> Plain:
    counts = figures.counts
    bare = {
        "kernel_seconds_total": figures.kernel_s,
        "kernel_calls_total": figures.n_kernel_calls,
        "checkpoints_total": counts.checkpoints,
        "restores_total": figures.n_restored,
        "rebalances_total": counts.rebalances,
        "holes_total": counts.holes,
        "partitions_owned": len(figures.owned),
        "partitions_ready": sum(item.is_pricing for item in figures.partitions.values()),
        "inbox_records": figures.n_in_inbox,
        "unconfirmed_records": figures.n_unconfirmed,
        "instruments_listed": figures.n_listed,
        "instruments_priced": figures.n_priced,
        "open_interest_listed_usd": figures.listed_usd,
        "open_interest_priced_usd": figures.priced_usd,
    }
    return {
        **{name: {(): float(value)} for name, value in bare.items()},
        "records_total": {("live",): counts.rows, ("filled",): figures.n_filled},
        "records_not_applied_total": {
            ("skipped",): counts.skipped,
            ("dropped",): counts.dropped,
            ("abandoned",): counts.abandoned,
        },
        "instruments_rejected": {(reason,): n for reason, n in figures.rejected.items()},
        "log_events_total": {(kind,): n for kind, n in figures.log_events.items()},
    }


def _of_partitions(figures: Figures) -> Plain:
    by_partition = {(str(partition),): item for partition, item in figures.partitions.items()}
    return {
        "lag_records": {key: item.lag for key, item in by_partition.items() if item.lag is not None},
        "checkpoint_age_seconds": {key: item.checkpoint_age_s for key, item in by_partition.items()},
        "checkpoint_bytes": {key: item.checkpoint_bytes for key, item in by_partition.items()},
        "log_timestamp_seconds": {
            key: item.coverage.log_time_ns / 1e9 for key, item in by_partition.items() if item.coverage is not None
        },
    }


def _of_results(figures: Figures) -> Plain:
    """Results by topic; rows, rejects and trades by what they say."""
    found: defaultdict[str, defaultdict[tuple[str, ...], float]] = defaultdict(lambda: defaultdict(float))
    for (topic, what), n in figures.sent.items():
        found["results_total"][topic,] += n
        if topic == "greeks" and what:
            trigger, status, source = what
            found["rows_total"][Trigger(trigger).name, RowStatus(status).name] += n
            found["sigmas_total"][SigmaSource(source).name,] += n
        elif topic == "rejects" and what:
            found["rejects_total"][RowStatus(what[0]).name,] += n
        elif topic == "trades" and what:
            found["trades_total"][RowStatus(what[0]).name,] += n
    return {name: dict(values) for name, values in found.items()}
