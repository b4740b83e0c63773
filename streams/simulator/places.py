"""When within a step of the market each instrument's ticker goes out.

The venue says of its feeds that each instrument has a stream of its own, and that timing between instruments is asynchronous
(docs.deribit.com, "Market data collection: best practices").  So a conflated channel fires at its own moment of the 100 ms;
all of them at once would be a burst of a hundred tickers ten times a second, which no venue sends and every queue feels.
"""

from __future__ import annotations

import zlib

from .market import Updates

MOST = 10
LEAST_S = 0.01
"""Parts closer to each other would cost more turns of the loop than they are worth."""


def n_places(interval_s: float) -> int:
    """Parts of a step of so many seconds: ten of 10 ms at the venue's pace, fewer where the market runs faster than time."""
    return max(1, min(MOST, round(interval_s / LEAST_S)))


def parts(updates: Updates, n: int) -> list[Updates]:
    """A step's tickers in ``n`` parts, each instrument always in the same one."""
    rows: list[list[int]] = [[] for _ in range(n)]
    for row in updates.option_rows:
        rows[row % n].append(row)
    futures: list[list[str]] = [[] for _ in range(n)]
    for name in updates.futures:
        futures[zlib.crc32(name.encode()) % n].append(name)
    return [updates._replace(option_rows=tuple(rows[i]), futures=tuple(futures[i])) for i in range(n)]
