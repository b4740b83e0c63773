"""Channel names: which there are, and which of them a trade or an instrument goes to."""

from __future__ import annotations

from typing import NamedTuple

INTERVALS = ("raw", "100ms", "agg2")
KINDS = ("option", "future", "option_combo", "future_combo", "spot", "any")


class Channel(NamedTuple):
    """``ticker``: subject an instrument; ``trades``: an instrument, or kind and currency; ``state``: kind and currency;
    ``index``, ``estimate``, ``volatility``, ``marks``: a price index; ``quiet``: nothing is ever sent on it."""

    family: str
    subject: str
    currency: str = ""
    interval: str = ""


_BY_INDEX = {
    "deribit_price_index": "index",
    "estimated_expiration_price": "estimate",
    "deribit_volatility_index": "volatility",
}


def parse(channel: str) -> Channel | None:
    """The parts of a channel name, None when the venue has no such channel."""
    parts = channel.split(".")
    head = parts[0]
    if head in _BY_INDEX and len(parts) == 2:
        return Channel(_BY_INDEX[head], parts[1])
    if channel.startswith("markprice.options.") and len(parts) == 3:
        return Channel("marks", parts[2])
    if head == "ticker" and len(parts) == 3 and parts[2] in INTERVALS:
        return Channel("ticker", parts[1], interval=parts[2])
    if head == "quote" and len(parts) == 2:
        return Channel("quote", parts[1])
    if head == "trades" and len(parts) == 3 and parts[2] in INTERVALS:
        return Channel("trades", parts[1], interval=parts[2])
    if head == "trades" and len(parts) == 4 and parts[1] in KINDS and parts[3] in INTERVALS:
        return Channel("trades", parts[1], parts[2], parts[3])
    if channel.startswith("instrument.state.") and len(parts) == 4 and parts[2] in KINDS:
        return Channel("state", parts[2], parts[3])
    if channel in ("platform_state", "announcements"):
        return Channel("quiet", channel)
    return None


def trade_channels(instrument: str, kind: str, currency: str) -> list[str]:
    """Every channel on which a trade of this instrument is told."""
    heads = [f"trades.{instrument}"]
    heads += [f"trades.{k}.{c}" for k in (kind, "any") for c in (currency, "any")]
    return [f"{head}.{interval}" for head in heads for interval in INTERVALS]


def state_channels(kind: str, currency: str) -> list[str]:
    return [f"instrument.state.{k}.{c}" for k in (kind, "any") for c in (currency, "any")]
