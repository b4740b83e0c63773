"""The venue's memory of trades, with the queries of ``public/get_last_trades_by_*``."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

MAX_COUNT, DEFAULT_COUNT = 1000, 10
KEPT_PER_INSTRUMENT, KEPT_PER_KIND = 5_000, 50_000  # up to twice as many are held before the oldest go


class Tape:
    """Trades as published, by instrument and by currency and kind, oldest first; bounded."""

    def __init__(self, kept: int = KEPT_PER_INSTRUMENT, kept_per_kind: int = KEPT_PER_KIND) -> None:
        self._kept, self._kept_per_kind = kept, kept_per_kind
        self._by_instrument: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._by_currency: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)

    def add(self, trade: dict[str, Any], kind: str, currency: str) -> None:
        for trades, kept in (
            (self._by_instrument[trade["instrument_name"]], self._kept),
            (self._by_currency[(currency, kind)], self._kept_per_kind),
        ):
            trades.append(trade)
            if len(trades) > 2 * kept:
                del trades[:kept]

    def instruments(self) -> set[str]:
        return set(self._by_instrument)

    def by_instrument(
        self,
        name: str,
        *,
        start_seq: int | None = None,
        end_seq: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        count: int = DEFAULT_COUNT,
        sorting: str = "default",
    ) -> dict[str, Any]:
        """A page of an instrument's trades.  From the first of a range when it has a start, else from its last."""
        trades = [
            t
            for t in self._by_instrument.get(name, ())
            if (start_seq is None or t["trade_seq"] >= start_seq)
            and (end_seq is None or t["trade_seq"] <= end_seq)
            and _in_time(t, start_ms, end_ms)
        ]
        return _page(trades, count, sorting, from_start=start_seq is not None or start_ms is not None)

    def by_currency(
        self,
        currency: str,
        kind: str | None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        start_id: str | None = None,
        end_id: str | None = None,
        count: int = DEFAULT_COUNT,
        sorting: str = "default",
    ) -> dict[str, Any]:
        """A page of a currency's trades (kind ``any`` or None: all); ids are compared by their number."""
        trades: list[dict[str, Any]] = []
        for (of_currency, of_kind), kept in self._by_currency.items():
            if of_currency != currency or not (
                kind in (None, "any", of_kind) or (kind == "combo" and "combo" in of_kind)
            ):
                continue
            first = 0 if start_ms is None else bisect_left(kept, start_ms, key=lambda t: t["timestamp"])
            for i in range(first, len(kept)):
                trade = kept[i]
                if end_ms is not None and trade["timestamp"] > end_ms:
                    break
                if _in_ids(trade, start_id, end_id):
                    trades.append(trade)
        trades.sort(key=lambda t: (t["timestamp"], id_number(t["trade_id"])))
        return _page(trades, count, sorting, from_start=start_ms is not None or start_id is not None)


def id_number(trade_id: str) -> int:
    """The number in a trade id: "ETH-284830839" is 284830839."""
    digits = trade_id.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0


def _in_time(trade: dict[str, Any], start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or trade["timestamp"] >= start_ms) and (end_ms is None or trade["timestamp"] <= end_ms)


def _in_ids(trade: dict[str, Any], start_id: str | None, end_id: str | None) -> bool:
    number = id_number(trade["trade_id"])
    return (start_id is None or number >= id_number(start_id)) and (end_id is None or number <= id_number(end_id))


def _page(trades: list[dict[str, Any]], count: int, sorting: str, *, from_start: bool) -> dict[str, Any]:
    """Oldest first when the range has a start (or ``asc``), newest first otherwise (or ``desc``), as the venue does."""
    if sorting == "default":
        sorting = "asc" if from_start else "desc"
    ordered = trades if sorting == "asc" else trades[::-1]
    return {"trades": ordered[:count], "has_more": len(ordered) > count}
