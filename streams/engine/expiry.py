"""The end of an instrument (rule 8): applied by the first Clock at or after its expiry."""

from __future__ import annotations

from streams.engine.jobs import Expired, Item
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Instrument, State

LATEST_NS = 1 << 62
"""Later than any expiry."""


def note_expiry(state: State, inst: Instrument) -> None:
    """Keep the nearest expiry, so that a Clock need not look at every instrument."""
    if inst.contract is not None and inst.contract.expiry_ns is not None:
        state.next_expiry_ns = min(state.next_expiry_ns, inst.contract.expiry_ns)


def expire(state: State, offset: int, settings: EngineSettings, out: list[Item]) -> None:
    """Last rows and tombstones of everything expired by the newest Clock, by (expiry, name); its state goes."""
    _forget(state, settings)
    if state.clock_ns < state.next_expiry_ns:
        return
    gone = []
    for name, inst in state.instruments.items():
        if (
            inst.contract is not None
            and inst.contract.expiry_ns is not None
            and inst.contract.expiry_ns <= state.clock_ns
        ):
            gone.append((inst.contract.expiry_ns, name))
    for expiry_ns, name in sorted(gone):
        inst = state.instruments.pop(name)
        if inst.contract is not None:
            state.by_index.get(inst.contract.price_index, {}).pop(name, None)
        state.expired[name] = expiry_ns
        out.append(Expired(offset, state.log_time_ns, inst))
    state.next_expiry_ns = LATEST_NS
    for inst in state.instruments.values():
        note_expiry(state, inst)


def _forget(state: State, settings: EngineSettings) -> None:
    """Trade numbers of the expired stay an hour; forwards and fixings of past expiries likewise."""
    before_ns = state.clock_ns - settings.trade_memory_ms * NS_PER_MS
    for name in [name for name, expiry_ns in state.expired.items() if expiry_ns < before_ns]:
        del state.expired[name]
        state.seqs.pop(name, None)
    for underlying in state.underlyings.values():
        for expiry_ns in [e for e in underlying.forwards if e < before_ns]:
            del underlying.forwards[expiry_ns]
        for expiry_ns in [e for e in underlying.fixings if e < before_ns]:
            del underlying.fixings[expiry_ns]
