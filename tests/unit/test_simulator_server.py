"""The simulated venue over a real websocket on the loopback: methods, errors, limits, order, heartbeats, faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streams.simulator import rpc
from streams.simulator.faults import KINDS, Faults
from streams.simulator.market import new_market
from streams.simulator.server import Server, ServerSettings, listening, running
from streams.simulator.source import SyntheticSource
from streams.simulator.tape import Tape

START_NS = 1_767_960_000 * 10**9  # 2026-01-09T12:00:00Z
PERPETUAL = "BTC-PERPETUAL"


def source(**options: Any) -> SyntheticSource:
    settings = {"seed": 1, "n_options": 60, "n_linear": 20, "rate": 400.0, "trade_rate": 40.0} | options
    return SyntheticSource(new_market(start_ns=START_NS, **settings))


class Client:
    """A client that keeps answers and notifications apart."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.notes: list[dict[str, Any]] = []
        self.beats: list[str] = []
        self._last_id = 0

    async def ask(self, method: str, **params: Any) -> Any:
        """The answer's result; AssertionError with the error if there is one."""
        answer = await self.asked(method, params)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    async def error(self, method: str, **params: Any) -> dict[str, Any]:
        return (await self.asked(method, params))["error"]

    async def asked(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        await self.websocket.send(json.dumps(request))
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        while True:
            message = await self.read()
            if "method" not in message:
                return message

    async def read(self) -> dict[str, Any]:
        message = json.loads(await asyncio.wait_for(self.websocket.recv(), 10))
        if message.get("method") == "subscription":
            self.notes.append(message["params"])
        elif message.get("method") == "heartbeat":
            self.beats.append(message["params"]["type"])
        return message

    async def read_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self.read(), left)
            except TimeoutError:
                return


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[Client]:
    async with connect(server.url, max_size=None, proxy=None, close_timeout=0.5) as websocket:
        yield Client(websocket)


@asynccontextmanager
async def both(market: SyntheticSource | None = None, **options: Any) -> AsyncIterator[tuple[Server, Client]]:
    async with running(market or source(), **options) as server, client_of(server) as client:
        yield server, client


# --- subscriptions


async def test_a_new_subscriber_of_a_ticker_is_sent_the_present_one_at_once():
    async with listening(source()) as server, client_of(server) as client:  # the market stands still
        name = server.source.instruments("BTC", "option", expired=False)[0]["instrument_name"]
        done = await client.ask("public/subscribe", channels=[f"ticker.{name}.100ms"])
        assert done == [f"ticker.{name}.100ms"]
        note = await client.read()
        assert note["params"]["channel"] == f"ticker.{name}.100ms"
        assert note["params"]["data"] == await client.ask("public/ticker", instrument_name=name)
        keys = {
            "timestamp",
            "state",
            "stats",
            "greeks",
            "index_price",
            "instrument_name",
            "last_price",
            "settlement_price",
        }
        keys |= {"min_price", "max_price", "open_interest", "mark_price", "best_ask_price", "best_bid_price", "bid_iv"}
        keys |= {"interest_rate", "mark_iv", "ask_iv", "underlying_price", "underlying_index", "best_ask_amount"}
        assert set(note["params"]["data"]) == keys | {"estimated_delivery_price", "best_bid_amount"}


async def test_unknown_channels_are_left_out_of_the_answer():
    async with listening(source()) as server, client_of(server) as client:
        wanted = [
            "ticker.BTC-1JAN20-1-C.100ms",
            "deribit_price_index.btc_usd",
            "nonsense",
            "book_summary.BTC",
            "trades.option.XRP.100ms",
        ]
        assert await client.ask("public/subscribe", channels=wanted) == ["deribit_price_index.btc_usd"]
        assert await client.ask("public/unsubscribe", channels=wanted) == ["deribit_price_index.btc_usd"]
        assert await client.ask("public/unsubscribe", channels=wanted) == []


async def test_the_raw_interval_needs_authorisation():
    async with listening(source()) as server, client_of(server) as client:
        error = await client.error("public/subscribe", channels=[f"ticker.{PERPETUAL}.raw"])
        assert error["code"] == 13778
        assert (await client.error("public/auth", grant_type="client_credentials", client_id="x"))["code"] == 13004
        await client.ask("public/auth", grant_type="client_credentials", client_id="x", client_secret="y")
        assert await client.ask("public/subscribe", channels=[f"ticker.{PERPETUAL}.raw"])


