"""Trades and open interest of one holding: what waits, what it means when the open interest is known, what is never explained.

Channels keep their order, not one another's: a ticker may know a trade before we do.  So a change of open interest that our
trades cannot have made waits ``oi_grace_ms`` for them, before it is booked as a trade that we missed.
"""

from __future__ import annotations

import numpy as np

from schemas import OptionTrade, TradeGreeks
from streams.engine import seqs

from .chances import model, start_draws, trade_uniforms
from .classes import next_level, taker_sign, trade_class
from .moves import Floats, informed_move, plain_move, reweighed
from .settings import SideSettings
from .state import Holding, Pending, Start

NS_PER_MS = 1_000_000
SLACK_COIN = 1e-6
"""The venue rounds open interest to six digits; so do the draws, which keeps a checkpoint small."""


def take_trade(name: str, holding: Holding, trade: OptionTrade | TradeGreeks, settings: SideSettings) -> str:
    """Take a trade in once, by its number; returns what it is counted as."""
    if not seqs.add(holding.seqs, trade.trade_seq):
        return "repeated"
    seqs.bound(holding.seqs, settings.n_trade_intervals_max)
    sign = taker_sign(trade.direction)
    if not sign or not trade.amount_coin > 0.0:
        return "unreadable"
    holding.level = next_level(holding.level, trade)
    kind = trade_class(trade, holding.level.depth, sweep_levels=settings.sweep_levels)
    weight = settings.weights[kind].weight
    holding.volume_coin += trade.amount_coin
    holding.signed_volume_coin += abs(weight) * trade.amount_coin
    holding.flow_coin -= sign * weight * trade.amount_coin
    waiting = Pending(trade.ts_event_ns, kind, sign, trade.amount_coin, _key(trade))
    if trade.ts_event_ns < holding.settled_ns - settings.oi_grace_ms * NS_PER_MS:
        _put(holding, _plainly(_draws(name, holding, settings), [waiting], settings), holding.settled_coin)
    else:
        holding.pending.append(waiting)
        if len(holding.pending) > settings.n_pending_max:
            _put(holding, current_draws(name, holding, settings), None)
            holding.pending.clear()
    return f"class_{kind.name.lower()}"


def _key(trade: OptionTrade | TradeGreeks) -> str:
    """Legs of one block or combo share their parties, and so their random numbers."""
    deal = trade.block_trade_id or trade.combo_trade_id
    return f"deal/{deal}" if deal else f"trade/{trade.instrument_name}/{trade.trade_seq}"


def take_open_interest(name: str, holding: Holding, held: float, as_of_ns: int, settings: SideSettings) -> None:
    """Settle what waits with the open interest after it; an older one, or the same again, changes nothing."""
    if as_of_ns <= holding.open_interest_ns:
        return
    holding.open_interest_coin, holding.open_interest_ns = held, as_of_ns
    if holding.pending and as_of_ns < max(t.ts_ns for t in holding.pending) + settings.oi_lag_ms * NS_PER_MS:
        return  # of before those trades, or perhaps so
    if holding.settled_coin is None:
        _begin(name, holding, held, as_of_ns, settings)
    if holding.settled_coin is None:
        return
    change = held - holding.settled_coin
    unexplained = abs(change) - sum(t.amount_coin for t in holding.pending)
    if unexplained > SLACK_COIN:
        if holding.unexplained_since_ns is None:
            holding.unexplained_since_ns = as_of_ns
        if as_of_ns < holding.unexplained_since_ns + settings.oi_grace_ms * NS_PER_MS:
            return
    holding.unexplained_since_ns = None
    if holding.pending or unexplained > SLACK_COIN:
        _settle(name, holding, change, max(unexplained, 0.0), settings)
    holding.settled_coin, holding.settled_ns = held, as_of_ns


def _begin(name: str, holding: Holding, held: float, as_of_ns: int, settings: SideSettings) -> None:
    """The first open interest: was it there before our trades?  Not if nothing is open, nor if our trades have no hole from
    number 1 on and are enough to have opened it.  Otherwise its sides are unseen, and so is what our trades did to it."""
    is_whole = len(holding.seqs) == 1 and holding.seqs[0][0] == 1
    if held == 0.0 or (is_whole and held <= holding.volume_coin + SLACK_COIN):
        holding.start, holding.settled_coin = Start.SINCE_LISTING, 0.0
        holding.draws = _draws(name, holding, settings)
        return
    holding.start_coin = held
    if holding.draws is not None:  # moved by trades that could not wait any longer
        _put(holding, holding.draws + start_draws(name, held, settings), held)
    holding.draws = _draws(name, holding, settings)
    if holding.pending:
        _put(holding, _plainly(_draws(name, holding, settings), holding.pending, settings), held)
        holding.pending.clear()
    holding.settled_coin, holding.settled_ns = held, as_of_ns


def _draws(name: str, holding: Holding, settings: SideSettings) -> Floats:
    """float64 (n_draws,): the settled draws of a holding."""
    return start_draws(name, holding.start_coin, settings) if holding.draws is None else holding.draws


def _put(holding: Holding, draws: Floats, held: float | None) -> None:
    holding.draws = np.round(draws if held is None else np.clip(draws, -held, held), 6) + 0.0  # no -0.0
    holding.has_moved = True


def _plainly(draws: Floats, trades: list[Pending], settings: SideSettings) -> Floats:
    """Moved by trades that no open interest tells more of."""
    for trade in trades:
        odds = model(settings).by_class[trade.trade_class]
        draws = plain_move(draws, trade.taker_sign, trade.amount_coin, odds, trade_uniforms(trade.key, settings))
    return draws


def current_draws(name: str, holding: Holding, settings: SideSettings) -> Floats:
    """float64 (n_draws,): with the trades that wait for their open interest."""
    return _plainly(_draws(name, holding, settings), holding.pending, settings)


def _settle(name: str, holding: Holding, change: float, unexplained: float, settings: SideSettings) -> None:
    """Move the draws by the trades that wait, in their order, and by what no trade of ours explains.

    Each of several trades gets the same share of the change: their volumes bound what it can tell (rule 2).
    """
    chances, draws = model(settings), _draws(name, holding, settings)
    share = min(max(change / (sum(t.amount_coin for t in holding.pending) or 1.0), -1.0), 1.0)
    moves = [(t.taker_sign, t.amount_coin, chances.by_class[t.trade_class], share, t.key) for t in holding.pending]
    if unexplained > SLACK_COIN:
        holding.unexplained_coin += unexplained
        key = f"unseen/{name}/{holding.settled_ns}"
        moves.append((1, unexplained, chances.unseen, 1.0 if change > 0 else -1.0, key))
    likelihood = np.ones(settings.n_draws)
    for sign, amount, odds, told, key in moves:
        random = trade_uniforms(key, settings)
        draws, foresaw = informed_move(draws, sign, amount, odds, told, chances.evidence, random)
        likelihood *= foresaw
    _put(holding, reweighed(draws, likelihood), holding.open_interest_coin)
    holding.pending.clear()
