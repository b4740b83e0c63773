"""Latencies of a worker: ingest's wall time of a record to Kafka's confirmation of its results.

A report has the counts by bin as well as the percentiles: counts of several workers and seconds can be added, percentiles cannot.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

BINS_PER_E_FOLD = 40
"""A bin is exp(1/40) = 2.5 % wide: a percentile read from the bins is that exact."""


def bin_of(latency_ns: int) -> int:
    """Number of the bin; everything below a microsecond is in bin 0."""
    return max(0, math.ceil(BINS_PER_E_FOLD * math.log(max(latency_ns, 1) / 1e3)))


def percentile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """Upper edge, ms, of the bin in which this share of the results is reached; None without any."""
    wanted, seen = share * sum(counts.values()), 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= wanted:
            return math.exp(number / BINS_PER_E_FOLD) / 1e3
    return None


class Latencies:
    """Collected in the producer's thread, taken by the report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[int] = Counter()
        self._taken: Counter[int] = Counter()
        self._sum_ns = 0

    def add(self, latencies_ns: list[int]) -> None:
        with self._lock:
            self._counts.update(map(bin_of, latencies_ns))
            self._sum_ns += sum(latencies_ns)

    def take(self) -> dict[str, object]:
        """Median and 99th percentile, ms, and the counts by bin, of what came since the last call."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._taken.update(counts)
        p50, p99 = percentile_ms(counts, 0.5), percentile_ms(counts, 0.99)
        return {
            "latency_n": sum(counts.values()),
            "latency_ms_p50": None if p50 is None else round(p50, 2),
            "latency_ms_p99": None if p99 is None else round(p99, 2),
            "latency_bins": {str(number): n for number, n in sorted(counts.items())},
        }

    def so_far(self) -> tuple[Counter[int], float]:
        """Counts by bin and sum, seconds, of everything since the start."""
        with self._lock:
            return self._taken + self._counts, self._sum_ns / 1e9


def cumulative(counts: Mapping[int, int], edges_s: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """(upper edge in seconds, number at or below it), the infinite edge last.  A bin counts from its own upper edge on, so
    what lies less than a bin's width below an edge may be counted above it."""
    ordered = sorted(counts.items())
    out, i, seen = [], 0, 0
    for edge_s in edges_s:
        while i < len(ordered) and math.exp(ordered[i][0] / BINS_PER_E_FOLD) <= edge_s * 1e6:
            seen += ordered[i][1]
            i += 1
        out.append((edge_s, seen))
    return (*out, (math.inf, sum(counts.values())))
