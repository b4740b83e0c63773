"""Rules 1 to 6 of the market log (DESIGN 1), each on a hand-written list of events."""

from __future__ import annotations

import pytest

from schemas import (
    Clock,
    FeedGap,
    InstrumentSet,
    InstrumentState,
    InstrumentStatus,
    OptionQuote,
    OptionTrade,
    UnderlyingQuote,
)
from streams.deribit import events as ev
from streams.deribit.session import Session, SessionSettings
from streams.ingest import core
from streams.partitioning import N_PARTITIONS, partition_of
from tests.ingest_world import (
    CALL,
    EPOCH,
    FUTURE,
    MS,
    NAMES,
    NOON,
    OTHER,
    PERPETUAL,
    PUT,
    S,
    World,
    future,
    index,
    instrument,
    listing,
    log_times_by_rule,
    quote,
    recovered,
    trade,
)


def clock_times(world: World, outcomes: list[core.Outcome] | None = None) -> list[int]:
    return [clock.ts_event_ns for clock in world.records(Clock, outcomes)]


# ---- rule 1: snapshots in band


def test_rule_1_a_start_writes_every_instrument_and_quote_closed_by_the_set() -> None:
    world = World()
    world.connect()
    world.live(quote(NOON + 100 * MS, CALL), quote(NOON + 150 * MS, OTHER), quote(NOON + 160 * MS, PUT))
    world.pass_to(NOON + 5 * S)
    (closing,) = world.records(InstrumentSet)
    states = [r for r in world.records(InstrumentState) if r.is_snapshot]
    quotes = [r for r in world.records(OptionQuote) if r.is_snapshot]
    assert {r.instrument_name for r in states} == set(NAMES)
    assert {r.instrument_name for r in quotes} == {CALL, PUT, OTHER}
    assert {r.snapshot_id for r in [*states, *quotes]} == {closing.snapshot_id}
    expected = [0] * N_PARTITIONS
    for name in NAMES:
        expected[partition_of(name)] += 1
    assert closing.count_by_partition == tuple(expected)
    assert closing.price_indices == ("btc_usd",)
    assert closing.is_complete


def test_rule_1_each_partition_has_its_instruments_before_the_set() -> None:
    world = World().start()
    for name in NAMES:
        kinds = [type(record) for _, record in world.log(partition_of(name))]
        closing = kinds.index(InstrumentSet)
        states = [
            r for _, r in world.log(partition_of(name))[:closing] if isinstance(r, InstrumentState) and r.is_snapshot
        ]
        assert name in {r.instrument_name for r in states}


def test_rule_1_the_set_is_incomplete_while_a_currency_is_not_listed() -> None:
    world = World(currencies=("BTC", "ETH")).start()
    assert [r.is_complete for r in world.records(InstrumentSet)] == [False]


def test_rule_1_a_late_listing_brings_a_complete_set_at_once() -> None:
    world = World(currencies=("BTC", "ETH")).start()
    world.give(listing(("ETH-14APR23-2000-C",), "ETH"))
    outcomes = world.pass_to(world.now_ns + 2 * S)
    (closing,) = world.records(InstrumentSet, outcomes)
    assert (closing.is_complete, closing.price_indices) == (True, ("btc_usd", "eth_usd"))


