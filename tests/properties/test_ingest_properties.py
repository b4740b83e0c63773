"""Whatever the venue says, in whatever order and however often: what every log of ingest keeps (rules 1, 2, 3, 5, 6, 7)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import Clock, InstrumentSet, InstrumentState, OptionQuote, OptionTrade, SettlementFixing, decode, encode
from streams.deribit import events as ev
from streams.deribit import recording
from streams.deribit.frames import Frame
from streams.ingest import core
from streams.ingest.core.trades import Spans
from streams.partitioning import N_PARTITIONS, partition_of
from tests import venue_frames
from tests.ingest_world import (
    CALL,
    EPOCH,
    MS,
    OTHER,
    PERPETUAL,
    S,
    World,
    at,
    future,
    index,
    listing,
    log_times_by_rule,
    quote,
    trade,
)

EXPIRING = "BTC-13APR23-30000-C"
NAMES = (EXPIRING, CALL, OTHER, PERPETUAL)
OPENING = at("07:30:00")
START = OPENING - 5 * S
SPAN_MS = 40_000

offsets = st.one_of(
    st.integers(0, SPAN_MS).map(lambda ms: START + ms * MS),
    # Bad clocks: years early, years late, zero.
    st.sampled_from([0, 1, START - 10**17, START + 10**17, START + 3 * S, START + 3_600 * S]),
)
options = st.sampled_from((EXPIRING, CALL, OTHER))
events = st.one_of(
    st.builds(quote, offsets, options),
    st.builds(index, offsets, st.floats(20_000.0, 40_000.0)),
    st.builds(future, offsets, st.floats(20_000.0, 40_000.0)),
    st.builds(trade, offsets, st.integers(1, 12), options),
    st.builds(
        lambda ts_ns, price: ev.DeliveryEstimate("btc_usd", ts_ns, price, 100.0, True), offsets, st.floats(1.0, 1e6)
    ),
    st.builds(lambda ts_ns: ev.InstrumentChange(CALL, ts_ns, "closed"), offsets),
    st.just(listing(NAMES)),
    st.builds(core.Pressure, st.one_of(st.none(), st.integers(0, 3))),
    st.builds(lambda: ev.Disconnected(START, "cut", ("ticker.a.100ms",))),
    st.builds(lambda: ev.Connected(START)),
    st.builds(lambda: ev.Subscribed(START, ("ticker.a.100ms",))),
    st.builds(lambda ts_ns: ev.VenueTime(ts_ns, START, START), offsets.filter(lambda ns: abs(ns - START) < 3_600 * S)),
    st.builds(lambda seq: ev.TradePage(None, (trade(START, seq, CALL, is_backfill=True),), False), st.integers(1, 12)),
    st.builds(lambda: ev.RequestFailed("public/get_time", -1, "", False, None)),
    st.builds(lambda: ev.Unreadable("bad", "", b"")),
    st.builds(lambda text: quote(START, text), st.text(max_size=12)),
)
sequences = st.lists(st.tuples(st.integers(0, 3_000), events), max_size=60)
clocks = st.sampled_from(["wall", "venue"])


def play(clock: str, items: list[tuple[int, Any]], repeats: list[int]) -> World:
    """Start an ingest, give it the events with those pauses (ms) between them, some of them twice, and end it."""
    world = World(start_ns=START, clock=clock)
    world.connect(NAMES)
    for i, (pause_ms, event) in enumerate(items):
        world.pass_to(world.now_ns + pause_ms * MS, every_ns=500 * MS)
        world.give(*([event] * (2 if i in repeats else 1)))
    world.give(core.Stop(world.now_ns))
    return world


@given(clocks, sequences, st.lists(st.integers(0, 60), max_size=10))
def test_every_log_keeps_the_rules(clock: str, items: list[tuple[int, Any]], repeats: list[int]) -> None:
    world = play(clock, items, repeats)
    assert not world.of(core.Fatal)
    outs = world.outs
    if outs:
        assert isinstance(outs[0].record, Clock), "rule 2: a Clock is first"
    assert {out.record.ingest_epoch for out in outs} <= {EPOCH}
    assert [o.record.seq for o in outs if o.partition is None] == list(range(sum(o.partition is None for o in outs)))
    times = [c.ts_event_ns for c in world.records(Clock)]
    assert times == sorted(set(times)), "rule 3: a Clock is written once, in order"
    assert all(ns % S == 0 for ns in times)
    for partition in range(N_PARTITIONS):
        log = world.log(partition)
        assert [ns for ns, _ in log] == log_times_by_rule(log), "rule 2"
    assert all(o.partition == partition_of(o.record.instrument_name) for o in outs if o.partition is not None)


@given(clocks, sequences, st.lists(st.integers(0, 60), max_size=10))
def test_trades_are_written_exactly_once_whatever_happens(
    clock: str, items: list[tuple[int, Any]], repeats: list[int]
) -> None:
    world = play(clock, items, repeats)
    given_numbers = {(e.instrument_name, e.trade_seq) for _, e in items if isinstance(e, OptionTrade)}
    given_numbers |= {
        (t.instrument_name, t.trade_seq) for _, e in items if isinstance(e, ev.TradePage) for t in e.trades
    }
    written = Counter((r.instrument_name, r.trade_seq) for r in world.records(OptionTrade))
    assert set(written.values()) <= {1}
    assert set(written) <= given_numbers
    if not any(isinstance(e, ev.RequestFailed | ev.Disconnected | ev.Connected) for _, e in items):
        # Nobody gave up a hole, so nothing may be left out.
        assert set(written) == given_numbers


@given(clocks, sequences, st.lists(st.integers(0, 60), max_size=10))
def test_fixings_are_cumulative_and_stand_before_their_clock(
    clock: str, items: list[tuple[int, Any]], repeats: list[int]
) -> None:
    world = play(clock, items, repeats)
    n_fixed, running_sum, n_imputed = 0, 0.0, 0
    is_index_known = False
    for out in world.outs:
        record = out.record
        if isinstance(record, SettlementFixing):
            is_index_known = True
            n_fixed, running_sum, n_imputed = n_fixed + 1, running_sum + record.price, n_imputed + record.is_imputed
            assert (record.grid_index, record.n_fixed, record.n_imputed) == (n_fixed, n_fixed, n_imputed)
            assert record.running_sum == pytest.approx(running_sum, rel=1e-12)
            assert record.grid_ns == OPENING + 4 * S * n_fixed
            assert not record.is_from_estimate or record.is_imputed
        elif isinstance(record, Clock) and is_index_known:
            assert n_fixed == min(450, max(0, (record.ts_event_ns - OPENING) // (4 * S)))


@given(clocks, sequences, st.lists(st.integers(0, 60), max_size=10))
def test_every_snapshot_is_what_its_set_says(clock: str, items: list[tuple[int, Any]], repeats: list[int]) -> None:
    world = play(clock, items, repeats)
    for closing in world.records(InstrumentSet):
        states = [r for r in world.records(InstrumentState) if r.snapshot_id == closing.snapshot_id]
        counts = Counter(partition_of(r.instrument_name) for r in states)
        assert closing.count_by_partition == tuple(counts.get(p, 0) for p in range(N_PARTITIONS))
        quotes = Counter(r.instrument_name for r in world.records(OptionQuote) if r.snapshot_id == closing.snapshot_id)
        assert set(quotes.values()) <= {1} and set(quotes) <= {r.instrument_name for r in states}


@given(clocks, sequences)
@settings(max_examples=20)
def test_the_same_events_give_the_same_log(clock: str, items: list[tuple[int, Any]]) -> None:
    assert play(clock, items, []).outcomes == play(clock, items, []).outcomes


@given(
    st.lists(st.integers(1, 40), max_size=60), st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=5)
)
def test_spans_are_a_set_of_numbers(numbers: list[int], closed: list[tuple[int, int]]) -> None:
    spans, model = Spans(), set()
    for number in numbers:
        assert spans.add(number) == (number not in model)
        model.add(number)
    for first, width in closed:
        spans.close(first, first + width)
        model |= set(range(first, first + width + 1))
    assert [n for n in range(0, 60) if n in spans] == sorted(model)
    holes = {n for first, last in spans.holes() for n in range(first, last + 1)}
    assert holes == (set(range(min(model), max(model) + 1)) - model if model else set())
    assert spans.n_missing(1, 50) == 50 - len(model & set(range(1, 51)))
    flat = [edge for span in spans.spans for edge in span]
    assert flat == sorted(flat)
    assert all(right[0] - left[1] >= 2 for left, right in zip(spans.spans, spans.spans[1:], strict=False)), (
        "no two touch"
    )


FRAMES = (
    venue_frames.ticker(),
    venue_frames.notification(f"ticker.{venue_frames.FUTURE}.100ms", venue_frames.future_data()),
    venue_frames.trades(venue_frames.trade_data(seq=7), venue_frames.trade_data(seq=9)),
    venue_frames.notification(
        "deribit_price_index.btc_usd", {"timestamp": venue_frames.MS, "price": 36500.25, "index_name": "btc_usd"}
    ),
    venue_frames.notification(
        "estimated_expiration_price.btc_usd", {"seconds": 100, "price": 36500.0, "is_estimated": True}
    ),
    venue_frames.answer(None, [venue_frames.instrument_row()]),
)


@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.integers(0, 2_000), st.integers(0, 255)), max_size=40))
def test_mutated_frames_never_stop_ingest_and_all_it_writes_can_be_encoded(items: list[tuple[str, int, int]]) -> None:
    world = World(start_ns=venue_frames.NS)
    world.connect(())
    decoder = recording.Decoder()
    for text, place, byte in items:
        raw = bytearray(text.encode())
        raw[place % len(raw)] = byte
        frame = Frame(world.now_ns, "in", raw.decode("utf-8", "backslashreplace"))
        world.pass_to(world.now_ns + 200 * MS)
        world.give(*decoder.events(frame))
    for out in world.outs:
        assert decode(encode(out.record)) == out.record
