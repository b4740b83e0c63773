"""Seeded mutation of venue frames: whatever comes, the session answers with events, never with an exception, in bounded memory.

    .venv/bin/python -m tests.fuzz_frames 1000000

Seeds are the hand-written frames of tests/venue_frames.py and, when files are named, the frames of real recordings.  A mutation
works on bytes (flip, cut, repeat, splice of two frames) or on the JSON tree (another value, type, key, or depth anywhere).
"""

from __future__ import annotations

import copy
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

from streams.deribit import events as ev
from streams.deribit.session import Session, SessionSettings
from tests import venue_frames as venue

ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 10**30, 0.0, -0.0, 1e308, -1e-308, 0.5),
    *("", "x", "0.05", "NaN", "BTC-29DEC23-40000-C", "BTC-PERPETUAL", "BTC-99XXX99-1-C", "é\u2028", "a" * 300),
    *([], [[]], {}, {"instrument_name": 1}, [None, {}], {"a": {"b": {"c": []}}}),
]
ODD_TEXT = ["NaN", "Infinity", "1e999", "[" * 2000, '"\\ud800"', "\x00", "{" * 50, "\ufeff", "//"]


def seeds() -> list[str]:
    """One frame of every kind that the venue sends."""
    listed = [venue.instrument_row(), venue.instrument_row(venue.FUTURE), venue.instrument_row(venue.OTHER)]
    mark = {"timestamp": venue.MS, "mark_price": 0.05, "iv": 0.6, "instrument_name": venue.OPTION}
    return [
        venue.ticker(),
        venue.ticker(venue.OTHER, best_bid_price=0.0, bid_iv=0.0, ask_iv=999.0),
        venue.notification(f"ticker.{venue.FUTURE}.100ms", venue.future_data()),
        venue.notification(f"ticker.{venue.PERPETUAL}.100ms", venue.future_data(venue.PERPETUAL)),
        venue.trades(venue.trade_data(seq=1), venue.trade_data(seq=3), venue.trade_data(venue.OTHER, liquidation="MT")),
        venue.trades(venue.trade_data(venue.FUTURE), channel="trades.future.BTC.100ms"),
        venue.notification(
            "deribit_price_index.btc_usd", {"timestamp": venue.MS, "price": 36500.5, "index_name": "btc_usd"}
        ),
        venue.notification(
            "estimated_expiration_price.btc_usd", {"seconds": 90, "price": 36500.5, "is_estimated": True}
        ),
        venue.notification("deribit_volatility_index.btc_usd", {"timestamp": venue.MS, "volatility": 60.0}),
        venue.notification("markprice.options.btc_usd", [mark, mark]),
        venue.notification(
            "instrument.state.any.any", {"timestamp": venue.MS, "state": "created", "instrument_name": venue.OTHER}
        ),
        venue.notification("book.BTC-PERPETUAL.100ms", {"bids": [["new", 1.0, 2.0]], "asks": []}),
        venue.answer(1, "ok"),
        venue.answer(2, venue.MS),
        venue.answer(3, listed, usOut=venue.MS * 1000),
        venue.answer(4, ["instrument.state.any.any", f"ticker.{venue.OPTION}.100ms"]),
        venue.answer(5, {"trades": [venue.trade_data(seq=9)], "has_more": True}),
        venue.answer(6, venue.instrument_row()),
        venue.answer(None, [{"instrument_name": venue.OPTION, "mark_price": 0.05, "creation_timestamp": venue.MS}]),
        venue.answer(None, {"data": [{"date": "2023-11-14", "delivery_price": 36000.5}]}),
        venue.error(4, -32602),
        venue.error(None, -32600),
        venue.error(2, 10028),
        '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}',
    ]


