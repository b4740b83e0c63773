"""Settlement-average and European options: arithmetic on arrays, nothing else.

    value_options   price and greeks          implied_vols   volatilities of quotes
    settlement      rules and windows         units          display units

No broker, clock, environment or log is known here.
"""

from __future__ import annotations

from pricers._qmc_settings import QmcSettings
from pricers.source import source_hash
from pricers.status import Status
from pricers.values import (
    DEFAULT_ENGINE,
    ENGINES,
    LIVE_ENGINES,
    ImpliedVol,
    Valuation,
    implied_vols,
    value_options,
    warm_up,
)

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "LIVE_ENGINES",
    "ImpliedVol",
    "QmcSettings",
    "Status",
    "Valuation",
    "implied_vols",
    "source_hash",
    "value_options",
    "warm_up",
]
