"""Records that workers write: greeks, watermarks, rejects, trades with greeks, audits.

Meaning and unit of every field: its ``doc`` in avsc/<Record>.avsc.  Times are ns UTC, vols are fractions, None is
"not known".
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.enums import (
    AuditKind,
    Direction,
    Engine,
    ForwardSource,
    Kind,
    Liquidation,
    OptionType,
    Payoff,
    RowStatus,
    SigmaSource,
    TickDirection,
    Trigger,
)


class Greeks(NamedTuple):
    """Everything about one instrument at one moment, per coin of notional.  Keyed by instrument."""

    instrument_name: str
    kind: Kind
    base_currency: str
    price_index: str
    payoff: Payoff
    option_type: OptionType | None
    strike: float | None
    expiry_ns: int | None
    contract_size: float
    contract_size_unit: str
    premium_unit: str
    source_partition: int
    source_offset: int
    result_seq: int
    trigger: Trigger
    ts_event_ns: int
    status: RowStatus
    convention: str
    forward: float | None
    forward_source: ForwardSource
    forward_age_ms: float | None
    index_price: float | None
    tau_years: float | None
    n_fixings: int
    n_fixed: int
    running_sum: float
    n_imputed: int
    bid: float | None
    ask: float | None
    mark: float | None
    last: float | None
    bid_size: float | None
    ask_size: float | None
    open_interest: float | None
    volume_24h: float | None
    dvol: float | None
    delivery_price: float | None
    quote_age_ms: float | None
    sigma: float | None
    sigma_source: SigmaSource
    sigma_age_ms: float | None
    sigma_bid: float | None
    sigma_bid_status: RowStatus
    sigma_ask: float | None
    sigma_ask_status: RowStatus
    sigma_mark: float | None
    sigma_mark_status: RowStatus
    sigma_last: float | None
    sigma_last_status: RowStatus
    sigma_low: float | None
    sigma_high: float | None
    engine: Engine
    price_usd: float | None
    price_coin: float | None
    std_error_usd: float | None
    delta: float | None
    gamma_per_usd: float | None
    vega_usd_per_point: float | None
    theta_usd_per_day: float | None
    rho_usd_per_pct: float | None
    vanna_per_point: float | None
    charm_per_day: float | None
    volga_usd_per_point2: float | None
    roll_delta_per_fixing: float | None
    delta_coin: float | None
    gamma_coin_per_usd: float | None
    european_sigma: float | None
    european_price_usd: float | None
    european_delta: float | None
    european_gamma_per_usd: float | None
    european_vega_usd_per_point: float | None
    european_theta_usd_per_day: float | None
    european_vanna_per_point: float | None
    european_charm_per_day: float | None
    european_volga_usd_per_point2: float | None
    venue_sigma: float | None
    venue_price_usd: float | None
    venue_delta: float | None
    venue_gamma: float | None
    venue_vega: float | None
    venue_theta: float | None
    venue_rho: float | None
    spread_pct: float | None
    is_liquid: bool
    is_stale: bool
    is_cold: bool
    is_pin_risk: bool
    settlement_sd_usd: float | None
    last_good_ns: int | None


class Watermark(NamedTuple):
    """A partition has been worked off to this log time.  Keyed watermark/<partition>."""

    partition: int
    log_time_ns: int
    source_offset: int
    is_ready: bool
    n_listed: int
    n_priced: int
    n_rejected: int
    result_seq: int
    settings_hash: str
    engine_version: str
    cpu_features: str
    wire_format: str
    log_id: str


class Reject(NamedTuple):
    """Why an instrument has no numbers, on change; a tombstone clears it.  Keyed by instrument."""

    instrument_name: str
    status: RowStatus
    detail: str
    since_ns: int
    ts_event_ns: int
    clears_when: str
    source_partition: int
    source_offset: int
    result_seq: int


class TradeGreeks(NamedTuple):
    """A trade with greeks, vol and open interest at its moment.  Keyed by instrument; every distinct trade once."""

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
    source_partition: int
    source_offset: int
    result_seq: int
    status: RowStatus
    sigma_trade: float | None
    sigma_trade_status: RowStatus
    forward: float | None
    open_interest: float | None
    bid: float | None
    ask: float | None
    dvol: float | None
    sigma: float | None
    sigma_source: SigmaSource
    engine: Engine
    price_usd: float | None
    price_coin: float | None
    std_error_usd: float | None
    delta: float | None
    gamma_per_usd: float | None
    vega_usd_per_point: float | None
    theta_usd_per_day: float | None
    rho_usd_per_pct: float | None
    vanna_per_point: float | None
    charm_per_day: float | None
    volga_usd_per_point2: float | None
    roll_delta_per_fixing: float | None
    delta_coin: float | None
    gamma_coin_per_usd: float | None
    european_sigma: float | None
    european_price_usd: float | None
    european_delta: float | None
    european_gamma_per_usd: float | None
    european_vega_usd_per_point: float | None
    european_theta_usd_per_day: float | None
    european_vanna_per_point: float | None
    european_charm_per_day: float | None
    european_volga_usd_per_point2: float | None


class Audit(NamedTuple):
    """One quantity of one instrument and minute, ours against another.  Keyed by instrument."""

    instrument_name: str
    ts_event_ns: int
    source_partition: int
    source_offset: int
    result_seq: int
    kind: AuditKind
    quantity: str
    ours: float | None
    other: float | None
    difference: float | None
    unit: str
