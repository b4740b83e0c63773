"""Kernels of the engine compiled, or loaded from the cache, before the first record: a worker's first batch is as fast as the next."""

from __future__ import annotations

from typing import Any

import numpy as np

import schemas
from pricers.matrices import VALUE_ROWS, value_matrix
from schemas import InstrumentStatus, OptionQuote
from streams.engine.columns import N_FLOATS, N_WHOLE, Rows, head_of
from streams.engine.quotes import read_quotes
from streams.engine.values import values_of


def warm_up() -> None:
    """One option through every kernel that is not the pricers' own."""
    inputs = np.ones((len(VALUE_ROWS), 1))
    found, _ = value_matrix(inputs, "linear", "european")
    values = values_of(found, found, found[0], inputs, np.array([True]), False)
    rows = Rows(0, values.numbers)
    rows.add(head_of("", None), 0, (0.0,) * N_FLOATS, (0,) * N_WHOLE).value(schemas.SINGLE_OBJECT)
    nothing: dict[str, Any] = dict.fromkeys(OptionQuote._fields) | {
        "ts_event_ns": 0, "ingest_epoch": 0, "instrument_name": "", "is_snapshot": False, "state": InstrumentStatus.OPEN,
    }  # fmt: skip
    read_quotes([schemas.encode(OptionQuote(**nothing))])
