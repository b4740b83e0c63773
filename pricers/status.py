"""What the pricers answer beside a number: never an exception, never a silent zero."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Status of one value or one implied volatility."""

    OK = 0
    NO_QUOTE = 1
    """No price was given: nan, zero or negative."""
    BELOW_INTRINSIC = 2
    """The price is at or below the model's least: the limit for sigma to 0, or the dip of an in-the-money inverse put."""
    ABOVE_BOUND = 3
    """The price is at or above what any volatility can give."""
    DETERMINED = 4
    """Exercise is certain or impossible whatever happens, or every fixing is known: price and delta, no volatility."""
    LOW_VEGA = 5
    """A volatility, but half a price tick moves it far: use its band."""
    CAPPED = 6
    """The total volatility of the remaining average would be beyond ``total_vol_max``."""
    BAD_INPUT = 7
    """Nan, negative or inconsistent input."""
    NOT_CONVERGED = 8
    """The root search ran out of steps."""
    FALLBACK = 9
    """The engine is out of its range; the value comes from the documented fallback."""
