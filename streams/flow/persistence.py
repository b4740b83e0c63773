"""How long a level has stood, and how sessions ended against it.  A pure fold over publishes.

A session runs from one 08:00 UTC to the next.  The level that is graded is the one that stood at its first publish, against all prices
of the session:

    touched   a price came within ``touch_pct`` of it             held   no price went beyond it
    closed    the last price of the session was not beyond it

"Beyond" is above for a level over the price at the session's begin, below for one under it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from streams.flow.settings import FlowSettings

NS_PER_S = 1_000_000_000
S_PER_DAY = 86_400


class Standing(NamedTuple):
    """A level as of the last publish, and what became of it in sessions past."""

    level: float | None = None
    since_ns: int = 0
    """First publish at which it stood where it stands."""
    session: int = -1
    """Number of the session in hand."""
    is_whole: bool = False
    """Whether the session in hand was seen from its begin."""
    graded: float | None = None
    """The level that the session in hand is graded against."""
    is_above: bool = False
    """It lay above the price at the begin."""
    high: float = -math.inf
    low: float = math.inf
    close: float = math.nan
    n_sessions: int = 0
    n_touched: int = 0
    n_held: int = 0
    n_closed: int = 0
    """Sessions that closed on the level's own side."""

    def minutes_held(self, now_ns: int) -> float | None:
        """How long it has stood; None where there is none."""
        return None if self.level is None else (now_ns - self.since_ns) / (60.0 * NS_PER_S)


def session_of(ts_ns: int, settings: FlowSettings) -> int:
    """Number of the session that a moment is in."""
    return int((ts_ns - int(settings.session_start_s * NS_PER_S)) // (S_PER_DAY * NS_PER_S))


def step_standing(
    standing: Standing, ts_ns: int, level: float | None, index_price: float, settings: FlowSettings
) -> Standing:
    """Take in one publish; an older one than the last changes nothing but the extremes of its session."""
    session = session_of(ts_ns, settings)
    if session > standing.session:
        graded = _graded(standing, settings)
        standing = graded._replace(
            session=session, is_whole=standing.session == session - 1, graded=level,
            is_above=level is not None and level >= index_price, high=-math.inf, low=math.inf,
        )  # fmt: skip
    if level != standing.level:
        standing = standing._replace(level=level, since_ns=ts_ns)
    return standing._replace(
        high=max(standing.high, index_price), low=min(standing.low, index_price), close=index_price
    )


def _graded(standing: Standing, settings: FlowSettings) -> Standing:
    """Count the session that has ended, if it was seen whole and had a level."""
    wall = standing.graded
    if wall is None or not standing.is_whole:
        return standing
    near = wall * settings.touch_pct / 100.0
    if standing.is_above:
        is_touched, is_held, is_closed = standing.high >= wall - near, standing.high <= wall, standing.close <= wall
    else:
        is_touched, is_held, is_closed = standing.low <= wall + near, standing.low >= wall, standing.close >= wall
    return standing._replace(
        n_sessions=standing.n_sessions + 1,
        n_touched=standing.n_touched + is_touched,
        n_held=standing.n_held + is_held,
        n_closed=standing.n_closed + is_closed,
    )
