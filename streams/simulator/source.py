"""What a server needs of the market behind it, and the first such source: the synthetic market at its own pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from . import board, channels, market, places, tickers
from .state import GRID_NS, MarketState
from .tape import Tape

AGGREGATE_NS = 2_000_000_000
MAX_LAG_STEPS = 50  # a market that fell this far behind the clock lets its clock go late instead of racing


class Hub(Protocol):
    """Where a source publishes: knows what is subscribed to."""

    @property
    def n_ticker_followers(self) -> int:
        """Subscriptions to ticker channels, over all clients."""

    def wants(self, channel: str) -> bool: ...

    def publish(self, channel: str, data: bytes) -> None: ...

    async def flush(self) -> None:
        """Hand over what was published since the last flush; waits for slow clients if the source must not drop."""


class Source(Protocol):
    """A market that can be asked and that publishes.  Times in ms UTC of the source's own clock."""

    must_not_drop: bool
    tape: Tape

    def now_ms(self) -> int: ...

    def has_channel(self, channel: str) -> bool: ...

    def snapshot(self, channel: str) -> Any | None:
        """What is sent at once to a new subscriber, None for nothing."""

    def instruments(self, currency: str, kind: str | None, *, expired: bool) -> list[dict[str, Any]]: ...

    def instrument(self, name: str) -> dict[str, Any] | None: ...

    def ticker(self, name: str) -> dict[str, Any] | None: ...

    def book_summaries(self, currency: str, kind: str | None) -> list[dict[str, Any]]: ...

    def index_price(self, price_index: str) -> dict[str, Any] | None: ...

    def combos(self, currency: str) -> list[dict[str, Any]]: ...

    def delivery_prices(self, price_index: str) -> list[dict[str, Any]]: ...

    def currencies(self) -> set[str]: ...

    def subscribed(self, channel: str) -> None:
        """Somebody has subscribed to this channel."""

    async def run(self, hub: Hub) -> dict[str, Any]:
        """Publish until the end (a synthetic market has none); returns a summary."""


Truth = Callable[[MarketState, market.Updates], None]


