"""Tickers, order books and book summaries as quotes.

Sentinels become None here, and only they.  No bid is ``best_bid_price`` 0.0 (its IV is 0 then).  A real bid below intrinsic has IV 0:
the bid stays and ``bid_sigma`` is None.  No ask is 0.0.  An ask whose IV is the sentinel 999 (or 0) is a real order in the book: the ask
stays and ``ask_sigma`` is None, which tells "not a usable quote" from "no ask at all".
"""

from __future__ import annotations

from schemas import InstrumentStatus, OptionQuote
from streams.deribit.events import FutureTicker
from streams.deribit.fields import (
    FieldError,
    Object,
    an_object,
    ns_from_ms,
    number,
    numbers,
    optional_text,
    positive_or_zero,
    positives_or_zeros,
    text,
)

NO_EPOCH = -1  # only ingest knows its epoch
ASK_IV_SENTINEL = 9.99  # 999 per cent: the venue's "no IV solves this ask"
_NOTHING: Object = {}

# Venue's words for the state of a book or instrument (API 2.1.1 `book_state`, and the older words of instrument.state).
STATUS_BY_STATE = {
    "created": InstrumentStatus.CREATED,
    "started": InstrumentStatus.STARTED,
    "open": InstrumentStatus.OPEN,
    "suspended": InstrumentStatus.SUSPENDED,
    "inactive": InstrumentStatus.SUSPENDED,
    "deactivated": InstrumentStatus.SUSPENDED,
    "locked": InstrumentStatus.SUSPENDED,
    "halted": InstrumentStatus.SUSPENDED,
    "settlement": InstrumentStatus.CLOSED,
    "closed": InstrumentStatus.CLOSED,
    "settled": InstrumentStatus.SETTLED,
    "delivered": InstrumentStatus.SETTLED,
    "terminated": InstrumentStatus.TERMINATED,
    "archivized": InstrumentStatus.TERMINATED,
}


def status_of(state: str) -> InstrumentStatus:
    """Our status of the venue's state; a word that we do not know is surely not "open": SUSPENDED."""
    return STATUS_BY_STATE.get(state, InstrumentStatus.SUSPENDED)


_PRICES = (
    *("best_bid_price", "best_bid_amount", "bid_iv", "best_ask_price", "best_ask_amount", "ask_iv"),
    *("mark_price", "mark_iv", "last_price", "underlying_price", "index_price", "open_interest"),
    *("min_price", "max_price", "settlement_price", "estimated_delivery_price"),
)
_STATS = ("volume", "volume_usd", "high", "low")
_GREEKS = ("delta", "gamma", "vega", "theta", "rho")
_NOT_NEGATIVE = _PRICES + _STATS
_SIGNED = ("interest_rate", "price_change", *_GREEKS)


def _side(price: float | None, size: float | None, iv: float | None) -> tuple[float | None, float | None, float | None]:
    """Price, size and sigma of one side of an option's book, sentinels as None; ``iv`` in per cent."""
    if not price:
        return None, None, None
    sigma = iv / 100.0 if iv else None
    if sigma is not None and sigma >= ASK_IV_SENTINEL:
        sigma = None
    return price, size, sigma


def option_quote(data: Object) -> OptionQuote:
    """A ticker or order book of an option.  Premiums in premium unit, sizes in coin, vols as fractions.

    Nearly all that ingest reads are these: so the numbers are read all at once, and the record is made from a tuple, in the
    order of its fields, since 34 arguments by name take longer than all the numbers.
    """
    stats, greeks = _part(data, "stats"), _part(data, "greeks")
    bid, bid_size, bid_iv, ask, ask_size, ask_iv, mark, mark_iv, last, underlying, index, *others = positives_or_zeros(
        [*map(data.get, _PRICES), *map(stats.get, _STATS)], _NOT_NEGATIVE
    )
    open_interest, min_price, max_price, settlement, estimated, volume, volume_usd, high, low = others
    interest_rate, price_change, *venue_greeks = numbers(
        [data.get("interest_rate"), stats.get("price_change"), *map(greeks.get, _GREEKS)], _SIGNED
    )
    bid, bid_size, bid_sigma = _side(bid, bid_size, bid_iv)
    ask, ask_size, ask_sigma = _side(ask, ask_size, ask_iv)
    mark_sigma = None if mark_iv is None else mark_iv / 100.0
    underlying_index = optional_text(data, "underlying_index")
    return OptionQuote._make(
        (
            *(ns_from_ms(data), NO_EPOCH, text(data, "instrument_name"), False, None),
            *(bid, bid_size, ask, ask_size, bid_sigma, ask_sigma, mark, mark_sigma, last),
            *(underlying, underlying_index, index, interest_rate, open_interest),
            *(volume, volume_usd, high, low, price_change, min_price, max_price, settlement, estimated),
            *venue_greeks,
            status_of(text(data, "state")),
        )
    )


def _part(data: Object, field: str) -> Object:
    part = data.get(field)
    return _NOTHING if part is None else an_object(part, field)


def future_ticker(data: Object) -> FutureTicker:
    """A ticker or order book of a future or perpetual.  Prices in USD per coin."""
    return FutureTicker(
        instrument_name=text(data, "instrument_name"),
        ts_event_ns=ns_from_ms(data),
        bid=positive_or_zero(data, "best_bid_price") or None,
        ask=positive_or_zero(data, "best_ask_price") or None,
        mark=positive_or_zero(data, "mark_price"),
        last=positive_or_zero(data, "last_price"),
        open_interest=positive_or_zero(data, "open_interest"),
        volume_usd_24h=positive_or_zero(_part(data, "stats"), "volume_usd"),
        funding_8h=number(data, "funding_8h"),
        current_funding=number(data, "current_funding"),
        index_price=positive_or_zero(data, "index_price"),
        estimated_delivery_price=positive_or_zero(data, "estimated_delivery_price"),
        state=text(data, "state"),
    )


def _summary_as_ticker(row: Object) -> Object:
    """A book summary's field names and times in those of a ticker; a summary has no sizes, quote IVs, greeks or state."""
    return {
        **row,
        "timestamp": row.get("creation_timestamp"),
        "best_bid_price": row.get("bid_price"),
        "best_ask_price": row.get("ask_price"),
        "last_price": row.get("last"),
        "stats": {
            "volume": row.get("volume"),
            "volume_usd": row.get("volume_usd"),
            "high": row.get("high"),
            "low": row.get("low"),
            "price_change": row.get("price_change"),
        },
        "state": "open",
    }


def option_summary(row: Object) -> OptionQuote:
    """One option's row of get_book_summary_by_currency."""
    return option_quote(_summary_as_ticker(row))


def future_summary(row: Object) -> FutureTicker:
    """One future's row of get_book_summary_by_currency."""
    return future_ticker(_summary_as_ticker(row))


def same_instrument(data: Object, instrument_name: str) -> None:
    """A ticker's channel and its data must name the same instrument."""
    if data.get("instrument_name") != instrument_name:
        raise FieldError("instrument_name", data.get("instrument_name"), f"{instrument_name!r} as the channel says")
