"""Recordings behind the simulated venue: nothing lost at any speed, the recording's own time, listings and expiries."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streams.deribit.frames import Frame
from streams.deribit.recording import Writer, read
from streams.simulator.contents import channel_of, inferred_record
from streams.simulator.playback import RecordingSource, open_recording
from streams.simulator.server import Server, ServerSettings, listening
from streams.simulator.settings import SimulatorSettings

EXPIRY_NS = int(datetime(2023, 4, 13, 8, 0, tzinfo=UTC).timestamp()) * 10**9
FIRST_NS = EXPIRY_NS - 60 * 10**9
EXPIRING, LASTING, LATE = "BTC-13APR23-30000-C", "BTC-14APR23-30000-P", "ETH-28APR23-2000-C"
MS = 10**6


def notification(channel: str, data: Any, at_ns: int) -> Frame:
    message = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    return Frame(at_ns, "in", json.dumps(message))


def ticker(name: str, number: int, at_ns: int, interval: str = "raw") -> Frame:
    data = {"timestamp": at_ns // MS, "instrument_name": name, "mark_price": number / 1000, "best_bid_price": 0.0}
    return notification(f"ticker.{name}.{interval}", data, at_ns)


def trade(name: str, seq: int, at_ns: int) -> dict[str, Any]:
    return {
        "instrument_name": name,
        "trade_seq": seq,
        "trade_id": str(1000 + seq),
        "timestamp": at_ns // MS,
        "price": 0.1,
    }


def frames(n: int = 500) -> list[Frame]:
    """Over two minutes round an expiry: raw tickers, index, a trade on two channels, a request, noise; LATE comes late."""
    made = [Frame(FIRST_NS, "open", "wss://x"), Frame(FIRST_NS, "out", '{"method":"public/subscribe"}')]
    for i in range(n):
        at_ns = FIRST_NS + i * (120 * 10**9 // n)
        if at_ns < EXPIRY_NS:
            made.append(ticker(EXPIRING, i, at_ns))
        made.append(ticker(LASTING, i, at_ns))
        if i % 10 == 0:
            made.append(
                notification("deribit_price_index.btc_usd", {"timestamp": at_ns // MS, "price": 30_000.0 + i}, at_ns)
            )
            told = [trade(LASTING, i // 10 + 1, at_ns)]
            made.append(notification("trades.option.BTC.raw", told, at_ns))
            made.append(notification(f"trades.{LASTING}.raw", told, at_ns))
    made.append(
        Frame(FIRST_NS + 118 * 10**9, "in", '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
    )
    made.append(ticker(LATE, 1, FIRST_NS + 119 * 10**9, "100ms"))
    return made


def source_of(made: list[Frame], **options: Any) -> RecordingSource:
    return RecordingSource(lambda: iter(made), **({"speed": None, "grace_s": 0.1} | options))


@asynccontextmanager
async def playing(source: RecordingSource, queue_limit: int = 50) -> AsyncIterator[tuple[Server, asyncio.Task[Any]]]:
    async with listening(source, settings=ServerSettings(queue_limit=queue_limit)) as server:
        task = asyncio.create_task(source.run(server))
        try:
            yield server, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def ask(websocket: ClientConnection, method: str, **params: Any) -> Any:
    await websocket.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    while True:
        answer = json.loads(await asyncio.wait_for(websocket.recv(), 10))
        if answer.get("id") == 7:
            return answer["result"]


async def read_until(websocket: ClientConnection, channel: str, *, pause_s: float = 0.0) -> list[dict[str, Any]]:
    """Notifications up to the first one of this channel."""
    found = []
    while True:
        message = json.loads(await asyncio.wait_for(websocket.recv(), 10))
        if message.get("method") == "subscription":
            found.append(message["params"])
            if message["params"]["channel"] == channel:
                return found
        if pause_s:
            await asyncio.sleep(pause_s)


def client_of(server: Server, **options: Any) -> connect:
    return connect(server.url, max_size=None, proxy=None, close_timeout=0.5, **options)


CHANNELS = [f"ticker.{name}.100ms" for name in (EXPIRING, LASTING, LATE)]


async def test_at_full_speed_a_slow_reader_gets_every_frame_in_order():
    made = frames()
    async with playing(source_of(made), queue_limit=20) as (server, task), client_of(server, max_queue=1) as websocket:
        done = await ask(
            websocket,
            "public/subscribe",
            channels=[*CHANNELS, "trades.option.BTC.100ms", "deribit_price_index.btc_usd"],
        )
        assert len(done) == 5
        notes = await read_until(websocket, CHANNELS[2], pause_s=0.0005)
        for name in (EXPIRING, LASTING):
            numbers = [n["data"]["mark_price"] for n in notes if n["channel"] == f"ticker.{name}.100ms"]
            sent = [
                json.loads(f.text)["params"]["data"]["mark_price"] for f in made if f'"ticker.{name}.raw"' in f.text
            ]
            assert numbers == sent
        trades = [t["trade_seq"] for n in notes if n["channel"].startswith("trades") for t in n["data"]]
        assert trades == list(range(1, 51))  # each once, although recorded on two channels
        assert sum(n["channel"] == "deribit_price_index.btc_usd" for n in notes) == 50
        summary = await asyncio.wait_for(task, 5)
        assert summary["is_complete"] and summary["instruments"] == 3 == summary["instruments_inferred"]


async def test_it_waits_for_a_subscriber_of_tickers():
    source = source_of(frames())
    async with playing(source) as (server, _), client_of(server) as websocket:
        await ask(websocket, "public/subscribe", channels=["deribit_price_index.btc_usd"])
        await asyncio.sleep(0.4)
        assert source.n_played == 0
        assert await ask(websocket, "public/get_time") == FIRST_NS // MS
        await ask(websocket, "public/subscribe", channels=CHANNELS)
        await read_until(websocket, CHANNELS[2])


async def test_it_stands_still_while_nobody_follows_and_goes_on_with_the_next_client():
    source = source_of(frames(), speed=20.0)
    async with playing(source) as (server, _):
        async with client_of(server) as websocket:
            await ask(websocket, "public/subscribe", channels=CHANNELS)
            await read_until(websocket, CHANNELS[1])
        await asyncio.sleep(0.3)
        stood = source.n_played
        await asyncio.sleep(0.5)
        assert source.n_played == stood
        async with client_of(server) as websocket:
            await ask(websocket, "public/subscribe", channels=CHANNELS)
            await read_until(websocket, CHANNELS[2])
            assert source.n_played > stood


async def test_without_waiting_it_plays_into_the_void():
    source = source_of(frames(), is_waiting=False)
    async with playing(source) as (_, task):
        assert (
            (await asyncio.wait_for(task, 5))["played"] == source.n_played == 901
        )  # 250 + 500 tickers, 50 of the index, 100 of trades, 1 late


async def test_the_recordings_time_and_speed():
    source = source_of(frames(), speed=60.0)
    async with playing(source) as (server, task), client_of(server) as websocket:
        await ask(websocket, "public/subscribe", channels=CHANNELS)
        await read_until(websocket, CHANNELS[1])
        began, first_ms = time.monotonic(), await ask(websocket, "public/get_time")
        await asyncio.sleep(0.5)
        passed_ms = await ask(websocket, "public/get_time") - first_ms
        assert passed_ms == pytest.approx((time.monotonic() - began) * 60_000, rel=0.3)
        await asyncio.wait_for(task, 10)
        assert source.now_ms() == (FIRST_NS + 119 * 10**9) // MS


async def test_instruments_are_listed_from_the_start_and_leave_at_expiry():
    source = source_of(frames())
    listed = {r["instrument_name"] for r in source.instruments("any", "option", expired=False)}
    assert listed == {EXPIRING, LASTING, LATE}
    async with playing(source) as (server, task), client_of(server) as websocket:
        await ask(websocket, "public/subscribe", channels=[*CHANNELS, "instrument.state.any.any"])
        notes = await read_until(websocket, CHANNELS[2])
        await asyncio.wait_for(task, 5)
        states = [n["data"] for n in notes if n["channel"] == "instrument.state.any.any"]
        assert states == [{"timestamp": EXPIRY_NS // MS, "state": "closed", "instrument_name": EXPIRING}]
        position = next(i for i, n in enumerate(notes) if n["channel"] == "instrument.state.any.any")
        assert not any(n["channel"] == CHANNELS[0] for n in notes[position:])
        rows = await ask(websocket, "public/get_instruments", currency="BTC")
        assert [r["instrument_name"] for r in rows] == [LASTING]
        rows = await ask(websocket, "public/get_instruments", currency="BTC", expired=True)
        assert [r["instrument_name"] for r in rows] == [EXPIRING]
        page = await ask(
            websocket, "public/get_last_trades_by_instrument", instrument_name=LASTING, start_seq=3, end_seq=5
        )
        assert [t["trade_seq"] for t in page["trades"]] == [3, 4, 5] and not page["has_more"]
        page = await ask(
            websocket,
            "public/get_last_trades_by_currency_and_time",
            currency="BTC",
            kind="option",
            start_timestamp=0,
            end_timestamp=2**42,
            count=7,
        )
        assert [t["trade_seq"] for t in page["trades"]] == [1, 2, 3, 4, 5, 6, 7] and page["has_more"]
        index = await ask(websocket, "public/get_index_price", index_name="btc_usd")
        assert index["index_price"] == 30_490.0


async def test_a_slow_client_has_read_the_last_frame_before_the_venue_may_end():
    """What was sent lies in sockets, megabytes of it; whoever waits only for its queue cuts a slow client's recording short."""
    source = source_of(frames(6_000))
    async with playing(source, queue_limit=10**6) as (server, task), client_of(server) as websocket:
        names = (EXPIRING, LASTING, LATE)
        await ask(websocket, "public/subscribe", channels=[f"ticker.{name}.100ms" for name in names])
        await asyncio.wait_for(task, 20)
        drained = asyncio.create_task(server.drained())
        assert not (await asyncio.wait({drained}, timeout=0.5))[0], "nothing of it has been read"
        found = await read_until(websocket, f"ticker.{LATE}.100ms")
        assert len(found) > 5_000
        await asyncio.wait_for(drained, 5)


