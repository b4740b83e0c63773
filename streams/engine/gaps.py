"""What a feed gap does to the state: which quotes it makes stale, which trade holes it closes."""

from __future__ import annotations

from streams.engine import seqs
from streams.engine.state import State

ANY = ("any", "*", "all")


def apply_gap(state: State, channels: tuple[str, ...], to_ns: int) -> None:
    """Quotes of the channels from before ``to_ns`` are unseen; trade holes of the channels are closed.  No channels: all."""
    quotes = _Matcher("ticker", channels)
    for name, inst in state.instruments.items():
        if inst.quote is not None and inst.quote_ns < to_ns and quotes.takes(name):
            inst.is_unseen = True
    trades = _Matcher("trades", channels)
    for name, intervals in state.seqs.items():
        if trades.takes(name):
            seqs.close(intervals)


class _Matcher:
    """Which instruments the channels of one kind speak of: ``ticker.<name>.100ms``, ``trades.option.BTC.100ms``, ``markprice...``."""

    def __init__(self, kind: str, channels: tuple[str, ...]) -> None:
        words = [channel.split(".") for channel in channels if channel.split(".")[0] == kind]
        self.is_all = not channels or any(len(word) < 2 or word[1] in ANY for word in words)
        self.names = {word[1] for word in words if len(word) >= 2}
        # trades.{kind}.{currency}.{interval}; futures' trades say nothing about options.
        by_currency = [word[2] for word in words if len(word) >= 4 and word[1] in ("option", "any")]
        self.is_all |= any(currency in ANY for currency in by_currency)
        self.currencies = set(by_currency)

    def takes(self, name: str) -> bool:
        if self.is_all or name in self.names:
            return True
        if not self.currencies:
            return False
        # USDC contracts, BTC_USDC-..., trade on the channel of USDC.
        coin, _, settled_in = name.split("-", 1)[0].partition("_")
        return (settled_in or coin) in self.currencies
