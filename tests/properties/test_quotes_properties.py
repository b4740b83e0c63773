"""Quotes read a batch at a time: what the codec reads, and nothing that it refuses (N3: the cost of a tick)."""

from __future__ import annotations

from typing import Any, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas import InstrumentStatus, OptionQuote
from streams.engine.quotes import FRAME, read_quotes

FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308])
LONGS = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 9000) | st.just(-(1 << 62))
KINDS: dict[Any, st.SearchStrategy[Any]] = {
    int: LONGS, int | None: st.none() | LONGS, str: st.text(max_size=40), str | None: st.none() | st.text(max_size=9),
    bool: st.booleans(), float | None: st.none() | FINITE, InstrumentStatus: st.sampled_from(InstrumentStatus),
}  # fmt: skip
QUOTES = st.tuples(*(KINDS[hint] for hint in get_type_hints(OptionQuote).values())).map(OptionQuote._make)


def read_one_by_one(frame: bytes) -> OptionQuote | None:
    try:
        found = schemas.decode(frame)
    except schemas.DecodeError:
        return None
    assert isinstance(found, OptionQuote)
    return found


@given(st.lists(QUOTES, min_size=1, max_size=6))
def test_quotes_read_together_are_the_ones_read_one_by_one(quotes: list[OptionQuote]) -> None:
    found = read_quotes([schemas.encode(quote) for quote in quotes])
    for quote, read in zip(quotes, found, strict=True):
        whole = (quote.ts_event_ns, quote.ingest_epoch, quote.snapshot_id or 0)
        if read is None:  # what needs ten bytes, or is our own null, is left to the codec
            assert any(number == -(1 << 62) or not -(2**62) < number < 2**62 for number in whole)
        else:
            assert repr(read) == repr(quote)  # repr tells -0.0 from 0.0, True from 1, a member from its number


@given(st.lists(QUOTES, min_size=1, max_size=3), st.data())
def test_a_damaged_frame_is_never_read_as_what_the_codec_does_not_read(
    quotes: list[OptionQuote], data: st.DataObject
) -> None:
    frames = [bytearray(schemas.encode(quote)) for quote in quotes]
    for frame in frames:
        at = data.draw(st.integers(10, len(frame) - 1))
        change = data.draw(st.sampled_from(["exchange", "insert", "cut", "nothing"]))
        if change == "exchange":
            frame[at] = data.draw(st.integers(0, 255))
        elif change == "insert":
            frame[at:at] = data.draw(st.binary(min_size=1, max_size=9))
        elif change == "cut":
            del frame[at:]
    damaged = [bytes(frame) for frame in frames]
    for frame, read in zip(damaged, read_quotes(damaged), strict=True):
        assert frame.startswith(FRAME)
        assert read is None or repr(read) == repr(read_one_by_one(frame))
