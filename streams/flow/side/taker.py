"""Who took, where the venue does not say (K3): the quote rule, then the tick rule; and open or close from open interest.

On options the quote rule finds the side of 83 % of trades, Lee and Ready's (both) 80 %, the tick rule 59 %; of complex trades
about half, which is chance (Savickas and Wilson 2003, as DEFINITIONS 3.7 quotes them).  Deribit says the side: this is for others.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class TakerRule(IntEnum):
    """Which rule found the side."""

    NONE = 0
    QUOTE = 1
    TICK = 2


class Taker(NamedTuple):
    """``sign``: +1 the taker bought, -1 sold, 0 not known.  ``accuracy``: P(that is right), in [0.5, 1]."""

    sign: int
    rule: TakerRule
    accuracy: float

    @property
    def weight(self) -> float:
        """2 P - 1: what a weight of the class is to be multiplied by."""
        return 2.0 * self.accuracy - 1.0


QUOTE_ACCURACY, TICK_ACCURACY, COMPLEX_ACCURACY = 0.83, 0.59, 0.50
UNKNOWN = Taker(0, TakerRule.NONE, 0.5)


def inferred_taker(
    price: float, *, bid: float | None, ask: float | None, last_prices: tuple[float, ...] = (), is_complex: bool = False
) -> Taker:
    """The taker of a trade at ``price``, from the quote before it and the prices of the trades before it, newest last.

        above the mid: bought; below: sold; at it, or without a two-sided, uncrossed quote: the newest other price decides,
        from below: bought, from above: sold.

    All prices in one unit, > 0; None: no such quote.  A leg of a complex trade keeps its sign but weighs nothing.
    """
    sign, rule, accuracy = 0, TakerRule.NONE, 0.5
    if bid is not None and ask is not None and bid <= ask:
        sign, rule, accuracy = _compared(price, 0.5 * (bid + ask)), TakerRule.QUOTE, QUOTE_ACCURACY
    if not sign:
        other = next((last for last in reversed(last_prices) if last != price), price)
        sign, rule, accuracy = _compared(price, other), TakerRule.TICK, TICK_ACCURACY
    if not sign:
        return UNKNOWN
    return Taker(sign, rule, COMPLEX_ACCURACY if is_complex else accuracy)


def _compared(price: float, other: float) -> int:
    return (price > other) - (price < other)


class OpenShare(NamedTuple):
    """Of a batch's volume: both sides opened, one of them, none; each in [0, 1], sum 1.

    A change of open interest fixes only ``both`` - ``neither``: these are the least of both, and ``most_mixed`` of the rest may
    be opens and closes in equal parts.
    """

    both: float
    one: float
    neither: float
    most_mixed: float
    unexplained: float
    """Change beyond the volume: trades that were not seen."""


def open_share(volume: float, change: float) -> OpenShare | None:
    """How much of ``volume`` (>= 0) opened, from the ``change`` of open interest over it; None where nothing traded."""
    if not volume > 0.0:
        return None
    net = min(max(change / volume, -1.0), 1.0)
    one = 1.0 - abs(net)
    return OpenShare(max(net, 0.0), one, max(-net, 0.0), one, max(abs(change) - volume, 0.0))


def oi_change_flow(change: float, naive_sign: int) -> float:
    """The dealers' change of position where only open interest is known, once a day, say: the naive side of what was opened.

    ``naive_sign``: +1 dealers take it long, -1 short.  What closes, closes the same side.
    """
    return naive_sign * change
