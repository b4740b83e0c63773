"""Moments as people type them."""

from __future__ import annotations

import pytest

from streams.moments import Moment, parse

# 2023-04-13T07:30:00Z, seconds since the epoch: date -u -d 2023-04-13T07:30:00Z +%s
SECONDS = 1_681_371_000


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2023-04-13T07:30:00Z", SECONDS * 10**9),
        ("2023-04-13T07:30:00", SECONDS * 10**9),
        ("2023-04-13T09:30:00+02:00", SECONDS * 10**9),
        ("2023-04-13 07:30:00.000123", SECONDS * 10**9 + 123_000),
        (f"{SECONDS}000", SECONDS * 10**9),
        (f"{SECONDS}000000001", SECONDS * 10**9 + 1),
    ],
)
def test_a_time_is_iso_ms_or_ns(text: str, time_ns: int) -> None:
    assert parse(text) == Moment(time_ns=time_ns)


def test_offsets_are_by_partition() -> None:
    assert parse("3:100,15:0") == Moment(offsets={3: 100, 15: 0})


@pytest.mark.parametrize("text", ["", "now", "12", "1681371000", "16:1", "3:1,3:2", "3:", "3:-1", "2023-13-01"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"want|each of|a number"):
        parse(text)


def test_a_moment_between_two_milliseconds_begins_at_the_later_one() -> None:
    assert Moment(time_ns=5_000_001).time_ms == 6
    assert Moment(time_ns=5_000_000).time_ms == 5


def test_a_moment_prints_as_it_can_be_typed() -> None:
    assert str(parse("3:100,1:7")) == "1:7,3:100"
    assert parse(str(parse("2023-04-13T07:30:00Z"))) == parse("2023-04-13T07:30:00Z")
