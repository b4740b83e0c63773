-- Tables of greekstream's history for ClickHouse, printed by `greekstream history --ddl`.
-- Times are ns UTC since the epoch in Int64, as on the wire: fromUnixTimestamp64Nano(ts_event_ns, 'UTC') shows one.
-- A row loaded twice is one row once its parts are merged; SELECT ... FINAL sees one at once.
-- Each table's INSERT loads its files: a server reads them below its user_files_path, clickhouse local where it is started.

CREATE DATABASE IF NOT EXISTS greekstream;

CREATE TABLE IF NOT EXISTS greekstream.greeks
(
    instrument_name String COMMENT 'The venue\'s name, e.g. BTC-27MAR26-100000-C. Also the Kafka key. Text.',
    kind LowCardinality(String) COMMENT 'Option, future or perpetual. Enum.',
    base_currency String COMMENT 'The coin, e.g. BTC. Text.',
    price_index String COMMENT 'E.g. btc_usd. Text.',
    payoff LowCardinality(String) COMMENT 'Inverse (paid in coin) or linear. Enum.',
    option_type LowCardinality(Nullable(String)) COMMENT 'Call or put; null: not an option. Enum.',
    strike Nullable(Float64) COMMENT 'Strike; null: not an option. USD per coin.',
    expiry_ns Nullable(Int64) COMMENT 'Expires at; null: perpetual. ns UTC since the epoch.',
    contract_size Float64 COMMENT 'Size of one contract, in contract_size_unit. Coin or USD.',
    contract_size_unit String COMMENT 'coin or usd. Text.',
    premium_unit String COMMENT 'coin or usd: unit of bid, ask, mark, last. Text.',
    source_partition Int32 COMMENT 'Partition of deribit.ticks.v1 whose record made this. Number.',
    source_offset Int64 COMMENT 'Offset in that partition of the record that made this, or fired the timer that did. Count.',
    result_seq Int32 COMMENT 'Number of this result among all results of that source offset, from 0. Count.',
    trigger LowCardinality(String) COMMENT 'What made the row. Enum.',
    ts_event_ns Int64 COMMENT 'Log time of the row: of the record that made it, or the due time of its timer. ns UTC since the epoch.',
    status LowCardinality(String) COMMENT 'Whether the primary numbers are there, and why not. Enum.',
    convention String COMMENT 'What the units mean: usd-per-coin/forward/act365. Text.',
    forward Nullable(Float64) COMMENT 'Forward used: mean of the remaining fixings. USD per coin.',
    forward_source LowCardinality(String) COMMENT 'Where it came from. Enum.',
    forward_age_ms Nullable(Float64) COMMENT 'Its age at ts_event_ns. Milliseconds.',
    index_price Nullable(Float64) COMMENT 'Index. USD per coin.',
    tau_years Nullable(Float64) COMMENT 'Time to expiry. Years of 365 days.',
    n_fixings Int32 COMMENT 'Fixings of the whole settlement window. Count.',
    n_fixed Int32 COMMENT 'Of those, known. Count.',
    running_sum Float64 COMMENT 'Sum, not mean, of the known ones. USD per coin, times count.',
    n_imputed Int32 COMMENT 'Of the known ones, imputed. Count.',
    bid Nullable(Float64) COMMENT 'Best bid. In premium_unit.',
    ask Nullable(Float64) COMMENT 'Best ask. In premium_unit.',
    mark Nullable(Float64) COMMENT 'The venue\'s mark price. In premium_unit.',
    last Nullable(Float64) COMMENT 'Price of the last trade. In premium_unit.',
    bid_size Nullable(Float64) COMMENT 'Size at the best bid. Coin (inverse futures: USD).',
    ask_size Nullable(Float64) COMMENT 'Size at the best ask. Coin (inverse futures: USD).',
    open_interest Nullable(Float64) COMMENT 'Open interest. Coin (inverse futures: USD).',
    volume_24h Nullable(Float64) COMMENT 'Volume of the last 24 hours. Coin.',
    dvol Nullable(Float64) COMMENT 'The venue\'s volatility index. Fraction per sqrt(year).',
    delivery_price Nullable(Float64) COMMENT 'Final average; null: not settled. USD per coin.',
    quote_age_ms Nullable(Float64) COMMENT 'Age of the quote at ts_event_ns. Milliseconds.',
    sigma Nullable(Float64) COMMENT 'Vol used, under the contract priced. Fraction per sqrt(year).',
    sigma_source LowCardinality(String) COMMENT 'Where it came from. Enum.',
    sigma_age_ms Nullable(Float64) COMMENT 'Its age at ts_event_ns. Milliseconds.',
    sigma_bid Nullable(Float64) COMMENT 'Vol solved from the bid. Fraction per sqrt(year).',
    sigma_bid_status LowCardinality(String) COMMENT 'How that went. Enum.',
    sigma_ask Nullable(Float64) COMMENT 'Vol solved from the ask. Fraction per sqrt(year).',
    sigma_ask_status LowCardinality(String) COMMENT 'How that went. Enum.',
    sigma_mark Nullable(Float64) COMMENT 'Vol solved from the venue\'s mark price. Fraction per sqrt(year).',
    sigma_mark_status LowCardinality(String) COMMENT 'How that went. Enum.',
    sigma_last Nullable(Float64) COMMENT 'Vol solved from the last trade. Fraction per sqrt(year).',
    sigma_last_status LowCardinality(String) COMMENT 'How that went. Enum.',
    sigma_low Nullable(Float64) COMMENT 'Lower end of the band that one tick of the mark leaves open. Fraction per sqrt(year).',
    sigma_high Nullable(Float64) COMMENT 'Upper end of that band. Fraction per sqrt(year).',
    engine LowCardinality(String) COMMENT 'Arithmetic that made the primary numbers (FALLBACK to QMC says QMC). Enum.',
    price_usd Nullable(Float64) COMMENT 'Value of the settlement-average contract. USD per coin of notional, undiscounted.',
    price_coin Nullable(Float64) COMMENT 'price_usd / forward. Coin per coin of notional.',
    std_error_usd Nullable(Float64) COMMENT 'Standard error of price_usd; null: not a QMC number. USD per coin of notional.',
    delta Nullable(Float64) COMMENT 'd price_usd / d forward. Coin per coin of notional.',
    gamma_per_usd Nullable(Float64) COMMENT 'Second derivative of price_usd to forward. Per USD, per coin of notional.',
    vega_usd_per_point Nullable(Float64) COMMENT 'Change of price_usd for one vol point (0.01). USD per coin of notional.',
    theta_usd_per_day Nullable(Float64) COMMENT 'Derivative to calendar time between fixings, not capped at the remaining life. USD per day, per coin of notional.',
    rho_usd_per_pct Nullable(Float64) COMMENT 'Rate up 1 %, index fixed, forward moving with it: t_N (F delta - V) / 100. USD per per cent, per coin of notional.',
    vanna_per_point Nullable(Float64) COMMENT 'Change of delta for one vol point. Per 0.01 of sigma.',
    charm_per_day Nullable(Float64) COMMENT 'Derivative of delta to calendar time between fixings. Per day.',
    volga_usd_per_point2 Nullable(Float64) COMMENT 'Change of vega_usd_per_point for one more vol point. USD per point squared, per coin of notional.',
    roll_delta_per_fixing Nullable(Float64) COMMENT 'Delta after the next fixing is taken at forward, time held, minus delta now; 0 before the window. Per fixing.',
    delta_coin Nullable(Float64) COMMENT 'delta - price_usd/forward, the premium-adjusted delta; null: not inverse. Coin per coin of notional.',
    gamma_coin_per_usd Nullable(Float64) COMMENT 'gamma - delta/F + V/F^2, in coin; null: not inverse. Coin per USD, per coin of notional.',
    european_sigma Nullable(Float64) COMMENT 'Vol at which Black-76 gives price_usd. Fraction per sqrt(year).',
    european_price_usd Nullable(Float64) COMMENT 'Black-76 at the row\'s sigma. USD per coin of notional.',
    european_delta Nullable(Float64) COMMENT 'Black-76 delta at the row\'s sigma. Coin per coin of notional.',
    european_gamma_per_usd Nullable(Float64) COMMENT 'Black-76 gamma. Per USD, per coin of notional.',
    european_vega_usd_per_point Nullable(Float64) COMMENT 'Black-76 vega for 0.01 of sigma. USD per coin of notional.',
    european_theta_usd_per_day Nullable(Float64) COMMENT 'Black-76 theta. USD per day, per coin of notional.',
    european_vanna_per_point Nullable(Float64) COMMENT 'Black-76 vanna for 0.01 of sigma. Per point.',
    european_charm_per_day Nullable(Float64) COMMENT 'Black-76 charm. Per day.',
    european_volga_usd_per_point2 Nullable(Float64) COMMENT 'Black-76 volga. USD per point squared, per coin of notional.',
    venue_sigma Nullable(Float64) COMMENT 'The venue\'s European implied vol of its mark. Fraction per sqrt(year).',
    venue_price_usd Nullable(Float64) COMMENT 'The venue\'s mark price. USD per coin.',
    venue_delta Nullable(Float64) COMMENT 'The venue\'s delta. Coin per coin.',
    venue_gamma Nullable(Float64) COMMENT 'The venue\'s gamma. Per USD, per coin.',
    venue_vega Nullable(Float64) COMMENT 'The venue\'s vega. USD per vol point, per coin.',
    venue_theta Nullable(Float64) COMMENT 'The venue\'s theta: min(one day, remaining life). USD per day, per coin.',
    venue_rho Nullable(Float64) COMMENT 'The venue\'s rho. USD per per cent, per coin.',
    spread_pct Nullable(Float64) COMMENT '(ask - bid) / mid. Per cent of the mid.',
    is_liquid Bool COMMENT 'True: traded or two-sided and narrow of late. Boolean.',
    is_stale Bool COMMENT 'True: an input is older than it may be, or lies before a feed gap\'s end. Boolean.',
    is_cold Bool COMMENT 'True: no quote other than a snapshot\'s since a cold start. Boolean.',
    is_pin_risk Bool COMMENT 'True: on the last day, with the strike within half a standard deviation of where it would settle now. Boolean.',
    settlement_sd_usd Nullable(Float64) COMMENT 'Standard deviation of the delivery price from now. USD per coin.',
    last_good_ns Nullable(Int64) COMMENT 'Log time of the last row with finite numbers. ns UTC since the epoch.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (instrument_name, ts_event_ns, log_partition, log_offset)
COMMENT 'greeks.v1, one row a record';
-- INSERT INTO greekstream.greeks SELECT * FROM file('history/live/greeks/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.trades
(
    ts_event_ns Int64 COMMENT 'Event time at the exchange. ns UTC since the epoch.',
    ingest_epoch Int64 COMMENT 'Offset of the writing ingest\'s claim record in feed.status.v1; a lower epoch is a superseded writer. Count.',
    instrument_name String COMMENT 'The venue\'s name, e.g. BTC-27MAR26-100000-C. Also the Kafka key. Text.',
    trade_id String COMMENT 'The venue\'s identifier of the trade. Text.',
    trade_seq Int64 COMMENT 'The venue\'s running number of trades of this instrument. Count.',
    price Float64 COMMENT 'Price of the trade. In the contract\'s own premium unit (coin per coin for inverse, USD per coin for linear).',
    amount_coin Float64 COMMENT 'Size. Coin.',
    direction LowCardinality(String) COMMENT 'Side of the taker. Enum.',
    tick_direction LowCardinality(String) COMMENT 'Price against the trade before. Enum.',
    trade_sigma Nullable(Float64) COMMENT 'The venue\'s European implied vol of the trade. Fraction per sqrt(year).',
    index_price Nullable(Float64) COMMENT 'Index at the trade. USD per coin.',
    mark Nullable(Float64) COMMENT 'The venue\'s mark price at the trade. In the contract\'s own premium unit (coin per coin for inverse, USD per coin for linear).',
    liquidation LowCardinality(String) COMMENT 'Which side was liquidated. Enum.',
    block_trade_id Nullable(String) COMMENT 'Identifier of the block trade that this is a leg of; null: none. Text.',
    block_leg_count Nullable(Int32) COMMENT 'Number of legs of that block trade; null: none. Count.',
    block_rfq_id Nullable(Int64) COMMENT 'Identifier of the block request for quote; null: none. Number.',
    combo_id Nullable(String) COMMENT 'Name of the combo that this is a leg of; null: none. Text.',
    combo_trade_id Nullable(String) COMMENT 'Identifier of the combo\'s trade; null: none. Text.',
    is_backfill Bool COMMENT 'True: fetched from the venue\'s history after a gap, not received live. Boolean.',
    source_partition Int32 COMMENT 'Partition of deribit.ticks.v1 whose record made this. Number.',
    source_offset Int64 COMMENT 'Offset in that partition of the record that made this, or fired the timer that did. Count.',
    result_seq Int32 COMMENT 'Number of this result among all results of that source offset, from 0. Count.',
    status LowCardinality(String) COMMENT 'Whether the numbers are there, and why not. Enum.',
    sigma_trade Nullable(Float64) COMMENT 'Vol solved from the trade\'s price under our contract. Fraction per sqrt(year).',
    sigma_trade_status LowCardinality(String) COMMENT 'How that went. Enum.',
    forward Nullable(Float64) COMMENT 'Forward at the trade. USD per coin.',
    open_interest Nullable(Float64) COMMENT 'Open interest at the trade. Coin.',
    bid Nullable(Float64) COMMENT 'Best bid at the trade. In the contract\'s own premium unit (coin per coin for inverse, USD per coin for linear).',
    ask Nullable(Float64) COMMENT 'Best ask at the trade. In the contract\'s own premium unit (coin per coin for inverse, USD per coin for linear).',
    dvol Nullable(Float64) COMMENT 'The venue\'s volatility index. Fraction per sqrt(year).',
    sigma Nullable(Float64) COMMENT 'Vol that the values below are made with. Fraction per sqrt(year).',
    sigma_source LowCardinality(String) COMMENT 'Where it came from. Enum.',
    engine LowCardinality(String) COMMENT 'Arithmetic that made the primary numbers (FALLBACK to QMC says QMC). Enum.',
    price_usd Nullable(Float64) COMMENT 'Value of the settlement-average contract. USD per coin of notional, undiscounted.',
    price_coin Nullable(Float64) COMMENT 'price_usd / forward. Coin per coin of notional.',
    std_error_usd Nullable(Float64) COMMENT 'Standard error of price_usd; null: not a QMC number. USD per coin of notional.',
    delta Nullable(Float64) COMMENT 'd price_usd / d forward. Coin per coin of notional.',
    gamma_per_usd Nullable(Float64) COMMENT 'Second derivative of price_usd to forward. Per USD, per coin of notional.',
    vega_usd_per_point Nullable(Float64) COMMENT 'Change of price_usd for one vol point (0.01). USD per coin of notional.',
    theta_usd_per_day Nullable(Float64) COMMENT 'Derivative to calendar time between fixings, not capped at the remaining life. USD per day, per coin of notional.',
    rho_usd_per_pct Nullable(Float64) COMMENT 'Rate up 1 %, index fixed, forward moving with it: t_N (F delta - V) / 100. USD per per cent, per coin of notional.',
    vanna_per_point Nullable(Float64) COMMENT 'Change of delta for one vol point. Per 0.01 of sigma.',
    charm_per_day Nullable(Float64) COMMENT 'Derivative of delta to calendar time between fixings. Per day.',
    volga_usd_per_point2 Nullable(Float64) COMMENT 'Change of vega_usd_per_point for one more vol point. USD per point squared, per coin of notional.',
    roll_delta_per_fixing Nullable(Float64) COMMENT 'Delta after the next fixing is taken at forward, time held, minus delta now; 0 before the window. Per fixing.',
    delta_coin Nullable(Float64) COMMENT 'delta - price_usd/forward, the premium-adjusted delta; null: not inverse. Coin per coin of notional.',
    gamma_coin_per_usd Nullable(Float64) COMMENT 'gamma - delta/F + V/F^2, in coin; null: not inverse. Coin per USD, per coin of notional.',
    european_sigma Nullable(Float64) COMMENT 'Vol at which Black-76 gives price_usd. Fraction per sqrt(year).',
    european_price_usd Nullable(Float64) COMMENT 'Black-76 at the row\'s sigma. USD per coin of notional.',
    european_delta Nullable(Float64) COMMENT 'Black-76 delta at the row\'s sigma. Coin per coin of notional.',
    european_gamma_per_usd Nullable(Float64) COMMENT 'Black-76 gamma. Per USD, per coin of notional.',
    european_vega_usd_per_point Nullable(Float64) COMMENT 'Black-76 vega for 0.01 of sigma. USD per coin of notional.',
    european_theta_usd_per_day Nullable(Float64) COMMENT 'Black-76 theta. USD per day, per coin of notional.',
    european_vanna_per_point Nullable(Float64) COMMENT 'Black-76 vanna for 0.01 of sigma. Per point.',
    european_charm_per_day Nullable(Float64) COMMENT 'Black-76 charm. Per day.',
    european_volga_usd_per_point2 Nullable(Float64) COMMENT 'Black-76 volga. USD per point squared, per coin of notional.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (instrument_name, ts_event_ns, log_partition, log_offset)
COMMENT 'trades.v1, one row a record';
-- INSERT INTO greekstream.trades SELECT * FROM file('history/live/trades/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.flow
(
    currency String COMMENT 'Base currency of the options, e.g. BTC. Also the Kafka key. Text.',
    ts_event_ns Int64 COMMENT 'The second of log time that this is as of: all that the partitions had up to it. ns UTC since the epoch.',
    is_final Bool COMMENT 'True: every partition has passed the second, and a replay gives these bytes again. False: provisional, some are late; the final one follows. Boolean.',
    n_partitions Int32 COMMENT 'Partitions of the market log. Count.',
    late_partitions Array(Int32) COMMENT 'Those that had not passed the second; empty in a final one. List of numbers.',
    oldest_log_time_ns Nullable(Int64) COMMENT 'Where the latest of them stood; null: nowhere yet. ns UTC since the epoch.',
    positions_as_of_ns Nullable(Int64) COMMENT 'The second that the dealers\' positions are as of: this one in a final record, the last final one in a provisional record. ns UTC since the epoch.',
    settings_hash String COMMENT 'Sixteen hex digits of the settings in force. Text.',
    engine_version String COMMENT 'Version of the engine. Text.',
    greeks_source String COMMENT 'Primary source of greeks: settlement_average, european, venue, auto. Text.',
    twin_source String COMMENT 'The source that stands beside it. Text.',
    numeraire String COMMENT 'Of flips, walls, ladder and labels: usd or coin. Text.',
    side_model String COMMENT 'What gave the positions of flips, walls, ladder and labels: flow_shrunk, flow_inferred, or a naive convention. Text.',
    naive_model String COMMENT 'The convention that flow_shrunk shrinks to, and that the assumption-signed exposures have. Text.',
    sign_convention String COMMENT 'positive position: dealers long; positive flow: dealers buy. Text.',
    warnings Array(String) COMMENT 'What to know before using the numbers: frozen levels, European greeks, a cold start. List of text.',
    index_price Float64 COMMENT 'Index of the currency: S of every formula. USD per coin.',
    dvol Nullable(Float64) COMMENT 'The venue\'s volatility index, which vol moves are measured in; null: none. Fraction per year.',
    volume_24h_usd Nullable(Float64) COMMENT '24-h volume of the currency\'s perpetuals; null: not known. USD.',
    n_listed Int32 COMMENT 'Instruments that the partitions have listed, of all currencies. Count.',
    n_options Int32 COMMENT 'Options of the currency with a row. Count.',
    n_stale Int32 COMMENT 'Options whose newest row is too old: their greeks are in no sum. Count.',
    open_interest_coin Float64 COMMENT 'Open interest known. In coin.',
    n_open_interest_unknown Int32 COMMENT 'Options whose open interest is not known: their position is in no sum. Count.',
    side_coverage Nullable(Float64) COMMENT 'Share of the open interest whose side was seen; 0 without trades; null: no open interest. Fraction.',
    cold_share Nullable(Float64) COMMENT 'Share of the open interest of options whose first trades were not seen. Fraction.',
    is_cold_start Bool COMMENT 'Some position began before the first trade that was seen, or is not known: the bands say how much that may be. Boolean.',
    is_warming_up Bool COMMENT 'The whole chain may not have come yet since this service began to read. Boolean.',
    signed_volume_coin Float64 COMMENT 'Volume of trades whose side is known, of listed options. In coin.',
    unexplained_coin Float64 COMMENT 'Changes of open interest that the trades seen cannot have made. In coin.',
    exposures Array(Tuple(greeks_source String, model String, numeraire String, side_model String, is_trade_signed Bool, ngi_usd Nullable(Float64), ngi_coin Nullable(Float64), ngi_low_usd Nullable(Float64), ngi_high_usd Nullable(Float64), vss_usd Nullable(Float64), chl_24h_usd Nullable(Float64), volg_usd Nullable(Float64), dex_usd Nullable(Float64), hedge_1pct_up_usd Nullable(Float64), hedge_1pct_down_usd Nullable(Float64), n_used Int32, n_missing Int32, open_interest_share Nullable(Float64))) COMMENT 'Primary source and twin, usd and coin, trade-signed and assumption-signed; the first is the primary one. List.',
    flips Array(Tuple(greeks_source String, model String, numeraire String, smile_rule String, variant String, status String, levels Array(Tuple(level_usd Float64, is_to_long Bool)), primary_usd Nullable(Float64), is_primary_to_long Nullable(Bool), flip_pct Nullable(Float64), band_low_usd Nullable(Float64), band_high_usd Nullable(Float64), n_draws Int32, gamma_at_index_usd Nullable(Float64))) COMMENT 'Both smile rules and all variants of the primary source, and the twin\'s at sticky strike; the first is the primary one. List.',
    smile_gap_pct Nullable(Float64) COMMENT 'Distance of the primary flips of the two smile rules, over the index. Per cent.',
    is_smile_gap_wide Bool COMMENT 'Whether that is more than the settings allow: then report both. Boolean.',
    regime String COMMENT 'long_gamma, short_gamma or unknown, with hysteresis. Text.',
    walls Array(Tuple(kind String, strike Float64, amount Float64, amount_unit String, band_low_usd Nullable(Float64), band_high_usd Nullable(Float64), minutes_held Nullable(Float64), n_sessions Int32, n_touched Int32, n_held Int32, n_closed Int32)) COMMENT 'Walls and magnet; a kind that no strike has is missing. List.',
    max_pain Array(Tuple(expiry_ns Int64, strike Float64, pain_usd Float64, n_missing Int32)) COMMENT 'By expiry, ascending. List.',
    is_frozen Bool COMMENT 'Flips, walls, regime and scenario are those of before an expiry that is at hand. Boolean.',
    next_expiry_ns Nullable(Int64) COMMENT 'Next expiry of the book. ns UTC since the epoch.',
    live_primary_usd Nullable(Float64) COMMENT 'Primary flip of now, where levels are frozen too. USD per coin.',
    scenario String COMMENT 'gamma_pin, short_gamma_accel, vanna_squeeze, charm_drift, long_gamma_damped, neutral or unknown, with hysteresis. Text.',
    scenario_text String COMMENT 'What it says of the dealers. Text.',
    is_scenario_warm Bool COMMENT 'Whether the histories are long enough for percentiles. Boolean.',
    is_material Nullable(Bool) COMMENT 'Whether NGI is more than its share of the median hourly volume; null: no volume known. Boolean.',
    ngi_rank_pct Nullable(Float64) COMMENT 'Share of the last thirty days\' samples, of this kind of day, at or below NGI; null: too few. Per cent.',
    pin_expiry_ns Nullable(Int64) COMMENT 'Expiry of the strongest pin at hand; null: there is none. ns UTC since the epoch.',
    pin_strike Nullable(Float64) COMMENT 'Its strike. USD per coin.',
    pin_gex_usd Nullable(Float64) COMMENT 'Dealers\' net gamma there, of that expiry. USD per 1 %.',
    pin_distance_sd Nullable(Float64) COMMENT 'How far it is from where it settles, over the standard deviation left. Number.',
    typical_spot_1h_pct Nullable(Float64) COMMENT 'Median magnitude of an hour\'s move of the index. Per cent.',
    typical_vol_1h_points Nullable(Float64) COMMENT 'The same of the volatility index. In vol points.',
    adv_usd Nullable(Float64) COMMENT 'Median 24-h volume. USD.',
    realised Array(Tuple(minutes Float64, spot_pct Nullable(Float64), vol_points Nullable(Float64), hpp_usd Nullable(Float64), spot_usd Nullable(Float64), vol_usd Nullable(Float64), time_usd Nullable(Float64), hpp_pct_adv Nullable(Float64), hpp_percentile Nullable(Float64))) COMMENT 'Realised hedge pressure by horizon. List.',
    ladder Array(Tuple(hours Float64, vol_points Float64, spot_pct Float64, hpp_usd Nullable(Float64), hpp_pct_adv Nullable(Float64), twin_hpp_usd Nullable(Float64))) COMMENT 'Projected hedge pressure; empty in seconds without one. List.',
    profile Array(Tuple(level_usd Float64, gamma_usd Nullable(Float64), low_usd Nullable(Float64), high_usd Nullable(Float64), ex_next_expiry_usd Nullable(Float64), twin_gamma_usd Nullable(Float64))) COMMENT 'Dealers\' gamma over spot, within 30 % of the index; in the seconds of the ladder. List.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (currency, ts_event_ns, log_partition, log_offset)
COMMENT 'flow.v1, one row a record';
-- INSERT INTO greekstream.flow SELECT * FROM file('history/live/flow/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.audit
(
    instrument_name String COMMENT 'The venue\'s name, e.g. BTC-27MAR26-100000-C. Also the Kafka key. Text.',
    ts_event_ns Int64 COMMENT 'Log time. ns UTC since the epoch.',
    source_partition Int32 COMMENT 'Partition of deribit.ticks.v1 whose record made this. Number.',
    source_offset Int64 COMMENT 'Offset in that partition of the record that made this, or fired the timer that did. Count.',
    result_seq Int32 COMMENT 'Number of this result among all results of that source offset, from 0. Count.',
    kind LowCardinality(String) COMMENT 'What ours is compared with. Enum.',
    quantity String COMMENT 'Name of the quantity, e.g. delta. Text.',
    ours Nullable(Float64) COMMENT 'Our number. In unit.',
    other Nullable(Float64) COMMENT 'The other number. In unit.',
    difference Nullable(Float64) COMMENT 'ours - other. In unit.',
    unit String COMMENT 'Unit of the three. Text.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (instrument_name, ts_event_ns, log_partition, log_offset)
COMMENT 'audit.v1, one row a record';
-- INSERT INTO greekstream.audit SELECT * FROM file('history/live/audit/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.flow_strikes
(
    currency String COMMENT 'Base currency. Also the Kafka key. Text.',
    ts_event_ns Int64 COMMENT 'The second of log time that this is as of. ns UTC since the epoch.',
    expiry_ns Int64 COMMENT 'Expiry. ns UTC since the epoch.',
    strike Float64 COMMENT 'Strike. USD per coin.',
    settings_hash String COMMENT 'Sixteen hex digits of the settings in force. Text.',
    greeks_source String COMMENT 'Whose greeks the unprefixed numbers are of. Text.',
    twin_source String COMMENT 'Whose greeks the numbers with twin_ are of. Text.',
    numeraire String COMMENT 'usd or coin. Text.',
    side_model String COMMENT 'What gave the positions of the trade-signed numbers. Text.',
    naive_model String COMMENT 'What gave the positions of the assumption-signed numbers. Text.',
    index_price Float64 COMMENT 'Index of the currency. USD per coin.',
    forward Nullable(Float64) COMMENT 'Forward of the expiry. USD per coin.',
    n_options Int32 COMMENT 'Options at this strike and expiry, of both payoffs. Count.',
    n_used Int32 COMMENT 'Of them those in ngi_usd. Count.',
    call_open_interest_coin Nullable(Float64) COMMENT 'Of the calls. In coin.',
    put_open_interest_coin Nullable(Float64) COMMENT 'Of the puts. In coin.',
    side_coverage Nullable(Float64) COMMENT 'Share of the open interest whose side was seen; null: there is none. Fraction.',
    position_coin Nullable(Float64) COMMENT 'Dealers\' net position under side_model, + = long. In coin.',
    position_low_coin Nullable(Float64) COMMENT 'Lower quantile over the draws; null: no draws. In coin.',
    position_high_coin Nullable(Float64) COMMENT 'Upper quantile. In coin.',
    ngi_usd Nullable(Float64) COMMENT 'Dealers\' gamma under side_model: change of delta for +1 % spot, valued at the index. USD per 1 %.',
    vss_usd Nullable(Float64) COMMENT 'Change of delta for +1 vol point. USD per vol point.',
    chl_24h_usd Nullable(Float64) COMMENT 'Change of delta by time. USD per day.',
    volg_usd Nullable(Float64) COMMENT 'Position times volga. USD of vega per point, per vol point.',
    dex_usd Nullable(Float64) COMMENT 'Option delta. USD.',
    twin_ngi_usd Nullable(Float64) COMMENT 'ngi_usd with the twin\'s greeks. USD per 1 %.',
    twin_vss_usd Nullable(Float64) COMMENT 'vss_usd with the twin\'s greeks. USD per vol point.',
    trade_signed_ngi_usd Nullable(Float64) COMMENT 'ngi_usd where observed trades are behind the sign; null where side_model is an assumption alone. USD per 1 %.',
    assumption_signed_ngi_usd Nullable(Float64) COMMENT 'ngi_usd under naive_model. An assumption, not an observation. USD per 1 %.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (currency, ts_event_ns, expiry_ns, strike, log_partition, log_offset)
COMMENT 'flow.strikes.v1, one row a record';
-- INSERT INTO greekstream.flow_strikes SELECT * FROM file('history/live/flow_strikes/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.flow_settlements
(
    currency String COMMENT 'Base currency. Also the Kafka key. Text.',
    ts_event_ns Int64 COMMENT 'The second of log time with which the window was over, a few seconds after its end. ns UTC since the epoch.',
    expiry_ns Int64 COMMENT 'Expiry: the end of the window. ns UTC since the epoch.',
    window_begin_ns Int64 COMMENT 'Begin of the window; a trade at it is not in it. ns UTC since the epoch.',
    rule_id String COMMENT 'The settlement rule that the window is of. Text.',
    settings_hash String COMMENT 'Sixteen hex digits of the settings in force. Text.',
    engine_version String COMMENT 'Hash of the code that made the record. Text.',
    seen_share Float64 COMMENT 'Seconds of the window in which log time went on. Fraction.',
    is_whole Bool COMMENT 'Whether seen_share is large enough for this day to be compared with. Boolean.',
    is_cold Bool COMMENT 'No earlier day has been seen: nothing in other_days says anything. Boolean.',
    flows Array(Tuple(scope String, n_trades Int32, n_buys Int32, n_sells Int32, volume_coin Float64, volume_usd Nullable(Float64), taker_net_coin Float64, taker_net_usd Nullable(Float64), taker_delta_coin Nullable(Float64), taker_gamma_usd Nullable(Float64), european_taker_delta_coin Nullable(Float64), european_taker_gamma_usd Nullable(Float64), n_blocks Int32, n_liquidations Int32, n_without_index Int32, n_without_greeks Int32, n_unreadable Int32)) COMMENT 'The expiring series, then all options of the currency. List.',
    other_days Array(Tuple(scope String, measure String, value Nullable(Float64), n_days Int32, mean Nullable(Float64), sd Nullable(Float64), ratio Nullable(Float64))) COMMENT 'Each measure against the same time of earlier days. List.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (currency, ts_event_ns, expiry_ns, log_partition, log_offset)
COMMENT 'flow.settlements.v1, one row a record';
-- INSERT INTO greekstream.flow_settlements SELECT * FROM file('history/live/flow_settlements/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.flow_merged
(
    currency String COMMENT 'Base currency. Also the Kafka key. Text.',
    ts_event_ns Int64 COMMENT 'The second of log time that Deribit\'s side is as of. ns UTC since the epoch.',
    is_final Bool COMMENT 'Whether Deribit\'s side is of final records. Boolean.',
    settings_hash String COMMENT 'Sixteen hex digits of the settings in force. Text.',
    index_price Nullable(Float64) COMMENT 'Index of the currency. USD per coin.',
    deribit_trade_signed_usd_per_pct Nullable(Float64) COMMENT 'Change of dealers\' delta for +1 % of the index, valued at the index, signed by observed trades. USD per 1 %.',
    deribit_assumption_signed_usd_per_pct Nullable(Float64) COMMENT 'The same, signed by an assumption. USD per 1 %.',
    cme_trade_signed_usd_per_pct Nullable(Float64) COMMENT 'CME\'s, signed by observed trades; null: no trade of CME says who the dealer is. USD per 1 %.',
    cme_assumption_signed_usd_per_pct Nullable(Float64) COMMENT 'CME\'s, signed by an assumption. USD per 1 %.',
    deribit_trade_side_models Array(String) COMMENT 'What gave the trade-signed positions of Deribit their sign. List of text.',
    deribit_assumption_side_models Array(String) COMMENT 'What gave the assumption-signed ones theirs. List of text.',
    cme_side_models Array(String) COMMENT 'What gave CME\'s positions their sign. List of text.',
    deribit_as_of_ns Nullable(Int64) COMMENT 'Oldest moment that Deribit\'s exposures describe. ns UTC since the epoch.',
    cme_as_of_ns Nullable(Int64) COMMENT 'Oldest moment that CME\'s exposures describe: its open interest is daily, nothing of it is intraday. ns UTC since the epoch.',
    deribit_side_coverage Nullable(Float64) COMMENT 'Share of Deribit\'s open interest whose side was seen. Fraction.',
    n_cme_marks Int32 COMMENT 'CME\'s live marks in the sums. Count.',
    n_cme_without Int32 COMMENT 'CME\'s live marks that could give nothing: in no sum. Count.',
    cme_share_of_futures_open_interest Nullable(Float64) COMMENT 'Newest reading of CME\'s share of futures open interest; null: none. Fraction.',
    cme_share_as_of_ns Nullable(Int64) COMMENT 'The day of that reading, its midnight. ns UTC since the epoch.',
    warnings Array(String) COMMENT 'What to know before using the numbers. List of text.',
    strikes Array(Tuple(expiry_ns Int64, strike_index Float64, deribit_trade_signed_usd_per_pct Nullable(Float64), deribit_assumption_signed_usd_per_pct Nullable(Float64), cme_trade_signed_usd_per_pct Nullable(Float64), cme_assumption_signed_usd_per_pct Nullable(Float64))) COMMENT 'By expiry and strike_index, ascending; strikes of the two venues need not coincide. List.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (currency, ts_event_ns, log_partition, log_offset)
COMMENT 'flow.merged.v1, one row a record';
-- INSERT INTO greekstream.flow_merged SELECT * FROM file('history/live/flow_merged/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;


CREATE TABLE IF NOT EXISTS greekstream.cme_marks
(
    product String COMMENT 'Code of the future that the option is on: BTC, MBT, ETH, MET, BFF; empty where it is not known. Also the Kafka key. Text.',
    instrument_name String COMMENT 'The venue\'s symbol, or the columns that name it in a settlement file, e.g. P1EM6 C100000. Text.',
    instrument_id Nullable(Int64) COMMENT 'The venue\'s number of the instrument; null from a settlement file. Number.',
    root String COMMENT 'Root of the series: BTC, P1E, WM. Text.',
    family String COMMENT 'monthly, weekly, friday (Bitcoin Friday), or unlisted: the root is not in the table. Text.',
    base_currency String COMMENT 'BTC or ETH; empty where the product is not known. Text.',
    option_type LowCardinality(String) COMMENT 'Call or put. Enum.',
    strike Float64 COMMENT 'Strike. USD per coin.',
    strike_index Nullable(Float64) COMMENT 'Strike in terms of the index: strike times index_price over forward, so that it lies beside strikes of other venues. USD per coin.',
    expiry_ns Int64 COMMENT 'Moment of expiry: 16:00 in London, or in New York for Bitcoin Friday. ns UTC since the epoch.',
    multiplier Nullable(Float64) COMMENT 'Coin of notional in one contract: 5, 0.1, 50, 0.02. In coin per contract.',
    multiplier_source String COMMENT 'definition (its unit_of_measure_qty), table, or empty. Text.',
    exercise_style String COMMENT 'european, american or unknown; only European ones are priced. Text.',
    future_name String COMMENT 'The future that is the option\'s forward; empty where only its number, or nothing, is known. Text.',
    future_id Nullable(Int64) COMMENT 'The venue\'s number of that future. Number.',
    future_expiry_ns Nullable(Int64) COMMENT 'When it expires: a weekly option delivers a future that lives on. ns UTC since the epoch.',
    future_link String COMMENT 'named (by the option\'s own record), next_expiry (the first one that expires no earlier), or empty. Text.',
    source String COMMENT 'dbn or settlement_csv. Text.',
    ts_event_ns Int64 COMMENT 'The moment that the mark is of. ns UTC since the epoch.',
    status LowCardinality(String) COMMENT 'Why there are numbers, or are none. Enum.',
    detail String COMMENT 'The inputs that made the status so; with OK what is odd about the contract. Text.',
    convention String COMMENT 'usd-per-coin/forward/act365: units, what delta refers to, year basis (E-20). Text.',
    forward Nullable(Float64) COMMENT 'Price of the future now. USD per coin.',
    forward_source LowCardinality(String) COMMENT 'Where it comes from. Enum.',
    forward_ns Nullable(Int64) COMMENT 'When that price was made. ns UTC since the epoch.',
    index_price Nullable(Float64) COMMENT 'Index of the currency at that moment, as the caller gave it. USD per coin.',
    tau_years Nullable(Float64) COMMENT 'Time to expiry. Years of 365 days.',
    bid Nullable(Float64) COMMENT 'Best bid; null where there is none or it is too old. USD per coin.',
    ask Nullable(Float64) COMMENT 'Best offer, likewise. USD per coin.',
    quote_ns Nullable(Int64) COMMENT 'When that book was seen. ns UTC since the epoch.',
    settlement_price Nullable(Float64) COMMENT 'Newest daily settlement of the option. USD per coin.',
    settlement_ns Nullable(Int64) COMMENT 'When that price was taken: 15:00 in Chicago on its trade date. ns UTC since the epoch.',
    is_settlement_final Nullable(Bool) COMMENT 'Final, or preliminary. Boolean.',
    open_interest_contracts Nullable(Float64) COMMENT 'Daily open interest as published. Count of contracts.',
    open_interest_divisor Float64 COMMENT 'What open_interest_contracts is divided by so that each contract counts once: 1 where the source counts it so, 2 where it counts buyer and seller. Number.',
    open_interest_as_of_ns Nullable(Int64) COMMENT 'End of the trade date that the open interest describes: it is a day old when it comes. ns UTC since the epoch.',
    open_interest_published_ns Nullable(Int64) COMMENT 'When the venue published it; null where the source does not say. ns UTC since the epoch.',
    sigma Nullable(Float64) COMMENT 'Volatility of the option on its future. Fraction per year.',
    sigma_source LowCardinality(String) COMMENT 'Price that it was solved from; PARITY_TWIN: the settlement of the other type at the same strike. Enum.',
    sigma_status LowCardinality(String) COMMENT 'What the solver said of that price. Enum.',
    sigma_ns Nullable(Int64) COMMENT 'Moment of that price. ns UTC since the epoch.',
    sigma_low Nullable(Float64) COMMENT 'Volatility half a price tick below; null where the tick is not known. Fraction per year.',
    sigma_high Nullable(Float64) COMMENT 'Volatility half a price tick above. Fraction per year.',
    engine LowCardinality(String) COMMENT 'Arithmetic of the values: EUROPEAN, which is Black-76, or NONE. Enum.',
    price_usd Nullable(Float64) COMMENT 'Value. USD per coin.',
    delta Nullable(Float64) COMMENT 'Derivative of the price to the future. Coin per coin.',
    gamma_per_usd Nullable(Float64) COMMENT 'Derivative of delta to the future. Per USD, per coin.',
    vega_usd_per_point Nullable(Float64) COMMENT 'Derivative of the price to the volatility. USD per vol point, per coin.',
    theta_usd_per_day Nullable(Float64) COMMENT 'Derivative of the price to calendar time. USD per day, per coin.',
    rho_usd_per_pct Nullable(Float64) COMMENT 'tau times (forward times delta minus price). USD per 1 % of rate, per coin.',
    vanna_per_point Nullable(Float64) COMMENT 'Derivative of delta to the volatility. Per vol point, per coin.',
    charm_per_day Nullable(Float64) COMMENT 'Derivative of delta to calendar time. Per day, per coin.',
    volga_usd_per_point2 Nullable(Float64) COMMENT 'Second derivative of the price to the volatility. USD per vol point squared, per coin.',
    side_model String COMMENT 'Whose assumption the assumption-signed fields are: naive_call_plus_put_minus, all_short or all_long. Public data of this venue has no side. Text.',
    position_coin_trade_signed Nullable(Float64) COMMENT 'Net position of dealers, signed by observed trades; plus is long. Null here: no trade of this venue says who the dealer is. In coin.',
    position_coin_assumption_signed Nullable(Float64) COMMENT 'Net position of dealers under side_model: its sign times open interest over divisor times multiplier. An assumption, not an observation. In coin.',
    gamma_usd_per_pct_trade_signed Nullable(Float64) COMMENT 'Change of dealers\' delta for a rise of the index by 1 %, valued at the index, signed by observed trades; null here. USD per 1 %.',
    gamma_usd_per_pct_assumption_signed Nullable(Float64) COMMENT 'The same under side_model: position times gamma times index squared times 0.01. An assumption, not an observation. USD per 1 %.',
    log_partition Int32 COMMENT 'Partition of the topic that the row was read from. Number.',
    log_offset Int64 COMMENT 'Offset there: with the partition, the row\'s identity in this table. Count.',
    epoch Nullable(Int64) COMMENT 'Epoch of the writer, from the record\'s header; of two rows of one identity the higher counts. Count.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(fromUnixTimestamp64Nano(ts_event_ns, 'UTC'))
ORDER BY (instrument_name, ts_event_ns, log_partition, log_offset)
COMMENT 'cme.marks.v1, one row a record';
-- INSERT INTO greekstream.cme_marks SELECT * FROM file('history/live/cme_marks/day=*/currency=*/*.parquet', Parquet)
--     SETTINGS use_hive_partitioning = 0;
