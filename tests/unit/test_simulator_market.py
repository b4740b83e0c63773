"""The synthetic market: determinism, what it lists, its smiles, its quotes and the venue's numbers on them.

Prices are checked with formulas written here (scipy.stats), not with the simulator's own.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from streams.simulator import black, board, surface, tickers
from streams.simulator.listing import UNDERLYINGS, expiries, next_expiry_ns, strikes
from streams.simulator.market import new_market, step
from streams.simulator.state import MarketState
from streams.simulator.surface import Smile, bounded

START_NS = int(datetime(2026, 1, 9, 12, 0, tzinfo=UTC).timestamp()) * 10**9
YEAR_S = 365 * 86_400


def market(seed: int = 5, start_ns: int = START_NS, **options: object) -> MarketState:
    return new_market(seed=seed, start_ns=start_ns, **options)  # type: ignore[arg-type]


def call(forward, strike, sigma, tau):
    d1 = np.log(forward / strike) / (sigma * np.sqrt(tau)) + sigma * np.sqrt(tau) / 2
    return forward * norm.cdf(d1) - strike * norm.cdf(d1 - sigma * np.sqrt(tau))


def everything(state: MarketState, n_steps: int) -> tuple[list[object], MarketState]:
    said: list[object] = []
    for _ in range(n_steps):
        state, updates = step(state)
        said.append((updates, tickers.option_tickers(state, updates.option_rows)))
    return said, state


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    first, _ = everything(market(n_options=120), 60)
    again, _ = everything(market(n_options=120), 60)
    other, _ = everything(market(seed=6, n_options=120), 60)
    assert repr(first) == repr(again)
    assert repr(first) != repr(other)


def test_the_board_is_as_large_as_asked_with_ten_expiries_at_eight_and_both_payoffs():
    state = market()
    assert len(state.options) == pytest.approx(1500, rel=0.03)
    for prefix, at_least in (("BTC", 10), ("ETH", 10), ("BTC_USDC", 3)):
        times = [s.expiry_ns for s in state.series if s.underlying.prefix == prefix]
        assert len(set(times)) == len(times) >= at_least
        assert all(datetime.fromtimestamp(t // 10**9, UTC).strftime("%H:%M:%S") == "08:00:00" for t in times)
    assert sum(o.underlying == "BTC_USDC" for o in state.options) == pytest.approx(60, abs=10)
    assert len(state.row_by_name) == len(state.options)
    settlements = {r["settlement_currency"] for r in board.instruments(state, "any", None, expired=False)}
    assert settlements == {"BTC", "ETH", "USDC"}


@pytest.mark.parametrize("hour", [0, 4, 7, 7.5, 7.9, 8, 12, 18, 23])
def test_at_every_hour_of_the_day_the_listed_options_have_a_price(hour):
    """A ladder as wide at 07:00 as at 08:00 had 4.5 % of its options worth less than a tick, which nobody can solve."""
    state = market(start_ns=START_NS + round((hour - 12 + 11 * 24) * 3_600) * 10**9)
    tick = np.array([state.series[i].underlying.tick for i in state.table["series"]])
    is_priced = (state.table["mark"] > tick) | (state.table["bid"] > 0)
    assert is_priced.mean() >= 0.99  # what the demo promises
    assert len(state.options) == pytest.approx(1500, rel=0.03)


def test_dailies_fridays_and_last_fridays_are_listed():
    listed = expiries(START_NS)  # Friday 9 January 2026, after the expiry
    names = [datetime.fromtimestamp(t // 10**9, UTC).strftime("%d%b%y") for t in listed]
    assert names[:3] == ["10Jan26", "11Jan26", "12Jan26"]
    assert {"16Jan26", "23Jan26", "30Jan26", "27Feb26", "27Mar26", "26Jun26", "25Sep26", "25Dec26"} <= set(names)
    assert listed[next_expiry_ns(START_NS)] == "day"
    before_new_year = int(datetime(2025, 12, 30, tzinfo=UTC).timestamp()) * 10**9
    assert len(expiries(before_new_year)) >= 10


@given(
    forward=st.floats(50, 2e5), sigma=st.floats(0.2, 1.5), tau=st.floats(0.0, 1.5), n=st.integers(4, 60),
    tick=st.sampled_from([0.0, 1e-6, 1e-4]),
)  # fmt: skip
def test_strikes_are_round_distinct_and_on_both_sides(forward, sigma, tau, n, tick):
    ladder = strikes(forward, sigma, tau, n, forward / 180, tick)
    assert ladder == sorted(set(ladder))
    assert ladder[0] < forward < ladder[-1]
    assert len(ladder) <= n


# --- the smile


def violates(smile: Smile, taus: np.ndarray) -> list[str]:
    """Butterfly by the convexity of calls in the strike, calendar by total variance at equal forward moneyness."""
    found = []
    k = np.linspace(-2.5, 2.5, 2001)
    strike = np.exp(k)
    previous = np.zeros_like(k)
    for tau in taus:
        w = surface.total_variance(smile, k, np.full_like(k, tau))
        if np.any(w < previous - 1e-13):
            found.append(f"calendar at {tau}")
        previous = w
        price = call(1.0, strike, np.sqrt(w), 1.0)
        slope = np.diff(price) / np.diff(strike)
        if np.any(np.diff(slope) < -1e-9):
            found.append(f"butterfly at {tau}")
        if np.any(slope > 1e-9) or np.any(slope < -1 - 1e-9):
            found.append(f"slope at {tau}")
    return found


TAUS = surface.effective_tau(np.array([60.0, 900.0, 1800.0, 7200.0, 86400.0, 7 * 86400.0, 30 * 86400.0, 400 * 86400.0]))


@given(
    level=st.floats(0.01, 5),
    long_run=st.floats(0.2, 1.5),
    kappa=st.floats(0.5, 20),
    rho=st.floats(-1, 1),
    eta=st.floats(0, 10),
    power=st.floats(0, 1),
)
def test_every_bounded_smile_has_a_density_and_rises_with_time(level, long_run, kappa, rho, eta, power):
    smile = bounded(Smile(level, long_run, kappa, rho, eta, power))
    assert violates(smile, TAUS) == []
    assert surface.violations(smile, TAUS) == []


def test_the_check_sees_an_arbitrage():
    wild = Smile(0.5, 0.5, 6.0, -0.3, 4.0)
    assert any("butterfly" in v for v in violates(wild, TAUS))
    assert any("phi^2" in v for v in surface.violations(wild, TAUS))


def test_smiles_stay_free_of_arbitrage_while_they_move():
    state = market(n_options=40, rate=0.0, trade_rate=0.0)
    for _ in range(10):
        _, state = everything(state, 100)
        for factor in state.factors.values():
            assert violates(factor.smile, TAUS) == []


def test_effective_time_is_the_variance_of_the_mean_of_the_fixings():
    for left_s in (7200.0, 3600.0, 1800.0, 900.0, 120.0):
        times = left_s - 4.0 * np.arange(449, -1, -1)  # of the 450 fixings, from now
        times = np.maximum(times, 0.0)
        variance = (
            np.minimum.outer(times, times).sum() / 450**2 / YEAR_S
        )  # unit variance, arithmetic mean, known ones 0
        n_left = np.count_nonzero(times)  # the continuous limit is off by about 1.5 / n
        assert float(surface.effective_tau(np.array(left_s))) == pytest.approx(variance, rel=2.0 / n_left)


# --- quotes and the venue's numbers


def test_black_agrees_with_the_venues_published_sample():
    """BTC-27SEP24-40000-C of 2023-11-10T05:18:31Z (DEFINITIONS): the venue's own delta, vega, theta and rho."""
    expiry = datetime(2024, 9, 27, 8, tzinfo=UTC)
    tau = np.array([(expiry - datetime(2023, 11, 10, 5, 18, 31, tzinfo=UTC)).total_seconds() / YEAR_S])
    forward, strike, sigma, sign = (np.array([x]) for x in (39_165.86, 40_000.0, 0.6086, 1.0))
    greeks = black.venue_greeks(forward, strike, sigma, tau, sign)
    assert float(black.price_usd(forward, strike, sigma * np.sqrt(tau), sign)[0]) / 39_165.86 == pytest.approx(
        0.2169, abs=5e-5
    )
    assert float(greeks.delta[0]) == pytest.approx(0.59833, abs=2e-5)
    assert float(greeks.vega[0]) == pytest.approx(142.30124, rel=2e-5)
    assert float(greeks.theta[0]) == pytest.approx(-13.4441, rel=1e-4)
    assert float(greeks.rho[0]) == pytest.approx(131.82621, rel=5e-5)


