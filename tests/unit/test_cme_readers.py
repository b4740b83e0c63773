"""B21: Databento's files and settlement CSV: every record is a row, a refusal with its reason, or ignored by name."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date
from pathlib import Path

import databento_dbn as dbn
import pytest
import zstandard

from streams.cme.dbn import Definition, TopOfBook, dbn_rows, read_dbn
from streams.cme.dbn_frames import DEFINITION, SIZES, STATISTICS
from streams.cme.refused import LIMITS, REASONS, Ignored, Refused, count
from streams.cme.settlement_csv import COLUMNS, SettlementRow, settlement_rows
from tests.cme_files import (
    at_ns,
    csv_file,
    csv_row,
    dbn_file,
    definition,
    open_interest,
    settlement,
    statistic,
    top,
)

EXPIRY = at_ns(2026, 6, 26, 15)
JUNE_12 = at_ns(2026, 6, 12)
CALL = definition(
    7, "BTCM6 C100000", "BTC", "C", EXPIRY, multiplier=5.0, strike=100_000.0, underlying_id=3, underlying="BTCM6"
)
FUTURE = definition(3, "BTCM6", "BTC", "F", EXPIRY, multiplier=5.0)


def reasons(rows: object) -> list[str]:
    return [row.reason for row in rows if isinstance(row, Refused)]  # type: ignore[attr-defined]


# --- DBN ---


def test_a_definition_comes_out_in_our_units() -> None:
    found = read_dbn(dbn_file([CALL, FUTURE]), "x")
    option, future = found.definitions
    assert option == Definition(
        7, "BTCM6 C100000", "BTC", 1, 100_000.0, EXPIRY, 5.0, 3, "BTCM6", "OCEFPS", "USD", False, 10**18
    )
    assert (future.option_sign, future.strike, future.underlying_id, future.unit_of_measure_qty) == (0, None, None, 5.0)
    assert found.n_records == 2


@pytest.mark.parametrize("is_compressed", [True, False])
def test_bytes_and_open_files_plain_and_compressed_read_alike(is_compressed: bool) -> None:
    data = dbn_file([CALL, FUTURE], is_compressed=is_compressed)
    assert list(dbn_rows(data, "x")) == list(dbn_rows(io.BytesIO(data), "x"))
    assert count(dbn_rows(data, "x")) == {"Definition": 2}


def test_statistics_are_told_apart_and_a_null_flag_is_not_a_final_one() -> None:
    data = dbn_file(
        [
            settlement(7, JUNE_12, 1234.5, flags=3),
            settlement(7, JUNE_12, 1234.0, flags=2),
            settlement(7, JUNE_12, 1233.0, flags=255),
            settlement(7, JUNE_12, 1232.0, flags=8),
            open_interest(7, JUNE_12, 42),
            statistic(7, 9, JUNE_12, is_deleted=True),
            statistic(7, 6, JUNE_12, quantity=9),
        ],
        "statistics",
    )
    found = read_dbn(data, "x")
    assert [(s.stat_type, s.value, s.is_final, s.is_actual) for s in found.statistics] == [
        (3, 1234.5, True, True),
        (3, 1234.0, False, True),
        (3, 1233.0, False, False),
        (9, 42.0, False, False),
        (9, None, False, False),
    ]
    assert {s.trade_date_ns for s in found.statistics} == {JUNE_12}
    assert found.ignored == (Ignored("intraday settlement"), Ignored("statistic 6"))


def test_an_empty_side_of_the_book_is_none_and_not_a_number() -> None:
    found = read_dbn(dbn_file([top(7, JUNE_12, 10.0, None), top(7, JUNE_12, -1.0, 2.0)], "bbo-1m"), "x")
    assert found.tops == (TopOfBook(7, 10.0, None, 1, 1, JUNE_12),)
    assert reasons(found.refused) == ["price"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (definition(1, "X C1", "BTC", "C", EXPIRY, multiplier=5.0), "strike"),
        (definition(1, "X C1", "BTC", "C", EXPIRY, multiplier=5.0, strike=-1.0), "strike"),
        (definition(1, "X", "BTC", "F", dbn.UNDEF_TIMESTAMP, multiplier=5.0), "expiry"),
        (definition(1, "X", "BTC", "F", 2**63, multiplier=5.0), "expiry"),
        (definition(1, "", "BTC", "F", EXPIRY, multiplier=5.0), "symbol"),
        (definition(1, "X", "BTC", "F", EXPIRY, multiplier=5.0, recv_ns=0), "time"),
        (statistic(1, 3, JUNE_12), "price"),
        (statistic(1, 3, JUNE_12, price=-1.0), "price"),
        (statistic(1, 9, JUNE_12), "quantity"),
        (statistic(1, 9, JUNE_12, quantity=-1), "quantity"),
        (statistic(1, 9, dbn.UNDEF_TIMESTAMP, quantity=1, event_ns=5), "trade-date"),
    ],
)
def test_what_a_record_lacks_is_its_reason_and_the_next_record_is_read(record: object, reason: str) -> None:
    rows = list(dbn_rows(dbn_file([record, FUTURE]), "source name"))
    assert [type(row) for row in rows] == [Refused, Definition]
    refused = rows[0]
    assert isinstance(refused, Refused)
    assert refused[:3] == ("source name", 1, reason)
    assert refused.detail


def test_an_undefined_multiplier_is_none_not_a_refusal_and_spreads_are_ignored_by_name() -> None:
    data = dbn_file(
        [
            definition(1, "BTCM6", "BTC", "F", EXPIRY, multiplier=None),
            definition(2, "BTCM6-BTCN6", "BTC", "S", EXPIRY, multiplier=None),
            definition(3, "UD:1", "BTC", "T", EXPIRY, multiplier=None),
        ]
    )
    found = read_dbn(data, "x")
    assert found.definitions[0].unit_of_measure_qty is None
    assert found.ignored == (Ignored("definition of a future spread"), Ignored("definition of a option spread"))


def test_lengths_are_checked_before_the_library_sees_them() -> None:
    plain = dbn_file([CALL, FUTURE], is_compressed=False)
    start = len(plain) - 2 * len(bytes(CALL))
    short = bytearray(plain)
    short[start] = 100 // 4  # the record ends early, so that its tail is taken for records
    assert reasons(dbn_rows(bytes(short), "x"))[0] == "length"
    none = bytearray(plain)
    none[start] = 3  # 12 bytes: less than a header
    assert reasons(dbn_rows(bytes(none), "x")) == ["framing"]
    assert reasons(dbn_rows(plain[:-1], "x")) == ["truncated"]
    assert count(dbn_rows(plain[:-1], "x")) == {"Definition": 1, "refused truncated": 1}
    claimed = bytearray(plain)
    claimed[4:8] = (2**32 - 1).to_bytes(4, "little")
    assert reasons(dbn_rows(bytes(claimed), "x")) == ["too-large"]
    claimed[4:8] = (2**20).to_bytes(4, "little")
    assert reasons(dbn_rows(bytes(claimed), "x")) == ["truncated"]
    assert reasons(dbn_rows(b"DBN\x09" + plain[4:], "x")) == reasons(dbn_rows(b"", "x")) == ["header"]


def test_record_sizes_are_those_of_the_library() -> None:
    assert SIZES[DEFINITION] == {
        1: dbn.InstrumentDefMsgV1.size_hint,
        2: dbn.InstrumentDefMsgV2.size_hint,
        3: dbn.InstrumentDefMsg.size_hint,
    }
    assert SIZES[STATISTICS] == {1: dbn.StatMsgV1.size_hint, 2: dbn.StatMsgV1.size_hint, 3: dbn.StatMsg.size_hint}
    assert set(SIZES[195].values()) == set(SIZES[196].values()) == {dbn.BBOMsg.size_hint}


def test_text_that_is_no_text_is_refused() -> None:
    plain = bytearray(dbn_file([CALL, FUTURE], is_compressed=False))
    at = plain.index(b"BTCM6 C100000")
    plain[at] = 0xFF
    assert count(dbn_rows(bytes(plain), "x")) == {"refused text": 1, "Definition": 1}


def test_limits_stop_a_source_and_say_so() -> None:
    data = dbn_file([CALL] * 50)
    assert count(dbn_rows(data, "x", LIMITS._replace(max_rows=20))) == {"Definition": 20, "refused too-large": 1}
    assert reasons(dbn_rows(data, "x", LIMITS._replace(max_bytes=40))) == ["too-large"]
    few = count(dbn_rows(data, "x", LIMITS._replace(max_expanded_bytes=10_000)))
    assert few["refused too-large"] == 1
    assert few["Definition"] < 50


def test_a_compressed_bomb_ends_at_the_limit_and_a_cut_frame_is_told() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    assert len(bomb) < 10_000
    rows = list(dbn_rows(bomb, "x", LIMITS._replace(max_expanded_bytes=1 << 20)))
    assert reasons(rows) == ["too-large"]
    data = dbn_file([CALL] * 50)
    cut = count(dbn_rows(data[:-5], "x"))
    assert cut["refused compression"] == 1
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    assert set(reasons(dbn_rows(bytes(damaged), "x"))) <= set(REASONS)


def test_frames_of_zstd_follow_each_other() -> None:
    plain = dbn_file([CALL, FUTURE], is_compressed=False)
    packed = b"".join(zstandard.ZstdCompressor().compress(part) for part in (plain[:300], plain[300:700], plain[700:]))
    assert count(dbn_rows(packed, "x")) == {"Definition": 2}


# --- settlement CSV ---

DAY = date(2026, 6, 12)
ROW = csv_row(
    "BTC", "BTC", DAY, "202606", date(2026, 6, 26), strike="100000", put_call="1", settle="1234.5", open_interest="42",
    underlying_id="BTC", underlying_maturity="202606",
)  # fmt: skip


def test_a_settlement_row_comes_out_in_our_terms() -> None:
    (row,) = settlement_rows(csv_file([ROW]), "x")
    assert row == SettlementRow(
        DAY,
        "BTC",
        "BTC",
        1,
        100_000.0,
        "202606",
        date(2026, 6, 26),
        date(2026, 6, 26),
        1234.5,
        None,
        42.0,
        "BTC",
        "202606",
    )
    assert row.name == "BTC 202606 C100000"
    put, none = settlement_rows(csv_file([ROW | {"PutCall": "0"}, ROW | {"SettlePrice": "9999999"}]), "x")
    assert isinstance(put, SettlementRow)
    assert isinstance(none, SettlementRow)
    assert put.option_sign == -1
    assert none.settlement is None
    assert none.previous_open_interest == 42.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"PutCall": ""}, "put-call"),
        ({"PutCall": "2"}, "put-call"),
        ({"StrkPx": ""}, "strike"),
        ({"StrkPx": "0"}, "strike"),
        ({"StrkPx": "nan"}, "number"),
        ({"SettlePrice": "1e5"}, "number"),
        ({"SettlePrice": "-1"}, "price"),
        ({"PrevDayOI": "1.5"}, "number"),
        ({"PrevDayOI": "-3"}, "number"),
        ({"BizDt": ""}, "date"),
        ({"BizDt": "20260612"}, "date"),
        ({"BizDt": "2026-02-30"}, "date"),
        ({"LastTrdDt": "9999-12-31"}, "date"),
        ({"MMY": ""}, "date"),
        ({"UndlyMMY": "June"}, "date"),
        ({"SecTyp": ""}, "type"),
        ({"Sym": ""}, "symbol"),
    ],
)
def test_an_unreadable_cell_costs_its_row_and_no_other(change: dict[str, str], reason: str) -> None:
    rows = list(settlement_rows(csv_file([ROW | change, ROW]), "x"))
    assert [type(row) for row in rows] == [Refused, SettlementRow]
    refused = rows[0]
    assert isinstance(refused, Refused)
    assert refused[:3] == ("x", 1, reason)


def test_broken_lines_are_counted_one_by_one() -> None:
    head, good = csv_file([ROW]).decode().split("\n")
    lines = [
        head, good, good + ',"x"', good[:-1], '"' + good, "", "x" * 5000, good + "x" * 5000, good, good.replace("OOF", "FWD"),
    ]  # fmt: skip
    rows = list(settlement_rows("\n".join(lines).encode() + b"\n\xff\xfe\n", "x"))
    assert count(rows) == {
        "SettlementRow": 2, "refused columns": 2, "refused quotes": 2, "refused line": 2, "refused text": 1,
        "ignored SecTyp FWD": 1,
    }  # fmt: skip
    assert [row.position for row in rows if isinstance(row, Refused)] == [2, 3, 4, 5, 6, 7, 10]


@pytest.mark.parametrize(
    "data", [b"", b"BizDt,Sym\n", b"\xff\n", b'"BizDt\n', csv_file([ROW]).replace(b"MMY", b"MMX", 1)]
)
def test_another_header_is_another_file(data: bytes) -> None:
    assert [row[:3] for row in settlement_rows(data, "x")] == [("x", 0, "header")]


def test_line_ends_of_every_kind_and_a_byte_order_mark_are_read() -> None:
    data = csv_file([ROW, ROW])
    for variant in (data, data + b"\n", data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + data, zstandard.compress(data)):
        assert count(settlement_rows(variant, "x")) == {"SettlementRow": 2}
        assert count(settlement_rows(io.BytesIO(variant), "x")) == {"SettlementRow": 2}


# --- the real files, read in place ---


def test_the_real_es_files_load_with_exact_counts_and_multipliers(shared: Path) -> None:
    folder = shared / "data" / "cme" / "dbn-es-options"
    expected = {
        "definition-glbx-es-fut": ("Definition", 2),
        "definition-glbx-es-opt": ("Definition", 2),
        "futures_settlement__futures_settlement_bbo-1m_2025-12-19T14-25-00_2025-12-19T14-35-00": ("TopOfBook", 20),
        "futures_settlement__futures_settlement_definition": ("Definition", 2),
        "options_catalog__futures_bbo-1m_2024-05-09T09-55_2024-05-09T10-05": ("TopOfBook", 20),
        "options_catalog__futures_definition": ("Definition", 2),
        "options_catalog__futures_ohlcv-1m_2024-05-09T09-55_2024-05-09T10-05": ("ignored ohlcv-1m", 20),
        "options_catalog__options_bbo-1m_2024-05-09T09-55_2024-05-09T10-05": ("TopOfBook", 20),
        "options_catalog__options_definition": ("Definition", 2),
        "options_exercise__futures_definition": ("Definition", 1),
        "options_exercise__futures_ohlcv-1m_2026-01-09T20-55_2026-01-09T21-05": ("ignored ohlcv-1m", 10),
        "options_exercise__options_bbo-1m_2026-01-09T20-55_2026-01-09T21-05": ("TopOfBook", 8),
        "options_exercise__options_definition": ("Definition", 1),
        "test_data.definition.option": ("Definition", 2),
    }
    definitions: list[Definition] = []
    for name, (kind, n) in expected.items():
        with (folder / f"{name}.dbn.zst").open("rb") as file:
            rows = list(dbn_rows(file, name))
        assert count(rows) == {kind: n}, name
        definitions += [row for row in rows if isinstance(row, Definition)]
    with (folder / "test_data.statistics.dbn.zst").open("rb") as file:
        assert count(dbn_rows(file, "x")) == {"ignored statistic 5": 1, "ignored statistic 7": 1}
    # E-mini S&P 500 is 50 index points a contract, the one NQ future 20; the field contract_multiplier is undefined in all.
    assert Counter((d.asset, d.unit_of_measure_qty) for d in definitions) == {
        ("ES", 50.0): 12, ("EW2", 50.0): 1, ("NQ", 20.0): 1,
    }  # fmt: skip
    weekly = next(d for d in definitions if d.asset == "EW2")
    assert (weekly.raw_symbol, weekly.strike, weekly.cfi) == ("EW2F6 C7000", 7000.0, "OCEFPS")
    assert (weekly.underlying_id, weekly.expiration_ns) == (42140878, at_ns(2026, 1, 9, 21))
    assert {d.cfi for d in definitions if d.asset == "ES" and d.option_sign} == {"OCAFPS", "OPAFPS"}


def test_the_real_samples_of_every_schema_are_read_or_ignored_and_none_is_refused(shared: Path) -> None:
    found: Counter[str] = Counter()
    for path in sorted((shared / "data" / "cme" / "dbn-glbx").glob("*.zst")):
        with path.open("rb") as file:
            found += count(dbn_rows(file, path.name))
    assert found == {
        "Definition": 1, "TopOfBook": 8, "ignored statistic 5": 1, "ignored statistic 8": 3, "ignored mbo": 4,
        "ignored mbp-1": 8, "ignored mbp-10": 4, "ignored ohlcv-1d": 1, "ignored ohlcv-1h": 4, "ignored ohlcv-1m": 4,
        "ignored ohlcv-1s": 4, "ignored status": 4, "ignored trades": 4,
    }  # fmt: skip


def test_the_real_settlement_files_are_read_whole(shared: Path) -> None:
    """Against the standard library's own reader: rows, settlements that are none, open interest."""
    for name, n, n_none in (("cme.settle.s_test.csv", 2804, 798), ("cbt.settle.s_test.csv", 1470, 612)):
        data = (shared / "data" / "cme" / "settlement-csv" / name).read_bytes()
        plain = list(csv.DictReader(io.StringIO(data.decode())))
        rows = [row for row in settlement_rows(data, name) if isinstance(row, SettlementRow)]
        assert count(settlement_rows(data, name)) == {"SettlementRow": n}
        assert n == len(plain)
        assert (
            sum(row.settlement is None for row in rows)
            == n_none
            == sum(float(p["SettlePrice"]) == 9999999 for p in plain)
        )
        assert sum(row.previous_open_interest or 0.0 for row in rows) == sum(float(p["PrevDayOI"]) for p in plain)
        assert [row.option_sign for row in rows] == [{"1": 1, "0": -1, "": 0}[p["PutCall"]] for p in plain]
        spoilt = data.replace(b'"OOF"', b'"OOF', 3)
        assert count(settlement_rows(spoilt, name)) == {"SettlementRow": n - 3, "refused quotes": 3}


def test_every_reason_that_a_reader_gives_is_in_the_table_and_columns_are_29() -> None:
    assert len(COLUMNS) == 29
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "streams" / "cme").glob("*.py")]
    for reason in REASONS:
        assert any(f'"{reason}"' in text for text in sources if "REASONS = {" not in text), (
            f"{reason} is given by nobody"
        )
