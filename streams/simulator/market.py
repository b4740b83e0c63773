"""The synthetic market: made from a seed, moved by ``step`` on a 100 ms grid of its own time.

The same seed, start and number of steps give the same updates, whatever the wall clock does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import flow, lifecycle, quotes
from .listing import NS, UNDERLYINGS
from .parties import USUAL, Parties
from .state import FIXING_INTERVAL_NS, GRID_NS, N_FIXINGS, Factor, MarketState, Series
from .surface import Smile, atm_variance, bounded

DT_YEARS = GRID_NS * 1e-9 / 31_536_000
DT_S = GRID_NS * 1e-9
SECOND = NS
FORWARD_NOISE, NOISE_DECAY = 4e-6, 0.9  # of the forward, per step
INITIAL_MEAN_SHIFT = 3e-4  # mean of the fixings before a start inside the window, against the first index
P_FUTURE_TICK = 0.3  # of a future or perpetual, per step


class IndexTick(NamedTuple):
    price_index: str
    price: float


class Estimate(NamedTuple):
    """``estimated_expiration_price``: of the next expiry of the index."""

    price_index: str
    price: float
    seconds: int
    is_estimated: bool
    left_ticks: int
    total_ticks: int


class StateChange(NamedTuple):
    """``instrument.state``: created, started, closed, settled."""

    instrument_name: str
    kind: str
    currency: str
    state: str


class Updates(NamedTuple):
    """What one step of the market says, in the order in which it is to be sent."""

    now_ns: int
    indices: tuple[IndexTick, ...]
    volatility: tuple[IndexTick, ...]  # DVOL, per cent
    estimates: tuple[Estimate, ...]
    changes: tuple[StateChange, ...]
    trades: tuple[flow.Trade, ...]
    option_rows: tuple[int, ...]
    futures: tuple[str, ...]


def new_market(
    *,
    seed: int,
    start_ns: int,
    currencies: tuple[str, ...] = ("BTC", "ETH"),
    n_options: int = 1_500,
    n_linear: int = 60,
    rate: float = 1_000.0,
    trade_rate: float = 3.0,
    parties: Parties = USUAL,
) -> MarketState:
    """A market at ``start_ns`` with everything listed, quoted and held; ``rate`` in option tickers per second.

    ``n_options`` in all; ``n_linear`` of them are BTC_USDC options, when BTC is among the currencies.
    """
    unknown = [c for c in currencies if c not in ("BTC", "ETH")]
    if unknown or not currencies:
        raise ValueError(f"currencies must be BTC, ETH or both, not {', '.join(currencies) or 'none'}")
    rng = np.random.default_rng(seed)
    factors = {}
    for coin in currencies:
        u = UNDERLYINGS[coin]
        sigma = u.first_sigma * math.exp(0.1 * rng.standard_normal())
        smile = bounded(Smile(sigma, u.first_sigma * 1.08, 6.0, -0.18 + 0.05 * float(rng.standard_normal()), 1.15))
        factors[coin] = Factor(u.first_price * math.exp(0.03 * rng.standard_normal()), smile, 0.06)
    n_linear = min(n_linear, n_options // 2) if "BTC" in currencies else 0
    wanted = {coin: (n_options - n_linear) // len(currencies) for coin in currencies}
    underlyings = [UNDERLYINGS[coin] for coin in currencies]
    if n_linear:
        underlyings.append(UNDERLYINGS["BTC_USDC"])
        wanted["BTC_USDC"] = n_linear
    state = MarketState(
        now_ns=quotes.grid_floor(start_ns),
        rng=rng,
        rate=rate,
        trade_rate=trade_rate,
        factors=factors,
        underlyings=underlyings,
        parties=parties,
        n_options_wanted=wanted,
    )
    _publish_indices(state)
    lifecycle.list_all(state)
    _prefill_fixings(state)
    _move_forwards(state)
    quotes.requote(state, np.flatnonzero(state.table["is_open"]), is_first=True)
    state.table["settlement"] = np.round(state.table["mark"] * np.exp(0.05 * rng.standard_normal(len(state.table))), 6)
    for row in state.futures.values():
        quotes.requote_future(state, row)
        row.settlement = row.mark
        row.last = row.first = row.high = row.low = row.mark
    lifecycle.seed_positions(state, np.arange(len(state.table)))
    reweigh(state)
    return state


def step(state: MarketState) -> tuple[MarketState, Updates]:
    """Move the market by one grid step; the state given in is used up."""
    state.now_ns += GRID_NS
    is_second = state.now_ns % SECOND == 0
    _move_factors(state)
    indices: tuple[IndexTick, ...] = ()
    volatility: tuple[IndexTick, ...] = ()
    found: tuple[Estimate, ...] = ()
    if is_second:
        indices = _publish_indices(state)
        _take_fixings(state)
        volatility = tuple(IndexTick(u.price_index, _dvol(state, u.base)) for u in state.underlyings if u.is_inverse)
        found = estimates(state)
    _move_forwards(state)
    changes, closed_rows, closed_futures = lifecycle.advance(state)
    if is_second:
        reweigh(state)
    trades = tuple(flow.draw(state, DT_S))
    rows = _ticking_rows(state, trades)
    quotes.requote(state, rows)
    ticking = [
        name for name, row in state.futures.items() if row.state == "open" and state.rng.random() < P_FUTURE_TICK
    ]
    traded = [trade.data["instrument_name"] for trade in trades if trade.kind == "future"]
    futures = tuple(dict.fromkeys(ticking + traded))
    for name in futures:
        quotes.requote_future(state, state.futures[name])
    return state, Updates(
        now_ns=state.now_ns,
        indices=indices,
        volatility=volatility,
        estimates=found,
        changes=tuple(StateChange(*change) for change in changes),
        trades=trades,
        option_rows=(*closed_rows, *rows.tolist()),
        futures=(*closed_futures, *futures),
    )


def reweigh(state: MarketState) -> None:
    """How often each option ticks: all of them sometimes, near the money and short-dated ones mostly."""
    table = state.table
    d = np.abs(table["delta"])
    near = 4.0 * np.minimum(d, 1.0 - np.minimum(d, 1.0)) ** 0.7
    weight = 0.4 + near
    table["weight"] = np.where(table["is_open"], weight, 0.0)


def _ticking_rows(state: MarketState, trades: tuple[flow.Trade, ...]) -> quotes.Rows:
    weight = state.table["weight"]
    total = float(weight.sum())
    if total <= 0:
        return np.zeros(0, np.int64)
    ticks = state.rng.random(len(weight)) < weight * (state.rate * DT_S / total)
    for trade in trades:
        if trade.kind == "option":
            ticks[state.row_by_name[trade.data["instrument_name"]]] = True
    return np.flatnonzero(ticks & state.table["is_open"])


def _move_factors(state: MarketState) -> None:
    for factor in state.factors.values():
        z = state.rng.standard_normal(5).tolist()
        smile = factor.smile
        vol_step = 1.2 * math.sqrt(DT_YEARS) * (-0.4 * z[0] + 0.9165 * z[1])
        log_level = math.log(smile.level) + vol_step + 12.0 * DT_YEARS * math.log(smile.long_run / smile.level)
        factor.spot *= math.exp(smile.level * math.sqrt(DT_YEARS) * z[0] - 0.5 * smile.level**2 * DT_YEARS)
        factor.smile = bounded(
            smile._replace(level=math.exp(log_level), rho=smile.rho + 0.5 * math.sqrt(DT_YEARS) * z[2])
        )
        factor.basis += 0.05 * math.sqrt(DT_YEARS) * z[3] + 20.0 * DT_YEARS * (0.06 - factor.basis)
        factor.peg = 0.9995 * factor.peg + 5e-6 * z[4]


def _publish_indices(state: MarketState) -> tuple[IndexTick, ...]:
    for u in state.underlyings:
        factor = state.factors[u.base]
        state.index[u.price_index] = round(factor.spot * (1.0 if u.is_inverse else 1.0 + factor.peg), 2)
    return tuple(IndexTick(u.price_index, state.index[u.price_index]) for u in state.underlyings)


def _dvol(state: MarketState, coin: str) -> float:
    """30-day vol in per cent: at the money, with the smile's convexity."""
    tau = 30.0 / 365.0
    smile = state.factors[coin].smile
    variance = float(atm_variance(smile, np.array([tau]))[0]) * (1.0 + 0.15 * smile.eta**2 / 4)
    return round(100.0 * math.sqrt(variance / tau), 2)


