"""B21, K5: Black-76 of CME's options on the right future, statuses, open interest with its day, an assumed side named as such.

No public CME chain of bitcoin options exists: the records here are synthetic, in the real layouts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas import CmeSource, Engine, RowStatus
from streams.cme.book import Book, Facts, session_end_ns, settlement_ns, step
from streams.cme.days import NEW_YORK_CLOSE
from streams.cme.dbn import dbn_rows
from streams.cme.marks import foreign, marks
from streams.cme.merge import delta_equivalent_contracts
from streams.cme.quotes import MarkSettings
from streams.cme.roots import CME, Family, Product, Root
from streams.cme.settlement_csv import settlement_rows
from tests.cme_files import (
    DAY_NS,
    at_ns,
    csv_file,
    csv_row,
    dbn_file,
    definition,
    open_interest,
    settlement,
    statistic,
    top,
)
from tests.cme_world import DAY, FACTS, INDEX, TAKEN, VECTOR, WEEK, F, K, black, book_of, future, marked, only, option


def test_the_definitions_vector_comes_out_of_a_settlement() -> None:
    """DEFINITIONS 3.14: F 100 000, K 105 000, 7 d, 50 %; the price there has 6 decimals, 1e-8 of its vega in sigma."""
    mark = only(*VECTOR, open_interest(7, DAY, 20, event_ns=TAKEN))
    assert (mark.status, mark.engine, mark.sigma_status) == (RowStatus.OK, Engine.EUROPEAN, RowStatus.OK)
    assert (mark.sigma_source, mark.forward_source) == (CmeSource.SETTLEMENT, CmeSource.SETTLEMENT)
    assert mark.sigma == pytest.approx(0.5, rel=5e-7 / (4414.0 * 0.5))
    half = {"rel": 0.0}
    assert mark.price_usd == pytest.approx(1005.501470, abs=5e-7, **half)
    assert mark.delta == pytest.approx(0.251427, abs=5e-7, **half)
    assert mark.gamma_per_usd == pytest.approx(4.603183e-5, abs=5e-12, **half)
    assert mark.vega_usd_per_point == pytest.approx(44.140108, abs=5e-7, **half)
    assert mark.vanna_per_point == pytest.approx(0.00471250, abs=5e-9, **half)
    assert mark.charm_per_day == pytest.approx(-0.01683036, abs=5e-9, **half)
    assert mark.volga_usd_per_point2 == pytest.approx(4372.532e-4, abs=5e-8, **half)
    assert mark.tau_years == pytest.approx(7 / 365, rel=1e-15)
    assert (mark.product, mark.family, mark.multiplier, mark.future_name) == ("BTC", "monthly", 5.0, "BTCM6")


def test_exposure_is_the_definitions_ngi() -> None:
    """DEFINITIONS 3.14: 100 coins at the money, 7 d, 50 %: gamma 5.758073e-5, NGI 575 807.34 USD; here 20 contracts of 5."""
    price = black(F, F, 0.5, 7 / 365, 1)[0]
    records = (
        future(),
        option(7, "C", F),
        settlement(3, DAY, F),
        settlement(7, DAY, price),
        open_interest(7, DAY, 20, event_ns=TAKEN),
    )
    mark = only(*records)
    assert mark.position_coin_assumption_signed == 100.0
    assert mark.gamma_usd_per_pct_assumption_signed == pytest.approx(575_807.34, abs=0.005)
    halved = only(*records, settings=MarkSettings(open_interest_divisor=2.0))
    assert halved.position_coin_assumption_signed == 50.0
    assert (halved.open_interest_contracts, halved.open_interest_divisor) == (20.0, 2.0)
    short = only(*records, settings=MarkSettings(side_model="all_short"))
    assert short.gamma_usd_per_pct_assumption_signed == pytest.approx(-575_807.34, abs=0.005)
    assert only(*records, index={}).gamma_usd_per_pct_assumption_signed is None, "no index, no dollars of it"


@pytest.mark.parametrize(
    ("model", "call", "put"),
    [("naive_call_plus_put_minus", 5.0, -5.0), ("all_short", -5.0, -5.0), ("all_long", 5.0, 5.0)],
)
def test_the_side_is_an_assumption_with_a_name(model: str, call: float, put: float) -> None:
    records = [future(), option(7, "C", K), option(8, "P", K)]
    records += [open_interest(number, DAY, 1, event_ns=TAKEN) for number in (7, 8)]
    found = {mark.option_type.name: mark for mark in marked(*records, settings=MarkSettings(side_model=model))}
    assert found["CALL"].position_coin_assumption_signed == call
    assert found["PUT"].position_coin_assumption_signed == put


def test_an_unknown_side_model_or_a_divisor_of_nothing_is_a_wrong_call() -> None:
    book = book_of(future(), option(7, "C", K), open_interest(7, DAY, 1))
    with pytest.raises(ValueError, match="naive_call_plus_put_minus, all_short, all_long"):
        marks(book, WEEK - 1, INDEX, FACTS, MarkSettings(side_model="guess"))
    with pytest.raises(ValueError, match=r"open_interest_divisor is 0\.0"):
        marks(book, TAKEN, INDEX, FACTS, MarkSettings(open_interest_divisor=0.0))


def test_a_weekly_option_is_priced_on_the_monthly_future_that_it_delivers() -> None:
    """Two futures 2 % apart: only the June one gives 50 %."""
    last = at_ns(2026, 6, 26, 15)
    first = at_ns(2026, 6, 19, 15)
    tau = (first - TAKEN) / (365 * DAY_NS)
    records = [
        future(3, "BTCM6", expiry=last), future(4, "BTCN6", expiry=at_ns(2026, 7, 31, 15)),
        settlement(3, DAY, F), settlement(4, DAY, 1.02 * F),
    ]  # fmt: skip
    for number, link in ((7, 3), (8, 0)):
        records += [
            option(number, "C", K + number, asset="P3E", expiration_ns=first, underlying_id=link),
            settlement(number, DAY, black(F, K + number, 0.5, tau, 1)[0]),
        ]
    named, found = marked(*records)
    assert (named.future_name, named.future_link) == ("BTCM6", "named")
    assert (found.future_name, found.future_link) == ("BTCM6", "next_expiry")
    for mark in (named, found):
        assert (mark.family, mark.future_expiry_ns, mark.expiry_ns) == ("weekly", last, first)
        assert mark.sigma == pytest.approx(0.5, rel=1e-9)


def test_bitcoin_friday_and_micro_options_hold_their_own_coin() -> None:
    friday = at_ns(2026, 6, 19, 20)
    records = [
        future(5, "BFFM6", "BFF", expiry=friday), settlement(5, DAY, F), open_interest(9, DAY, 50, event_ns=TAKEN),
        option(9, "C", K, asset="XXX", expiration_ns=friday, underlying_id=5, multiplier=0.02),
        future(6, "MBTM6", "MBT"), settlement(6, DAY, F), open_interest(10, DAY, 50, event_ns=TAKEN),
        option(10, "P", K, asset="WM", underlying_id=6, multiplier=None),
    ]  # fmt: skip
    by_product = {mark.product: mark for mark in marked(*records)}
    assert by_product["BFF"].family == "friday"
    assert by_product["BFF"].position_coin_assumption_signed == 50 * 0.02
    assert (by_product["BFF"].multiplier_source, by_product["MBT"].multiplier_source) == ("definition", "table")
    assert by_product["MBT"].position_coin_assumption_signed == -50 * 0.1


def test_the_book_comes_before_the_settlement_and_the_forward_of_one_never_meets_the_price_of_the_other() -> None:
    now = TAKEN + 3600 * 10**9
    tau = (WEEK - now) / (365 * DAY_NS)
    moved, sigma = 103_000.0, 0.6
    price = black(moved, K, sigma, tau, 1)[0]
    quotes = [top(3, now, moved - 10, moved + 10), top(7, now, price - 20, price + 20)]
    mark = only(*VECTOR, *quotes, now=now)
    assert (mark.sigma_source, mark.forward_source, mark.forward) == (
        CmeSource.BID_ASK_MID,
        CmeSource.BID_ASK_MID,
        moved,
    )
    assert mark.sigma == pytest.approx(sigma, rel=1e-9)
    assert mark.sigma_low is not None
    assert mark.sigma_high is not None
    assert mark.sigma_low < mark.sigma < mark.sigma_high
    # The option's book alone: its settlement with the future's settlement, valued at that forward, now.
    alone = only(*VECTOR, quotes[1], now=now)
    assert (alone.sigma_source, alone.forward_source, alone.forward) == (CmeSource.SETTLEMENT, CmeSource.SETTLEMENT, F)
    assert alone.sigma == pytest.approx(0.5, rel=1e-9)
    # The future's book alone: yesterday's volatility at the forward of now.
    moved_on = only(*VECTOR, quotes[0], now=now)
    assert (moved_on.sigma_source, moved_on.forward) == (CmeSource.SETTLEMENT, moved)
    assert moved_on.price_usd == pytest.approx(black(moved, K, 0.5, tau, 1)[0], rel=1e-8)
    assert moved_on.delta == pytest.approx(black(moved, K, 0.5, tau, 1)[1], rel=1e-8)
    assert moved_on.strike_index == pytest.approx(K * INDEX["BTC"] / moved, rel=1e-15)


@pytest.mark.parametrize(
    ("bid", "ask", "age_s", "says"),
    [
        (1000.0, 900.0, 0, "CROSSED_QUOTE"),
        (None, 900.0, 0, "NO_QUOTE"),
        (500.0, 900.0, 0, "too far apart"),
        (900.0, 910.0, 151, "no fresh two-sided book"),
        (900.0, 910.0, -1, "no fresh two-sided book"),
    ],
)
def test_a_book_that_is_no_price_is_told(bid: float | None, ask: float | None, age_s: int, says: str) -> None:
    records = [future(), option(7, "C", K), top(3, TAKEN, F - 1, F + 1), top(7, TAKEN - age_s * 10**9, bid, ask)]
    mark = only(*records)
    assert mark.status == RowStatus.NO_SIGMA
    assert says in mark.detail
    assert "no settlement" in mark.detail
    assert mark.price_usd is mark.delta is mark.gamma_per_usd is mark.sigma is None
    assert (mark.engine, mark.sigma_source) == (Engine.NONE, CmeSource.NONE)


@pytest.mark.parametrize(
    ("records", "status", "says"),
    [
        ((option(7, "C", K), settlement(7, DAY, 1000.0)), RowStatus.NO_FORWARD, "id/3 has neither"),
        ((future(), option(7, "C", K, style="A"), settlement(3, DAY, F)), RowStatus.NO_CONTRACT, "american"),
        ((future(), option(7, "C", K, action="D"), settlement(3, DAY, F)), RowStatus.NOT_OPEN, "deleted"),
        ((*VECTOR[:3], settlement(7, DAY - DAY_NS, 1000.0)), RowStatus.NO_SIGMA, "none of its future for that day"),
        ((*VECTOR[:3], settlement(7, DAY, 100_000.5)), RowStatus.NO_SIGMA, "ABOVE_BOUND"),
        ((*VECTOR[:3], settlement(7, DAY, 0.0)), RowStatus.NO_SIGMA, "NO_QUOTE"),
        ((*VECTOR[:3], statistic(7, 3, DAY, is_deleted=True)), RowStatus.NO_SIGMA, "no settlement"),
        ((future(), settlement(3, DAY, F), option(7, "C", 90_000.0), settlement(7, DAY, 9_000.0)), RowStatus.NO_SIGMA, "BELOW_INTRINSIC"),
    ],
)  # fmt: skip
def test_what_cannot_be_priced_is_a_mark_with_its_status_and_no_number(
    records: Iterable[Any], status: RowStatus, says: str
) -> None:
    mark = only(*records, open_interest(7, DAY, 9, event_ns=TAKEN))
    assert mark.status == status
    assert says in mark.detail
    assert mark.price_usd is mark.gamma_per_usd is mark.gamma_usd_per_pct_assumption_signed is None
    assert mark.open_interest_contracts == 9.0, "what is known stays"


def test_options_of_other_markets_are_told_by_an_empty_product_and_counted() -> None:
    other = definition(50, "ESM6", "ES", "F", WEEK, multiplier=50.0)
    records = [
        *VECTOR,
        other,
        option(9, "C", 7000.0, asset="ES", underlying_id=50, multiplier=50.0),
        option(10, "C", K, style="A"),
    ]
    found = marked(*records)
    assert [(mark.product, mark.status.name) for mark in found] == [
        ("", "NO_CONTRACT"), ("BTC", "OK"), ("BTC", "NO_CONTRACT"),
    ]  # fmt: skip
    assert foreign(found) == {"ES": 1}


def test_an_option_ends_with_its_expiry_to_the_nanosecond() -> None:
    records = (*VECTOR, open_interest(7, DAY, 1, event_ns=TAKEN))
    settings = MarkSettings(settlement_max_age_days=10.0)
    before = only(*records, now=WEEK - 1, settings=settings)
    assert before.status == RowStatus.OK
    assert before.tau_years == 1.0 / 31_536_000.0, "one second at least (E-55)"
    after = only(*records, now=WEEK, settings=settings)
    assert after.status == RowStatus.EXPIRED
    assert after.position_coin_assumption_signed is after.price_usd is None


def test_an_option_in_the_money_takes_the_vol_of_its_twins_settlement() -> None:
    put = black(F, K, 0.5, 7 / 365, -1)[0]
    low = 90_000.0
    records = [
        future(), settlement(3, DAY, F),
        option(7, "C", low), settlement(7, DAY, F - low), option(8, "P", low), settlement(8, DAY, black(F, low, 0.5, 7 / 365, -1)[0]),
        option(9, "P", K), settlement(9, DAY, put),
    ]  # fmt: skip
    found = {mark.instrument_name: mark for mark in marked(*records)}
    assert found["BTCM6 P105000"].sigma_source == CmeSource.SETTLEMENT, "no call of that strike"
    call, twin = found["BTCM6 C90000"], found["BTCM6 P90000"]
    assert (call.sigma_source, twin.sigma_source) == (CmeSource.PARITY_TWIN, CmeSource.SETTLEMENT)
    assert call.sigma == twin.sigma
    assert call.gamma_per_usd == pytest.approx(twin.gamma_per_usd, rel=1e-12)
    assert call.delta is not None
    assert twin.delta is not None
    assert call.delta - twin.delta == pytest.approx(1.0, rel=1e-12)


def test_final_settlements_hold_over_preliminary_ones_and_the_newest_day_over_older_ones() -> None:
    later = [settlement(7, DAY, 900.0, flags=2, event_ns=TAKEN + 5), settlement(7, DAY - DAY_NS, 800.0)]
    mark = only(*VECTOR, *later)
    assert (mark.settlement_price, mark.is_settlement_final, mark.settlement_ns) == (1005.50147, True, TAKEN)
    null_flags = [settlement(7, DAY, 950.0, flags=255, event_ns=TAKEN + 9)]
    assert only(*VECTOR, *null_flags).settlement_price == 1005.50147, "255 is null: no final flag"
    old = only(*VECTOR, now=TAKEN + 6 * DAY_NS)
    assert (old.status, old.settlement_price) == (RowStatus.NO_FORWARD, None), "five days at most"


def test_a_settlement_is_not_known_before_it_is_taken() -> None:
    assert only(*VECTOR, now=TAKEN - 1).status == RowStatus.NO_FORWARD


def test_open_interest_tells_the_end_of_its_day_and_when_it_came() -> None:
    published = DAY + DAY_NS + 3 * 3600 * 10**9  # about 22:30 in New York
    mark = only(*VECTOR, open_interest(7, DAY, 30, event_ns=published), now=published)
    assert mark.open_interest_as_of_ns == at_ns(2026, 6, 12, 21), "16:00 in Chicago"
    assert mark.open_interest_published_ns == published
    before = only(*VECTOR, open_interest(7, DAY, 30, event_ns=published), now=published - 1)
    assert before.open_interest_contracts is before.position_coin_assumption_signed is None
    assert before.status == RowStatus.OK, "greeks need no open interest"


def test_open_interest_of_a_settlement_file_is_the_business_days_before() -> None:
    """22 June 2026 is a Monday, Friday 19 June a US holiday: the figure is Thursday's."""
    monday = date(2026, 6, 22)
    tau = (at_ns(2026, 6, 26, 15) - settlement_ns(at_ns(2026, 6, 22))) / (365 * DAY_NS)
    rows = [
        csv_row("BTC", "BTC", monday, "202606", date(2026, 6, 26), kind="FUT", settle="100000", open_interest="7"),
        csv_row(
            "BTC", "BTC", monday, "202606", date(2026, 6, 26), strike="105000", put_call="1", open_interest="42",
            settle=f"{black(F, K, 0.5, tau, 1)[0]:.9f}", underlying_id="BTC", underlying_maturity="202606",
        ),
    ]  # fmt: skip
    now = at_ns(2026, 6, 22, 22)
    for facts, as_of in ((FACTS, session_end_ns(date(2026, 6, 18))), (Facts(), None)):
        book = Book()
        for row in settlement_rows(csv_file(rows), "x"):
            step(book, row, facts)
        (mark,) = marks(book, now, INDEX, facts, MarkSettings())
        assert (mark.open_interest_contracts, mark.open_interest_as_of_ns) == (42.0, as_of)
        assert mark.open_interest_published_ns is None
        assert (mark.source, mark.instrument_id, mark.multiplier, mark.multiplier_source) == (
            "settlement_csv",
            None,
            5.0,
            "table",
        )
        assert mark.sigma == pytest.approx(0.5, rel=1e-7)
        assert mark.expiry_ns == at_ns(2026, 6, 26, 15)


