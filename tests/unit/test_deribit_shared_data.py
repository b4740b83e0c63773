"""The recorded data of the venue, read in place: nothing lost, nothing changed but units."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from schemas import OptionQuote
from streams.deribit import events as ev
from streams.deribit.inspection import Inspection
from streams.deribit.recording import Decoder, read

N_ROWS = 3_000


def inspected(path: Path) -> dict[str, Any]:
    inspection = Inspection()
    for frame in read(path):
        inspection.add(frame)
    return inspection.summary()


def rows_of(path: Path, start: int = 0) -> list[dict[str, Any]]:
    """Rows by a reader of its own: the zstandard package and json."""
    with path.open("rb") as file:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file))
        return [json.loads(line) for line in itertools.islice(text, start, start + N_ROWS)]


# --- ws-raw: every line counted against a scan of the text ---


@pytest.fixture(scope="module")
def raw(shared: Path) -> Path:
    return shared / "data" / "deribit" / "ws-raw"


def test_raw_frames_are_read_without_loss(raw):
    (path,) = raw.glob("*.ws.*.txt")
    lines = path.read_text().splitlines()
    sent = [line for line in lines if " <- " in line[:60]]
    received = [line for line in lines if line[:10].isdigit()]
    n_by_channel = Counter(line.split('"channel":"')[1].split(".")[0] for line in received if '"channel":"' in line)
    summary = inspected(path)
    assert summary["frames"] == len(sent) + len(received) > 100
    assert summary["records"] == {"OptionQuote": n_by_channel["ticker"]}
    assert summary["ignored"] == {"book.*": n_by_channel["book"], "outgoing": len(sent), "subscribe answer": 1}
    assert summary["unreadable"] == 0
    assert set(n_by_channel) == {"ticker", "book"}
    times = [float(line.split(":")[0]) for line in received]
    assert abs(summary["first"] / 1e9 - min(times)) < 1e-6
    assert abs(summary["last"] / 1e9 - max(times)) < 1e-6


def http_rows(path: Path) -> list[dict[str, Any]]:
    lines = [line for line in path.read_text().splitlines() if line.startswith("https://")]
    return [row for line in lines for row in json.loads(line.split(": ", 1)[1])["result"]]


def test_raw_http_answers_are_contracts(raw):
    (path,) = raw.glob("*.http.*.txt")
    rows = http_rows(path)
    kinds = Counter(row["kind"] for row in rows)
    summary = inspected(path)
    assert summary["records"] == {"InstrumentState": kinds["option"] + kinds["future"]}
    assert summary["records"]["InstrumentState"] == len(rows) > 1_000
    assert summary["unreadable"] == 0


def test_raw_contracts_of_2021_are_completed_from_their_names(raw):
    (path,) = raw.glob("*.http.*.txt")
    decoder = Decoder()
    states = {s.instrument_name: s for frame in read(path) for s in decoder.events(frame)[0].instruments}
    rows = http_rows(path)
    for row in rows:
        state = states[row["instrument_name"]]
        assert state.contract_size == row["contract_size"]
        assert state.tick_size == row["tick_size"]
        assert state.price_index == row.get("price_index", f"{row['base_currency'].lower()}_usd")
        assert state.settlement_currency == row.get("settlement_currency", row["base_currency"])
        assert state.strike == row.get("strike")
        if row["settlement_period"] == "perpetual":
            assert state.expiry_ns is None
        else:
            assert state.expiry_ns == row["expiration_timestamp"] * 1_000_000


# --- ws-messages: every kind named ---


def test_every_message_kind_is_handled_or_counted_by_its_kind(shared):
    folder = shared / "data" / "deribit" / "ws-messages"
    said = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json":
            (frame,) = read(path)
            said[path.stem] = [
                event.kind if isinstance(event, ev.Ignored) else type(event).__name__
                for event in Decoder().events(frame)
            ]
    assert said == {
        "http_get_combos": ["get_combos answer"],
        "http_get_expirations_any": ["get_expirations answer"],
        "http_get_expirations_btc_option": ["get_expirations answer"],
        "http_get_instrument": ["InstrumentState"],
        "http_get_instruments": ["InstrumentList"],
        "http_get_instruments_future_combo": ["InstrumentList"],
        "http_get_instruments_option_combo": ["InstrumentList"],
        "http_get_last_trades": ["TradePage", "trades.future"],
        "http_get_last_trades_future_combo": ["TradePage", "trades.combo"],
        "http_get_last_trades_option_combo": ["TradePage", "trades.combo"],
        "http_get_last_trades_perpetual_with_combo_tags": ["TradePage", "trades.future"],
        "http_get_order_book": ["FutureTicker"],
        "ws_book_grouped_snapshot": ["book.*"],
        "ws_chart": ["chart.trades.*"],
        "ws_quote": ["quote.*"],
        "ws_test_request": ["test_request"],
        "ws_ticker": ["FutureTicker"],
        "ws_trades": ["trades.future"],
        "ws_trades_option_combo": ["trades.combo"],
    }


def test_the_mixed_messages_are_all_counted(shared):
    summary = inspected(shared / "data" / "deribit" / "ws-messages" / "crypto-msg-parser.jsonl")
    assert summary["frames"] == 26
    assert summary["ignored"] == {"book.*": 8, "chart.trades.*": 3, "quote.*": 2, "trades.future": 2}
    assert summary["records"] == {"BookSummary": 5, "FutureTicker": 4, "OptionQuote": 2, "OptionTrade": 1}
    assert summary["unreadable"] == 0


# --- the chains ---

PLAIN_FIELDS = {
    "mark": "mark_price",
    "last": "last_price",
    "underlying_price": "underlying_price",
    "underlying_index": "underlying_index",
    "index_price": "index_price",
    "interest_rate": "interest_rate",
    "open_interest": "open_interest",
    "min_price": "min_price",
    "max_price": "max_price",
    "settlement_price": "settlement_price",
    "estimated_delivery_price": "estimated_delivery_price",
}
STATS = {"volume_24h": "volume", "high_24h": "high", "low_24h": "low", "price_change_24h_pct": "price_change"}


def check_row(row: dict[str, Any], quote: OptionQuote) -> None:
    """The quote against the source's row, field by field, in the words of DEFINITIONS: 0.0 and IV 0 is no bid, IV 999 no ask IV."""
    assert quote.instrument_name == row["instrument_name"]
    assert quote.ts_event_ns == row["timestamp"] * 1_000_000
    for ours, theirs in PLAIN_FIELDS.items():
        assert getattr(quote, ours) == row[theirs], ours
    for ours, theirs in STATS.items():
        assert getattr(quote, ours) == row["stats"][theirs], ours
    for greek in ("delta", "gamma", "vega", "theta", "rho"):
        assert getattr(quote, f"venue_{greek}") == row["greeks"][greek]
    assert quote.mark_sigma == pytest.approx(row["mark_iv"] / 100, rel=1e-15)
    for side in ("bid", "ask"):
        price, size, iv = row[f"best_{side}_price"], row[f"best_{side}_amount"], row[f"{side}_iv"]
        assert getattr(quote, side) == (price if price > 0 else None)
        assert getattr(quote, f"{side}_size") == (size if price > 0 else None)
        wanted = iv / 100 if price > 0 and 0 < iv < 999 else None
        assert getattr(quote, f"{side}_sigma") == (wanted if wanted is None else pytest.approx(wanted, rel=1e-15))