async def test_channels_bring_what_the_venue_would_send():
    async with both() as (_, client):
        wanted = [
            "deribit_price_index.btc_usd",
            "deribit_volatility_index.eth_usd",
            "estimated_expiration_price.btc_usdc",
        ]
        wanted += [
            "markprice.options.btc_usd",
            f"ticker.{PERPETUAL}.100ms",
            f"quote.{PERPETUAL}",
            f"ticker.{PERPETUAL}.agg2",
        ]
        await client.ask("public/subscribe", channels=[*wanted, "trades.option.any.100ms", "trades.future.BTC.100ms"])
        await client.read_for(3.2)
        by_channel = defaultdict(list)
        for note in client.notes:
            by_channel[note["channel"]].append(note["data"])
        assert set(by_channel) >= {*wanted, "trades.option.any.100ms", "trades.future.BTC.100ms"}
        assert by_channel["deribit_price_index.btc_usd"][-1].keys() == {"timestamp", "price", "index_name"}
        assert len(by_channel["deribit_volatility_index.eth_usd"]) in (3, 4)
        assert 20 < by_channel["deribit_volatility_index.eth_usd"][0]["volatility"] < 200
        assert 0 < by_channel["markprice.options.btc_usd"][0][0]["iv"] < 5  # a fraction, unlike in tickers
        assert {"current_funding", "funding_8h"} <= by_channel[f"ticker.{PERPETUAL}.100ms"][0].keys()
        assert len(by_channel[f"ticker.{PERPETUAL}.agg2"]) <= 3
        assert by_channel["estimated_expiration_price.btc_usdc"][0]["is_estimated"] is False
        for channel, notes in by_channel.items():
            times = [n["timestamp"] for n in notes if isinstance(n, dict) and "timestamp" in n]
            assert times == sorted(times), channel


async def test_trades_arrive_without_holes_in_their_numbers():
    async with both() as (_, client):
        await client.ask(
            "public/subscribe",
            channels=["trades.option.any.100ms", "trades.future.any.100ms", "trades.option_combo.any.100ms"],
        )
        await client.read_for(3.0)
        numbers = defaultdict(list)
        for note in client.notes:
            for trade in note["data"]:
                numbers[trade["instrument_name"]].append(trade["trade_seq"])
        assert sum(map(len, numbers.values())) > 50
        for found in numbers.values():
            assert found == list(range(found[0], found[0] + len(found)))


# --- queries


async def test_instruments_of_a_currency_and_kind():
    async with listening(source()) as server, client_of(server) as client:
        options = await client.ask("public/get_instruments", currency="BTC", kind="option")
        assert {r["kind"] for r in options} == {"option"} and {r["settlement_currency"] for r in options} == {"BTC"}
        record = options[0]
        assert (
            record["instrument_type"] == "reversed"
            and record["quote_currency"] == "BTC"
            and record["price_index"] == "btc_usd"
        )
        assert (
            record["tick_size_steps"] == [{"above_price": 0.005, "tick_size": 0.0005}] and record["tick_size"] == 0.0001
        )
        assert record["expiration_timestamp"] % 86_400_000 == 8 * 3_600_000
        linear = await client.ask("public/get_instruments", currency="USDC")
        assert {r["instrument_type"] for r in linear} == {"linear"}
        everything = await client.ask("public/get_instruments", currency="any")
        assert {r["instrument_name"] for r in options + linear} < {r["instrument_name"] for r in everything}
        assert await client.ask("public/get_instruments", currency="BTC", expired=True) == []
        one = await client.ask("public/get_instrument", instrument_name=record["instrument_name"])
        assert one == record
        summary = await client.ask("public/get_book_summary_by_currency", currency="BTC", kind="option")
        assert {r["instrument_name"] for r in summary} == {r["instrument_name"] for r in options}
        assert all(r["bid_price"] is None or r["bid_price"] > 0 for r in summary)
        index = await client.ask("public/get_index_price", index_name="btc_usd")
        assert index["index_price"] == index["estimated_delivery_price"] > 1_000
        assert await client.ask("public/get_time") == START_NS // 10**6


