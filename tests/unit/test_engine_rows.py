"""What a row says: sigma and its source, forward and its source, flags, rejects, latest (C2, C19, C20, C24 to C31, E-50, E-51)."""

from __future__ import annotations

import math

import pytest

from pricers import implied_vols, value_options
from schemas import (
    DeadLetter,
    Engine,
    ForwardQuote,
    ForwardSource,
    Greeks,
    InstrumentStatus,
    Reject,
    RowStatus,
    SigmaSource,
    Trigger,
)
from streams.engine import EngineSettings, Unreadable
from tests.logs import CALL, EXPIRIES, FORWARD, NS, PUT, Log, expiry_of, future_of, ns, of_topic, rows

EXPIRY_NS = EXPIRIES["19APR23"] * NS
FIRST_FIXING_S = (EXPIRY_NS - 449 * 4 * NS - ns(0)) / NS
CONTRACT = {"next_fixing_s": FIRST_FIXING_S, "interval_s": 4.0, "n_fixings": 450, "strike": 30_000.0}


def first_row(**quote: object) -> Greeks:
    """The row of a call's first quote, which comes at second 0."""
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    log.quote(at=0.0, **quote)
    return rows(log.run())[-1]


def inverse_sigma(premium_coin: float, forward: float = FORWARD) -> float:
    """The pricer's own answer for a premium of the call, coin per coin, under the settlement-average contract."""
    solved = implied_vols(
        price_usd=premium_coin * forward, forward=forward, option_sign=1.0, payoff="inverse", **CONTRACT
    )
    return float(solved.sigma)


def test_sigma_is_the_mid_of_bid_and_ask_vols_when_they_are_close() -> None:
    row = first_row(bid=0.0325, ask=0.0335, mark=0.0400)
    assert row.sigma_bid == pytest.approx(inverse_sigma(0.0325), rel=1e-12)
    assert row.sigma_ask == pytest.approx(inverse_sigma(0.0335), rel=1e-12)
    assert row.sigma == 0.5 * (row.sigma_bid + row.sigma_ask)
    assert row.sigma_source == SigmaSource.BID_ASK_MID


@pytest.mark.parametrize(
    ("bid", "ask", "source"),
    [
        (0.0325, 0.0341, SigmaSource.BID_ASK_MID),  # 2.9 points
        (0.0325, 0.0343, SigmaSource.MARK_PRICE),  # 3.3 points, 5.5 %
        (0.0800, 0.0835, SigmaSource.BID_ASK_MID),  # 6.4 points, but 4.3 % of 148 %
        (None, 0.0341, SigmaSource.MARK_PRICE),
        (0.0341, 0.0325, SigmaSource.MARK_PRICE),  # crossed
    ],
)
def test_the_mid_counts_up_to_three_points_or_five_per_cent(bid: float | None, ask: float, source: SigmaSource) -> None:
    assert first_row(bid=bid, ask=ask, mark=0.0333).sigma_source == source


def test_a_crossed_quote_says_so_and_is_not_solved() -> None:
    row = first_row(bid=0.0341, ask=0.0325)
    assert (row.sigma_bid_status, row.sigma_ask_status) == (RowStatus.CROSSED_QUOTE, RowStatus.CROSSED_QUOTE)
    assert (row.sigma_bid, row.sigma_ask, row.status) == (None, None, RowStatus.OK)


def test_sigma_mark_is_solved_from_the_marks_price_and_never_taken_from_the_venue() -> None:
    """E-51: the venue's vol is a European number; it stands beside ours."""
    row = first_row(bid=None, ask=None, mark=0.03304321, mark_sigma=0.9)
    assert row.sigma == row.sigma_mark == pytest.approx(inverse_sigma(0.03304321), rel=1e-12)
    assert (row.venue_sigma, row.sigma_source) == (0.9, SigmaSource.MARK_PRICE)


