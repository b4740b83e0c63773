"""The state of the fold: the lanes, what is final, and the newest rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import Greeks
from streams.flow.publish import FlowState
from streams.flow.settings import FlowSettings
from streams.flow.settlements import Settlements
from streams.flow.side import KeptDraws, SideSettings, SideState
from streams.partitioning import N_PARTITIONS

from .lanes import NEVER, NO_MARK, NS_PER_S, TOPICS, Lane, LaneKey, Mark, lane_at


class Context(NamedTuple):
    """What the fold is told: every number that can change a byte of its records."""

    flow: FlowSettings = FlowSettings()
    side: SideSettings = SideSettings()
    settings_hash: str = ""
    """Of both."""
    engine_version: str = ""
    partitions: tuple[int, ...] = tuple(range(N_PARTITIONS))
    """Those that must have passed a second before it is final."""


@dataclass(slots=True)
class Final:
    """As of the last final second; what a checkpoint holds."""

    second_ns: int = NEVER
    began_ns: int = NEVER
    """The first second up to which every partition had greeks: before it a book would lack options that were there, and none goes out."""
    rows: dict[str, Greeks] = field(default_factory=dict)
    """The newest row of every instrument that has not expired."""
    side: SideState = field(default_factory=SideState)
    flow: dict[str, FlowState] = field(default_factory=dict)
    """By currency."""
    settlements: dict[str, Settlements] = field(default_factory=dict)
    """By currency."""
    marks: dict[LaneKey, Mark] = field(default_factory=dict)
    """Where each lane stood: reading goes on behind it."""


@dataclass(slots=True)
class State:
    """``step`` takes a state and gives it back changed; the one it was given is used up."""

    final: Final
    lanes: dict[LaneKey, Lane]
    newest: dict[str, Greeks]
    """The newest row of every instrument, whatever the other lanes say."""
    provisional_ns: int = NEVER
    """The last second that a provisional record was of."""
    kept: dict[str, KeptDraws] = field(default_factory=dict)
    """By currency: read-outs of positions, so that only what moved is made again.  The numbers are the same without it."""
    n_finals: int = 0
    is_overrun: bool = False
    """Nothing is kept for finals: a lane has been late for longer than the others can be held for it."""


def new_state(context: Context) -> State:
    """Nothing read yet."""
    return resumed(Final(), context)


def resumed(final: Final, context: Context) -> State:
    """The state that goes on behind a final one."""
    keys = [(topic, partition) for topic in TOPICS for partition in context.partitions]
    return State(final, {key: lane_at(final.marks.get(key, NO_MARK)) for key in keys}, dict(final.rows))


def overrun(state: State) -> State:
    """Give up what waits for the last lane, and keep the newest rows only; what is final stays, and is read on from later."""
    for lane in state.lanes.values():
        lane.closed.clear()
        lane.opened.clear()
    state.is_overrun = True
    return state


def is_caught_up(state: State, within_s: float) -> bool:
    """Whether every lane has gone on behind the last final second, and the last is near the first again."""
    seconds = [lane.mark.second_ns for lane in state.lanes.values()]
    return min(seconds) > state.final.second_ns and max(seconds) - min(seconds) <= within_s * NS_PER_S


def reread(state: State, context: Context) -> State:
    """The state that reads on behind what is final, after an overrun."""
    again = resumed(state.final, context)
    again.provisional_ns, again.kept, again.n_finals = state.provisional_ns, state.kept, state.n_finals
    return again


def offsets(final: Final) -> dict[LaneKey, int]:
    """The first offset to read of each lane, of those that the final state has read from."""
    return {key: mark.offset + 1 for key, mark in final.marks.items()}