def _nodes(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON tree."""
    found: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in items:
            found.append((node, key))
            stack.append(child)
    return found


def mutate_tree(rng: random.Random, frame: str, others: list[str]) -> str:
    """Change one to three places of the JSON tree."""
    try:
        tree = json.loads(frame)
    except (ValueError, RecursionError):
        return frame
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        nodes = _nodes(tree)
        if not nodes:
            break
        container, key = rng.choice(nodes)
        choice = rng.random()
        if choice < 0.5:
            container[key] = copy.deepcopy(rng.choice(ODD_VALUES))  # a shared one could come to hold itself
        elif choice < 0.6:
            del container[key]
        elif choice < 0.7:
            container[key] = [copy.deepcopy(container[key]) for _ in range(rng.randint(0, 3))]
        elif choice < 0.8 and isinstance(container, dict):
            container[rng.choice(["id", "method", "result", "error", "params", "data", "x"])] = copy.deepcopy(
                container[key]
            )
        elif choice < 0.9 and isinstance(container[key], int | float):
            container[key] = -container[key] * rng.choice([1, 10, 1e9])
        else:
            other_container, other_key = rng.choice(_nodes(json.loads(rng.choice(others))))
            container[key] = other_container[other_key]
    return json.dumps(tree)


def mutate_bytes(rng: random.Random, frame: str, others: list[str]) -> bytes:
    """Flip, cut, repeat or splice bytes; the result need not be UTF-8."""
    data = bytearray(frame.encode())
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        choice = rng.random()
        if choice < 0.4 and at < len(data):
            data[at] = rng.randrange(256)
        elif choice < 0.6:
            del data[at : at + rng.randint(1, 40)]
        elif choice < 0.75:
            data[at:at] = rng.choice(ODD_TEXT).encode("utf-8", "surrogatepass")
        elif choice < 0.85:
            data[at:at] = data[at : at + 60] * 3
        else:
            other = rng.choice(others).encode()
            data = data[:at] + other[rng.randrange(len(other)) :]
        if not data:
            break
    return bytes(data)


def run(n: int, seed: int = 0, frames: list[str] | None = None) -> Counter[str]:
    """Feed n mutated frames to sessions (a new connection every 5 000) and count the events by type.

    Raises what the session raises; and AssertionError when a frame leads to no event at all, or a container grows past its limit.
    """
    rng = random.Random(seed)
    sources = seeds() + (frames or [])
    counts: Counter[str] = Counter()
    settings = SessionSettings(currencies=("BTC", "ETH"), max_instruments=2_000, max_queued=1_000, credits_burst=10**9)
    session = Session(settings)
    now_ns = venue.NS
    for i in range(n):
        now_ns += 1_000_000
        if i % 5_000 == 0:
            session.disconnected(now_ns, "next")
            session.connected(now_ns)
        source = rng.choice(sources)
        frame = mutate_tree(rng, source, sources) if rng.random() < 0.6 else mutate_bytes(rng, source, sources)
        events, sent = session.receive(frame, now_ns)
        if i % 10 == 0:
            sent += session.tick(now_ns)
        assert events, f"frame {i} of seed {seed} is counted nowhere: {frame!r:.300}"
        assert all(len(event.payload) <= 64 * 1024 for event in events if isinstance(event, ev.Unreadable))
        assert len(session.instruments) <= settings.max_instruments
        counts.update(type(event).__name__ for event in events)
        counts["frames"] += 1
        counts["sent"] += len(sent)
    return counts


def main(arguments: list[str]) -> None:
    """Fuzz: number of frames, then recordings to take more seeds from."""
    from streams.deribit.recording import read

    n = int(arguments[0]) if arguments else 100_000
    recorded = read(*map(Path, arguments[1:])) if arguments[1:] else ()
    frames = [frame.text for frame in recorded if frame.direction == "in" and len(frame.text) < 20_000]
    tracemalloc.start()
    run(20_000, seed=1, frames=frames)  # caches are filled
    before = tracemalloc.get_traced_memory()[0]
    run(20_000, seed=2, frames=frames)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    started = time.perf_counter()
    counts = run(n, seed=3, frames=frames)
    seconds = time.perf_counter() - started
    print(json.dumps({"frames": n, "seconds": round(seconds, 1), "grown_bytes": grown, "counts": dict(counts)}))


if __name__ == "__main__":
    main(sys.argv[1:])