def black(forward: float, strike: float, sigma: float, tau_s: float, sign: float) -> float:
    total = sigma * math.sqrt(tau_s / 31_536_000)
    d = math.log(forward / strike) / total + total / 2
    cdf = [0.5 * math.erfc(-sign * x / math.sqrt(2)) for x in (d, d - total)]
    return sign * (forward * cdf[0] - strike * cdf[1])


def solved_usd(price_usd: float, strike: float, sign: float) -> float:
    """The pricer's own vol of a price in USD per coin, strike and side given; inverse payoff, at second 0."""
    contract = {**CONTRACT, "strike": strike}
    return float(
        implied_vols(price_usd=price_usd, forward=FORWARD, option_sign=sign, payoff="inverse", **contract).sigma
    )


def marked_row(strike: int, mark: float, mark_sigma: float) -> Greeks:
    name = f"BTC-19APR23-{strike}-C"
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=None, ask=None, mark=mark, mark_sigma=mark_sigma)
    return rows(log.run())[-1]


def test_the_venues_vol_recovers_the_digits_that_its_mark_price_lost() -> None:
    """When Black-76 at it rounds to the mark, sigma comes from that price's out-of-the-money side; else from the mark itself."""
    tau_s = (EXPIRY_NS - ns(0)) / NS
    exact = black(FORWARD, 24_000.0, 0.8, tau_s, 1.0)
    mark = round(exact / FORWARD, 4)
    other_side = black(FORWARD, 24_000.0, 0.8, tau_s, -1.0)
    recovered = marked_row(24_000, mark, mark_sigma=0.8).sigma
    assert recovered == pytest.approx(solved_usd(other_side, 24_000.0, -1.0), rel=1e-9)
    assert recovered == pytest.approx(0.8, abs=1.5e-3)  # PRICING: 0.07 points of bias at seven days
    as_published = marked_row(24_000, mark, mark_sigma=0.9).sigma
    assert as_published == pytest.approx(solved_usd(mark * FORWARD, 24_000.0, 1.0), rel=1e-9)
    assert abs((as_published or 0) - (recovered or 0)) > 3e-3


def test_a_mark_at_its_intrinsic_value_may_belong_to_a_forward_of_another_instant() -> None:
    """Measured on April 2023: in-the-money marks are up to 5 bp of the forward off; their own vol would be none."""
    tau_s = (EXPIRY_NS - ns(0)) / NS
    mark = round(black(FORWARD * 0.9997, 20_000.0, 0.8, tau_s, 1.0) / (FORWARD * 0.9997), 4)
    assert mark * FORWARD < FORWARD - 20_000.0  # below intrinsic
    row = marked_row(20_000, mark, mark_sigma=0.8)
    assert (row.status, row.sigma_source) == (RowStatus.OK, SigmaSource.MARK_PRICE)
    assert row.sigma == pytest.approx(0.8, abs=1.5e-3)
    far = marked_row(20_000, mark - 0.002, mark_sigma=0.8)
    assert (far.status, far.sigma_mark_status) == (RowStatus.NO_SIGMA, RowStatus.BELOW_INTRINSIC)


def test_the_last_trade_counts_while_the_forward_has_not_moved_since() -> None:
    log = Log().ready()
    log.quote(at=0.5, bid=None, ask=None, mark=None)
    log.trade(at=1.0, price=0.0330)
    log.quote(at=1.5, bid=None, ask=0.0600, mark=None)
    log.quote(at=1.6, bid=None, ask=0.0600, mark=None, underlying_price=FORWARD * 1.01)
    log.quote(at=1.8, bid=None, ask=0.0605, mark=None, underlying_price=FORWARD * 1.01)
    found = rows(log.run())
    by_time = {row.ts_event_ns: row for row in found}
    assert by_time[ns(0.5)].sigma_source == SigmaSource.STICKY
    traded = by_time[ns(1.5)]
    assert (traded.sigma_source, traded.sigma_last_status) == (SigmaSource.LAST_TRADE, RowStatus.OK)
    assert traded.sigma == traded.sigma_last == pytest.approx(inverse_sigma(0.0330), rel=1e-5)  # 1 s less to go
    assert (traded.sigma_age_ms or 0) == 500.0
    assert by_time[ns(1.8)].sigma_source == SigmaSource.STICKY  # moved by 1 %: an old trade's vol would be wrong


