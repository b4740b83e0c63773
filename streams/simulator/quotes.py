"""What market makers quote and the venue marks, for a batch of option rows, and for futures and perpetuals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from . import black, surface
from .state import (
    BOOK_FAR_ASK,
    BOOK_FULL,
    BOOK_NO_ASK,
    BOOK_NO_BID,
    GRID_NS,
    N_FIXINGS,
    WINDOW_NS,
    FutureRow,
    MarketState,
)

Rows = NDArray[np.int64]

KEEP_SHARE = 0.4  # of the ticks leave bid and ask alone, only the mark moves, as on the venue
NO_BID_IV, UNUSABLE_ASK_IV = 0.0, 999.0
FAR_ASK_COIN = 1.0
NO_BID_TICKS = 4.0  # nobody bids for an option worth less than this many ticks
SPREAD_SIGMA = 0.006  # half spread at the money in vol; wider away from it
MARK_IV_DECIMALS = 2  # of per cent


def seconds_left(state: MarketState, series: NDArray[np.int32]) -> black.Floats:
    expiry_ns = np.array([s.expiry_ns for s in state.series], dtype=np.int64)
    return np.asarray((expiry_ns[series] - state.now_ns) * 1e-9, dtype=np.float64)


def european_sigma(state: MarketState, rows: Rows) -> black.Floats:
    """The vol (fraction) at which Black-76 to expiry gives the settlement average's value, off the true surface."""
    series = state.table["series"][rows]
    left = seconds_left(state, series)
    forward = np.array([s.forward for s in state.series])[series]
    log_moneyness = np.log(state.table["strike"][rows] / forward)
    coins = [s.underlying.base for s in state.series]
    tau = np.maximum(left, 1e-3) / black.SECONDS_PER_YEAR
    effective = surface.effective_tau(left)
    sigma = np.empty(len(rows))
    for coin, factor in state.factors.items():
        mask = np.array([c == coin for c in coins])[series]
        w = surface.total_variance(factor.smile, log_moneyness[mask], effective[mask])
        sigma[mask] = np.sqrt(np.maximum(w, 0.0) / tau[mask])
    return sigma


def _ticks(price: black.Floats, tick: black.Floats, large_tick: black.Floats, above: black.Floats) -> black.Floats:
    return np.where(price > above, large_tick, tick)


def requote(state: MarketState, rows: Rows, *, is_first: bool = False) -> None:
    """Give these rows a new mark, greeks, bid and ask at the state's time; writes them into the table."""
    if len(rows) == 0:
        return
    table, rng = state.table, state.rng
    series = table["series"][rows]
    strike, sign = table["strike"][rows], table["sign"][rows]
    all_series = state.series
    forward = np.round(np.array([s.forward for s in all_series])[series], 4)
    estimate = np.array([s.estimate for s in all_series])[series]
    index = np.array([state.index[s.underlying.price_index] for s in all_series])[series]
    unit = np.where(np.array([s.underlying.is_inverse for s in all_series])[series], forward, 1.0)
    left = np.maximum(seconds_left(state, series), 1e-3)
    tau = left / black.SECONDS_PER_YEAR

    # The published vol is rounded first: the mark price and the greeks are those of the published vol, as the venue's are.
    mark_iv = np.round(100.0 * european_sigma(state, rows), MARK_IV_DECIMALS)
    sigma = mark_iv / 100.0
    value = black.price_usd(forward, strike, sigma * np.sqrt(tau), sign)
    greeks = black.venue_greeks(forward, strike, sigma, tau, sign)
    share_left = np.minimum(np.ceil(left / 4.0) / N_FIXINGS, 1.0)

    table["mark"][rows] = value / unit
    table["mark_iv"][rows] = mark_iv
    table["delta"][rows] = greeks.delta * share_left  # the venue decays delta in the window, and nothing else
    for name in ("gamma", "vega", "theta", "rho"):
        table[name][rows] = getattr(greeks, name)
    table["forward"][rows], table["index"][rows], table["estimate"][rows] = forward, index, estimate
    table["ts_ms"][rows] = state.now_ns // 1_000_000

    d1 = np.log(forward / strike) / np.maximum(sigma * np.sqrt(tau), 1e-9)
    jitter = np.exp(0.25 * rng.standard_normal(len(rows)))
    half = (
        greeks.vega * 100.0 * SPREAD_SIGMA * (1.0 + 0.35 * np.minimum(np.abs(d1), 6.0)) * table["width"][rows] * jitter
    )
    _write_quotes(state, rows, value / unit, (half + 0.004 * value) / unit, is_first=is_first)
    _write_vols(state, rows, forward, strike, sign, tau, unit)


