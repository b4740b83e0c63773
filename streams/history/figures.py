"""What the sink says of itself: metrics and readiness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.metrics import Page, Readiness, Samples


class TableFigures(NamedTuple):
    """One table; counts are since the start of the process."""

    rows_written: int
    files: int
    rows_waiting: int
    unreadable: int
    missed: int
    """Records that the topic's retention had deleted before they were read."""
    to_read: int
    """Of what was there at the start."""


@dataclass(frozen=True)
class Figures:
    """One moment of the sink."""

    by_table: Mapping[str, TableFigures] = field(default_factory=dict)


def page() -> Page[Figures]:
    """The sink's page, empty yet."""
    return Page("history", samples, readiness)


def readiness(figures: Figures) -> Readiness:
    """Ready: what was there at the start has been read."""
    behind = {name: one.to_read for name, one in figures.by_table.items() if one.to_read}
    return Readiness(tuple(f"{name}: {n} records of the past to read" for name, n in sorted(behind.items())))


def samples(figures: Figures) -> Samples:
    """Samples of the table ``HISTORY``."""
    names = {
        "rows_total": "rows_written", "files_total": "files", "rows_waiting": "rows_waiting", "unreadable_total": "unreadable",
        "missed_total": "missed",
    }  # fmt: skip
    return {
        metric: {(table,): float(getattr(one, name)) for table, one in figures.by_table.items()}
        for metric, name in names.items()
    }