async def test_trades_can_be_fetched_again_by_number_and_by_time():
    market = source(trade_rate=120.0)
    async with both(market) as (_, client):
        await client.ask("public/subscribe", channels=[f"trades.{PERPETUAL}.100ms", "trades.option.BTC.100ms"])
        told: list[dict[str, Any]] = []
        while len(told) < 16:
            await client.read()
            told = [t for n in client.notes if n["channel"].startswith(f"trades.{PERPETUAL}") for t in n["data"]]
        first, last = told[2]["trade_seq"], told[11]["trade_seq"]
        page = await client.ask(
            "public/get_last_trades_by_instrument", instrument_name=PERPETUAL, start_seq=first, end_seq=last, count=1000
        )
        assert page == {"trades": told[2:12], "has_more": False}
        page = await client.ask(
            "public/get_last_trades_by_instrument", instrument_name=PERPETUAL, start_seq=first, count=3
        )
        assert page == {"trades": told[2:5], "has_more": True}
        page = await client.ask(
            "public/get_last_trades_by_instrument", instrument_name=PERPETUAL, end_seq=last, count=2
        )
        assert page == {"trades": [told[11], told[10]], "has_more": True}
        options = [t for n in client.notes if n["channel"] == "trades.option.BTC.100ms" for t in n["data"]]
        start, end = options[1]["timestamp"], options[-2]["timestamp"]
        page = await client.ask(
            "public/get_last_trades_by_currency_and_time",
            currency="BTC",
            kind="option",
            start_timestamp=start,
            end_timestamp=end,
            count=1000,
        )
        assert page["trades"] == [t for t in options if start <= t["timestamp"] <= end] and not page["has_more"]
        page = await client.ask(
            "public/get_last_trades_by_instrument_and_time",
            instrument_name=PERPETUAL,
            start_timestamp=told[0]["timestamp"],
            end_timestamp=told[4]["timestamp"],
            sorting="desc",
            count=1000,
        )
        assert page["trades"] == [t for t in told if t["timestamp"] <= told[4]["timestamp"]][::-1]
        page = await client.ask(
            "public/get_last_trades_by_currency", currency="BTC", start_id=told[3]["trade_id"], count=1
        )
        assert page["trades"] == [told[3]] and page["has_more"]


def test_a_tape_is_bounded():
    tape = Tape(kept=10)
    for i in range(1, 101):
        tape.add({"instrument_name": "X", "trade_seq": i, "trade_id": str(i), "timestamp": i}, "option", "BTC")
    kept = tape.by_instrument("X", start_seq=1, count=1000)["trades"]
    assert 10 <= len(kept) <= 20 and kept[-1]["trade_seq"] == 100


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("public/nothing", {}, -32601),
        ("private/buy", {}, -32601),
        ("public/ticker", {}, -32602),
        ("public/ticker", {"instrument_name": "BTC-1JAN20-1-C"}, 13020),
        ("public/ticker", {"instrument_name": 5}, -32602),
        ("public/get_instruments", {"currency": "DOGE"}, -32602),
        ("public/get_instruments", {"currency": "BTC", "kind": "cake"}, -32602),
        ("public/get_index_price", {"index_name": "doge_usd"}, -32602),
        ("public/get_last_trades_by_instrument", {"instrument_name": PERPETUAL, "count": 1001}, -32602),
        ("public/get_last_trades_by_instrument", {"instrument_name": PERPETUAL, "start_seq": "1"}, -32602),
        ("public/get_last_trades_by_instrument_and_time", {"instrument_name": PERPETUAL}, -32602),
        ("public/get_last_trades_by_instrument", {"instrument_name": "NO"}, 13020),
        ("public/subscribe", {"channels": "ticker"}, -32602),
        ("public/set_heartbeat", {"interval": 9}, -32602),
        ("public/set_heartbeat", {}, -32602),
        ("public/hello", {"client_name": "x"}, -32602),
        ("public/test", {"expected_result": "exception"}, -32000),
    ],
)
async def test_errors_have_the_venues_codes(method, params, code):
    async with listening(source()) as server, client_of(server) as client:
        answer = await client.asked(method, params)
        assert answer["error"]["code"] == code and answer["id"] == 1 and "result" not in answer
        assert {"usIn", "usOut", "usDiff", "testnet"} <= answer.keys()
        assert await client.ask("public/test") == {"version": "1.2.26"}  # the session lives on


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{", -32700), ("[]", -32600), ('{"id":1}', -32600), ('{"id":1,"method":"public/test","params":[1]}', -32602)],
)
async def test_what_is_no_request_is_answered_without_an_end(frame, code):
    async with listening(source()) as server, client_of(server) as client:
        await client.websocket.send(frame)
        assert (await client.answer())["error"]["code"] == code
        await client.ask("public/test")


# --- limits


