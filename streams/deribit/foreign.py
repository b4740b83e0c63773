"""Recordings of other tools, read as frames: raw websocket text, order-book rows of a whole chain, and plain messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from streams.deribit.fields import parsed_name
from streams.deribit.frames import Frame, RecordingError, lines

Progress = Callable[[int], None] | None
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

# "wss://host/path <-> T" opens, "wss://host/path <- T: json" is ours, "https://.. -> T: json" an HTTP answer, "T: json" the venue's.
_MARKED = re.compile(
    r"(?P<url>(?:wss?|https?)://\S+) (?P<arrow><->|<-|->) (?P<time>\d+(?:\.\d+)?)(?:: (?P<text>.*))?", re.S
)
_PLAIN = re.compile(r"(?P<time>\d+(?:\.\d+)?): (?P<text>.*)", re.S)
_NOT_A_FRAME = "configuration: "  # the recorder's own settings, last line of a file
_TIMESTAMP = re.compile(rb'"timestamp": ?(\d{13})[,}]')


def ns_from_seconds(text: str) -> int:
    """Seconds written as decimal digits, as whole ns; no float in between, which would lose half a microsecond."""
    whole, _, fraction = text.partition(".")
    return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, "0"))


def read_raw_text(path: Path, on_progress: Progress = None) -> Iterator[Frame]:
    """Raw websocket text, a line a frame.  A line of no known form comes as a frame of the venue, to be counted as unreadable."""
    last_ns = 0
    for line, n_read in lines(path):
        if on_progress is not None:
            on_progress(n_read)
        text = line.decode("utf-8", "backslashreplace")
        if not text or text.startswith(_NOT_A_FRAME):
            continue
        if plain := _PLAIN.fullmatch(text):
            last_ns = ns_from_seconds(plain["time"])
            yield Frame(last_ns, "in", plain["text"])
        elif marked := _MARKED.fullmatch(text):
            last_ns = ns_from_seconds(marked["time"])
            yield _marked(marked, last_ns)
        else:
            yield Frame(last_ns, "in", text)


def _marked(found: re.Match[str], recv_ns: int) -> Frame:
    text = found["text"] or ""
    if found["arrow"] == "<->":
        return Frame(recv_ns, "open", found["url"])
    if found["arrow"] == "<-":
        return Frame(recv_ns, "out", text)
    return Frame(recv_ns, "http", f"{found['url']} {text}")


def read_messages(path: Path, on_progress: Progress = None) -> Iterator[Frame]:
    """Messages without receive times: one JSON text a file (.json) or a line (.jsonl).  recv_ns is 0."""
    if path.suffix == ".json":
        yield Frame(0, "in", path.read_text(encoding="utf-8", errors="backslashreplace"))
        return
    for line, n_read in lines(path):
        if on_progress is not None:
            on_progress(n_read)
        if line:
            yield Frame(0, "in", line.decode("utf-8", "backslashreplace"))


def is_order_book_row(line: bytes) -> bool:
    """Whether a line is a result of get_order_book, as in the recorded chains."""
    return line.startswith(b"{") and b'"instrument_name"' in line and b'"bids"' in line and b'"jsonrpc"' not in line


def read_chain(path: Path, on_progress: Progress = None, since_ns: int = 0) -> Iterator[Frame]:
    """Order-book rows of a chain as the frames that the venue would have sent, in the rows' order.

    A row becomes its ``ticker.{i}.100ms`` (without the book); before it, ``deribit_price_index.{x}`` when the row's index price is
    not the last one's, and ``estimated_expiration_price.{x}`` when the row's estimate is not its index price, which is so in
    the settlement window of the expiring series only.  Receive times are the rows' own times: nothing else is known.
    """
    index_by_name: dict[str, float] = {}
    since_ms = since_ns // NS_PER_MS
    for number, (line, n_read) in enumerate(lines(path), 1):
        if on_progress is not None:
            on_progress(n_read)
        if since_ms and (found := _TIMESTAMP.search(line)) and int(found[1]) < since_ms:
            continue
        if line:
            yield from _frames_of_row(_row(path, number, line), index_by_name)


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row: dict[str, Any] = orjson.loads(line)
        if type(row["timestamp"]) is int and type(row["instrument_name"]) is str:
            return row
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    raise RecordingError(f"{path}: line {number} is no order-book row: {line[:80]!r}")


def _frames_of_row(row: dict[str, Any], index_by_name: dict[str, float]) -> Iterator[Frame]:
    ms, name = row["timestamp"], row["instrument_name"]
    recv_ns = ms * NS_PER_MS
    named = parsed_name(name)
    index_price, estimate = row.get("index_price"), row.get("estimated_delivery_price")
    if named is not None and index_price is not None:
        index = named.price_index
        if index_by_name.get(index) != index_price:
            index_by_name[index] = index_price
            data = {"timestamp": ms, "price": index_price, "index_name": index}
            yield Frame(recv_ns, "in", _notification(f"deribit_price_index.{index}", data))
        if estimate is not None and estimate != index_price:
            seconds = max(0, (named.expiry_ns or recv_ns) - recv_ns) // NS_PER_S
            data = {"seconds": seconds, "price": estimate, "is_estimated": True}
            yield Frame(recv_ns, "in", _notification(f"estimated_expiration_price.{index}", data))
    for field in ("bids", "asks", "change_id"):
        row.pop(field, None)
    yield Frame(recv_ns, "in", _notification(f"ticker.{name}.100ms", row))


def _notification(channel: str, data: dict[str, Any]) -> str:
    message = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    return orjson.dumps(message).decode()
