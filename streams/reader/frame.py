"""Records as columns, and as a DataFrame where pandas is there."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any


class PandasMissing(ImportError):
    """A DataFrame was asked for and pandas is not installed."""


def to_columns(records: Iterable[Any]) -> dict[str, list[Any]]:
    """{field: values} of records of one type, enums by name; {} of none.  For pandas, polars, NumPy."""
    rows = list(records)
    if not rows:
        return {}
    return {
        name: [value.name if isinstance(value, IntEnum) else value for value in values]
        for name, values in zip(rows[0]._fields, zip(*rows, strict=True), strict=True)
    }


def to_frame(records: Iterable[Any]) -> Any:
    """pandas.DataFrame, indexed by ``instrument_name``; None becomes NaN in columns of numbers.

    Raises PandasMissing, an ImportError, that says what to install.
    """
    try:
        import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise PandasMissing(
            "a DataFrame needs pandas: pip install pandas (streams.reader.to_columns works without it)"
        ) from error
    columns = to_columns(records)
    return pandas.DataFrame(columns).set_index("instrument_name") if columns else pandas.DataFrame()
