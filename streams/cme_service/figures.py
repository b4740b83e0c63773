"""What the service says of itself: metrics and readiness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.metrics import Page, Readiness, Samples

NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Figures:
    """One moment of the service; batches and marks are counted since the start of its process."""

    n_files: int = 0
    n_rows: Mapping[str, int] = field(default_factory=dict)
    n_batches: int = 0
    n_marks: int = 0
    marks_by_status: Mapping[str, int] = field(default_factory=dict)
    """Of the newest batch."""
    as_of_ns: int = 0
    """Moment of the newest batch; 0: none yet."""
    is_caught_up: bool = False
    """Every file that is there has been read."""


def page() -> Page[Figures]:
    """The service's page, empty yet."""
    return Page("cme", samples, readiness)


def readiness(figures: Figures) -> Readiness:
    """Ready: every file of the folder is read, and marks of them stand in Kafka.  An empty folder is ready: it waits."""
    reasons = []
    if not figures.is_caught_up:
        reasons.append("files wait to be read")
    elif figures.n_files and not figures.as_of_ns:
        reasons.append("no file has given a price or an open interest")
    return Readiness(tuple(reasons))


def samples(figures: Figures) -> Samples:
    """Samples of the table ``CME``."""
    found: dict[str, dict[tuple[str, ...], float]] = {
        "files": {(): figures.n_files},
        "rows": {(what,): n for what, n in figures.n_rows.items()},
        "batches_total": {(): figures.n_batches},
        "marks_total": {(): figures.n_marks},
        "marks": {(status,): n for status, n in figures.marks_by_status.items()},
    }
    if figures.as_of_ns:
        found["as_of_timestamp_seconds"] = {(): figures.as_of_ns / NS_PER_S}
    return found


@dataclass(frozen=True)
class MergeFigures:
    """One moment of the merge; counts are since the start of its process."""

    n_records: int = 0
    n_batches: int = 0
    n_without_flow: int = 0
    marks_ns: int = 0
    """Moment of the newest batch of marks; 0: none yet."""
    said_ns: Mapping[str, int] = field(default_factory=dict)
    share: Mapping[str, float] = field(default_factory=dict)


def merge_page() -> Page[MergeFigures]:
    """The merge's page, empty yet."""
    return Page("merge", merge_samples, merge_readiness)


def merge_readiness(figures: MergeFigures) -> Readiness:
    """Ready as soon as it reads: without marks or without flow there is nothing to say, and that is no fault of the merge."""
    return Readiness(())


def merge_samples(figures: MergeFigures) -> Samples:
    """Samples of the table ``MERGE``."""
    found: dict[str, dict[tuple[str, ...], float]] = {
        "records_total": {(): figures.n_records},
        "batches_total": {(): figures.n_batches},
        "without_flow_total": {(): figures.n_without_flow},
        "as_of_timestamp_seconds": {(currency,): ns / NS_PER_S for currency, ns in figures.said_ns.items()},
        "cme_share_ratio": {(currency,): share for currency, share in figures.share.items()},
    }
    if figures.marks_ns:
        found["marks_timestamp_seconds"] = {(): figures.marks_ns / NS_PER_S}
    return found
