"""Messages of the venue -> events.

Pure: what a message means never depends on a clock.  Bad data becomes Unreadable, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from schemas import Kind, OptionTrade
from streams.deribit.envelopes import unreadable
from streams.deribit.events import (
    DeliveryEstimate,
    Event,
    Ignored,
    IndexPrice,
    InstrumentChange,
    MarkPrice,
    MarkPrices,
    Unreadable,
    VolatilityIndex,
)
from streams.deribit.fields import (
    FieldError,
    Object,
    a_list,
    an_object,
    ns_from_ms,
    number,
    parsed_name,
    positive,
    positive_or_zero,
    sigma_from_pct,
    text,
)
from streams.deribit.quotes import future_ticker, option_quote, same_instrument
from streams.deribit.trades import option_trade

# Channels that exist and that we do not use.  The names of ignored kinds come from this list alone, so that counting them stays bounded.
IGNORED_CHANNELS = (
    "book",
    "quote",
    "chart.trades",
    "incremental_ticker",
    "perpetual",
    "platform_state",
    "announcements",
    "deribit_price_ranking",
    "deribit_price_statistics",
    "rfq",
    "block_rfq",
    "block_trade_confirmations",
    "user",
)
_KINDS = {Kind.OPTION: "option", Kind.FUTURE: "future", Kind.PERPETUAL: "perpetual"}
MOST_ROWS = 100_000  # rows of one message; the whole venue has a few thousand instruments


def payload(value: Any) -> bytes:
    """A part of a message as JSON again, for Unreadable."""
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError):
        return repr(value).encode("utf-8", "backslashreplace")


def refused(error: FieldError, value: Any) -> Unreadable:
    """The Unreadable of a message, or part of one, whose field is wrong."""
    return unreadable("bad_field", str(error), payload(value))


def kind_of(instrument_name: str) -> str:
    """'option', 'future', 'perpetual', 'combo', 'spot' or 'unknown', from the name."""
    named = parsed_name(instrument_name)
    if named is None:
        return "unknown"
    if named.kind is None:
        return "spot"
    return "combo" if named.is_combo else _KINDS.get(named.kind, "unknown")


def notification_events(channel: str, data: Any, newest_ns: int) -> list[Event]:
    """What one notification says.  newest_ns: the venue time last seen, for the one channel without a time of its own."""
    family, _, rest = channel.partition(".")
    reader = _READERS.get(family)
    try:
        if reader is not None:
            return reader(rest, data, newest_ns)
    except FieldError as error:
        return [refused(error, data)]
    return [Ignored(ignored_channel(channel))]


def ignored_channel(channel: str) -> str:
    """The kind under which a channel that we do not use is counted: 'book.*', 'quote.*', ..., or 'other channel'."""
    for name in IGNORED_CHANNELS:
        if channel == name or channel.startswith(name + "."):
            return f"{name}.*"
    return "other channel"


def quote_events(data: Object) -> list[Event]:
    """A ticker or an order book, of whatever instrument."""
    name = text(data, "instrument_name")
    match kind_of(name):
        case "option":
            return [option_quote(data)]
        case "future" | "perpetual":
            return [future_ticker(data)]
        case "unknown":
            raise FieldError("instrument_name", name, "the name of an instrument")
        case kind:
            return [Ignored(f"ticker.{kind}")]


def trade_events(rows: list[Any], *, is_backfill: bool) -> tuple[list[OptionTrade], list[Event]]:
    """The option trades of a list of prints, and what the others are: Ignored once per kind, Unreadable each."""
    trades: list[OptionTrade] = []
    others: list[Event] = []
    for row in rows[:MOST_ROWS]:
        try:
            kind = kind_of(text(an_object(row, "trade"), "instrument_name"))
            if kind == "option":
                trades.append(option_trade(row, is_backfill=is_backfill))
                continue
            if kind == "unknown":
                raise FieldError("instrument_name", row.get("instrument_name"), "the name of an instrument")
            if (ignored := Ignored("trades.future" if kind == "perpetual" else f"trades.{kind}")) not in others:
                others.append(ignored)
        except FieldError as error:
            others.append(refused(error, row))
    return trades, others


def _ticker(rest: str, data: Any, newest_ns: int) -> list[Event]:
    ticker = an_object(data, "data")
    same_instrument(ticker, rest.rpartition(".")[0] or rest)
    return quote_events(ticker)


def _trades(rest: str, data: Any, newest_ns: int) -> list[Event]:
    trades, others = trade_events(a_list(data, "data"), is_backfill=False)
    return [*trades, *others] or [Ignored("trades.empty")]


def _index(rest: str, data: Any, newest_ns: int) -> list[Event]:
    index = an_object(data, "data")
    return [IndexPrice(_index_name(index, rest), ns_from_ms(index), positive(index, "price"))]


def _index_name(data: Object, rest: str) -> str:
    """The index that the channel names; the data may repeat it, but not name another."""
    name = data.get("index_name", rest)
    if name != rest or not 3 <= len(rest) <= 32:
        raise FieldError("index_name", name, f"{rest!r:.40} as the channel says")
    return rest


def _estimate(rest: str, data: Any, newest_ns: int) -> list[Event]:
    estimate = an_object(data, "data")
    seconds_left = positive_or_zero(estimate, "seconds")
    is_estimated = estimate.get("is_estimated") is True
    return [
        DeliveryEstimate(
            _index_name(estimate, rest), newest_ns, positive(estimate, "price"), seconds_left, is_estimated
        )
    ]


def _instrument_change(rest: str, data: Any, newest_ns: int) -> list[Event]:
    if not rest.startswith("state."):
        return [Ignored("other channel")]
    change = an_object(data, "data")
    return [InstrumentChange(text(change, "instrument_name"), ns_from_ms(change), text(change, "state"))]


def _volatility(rest: str, data: Any, newest_ns: int) -> list[Event]:
    index = an_object(data, "data")
    sigma = sigma_from_pct(index, "volatility")
    if sigma is None:
        raise FieldError("volatility", None, "per cent")
    return [VolatilityIndex(_index_name(index, rest), ns_from_ms(index), sigma)]


def _mark_prices(rest: str, data: Any, newest_ns: int) -> list[Event]:
    """The whole chain's marks.  Unlike every ticker, this channel sends ``iv`` as a fraction (seen on mainnet in 2026)."""
    family, _, price_index = rest.partition(".")
    if family != "options":
        return [Ignored("other channel")]
    marks: list[MarkPrice] = []
    others: list[Event] = []
    for row in a_list(data, "data")[:MOST_ROWS]:
        try:
            marks.append(_mark_price(an_object(row, "mark")))
        except FieldError as error:
            others.append(refused(error, row))
    return [MarkPrices(_index_name({}, price_index), tuple(marks)), *others]


def _mark_price(row: Object) -> MarkPrice:
    mark = positive_or_zero(row, "mark_price")
    name = text(row, "instrument_name")
    if mark is None or kind_of(name) not in ("option", "combo"):
        raise FieldError("mark_price", mark, f"a number, for an option; got it for {name!r:.60}")
    sigma = number(row, "iv")
    if sigma is not None and sigma < 0.0:
        raise FieldError("iv", sigma, "a fraction that is not negative")
    return MarkPrice(name, ns_from_ms(row), mark, sigma)


_READERS: dict[str, Callable[[str, Any, int], list[Event]]] = {
    "ticker": _ticker,
    "trades": _trades,
    "deribit_price_index": _index,
    "estimated_expiration_price": _estimate,
    "instrument": _instrument_change,
    "deribit_volatility_index": _volatility,
    "markprice": _mark_prices,
}
