"""From a trade to its class: the first of these that holds.

liquidation   the venue says which side was liquidated
RFQ           ``block_rfq_id``; the taker is who asked
block         ``block_trade_id`` alone: no side that means anything
combo         ``combo_id``: a leg, with the leg's own direction
better        a price better for the taker than the mark
sweep         at least so many levels deep into the book
screen        the rest
"""

from __future__ import annotations

from typing import NamedTuple

from schemas import Direction, Liquidation, OptionTrade, TradeGreeks

from .weights import TradeClass

_LIQUIDATED = {
    Liquidation.TAKER: TradeClass.LIQUIDATED_TAKER,
    Liquidation.MAKER: TradeClass.LIQUIDATED_MAKER,
    Liquidation.BOTH: TradeClass.LIQUIDATED_BOTH,
}


class Level(NamedTuple):
    """How deep into the book the newest order has taken: ``depth`` prices so far, each worse than the one before."""

    ts_ns: int
    taker_sign: int
    price: float
    depth: int


NO_LEVEL = Level(-1, 0, 0.0, 0)


def taker_sign(direction: Direction) -> int:
    """+1 the taker buys, -1 sells, 0 not said: such a trade moves nothing and is counted."""
    return 1 if direction == Direction.BUY else -1 if direction == Direction.SELL else 0


def next_level(level: Level, trade: OptionTrade | TradeGreeks) -> Level:
    """The level of this trade: one deeper when it is of the same moment and side at a worse price, else the first."""
    sign = taker_sign(trade.direction)
    if level.ts_ns != trade.ts_event_ns or level.taker_sign != sign:
        return Level(trade.ts_event_ns, sign, trade.price, 1)
    is_worse = (trade.price - level.price) * sign > 0
    return level._replace(price=trade.price, depth=level.depth + 1) if is_worse else level


def trade_class(trade: OptionTrade | TradeGreeks, depth: int, *, sweep_levels: int) -> TradeClass:
    """The class of a trade that is ``depth`` levels deep."""
    if trade.liquidation in _LIQUIDATED:
        return _LIQUIDATED[trade.liquidation]
    if trade.block_rfq_id is not None:
        return TradeClass.RFQ
    if trade.block_trade_id is not None:
        return TradeClass.BLOCK
    if trade.combo_id is not None:
        return TradeClass.COMBO
    if trade.mark is not None and (trade.mark - trade.price) * taker_sign(trade.direction) > 0:
        return TradeClass.BETTER_THAN_MARK
    return TradeClass.SWEEP if depth >= sweep_levels else TradeClass.SCREEN
