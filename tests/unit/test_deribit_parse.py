"""Notifications and answers -> events; every kind is handled, counted as ignored, or unreadable."""

from __future__ import annotations

import json

import pytest

from schemas import (
    Direction,
    InstrumentStatus,
    Kind,
    Liquidation,
    OptionTrade,
    OptionType,
    Payoff,
    TickDirection,
    TickStep,
)
from streams.deribit import events as ev
from streams.deribit.answers import Asked, answer_events
from streams.deribit.contracts import inferred_state, instrument_state
from streams.deribit.envelopes import Answer, Heartbeat, Notification, Refusal, Request, open_envelope
from streams.deribit.fields import FieldError
from streams.deribit.parse import notification_events, trade_events
from streams.deribit.trades import option_trade
from tests import venue_frames as venue

NEWEST = 123_000


def said(channel, data):
    return notification_events(channel, data, NEWEST)


# --- envelopes ---


def test_envelopes_are_told_apart():
    assert open_envelope(venue.notification("a.b", [1])) == Notification("a.b", [1])
    assert open_envelope(venue.answer(3, {"x": 1}, usOut=1_700_000_000_000_001)) == Answer(
        3, {"x": 1}, 1_700_000_000_000_001_000
    )
    assert open_envelope(venue.answer(None, "ok")) == Answer(None, "ok", None)
    assert open_envelope(venue.error(None, -32600, "too big")) == Refusal(None, -32600, "too big")
    assert open_envelope('{"method":"heartbeat","params":{"type":"test_request"}}') == Heartbeat(True)
    assert open_envelope('{"method":"heartbeat","params":{"type":"heartbeat"}}') == Heartbeat(False)
    assert open_envelope('{"id":1,"method":"public/test","params":{}}') == Request(1, "public/test", {})


@pytest.mark.parametrize(
    "frame, reason",
    [
        ("", "not_json"),
        (b"\xff\xfe", "not_json"),
        ("\ud800", "not_json"),
        ('{"result": NaN}', "not_json"),
        ("[" * 5000, "not_json"),
        ("[1]", "not_an_object"),
        ("{}", "not_a_message"),
        ('{"method": 3}', "not_a_message"),
        ('{"method": "subscription", "params": {"channel": 3, "data": 1}}', "not_a_message"),
        ('{"error": "text"}', "not_a_message"),
        ("x" * 5001, "too_large"),
    ],
)
def test_what_is_no_message_is_unreadable(frame, reason):
    found = open_envelope(frame, max_bytes=5000)
    assert isinstance(found, ev.Unreadable)
    assert found.reason == reason


def test_an_unreadable_keeps_a_bounded_payload():
    found = open_envelope("é" * 200_000)
    assert isinstance(found, ev.Unreadable)
    assert len(found.payload) <= 64 * 1024


# --- channels ---


def test_index_price():
    data = {"timestamp": venue.MS, "price": 36500.25, "index_name": "btc_usd"}
    assert said("deribit_price_index.btc_usd", data) == [ev.IndexPrice("btc_usd", venue.NS, 36500.25)]


def test_an_index_that_its_channel_does_not_name_is_refused():
    data = {"timestamp": venue.MS, "price": 36500.25, "index_name": "eth_usd"}
    assert isinstance(said("deribit_price_index.btc_usd", data)[0], ev.Unreadable)


@pytest.mark.parametrize("price", [0.0, -1.0, None, "36500"])
def test_an_index_price_has_to_be_above_zero(price):
    assert isinstance(said("deribit_price_index.btc_usd", {"timestamp": venue.MS, "price": price})[0], ev.Unreadable)


def test_delivery_estimate_takes_the_newest_venue_time():
    data = {"seconds": 900, "price": 36501.5, "is_estimated": True, "left_ticks": 225, "total_ticks": 450}
    assert said("estimated_expiration_price.btc_usd", data) == [
        ev.DeliveryEstimate("btc_usd", NEWEST, 36501.5, 900.0, True)
    ]


def test_volatility_index_is_a_fraction():
    data = {"timestamp": venue.MS, "volatility": 62.5, "index_name": "btc_usd", "estimated_delivery": 62.5}
    assert said("deribit_volatility_index.btc_usd", data) == [ev.VolatilityIndex("btc_usd", venue.NS, 0.625)]


