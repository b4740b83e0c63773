"""The truth that the wire does not tell: the dealer's book, second by second, as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import orjson

from .listing import NS
from .market import Updates, dealer_book
from .state import MarketState

FULL_EVERY_S = 60


class TruthFile:
    """One line a second: ``{"ts_ms", "full", "positions", "trades"}``.

    ``positions``: the dealer's net by instrument, in the venue's amount unit (coin for options, USD for inverse futures);
    all of them when ``full`` (the first line and every minute), else those that changed, 0 for one that is gone.
    ``trades``: [trade_id, instrument, signed change of the dealer's position], 0 for a trade between customers.
    """

    def __init__(self, path: Path | str) -> None:
        self._file: IO[bytes] = open(path, "wb")  # noqa: SIM115 - closed by close()
        self._last: dict[str, float] = {}
        self._trades: list[tuple[str, str, float]] = []
        self._n_lines = 0

    def start(self, state: MarketState) -> None:
        """The book before the first trade."""
        self._write(state)

    def __call__(self, state: MarketState, updates: Updates) -> None:
        self._trades += [
            (t.data["trade_id"], t.data["instrument_name"], t.dealer_amount)
            for t in updates.trades
            if t.kind != "option_combo"
        ]
        if updates.now_ns % NS == 0:
            self._write(state)

    def close(self) -> None:
        self._file.close()

    def _write(self, state: MarketState) -> None:
        book = dealer_book(state)
        is_full = self._n_lines % FULL_EVERY_S == 0
        changed = {name: held for name, held in book.items() if self._last.get(name) != held}
        changed |= {name: 0.0 for name in self._last if name not in book}
        line: dict[str, Any] = {
            "ts_ms": state.now_ns // 1_000_000,
            "full": is_full,
            "positions": book if is_full else changed,
            "trades": self._trades,
        }
        self._file.write(orjson.dumps(line) + b"\n")
        self._file.flush()
        self._last, self._trades = book, []
        self._n_lines += 1
