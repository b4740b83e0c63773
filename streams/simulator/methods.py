"""The public methods that ask the market something.  Session methods (subscribe, heartbeat, auth) are the connection's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .rpc import METHOD_NOT_FOUND, NOT_FOUND, RpcError, invalid
from .source import Source
from .tape import DEFAULT_COUNT, MAX_COUNT

KINDS = ("future", "option", "spot", "future_combo", "option_combo")
VERSION = "1.2.26"
KNOWN_CURRENCIES = {"BTC", "ETH", "USDC", "USDT", "EURR"}


def answer(method: str, params: dict[str, Any], source: Source) -> Any:
    """The result of a market-data method; raises RpcError."""
    handler = _HANDLERS.get(method)
    if handler is None:
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
    return handler(params, source)


def _required(params: dict[str, Any], name: str, kind: type | tuple[type, ...] = str) -> Any:
    value = params.get(name)
    if value is None or isinstance(value, bool) or not isinstance(value, kind):
        raise invalid(name, "value required" if value is None else "wrong type")
    return value


def _optional(params: dict[str, Any], name: str, kind: type | tuple[type, ...] = int) -> Any:
    return None if params.get(name) is None else _required(params, name, kind)


def _currency(params: dict[str, Any], source: Source, *, may_be_any: bool = False) -> str:
    currency = str(_required(params, "currency"))
    if currency not in KNOWN_CURRENCIES | source.currencies() and not (may_be_any and currency == "any"):
        raise invalid("currency", "unsupported currency")
    return currency


def _kind(params: dict[str, Any], *, extra: tuple[str, ...] = ()) -> str | None:
    kind: str | None = _optional(params, "kind", str)
    if kind is not None and kind not in KINDS + extra:
        raise invalid("kind", f"must be one of: {', '.join(KINDS)}")
    return kind


def _page(params: dict[str, Any]) -> dict[str, Any]:
    count = _optional(params, "count") or DEFAULT_COUNT
    if not 1 <= count <= MAX_COUNT:
        raise invalid("count", f"must be between 1 and {MAX_COUNT}")
    sorting = params.get("sorting") or "default"
    if sorting not in ("asc", "desc", "default"):
        raise invalid("sorting", "must be one of: asc, desc, default")
    return {"count": count, "sorting": sorting}


def _instrument(params: dict[str, Any], source: Source) -> str:
    name = str(_required(params, "instrument_name"))
    if source.instrument(name) is None:
        raise RpcError(NOT_FOUND, "not_found")
    return name


def _get_instruments(params: dict[str, Any], source: Source) -> Any:
    expired = params.get("expired", False)
    if not isinstance(expired, bool):
        raise invalid("expired", "must be a boolean")
    return source.instruments(_currency(params, source, may_be_any=True), _kind(params), expired=expired)


def _get_instrument(params: dict[str, Any], source: Source) -> Any:
    return source.instrument(_instrument(params, source))


def _get_book_summary(params: dict[str, Any], source: Source) -> Any:
    return source.book_summaries(_currency(params, source), _kind(params))


def _get_index_price(params: dict[str, Any], source: Source) -> Any:
    price = source.index_price(str(_required(params, "index_name")))
    if price is None:
        raise invalid("index_name", "unknown index")
    return price


def _ticker(params: dict[str, Any], source: Source) -> Any:
    name = _instrument(params, source)
    data = source.ticker(name)
    if data is None:
        raise RpcError(NOT_FOUND, "not_found")
    return data


def _order_book(params: dict[str, Any], source: Source) -> Any:
    """The ticker with one level on either side; depth is not simulated."""
    data = _ticker(params, source)
    bid, ask = data.get("best_bid_price"), data.get("best_ask_price")
    bids = [[bid, data["best_bid_amount"]]] if bid else []
    asks = [[ask, data["best_ask_amount"]]] if ask else []
    return data | {"bids": bids, "asks": asks, "change_id": data["timestamp"]}


def _trades_by_instrument(params: dict[str, Any], source: Source) -> Any:
    return source.tape.by_instrument(
        _instrument(params, source),
        start_seq=_optional(params, "start_seq"),
        end_seq=_optional(params, "end_seq"),
        start_ms=_optional(params, "start_timestamp"),
        end_ms=_optional(params, "end_timestamp"),
        **_page(params),
    )


def _trades_by_instrument_and_time(params: dict[str, Any], source: Source) -> Any:
    return source.tape.by_instrument(
        _instrument(params, source),
        start_ms=_required(params, "start_timestamp", int),
        end_ms=_required(params, "end_timestamp", int),
        **_page(params),
    )


def _trades_by_currency(params: dict[str, Any], source: Source) -> Any:
    return source.tape.by_currency(
        _currency(params, source),
        _kind(params, extra=("any", "combo")),
        start_ms=_optional(params, "start_timestamp"),
        end_ms=_optional(params, "end_timestamp"),
        start_id=_optional(params, "start_id", str),
        end_id=_optional(params, "end_id", str),
        **_page(params),
    )


def _trades_by_currency_and_time(params: dict[str, Any], source: Source) -> Any:
    return source.tape.by_currency(
        _currency(params, source),
        _kind(params, extra=("any", "combo")),
        start_ms=_required(params, "start_timestamp", int),
        end_ms=_required(params, "end_timestamp", int),
        **_page(params),
    )


def _get_combos(params: dict[str, Any], source: Source) -> Any:
    return source.combos(_currency(params, source, may_be_any=True))


def _get_delivery_prices(params: dict[str, Any], source: Source) -> Any:
    prices = source.delivery_prices(str(_required(params, "index_name")))
    offset, count = _optional(params, "offset") or 0, _optional(params, "count") or DEFAULT_COUNT
    return {"data": prices[offset : offset + count], "records_total": len(prices)}


def _get_currencies(params: dict[str, Any], source: Source) -> Any:
    return [{"currency": currency, "coin_type": currency} for currency in sorted(source.currencies())]


def _status(params: dict[str, Any], source: Source) -> Any:
    return {"locked": "false", "locked_indices": []}


def _get_time(params: dict[str, Any], source: Source) -> Any:
    return source.now_ms()


_HANDLERS: dict[str, Callable[[dict[str, Any], Source], Any]] = {
    "public/get_time": _get_time,
    "public/get_instruments": _get_instruments,
    "public/get_instrument": _get_instrument,
    "public/get_book_summary_by_currency": _get_book_summary,
    "public/get_index_price": _get_index_price,
    "public/ticker": _ticker,
    "public/get_order_book": _order_book,
    "public/get_last_trades_by_instrument": _trades_by_instrument,
    "public/get_last_trades_by_instrument_and_time": _trades_by_instrument_and_time,
    "public/get_last_trades_by_currency": _trades_by_currency,
    "public/get_last_trades_by_currency_and_time": _trades_by_currency_and_time,
    "public/get_combos": _get_combos,
    "public/get_delivery_prices": _get_delivery_prices,
    "public/get_currencies": _get_currencies,
    "public/status": _status,
}
