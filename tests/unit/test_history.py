"""H6, M2: history. Tables and SQL from the Avro schemas, each offset exactly once, chains of the past."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from schemas import (
    Audit,
    AuditKind,
    Flow,
    FlowMerged,
    FlowMergedStrike,
    Greeks,
    RowStatus,
    TradeGreeks,
    Trigger,
    to_plain,
)
from streams.cli import main
from streams.history.ranges import Ranges, checked, is_in, next_missing, with_range
from streams.history.rows import UNKNOWN, Part, Read, batches, part_of
from streams.history.settings import KNOWN, HistorySettings
from streams.history.sink import Lane, is_wanted
from streams.history.store import Progress, Store, StoreError, files, read_progress, span_of
from streams.history.tables import PLACES, TABLES, Table, arrow_schema
from tests.conftest import ROOT
from tests.flow_records import flow
from tests.results_world import NS, START_NS, blank, greeks

GREEKS = TABLES["greeks"]
CALL, PUT, ETH = "BTC-27MAR26-100000-C", "BTC-27MAR26-100000-P", "ETH-27MAR26-3000-C"

# --- tables and SQL, against the .avsc files read here again ---

ARROW = {"string": "string", "long": "int64", "int": "int32", "double": "double", "boolean": "bool"}
SQL = {"string": "String", "long": "Int64", "int": "Int32", "double": "Float64", "boolean": "Bool"}


def avsc(table: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / f"schemas/avsc/{table.record.__name__}.avsc").read_text())[
        "fields"
    ]
    return found


def apart(schema: Any) -> tuple[Any, bool]:
    """(what it is, whether it may be null)."""
    if isinstance(schema, list):
        return next(one for one in schema if one != "null"), "null" in schema
    return schema, False


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda one: one.name)
def test_columns_of_files_are_the_fields_of_the_schema_in_their_order(table: Table) -> None:
    schema = arrow_schema(table)
    fields = avsc(table)
    assert schema.names == [one["name"] for one in fields] + [place.name for place in PLACES]
    for one in fields:
        kind, is_nullable = apart(one["type"])
        column = schema.field(one["name"])
        assert column.nullable is is_nullable
        assert column.metadata[b"doc"].decode() == one["doc"]
        if isinstance(kind, str) and kind in ARROW:
            assert str(column.type) == ARROW[kind]
        elif isinstance(kind, dict) and kind["type"] == "array":
            assert str(column.type).startswith("list<")
        else:
            assert str(column.type) == "string", "an enum, by its name here or where it was met first"


def test_h6_the_printed_sql_has_every_field_of_every_schema_with_its_type_and_doc() -> None:
    printed = CliRunner().invoke(main, ["history", "--ddl"])
    assert printed.exit_code == 0
    statements = dict(
        re.findall(r"CREATE TABLE IF NOT EXISTS greekstream\.(\w+)\n\(\n(.*?)\n\)\nENGINE", printed.output, re.DOTALL)
    )
    assert set(statements) == set(TABLES)
    for name, table in TABLES.items():
        lines = statements[name].split("\n")
        wanted = [(one["name"], one["type"], one["doc"]) for one in avsc(table)]
        wanted += [
            (place.name, ["null", place.type] if place.is_nullable else place.type, place.doc) for place in PLACES
        ]
        assert len(lines) == len(wanted)
        for line, (field, schema, doc) in zip(lines, wanted, strict=True):
            found = re.fullmatch(r"    (\w+) (\S.*?) COMMENT '(.*)',?", line)
            assert found is not None, line
            assert (found[1], found[3].replace("\\'", "'")) == (field, doc)
            kind, is_nullable = apart(schema)
            if isinstance(kind, str) and kind in SQL:
                assert found[2] == (f"Nullable({SQL[kind]})" if is_nullable else SQL[kind])
            elif isinstance(kind, dict) and kind["type"] == "array":
                assert found[2].startswith("Array(")
            else:
                assert found[2] == ("LowCardinality(Nullable(String))" if is_nullable else "LowCardinality(String)")


def test_nested_records_are_tuples_with_their_own_fields() -> None:
    printed = CliRunner().invoke(main, ["history", "--ddl"]).output
    (strikes,) = re.findall(r"^    strikes (Array.*?) COMMENT", printed, re.MULTILINE)
    assert strikes.startswith(
        "Array(Tuple(expiry_ns Int64, strike_index Float64, deribit_trade_signed_usd_per_pct Nullable(Float64),"
    )


def test_every_key_of_a_table_is_a_column_that_is_never_null() -> None:
    for table in TABLES.values():
        for key in (*table.key, "ts_event_ns", "log_partition", "log_offset"):
            assert not arrow_schema(table).field(key).nullable


def test_the_settings_know_the_tables_without_pyarrow() -> None:
    assert tuple(TABLES) == KNOWN
    with pytest.raises(ValueError, match="want some of greeks, trades"):
        HistorySettings(tables=("greek",))


# --- ranges ---

RANGE = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda one: (one[0], one[0] + one[1]))


@given(st.lists(RANGE, max_size=12))
def test_ranges_hold_what_a_set_would(some: list[tuple[int, int]]) -> None:
    ranges: Ranges = ()
    model: set[int] = set()
    for begin, end in some:
        ranges = with_range(ranges, begin, end)
        model |= set(range(begin, end))
    assert checked(ranges) == ranges, "ascending, and apart"
    for offset in range(60):
        assert is_in(ranges, offset) == (offset in model)
        assert next_missing(ranges, offset) == next(i for i in range(offset, 100) if i not in model)


@pytest.mark.parametrize("wrong", [[[3, 3]], [[0, 5], [5, 6]], [[4, 6], [0, 2]], [[-1, 2]]])
def test_ranges_that_are_none_are_refused(wrong: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="want ranges"):
        checked(wrong)


# --- rows ---


def reads(*records: Any, first: int = 0, epoch: int | None = 1) -> list[Read]:
    return [Read(3, first + i, epoch, record) for i, record in enumerate(records)]


def test_a_row_is_the_record_whole_with_its_place() -> None:
    row = greeks(CALL, bid=None, ask=0.07)
    (batch,) = batches(GREEKS, reads(row, first=7)).values()
    assert batch.to_pylist() == [to_plain(row) | {"log_partition": 3, "log_offset": 7, "epoch": 1}]
    whole = flow(START_NS, warnings=("a", "b"), late_partitions=(1, 2))
    (batch,) = batches(TABLES["flow"], reads(whole, epoch=None)).values()
    assert batch.to_pylist() == [to_plain(whole) | {"log_partition": 3, "log_offset": 0, "epoch": None}]


def test_a_row_with_rows_in_it_is_whole_too() -> None:
    inner = FlowMergedStrike(START_NS, 90_000.0, 1.5, None, None, -2.5)
    whole = FlowMerged(**(blank(FlowMerged) | {"currency": "BTC", "strikes": (inner, inner), "warnings": ("old",)}))
    (batch,) = batches(TABLES["flow_merged"], reads(whole)).values()
    assert batch.to_pylist() == [to_plain(whole) | {"log_partition": 3, "log_offset": 0, "epoch": 1}]


@pytest.mark.parametrize(
    ("record", "part"),
    [
        (greeks(CALL), Part("2026-01-09", "BTC")),
        (greeks(ETH, START_NS + 86_400 * NS), Part("2026-01-10", "ETH")),
        (Audit(**(blank(Audit) | {"instrument_name": "SOL_USDC-27MAR26-100-C", "ts_event_ns": START_NS, "kind": AuditKind.VENUE})),
         Part("2026-01-09", "SOL")),
        (TradeGreeks(**(blank(TradeGreeks) | {"instrument_name": "../x", "ts_event_ns": 0})), Part("1970-01-01", UNKNOWN)),
        (Flow(**(blank(Flow) | {"currency": "../../x", "ts_event_ns": 0})), Part("1970-01-01", UNKNOWN)),
    ],
)  # fmt: skip
def test_rows_are_parted_by_utc_day_and_coin_and_no_name_leads_out_of_the_folder(record: Any, part: Part) -> None:
    assert part_of(record) == part


# --- the folder ---


def offsets(place: Path) -> list[int]:
    found = [pq.read_table(path, columns=["log_offset"])["log_offset"].to_pylist() for path in files(place, GREEKS)]
    return sorted(offset for some in found for offset in some)


def flushed(store: Store, progress: Progress, first: int, n: int) -> Progress:
    some = reads(*(greeks((CALL, PUT, ETH)[i % 3], START_NS + i * NS) for i in range(first, first + n)), first=first)
    rows = {part: [batch] for part, batch in batches(GREEKS, some).items()}
    return store.flush(GREEKS, progress, rows, {3: ((first, first + n),)})


def test_what_is_flushed_is_there_again_with_its_progress(tmp_path: Path) -> None:
    store = Store(tmp_path)
    progress = flushed(store, store.begin(GREEKS, "id"), 0, 5)
    store.close()
    assert offsets(tmp_path) == [0, 1, 2, 3, 4]
    assert read_progress(tmp_path, GREEKS) == progress == Progress("id", 1, {3: ((0, 5),)})
    paths = files(tmp_path, GREEKS)
    assert [path.parent.relative_to(tmp_path).as_posix() for path in paths] == [
        "greeks/day=2026-01-09/currency=BTC",
        "greeks/day=2026-01-09/currency=ETH",
    ]
    assert span_of(paths[0]) == (START_NS, START_NS + 4 * NS + 1_000_000)
    assert pq.read_table(paths[0])["instrument_name"].to_pylist() == [CALL, CALL, PUT, PUT], "in order of the key"


@pytest.mark.parametrize(
    "flushes",
    [[(2, True)], [(3, False), (2, True), (1, False)], [(1, False), (1, True), (4, True), (2, False), (3, True)]],
    ids=["first", "between", "twice on end"],
)
def test_a_crash_between_files_and_progress_leaves_every_offset_exactly_once(
    tmp_path: Path, flushes: list[tuple[int, bool]]
) -> None:
    """A crash is a flush whose progress is taken back: all its files are there, and nothing says so."""
    place, at, store = tmp_path, 0, Store(tmp_path)
    for n, crashes in flushes:
        progress = store.begin(GREEKS, "id")
        assert next_missing(progress.ranges.get(3, ()), 0) == at
        path = place / "_progress" / "greeks.json"
        before = path.read_bytes() if path.exists() else None
        flushed(store, progress, at, n)
        if crashes:
            path.unlink() if before is None else path.write_bytes(before)
            store.close()
            assert offsets(place) == list(range(at)), "readers do not see what no progress says"
            store = Store(place)
        else:
            at += n
    store.begin(GREEKS, "id")
    assert offsets(place) == list(range(at))
    on_disk = {path for path in (place / "greeks").rglob("*") if path.is_file()} if at or flushes else set()
    assert on_disk == set(files(place, GREEKS)), "nothing else is left"
    store.close()


def test_an_earlier_past_is_filled_in_later(tmp_path: Path) -> None:
    store = Store(tmp_path)
    progress = flushed(store, store.begin(GREEKS, "id"), 10, 5)
    progress = flushed(store, progress, 0, 10)
    assert progress.ranges == {3: ((0, 15),)}
    assert offsets(tmp_path) == list(range(15))
    store.close()


def test_a_topic_made_anew_begins_anew_and_the_old_rows_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    flushed(store, store.begin(GREEKS, "one"), 0, 3)
    progress = store.begin(GREEKS, "two")
    assert (progress.ranges, progress.n_flushes) == ({}, 1)
    flushed(store, progress, 0, 2)
    assert offsets(tmp_path) == [0, 0, 1, 1, 2]
    ids = {pq.read_schema(path).metadata[b"log_id"] for path in files(tmp_path, GREEKS)}
    assert ids == {b"one", b"two"}
    store.close()


def test_one_writer_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="another process writes into"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "log_id": "x", "n_flushes": 1, "ranges": {"0": [[3, 1]]}}']
)
def test_a_damaged_progress_is_said_and_nothing_is_removed(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    flushed(store, store.begin(GREEKS, "id"), 0, 3)
    (tmp_path / "_progress" / "greeks.json").write_text(text)
    with pytest.raises(StoreError, match=r"greeks\.json"):
        store.begin(GREEKS, "id")
    assert len(list((tmp_path / "greeks").rglob("*.parquet"))) == 2
    store.close()


def test_a_file_of_somebody_else_is_left_out_and_gone_only_if_it_bears_our_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    flushed(store, store.begin(GREEKS, "id"), 0, 3)
    stranger = files(tmp_path, GREEKS)[0].with_name("mine.parquet")
    stranger.write_bytes(b"x")
    store.begin(GREEKS, "id")
    assert stranger.exists()
    assert stranger not in files(tmp_path, GREEKS)
    store.close()


def test_rows_of_greeks_can_be_thinned_by_what_made_them() -> None:
    row, trade = greeks(CALL, trigger=Trigger.QUOTE), flow(START_NS)
    assert is_wanted(row, ()) and is_wanted(row, ("QUOTE", "TIME")) and not is_wanted(row, ("TIME",))
    assert is_wanted(trade, ("TIME",))
    with pytest.raises(ValueError, match="want some of UNKNOWN, QUOTE"):
        HistorySettings(triggers=("MINUTE",))


def test_a_lane_says_which_offsets_it_has_read_and_how_many_were_gone() -> None:
    lane = Lane(GREEKS, "greeks.v1", Progress(), {0: 9}, position={0: 2})
    for offset in (2, 3, 7, 8):
        lane.take(0, offset, reads(greeks(CALL), first=offset)[0] if offset % 2 else None, 10)
    assert lane.read() == {0: ((2, 4), (7, 9))}
    assert (lane.n_rows, lane.n_missed, lane.is_at_end, lane.lag) == (2, 3, True, 0)
    assert (lane.n_bytes, lane.n_record_bytes) == (20, 20)
    lane.to_columns()
    assert (lane.n_bytes, lane.n_record_bytes) == (20, 0)
    assert [batch.num_rows for some in lane.rows.values() for batch in some] == [2] and lane.records == []


def test_status_is_text_in_the_file(tmp_path: Path) -> None:
    (batch,) = batches(GREEKS, reads(greeks(CALL, status=RowStatus.NO_QUOTE))).values()
    assert batch["status"].to_pylist() == ["NO_QUOTE"]
    assert Greeks._fields == tuple(arrow_schema(GREEKS).names[:-3])
