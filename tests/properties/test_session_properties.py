"""The session takes anything: events or Unreadable, never an exception, in bounded memory; and says the same for the same frames."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import InstrumentState, OptionQuote, OptionTrade
from streams.deribit import events as ev
from streams.deribit.events import Event
from streams.deribit.fields import FieldError, number, numbers, positive_or_zero, positives_or_zeros
from streams.deribit.quotes import option_quote
from streams.deribit.session import Session, SessionSettings
from streams.deribit.subscriptions import Sequences
from streams.deribit.trades import option_trade
from tests import fuzz_frames
from tests import venue_frames as venue

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4),
    max_leaves=20,
)
SEEDS = fuzz_frames.seeds()
WHOLE = {"ts_event_ns", "ingest_epoch", "trade_seq", "block_rfq_id", "block_leg_count", "creation_ns", "expiry_ns"}


def new_session() -> Session:
    session = Session(SessionSettings(currencies=("BTC",)))
    session.connected(venue.NS)
    return session


def numbers_are_sound(event: Event) -> bool:
    """What a record may carry over Avro: finite floats, 64-bit integers, encodable text."""
    for name, value in zip(event._fields, event, strict=True):
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if name in WHOLE and value is not None and not -(2**63) <= value < 2**63:
            return False
        if isinstance(value, str):
            value.encode()
    return True


@given(frame=st.text() | st.binary() | JSON.map(json.dumps))
def test_any_text_or_bytes_gives_events(frame):
    events, _ = new_session().receive(frame, venue.NS)
    assert events


@given(data=st.data())
def test_any_value_at_any_place_of_a_frame_gives_sound_events(data):
    tree = json.loads(data.draw(st.sampled_from(SEEDS)))
    container, key = data.draw(st.sampled_from(fuzz_frames._nodes(tree)))
    container[key] = data.draw(JSON)
    events, _ = new_session().receive(json.dumps(tree), venue.NS)
    assert events
    for event in events:
        if isinstance(event, OptionQuote | OptionTrade | InstrumentState | ev.FutureTicker | ev.IndexPrice):
            assert numbers_are_sound(event)
            assert not isinstance(event, OptionQuote) or event.bid is None or event.bid > 0.0


@given(frames=st.lists(st.sampled_from(SEEDS), max_size=30), method=st.sampled_from(["subscribe", "auth", "get_time"]))
def test_the_same_frames_give_the_same_events_and_requests(frames, method):
    def conversation() -> list[Any]:
        session = new_session()
        return [session.receive(frame, venue.NS + i * 10**8) for i, frame in enumerate(frames)] + [
            session.tick(venue.NS + 10**12)
        ]

    assert conversation() == conversation()


@given(
    bid=st.floats(0.0001, 2.0), ask=st.floats(0.0001, 2.0), bid_iv=st.floats(0.01, 998.0), ask_iv=st.floats(0.01, 998.0)
)
def test_real_quotes_pass_unchanged_but_for_per_cent(bid, ask, bid_iv, ask_iv):
    quote = option_quote(venue.ticker_data(best_bid_price=bid, best_ask_price=ask, bid_iv=bid_iv, ask_iv=ask_iv))
    assert (quote.bid, quote.ask, quote.bid_sigma, quote.ask_sigma) == (bid, ask, bid_iv / 100.0, ask_iv / 100.0)


@given(
    messages=st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=5), max_size=20),
)
def test_gaps_are_exactly_the_numbers_never_seen_up_to_the_newest(messages):
    """For numbers that only ever rise from message to message, gaps and seen numbers tile the range without overlap."""
    rising = [sorted(message) for message in messages]
    newest = 0
    kept = []
    for message in rising:
        message = [number for number in message if number > newest]
        if message:
            kept.append(message)
            newest = message[-1]
    sequences = Sequences(10)
    missing: list[int] = []
    for message in kept:
        for gap in sequences.gaps([option_trade(venue.trade_data(seq=seq), is_backfill=False) for seq in message]):
            missing += range(gap.first, gap.last + 1)
    seen = {number for message in kept for number in message}
    first = min(seen, default=1)
    assert sorted(missing) == sorted(set(range(first, newest + 1)) - seen)


def test_mutated_frames_are_counted_every_one():
    counts = fuzz_frames.run(20_000, seed=11)
    assert counts["frames"] == 20_000
    # The mutations reach both sides: many frames are still read, many are not.
    for kind in ("OptionQuote", "OptionTrade", "InstrumentList", "Ignored", "Unreadable", "RequestFailed"):
        assert counts[kind] > 20, kind


@pytest.mark.slow
def test_memory_stays_bounded_under_mutated_frames():
    fuzz_frames.run(5_000, seed=12)  # caches are filled
    tracemalloc.start()
    fuzz_frames.run(10_000, seed=14)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Only the bounded caches of names may grow, by what 65 536 entries of a few hundred bytes can hold.
    assert grown < 20 * 1024 * 1024


VALUES = st.one_of(
    st.none(),
    st.floats(-1e308, 1e308),
    st.sampled_from([0, -0.0, 5e-324, 1.7e308, -1, True, False, "1", [], {}, 10**400, -(10**400), 2**63]),
    st.integers(-(10**20), 10**20),
)


def outcome_of(read: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "read", repr(read())
    except FieldError as error:
        return "refused", str(error)


@given(st.lists(VALUES, max_size=12))
def test_numbers_read_at_once_are_those_that_each_field_alone_gives_and_refused_as_the_first_bad_one_is(
    values: list[Any],
) -> None:
    fields = [f"f{i}" for i in range(len(values))]
    data = dict(zip(fields, values, strict=True))
    assert outcome_of(lambda: numbers(values, fields)) == outcome_of(lambda: [number(data, f) for f in fields])
    alone = outcome_of(lambda: [positive_or_zero(data, field) for field in fields])
    assert outcome_of(lambda: positives_or_zeros(values, fields)) == alone