def _write_quotes(state: MarketState, rows: Rows, fair: black.Floats, half: black.Floats, *, is_first: bool) -> None:
    """Bid and ask around ``fair`` at the venue's ticks, never crossed; some rows keep the quote they have."""
    table, rng = state.table, state.rng
    series = table["series"][rows]
    small = np.array([s.underlying.tick for s in state.series])[series]
    above = np.array([s.underlying.tick_steps[0][0] for s in state.series])[series]
    large = np.array([s.underlying.tick_steps[0][1] for s in state.series])[series]
    low, high = np.where(fair < NO_BID_TICKS * small, 0.0, np.maximum(fair - half, 0.0)), fair + half
    tick = _ticks(low, small, large, above)
    bid = np.round(np.floor(low / tick + 1e-9) * tick, 6)
    tick = _ticks(high, small, large, above)
    ask = np.round(np.maximum(np.ceil(high / tick - 1e-9) * tick, bid + tick), 6)
    old_bid, old_ask = table["bid"][rows], table["ask"][rows]
    fits = (
        (old_bid < fair) & (fair < old_ask) & (np.abs(old_bid - bid) <= 3 * tick) & (np.abs(old_ask - ask) <= 3 * tick)
    )
    keep = fits & (rng.random(len(rows)) < KEEP_SHARE) & (not is_first)
    books = table["book"][rows]
    bid = np.where(books == BOOK_NO_BID, 0.0, bid)
    ask = np.where(books == BOOK_NO_ASK, 0.0, np.where(books == BOOK_FAR_ASK, np.maximum(FAR_ASK_COIN, ask), ask))
    keep &= books == BOOK_FULL
    minimum = np.array([s.underlying.min_amount for s in state.series])[series]
    typical = np.array([s.underlying.typical_amount for s in state.series])[series]
    sizes = minimum * np.ceil(typical / minimum * np.exp(0.9 * rng.standard_normal((2, len(rows)))))
    new_bid_size = np.where(bid > 0, np.round(sizes[0], 6), 0.0)
    new_ask_size = np.where(ask > 0, np.round(sizes[1], 6), 0.0)
    table["bid"][rows] = np.where(keep, old_bid, bid)
    table["ask"][rows] = np.where(keep, old_ask, ask)
    table["bid_size"][rows] = np.where(keep, table["bid_size"][rows], new_bid_size)
    table["ask_size"][rows] = np.where(keep, table["ask_size"][rows], new_ask_size)


def _write_vols(
    state: MarketState,
    rows: Rows,
    forward: black.Floats,
    strike: black.Floats,
    sign: black.Floats,
    tau: black.Floats,
    unit: black.Floats,
) -> None:
    """Bid and ask vol in per cent with the venue's sentinels: 0 for no usable bid, 999 for an unusable ask, 0 for none."""
    table, n = state.table, len(rows)
    prices = np.concatenate([table["bid"][rows] * unit, table["ask"][rows] * unit])
    total = black.implied_total_vol(prices, np.tile(forward, 2), np.tile(strike, 2), np.tile(sign, 2))
    iv = np.round(100.0 * total / np.sqrt(np.tile(tau, 2)), 2)
    table["bid_iv"][rows] = np.where(np.isnan(iv[:n]), NO_BID_IV, np.minimum(iv[:n], 998.0))
    ask_iv = np.where(np.isnan(iv[n:]) | (iv[n:] > 998.0), UNUSABLE_ASK_IV, iv[n:])
    table["ask_iv"][rows] = np.where(table["ask"][rows] > 0, ask_iv, 0.0)


def requote_future(state: MarketState, row: FutureRow) -> None:
    """A new quote of a future (round its series' forward) or a perpetual (round the index, with its funding)."""
    u = state.underlyings[[x.prefix for x in state.underlyings].index(row.contract.underlying)]
    index = state.index[u.price_index]
    factor = state.factors[u.base]
    z = state.rng.standard_normal(4).tolist()
    if row.series is None:
        premium = 0.00004 * (factor.basis / 0.06) + 0.00008 * z[0]
        fair = index * (1.0 + premium)
        row.funding = round(math.copysign(max(abs(premium) - 0.00025, 0.0), premium), 8)
        row.funding_8h += 0.001 * (premium - row.funding_8h)
        row.estimate = index
    else:
        series = state.series[row.series]
        fair = series.forward
        row.estimate = series.estimate
    tick = u.future_tick
    half = max(tick, fair * 0.00003 * math.exp(0.4 * z[1]))
    row.bid = round(math.floor((fair - half) / tick) * tick, 4)
    row.ask = round(max(math.ceil((fair + half) / tick) * tick, row.bid + tick), 4)
    lot = u.future_contract_usd
    scale = 30_000.0 / (1.0 if u.is_inverse else index)
    row.bid_size = round(lot * max(1, round(scale / lot * math.exp(z[2]))), 6)
    row.ask_size = round(lot * max(1, round(scale / lot * math.exp(z[3]))), 6)
    row.mark = round(fair, 2)
    row.index = index
    row.ts_ms = state.now_ns // 1_000_000


def in_window(expiry_ns: int, now_ns: int) -> bool:
    return expiry_ns - WINDOW_NS < now_ns <= expiry_ns


def grid_floor(now_ns: int) -> int:
    return now_ns - now_ns % GRID_NS
