"""The A/B record (H7): both models' exposures of a second side by side, one flat row of a final record of flow.v1.  Pure.

What ``greekstream uplift`` reads (docs/uplift.md).  Model a is European, model b the settlement average; positions, numeraire and
snapshot are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.flow.flips import SmileRule, Variant
from streams.flow.perpetual import OrderFlow, flow_after
from streams.flow.settings import GreeksSource

MODELS = (GreeksSource.EUROPEAN, GreeksSource.SETTLEMENT_AVERAGE)
TREND_MINUTES = 5.0
NS_PER_S = 1e9
FIELDS = (
    "currency", "ts_event_ns", "is_final", "settings_hash", "engine_version", "greeks_source", "twin_source", "numeraire",
    "side_model", "index_price", "dvol", "side_coverage", "is_cold_start", "is_warming_up", "exposures", "flips", "next_expiry_ns",
    "live_primary_usd", "realised",
)  # fmt: skip
"""Fields of a ``Flow`` that a row is made of."""


def ab_row(flow: Mapping[str, Any], trades: OrderFlow | None = None) -> dict[str, Any]:
    """The row of a final record, its fields as plain values (``schemas.to_plain``, or history's rows).

    Null is "not known".  Flags are 0 or 1, so that a plan's ``where`` can ask for them.

    Columns by model m: ``ngi_usd_m`` (USD per +1 %), ``vss_usd_m`` (USD per +1 vol point), ``flip_pct_m`` (nearest flip, sticky
    strike, all expiries: level / index - 1, as it is, not as frozen before an expiry), ``hedge_1pct_up_usd_m``,
    ``hedge_1pct_down_usd_m`` (what one per cent makes dealers trade, repriced), ``open_interest_share_m`` and

        hpp_usd_m = -ngi_usd_m r,  r = spot's move of the last five minutes, per cent

    what dealers trade if that move comes once more; + = they buy.  ``flow_5min_usd``, the perpetual's order flow of the five minutes
    after, is of a list of trades that one has (``perpetual``), and null without: the pipeline reads none.

    Errors: ValueError where the record does not have both models.
    """
    sources = (flow["greeks_source"], flow["twin_source"])
    if set(sources) != set(MODELS):
        raise ValueError(
            f"a record of {flow['currency']} has greeks of {' and '.join(sources)}: an A/B record wants {' and '.join(MODELS)}; "
            "set GREEKSTREAM_FLOW_GREEKS_SOURCE"
        )
    trend_pct = next((one["spot_pct"] for one in flow["realised"] if one["minutes"] == TREND_MINUTES), None)
    expiry_ns, ts_ns = flow["next_expiry_ns"], flow["ts_event_ns"]
    after_usd = None if trades is None else flow_after(trades, ts_ns, 60.0 * TREND_MINUTES)
    row: dict[str, Any] = {
        "ts_event_ns": ts_ns, "currency": flow["currency"], "price_index": f"{flow['currency'].lower()}_usd",
        "expiry_ns": expiry_ns, "seconds_to_expiry": None if expiry_ns is None else (expiry_ns - ts_ns) / NS_PER_S,
        "index_price": flow["index_price"], "dvol": flow["dvol"], "flow_5min_usd": after_usd, "side_model": flow["side_model"],
        "side_coverage": flow["side_coverage"], "is_cold_start": int(flow["is_cold_start"]),
        "is_warming_up": int(flow["is_warming_up"]), "settings_hash": flow["settings_hash"],
        "engine_version": flow["engine_version"],
    }  # fmt: skip
    columns = {model: _of_model(flow, model, trend_pct) for model in MODELS}
    for name in columns[MODELS[0]]:
        row |= {f"{name}_{model}": columns[model][name] for model in MODELS}
    return row


def _of_model(flow: Mapping[str, Any], model: str, trend_pct: float | None) -> dict[str, Any]:
    # Signed by trades where there are any, else by the convention: the first of its source and numeraire.
    found = next(
        one
        for one in flow["exposures"]
        if one["greeks_source"] == model
        and one["numeraire"] == flow["numeraire"]
        and one["side_model"] == flow["side_model"]
    )
    ngi_usd = found["ngi_usd"]
    return {
        "ngi_usd": ngi_usd,
        "vss_usd": found["vss_usd"],
        "flip_pct": _flip_pct(flow, model),
        "hpp_usd": None if ngi_usd is None or trend_pct is None else -ngi_usd * trend_pct,
        "hedge_1pct_up_usd": found["hedge_1pct_up_usd"],
        "hedge_1pct_down_usd": found["hedge_1pct_down_usd"],
        "open_interest_share": found["open_interest_share"],
    }


def _flip_pct(flow: Mapping[str, Any], model: str) -> float | None:
    """Of the level as it is: the primary source's published one stands still before an expiry, the twin's never does."""
    if model == flow["greeks_source"]:
        level = flow["live_primary_usd"]
    else:
        of = (model, SmileRule.STICKY_STRIKE, Variant.ALL)
        flips = (one for one in flow["flips"] if (one["greeks_source"], one["smile_rule"], one["variant"]) == of)
        level = next((one["primary_usd"] for one in flips), None)
    return None if level is None else level / flow["index_price"] - 1.0