def test_sticky_vols_keep_their_age() -> None:
    """C18, E-51: never yesterday's silently."""
    log = Log().ready()
    log.clocks(1, 130)
    aged = [row for row in rows(log.run()) if row.trigger == Trigger.TIME]
    assert {row.sigma_source for row in aged} == {SigmaSource.STICKY}
    assert [row.sigma_age_ms for row in aged] == [(row.ts_event_ns - ns(0)) / 1e6 for row in aged]


# ------------------------------------------------------------------ forward


def forwards_at(log: Log, at: float, **values: float) -> None:
    """Future, synthetic and parity forwards of the 19 April expiry, each where given."""
    futures = [future_of("BTC-19APR23", at, values["future"])] if "future" in values else []
    sources = (("synthetic", ForwardSource.SYNTHETIC), ("parity", ForwardSource.PARITY))
    points = [ForwardQuote(EXPIRY_NS, values[key], source, ns(at)) for key, source in sources if key in values]
    log.underlying(at, index_price=29_900.0, futures=futures, forwards=points)


@pytest.mark.parametrize(
    ("values", "own", "want", "source"),
    [
        ({"future": 30_100.0, "synthetic": 30_200.0, "parity": 30_300.0}, None, 30_100.0, ForwardSource.FUTURE),
        ({"synthetic": 30_200.0, "parity": 30_300.0}, None, 30_200.0, ForwardSource.SYNTHETIC),
        ({"parity": 30_300.0}, None, 30_300.0, ForwardSource.PARITY),
        ({}, None, 29_900.0, ForwardSource.INDEX),
        ({"future": 30_100.0}, 30_050.0, 30_050.0, ForwardSource.QUOTE),  # the quote is newer
    ],
)
def test_the_forward_is_the_first_fresh_one_of_its_order(
    values: dict[str, float], own: float | None, want: float, source: ForwardSource
) -> None:
    """C20."""
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    forwards_at(log, 0.5, **values)
    log.quote(at=1.0, underlying_price=own, index_price=None)
    row = rows(log.run())[-1]
    assert (row.forward, row.forward_source) == (want, source)


def test_a_broadcast_forward_newer_than_the_quotes_own_is_taken() -> None:
    log = Log().ready()
    log.clocks(1, 2)
    forwards_at(log, 2.0, future=30_100.0)
    log.clocks(3, 4)
    row = [row for row in rows(log.run()) if row.trigger == Trigger.UNDERLYING][-1]
    assert (row.forward, row.forward_source) == (30_100.0, ForwardSource.FUTURE)


def test_without_a_fresh_forward_the_last_known_is_taken_and_flagged() -> None:
    log = Log()
    log.clock(0)
    log.contract()
    log.quote()
    log.set(n_here=1)
    log.clocks(1, 70)
    row = [row for row in rows(log.run()) if row.trigger == Trigger.TIME][-1]
    assert (row.forward, row.forward_source, row.is_stale) == (FORWARD, ForwardSource.LAST_KNOWN, True)


@pytest.mark.parametrize(
    ("age_s", "forward", "source"),
    [
        (3, 30_100.0, ForwardSource.FUTURE),
        (30, 30_100.0, ForwardSource.LAST_KNOWN),
        (601, 29_000.0, ForwardSource.INDEX),
    ],
)
def test_a_quiet_series_keeps_its_basis_for_ten_minutes_before_the_index_takes_over(
    age_s: int, forward: float, source: ForwardSource
) -> None:
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    forwards_at(log, 0.0, future=30_100.0)
    log.clock(age_s)
    log.underlying(age_s, index_price=29_000.0)
    log.quote(at=age_s, underlying_price=None)
    row = rows(log.run())[-1]
    assert (row.forward, row.forward_source, row.is_stale) == (forward, source, age_s == 30)


