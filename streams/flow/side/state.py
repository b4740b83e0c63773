"""The state of the dealer side: one holding per listed option, and counters.  Amounts in coin, times in ns UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import OptionType
from streams.engine.seqs import Seqs

from .classes import NO_LEVEL, Level
from .weights import TradeClass

NEVER = -1


class Start(IntEnum):
    """What is known of the position before the first trade that was seen."""

    COLD = 0
    """Nothing: trades before ours are missing."""
    SINCE_LISTING = 1
    """All of it: nothing was open before the trades that we have."""


class Contract(NamedTuple):
    """What makes an instrument the same one; another value under its name is a roll."""

    option_type: OptionType
    strike: float
    expiry_ns: int
    contract_size: float
    """Coin per contract."""


class Pending(NamedTuple):
    """A trade that waits for the open interest after it."""

    ts_ns: int
    trade_class: TradeClass
    taker_sign: int
    amount_coin: float
    key: str
    """Of its random numbers: legs of one deal have the same, for they have the same parties."""


@dataclass(slots=True, eq=False)
class Holding:
    """The dealers' position in one option, and what it rests on."""

    contract: Contract
    creation_ns: int | None = None
    draws: NDArray[np.float64] | None = None
    """float64 (n_draws,), coin, |D| <= open interest, apart from the trades that wait; None: no open interest is known yet, and
    nothing has moved."""
    has_moved: bool = False
    """False: the draws are those of the start, and a checkpoint need not hold them."""
    open_interest_coin: float | None = None
    open_interest_ns: int = NEVER
    """The newest, as of when, not when told."""
    settled_coin: float | None = None
    settled_ns: int = NEVER
    """Open interest that the draws stand at; the trades after it wait in ``pending``."""
    unexplained_since_ns: int | None = None
    """Since when open interest says of trades that have not come."""
    start: Start = Start.COLD
    start_coin: float = 0.0
    """Open interest whose sides were never seen: what was there before us."""
    flow_coin: float = 0.0
    """Sum of -s q w: rule 1 alone."""
    volume_coin: float = 0.0
    """All that was traded since we look."""
    signed_volume_coin: float = 0.0
    """|w| q: the part of it whose side we know."""
    unexplained_coin: float = 0.0
    """Changes of open interest beyond what the trades seen can have made: trades that we missed."""
    pending: list[Pending] = field(default_factory=list)
    seqs: Seqs = field(default_factory=list)
    level: Level = NO_LEVEL


@dataclass(slots=True, eq=False)
class SideState:
    """``step`` takes a state and gives it back changed; the one it was given is used up."""

    log_time_ns: int = NEVER
    holdings: dict[str, Holding] = field(default_factory=dict)
    """By instrument name; bounded by what is listed: gone at expiry."""
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counters[what] = self.counters.get(what, 0) + 1
