"""The reader's table against the rule it follows, said in one line: of each instrument the row of the highest identity."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.reader import Arrival, Table
from tests.results_world import NS, START_NS, arrival, greeks, watermark

NAMES = ["BTC-27MAR26-100000-C", "ETH-27MAR26-3000-P", "BTC-PERPETUAL", "BTC-9JAN26-90000-C", "BTC-10JAN26-90000-C"]
DAY_S = 86_400


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    """Rows and watermarks of five instruments with repeats, old epochs and late ones, in any order."""
    name = st.sampled_from(NAMES)
    identity = st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 2))
    made = []
    for one, (epoch, offset, seq) in draw(st.lists(st.tuples(name, identity), max_size=40)):
        # As in a log: the row of an identity is always the same row, and log time rises with the offset.
        row = greeks(
            one, START_NS + offset * 3600 * NS, offset=offset, seq=seq, delta=epoch + offset / 100 + seq / 1000
        )
        made.append(arrival(row, epoch))
    return made + draw(st.lists(st.sampled_from(made), max_size=10)) if made else made


@given(arrivals(), st.integers(0, 3 * DAY_S))
def test_the_table_holds_the_highest_identity_of_what_has_not_expired(given_rows: list[Arrival], until_s: int) -> None:
    table = Table(range(16), 0.0)
    news = [one for one in given_rows if table.take(one)]
    highest: dict[str, Arrival] = {}
    for one in given_rows:
        if one.key not in highest or one.identity > highest[one.key].identity:
            highest[one.key] = one

    def lives(row: object, now_ns: int) -> bool:
        return row.expiry_ns is None or row.expiry_ns > now_ns

    expected = {key: one.record for key, one in highest.items() if lives(one.record, one.record.ts_event_ns)}
    assert table.rows == expected
    for key in NAMES:
        told = [one.identity for one in news if one.key == key]
        assert told == sorted(set(told)), "rising, nothing twice"

    now_ns = START_NS + until_s * NS
    for partition in range(16):
        table.take(arrival(watermark(partition, now_ns)))
    left = {key: row for key, row in expected.items() if lives(row, now_ns)}
    assert table.rows == left
    for one in given_rows:
        if lives(one.record, now_ns):
            assert not table.take(one), "every repeat of it is still known"
        else:
            table.take(one)
    assert table.rows == left, "and of what has expired nothing comes back"