@pytest.mark.parametrize("name", ["btc_2023-04-12", "btc_2023-04-13", "eth_2023-04-12", "eth_2023-04-13"])
def test_rows_of_a_chain_keep_every_field_and_the_index(shared, name):
    path = shared / "data" / "deribit" / "chain-2023-04" / f"{name}.jsonl.zst"
    rows = rows_of(path)
    decoder = Decoder()
    frames = itertools.islice(read(path), 3 * N_ROWS)
    events = [event for frame in frames for event in decoder.events(frame)]
    quotes = [event for event in events if isinstance(event, OptionQuote)]
    for row, quote in zip(rows, quotes, strict=False):
        check_row(row, quote)
    assert len(quotes) >= N_ROWS
    changes = [rows[0]["index_price"]] + [
        b["index_price"] for a, b in itertools.pairwise(rows) if a["index_price"] != b["index_price"]
    ]
    prices = [event.price for event in events if isinstance(event, ev.IndexPrice)]
    assert prices[: len(changes)] == changes


def test_the_settlement_window_brings_the_venues_estimate(shared):
    """13 April, 07:50 to 08:00: the estimates are those of the rows whose estimate is not the index, and of no others."""
    path = shared / "data" / "deribit" / "chain-2023-04" / "eth_2023-04-13.jsonl.zst"
    since, until = 1_681_372_200_000_000_000, 1_681_372_800_000_000_000
    decoder = Decoder()
    estimates, newest = [], None
    n_differing = 0
    for frame in read(path, since_ns=since, until_ns=until):
        for event in decoder.events(frame):
            if isinstance(event, ev.DeliveryEstimate):
                estimates.append(event.price)
                newest = event
            elif isinstance(event, OptionQuote) and event.estimated_delivery_price != event.index_price:
                assert newest is not None
                assert newest.price == event.estimated_delivery_price
                assert newest.is_estimated
                assert 0.0 <= newest.seconds_left <= 600.0
                assert event.instrument_name.startswith("ETH-13APR23-")
                n_differing += 1
    assert len(estimates) == n_differing > 0
