"""What is in a recording: its instruments, indices and times, learnt by one pass over the frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from schemas import BadName
from schemas.names import parse
from streams.deribit.frames import Frame
from streams.deribit.recording import http_parts

from . import channels
from .listing import PERPETUAL_EXPIRY_MS

INFERRED_TICK = 0.0005
NS_PER_MS = 1_000_000


class Contents:
    """What a first pass over the frames found.  ``first_ns``, ``last_ns``: receive times (ns UTC) of the first and last."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}  # as public/get_instruments gives them
        self.n_inferred = 0
        self.has_state_changes = False
        self.indices: set[str] = set()
        self.first_ns = self.last_ns = 0
        self.n_frames = 0

    def add(self, frame: Frame) -> None:
        if frame.direction not in ("in", "http"):
            return
        if frame.recv_ns:
            self.first_ns = self.first_ns or frame.recv_ns
            self.last_ns = frame.recv_ns
        self.n_frames += 1
        text = http_parts(frame.text)[1] if frame.direction == "http" else frame.text
        channel = channel_of(text)
        if channel is None:
            self._learn(text)
        elif channel.startswith("ticker."):
            self._infer(channel.split(".")[1])
        elif channel.startswith("instrument.state."):
            self.has_state_changes = True
        elif (parts := channels.parse(channel)) is not None and parts.family in (
            "index",
            "estimate",
            "volatility",
            "marks",
        ):
            self.indices.add(parts.subject)

    def close(self) -> None:
        """Count what was made from names and gather the indices of the instruments."""
        self.n_inferred = sum(1 for record in self.records.values() if record.get("is_inferred"))
        self.indices |= {record["price_index"] for record in self.records.values() if record.get("price_index")}

    def _infer(self, name: str) -> None:
        if name not in self.records and (record := inferred_record(name)) is not None:
            self.records[name] = record

    def _learn(self, text: str) -> None:
        """Contract records from an answer to get_instruments, which are better than what a name says."""
        if '"tick_size"' not in text:
            return
        try:
            result = orjson.loads(text).get("result")
        except (orjson.JSONDecodeError, AttributeError):
            return
        for row in result if isinstance(result, list) else [result]:
            if isinstance(row, dict) and {"instrument_name", "tick_size", "expiration_timestamp"} <= row.keys():
                inferred = inferred_record(row["instrument_name"]) or {}
                self.records[row["instrument_name"]] = inferred | row | {"is_inferred": False}


def channel_of(text: str) -> str | None:
    """The channel of a notification, None for any other message; does not read the whole of a long one."""
    if '"subscription"' not in text[:400] and '"subscription"' not in text[-200:]:
        return None
    start = text.find('"channel":')
    if start < 0:
        return None
    first = text.find('"', start + 10) + 1
    return text[first : text.find('"', first)]


def inferred_record(name: str) -> dict[str, Any] | None:
    """A contract record made from a name alone (tick 0.0005 coin, contract size 1); None for names that say too little."""
    try:
        parsed = parse(name)
    except BadName:
        return None
    if parsed.kind is None or parsed.is_combo:
        return None
    is_option = parsed.option_type is not None
    is_inverse = parsed.payoff.name == "INVERSE"
    expiry_ms = PERPETUAL_EXPIRY_MS if parsed.expiry_ns is None else parsed.expiry_ns // NS_PER_MS
    record: dict[str, Any] = {
        "instrument_name": name,
        "kind": "option" if is_option else "future",
        "price_index": parsed.price_index,
        "base_currency": parsed.base_currency,
        "quote_currency": parsed.quote_currency,
        "counter_currency": "USD" if is_inverse else parsed.quote_currency,
        "settlement_currency": parsed.settlement_currency,
        "settlement_period": "perpetual" if parsed.expiry_ns is None else "month",
        "instrument_type": "reversed" if is_inverse else "linear",
        "expiration_timestamp": expiry_ms,
        "creation_timestamp": None,  # nobody knows, and 1970 is refused
        "is_active": True,
        "state": "open",
        "tick_size": INFERRED_TICK if is_option and is_inverse else 0.5,
        "tick_size_steps": [],
        "contract_size": 1.0 if is_option else 10.0,
        "min_trade_amount": 0.1 if is_option else 10.0,
        "is_inferred": True,
    }
    if parsed.option_type is not None:
        record |= {"option_type": parsed.option_type.name.lower(), "strike": parsed.strike}
    return record


def scan(frames: Iterator[Frame]) -> Contents:
    contents = Contents()
    for frame in frames:
        contents.add(frame)
    contents.close()
    return contents