def _prefill_fixings(state: MarketState) -> None:
    """A market that starts inside a window has the fixings before its start at one made-up mean near the index."""
    for series in state.series:
        n = N_FIXINGS - math.ceil((series.expiry_ns - state.now_ns) / FIXING_INTERVAL_NS)
        if n > 0:
            mean = state.index[series.underlying.price_index] * (
                1.0 + INITIAL_MEAN_SHIFT * float(state.rng.standard_normal())
            )
            series.n_fixed, series.fixing_sum = n, round(mean, 2) * n


def _take_fixings(state: MarketState) -> None:
    """Sample the index at the grid points expiry - (450 - i) 4 s, i = 1..450."""
    for series in state.series:
        before_ns = series.expiry_ns - state.now_ns
        if (
            series.state == "open"
            and 0 <= before_ns < N_FIXINGS * FIXING_INTERVAL_NS
            and before_ns % FIXING_INTERVAL_NS == 0
        ):
            series.fixing_sum += state.index[series.underlying.price_index]
            series.n_fixed += 1


def estimated_delivery(series: Series, index: float) -> float:
    """w avg + (1 - w) index, w the share of fixings taken: the index itself before the window."""
    return round((series.fixing_sum + (N_FIXINGS - series.n_fixed) * index) / N_FIXINGS, 2)


