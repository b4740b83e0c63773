"""The newest row of each instrument: what replaces what, what expires, what is silent."""

from __future__ import annotations

import itertools
import sys

import pytest

from schemas import RowStatus
from streams.reader import Arrival, Table, identity_of, to_columns
from streams.reader.frame import PandasMissing, to_frame
from tests.results_world import NS, START_NS, arrival, greeks, watermark

CALL = "BTC-27MAR26-100000-C"
EXPIRING = "BTC-9JAN26-90000-C"  # at 08:00, half an hour after START_NS
EXPIRY_NS = START_NS + 1800 * NS


def table() -> Table:
    return Table(range(16), wall_s=1000.0)


def test_a_row_with_a_higher_identity_replaces_and_others_change_nothing() -> None:
    rows = table()
    newest = greeks(CALL, offset=7, seq=1, delta=0.7)
    assert rows.take(arrival(greeks(CALL, offset=7, seq=0)))
    assert rows.take(arrival(newest))
    assert not rows.take(arrival(newest)), "a repeat"
    assert not rows.take(arrival(greeks(CALL, offset=6, seq=5))), "an older offset, though of a higher number"
    assert rows.rows == {CALL: newest}
    assert rows.n_repeats == 2


def test_a_higher_epoch_wins_over_a_higher_offset_and_a_lower_one_never_comes_back() -> None:
    rows = table()
    after_reset = greeks(CALL, offset=3)
    assert rows.take(arrival(greeks(CALL, offset=900), epoch=1))
    assert rows.take(arrival(after_reset, epoch=2))
    assert not rows.take(arrival(greeks(CALL, offset=901), epoch=1)), "written late by a worker that woke"
    assert rows.rows == {CALL: after_reset}


def test_identities_are_kept_by_instrument() -> None:
    rows = table()
    assert rows.take(arrival(greeks("BTC-27MAR26-100000-C", offset=9)))
    assert rows.take(arrival(greeks("BTC-27MAR26-100000-P", offset=1)))
    assert len(rows.rows) == 2


def test_rows_of_expired_instruments_leave_with_the_log_time_of_their_partition() -> None:
    rows = table()
    row = greeks(EXPIRING, offset=1)
    rows.take(arrival(row))
    other = (row.source_partition + 1) % 16
    rows.take(arrival(watermark(other, EXPIRY_NS + NS, offset=2)))
    rows.take(arrival(watermark(row.source_partition, EXPIRY_NS - 1, offset=2)))
    assert set(rows.rows) == {EXPIRING}, "neither another partition's time nor an earlier one ends it"
    rows.take(arrival(watermark(row.source_partition, EXPIRY_NS, offset=3)))
    assert rows.rows == {}
    assert not rows.take(arrival(row)), "a repeat of it does not bring it back"
    assert rows.rows == {}


def test_the_last_row_of_an_expired_instrument_is_no_news() -> None:
    rows = table()
    rows.take(arrival(greeks(EXPIRING, EXPIRY_NS - NS, offset=1)))
    assert not rows.take(arrival(greeks(EXPIRING, EXPIRY_NS, offset=2, status=RowStatus.EXPIRED)))
    assert rows.rows == {}
    assert rows.n_expired == 1


def test_perpetuals_do_not_expire() -> None:
    rows = table()
    row = greeks("BTC-PERPETUAL")
    rows.take(arrival(row))
    rows.take(arrival(watermark(row.source_partition, START_NS + 10**6 * NS)))
    assert set(rows.rows) == {"BTC-PERPETUAL"}


def test_a_tombstone_takes_its_row_away_once_and_is_no_news() -> None:
    rows = table()
    rows.take(arrival(greeks(CALL, offset=4)))
    assert not rows.take(Arrival(0, CALL, (0, 3, 0), 0.0, None)), "an older tombstone"
    assert set(rows.rows) == {CALL}
    assert not rows.take(Arrival(0, CALL, (0, 4, 1), 0.0, None))
    assert rows.rows == {}


def test_the_order_of_arrival_does_not_matter() -> None:
    row = greeks(EXPIRING, offset=1)
    arrivals = [
        arrival(row),
        arrival(greeks(EXPIRING, offset=2, delta=0.6)),
        arrival(watermark(row.source_partition, START_NS + NS, offset=3)),
        arrival(greeks(CALL, offset=1), epoch=2),
        arrival(greeks(CALL, offset=8), epoch=1),
    ]
    outcomes = []
    for order in itertools.permutations(arrivals):
        rows = table()
        for one in (*order, order[0], order[2]):
            rows.take(one)
        outcomes.append((rows.rows, rows.watermarks))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert outcomes[0][0][CALL].source_offset == 1


def test_a_partition_without_a_watermark_for_five_seconds_is_stale() -> None:
    rows = Table(range(2), wall_s=1000.0)
    assert not rows.staleness(1005.0).is_stale
    rows.take(arrival(watermark(0, START_NS, offset=1), wall_s=1004.0))
    assert rows.staleness(1005.5).partitions == (1,)
    rows.take(arrival(watermark(1, START_NS, offset=1), wall_s=1006.0))
    assert rows.staleness(1008.9).partitions == ()
    assert rows.staleness(1009.5) == ((0,), 5.5)
    rows.take(arrival(watermark(0, START_NS, offset=1), wall_s=1010.0))
    assert rows.staleness(1010.0).partitions == (0,), "a repeat of an old watermark is no sign of life"


def test_coverage_is_priced_over_listed_of_all_partitions() -> None:
    rows = table()
    assert rows.coverage is None
    rows.take(arrival(watermark(0, START_NS, listed=30, priced=30)))
    rows.take(arrival(watermark(1, START_NS, listed=10, priced=5)))
    rows.take(arrival(watermark(1, START_NS + NS, offset=1, listed=10, priced=6)))
    assert rows.coverage == pytest.approx(0.9)
    assert rows.newest_log_time_ns == START_NS + NS


def test_identity_comes_from_the_headers_and_from_the_record_where_there_are_none() -> None:
    row = greeks(CALL, offset=5, seq=2)
    headers = {"epoch": b"3", "source_offset": b"8", "result_seq": b"1", "host": b"x"}
    assert identity_of(headers, row) == (3, 8, 1)
    assert identity_of({}, row) == (0, 5, 2)
    assert identity_of({**headers, "epoch": b"three"}, row) == (0, 5, 2)


def test_columns_have_enums_by_name() -> None:
    columns = to_columns([greeks(CALL), greeks("BTC-PERPETUAL", delta=1.0)])
    assert columns["instrument_name"] == [CALL, "BTC-PERPETUAL"]
    assert columns["option_type"] == ["CALL", None]
    assert columns["status"] == ["OK", "OK"]
    assert columns["delta"] == [0.5, 1.0]
    assert to_columns([]) == {}


def test_a_dataframe_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PandasMissing, match="pip install pandas"):
        to_frame([greeks(CALL)])


def test_a_dataframe_is_indexed_by_instrument() -> None:
    pandas = pytest.importorskip("pandas")
    frame = to_frame([greeks(CALL), greeks("BTC-PERPETUAL", delta=1.0)])
    assert isinstance(frame, pandas.DataFrame)
    assert frame.loc["BTC-PERPETUAL", "delta"] == 1.0
    assert to_frame([]).empty
