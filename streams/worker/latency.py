"""Latencies of a worker: ingest's wall time of a record to Kafka's confirmation of its results."""

from __future__ import annotations

import threading

MAX_KEPT = 200_000


class Latencies:
    """Collected in the producer's thread, taken by the report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[int] = []

    def add(self, latencies_ns: list[int]) -> None:
        with self._lock:
            if len(self._kept) < MAX_KEPT:
                self._kept += latencies_ns

    def take(self) -> dict[str, float | int | None]:
        """Median and 99th percentile, ms, of what came since the last call; None when nothing did."""
        with self._lock:
            kept, self._kept = sorted(self._kept), []
        if not kept:
            return {"latency_n": 0, "latency_ms_p50": None, "latency_ms_p99": None}
        return {
            "latency_n": len(kept),
            "latency_ms_p50": round(kept[len(kept) // 2] / 1e6, 3),
            "latency_ms_p99": round(kept[min(len(kept) - 1, len(kept) * 99 // 100)] / 1e6, 3),
        }
