"""Answers to requests -> events: by the method that was asked, or, in recordings that do not say, by the form of the result."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NamedTuple

from schemas import InstrumentState, OptionQuote
from streams.deribit.contracts import instrument_state
from streams.deribit.events import (
    BookSummaries,
    DeliveryPrice,
    DeliveryPrices,
    Event,
    FutureTicker,
    Ignored,
    InstrumentList,
    TradePage,
    VenueTime,
)
from streams.deribit.fields import FieldError, a_list, an_object, ns_from_ms, positive, text
from streams.deribit.parse import MOST_ROWS, kind_of, quote_events, refused, trade_events
from streams.deribit.quotes import future_summary, option_summary

DELIVERY_HOUR_UTC = 8


class Asked(NamedTuple):
    """What was asked.  ``subject``: the currency, instrument or index of the request; ``request``: the caller's own mark."""

    method: str
    subject: str = ""
    request: object = None
    sent_ns: int = 0


class Told(NamedTuple):
    """An answer on its way to events.  venue_ns: when the venue sent it, else recv_ns."""

    asked: Asked
    result: Any
    venue_ns: int
    recv_ns: int


def answer_events(asked: Asked | None, result: Any, venue_ns: int | None, recv_ns: int) -> list[Event]:
    """What an answer says; ``asked`` None: told by its form."""
    known = asked if asked is not None else Asked(method_by_form(result))
    told = Told(known, result, recv_ns if venue_ns is None else venue_ns, recv_ns)
    reader = _READERS.get(known.method)
    try:
        return reader(told) if reader is not None else [Ignored(answer_kind(known.method))]
    except FieldError as error:
        return [refused(error, result)]


def answer_kind(method: str) -> str:
    """The kind under which an answer that we do not use is counted; bounded, whatever a recording holds."""
    name = method.rpartition("/")[2]
    return f"{name} answer" if name in _PLAIN else "other answer"


def method_by_form(result: Any) -> str:
    """The method whose answer looks like this; '' when none that we know does."""
    if result == "ok":
        return "public/set_heartbeat"
    if type(result) is dict:
        for fields, method in _FORMS:
            if all(field in result for field in fields):
                return method
        if result and all(type(part) is list or type(part) is dict for part in result.values()):
            return "public/get_expirations"
        return ""
    if type(result) is list and result:
        if all(type(part) is str for part in result):
            return "public/subscribe"
        if type(result[0]) is dict:
            for fields, method in _ROW_FORMS:
                if all(field in result[0] for field in fields):
                    return method
    return ""


def _instruments(told: Told) -> list[Event]:
    listed: list[InstrumentState] = []
    n_skipped = 0
    for row in a_list(told.result, "result")[:MOST_ROWS]:
        try:
            state = instrument_state(an_object(row, "instrument"), told.venue_ns)
        except FieldError:
            state = None
        if state is None:
            n_skipped += 1
        else:
            listed.append(state)
    currency = told.asked.subject or (listed[0].settlement_currency if listed else "")
    return [InstrumentList(currency, tuple(listed), n_skipped)]


def _instrument(told: Told) -> list[Event]:
    state = instrument_state(an_object(told.result, "result"), told.venue_ns)
    return [Ignored("get_instrument answer")] if state is None else [state]


def _trades(told: Told) -> list[Event]:
    result = an_object(told.result, "result")
    trades, others = trade_events(a_list(result.get("trades"), "trades"), is_backfill=True)
    return [TradePage(told.asked.request, tuple(trades), result.get("has_more") is True), *others]


def _time(told: Told) -> list[Event]:
    return [VenueTime(ns_from_ms({"timestamp": told.result}), told.asked.sent_ns, told.recv_ns)]


def _quote(told: Told) -> list[Event]:
    return quote_events(an_object(told.result, "result"))


def _summaries(told: Told) -> list[Event]:
    options: list[OptionQuote] = []
    futures: list[FutureTicker] = []
    n_skipped = 0
    for row in a_list(told.result, "result")[:MOST_ROWS]:
        try:
            kind = kind_of(text(an_object(row, "summary"), "instrument_name"))
            if kind == "option":
                options.append(option_summary(row))
            elif kind in ("future", "perpetual"):
                futures.append(future_summary(row))
            else:
                n_skipped += 1
        except FieldError:
            n_skipped += 1
    return [BookSummaries(tuple(options), tuple(futures), n_skipped)]


def _delivery_prices(told: Told) -> list[Event]:
    rows = a_list(an_object(told.result, "result").get("data"), "data")[:MOST_ROWS]
    index = told.asked.subject
    prices = [DeliveryPrice(index, _expiry_ns(an_object(row, "row")), positive(row, "delivery_price")) for row in rows]
    return [DeliveryPrices(index, tuple(prices))]


def _expiry_ns(row: Any) -> int:
    """The venue gives a date; everything that expires on it does so at 08:00 UTC."""
    date = text(row, "date")
    try:
        day = datetime.datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise FieldError("date", date, "YYYY-MM-DD") from None
    seconds = int(day.timestamp()) + DELIVERY_HOUR_UTC * 3_600
    return ns_from_ms({"date": seconds * 1_000}, "date")


_READERS: dict[str, Callable[[Told], list[Event]]] = {
    "public/get_instruments": _instruments,
    "public/get_instrument": _instrument,
    "public/get_last_trades_by_instrument": _trades,
    "public/get_last_trades_by_instrument_and_time": _trades,
    "public/get_last_trades_by_currency": _trades,
    "public/get_last_trades_by_currency_and_time": _trades,
    "public/get_time": _time,
    "public/ticker": _quote,
    "public/get_order_book": _quote,
    "public/get_book_summary_by_currency": _summaries,
    "public/get_book_summary_by_instrument": _summaries,
    "public/get_delivery_prices": _delivery_prices,
}
_PLAIN = frozenset(
    [
        *("subscribe", "unsubscribe", "unsubscribe_all", "set_heartbeat", "disable_heartbeat", "test", "hello", "auth"),
        *("status", "get_combos", "get_combo_ids", "get_combo_details", "get_expirations", "get_index_price"),
        *("get_index_price_names", "get_currencies", "get_volatility_index_data", "get_tradingview_chart_data"),
        *("get_funding_rate_value", "get_contract_size", "get_instrument", "get_instruments"),
    ]
)
# The forms of results, most telling fields first (a ticker also has instrument_name, so instruments come after it).
_FORMS = (
    (("trades", "has_more"), "public/get_last_trades_by_instrument"),
    (("instrument_name", "mark_price", "timestamp", "bids"), "public/get_order_book"),
    (("instrument_name", "mark_price", "timestamp"), "public/ticker"),
    (("instrument_name", "kind", "tick_size"), "public/get_instrument"),
    (("access_token",), "public/auth"),
    (("version",), "public/test"),
    (("index_price", "estimated_delivery_price"), "public/get_index_price"),
)
_ROW_FORMS = (
    (("instrument_name", "kind", "tick_size"), "public/get_instruments"),
    (("instrument_name", "mark_price", "creation_timestamp"), "public/get_book_summary_by_currency"),
    (("legs", "state"), "public/get_combos"),
)
