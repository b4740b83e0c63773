"""Records of CME's side of the market.

Meaning and unit of every field: its ``doc`` in avsc/<Record>.avsc.  Times are ns UTC, vols are fractions, None is
"not known".
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.enums import CmeSource, Engine, OptionType, RowStatus


class CmeMark(NamedTuple):
    """Greeks and open interest of one CME option at one moment, per coin of notional, dealers' side assumed.

    Keyed by product; instrument_name tells the rows apart.
    """

    product: str
    instrument_name: str
    instrument_id: int | None
    root: str
    family: str
    base_currency: str
    option_type: OptionType
    strike: float
    strike_index: float | None
    expiry_ns: int
    multiplier: float | None
    multiplier_source: str
    exercise_style: str
    future_name: str
    future_id: int | None
    future_expiry_ns: int | None
    future_link: str
    source: str
    ts_event_ns: int
    status: RowStatus
    detail: str
    convention: str
    forward: float | None
    forward_source: CmeSource
    forward_ns: int | None
    index_price: float | None
    tau_years: float | None
    bid: float | None
    ask: float | None
    quote_ns: int | None
    settlement_price: float | None
    settlement_ns: int | None
    is_settlement_final: bool | None
    open_interest_contracts: float | None
    open_interest_divisor: float
    open_interest_as_of_ns: int | None
    open_interest_published_ns: int | None
    sigma: float | None
    sigma_source: CmeSource
    sigma_status: RowStatus
    sigma_ns: int | None
    sigma_low: float | None
    sigma_high: float | None
    engine: Engine
    price_usd: float | None
    delta: float | None
    gamma_per_usd: float | None
    vega_usd_per_point: float | None
    theta_usd_per_day: float | None
    rho_usd_per_pct: float | None
    vanna_per_point: float | None
    charm_per_day: float | None
    volga_usd_per_point2: float | None
    side_model: str
    position_coin_trade_signed: float | None
    position_coin_assumption_signed: float | None
    gamma_usd_per_pct_trade_signed: float | None
    gamma_usd_per_pct_assumption_signed: float | None
