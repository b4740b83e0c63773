"""Requests on their way: queued, paced by credits, in flight, answered, overdue.  Every container is bounded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

from streams.deribit.answers import Asked
from streams.deribit.pacing import NS_PER_S, Credits


@dataclass
class Query:
    """One request.  ``is_own``: asked by the session for itself, so that it retries instead of telling a caller."""

    asked: Asked
    params: dict[str, Any]
    cost: int
    is_own: bool = False
    n_attempts: int = 0
    channels: tuple[str, ...] = ()
    sent_ns: int = field(default=0, compare=False)


class Requests:
    """The queue and the requests in flight of one connection.  Ids rise over all connections, so a late answer finds nobody."""

    def __init__(self, credits: Credits, *, max_pending: int, max_queued: int, timeout_s: float) -> None:
        self._credits = credits
        self._max_pending, self._max_queued = max_pending, max_queued
        self._timeout_ns = int(timeout_s * NS_PER_S)
        self._queue: deque[Query] = deque()
        self._later: list[tuple[int, Query]] = []  # (not before ns, query): retries
        self._in_flight: dict[int, Query] = {}
        self._last_id = 0

    def put(self, query: Query) -> bool:
        """Queue a request; False when the queue is full."""
        if len(self._queue) + len(self._later) >= self._max_queued:
            return False
        self._queue.append(query)
        return True

    def put_later(self, query: Query, not_before_ns: int) -> bool:
        """Queue a request for a later time (a retry); False when the queue is full."""
        if len(self._queue) + len(self._later) >= self._max_queued:
            return False
        self._later.append((not_before_ns, query))
        return True

    def send_now(self, method: str, params: dict[str, Any], cost: int, now_ns: int) -> str:
        """A frame that must not wait and whose answer nobody waits for."""
        self._credits.force(cost, now_ns)
        self._last_id += 1
        return _frame(self._last_id, method, params)

    def due(self, now_ns: int) -> list[str]:
        """The frames that credits and the limit in flight allow now."""
        ready = [query for at_ns, query in self._later if at_ns <= now_ns]
        if ready:
            self._later = [(at_ns, query) for at_ns, query in self._later if at_ns > now_ns]
            self._queue.extend(ready)
        frames: list[str] = []
        while self._queue and len(self._in_flight) < self._max_pending:
            if not self._credits.take(self._queue[0].cost, now_ns):
                break
            query = self._queue.popleft()
            query.sent_ns = now_ns
            query.n_attempts += 1
            self._last_id += 1
            self._in_flight[self._last_id] = query
            frames.append(_frame(self._last_id, query.asked.method, query.params))
        return frames

    def answered(self, request_id: int | None) -> Query | None:
        """The request that this answer belongs to, no longer in flight; None for an answer that nobody waits for."""
        return None if request_id is None else self._in_flight.pop(request_id, None)

    def oldest(self, method: str) -> Query | None:
        """The oldest request of a method in flight, taken out: who an error without an id must be about."""
        for request_id, query in self._in_flight.items():
            if query.asked.method == method:
                return self._in_flight.pop(request_id)
        return None

    def overdue(self, now_ns: int) -> list[Query]:
        """Requests that have waited too long for their answer, taken out."""
        late = [i for i, query in self._in_flight.items() if now_ns - query.sent_ns >= self._timeout_ns]
        return [self._in_flight.pop(i) for i in late]

    def clear(self) -> list[Query]:
        """Everything queued and in flight, taken out: the connection is gone."""
        lost = [*self._in_flight.values(), *self._queue, *(query for _, query in self._later)]
        self._in_flight.clear()
        self._queue.clear()
        self._later.clear()
        return lost

    def is_asking(self, method: str) -> bool:
        """Whether a request of this method waits to be sent or answered."""
        queries = [*self._in_flight.values(), *self._queue, *(query for _, query in self._later)]
        return any(query.asked.method == method for query in queries)

    def next_ns(self) -> int:
        """When there will be something to send or to give up, ns UTC; a far future when there is nothing."""
        times = [at_ns for at_ns, _ in self._later]
        times += [query.sent_ns + self._timeout_ns for query in self._in_flight.values()]
        if self._queue and len(self._in_flight) < self._max_pending:
            times.append(self._credits.ready_ns(self._queue[0].cost))
        return min(times, default=FAR_FUTURE_NS)


FAR_FUTURE_NS = 2**62


def _frame(request_id: int, method: str, params: dict[str, Any]) -> str:
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).decode()