def test_inside_the_window_the_expiring_series_is_on_the_index_basis() -> None:
    """PRICING: the running sum is made of the index; a basis jump would leak into the effective strike."""
    name = "BTC-12APR23-30000-C"
    log = Log()
    log.clock(1_798)
    log.underlying(1_798, index_price=29_950.0)
    log.contract(name)
    log.set(at=1_798, n_here=1)
    log.quote(name, at=1_799.5, index_price=29_951.0, bid=0.0015, ask=0.0020)
    log.clock(1_800)
    log.quote(name, at=1_800.5, index_price=29_952.0, bid=0.0010, ask=0.0020)
    log.underlying(1_800.7, index_price=29_953.0)
    log.quote(name, at=1_800.6, index_price=29_952.0, bid=0.0015, ask=0.0020)
    found = [(row.forward, row.forward_source) for row in rows(log.run())]
    assert found[-3:] == [
        (FORWARD, ForwardSource.QUOTE), (29_952.0, ForwardSource.WINDOW_INDEX), (29_953.0, ForwardSource.WINDOW_INDEX)]  # fmt: skip


# ------------------------------------------------------------------ values


def test_values_are_the_pricers_in_the_units_of_the_wire() -> None:
    row = first_row()
    sigma = row.sigma or 0.0
    value = value_options(forward=FORWARD, sigma=sigma, option_sign=1.0, payoff="inverse", **CONTRACT)
    price, delta, gamma = float(value.price_usd), float(value.delta), float(value.gamma)
    want = {
        "price_usd": price, "price_coin": price / FORWARD, "delta": delta, "gamma_per_usd": gamma,
        "vega_usd_per_point": float(value.vega) / 100, "theta_usd_per_day": float(value.theta_per_year) / 365,
        "rho_usd_per_pct": float(value.rho) / 100, "vanna_per_point": float(value.vanna) / 100,
        "charm_per_day": float(value.charm_per_year) / 365, "volga_usd_per_point2": float(value.volga) / 10_000,
        "roll_delta_per_fixing": 0.0, "delta_coin": delta - price / FORWARD,
        "gamma_coin_per_usd": gamma - delta / FORWARD + price / FORWARD**2,
    }  # fmt: skip
    for name, number in want.items():
        assert getattr(row, name) == pytest.approx(number, rel=1e-12, abs=1e-18), name
    assert (row.engine, row.std_error_usd, row.convention) == (
        Engine.QMC,
        value.std_error,
        "usd-per-coin/forward/act365",
    )


def test_the_european_twin_is_black_at_the_rows_sigma_and_its_vol_gives_the_rows_price() -> None:
    row = first_row()
    tau_s = (EXPIRY_NS - ns(0)) / NS
    assert row.european_price_usd == pytest.approx(black(FORWARD, 30_000.0, row.sigma or 0.0, tau_s, 1.0), rel=1e-10)
    assert black(FORWARD, 30_000.0, row.european_sigma or 0.0, tau_s, 1.0) == pytest.approx(row.price_usd, rel=1e-9)
    # PRICING: T_eff = T - 2W/3 + h/2, ATM price ratio sqrt(T_eff/T)
    t_eff = tau_s - 1_200 + 2
    assert (row.price_usd or 0) / (row.european_price_usd or 1) - 1 == pytest.approx(
        math.sqrt(t_eff / tau_s) - 1, rel=0.25
    )


