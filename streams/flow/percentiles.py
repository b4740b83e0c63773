"""Rolling percentiles of a number, apart for weekdays and weekends (J5): one sample each few minutes of log time, thirty days long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.flow.book import Array
from streams.flow.settings import FlowSettings

NS_PER_S = 1_000_000_000
S_PER_DAY = 86_400
SATURDAY = 5


class Table(NamedTuple):
    """Samples of one kind of day, oldest first.  Arrays are never changed in place."""

    ts_ns: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


class RollingTable(NamedTuple):
    """Samples of a number on weekdays and on weekends."""

    weekday: Table = Table()
    weekend: Table = Table()

    def of(self, ts_ns: int) -> Table:
        """The table of a moment's kind of day."""
        return self.weekend if is_weekend(ts_ns) else self.weekday


def is_weekend(ts_ns: int) -> bool:
    """Saturday or Sunday, UTC; 1 January 1970 was a Thursday."""
    return (ts_ns // (S_PER_DAY * NS_PER_S) + 3) % 7 >= SATURDAY


def step_table(table: RollingTable, ts_ns: int, value: float | None, settings: FlowSettings) -> RollingTable:
    """Take in a number: kept if it is known and a sample is due; what is older than the table's days goes."""
    if value is None or not np.isfinite(value):
        return table
    kind = table.of(ts_ns)
    if kind.ts_ns and ts_ns - kind.ts_ns[-1] < settings.table_sample_s * NS_PER_S:
        return table
    oldest_ns = ts_ns - int(settings.table_days * S_PER_DAY * NS_PER_S)
    first = next((i for i, at in enumerate(kind.ts_ns) if at >= oldest_ns), len(kind.ts_ns))
    grown = Table((*kind.ts_ns[first:], ts_ns), (*kind.values[first:], float(value)))
    return table._replace(weekend=grown) if is_weekend(ts_ns) else table._replace(weekday=grown)


def percentiles(table: RollingTable, ts_ns: int, pcts: tuple[float, ...], settings: FlowSettings) -> Array | None:
    """Percentiles of the moment's kind of day; None while it has too few samples."""
    kind = table.of(ts_ns)
    if len(kind.values) < settings.table_samples_min:
        return None
    return np.asarray(np.percentile(np.array(kind.values), pcts), dtype=np.float64)


def rank_pct(table: RollingTable, ts_ns: int, value: float | None, settings: FlowSettings) -> float | None:
    """Per cent of the samples of the moment's kind of day that lie at or below a value; None while there are too few."""
    kind = table.of(ts_ns)
    if value is None or len(kind.values) < settings.table_samples_min:
        return None
    return 100.0 * float(np.count_nonzero(np.array(kind.values) <= value)) / len(kind.values)


def median(table: RollingTable, ts_ns: int, settings: FlowSettings) -> float | None:
    """Median of the moment's kind of day; None while there are too few samples."""
    found = percentiles(table, ts_ns, (50.0,), settings)
    return None if found is None else float(found[0])
