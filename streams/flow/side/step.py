"""The fold: ``step(state, record, settings) -> state``.  Holdings are independent of one another.

Hence any interleaving that keeps the order per instrument, over any number of shards, gives the same holdings, and a record that
comes again changes nothing: trades by their numbers, open interest and contracts by their times.
"""

from __future__ import annotations

import math
from typing import Any

from schemas import (
    Clock,
    Greeks,
    InstrumentState,
    InstrumentStatus,
    Kind,
    OptionQuote,
    OptionTrade,
    OptionType,
    RowStatus,
    TradeGreeks,
)
from schemas.errors import BadName
from schemas.names import parse

from .settings import SideSettings
from .settle import NS_PER_MS, take_open_interest, take_trade
from .state import NEVER, Contract, Holding, SideState

ENDED = (InstrumentStatus.CLOSED, InstrumentStatus.SETTLED, InstrumentStatus.TERMINATED)


def step(state: SideState, record: Any, settings: SideSettings) -> SideState:
    """Take one record in; what says nothing of a dealer's position changes nothing.

    Reads OptionTrade or TradeGreeks (one of the two topics, not both: the numbers are the same and the second is a repeat),
    OptionQuote or Greeks for the open interest, InstrumentState, Clock.
    """
    if isinstance(record, OptionTrade | TradeGreeks):
        _take_trade(state, record, settings)
    elif isinstance(record, OptionQuote):
        _take_open_interest(state, record.instrument_name, record.open_interest, record.ts_event_ns, settings)
    elif isinstance(record, Greeks):
        _take_row(state, record, settings)
    elif isinstance(record, InstrumentState):
        _take_contract(state, record)
    elif isinstance(record, Clock):
        advance(state, record.ts_event_ns)
    return state


def advance(state: SideState, log_time_ns: int) -> SideState:
    """Log time moves on: what has expired is settled, its position is gone.  Aligned folds call it with their watermark."""
    if log_time_ns > state.log_time_ns:
        state.log_time_ns = log_time_ns
        for name in [n for n, holding in state.holdings.items() if holding.contract.expiry_ns <= log_time_ns]:
            _remove(state, name)
    return state


def _remove(state: SideState, name: str) -> None:
    if state.holdings.pop(name, None) is not None:
        state.count("settled")


def _bounded_ns(state: SideState, ts_ns: int, settings: SideSettings) -> int:
    """An event time is believed up to a little past log time: a later one would make all that follows look old."""
    latest_ns = state.log_time_ns + settings.clock_lead_ms * NS_PER_MS
    if state.log_time_ns == NEVER or ts_ns <= latest_ns:
        return ts_ns
    state.count("clamped")
    return latest_ns


def _holding(state: SideState, name: str, ts_ns: int) -> Holding | None:
    """The holding of a listed option, made from its name where it is new; None for what is none or has expired."""
    holding = state.holdings.get(name)
    if holding is None:
        try:
            named = parse(name)
        except BadName:
            state.count("bad_name")
            return None
        if named.kind is not Kind.OPTION or named.is_combo or named.strike is None or named.expiry_ns is None:
            state.count("no_option")
            return None
        option_type = named.option_type or OptionType.UNKNOWN
        holding = Holding(Contract(option_type, named.strike, named.expiry_ns, 1.0))
        if holding.contract.expiry_ns > max(state.log_time_ns, ts_ns):
            state.holdings[name] = holding
    if holding.contract.expiry_ns <= max(state.log_time_ns, ts_ns):
        state.count("after_expiry")
        return None
    return holding


def _take_contract(state: SideState, record: InstrumentState) -> None:
    """Learn the contract; another one under the same name starts from nothing; a closed one is gone."""
    if record.kind != Kind.OPTION:
        return
    if record.status in ENDED:
        _remove(state, record.instrument_name)
        return
    holding = _holding(state, record.instrument_name, record.ts_event_ns)
    if holding is None:
        return
    contract = Contract(
        record.option_type or holding.contract.option_type,
        record.strike or holding.contract.strike,
        record.expiry_ns or holding.contract.expiry_ns,
        record.contract_size if record.contract_size_unit == "coin" else holding.contract.contract_size,
    )
    if contract.expiry_ns <= max(state.log_time_ns, record.ts_event_ns):
        _remove(state, record.instrument_name)
        return
    is_known = holding.creation_ns is not None and record.creation_ns is not None
    if is_known and (contract, record.creation_ns) != (holding.contract, holding.creation_ns):
        if record.creation_ns < holding.creation_ns:  # type: ignore[operator]  # both known
            return  # of the contract before
        state.count("rolled")
        holding = state.holdings[record.instrument_name] = Holding(contract)
    holding.contract = contract
    if record.creation_ns is not None:
        holding.creation_ns = record.creation_ns


def _take_row(state: SideState, row: Greeks, settings: SideSettings) -> None:
    """Open interest of a row is as old as its quote."""
    if row.kind != Kind.OPTION:
        return
    if row.status == RowStatus.EXPIRED:
        _remove(state, row.instrument_name)
        return
    if row.quote_age_ms is None:
        return
    as_of_ns = row.ts_event_ns - round(row.quote_age_ms * NS_PER_MS)
    _take_open_interest(state, row.instrument_name, row.open_interest, as_of_ns, settings)
    holding = state.holdings.get(row.instrument_name)
    if holding is not None and row.contract_size_unit == "coin":
        holding.contract = holding.contract._replace(contract_size=row.contract_size)


def _take_trade(state: SideState, trade: OptionTrade | TradeGreeks, settings: SideSettings) -> None:
    """A trade moves the position once; repeats, unknown sides and sizes that are none are counted and move nothing."""
    ts_ns = _bounded_ns(state, trade.ts_event_ns, settings)
    if ts_ns != trade.ts_event_ns:
        trade = trade._replace(ts_event_ns=ts_ns)
    holding = _holding(state, trade.instrument_name, ts_ns)
    if holding is not None:
        state.count(take_trade(trade.instrument_name, holding, trade, settings))


def _take_open_interest(state: SideState, name: str, held: float | None, as_of_ns: int, settings: SideSettings) -> None:
    if held is None:
        return
    if not 0.0 <= held < math.inf:
        state.count("unreadable")
        return
    as_of_ns = _bounded_ns(state, as_of_ns, settings)
    holding = _holding(state, name, as_of_ns)
    if holding is not None:
        take_open_interest(name, holding, held, as_of_ns, settings)
