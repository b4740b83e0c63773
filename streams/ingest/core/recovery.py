"""What happens around an outage, in order: backfilled trades, FeedGap, snapshot, InstrumentSet (rules 1 and 6)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from schemas import FeedGap
from streams.deribit.events import TradePage
from streams.ingest.core.messages import (
    NS_PER_MS,
    NS_PER_S,
    CoreSettings,
    Counts,
    Outcome,
    TradesBySequence,
    TradesByTime,
)
from streams.ingest.core.trades import Ledger

PAGE = 1_000
MAX_PAGES = 2_000
"""Bound on one currency's backfill: two million trades."""
OVERLOOK_MS = 60_000
MAX_ATTEMPTS = 4
"""A request for trades that the venue refuses or leaves unanswered is asked again after 1, 2 and 4 s; then its trades count as missing."""


class Stage(IntEnum):
    """Where the recovery of a connection stands."""

    CONNECTING = 0
    BY_TIME = 1
    BY_SEQUENCE = 2
    REQUOTING = 3
    SNAPSHOT = 4
    DONE = 5


class Backfill:
    """Trades asked for and not yet answered; each request is its own token."""

    def __init__(self, settings: CoreSettings, ledger: Ledger, counts: Counts) -> None:
        self._settings, self._ledger, self._counts = settings, ledger, counts
        self._by_time: dict[TradesByTime, int] = {}
        self._holes: dict[tuple[str, int, int], int] = {}
        """Hole -> the first number not yet answered."""
        self._failures: dict[TradesByTime | TradesBySequence, int] = {}
        self._again: list[tuple[int, TradesByTime | TradesBySequence]] = []
        """(not before ns, request): what failed and is asked again."""
        self.n_recovered = self.n_missing = 0

    @property
    def is_idle(self) -> bool:
        return not self._by_time and not self._holes

    @property
    def is_timed(self) -> bool:
        """Whether requests by time are still out."""
        return bool(self._by_time)

    def reset(self) -> None:
        """The connection is gone and its requests with it."""
        self._by_time.clear()
        self._holes.clear()
        self._failures.clear()
        self._again.clear()

    def due(self, now_ns: int) -> list[Outcome]:
        """Requests that failed and are to be asked again by now."""
        if not self._again:
            return []
        requests: list[Outcome] = [request for at_ns, request in self._again if at_ns <= now_ns]
        self._again = [(at_ns, request) for at_ns, request in self._again if at_ns > now_ns]
        return requests

    def ask_by_time(self, currencies: Iterable[str], from_ns: int, to_ns: int) -> list[Outcome]:
        """Ask for every option trade of these currencies in a span of time."""
        requests: list[Outcome] = []
        for currency in currencies:
            request = TradesByTime(currency, "option", from_ns // NS_PER_MS, to_ns // NS_PER_MS + OVERLOOK_MS)
            self._by_time[request] = 1
            requests.append(request)
        return requests

    def ask_holes(self) -> list[Outcome]:
        """Ask for every hole that is not asked for yet; of a very wide one only the newest part, the rest is given up."""
        requests: list[Outcome] = []
        for name, first, last in self._ledger.holes():
            if last - first >= self._settings.max_hole:
                self._give_up(name, first, last - self._settings.max_hole)
                first = last - self._settings.max_hole + 1
            requests += self._ask_hole(name, first, last)
        return requests

    def _ask_hole(self, name: str, first: int, last: int) -> list[Outcome]:
        if (name, first, last) in self._holes:
            return []
        self._holes[(name, first, last)] = first
        return [TradesBySequence(name, first, min(last, first + PAGE - 1))]

    def _give_up(self, name: str, first: int, last: int) -> None:
        n_missing = self._ledger.n_missing(name, first, last)
        self._ledger.close(name, first, last)
        self.n_missing += n_missing
        self._counts.trade_seq_missing += n_missing

    def answer(self, request: object, page: TradePage | None, now_ns: int) -> list[Outcome]:
        """A request is answered (its trades are already in the ledger) or has failed (None): what to ask next.

        One failure gives nothing up: trades that the venue still has are not lost because it was busy once.
        """
        if not isinstance(request, TradesByTime | TradesBySequence) or not self._is_waiting_for(request):
            return []
        if page is None and self._asks_again(request, now_ns):
            return []
        self._failures.pop(request, None)
        if isinstance(request, TradesByTime):
            return self._answer_by_time(request, page)
        return self._answer_hole(request, page)

    def _is_waiting_for(self, request: TradesByTime | TradesBySequence) -> bool:
        if isinstance(request, TradesByTime):
            return request in self._by_time
        return any(hole[0] == request.instrument_name and first == request.first for hole, first in self._holes.items())

    def _asks_again(self, request: TradesByTime | TradesBySequence, now_ns: int) -> bool:
        n_failures = self._failures.get(request, 0) + 1
        if n_failures >= MAX_ATTEMPTS:
            return False
        self._failures[request] = n_failures
        self._again.append((now_ns + NS_PER_S * 2 ** (n_failures - 1), request))
        return True

    def _answer_by_time(self, request: TradesByTime, page: TradePage | None) -> list[Outcome]:
        n_pages = self._by_time.pop(request, None)
        if n_pages is None or page is None or not page.has_more or not page.trades or n_pages >= MAX_PAGES:
            return []
        # Oldest first; the last millisecond may have been cut in the middle, so it is asked for again.
        start_ms = max(trade.ts_event_ns for trade in page.trades) // NS_PER_MS
        start_ms = max(start_ms, request.start_ms + 1)
        if start_ms > request.end_ms:
            return []
        further = request._replace(start_ms=start_ms)
        self._by_time[further] = n_pages + 1
        return [further]

    def _answer_hole(self, request: TradesBySequence, page: TradePage | None) -> list[Outcome]:
        name = request.instrument_name
        for hole, next_first in list(self._holes.items()):
            if hole[0] != name or next_first != request.first:
                continue
            if page is not None and request.last < hole[2]:
                self._holes[hole] = request.last + 1
                return [TradesBySequence(name, request.last + 1, min(hole[2], request.last + PAGE))]
            del self._holes[hole]
            self._give_up(name, hole[1], hole[2])
        return []

    def give_up_all(self) -> None:
        """Time is over: what has not come counts as missing."""
        for name, first, last in [*self._holes, *self._ledger.holes()]:
            self._give_up(name, first, last)
        self.reset()

    def take_counts(self) -> tuple[int, int]:
        """(recovered, missing) since the last FeedGap."""
        counts = self.n_recovered, self.n_missing
        self.n_recovered = self.n_missing = 0
        return counts


def families(channels: Iterable[str]) -> tuple[str, ...]:
    """``ticker.*`` for two thousand tickers: a FeedGap goes to sixteen partitions."""
    return tuple(sorted({channel.split(".", 1)[0] + ".*" for channel in channels}))


ALL_FAMILIES = ("deribit_price_index.*", "estimated_expiration_price.*", "instrument.*", "ticker.*", "trades.*")


def feed_gap(ts_ns: int, channels: tuple[str, ...], from_ns: int, to_ns: int, counts: tuple[int, int]) -> FeedGap:
    """The record of an outage; epoch and seq are the writer's."""
    return FeedGap(ts_ns, 0, 0, channels, from_ns, max(from_ns, to_ns), counts[0], counts[1])


def deadline_ns(now_ns: int, seconds: float) -> int:
    return now_ns + int(seconds * NS_PER_S)
