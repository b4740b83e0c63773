"""Calendar and trading-time clocks, and holidays from files (C38, C39, C40, E-20, E-55)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricers.clock_files import parse_clock, read_clock
from pricers.clocks import CALENDAR, ClockError, clock_of_sessions, time_to_expiry, year_fraction
from tests.conftest import skip_or_fail

NSE = """
name = "nse"
timezone = "Asia/Kolkata"
days_per_year = 252.0
years = [2026]

[weights]
monday = 1.0
tuesday = 1.0
wednesday = 1.0
thursday = 1.0
friday = 1.0

[[sessions]]
start = "09:15"
end = "15:30"

[days]
2026-01-26 = 0.0
2026-03-03 = 0.5
2026-11-08 = { weight = 0.2, start = "18:00", end = "19:00", name = "evening session" }
"""
KOLKATA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")


def ns(*parts: int, zone: ZoneInfo | None = None) -> int:
    return round(datetime(*parts, tzinfo=zone or UTC).timestamp()) * 10**9  # type: ignore[misc, arg-type]


def days(clock, start, end) -> float:  # type: ignore[no-untyped-def]
    return float(year_fraction(clock, start, end)) * clock.days_per_year


def test_c40_the_calendar_clock_is_365_days_around_the_clock() -> None:
    start = ns(2026, 3, 27, 8)
    assert float(year_fraction(CALENDAR, start, start + 365 * 86_400 * 10**9)) == 1.0
    assert float(year_fraction(CALENDAR, start, start + 10**9)) == 1.0 / 31_536_000.0
    assert float(year_fraction(CALENDAR, start, start + 3)) == pytest.approx(3e-9 / 31_536_000.0, rel=1e-15), (
        "no digit lost"
    )
    assert float(year_fraction(CALENDAR, start, start - 86_400 * 10**9)) == -1.0 / 365.0
    ends = start + np.array([[0], [86_400 * 10**9]]) * np.array([1, 2, 3])
    assert year_fraction(CALENDAR, start, ends).shape == (2, 3)


def test_c38_weekends_and_holidays_are_skipped_and_sessions_are_fractions() -> None:
    """Counted by hand: Friday 23 Jan 2026 noon to Tuesday 27 Jan noon, Monday the 26th being Republic Day."""
    clock = parse_clock(NSE)
    noon = (2 + 45 / 60) / 6.25  # 09:15 to 12:00 of a session of 6 1/4 hours
    friday, tuesday = (ns(2026, 1, d, 12, zone=KOLKATA) for d in (23, 27))
    assert days(clock, friday, tuesday) == pytest.approx((1.0 - noon) + noon, abs=1e-12)
    close, opening = ns(2026, 1, 23, 15, 30, zone=KOLKATA), ns(2026, 1, 27, 9, 15, zone=KOLKATA)
    assert days(clock, close, opening) == 0.0, "from a Friday's close to the next opening no time passes"
    assert days(clock, opening, opening + 75 * 60 * 10**9) == pytest.approx(75 / 375, abs=1e-12)
    half = ns(2026, 3, 3, 0, zone=KOLKATA)
    assert days(clock, half, half + 86_400 * 10**9) == pytest.approx(0.5, abs=1e-12)
    evening = ns(2026, 11, 8, 18, 30, zone=KOLKATA)  # a Sunday
    assert days(clock, ns(2026, 11, 7, zone=KOLKATA), evening) == pytest.approx(0.1, abs=1e-12)


def test_c38_a_year_of_sessions_is_its_business_days() -> None:
    """261 weekdays in 2026; the holiday of 26 January and half of 3 March less, a fifth of an evening more."""
    clock = parse_clock(NSE)
    weekdays = sum((datetime(2026, 1, 1) + timedelta(days=i)).weekday() < 5 for i in range(365))
    first, last = ns(2026, 1, 1, zone=KOLKATA), ns(2027, 1, 1, zone=KOLKATA)
    assert days(clock, first, last) == pytest.approx(weekdays - 1.0 - 0.5 + 0.2, abs=1e-9)
    assert float(year_fraction(clock, first, last)) == pytest.approx((weekdays - 1.3) / 252.0, abs=1e-12)


def test_sessions_with_shares_leave_the_rest_to_the_night() -> None:
    text = NSE.replace('end = "15:30"\n', 'end = "15:30"\nshare = 0.8\n', 1)
    clock = parse_clock(text)
    day = ns(2026, 6, 10, zone=KOLKATA)  # a Wednesday
    minute = 60 * 10**9
    assert days(clock, day + 555 * minute, day + 930 * minute) == pytest.approx(0.8, abs=1e-12)
    assert days(clock, day, day + 555 * minute) == pytest.approx(0.2 * 555 / (1440 - 375), abs=1e-12)
    assert days(clock, day, day + 1440 * minute) == pytest.approx(1.0, abs=1e-12)


def test_a_day_of_23_hours_is_one_day() -> None:
    """Clocks go forward in New York on Sunday 8 March 2026: the session's length stays, the night's rate follows."""
    clock = parse_clock(
        'timezone = "America/New_York"\ndays_per_year = 365.0\nyears = [2026]\n[weights]\n'
        + "".join(
            f"{d} = 1.0\n" for d in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        )
        + '[[sessions]]\nstart = "09:30"\nend = "16:00"\nshare = 0.65\n'
    )
    for day in (7, 8, 9):
        start, end = ns(2026, 3, day, zone=NEW_YORK), ns(2026, 3, day + 1, zone=NEW_YORK)
        assert end - start == (23 if day == 8 else 24) * 3600 * 10**9
        assert days(clock, start, end) == pytest.approx(1.0, abs=1e-12)
        assert days(
            clock, ns(2026, 3, day, 9, 30, zone=NEW_YORK), ns(2026, 3, day, 16, zone=NEW_YORK)
        ) == pytest.approx(0.65)


def test_c39_holidays_come_from_a_file_per_year_and_are_read_again(tmp_path: Path) -> None:
    base, later = tmp_path / "nse.toml", tmp_path / "nse-2027.toml"
    base.write_text(NSE)
    later.write_text("years = [2027]\n[days]\n2027-01-26 = 0.0\n")
    start, end = ns(2026, 12, 31, 0, zone=KOLKATA), ns(2027, 1, 30, 0, zone=KOLKATA)
    assert np.isnan(year_fraction(read_clock(base), start, end)), "2027 is not known"
    clock = read_clock(base, later)
    weekdays = sum((datetime(2026, 12, 31) + timedelta(days=i)).weekday() < 5 for i in range(30))
    assert days(clock, start, end) == pytest.approx(weekdays - 1, abs=1e-9)
    later.write_text("years = [2027]\n[days]\n2027-01-26 = 0.0\n2027-01-27 = 0.0\n")
    assert days(read_clock(base, later), start, end) == pytest.approx(weekdays - 2, abs=1e-9)


def test_c38_the_floor_keeps_a_living_option_alive_and_expiry_is_told_by_time_stamps() -> None:
    clock = parse_clock(NSE)
    saturday, sunday = ns(2026, 6, 13, 12), ns(2026, 6, 14, 12)
    assert float(year_fraction(clock, saturday, sunday)) == 0.0
    assert float(time_to_expiry(clock, saturday, sunday)) == 1.0 / 31_536_000.0
    assert float(time_to_expiry(clock, sunday, sunday)) == 0.0
    assert float(time_to_expiry(CALENDAR, saturday, saturday + 1)) == 1.0 / 31_536_000.0
    assert float(time_to_expiry(CALENDAR, saturday, sunday)) == pytest.approx(1 / 365, rel=1e-15)


MINUTES = st.integers(0, 365 * 1440 - 1)


@given(MINUTES, MINUTES, MINUTES)
def test_a_clock_adds_up_and_never_runs_backwards(a: int, b: int, c: int) -> None:
    clock, origin = parse_clock(NSE), ns(2026, 1, 1, zone=KOLKATA)
    x, y, z = (origin + m * 60 * 10**9 for m in sorted((a, b, c)))
    assert days(clock, x, y) >= 0.0
    # The sums behind are of some 260 days: a few ulps of that.
    assert days(clock, x, y) + days(clock, y, z) == pytest.approx(days(clock, x, z), abs=1e-12)


@pytest.mark.filterwarnings("ignore")  # exchange_calendars uses what the newest pandas deprecates
def test_a_calendar_package_gives_sessions() -> None:
    """C39 through exchange_calendars, loaded by the caller; the expectation is the exchange's own list of sessions."""
    try:
        import exchange_calendars
    except ImportError:
        skip_or_fail("exchange_calendars is not installed: pip install exchange_calendars", "REQUIRE_CALENDARS")
    calendar = exchange_calendars.get_calendar("XNYS", start="2024-01-01", end="2024-12-31")
    opens, closes = (
        column.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        for column in (calendar.opens, calendar.closes)
    )
    clock = clock_of_sessions("XNYS", opens, closes)
    # New York Stock Exchange, 2024: 252 trading days; Independence Day is a Thursday, the day before closes at 13:00.
    assert days(clock, int(opens[0]), int(closes[-1])) == 252.0
    before, after = ns(2024, 7, 3, 13, zone=NEW_YORK), ns(2024, 7, 5, 9, 30, zone=NEW_YORK)
    assert days(clock, before, after) == 0.0
    assert days(clock, before - 105 * 60 * 10**9, before) == pytest.approx(0.5, abs=1e-12), "half of 3 1/2 hours"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[weights]", "[weight]"), "'weight' is unknown; there are days, days_per_year"),
        (("days_per_year = 252.0", "days_per_year = '252'"), "days_per_year is '252'; want a number"),
        (("days_per_year = 252.0", "days_per_year = 0.0"), "want a positive number, 252.0"),
        (("Asia/Kolkata", "Asia/Nowhere"), "timezone 'Asia/Nowhere' is unknown; want an IANA name"),
        (("years = [2026]", ""), r"no years; say which years' holidays are known: years = \[2026\]"),
        (("years = [2026]", "years = [2025]"), "2026-01-26 is in none of the years"),
        (("years = [2026]", "years = [2024, 2026]"), "have a hole"),
        (('start = "09:15"', 'start = "9.15"'), 'is no time of day; want "09:15"'),
        (('end = "15:30"', 'end = "08:30"'), "start before end"),
        (('end = "15:30"', 'end = "15:30"\nshare = 1.5'), "shares from 0 to 1"),
        (("2026-01-26 = 0.0", "2026-02-30 = 0.0"), "no date; write 2026-01-26 = 0.0"),
        (("2026-01-26 = 0.0", "2026-01-26 = -1.0"), "want 0 or more"),
        (("2026-01-26 = 0.0", "2026-01-26 = 'off'"), "weight is 'off'; want a number"),
        (("monday = 1.0", "mon = 1.0"), "'mon' is unknown; there are friday, monday"),
        (("[weights]", "[weights"), "no TOML"),
    ],
)
def test_an_error_says_where_and_what_to_do(change: tuple[str, str], says: str) -> None:
    with pytest.raises(ClockError, match=says):
        parse_clock(NSE.replace(*change, 1))


def test_a_missing_file_and_bad_sessions_say_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match=r"none\.toml: cannot be read .*give a TOML file"):
        read_clock(tmp_path / "none.toml")
    with pytest.raises(ClockError, match="want two arrays of one length"):
        clock_of_sessions("x", [1, 2], [3])
    with pytest.raises(ClockError, match="open < close <= next open"):
        clock_of_sessions("x", [0, 5], [10, 20])
    together = clock_of_sessions("x", [0, 10], [10, 20])
    assert days(together, 5, 15) == 1.0