async def test_the_clock_goes_on_to_the_end_that_was_asked_for():
    before = [f for f in frames() if f.recv_ns < EXPIRY_NS - 10 * 10**9]
    source = source_of(before, is_waiting=False, end_ns=EXPIRY_NS + 600 * 10**9)
    async with playing(source) as (_, task):
        await asyncio.wait_for(task, 5)
    assert source.now_ms() == (EXPIRY_NS + 600 * 10**9) // MS
    assert EXPIRING not in {r["instrument_name"] for r in source.instruments("any", None, expired=False)}


def test_records_of_the_recording_are_better_than_names():
    record = {
        "instrument_name": LASTING,
        "tick_size": 0.0001,
        "contract_size": 1.0,
        "kind": "option",
        "expiration_timestamp": EXPIRY_NS // MS + 86_400_000,
        "creation_timestamp": FIRST_NS // MS + 30_000,
        "settlement_currency": "BTC",
        "price_index": "btc_usd",
    }
    answer = json.dumps({"jsonrpc": "2.0", "id": 3, "result": [record]})
    made = [*frames(), Frame(FIRST_NS, "http", f"https://x/api/v2/public/get_instruments?currency=BTC {answer}")]
    source = source_of(made)
    assert source.instrument(LASTING)["tick_size"] == 0.0001
    assert source.contents.n_inferred == 2
    assert LASTING not in {
        r["instrument_name"] for r in source.instruments("BTC", None, expired=False)
    }  # not yet created


