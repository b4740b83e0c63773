"""Kernels of the engine compiled, or loaded from the cache, before the first record: a worker's first batch is as fast as the next."""

from __future__ import annotations

from typing import Any

import numpy as np

import schemas
from pricers import value_options
from schemas import InstrumentStatus, OptionQuote
from streams.engine.columns import N_FLOATS, N_WHOLE, Rows, head_of
from streams.engine.quotes import read_quotes
from streams.engine.values import values_of


def warm_up() -> None:
    """One option through every kernel that is not the pricers' own."""
    forward = np.full((10, 1), 1.0)
    found = value_options(
        forward=forward[0], strike=1.0, sigma=1.0, option_sign=1.0, next_fixing_s=1.0, interval_s=1.0, n_fixings=1,
        engine="european",
    )  # fmt: skip
    values = values_of(found, found, found.price_usd, forward, np.array([True]), False)
    rows = Rows(0, values.numbers)
    rows.add(head_of("", None), 0, (0.0,) * N_FLOATS, (0,) * N_WHOLE).value(schemas.SINGLE_OBJECT)
    nothing: dict[str, Any] = dict.fromkeys(OptionQuote._fields) | {
        "ts_event_ns": 0, "ingest_epoch": 0, "instrument_name": "", "is_snapshot": False, "state": InstrumentStatus.OPEN,
    }  # fmt: skip
    read_quotes([schemas.encode(OptionQuote(**nothing))])