def test_a_linear_option_has_no_coin_greeks_and_its_premium_is_in_usd() -> None:
    name = "BTC_USDC-19APR23-30000-C"
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=980.0, ask=1_000.0, mark=990.0)
    row = rows(log.run())[-1]
    assert (row.premium_unit, row.delta_coin, row.gamma_coin_per_usd, row.venue_price_usd) == ("usd", None, None, 990.0)
    assert row.price_usd == pytest.approx(990.0, rel=1e-3)


def test_settlement_sd_is_that_of_the_average_of_what_is_left() -> None:
    """Against the double sum it stands for, before and inside the window, with fixings due and not yet known."""
    name = "BTC-12APR23-30000-C"
    for at, n_fixed in ((0.0, 0), (2_000.0, 50), (2_030.0, 50)):
        log = Log()
        log.clock(at)
        log.underlying(at)
        log.contract(name)
        if n_fixed:
            log.fixing(at, expiry_of(name) or 0, n_fixed, n_fixed * FORWARD)
        log.set(at=at, n_here=1)
        log.quote(name, at=at + 1.0, bid=0.0010, ask=0.0015)
        row = rows(log.run())[-1]
        times = [max(0.0, 1_800.0 + 4 * i - at - 1.0) / 31_536_000 for i in range(n_fixed + 1, 451)]
        mean = sum(min(a, b) for a in times for b in times) / 450**2
        assert row.settlement_sd_usd == pytest.approx(FORWARD * (row.sigma or 0) * math.sqrt(mean), rel=1e-9)


@pytest.mark.parametrize(("strike", "is_pin_risk"), [(30_000, True), (30_100, True), (31_000, False), (29_000, False)])
def test_pin_risk_is_a_strike_near_the_forward_on_the_last_day(strike: int, is_pin_risk: bool) -> None:
    """C31: within half a standard deviation: one hour, about 60 %: 0.32 % of the forward."""
    name = f"BTC-12APR23-{strike}-{'C' if strike >= 30_000 else 'P'}"
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    mark = black(FORWARD, strike, 0.6, 3_600, 1.0 if strike >= 30_000 else -1.0) / FORWARD
    log.quote(name, bid=None, ask=None, mark=max(mark, 1e-6))
    assert rows(log.run())[-1].is_pin_risk == is_pin_risk


# ------------------------------------------------------------------ rejects, latest, letters


def test_what_cannot_be_priced_is_told_on_change_and_at_its_time_trigger() -> None:
    """DESIGN 4 (C27): one Reject, one null row with the last good time; no stale value survives as latest."""
    log = Log().ready()
    log.clocks(1, 2)
    bad = log.contract(at=2.5, is_snapshot=False, settlement_rule="unheard-of")
    first = log.quote(at=2.6, bid=0.0330)
    log.quote(at=2.7, bid=0.0320)  # the same reason: nothing new to say
    log.clocks(3, 70)
    log.contract(at=70.5, is_snapshot=False)
    back = log.quote(at=70.6, bid=0.0330)
    results = log.run()
    nulls = [row for row in rows(results) if row.status == RowStatus.NO_CONTRACT]
    assert [row.trigger for row in nulls] == [Trigger.QUOTE, Trigger.TIME]
    for row in nulls:
        assert (row.price_usd, row.delta, row.sigma, row.european_sigma, row.engine) == (
            None,
            None,
            None,
            None,
            Engine.NONE,
        )
        assert row.last_good_ns == ns(0)
    (told, cleared) = of_topic(results, "rejects")
    assert (told.source_offset, cleared.source_offset, cleared.record) == (first, back, None)
    assert isinstance(told.record, Reject)
    assert (told.record.status, told.record.since_ns) == (RowStatus.NO_CONTRACT, ns(2.6))
    assert "unheard-of" in told.record.detail
    assert told.record.clears_when
    assert bad < first
    latest = [r.record for r in of_topic(results, "latest")]
    assert latest[1] == nulls[0]


