"""A34 end to end: two expiries of a synthetic market through the venue, session, ingest, engines and the fold of dealer flow.

What the record of a settlement window says is held against the venue's own list of trades, which no part of the pipeline has seen.  Two
times the last 20 seconds of a window and a few more: a whole one is half an hour, and sums do not know how long they are.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from schemas import SettlementFlow, WindowFlow
from streams.flow.fold import Arrival, Context, new_state, step
from streams.flow.settings import FlowSettings
from streams.simulator.market import new_market
from streams.simulator.source import SyntheticSource
from streams.simulator.state import GRID_NS
from tests.recorded.in_process import NS_PER_S, Ingest, Venue, Workers

EXPIRIES_NS = tuple(round(datetime(2026, 1, day, 8, tzinfo=UTC).timestamp()) * NS_PER_S for day in (10, 11))
SEED = 5
BEFORE_S, AFTER_S = 20, 7
STEPS_PER_S = NS_PER_S // GRID_NS
N_FIXINGS, INTERVAL_S = 450, 4.0
SETTINGS = FlowSettings(settlement_share_min=0.005, publish_every_s=86_400.0)
"""A few seconds of a window are enough to be compared with; only the settlement records are asked for here."""


class Found(NamedTuple):
    records: list[SettlementFlow]
    trades: list[dict[str, Any]]
    """Of options, as the venue told them."""


@pytest.fixture(scope="module")
def found() -> Found:
    context, records = Context(SETTINGS), []
    state = new_state(context)

    def on_arrival(arrival: Arrival) -> None:
        nonlocal state
        state, out = step(state, arrival, context)
        records.extend(record for record in out if isinstance(record, SettlementFlow))

    market = new_market(
        seed=SEED, start_ns=EXPIRIES_NS[0] - BEFORE_S * NS_PER_S, currencies=("BTC",), n_options=24, n_linear=0, rate=12.0, trade_rate=30.0
    )  # fmt: skip
    workers, source = Workers(on_arrival), SyntheticSource(market)
    for epoch, expiry_ns in enumerate(EXPIRIES_NS, start=1):
        source.state.now_ns = expiry_ns - BEFORE_S * NS_PER_S  # nothing is traded between the two
        venue = Venue(source)
        ingest = Ingest(("BTC",), venue, workers.take, epoch=epoch)
        ingest.connect()
        for _ in range((BEFORE_S + AFTER_S) * STEPS_PER_S):
            source.advance(venue)
            ingest.read()
            ingest.wait(GRID_NS // 1_000_000)
        ingest.stop()
    trades = source.tape.by_currency("BTC", "option", start_ms=0, count=10**6)["trades"]
    return Found(records, trades)


def in_window(found: Found, expiry_ns: int) -> list[dict[str, Any]]:
    end_ms = expiry_ns // 1_000_000
    return [one for one in found.trades if end_ms - 1_800_000 < one["timestamp"] <= end_ms]


def expires(trade: dict[str, Any], expiry_ns: int) -> bool:
    text = trade["instrument_name"].split("-")[1]
    return datetime.strptime(text, "%d%b%y").date() == datetime.fromtimestamp(expiry_ns / NS_PER_S, UTC).date()


def summed(trades: list[dict[str, Any]]) -> dict[str, float]:
    """What the venue's list says, coin and USD."""
    signed = [(1 if one["direction"] == "buy" else -1) * one["amount"] for one in trades]
    return {
        "n_trades": len(trades),
        "n_buys": sum(one["direction"] == "buy" for one in trades),
        "n_sells": sum(one["direction"] == "sell" for one in trades),
        "volume_coin": math.fsum(one["amount"] for one in trades),
        "volume_usd": math.fsum(one["amount"] * one["index_price"] for one in trades),
        "taker_net_coin": math.fsum(signed),
        "taker_net_usd": math.fsum(
            amount * one["index_price"] for amount, one in zip(signed, trades, strict=True)
        ),
        "n_blocks": sum("block_trade_id" in one for one in trades),
        "n_liquidations": sum(one.get("liquidation", "none") != "none" for one in trades),
    }  # fmt: skip


def flows(record: SettlementFlow) -> dict[str, WindowFlow]:
    return {one.scope: one for one in record.flows}


def test_a34_each_expiry_has_one_record_five_seconds_after_it(found: Found) -> None:
    assert [(one.currency, one.expiry_ns) for one in found.records] == [("BTC", expiry_ns) for expiry_ns in EXPIRIES_NS]
    for one in found.records:
        assert one.window_begin_ns == one.expiry_ns - 1_800 * NS_PER_S
        assert 0 <= one.ts_event_ns - one.expiry_ns - round(SETTINGS.settlement_grace_s * NS_PER_S) <= 2 * NS_PER_S
        # of the first seconds, while ingest connects, nobody tells the time
        assert (BEFORE_S - 6) / 1_800 <= one.seen_share <= (BEFORE_S + 1) / 1_800


def test_a34_its_sums_are_those_of_the_venues_own_list_of_trades(found: Found) -> None:
    for record in found.records:
        trades = in_window(found, record.expiry_ns)
        own = [one for one in trades if expires(one, record.expiry_ns)]
        assert len(own) >= 10 and len(trades) - len(own) >= 100, "both are traded"
        for scope, some in (("expiring", own), ("all", trades)):
            said = flows(record)[scope]
            for name, want in summed(some).items():
                # sums of n amounts in two orders
                gross = summed(some)["volume_usd" if name.endswith("usd") else "volume_coin"]
                slack = 2 * len(some) * 2.0**-52 * gross if isinstance(want, float) else 0
                assert abs(getattr(said, name) - want) <= slack, (scope, name)


def test_a34_the_delta_that_takers_took_is_what_the_fixings_left_of_it(found: Found) -> None:
    """What is fixed of an inverse option is an amount of coin, its price at most; what is not moves by K/S for each coin."""
    for record in found.records:
        bounds, own = [], [one for one in in_window(found, record.expiry_ns) if expires(one, record.expiry_ns)]
        for one in own:
            n_left = 1 + (record.expiry_ns / 1e6 - one["timestamp"]) / 1e3 // INTERVAL_S
            share = float(one["instrument_name"].split("-")[2]) / one["index_price"] * n_left / N_FIXINGS
            bounds.append(one["amount"] * (one["mark_price"] + share))
        said = flows(record)["expiring"]
        assert said.n_without_greeks < said.n_trades, "none while ingest connects, then all"
        # the mark's tick and a second of the index
        assert said.taker_delta_coin is not None and abs(said.taker_delta_coin) <= 1.01 * math.fsum(bounds)
        assert said.european_taker_delta_coin is not None
        assert abs(said.european_taker_delta_coin) > 3 * math.fsum(bounds), "it does not know what is fixed"


def test_a34_the_second_day_is_held_against_the_first(found: Found) -> None:
    first, second = found.records
    assert first.is_cold and {one.n_days for one in first.other_days} == {0}
    assert not second.is_cold
    by = {(one.scope, one.measure): one for one in second.other_days}
    for scope in ("expiring", "all"):
        for measure in ("n_trades", "volume_coin", "volume_usd", "taker_net_coin"):
            value, other = (getattr(flows(record)[scope], measure) for record in (second, first))
            said = by[scope, measure]
            assert (said.value, said.n_days, said.mean, said.sd) == (value, 1, other, None)
            assert said.ratio == (pytest.approx(value / other, rel=2**-50) if other > 0.0 else None)
