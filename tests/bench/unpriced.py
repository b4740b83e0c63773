"""The pricing fold with the pricing taken out: the same records, rows and bytes, but every number is a constant.

What a worker does with it in a second is the most that a worker could do if pricing cost nothing (DESIGN 8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pricers import Status
from pricers.matrices import VALUE_ROWS, ImpliedMatrix
from streams.engine import audits, batch, solve
from streams.worker import pricing

CONSTANT = 0.5
N_COLUMNS = 11
"""Of ``pricers.Valuation``, without its status."""


def _values(inputs: npt.NDArray[np.float64], *_: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    assert len(inputs) == len(VALUE_ROWS)
    size = inputs.shape[1]
    return np.full((N_COLUMNS, size), CONSTANT), np.full(size, Status.OK, np.int8)


def _implied(inputs: npt.NDArray[np.float64], *_: Any) -> ImpliedMatrix:
    size = inputs.shape[1]
    return ImpliedMatrix(np.full((4, size), CONSTANT), np.full(size, Status.OK, np.int8), np.ones(size, np.int32))


def take_pricing_out(replace: Callable[[Any, str, Any], None]) -> None:
    """Put the constants in the place of every call of the pricers that the engine makes; ``replace`` refuses unknown names."""
    for module in (batch, audits):
        replace(module, "value_matrix", _values)
    for module in (batch, solve):
        replace(module, "implied_matrix", _implied)


def _replace(module: Any, name: str, function: Any) -> None:
    getattr(module, name)  # AttributeError: a name that is not there any more would leave the pricing in
    setattr(module, name, function)


def make(bootstrap: str, namespace: str) -> pricing.PricingMaker:
    """The workers' own maker, its pricers replaced in this process."""
    take_pricing_out(_replace)
    return pricing.make(bootstrap, namespace)