async def test_an_oversized_subscribe_is_answered_without_an_id():
    async with listening(source()) as server, client_of(server) as client:
        answer = await client.asked("public/subscribe", {"channels": [f"ticker.{PERPETUAL}-{'x' * 80}.100ms"] * 450})
        assert answer["error"]["code"] == -32600 and "id" not in answer
        channels = ["deribit_price_index.btc_usd"] * 250
        assert await client.ask("public/subscribe", channels=channels) == ["deribit_price_index.btc_usd"]


async def test_too_many_subscribes_end_the_session_with_10028():
    async with listening(source()) as server, client_of(server) as client:
        for _ in range(10):
            await client.ask("public/subscribe", channels=["deribit_price_index.btc_usd"])
        assert (await client.error("public/subscribe", channels=["deribit_price_index.btc_usd"]))["code"] == 10028
        with pytest.raises(ConnectionClosed):
            await client.read()


def test_credits_come_back_at_the_venues_rate():
    credits = rpc.Credits()
    n_burst = sum(credits.take("public/subscribe", 0.0) for _ in range(100))
    assert n_burst == 10
    n_later = sum(credits.take("public/subscribe", 10.0 * i / 1000) for i in range(1, 1001))
    assert n_later == pytest.approx(33, abs=1)  # 3.3 a second over ten seconds
    assert sum(credits.take("public/test", 0.0) for _ in range(200)) == 100


async def test_connections_of_one_address_are_limited():
    settings = ServerSettings(max_connections_per_ip=2)
    async with (
        listening(source(), settings=settings) as server,
        client_of(server) as one,
        client_of(server) as two,
        client_of(server) as three,
    ):
        await one.ask("public/test")
        await two.ask("public/test")
        with pytest.raises(ConnectionClosed):
            await three.ask("public/test")


async def test_a_live_client_that_does_not_read_is_cut_off():
    settings = ServerSettings(queue_limit=50)
    async with (
        running(source(rate=5_000.0, n_options=400), settings=settings) as server,
        connect(server.url, max_size=None, max_queue=1, proxy=None, close_timeout=0.5) as websocket,
    ):
        names = [r["instrument_name"] for r in server.source.instruments("any", None, expired=False)]
        channels = [f"ticker.{n}.100ms" for n in names[:400]]
        await websocket.send(json.dumps({"id": 1, "method": "public/subscribe", "params": {"channels": channels}}))
        for _ in range(200):
            await asyncio.sleep(0.05)
            if server.n_connections == 0:
                break
        assert server.n_connections == 0


# --- heartbeats


async def test_an_answered_test_request_keeps_the_session():
    async with listening(source(), settings=ServerSettings(min_heartbeat_s=0.1)) as server, client_of(server) as client:
        await client.ask("public/set_heartbeat", interval=0.2)
        for _ in range(4):
            while "test_request" not in client.beats:
                await client.read()
            client.beats.clear()
            await client.ask("public/test")
        await client.ask("public/disable_heartbeat")
        client.beats.clear()
        await client.read_for(0.5)
        assert client.beats == []


async def test_an_unanswered_test_request_ends_the_session():
    async with listening(source(), settings=ServerSettings(min_heartbeat_s=0.1)) as server, client_of(server) as client:
        await client.ask("public/set_heartbeat", interval=0.2)
        began = time.monotonic()
        with pytest.raises(ConnectionClosed):
            while True:
                await client.read()
        assert client.beats == ["heartbeat", "test_request"]
        assert time.monotonic() - began < 5


# --- faults


async def fault_run(faults: Faults, seconds: float, act, **options: Any) -> Client:
    async with both(source(**options), faults=faults) as (server, client):
        names = [r["instrument_name"] for r in server.source.instruments("any", None, expired=False)]
        await client.ask(
            "public/subscribe",
            channels=["trades.option.any.100ms", "trades.future.any.100ms", "deribit_price_index.btc_usd"],
        )
        await client.ask("public/subscribe", channels=[f"ticker.{n}.100ms" for n in names])
        await client.read_for(0.5)
        client.notes.clear()
        act()
        await client.read_for(seconds)
        return client


