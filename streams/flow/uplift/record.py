"""The A/B record as columns: what the plan names of it, and nothing else."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.flow.uplift.plan import Plan, TimeUnit

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
NS_PER_S = 1_000_000_000
MISSING = ("", "nan", "null", "none")


class DataError(Exception):
    """Data that do not fit the plan; the message says where and what would be right."""


class Record(NamedTuple):
    """Rows of the plan's series, in the order of time."""

    times_ns: Integers
    """(n,) strictly rising."""
    columns: dict[str, Array]
    """(n,) each; nan: not known."""
    n_read: int
    """Rows that were there, those of other series included."""


def columns_of(plan: Plan) -> tuple[str, ...]:
    """Columns of numbers that the plan needs."""
    names = [each.column for each in plan.sampling.where]
    names += [plan.sampling.block_column] if plan.sampling.block_column else []
    for test in plan.tests:
        names += [test.outcome_column, test.predictor_a.column, test.predictor_b.column]
        names += [term.column for term in test.controls]
    return tuple(dict.fromkeys(names))


def _number(value: Any) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return math.nan
    if isinstance(value, bool):
        raise ValueError(value)
    number = float(value)
    return number if math.isfinite(number) else math.nan


def _time_ns(value: Any, unit: TimeUnit) -> int:
    if unit == TimeUnit.ISO:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1e6) * 1_000
    if unit == TimeUnit.S:
        return round(float(value) * 1e6) * 1_000
    whole = int(value)
    return whole if unit == TimeUnit.NS else whole * 1_000_000


def read_record(rows: Iterable[Mapping[str, Any]], plan: Plan) -> Record:
    """The columns of a plan, from rows of text (CSV) or of values (JSON lines); the first row's number is 1.

    Raises ``DataError``: a column that is not there, a cell that is no number, times that do not rise.
    """
    names, data = columns_of(plan), plan.data
    times, cells = array("q"), [array("d") for _ in names]  # eight bytes a number: a second's rows of two months fit
    n_read = 0
    for n_read, row in enumerate(rows, 1):
        needed = (data.time_column, *names, *([data.series_column] if data.series_column else []))
        if n_read == 1 and (missing := [name for name in needed if name not in row]):
            raise DataError(f"no column {', '.join(missing)} in the data; there are: {', '.join(map(str, row))}")
        if data.series_column and str(row.get(data.series_column)) != data.series_equals:
            continue
        name, value = data.time_column, row.get(data.time_column)
        try:
            times.append(_time_ns(value, data.time_unit))
            for column, name in zip(cells, names, strict=True):
                value = row.get(name)
                column.append(_number(value))
        except (TypeError, ValueError, OverflowError) as error:
            what = f"time in {data.time_unit}" if name == data.time_column else "number"
            raise DataError(f"row {n_read}, column {name}: {value!r} is no {what}") from error
        if len(times) > 1 and times[-1] <= times[-2]:
            how = "the time of the row before" if times[-1] == times[-2] else "before the row before"
            raise DataError(f"row {n_read} is at {how}: want one row a time, rising; name one series in data.series")
    if not times:
        of = f" with {data.series_column} = {data.series_equals!r}" if data.series_column and n_read else ""
        raise DataError(f"there is no row{of}")
    columns = {name: np.array(column, dtype=np.float64) for name, column in zip(names, cells, strict=True)}
    return Record(np.array(times, dtype=np.int64), columns, n_read)
