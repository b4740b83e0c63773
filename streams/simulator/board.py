"""What the venue answers about its board: instrument records, combos, book summaries, delivery prices."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import listing
from .listing import UNDERLYINGS
from .state import MarketState
from .tickers import future_ticker, option_tickers

SUMMARY_DECIMALS = 6


def instruments(state: MarketState, currency: str, kind: str | None, *, expired: bool) -> list[dict[str, Any]]:
    """``public/get_instruments``: what is listed (or, ``expired``, was), of a settlement currency or ``any``."""
    found: list[dict[str, Any]] = []
    if kind in (None, "future", "any"):
        for row in state.futures.values():
            if (
                _matches(UNDERLYINGS[row.contract.underlying].settlement, currency)
                and (row.state == "closed") == expired
            ):
                period = "perpetual" if row.series is None else state.series[row.series].period
                found.append(listing.future_record(row.contract, _book_state(row.state), period))
    if kind in (None, "option", "any"):
        for option, number in zip(state.options, state.table["series"].tolist(), strict=True):
            series = state.series[number]
            if _matches(series.underlying.settlement, currency) and (series.state == "closed") == expired:
                found.append(listing.option_record(option, _book_state(series.state), series.period))
    if kind in (None, "option_combo", "any", "combo"):
        found += [
            _combo_record(state, c) for c in state.combos.values() if _is_combo_listed(state, c, currency) != expired
        ]
    return found


def _book_state(state: str) -> str:
    return {"created": "inactive", "closed": "delivered"}.get(state, "open")


def _matches(settlement: str, currency: str) -> bool:
    return currency in ("any", settlement)


def _is_combo_listed(state: MarketState, combo: dict[str, Any], currency: str) -> bool:
    u = UNDERLYINGS[combo["underlying"]]
    return _matches(u.settlement, currency) and combo["expiration_timestamp"] > state.now_ns // 1_000_000


def _combo_record(state: MarketState, combo: dict[str, Any]) -> dict[str, Any]:
    u = UNDERLYINGS[combo["underlying"]]
    return {
        "state": "open",
        "price_index": u.price_index,
        "kind": "option_combo",
        "instrument_name": combo["id"],
        "maker_commission": 0.0,
        "taker_commission": 0.0,
        "instrument_type": "reversed" if u.is_inverse else "linear",
        "expiration_timestamp": combo["expiration_timestamp"],
        "is_active": True,
        "creation_timestamp": combo["creation_timestamp"],
        "instrument_id": combo["instrument_id"],
        "tick_size": u.tick,
        "contract_size": 1.0,
        "base_currency": u.base,
        "quote_currency": u.base if u.is_inverse else u.quote,
        "settlement_currency": u.settlement,
        "min_trade_amount": u.min_amount,
        "settlement_period": "day",
        "counter_currency": u.quote,
        "tick_size_steps": [],
    }


def combos(state: MarketState, currency: str) -> list[dict[str, Any]]:
    """``public/get_combos``."""
    hidden = ("expiration_timestamp", "underlying", "series")
    return [
        {key: value for key, value in combo.items() if key not in hidden}
        for combo in state.combos.values()
        if _is_combo_listed(state, combo, currency)
    ]


def book_summaries(state: MarketState, currency: str, kind: str | None) -> list[dict[str, Any]]:
    """``public/get_book_summary_by_currency``: nulls, not zeros, where there is no bid or ask."""
    found: list[dict[str, Any]] = []
    if kind in (None, "option", "any"):
        listed = np.array([_matches(s.underlying.settlement, currency) and s.state == "open" for s in state.series])
        rows = np.flatnonzero(listed[state.table["series"]]).tolist()
        for row, data in zip(rows, option_tickers(state, rows), strict=True):
            summary = _summary(state, data)
            u = UNDERLYINGS[state.options[row].underlying]
            summary |= {
                "mark_price": round(float(state.table["mark"][row]), SUMMARY_DECIMALS),
                "mark_iv": data["mark_iv"],
                "interest_rate": 0.0,
                "underlying_price": data["underlying_price"],
                "underlying_index": data["underlying_index"],
                "base_currency": u.base,
                "quote_currency": u.base if u.is_inverse else u.quote,
            }
            found.append(summary)
    if kind in (None, "future", "any"):
        for future in state.futures.values():
            u = UNDERLYINGS[future.contract.underlying]
            if future.state == "open" and _matches(u.settlement, currency):
                found.append(
                    _summary(state, future_ticker(future)) | {"base_currency": u.base, "quote_currency": u.quote}
                )
    return found


def _summary(state: MarketState, data: dict[str, Any]) -> dict[str, Any]:
    bid, ask = data["best_bid_price"] or None, data["best_ask_price"] or None
    stats = data["stats"]
    return {
        "instrument_name": data["instrument_name"],
        "high": stats["high"],
        "low": stats["low"],
        "last": data["last_price"],
        "bid_price": bid,
        "ask_price": ask,
        "mid_price": None if bid is None or ask is None else round((bid + ask) / 2, SUMMARY_DECIMALS),
        "open_interest": data["open_interest"],
        "mark_price": data["mark_price"],
        "price_change": stats["price_change"],
        "volume": stats["volume"],
        "volume_usd": stats["volume_usd"],
        "estimated_delivery_price": data["estimated_delivery_price"],
        "creation_timestamp": state.now_ns // 1_000_000,
    }


def instrument(state: MarketState, name: str) -> dict[str, Any] | None:
    """``public/get_instrument``: the record of one instrument, listed or expired."""
    if (row := state.row_by_name.get(name)) is not None:
        series = state.series[int(state.table["series"][row])]
        return listing.option_record(state.options[row], _book_state(series.state), series.period)
    if (future := state.futures.get(name)) is not None:
        period = "perpetual" if future.series is None else state.series[future.series].period
        return listing.future_record(future.contract, _book_state(future.state), period)
    combo = state.combos.get(name)
    return None if combo is None else _combo_record(state, combo)


def delivery_prices(state: MarketState, price_index: str) -> list[dict[str, Any]]:
    """``public/get_delivery_prices``: newest first."""
    closed = {
        s.expiry_ns: s.delivery_price
        for s in state.series
        if s.underlying.price_index == price_index and s.delivery_price
    }
    return [
        {"date": listing.at(ns).strftime("%Y-%m-%d"), "delivery_price": price}
        for ns, price in sorted(closed.items(), reverse=True)
    ]
