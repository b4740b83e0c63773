"""The pure core of a partition: ``step(state, records, settings) -> (state, results)``.

located      what goes in and what comes out           state        everything known of the log so far
validate     which records may touch the state         apply        the function of each kind of record:
keyed        quotes, trades, contracts                 broadcasts   underlyings, fixings, clocks, sets, gaps
triggers     one scheduler, in log time                jobs         work, with the inputs of its moment
forwards     which forward, how old                    expiry, gaps, seqs   ends, outages, trade numbers
inputs       what the pricers are given                audits       rows against venue, European, other engine
refusals     why there can be no number
solve        implied vols, one call per payoff         batch        solve, choose sigma, value
rows         rows, rejects, watermarks                 measures     ages, spread, sd of the delivery price
values       answers in the wire's units               columns      rows of a batch, written at once
comparisons  audits, written without a record each     quotes       quotes of a batch, read at once
checkpoint   state <-> bytes                           settings     every threshold, with its reason
warmth       kernels ready before the first record
"""

from streams.engine.checkpoint import STATE_FORMAT, restore, snapshot
from streams.engine.located import BadSnapshot, EngineError, Identity, Located, LogHole, Result, Unreadable
from streams.engine.settings import EngineSettings
from streams.engine.state import State
from streams.engine.step import ENGINE_VERSION, new_state, step
from streams.engine.warmth import warm_up

__all__ = [
    "ENGINE_VERSION",
    "STATE_FORMAT",
    "BadSnapshot",
    "EngineError",
    "EngineSettings",
    "Identity",
    "Located",
    "LogHole",
    "Result",
    "State",
    "Unreadable",
    "new_state",
    "restore",
    "snapshot",
    "step",
    "warm_up",
]