RECORDS = [
    future(), option(7, "C", K), option(8, "P", K), settlement(3, DAY, F), settlement(3, DAY - DAY_NS, F - 5), settlement(7, DAY, 1005.0),
    settlement(7, DAY, 1004.0, flags=2), settlement(7, DAY - DAY_NS, 900.0), statistic(7, 3, DAY - DAY_NS, is_deleted=True),
    settlement(8, DAY, 6000.0), open_interest(7, DAY, 5, event_ns=TAKEN), open_interest(7, DAY, 6, event_ns=TAKEN, sequence=2),
    open_interest(8, DAY - DAY_NS, 9), option(7, "C", K, recv_ns=10**18 + 5), top(3, TAKEN, F - 1, F + 1), top(3, TAKEN - 1, F - 9, F + 9),
]  # fmt: skip


@given(st.permutations(list(range(len(RECORDS)))), st.lists(st.integers(0, len(RECORDS) - 1), max_size=6))
def test_the_book_does_not_depend_on_order_or_repeats(order: list[int], again: list[int]) -> None:
    expected = marks(book_of(*RECORDS), TAKEN, INDEX, FACTS, MarkSettings())
    found = marks(book_of(*(RECORDS[i] for i in [*order, *again])), TAKEN, INDEX, FACTS, MarkSettings())
    assert found == expected
    assert [mark.open_interest_contracts for mark in expected] == [9.0, 6.0]