async def test_a_skipped_trade_notification_leaves_a_hole():
    faults = Faults()
    async with both(source(trade_rate=80.0), faults=faults) as (_, client):
        await client.ask("public/subscribe", channels=["trades.option.any.100ms", f"ticker.{PERPETUAL}.100ms"])
        await client.read_for(0.5)
        faults.skip_trades(1)
        await client.read_for(2.5)
        told = {
            (t["instrument_name"], t["trade_seq"]) for n in client.notes if "trades" in n["channel"] for t in n["data"]
        }
        pages = [
            await client.ask("public/get_last_trades_by_currency", currency=c, kind="option", count=1000)
            for c in ("BTC", "ETH", "USDC")
        ]
        kept = sorted((t["timestamp"], t["instrument_name"], t["trade_seq"]) for page in pages for t in page["trades"])
        missing = [(at_ms, name, seq) for at_ms, name, seq in kept if (name, seq) not in told]
        heard_ms = [n["data"][-1]["timestamp"] for n in client.notes if "trades" in n["channel"]]
        # what was traded before the subscription stood is no hole
        holes = {at_ms for at_ms, _, _ in missing if min(heard_ms) < at_ms < max(heard_ms)}
        assert len(holes) == 1 == faults.done["skip_trades"]  # one notification: the trades of one moment


async def test_duplicates_come_right_after_each_other():
    faults = Faults()
    client = await fault_run(faults, 1.0, lambda: faults.duplicate(5))
    twice = [a for a, b in zip(client.notes, client.notes[1:], strict=False) if a == b]
    assert len(twice) == 5 == faults.done["duplicate"]


async def test_a_malformed_notification_is_no_json():
    faults = Faults()
    with pytest.raises(json.JSONDecodeError):
        await fault_run(faults, 1.0, lambda: faults.malformed(1))


def test_reordering_mixes_channels_and_keeps_each_in_order():
    faults = Faults(seed=1)
    frames = [(f"c{i % 5}", f"{i}".encode()) for i in range(50)]
    faults.reorder(50)
    mixed = faults.apply(frames)
    assert mixed != [f for _, f in frames] and sorted(mixed) == sorted(f for _, f in frames)
    for channel in range(5):
        numbers = [int(f) for f in mixed if int(f) % 5 == channel]
        assert numbers == sorted(numbers)


def test_a_jump_puts_the_times_of_the_next_notifications_wrong_and_changes_nothing_else():
    faults = Faults()
    frame = b'{"data":[{"timestamp":1767943800000,"trade_seq":1},{"timestamp":1767943800001,"trade_seq":2}]}'
    faults.jump(-3_600_000)
    bent, whole = faults.apply([("trades.x", frame), ("trades.x", frame)])
    assert [t["timestamp"] for t in json.loads(bent)["data"]] == [1767940200000, 1767940200001]
    assert [t["trade_seq"] for t in json.loads(bent)["data"]] == [1, 2]
    assert whole == frame and faults.done["jump"] == 1


def test_a_schedule_brings_every_kind_of_fault_once_before_any_comes_again():
    faults = Faults(5, mean_interval_s=1.0)
    frames = [(f"trades.{i}", b'{"timestamp":1767943800000}') for i in range(100)]
    seen: list[str] = []
    for tenth in range(1_000):
        before = dict(faults.done)
        faults.schedule(tenth / 10)
        faults.apply(frames)
        seen += [kind for kind in KINDS if faults.done[kind] > before[kind]]
    assert len(seen) >= 4 * len(KINDS)
    for first in range(0, len(seen) - len(KINDS) + 1, len(KINDS)):
        assert sorted(seen[first : first + len(KINDS)]) == sorted(KINDS)


async def test_a_pause_holds_notifications_back_and_then_delivers_them_in_order():
    faults = Faults()
    async with both(source(rate=50.0), faults=faults) as (_, client):
        await client.ask(
            "public/subscribe", channels=["deribit_price_index.btc_usd", "deribit_volatility_index.btc_usd"]
        )
        faults.pause(1.5, time.monotonic())
        began = time.monotonic()
        await client.read()  # the snapshot, which is no news
        while len(client.notes) < 4:
            await client.read()
        assert time.monotonic() - began >= 1.4
        times = [n["data"]["timestamp"] for n in client.notes]
        assert times == sorted(times)


async def test_a_drop_cuts_everybody_and_the_venue_takes_them_back():
    faults = Faults()
    async with running(source(), faults=faults) as server:
        async with client_of(server) as client:
            await client.ask("public/test")
            faults.drop()
            with pytest.raises(ConnectionClosed):
                await client.read()
        async with client_of(server) as client:
            assert await client.ask("public/test")


def test_a_schedule_of_faults_is_the_same_for_the_same_seed():
    def played(seed: int) -> dict[str, int]:
        faults = Faults(seed, mean_interval_s=1.0)
        for i in range(600):
            faults.schedule(float(i) / 10)
            faults.apply([("trades.x", b"{}"), ("ticker.x", b'{"timestamp":1767943800000}')])
        return faults.done

    assert played(3) == played(3) != played(4)
    assert all(played(3).values())
