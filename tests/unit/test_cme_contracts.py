"""B21: what a CME contract is: its expiry instant, its future, its multiplier."""

from __future__ import annotations

from datetime import date

import pytest

from pricers.clock_files import parse_clock
from pricers.clocks import CALENDAR
from schemas import RowStatus
from streams.cme.book import Book, Facts, step
from streams.cme.contracts import Contract, Terms, Unpriced, contract_of_definition, futures_of, terms_of
from streams.cme.days import (
    LONDON_CLOSE,
    NEW_YORK_CLOSE,
    SETTLEMENT,
    BusinessDays,
    Calendars,
    business_day_before,
    business_days_of_clock,
    business_days_of_sessions,
    friday_expiry_day,
    instant_ns,
    last_friday,
    monthly_expiry_day,
    weekday_of_month,
    weekly_expiry_day,
)
from streams.cme.dbn import read_dbn
from streams.cme.roots import CME, Family, Product, Root
from streams.cme.settlement_csv import settlement_rows
from tests.cme_files import at_ns, csv_file, csv_row, dbn_file, definition
from tests.conftest import skip_or_fail

# Holidays by hand: England's bank holidays, and the days on which the New York Stock Exchange is closed, on weekdays.
LONDON = BusinessDays(
    "London", date(2020, 1, 1), date(2027, 12, 31),
    frozenset(
        date(*day)
        for day in (
            (2020, 12, 25), (2020, 12, 28), (2022, 6, 2), (2022, 6, 3), (2024, 3, 29), (2024, 4, 1), (2024, 5, 6), (2024, 5, 27),
            (2025, 4, 18), (2025, 4, 21), (2025, 12, 25), (2025, 12, 26), (2027, 3, 26), (2027, 3, 29),
        )
    ),
)  # fmt: skip
US = BusinessDays(
    "US", date(2020, 1, 1), date(2027, 12, 31),
    frozenset(
        date(*day)
        for day in (
            (2020, 12, 25), (2022, 5, 30), (2024, 3, 29), (2024, 5, 27), (2024, 11, 28), (2025, 4, 18), (2025, 12, 25), (2026, 6, 19),
            (2027, 3, 26),
        )
    ),
)  # fmt: skip
BOTH = Calendars(LONDON, US)


@pytest.mark.parametrize(
    ("month", "day", "why"),
    [
        ((2024, 4), date(2024, 4, 26), "an ordinary last Friday"),
        ((2024, 3), date(2024, 3, 28), "29 March is Good Friday in both"),
        ((2027, 3), date(2027, 3, 25), "26 March is Good Friday"),
        ((2020, 12), date(2020, 12, 24), "25 December is a Friday; half days count"),
        ((2025, 12), date(2025, 12, 24), "26 December is London's holiday only, 25 both's"),
        ((2024, 11), date(2024, 11, 29), "the day after Thanksgiving is a business day"),
        ((2024, 5), date(2024, 5, 31), "fifth Friday"),
        ((2024, 12), date(2024, 12, 27), "over the year's end"),
    ],
)
def test_monthly_options_expire_on_the_last_friday_or_the_day_before_that_both_cities_work(
    month: tuple[int, int], day: date, why: str
) -> None:
    assert monthly_expiry_day(*month, BOTH) == day, why


@pytest.mark.parametrize(
    ("what", "day"),
    [
        ((2026, 6, 0, 2), date(2026, 6, 8)),
        ((2026, 6, 4, 1), date(2026, 6, 5)),
        ((2024, 5, 0, 1), date(2024, 5, 3)),  # 6 May: London's early May holiday, so the Friday before
        ((2024, 5, 0, 4), date(2024, 5, 24)),  # 27 May: both's
        ((2022, 6, 4, 1), date(2022, 6, 1)),  # 2 and 3 June: London's jubilee
        ((2026, 6, 4, 3), date(2026, 6, 18)),  # 19 June: New York's only
        ((2026, 6, 4, 5), None),  # four Fridays only
        ((2026, 6, 0, 5), date(2026, 6, 29)),
    ],
)
def test_weekly_options_expire_on_their_weekday_moved_like_the_monthly_ones(
    what: tuple[int, int, int, int], day: date | None
) -> None:
    assert weekly_expiry_day(*what, BOTH) == day


def test_bitcoin_friday_weeks_end_on_their_last_new_york_business_day() -> None:
    assert friday_expiry_day(date(2025, 4, 18), US) == date(2025, 4, 17), "Good Friday"
    assert friday_expiry_day(date(2025, 12, 26), US) == date(2025, 12, 26), "London's holiday does not matter"


