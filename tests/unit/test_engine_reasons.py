"""Every way in which an option cannot be priced has a reason, in a fixed order, and ends as it says (C24 to C28, E-10, N5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from schemas import ForwardQuote, ForwardSource, Greeks, InstrumentStatus, OptionType, Reject, RowStatus, SigmaSource
from streams.engine import EngineSettings
from tests.logs import CALL, EXPIRIES, FORWARD, NS, Log, ns, of_topic, rows

EXPIRING = "BTC-12APR23-30000-C"
EXPIRING_NS = EXPIRIES["12APR23"] * NS
STRICT = EngineSettings(reject_stale=True)
OPEN, CLOSED, SUSPENDED = InstrumentStatus.OPEN, InstrumentStatus.CLOSED, InstrumentStatus.SUSPENDED
UNPRICED = {"bid": None, "ask": None, "mark": None}
NO_FORWARD = {"underlying_price": None, "index_price": None}


def told(log: Log, settings: EngineSettings | None = None) -> list[tuple[RowStatus, str, str] | None]:
    """(status, detail, clears_when) of each record of rejects.v1; None is a tombstone."""
    records = [r.record for r in of_topic(log.run(settings), "rejects")]
    return [(r.status, r.detail, r.clears_when) if isinstance(r, Reject) else None for r in records]


def test_reasons_come_in_the_order_in_which_a_person_would_ask() -> None:
    """C24, C27: everything is wrong at first; each record mends one thing, and the next reason takes its place."""
    log = Log()
    log.clock(0)
    log.set()

    def again(**changes: Any) -> None:
        log.quote(at=0.01 * len(log.records), **{**UNPRICED, **NO_FORWARD, "state": CLOSED, **changes})

    again()
    log.contract(settlement_rule="unheard-of", exercise_style="american", status=CLOSED)
    again(ask=0.1)
    log.contract(settlement_rule="unheard-of", status=CLOSED)
    again(ask=0.2)
    log.contract(status=CLOSED)
    again(ask=0.3)
    log.contract()
    again(ask=0.4)
    again(state=OPEN, ask=0.5)
    again(state=OPEN, ask=None, underlying_price=FORWARD)
    again(state=OPEN, ask=0.0335, mark=0.0330, underlying_price=FORWARD)
    no_vol = "no vol: bid NO_QUOTE, ask NO_QUOTE, mark NO_QUOTE, last NO_QUOTE"
    assert told(log) == [
        (RowStatus.NO_CONTRACT, "no InstrumentState of this name yet", "its InstrumentState arrives"),
        (RowStatus.NO_CONTRACT, "exercise style 'american' is not known", "an upgrade knows this exercise style"),
        (RowStatus.NO_CONTRACT, "settlement rule 'unheard-of' is not known", "an upgrade knows this settlement rule"),
        (RowStatus.NOT_OPEN, "the instrument is CLOSED", "its state is OPEN again"),
        (RowStatus.NOT_OPEN, "its quote says CLOSED", "a quote says OPEN again"),
        (RowStatus.NO_FORWARD, "no forward of btc_usd", "an UnderlyingQuote brings the forward"),
        (RowStatus.NO_SIGMA, no_vol, "a quote with a usable price arrives"),
        None,
    ]


def suspended(log: Log) -> None:
    log.contract(at=10.0, is_snapshot=False, status=SUSPENDED)


def opened(log: Log) -> None:
    log.contract(at=70.0, is_snapshot=False)


def gap(log: Log) -> None:
    log.gap(at=10.0, from_s=5.0, to_s=9.0)


def seen_again(log: Log) -> None:
    log.quote(at=0.0, is_snapshot=True, snapshot_id=2)


def nothing(log: Log) -> None:
    """Silence is reason enough."""


def forward_at(log: Log, at: float) -> None:
    log.underlying(at, forwards=[ForwardQuote(EXPIRIES["19APR23"] * NS, FORWARD, ForwardSource.PARITY, ns(at))])


@pytest.mark.parametrize(
    ("breaks", "mends", "status", "clears_when", "quote"),
    [
        (suspended, opened, RowStatus.NOT_OPEN, "its state is OPEN again", {}),
        (gap, seen_again, RowStatus.STALE_QUOTE, "its quote is seen again", {}),
        (nothing, nothing, RowStatus.STALE_QUOTE, "a fresh forward arrives", {}),
    ],
)
def test_a_reason_ends_with_what_it_says_would_end_it(
    breaks: Callable[[Log], None],
    mends: Callable[[Log], None],
    status: RowStatus,
    clears_when: str,
    quote: dict[str, Any],
) -> None:
    """C19, C27: told at a trigger while it stands; after its ``clears_when`` the next trigger prices, and a tombstone goes out."""
    log = Log().ready()
    log.clocks(1, 10)
    breaks(log)
    for at in range(11, 71):
        log.clock(at)
        if breaks is not nothing:
            forward_at(log, at)
    mends(log)
    for at in range(71, 132):
        log.clock(at)
        forward_at(log, at)
    reasons = told(log, STRICT)
    assert [(reason[0], reason[2]) if reason else None for reason in reasons] == [(status, clears_when), None]
    found = rows(log.run(STRICT))
    assert {row.status for row in found if row.ts_event_ns > ns(71)} == {RowStatus.OK}


def in_the_window() -> Log:
    """The expiring series six seconds into its window, one fixing known."""
    log = Log()
    log.clock(1_790)
    log.underlying(1_790)
    log.contract(EXPIRING)
    log.quote(EXPIRING, at=1_790, bid=0.0015, ask=0.0016, mark=0.00155)
    log.set(at=1_790, n_here=1)
    log.clock(1_804)
    log.fixing(1_804, EXPIRING_NS, 1, FORWARD)
    return log


def test_a_minute_of_missing_fixings_is_a_reason_and_not_a_guess() -> None:
    """Rule 7, N5: fifteen grid points may be due and not yet known, the sixteenth may not; the next fixing clears it."""
    log = in_the_window()
    for at, bid in ((1_804.0 + 4 * 15, 0.0010), (1_804.0 + 4 * 16, 0.0005)):
        log.clock(int(at))
        log.quote(EXPIRING, at=at, bid=bid, ask=0.0016, mark=0.00155)
    assert [row.status for row in rows(log.run())][-2:] == [RowStatus.OK, RowStatus.FIXING_MISSING]
    want = (RowStatus.FIXING_MISSING, "16 grid points are past and have no fixing", "a SettlementFixing arrives")
    assert told(log) == [want]
    log.fixing(1_868, EXPIRING_NS, 17, 17 * FORWARD)
    assert told(log) == [want, None]


def test_in_the_window_an_option_without_an_index_says_that_it_is_the_index() -> None:
    """C20: the last link of the chain is a reason in words."""
    log = in_the_window()
    log.contract("BTC_USDC-12APR23-30000-C", at=1_805)
    log.quote("BTC_USDC-12APR23-30000-C", at=1_805, index_price=None)
    assert told(log) == [
        (RowStatus.NO_FORWARD, "no index of btc_usdc", "an UnderlyingQuote brings the index"),
    ]


def test_at_its_time_trigger_a_standing_reason_tells_what_has_changed() -> None:
    """No more often: a detail with an age in it would be news with every quote."""
    log = Log().ready()
    log.clocks(1, 9)
    for i in range(10):
        log.quote(at=9.0 + 0.1 * i, bid=0.0330 + 0.0005 * i, underlying_price=None, index_price=None)
    log.clocks(10, 130)
    reasons = told(log, STRICT)
    assert {(reason[0], reason[2]) for reason in reasons if reason} == {
        (RowStatus.STALE_QUOTE, "a fresh forward arrives")
    }
    assert len(reasons) == 1 + 2, "once when it began, then with the two minutes' time triggers"
    assert len(set(reasons)) == 3, "each with the age of its moment"
    records = [r.record for r in of_topic(log.run(STRICT), "rejects") if isinstance(r.record, Reject)]
    assert {record.since_ns for record in records} == {records[0].ts_event_ns}


# ------------------------------------------------------------------ prices that cannot be


@pytest.mark.parametrize(
    ("price", "status"),
    [
        (math.nan, RowStatus.NO_QUOTE),
        (math.inf, RowStatus.NO_QUOTE),
        (-math.inf, RowStatus.NO_QUOTE),
        (0.0, RowStatus.NO_QUOTE),
        (None, RowStatus.NO_QUOTE),
        (-0.0005, RowStatus.BAD_INPUT),
        (-1e308, RowStatus.NO_QUOTE),
        (1.0, RowStatus.ABOVE_BOUND),
        (1e299, RowStatus.ABOVE_BOUND),
    ],
)
@pytest.mark.parametrize("side", ["bid", "ask", "mark"])
def test_a_price_that_cannot_be_has_a_status_and_no_vol_and_the_others_price_the_row(
    side: str, price: float | None, status: RowStatus
) -> None:
    """C25, N5: nan and infinity are no prices, a coin call is worth less than a coin; E-10: never a silent zero."""
    log = Log()
    log.clock(0)
    log.contract(CALL)
    log.set(n_here=1)
    book = {"bid": {"ask": None}, "ask": {"bid": None}, "mark": {}}[side]  # alone, so that it is crossed with nothing
    log.quote(**{**book, side: price})
    row = rows(log.run())[-1]
    assert (getattr(row, f"sigma_{side}"), getattr(row, f"sigma_{side}_status")) == (None, status)
    assert row.status == RowStatus.OK
    assert row.sigma_source == (SigmaSource.BID_ASK_MID if side == "mark" else SigmaSource.MARK_PRICE)


@pytest.mark.parametrize(
    ("name", "premium", "status"),
    [
        ("BTC-19APR23-10000-C", 0.6660, RowStatus.BELOW_INTRINSIC),  # worth 2/3 of a coin at least
        ("BTC-19APR23-10000-C", 1.0001, RowStatus.ABOVE_BOUND),
        ("BTC-19APR23-75000-P", 1.5300, RowStatus.OK),  # E-71: more than a coin, and right
        ("BTC-19APR23-75000-P", 1.4000, RowStatus.BELOW_INTRINSIC),
        ("BTC-19APR23-90000-C", 0.0005, RowStatus.LOW_VEGA),  # a vol, with the band of its tick
    ],
)
def test_deep_options_are_bounded_by_their_own_payoff(name: str, premium: float, status: RowStatus) -> None:
    """N5, C25, E-71."""
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=premium, ask=None, mark=None)
    row = rows(log.run())[-1]
    assert row.sigma_bid_status == status
    assert (row.sigma_bid is None) == (status in (RowStatus.BELOW_INTRINSIC, RowStatus.ABOVE_BOUND))


def test_a_vol_that_says_nothing_is_no_vol_and_its_reason_names_every_price() -> None:
    """C3, C28, N5: 60 % over a week is a total vol of 0.083, beyond the 0.05 allowed here."""
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    log.quote()
    strict = EngineSettings(total_vol_max=0.05)
    row = rows(log.run(strict))[-1]
    assert (row.status, row.sigma, row.price_usd) == (RowStatus.NO_SIGMA, None, None)
    capped = RowStatus.CAPPED
    assert (row.sigma_bid_status, row.sigma_ask_status, row.sigma_mark_status) == (capped, capped, capped)
    detail = "no vol: bid CAPPED, ask CAPPED, mark CAPPED, last NO_QUOTE"
    assert told(log, strict)[-1] == (RowStatus.NO_SIGMA, detail, "a quote with a usable price arrives")


def test_a_wide_market_is_said_to_be_wide_and_the_mark_prices_it() -> None:
    """C30, N5: (0.0600 - 0.0100) / 0.0350."""
    log = Log().ready()
    log.quote(at=0.5, bid=0.0100, ask=0.0600)
    row = rows(log.run())[-1]
    assert row.spread_pct == pytest.approx(100 * 0.05 / 0.035)
    assert (row.is_liquid, row.sigma_source, row.status) == (False, SigmaSource.MARK_PRICE, RowStatus.OK)


@pytest.mark.parametrize(("bid", "ask", "is_liquid"), [(98.0, 102.0, True), (97.5, 102.5, False), (97.0, 103.0, False)])
def test_five_per_cent_of_the_mid_is_the_line_of_a_liquid_market(bid: float, ask: float, is_liquid: bool) -> None:
    """C30: below it, not at it."""
    name = "BTC_USDC-19APR23-30000-C"
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=bid, ask=ask, mark=100.0)
    row = rows(log.run())[-1]
    assert (row.spread_pct, row.is_liquid) == (ask - bid, is_liquid)


def test_the_side_and_strike_are_the_records_and_never_the_names() -> None:
    """E-68: a name is a key."""
    log = Log()
    log.clock(0)
    log.contract("BTC-X-1-C", strike=30_000.0, option_type=OptionType.PUT, expiry_ns=EXPIRIES["19APR23"] * NS)
    log.set(n_here=1)
    log.quote("BTC-X-1-C")
    row = rows(log.run())[-1]
    assert (row.strike, row.status) == (30_000.0, RowStatus.OK)
    assert -1.0 < (row.delta or 0.0) < 0.0


def test_what_a_row_refuses_is_null_and_never_zero() -> None:
    """E-10: a zero would enter the sums."""
    log = Log().ready()
    log.quote(at=0.5, bid=0.0330, state=CLOSED)
    row = rows(log.run())[-1]
    first = Greeks._fields.index("price_usd")
    assert row.status == RowStatus.NOT_OPEN
    assert set(row[first : Greeks._fields.index("venue_sigma")]) == {None}
    assert (row.sigma, row.settlement_sd_usd, row.last_good_ns) == (None, None, ns(0))
