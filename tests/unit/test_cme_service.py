"""B21: CME's files to batches of marks: which files, which moment, what is published and what is only counted."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from schemas import RowStatus
from streams.cli import main
from streams.cme.batch import batch, newest_ns
from streams.cme.book import Book, Facts
from streams.cme.quotes import MarkSettings
from streams.cme.refused import Refused
from streams.cme.sources import CSV, DBN, kind_of, known_ns, rows_of
from streams.cme_service import files, run
from streams.cme_service.figures import Figures, readiness
from streams.cme_service.publish import name_of
from streams.cme_service.settings import CmeSettings
from streams.registry import SINGLE
from tests.cme_files import DAY_NS, at_ns, csv_file, csv_row, dbn_file, definition, open_interest, settlement, top
from tests.cme_world import DAY, FACTS, INDEX, TAKEN, VECTOR, WEEK, F, K, black, book_of, option

PUBLISHED = TAKEN + 3600 * 10**9
RECORDS = (*VECTOR, open_interest(7, DAY, 20, event_ns=PUBLISHED))


def nobody(*_: object) -> None:
    """Progress that nobody looks at."""


@pytest.mark.parametrize("is_compressed", [True, False])
def test_the_first_bytes_tell_what_a_file_is_whatever_it_is_called(is_compressed: bool) -> None:
    file = io.BytesIO(dbn_file(RECORDS, is_compressed=is_compressed))
    assert (kind_of(file), file.tell()) == (DBN, 0)
    assert kind_of(io.BytesIO(csv_file([]))) == CSV


@given(st.binary(max_size=200))
def test_bytes_that_are_no_file_of_ours_are_one_refused_row(data: bytes) -> None:
    file = io.BytesIO(b"x" + data)
    (row,) = rows_of(file, "x", kind_of(file))
    assert isinstance(row, Refused) and row.position == 0


def test_the_moment_is_that_of_the_newest_price_or_open_interest() -> None:
    assert newest_ns(Book()) is None
    assert newest_ns(book_of(*VECTOR[:2])) is None, "a listing is no price"
    assert newest_ns(book_of(*VECTOR)) == TAKEN
    assert newest_ns(book_of(*RECORDS)) == PUBLISHED
    assert newest_ns(book_of(*RECORDS, top(7, PUBLISHED + 1, 1.0, 2.0))) == PUBLISHED + 1


def test_what_ended_long_ago_and_what_is_no_business_of_ours_is_counted_and_not_published() -> None:
    old = option(9, "C", K, expiration_ns=TAKEN - 2 * DAY_NS)
    recent = option(10, "C", K, expiration_ns=TAKEN - 3600 * 10**9)
    spx = definition(11, "EW2M6 C6000", "EW2", "C", WEEK, multiplier=50.0, strike=6000.0, underlying_id=12)
    found = batch(book_of(*RECORDS, old, recent, spx), PUBLISHED, INDEX, FACTS, MarkSettings(), DAY_NS)
    assert [mark.instrument_id for mark in found.marks] == [10, 7]
    assert found.n_by_status == {"OK": 1, "EXPIRED": 1}
    assert (found.n_foreign, found.n_over) == ({"EW2": 1}, 1)
    assert all(mark.product for mark in found.marks)
    assert found.marks[1].status is RowStatus.OK


def test_each_row_says_when_it_became_known() -> None:
    file = io.BytesIO(dbn_file((*RECORDS, top(7, TAKEN + 5, 1.0, 2.0))))
    known = [known_ns(row) for row in rows_of(file, "x", DBN)]
    assert known == [10**18, 10**18, DAY + DAY_NS, DAY + DAY_NS, PUBLISHED, TAKEN + 5]
    row = csv_row("BTC", "BTC", date(2026, 6, 12), "202606", date(2026, 6, 26), kind="FUT", settle="100000")
    assert [known_ns(one) for one in rows_of(io.BytesIO(csv_file([row])), "x", CSV)] == [TAKEN]
    assert known_ns(Refused("x", 0, "header", "")) is None


def folder_of(path: Path) -> Path:
    """A folder as people have them: three files of ours, and things that are none."""
    (path / "june").mkdir()
    (path / "june" / "definition.dbn.zst").write_bytes(dbn_file(VECTOR[:2]))
    (path / "statistics.dbn").write_bytes(dbn_file(RECORDS[2:], "statistics", is_compressed=False))
    rows = [csv_row("GE", "ED", date(2026, 6, 12), "202606", date(2026, 6, 26), kind="FUT", settle="95.5")]
    (path / "settle.csv").write_bytes(csv_file(rows) + b"\nbroken")
    (path / "notes.txt").write_text("not mine")
    (path / ".part.dbn").write_bytes(b"DBN")
    return path


def test_a_folder_gives_its_files_and_those_of_its_folders_each_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    names = [path.name for path in files.found([folder, folder / "statistics.dbn", folder / "notes.txt"])]
    assert sorted(names) == ["definition.dbn.zst", "notes.txt", "settle.csv", "statistics.dbn"]


def test_a_folder_is_read_whatever_is_in_it_and_every_row_is_counted(tmp_path: Path) -> None:
    reading = run.Reading()
    for path, stamp in files.found([folder_of(tmp_path)]).items():
        reading.take(path, stamp, None, nobody)
    assert reading.n_rows == {"Definition": 2, "Statistic": 3, "ignored product GE": 1, "refused columns": 1}
    (refused,) = [one for read in reading.reads for one in read.examples]
    assert (refused.source, refused.position, refused.reason) == ("settle.csv", 2, "columns")
    assert reading.facts.us is not None, "asked for once, by the settlement file"
    assert newest_ns(reading.book) == PUBLISHED
    (mark,) = batch(reading.book, PUBLISHED, INDEX, reading.facts, MarkSettings(), DAY_NS).marks
    years = (WEEK - PUBLISHED) / (365 * DAY_NS)
    up, down = (black(F + step, K, 0.5, years, 1)[1] for step in (1.0, -1.0))
    # 20 contracts of 5 coins; the central difference errs by 1e-9 of gamma, the printed price by 1e-8 of sigma
    assert mark.gamma_usd_per_pct_assumption_signed == pytest.approx(100.0 * (up - down) / 2.0 * 1e10 * 0.01, rel=1e-7)


def test_what_became_known_later_is_left_out_of_an_earlier_moment(tmp_path: Path) -> None:
    path = tmp_path / "x.dbn"
    settled = (settlement(3, DAY, F, event_ns=PUBLISHED - 1), settlement(7, DAY, 1005.5, event_ns=PUBLISHED - 1))
    path.write_bytes(dbn_file((*VECTOR[:2], *settled, RECORDS[-1])))
    reading = run.Reading()
    reading.take(path, files.found([path])[path], PUBLISHED - 1, nobody)
    assert reading.n_rows == {"Definition": 2, "Statistic": 2, files.LATE: 1}
    assert not reading.book.interests and reading.book.settlements


def test_a_batch_is_named_by_all_that_decides_it_and_by_nothing_else() -> None:
    def name(digests: tuple[str, ...] = ("a", "b"), now: int = 1, price: float = 1.0, settings: str = "s") -> str:
        return name_of(digests, now, {"BTC": price, "ETH": 2.0}, settings, SINGLE).batch

    assert name() == name(("b", "a")) == name(("b", "a", "b"))
    others = {name(("a",)), name(now=2), name(price=1.5), name(settings="t")}
    assert len(others | {name()}) == 5


@pytest.mark.parametrize("texts", [("BTC",), ("BTC=x",), ("BTC=-1",), ("BTC=nan",), ("=1",), ("BTC=1", "BTC=2")])
def test_an_index_that_says_nothing_is_a_wrong_setting(texts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="BTC=105000"):
        CmeSettings(index_prices=texts)


def test_the_index_prices_are_those_given() -> None:
    settings = CmeSettings(index_prices=("BTC=105000", "eth=2600.5"))
    assert settings.index_price_by_currency() == {"BTC": 105_000.0, "ETH": 2600.5}


def test_ready_means_that_every_file_stands_in_kafka() -> None:
    assert not readiness(Figures()).is_ready
    assert readiness(Figures(is_caught_up=True)).is_ready, "an empty folder waits"
    assert not readiness(Figures(n_files=1, is_caught_up=True)).is_ready
    assert readiness(Figures(n_files=1, as_of_ns=at_ns(2026, 6, 12), is_caught_up=True)).is_ready


def test_facts_without_settlement_files_need_no_calendar(tmp_path: Path) -> None:
    path = tmp_path / "x.dbn"
    path.write_bytes(dbn_file(RECORDS))
    reading = run.Reading()
    reading.take(path, files.found([path])[path], None, nobody)
    assert reading.facts == Facts()


def test_a_path_of_open_interest_that_is_not_there_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on for ever without CME's share otherwise, and nothing would say why."""
    for name in ("streams.cli.worker.prepare_numba", "streams.logs.configure"):
        monkeypatch.setattr(name, lambda *_, **__: None)
    gone = tmp_path / "venues.csv"
    done = CliRunner().invoke(main, ["merge", "--open-interest", str(tmp_path), "--open-interest", str(gone)])
    assert done.exit_code == 2 and done.stderr.endswith(f"Error: {gone}: there is no such file or folder\n")
