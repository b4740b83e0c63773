"""What a trade and the open interest after it do to the draws of one position (DEFINITIONS 3.7, rules 1 to 3 and 5).

A draw is one history that may have been: a starting position, and in each trade a dealer who made, took, or was not there.
The trade moves it by x = -s q, +s q or 0.  The change of open interest says whether the two sides opened or closed:

    both open   dOI = +q        one opens, one closes   dOI = 0        both close   dOI = -q

The dealer opens where x adds to his position and closes where it takes from it.  So dOI tells the draws that had the right
position, and picks who the dealer was in each; draws that it speaks against are replaced (a particle filter with the best
proposal).  All functions are odd: mirrored positions and sides give mirrored results.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Chances(NamedTuple):
    """P(maker is the dealer) and P(taker is), by draw; the rest: neither.  float64 (n_draws,)."""

    maker: Floats
    taker: Floats


class Evidence(NamedTuple):
    """What dOI means; the settings of the same names.  ``p_close``: float64 (n_draws,)."""

    p_close: Floats
    one_account: float
    p_odd: float


def _likelihood(share: float, opens: Floats | float, other_opens: Floats, p_odd: float) -> Floats:
    """Of ``share`` = dOI / q, when one side opens with probability ``opens`` and the other one with ``other_opens``.

    Between -1, 0 and 1 the volume is of two kinds, each with its share of the evidence.
    """
    both = opens * other_opens
    none = (1.0 - opens) * (1.0 - other_opens)
    extreme = both if share > 0 else none
    likely = (1.0 - p_odd) * extreme + p_odd / 3.0
    middle = (1.0 - p_odd) * (1.0 - both - none) + p_odd / 3.0
    if share == 0.0:
        return middle
    if abs(share) == 1.0:
        return likely
    return np.asarray(likely ** abs(share) * middle ** (1.0 - abs(share)))


def plain_move(draws: Floats, sign: int, amount: float, chances: Chances, uniforms: Floats) -> Floats:
    """The draws after a trade that open interest tells nothing of; on average they move by -s q w."""
    direction = np.where(uniforms < chances.maker, -1.0, np.where(uniforms > 1.0 - chances.taker, 1.0, 0.0))
    return np.asarray(draws + direction * (sign * amount))


def informed_move(
    draws: Floats, sign: int, amount: float, chances: Chances, share: float, evidence: Evidence, uniforms: Floats
) -> tuple[Floats, Floats]:
    """The draws after a trade, and how well each of them foresaw ``share`` = dOI / amount in [-1, 1].

    A position against x and smaller than half of it counts as opened: the larger part of the trade is.
    """
    opens = 1.0 - evidence.p_close
    raised = _likelihood(share, 0.5 + 0.5 * evidence.one_account, opens, evidence.p_odd)
    lowered = _likelihood(share, 0.5 - 0.5 * evidence.one_account, opens, evidence.p_odd)
    alone = _likelihood(share, opens, opens, evidence.p_odd)
    toward = draws * sign  # in the taker's direction
    maker = chances.maker * np.where(toward < 0.5 * amount, raised, lowered)
    taker = chances.taker * np.where(toward > -0.5 * amount, raised, lowered)
    total = maker + taker + (1.0 - chances.maker - chances.taker) * alone
    at = uniforms * total
    direction = np.where(at < maker, -1.0, np.where(at > total - taker, 1.0, 0.0))
    return draws + direction * (sign * amount), total


def reweighed(draws: Floats, likelihood: Floats) -> Floats:
    """As many draws, distributed as the weighted ones; each keeps its rank, and with it what it shares with other positions."""
    if np.all(likelihood == likelihood[0]):
        return draws
    order = np.argsort(draws, kind="stable")
    cumulated = np.cumsum(likelihood[order])
    n = len(draws)
    targets = (np.arange(n) + 0.5) * (cumulated[-1] / n)
    found = np.empty(n)
    found[order] = draws[order][np.minimum(np.searchsorted(cumulated, targets), n - 1)]
    return found
