"""Where a rule begins and ends: exactly at a limit, after the end of an option, beyond what is kept, from another epoch."""

from __future__ import annotations

import pytest

from schemas import ForwardQuote, ForwardSource, InstrumentStatus, RowStatus, SigmaSource, TradeGreeks, Trigger
from streams.engine import EngineSettings
from tests.logs import CALL, EXPIRIES, FORWARD, IDENTITY, NS, PUT, START_NS, Log, future_of, ns, of_topic, rows

EXPIRING = "BTC-12APR23-30000-C"
GRID_NS = 500_000_000
SHIFT_NS = GRID_NS * 3 // 16  # partition 3
TINY = {"bid": 0.0005, "ask": None, "mark": None}


def forward_at(log: Log, at: float, forward: float) -> None:
    log.underlying(at, forwards=[ForwardQuote(EXPIRIES["19APR23"] * NS, forward, ForwardSource.SYNTHETIC, ns(at))])


def test_of_several_grid_points_in_a_silence_only_the_latest_reprices() -> None:
    """Rule 4 (E-79): seven points lie in it."""
    log = Log().ready()
    log.clock(1)
    forward_at(log, 1.1, FORWARD * 1.001)
    log.clock(5)
    moved = [row.ts_event_ns for row in rows(log.run()) if row.trigger == Trigger.UNDERLYING]
    assert moved == [max(t for t in range(START_NS - START_NS % GRID_NS + SHIFT_NS, ns(5) + 1, GRID_NS))]


def test_between_expiry_and_its_clock_the_grid_reprices_no_expired_option() -> None:
    """Rule 8, C26."""
    log = Log().ready(EXPIRING, CALL, at=3_590.0)
    log.clock(3_599)
    log.fixing(3_599, EXPIRIES["12APR23"] * NS, 449, 449 * FORWARD)
    log.quote(EXPIRING, at=3_599.5, bid=0.0010, ask=0.0010)
    forward_at(log, 3_600.05, FORWARD * 1.01)
    log.underlying(3_600.05, FORWARD * 1.01)  # the index, on whose basis the expiring series is
    log.underlying(3_600.7, FORWARD * 1.01)
    assert {row.instrument_name for row in rows(log.run()) if row.ts_event_ns >= ns(3_600)} == {CALL}


def test_a_trade_between_expiry_and_its_clock_is_expired() -> None:
    """Rule 6: answered at once; nothing that can still be priced."""
    log = Log().ready(EXPIRING, at=3_590.0)
    log.clock(3_599)
    log.trade(EXPIRING, at=3_600.5, price=0.0010)
    (trade,) = [r.record for r in log.run() if isinstance(r.record, TradeGreeks)]
    assert (trade.status, trade.price_usd) == (RowStatus.EXPIRED, None)


def test_a_mark_exactly_a_throttle_after_the_last_is_a_leading_edge() -> None:
    """C11."""
    log = Log().ready()
    log.quote(at=0.1, mark=0.0340)
    log.clock(1)
    offset = log.quote(at=1.1, mark=0.0350)
    row = rows(log.run())[-1]
    assert (row.trigger, row.ts_event_ns, row.source_offset) == (Trigger.MARK, ns(1.1), offset)


@pytest.mark.parametrize(("at", "is_liquid"), [(30.0, True), (30.001, False)])
@pytest.mark.parametrize("is_traded", [False, True])
def test_thirty_seconds_ago_is_still_lately(at: float, is_liquid: bool, is_traded: bool) -> None:
    """C7: quoted at 0 and unchanged since; or traded at 0 in a market that is too wide."""
    book = {"bid": 0.0200, "ask": 0.0335} if is_traded else {}
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    log.quote(**book)
    if is_traded:
        log.trade(at=0.0, price=0.0330)
    log.clock(29)
    log.quote(at=at, mark=0.0340, **book)
    row = rows(log.run())[-1]
    assert (row.trigger, row.is_liquid) == (Trigger.MARK, is_liquid)


