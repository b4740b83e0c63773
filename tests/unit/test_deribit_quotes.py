"""Tickers, order books and summaries: units once, sentinels as None, nothing else touched."""

from __future__ import annotations

import pytest

from schemas import InstrumentStatus, OptionQuote
from streams.deribit.events import FutureTicker
from streams.deribit.fields import FieldError
from streams.deribit.quotes import future_summary, future_ticker, option_quote, option_summary
from tests import venue_frames as venue


def test_option_quote_has_every_field_of_the_ticker_in_our_units():
    assert option_quote(venue.ticker_data()) == OptionQuote(
        ts_event_ns=1_700_000_000_000_000_000,
        ingest_epoch=-1,
        instrument_name="BTC-29DEC23-40000-C",
        is_snapshot=False,
        snapshot_id=None,
        bid=0.05,
        bid_size=12.5,
        ask=0.06,
        ask_size=3.0,
        bid_sigma=0.5,
        ask_sigma=0.625,
        mark=0.055,
        mark_sigma=0.5625,
        last=0.051,
        underlying_price=37000.5,
        underlying_index="BTC-29DEC23",
        index_price=36500.25,
        interest_rate=0.0,
        open_interest=1234.5,
        volume_24h=10.5,
        volume_usd_24h=20000.0,
        high_24h=0.07,
        low_24h=0.04,
        price_change_24h_pct=-2.5,
        min_price=0.001,
        max_price=0.2,
        settlement_price=0.052,
        estimated_delivery_price=36500.25,
        venue_delta=0.45,
        venue_gamma=0.00003,
        venue_vega=50.1,
        venue_theta=-20.2,
        venue_rho=15.3,
        state=InstrumentStatus.OPEN,
    )


SIDES = {
    "no bid": ({"best_bid_price": 0.0, "best_bid_amount": 0.0, "bid_iv": 0.0}, "bid", (None, None, None)),
    "no bid, sent as null": (
        {"best_bid_price": None, "best_bid_amount": 0.0, "bid_iv": None},
        "bid",
        (None, None, None),
    ),
    "bid below intrinsic": ({"bid_iv": 0.0}, "bid", (0.05, 12.5, None)),
    "no ask": ({"best_ask_price": 0.0, "best_ask_amount": 0.0, "ask_iv": 0.0}, "ask", (None, None, None)),
    "ask that no IV solves": ({"ask_iv": 999.0}, "ask", (0.06, 3.0, None)),
    "ask with a real IV of 998": ({"ask_iv": 998.0}, "ask", (0.06, 3.0, 9.98)),
}


@pytest.mark.parametrize("changes, side, wanted", SIDES.values(), ids=SIDES.keys())
def test_sentinels_of_a_side_become_none(changes, side, wanted):
    quote = option_quote(venue.ticker_data(**changes))
    assert (getattr(quote, side), getattr(quote, f"{side}_size"), getattr(quote, f"{side}_sigma")) == wanted


def test_a_mark_rounded_to_zero_is_a_price():
    assert option_quote(venue.ticker_data(mark_price=0.0)).mark == 0.0


def test_missing_parts_are_none():
    data = venue.ticker_data(stats=None, greeks=None, last_price=None)
    del data["settlement_price"]
    quote = option_quote(data)
    assert (quote.volume_24h, quote.venue_delta, quote.last, quote.settlement_price) == (None, None, None, None)


BAD = {
    "a string": {"mark_price": "0.05"},
    "a truth value": {"mark_price": True},
    "a negative price": {"best_bid_price": -0.01},
    "not a number": {"mark_iv": float("nan")},
    "infinity": {"best_ask_price": float("inf")},
    "an integer beyond float64": {"open_interest": 10**400},
    "seconds for milliseconds": {"timestamp": 1_700_000_000},
    "a fractional time": {"timestamp": 1_700_000_000_000.5},
    "stats of another type": {"stats": [1]},
    "no state": {"state": None},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_a_field_that_cannot_be_right_is_refused(changes):
    with pytest.raises(FieldError, match=next(iter(changes))):
        option_quote(venue.ticker_data(**changes))


@pytest.mark.parametrize(
    "state, status",
    [
        ("open", InstrumentStatus.OPEN),
        ("settlement", InstrumentStatus.CLOSED),
        ("delivered", InstrumentStatus.SETTLED),
        ("halted", InstrumentStatus.SUSPENDED),
        ("archivized", InstrumentStatus.TERMINATED),
        ("a word of a later API", InstrumentStatus.SUSPENDED),
    ],
)
def test_only_an_open_book_is_open(state, status):
    assert option_quote(venue.ticker_data(state=state)).state is status


def test_future_ticker_keeps_the_venues_units():
    data = venue.future_data("BTC-PERPETUAL", funding_8h=-0.0001, current_funding=0.0, best_bid_price=0.0)
    assert future_ticker(data) == FutureTicker(
        instrument_name="BTC-PERPETUAL",
        ts_event_ns=venue.NS,
        bid=None,
        ask=37001.0,
        mark=37000.5,
        last=36999.5,
        open_interest=5_000_000.0,
        volume_usd_24h=20000.0,
        funding_8h=-0.0001,
        current_funding=0.0,
        index_price=36500.25,
        estimated_delivery_price=36500.25,
        state="open",
    )


def test_a_book_summary_has_prices_without_sizes_and_ivs():
    row = {"creation_timestamp": venue.MS, "instrument_name": venue.OPTION, "bid_price": 0.05, "ask_price": None}
    row |= {"mark_price": 0.055, "last": 0.051, "volume": 3.5, "volume_usd": 7.0, "high": 0.06, "low": 0.05}
    row |= {"open_interest": 9.5, "underlying_price": 37000.5, "price_change": 4.5, "mark_iv": 60.0}
    quote = option_summary(row)
    assert (quote.ts_event_ns, quote.bid, quote.ask, quote.mark, quote.last) == (venue.NS, 0.05, None, 0.055, 0.051)
    assert (quote.bid_size, quote.bid_sigma, quote.venue_delta, quote.mark_sigma) == (None, None, None, 0.6)
    assert (quote.volume_24h, quote.high_24h, quote.open_interest, quote.price_change_24h_pct) == (3.5, 0.06, 9.5, 4.5)
    future = future_summary({**row, "instrument_name": venue.FUTURE, "bid_price": 37000.0})
    assert (future.bid, future.ask, future.volume_usd_24h) == (37000.0, None, 7.0)