@pytest.mark.parametrize(
    ("day", "wall", "utc"),
    [
        # London: summer time from 31 March 2024, 01:00 UTC, to 27 October.
        (date(2024, 3, 28), LONDON_CLOSE, (2024, 3, 28, 16)),
        (date(2024, 4, 26), LONDON_CLOSE, (2024, 4, 26, 15)),
        (date(2024, 10, 25), LONDON_CLOSE, (2024, 10, 25, 15)),
        (date(2024, 10, 28), LONDON_CLOSE, (2024, 10, 28, 16)),
        # New York: summer time from 10 March 2024 to 3 November: other weeks than London's.
        (date(2024, 3, 8), NEW_YORK_CLOSE, (2024, 3, 8, 21)),
        (date(2024, 3, 15), NEW_YORK_CLOSE, (2024, 3, 15, 20)),
        (date(2024, 11, 1), NEW_YORK_CLOSE, (2024, 11, 1, 20)),
        (date(2024, 11, 8), NEW_YORK_CLOSE, (2024, 11, 8, 21)),
        (date(2024, 3, 15), SETTLEMENT, (2024, 3, 15, 20)),
        (date(2024, 1, 15), SETTLEMENT, (2024, 1, 15, 21)),
    ],
)
def test_instants_follow_the_summer_time_of_their_own_city(day: date, wall, utc) -> None:  # type: ignore[no-untyped-def]
    assert instant_ns(day, wall) == at_ns(*utc)


def test_between_the_two_changes_of_the_clocks_the_cities_are_four_hours_apart() -> None:
    gap = {
        day: instant_ns(date(2024, 3, day), NEW_YORK_CLOSE) - instant_ns(date(2024, 3, day), LONDON_CLOSE)
        for day in (8, 15)
    }
    assert gap == {8: 5 * 3600 * 10**9, 15: 4 * 3600 * 10**9}


def test_outside_the_known_years_nothing_is_guessed() -> None:
    short = BusinessDays("short", date(2024, 3, 29), date(2024, 12, 31), frozenset({date(2024, 3, 29)}))
    assert monthly_expiry_day(2024, 3, Calendars(short, US)) is None, "the day before is not known"
    assert monthly_expiry_day(2028, 1, BOTH) is None
    assert business_day_before(date(2024, 3, 29), short) is None
    assert short.is_business(date(2025, 1, 1)) is None


def test_c39_business_days_come_from_files_too() -> None:
    clock = parse_clock(
        'name = "london"\ntimezone = "Europe/London"\ndays_per_year = 252.0\nyears = [2024]\n[weights]\n'
        + "".join(f"{day} = 1.0\n" for day in ("monday", "tuesday", "wednesday", "thursday", "friday"))
        + "[days]\n2024-03-29 = 0.0\n2024-04-01 = 0.0\n2024-12-24 = 0.5\n"
    )
    found = business_days_of_clock(clock, "Europe/London")
    assert found == BusinessDays(
        "london", date(2024, 1, 1), date(2024, 12, 31), frozenset({date(2024, 3, 29), date(2024, 4, 1)})
    )
    with pytest.raises(ValueError, match="no business days"):
        business_days_of_clock(CALENDAR, "UTC")


def test_the_calendar_package_agrees_with_the_hand_checked_days() -> None:
    try:
        from streams.cme.exchange_days import calendars

        found = calendars(date(2020, 1, 1), date(2027, 12, 31))
    except ImportError:
        skip_or_fail("exchange_calendars is not installed: pip install exchange_calendars", "REQUIRE_CALENDARS")
    for mine, theirs in zip(BOTH, found, strict=True):
        assert mine.holidays <= theirs.holidays
    for month in ((2024, 3), (2025, 12), (2020, 12), (2024, 11), (2027, 3)):
        assert monthly_expiry_day(*month, found) == monthly_expiry_day(*month, BOTH)
    assert weekly_expiry_day(2022, 6, 4, 1, found) == date(2022, 6, 1)


def test_days_of_the_month_are_counted_from_the_first() -> None:
    for year in range(2020, 2030):
        for month in range(1, 13):
            friday = last_friday(year, month)
            assert (friday.weekday(), friday.month) == (4, month)
            assert friday in {weekday_of_month(year, month, 4, week) for week in (4, 5)}
            assert weekday_of_month(year, month, 4, 5) in (None, friday)
    assert business_days_of_sessions("x", [date(2024, 1, 2)], date(2024, 1, 1), date(2024, 1, 7)).holidays == {
        date(2024, 1, day) for day in (1, 3, 4, 5)
    }


