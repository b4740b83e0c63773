"""The conversation with the venue as a state machine: frames in, events and frames to send out.  No socket, no clock.

The shell (client.py) calls ``connected``, then ``receive`` for every frame and ``tick`` whenever ``next_tick_ns`` is due, sends what they
return, hands on the events, and closes the socket when ``close_reason`` is set.  Every time is an argument in ns UTC.

A connection: set_heartbeat, (auth,) get_time, the static channels, get_instruments of each currency; its answers name the tickers to
subscribe to.  When every channel is confirmed, Subscribed goes out.  What has been learnt of instruments and of trade numbers outlives a
connection, so that a reconnect subscribes at once and sees the numbers it missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from schemas import InstrumentState, OptionQuote, OptionTrade
from streams.deribit import channels
from streams.deribit.answers import Asked, answer_events, answer_kind
from streams.deribit.channels import SessionSettings
from streams.deribit.envelopes import Answer, Heartbeat, Notification, Refusal, open_envelope
from streams.deribit.events import (
    Connected,
    Disconnected,
    Event,
    Ignored,
    InstrumentChange,
    InstrumentList,
    RequestFailed,
    Subscribed,
    TradePage,
    Unreadable,
    VenueTime,
)
from streams.deribit.listing import Listing
from streams.deribit.pacing import NS_PER_S, Backoff, Credits
from streams.deribit.parse import notification_events
from streams.deribit.requests import FAR_FUTURE_NS, Query, Requests
from streams.deribit.subscriptions import Sequences, Subscriptions

__all__ = ["Session", "SessionSettings"]

TOO_MANY_REQUESTS = 10028  # the venue ends the session
BAD_CREDENTIALS = (13004, 13009)
NO_ANSWER, QUEUE_FULL, NOT_CONFIRMED, CONNECTION_LOST = -1, -2, -3, -4  # our own codes of RequestFailed
FLOOR_AFTER_FATAL_S = 10.0
SWEEP_NS = 10 * NS_PER_S  # how often expired instruments are looked for, and dropped channels unsubscribed
OVER = ("closed", "settled", "delivered", "terminated", "archivized", "deactivated")
TRADES_A_PAGE = 1_000


class Session:
    """One connection after another to one venue.  Not for use from several threads."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._listing = Listing(settings)
        self._sequences = Sequences(settings.max_instruments)
        self._backoff = Backoff(settings.backoff_first_s, settings.backoff_max_s, settings.seed)
        self._requests = Requests(
            Credits(settings.credits_burst, settings.credits_per_s),
            max_pending=settings.max_pending,
            max_queued=settings.max_queued,
            timeout_s=settings.request_timeout_s,
        )
        self._subscriptions = Subscriptions(settings.batch_channels, settings.max_attempts)
        self._stopping: dict[str, None] = {}  # channels dropped, of which the venue has not been told yet
        self._events: list[Event] = []
        self._close_reason: str | None = None
        self._is_connected = self._was_fatal = False
        self._last_recv_ns = self._sweep_ns = self._refresh_ns = 0

    # --- what the shell calls ---

    def connected(self, now_ns: int) -> list[str]:
        """The socket is open: the first frames to send."""
        self._is_connected, self._was_fatal, self._close_reason = True, False, None
        self._last_recv_ns, self._sweep_ns = now_ns, now_ns + SWEEP_NS
        self._subscriptions = Subscriptions(self._settings.batch_channels, self._settings.max_attempts)
        self._listing.connected()
        self._stopping.clear()
        self._events.append(Connected(now_ns))
        self._ask_own("public/set_heartbeat", {"interval": self._settings.heartbeat_s})
        if self._settings.client_id:
            self._authenticate()
        else:
            self._begin(now_ns)
        return self._due(now_ns)

    def receive(self, frame: str | bytes, recv_ns: int) -> tuple[list[Event], list[str]]:
        """One frame from the venue: what it said, and what to send because of it.  Never raises on data."""
        self._last_recv_ns = recv_ns
        envelope = open_envelope(frame, self._settings.max_frame_bytes)
        events = self.take_events() if self._events else []
        frames: list[str] = []
        match envelope:
            case Notification(channel, data):
                events += self._notified(notification_events(channel, data, self._listing.clock.newest_ns(recv_ns)))
            case Answer(request_id, result, venue_ns):
                events += self._answered(self._requests.answered(request_id), result, venue_ns, recv_ns)
            case Refusal():
                events += self._refused(envelope, recv_ns)
            case Heartbeat(is_test_request=True):
                frames.append(self._requests.send_now("public/test", {}, self._settings.credits_per_request, recv_ns))
                events.append(Ignored("test_request"))
            case Heartbeat():
                events.append(Ignored("heartbeat"))
            case Unreadable():
                events.append(envelope)
            case _:
                events.append(Ignored("request"))
        frames += self._due(recv_ns)
        if self._events:
            events += self.take_events()
        return events, frames

    def tick(self, now_ns: int) -> list[str]:
        """Frames that are due: paced requests and retries.  Notices silence, overdue answers and expiries (``take_events``)."""
        if not self._is_connected:
            return []
        if now_ns - self._last_recv_ns > self._settings.silence_s * NS_PER_S:
            self._close_reason = f"silence: nothing received for {self._settings.silence_s:g} s"
        for query in self._requests.overdue(now_ns):
            error = RequestFailed(query.asked.method, NO_ANSWER, "no answer in time", False, query.asked.request)
            self._failed(query, error, now_ns, is_refusal=False)
        if now_ns >= self._sweep_ns:
            self._sweep_ns = now_ns + SWEEP_NS
            self._drop(self._listing.expired())
            self._unsubscribe()
        if now_ns >= self._refresh_ns > 0:
            self._list_instruments(now_ns)
        return self._due(now_ns)

    @property
    def next_tick_ns(self) -> int:
        """When ``tick`` has something to do next, ns UTC; in the past: now."""
        if not self._is_connected:
            return FAR_FUTURE_NS
        silence_ns = self._last_recv_ns + int(self._settings.silence_s * NS_PER_S) + 1
        requests_ns = self._requests.next_ns()
        if self._subscriptions.has_waiting:
            requests_ns = min(requests_ns, self._last_recv_ns + NS_PER_S // 10)
        refresh_ns = self._refresh_ns or FAR_FUTURE_NS
        return min(silence_ns, requests_ns, self._sweep_ns, refresh_ns)

    def take_events(self) -> list[Event]:
        """Events that arose outside ``receive`` (Connected, time-outs, requests refused here); ``receive`` hands them out too."""
        events, self._events = self._events, []
        return events

    def not_silent_before(self, now_ns: int) -> None:
        """The shell has not read until now (its consumer made it wait), so silence counts from here."""
        self._last_recv_ns = max(self._last_recv_ns, now_ns)

    @property
    def close_reason(self) -> str | None:
        """Set when the socket should be closed and opened again (fatal error, silence)."""
        return self._close_reason

    def disconnected(self, now_ns: int, reason: str) -> list[Event]:
        """The socket is gone: callers' requests fail, subscriptions are forgotten; instruments and trade numbers are kept.

        Disconnected comes first: whoever hears of a failed request knows why, and does not take it for the venue's last word.
        """
        events = self.take_events()
        if self._is_connected:
            events.append(Disconnected(now_ns, self._close_reason or reason, self._subscriptions.confirmed))
        for query in self._requests.clear():
            if not query.is_own:
                asked = query.asked
                events.append(RequestFailed(asked.method, CONNECTION_LOST, reason, False, asked.request))
        self._is_connected = False
        return events

    def reconnect_delay_s(self) -> float:
        """Seconds to wait before connecting again: exponential with jitter from the seed, reset once all is subscribed."""
        return self._backoff.next_s(FLOOR_AFTER_FATAL_S if self._was_fatal else 0.0)

    @property
    def instruments(self) -> Mapping[str, InstrumentState]:
        """Contract facts by instrument name, as last learnt; expired ones are gone."""
        return MappingProxyType(self._listing.instruments)

    # --- requests of callers: queued here, sent by the next ``tick`` or ``receive`` as credits allow ---

    def get_time(self) -> None:
        """Ask for the venue's time: VenueTime."""
        self._ask(Asked("public/get_time"), {})

    def get_instruments(self, currency: str) -> None:
        """Ask for all contracts of a settlement currency: InstrumentList; new ones that pass the filters get subscribed."""
        self._ask(Asked("public/get_instruments", currency), {"currency": currency, "expired": False})

    def get_instrument(self, instrument_name: str) -> None:
        """Ask for one contract: InstrumentState."""
        self._ask(Asked("public/get_instrument", instrument_name), {"instrument_name": instrument_name})

    def get_trades_by_sequence(self, instrument_name: str, first: int, last: int, request: object) -> None:
        """Ask for trades first..last (inclusive, oldest first, at most 1 000 an answer): TradePage carrying ``request``."""
        params = {"instrument_name": instrument_name, "start_seq": first, "end_seq": last}
        asked = Asked("public/get_last_trades_by_instrument", instrument_name, request)
        self._ask(asked, {**params, "count": TRADES_A_PAGE, "sorting": "asc"})

    def get_trades_by_time(self, currency: str, kind: str, start_ms: int, end_ms: int, request: object) -> None:
        """Ask for a currency's trades of a kind ('option') between two ms UTC, oldest first, at most 1 000: TradePage."""
        params = {"currency": currency, "kind": kind, "start_timestamp": start_ms, "end_timestamp": end_ms}
        asked = Asked("public/get_last_trades_by_currency_and_time", currency, request)
        self._ask(asked, {**params, "count": TRADES_A_PAGE, "sorting": "asc"})

    def get_delivery_prices(self, price_index: str) -> None:
        """Ask for the newest delivery prices of an index: DeliveryPrices."""
        self._ask(
            Asked("public/get_delivery_prices", price_index), {"index_name": price_index, "offset": 0, "count": 10}
        )

    # --- inside ---

    def _ask(self, asked: Asked, params: dict[str, Any], *, is_own: bool = False) -> None:
        query = Query(asked, params, self._settings.credits_per_request, is_own)
        if not self._requests.put(query):
            self._events.append(RequestFailed(asked.method, QUEUE_FULL, "the queue is full", False, asked.request))

    def _ask_own(self, method: str, params: dict[str, Any], subject: str = "") -> None:
        self._ask(Asked(method, subject), params, is_own=True)

    def _authenticate(self) -> None:
        secrets = {"client_id": self._settings.client_id, "client_secret": self._settings.client_secret}
        self._ask_own("public/auth", {"grant_type": "client_credentials", **secrets})

    def _begin(self, now_ns: int) -> None:
        """Ask for the time, the channels that are known already, and the instruments."""
        self._ask_own("public/get_time", {})
        self._subscriptions.want(channels.static_channels(self._settings))
        self._subscriptions.want(channels.channels_of(self._settings, self._listing.instruments.values()))
        self._list_instruments(now_ns)

    def _list_instruments(self, now_ns: int) -> None:
        self._refresh_ns = now_ns + int(self._settings.refresh_s * NS_PER_S)
        for currency in self._settings.currencies:
            self._ask_own("public/get_instruments", {"currency": currency, "expired": False}, currency)

    def _due(self, now_ns: int) -> list[str]:
        while self._subscriptions.has_waiting:
            batch = self._subscriptions.next_batch()
            asked = Asked("public/subscribe")
            cost = self._settings.credits_per_subscribe
            if not self._requests.put(Query(asked, {"channels": list(batch)}, cost, is_own=True, channels=batch)):
                self._subscriptions.lost(batch)
                break
        return self._requests.due(now_ns)

    def _notified(self, events: list[Event]) -> list[Event]:
        trades = [event for event in events if isinstance(event, OptionTrade)]
        if trades:
            kept = [trade for trade in trades if self._listing.passes(trade.instrument_name)]
            others = [event for event in events if not isinstance(event, OptionTrade)]
            filtered: list[Event] = [Ignored("trades.filtered")] if len(kept) < len(trades) else []
            self._listing.clock.saw(trades[-1].ts_event_ns)
            return [*self._sequences.gaps(kept), *kept, *filtered, *others]
        said: list[Event] = []
        for event in events:
            if isinstance(event, InstrumentChange):
                self._changed(event)
            elif isinstance(event, OptionQuote) and (state := self._listing.infer(event)) is not None:
                self._ask_about(state.instrument_name)
                said.append(state)
            if (ts_event_ns := getattr(event, "ts_event_ns", 0)) > 0:
                self._listing.clock.saw(ts_event_ns)
            said.append(event)
        return said

    def _ask_about(self, instrument_name: str) -> None:
        if self._listing.should_ask(instrument_name):
            self._ask_own("public/get_instrument", {"instrument_name": instrument_name}, instrument_name)

    def _changed(self, change: InstrumentChange) -> None:
        name = change.instrument_name
        if change.state in OVER:
            self._drop([name])
        elif name not in self._listing.instruments and self._listing.passes(name):
            self._ask_about(name)

    def _learn(self, states: Iterable[InstrumentState]) -> None:
        """Keep these contracts and subscribe to them."""
        self._subscriptions.want(channels.channels_of(self._settings, self._listing.learn(states)))

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            self._listing.drop(name)
            self._sequences.forget(name)
            stop = self._subscriptions.drop([channels.ticker_channel(self._settings, name)])
            self._stopping.update(dict.fromkeys(stop))

    def _unsubscribe(self) -> None:
        """Tell the venue of dropped channels, many at a time: a hundred options expire in one second."""
        stop = [channel for channel in self._stopping if not self._subscriptions.holds(channel)]
        self._stopping.clear()
        for first in range(0, len(stop), self._settings.batch_channels):
            self._ask_own("public/unsubscribe", {"channels": stop[first : first + self._settings.batch_channels]})

    def _answered(self, query: Query | None, result: Any, venue_ns: int | None, recv_ns: int) -> list[Event]:
        if query is None:
            return answer_events(None, result, venue_ns, recv_ns)
        asked = query.asked
        if asked.method == "public/subscribe":
            return self._confirmed(query, result, recv_ns)
        if asked.method == "public/auth":
            self._begin(recv_ns)
            return [Ignored(answer_kind(asked.method))]
        events = answer_events(asked._replace(sent_ns=query.sent_ns), result, venue_ns, recv_ns)
        for i, event in enumerate(events):
            if isinstance(event, InstrumentList):
                self._learn(event.instruments)
                self._drop(self._listing.gone(event, asked.subject))
            elif isinstance(event, VenueTime):
                self._listing.clock.told(event.venue_ns)
            elif isinstance(event, InstrumentState):
                self._learn([event])
            elif isinstance(event, TradePage):
                events[i] = event._replace(
                    trades=tuple(t for t in event.trades if self._listing.passes(t.instrument_name))
                )
        return [*events, *self._settled(recv_ns)]

    def _confirmed(self, query: Query, result: Any, recv_ns: int) -> list[Event]:
        confirmed = [channel for channel in result if isinstance(channel, str)] if isinstance(result, list) else []
        given_up = self._subscriptions.confirm(query.channels, confirmed)
        return [Ignored("subscribe answer"), *self._gave_up(given_up), *self._settled(recv_ns)]

    def _gave_up(self, given_up: Iterable[str]) -> list[Event]:
        method = "public/subscribe"
        return [RequestFailed(method, NOT_CONFIRMED, f"{name} not confirmed", False, None) for name in given_up]

    def _settled(self, recv_ns: int) -> list[Event]:
        """Subscribed, once nothing is left to be asked or confirmed."""
        if not self._subscriptions.is_settled or self._requests.is_asking("public/get_instruments"):
            return []
        new = self._subscriptions.take_new()
        if not new:
            return []
        self._backoff.reset()
        return [Subscribed(recv_ns, new)]

    def _refused(self, refusal: Refusal, now_ns: int) -> list[Event]:
        """A JSON-RPC error.  Without an id it is about the oldest subscribe: the venue could not even read the request."""
        query = self._requests.answered(refusal.request_id)
        if query is None and refusal.request_id is None:
            query = self._requests.oldest("public/subscribe")
        method = query.asked.method if query is not None else ""
        is_fatal = refusal.code == TOO_MANY_REQUESTS or (method == "public/auth" and refusal.code in BAD_CREDENTIALS)
        request = query.asked.request if query is not None else None
        error = RequestFailed(method, refusal.code, refusal.message, is_fatal, request)
        if is_fatal:
            self._was_fatal = True
            self._close_reason = f"error {refusal.code}: {refusal.message}"
        if query is None:
            return [error]
        self._failed(query, error, now_ns, is_refusal=True)
        return [*self.take_events(), *self._settled(now_ns)]

    def _failed(self, query: Query, error: RequestFailed, now_ns: int, *, is_refusal: bool) -> None:
        """A request came to nothing: own ones are tried again a few times, callers are told."""
        self._events.append(error)
        if not query.is_own or error.is_fatal:
            return
        if query.channels:
            retry = self._subscriptions.refuse if is_refusal else self._subscriptions.lost
            self._events += self._gave_up(retry(query.channels))
        elif query.n_attempts < self._settings.max_attempts:
            self._requests.put_later(query, now_ns + NS_PER_S * 2**query.n_attempts)
        elif query.asked.method in ("public/get_instruments", "public/auth"):
            self._close_reason = f"{query.asked.method} failed {query.n_attempts} times: {error.message}"
