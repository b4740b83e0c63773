"""The pricing fold with the pricing taken out: the same records, rows and bytes, but every number is a constant.

What a worker does with it in a second is the most that a worker could do if pricing cost nothing (DESIGN 8).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pricers import ImpliedVol, Status, Valuation
from streams.engine import batch, solve
from streams.worker import pricing


def _valuation(*, forward: Any, **_: Any) -> Valuation:
    column = np.full(np.shape(forward), 0.5)
    return Valuation(*[column] * 11, status=np.full(column.shape, Status.OK, np.int8))


def _implied(*, price_usd: Any, **_: Any) -> ImpliedVol:
    column = np.full(np.shape(price_usd), 0.5)
    return ImpliedVol(
        column, np.full(column.shape, Status.OK, np.int8), column, column, column, np.ones(column.shape, int)
    )


def make(bootstrap: str, namespace: str) -> pricing.PricingMaker:
    """The workers' own maker, its pricers replaced in this process."""
    batch.value_options = _valuation  # type: ignore[assignment]
    batch.implied_vols = solve.implied_vols = _implied  # type: ignore[assignment]
    return pricing.make(bootstrap, namespace)