class SyntheticSource:
    """The synthetic market, stepped every 100 ms of its time; ``speed`` market seconds a second."""

    must_not_drop = False

    def __init__(self, state: MarketState, *, speed: float = 1.0, truth: Truth | None = None) -> None:
        self.state = state
        self.tape = Tape()
        self._speed = speed
        self._truth = truth
        self._aggregated: set[str] = set()
        self.n_option_ticks = 0
        self.n_trades = 0

    def now_ms(self) -> int:
        return self.state.now_ns // 1_000_000

    def has_channel(self, channel: str) -> bool:
        parts = channels.parse(channel)
        if parts is None:
            return False
        if parts.family in ("index", "estimate", "marks", "volatility"):
            return parts.subject in self.state.index
        if parts.family in ("ticker", "quote") or (parts.family == "trades" and not parts.currency):
            record = self.instrument(parts.subject)
            return record is not None and record["state"] != "delivered"
        if parts.family in ("trades", "state"):
            return parts.currency in self.currencies() | {"any"}
        return True

    def snapshot(self, channel: str) -> Any | None:
        parts = channels.parse(channel)
        if parts is None:
            return None
        if parts.family == "ticker":
            return tickers.ticker(self.state, parts.subject)
        if parts.family == "quote":
            return _quote(tickers.ticker(self.state, parts.subject))
        if parts.family == "index":
            return self.index_data(parts.subject)
        if parts.family == "marks":
            return tickers.mark_prices(self.state, parts.subject)
        return None

    def instruments(self, currency: str, kind: str | None, *, expired: bool) -> list[dict[str, Any]]:
        return board.instruments(self.state, currency, kind, expired=expired)

    def instrument(self, name: str) -> dict[str, Any] | None:
        return board.instrument(self.state, name)

    def ticker(self, name: str) -> dict[str, Any] | None:
        return tickers.ticker(self.state, name)

    def book_summaries(self, currency: str, kind: str | None) -> list[dict[str, Any]]:
        return board.book_summaries(self.state, currency, kind)

    def index_data(self, price_index: str) -> dict[str, Any] | None:
        price = self.state.index.get(price_index)
        return None if price is None else tickers.index_data(market.IndexTick(price_index, price), self.now_ms())

    def index_price(self, price_index: str) -> dict[str, Any] | None:
        """``estimated_delivery_price`` is that of the next expiry."""
        price = self.state.index.get(price_index)
        if price is None:
            return None
        estimates = {e.price_index: e.price for e in market.estimates(self.state)}
        return {"index_price": price, "estimated_delivery_price": estimates.get(price_index, price)}

    def combos(self, currency: str) -> list[dict[str, Any]]:
        return board.combos(self.state, currency)

    def delivery_prices(self, price_index: str) -> list[dict[str, Any]]:
        return board.delivery_prices(self.state, price_index)

    def currencies(self) -> set[str]:
        return {u.settlement for u in self.state.underlyings}

    def subscribed(self, channel: str) -> None:
        """A synthetic market does not wait for anybody."""

    async def run(self, hub: Hub) -> dict[str, Any]:
        interval_s = GRID_NS * 1e-9 / self._speed
        n_places = places.n_places(interval_s)
        due_s = time.monotonic()
        while True:
            due_s += interval_s
            delay_s = due_s - time.monotonic()
            if delay_s < -MAX_LAG_STEPS * interval_s:
                due_s = time.monotonic()
            await asyncio.sleep(max(delay_s, 0.0))
            updates = self._step(hub)
            for i, part in enumerate(places.parts(updates, n_places)):
                await asyncio.sleep(max(due_s + i * interval_s / n_places - time.monotonic(), 0.0))
                self._publish_tickers(hub, part)
                await hub.flush()

    def advance(self, hub: Hub) -> market.Updates:
        """One step of the market, published at once to whoever subscribed."""
        updates = self._step(hub)
        self._publish_tickers(hub, updates)
        return updates

    def _step(self, hub: Hub) -> market.Updates:
        """One step, all of it published but its tickers."""
        self.state, updates = market.step(self.state)
        self.n_option_ticks += len(updates.option_rows)
        self.n_trades += len(updates.trades)
        if self._truth is not None:
            self._truth(self.state, updates)
        self._publish_seconds(hub, updates)
        self._publish_trades(hub, updates)
        self._publish_aggregates(hub, updates)
        return updates

    def _publish_seconds(self, hub: Hub, updates: market.Updates) -> None:
        ms = updates.now_ns // 1_000_000
        for tick in updates.indices:
            _publish(hub, f"deribit_price_index.{tick.price_index}", tickers.index_data(tick, ms))
            channel = f"markprice.options.{tick.price_index}"
            if hub.wants(channel):
                hub.publish(channel, orjson.dumps(tickers.mark_prices(self.state, tick.price_index)))
        for tick in updates.volatility:
            _publish(hub, f"deribit_volatility_index.{tick.price_index}", tickers.volatility_data(tick, ms))
        for estimate in updates.estimates:
            _publish(hub, f"estimated_expiration_price.{estimate.price_index}", tickers.estimate_data(estimate))
        for change in updates.changes:
            for channel in channels.state_channels(change.kind, change.currency):
                _publish(hub, channel, tickers.state_data(change, ms))

    def _publish_trades(self, hub: Hub, updates: market.Updates) -> None:
        by_channel: dict[str, list[dict[str, Any]]] = {}
        for trade in updates.trades:
            self.tape.add(trade.data, trade.kind, trade.currency)
            for channel in channels.trade_channels(trade.data["instrument_name"], trade.kind, trade.currency):
                if hub.wants(channel):
                    by_channel.setdefault(channel, []).append(trade.data)
        for channel, trades in by_channel.items():
            hub.publish(channel, orjson.dumps(trades))

    def _publish_tickers(self, hub: Hub, updates: market.Updates) -> None:
        names = self.state.options
        wanted = [row for row in updates.option_rows if self._is_ticker_wanted(hub, names[row].name)]
        for row, data in zip(wanted, tickers.option_tickers(self.state, wanted), strict=True):
            self._publish_ticker(hub, names[row].name, data)
        for name in updates.futures:
            if self._is_ticker_wanted(hub, name):
                self._publish_ticker(hub, name, tickers.future_ticker(self.state.futures[name]))

    def _publish_aggregates(self, hub: Hub, updates: market.Updates) -> None:
        if updates.now_ns % AGGREGATE_NS == 0:
            for name in sorted(self._aggregated):
                _publish(hub, f"ticker.{name}.agg2", tickers.ticker(self.state, name))
            self._aggregated.clear()

    def _is_ticker_wanted(self, hub: Hub, name: str) -> bool:
        if hub.wants(f"ticker.{name}.agg2"):
            self._aggregated.add(name)
        return hub.wants(f"ticker.{name}.100ms") or hub.wants(f"ticker.{name}.raw") or hub.wants(f"quote.{name}")

    def _publish_ticker(self, hub: Hub, name: str, data: dict[str, Any]) -> None:
        encoded = orjson.dumps(data)
        for interval in ("100ms", "raw"):
            if hub.wants(channel := f"ticker.{name}.{interval}"):
                hub.publish(channel, encoded)
        _publish(hub, f"quote.{name}", data, _quote)


def _quote(data: dict[str, Any] | None) -> dict[str, Any] | None:
    if data is None:
        return None
    keys = ("timestamp", "instrument_name", "best_ask_price", "best_bid_price", "best_ask_amount", "best_bid_amount")
    return {key: data[key] for key in keys}


def _publish(hub: Hub, channel: str, data: Any, change: Callable[[Any], Any] | None = None) -> None:
    if hub.wants(channel):
        hub.publish(channel, orjson.dumps(data if change is None else change(data)))
