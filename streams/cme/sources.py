"""Rows of a file of either kind, which its first bytes tell; and when each row became known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from streams.cme.book import Row, settlement_ns
from streams.cme.bounded import Source, Unreadable
from streams.cme.contracts import trade_date_ns
from streams.cme.dbn import Definition, Statistic, TopOfBook, dbn_rows
from streams.cme.refused import LIMITS, Limits
from streams.cme.settlement_csv import SettlementRow, settlement_rows

DBN, CSV = "dbn", "settlement_csv"
DBN_MARK = b"DBN"


def kind_of(file: BinaryIO, limits: Limits = LIMITS) -> str:
    """``DBN`` by its mark, plain or zstd; all else is read as ``CSV``, whose reader refuses what has not its header.

    The file is left at its beginning.
    """
    try:
        found = DBN if Source(file, limits).take(len(DBN_MARK)) == DBN_MARK else CSV
    except Unreadable:
        found = CSV
    file.seek(0)
    return found


def rows_of(file: BinaryIO, name: str, kind: str, limits: Limits = LIMITS) -> Iterator[Row]:
    """One thing for every record or line; bytes never raise (an OSError of the file's ``read`` is the caller's)."""
    return dbn_rows(file, name, limits) if kind == DBN else settlement_rows(file, name, limits)


def known_ns(row: Row) -> int | None:
    """When a row became known, ns UTC; None: it is no row (refused, ignored).  A settlement file's: when it was settled."""
    match row:
        case Definition():
            return row.ts_recv_ns
        case Statistic():
            return row.ts_event_ns
        case TopOfBook():
            return row.ts_ns
        case SettlementRow():
            return settlement_ns(trade_date_ns(row.business_day))
        case _:
            return None
