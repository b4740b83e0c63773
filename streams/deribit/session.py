"""The conversation with the venue as a state machine: frames in, events and frames to send out.  No socket, no clock.

The shell (client.py) calls ``connected``, then ``receive`` for every frame and ``tick`` whenever ``next_tick_ns`` is due, sends what they
return, hands on the events, and closes the socket when ``close_reason`` is set.  Every time is an argument in ns UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas import InstrumentState
from streams.deribit.events import Event


@dataclass(frozen=True)
class SessionSettings:
    """What to subscribe to and how politely.  ``currencies`` are settlement currencies: USDC means the linear contracts."""

    currencies: tuple[str, ...] = ("BTC", "ETH")
    kinds: tuple[str, ...] = ("option", "future")
    expiries: tuple[str, ...] = ()
    max_expiry_days: float = 0.0
    interval: str = "100ms"
    client_id: str = ""
    client_secret: str = ""
    batch_channels: int = 250
    credits_per_subscribe: int = 3_000
    credits_per_request: int = 500
    credits_burst: int = 30_000
    credits_per_s: int = 10_000
    heartbeat_s: int = 30
    silence_s: float = 75.0
    request_timeout_s: float = 10.0
    max_attempts: int = 3
    max_pending: int = 32
    max_queued: int = 20_000
    max_frame_bytes: int = 16 * 1024 * 1024
    max_instruments: int = 20_000
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    seed: int = 0


class Session:
    """One connection after another to one venue; what it has learnt of instruments and trade sequences outlives a connection."""

    def __init__(self, settings: SessionSettings) -> None: ...

    def connected(self, now_ns: int) -> list[str]:
        """The socket is open: the first frames to send."""
        raise NotImplementedError

    def receive(self, frame: str | bytes, recv_ns: int) -> tuple[list[Event], list[str]]:
        """One frame from the venue: what it said, and what to send because of it.  Never raises on data."""
        raise NotImplementedError

    def tick(self, now_ns: int) -> list[str]:
        """Frames that are due: paced requests, retries.  Also notices silence and time-outs (events: ``take_events``)."""
        raise NotImplementedError

    @property
    def next_tick_ns(self) -> int:
        """When ``tick`` has something to do next; 0 means now."""
        raise NotImplementedError

    def take_events(self) -> list[Event]:
        """Events that arose outside ``receive`` (Connected, time-outs, refused requests); the next ``receive`` hands them out too."""
        raise NotImplementedError

    @property
    def close_reason(self) -> str | None:
        """Set when the socket should be closed and opened again (fatal error, silence)."""
        raise NotImplementedError

    def disconnected(self, now_ns: int, reason: str) -> list[Event]:
        """The socket is gone: requests of callers fail, subscriptions are forgotten, instruments and sequences are kept."""
        raise NotImplementedError

    def reconnect_delay_s(self) -> float:
        """Seconds to wait before connecting again: exponential with jitter from the seed, reset once all is subscribed."""
        raise NotImplementedError

    @property
    def instruments(self) -> Mapping[str, InstrumentState]:
        """Contract facts by instrument name, as last learnt."""
        raise NotImplementedError

    # Requests: queued here, sent by the next ``tick`` or ``receive`` as credits allow; answers come as events, failures as RequestFailed.

    def get_time(self) -> None:
        """Ask for the venue's time: VenueTime."""
        raise NotImplementedError

    def get_instruments(self, currency: str) -> None:
        """Ask for all contracts of a settlement currency: InstrumentList; new ones that pass the filters get subscribed."""
        raise NotImplementedError

    def get_instrument(self, instrument_name: str) -> None:
        """Ask for one contract: InstrumentState."""
        raise NotImplementedError

    def get_trades_by_sequence(self, instrument_name: str, first: int, last: int, request: object) -> None:
        """Ask for trades first..last (inclusive, at most 1 000 an answer): TradePage carrying ``request``."""
        raise NotImplementedError

    def get_trades_by_time(self, currency: str, kind: str, start_ms: int, end_ms: int, request: object) -> None:
        """Ask for a currency's trades of a kind ('option') between two ms UTC, oldest first, at most 1 000: TradePage."""
        raise NotImplementedError

    def get_delivery_prices(self, price_index: str) -> None:
        """Ask for the newest delivery prices of an index: DeliveryPrices."""
        raise NotImplementedError
