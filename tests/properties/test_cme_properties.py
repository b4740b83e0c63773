"""B21: whatever the bytes, a reader of CME files gives rows and never an exception; whatever the rows, there are marks."""

from __future__ import annotations

import io
from datetime import date

import zstandard
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas import RowStatus
from streams.cme.book import Book, Facts, step
from streams.cme.dbn import Definition, Statistic, TopOfBook, dbn_rows
from streams.cme.marks import marks
from streams.cme.quotes import MarkSettings
from streams.cme.refused import LIMITS, REASONS, Refused
from streams.cme.settlement_csv import settlement_rows
from tests.cme_files import at_ns, csv_file, csv_row, dbn_file, definition, open_interest, settlement, top

SMALL = LIMITS._replace(max_bytes=1 << 20, max_expanded_bytes=1 << 22, max_metadata_bytes=1 << 16, max_rows=1000)
EXPIRY, DAY = at_ns(2026, 6, 26, 15), at_ns(2026, 6, 12)
DBN = dbn_file(
    [
        definition(3, "BTCM6", "BTC", "F", EXPIRY, multiplier=5.0),
        definition(7, "BTCM6 C100000", "BTC", "C", EXPIRY, multiplier=5.0, strike=1e5, underlying_id=3),
        settlement(7, DAY, 1234.5),
        open_interest(7, DAY, 42),
        top(7, DAY, 10.0, 11.0),
    ],
    is_compressed=False,
)
CSV = csv_file(
    [csv_row("BTC", "BTC", date(2026, 6, 12), "202606", date(2026, 6, 26), strike="100000", put_call="1")] * 3
)
READERS = (dbn_rows, settlement_rows)


def check(data: bytes) -> None:
    """Both readers, from bytes and from a file that gives a byte at a time; the same rows, every refusal with a known reason."""
    for reader in READERS:
        rows = list(reader(data, "x", SMALL))
        refused = [row for row in rows if isinstance(row, Refused)]
        assert all(row.reason in REASONS and row.detail and row.source == "x" for row in refused)
        assert list(reader(Dribble(data), "x", SMALL)) == rows


class Dribble(io.BytesIO):
    """A file whose reads are short."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(max(1, (size or 0) // 3))


def changed(base: bytes) -> st.SearchStrategy[bytes]:
    """A sound file with some bytes changed, cut, or repeated."""
    edits = st.lists(st.tuples(st.integers(0, len(base) - 1), st.integers(0, 255)), max_size=12)

    def edited(places: list[tuple[int, int]], start: int, stop: int) -> bytes:
        data = bytearray(base)
        for place, value in places:
            data[place] = value
        return bytes(data[:start] + data[start:stop] * 2)

    return st.builds(edited, edits, st.integers(0, len(base)), st.integers(0, len(base)))


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    check(data)


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=600))
def test_bytes_that_begin_like_dbn_never_raise(version: int, length: int, data: bytes) -> None:
    check(b"DBN" + bytes([version % 5]) + length.to_bytes(4, "little") + data)
    check(b"DBN" + bytes([version % 5]) + len(data).to_bytes(4, "little") + data)


@given(st.binary(max_size=600), st.integers(0, 255))
def test_records_of_any_bytes_after_a_sound_head_never_raise(data: bytes, kind: int) -> None:
    head = DBN[: 8 + int.from_bytes(DBN[4:8], "little")]
    check(head + data)
    for n, known in ((520, 19), (80, 24), (80, 195), (80, 196), (16, kind)):
        body = (data * (1 + n // max(1, len(data))))[:n].ljust(n, b"\xaa")
        check(head + bytes([n // 4, known]) + body[2:])


@given(changed(DBN))
def test_a_damaged_dbn_file_never_raises(data: bytes) -> None:
    check(data)


@given(changed(CSV))
def test_a_damaged_csv_file_never_raises(data: bytes) -> None:
    check(data)


@given(changed(zstandard.compress(DBN)))
def test_a_damaged_compression_never_raises(data: bytes) -> None:
    check(data)


@given(st.binary(max_size=300).map(lambda tail: CSV.split(b"\n")[0] + b"\n" + tail))
def test_every_line_of_a_csv_file_gives_one_row(data: bytes) -> None:
    lines = data.split(b"\n")[1:]
    n = len(lines) - (lines[-1] == b"")
    assert len(list(settlement_rows(data, "x", SMALL))) == n


# --- from rows of any numbers to marks ---

NOW = DAY + 21 * 3600 * 10**9
SOUND: list[Definition | Statistic | TopOfBook] = [
    Definition(1, "BTCM6", "BTC", 0, None, EXPIRY, 5.0, None, "", "FFIXSX", "USD", False, DAY),
    Definition(2, "BTCM6 C100000", "BTC", 1, 1e5, EXPIRY, 5.0, 1, "BTCM6", "OCEFPS", "USD", False, DAY),
    Definition(3, "BTCM6 P100000", "BTC", -1, 1e5, EXPIRY, 5.0, None, "", "OPEFPS", "USD", False, DAY),
    *(
        Statistic(number, 3, DAY, price, True, True, NOW, 0)
        for number, price in ((1, 1.01e5), (2, 5000.0), (3, 4000.0))
    ),
    *(Statistic(number, 9, DAY, 42.0, False, False, NOW, 0) for number in (2, 3)),
    *(TopOfBook(number, price - 10, price + 10, 1, 1, NOW) for number, price in ((1, 1.02e5), (2, 5500.0))),
]
MIDDLING = st.sampled_from([0.0, 1e-9, 1.0, 1e3, 9e4, 1e5, 9.2e9])
REPLACEMENTS = {
    float: st.one_of(st.none(), MIDDLING, st.floats(0.0, 9.3e9)),
    int: st.one_of(
        st.integers(0, 3), st.sampled_from([DAY, NOW, EXPIRY, EXPIRY - 1, 2**63 - 1]), st.integers(1, 2**63 - 1)
    ),
    str: st.sampled_from(["", "BTC", "P1E", "WM", "MBT", "BFF", "ES", "OCAFPS"]),
    bool: st.booleans(),
    type(None): st.one_of(st.none(), st.integers(1, 4)),
}
EDITS = st.lists(
    st.sampled_from([(i, name) for i, row in enumerate(SOUND) for name in row._fields]).flatmap(
        lambda place: st.tuples(st.just(place), REPLACEMENTS[type(getattr(SOUND[place[0]], place[1]))])
    ),
    max_size=6,
)
"""Fields of sound rows, replaced by anything of their type that a reader lets through; the sign of an option is no such field."""


@given(EDITS, st.one_of(st.just(NOW), st.integers(1, 2**63 - 1)), st.floats(allow_nan=True))
def test_marks_of_any_rows_never_raise_and_can_cross_a_topic(
    edits: list[tuple[tuple[int, str], object]], now_ns: int, index_price: float
) -> None:
    rows = list(SOUND)
    for (i, name), value in edits:
        if name not in ("option_sign", "stat_type", "strike") or (name == "strike" and rows[i].strike and value):
            rows[i] = rows[i]._replace(**{name: value})
    facts, book = Facts(), Book()
    for row in rows:
        step(book, row, facts)
    found = marks(book, now_ns, {"BTC": index_price}, facts, MarkSettings(quote_max_age_s=1e6))
    assert len(found) == sum(contract.option_sign != 0 for contract in book.contracts.values())
    for mark in found:
        assert schemas.decode(schemas.encode(mark)) == mark
        assert (mark.status == RowStatus.OK) == (mark.price_usd is not None)
