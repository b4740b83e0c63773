"""Every metric, by the process that has it.  docs/operations.md shows this table, dashboards and rules use its names only.

Names by Prometheus's convention: base units (seconds, bytes), ``_total`` for what only grows.  Totals are since the start
of the process.  Pure.
"""

from __future__ import annotations

from typing import NamedTuple

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
PREFIX = "greekstream"


class Metric(NamedTuple):
    """One metric.  ``name`` without prefix and role; a counter's ends in ``_total``."""

    name: str
    kind: str
    text: str
    """What it says, for operators and for the HELP line."""
    labels: tuple[str, ...] = ()


WORKER = (
    Metric(
        "records_total",
        COUNTER,
        "Records of the log applied: handed over by Faust (live), or read by a restore (filled).",
        ("path",),
    ),
    Metric(
        "records_not_applied_total",
        COUNTER,
        "Records handed over, not applied: known (skipped), behind the fence (dropped), given up (abandoned).",
        ("reason",),
    ),
    Metric("results_total", COUNTER, "Results sent to Kafka, repeats after a restore among them.", ("topic",)),
    Metric(
        "rows_total", COUNTER, "Rows of greeks.v1 sent, by what made them and how they ended.", ("trigger", "status")
    ),
    Metric(
        "sigmas_total",
        COUNTER,
        "Rows of greeks.v1 sent, by where their sigma came from; STICKY: reused, none was solved.",
        ("source",),
    ),
    Metric("rejects_total", COUNTER, "Rejects sent: on change, and again after each hourly snapshot.", ("reason",)),
    Metric("trades_total", COUNTER, "Rows of trades.v1 sent.", ("status",)),
    Metric(
        "log_events_total",
        COUNTER,
        "What the engine counts in the log: throttled_marks, repeated_trades, old_records, ...",
        ("kind",),
    ),
    Metric("instruments_listed", GAUGE, "Options listed in the owned partitions."),
    Metric("instruments_priced", GAUGE, "Of those, with a finite price and delta in the last 60 s of log time."),
    Metric("instruments_rejected", GAUGE, "Options with a standing reject.", ("reason",)),
    Metric("open_interest_listed_usd", GAUGE, "Open interest of the listed options, at the index."),
    Metric("open_interest_priced_usd", GAUGE, "Open interest of the priced ones, at the index."),
    Metric("coverage_ratio", GAUGE, "Priced over listed options; absent while none is listed."),
    Metric("open_interest_coverage_ratio", GAUGE, "The same by open interest; absent while there is none."),
    Metric(
        "latency_seconds",
        HISTOGRAM,
        "Ingest's write of a record to Kafka's confirmation of each row made; latest and audit follow.",
    ),
    Metric("kernel_seconds_total", COUNTER, "Time in the kernel: decoding, pricing, encoding, snapshots."),
    Metric("kernel_calls_total", COUNTER, "Calls of the kernel, in its thread or in the loop."),
    Metric(
        "lag_records",
        GAUGE,
        "Records of the partition not yet applied, by the consumer's own view of its end.",
        ("partition",),
    ),
    Metric(
        "log_timestamp_seconds", GAUGE, "Log time of the partition's newest watermark, since the epoch.", ("partition",)
    ),
    Metric(
        "checkpoint_age_seconds",
        GAUGE,
        "Since the partition's last confirmed checkpoint, or restore; 0 while that covers all applied.",
        ("partition",),
    ),
    Metric(
        "checkpoint_bytes",
        GAUGE,
        "Size of the partition's newest checkpoint; at most 512 KiB, alarm at half.",
        ("partition",),
    ),
    Metric("checkpoints_total", COUNTER, "Checkpoints confirmed and acknowledged, those of restores apart."),
    Metric("restores_total", COUNTER, "Partitions restored from checkpoint and log."),
    Metric("rebalances_total", COUNTER, "Assignments by the group."),
    Metric("holes_total", COUNTER, "Holes met in what Faust handed over, closed from the log."),
    Metric("partitions_owned", GAUGE, "Partitions that the group has given to this worker."),
    Metric("partitions_ready", GAUGE, "Of those, restored and past a complete snapshot."),
    Metric("inbox_records", GAUGE, "Records handed over that wait for the kernel."),
    Metric("unconfirmed_records", GAUGE, "Results and checkpoints on their way to Kafka."),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

INGEST = (
    Metric("frames_total", COUNTER, "Frames of the venue's websocket that held an event."),
    Metric("events_total", COUNTER, "Events in them."),
    Metric("records_total", COUNTER, "Records written to the log; a broadcast counts once.", ("kind",)),
    Metric(
        "written_bytes_total", COUNTER, "Bytes of their values, before compression; a broadcast counts sixteen times."
    ),
    Metric("conflated_total", COUNTER, "Quotes replaced by a newer one while Kafka was slow."),
    Metric("clamped_total", COUNTER, "Event times beyond the last Clock + 2 s, bounded."),
    Metric("late_total", COUNTER, "Events older than what was written already."),
    Metric("unreadable_total", COUNTER, "Messages of the venue that could not be read."),
    Metric("unlisted_total", COUNTER, "Tickers of instruments that are not listed."),
    Metric("gaps_total", COUNTER, "Outages of the feed, each closed by a FeedGap."),
    Metric("reconnects_total", COUNTER, "Connections after the first."),
    Metric("trades_backfilled_total", COUNTER, "Trades fetched by the venue's API after an outage."),
    Metric("trades_repeated_total", COUNTER, "Trades that the venue sent again, not written twice."),
    Metric("trade_sequence_missing_total", COUNTER, "Trade numbers that no answer of the venue has filled."),
    Metric("fixings_imputed_total", COUNTER, "Settlement fixings without an index price in the 4 s before them."),
    Metric("requests_failed_total", COUNTER, "Requests to the venue that failed."),
    Metric(
        "lag_seconds", GAUGE, "Mean age of a channel's messages on arrival, over the last 2 s with any.", ("channel",)
    ),
    Metric(
        "venue_lag_seconds",
        GAUGE,
        "Age of the newest event by the venue's clock; absent unless the source is in real time.",
    ),
    Metric("clock_timestamp_seconds", GAUGE, "The last Clock written, since the epoch."),
    Metric("queued_records", GAUGE, "Records not yet confirmed by Kafka."),
    Metric("waiting_records", GAUGE, "Records held back: before the first Clock, or quotes under pressure."),
    Metric("instruments_listed", GAUGE, "Instruments that ingest writes."),
    Metric("connected", GAUGE, "1 while the venue is connected."),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

SUPERVISOR = (
    Metric("children", GAUGE, "Processes that it keeps running."),
    Metric("child_up", GAUGE, "1 while the process runs.", ("child",)),
    Metric("restarts_total", COUNTER, "Times that the process was started again, whatever had ended it.", ("child",)),
    Metric(
        "watchdog_restarts_total",
        COUNTER,
        "Of those, after the watchdog had ended it: its lag grew, and it read nothing.",
        ("child",),
    ),
    Metric("log_ends_known", GAUGE, "1 while the broker says where the log ends; else the watchdog judges nobody."),
    Metric("report_age_seconds", GAUGE, "Time since a worker's last report of its loop.", ("child",)),
    Metric(
        "unread_records",
        GAUGE,
        "Records that Faust has not handed to the worker, by the broker's end of the log.",
        ("child",),
    ),
    Metric("coverage_ratio", GAUGE, "Priced over listed options of all its workers; absent while none is listed."),
    Metric("open_interest_coverage_ratio", GAUGE, "The same by open interest; absent while there is none."),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

CME = (
    Metric("files", GAUGE, "Files that have been read into the book."),
    Metric("rows", GAUGE, "Rows of these files, by what became of them.", ("what",)),
    Metric("batches_total", COUNTER, "Batches of marks confirmed by Kafka."),
    Metric("marks_total", COUNTER, "Marks in them."),
    Metric("marks", GAUGE, "Marks of the newest batch.", ("status",)),
    Metric("as_of_timestamp_seconds", GAUGE, "Moment of the newest batch, since the epoch; absent before the first."),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

MERGE = (
    Metric("records_total", COUNTER, "Records of flow.merged.v1 sent."),
    Metric("batches_total", COUNTER, "Batches of CME's marks read."),
    Metric("without_flow_total", COUNTER, "Sets of strikes given up: their second has no final flow."),
    Metric("as_of_timestamp_seconds", GAUGE, "Second of the newest record, since the epoch.", ("currency",)),
    Metric("marks_timestamp_seconds", GAUGE, "Moment of CME's newest marks, since the epoch; absent before the first."),
    Metric("cme_share_ratio", GAUGE, "CME's share of futures open interest, newest reading.", ("currency",)),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

HISTORY = (
    Metric("rows_total", COUNTER, "Rows written to files.", ("table",)),
    Metric("files_total", COUNTER, "Files written.", ("table",)),
    Metric("rows_waiting", GAUGE, "Rows in memory, not yet written.", ("table",)),
    Metric("unreadable_total", COUNTER, "Records that could not be decoded.", ("table",)),
    Metric("missed_total", COUNTER, "Records that retention had deleted before they were read.", ("table",)),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

FLOW = (
    Metric("records_total", COUNTER, "Records of greeks.v1 and trades.v1 read."),
    Metric("published_total", COUNTER, "Records of flow.v1 sent, repeats after a restart among them.", ("kind",)),
    Metric("unreadable_total", COUNTER, "Values that are no record; they are in deadletter.v1."),
    Metric("repeats_total", COUNTER, "Results that a worker has written again, dropped."),
    Metric("checkpoints_total", COUNTER, "Checkpoints confirmed."),
    Metric("checkpoint_bytes", GAUGE, "Size of the newest checkpoint, all its pieces."),
    Metric("fold_seconds_total", COUNTER, "Time in the fold: decoding, dealers' positions, exposures, encoding."),
    Metric("partitions_late", GAUGE, "Partitions that have not passed the newest second that another one has."),
    Metric(
        "lanes_waiting", GAUGE, "Partitions of either topic not read for now, because they are far ahead of others."
    ),
    Metric("log_timestamp_seconds", GAUGE, "The newest second that any partition has passed, since the epoch."),
    Metric("final_timestamp_seconds", GAUGE, "The second of the newest final record, since the epoch."),
    Metric("ready", GAUGE, "1 when /ready says so."),
)

ROLES: dict[str, tuple[Metric, ...]] = {
    "worker": WORKER,
    "ingest": INGEST,
    "supervisor": SUPERVISOR,
    "flow": FLOW,
    "cme": CME,
    "merge": MERGE,
    "history": HISTORY,
}


def full_name(role: str, metric: Metric) -> str:
    """The name as Prometheus has it."""
    return f"{PREFIX}_{role}_{metric.name}"


def series_names() -> set[str]:
    """Every name that a query may use: a histogram's three among them."""
    names = set()
    for role, metrics in ROLES.items():
        for metric in metrics:
            name = full_name(role, metric)
            names |= {f"{name}{end}" for end in ("_bucket", "_sum", "_count")} if metric.kind == HISTOGRAM else {name}
    return names
