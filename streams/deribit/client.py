"""The websocket around a session: connect, read, send what is due, come back after a loss.  No protocol knowledge of its own.

Backpressure: while ``on_events`` is awaited nothing is read, the library's buffer (16 frames) fills and TCP holds the venue back.
Bounded: frames by ``max_frame_bytes``, the buffer by ``websockets``' high-water mark, everything else by the session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from streams.deribit.events import Event
from streams.deribit.frames import Frame
from streams.deribit.session import Session

log = structlog.get_logger()

MAINNET, TESTNET = "wss://www.deribit.com/ws/api/v2", "wss://test.deribit.com/ws/api/v2"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
NS_PER_S = 1_000_000_000
LONGEST_NAP_S = 0.05  # a request that a caller has queued waits no longer than this for the next tick

OnEvents = Callable[[list[Event]], Awaitable[None]]


@dataclass(frozen=True)
class ClientSettings:
    """Limits of the socket."""

    open_timeout_s: float = 10.0
    """To connect in; then it is tried again."""
    close_timeout_s: float = 2.0
    """To close cleanly in."""
    consumer_grace_s: float = 10.0
    """What a consumer that is still busy at the stop gets."""
    max_frame_bytes: int = 16 * 1024 * 1024
    """A larger frame closes the connection: no peer decides how much memory we take."""


async def run(
    url: str,
    session: Session,
    on_events: OnEvents,
    *,
    stop: asyncio.Event,
    on_frame: Callable[[Frame], None] | None = None,
    settings: ClientSettings | None = None,
    now_ns: Callable[[], int] = time.time_ns,
) -> None:
    """Keep the session connected until ``stop`` is set; then close the socket cleanly and hand out the last events.

    on_frame sees every frame, in and out, before the session or the socket does (recorders).  An exception of on_events or
    on_frame ends the run and is raised; what the network or the venue does never is.
    """
    shell = _Shell(session, on_events, on_frame or (lambda frame: None), settings or ClientSettings(), now_ns)
    while not stop.is_set():
        try:
            await shell.connection(url, stop)
            if stop.is_set():
                return
            reason = "connection lost"
        except (OSError, TimeoutError, WebSocketException) as error:
            reason = f"{type(error).__name__}: {error}"
        delay_s = session.reconnect_delay_s()
        log.warning("venue_reconnect", url=url, reason=reason, delay_s=round(delay_s, 3))
        try:
            await asyncio.wait_for(stop.wait(), delay_s)
        except TimeoutError:
            continue


class _Shell:
    """One run: what its connections share."""

    def __init__(
        self,
        session: Session,
        on_events: OnEvents,
        on_frame: Callable[[Frame], None],
        settings: ClientSettings,
        now_ns: Callable[[], int],
    ) -> None:
        self._session, self._on_events, self._on_frame = session, on_events, on_frame
        self._settings, self._now_ns = settings, now_ns
        self._is_waiting_for_consumer = False
        self._one_at_a_time = (
            asyncio.Lock()
        )  # reader and ticker both hand out events; the consumer sees one call at a time

    async def connection(self, url: str, stop: asyncio.Event) -> None:
        """One connection from its opening to its end.  Raises what opening it raises; its loss is an event, no exception."""
        limits = self._settings
        is_local = urlsplit(url).hostname in LOOPBACK
        websocket = await connect(
            url,
            open_timeout=limits.open_timeout_s,
            close_timeout=limits.close_timeout_s,
            max_size=limits.max_frame_bytes,
            # A venue on this host (the simulator) is no business of proxies, and compressing for the loopback only costs time.
            proxy=None if is_local else True,
            compression=None if is_local else "deflate",
            ping_interval=None,  # the venue's heartbeat does this; pings would time out while a slow consumer stops the reading
        )
        log.info("venue_connected", url=url)
        reason = "stopped"
        try:
            self._on_frame(Frame(self._now_ns(), "open", url))
            await self._send(websocket, self._session.connected(self._now_ns()))
            reader = asyncio.create_task(self._read(websocket))
            ticker = asyncio.create_task(self._tick(websocket))
            try:
                reason = await _first_of(reader, ticker, stop)
            finally:
                await self._end(reader, ticker)
        except ConnectionClosed as error:
            reason = str(error)
        finally:
            await websocket.close()
            events = self._session.disconnected(self._now_ns(), reason)
        await self._hand_out(events)

    async def _end(self, *tasks: asyncio.Task[str]) -> None:
        """End reader and ticker; a call of the consumer that is under way may finish first, within its grace."""
        try:
            async with asyncio.timeout(self._settings.consumer_grace_s):
                await self._one_at_a_time.acquire()
            self._one_at_a_time.release()
        except TimeoutError:
            log.warning("venue_consumer_cancelled", after_s=self._settings.consumer_grace_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, websocket: ClientConnection) -> str:
        """Read until the end; returns why it ended."""
        try:
            async for message in websocket:
                recv_ns = self._now_ns()
                text = message if isinstance(message, str) else message.decode("utf-8", "backslashreplace")
                self._on_frame(Frame(recv_ns, "in", text))
                events, frames = self._session.receive(message, recv_ns)
                if frames:
                    await self._send(websocket, frames)
                if events:
                    await self._hand_out(events)
                if self._session.close_reason:
                    return self._session.close_reason
        except ConnectionClosed as error:
            return str(error)
        return "closed by the venue"

    async def _tick(self, websocket: ClientConnection) -> str:
        """Call the session's tick when it is due, but not while the consumer makes us wait: that silence is not the venue's."""
        try:
            while not self._session.close_reason:
                now_ns = self._now_ns()
                nap_s = (self._session.next_tick_ns - now_ns) / NS_PER_S
                if nap_s > 0.0 or self._is_waiting_for_consumer:
                    await asyncio.sleep(min(max(nap_s, 0.001), LONGEST_NAP_S))
                    continue
                await self._send(websocket, self._session.tick(now_ns))
                await self._hand_out(self._session.take_events())
                await asyncio.sleep(0.001)  # a tick that stays due (the limit in flight is reached) must not spin
        except ConnectionClosed as error:
            return str(error)
        return self._session.close_reason or ""

    async def _send(self, websocket: ClientConnection, frames: list[str]) -> None:
        for text in frames:
            self._on_frame(Frame(self._now_ns(), "out", text))
            await websocket.send(text)

    async def _hand_out(self, events: list[Event]) -> None:
        if not events:
            return
        async with self._one_at_a_time:
            self._is_waiting_for_consumer = True
            try:
                await self._on_events(events)
            finally:
                self._is_waiting_for_consumer = False
                self._session.not_silent_before(self._now_ns())


async def _first_of(reader: asyncio.Task[str], ticker: asyncio.Task[str], stop: asyncio.Event) -> str:
    """Why the connection ends: what reader or ticker say, or the stop.  Raises what they raise."""
    stopper = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((reader, ticker, stopper), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopper.cancel()
    for task in (reader, ticker):
        if task.done():
            return task.result()
    return "stopped"