def test_an_option_that_opens_again_with_the_same_book_is_priced_by_the_quote_that_says_so() -> None:
    """Not at the end of a throttle, not at its next minute."""
    log = Log().ready()
    log.quote(at=0.5, mark=0.0340, state=InstrumentStatus.CLOSED)
    log.quote(at=0.6, mark=0.0340)
    row = rows(log.run())[-1]
    assert (row.trigger, row.ts_event_ns, row.status) == (Trigger.QUOTE, ns(0.6), RowStatus.OK)


@pytest.mark.parametrize(
    ("changes", "counter"), [({"ingest_epoch": 1}, "superseded_records"), ({"at": 0.5}, "old_records")]
)
def test_a_contract_of_a_lower_epoch_or_an_earlier_time_is_counted_and_not_applied(
    changes: dict[str, float], counter: str
) -> None:
    """Rule 5."""
    log = Log().ready()
    log.epoch, log.seq = 2, 0
    log.clock(1)
    log.contract(at=1.0, is_snapshot=False)
    log.contract(**{"at": 1.5, "is_snapshot": False, "status": InstrumentStatus.CLOSED, **changes})
    log.quote(at=1.6, bid=0.0330)
    state, results = log.fold()
    assert (rows(results)[-1].status, state.counters) == (RowStatus.OK, {counter: 1})


def test_a_late_trade_does_not_replace_the_vol_of_a_newer_one() -> None:
    log = Log().ready()
    log.clocks(1, 3)
    log.trade(at=3.0, trade_seq=2, price=0.0330)
    log.trade(at=1.0, trade_seq=1, price=0.0400)
    log.clocks(4, 70)
    newer, late = [r.record for r in of_topic(log.run(), "trades") if isinstance(r.record, TradeGreeks)]
    timed = [row for row in rows(log.run()) if row.trigger == Trigger.TIME]
    assert late.sigma_trade != newer.sigma_trade
    assert {row.sigma_last for row in timed} == {newer.sigma_trade}


def test_no_more_unlisted_instruments_are_kept_than_the_setting_says() -> None:
    """Every buffer has a limit; what comes after is counted."""
    log = Log().ready()
    for i in range(5):
        log.quote(f"BTC-19APR23-{90_000 + i}-C", at=0.5)
    state, results = log.fold(EngineSettings(n_unlisted_max=3))
    assert len(state.instruments) == 1 + 3
    assert state.counters == {"unlisted_records": 2}
    assert [row.status for row in rows(results)][1:] == [RowStatus.NO_CONTRACT] * 3


@pytest.mark.parametrize("partition", [3, 4])
def test_no_vol_depends_on_where_the_grid_of_a_partition_lies(partition: int) -> None:
    """The forward goes 1 % away at 1.11 s and is back at 1.14 s: only partition 4 (points at 0.125 s) has one in between."""
    log = Log(IDENTITY._replace(partition=partition)).ready()
    log.trade(at=0.5, price=0.0330)
    log.clock(1)
    for at, forward in ((1.11, FORWARD * 1.01), (1.14, FORWARD)):
        forward_at(log, at, forward)
    log.quote(at=1.4, **TINY)
    found = rows(log.run())
    assert (Trigger.UNDERLYING in {row.trigger for row in found}) == (partition == 4)
    assert (found[-1].trigger, found[-1].sigma_source) == (Trigger.QUOTE, SigmaSource.LAST_TRADE)


# ------------------------------------------------------------------ forwards and prices of futures


@pytest.mark.parametrize(("at", "is_stale"), [(5.0, False), (5.001, True)])
def test_a_forward_of_five_seconds_is_fresh_and_a_millisecond_later_it_is_not(at: float, is_stale: bool) -> None:
    """C19; the mark moves without a stamp of its own."""
    log = Log()
    log.clock(0)
    log.contract()
    forward_at(log, 0.0, FORWARD)
    log.set(n_here=1)
    log.clock(4)
    log.quote(at=at, underlying_price=None)
    row = rows(log.run())[-1]
    assert (row.is_stale, row.forward_source) == (
        is_stale,
        ForwardSource.LAST_KNOWN if is_stale else ForwardSource.SYNTHETIC,
    )


