"""Ingest's pure core: ``step(state, event) -> (state, outcomes)``.  No broker, no socket, no clock; the ten rules of DESIGN 1."""

from streams.ingest.core.fold import step
from streams.ingest.core.messages import (
    CoreSettings,
    Fatal,
    GetDeliveryPrices,
    GetInstruments,
    GetTime,
    Out,
    Outcome,
    Pressure,
    Recovered,
    Status,
    Stop,
    Tick,
    TradesBySequence,
    TradesByTime,
)
from streams.ingest.core.state import State, new_state

__all__ = [
    "CoreSettings",
    "Fatal",
    "GetDeliveryPrices",
    "GetInstruments",
    "GetTime",
    "Out",
    "Outcome",
    "Pressure",
    "Recovered",
    "State",
    "Status",
    "Stop",
    "Tick",
    "TradesBySequence",
    "TradesByTime",
    "new_state",
    "step",
]
