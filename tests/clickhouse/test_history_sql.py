"""H6: the SQL that ``greekstream history --ddl`` prints and the SQL of docs/history.md, run by ClickHouse itself.

The engine is chdb, ClickHouse as a Python package of half a gigabyte: so not in the suite, but behind ``make clickhouse``.  The files are
written by history's own store; what ClickHouse has of them is held against the records that were given, and against the commands' answers.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from schemas import FlowExposure, RowStatus, to_plain
from streams.flow.settings import GreeksSource
from streams.history import questions
from streams.history.ddl import DATABASE, ddl
from streams.history.rows import Read, batches
from streams.history.store import Store
from streams.history.tables import TABLES, Table, columns
from streams.moments import parse
from tests.conftest import ROOT, skip_or_fail
from tests.flow_records import flow
from tests.results_world import NS, START_NS, blank, greeks

CALL, PUT, ETH = "BTC-27MAR26-100000-C", "BTC-27MAR26-100000-P", "ETH-27MAR26-3000-C"
SOON = "BTC-9JAN26-90000-C"
DAY_NS = 86_400 * NS
Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    try:
        from chdb import session
    except ModuleNotFoundError:
        skip_or_fail("chdb is not installed", "REQUIRE_CLICKHOUSE")
    found = session.Session()
    yield found
    found.close()


@pytest.fixture
def ask(session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """A query's rows, in a folder of its own; times and other whole numbers of 64 bits as numbers."""
    monkeypatch.chdir(tmp_path)

    def answer(query: str) -> list[dict[str, Any]]:
        text = session.query(query, "JSONEachRow").data()
        return [json.loads(line) for line in text.splitlines()]

    session.query("SET output_format_json_quote_64bit_integers = 0, output_format_json_quote_denormals = 1")
    yield answer
    session.query(f"DROP DATABASE IF EXISTS {DATABASE}")


def statements(sql: str) -> list[str]:
    """Of a printed text, one by one; the loads, which are printed as comments, with the others."""
    text = re.sub(r"^--     ?", "    ", re.sub(r"^-- INSERT", "INSERT", sql, flags=re.MULTILINE), flags=re.MULTILINE)
    text = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    return [one.strip() for one in re.split(r";$", text, flags=re.MULTILINE) if one.strip()]


def filled(hint: Any, name: str, i: int) -> Any:
    """A value of a field's type, for each i another; null for every second i where it may be null."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if get_origin(hint) is tuple:
        return tuple(filled(kinds[0], name, j) for j in range(i % 3))
    if isinstance(hint, types.UnionType):
        return None if i % 2 else filled(kinds[0], name, i)
    if hint is str:
        return f"it's \\ {i} €"
    if hint is bool:
        return i % 2 == 1
    if hint is int:
        # No double has this one; counts are of 32 bits.
        return 2**53 + 1 + i if name.endswith(("_ns", "_offset")) else i + 1
    if hint is float:
        return (-1) ** i * math.pi * 10.0 ** (40 * i - 60)
    if issubclass(hint, IntEnum):
        return list(hint)[i % len(hint)]
    return hint(*(filled(inner, field, i + 1) for field, inner in get_type_hints(hint).items()))


def some_records(table: Table) -> list[Any]:
    """Four records, each field filled; names, coins and times are such as the folder's parts are made of."""
    found = []
    for i in range(4):
        values = {name: filled(hint, name, i) for name, hint in get_type_hints(table.record).items()}
        plausible = {
            "instrument_name": (CALL, ETH)[i % 2],
            "base_currency": ("BTC", "ETH")[i % 2],
            "currency": ("BTC", "ETH")[i % 2],
            "ts_event_ns": START_NS + i * DAY_NS + 123_456_789,
        }
        found.append(table.record(**values | {name: value for name, value in plausible.items() if name in values}))
    return found


def written(place: Path, table: Table, reads: list[Read]) -> None:
    store = Store(place)
    rows = {part: [batch] for part, batch in batches(table, reads).items()}
    store.flush(table, store.begin(table, "id"), rows, {0: ((0, len(reads)),)})
    store.close()


def like(found: Any, given: Any) -> Any:
    """A number is written by ClickHouse without a point where it needs none: it is read as what was given."""
    if isinstance(given, float) and isinstance(found, int):
        return float(found)
    if isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
        return [like(*pair) for pair in zip(found, given, strict=True)]
    if isinstance(given, dict) and isinstance(found, dict):
        return {name: like(value, given.get(name)) for name, value in found.items()}
    return found


def in_order(rows: list[dict[str, Any]], given: list[dict[str, Any]]) -> Any:
    return like(sorted(rows, key=lambda row: int(row["log_offset"])), given)


def test_h6_clickhouse_takes_every_statement_and_has_every_row_of_every_table_to_the_bit(
    ask: Ask, tmp_path: Path
) -> None:
    given: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES.values():
        reads = [Read(0, i, (None, 3)[i % 2], record) for i, record in enumerate(some_records(table))]
        written(tmp_path / "history" / "live", table, reads)
        given[table.name] = [
            to_plain(read.record) | {"log_partition": 0, "log_offset": read.offset, "epoch": read.epoch}
            for read in reads
        ]
    for statement in statements(ddl()):
        ask(statement)
    for name, rows in given.items():
        assert in_order(ask(f"SELECT * FROM {DATABASE}.{name}"), rows) == rows, name
    loads = [statement for statement in statements(ddl()) if statement.startswith("INSERT")]
    assert len(loads) == len(TABLES)
    for load in loads:
        ask(load)
    for name, rows in given.items():
        assert in_order(ask(f"SELECT * FROM {DATABASE}.{name} FINAL"), rows) == rows, (
            f"{name}: loaded twice is there once"
        )


