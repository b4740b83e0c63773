"""Enums of the wire.  A member's number is its place in the Avro enum, so both ways are one table look-up.

UNKNOWN = 0 is what a reader makes of a symbol that a later writer has added (the Avro enum's default); no calculation
makes it.
"""

from __future__ import annotations

from enum import IntEnum


class RowStatus(IntEnum):
    """Why a number is there, or is not. All of pricers' Status but FALLBACK, and what only a pipeline can say."""

    UNKNOWN = 0
    OK = 1
    NO_QUOTE = 2
    BELOW_INTRINSIC = 3
    ABOVE_BOUND = 4
    DETERMINED = 5
    LOW_VEGA = 6
    CAPPED = 7
    BAD_INPUT = 8
    NOT_CONVERGED = 9
    EXPIRED = 10
    NO_CONTRACT = 11
    NOT_OPEN = 12
    NO_FORWARD = 13
    NO_SIGMA = 14
    STALE_QUOTE = 15
    CROSSED_QUOTE = 16
    FIXING_MISSING = 17
    NOT_READY = 18


class Trigger(IntEnum):
    """What made a row."""

    UNKNOWN = 0
    QUOTE = 1
    MARK = 2
    UNDERLYING = 3
    FIXING = 4
    TIME = 5
    ILLIQUID = 6
    SNAPSHOT = 7
    EXPIRY = 8


class SigmaSource(IntEnum):
    """Where the volatility used came from."""

    UNKNOWN = 0
    BID_ASK_MID = 1
    MARK_PRICE = 2
    LAST_TRADE = 3
    STICKY = 4
    NONE = 5


class ForwardSource(IntEnum):
    """Where the forward used came from."""

    UNKNOWN = 0
    QUOTE = 1
    FUTURE = 2
    SYNTHETIC = 3
    PARITY = 4
    INDEX = 5
    LAST_KNOWN = 6
    WINDOW_INDEX = 7
    NONE = 8


class Kind(IntEnum):
    """Kind of instrument."""

    UNKNOWN = 0
    OPTION = 1
    FUTURE = 2
    PERPETUAL = 3


class Payoff(IntEnum):
    """INVERSE: settled in coin, payoff divided by the average. LINEAR: settled in USD or USDC."""

    UNKNOWN = 0
    INVERSE = 1
    LINEAR = 2


class OptionType(IntEnum):
    """Call or put."""

    UNKNOWN = 0
    CALL = 1
    PUT = 2


class Engine(IntEnum):
    """Which arithmetic made the primary numbers of a row."""

    UNKNOWN = 0
    QMC = 1
    CLOSED_FORM = 2
    PATHS = 3
    EUROPEAN = 4
    NONE = 5


class Direction(IntEnum):
    """Side of the taker."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class TickDirection(IntEnum):
    """Price against the trade before: up, same after up, down, same after down."""

    UNKNOWN = 0
    PLUS = 1
    ZERO_PLUS = 2
    MINUS = 3
    ZERO_MINUS = 4


class Liquidation(IntEnum):
    """Which side of the trade was liquidated."""

    UNKNOWN = 0
    NONE = 1
    MAKER = 2
    TAKER = 3
    BOTH = 4


class InstrumentStatus(IntEnum):
    """Life of an instrument at the venue."""

    UNKNOWN = 0
    CREATED = 1
    STARTED = 2
    OPEN = 3
    SUSPENDED = 4
    CLOSED = 5
    SETTLED = 6
    TERMINATED = 7


class AuditKind(IntEnum):
    """What a row of the audit compares our number with."""

    UNKNOWN = 0
    VENUE = 1
    EUROPEAN = 2
    ENGINE = 3


class CmeSource(IntEnum):
    """Which of CME's prices a volatility or a forward comes from."""

    UNKNOWN = 0
    BID_ASK_MID = 1
    SETTLEMENT = 2
    PARITY_TWIN = 3
    NONE = 4