def test_mark_prices_have_a_fraction_already_and_a_bad_one_does_not_spoil_the_rest():
    good = {"timestamp": venue.MS, "mark_price": 0.055, "iv": 0.65, "instrument_name": venue.OPTION}
    marks, bad = said("markprice.options.btc_usd", [good, {**good, "mark_price": "x"}])
    assert marks == ev.MarkPrices("btc_usd", (ev.MarkPrice(venue.OPTION, venue.NS, 0.055, 0.65),))
    assert isinstance(bad, ev.Unreadable)


def test_a_change_of_an_instrument():
    data = {"timestamp": venue.MS, "state": "created", "instrument_name": venue.OPTION}
    assert said("instrument.state.any.any", data) == [ev.InstrumentChange(venue.OPTION, venue.NS, "created")]


@pytest.mark.parametrize(
    "channel, kind",
    [
        ("book.BTC-PERPETUAL.100ms", "book.*"),
        ("book.BTC-PERPETUAL.none.10.100ms", "book.*"),
        ("quote.BTC-PERPETUAL", "quote.*"),
        ("chart.trades.BTC-PERPETUAL.1", "chart.trades.*"),
        ("incremental_ticker.BTC-PERPETUAL", "incremental_ticker.*"),
        ("user.orders.BTC-PERPETUAL.raw", "user.*"),
        ("platform_state", "platform_state.*"),
        ("bookish.x", "other channel"),
        ("", "other channel"),
    ],
)
def test_channels_that_we_do_not_use_are_counted_by_their_kind(channel, kind):
    assert said(channel, {"anything": 1}) == [ev.Ignored(kind)]


def test_tickers_are_typed_by_the_name():
    assert type(said("ticker.BTC-29DEC23-40000-C.100ms", venue.ticker_data())[0]).__name__ == "OptionQuote"
    assert isinstance(said("ticker.BTC-29DEC23.raw", venue.future_data())[0], ev.FutureTicker)
    assert isinstance(said("ticker.BTC-PERPETUAL.agg2", venue.future_data("BTC-PERPETUAL"))[0], ev.FutureTicker)
    combo = "BTC-CS-29DEC23-40000_42000"
    assert said(f"ticker.{combo}.100ms", venue.ticker_data(combo)) == [ev.Ignored("ticker.combo")]
    assert said("ticker.BTC_USDC.100ms", venue.ticker_data("BTC_USDC")) == [ev.Ignored("ticker.spot")]


@pytest.mark.parametrize("name", ["BTC-29DEC23-40000-P", "nonsense", None, 7])
def test_a_ticker_of_another_instrument_than_its_channel_says_is_unreadable(name):
    event = said("ticker.BTC-29DEC23-40000-C.100ms", venue.ticker_data(name))[0]
    assert isinstance(event, ev.Unreadable)
    assert json.loads(event.payload)["instrument_name"] == name


# --- trades ---


def test_option_trade_in_our_units():
    data = venue.trade_data(liquidation="MT", block_trade_id="BLOCK-1", block_trade_leg_count=3, block_rfq_id=17)
    assert option_trade(
        {**data, "combo_id": "BTC-CS-29DEC23-1_2", "combo_trade_id": 43}, is_backfill=False
    ) == OptionTrade(
        ts_event_ns=venue.NS,
        ingest_epoch=-1,
        instrument_name=venue.OPTION,
        trade_id="907",
        trade_seq=7,
        price=0.055,
        amount_coin=2.5,
        direction=Direction.SELL,
        tick_direction=TickDirection.ZERO_PLUS,
        trade_sigma=0.565,
        index_price=36500.25,
        mark=0.0551,
        liquidation=Liquidation.BOTH,
        block_trade_id="BLOCK-1",
        block_leg_count=3,
        block_rfq_id=17,
        combo_id="BTC-CS-29DEC23-1_2",
        combo_trade_id="43",
        is_backfill=False,
    )


