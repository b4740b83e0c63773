"""Small hand-written frames of the venue's protocol, with invented numbers, for the tests of streams.deribit."""

from __future__ import annotations

import json
from typing import Any

MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z
NS = MS * 1_000_000
OPTION = "BTC-29DEC23-40000-C"
OTHER = "BTC-29DEC23-40000-P"
FUTURE = "BTC-29DEC23"
PERPETUAL = "BTC-PERPETUAL"
EXPIRY_MS = 1_703_836_800_000  # 2023-12-29T08:00:00Z


def notification(channel: str, data: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})


def answer(request_id: int | None, result: Any, **more: Any) -> str:
    identity = {} if request_id is None else {"id": request_id}
    return json.dumps({"jsonrpc": "2.0", **identity, "result": result, **more})


def error(request_id: int | None, code: int, message: str = "no") -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})


def ticker_data(name: str = OPTION, **changes: Any) -> dict[str, Any]:
    data = {
        "timestamp": MS,
        "state": "open",
        "instrument_name": name,
        "best_bid_price": 0.05,
        "best_bid_amount": 12.5,
        "best_ask_price": 0.06,
        "best_ask_amount": 3.0,
        "bid_iv": 50.0,
        "ask_iv": 62.5,
        "mark_price": 0.055,
        "mark_iv": 56.25,
        "last_price": 0.051,
        "underlying_price": 37000.5,
        "underlying_index": "BTC-29DEC23",
        "index_price": 36500.25,
        "interest_rate": 0.0,
        "open_interest": 1234.5,
        "stats": {"volume": 10.5, "volume_usd": 20000.0, "high": 0.07, "low": 0.04, "price_change": -2.5},
        "min_price": 0.001,
        "max_price": 0.2,
        "settlement_price": 0.052,
        "estimated_delivery_price": 36500.25,
        "greeks": {"delta": 0.45, "gamma": 0.00003, "vega": 50.1, "theta": -20.2, "rho": 15.3},
    }
    return {**data, **changes}


def ticker(name: str = OPTION, **changes: Any) -> str:
    return notification(f"ticker.{name}.100ms", ticker_data(name, **changes))


def future_data(name: str = FUTURE, **changes: Any) -> dict[str, Any]:
    data = {
        "timestamp": MS,
        "state": "open",
        "instrument_name": name,
        "best_bid_price": 37000.0,
        "best_bid_amount": 1000.0,
        "best_ask_price": 37001.0,
        "best_ask_amount": 2000.0,
        "mark_price": 37000.5,
        "last_price": 36999.5,
        "index_price": 36500.25,
        "open_interest": 5_000_000.0,
        "stats": {"volume": 10.5, "volume_usd": 20000.0, "high": 38000.0, "low": 36000.0, "price_change": 1.5},
        "estimated_delivery_price": 36500.25,
    }
    return {**data, **changes}


def trade_data(name: str = OPTION, seq: int = 7, **changes: Any) -> dict[str, Any]:
    data = {
        "timestamp": MS,
        "instrument_name": name,
        "trade_id": f"{900 + seq}",
        "trade_seq": seq,
        "price": 0.055,
        "amount": 2.5,
        "direction": "sell",
        "tick_direction": 1,
        "iv": 56.5,
        "index_price": 36500.25,
        "mark_price": 0.0551,
    }
    return {**data, **changes}


def trades(*data: dict[str, Any], channel: str = "trades.option.BTC.100ms") -> str:
    return notification(channel, list(data))


def instrument_row(name: str = OPTION, **changes: Any) -> dict[str, Any]:
    kind = "option" if name[-1] in "CP" else "future"
    row = {
        "kind": kind,
        "instrument_name": name,
        "instrument_type": "reversed",
        "price_index": "btc_usd",
        "base_currency": "BTC",
        "counter_currency": "USD",
        "quote_currency": "BTC" if kind == "option" else "USD",
        "settlement_currency": "BTC",
        "settlement_period": "month",
        "creation_timestamp": MS - 86_400_000,
        "expiration_timestamp": EXPIRY_MS,
        "tick_size": 0.0001 if kind == "option" else 0.5,
        "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}] if kind == "option" else [],
        "contract_size": 1.0 if kind == "option" else 10.0,
        "min_trade_amount": 0.1,
        "is_active": True,
        "state": "open",
    }
    if kind == "option":
        row |= {"option_type": "call" if name[-1] == "C" else "put", "strike": float(name.split("-")[2])}
    return {**row, **changes}
