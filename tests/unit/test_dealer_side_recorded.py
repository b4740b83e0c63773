"""The dealer side on real trades: 1 January 2022, 00:00 to 10:29 UTC, BTC options, across an expiry; read in place."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from schemas import Clock, OptionTrade
from schemas.names import parse
from streams.deribit.fields import FieldError
from streams.deribit.trades import option_trade
from streams.flow.side import WEIGHTS, SideSettings, SideState, TradeClass, positions, step

SETTINGS = SideSettings(side_model="flow_inferred")
W = {weight.trade_class: weight.weight for weight in WEIGHTS}
SHORT_NAMES = {"t": "timestamp", "q": "amount", "p": "price"}


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict[str, str]]:
    with (shared / "data" / "deribit" / "trades-2022-01-01" / "btc_option_trades.csv").open() as file:
        return list(csv.DictReader(file))


def wire(row: dict[str, str]) -> dict[str, Any]:
    """The row in the venue's words, for the venue's own parser."""
    data: dict[str, Any] = {SHORT_NAMES.get(key, key): value for key, value in row.items()}
    numbers = {
        "amount": float,
        "price": float,
        "iv": float,
        "index_price": float,
        "timestamp": int,
        "trade_seq": int,
        "tick_direction": int,
    }
    return data | {key: kind(data[key]) for key, kind in numbers.items()}


@pytest.fixture(scope="module")
def tape(rows: list[dict[str, str]]) -> tuple[list[OptionTrade], list[FieldError]]:
    """In the order of time, by instrument in that of the numbers; what cannot be read, with why."""
    trades, refused = [], []
    for row in rows:
        try:
            trades.append(option_trade(wire(row), is_backfill=True))
        except FieldError as error:
            refused.append(error)
    return sorted(trades, key=lambda t: (t.ts_event_ns, t.trade_seq)), refused


def fold(records: list[Any]) -> SideState:
    state = SideState()
    for record in records:
        state = step(state, record, SETTINGS)
    return state


def test_every_row_is_a_trade_of_a_class_or_is_counted(rows, tape):
    trades, refused = tape
    state = fold(trades)
    assert len(rows) == 1350 == len(trades) + len(refused)
    assert refused == []
    counted = {what: n for what, n in state.counters.items()}
    assert sum(counted.values()) == len(trades)
    assert set(counted) <= {
        "class_screen",
        "class_sweep",
    }  # this file says nothing of blocks, combos, marks or liquidations
    assert len(state.holdings) == len({t.instrument_name for t in trades}) == 171


def test_sweeps_are_those_orders_that_took_three_prices(tape):
    """Counted another way: trades of one moment, instrument and side, whose price is at least the third in a worsening row."""
    orders: dict[tuple[int, str, int], list[OptionTrade]] = defaultdict(list)
    for t in tape[0]:
        orders[t.ts_event_ns, t.instrument_name, int(t.direction)].append(t)
    n_swept = 0
    for (_, _, direction), mine in orders.items():
        worst, depth = mine[0].price, 1
        for t in mine[1:]:
            if (t.price > worst) if direction == 1 else (t.price < worst):
                depth += 1
            worst = t.price
            n_swept += depth >= SETTINGS.sweep_levels
    assert fold(tape[0]).counters.get("class_sweep", 0) == n_swept


def test_flow_is_minus_the_takers_signed_volume_times_the_weight(rows, tape):
    """The sign identity, per instrument and in all, from the file's own words."""
    state = fold(tape[0])
    n_swept = state.counters.get("class_sweep", 0)
    signed: Counter[str] = Counter()
    volume: Counter[str] = Counter()
    for row in rows:
        signed[row["instrument_name"]] += float(row["q"]) * (1 if row["direction"] == "buy" else -1)
        volume[row["instrument_name"]] += float(row["q"])
    for name, holding in state.holdings.items():
        assert holding.volume_coin == pytest.approx(volume[name], rel=1e-12)
        slack = (W[TradeClass.SCREEN] - W[TradeClass.SWEEP]) * volume[name] if n_swept else 0.0
        assert abs(holding.flow_coin + W[TradeClass.SCREEN] * signed[name]) <= slack + 1e-9
    assert sum(volume.values()) == pytest.approx(sum(h.volume_coin for h in state.holdings.values()), rel=1e-12)


def test_without_open_interest_there_is_no_position_and_it_is_said(tape):
    state = fold(tape[0])
    found = positions(state, sorted(state.holdings), SETTINGS)
    assert found.total.n_unknown == found.total.n_instruments == 171
    assert found.total.coverage is None and all(math.isnan(x) for x in found.position_coin)


def test_the_expiry_of_that_morning_takes_its_positions_away(tape):
    """At 08:00 the 1JAN22 series is gone; trades of it after that are none."""
    trades = tape[0]
    eight_ns = parse("BTC-1JAN22-47000-C").expiry_ns
    assert eight_ns is not None
    before = [t for t in trades if t.ts_event_ns < eight_ns]
    expiring = {t.instrument_name for t in before if parse(t.instrument_name).expiry_ns == eight_ns}
    assert len(expiring) > 5 and len(before) < len(trades)
    state = fold([*before, Clock(eight_ns, 1, 1, None)])
    assert state.counters["settled"] == len(expiring)
    assert not expiring & state.holdings.keys()
    after = [t for t in trades if t.ts_event_ns >= eight_ns]
    assert not [t for t in after if parse(t.instrument_name).expiry_ns == eight_ns]
    for t in after:
        state = step(state, t, SETTINGS)
    assert "after_expiry" not in state.counters and "repeated" not in state.counters


def test_the_tape_again_is_repeats(tape):
    state = fold([*tape[0], *tape[0]])
    assert state.counters["repeated"] == len(tape[0])
