"""What a session says: the venue's messages in our names and units, one type per message kind.

``OptionQuote``, ``OptionTrade`` and ``InstrumentState`` of schemas are events too, with ``ingest_epoch`` -1: only ingest knows
its epoch.  Every time is ns UTC, every vol a fraction, every premium in the contract's own premium unit.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas import InstrumentState, OptionQuote, OptionTrade


class FutureTicker(NamedTuple):
    """A future's or perpetual's ticker.  USD per coin; open_interest in the venue's unit for the contract."""

    instrument_name: str
    ts_event_ns: int
    bid: float | None
    ask: float | None
    mark: float | None
    last: float | None
    open_interest: float | None
    volume_usd_24h: float | None
    funding_8h: float | None
    current_funding: float | None
    index_price: float | None
    estimated_delivery_price: float | None
    state: str


class IndexPrice(NamedTuple):
    """``deribit_price_index.{x}``: what the fixings sample."""

    price_index: str
    ts_event_ns: int
    price: float


class DeliveryEstimate(NamedTuple):
    """``estimated_expiration_price.{x}``.  The channel has no time of its own: ts_event_ns is the newest venue time seen."""

    price_index: str
    ts_event_ns: int
    price: float
    seconds_left: float | None
    is_estimated: bool


class VolatilityIndex(NamedTuple):
    """``deribit_volatility_index.{x}``; sigma is a fraction (the venue sends per cent)."""

    price_index: str
    ts_event_ns: int
    sigma: float


class MarkPrice(NamedTuple):
    instrument_name: str
    ts_event_ns: int
    mark: float
    sigma: float | None


class MarkPrices(NamedTuple):
    """``markprice.options.{x}``: the whole chain's marks in one message."""

    price_index: str
    marks: tuple[MarkPrice, ...]


class InstrumentChange(NamedTuple):
    """``instrument.state.any.any``: the venue says only name, state and time; the contract has to be asked for."""

    instrument_name: str
    ts_event_ns: int
    state: str


class InstrumentList(NamedTuple):
    """Answer to get_instruments of one currency (all kinds); combos and unusable rows are counted, not listed."""

    currency: str
    instruments: tuple[InstrumentState, ...]
    n_skipped: int


class TradePage(NamedTuple):
    """Answer to a get_last_trades request: ``request`` is what the caller gave when asking."""

    request: object
    trades: tuple[OptionTrade, ...]
    has_more: bool


class BookSummaries(NamedTuple):
    """Answer to get_book_summary_by_currency: prices without sizes or quote IVs, so never mixed with the tickers by the session."""

    options: tuple[OptionQuote, ...]
    futures: tuple[FutureTicker, ...]
    n_skipped: int


class DeliveryPrice(NamedTuple):
    """Delivery price of everything on ``price_index`` that expired at ``expiry_ns``."""

    price_index: str
    expiry_ns: int
    price: float


class DeliveryPrices(NamedTuple):
    """Answer to get_delivery_prices, newest first as the venue sends them."""

    price_index: str
    prices: tuple[DeliveryPrice, ...]


class VenueTime(NamedTuple):
    """Answer to public/get_time: venue time, and our monotonic-free wall times around it (ns UTC)."""

    venue_ns: int
    sent_ns: int
    recv_ns: int


class Connected(NamedTuple):
    recv_ns: int


class Subscribed(NamedTuple):
    """Every channel asked for on this connection has been confirmed."""

    recv_ns: int
    channels: tuple[str, ...]


class Disconnected(NamedTuple):
    recv_ns: int
    reason: str
    channels: tuple[str, ...]


class TradeGap(NamedTuple):
    """trade_seq jumped: numbers first..last of this instrument were not received (inclusive)."""

    instrument_name: str
    first: int
    last: int


class RequestFailed(NamedTuple):
    """A JSON-RPC error answer.  ``is_fatal``: the venue ends the session (10028), back off before coming again."""

    method: str
    code: int
    message: str
    is_fatal: bool
    request: object


class Ignored(NamedTuple):
    """A well-formed message that we do not use; ``kind`` names it (``book.*``, ``subscribe answer``, ``quote.*``...)."""

    kind: str


class Unreadable(NamedTuple):
    """Bytes that are no message of this protocol, or a message whose fields cannot be right; never an exception."""

    reason: str
    detail: str
    payload: bytes


Event = (
    OptionQuote
    | OptionTrade
    | InstrumentState
    | FutureTicker
    | IndexPrice
    | DeliveryEstimate
    | VolatilityIndex
    | MarkPrices
    | InstrumentChange
    | InstrumentList
    | TradePage
    | BookSummaries
    | DeliveryPrices
    | VenueTime
    | Connected
    | Subscribed
    | Disconnected
    | TradeGap
    | RequestFailed
    | Ignored
    | Unreadable
)
