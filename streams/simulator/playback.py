"""A recording as the market behind the server: its frames, at any speed, to whoever subscribed.

A first pass learns what is in the recording (instruments, contract records, times), the second plays it.  What comes later
in the recording is listed from the start, unless a record says when it was created: a sweep over a chain takes minutes, and
an instrument must not be new because its turn was late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from streams.deribit.frames import Frame
from streams.deribit.recording import read

from . import channels
from .contents import channel_of, inferred_record, scan
from .settings import SimulatorSettings
from .source import Hub
from .tape import Tape

NS, NS_PER_MS = 1_000_000_000, 1_000_000
FLUSH_EVERY = 64  # frames at most between two flushes
POLL_S = 0.05
Reader = Callable[[], Iterator[Frame]]


class RecordingSource:
    """Plays frames to the server's clients.  ``speed``: market seconds a second, None for as fast as they are read."""

    must_not_drop = True

    def __init__(
        self, reader: Reader, *, speed: float | None, is_waiting: bool = True, grace_s: float = 1.5, end_ns: int = 0
    ) -> None:
        """``end_ns``: the clock goes on to this time after the last frame (0: ends there), past expiries in between."""
        self._reader = reader
        self.contents = scan(reader())
        self.contents.last_ns = max(self.contents.last_ns, end_ns)
        self.tape = Tape()
        self._speed = speed
        self._is_waiting = is_waiting
        self._grace_s = grace_s
        self._now_ns = self.contents.first_ns
        self._clock: tuple[int, float] | None = None  # recording time and monotonic time of one moment
        self._tickers: dict[str, bytes] = {}
        self._index: dict[str, dict[str, Any]] = {}
        self._estimate: dict[str, float] = {}
        self._seen_trades: dict[str, set[int]] = {}
        self._subscribed_s = 0.0
        self.n_played = 0
        creations = {
            name: int(record["creation_timestamp"] or 0) * NS_PER_MS for name, record in self.contents.records.items()
        }
        expiries = {
            name: int(record["expiration_timestamp"]) * NS_PER_MS for name, record in self.contents.records.items()
        }
        self._creation_ns, self._expiry_ns = creations, expiries
        first = self.contents.first_ns
        self._due = sorted(
            [(ns, name, "created") for name, ns in creations.items() if ns > first]
            + [(ns, name, "closed") for name, ns in expiries.items() if ns > first],
            reverse=True,
        )

    # --- what is asked of it

    def now_ms(self) -> int:
        return self._present_ns() // NS_PER_MS

    def _present_ns(self) -> int:
        if self._clock is None or self._speed is None:
            return self._now_ns
        at_ns, since_s = self._clock
        running_ns = at_ns + int((time.monotonic() - since_s) * self._speed * NS)
        return min(max(running_ns, self._now_ns), self.contents.last_ns)

    def _is_listed(self, name: str) -> bool:
        return self._creation_ns[name] <= self._now_ns < self._expiry_ns[name]

    def has_channel(self, channel: str) -> bool:
        parts = channels.parse(channel)
        if parts is None:
            return False
        if parts.family in ("index", "estimate", "volatility", "marks"):
            return parts.subject in self.contents.indices
        if parts.family in ("ticker", "quote") or (parts.family == "trades" and not parts.currency):
            return parts.subject in self.contents.records and self._is_listed(parts.subject)
        return True

    def snapshot(self, channel: str) -> Any | None:
        parts = channels.parse(channel)
        if parts is None:
            return None
        if parts.family == "ticker":
            return self.ticker(parts.subject)
        return self._index.get(parts.subject) if parts.family == "index" else None

    def instruments(self, currency: str, kind: str | None, *, expired: bool) -> list[dict[str, Any]]:
        return [
            record
            for name, record in self.contents.records.items()
            if currency in ("any", record["settlement_currency"])
            and kind in (None, "any", record["kind"])
            and (self._now_ns >= self._expiry_ns[name] if expired else self._is_listed(name))
        ]

    def instrument(self, name: str) -> dict[str, Any] | None:
        return self.contents.records.get(name)

    def ticker(self, name: str) -> dict[str, Any] | None:
        data = self._tickers.get(name)
        return None if data is None else orjson.loads(data)

    def book_summaries(self, currency: str, kind: str | None) -> list[dict[str, Any]]:
        found = []
        for record in self.instruments(currency, kind, expired=False):
            data = self.ticker(record["instrument_name"])
            if data is not None:
                bid, ask = data.get("best_bid_price") or None, data.get("best_ask_price") or None
                keys = (
                    "instrument_name",
                    "open_interest",
                    "mark_price",
                    "mark_iv",
                    "underlying_price",
                    "underlying_index",
                )
                prices = {"bid_price": bid, "ask_price": ask, "last": data.get("last_price")}
                mid = {"mid_price": None if bid is None or ask is None else (bid + ask) / 2}
                found.append(
                    {key: data.get(key) for key in keys} | prices | mid | {"creation_timestamp": self.now_ms()}
                )
        return found

    def index_price(self, price_index: str) -> dict[str, Any] | None:
        data = self._index.get(price_index)
        if data is None:
            return None
        estimate = self._estimate.get(price_index, data["price"])
        return {"index_price": data["price"], "estimated_delivery_price": estimate}

    def combos(self, currency: str) -> list[dict[str, Any]]:
        return []

    def delivery_prices(self, price_index: str) -> list[dict[str, Any]]:
        return []

    def currencies(self) -> set[str]:
        return {record["settlement_currency"] for record in self.contents.records.values()}

    def subscribed(self, channel: str) -> None:
        if channel.startswith("ticker."):
            self._subscribed_s = time.monotonic()

    # --- playing

    async def run(self, hub: Hub) -> dict[str, Any]:
        n_unflushed = 0
        is_playing = False  # somebody has subscribed, and the rest of their subscriptions had time to come
        for frame in self._reader():
            if self._is_waiting and not (is_playing and hub.n_ticker_followers):
                await self._wait_for_subscribers(hub)
                is_playing = True
            if frame.recv_ns and self._lead_s(frame.recv_ns) > 0:
                await hub.flush()
                n_unflushed = 0
                await self._sleep_until(frame.recv_ns)
            self.play(frame, hub)
            n_unflushed += 1
            if n_unflushed >= FLUSH_EVERY:
                await hub.flush()
                await asyncio.sleep(0)
                n_unflushed = 0
        await hub.flush()
        await self._sleep_until(self.contents.last_ns)
        self._move_to(self.contents.last_ns, hub)
        await hub.flush()
        return {
            "is_complete": True,
            "played": self.n_played,
            "first_ns": self.contents.first_ns,
            "last_ns": self.contents.last_ns,
            "instruments": len(self.contents.records),
            "instruments_inferred": self.contents.n_inferred,
        }

    def _is_awaited(self, hub: Hub) -> bool:
        return hub.n_ticker_followers > 0 and time.monotonic() - self._subscribed_s >= self._grace_s

    async def _wait_for_subscribers(self, hub: Hub) -> None:
        """Until there is a follower of tickers and none has come for a moment; the recording's clock stands still."""
        await hub.flush()
        while not self._is_awaited(hub):
            await asyncio.sleep(POLL_S)
        self._clock = None

    async def _sleep_until(self, recv_ns: int) -> None:
        while (lead_s := self._lead_s(recv_ns)) > 0:
            await asyncio.sleep(min(lead_s, 1.0))

    def _move_to(self, now_ns: int, hub: Hub) -> None:
        """Let the recording's time go on, with the listings and expiries on the way."""
        self._now_ns = max(self._now_ns, now_ns)
        while self._due and self._due[-1][0] <= self._now_ns:
            self._change_state(hub, *self._due.pop())

    def _lead_s(self, recv_ns: int) -> float:
        """Seconds until a frame of this time is due."""
        if self._speed is None:
            return 0.0
        if self._clock is None:
            self._clock = (recv_ns, time.monotonic())
        return (recv_ns - self._clock[0]) / NS / self._speed - (time.monotonic() - self._clock[1])

    def play(self, frame: Frame, hub: Hub) -> None:
        """Publish one frame on the channels that it satisfies; frames that are no notifications only move the time."""
        self._move_to(frame.recv_ns, hub)
        if frame.direction != "in" or (channel := channel_of(frame.text)) is None:
            return
        try:
            data = orjson.loads(frame.text)["params"]["data"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return
        self.n_played += 1
        parts = channels.parse(channel)
        family = "" if parts is None else parts.family
        if family == "ticker" and parts is not None:
            self._play_ticker(hub, parts.subject, data)
        elif family == "trades":
            self._play_trades(hub, data)
        else:
            if family == "index" and parts is not None:
                self._index[parts.subject] = data
            elif family == "estimate" and parts is not None:
                self._estimate[parts.subject] = data.get("price")
            if hub.wants(channel):
                hub.publish(channel, orjson.dumps(data))

    def _play_ticker(self, hub: Hub, name: str, data: dict[str, Any]) -> None:
        encoded = self._tickers[name] = orjson.dumps(data)
        for interval in channels.INTERVALS:
            if hub.wants(channel := f"ticker.{name}.{interval}"):
                hub.publish(channel, encoded)

    def _play_trades(self, hub: Hub, trades: Any) -> None:
        """Once each, although a recording may hold a trade on several channels."""
        by_channel: dict[str, list[dict[str, Any]]] = {}
        for trade in trades if isinstance(trades, list) else []:
            name, seq = trade.get("instrument_name"), trade.get("trade_seq")
            if not isinstance(name, str) or not isinstance(seq, int):
                continue
            seen = self._seen_trades.setdefault(name, set())
            if seq in seen:
                continue
            seen.add(seq)
            kind, currency = self._kind_and_currency(name)
            self.tape.add(trade, kind, currency)
            for channel in channels.trade_channels(name, kind, currency):
                if hub.wants(channel):
                    by_channel.setdefault(channel, []).append(trade)
        for channel, wanted in by_channel.items():
            hub.publish(channel, orjson.dumps(wanted))

    def _kind_and_currency(self, name: str) -> tuple[str, str]:
        record = self.contents.records.get(name) or inferred_record(name)
        if record is not None:
            return record["kind"], record["settlement_currency"]
        return "option_combo", name.partition("-")[0]

    def _change_state(self, hub: Hub, at_ns: int, name: str, state: str) -> None:
        if self.contents.has_state_changes:
            return  # the recording says it itself
        record = self.contents.records[name]
        data = {"timestamp": at_ns // NS_PER_MS, "state": state, "instrument_name": name}
        for channel in channels.state_channels(record["kind"], record["settlement_currency"]):
            if hub.wants(channel):
                hub.publish(channel, orjson.dumps(data))


def open_recording(settings: SimulatorSettings) -> RecordingSource:
    """The recording of these settings; RecordingError for what is none.  Reads all of it once before it returns."""

    def reader() -> Iterator[Frame]:
        return read(*settings.recordings, since_ns=settings.from_ns, until_ns=settings.until_ns or None)

    source = RecordingSource(
        reader,
        speed=settings.speed_factor,
        is_waiting=settings.is_waiting,
        grace_s=settings.grace_s,
        end_ns=settings.until_ns,
    )
    if not source.contents.n_frames:
        raise ValueError("the recording has no frames in the time asked for")
    return source
