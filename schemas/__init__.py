"""What may cross a topic: records, enums, their codec, and the venue's instrument names.

    from schemas import OptionQuote, decode, encode

Truth about fields: schemas/avsc/*.avsc.  Imports fastavro and the standard library only; knows no broker and no clock.
"""

from schemas import names
from schemas.catalogue import (
    FINGERPRINT,
    RECORD_TYPES,
    SCHEMA_TEXT,
    Resolve,
    fingerprint_of,
    full_name,
    packaged,
    subject,
)
from schemas.codec import MAX_BYTES, SINGLE_OBJECT, Framing, confluent_framing, decode, encode
from schemas.enums import (
    AuditKind,
    CmeSource,
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
from schemas.errors import BadName, DecodeError, EncodeError, SchemaError, UnknownSchema
from schemas.evolution import to_plain
from schemas.records_cme import CmeMark
from schemas.records_flow import (
    FlipLevel,
    Flow,
    FlowExposure,
    FlowFlip,
    FlowLadderStep,
    FlowMaxPain,
    FlowMerged,
    FlowMergedStrike,
    FlowPressure,
    FlowProfilePoint,
    FlowStrike,
    FlowWall,
    SettlementFlow,
    WindowComparison,
    WindowFlow,
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
    | CmeMark
    | Flow
    | FlowStrike
    | FlowMerged
    | SettlementFlow
)

__all__ = [
    "FINGERPRINT",
    "MAX_BYTES",
    "RECORD_TYPES",
    "SCHEMA_TEXT",
    "SINGLE_OBJECT",
    "Audit",
    "AuditKind",
    "BadName",
    "Checkpoint",
    "Clock",
    "CmeMark",
    "CmeSource",
    "DeadLetter",
    "DecodeError",
    "Direction",
    "EncodeError",
    "Engine",
    "FeedGap",
    "FeedStatus",
    "FlipLevel",
    "Flow",
    "FlowExposure",
    "FlowFlip",
    "FlowLadderStep",
    "FlowMaxPain",
    "FlowMerged",
    "FlowMergedStrike",
    "FlowPressure",
    "FlowProfilePoint",
    "FlowStrike",
    "FlowWall",
    "ForwardQuote",
    "ForwardSource",
    "Framing",
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
    "Resolve",
    "RowStatus",
    "SchemaError",
    "SettlementFixing",
    "SettlementFlow",
    "SigmaSource",
    "TickDirection",
    "TickStep",
    "TradeGreeks",
    "Trigger",
    "UnderlyingQuote",
    "UnknownSchema",
    "Watermark",
    "WindowComparison",
    "WindowFlow",
    "confluent_framing",
    "decode",
    "encode",
    "fingerprint_of",
    "full_name",
    "names",
    "packaged",
    "subject",
    "to_plain",
]
