"""The live engines on matrices, for callers whose inputs stand in one already: no keywords, no broadcasting.

``pricers.value_options`` and ``pricers.implied_vols`` are these with both; what each row means is said there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers._implied_batch import implied_batch
from pricers._qmc_desk import may_be_wide
from pricers._qmc_settings import QmcSettings, packed_draws_of
from pricers._valuation import CLOSED_FORM, EUROPEAN, INVERSE, LINEAR, N_COLUMNS, QMC, value_batch

Floats = npt.NDArray[np.float64]

PAYOFFS = {"linear": LINEAR, "inverse": INVERSE}
LIVE = {"closed_form": CLOSED_FORM, "european": EUROPEAN, "qmc": QMC}
VALUE_ROWS = (
    "forward", "strike", "sigma", "option_sign", "next_fixing_s", "interval_s", "n_fixings", "n_fixed", "running_sum", "rate", "carry",
)  # fmt: skip
"""Inputs of ``value_matrix``, in their order."""
IMPLIED_ROWS = (
    "price_usd", "forward", "strike", "option_sign", "next_fixing_s", "interval_s", "n_fixings", "n_fixed", "running_sum", "rate",
    "carry", "tick_usd", "total_vol_max", "tolerance", "band_usd",
)  # fmt: skip
"""Inputs of ``implied_matrix``, in their order; ``band_usd`` is the tick where the edges of its band are wanted too, else nan."""


TOTAL_VOL_MAX = 6.0
"""Default limit on sigma times the deviation of the remaining average."""
TOLERANCE = 1e-10
"""Default of sigma, relative."""


class ImpliedMatrix(NamedTuple):
    """Implied volatilities of a batch."""

    answers: Floats
    """(4, n): sigma, sigma_low, sigma_high, price_at_sigma_usd."""
    status: npt.NDArray[np.int8]
    counts: npt.NDArray[np.int32]
    """Model evaluations."""


def value_matrix(
    inputs: Floats, payoff: str, engine: str, qmc: QmcSettings | None = None
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """(11, n) the columns of ``pricers.Valuation`` and (n,) their status.

    inputs : (11, n) float64, C-contiguous, rows as VALUE_ROWS; units and domain as ``pricers.value_options``.

    Errors: KeyError for an engine or payoff that is none of LIVE or PAYOFFS.
    """
    size = inputs.shape[1]
    values, status = np.empty((N_COLUMNS, size)), np.empty(size, dtype=np.int8)
    settings = None if engine == "european" else qmc
    draws = packed_draws_of(settings, settings is None or may_be_wide(inputs))
    value_batch(inputs, PAYOFFS[payoff], LIVE[engine], draws, values, status)
    return values, status


def implied_matrix(inputs: Floats, payoff: str, engine: str, qmc: QmcSettings | None = None) -> ImpliedMatrix:
    """Volatilities at which the model's prices are the quotes.

    inputs : (15, n) float64, C-contiguous, rows as IMPLIED_ROWS; units and domain as ``pricers.implied_vols``.

    Errors: KeyError for an engine or payoff that is none of LIVE or PAYOFFS.
    """
    size = inputs.shape[1]
    found = ImpliedMatrix(np.empty((4, size)), np.empty(size, dtype=np.int8), np.empty(size, dtype=np.int32))
    draws = packed_draws_of(None if engine == "european" else qmc)
    implied_batch(inputs, PAYOFFS[payoff], LIVE[engine], draws, *found)
    return found