def test_a_plain_trade_has_no_liquidation_block_or_combo():
    trade = option_trade(venue.trade_data(iv=0.0), is_backfill=True)
    assert (trade.liquidation, trade.block_trade_id, trade.combo_id) == (Liquidation.NONE, None, None)
    assert (trade.trade_sigma, trade.is_backfill) == (None, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "long"},
        {"tick_direction": 4},
        {"liquidation": "X"},
        {"trade_seq": 1.5},
        {"trade_seq": -1},
        {"trade_seq": 2**63},
        {"price": 0.0},
        {"amount": None},
        {"trade_id": None},
        {"block_trade_leg_count": 2**31},
    ],
)
def test_a_trade_with_a_wrong_field_is_refused(changes):
    with pytest.raises(FieldError, match=next(iter(changes))):
        option_trade(venue.trade_data(**changes), is_backfill=False)


def test_trades_of_other_kinds_are_counted_once_a_message_and_bad_ones_each():
    rows = [
        venue.trade_data(seq=1),
        venue.trade_data(venue.FUTURE),
        venue.trade_data(venue.PERPETUAL),
        venue.trade_data("BTC-CS-29DEC23-40000_42000"),
        venue.trade_data(price=None),
        17,
    ]
    trades, others = trade_events(rows, is_backfill=False)
    assert [trade.trade_seq for trade in trades] == [1]
    assert [other for other in others if isinstance(other, ev.Ignored)] == [
        ev.Ignored("trades.future"),
        ev.Ignored("trades.combo"),
    ]
    assert sum(isinstance(other, ev.Unreadable) for other in others) == 2


def test_an_empty_list_of_trades_is_counted_too():
    assert said("trades.option.BTC.100ms", []) == [ev.Ignored("trades.empty")]


# --- instruments ---


def test_an_option_record_as_a_contract():
    state = instrument_state(venue.instrument_row(), ts_event_ns=5)
    assert state is not None
    assert (state.kind, state.payoff, state.option_type, state.strike) == (
        Kind.OPTION,
        Payoff.INVERSE,
        OptionType.CALL,
        40000.0,
    )
    assert (state.contract_size, state.contract_size_unit, state.tick_size) == (1.0, "coin", 0.0001)
    assert state.tick_size_steps == (TickStep(0.005, 0.0005),)
    assert (state.price_index, state.settlement_rule, state.exercise_style) == (
        "btc_usd",
        "deribit-30min-4s",
        "european",
    )
    assert (state.expiry_ns, state.creation_ns) == (venue.EXPIRY_MS * 1_000_000, (venue.MS - 86_400_000) * 1_000_000)
    assert (state.status, state.is_inferred, state.ts_event_ns) == (InstrumentStatus.OPEN, False, 5)


def test_an_inverse_future_is_sized_in_usd_and_a_perpetual_has_no_expiry():
    row = venue.instrument_row("BTC-PERPETUAL", expiration_timestamp=32_503_708_800_000)
    state = instrument_state(row, ts_event_ns=5)
    assert state is not None
    assert (state.kind, state.expiry_ns, state.contract_size, state.contract_size_unit) == (
        Kind.PERPETUAL,
        None,
        10.0,
        "usd",
    )
    assert (state.option_type, state.strike) == (None, None)


def test_a_linear_contract_has_its_own_multiplier_in_coin():
    row = venue.instrument_row("SOL_USDC-29DEC23-100-C", instrument_type="linear", price_index="sol_usdc")
    row |= {"base_currency": "SOL", "quote_currency": "USDC", "settlement_currency": "USDC", "contract_size": 10.0}
    state = instrument_state(row, ts_event_ns=5)
    assert state is not None
    assert (state.payoff, state.price_index, state.contract_size) == (Payoff.LINEAR, "sol_usdc", 10.0)
    assert (state.contract_size_unit, state.settlement_currency) == ("coin", "USDC")


def test_a_record_of_2021_is_completed_from_the_name():
    row = venue.instrument_row()
    for field in (
        "price_index",
        "settlement_currency",
        "instrument_type",
        "tick_size_steps",
        "state",
        "counter_currency",
    ):
        del row[field]
    state = instrument_state(row, ts_event_ns=5)
    assert state is not None
    assert (state.price_index, state.settlement_currency, state.payoff) == ("btc_usd", "BTC", Payoff.INVERSE)
    assert (state.tick_size_steps, state.status) == ((), InstrumentStatus.OPEN)
    inactive = instrument_state({**row, "is_active": False}, ts_event_ns=5)
    assert inactive is not None
    assert inactive.status is InstrumentStatus.CLOSED