def test_a_name_gives_a_record_that_says_it_was_inferred():
    record = inferred_record("BTC_USDC-14APR23-30000-P")
    assert record["instrument_type"] == "linear" and record["settlement_currency"] == "USDC" and record["is_inferred"]
    record = inferred_record(LASTING)
    assert (record["tick_size"], record["contract_size"], record["option_type"], record["strike"]) == (
        0.0005,
        1.0,
        "put",
        30_000.0,
    )
    assert inferred_record("nonsense") is None
    assert inferred_record("BTC-CS-19MAY26-70000_75000") is None


def test_the_channel_is_found_wherever_the_message_has_it():
    data = {"x": 'a "channel" of his own', "long": "y" * 1000}
    first = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "ticker.X.raw", "data": data}}
    assert channel_of(json.dumps(first)) == "ticker.X.raw"
    last = {
        "params": {"data": {"long": "y" * 1000}, "channel": "ticker.X.raw"},
        "method": "subscription",
        "jsonrpc": "2.0",
    }
    assert channel_of(json.dumps(last)) == "ticker.X.raw"
    assert channel_of('{"jsonrpc":"2.0","id":1,"result":["ticker.X.raw"]}') is None


async def test_greekstreams_own_recording_is_played(tmp_path: Path):
    writer = Writer(tmp_path / "own.jsonl.zst")
    for frame in frames(50):
        writer.write(frame)
    writer.close()
    source = open_recording(
        SimulatorSettings(recordings=(str(tmp_path / "own.jsonl.zst"),), speed="max", is_waiting=False)
    )
    async with playing(source) as (_, task):
        assert (await asyncio.wait_for(task, 5))["played"] == sum(channel_of(f.text) is not None for f in frames(50))


def test_a_recording_without_a_frame_in_the_time_asked_for_is_refused(tmp_path: Path):
    writer = Writer(tmp_path / "own.jsonl.zst")
    writer.write(frames(1)[-1])
    writer.close()
    with pytest.raises(ValueError, match="no frames"):
        open_recording(SimulatorSettings(recordings=(str(tmp_path / "own.jsonl.zst"),), from_ns=2**62))


async def test_the_recorded_chain_reaches_its_subscriber_whole(shared: Path):
    path = (
        shared / "deribit" / "chain-2023-04" if (shared / "deribit").is_dir() else shared / "data/deribit/chain-2023-04"
    )
    since_ns, until_ns = EXPIRY_NS - 5 * 60 * 10**9, EXPIRY_NS + 60 * 10**9
    settings = SimulatorSettings(recordings=(str(path),), speed="max", from_ns=since_ns, until_ns=until_ns)
    source = open_recording(settings)
    expected = [
        c
        for f in read(path, since_ns=since_ns, until_ns=until_ns)
        if (c := channel_of(f.text)) and c.startswith("ticker.")
    ]
    assert len(expected) > 500
    names = [r["instrument_name"] for r in source.instruments("any", None, expired=False)]
    async with playing(source, queue_limit=100) as (server, task), client_of(server) as websocket:
        for i in range(0, len(names), 250):
            await ask(websocket, "public/subscribe", channels=[f"ticker.{n}.100ms" for n in names[i : i + 250]])
        got: list[str] = []
        while len(got) < len(expected):
            message = json.loads(await asyncio.wait_for(websocket.recv(), 10))
            got.append(message["params"]["channel"])
        assert got == expected
        await asyncio.wait_for(task, 5)
        server.close_all(1000, "end of recording")
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
