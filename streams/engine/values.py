"""The pricers' answers in the units of the wire: one row of numbers an option, in the order of the row's fields.

The same arithmetic, number by number, as ``pricers.units``, which it is compiled from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import units
from pricers._jit import kernel
from streams.engine.columns import N_VALUES
from streams.engine.forwards import LARGEST

Floats = npt.NDArray[np.float64]

N_BEFORE_TWIN = 15
"""Columns up to european_sigma, which follows from the price; those after it stand at the row's sigma."""
IS_NUMBER, HAS_ERROR = 1, 2
"""Marks of a row: price and delta are numbers; a standard error is there."""

_price_coin, _delta_coin, _gamma_coin = (
    kernel(units.price_coin), kernel(units.delta_coin), kernel(units.gamma_coin_per_usd),
)  # fmt: skip
_vega, _theta, _rho, _vanna, _charm, _volga = (
    kernel(units.vega_usd_per_point), kernel(units.theta_usd_per_day), kernel(units.rho_usd_per_pct),
    kernel(units.vanna_per_point), kernel(units.charm_per_day), kernel(units.volga_usd_per_point2),
)  # fmt: skip
_sd = kernel(units.settlement_sd_usd)


class Values(NamedTuple):
    """Of the options that were valued in a batch."""

    numbers: Floats
    """(n, N_VALUES); nan: does not apply."""
    sd_usd: Floats
    """Standard deviation of the delivery price."""
    marks: npt.NDArray[np.int8]


@kernel
def _fill(
    ours: Floats, twin: Floats, twin_sigma: Floats, forward: Floats, sigma: Floats, next_fixing_s: Floats,
    interval_s: Floats, n_fixings: Floats, n_fixed: Floats, has_sigma: npt.NDArray[np.bool_], is_inverse: bool,
    largest: float, numbers: Floats, sd_usd: Floats, marks: npt.NDArray[np.int8],
) -> None:  # fmt: skip
    """``ours`` and ``twin`` (11, n) as ``pricers.Valuation``; everything beyond ``largest`` is no number."""
    for i in range(forward.size):
        f, price, delta = forward[i], ours[0, i], ours[2, i]
        row = numbers[i]
        row[0], row[1], row[2], row[3], row[4] = price, _price_coin(price, f), ours[1, i], delta, ours[3, i]
        row[5], row[6], row[7] = _vega(ours[4, i]), _theta(ours[5, i]), _rho(ours[6, i])
        row[8], row[9], row[10], row[11] = _vanna(ours[7, i]), _charm(ours[8, i]), _volga(ours[9, i]), ours[10, i]
        row[12] = _delta_coin(delta, price, f) if is_inverse else np.nan
        row[13] = _gamma_coin(ours[3, i], delta, price, f) if is_inverse else np.nan
        row[14] = twin_sigma[i]
        if has_sigma[i]:
            row[15], row[16], row[17] = twin[0, i], twin[2, i], twin[3, i]
            row[18], row[19], row[20] = _vega(twin[4, i]), _theta(twin[5, i]), _vanna(twin[7, i])
            row[21], row[22] = _charm(twin[8, i]), _volga(twin[9, i])
        else:
            row[N_BEFORE_TWIN:] = np.nan
        for j in range(row.size):
            if not -largest < row[j] < largest:
                row[j] = np.nan
        marks[i] = (IS_NUMBER if not (np.isnan(row[0]) or np.isnan(row[3])) else 0) | (
            HAS_ERROR if not np.isnan(row[2]) else 0
        )
        sd_usd[i] = _sd(f, sigma[i], int(n_fixings[i]), int(n_fixed[i]), next_fixing_s[i], interval_s[i])


def values_of(
    ours: Floats, twin: Floats, twin_sigma: Floats, inputs: Floats, has_sigma: npt.NDArray[np.bool_], is_inverse: bool
) -> Values:  # fmt: skip
    """What a row has of an option: its own values, and the European ones at the row's sigma, where there is one.

    ours, twin, inputs : as ``pricers.matrices.value_matrix`` gives and takes them.
    """
    forward, _, sigma, _, next_fixing_s, interval_s, n_fixings, n_fixed = inputs[:8]
    n = forward.size
    found = Values(np.empty((n, N_VALUES)), np.empty(n), np.empty(n, dtype=np.int8))
    _fill(
        ours, twin, twin_sigma, forward, sigma, next_fixing_s, interval_s, n_fixings, n_fixed, has_sigma, is_inverse, LARGEST, *found
    )  # fmt: skip
    return found
