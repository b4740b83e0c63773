"""The market's state in the venue's words: tickers, book summaries, instrument records, notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import listing
from .listing import UNDERLYINGS
from .market import Estimate, IndexTick, StateChange
from .state import FutureRow, MarketState, Series

MARK_DECIMALS, LINEAR_DECIMALS, SUMMARY_DECIMALS = 4, 4, 6
PRICE_LIMIT = 0.4  # min_price and max_price, share of the mark

_READ = (
    *("series", "bid", "bid_size", "bid_iv", "ask", "ask_size", "ask_iv", "mark", "mark_iv"),
    *("delta", "gamma", "vega", "theta", "rho", "forward", "index", "estimate", "ts_ms"),
    *("last", "volume", "volume_usd", "high", "low", "first", "open_interest", "settlement", "is_open"),
)


def underlying_index(series: Series, now_ns: int) -> str:
    """``SYN.EXPIRY`` inside the settlement window, else where the forward comes from."""
    return "SYN.EXPIRY" if series.n_fixed else series.index_name


def option_tickers(state: MarketState, rows: Sequence[int]) -> list[dict[str, Any]]:
    """The tickers of these rows, as ``ticker.{instrument}.100ms`` carries them."""
    part = state.table[list(rows)]
    columns = [part[name].tolist() for name in _READ]
    return [
        _option_ticker(state, row, dict(zip(_READ, values, strict=True)))
        for row, *values in zip(rows, *columns, strict=True)
    ]


def _option_ticker(state: MarketState, row: int, v: dict[str, Any]) -> dict[str, Any]:
    series = state.series[v["series"]]
    is_inverse = series.underlying.is_inverse
    mark = round(v["mark"], MARK_DECIMALS if is_inverse else LINEAR_DECIMALS)
    traded = v["volume"] > 0
    small = series.underlying.tick
    data = {
        "timestamp": v["ts_ms"],
        "state": "open" if v["is_open"] else "closed",
        "stats": {
            "high": v["high"] if traded else None,
            "low": v["low"] if traded else None,
            "price_change": round(100.0 * (v["last"] / v["first"] - 1.0), 4) if traded else None,
            "volume": v["volume"],
            "volume_usd": v["volume_usd"],
        },
        "greeks": {
            "delta": round(v["delta"], 5),
            "gamma": round(v["gamma"], 5),
            "vega": round(v["vega"], 5),
            "theta": round(v["theta"], 5),
            "rho": round(v["rho"], 5),
        },
        "index_price": v["index"],
        "instrument_name": state.options[row].name,
        "last_price": None if v["last"] != v["last"] else v["last"],
        "settlement_price": v["settlement"],
        "min_price": max(small, round(round(mark * (1 - PRICE_LIMIT) / small) * small, 6)),
        "max_price": round(round((mark * (1 + PRICE_LIMIT)) / small) * small + 100 * small, 6),
        "open_interest": v["open_interest"],
        "mark_price": mark,
        "best_ask_price": v["ask"],
        "best_bid_price": v["bid"],
        "interest_rate": 0.0,
        "mark_iv": v["mark_iv"],
        "bid_iv": v["bid_iv"],
        "ask_iv": v["ask_iv"],
        "underlying_price": v["forward"],
        "underlying_index": underlying_index(series, state.now_ns),
        "estimated_delivery_price": v["estimate"],
        "best_ask_amount": v["ask_size"],
        "best_bid_amount": v["bid_size"],
    }
    if series.delivery_price is not None:
        data["delivery_price"] = series.delivery_price
    return data


def future_ticker(row: FutureRow) -> dict[str, Any]:
    """A future's or perpetual's ticker."""
    data: dict[str, Any] = {
        "timestamp": row.ts_ms,
        "state": "closed" if row.state == "closed" else "open",
        "stats": {
            "high": row.high,
            "low": row.low,
            "price_change": round(100.0 * (row.last / row.first - 1.0), 4) if row.first else None,
            "volume": row.volume,
            "volume_usd": row.volume_usd,
            "volume_notional": row.volume_usd,
        },
        "index_price": row.index,
        "instrument_name": row.contract.name,
        "last_price": row.last,
        "settlement_price": row.settlement,
        "min_price": round(row.mark * 0.985, 2),
        "max_price": round(row.mark * 1.015, 2),
        "open_interest": row.open_interest,
        "mark_price": row.mark,
        "best_ask_price": row.ask,
        "best_bid_price": row.bid,
        "estimated_delivery_price": row.estimate,
        "best_ask_amount": row.ask_size,
        "best_bid_amount": row.bid_size,
    }
    if row.series is None:
        data |= {"current_funding": row.funding, "funding_8h": round(row.funding_8h, 8), "interest_value": 0.0}
    if row.delivery_price is not None:
        data["delivery_price"] = row.delivery_price
    return data


def ticker(state: MarketState, name: str) -> dict[str, Any] | None:
    """The ticker of any instrument that is or was listed, or None."""
    if (row := state.row_by_name.get(name)) is not None:
        return option_tickers(state, [row])[0]
    future = state.futures.get(name)
    return None if future is None else future_ticker(future)


def mark_prices(state: MarketState, price_index: str) -> list[dict[str, Any]]:
    """``markprice.options.{index}``: every open option of the index; ``iv`` is a fraction here, as on the venue."""
    wanted = np.array([s.underlying.price_index == price_index for s in state.series])
    rows = np.flatnonzero(state.table["is_open"] & wanted[state.table["series"]])
    part = state.table[rows]
    return [
        {"timestamp": ts, "mark_price": round(mark, MARK_DECIMALS), "iv": round(iv / 100.0, 4), "instrument_name": name}
        for ts, mark, iv, name in zip(
            part["ts_ms"].tolist(),
            part["mark"].tolist(),
            part["mark_iv"].tolist(),
            (state.options[row].name for row in rows.tolist()),
            strict=True,
        )
    ]


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
    hidden = ("expiration_timestamp", "underlying")
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
        for row in state.futures.values():
            u = UNDERLYINGS[row.contract.underlying]
            if row.state == "open" and _matches(u.settlement, currency):
                found.append(_summary(state, future_ticker(row)) | {"base_currency": u.base, "quote_currency": u.quote})
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


def index_data(tick: IndexTick, now_ms: int) -> dict[str, Any]:
    return {"timestamp": now_ms, "price": tick.price, "index_name": tick.price_index}


def volatility_data(tick: IndexTick, now_ms: int) -> dict[str, Any]:
    return {"volatility": tick.price, "timestamp": now_ms, "index_name": tick.price_index}


def estimate_data(estimate: Estimate) -> dict[str, Any]:
    return {
        "seconds": estimate.seconds,
        "price": estimate.price,
        "is_estimated": estimate.is_estimated,
        "left_ticks": estimate.left_ticks,
        "total_ticks": estimate.total_ticks,
    }


def state_data(change: StateChange, now_ms: int) -> dict[str, Any]:
    return {"timestamp": now_ms, "state": change.state, "instrument_name": change.instrument_name}


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
