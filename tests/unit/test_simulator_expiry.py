"""An expiry of the synthetic market: window, estimate, delivery price, state changes, new listings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.simulator import board, tickers
from streams.simulator.market import new_market, step
from streams.simulator.run import start_time_ns
from streams.simulator.settings import SimulatorSettings

EXPIRY = datetime(2026, 1, 9, 8, 0, tzinfo=UTC)
EXPIRY_NS = int(EXPIRY.timestamp()) * 10**9
NAME = "9JAN26"


@pytest.fixture(scope="module")
def through_expiry():
    """A quiet small market from 07:29:50 to 08:00:10, and what it said; of the tickers those from the expiry on."""
    state = new_market(
        seed=2,
        start_ns=EXPIRY_NS - 1810 * 10**9,
        currencies=("BTC",),
        n_options=40,
        n_linear=20,
        rate=1.0,
        trade_rate=0.2,
    )
    said = []
    for _ in range(18_200):
        state, updates = step(state)
        if updates.indices or updates.changes:
            rows = updates.option_rows if updates.now_ns >= EXPIRY_NS else ()
            said.append((updates, [tickers.ticker(state, state.options[r].name) for r in rows]))
    return said, state


def prices(said, price_index: str) -> dict[int, float]:
    return {u.now_ns: tick.price for u, _ in said for tick in u.indices if tick.price_index == price_index}


@pytest.mark.parametrize("price_index", ["btc_usd", "btc_usdc"])
def test_the_delivery_price_is_the_mean_of_the_index_on_the_window_grid(through_expiry, price_index):
    said, state = through_expiry
    index = prices(said, price_index)
    grid = [index[EXPIRY_NS - (450 - i) * 4 * 10**9] for i in range(1, 451)]
    assert len(set(grid)) > 350  # the index really moved
    closed = [s for s in state.series if s.underlying.price_index == price_index and s.expiry_ns == EXPIRY_NS]
    assert [s.delivery_price for s in closed] == [pytest.approx(sum(grid) / 450, abs=0.005001)]
    assert board.delivery_prices(state, price_index) == [
        {"date": "2026-01-09", "delivery_price": closed[0].delivery_price}
    ]


def test_the_estimate_is_the_mean_so_far_and_the_index_for_the_rest(through_expiry):
    said, _ = through_expiry
    index = prices(said, "btc_usd")
    n_inside = 0
    for updates, _ in said:
        for estimate in updates.estimates:
            if estimate.price_index != "btc_usd" or updates.now_ns >= EXPIRY_NS:
                continue
            taken = [index[t] for i in range(1, 451) if (t := EXPIRY_NS - (450 - i) * 4 * 10**9) <= updates.now_ns]
            now = index[updates.now_ns]
            assert estimate.price == pytest.approx((sum(taken) + (450 - len(taken)) * now) / 450, abs=0.006)
            assert estimate.is_estimated == bool(taken)
            assert estimate.left_ticks == 450 - len(taken)
            assert estimate.seconds == (EXPIRY_NS - updates.now_ns) // 10**9
            n_inside += bool(taken)
    assert n_inside > 1_700


def test_states_change_in_the_venues_order_and_new_series_are_listed(through_expiry):
    said, state = through_expiry
    changes = [(u.now_ns, c) for u, _ in said for c in u.changes]
    by_state = {}
    for now_ns, change in changes:
        by_state.setdefault(change.state, []).append((now_ns, change.instrument_name))
    assert {t for t, _ in by_state["closed"]} == {EXPIRY_NS}
    closed = {n for _, n in by_state["closed"]}
    assert closed == {n for _, n in by_state["settled"]}
    assert closed >= {o.name for o in state.options if o.expiry_ns == EXPIRY_NS}
    created, started = {n for _, n in by_state["created"]}, {n for _, n in by_state["started"]}
    assert created == started and created
    assert min(t for t, _ in by_state["started"]) > min(t for t, _ in by_state["created"]) > EXPIRY_NS
    listed = {r["instrument_name"] for r in board.instruments(state, "any", None, expired=False)}
    expired = {r["instrument_name"] for r in board.instruments(state, "any", None, expired=True)}
    assert created <= listed and closed <= expired and not listed & expired
    assert {n.split("-")[0] for n in created} == {"BTC", "BTC_USDC"}


@pytest.mark.parametrize("minutes_before", [5, 60, 600])
def test_the_board_is_not_larger_after_an_expiry_than_it_was_asked_to_be(minutes_before):
    """Series near expiry have few strikes that are worth anything; what they leave, the later ones have already."""
    state = new_market(seed=3, start_ns=EXPIRY_NS - minutes_before * 60 * 10**9, rate=1.0, trade_rate=0.0)
    state.now_ns = EXPIRY_NS - 2 * 10**9
    for _ in range(120):
        state, _ = step(state)
    listed = board.instruments(state, "any", "option", expired=False)
    assert 1_300 < len(listed) <= 1.03 * 1_500
    assert len({r["expiration_timestamp"] for r in listed}) >= 10


def test_the_last_ticker_says_closed_with_the_delivery_price_and_no_interest_is_left(through_expiry):
    said, state = through_expiry
    last = {
        d["instrument_name"]: d for u, data in said for d in data if u.now_ns == EXPIRY_NS and d["state"] == "closed"
    }
    expired = [o for o in state.options if o.expiry_ns == EXPIRY_NS]
    assert set(last) == {o.name for o in expired}
    for option in expired:
        data = last[option.name]
        delivery = data["delivery_price"]
        payoff = max(option.sign * (delivery - option.strike), 0.0)
        payoff /= 1.0 if option.underlying == "BTC_USDC" else delivery
        assert data["mark_price"] == pytest.approx(payoff, abs=5.1e-5)
        assert data["open_interest"] == 0
        assert option.name not in state.positions
    assert all(
        row not in {state.row_by_name[o.name] for o in expired}
        for u, _ in said
        if u.now_ns > EXPIRY_NS
        for row in u.option_rows
    )


def test_a_market_that_starts_inside_the_window_has_the_fixings_before_it():
    state = new_market(seed=2, start_ns=EXPIRY_NS - 120 * 10**9, n_options=40, rate=1.0, trade_rate=0.0)
    series = next(s for s in state.series if s.expiry_ns == EXPIRY_NS)
    before, n_before = series.fixing_sum, series.n_fixed
    assert n_before == 420  # grid points up to and including 07:58:00
    index = []
    while state.now_ns < EXPIRY_NS:
        state, updates = step(state)
        for tick in updates.indices:
            if tick.price_index == series.underlying.price_index and (EXPIRY_NS - updates.now_ns) % (4 * 10**9) == 0:
                index.append(tick.price)
    assert len(index) == 30
    assert series.delivery_price == pytest.approx((before + sum(index)) / 450, abs=0.006)


def test_expire_in_places_the_start_before_the_next_eight_oclock():
    wall = int(datetime(2026, 1, 9, 15, 30, tzinfo=UTC).timestamp()) * 10**9
    next_day = int(datetime(2026, 1, 10, 8, 0, tzinfo=UTC).timestamp()) * 10**9
    assert start_time_ns(SimulatorSettings(expire_in=90), wall) == next_day - 90 * 10**9
    assert start_time_ns(SimulatorSettings(start_ns=123), wall) == 123
    assert start_time_ns(SimulatorSettings(), wall) == wall