def test_h6_clickhouse_shows_each_columns_doc(ask: Ask) -> None:
    for statement in statements(ddl()):
        if not statement.startswith("INSERT"):
            ask(statement)
    found = ask(
        f"SELECT table, name, comment FROM system.columns WHERE database = '{DATABASE}' ORDER BY table, position"
    )
    for table in TABLES.values():
        assert [(row["name"], row["comment"]) for row in found if row["table"] == table.name] == [
            (one.name, one.doc) for one in columns(table)
        ]


# --- the page's questions ---


def on_the_page() -> dict[str, str]:
    """SQL of docs/history.md by its first line, a comment that says what it asks."""
    blocks = re.findall(
        r"^```sql\n-- ([^\n]*)\n(.*?)^```", (ROOT / "docs/history.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return dict(blocks)


@pytest.fixture
def chains(ask: Ask, tmp_path: Path) -> questions.History:
    """Options of two coins at 07:29 to 07:31, some rows twice, one of a later epoch, one that expires at 08:00."""
    place, reads, offset = tmp_path / "history" / "live", [], 0
    for at_s, epoch, sigma in ((-60.0, 1, 0.50), (0.0, 2, 0.61), (0.0, 2, 0.61), (0.0, 1, 0.60), (60.0, 2, 0.70)):
        for name in (CALL, PUT, ETH, SOON):
            row = greeks(name, START_NS + round(at_s * NS), offset=offset, sigma=sigma, status=RowStatus.OK)
            reads.append(Read(0, offset, epoch, row))
            offset += 1
    written(place, TABLES["greeks"], reads)
    for statement in statements(ddl()):
        if not statement.startswith("INSERT") or "/greeks/" in statement:
            ask(statement)
    return questions.History(place)


@pytest.mark.parametrize("at", ["2026-01-09T07:29:30Z", "2026-01-09T07:30:00Z", "2026-01-09T08:00:00Z"])
def test_m2_the_pages_chain_of_a_moment_is_the_commands(ask: Ask, chains: questions.History, at: str) -> None:
    sql = on_the_page()["the chain as it was known at a moment"]
    assert "'2026-01-09T07:45:00Z'" in sql
    moment_ns = parse(at).time_ns
    assert moment_ns is not None
    commands = questions.chain(chains, moment_ns, currency="BTC").to_pylist()
    found = ask(sql.replace("2026-01-09T07:45:00Z", at))
    wanted = sorted(commands, key=lambda row: str(row["instrument_name"]))
    assert like(found, wanted) == wanted
    assert len(found) == (0 if at.endswith("08:00:00Z") else 3)


def test_h7_the_pages_record_of_both_models_is_the_commands(ask: Ask, tmp_path: Path) -> None:
    place, reads = tmp_path / "history" / "live", []
    for offset, (at_s, epoch, is_final, ngi) in enumerate(
        [
            (0, 1, True, 1.0),
            (0, 2, True, 2.0),
            (1, 2, True, 3.0),
            (2, 2, False, 4.0),
            (59, 2, True, 5.0),
            (60, 2, True, None),
        ]
    ):
        models = (GreeksSource.SETTLEMENT_AVERAGE, GreeksSource.EUROPEAN)
        exposures = tuple(
            FlowExposure(
                **(
                    blank(FlowExposure)
                    | {"greeks_source": str(source), "numeraire": numeraire, "is_trade_signed": is_signed}
                    | {"ngi_usd": None if ngi is None else ngi * factor}
                )
            )
            for source, of_source in zip(models, (1.0, -1.0), strict=True)
            for numeraire, of_numeraire in (("usd", 1.0), ("coin", 7.0))
            for is_signed, of_sign in ((True, 1.0), (False, 11.0))
            for factor in [of_source * of_numeraire * of_sign]
        )
        fields = {"greeks_source": str(models[0]), "twin_source": str(models[1]), "is_final": is_final}
        reads.append(Read(0, offset, epoch, flow(START_NS + at_s * NS, exposures=exposures, **fields)))
    written(place, TABLES["flow"], reads)
    for statement in statements(ddl()):
        if not statement.startswith("INSERT") or "/flow/" in statement:
            ask(statement)
    names = ("ngi_usd_settlement_average", "ngi_usd_european")
    commands = list(questions.ab_rows(questions.History(place), "BTC", START_NS, START_NS + DAY_NS))
    assert [row["ngi_usd_european"] for row in commands] == [-2.0, -3.0, -5.0, None]
    found = ask(on_the_page()["the A/B record of a day, by minute"])
    assert [row["minute"] for row in found] == ["2026-01-09 07:30:00", "2026-01-09 07:31:00"]
    assert [[row[name] for name in names] for row in found] == [[commands[i][name] for name in names] for i in (0, 3)]