@given(
    sigma=st.floats(0.05, 4), moneyness=st.floats(-0.5, 0.5), tau=st.floats(1e-3, 2), sign=st.sampled_from([1.0, -1.0])
)
def test_implied_vol_inverts_the_price(sigma, moneyness, tau, sign):
    forward, strike = 90_000.0, 90_000.0 * np.exp(moneyness)
    price = call(forward, strike, sigma, tau) - (0 if sign > 0 else forward - strike)
    time_value = price - max(sign * (forward - strike), 0.0)
    found = black.implied_total_vol(*(np.array([x]) for x in (price, forward, strike, sign)))[0]
    if time_value < 1e-6 * forward or time_value > 0.999 * min(forward, strike):
        return  # not enough of the price is left to say the vol
    assert found == pytest.approx(sigma * np.sqrt(tau), rel=1e-4)


def test_implied_vol_is_nan_below_intrinsic_and_above_the_bound():
    prices = np.array([9_999.0, 10_000.0, 100_001.0, np.nan])
    found = black.implied_total_vol(prices, np.full(4, 1e5), np.full(4, 9e4), np.ones(4))
    assert np.isnan(found).all()


def test_tickers_carry_quotes_at_ticks_marks_and_greeks_that_fit_together():
    state = market()
    _, state = everything(state, 30)
    n_no_bid = n_two_sided = 0
    for data in tickers.option_tickers(state, range(len(state.options))):
        option = state.options[state.row_by_name[data["instrument_name"]]]
        u = UNDERLYINGS[option.underlying]
        forward, strike = data["underlying_price"], option.strike
        tau = (option.expiry_ns / 1e6 - data["timestamp"]) / 1000 / YEAR_S
        unit = forward if u.is_inverse else 1.0
        value = call(forward, strike, data["mark_iv"] / 100, tau) - (0 if option.sign > 0 else forward - strike)
        assert data["mark_price"] == pytest.approx(value / unit, abs=5.1e-5 if u.is_inverse else 5e-3)
        for price, amount in (
            (data["best_bid_price"], data["best_bid_amount"]),
            (data["best_ask_price"], data["best_ask_amount"]),
        ):
            tick = u.tick_steps[0][1] if price > u.tick_steps[0][0] else u.tick
            assert price / tick == pytest.approx(round(price / tick), abs=1e-6)
            assert (price > 0) == (amount > 0)
        bid, ask = data["best_bid_price"], data["best_ask_price"]
        if bid == 0.0:
            assert data["bid_iv"] == 0.0
            n_no_bid += 1
        if ask == 0.0:
            assert data["ask_iv"] == 0.0
        if bid and ask:
            assert bid < ask
            n_two_sided += 1
        if 0 < data["ask_iv"] < 900 and ask:
            at_ask = call(forward, strike, data["ask_iv"] / 100, tau) - (0 if option.sign > 0 else forward - strike)
            assert at_ask == pytest.approx(ask * unit, abs=0.02 * data["greeks"]["vega"] + 0.01 * u.tick * unit)
    assert n_two_sided > 1000
    assert n_no_bid > 40