def test_the_policy_for_stale_forwards_is_none_of_a_trades() -> None:
    """Rule 6: every trade is answered, with numbers where there can be some."""
    log = Log().ready()
    log.clocks(1, 20)
    log.trade(at=20.0, price=0.0330)
    (trade,) = [r.record for r in log.run(EngineSettings(reject_stale=True)) if isinstance(r.record, TradeGreeks)]
    assert trade.status == RowStatus.OK


def last_forward(log: Log, at: int, **quote: float | None) -> tuple[float | None, ForwardSource]:
    """What a quote is priced with at a second; everything before it stands in the log."""
    log.clock(at)
    log.quote(at=at, **{"underlying_price": None, "index_price": None, **quote})
    row = rows(log.run())[-1]
    return row.forward, row.forward_source


def listed() -> Log:
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    return log


def test_of_two_forwards_of_one_instant_the_options_own_is_taken() -> None:
    """C20: the newer, and the one that was stamped on it if neither is."""
    log = listed()
    log.clock(7)
    forward_at(log, 7.0, 30_100.0)
    assert last_forward(log, 7, underlying_price=30_050.0) == (30_050.0, ForwardSource.QUOTE)


def test_of_several_forwards_that_are_none_fresh_the_newest_is_the_last_known_one() -> None:
    """C20: whatever its rank."""
    log = listed()
    log.underlying(0.0, index_price=None, futures=[future_of("BTC-19APR23", 0.0, 30_100.0)])
    forward_at(log, 1.0, 30_200.0)
    assert last_forward(log, 30) == (30_200.0, ForwardSource.LAST_KNOWN)


@pytest.mark.parametrize(("now_s", "forward"), [(600, 30_200.0), (601, 29_900.0)])
def test_after_ten_minutes_a_newer_index_is_the_last_known_forward_though_it_is_not_fresh(
    now_s: int, forward: float
) -> None:
    """C20: ten minutes to the second; of an index of half a minute ago nobody says that it is the index now."""
    log = listed()
    log.underlying(
        0.0, index_price=None, forwards=[ForwardQuote(EXPIRIES["19APR23"] * NS, 30_200.0, ForwardSource.PARITY, ns(0))]
    )
    log.clock(570)
    log.underlying(570.0, index_price=29_900.0)
    assert last_forward(log, now_s) == (forward, ForwardSource.LAST_KNOWN)


@pytest.mark.parametrize(
    ("prices", "want"),
    [
        ({"mark": 30_005.0, "bid": 30_000.0, "ask": 30_002.0, "last": 29_990.0}, 30_005.0),
        ({"mark": None, "bid": 30_000.0, "ask": 30_002.0, "last": 29_990.0}, 30_001.0),
        ({"mark": None, "bid": 30_000.0, "ask": None, "last": 29_990.0}, 29_990.0),
        ({"mark": None, "bid": None, "ask": None, "last": None}, None),
    ],
)
def test_a_future_is_worth_its_mark_else_its_mid_else_its_last(
    prices: dict[str, float | None], want: float | None
) -> None:
    """C34; with none of them it says so."""
    log = Log().ready()
    log.contract("BTC-28APR23")
    log.clock(1)
    log.underlying(1.1, futures=[future_of("BTC-28APR23", 1.1, 1.0)._replace(**prices)])
    log.clocks(2, 61)
    row = rows(log.run(), "BTC-28APR23")[-1]
    assert (row.price_usd, row.status) == (want, RowStatus.NO_QUOTE if want is None else RowStatus.OK)


