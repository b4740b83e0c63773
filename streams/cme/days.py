"""Business days, expiry days and the instants at which they end: London and New York clocks, daylight saving included.

Holidays are an argument: from ``exchange_days.business_days`` (a calendar package), from a file through ``pricers.clock_files``
and ``business_days_of_clock``, or any list.  Outside the years that a calendar knows the answer is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from pricers.clocks import NS_PER_S, Clock, year_fraction

ONE_DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = range(5)


class WallTime(NamedTuple):
    """A time of day where it is told."""

    hour: int
    minute: int
    zone: str
    """IANA name."""


LONDON_CLOSE = WallTime(16, 0, "Europe/London")
"""Expiry of monthly and weekly options and of the monthly futures: when the reference rate of London is fixed."""
NEW_YORK_CLOSE = WallTime(16, 0, "America/New_York")
"""Expiry of Bitcoin Friday futures and their options."""
SETTLEMENT = WallTime(15, 0, "America/Chicago")
"""End of the minute from which daily settlement prices are taken."""
SESSION_END = WallTime(16, 0, "America/Chicago")
"""End of a trade date: what open interest of that day describes."""


class BusinessDays(NamedTuple):
    """A market's business days from ``first`` to ``last``: weekdays but ``holidays``."""

    name: str
    first: date
    last: date
    holidays: frozenset[date]

    def is_business(self, day: date) -> bool | None:
        """Whether the market is open that day; None outside the days that are known."""
        if not self.first <= day <= self.last:
            return None
        return day.weekday() <= FRIDAY and day not in self.holidays


class Calendars(NamedTuple):
    """The two places whose business days move an expiry."""

    london: BusinessDays
    us: BusinessDays


def business_days_of_sessions(name: str, sessions: Iterable[date], first: date, last: date) -> BusinessDays:
    """From the days on which a market is open; every other weekday from ``first`` to ``last`` is a holiday."""
    is_open = set(sessions)
    n_days = (last - first).days + 1
    weekdays = (day for day in (first + timedelta(days=i) for i in range(n_days)) if day.weekday() <= FRIDAY)
    return BusinessDays(name, first, last, frozenset(day for day in weekdays if day not in is_open))


def business_days_of_clock(clock: Clock, zone: str) -> BusinessDays:
    """From a clock that was read from files (``pricers.clock_files``): a day on which any business time passes is a business day.

    Parameters
    ----------
    clock : with points, that is of a market with holidays; ``zone`` is where its days begin and end.

    Raises
    ------
    ValueError : the calendar clock, which knows no holidays.
    """
    if clock.times_ns.size == 0:
        raise ValueError(f"clock {clock.name!r} has no business days; give one that was read from a file with years")
    place = ZoneInfo(zone)
    first = datetime.fromtimestamp(int(clock.times_ns[0]) // NS_PER_S, place).date()
    last = datetime.fromtimestamp(int(clock.times_ns[-1]) // NS_PER_S - 1, place).date()
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    midnights = np.array([instant_ns(day, WallTime(0, 0, zone)) for day in [*days, last + ONE_DAY]], dtype=np.int64)
    passed = year_fraction(clock, midnights[:-1], midnights[1:])
    return business_days_of_sessions(
        clock.name, (day for day, part in zip(days, passed, strict=True) if part > 0.0), first, last
    )


def business_day_at_or_before(day: date, *calendars: BusinessDays) -> date | None:
    """The last day up to ``day`` that is a business day in every calendar; None where one of them does not know."""
    while True:
        answers = [calendar.is_business(day) for calendar in calendars]
        if None in answers:
            return None
        if all(answers):
            return day
        day -= ONE_DAY


def business_day_before(day: date, *calendars: BusinessDays) -> date | None:
    """The last business day before ``day``."""
    return business_day_at_or_before(day - ONE_DAY, *calendars)


def last_friday(year: int, month: int) -> date:
    """Of a month."""
    end = date(year + month // 12, month % 12 + 1, 1) - ONE_DAY
    return end - timedelta(days=(end.weekday() - FRIDAY) % 7)


def weekday_of_month(year: int, month: int, weekday: int, week: int) -> date | None:
    """The ``week``-th Monday (0) to Friday (4) of a month; None where it has no fifth."""
    first = date(year, month, 1)
    day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (week - 1))
    return day if day.month == month else None


def monthly_expiry_day(year: int, month: int, calendars: Calendars) -> date | None:
    """Last Friday of the contract month; if that is not both a London and a US business day, the prior day that is.

    References
    ----------
    CME Group, contract specification of options on Bitcoin futures, "Termination of Trading".
    """
    return business_day_at_or_before(last_friday(year, month), calendars.london, calendars.us)


def weekly_expiry_day(year: int, month: int, weekday: int, week: int, calendars: Calendars) -> date | None:
    """The n-th weekday of the month, moved like the monthly one; None also where the month has no such day."""
    day = weekday_of_month(year, month, weekday, week)
    return None if day is None else business_day_at_or_before(day, calendars.london, calendars.us)


def friday_expiry_day(friday: date, us: BusinessDays) -> date | None:
    """End of a Bitcoin Friday week: its last US business day."""
    return business_day_at_or_before(friday, us)


def instant_ns(day: date, wall: WallTime) -> int:
    """A wall time as ns UTC; exact, and an hour earlier or later in summer where the zone says so."""
    local = datetime.combine(day, time(wall.hour, wall.minute), ZoneInfo(wall.zone))
    return (local.astimezone(UTC) - EPOCH) // timedelta(seconds=1) * NS_PER_S


def utc_day(when_ns: int) -> date:
    """The UTC date of a moment."""
    return (EPOCH + timedelta(seconds=when_ns // NS_PER_S)).date()
