"""Which records may touch the state: structured answers before anything is applied (C24, C25).  Nothing here raises."""

from __future__ import annotations

from typing import Any, TypeVar

from schemas import InstrumentState, Kind, OptionQuote, OptionTrade, OptionType, Payoff, SettlementFixing
from streams.engine.forwards import LARGEST, is_price
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import State

R = TypeVar("R", OptionQuote, InstrumentState)

MOST_FIXINGS = 100_000


def bounded(state: State, ts_ns: int, settings: EngineSettings) -> int:
    """An event time as it is believed: at most a little past the last Clock.  Before the first Clock as it is."""
    if not state.has_clock:
        return ts_ns
    most_ns = state.clock_ns + settings.clock_lead_ms * NS_PER_MS
    if ts_ns > most_ns:
        state.count("clamped_times")
        return most_ns
    return ts_ns


def is_new_broadcast(state: State, epoch: int, seq: int) -> bool:
    """(epoch, seq) is applied once; a lower epoch never (rule 5)."""
    if epoch < state.epoch:
        state.count("superseded_records")
        return False
    if epoch == state.epoch and seq <= state.seq:
        state.count("repeated_broadcasts")
        return False
    raise_epoch(state, epoch)
    state.seq = seq
    return True


def raise_epoch(state: State, epoch: int) -> None:
    """A higher epoch starts its own count of broadcasts and of snapshots."""
    if epoch > state.epoch:
        state.epoch, state.seq = epoch, -1
        state.snapshot_id, state.snapshot_names = -1, {}


def without_nonsense(state: State, record: R) -> R:
    """The record with numbers that are no numbers (nan, infinite, beyond 1e300) as null; counted."""
    # Sizes summed cannot cancel; nulls and zeros drop out.  Text stands between a quote's numbers.
    numbers = (
        record[5:15] + record[16:33] if isinstance(record, OptionQuote) else [v for v in record if type(v) is float]
    )
    if sum(map(abs, filter(None, numbers))) < LARGEST:
        return record
    state.count("nonsense_numbers")
    cleaned = (None if type(v) is float and not -LARGEST < v < LARGEST else v for v in record)
    make: Any = type(record)._make
    result: R = make(cleaned)
    return result


def is_contract(record: InstrumentState) -> bool:
    """Whether an InstrumentState says enough, and nothing impossible, to be kept."""
    if record.kind == Kind.OPTION:
        if record.option_type not in (OptionType.CALL, OptionType.PUT) or not is_price(record.strike):
            return False
        if record.expiry_ns is None:
            return False
    elif record.kind not in (Kind.FUTURE, Kind.PERPETUAL):
        return False
    if record.payoff not in (Payoff.INVERSE, Payoff.LINEAR):
        return False
    return is_price(record.contract_size) and is_price(record.tick_size)


def is_trade(record: OptionTrade) -> bool:
    """Whether price and size are numbers that may be written out again."""
    for value in (record.price, record.amount_coin, record.trade_sigma, record.index_price, record.mark):
        if value is not None and not -LARGEST < value < LARGEST:
            return False
    return True


def is_fixing(record: SettlementFixing) -> bool:
    """Whether the cumulative numbers of a fixing can be right."""
    if not 0 <= record.n_fixed <= MOST_FIXINGS or record.grid_index < 1:
        return False
    return 0.0 <= record.running_sum < LARGEST and (record.n_fixed > 0) == (record.running_sum > 0.0)
