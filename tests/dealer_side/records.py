"""Hand-written records for the dealer side's tests: what matters is said, the rest is unknown."""

from __future__ import annotations

from typing import Any

from schemas import (
    Clock,
    Direction,
    InstrumentState,
    InstrumentStatus,
    Kind,
    Liquidation,
    OptionQuote,
    OptionTrade,
    OptionType,
    Payoff,
    TickDirection,
)
from schemas.names import parse

S = 1_000_000_000
NOW_NS = 1_767_960_000 * S  # 2026-01-09 12:00 UTC
CALL, PUT = "BTC-27MAR26-100000-C", "BTC-27MAR26-90000-P"
SIDES = {"buy": Direction.BUY, "sell": Direction.SELL, "?": Direction.UNKNOWN}


def trade(
    side: str, amount: float, *, at: float, seq: int, name: str = CALL, price: float = 0.05, **more: Any
) -> OptionTrade:
    """``at``: seconds after NOW_NS; ``more``: fields of OptionTrade."""
    record = OptionTrade(
        ts_event_ns=NOW_NS + round(at * S), ingest_epoch=1, instrument_name=name, trade_id=f"{name}/{seq}", trade_seq=seq,
        price=price, amount_coin=amount, direction=SIDES[side], tick_direction=TickDirection.ZERO_PLUS, trade_sigma=None,
        index_price=None, mark=None, liquidation=Liquidation.NONE, block_trade_id=None, block_leg_count=None,
        block_rfq_id=None, combo_id=None, combo_trade_id=None, is_backfill=False,
    )  # fmt: skip
    return record._replace(**more)


def interest(held: float | None, *, at: float, name: str = CALL) -> OptionQuote:
    """A ticker that says its open interest, in coin."""
    nothing = OptionQuote(*[None] * len(OptionQuote._fields))  # type: ignore[arg-type]
    return nothing._replace(
        ts_event_ns=NOW_NS + round(at * S), ingest_epoch=1, instrument_name=name, is_snapshot=False, open_interest=held,
        state=InstrumentStatus.OPEN,
    )  # fmt: skip


def contract(name: str = CALL, *, at: float = 0.0, **more: Any) -> InstrumentState:
    named = parse(name)
    record = InstrumentState(
        ts_event_ns=NOW_NS + round(at * S), ingest_epoch=1, instrument_name=name, is_snapshot=False, snapshot_id=None,
        kind=Kind.OPTION, base_currency=named.base_currency, quote_currency=named.quote_currency,
        settlement_currency=named.settlement_currency, price_index=named.price_index, payoff=Payoff.INVERSE,
        option_type=named.option_type or OptionType.UNKNOWN, strike=named.strike, creation_ns=NOW_NS - 86_400 * S,
        expiry_ns=named.expiry_ns, contract_size=1.0, contract_size_unit="coin", tick_size=0.0001, tick_size_steps=(),
        min_trade_amount=0.1, status=InstrumentStatus.OPEN, delivery_price=None, settlement_rule="", exercise_style="european",
        is_inferred=False,
    )  # fmt: skip
    return record._replace(**more)


def clock(at: float) -> Clock:
    return Clock(ts_event_ns=NOW_NS + round(at * S), ingest_epoch=1, seq=1, offset_ms=None)
