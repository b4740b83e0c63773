"""Every number of the dealer side with its unit and its reason.  One frozen object."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Annotated

from .weights import WEIGHTS, TradeClass, Weight


class SideModel(StrEnum):
    """Which side the dealers are on.  The label stands in every read-out (E-65: the convention is explicit)."""

    NAIVE_CALL_PLUS_PUT_MINUS = "naive_call_plus_put_minus"
    """Dealers are long every call and short every put: +OI, -OI.  What most tools show."""
    ALL_SHORT = "all_short"
    ALL_LONG = "all_long"
    FLOW_INFERRED = "flow_inferred"
    """From trades and open interest alone."""
    FLOW_SHRUNK = "flow_shrunk"
    """... pulled towards the naive convention where little was seen."""


NAIVE_MODELS = (SideModel.NAIVE_CALL_PLUS_PUT_MINUS, SideModel.ALL_SHORT, SideModel.ALL_LONG)
_POSITIVE = {"n_draws", "n_pending_max", "n_trade_intervals_max", "sweep_levels"}
_SHARES = {"p_close", "one_account", "p_odd", "naive_share"}


@dataclass(frozen=True)
class SideSettings:
    """Everything that can change a position, apart from the log."""

    side_model: str = SideModel.FLOW_SHRUNK
    """One of SideModel."""
    naive_model: str = SideModel.NAIVE_CALL_PLUS_PUT_MINUS
    """The naive convention that ``flow_shrunk`` shrinks to: one of NAIVE_MODELS."""
    naive_share: Annotated[float, "fraction of OI"] = 0.25
    """How much of the open interest the dealers hold on the naive side when ``flow_shrunk`` has seen nothing.  The naive models
    themselves say all of it, as their vendors do; FlashAlpha's one weight is 0.43."""
    naive_share_sd: Annotated[float, "fraction of OI"] = 0.25
    """... and how far off that may be, for the whole market at once: none of it, or twice as much."""
    start_sd: Annotated[float, "fraction of OI"] = 0.45
    """Standard deviation of an unseen starting position, in its open interest: near the flattest thing that |D| <= OI allows
    (a uniform one has 0.58), narrower because dealers run books and not bets."""
    weights: tuple[Weight, ...] = field(default=WEIGHTS, metadata={"in_code_only": True})
    """The table of rule 1."""

    p_close: Annotated[float, "fraction"] = 0.35
    """Of customers' volume closes what they hold."""
    p_close_sd: Annotated[float, "fraction"] = 0.03
    """... and how far off that may be, for the whole market at once.  It may be more; but its errors mostly cancel over
    instruments, and more than this made bands of sums too wide on the synthetic market."""
    one_account: Annotated[float, "fraction"] = 0.95
    """How far the dealers are one account: 1, and a trade that adds to their position always opens on their side; 0, and open
    interest says nothing of it, because the dealers' longs and shorts are held by different ones.  The synthetic market's
    dealer is one; the venue's are several, and how far they net nobody publishes: lower it to trust open interest less."""
    p_odd: Annotated[float, "fraction"] = 0.02
    """Of changes of open interest that fit no story: late, rounded, or another trade's."""
    oi_lag_ms: int = 0
    """Open interest as of so long after a trade has that trade in it.  0: the venue's ticker of the same ms does."""

    oi_grace_ms: int = 2_000
    """So long a change of open interest waits for the trades that made it: channels are not in one another's order."""

    clock_lead_ms: int = 2_000
    """An event time is believed up to this far past log time, as the engine does."""

    sweep_levels: Annotated[int, "levels"] = 3
    """At the third price of one order we stop calling it a small customer at the touch."""
    seed: Annotated[int, "seed"] = 0
    """Of every draw."""
    n_draws: int = 200
    """Draws of a band: its 10 % quantile is then known to 2 % of probability."""
    n_pending_max: int = 256
    """Trades that wait for an open interest, by instrument; beyond it they count as plain ones."""
    n_trade_intervals_max: int = 256
    """Most holes in the trade numbers kept by instrument; beyond it the oldest closes."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        if self.side_model not in list(SideModel):
            raise ValueError(f"side_model {self.side_model!r}: want one of {', '.join(SideModel)}")
        if self.naive_model not in NAIVE_MODELS:
            raise ValueError(f"naive_model {self.naive_model!r}: want one of {', '.join(NAIVE_MODELS)}")
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str | tuple):
                continue
            least, most = int(one.name in _POSITIVE), 1.0 if one.name in _SHARES else math.inf
            if not least <= value <= most or value == math.inf:
                raise ValueError(f"{one.name} {value}: want a number from {least} to {most}")
        if [weight.trade_class for weight in self.weights] != list(TradeClass):
            raise ValueError(f"weights: want one for each of {', '.join(c.name for c in TradeClass)}, in this order")
        for weight in self.weights:
            if not (
                abs(weight.weight) + weight.p_neither <= 1.0 + 1e-12 and weight.p_neither >= 0.0 <= weight.weight_sd
            ):
                raise ValueError(f"{weight}: want |weight| + p_neither <= 1 and no negative p_neither or weight_sd")