def _move_forwards(state: MarketState) -> None:
    noises = state.rng.standard_normal(len(state.series)).tolist()
    for series, z in zip(state.series, noises, strict=True):
        if series.state == "closed":
            continue
        u = series.underlying
        factor = state.factors[u.base]
        index = state.index[u.price_index]
        series.estimate = estimated_delivery(series, index)
        if series.n_fixed:
            series.forward = series.estimate
        elif series.index_name == "index_price":
            series.forward = index
        else:
            series.noise = NOISE_DECAY * series.noise + FORWARD_NOISE * z
            tau = (series.expiry_ns - state.now_ns) * 1e-9 / 31_536_000
            spot = factor.spot * (1.0 if u.is_inverse else 1.0 + factor.peg)
            series.forward = round(spot * math.exp(factor.basis * tau + series.noise), 2)


def estimates(state: MarketState) -> tuple[Estimate, ...]:
    found = []
    for u in state.underlyings:
        nearest = min(
            (s for s in state.series if s.underlying is u and s.state == "open"),
            key=lambda s: s.expiry_ns,
            default=None,
        )
        if nearest is None:
            continue
        left_ns = nearest.expiry_ns - state.now_ns
        is_estimated = nearest.n_fixed > 0
        price = estimated_delivery(nearest, state.index[u.price_index])
        left = N_FIXINGS - nearest.n_fixed
        found.append(Estimate(u.price_index, price, max(left_ns // NS, 0), is_estimated, left, N_FIXINGS))
    return tuple(found)


def dealer_book(state: MarketState) -> dict[str, float]:
    """The dealer's true net positions that are not zero, by instrument, in the venue's amount unit."""
    return {name: position.dealer for name, position in state.positions.items() if position.dealer}
