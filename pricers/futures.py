"""Futures and perpetuals, so that positions of all kinds can be added up (C34)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pricers.status import Status
from pricers.values import Valuation


def value_futures(*, price_usd: npt.ArrayLike) -> Valuation:
    """Delta 1 and every other greek 0 per coin of notional, long, whatever the contract's payoff (E-53).

    Parameters
    ----------
    price_usd : the future's price, USD per coin, > 0.

    Returns
    -------
    Valuation of arrays of its shape; ``std_error`` nan (no estimate), BAD_INPUT and nan where the price is not a positive number.
    A position's sign and size in coin come from the position: ``units.notional_coin``.
    """
    given = np.asarray(price_usd, dtype=np.float64)
    is_sane = np.isfinite(given) & (given > 0.0)
    price, one = np.where(is_sane, given, np.nan), np.where(is_sane, 1.0, np.nan)
    status = np.where(is_sane, np.int8(Status.OK), np.int8(Status.BAD_INPUT)).astype(np.int8)
    gamma, vega, theta, rho, vanna, charm, volga, roll = (np.where(is_sane, 0.0, np.nan) for _ in range(8))
    no_error = np.full(given.shape, np.nan)
    return Valuation(price, no_error, one, gamma, vega, theta, rho, vanna, charm, volga, roll, status)
