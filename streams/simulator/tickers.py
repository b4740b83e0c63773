"""The market's state in the venue's words: tickers, mark prices and the other notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .market import Estimate, IndexTick, StateChange
from .state import FutureRow, MarketState, Series

MARK_DECIMALS, LINEAR_DECIMALS = 4, 4
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
