"""Which side the dealers are on: ``step(state, record, settings) -> state``, and ``positions`` reads it out.  Pure.

weights      the table of rule 1: what each class of trades says    classes      from a trade to its class
moves        trades and open interest on the draws of a position    randomness   numbers from (seed, key)
settings     every number, with its reason                          chances      the settings, by draw
state        holdings by instrument                                 settle       what waits for open interest
step         the fold                                               positions    read-out, naive models, coverage
checkpoint   state <-> bytes                                        taker        for venues that do not say who took (K3)

Each draw is one history that may have been: a starting position nobody saw, its own weights, and in each trade a dealer who
made, took or was not there.  The draws are the state; open interest replaces those that it speaks against; their mean is the
estimate and their quantiles are the bands.  So nothing is drawn again when a second is published, and with KeptDraws only
what moved is shrunk and bounded again.
"""

from .checkpoint import BadState, from_bytes, to_bytes
from .positions import Coverage, KeptDraws, Positions, naive_signs, positions
from .settings import NAIVE_MODELS, SideModel, SideSettings
from .state import Holding, SideState, Start
from .step import advance, step
from .weights import WEIGHTS, TradeClass, Weight

__all__ = [
    "NAIVE_MODELS",
    "WEIGHTS",
    "BadState",
    "Coverage",
    "Holding",
    "KeptDraws",
    "Positions",
    "SideModel",
    "SideSettings",
    "SideState",
    "Start",
    "TradeClass",
    "Weight",
    "advance",
    "from_bytes",
    "naive_signs",
    "positions",
    "step",
    "to_bytes",
]
