"""The websocket shell against a real websocket server on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner
from websockets.asyncio.server import ServerConnection, serve

from streams.cli.record import command as record_command
from streams.deribit import client
from streams.deribit import events as ev
from streams.deribit.recording import read
from streams.deribit.session import Session, SessionSettings
from tests import venue_frames as venue

WITHIN_S = 10.0
Talk = Callable[[ServerConnection], Awaitable[None]]


async def answer(connection: ServerConnection, text: str | bytes) -> dict[str, Any]:
    """Answer one request as the venue would; returns the request."""
    request: dict[str, Any] = json.loads(text)
    result: Any = {
        "public/subscribe": request["params"].get("channels"),
        "public/get_instruments": [venue.instrument_row()],
        "public/get_time": venue.MS,
    }.get(request["method"], "ok")
    await connection.send(venue.answer(request["id"], result))
    return request


@contextlib.asynccontextmanager
async def a_venue(talk: Talk) -> AsyncIterator[str]:
    async with serve(talk, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}/ws/api/v2"


def a_session(**settings: Any) -> Session:
    return Session(SessionSettings(currencies=("BTC",), backoff_first_s=0.01, backoff_max_s=0.02, **settings))


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.005)


class Run:
    """A client in the background, with what it handed out."""

    def __init__(self, url: str, session: Session, **options: Any) -> None:
        self.events: list[ev.Event] = []
        self.stop = asyncio.Event()
        options.setdefault("on_events", self._keep)
        self.task = asyncio.create_task(client.run(url, session, options.pop("on_events"), stop=self.stop, **options))

    async def _keep(self, events: list[ev.Event]) -> None:
        self.events += events

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, WITHIN_S)


async def test_it_subscribes_hands_out_events_and_stops_cleanly():
    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            request = await answer(connection, text)
            if any("ticker." in channel for channel in request["params"].get("channels", ())):
                await connection.send(venue.ticker())

    async with a_venue(talk) as url:
        run = Run(url, a_session())
        await eventually(lambda: any(type(event).__name__ == "OptionQuote" for event in run.events))
        assert isinstance(run.events[0], ev.Connected)
        assert run.count(ev.Subscribed) == 1
        await run.end()
    assert isinstance(run.events[-1], ev.Disconnected)
    assert run.events[-1].reason == "stopped"


async def test_it_comes_back_after_a_loss_and_subscribes_again():
    n_connections = 0

    async def talk(connection: ServerConnection) -> None:
        nonlocal n_connections
        n_connections += 1
        n_answered = 0
        async for text in connection:
            await answer(connection, text)
            n_answered += 1
            if n_connections < 3 and n_answered == 3:
                connection.transport.abort()  # no close handshake: the network is gone

    async with a_venue(talk) as url:
        run = Run(url, a_session())
        await eventually(lambda: run.count(ev.Subscribed) == 1)
        assert n_connections == 3
        assert run.count(ev.Disconnected) == 2
        await run.end()


async def test_it_waits_for_a_venue_that_is_not_there_and_can_be_stopped_meanwhile():
    async with a_venue(lambda connection: connection.wait_closed()) as url:
        pass  # the server is gone, its port refuses
    session = a_session()
    run = Run(url, session)
    await eventually(lambda: session.reconnect_delay_s() > 0.0)
    await run.end()
    assert run.count(ev.Connected) == 0


async def test_it_closes_a_session_that_the_venue_ended_and_returns():
    fatal = True

    async def talk(connection: ServerConnection) -> None:
        nonlocal fatal
        async for text in connection:
            if fatal:
                fatal = False
                await connection.send(venue.error(json.loads(text)["id"], 10028, "too_many_requests"))
            else:
                await answer(connection, text)

    async with a_venue(talk) as url:
        session = a_session()
        session.reconnect_delay_s = lambda: 0.01  # type: ignore[method-assign]  # not the ten seconds that a real venue gets
        run = Run(url, session)
        await eventually(lambda: run.count(ev.Subscribed) == 1)
        await run.end()
    lost = [event for event in run.events if isinstance(event, ev.Disconnected)]
    assert "10028" in lost[0].reason


async def test_a_slow_consumer_holds_the_venue_back_and_nothing_is_lost():
    n_sent = 0
    payload = "x" * 20_000  # big frames, so that the socket's own buffers are soon full

    async def talk(connection: ServerConnection) -> None:
        nonlocal n_sent
        await answer(connection, await connection.recv())
        with contextlib.suppress(Exception):
            for _ in range(2_000):
                await connection.send(venue.notification("book.X.raw", {"pad": payload}))
                n_sent += 1
            await connection.wait_closed()

    may_go_on = asyncio.Event()
    n_books = 0

    async def on_events(events: list[ev.Event]) -> None:
        nonlocal n_books
        n_books += sum(event == ev.Ignored("book.*") for event in events)
        if n_books:
            await may_go_on.wait()

    async with a_venue(talk) as url:
        run = Run(url, a_session(request_timeout_s=1e6), on_events=on_events)
        await eventually(lambda: n_books == 1)
        stuck_at = -1
        while stuck_at != n_sent:  # until the venue cannot send more
            stuck_at = n_sent
            await asyncio.sleep(0.2)
        assert n_sent < 2_000
        assert n_books == 1
        may_go_on.set()
        await eventually(lambda: n_books == 2_000)
        await run.end()


async def test_the_consumer_sees_one_call_at_a_time():
    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            await answer(connection, text)
            await connection.send(venue.ticker())

    n_inside = most_inside = n_calls = 0

    async def on_events(events: list[ev.Event]) -> None:
        nonlocal n_inside, most_inside, n_calls
        n_inside += 1
        most_inside = max(most_inside, n_inside)
        await asyncio.sleep(0.002)
        n_inside -= 1
        n_calls += 1

    async with a_venue(talk) as url:
        session = a_session(max_queued=50, credits_burst=10**9)
        run = Run(url, session, on_events=on_events)
        for _ in range(50):
            for _ in range(60):
                session.get_time()  # the queue overflows: the ticker has events of its own to hand out
            await asyncio.sleep(0.002)
        await eventually(lambda: n_calls > 50)
        await run.end()
    assert most_inside == 1


async def test_a_stop_lets_the_consumers_call_finish():
    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            await answer(connection, text)

    is_inside, may_go_on = asyncio.Event(), asyncio.Event()
    n_started = n_finished = 0

    async def on_events(events: list[ev.Event]) -> None:
        nonlocal n_started, n_finished
        n_started += 1
        is_inside.set()
        await may_go_on.wait()
        n_finished += 1

    async with a_venue(talk) as url:
        run = Run(url, a_session(), on_events=on_events)
        await asyncio.wait_for(is_inside.wait(), WITHIN_S)
        run.stop.set()
        await asyncio.sleep(0.05)
        may_go_on.set()
        await run.end()
    assert n_started == n_finished >= 2  # the call that was under way, and the one that tells of the end


async def test_an_exception_of_the_consumer_ends_the_run():
    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            await answer(connection, text)

    async def on_events(events: list[ev.Event]) -> None:
        raise RuntimeError("a defect")

    async with a_venue(talk) as url:
        run = Run(url, a_session(), on_events=on_events)
        with pytest.raises(RuntimeError, match="a defect"):
            await asyncio.wait_for(run.task, WITHIN_S)


async def test_a_frame_beyond_the_limit_ends_the_connection_not_the_run():
    n_connections = 0

    async def talk(connection: ServerConnection) -> None:
        nonlocal n_connections
        n_connections += 1
        if n_connections == 1:
            await connection.send("x" * 50_000)
        async for text in connection:
            await answer(connection, text)

    async with a_venue(talk) as url:
        run = Run(url, a_session(), settings=client.ClientSettings(max_frame_bytes=20_000))
        await eventually(lambda: run.count(ev.Subscribed) == 1)
        assert n_connections == 2
        await run.end()


async def test_record_writes_what_was_sent_and_received(tmp_path):
    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            request = await answer(connection, text)
            if any("ticker." in channel for channel in request["params"].get("channels", ())):
                await connection.send(venue.ticker())

    path = tmp_path / "a.jsonl.zst"
    async with a_venue(talk) as url:
        arguments = [str(path), "--url", url, "--currency", "BTC", "--seconds", "1"]
        result = await asyncio.to_thread(_in_a_process, arguments)
    assert result["frames"] == len(frames := list(read(path)))
    assert [frame.direction for frame in frames[:3]] == ["open", "out", "out"]
    assert venue.ticker() in [frame.text for frame in frames if frame.direction == "in"]
    again = CliRunner().invoke(record_command, arguments)
    assert again.exit_code == 1
    assert "never overwritten" in again.stderr


def _in_a_process(arguments: list[str]) -> dict[str, Any]:
    """In a process of its own: the recorder takes SIGINT and SIGTERM, which only a main thread may."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "record", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
