"""What the service says of itself: metrics and readiness."""

from __future__ import annotations

from typing import NamedTuple

from streams.metrics import Page, Readiness, Samples

NS_PER_S = 1e9
LAG_S = 10.0
"""Final records that are so much older than the newest second: partitions are late, or this is catching up."""


class Figures(NamedTuple):
    """One moment of the service; totals since its start."""

    n_records: int
    n_finals: int
    n_provisional: int
    n_unreadable: int
    n_repeats: int
    n_checkpoints: int
    checkpoint_bytes: int
    final_ns: int
    newest_ns: int
    n_late: int
    fold_s: float
    n_paused: int


def page() -> Page[Figures]:
    """The service's page, empty yet."""
    return Page("flow", samples, readiness)


def readiness(figures: Figures) -> Readiness:
    """Ready: final records go out, and are not far behind the newest partition."""
    if figures.newest_ns < 0:
        return Readiness(("no Watermark has come: do the workers run?",))
    if figures.final_ns < 0:
        return Readiness(("no second is final yet: some partition has no Watermark",))
    lag_s = (figures.newest_ns - figures.final_ns) / NS_PER_S
    return Readiness((f"final records are {lag_s:.0f} s behind the newest partition",) if lag_s > LAG_S else ())


def samples(figures: Figures) -> Samples:
    """Samples of the table ``FLOW``."""
    found: dict[str, dict[tuple[str, ...], float]] = {
        "records_total": {(): figures.n_records},
        "published_total": {("final",): figures.n_finals, ("provisional",): figures.n_provisional},
        "unreadable_total": {(): figures.n_unreadable},
        "repeats_total": {(): figures.n_repeats},
        "checkpoints_total": {(): figures.n_checkpoints},
        "checkpoint_bytes": {(): figures.checkpoint_bytes},
        "fold_seconds_total": {(): figures.fold_s},
        "partitions_late": {(): figures.n_late},
        "lanes_waiting": {(): figures.n_paused},
    }
    if figures.newest_ns >= 0:
        found["log_timestamp_seconds"] = {(): figures.newest_ns / NS_PER_S}
    if figures.final_ns >= 0:
        found["final_timestamp_seconds"] = {(): figures.final_ns / NS_PER_S}
    return found
