"""The websocket server: who is connected, who wants what, and the loop that carries a source's news to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from websockets.asyncio.server import Server as WebsocketServer
from websockets.asyncio.server import ServerConnection, serve

from . import rpc
from .connection import Connection
from .faults import Faults
from .source import Source

PATH = "/ws/api/v2"
READ_WITHIN_S = 300.0
"""A client that has not read a recording's last frame by then never will."""


@dataclass(frozen=True)
class ServerSettings:
    """Limits of the simulated venue, the true one's where it has them."""

    queue_limit: Annotated[int, "frames"] = 20_000
    """That wait for one client; a slower one is cut off."""
    max_request_bytes: int = 32_768
    """Of a request; a larger one is refused."""
    max_channels_per_request: Annotated[int, "channels"] = 500
    """Of a subscribe request."""
    max_connections_per_ip: Annotated[int, "connections"] = 32
    """More are refused."""
    min_heartbeat_s: float = 10.0
    """The venue's shortest."""
    close_timeout_s: float = 2.0
    """To close a connection cleanly in."""


class Server:
    """Implements the Hub of a source; one instance serves one source."""

    def __init__(self, source: Source, settings: ServerSettings | None = None, faults: Faults | None = None) -> None:
        self.source = source
        self.settings = settings or ServerSettings()
        self.faults = faults or Faults()
        self.faults.on_drop = self.drop_all
        self.url = ""
        self.n_frames = 0
        self.n_ticker_followers = 0
        self._connections: set[Connection] = set()
        self._subscribers: dict[str, dict[Connection, None]] = {}
        self._touched: dict[Connection, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what a connection calls

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def subscribe(self, channel: str, connection: Connection) -> None:
        followers = self._subscribers.setdefault(channel, {})
        if connection not in followers and channel.startswith("ticker."):
            self.n_ticker_followers += 1
        followers[connection] = None
        self.source.subscribed(channel)

    def unsubscribe(self, channel: str, connection: Connection) -> None:
        followers = self._subscribers.get(channel)
        if followers is not None:
            if connection in followers and channel.startswith("ticker."):
                self.n_ticker_followers -= 1
            followers.pop(connection, None)
            if not followers:
                del self._subscribers[channel]

    def forget(self, connection: Connection) -> None:
        for channel in connection.subscriptions:
            self.unsubscribe(channel, connection)

    # --- what a source calls

    def wants(self, channel: str) -> bool:
        return channel in self._subscribers

    def publish(self, channel: str, data: bytes) -> None:
        followers = self._subscribers.get(channel)
        if followers:
            frame = rpc.notification_frame(channel, data)
            for connection in followers:
                connection.pending.append((channel, frame))
                self._touched[connection] = None

    async def flush(self) -> None:
        """Queue what was published; a source that must not drop waits here for its slowest client."""
        now_s = time.monotonic()
        self.faults.schedule(now_s)
        if self.faults.is_paused(now_s):
            if not self.source.must_not_drop:
                return
            while self.faults.is_paused(time.monotonic()):
                await asyncio.sleep(0.01)
        touched, self._touched = self._touched, {}
        for connection in touched:
            pending, connection.pending = connection.pending, []
            frames = [f for _, f in pending] if self.faults.is_quiet else self.faults.apply(pending)
            self.n_frames += len(frames)
            connection.enqueue(frames)
        if self.source.must_not_drop:
            for connection in touched:
                await connection.room.wait()

    async def drained(self) -> None:
        """Until every client has been sent all that was queued for it, and has read it.

        What is sent lies in sockets: megabytes, of which a client under pressure takes minutes, and which are lost when we end.
        """
        while any(connection.n_queued for connection in self._connections):
            await asyncio.sleep(0.01)
        await asyncio.gather(*(connection.has_read(READ_WITHIN_S) for connection in list(self._connections)))

    # --- connections

    def drop_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    def close_all(self, code: int, reason: str) -> None:
        for connection in list(self._connections):
            connection.close(code, reason)

    @property
    def n_connections(self) -> int:
        return len(self._connections)

    async def handle(self, websocket: ServerConnection) -> None:
        host = (websocket.remote_address or ("",))[0]
        same = sum(1 for c in self._connections if c.host == host)
        if same >= self.settings.max_connections_per_ip:
            await websocket.close(1013, "too many connections")
            return
        connection = Connection(websocket, self)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self.forget(connection)
            self._connections.discard(connection)
            self._touched.pop(connection, None)


@asynccontextmanager
async def listening(
    source: Source,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: ServerSettings | None = None,
    faults: Faults | None = None,
) -> AsyncIterator[Server]:
    """A server that accepts clients; the source is not run.  ``port`` 0 takes a free one; ``server.url`` says which."""
    server = Server(source, settings, faults)
    websocket_server: WebsocketServer = await serve(
        server.handle,
        host,
        port,
        compression=None,
        max_size=1 << 22,
        ping_interval=None,
        close_timeout=server.settings.close_timeout_s,
    )
    try:
        bound = next(iter(websocket_server.sockets)).getsockname()
        server.url = f"ws://{bound[0]}:{bound[1]}{PATH}"
        yield server
    finally:
        server.close_all(1001, "going away")
        websocket_server.close()
        await websocket_server.wait_closed()


@asynccontextmanager
async def running(source: Source, **options: Any) -> AsyncIterator[Server]:
    """A server whose source runs: what tests and the demo use in process."""
    async with listening(source, **options) as server:
        task = asyncio.create_task(source.run(server))
        task.add_done_callback(lambda done: _when_source_ends(server, done))
        try:
            yield server
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _when_source_ends(server: Server, task: asyncio.Task[Any]) -> None:
    """A source that fails must not leave clients waiting for it."""
    if not task.cancelled() and task.exception() is not None:
        server.close_all(1011, "internal error")