# --- roots ---


def test_the_table_has_the_known_multipliers_and_roots() -> None:
    multipliers = {code: product.multiplier for code, product in CME.products.items()}
    assert multipliers == {"BTC": 5.0, "MBT": 0.1, "ETH": 50.0, "MET": 0.1, "BFF": 1 / 50}
    for code, (product, weekday, week) in {
        "P1A": ("BTC", 0, 1), "P5D": ("BTC", 3, 5), "P4E": ("BTC", 4, 4), "W1A": ("MBT", 0, 1), "Y1A": ("ETH", 0, 1),
    }.items():  # fmt: skip
        assert CME.roots[code][1:3] == (product, Family.WEEKLY)
        assert CME.roots[code][-2:] == (weekday, week)
    assert "P5E" not in CME.roots, "the last Friday is the monthly option's"
    assert all(root.source and root.valid_from for root in CME.roots.values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"products": {"X": CME.products["BTC"]}}, "the key must be its code"),
        ({"products": {"BTC": CME.products["BTC"]._replace(multiplier=0.0)}}, "positive"),
        ({"roots": {"WM": CME.roots["WM"]._replace(product="XXX")}}, "its product"),
        ({"roots": {"WM": CME.roots["WM"]._replace(family=Family.WEEKLY)}}, "weekday and week"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(change, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        CME._replace(**change).check()


# --- contracts ---

JUNE, JULY = at_ns(2026, 6, 26, 15), at_ns(2026, 7, 31, 15)
FUTURES = [
    definition(3, "BTCM6", "BTC", "F", JUNE, multiplier=5.0),
    definition(4, "BTCN6", "BTC", "F", JULY, multiplier=5.0),
    definition(5, "MBTM6", "MBT", "F", JUNE, multiplier=0.1),
    definition(6, "BFFM6", "BFF", "F", at_ns(2026, 6, 12, 20), multiplier=0.02),
    definition(8, "METM6", "MET", "F", JUNE, multiplier=0.1),
]


def resolved(option: Contract) -> Terms | Unpriced:
    futures = [contract_of_definition(one) for one in read_dbn(dbn_file(FUTURES), "x").definitions]
    return terms_of(option, futures_of(futures, CME), CME)


def option(root: str, expiry_ns: int, **more: object) -> Contract:
    record = definition(99, f"{root} C1", root, "C", expiry_ns, **{"multiplier": 5.0, "strike": 1e5, **more})  # type: ignore[arg-type]
    (found,) = read_dbn(dbn_file([record]), "x").definitions
    return contract_of_definition(found)


FIRST_FRIDAY = at_ns(2026, 6, 5, 15)


@pytest.mark.parametrize(
    ("contract", "future", "family", "multiplier", "link"),
    [
        (option("BTC", JUNE, underlying_id=3), "BTCM6", "monthly", (5.0, "definition"), "named"),
        (option("BTC", JULY, underlying_id=4, multiplier=None), "BTCN6", "monthly", (5.0, "table"), "named"),
        (option("P1E", FIRST_FRIDAY, underlying_id=3), "BTCM6", "weekly", (5.0, "definition"), "named"),
        (option("P1E", FIRST_FRIDAY), "BTCM6", "weekly", (5.0, "definition"), "next_expiry"),
        (option("P5A", at_ns(2026, 6, 29, 15)), "BTCN6", "weekly", (5.0, "definition"), "next_expiry"),
        (option("W1E", FIRST_FRIDAY, multiplier=0.1), "MBTM6", "weekly", (0.1, "definition"), "next_expiry"),
        (option("ZZZ", FIRST_FRIDAY, underlying_id=6, multiplier=0.02), "BFFM6", "friday", (0.02, "definition"), "named"),
        (option("VM", JUNE, underlying_id=8, multiplier=0.1), "METM6", "unlisted", (0.1, "definition"), "named"),
    ],
)  # fmt: skip
def test_an_option_finds_its_future_and_its_multiplier(
    contract: Contract, future: str, family: str, multiplier: tuple[float, str], link: str
) -> None:
    terms = resolved(contract)
    assert isinstance(terms, Terms)
    assert terms.future is not None
    assert (terms.future.name, terms.family, terms.future_link) == (future, family, link)
    assert (terms.multiplier, terms.multiplier_source) == multiplier
    assert terms.note == ""


def test_the_definitions_multiplier_holds_against_the_tables_and_says_so() -> None:
    terms = resolved(option("BTC", JUNE, underlying_id=3, multiplier=10.0))
    assert isinstance(terms, Terms)
    assert (terms.multiplier, terms.note) == (10.0, "multiplier 10.0 where the table has 5.0")


def test_a_future_without_a_definition_is_known_by_the_id_that_the_option_names() -> None:
    terms = resolved(option("BTC", JUNE, underlying_id=77))
    assert isinstance(terms, Terms)
    assert (terms.future_key, terms.future, terms.product.code) == ("id/77", None, "BTC")


@pytest.mark.parametrize(
    ("contract", "status", "says"),
    [
        (option("BTC", JUNE, underlying_id=3, action="D"), RowStatus.NOT_OPEN, "deleted"),
        (option("BTC", JUNE, underlying_id=3, style="A"), RowStatus.NO_CONTRACT, "american"),
        (option("ES", JUNE, underlying_id=77), RowStatus.NO_CONTRACT, "root ES, is of no product"),
        (option("ZZZ", JUNE, style="X", underlying_id=3), RowStatus.NO_CONTRACT, "unknown"),
        (
            option("BTC", JUNE, underlying_id=5),
            RowStatus.NO_CONTRACT,
            "root BTC is on BTC, but its future MBTM6 is MBT",
        ),
        (option("BTC", JULY, underlying_id=3), RowStatus.NO_CONTRACT, "expires before it"),
        (option("P1E", at_ns(2022, 6, 3, 15)), RowStatus.NO_CONTRACT, "before P1E was listed"),
        (option("BTC", at_ns(2027, 6, 25, 15)), RowStatus.NO_FORWARD, "no future of BTC"),
        (option("ETH", JUNE), RowStatus.NO_FORWARD, "no future of ETH"),
    ],
)
def test_an_option_that_cannot_be_placed_says_why(contract: Contract, status: RowStatus, says: str) -> None:
    found = resolved(contract)
    assert isinstance(found, Unpriced)
    assert found.status == status
    assert says in found.detail


def test_rows_of_settlement_files_get_the_day_from_the_row_and_the_clock_from_the_product() -> None:
    day, last = date(2026, 6, 12), date(2026, 6, 26)
    link = {"underlying_id": "BTC", "underlying_maturity": "202606"}
    rows = [
        csv_row("BTC", "BTC", day, "202606", last, kind="FUT", settle="105000"),
        csv_row("BTC", "BTC", day, "202606", last, strike="100000", put_call="1", **link),
        csv_row("P1E", "P1E", day, "202606", date(2026, 6, 5), strike="1234567.5", put_call="0", **link),
        csv_row("GE", "ED", day, "202606", last, kind="FUT"),
        csv_row("OZQ", "41", day, "202606", last, strike="95", put_call="1"),
    ]
    book = Book()
    for row in settlement_rows(csv_file(rows), "x"):
        step(book, row, Facts())
    assert book.n_rows == {"SettlementRow": 3, "ignored product GE": 1, "ignored product OZQ": 1}
    future, call, put = book.contracts.values()
    assert future.expiry_ns == call.expiry_ns == at_ns(2026, 6, 26, 15)
    assert put.expiry_ns == at_ns(2026, 6, 5, 15)
    assert call.future_key == put.future_key == future.key
    assert call.name == "BTC 202606 C100000"
    assert put.name == "P1E 202606 P1234567.5"
    terms = terms_of(put, futures_of(book.contracts.values(), CME), CME)
    assert isinstance(terms, Terms)
    assert (terms.multiplier, terms.multiplier_source, terms.family) == (5.0, "table", Family.WEEKLY)


def test_another_market_needs_lines_of_the_table_and_nothing_else() -> None:
    """The real E-mini roots as data: the weekly is European and finds its future by id."""
    product = Product("ES", "SPX", 50.0, NEW_YORK_CLOSE, date(1997, 9, 9), "a test's")
    root = Root("EW2", "ES", Family.WEEKLY, date(2010, 1, 1), "a test's", 4, 2)
    table = CME._replace(products={"ES": product}, roots={"EW2": root}).check()
    close = at_ns(2026, 1, 9, 21)
    contract = option("EW2", close, underlying_id=11, multiplier=50.0)
    future = definition(11, "ESH6", "ES", "F", at_ns(2026, 3, 20, 13, 30), multiplier=50.0)
    futures = futures_of([contract_of_definition(d) for d in read_dbn(dbn_file([future]), "x").definitions], table)
    terms = terms_of(contract, futures, table)
    assert isinstance(terms, Terms)
    assert (terms.multiplier, terms.product.code) == (50.0, "ES")
    assert instant_ns(date(2026, 1, 9), NEW_YORK_CLOSE) == close, "as in the exchange's own definition of EW2F6"
