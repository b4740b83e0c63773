"""Clocks and holiday calendars from TOML files (C38, C39).

    name = "nse"
    timezone = "Asia/Kolkata"        # of sessions and days; IANA name
    days_per_year = 252.0            # business days that make a year
    years = [2026, 2027]             # years whose holidays are known: outside them the answer is nan

    [weights]                        # of a whole day; what is not named is 0
    monday = 1.0
    ...
    friday = 1.0

    [[sessions]]                     # shares of the day's weight; they and overnight add up to 1
    start = "09:15"                  # local time; "24:00" is the day's end
    end = "15:30"
    share = 1.0                      # 1.0 if left out and there is one session

    [days]                           # weights of days that differ: holidays 0, half days 0.5; comments name them
    2026-01-26 = 0.0
    2026-11-08 = { weight = 0.2, start = "18:00", end = "19:15" }    # sessions of its own

Without sessions time flows evenly through the day.  A share below 1 in all leaves the rest to the hours outside the sessions.  A
file of one year's holidays has ``years`` and ``[days]`` only; ``parse_clock(base, *years)`` puts them together, and reading
again reloads.  Time goes by evenly within a session.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from pricers.clocks import Clock, ClockError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Session(NamedTuple):
    """A part of a day in which time passes; minutes from local midnight."""

    start_min: int
    end_min: int
    share: float


class Day(NamedTuple):
    """A day that differs from its weekday."""

    weight: float
    sessions: tuple[Session, ...] | None
    """None: the clock's own."""