def test_an_older_broadcast_value_does_not_replace_a_newer_one() -> None:
    """Rule 3: venue order holds per channel only; index, future and forward are each compared by their own time."""
    log = Log().ready()
    log.contract("BTC-28APR23")
    log.clock(3)
    for at, value in ((2.0, 30_100.0), (1.0, 29_000.0)):
        forward = ForwardQuote(EXPIRIES["19APR23"] * NS, value, ForwardSource.SYNTHETIC, ns(at))
        log.underlying(at, value, [future_of("BTC-28APR23", at, value)], [forward])
    state, _ = log.fold()
    underlying = state.underlyings["btc_usd"]
    assert underlying.index is not None
    assert underlying.index.value == underlying.futures["BTC-28APR23"].mark == 30_100.0
    assert {point.value for point in underlying.forwards[EXPIRIES["19APR23"] * NS].values()} == {30_100.0}


def test_a_future_that_a_complete_record_no_longer_names_has_no_price() -> None:
    """Not for ever the last one: complete once a second, so what is missing is gone."""
    log = Log().ready()
    log.contract("BTC-28APR23")
    log.clock(1)
    log.underlying(1.1, futures=[future_of("BTC-28APR23", 1.1, 30_100.0)])
    log.underlying(1.2)
    log.clocks(2, 62)
    log.underlying(62.1, is_complete=True)
    log.clocks(63, 123)
    statuses = [row.status for row in rows(log.run(), "BTC-28APR23") if row.trigger == Trigger.TIME]
    assert statuses == [RowStatus.OK, RowStatus.NO_QUOTE]


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    """Rule 2, E-79: what the later one let through is still bounded by it, and time has not gone on."""
    log = Log().ready()
    log.clock(100)
    log.clock(40)
    log.quote(at=101.5, bid=0.0330)
    state, results = log.fold()
    assert (rows(results)[-1].ts_event_ns, state.counters) == (ns(101.5), {})


def test_the_set_of_another_snapshot_than_the_one_that_was_seen_does_not_make_ready() -> None:
    """C23: its InstrumentSet closes a snapshot by its number."""
    log = Log()
    log.clock(0)
    log.contract(CALL, snapshot_id=4)
    log.set(snapshot_id=5, n_here=1)
    state, _ = log.fold()
    assert state.waits_for == "a whole snapshot: 0 of 1 instruments of snapshot 5 were seen"


def test_a_new_ingest_counts_its_snapshots_anew() -> None:
    """C23, rule 5: its first snapshot may have the number of its predecessor's, of which a part was written."""
    log = Log()
    log.clock(0)
    log.contract(CALL)
    log.epoch, log.seq = 2, 0
    log.clock(1)
    log.contract(PUT, at=1.0)
    log.set(at=1.0, n_here=2)
    state, _ = log.fold()
    assert state.waits_for == "a whole snapshot: 1 of 2 instruments of snapshot 1 were seen"


def test_a_reject_that_cleared_and_stands_again_is_told_as_standing_after_a_set() -> None:
    """A tombstone of the earlier clearing behind it would say that all is well."""
    log = Log().ready()
    for i, state in enumerate((InstrumentStatus.CLOSED, InstrumentStatus.OPEN, InstrumentStatus.CLOSED)):
        log.quote(at=0.1 * (i + 1), bid=0.0330 + 0.0005 * i, state=state)
    told = log.set(at=1.0, snapshot_id=2)
    rejects = of_topic(log.run(), "rejects")
    assert [r.record is None for r in rejects] == [False, True, False, False]
    assert [r.source_offset for r in rejects][-1] == told


@pytest.mark.parametrize(("to_s", "is_unseen"), [(0.0, False), (0.001, True)])
def test_a_quote_of_the_very_end_of_a_gap_is_not_older_than_it(to_s: float, is_unseen: bool) -> None:
    """Rule 6."""
    log = Log().ready()
    log.gap(at=1.0, from_s=-1.0, to_s=to_s)
    assert log.fold()[0].instruments[CALL].is_unseen == is_unseen
