"""State of a partition's engine.

Two kinds of fields, and the difference is what makes batching invisible.  *Inputs* (contract, quotes, forwards, due times, what the last
calculation was given) change while records are applied, and they alone decide which triggers fire.  *Outcomes* (solved vols, standing
rejects, last good times, pending rows) change while rows are written, in the same order, and no trigger ever reads them.

Objects are changed in place: a state given to ``step`` is used up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from pricers.settlement import RULES, SettlementRule
from schemas import (
    FutureQuote,
    Greeks,
    InstrumentSet,
    InstrumentState,
    InstrumentStatus,
    Kind,
    OptionQuote,
    OptionType,
    Payoff,
    RowStatus,
    SigmaSource,
)
from streams.engine.columns import NULL, Head, Row
from streams.engine.located import Identity
from streams.engine.seqs import Seqs
from streams.engine.settings import NS_PER_S

NEVER = NULL
"""A time before every other one; null in a row."""


class Facts(NamedTuple):
    """What pricing needs of a contract, worked out once."""

    is_option: bool
    is_inverse: bool
    sign: float
    """+1 call, -1 put."""
    strike: float
    expiry_ns: int
    """NEVER for a perpetual."""
    rule: SettlementRule | None
    """None: no option, or a settlement rule or an exercise style that this build does not know."""
    interval_ns: int
    first_grid_ns: int
    """Grid point 1 of the settlement window."""
    window_ns: int
    """Start of the settlement window: from here on the series is on the index basis."""
    is_open: bool


OPEN = (InstrumentStatus.UNKNOWN, InstrumentStatus.STARTED, InstrumentStatus.OPEN)
"""States in which an instrument trades; UNKNOWN is a word of the venue that we do not know yet."""


EXERCISE_STYLE = "european"
"""The only one that this engine prices (E-74): another one is no reason to price it as if it were this."""


def facts_of(contract: InstrumentState) -> Facts:
    is_option = contract.kind == Kind.OPTION
    is_european = contract.exercise_style == EXERCISE_STYLE
    expiry_ns = NEVER if contract.expiry_ns is None else contract.expiry_ns
    rule = RULES.get(contract.settlement_rule) if is_option and is_european else None
    interval_ns = round(rule.interval_s * NS_PER_S) if rule else 0
    n_fixings = rule.n_fixings if rule else 0
    return Facts(
        is_option,
        contract.payoff == Payoff.INVERSE,
        -1.0 if contract.option_type == OptionType.PUT else 1.0,
        contract.strike or 0.0,
        expiry_ns,
        rule,
        interval_ns,
        expiry_ns - (n_fixings - 1) * interval_ns,
        expiry_ns - round(rule.window_s * NS_PER_S) if rule else expiry_ns,
        contract.status in OPEN,
    )


class Solved(NamedTuple):
    """Outcome of the last solve: implied vols of the quote, and the band of the mark's tick."""

    sigma_bid: float | None = None
    bid_status: RowStatus = RowStatus.NO_QUOTE
    sigma_ask: float | None = None
    ask_status: RowStatus = RowStatus.NO_QUOTE
    sigma_mark: float | None = None
    mark_status: RowStatus = RowStatus.NO_QUOTE
    sigma_low: float | None = None
    sigma_high: float | None = None


NOT_SOLVED = Solved()


class Shown(NamedTuple):
    """What a row says of a quote whatever the moment: worked out once, for a quote is repriced many times."""

    quote: OptionQuote
    is_coin: bool
    """The quote's prices are coin."""
    ticker: tuple[float | None, ...]
    """bid, ask, mark, last, bid_size, ask_size, open_interest, volume_24h."""
    venue: tuple[float | None, ...] | None
    """The venue's sigma, price (USD) and greeks; None where the price depends on the forward of the moment."""
    spread_pct: float | None


