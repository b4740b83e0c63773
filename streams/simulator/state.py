"""The state of the synthetic market: factors, series, the option table, futures, and everybody's positions.

``market.step`` takes a state and gives it back changed; the one it was given is used up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .listing import UNDERLYINGS, Future, Option, Underlying
from .parties import USUAL, Parties
from .surface import Smile

GRID_NS = 100_000_000  # the market moves every 100 ms, the interval of the venue's conflated channels
FIXING_INTERVAL_NS = 4_000_000_000
N_FIXINGS = 450
WINDOW_NS = N_FIXINGS * FIXING_INTERVAL_NS

BOOK_FULL, BOOK_NO_ASK, BOOK_FAR_ASK, BOOK_NO_BID = 0, 1, 2, 3  # FAR: an ask at one coin, far above any value

OPTION_COLUMNS = np.dtype(
    [
        ("series", "i4"),
        ("strike", "f8"),
        ("sign", "f8"),
        ("is_open", "?"),
        ("book", "i1"),  # a deep option's usual book: see BOOK_*
        ("weight", "f8"),  # share of the ticks
        ("width", "f8"),  # this instrument's own spread factor
        ("bid", "f8"),  # 0.0: none
        ("bid_size", "f8"),
        ("bid_iv", "f8"),  # per cent; 0.0 without a usable bid
        ("ask", "f8"),
        ("ask_size", "f8"),
        ("ask_iv", "f8"),  # per cent; 999.0 unusable, 0.0 none
        ("mark", "f8"),  # premium unit, unrounded
        ("mark_iv", "f8"),  # per cent
        ("delta", "f8"),
        ("gamma", "f8"),
        ("vega", "f8"),
        ("theta", "f8"),
        ("rho", "f8"),
        ("forward", "f8"),
        ("index", "f8"),
        ("estimate", "f8"),
        ("ts_ms", "i8"),
        ("last", "f8"),  # nan: never traded
        ("volume", "f8"),
        ("volume_usd", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("first", "f8"),
        ("open_interest", "f8"),
        ("settlement", "f8"),
    ]
)


@dataclass(slots=True)
class Factor:
    """What moves a coin: spot (USD), its smile, the basis (per year), and the peg of its USDC index."""

    spot: float
    smile: Smile
    basis: float
    peg: float = 0.0


@dataclass(slots=True)
class Series:
    """One expiry of one underlying.  ``fixing_sum`` over ``n_fixed`` of 450; prices in USD per coin."""

    underlying: Underlying
    expiry_ns: int
    period: str
    index_name: str  # the venue's ``underlying_index`` outside the window
    state: str = "open"  # created, open, closed
    forward: float = 0.0
    noise: float = 0.0
    n_fixed: int = 0
    fixing_sum: float = 0.0
    estimate: float = 0.0
    delivery_price: float | None = None


@dataclass(slots=True)
class FutureRow:
    """A future's or perpetual's published state.  Prices USD; sizes and open interest in the venue's unit."""

    contract: Future
    series: int | None
    bid: float = 0.0
    ask: float = 0.0
    bid_size: float = 0.0
    ask_size: float = 0.0
    mark: float = 0.0
    last: float = 0.0
    index: float = 0.0
    estimate: float = 0.0
    open_interest: float = 0.0
    volume: float = 0.0
    volume_usd: float = 0.0
    high: float = 0.0
    low: float = 0.0
    first: float = 0.0
    settlement: float = 0.0
    funding: float = 0.0
    funding_8h: float = 0.0
    ts_ms: int = 0
    state: str = "open"
    delivery_price: float | None = None


@dataclass(slots=True)
class Position:
    """Who holds an instrument: customers' longs and shorts (each >= 0) and the dealer's net; long - short + dealer = 0."""

    customers_long: float = 0.0
    customers_short: float = 0.0
    dealer: float = 0.0

    @property
    def open_interest(self) -> float:
        return self.customers_long + max(self.dealer, 0.0)


@dataclass(slots=True)
class MarketState:
    now_ns: int
    rng: np.random.Generator
    rate: float  # option tickers per second wanted
    trade_rate: float  # trade events per second wanted
    factors: dict[str, Factor]  # by coin
    underlyings: list[Underlying]
    parties: Parties = USUAL
    series: list[Series] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    table: NDArray[Any] = field(default_factory=lambda: np.zeros(0, OPTION_COLUMNS))
    row_by_name: dict[str, int] = field(default_factory=dict)
    futures: dict[str, FutureRow] = field(default_factory=dict)
    index: dict[str, float] = field(default_factory=dict)  # published, by price index
    positions: dict[str, Position] = field(default_factory=dict)
    trade_seq: dict[str, int] = field(default_factory=dict)
    n_trades: int = 0
    n_blocks: int = 0
    combos: dict[str, dict[str, Any]] = field(default_factory=dict)
    next_id: int = 300_000
    n_options_wanted: dict[str, int] = field(default_factory=dict)  # by underlying prefix
    due: list[tuple[int, str, int]] = field(default_factory=list)  # (time, what, series): lifecycle still to come

    @property
    def n_options_open(self) -> int:
        return int(np.count_nonzero(self.table["is_open"]))


def coin_of(underlying: Underlying) -> str:
    return underlying.base


def underlying_of(state: MarketState, option: Option) -> Underlying:
    return UNDERLYINGS[option.underlying]