def test_rule_1_the_hour_brings_a_snapshot_with_the_last_quotes() -> None:
    world = World().start()
    world.live(quote(NOON + 10 * S, CALL, bid=0.03))
    # Twelve o'clock and two minutes: the first scheduled one; then an hour later.
    outcomes = world.pass_to(NOON + 3_600 * S + 125 * S, every_ns=S // 2)
    sets = world.records(InstrumentSet, outcomes)
    assert [r.ts_event_ns for r in sets] == [NOON + 120 * S, NOON + 3_720 * S]
    assert [r.bid for r in world.records(OptionQuote, outcomes)] == [0.03, 0.03]


def test_rule_1_after_a_reconnect_only_quotes_seen_again_are_in_the_snapshot() -> None:
    world = World().start()
    world.live(quote(NOON + 5 * S, CALL), quote(NOON + 5 * S, OTHER))
    world.give(ev.Disconnected(world.now_ns, "reset", ("ticker.x.100ms",)))
    world.pass_to(NOON + 8 * S)
    outcomes = world.connect()
    (request,) = [o for o in outcomes if isinstance(o, core.TradesByTime)]
    outcomes += world.give(ev.TradePage(request, (), False))
    outcomes += world.live(quote(NOON + 9 * S, CALL))
    outcomes += world.pass_to(NOON + 20 * S)
    snapshot = [r.instrument_name for r in world.records(OptionQuote, outcomes) if r.is_snapshot]
    assert snapshot == [CALL], "an old quote in the snapshot would be taken as seen again"


def test_rule_1_a_newly_listed_instrument_is_written_when_it_appears() -> None:
    world = World().start((CALL,))
    assert not world.give(listing((CALL,))), "known and unchanged: nothing to say"
    (state,) = world.records(InstrumentState, world.give(listing((CALL, OTHER))))
    assert (state.instrument_name, state.is_snapshot, state.ingest_epoch) == (OTHER, False, EPOCH)


def test_rule_1_the_time_of_an_answer_is_never_ahead_of_the_market() -> None:
    world = World().start((CALL,))
    late_answer = ev.InstrumentList("BTC", (instrument(OTHER, NOON + 365 * 86_400 * S),), 0)
    (state,) = world.records(InstrumentState, world.give(late_answer))
    assert NOON <= state.ts_event_ns <= NOON + 5 * S
    assert world.state.counts.clamped == 0


def test_rule_1_an_announced_instrument_is_asked_for_once() -> None:
    world = World().start((CALL,))
    world.give(*[ev.InstrumentChange(name, NOON + 4 * S, "created") for name in (OTHER, PUT)])
    outcomes = world.pass_to(NOON + 10 * S)
    assert [o for o in outcomes if isinstance(o, core.GetInstruments)] == [core.GetInstruments("BTC")]


def test_rule_1_a_change_of_state_is_written() -> None:
    world = World().start()
    (state,) = world.records(InstrumentState, world.give(ev.InstrumentChange(CALL, NOON + 5 * S, "halted")))
    assert (state.instrument_name, state.status, state.ts_event_ns) == (CALL, InstrumentStatus.SUSPENDED, NOON + 5 * S)


def test_rule_1_a_quote_of_an_unlisted_option_is_preceded_by_its_inferred_contract() -> None:
    world = World().start((CALL,))
    outcomes = world.live(quote(NOON + 5 * S, OTHER))
    keyed = [o.record for o in outcomes if isinstance(o, core.Out) and o.partition is not None]
    assert [type(r) for r in keyed] == [InstrumentState, OptionQuote]
    assert keyed[0].is_inferred


# ---- rule 2: log time


def test_rule_2_log_time_is_the_running_maximum_of_bounded_times_in_every_partition() -> None:
    world = World().start()
    world.live(
        index(NOON + 5 * S), quote(NOON + 5 * S + 200 * MS), quote(NOON + 5 * S + 100 * MS, PUT), trade(NOON + 4 * S, 7),
        quote(NOON + 6 * S), index(NOON + 7 * S), future(NOON + 7 * S + 20 * MS),
    )  # fmt: skip
    world.give(quote(NOON + 3_600 * S, PUT))
    world.pass_to(NOON + 12 * S)
    for partition in range(N_PARTITIONS):
        log = world.log(partition)
        assert [time_ns for time_ns, _ in log] == log_times_by_rule(log)


def test_rule_2_one_bad_timestamp_is_bounded_and_counted_and_moves_nothing_else() -> None:
    world = World().start()
    world.live(quote(NOON + 5 * S, OTHER))
    before = clock_times(world)[-1]
    (out,) = [o for o in world.give(quote(NOON + 365 * 86_400 * S, CALL)) if isinstance(o, core.Out)]
    assert out.log_times_ns == (before + 2 * S,)
    assert out.record.ts_event_ns == NOON + 365 * 86_400 * S, "the value stays the venue's"
    assert world.state.counts.clamped == 1
    outcomes = world.live(quote(NOON + 7 * S, OTHER))
    assert clock_times(world, outcomes) == [NOON + 6 * S] or clock_times(world, outcomes) == [
        NOON + 5 * S,
        NOON + 6 * S,
    ]
    assert max(clock_times(world)) <= NOON + 7 * S


def test_rule_2_the_first_record_is_a_clock_and_earlier_events_wait_for_it() -> None:
    world = World()
    world.tick()
    world.give(ev.Connected(NOON), listing(), trade(NOON, 1), quote(NOON, CALL), quote(NOON + MS, CALL))
    assert not world.outs, "no time is known yet"
    world.give(world.venue_time())
    first = world.outs[0]
    assert (type(first.record), first.record.seq, first.record.ts_event_ns) == (Clock, 0, NOON)
    assert [r.trade_seq for r in world.records(OptionTrade)] == [1]
    assert [r.ts_event_ns for r in world.records(OptionQuote)] == [NOON + MS], "quotes conflate, trades do not"


# ---- rule 3: the Clock


def test_rule_3_clock_t_is_written_once_an_event_past_t_has_come() -> None:
    world = World().start()
    last = clock_times(world)[-1]
    assert not clock_times(world, world.live(index(last + 900 * MS), index(last + S + 100 * MS)))
    outcomes = world.live(quote(last + S + 151 * MS))
    assert [type(o.record) for o in outcomes if isinstance(o, core.Out)][-2:] == [Clock, OptionQuote], (
        "the event comes after the Clock"
    )
    assert clock_times(world, outcomes) == [last + S]


def test_rule_3_in_silence_the_venues_last_time_runs_on_with_our_clock() -> None:
    world = World().start()
    world.live(index(NOON + 5 * S + 400 * MS))
    outcomes = world.pass_to(NOON + 15 * S)
    assert clock_times(world, outcomes) == [NOON + k * S for k in range(6, 15)]


def test_rule_3_our_clock_may_differ_from_the_venues() -> None:
    world = World(start_ns=NOON + 3_600 * S)  # our clock is an hour ahead
    world.tick()
    world.give(ev.Connected(world.now_ns), ev.VenueTime(NOON, world.now_ns, world.now_ns), listing())
    world.pass_to(NOON + 3_605 * S)
    assert clock_times(world) == [NOON + k * S for k in range(5)]
    assert world.records(Clock)[-1].offset_ms == pytest.approx(-3_600_000.0)


def test_rule_3_no_second_is_made_up_after_ingest_itself_was_away() -> None:
    world = World().start()
    last = clock_times(world)[-1]
    world.live(index(last + 500 * MS))
    world.tick(last + 100 * S)  # a process that was stopped and woke
    outcomes = world.pass_to(last + 103 * S)
    times = clock_times(world, outcomes)
    assert times[0] >= last + 99 * S
    assert times == [times[0] + k * S for k in range(len(times))]


def slept(world: World, asleep_s: int) -> World:
    """The machine has slept: the venue has gone on, our monotonic clock has not.  The venue tells its time, events follow."""
    now_ns, venue_ns = world.now_ns, world.now_ns + asleep_s * S
    world.give(ev.VenueTime(venue_ns, now_ns - 10 * MS, now_ns + 10 * MS))
    for tenth in range(1, 31):
        world.tick(now_ns + tenth * 100 * MS)
        world.give(index(venue_ns + tenth * 100 * MS), quote(venue_ns + tenth * 100 * MS))
    return world


@pytest.mark.parametrize("asleep_s", [5, 60, 3_600])
def test_rule_3_after_a_machine_has_slept_the_clock_is_the_venues_again(asleep_s: int) -> None:
    world = World().start()
    world.live(index(NOON + 5 * S))
    n_before, last_ns = len(clock_times(world)), clock_times(world)[-1]
    slept(world, asleep_s)
    times = clock_times(world)[n_before:]
    venue_ns = NOON + (8 + asleep_s) * S + 50 * MS
    assert venue_ns - 2 * S <= times[-1] <= venue_ns
    is_made_up = asleep_s <= 10  # of a longer time without a Clock there is one, at its end (rule 3)
    assert times[0] == last_ns + S if is_made_up else times[0] >= NOON + (asleep_s + 4) * S
    assert times == list(range(times[0], times[-1] + S, S))
    assert world.state.counts.clamped <= 2, "nothing is bounded by the time of before the sleep"


def test_rule_3_an_event_far_ahead_has_the_venue_asked_for_its_time() -> None:
    world = World().start()
    world.pass_to(NOON + 15 * S)  # the last answer is 15 s old, the next one due in as many
    n_asked = len(world.of(core.GetTime))
    world.give(quote(NOON + 60 * S), quote(NOON + 61 * S))
    world.pass_to(NOON + 16 * S)
    assert len(world.of(core.GetTime)) == n_asked + 1
    world.give(world.venue_time())
    world.pass_to(NOON + 25 * S)
    assert len(world.of(core.GetTime)) == n_asked + 1, "answered: nothing contradicts our time any more"


def test_rule_2_neither_a_wrong_answer_nor_a_wrong_event_alone_moves_the_clock() -> None:
    world = World().start()
    world.live(index(NOON + 5 * S))
    world.give(ev.VenueTime(world.now_ns + 3_600 * S, world.now_ns - MS, world.now_ns + MS))  # the venue's slip
    world.live(*(index(NOON + 5 * S + k * 100 * MS) for k in range(1, 11)))
    world.give(quote(NOON + 7_200 * S))  # and an event's, about another time
    world.live(*(index(NOON + 6 * S + k * 100 * MS) for k in range(1, 11)))
    assert clock_times(world)[-1] == NOON + 6 * S


@pytest.mark.parametrize("off_s", [-3_600, 3_600])
def test_rule_3_a_venue_that_never_tells_its_time_is_believed_by_its_events_not_by_our_wrong_clock(off_s: int) -> None:
    world = World(start_ns=NOON + off_s * S)
    world.tick()
    world.give(ev.Connected(world.now_ns), listing())
    for tenth in range(70):
        world.tick(NOON + off_s * S + tenth * 100 * MS)
        wrong_s = 86_400 if tenth == 40 else 0  # one of its times is wrong
        world.give(index(NOON + tenth * 100 * MS + wrong_s * S))
    assert NOON + 5 * S <= clock_times(world)[-1] <= NOON + 7 * S


def test_rule_3_a_silent_venue_that_never_tells_its_time_has_ours() -> None:
    world = World()
    world.tick()
    world.give(ev.Connected(world.now_ns), listing())
    world.pass_to(NOON + 8 * S)
    assert NOON + 6 * S <= clock_times(world)[-1] <= NOON + 8 * S


def test_rule_3_a_source_faster_than_real_time_closes_every_second_of_a_silence() -> None:
    world = World(clock="venue")
    world.connect()
    world.give(quote(NOON + S, CALL), index(NOON + S))
    outcomes = world.give(quote(NOON + 181 * S, CALL))
    assert not world.records(OptionQuote, outcomes), "one source alone may be wrong: wait for a second"
    outcomes = world.give(index(NOON + 181 * S + MS))
    assert clock_times(world, outcomes) == [NOON + k * S for k in range(1, 181)]
    (out,) = [o for o in outcomes if isinstance(o, core.Out) and isinstance(o.record, OptionQuote)]
    assert out.log_times_ns == (NOON + 181 * S,), "the quote is not bounded by a Clock of three minutes ago"


def test_rule_3_a_source_faster_than_real_time_cannot_be_moved_by_one_bad_time() -> None:
    world = World(clock="venue")
    world.connect()
    world.give(
        quote(NOON + S, CALL), index(NOON + S), quote(NOON + 9_000 * S, PUT), index(NOON + 2 * S), quote(NOON + 3 * S)
    )
    assert clock_times(world)[-1] == NOON + 2 * S
    (out,) = [o for o in world.outs if isinstance(o.record, OptionQuote) and o.record.instrument_name == PUT]
    assert out.log_times_ns[0] <= NOON + 4 * S
    assert world.state.counts.clamped == 1


def test_rule_3_in_silence_a_fast_source_says_its_time() -> None:
    world = World(clock="venue")
    world.connect()
    world.give(quote(NOON + S, CALL), index(NOON + S))
    asked = [o for o in world.pass_to(NOON + S) if isinstance(o, core.GetTime)]
    assert asked, "only the source knows its time"
    world.give(ev.VenueTime(NOON + 60 * S, NOON, NOON))
    assert clock_times(world)[-1] <= NOON + S, "the answer may have overtaken queued events"
    world.give(ev.VenueTime(NOON + 61 * S, NOON, NOON))
    assert clock_times(world)[-1] == NOON + 59 * S, "two answers without an event between them: silence"


# ---- rule 4 is the engine's; rule 5: claims and epochs


def test_rule_5_every_record_has_the_epoch_and_broadcasts_one_contiguous_seq() -> None:
    world = World().start()
    world.live(index(NOON + 5 * S), quote(NOON + 6 * S), trade(NOON + 6 * S, 1), future(NOON + 7 * S))
    assert {out.record.ingest_epoch for out in world.outs} == {EPOCH}
    broadcasts = [out.record for out in world.outs if out.partition is None]
    assert [record.seq for record in broadcasts] == list(range(len(broadcasts)))
    assert all(out.partition == partition_of(out.key) for out in world.outs if out.partition is not None)


# ---- rule 6: pressure and gaps


def test_rule_6_under_pressure_quotes_conflate_per_instrument_and_are_counted() -> None:
    world = World().start()
    world.give(core.Pressure(0))
    outcomes = world.live(
        quote(NOON + 5 * S, CALL, bid=0.1),
        quote(NOON + 5 * S, OTHER),
        quote(NOON + 5 * S + MS, CALL, bid=0.2),
        trade(NOON + 5 * S, 1),
    )
    assert not world.records(OptionQuote, outcomes)
    assert len(world.records(OptionTrade, outcomes)) == 1, "trades never wait for room"
    assert world.state.counts.conflated == 1
    assert [r.instrument_name for r in world.records(OptionQuote, world.give(core.Pressure(1)))] == [OTHER], (
        "longest waiting first"
    )
    assert [r.bid for r in world.records(OptionQuote, world.give(core.Pressure(None)))] == [0.2]


def test_rule_6_trades_are_written_once_whatever_is_repeated() -> None:
    world = World().start()
    world.live(trade(NOON + 5 * S, 10), trade(NOON + 5 * S, 10), trade(NOON + 5 * S, 11), trade(NOON + 5 * S, 10))
    assert [r.trade_seq for r in world.records(OptionTrade)] == [10, 11]
    assert world.state.counts.trades_repeated == 2


def test_rule_6_a_hole_in_the_numbers_is_asked_for_and_closed() -> None:
    world = World().start()
    outcomes = world.live(trade(NOON + 5 * S, 10), trade(NOON + 6 * S, 14))
    request = core.TradesBySequence(CALL, 11, 13)
    assert [o for o in outcomes if isinstance(o, core.TradesBySequence)] == [request]
    outcomes = world.give(ev.TradePage(request, (trade(NOON + 5 * S, 11), trade(NOON + 5 * S, 12)), False))
    kinds = [type(o.record) for o in outcomes if isinstance(o, core.Out)]
    assert kinds == [OptionTrade, OptionTrade, FeedGap]
    (gap,) = world.records(FeedGap, outcomes)
    assert (gap.trades_recovered, gap.trade_seq_missing, gap.channels) == (2, 1, ("trades.*",))
    assert all(r.is_backfill for r in world.records(OptionTrade, outcomes))
    assert not world.give(ev.TradeGap(CALL, 11, 13)), (
        "closed for good: what the venue does not have is not asked for again"
    )


def test_rule_6_a_restart_asks_for_trades_since_a_minute_before_the_last_clock() -> None:
    last = NOON - 30 * S
    world = World(recovered(last, trade_seqs={CALL: (5, 6)}))
    outcomes = world.connect()
    (request,) = [o for o in outcomes if isinstance(o, core.TradesByTime)]
    assert (request.currency, request.kind) == ("BTC", "option")
    assert request.start_ms == (last - 60 * S) // MS
    assert request.end_ms >= NOON // MS
    assert not world.records(FeedGap), "not before the backfill"
    page = (trade(last - S, 6), trade(last + 5 * S, 7), trade(last + 6 * S, 8))
    outcomes = world.give(ev.TradePage(request, page, False))
    outcomes += world.pass_to(NOON + 10 * S)
    written = [type(o.record).__name__ for o in outcomes if isinstance(o, core.Out)]
    assert [r.trade_seq for r in world.records(OptionTrade)] == [7, 8], "number 6 is in the log already"
    order = [
        name
        for name in dict.fromkeys(written)
        if name in ("OptionTrade", "FeedGap", "InstrumentState", "InstrumentSet")
    ]
    assert order == ["OptionTrade", "FeedGap", "InstrumentState", "InstrumentSet"]
    (gap,) = world.records(FeedGap)
    assert (gap.from_ns, gap.trades_recovered) == (last, 2)
    assert abs(gap.to_ns - NOON) < S


def test_rule_6_a_long_backfill_goes_on_page_by_page() -> None:
    world = World(recovered(NOON - 30 * S))
    (request,) = [o for o in world.connect() if isinstance(o, core.TradesByTime)]
    (further,) = [
        o
        for o in world.give(ev.TradePage(request, (trade(NOON - 20 * S, 1), trade(NOON - 10 * S, 2)), True))
        if isinstance(o, core.TradesByTime)
    ]
    assert further == request._replace(start_ms=(NOON - 10 * S) // MS)
    world.give(ev.TradePage(further, (trade(NOON - 10 * S, 2), trade(NOON - 5 * S, 3)), False))
    assert [r.trade_seq for r in world.records(OptionTrade)] == [1, 2, 3]
    assert len(world.records(FeedGap)) == 1


def test_rule_6_a_reconnect_backfills_before_its_gap_and_asks_by_sequence_for_what_is_left() -> None:
    world = World().start()
    world.live(trade(NOON + 5 * S, 20))
    world.give(ev.Disconnected(world.now_ns, "reset", ("ticker.a.100ms", "ticker.b.100ms", "trades.option.BTC.100ms")))
    world.pass_to(NOON + 9 * S)
    (by_time,) = [o for o in world.connect() if isinstance(o, core.TradesByTime)]
    assert by_time.start_ms < (NOON + 5 * S) // MS
    live = world.live(trade(NOON + 10 * S, 25))
    assert not [o for o in live if isinstance(o, core.TradesBySequence)], "the page under way may fill the hole"
    outcomes = world.give(ev.TradePage(by_time, (trade(NOON + 7 * S, 21), trade(NOON + 8 * S, 22)), False))
    (by_sequence,) = [o for o in outcomes if isinstance(o, core.TradesBySequence)]
    assert by_sequence == core.TradesBySequence(CALL, 23, 24)
    assert not world.records(FeedGap)
    world.give(ev.TradePage(by_sequence, (trade(NOON + 8 * S, 23), trade(NOON + 8 * S, 24)), False))
    (gap,) = world.records(FeedGap)
    assert (gap.trades_recovered, gap.trade_seq_missing) == (4, 0)
    assert gap.channels == ("ticker.*", "trades.*")
    assert gap.from_ns <= NOON + 6 * S <= NOON + 9 * S <= gap.to_ns <= NOON + 11 * S
    assert [r.trade_seq for r in world.records(OptionTrade)] == [20, 25, 21, 22, 23, 24]


REFUSED = ("public/get_last_trades_by_instrument", 11_000, "no", False)


def test_rule_6_a_request_refused_again_and_again_is_counted_as_missing_and_recovery_goes_on() -> None:
    world = World().start()
    (request,) = [
        o for o in world.live(trade(NOON + 5 * S, 1), trade(NOON + 6 * S, 3)) if isinstance(o, core.TradesBySequence)
    ]
    waits_s = []
    for _ in range(3):
        failed_ns = world.now_ns
        assert not [o for o in world.give(ev.RequestFailed(*REFUSED, request)) if isinstance(o, core.TradesBySequence)]
        while not (again := [o for o in world.tick(world.now_ns + 100 * MS) if isinstance(o, core.TradesBySequence)]):
            assert world.now_ns < failed_ns + 10 * S
            assert not world.records(FeedGap), "a refusal is no answer"
        assert again == [request]
        waits_s.append(round((world.now_ns - failed_ns) / S, 1))
    assert waits_s == [1.0, 2.0, 4.0]
    world.give(ev.RequestFailed(*REFUSED, request))
    (gap,) = world.records(FeedGap)
    assert (gap.trades_recovered, gap.trade_seq_missing) == (0, 1)


def test_rule_6_trades_of_a_request_that_failed_once_are_not_lost() -> None:
    world = World().start()
    (request,) = [
        o for o in world.live(trade(NOON + 5 * S, 1), trade(NOON + 6 * S, 3)) if isinstance(o, core.TradesBySequence)
    ]
    world.give(ev.RequestFailed(*REFUSED, request))
    world.pass_to(world.now_ns + 2 * S)
    world.give(ev.TradePage(request, (trade(NOON + 5 * S, 2),), False))
    (gap,) = world.records(FeedGap)
    assert (gap.trades_recovered, gap.trade_seq_missing) == (1, 0)
    assert [r.trade_seq for r in world.records(OptionTrade)] == [1, 3, 2]


def test_rule_6_an_outage_is_not_closed_while_its_backfill_has_only_failed() -> None:
    world = World(recovered(NOON - 30 * S))
    (request,) = [o for o in world.connect() if isinstance(o, core.TradesByTime)]
    world.give(ev.RequestFailed("public/get_last_trades_by_currency_and_time", -1, "no answer in time", False, request))
    assert not world.records(FeedGap)
    (again,) = [o for o in world.pass_to(world.now_ns + 2 * S) if isinstance(o, core.TradesByTime)]
    assert again == request
    world.give(ev.TradePage(again, (trade(NOON - 20 * S, 1),), False))
    (gap,) = world.records(FeedGap)
    assert (gap.trades_recovered, gap.trade_seq_missing) == (1, 0)


def test_rule_6_a_connection_lost_in_mid_backfill_loses_no_trade() -> None:
    """A hole asked for by number, then the cut: the session says so in this order, and what was asked for is asked again."""
    world = World().start()
    (request,) = [
        o for o in world.live(trade(NOON + 5 * S, 1), trade(NOON + 6 * S, 3)) if isinstance(o, core.TradesBySequence)
    ]
    session = Session(SessionSettings(currencies=("BTC",)))
    session.connected(world.now_ns)
    session.get_trades_by_sequence(request.instrument_name, request.first, request.last, request)
    world.give(*session.disconnected(world.now_ns, "cut"))
    assert not world.records(FeedGap)
    world.pass_to(NOON + 9 * S)
    (by_time,) = [o for o in world.connect() if isinstance(o, core.TradesByTime)]
    world.give(ev.TradePage(by_time, (), False))
    assert request in world.of(core.TradesBySequence)[1:]
    world.give(ev.TradePage(request, (trade(NOON + 5 * S, 2),), False))
    (gap,) = world.records(FeedGap)
    assert (gap.trades_recovered, gap.trade_seq_missing) == (1, 0)
    assert gap.from_ns <= NOON + 6 * S, "from the hole on, not from the cut on"
    assert sorted(r.trade_seq for r in world.records(OptionTrade)) == [1, 2, 3]


def test_rule_6_a_wrong_trade_number_does_not_start_a_backfill_of_millions() -> None:
    world = World(max_hole=100).start()
    outcomes = world.live(trade(NOON + 5 * S, 1), trade(NOON + 6 * S, 10_000_000))
    (request,) = [o for o in outcomes if isinstance(o, core.TradesBySequence)]
    assert request.last - request.first < 100


def test_rule_6_without_a_log_before_it_a_start_has_no_gap() -> None:
    assert not World().start().records(FeedGap)


# ---- rules 9 and "Records": the underlying


def test_rule_9_the_underlying_is_conflated_to_one_record_per_100_ms() -> None:
    world = World().start()
    outcomes = world.live(*[index(NOON + 5 * S + k * 10 * MS, 30_000.0 + k) for k in range(60)])
    changed = [
        o
        for o in outcomes
        if isinstance(o, core.Out) and isinstance(o.record, UnderlyingQuote) and not o.record.is_complete
    ]
    assert 5 <= len(changed) <= 7, "600 ms"
    assert all(o.record.futures == () and o.record.index_price is not None for o in changed)


def test_rule_9_every_second_brings_the_complete_underlying_before_its_clock() -> None:
    world = World().start()
    world.live(index(NOON + 5 * S), future(NOON + 5 * S + MS), future(NOON + 5 * S + 2 * MS, 30_100.0, FUTURE))
    outcomes = world.pass_to(NOON + 10 * S)
    records = [o.record for o in outcomes if isinstance(o, core.Out) and o.partition is None]
    clocks = [i for i, r in enumerate(records) if isinstance(r, Clock)]
    assert len(clocks) >= 4
    for place in clocks[1:]:
        complete = records[place - 1]
        assert isinstance(complete, UnderlyingQuote) and complete.is_complete
        assert (complete.index_price, {f.instrument_name for f in complete.futures}) == (30_000.0, {PERPETUAL, FUTURE})
        assert complete.ts_event_ns == NOON + 5 * S + 2 * MS, "an old market does not look new"


def test_rule_9_a_repeated_event_is_no_change() -> None:
    world = World().start()
    world.live(index(NOON + 5 * S, 30_000.0))
    world.pass_to(NOON + 5 * S + 500 * MS)
    outcomes = world.live(index(NOON + 5 * S + 600 * MS, 30_000.0))
    outcomes += world.pass_to(NOON + 5 * S + 850 * MS)
    assert not [r for r in world.records(UnderlyingQuote, outcomes) if not r.is_complete]


def test_marks_make_a_quote_only_without_a_ticker_and_without_a_book() -> None:
    world = World().start()
    world.live(quote(NOON + 5 * S, CALL))
    marks = ev.MarkPrices(
        "btc_usd", (ev.MarkPrice(CALL, NOON + 6 * S, 0.05, 0.6), ev.MarkPrice(OTHER, NOON + 6 * S, 0.01, 0.7))
    )
    (made,) = world.records(OptionQuote, world.give(marks))
    assert (made.instrument_name, made.mark, made.mark_sigma, made.bid, made.ask) == (OTHER, 0.01, 0.7, None, None)
    assert not world.records(OptionQuote, world.give(marks)), "at most once per 10 s"


# ---- operations


def test_a_log_cannot_go_back() -> None:
    world = World(recovered(NOON + 3_600 * S))
    world.tick()
    world.give(ev.Connected(NOON), world.venue_time())
    (fatal,) = world.of(core.Fatal)
    assert "namespace" in fatal.message
    assert not world.outs


def test_status_says_lag_and_counts() -> None:
    world = World().start()
    world.live(index(NOON + 5 * S), quote(NOON + 6 * S))
    world.pass_to(NOON + 9 * S)
    statuses = [status.record for status in world.of(core.Status)]
    assert {s.state for s in statuses} == {"connected"} or statuses[0].state == "disconnected"
    lags = {name: lag for s in statuses for name, lag in s.lag_ms_by_channel.items()}
    assert lags["deribit_price_index"] == pytest.approx(50.0, abs=1.0)
    assert lags["ticker.option"] == pytest.approx(50.0, abs=1.0)
    world.give(core.Stop(world.now_ns))
    assert world.of(core.Status)[-1].record.state == "stopped"


def test_stop_writes_what_waits() -> None:
    world = World().start()
    world.give(core.Pressure(0), quote(NOON + 5 * S))
    assert world.records(OptionQuote, world.give(core.Stop(world.now_ns)))


def test_made_up_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.ingest.core.listing.MAX_LISTED", 20)
    monkeypatch.setattr("streams.ingest.core.listing.MAX_BAD_NAMES", 20)
    monkeypatch.setattr("streams.ingest.core.trades.MAX_NAMES", 20)
    world = World().start()
    for strike in range(1_000, 1_100):
        name = f"BTC-14APR23-{strike}-C"
        world.give(quote(NOON + 5 * S, name), quote(NOON + 5 * S, f"?{strike}"), trade(NOON + 5 * S, 1, name))
        world.give(index(NOON + 5 * S, 1.0, f"x{strike}_usd"))
    state = world.state
    assert (len(state.listing.entries), len(state.ledger.by_name)) == (20, 20)
    assert len(state.listing.indices) <= 64 and len(state.listing._bad_names) == 20
    assert len(world.records(OptionTrade)) == 100, "a trade is never dropped"
    assert state.counts.unlisted == 100 + 100 - 15


def test_a_future_that_no_list_has_named_is_made_from_its_name() -> None:
    world = World().start((CALL,))
    outcomes = world.live(future(NOON + 5 * S, 30_010.0, PERPETUAL))
    assert [r.is_inferred for r in world.records(InstrumentState, outcomes)] == [True]
    world.pass_to(NOON + 7 * S)
    assert [f.mark for f in world.records(UnderlyingQuote)[-1].futures] == [30_010.0]


def test_rule_8_a_ticker_after_the_expiry_changes_nothing() -> None:
    world = World().start()
    assert not world.records(OptionQuote, world.live(quote(NOON + 5 * S, "BTC-13APR23-30000-C")))
    assert world.state.counts.unlisted == 1


def test_unwanted_instruments_stay_out() -> None:
    state = core.new_state(1, core.CoreSettings(currencies=("BTC",)), None, lambda i, _: i.instrument_name != OTHER)
    world = World()
    world.state = state
    world.start()
    assert OTHER not in {r.instrument_name for r in world.records(InstrumentState)}
    assert instrument(OTHER) is not None
