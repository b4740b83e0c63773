"""The settings as arrays over the draws: each draw has its own w by class and its own share of closers.

Made once for a set of settings; all instruments share it, so that an error of w is the same error everywhere in one draw.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .moves import Chances, Evidence, Floats
from .randomness import normals, uniforms
from .settings import SideSettings
from .weights import TradeClass, Weight

START_DECIMALS = 2
"""Of a coin, to which unseen positions are drawn: the smallest lot that the venue lists."""
LEAST_CLOSE, MOST_CLOSE = 0.05, 0.95


class Model(NamedTuple):
    by_class: tuple[Chances, ...]
    unseen: Chances
    """A trade that we only know from open interest: either side."""
    evidence: Evidence
    naive_errors: Floats
    """float64 (n_draws,): the market's error of ``naive_share``, in its standard deviations."""


def _chances(weight: Weight, errors: Floats) -> Chances:
    """w with its error, inside [-1, 1]; ``p_neither`` gives way where it must."""
    w = np.clip(weight.weight + weight.weight_sd * errors, -1.0, 1.0)
    someone = np.maximum(1.0 - weight.p_neither, np.abs(w))
    return Chances(0.5 * (someone + w), 0.5 * (someone - w))


@lru_cache(maxsize=8)
def model(settings: SideSettings) -> Model:
    n, seed = settings.n_draws, settings.seed
    either = np.full(n, 0.5)
    p_close = settings.p_close + settings.p_close_sd * normals(seed, "market/p_close", n)
    return Model(
        tuple(_chances(settings.weights[c], normals(seed, f"market/{c.name}", n)) for c in TradeClass),
        Chances(either, either),
        Evidence(np.clip(p_close, LEAST_CLOSE, MOST_CLOSE), settings.one_account, settings.p_odd),
        normals(seed, "market/naive", n),
    )


def start_draws(name: str, start_coin: float, settings: SideSettings) -> Floats:
    """float64 (n_draws,): what the dealers may hold of an open interest whose sides nobody saw; mean 0."""
    shares = settings.start_sd * normals(settings.seed, f"start/{name}", settings.n_draws)
    return np.clip(np.round(np.clip(shares, -1.0, 1.0) * start_coin, START_DECIMALS) + 0.0, -start_coin, start_coin)


def trade_uniforms(key: str, settings: SideSettings) -> Floats:
    return uniforms(settings.seed, key, settings.n_draws)
