"""The fold of dealer flow: ``step(state, arrival, context) -> (state, records)`` over greeks.v1 and trades.v1 of all partitions.  Pure.

lanes        one partition of one topic, cut into seconds at its Watermarks        state        what is kept, final and newest
step         alignment: a second is final when every lane has passed it            board        the book of a second with positions
records      Flow and FlowStrike of a book                                         strikes      by strike and expiry
settlements  what settlement windows traded
checkpoint   the final state <-> bytes                                             plain        typed values <-> JSON

Finals are a function of the lanes alone, however they interleave on the way here; provisional records are not, and say so.
"""

from .checkpoint import READABLE, STATE_FORMAT, BadCheckpoint, from_bytes, to_bytes
from .lanes import GREEKS, TOPICS, TRADES, Arrival, LaneError, Mark, OtherLog, WorkersReset
from .state import Context, Final, State, is_caught_up, new_state, offsets, overrun, reread, resumed
from .step import provisional, step

__all__ = [
    "GREEKS",
    "READABLE",
    "STATE_FORMAT",
    "TOPICS",
    "TRADES",
    "Arrival",
    "BadCheckpoint",
    "Context",
    "Final",
    "LaneError",
    "Mark",
    "OtherLog",
    "State",
    "WorkersReset",
    "from_bytes",
    "is_caught_up",
    "new_state",
    "offsets",
    "overrun",
    "provisional",
    "reread",
    "resumed",
    "step",
    "to_bytes",
]