def test_in_the_window_the_venues_delta_decays_and_nothing_else():
    start = datetime(2026, 1, 9, 7, 50, tzinfo=UTC)
    state = market(start_ns=int(start.timestamp()) * 10**9, rate=20_000.0)
    _, state = everything(state, 11)
    expiring = [s for s in state.series if s.n_fixed]
    assert {s.underlying.prefix for s in expiring} == {"BTC", "ETH", "BTC_USDC"}
    n_checked = 0
    for row, data in enumerate(tickers.option_tickers(state, range(len(state.options)))):
        option = state.options[row]
        if option.expiry_ns > expiring[0].expiry_ns:
            assert data["underlying_index"] != "SYN.EXPIRY"
            continue
        assert data["underlying_index"] == "SYN.EXPIRY"
        assert data["underlying_price"] == pytest.approx(data["estimated_delivery_price"], abs=1e-9)
        seconds = (option.expiry_ns / 1e6 - data["timestamp"]) / 1000
        tau = seconds / YEAR_S
        d1 = np.log(data["underlying_price"] / option.strike) / (data["mark_iv"] / 100 * np.sqrt(tau))
        d1 += data["mark_iv"] / 200 * np.sqrt(tau)
        plain = norm.cdf(d1) if option.sign > 0 else norm.cdf(d1) - 1
        assert data["greeks"]["delta"] == pytest.approx(plain * np.ceil(seconds / 4) / 450, abs=2e-5)
        vega = data["underlying_price"] * norm.pdf(d1) * np.sqrt(tau) / 100
        assert data["greeks"]["vega"] == pytest.approx(vega, abs=2e-5)
        n_checked += 1
    assert n_checked > 20


def test_the_tick_rate_is_the_one_asked_for():
    state = market(rate=500.0)
    said, _ = everything(state, 100)
    n_ticks = sum(len(updates.option_rows) for updates, _ in said)  # type: ignore[attr-defined,misc]
    assert n_ticks == pytest.approx(5_000, rel=0.1)


def test_unknown_currencies_are_refused():
    with pytest.raises(ValueError, match="BTC, ETH"):
        market(currencies=("DOGE",))