@dataclass(slots=True, eq=False)
class Instrument:
    """One instrument of the partition.  Times in ns, bounded at arrival (rule 2)."""

    name: str
    # inputs
    contract: InstrumentState | None = None
    facts: Facts | None = None
    head: Head | None = None
    """First fields of its rows: with facts, what follows from the contract."""
    shown: Shown | None = None
    """Fields of its rows that follow from a quote."""
    contract_ns: int = NEVER
    quote: OptionQuote | None = None
    quote_ns: int = NEVER
    changed_ns: int = NEVER
    """When bid or ask changed last."""
    traded_ns: int = NEVER
    last_price: float | None = None
    """Newest dated trade price (a trade, or a change of the ticker's last), with its forward and time."""
    last_forward: float = 0.0
    last_ns: int = NEVER
    is_last_new: bool = False
    """last_price has not been solved yet."""
    is_last_moved: bool = False
    """A calculation has met another forward since: the vol of last_price is no source any more, wherever the forward goes."""
    is_unseen: bool = False
    """A feed gap ended after the quote: stale until seen again."""
    is_cold: bool = True
    has_solved: bool = False
    """The newest quote that a solving trigger met has been solved; False while it was refused."""
    calc_bid: float | None = None
    calc_ask: float | None = None
    calc_mark: float | None = None
    calc_last: float | None = None
    calc_forward: float = 0.0
    mark_calc_ns: int = NEVER
    due_mark_ns: int | None = None
    due_time_ns: int = NEVER
    due_illiquid_ns: int = NEVER
    # outcomes
    sigma: float | None = None
    sigma_source: SigmaSource = SigmaSource.NONE
    sigma_ns: int = NEVER
    solved: Solved = NOT_SOLVED
    sigma_last: float | None = None
    sigma_last_status: RowStatus = RowStatus.NO_QUOTE
    reject: RowStatus = RowStatus.OK
    reject_detail: str = ""
    reject_clears: str = ""
    reject_ns: int = NEVER
    good_ns: int = NEVER
    """Time of the last row with finite price and delta."""


class Fixings(NamedTuple):
    """Newest fixing record of one expiry: both numbers always together."""

    grid_index: int
    n_fixed: int
    running_sum: float
    n_imputed: int


class Point(NamedTuple):
    """A number with its (bounded) time."""

    value: float
    ts_ns: int


@dataclass(slots=True, eq=False)
class Underlying:
    """Everything broadcast about one price index."""

    price_index: str
    index: Point | None = None
    dvol: float | None = None
    futures: dict[str, FutureQuote] = field(default_factory=dict)
    forwards: dict[int, dict[int, Point]] = field(default_factory=dict)
    """By expiry, then by rank of the source: 0 future, 1 synthetic, 2 parity."""
    fixings: dict[int, Fixings] = field(default_factory=dict)
    due_grid_ns: int = NEVER
    is_moved: bool = True
    """Something a repricing grid point could see has changed since the last one."""


@dataclass(slots=True, eq=False)
class State:
    """Everything known of a partition's log up to ``offset``."""

    identity: Identity
    offset: int = -1
    """Last offset applied; -1: none."""
    log_time_ns: int = 0
    clock_ns: int = NEVER
    """Newest Clock; NEVER before the first one."""
    epoch: int = -1
    seq: int = -1
    is_ready: bool = False
    snapshot_id: int = -1
    snapshot_names: dict[str, None] = field(default_factory=dict)
    """Instruments seen of the snapshot being written, each once; empty when ready."""
    pending_set: InstrumentSet | None = None
    """An InstrumentSet met before the first Clock."""
    waits_for: str = "the first Clock"
    instruments: dict[str, Instrument] = field(default_factory=dict)
    underlyings: dict[str, Underlying] = field(default_factory=dict)
    seqs: dict[str, Seqs] = field(default_factory=dict)
    expired: dict[str, int] = field(default_factory=dict)
    """Expired instruments and their expiry: an hour of it."""
    counters: dict[str, int] = field(default_factory=dict)
    # outcomes
    pending: dict[str, Greeks | Row] = field(default_factory=dict)
    """Rows since the last Clock, newest per instrument, oldest first."""
    cleared: dict[str, None] = field(default_factory=dict)
    """Instruments whose reject has cleared since the last InstrumentSet."""
    # rebuilt on restore
    is_scheduled: bool = True
    """False after a restore: the timers have to be set again."""
    timers: list[tuple[int, int, str]] = field(default_factory=list)
    next_expiry_ns: int = 1 << 62
    by_index: dict[str, dict[str, Instrument]] = field(default_factory=dict)

    def count(self, what: str, n: int = 1) -> None:
        self.counters[what] = self.counters.get(what, 0) + n

    @property
    def partition(self) -> int:
        return self.identity.partition

    @property
    def has_clock(self) -> bool:
        return self.clock_ns != NEVER
