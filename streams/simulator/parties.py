"""Who trades with whom: the probabilities that make the dealer's true book.  The wire says none of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

KINDS = ("screen", "block", "rfq", "combo", "liquidation", "future")
KIND_SHARES = (0.60, 0.04, 0.05, 0.06, 0.03, 0.22)
STREAM = 0x5EED_0F_9A27
"""Keeps the draw of the probabilities apart from the market's own random numbers of the same seed."""


class Parties(NamedTuple):
    """Shares of trades by who makes, who takes and who closes; each in [0, 1]."""

    p_dealer_makes: float = 0.85
    """Of screen trades."""
    p_no_dealer: float = 0.10
    """Of screen trades: customer against customer; in the rest the dealer is the taker."""
    p_block_customer_takes: float = 0.50
    """Of blocks without an RFQ: the side called taker is the customer, the other one the dealer."""
    p_requester_takes: float = 1.0
    """Of RFQs and combos: the taker is the customer who asked, the dealer makes."""
    p_close: float = 0.35
    """Of customers' trades close a position, where there is one."""
    block_share: float = KIND_SHARES[1]
    """Of all trade events: blocks without an RFQ."""

    @property
    def kind_shares(self) -> tuple[float, ...]:
        """Shares of KINDS: the block's is ours, the others keep their proportions."""
        if self.block_share == KIND_SHARES[1]:
            return KIND_SHARES
        rest = (1.0 - self.block_share) / (1.0 - KIND_SHARES[1])
        return tuple(self.block_share if i == 1 else share * rest for i, share in enumerate(KIND_SHARES))


USUAL = Parties()

RANGES = {
    "p_dealer_makes": (0.72, 0.95),
    "p_no_dealer": (0.0, 1.0),  # of what the dealer does not make
    "p_block_customer_takes": (0.40, 0.75),
    "p_requester_takes": (0.88, 1.0),
    "p_close": (0.20, 0.50),
    "block_share": (0.02, 0.08),
}
"""What ``drawn`` draws from, uniformly.  For tests of who only sees the wire: it must not read this."""


def drawn(seed: int) -> Parties:
    """Probabilities drawn from RANGES: the same for the same seed; the market's own random numbers stay what they were."""
    rng = np.random.default_rng((STREAM, seed))
    values = {name: float(rng.uniform(low, high)) for name, (low, high) in RANGES.items()}
    values["p_no_dealer"] *= 1.0 - values["p_dealer_makes"]
    return Parties(**values)
