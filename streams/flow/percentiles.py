"""Rolling percentiles of a number, apart for weekdays and weekends (J5): one sample each few minutes of log time, thirty days long."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from streams.flow.book import Array
from streams.flow.settings import FlowSettings

NS_PER_S = 1_000_000_000
S_PER_DAY = 86_400
SATURDAY = 5
N_SORTED = 128
"""Tables that are kept sorted beside what they are: of ten currencies all; each 100 kB at thirty days."""


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
    return np.asarray(np.percentile(_sorted(_Same(kind.values)), pcts), dtype=np.float64)


def rank_pct(table: RollingTable, ts_ns: int, value: float | None, settings: FlowSettings) -> float | None:
    """Per cent of the samples of the moment's kind of day that lie at or below a value; None while there are too few.

    None too for a value that is not known or not finite.
    """
    kind = table.of(ts_ns)
    if value is None or not np.isfinite(value) or len(kind.values) < max(1, settings.table_samples_min):
        return None
    return 100.0 * float(np.searchsorted(_sorted(_Same(kind.values)), value, side="right")) / len(kind.values)


def median(table: RollingTable, ts_ns: int, settings: FlowSettings) -> float | None:
    """Median of the moment's kind of day; None while there are too few samples."""
    found = percentiles(table, ts_ns, (50.0,), settings)
    return None if found is None else float(found[0])


class _Same:
    """Samples by their identity, not by what they are: to look them up costs nothing of their length."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[float, ...]) -> None:
        self.values = values

    def __hash__(self) -> int:
        return id(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.values is other.values


@lru_cache(maxsize=N_SORTED)
def _sorted(same: _Same) -> Array:
    """The samples ascending, made once for each table: it changes every few minutes and is asked every second."""
    return np.sort(np.array(same.values, dtype=np.float64))
