"""Clocks: what part of a year lies between two moments, by the calendar or by the hours in which a market trades.

A crypto venue trades always: its year is 365 days of 86 400 s (E-20), ``CALENDAR``.  A market with sessions and holidays has a
clock read from files by ``pricers.clock_files`` (C38, C39), or made from the sessions of a calendar package by
``clock_of_sessions``.  Under such a clock a Friday close to a Monday open is no time at all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

NS_PER_S = 1_000_000_000
SECONDS_PER_YEAR = 31_536_000.0
DEFAULT_FLOOR_S = 1.0
"""Least time to an expiry that is still ahead (E-55)."""

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class ClockError(ValueError):
    """A clock cannot be made of what was given; the message says where, and what would be right."""


class Clock(NamedTuple):
    """Business time as a line through points: ``days[i]`` weighted days have passed at ``times_ns[i]``."""

    name: str
    days_per_year: float
    times_ns: Times
    """(n,), ascending, ns UTC; empty for the calendar clock, whose days are all alike."""
    days: Floats
    """(n,)."""


CALENDAR = Clock("calendar", 365.0, np.empty(0, dtype=np.int64), np.empty(0))
"""365 days of 86 400 s a year, around the clock (C40)."""


def year_fraction(clock: Clock, from_ns: npt.ArrayLike, to_ns: npt.ArrayLike) -> Floats:
    """Years from one moment to another under a clock; negative backwards, nan where either lies outside its years.

    Parameters
    ----------
    from_ns, to_ns : int64, ns UTC; they broadcast.

    Accuracy
    --------
    Exact to rounding: nanoseconds are subtracted as integers (tests/unit/test_clocks.py).
    """
    start, end = np.asarray(from_ns, dtype=np.int64), np.asarray(to_ns, dtype=np.int64)
    if clock.times_ns.size == 0:
        return np.asarray((end - start) / float(NS_PER_S) / SECONDS_PER_YEAR)
    return np.asarray((_days_at(clock, end) - _days_at(clock, start)) / clock.days_per_year)


def time_to_expiry(
    clock: Clock, now_ns: npt.ArrayLike, expiry_ns: npt.ArrayLike, floor_s: float = DEFAULT_FLOOR_S
) -> Floats:
    """Years to expiry, for pricing: 0 from the expiry on, else at least ``floor_s`` seconds of the calendar's year.

    Whether it has expired is asked of the time stamps, never of the fraction: over a weekend no business time passes, and the
    option still lives.
    """
    now, expiry = np.asarray(now_ns, dtype=np.int64), np.asarray(expiry_ns, dtype=np.int64)
    years = np.maximum(year_fraction(clock, now, expiry), floor_s / SECONDS_PER_YEAR)
    return np.asarray(np.where(now >= expiry, 0.0, years))


def _days_at(clock: Clock, when_ns: Times) -> Floats:
    """Business days passed since the clock's first point."""
    times, days = clock.times_ns, clock.days
    i = np.clip(np.searchsorted(times, when_ns, side="right") - 1, 0, times.size - 2)
    share = (when_ns - times[i]) / (times[i + 1] - times[i]).astype(np.float64)
    is_inside = (when_ns >= times[0]) & (when_ns <= times[-1])
    return np.asarray(np.where(is_inside, days[i] + share * (days[i + 1] - days[i]), np.nan))


def clock_of_sessions(
    name: str, opens_ns: npt.ArrayLike, closes_ns: npt.ArrayLike, days_per_year: float = 252.0
) -> Clock:
    """A clock in which each session is one day's worth of time, and nothing passes outside sessions.

    For a calendar of ``exchange_calendars``, which the caller loads (it is no dependency of this package):

        calendar = exchange_calendars.get_calendar("XNSE", start="2024-01-01", end="2027-12-31")
        opens, closes = (
            column.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype("int64")
            for column in (calendar.opens, calendar.closes)
        )
        clock = clock_of_sessions("XNSE", opens, closes)

    Parameters
    ----------
    opens_ns, closes_ns : int64, (n,), ns UTC, ascending and not overlapping.

    Raises
    ------
    ClockError : fewer than one session, or sessions that overlap.
    """
    opens, closes = np.asarray(opens_ns, dtype=np.int64), np.asarray(closes_ns, dtype=np.int64)
    if opens.ndim != 1 or opens.shape != closes.shape or opens.size < 1:
        raise ClockError(
            f"{name}: opens {opens.shape} and closes {closes.shape}; want two arrays of one length, at least 1"
        )
    times = np.empty(2 * opens.size, dtype=np.int64)
    times[0::2], times[1::2] = opens, closes
    if np.any(np.diff(times) < 0) or np.any(opens >= closes):
        raise ClockError(f"{name}: sessions overlap or are out of order; want open < close <= next open, in ns UTC")
    passed = np.repeat(np.arange(opens.size + 1, dtype=np.float64), 2)[1:-1]
    is_new = np.concatenate([[True], np.diff(times) > 0])  # a session that opens at the close before it
    return Clock(name, days_per_year, times[is_new], passed[is_new])