def read_clock(path: Path, *holiday_paths: Path) -> Clock:
    """``parse_clock`` of files; ClockError names the file."""
    texts = []
    for one in (path, *holiday_paths):
        try:
            texts.append(one.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ClockError(
                f"{one}: cannot be read ({error}); give a TOML file as pricers.clocks describes it"
            ) from error
    return parse_clock(*texts, names=[str(one) for one in (path, *holiday_paths)])


def parse_clock(base: str, *holidays: str, names: Sequence[str] = ()) -> Clock:
    """A clock from the text of its file and of any number of files with a year's holidays.

    Raises
    ------
    ClockError : what cannot be read, with the name (or number) of the text and what would be right.
    """
    tables = []
    for number, text in enumerate((base, *holidays)):
        where = names[number] if number < len(names) else ("clock" if number == 0 else f"holidays {number}")
        try:
            tables.append((where, tomllib.loads(text)))
        except tomllib.TOMLDecodeError as error:
            raise ClockError(f"{where}: no TOML: {error}") from error
    where, table = tables[0]
    _only(where, table, {"name", "timezone", "days_per_year", "years", "weights", "sessions", "days"})
    zone = _zone(where, table)
    per_year = _number(where, table, "days_per_year")
    if per_year <= 0.0:
        raise ClockError(f"{where}: days_per_year is {per_year}; want a positive number, 252.0 for example")
    weights = _weights(where, table)
    sessions = _sessions(where, table.get("sessions", []))
    years: set[int] = set()
    days: dict[date, Day] = {}
    for place, other in tables:
        if place != where:
            _only(place, other, {"years", "days"})
        years |= _years(place, other)
        days |= _days(place, other)
    if not years:
        raise ClockError(
            f"{where}: no years; say which years' holidays are known: years = [2026] (or give a file that does)"
        )
    outside = sorted(day for day in days if day.year not in years)
    if outside:
        raise ClockError(f"{where}: {outside[0]} is in none of the years {sorted(years)}; add its year to years")
    return _line(str(table.get("name", "clock")), per_year, zone, weights, sessions, days, years)


def _line(
    name: str,
    per_year: float,
    zone: ZoneInfo,
    weights: tuple[float, ...],
    sessions: tuple[Session, ...],
    days: dict[date, Day],
    years: Iterable[int],
) -> Clock:
    """The points of business time through all days of the years, which must follow each other."""
    known = sorted(years)
    if known != list(range(known[0], known[-1] + 1)):
        raise ClockError(f"{name}: years {known} have a hole; give the years between")
    day, last = date(known[0], 1, 1), date(known[-1], 12, 31)
    times, passed, total = [_ns(day, 0, zone)], [0.0], 0.0
    while day <= last:
        own = days.get(day, Day(weights[day.weekday()], None))
        parts = sessions if own.sessions is None else own.sessions
        for end_ns, amount in _pieces(day, zone, own.weight, parts):
            if end_ns > times[-1]:
                total += amount
                times.append(end_ns)
                passed.append(total)
        day += timedelta(days=1)
    return Clock(name, per_year, np.array(times, dtype=np.int64), np.array(passed))


def _pieces(day: date, zone: ZoneInfo, weight: float, sessions: tuple[Session, ...]) -> list[tuple[int, float]]:
    """Ends of the parts of a local day, ns UTC, and the business time that passes in each."""
    begin_ns, end_ns = _ns(day, 0, zone), _ns(day + timedelta(days=1), 0, zone)
    if not sessions:
        return [(end_ns, weight)]
    spans = [(_ns(day, one.start_min, zone), _ns(day, one.end_min, zone), one.share) for one in sessions]
    closed_ns = end_ns - begin_ns - sum(end - start for start, end, _ in spans)
    rate = max(0.0, 1.0 - math.fsum(share for *_, share in spans)) / closed_ns if closed_ns > 0 else 0.0
    pieces, at_ns = [], begin_ns
    for start_ns, stop_ns, share in spans:
        pieces += [(start_ns, weight * rate * (start_ns - at_ns)), (stop_ns, weight * share)]
        at_ns = stop_ns
    return [*pieces, (end_ns, weight * rate * (end_ns - at_ns))]


def _ns(day: date, minutes: int, zone: ZoneInfo) -> int:
    """A local time as ns UTC; minute 1440 is the next day's midnight."""
    if minutes == 1440:
        day, minutes = day + timedelta(days=1), 0
    local = datetime.combine(day, time(minutes // 60, minutes % 60), zone)
    return round((local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def _only(where: str, table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ClockError(f"{where}: {unknown[0]!r} is unknown; there are {', '.join(sorted(known))}")


def _zone(where: str, table: dict[str, Any]) -> ZoneInfo:
    name = table.get("timezone", "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
        raise ClockError(
            f'{where}: timezone {name!r} is unknown; want an IANA name such as "Asia/Kolkata" (pip install tzdata if this '
            "machine has no time zones)"
        ) from error


def _number(where: str, table: dict[str, Any], key: str) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ClockError(f"{where}: {key} is {value!r}; want a number")
    return float(value)


def _weights(where: str, table: dict[str, Any]) -> tuple[float, ...]:
    given = table.get("weights")
    if not isinstance(given, dict) or not given:
        raise ClockError(f"{where}: no [weights]; give each day of the week that counts: monday = 1.0")
    _only(f"{where} [weights]", given, set(WEEKDAYS))
    found = tuple(_number(f"{where} [weights]", given, day) if day in given else 0.0 for day in WEEKDAYS)
    if min(found) < 0.0 or max(found) == 0.0:
        raise ClockError(f"{where} [weights]: want weights of 0 or more, one of them above 0")
    return found


def _minutes(where: str, text: object) -> int:
    hour, colon, minute = text.partition(":") if isinstance(text, str) else ("", "", "")
    if colon and hour.isdecimal() and minute.isdecimal() and len(minute) == 2:
        found = int(hour) * 60 + int(minute)
        if int(minute) < 60 and found <= 1440:
            return found
    raise ClockError(f'{where}: {text!r} is no time of day; want "09:15", or "24:00" for the day\'s end')


def _sessions(where: str, given: object) -> tuple[Session, ...]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ClockError(f'{where}: sessions are tables; write [[sessions]] with start = "09:15" and end = "15:30"')
    found = []
    for one in given:
        _only(f"{where} [[sessions]]", one, {"start", "end", "share"})
        share = _number(where, one, "share") if "share" in one or len(given) > 1 else 1.0
        found.append(Session(_minutes(where, one.get("start")), _minutes(where, one.get("end")), share))
    for i, one in enumerate(found):
        if one.end_min <= one.start_min or (i and one.start_min < found[i - 1].end_min) or not 0.0 <= one.share <= 1.0:
            raise ClockError(f"{where}: sessions must follow each other, start before end, shares from 0 to 1: {one}")
    if math.fsum(one.share for one in found) > 1.0 + 1e-12:
        raise ClockError(f"{where}: the sessions' shares add up to more than 1")
    is_all_day = sum(one.end_min - one.start_min for one in found) == 1440
    if found and is_all_day and math.fsum(one.share for one in found) < 1.0 - 1e-12:
        raise ClockError(f"{where}: the sessions fill the day, so their shares must add up to 1")
    return tuple(found)


def _years(where: str, table: dict[str, Any]) -> set[int]:
    given = table.get("years", [])
    if not isinstance(given, list) or not all(isinstance(y, int) and 1970 <= y <= 2200 for y in given):
        raise ClockError(f"{where}: years is {given!r}; want a list such as [2026, 2027]")
    return set(given)


def _days(where: str, table: dict[str, Any]) -> dict[date, Day]:
    given = table.get("days", {})
    if not isinstance(given, dict):
        raise ClockError(f"{where}: [days] is a table of dates; write 2026-01-26 = 0.0")
    found = {}
    for key, value in given.items():
        place = f"{where} [days] {key}"
        try:
            day = date.fromisoformat(key)
        except ValueError:
            raise ClockError(f"{place}: no date; write 2026-01-26 = 0.0") from None
        if isinstance(value, dict):
            _only(place, value, {"weight", "start", "end", "name"})
            parts = (
                _sessions(place, [{k: value[k] for k in ("start", "end") if k in value}]) if "start" in value else None
            )
            found[day] = Day(_number(place, value, "weight"), parts)
        else:
            found[day] = Day(_number(place, {"weight": value}, "weight"), None)
        if found[day].weight < 0.0:
            raise ClockError(f"{place}: weight {found[day].weight}; want 0 or more")
    return found
