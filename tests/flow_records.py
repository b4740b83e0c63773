"""Records of dealer flow made by hand: one currency, two strikes, an index of 100 000."""

from __future__ import annotations

from typing import Any

from schemas import Flow, FlowStrike
from tests.cme_world import WEEK
from tests.results_world import blank


def flow(ts_ns: int, currency: str = "BTC", **fields: Any) -> Flow:
    given = {
        "currency": currency, "ts_event_ns": ts_ns, "is_final": True, "index_price": 100_000.0, "numeraire": "usd",
        "side_coverage": 0.4, "positions_as_of_ns": ts_ns,
    }  # fmt: skip
    return Flow(**(blank(Flow) | given | fields))


def strike(ts_ns: int, at: float, currency: str = "BTC", **fields: Any) -> FlowStrike:
    given = {
        "currency": currency, "ts_event_ns": ts_ns, "expiry_ns": WEEK, "strike": at, "index_price": 100_000.0,
        "forward": 100_500.0, "side_model": "flow_shrunk", "naive_model": "all_short", "trade_signed_ngi_usd": 3.0 * at,
        "assumption_signed_ngi_usd": -at,
    }  # fmt: skip
    return FlowStrike(**(blank(FlowStrike) | given | fields))


def second(ts_ns: int, currency: str = "BTC") -> list[Flow | FlowStrike]:
    return [flow(ts_ns, currency), strike(ts_ns, 90_000.0, currency), strike(ts_ns, 110_000.0, currency)]
