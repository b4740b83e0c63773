"""Records of dealer flow: one currency at one second, by strike and expiry, in a settlement window, and beside CME's.

Meaning and unit of every field: its ``doc`` in avsc/<Record>.avsc.  Times are ns UTC, vols are fractions, None is
"not known".
"""

from __future__ import annotations

from typing import NamedTuple


class FlowExposure(NamedTuple):
    """Dealers' exposures of one source of greeks, numeraire and side model."""

    greeks_source: str
    model: str
    numeraire: str
    side_model: str
    is_trade_signed: bool
    ngi_usd: float | None
    ngi_coin: float | None
    ngi_low_usd: float | None
    ngi_high_usd: float | None
    vss_usd: float | None
    chl_24h_usd: float | None
    volg_usd: float | None
    dex_usd: float | None
    hedge_1pct_up_usd: float | None
    hedge_1pct_down_usd: float | None
    n_used: int
    n_missing: int
    open_interest_share: float | None


class FlipLevel(NamedTuple):
    """A zero of dealers' gamma over spot."""

    level_usd: float
    is_to_long: bool


class FlowFlip(NamedTuple):
    """Flips of one source of greeks, smile rule and set of expiries."""

    greeks_source: str
    model: str
    numeraire: str
    smile_rule: str
    variant: str
    status: str
    levels: tuple[FlipLevel, ...]
    primary_usd: float | None
    is_primary_to_long: bool | None
    flip_pct: float | None
    band_low_usd: float | None
    band_high_usd: float | None
    n_draws: int
    gamma_at_index_usd: float | None


class FlowWall(NamedTuple):
    """A level along the strikes, how long it has stood and how sessions ended against it."""

    kind: str
    strike: float
    amount: float
    amount_unit: str
    band_low_usd: float | None
    band_high_usd: float | None
    minutes_held: float | None
    n_sessions: int
    n_touched: int
    n_held: int
    n_closed: int


class FlowMaxPain(NamedTuple):
    """Max pain of one expiry: the listed strike at which what its open interest pays out is least."""

    expiry_ns: int
    strike: float
    pain_usd: float
    n_missing: int


class FlowPressure(NamedTuple):
    """Realised hedge pressure over the last minutes; + = dealers bought."""

    minutes: float
    spot_pct: float | None
    vol_points: float | None
    hpp_usd: float | None
    spot_usd: float | None
    vol_usd: float | None
    time_usd: float | None
    hpp_pct_adv: float | None = None
    hpp_percentile: float | None = None


class FlowLadderStep(NamedTuple):
    """Projected hedge pressure of one move, by full repricing; + = dealers buy."""

    hours: float
    vol_points: float
    spot_pct: float
    hpp_usd: float | None
    hpp_pct_adv: float | None
    twin_hpp_usd: float | None


class FlowProfilePoint(NamedTuple):
    """Dealers' gamma if spot were there, by repricing, vols by strike."""

    level_usd: float
    gamma_usd: float | None
    low_usd: float | None
    high_usd: float | None
    ex_next_expiry_usd: float | None
    twin_gamma_usd: float | None


class Flow(NamedTuple):
    """Dealer flow of one currency at one second of log time: exposures, flips, walls, hedge pressure, labels.

    Keyed by currency. Positions: + = dealers long; flows: + = dealers buy.
    """

    currency: str
    ts_event_ns: int
    is_final: bool
    n_partitions: int
    late_partitions: tuple[int, ...]
    oldest_log_time_ns: int | None
    positions_as_of_ns: int | None
    settings_hash: str
    engine_version: str
    greeks_source: str
    twin_source: str
    numeraire: str
    side_model: str
    naive_model: str
    sign_convention: str
    warnings: tuple[str, ...]
    index_price: float
    dvol: float | None
    volume_24h_usd: float | None
    n_listed: int
    n_options: int
    n_stale: int
    open_interest_coin: float
    n_open_interest_unknown: int
    side_coverage: float | None
    cold_share: float | None
    is_cold_start: bool
    is_warming_up: bool
    signed_volume_coin: float
    unexplained_coin: float
    exposures: tuple[FlowExposure, ...]
    flips: tuple[FlowFlip, ...]
    smile_gap_pct: float | None
    is_smile_gap_wide: bool
    regime: str
    walls: tuple[FlowWall, ...]
    max_pain: tuple[FlowMaxPain, ...]
    is_frozen: bool
    next_expiry_ns: int | None
    live_primary_usd: float | None
    scenario: str
    scenario_text: str
    is_scenario_warm: bool
    is_material: bool | None
    ngi_rank_pct: float | None
    pin_expiry_ns: int | None
    pin_strike: float | None
    pin_gex_usd: float | None
    pin_distance_sd: float | None
    typical_spot_1h_pct: float | None
    typical_vol_1h_points: float | None
    adv_usd: float | None
    realised: tuple[FlowPressure, ...]
    ladder: tuple[FlowLadderStep, ...]
    profile: tuple[FlowProfilePoint, ...]


