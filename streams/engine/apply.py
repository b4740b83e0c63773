"""Which function applies which kind of record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas import (
    Clock,
    FeedGap,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    SettlementFixing,
    UnderlyingQuote,
)
from streams.engine.broadcasts import apply_clock, apply_feed_gap, apply_fixing, apply_set, apply_underlying
from streams.engine.jobs import Dead, Item
from streams.engine.keyed import apply_instrument, apply_quote, apply_trade
from streams.engine.located import Unreadable
from streams.engine.settings import EngineSettings
from streams.engine.state import State


def apply_unreadable(state: State, record: Unreadable, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    state.count("unreadable_records")
    out.append(Dead(offset, state.log_time_ns, record))


HANDLERS: dict[type, Callable[[State, Any, int, EngineSettings, list[Item]], None]] = {
    OptionQuote: apply_quote,
    OptionTrade: apply_trade,
    InstrumentState: apply_instrument,
    UnderlyingQuote: apply_underlying,
    SettlementFixing: apply_fixing,
    Clock: apply_clock,
    InstrumentSet: apply_set,
    FeedGap: apply_feed_gap,
    Unreadable: apply_unreadable,
}
"""Kinds of records of the log; anything else is counted and changes nothing."""
