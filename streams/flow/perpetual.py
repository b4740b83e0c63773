"""Order flow of a coin's perpetual, from a list of its trades: an outcome that hedge pressure is held against (DEFINITIONS 3.8).  Pure.

    flow(t, h) = sum of s a over the trades with t < time <= t + h,     s: +1 the taker bought, -1 he sold; a: USD

The pipeline reads no trades of perpetuals, so the list is one's own: rows as the venue's ``public/get_last_trades_by_instrument``
has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000
SIGNS = {"buy": 1.0, "sell": -1.0}


class OrderFlow(NamedTuple):
    """Trades in order of time."""

    time_ns: NDArray[np.int64]
    """(n,), ascending."""
    before_usd: NDArray[np.float64]
    """(n + 1,): what was bought less what was sold in all trades before the i-th."""
    n_other: int
    """Rows of other instruments, which are left out."""
    n_repeats: int
    """Rows whose trade was there already: pages of the venue's history overlap."""


def order_flow(rows: Iterable[Mapping[str, Any]], currency: str) -> OrderFlow:
    """The flow of ``<currency>-PERPETUAL``, whose amounts are in USD, from rows in any order.

    Each row has timestamp (ms), direction (buy, sell), amount and trade_id; one of another ``instrument_name`` is left out.

    Errors: ValueError with the row's number where one of these is missing or is none.
    """
    trades: dict[str, tuple[int, float]] = {}
    n_other = n_repeats = 0
    for n, row in enumerate(rows, 1):
        if row.get("instrument_name") != f"{currency}-PERPETUAL":
            n_other += 1
            continue
        try:
            trade_id, at_ns = str(row["trade_id"]), int(row["timestamp"]) * NS_PER_MS
            signed = SIGNS[row["direction"]] * float(row["amount"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"trade {n}: want timestamp, direction, amount and trade_id; {error!r}") from error
        if not math.isfinite(signed):
            raise ValueError(f"trade {n}: the amount {row['amount']} is no number")
        n_repeats += trade_id in trades
        trades[trade_id] = (at_ns, signed)
    ordered = sorted(trades.values())
    time_ns = np.array([at_ns for at_ns, _ in ordered], dtype=np.int64)
    return OrderFlow(time_ns, np.cumsum([0.0, *(signed for _, signed in ordered)]), n_other, n_repeats)


def flow_after(flow: OrderFlow, at_ns: int, horizon_s: float) -> float | None:
    """USD that takers bought less sold in the horizon after a moment; None where the list does not reach over all of it."""
    until_ns = at_ns + round(horizon_s * NS_PER_S)
    if not flow.time_ns.size or at_ns < flow.time_ns[0] or until_ns > flow.time_ns[-1]:
        return None
    begin, end = np.searchsorted(flow.time_ns, (at_ns, until_ns), "right")
    return float(flow.before_usd[end] - flow.before_usd[begin])