def test_a_contract_made_from_its_name_says_so():
    state = inferred_state("XRP_USDC-30JUN23-0d625-C", 5)
    assert state is not None
    assert (state.strike, state.payoff, state.price_index) == (0.625, Payoff.LINEAR, "xrp_usdc")
    assert (state.tick_size, state.contract_size, state.is_inferred) == (0.0005, 1.0, True)
    assert inferred_state("BTC-CS-29DEC23-1_2", 5) is None
    assert inferred_state("BTC_USDC", 5) is None
    assert inferred_state("?", 5) is None


def test_a_list_of_instruments_counts_what_it_leaves_out():
    combo = {**venue.instrument_row(), "kind": "option_combo", "instrument_name": "BTC-CS-29DEC23-1_2"}
    wrong_kind = venue.instrument_row(kind="future")
    rows = [venue.instrument_row(), combo, venue.instrument_row(strike="x"), wrong_kind, 3]
    (listed,) = answer_events(Asked("public/get_instruments", "BTC"), rows, 7_000, 9_000)
    assert isinstance(listed, ev.InstrumentList)
    assert (listed.currency, [s.instrument_name for s in listed.instruments], listed.n_skipped) == (
        "BTC",
        [venue.OPTION],
        4,
    )
    assert listed.instruments[0].ts_event_ns == 7_000


# --- answers ---


def test_answers_by_their_method():
    assert answer_events(Asked("public/get_time", sent_ns=4), venue.MS, None, 9) == [ev.VenueTime(venue.NS, 4, 9)]
    page = {"trades": [venue.trade_data(seq=1), venue.trade_data(venue.FUTURE)], "has_more": True}
    trades, ignored = answer_events(Asked("public/get_last_trades_by_instrument", request="mine"), page, None, 9)
    assert isinstance(trades, ev.TradePage)
    assert (trades.request, trades.has_more, [t.is_backfill for t in trades.trades]) == ("mine", True, [True])
    assert ignored == ev.Ignored("trades.future")
    prices = {"data": [{"date": "2023-11-14", "delivery_price": 36000.5}], "records_total": 1}
    eight = 1_699_948_800 * 1_000_000_000  # 2023-11-14T08:00:00Z
    wanted = ev.DeliveryPrices("btc_usd", (ev.DeliveryPrice("btc_usd", eight, 36000.5),))
    assert answer_events(Asked("public/get_delivery_prices", "btc_usd"), prices, None, 9) == [wanted]
    assert answer_events(Asked("public/set_heartbeat"), "ok", None, 9) == [ev.Ignored("set_heartbeat answer")]
    assert answer_events(Asked("public/what_is_that"), {}, None, 9) == [ev.Ignored("other answer")]


@pytest.mark.parametrize("date", ["2023-13-01", "9999-12-31", "yesterday", None])
def test_a_delivery_date_that_is_none_makes_the_answer_unreadable(date):
    prices = {"data": [{"date": date, "delivery_price": 36000.5}]}
    assert isinstance(answer_events(Asked("public/get_delivery_prices", "btc_usd"), prices, None, 9)[0], ev.Unreadable)


@pytest.mark.parametrize(
    "result, kind",
    [
        (["ticker.X.raw"], "subscribe answer"),
        ("ok", "set_heartbeat answer"),
        ({"version": "1.2"}, "test answer"),
        ([{"id": "x", "legs": [], "state": "active"}], "get_combos answer"),
        ({"btc": {"option": ["20MAY26"]}}, "get_expirations answer"),
        ({}, "other answer"),
        ([], "other answer"),
        (17, "other answer"),
        (None, "other answer"),
    ],
)
def test_answers_of_unknown_requests_are_told_by_their_form(result, kind):
    assert answer_events(None, result, None, 9) == [ev.Ignored(kind)]


def test_an_order_book_answer_is_a_quote():
    (quote,) = answer_events(None, {**venue.ticker_data(), "bids": [], "asks": []}, None, 9)
    assert type(quote).__name__ == "OptionQuote"
