"""A synthetic market as a tape: what the wire says, and beside it the dealer's true book and what gamma weighs it with.

The wire's part goes through the pipeline's own parsers.  The truth stays in ``Moment`` and reaches no fold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import OptionQuote, OptionTrade
from streams.deribit.contracts import instrument_state
from streams.deribit.quotes import option_quote
from streams.deribit.trades import option_trade
from streams.simulator import black, board, tickers
from streams.simulator.market import new_market, step
from streams.simulator.parties import Parties, drawn
from streams.simulator.state import MarketState

START_NS = int(datetime(2026, 1, 9, 12, 0, tzinfo=UTC).timestamp()) * 10**9
STEPS_PER_S = 10
COINS = ("BTC", "ETH")


class Moment(NamedTuple):
    """The truth at one moment.  Arrays over ``names``: the dealer's position (coin), OI (coin), USD per +1 % and coin held."""

    n_records: int  # of the tape's records, those that came before
    names: tuple[str, ...]
    true_coin: NDArray[np.float64]
    open_interest_coin: NDArray[np.float64]
    gamma_weights: NDArray[np.float64]


class Tape(NamedTuple):
    """``records`` in the order of the log; ``truths``: {trade id: the dealer's change, coin}."""

    seed: int
    parties: Parties
    coins: tuple[str, ...]
    records: list[Any]
    moments: list[Moment]
    truths: dict[str, float]


def gamma_weights(state: MarketState) -> NDArray[np.float64]:
    """gamma S^2 0.01 by row: USD that the delta of one coin changes by, for +1 % (Black-76 at the mark's vol)."""
    table = state.table
    series = [state.series[int(i)] for i in table["series"]]
    forward = np.array([s.forward for s in series])
    tau = np.maximum(np.array([(s.expiry_ns - state.now_ns) * 1e-9 for s in series]), 1.0) / black.SECONDS_PER_YEAR
    index = np.array([state.index[s.underlying.price_index] for s in series])
    gamma = black.venue_greeks(forward, table["strike"], table["mark_iv"] / 100.0, tau, table["sign"]).gamma
    return np.asarray(np.where(table["is_open"], gamma * index**2 * 0.01, 0.0))


def _moment(state: MarketState, n_records: int) -> Moment:
    held = [state.positions.get(option.name) for option in state.options]
    return Moment(
        n_records,
        tuple(option.name for option in state.options),
        np.array([0.0 if p is None else p.dealer for p in held]),
        np.array([0.0 if p is None else p.open_interest for p in held]),
        gamma_weights(state),
    )


def _quotes(state: MarketState, rows: list[int]) -> list[OptionQuote]:
    return [option_quote(data) for data in tickers.option_tickers(state, rows)]


def record(
    seed: int, *, n_options: int, trade_rate: float, seconds: int, every_s: int, coins: tuple[str, ...] = COINS
) -> Tape:
    """The tape of a seed: contracts and tickers of all options first, then trades, each followed by its option's ticker."""
    state = new_market(
        seed=seed, start_ns=START_NS, currencies=coins, n_options=n_options, n_linear=0, rate=n_options / 2.0,
        trade_rate=trade_rate, parties=drawn(seed),
    )  # fmt: skip
    listed = [board.instrument(state, option.name) for option in state.options]
    records: list[Any] = [instrument_state(row, START_NS) for row in listed if row is not None]
    records += _quotes(state, list(range(len(state.options))))
    moments, truths = [_moment(state, len(records))], {}
    for i in range(1, seconds * STEPS_PER_S + 1):
        state, updates = step(state)
        trades = [t for t in updates.trades if t.kind == "option"]
        records += [option_trade(t.data, is_backfill=False) for t in trades]
        truths |= {t.data["trade_id"]: t.dealer_amount for t in trades}
        records += _quotes(state, sorted(updates.option_rows))
        if i % (every_s * STEPS_PER_S) == 0:
            moments.append(_moment(state, len(records)))
    return Tape(seed, state.parties, coins, records, moments, truths)


def n_trades(tape: Tape) -> int:
    return sum(isinstance(item, OptionTrade) for item in tape.records)
