"""Trades as the venue prints them -> OptionTrade.

The pipeline publishes trades of options only.  A combo's own print has no place: its option legs are printed once more as trades of the
options, with ``combo_id``, and counting both would double the flow.
"""

from __future__ import annotations

from schemas import Direction, Liquidation, OptionTrade, TickDirection
from streams.deribit.fields import (
    FieldError,
    Object,
    integer,
    ns_from_ms,
    optional_text,
    positive,
    positive_or_zero,
    required_integer,
    sigma_from_pct,
    text,
)
from streams.deribit.quotes import NO_EPOCH

_DIRECTIONS = {"buy": Direction.BUY, "sell": Direction.SELL}
_TICKS = (TickDirection.PLUS, TickDirection.ZERO_PLUS, TickDirection.MINUS, TickDirection.ZERO_MINUS)
_LIQUIDATIONS = {
    None: Liquidation.NONE,
    "none": Liquidation.NONE,
    "M": Liquidation.MAKER,
    "T": Liquidation.TAKER,
    "MT": Liquidation.BOTH,
}
MOST_LEGS = 2**31 - 1


def option_trade(data: Object, *, is_backfill: bool) -> OptionTrade:
    """One trade of an option; amount in coin, price in premium unit, IV as a fraction (0 or missing: None)."""
    return OptionTrade(
        ts_event_ns=ns_from_ms(data),
        ingest_epoch=NO_EPOCH,
        instrument_name=text(data, "instrument_name"),
        trade_id=_required_id(data, "trade_id"),
        trade_seq=required_integer(data, "trade_seq"),
        price=positive(data, "price"),
        amount_coin=positive(data, "amount"),
        direction=_direction(data),
        tick_direction=_tick_direction(data),
        trade_sigma=sigma_from_pct(data, "iv") or None,
        index_price=positive_or_zero(data, "index_price"),
        mark=positive_or_zero(data, "mark_price"),
        liquidation=_liquidation(data),
        block_trade_id=optional_text(data, "block_trade_id"),
        block_leg_count=_leg_count(data),
        block_rfq_id=integer(data, "block_rfq_id"),
        combo_id=optional_text(data, "combo_id"),
        combo_trade_id=optional_text(data, "combo_trade_id"),
        is_backfill=is_backfill,
    )


def _required_id(data: Object, field: str) -> str:
    value = optional_text(data, field)
    if value is None:
        raise FieldError(field, None, "an identifier")
    return value


def _direction(data: Object) -> Direction:
    word = text(data, "direction")
    if word not in _DIRECTIONS:
        raise FieldError("direction", word, "'buy' or 'sell'")
    return _DIRECTIONS[word]


def _tick_direction(data: Object) -> TickDirection:
    place = required_integer(data, "tick_direction")
    if place >= len(_TICKS):
        raise FieldError("tick_direction", place, "0 to 3")
    return _TICKS[place]


def _liquidation(data: Object) -> Liquidation:
    word = optional_text(data, "liquidation")
    if word not in _LIQUIDATIONS:
        raise FieldError("liquidation", word, "'M', 'T', 'MT' or nothing")
    return _LIQUIDATIONS[word]


def _leg_count(data: Object) -> int | None:
    count = integer(data, "block_trade_leg_count")
    if count is not None and count > MOST_LEGS:
        raise FieldError("block_trade_leg_count", count, "an int32")
    return count
