"""How much of a partition is priced, read from the engine's state at a Clock.

Here, not in the engine: the engine's sources are part of its version, and looking at it changes no byte of a result.
"""

from __future__ import annotations

from collections import Counter

from schemas import Greeks, Reject, RowStatus, TradeGreeks
from streams.engine import EngineSettings, State
from streams.engine.columns import Row
from streams.engine.located import Result
from streams.engine.settings import NS_PER_MS
from streams.engine.state import Instrument
from streams.worker.folds import Coverage

NOTHING: tuple[int, ...] = ()


def coverage_of(state: State, settings: EngineSettings) -> Coverage:
    """Listed and priced options as the newest Watermark counts them, and the same weighed by open interest."""
    since_ns = state.log_time_ns - settings.priced_ms * NS_PER_MS
    rejected: Counter[str] = Counter()
    n_listed = n_priced = 0
    listed_usd = priced_usd = 0.0
    for inst in state.instruments.values():
        if inst.facts is None or not inst.facts.is_option:
            continue
        n_listed += 1
        interest_usd = open_interest_usd(state, inst)
        listed_usd += interest_usd
        if inst.good_ns >= since_ns:
            n_priced += 1
            priced_usd += interest_usd
        if inst.reject != RowStatus.OK:
            rejected[inst.reject.name] += 1
    counts = (n_listed, n_priced, dict(rejected), listed_usd, priced_usd)
    return Coverage(state.log_time_ns, state.waits_for, *counts, dict(state.counters))


def open_interest_usd(state: State, inst: Instrument) -> float:
    """Open interest of an option (coin) at its index price (USD per coin); 0 where either is not known."""
    if inst.quote is None or inst.contract is None or not inst.quote.open_interest:
        return 0.0
    underlying = state.underlyings.get(inst.contract.price_index)
    if underlying is None or underlying.index is None:
        return 0.0
    return max(0.0, inst.quote.open_interest) * underlying.index.value


def what_of(result: Result) -> tuple[int, ...]:
    """What a result is counted under beside its topic; ``figures`` has the names."""
    record = result.content
    if type(record) is Row:
        return record.what if result.topic == "greeks" else NOTHING
    kind = type(record)
    if kind is Greeks and result.topic == "greeks":
        return record.trigger, record.status, record.sigma_source  # type: ignore[union-attr]
    if kind is Reject or kind is TradeGreeks:
        return (record.status,)  # type: ignore[union-attr]
    return NOTHING