# --- CFTC's figure: arithmetic ---

CFTC_WEEK, CFTC_COMBINED, CFTC_FUTURES, CFTC_OPTIONS = date(2026, 6, 23), 21_370, 20_554, 816
"""CFTC, TFF, BITCOIN (contracts of 5): open interest with options and without, and the difference: delta-weighted options."""


def test_a_book_built_to_one_week_of_cftcs_delta_weighted_figure_returns_it() -> None:
    """Arithmetic and no more: no public CME option chain exists, so the open interest per strike is made up to fit.

    Contracts are whole, so that the last option's open interest leaves at most half of its delta; deltas come from the formula, at
    settlements of 1e-9 USD.  Micro options stand in the same file and belong to another CFTC market: they must not count.
    """
    day = at_ns(2026, 6, 23)
    taken = settlement_ns(day)
    monthly, weekly = at_ns(2026, 7, 31, 15), at_ns(2026, 7, 3, 15)
    forward, sigma = 106_000.0, 0.45
    records = [
        future(3, "BTCN6", expiry=monthly), settlement(3, day, forward),
        future(6, "MBTN6", "MBT", expiry=monthly), settlement(6, day, forward),
    ]  # fmt: skip
    total, number, last_delta = 0.0, 100, 0.0
    for expiry, asset in ((monthly, "BTC"), (weekly, "P1E")):
        for strike in range(80_000, 140_001, 5_000):
            for kind, sign in (("C", 1), ("P", -1)):
                price, delta = black(forward, strike, sigma, (expiry - taken) / (365 * DAY_NS), sign)
                number += 1
                is_last = (asset, strike, kind) == ("P1E", 140_000, "P")
                held = round((CFTC_OPTIONS - total) / abs(delta)) if is_last else 20 + number % 7
                total, last_delta = total + held * abs(delta), abs(delta)
                records += [
                    option(number, kind, float(strike), asset=asset, expiration_ns=expiry, underlying_id=3),
                    settlement(number, day, price), open_interest(number, day, held, event_ns=taken),
                ]  # fmt: skip
    records += [
        option(900, "C", 105_000.0, asset="WM", expiration_ns=monthly, underlying_id=6, multiplier=0.1),
        settlement(900, day, 5_000.0), open_interest(900, day, 12_345, event_ns=taken),
    ]  # fmt: skip
    assert total - held * last_delta < CFTC_OPTIONS, "the last option closes a gap"
    found = marked(*records, now=taken)
    assert all(mark.status == RowStatus.OK for mark in found)
    figure = delta_equivalent_contracts(found, "BTC")
    assert figure == pytest.approx(total, rel=1e-9), "deltas of the marks are the formula's"
    assert abs(figure - CFTC_OPTIONS) <= 0.5 * last_delta + 1e-6
    assert round(figure) == CFTC_OPTIONS


