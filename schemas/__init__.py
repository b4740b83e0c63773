"""What may cross a topic: records, enums, their codec, and the venue's instrument names.

    from schemas import OptionQuote, decode, encode

Truth about fields: schemas/avsc/*.avsc.  Imports fastavro and the standard library only; knows no broker and no clock.
"""

from schemas.enums import (
    AuditKind,
    Direction,
    Engine,
    ForwardSource,
    InstrumentStatus,
    Kind,
    Liquidation,
    OptionType,
    Payoff,
    RowStatus,
    SigmaSource,
    TickDirection,
    Trigger,
)
from schemas.records_market import (
    Clock,
    FeedGap,
    ForwardQuote,
    FutureQuote,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    SettlementFixing,
    TickStep,
    UnderlyingQuote,
)
from schemas.records_operations import Checkpoint, DeadLetter, FeedStatus
from schemas.records_results import Audit, Greeks, Reject, TradeGreeks, Watermark

Record = (
    OptionQuote
    | OptionTrade
    | InstrumentState
    | UnderlyingQuote
    | SettlementFixing
    | Clock
    | InstrumentSet
    | FeedGap
    | Greeks
    | Watermark
    | Reject
    | TradeGreeks
    | Audit
    | Checkpoint
    | DeadLetter
    | FeedStatus
)

__all__ = [
    "Audit",
    "AuditKind",
    "Checkpoint",
    "Clock",
    "DeadLetter",
    "Direction",
    "Engine",
    "FeedGap",
    "FeedStatus",
    "ForwardQuote",
    "ForwardSource",
    "FutureQuote",
    "Greeks",
    "InstrumentSet",
    "InstrumentState",
    "InstrumentStatus",
    "Kind",
    "Liquidation",
    "OptionQuote",
    "OptionTrade",
    "OptionType",
    "Payoff",
    "Record",
    "Reject",
    "RowStatus",
    "SettlementFixing",
    "SigmaSource",
    "TickDirection",
    "TickStep",
    "TradeGreeks",
    "Trigger",
    "UnderlyingQuote",
    "Watermark",
]
