"""One client of the simulated venue: its requests, subscriptions, heartbeats, credits and send queue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from . import channels, methods, rpc
from .rpc import RpcError

if TYPE_CHECKING:
    from .server import Server


class Connection:
    """Reads requests and sends frames in order; closed with a reason when the client breaks a rule of the venue."""

    def __init__(self, websocket: ServerConnection, server: Server) -> None:
        self._websocket = websocket
        self._server = server
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._credits = rpc.Credits()
        self._heartbeat: asyncio.Task[None] | None = None
        self._last_received_s = time.monotonic()
        self._last_test_s = 0.0
        self._closing: tuple[int, str] | None = None
        self.host = (websocket.remote_address or ("",))[0]
        self.is_authorised = False
        self.subscriptions: dict[str, None] = {}
        self.pending: list[tuple[str, bytes]] = []  # notifications of the present flush
        self.room = asyncio.Event()
        self.room.set()

    @property
    def n_queued(self) -> int:
        return len(self._queue)

    async def serve(self) -> None:
        """Until either side closes."""
        sender = asyncio.create_task(self._send_queue())
        try:
            async for frame in self._websocket:
                self._last_received_s = time.monotonic()
                self._receive(frame)
                if self._closing:
                    break
            if self._closing:
                await sender
                await self._websocket.close(*self._closing)
        except ConnectionClosed:
            pass
        finally:
            self.room.set()
            for task in (sender, self._heartbeat):
                if task is not None:
                    task.cancel()

    async def has_read(self, within_s: float) -> None:
        """Until the client has read what was sent so far: it answers a ping behind it.  Not after its end, nor for longer."""
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            pong = await self._websocket.ping()
            await asyncio.wait_for(pong, within_s)

    def enqueue(self, frames: list[bytes]) -> None:
        """Queue frames; the caller of a source that must not drop waits for ``room`` first."""
        self._queue.extend(frames)
        limit = self._server.settings.queue_limit
        if len(self._queue) > limit:
            self.room.clear()
            if not self._server.source.must_not_drop:
                self._queue.clear()
                self.close(1008, "slow consumer")
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Close when the queue is sent; nothing more is queued."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()
            self._server.spawn(self._finish())

    def abort(self) -> None:
        """Cut the connection as a broken network would."""
        self._websocket.transport.abort()

    async def _finish(self) -> None:
        assert self._closing is not None
        deadline_s = time.monotonic() + self._server.settings.close_timeout_s
        while self._queue and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        await self._websocket.close(*self._closing)

    async def _send_queue(self) -> None:
        queue, low = self._queue, self._server.settings.queue_limit // 2
        try:
            while True:
                while queue:
                    await self._websocket.send(queue[0], text=True)
                    if queue:
                        queue.popleft()
                    if len(queue) <= low:
                        self.room.set()
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
        except ConnectionClosed:
            queue.clear()
            self.room.set()

    def _receive(self, frame: str | bytes) -> None:
        us_in = time.time_ns() // 1000
        request_id: Any = None
        try:
            size = len(frame.encode()) if isinstance(frame, str) else len(frame)
            if size > self._server.settings.max_request_bytes:
                raise RpcError(rpc.INVALID_REQUEST, "Invalid Request", {"reason": "request too large"})
            request = rpc.parse(frame)
            request_id = request.id
            if not self._credits.take(request.method, time.monotonic()):
                raise RpcError(rpc.TOO_MANY_REQUESTS, "too_many_requests")
            result = self._answer(request)
        except RpcError as error:
            self.enqueue([rpc.error_frame(request_id, error, us_in, time.time_ns() // 1000)])
            if error.code == rpc.TOO_MANY_REQUESTS:
                self.close(1008, "too_many_requests")
            return
        self.enqueue([rpc.result_frame(request_id, result, us_in, time.time_ns() // 1000)])
        if request.method.endswith("/subscribe"):
            self._send_snapshots(result)

    def _answer(self, request: rpc.Request) -> Any:
        handler = {
            "public/subscribe": self._subscribe,
            "private/subscribe": self._subscribe,
            "public/unsubscribe": self._unsubscribe,
            "public/unsubscribe_all": self._unsubscribe_all,
            "public/set_heartbeat": self._set_heartbeat,
            "public/disable_heartbeat": self._disable_heartbeat,
            "public/test": self._test,
            "public/hello": self._hello,
            "public/auth": self._auth,
        }.get(request.method)
        if handler is not None:
            return handler(request.params)
        return methods.answer(request.method, request.params, self._server.source)

    def _channels(self, params: dict[str, Any]) -> list[str]:
        wanted = params.get("channels")
        if not isinstance(wanted, list) or not all(isinstance(c, str) for c in wanted):
            raise rpc.invalid("channels", "must be a list of strings")
        if len(wanted) > self._server.settings.max_channels_per_request:
            raise RpcError(rpc.INVALID_REQUEST, "Invalid Request", {"reason": "too many channels"})
        return wanted

    def _subscribe(self, params: dict[str, Any]) -> list[str]:
        """Unknown channels are left out of the answer without a word, as on the venue; raw needs authorisation."""
        done = []
        for channel in self._channels(params):
            parts = channels.parse(channel)
            if parts is None or not self._server.source.has_channel(channel):
                continue
            if parts.interval == "raw" and not self.is_authorised:
                raise RpcError(rpc.RAW_UNAUTHORIZED, "raw_subscriptions_not_available_for_unauthorized")
            if channel not in done:
                done.append(channel)
        for channel in done:
            self.subscriptions[channel] = None
            self._server.subscribe(channel, self)
        return done

    def _send_snapshots(self, subscribed: list[str]) -> None:
        """A new subscriber of a ticker is sent the present one at once."""
        for channel in subscribed:
            data = self._server.source.snapshot(channel)
            if data is not None:
                self.enqueue([rpc.notification_frame(channel, rpc.encode(data))])

    def _unsubscribe(self, params: dict[str, Any]) -> list[str]:
        done = [channel for channel in self._channels(params) if channel in self.subscriptions]
        for channel in done:
            self.subscriptions.pop(channel, None)
            self._server.unsubscribe(channel, self)
        return done

    def _unsubscribe_all(self, params: dict[str, Any]) -> str:
        self._server.forget(self)
        self.subscriptions.clear()
        return "ok"

    def _set_heartbeat(self, params: dict[str, Any]) -> str:
        interval = params.get("interval")
        if isinstance(interval, bool) or not isinstance(interval, int | float):
            raise rpc.invalid("interval", "value required")
        if interval < self._server.settings.min_heartbeat_s:
            raise rpc.invalid("interval", f"must be at least {self._server.settings.min_heartbeat_s:g}")
        self._disable_heartbeat({})
        self._heartbeat = asyncio.create_task(self._beat(float(interval)))
        return "ok"

    def _disable_heartbeat(self, params: dict[str, Any]) -> str:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        return "ok"

    async def _beat(self, interval_s: float) -> None:
        """Every interval a heartbeat and a test_request; a test_request unanswered at the next one ends the session.

        A client that still has frames to read cannot have seen it: it is given time.
        """
        asked_s: float | None = None
        while True:
            await asyncio.sleep(interval_s)
            if asked_s is not None and self._last_test_s < asked_s:
                if self._queue:
                    continue
                self.close(1008, "test_request not answered")
                return
            asked_s = time.monotonic()
            self.enqueue([rpc.heartbeat_frame("heartbeat"), rpc.heartbeat_frame("test_request")])

    def _test(self, params: dict[str, Any]) -> dict[str, str]:
        self._last_test_s = time.monotonic()
        if params.get("expected_result") == "exception":
            raise RpcError(-32000, "test_exception")
        return {"version": methods.VERSION}

    def _hello(self, params: dict[str, Any]) -> dict[str, str]:
        for name in ("client_name", "client_version"):
            if not isinstance(params.get(name), str):
                raise rpc.invalid(name, "value required")
        return {"version": methods.VERSION}

    def _auth(self, params: dict[str, Any]) -> dict[str, Any]:
        """Any client id with a secret will do: what it unlocks here is the raw interval."""
        if (
            params.get("grant_type") != "client_credentials"
            or not params.get("client_id")
            or not params.get("client_secret")
        ):
            raise RpcError(13004, "invalid_credentials")
        self.is_authorised = True
        return {
            "access_token": "simulated",
            "refresh_token": "simulated",
            "expires_in": 31_536_000,
            "scope": "connection mainaccount",
            "token_type": "bearer",
        }
