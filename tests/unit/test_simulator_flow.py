"""Trades, everybody's books and the truth file of the synthetic market."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from streams.simulator import flow, parties, tickers
from streams.simulator.market import dealer_book, new_market, step
from streams.simulator.state import Position
from streams.simulator.truth import TruthFile

START_NS = int(datetime(2026, 1, 9, 12, 0, tzinfo=UTC).timestamp()) * 10**9
YEAR_S = 365 * 86_400


def busy(seed: int = 3, **options: object):
    return new_market(seed=seed, start_ns=START_NS, n_options=200, rate=50.0, trade_rate=60.0, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def session():
    """300 steps of a busy market: the state before (dealer, open interest), the trades, the state after."""
    state = busy()
    before = dealer_book(state)
    interest = {name: p.open_interest for name, p in state.positions.items()}
    trades = []
    for _ in range(300):
        state, updates = step(state)
        trades += updates.trades
    return before, interest, trades, state


def test_the_dealers_book_is_the_sum_of_his_trades(session):
    before, _, trades, state = session
    book = defaultdict(float, before)
    for trade in trades:
        if trade.kind != "option_combo":  # its legs are trades of their own
            book[trade.data["instrument_name"]] += trade.dealer_amount
            assert abs(trade.dealer_amount) in (0.0, trade.data["amount"])
    after = dealer_book(state)
    assert {name: held for name, held in book.items() if abs(held) > 1e-6}.keys() == after.keys()
    for name, held in after.items():
        assert book[name] == pytest.approx(held, abs=1e-6)


def test_open_interest_is_what_longs_and_shorts_add_up_to_and_follows_trades(session):
    _, interest, trades, state = session
    for name, position in state.positions.items():
        assert position.customers_long >= 0 and position.customers_short >= 0
        assert position.customers_long - position.customers_short + position.dealer == pytest.approx(0, abs=1e-6)
        shorts = position.customers_short + max(-position.dealer, 0.0)
        assert position.open_interest == pytest.approx(shorts, abs=1e-6)
        assert abs(position.dealer) <= position.open_interest + 1e-6
        assert tickers.ticker(state, name)["open_interest"] == pytest.approx(position.open_interest, abs=1e-6)
    traded = defaultdict(float)
    for trade in trades:
        traded[trade.data["instrument_name"]] += trade.data["amount"]
    changed = [n for n, p in state.positions.items() if p.open_interest != pytest.approx(interest[n], abs=1e-6)]
    assert len(changed) > 50
    assert all(abs(state.positions[n].open_interest - interest[n]) <= traded[n] + 1e-6 for n in changed)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([("customer", "dealer"), ("dealer", "customer"), ("customer", "customer")]),
            st.integers(1, 50),
            st.booleans(),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_booking_keeps_longs_and_shorts_equal_whatever_is_traded(deals):
    position, dealer = Position(), 0.0
    for (buyer, seller), lots, buyer_closes, seller_closes in deals:
        before = position.open_interest
        dealer += flow.book(position, buyer, seller, lots / 10, buyer_closes, seller_closes)
        assert abs(position.open_interest - before) <= lots / 10 + 1e-9
    assert position.dealer == pytest.approx(dealer, abs=1e-9)
    assert position.customers_long - position.customers_short + position.dealer == pytest.approx(0, abs=1e-9)
    assert min(position.customers_long, position.customers_short) >= 0


def test_trade_numbers_have_no_holes_and_ids_rise(session):
    _, _, trades, _ = session
    numbers = defaultdict(list)
    for trade in trades:
        numbers[trade.data["instrument_name"]].append(trade.data["trade_seq"])
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    ids = [trade.data["trade_id"] for trade in trades]
    assert len(set(ids)) == len(ids) > 1000


def test_every_kind_of_trade_is_told_as_the_venue_tells_it(session):
    _, _, trades, state = session
    kinds = Counter(trade.kind for trade in trades)
    assert kinds["option"] > 500 and kinds["future"] > 100 and kinds["option_combo"] > 20
    assert {t.data["direction"] for t in trades} == {"buy", "sell"}
    assert {t.data.get("liquidation") for t in trades} == {None, "T", "M", "MT"}
    assert {t.data["tick_direction"] for t in trades} <= {0, 1, 2, 3}
    blocks = defaultdict(list)
    for trade in trades:
        if "block_trade_id" in trade.data:
            blocks[trade.data["block_trade_id"]].append(trade.data)
    assert len(blocks) > 30
    assert any("block_rfq_id" in legs[0] for legs in blocks.values())
    assert all(leg["block_trade_leg_count"] == len(legs) for legs in blocks.values() for leg in legs)
    by_id = {trade.data["trade_id"]: trade for trade in trades}
    combos = [trade for trade in trades if trade.kind == "option_combo"]
    for combo in combos:
        assert combo.data["instrument_name"] in state.combos
        for leg in combo.data["legs"]:
            assert leg["combo_id"] == combo.data["instrument_name"]
            assert leg["combo_trade_id"] == combo.data["trade_id"]
            assert by_id[leg["trade_id"]].data == leg  # told once as a leg and once as a trade of its own
        signs = {leg["instrument_name"]: leg["amount"] for leg in state.combos[combo.data["instrument_name"]]["legs"]}
        total = sum(signs[leg["instrument_name"]] * leg["price"] for leg in combo.data["legs"])
        assert combo.data["price"] == pytest.approx(total, abs=1e-9)


def test_the_vol_of_a_trade_gives_its_price():
    state, n_checked = busy(seed=8), 0
    for _ in range(100):
        state, updates = step(state)
        for trade in updates.trades:
            if trade.kind != "option" or not 5 < trade.data["iv"] < 300:
                continue
            row = state.row_by_name[trade.data["instrument_name"]]
            option, series = state.options[row], state.series[int(state.table["series"][row])]
            tau = (option.expiry_ns / 1e6 - trade.data["timestamp"]) / 1000 / YEAR_S
            s = trade.data["iv"] / 100 * np.sqrt(tau)
            d1 = np.log(series.forward / option.strike) / s + s / 2
            value = series.forward * norm.cdf(d1) - option.strike * norm.cdf(d1 - s)
            value -= 0 if option.sign > 0 else series.forward - option.strike
            unit = series.forward if series.underlying.is_inverse else 1.0
            vega_point = series.forward * norm.pdf(d1) * np.sqrt(tau) / 100
            assert trade.data["price"] * unit == pytest.approx(value, abs=0.011 * vega_point + 1e-6 * unit)
            n_checked += 1
    assert n_checked > 100


def test_customers_trades_at_the_screen_are_at_the_touch():
    state = busy(seed=9)
    n_checked = 0
    for _ in range(60):
        quotes = {
            o.name: (float(b), float(a))
            for o, b, a in zip(state.options, state.table["bid"], state.table["ask"], strict=True)
        }
        state, updates = step(state)
        for trade in updates.trades:
            data = trade.data
            if trade.kind == "option" and not {"block_trade_id", "combo_id"} & data.keys():
                assert data["price"] == quotes[data["instrument_name"]][1 if data["direction"] == "buy" else 0]
                n_checked += 1
    assert n_checked > 50


def test_the_truth_file_tells_the_dealers_book_second_by_second(tmp_path: Path):
    state = busy(seed=4)
    truth = TruthFile(tmp_path / "truth.jsonl")
    truth.start(state)
    wire = []
    for _ in range(50):
        state, updates = step(state)
        truth(state, updates)
        wire += [t.data["trade_id"] for t in updates.trades if t.kind != "option_combo"]
    truth.close()
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [line["ts_ms"] - START_NS // 10**6 for line in lines] == [0, 1000, 2000, 3000, 4000, 5000]
    assert lines[0]["full"] and not lines[1]["full"]
    book = dict(lines[0]["positions"])
    told = []
    for line in lines[1:]:
        expected = dict(book)
        for trade_id, name, amount in line["trades"]:
            told.append(trade_id)
            expected[name] = expected.get(name, 0.0) + amount
        book |= line["positions"]
        assert {n for n in expected if abs(expected[n]) > 1e-6} == {n for n in book if abs(book[n]) > 1e-6}
        assert all(book[n] == pytest.approx(expected[n], abs=1e-6) for n in expected)
    assert told == wire
    assert {n: h for n, h in book.items() if h} == dealer_book(state)


def test_nothing_on_the_wire_says_who_the_dealer_was(session):
    _, _, trades, _ = session
    allowed = {
        "timestamp",
        "iv",
        "price",
        "amount",
        "direction",
        "index_price",
        "instrument_name",
        "trade_seq",
        "mark_price",
    }
    allowed |= {"tick_direction", "contracts", "trade_id", "liquidation", "block_trade_id", "block_trade_leg_count"}
    allowed |= {"block_rfq_id", "combo_id", "combo_trade_id", "legs"}
    assert set().union(*(trade.data.keys() for trade in trades)) <= allowed


@pytest.mark.parametrize("seed", range(5))
def test_drawn_parties_are_probabilities_inside_their_ranges_and_the_same_for_a_seed(seed: int):
    drawn = parties.drawn(seed)
    assert drawn == parties.drawn(seed) != parties.drawn(seed + 1)
    for name, (low, high) in parties.RANGES.items():
        value = getattr(drawn, name)
        assert low <= (value / (1 - drawn.p_dealer_makes) if name == "p_no_dealer" else value) <= high
    assert sum(drawn.kind_shares) == pytest.approx(1.0, abs=1e-12)
    assert drawn.kind_shares[parties.KINDS.index("block")] == drawn.block_share


def test_parties_decide_who_the_dealer_is_and_how_much_is_blocks():
    """All makers, no closers, a third blocks: each as told."""
    all_made = parties.USUAL._replace(p_dealer_makes=1.0, p_no_dealer=0.0, p_close=0.0, block_share=1 / 3)
    state = busy(parties=all_made)
    interest, trades = sum(p.open_interest for p in state.positions.values()), []
    for _ in range(100):
        state, updates = step(state)
        trades += updates.trades
    screen = [t for t in trades if t.kind == "option" and not {"block_trade_id", "combo_id"} & t.data.keys()]
    assert all(t.dealer_amount == (-1 if t.data["direction"] == "buy" else 1) * t.data["amount"] for t in screen)
    assert sum(p.open_interest for p in state.positions.values()) > interest
    blocks = {t.data["block_trade_id"] for t in trades if "block_trade_id" in t.data and "block_rfq_id" not in t.data}
    n_events = 60.0 * 10  # 60 a second for 10 s; Poisson, thinned to a third: sd sqrt(200)
    assert abs(len(blocks) - n_events / 3) < 5 * (n_events / 3) ** 0.5
