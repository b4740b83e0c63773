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
    optional_text,
    positive_or_zero,
    sigma_from_pct,
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


def _side(data: Object, side: str) -> tuple[float | None, float | None, float | None]:
    """Price, size and sigma of one side of an option's book, sentinels as None."""
    price = positive_or_zero(data, f"best_{side}_price")
    size = positive_or_zero(data, f"best_{side}_amount")
    sigma = sigma_from_pct(data, f"{side}_iv")
    if not price:
        return None, None, None
    if not sigma or sigma >= ASK_IV_SENTINEL:
        sigma = None
    return price, size, sigma


def option_quote(data: Object) -> OptionQuote:
    """A ticker or order book of an option.  Premiums in premium unit, sizes in coin, vols as fractions."""
    bid, bid_size, bid_sigma = _side(data, "bid")
    ask, ask_size, ask_sigma = _side(data, "ask")
    stats = _part(data, "stats")
    greeks = _part(data, "greeks")
    return OptionQuote(
        ts_event_ns=ns_from_ms(data),
        ingest_epoch=NO_EPOCH,
        instrument_name=text(data, "instrument_name"),
        is_snapshot=False,
        snapshot_id=None,
        bid=bid,
        bid_size=bid_size,
        ask=ask,
        ask_size=ask_size,
        bid_sigma=bid_sigma,
        ask_sigma=ask_sigma,
        mark=positive_or_zero(data, "mark_price"),
        mark_sigma=sigma_from_pct(data, "mark_iv"),
        last=positive_or_zero(data, "last_price"),
        underlying_price=positive_or_zero(data, "underlying_price"),
        underlying_index=optional_text(data, "underlying_index"),
        index_price=positive_or_zero(data, "index_price"),
        interest_rate=number(data, "interest_rate"),
        open_interest=positive_or_zero(data, "open_interest"),
        volume_24h=positive_or_zero(stats, "volume"),
        volume_usd_24h=positive_or_zero(stats, "volume_usd"),
        high_24h=positive_or_zero(stats, "high"),
        low_24h=positive_or_zero(stats, "low"),
        price_change_24h_pct=number(stats, "price_change"),
        min_price=positive_or_zero(data, "min_price"),
        max_price=positive_or_zero(data, "max_price"),
        settlement_price=positive_or_zero(data, "settlement_price"),
        estimated_delivery_price=positive_or_zero(data, "estimated_delivery_price"),
        venue_delta=number(greeks, "delta"),
        venue_gamma=number(greeks, "gamma"),
        venue_vega=number(greeks, "vega"),
        venue_theta=number(greeks, "theta"),
        venue_rho=number(greeks, "rho"),
        state=status_of(text(data, "state")),
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