def test_the_stated_week_is_cftcs(shared: Path) -> None:
    with (shared / "data" / "cme" / "cftc" / "derived_option_delta_equiv_oi.csv").open() as file:
        row = next(row for row in csv.reader(file) if row[0] == CFTC_WEEK.isoformat())
    assert [float(cell) for cell in row[1:]] == [CFTC_COMBINED, CFTC_FUTURES, CFTC_OPTIONS]
    assert CFTC_COMBINED - CFTC_FUTURES == CFTC_OPTIONS


# --- the real E-mini weekly, minutes before its end ---


def test_a_real_weekly_option_is_priced_on_its_real_future(shared: Path) -> None:
    """EW2F6 C7000 on 9 January 2026: real definition and books; the future's book is its real last minute's close, as public data has none.

    The table gets two lines for it.  The mark gives the mid back, at a volatility that index options have in their last minutes.
    """
    folder = shared / "data" / "cme" / "dbn-es-options"
    stem = "options_exercise__{}_2026-01-09T20-55_2026-01-09T21-05.dbn.zst"
    table = CME._replace(
        products={"ES": Product("ES", "SPX", 50.0, NEW_YORK_CLOSE, date(1997, 9, 9), "this test")},
        roots={"EW2": Root("EW2", "ES", Family.WEEKLY, date(2010, 1, 1), "this test", 4, 2)},
    ).check()
    facts = Facts(table=table)
    book = Book()
    for name in (
        "options_exercise__options_definition.dbn.zst",
        "options_exercise__futures_definition.dbn.zst",
        stem.format("options_bbo-1m"),
    ):
        with (folder / name).open("rb") as file:
            for row in dbn_rows(file, name):
                step(book, row, facts)
    with zstandard.open(folder / stem.format("futures_ohlcv-1m"), "rb") as file:
        bars = [r for r in dbn.DBNDecoder().write_and_decode(file.read()) if isinstance(r, dbn.OHLCVMsg)]
    (option_key,) = book.quotes
    quote_ns = at_ns(2026, 1, 9, 20, 56)
    close = next(bar.close / 1e9 for bar in bars if bar.ts_event == quote_ns - 60 * 10**9)
    for row in dbn_rows(dbn_file([top(bars[0].instrument_id, quote_ns, close - 0.125, close + 0.125)]), "x"):
        step(book, row, facts)
    with (folder / stem.format("options_bbo-1m")).open("rb") as file:
        first = [row for row in dbn_rows(file, "x") if getattr(row, "ts_ns", 0) <= quote_ns]
    small = Book(contracts=book.contracts, quotes={k: q for k, q in book.quotes.items() if k != option_key})
    for row in first:
        step(small, row, facts)
    (mark,) = marks(small, quote_ns, {"SPX": close}, facts, MarkSettings())
    assert (mark.instrument_name, mark.multiplier, mark.multiplier_source, mark.future_name) == (
        "EW2F6 C7000",
        50.0,
        "definition",
        "ESH6",
    )
    assert mark.status == RowStatus.OK, mark
    assert mark.bid is not None
    assert mark.ask is not None
    assert mark.price_usd == pytest.approx((mark.bid + mark.ask) / 2, rel=1e-9)
    assert mark.sigma is not None
    assert 0.02 < mark.sigma < 1.0