def test_an_option_without_quote_or_usable_price_says_why() -> None:
    log = Log()
    log.clock(0)
    log.contract()
    log.contract(PUT)
    log.set(n_here=2)
    log.quote(PUT, at=0.5, bid=None, ask=None, mark=None)
    rejects = {r.key: r.record for r in of_topic(log.run(), "rejects")}
    assert {name: record.status for name, record in rejects.items() if isinstance(record, Reject)} == {
        CALL: RowStatus.NO_QUOTE, PUT: RowStatus.NO_SIGMA}  # fmt: skip


def test_an_instrument_that_does_not_trade_is_not_priced() -> None:
    row = first_row(state=InstrumentStatus.CLOSED)
    assert (row.status, row.price_usd, row.bid) == (RowStatus.NOT_OPEN, None, 0.0325)


def test_negative_prices_are_bad_input_and_the_mark_prices_the_row() -> None:
    """C25."""
    row = first_row(bid=-1.0, ask=-0.5)
    assert (row.sigma_bid_status, row.sigma_ask_status) == (RowStatus.BAD_INPUT, RowStatus.BAD_INPUT)
    assert (row.sigma_source, row.status, row.spread_pct) == (SigmaSource.MARK_PRICE, RowStatus.OK, None)


def test_a_quote_above_every_bound_has_a_status_and_no_vol() -> None:
    """C25, E-71: a coin call is worth less than a coin."""
    row = first_row(ask=1.5)
    assert (row.sigma_ask, row.sigma_ask_status, row.status) == (None, RowStatus.ABOVE_BOUND, RowStatus.OK)


def test_an_option_without_any_forward_says_so() -> None:
    row = first_row(underlying_price=None, index_price=None)
    assert (row.status, row.forward, row.forward_source) == (RowStatus.NO_FORWARD, None, ForwardSource.NONE)


def test_latest_has_with_every_clock_the_last_row_of_each_instrument_with_its_identity() -> None:
    log = Log().ready(CALL, PUT)
    log.quote(CALL, at=0.5, bid=0.0330)
    kept = log.quote(CALL, at=0.6, bid=0.0320)
    clock = log.clock(1)
    log.clock(2)
    results = log.run()
    latest = of_topic(results, "latest")
    assert [(r.key, r.source_offset, r.result_seq) for r in latest] == [(PUT, kept - 2, 1), (CALL, kept, 0)]
    assert [r.record for r in latest] == [rows(results, PUT)[-1], rows(results, CALL)[-1]]
    assert {r.ts_ns for r in latest} == {ns(1)}
    assert clock < len(log.records)


def test_unreadable_bytes_become_a_dead_letter() -> None:
    log = Log().ready()
    at = log.add(Unreadable("DecodeError", "3 bytes missing", b"\x00" * 70_000))
    (letter,) = of_topic(log.run(), "deadletter")
    assert isinstance(letter.record, DeadLetter)
    assert letter.record[:5] == ("deribit.ticks.v1", 3, at, "DecodeError", "3 bytes missing")
    assert len(letter.record.payload) == 65_536


def test_an_engine_without_a_kernel_of_its_name_is_a_wrong_call() -> None:
    log = Log().ready()
    with pytest.raises(ValueError, match="engine"):
        log.run(EngineSettings(engine="crystal ball"))


@pytest.mark.parametrize(("volume_usd", "coin"), [(2.99e9, 1e5), (0.0, 0.0), (None, None)])
def test_a_perpetuals_volume_is_in_coin_like_every_other(volume_usd: float | None, coin: float | None) -> None:
    """The venue says it in USD; dealer flow measures hedges against it."""
    log = Log().ready("BTC-PERPETUAL")
    log.underlying(1.0, 29_900.0, [future_of("BTC-PERPETUAL", 1.0, 30_000.0, volume_usd_24h=volume_usd)])
    log.clocks(2, 70)
    row = rows(log.run(), "BTC-PERPETUAL")[-1]
    assert row.volume_24h == (None if coin is None else pytest.approx(coin, rel=4e-16))
