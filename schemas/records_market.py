"""Records of ``deribit.ticks.v1``: what the market said, in our names and units.

Meaning and unit of every field: its ``doc`` in avsc/<Record>.avsc.  Times are ns UTC, vols are fractions, None is
"not known".
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.enums import (
    Direction,
    ForwardSource,
    InstrumentStatus,
    Kind,
    Liquidation,
    OptionType,
    Payoff,
    TickDirection,
)


class OptionQuote(NamedTuple):
    """The venue's ticker of one option, all of it.  Keyed by instrument."""

    ts_event_ns: int
    ingest_epoch: int
    instrument_name: str
    is_snapshot: bool
    snapshot_id: int | None
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    bid_sigma: float | None
    ask_sigma: float | None
    mark: float | None
    mark_sigma: float | None
    last: float | None
    underlying_price: float | None
    underlying_index: str | None
    index_price: float | None
    interest_rate: float | None
    open_interest: float | None
    volume_24h: float | None
    volume_usd_24h: float | None
    high_24h: float | None
    low_24h: float | None
    price_change_24h_pct: float | None
    min_price: float | None
    max_price: float | None
    settlement_price: float | None
    estimated_delivery_price: float | None
    venue_delta: float | None
    venue_gamma: float | None
    venue_vega: float | None
    venue_theta: float | None
    venue_rho: float | None
    state: InstrumentStatus


class OptionTrade(NamedTuple):
    """One trade of an option, with all that tells who traded.  Keyed by instrument."""

    ts_event_ns: int
    ingest_epoch: int
    instrument_name: str
    trade_id: str
    trade_seq: int
    price: float
    amount_coin: float
    direction: Direction
    tick_direction: TickDirection
    trade_sigma: float | None
    index_price: float | None
    mark: float | None
    liquidation: Liquidation
    block_trade_id: str | None
    block_leg_count: int | None
    block_rfq_id: int | None
    combo_id: str | None
    combo_trade_id: str | None
    is_backfill: bool


class TickStep(NamedTuple):
    """Above this price the tick size is another one."""

    above_price: float
    tick_size: float


class InstrumentState(NamedTuple):
    """What an instrument is, and where in its life.  Keyed by instrument."""

    ts_event_ns: int
    ingest_epoch: int
    instrument_name: str
    is_snapshot: bool
    snapshot_id: int | None
    kind: Kind
    base_currency: str
    quote_currency: str
    settlement_currency: str
    price_index: str
    payoff: Payoff
    option_type: OptionType | None
    strike: float | None
    creation_ns: int | None
    expiry_ns: int | None
    contract_size: float
    contract_size_unit: str
    tick_size: float
    tick_size_steps: tuple[TickStep, ...]
    min_trade_amount: float | None
    status: InstrumentStatus
    delivery_price: float | None
    settlement_rule: str
    exercise_style: str
    is_inferred: bool


class FutureQuote(NamedTuple):
    """A future's or perpetual's ticker inside an UnderlyingQuote."""

    instrument_name: str
    expiry_ns: int | None
    bid: float | None
    ask: float | None
    mark: float | None
    last: float | None
    open_interest: float | None
    volume_usd_24h: float | None
    funding_8h: float | None
    current_funding: float | None
    ts_event_ns: int


class ForwardQuote(NamedTuple):
    """The forward of one expiry that has no future, or none fresh, inside an UnderlyingQuote."""

    expiry_ns: int
    forward: float
    source: ForwardSource
    ts_event_ns: int


class UnderlyingQuote(NamedTuple):
    """Index, vol index, futures and forwards of one price index.

    Broadcast: what changed every 100 ms, everything once a second.
    """

    ts_event_ns: int
    ingest_epoch: int
    seq: int
    price_index: str
    base_currency: str
    is_complete: bool
    index_price: float | None
    dvol: float | None
    futures: tuple[FutureQuote, ...]
    forwards: tuple[ForwardQuote, ...]


class SettlementFixing(NamedTuple):
    """One grid point of the settlement average of one price index and expiry, with the cumulative state.  Broadcast."""

    ts_event_ns: int
    ingest_epoch: int
    seq: int
    price_index: str
    expiry_ns: int
    grid_index: int
    grid_ns: int
    price: float
    is_imputed: bool
    n_fixed: int
    running_sum: float
    n_imputed: int
    is_from_estimate: bool
    venue_estimate: float | None


class Clock(NamedTuple):
    """Closes a second of log time.  Broadcast."""

    ts_event_ns: int
    ingest_epoch: int
    seq: int
    offset_ms: float | None


class InstrumentSet(NamedTuple):
    """Closes a snapshot.  Broadcast."""

    ts_event_ns: int
    ingest_epoch: int
    seq: int
    snapshot_id: int
    is_complete: bool
    count_by_partition: tuple[int, ...]
    price_indices: tuple[str, ...]


class FeedGap(NamedTuple):
    """An outage of the feed: quotes older than its end are stale until seen again.  Broadcast."""

    ts_event_ns: int
    ingest_epoch: int
    seq: int
    channels: tuple[str, ...]
    from_ns: int
    to_ns: int
    trades_recovered: int
    trade_seq_missing: int