class FlowStrike(NamedTuple):
    """Dealers' exposures at one strike and expiry of one currency, every few seconds, final only.

    Keyed by currency.
    """

    currency: str
    ts_event_ns: int
    expiry_ns: int
    strike: float
    settings_hash: str
    greeks_source: str
    twin_source: str
    numeraire: str
    side_model: str
    naive_model: str
    index_price: float
    forward: float | None
    n_options: int
    n_used: int
    call_open_interest_coin: float | None
    put_open_interest_coin: float | None
    side_coverage: float | None
    position_coin: float | None
    position_low_coin: float | None
    position_high_coin: float | None
    ngi_usd: float | None
    vss_usd: float | None
    chl_24h_usd: float | None
    volg_usd: float | None
    dex_usd: float | None
    twin_ngi_usd: float | None
    twin_vss_usd: float | None
    trade_signed_ngi_usd: float | None
    assumption_signed_ngi_usd: float | None


class WindowFlow(NamedTuple):
    """What was traded in a settlement window, of the expiring series or of all; net: taker buys minus sells."""

    scope: str
    n_trades: int
    n_buys: int
    n_sells: int
    volume_coin: float
    volume_usd: float | None
    taker_net_coin: float
    taker_net_usd: float | None
    taker_delta_coin: float | None
    taker_gamma_usd: float | None
    european_taker_delta_coin: float | None
    european_taker_gamma_usd: float | None
    n_blocks: int
    n_liquidations: int
    n_without_index: int
    n_without_greeks: int
    n_unreadable: int


class WindowComparison(NamedTuple):
    """A number of a settlement window against the same time of other days."""

    scope: str
    measure: str
    value: float | None
    n_days: int
    mean: float | None
    sd: float | None
    ratio: float | None


class SettlementFlow(NamedTuple):
    """What was traded in the settlement window of one currency and expiry, against the same time of other days; final only.

    Keyed by currency.
    """

    currency: str
    ts_event_ns: int
    expiry_ns: int
    window_begin_ns: int
    rule_id: str
    settings_hash: str
    engine_version: str
    seen_share: float
    is_whole: bool
    is_cold: bool
    flows: tuple[WindowFlow, ...]
    other_days: tuple[WindowComparison, ...]


class FlowMergedStrike(NamedTuple):
    """Both venues at one strike and expiry."""

    expiry_ns: int
    strike_index: float
    deribit_trade_signed_usd_per_pct: float | None
    deribit_assumption_signed_usd_per_pct: float | None
    cme_trade_signed_usd_per_pct: float | None
    cme_assumption_signed_usd_per_pct: float | None


class FlowMerged(NamedTuple):
    """Deribit's and CME's dealer gamma of one currency side by side.

    Keyed by currency. Nothing here is added across venues or across kinds of sign; null: nobody contributed.
    """

    currency: str
    ts_event_ns: int
    is_final: bool
    settings_hash: str
    index_price: float | None
    deribit_trade_signed_usd_per_pct: float | None
    deribit_assumption_signed_usd_per_pct: float | None
    cme_trade_signed_usd_per_pct: float | None
    cme_assumption_signed_usd_per_pct: float | None
    deribit_trade_side_models: tuple[str, ...]
    deribit_assumption_side_models: tuple[str, ...]
    cme_side_models: tuple[str, ...]
    deribit_as_of_ns: int | None
    cme_as_of_ns: int | None
    deribit_side_coverage: float | None
    n_cme_marks: int
    n_cme_without: int
    cme_share_of_futures_open_interest: float | None
    cme_share_as_of_ns: int | None
    warnings: tuple[str, ...]
    strikes: tuple[FlowMergedStrike, ...]
