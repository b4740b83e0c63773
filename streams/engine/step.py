"""The fold of a partition: (state, records) -> (state, results).  Pure: no clock, no broker, no randomness, no environment."""

from __future__ import annotations

from collections.abc import Sequence

from streams.engine.apply import HANDLERS
from streams.engine.batch import price
from streams.engine.jobs import Item
from streams.engine.located import Identity, Located, LogHole, Result
from streams.engine.settings import EngineSettings
from streams.engine.state import State
from streams.engine.triggers import schedule_all

ENGINE_VERSION = "3"
"""Changes whenever a byte of a result may: a worker of another version opens a new epoch."""


def new_state(identity: Identity, settings: EngineSettings) -> State:
    """The state before the first record; it takes any offset as its first."""
    return State(identity)


def step(state: State, records: Sequence[Located], settings: EngineSettings) -> tuple[State, list[Result]]:
    """Fold records in, and price what they trigger.

    Idempotent: records at or below the state's offset are skipped, a hole raises LogHole.  Batch invariant: any cut of the
    records into calls gives the same results in the same order.  The state given in is used up.
    """
    if not state.is_scheduled:
        schedule_all(state, settings)
        state.is_scheduled = True
    items: list[Item] = []
    for offset, record in records:
        if offset <= state.offset:
            continue
        if offset != state.offset + 1 and state.offset >= 0:
            raise LogHole(state.identity.partition, state.offset, offset)
        state.offset = offset
        handler = HANDLERS.get(type(record))
        if handler is None:
            state.count("unexpected_records")
        else:
            handler(state, record, offset, settings, items)
    return state, price(state, items, settings, state.identity) if items else []
