"""Who was the dealer in a trade: the classes of trades, and the one table of their weights (DEFINITIONS 3.7, rule 1)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class TradeClass(IntEnum):
    """How a trade came about, as far as the venue tells.  The first that holds, from the bottom up: see ``classes``."""

    SCREEN = 0
    BETTER_THAN_MARK = 1
    SWEEP = 2
    COMBO = 3
    RFQ = 4
    BLOCK = 5
    LIQUIDATED_TAKER = 6
    LIQUIDATED_MAKER = 7
    LIQUIDATED_BOTH = 8


class Weight(NamedTuple):
    """What a class says of the dealer's side.

    With P(maker is the dealer), P(taker is) and P(neither) = ``p_neither``,

        w = P(maker) - P(taker),

    which is 2 P(maker is dealer) - 1 where a dealer is always there.  The dealer's position moves by -s q w on average,
    s = +1 where the taker buys.
    """

    trade_class: TradeClass
    weight: float
    """w in [-1, 1]."""
    p_neither: float
    """Both sides are customers, in [0, 1 - |w|]."""
    weight_sd: float
    """What we do not know of w itself: one error for all trades of the class, which no number of trades averages out."""

    @property
    def p_maker(self) -> float:
        return 0.5 * (1.0 - self.p_neither + self.weight)

    @property
    def p_taker(self) -> float:
        return 0.5 * (1.0 - self.p_neither - self.weight)


WEIGHTS = (
    # The start weights are DEFINITIONS 3.7's.  Nobody publishes how far they are off: the sds are ours, in words beside them.
    Weight(TradeClass.SCREEN, 0.8, 0.10, 0.10),  # the market maker quotes, the customer takes
    Weight(TradeClass.BETTER_THAN_MARK, 0.4, 0.30, 0.25),  # who sells below the mark is seldom a market maker
    Weight(TradeClass.SWEEP, 0.5, 0.20, 0.25),  # deep levels hold customers' resting orders too
    Weight(TradeClass.COMBO, 0.8, 0.05, 0.10),  # leg by leg; makers quote combos against their legs
    Weight(TradeClass.RFQ, 0.9, 0.0, 0.08),  # who asked is the customer, and takes
    Weight(TradeClass.BLOCK, 0.15, 0.0, 0.20),  # no side is told: the middle of 0.0 to 0.3
    Weight(TradeClass.LIQUIDATED_TAKER, 1.0, 0.0, 0.05),  # the liquidated side is the customer
    Weight(TradeClass.LIQUIDATED_MAKER, -1.0, 0.0, 0.05),
    Weight(TradeClass.LIQUIDATED_BOTH, 0.0, 1.0, 0.0),  # both are customers: nothing for the dealer
)
"""The whole model of rule 1, by TradeClass.  Frozen: a setting, not a state."""
