"""End-of-day settlement files (``cme.settle``): futures and options on futures, 29 columns.

    "2019-12-20","GE","ED","92.5","OOF","202001","2020-01-10","1","CME","","2020-01-10","","","5.735",...

PutCall 1 is a call, 0 a put; SettlePrice 9999999 says that there is none; PrevDayOI is the open interest at the end of the business
day before BizDt.  Each line is read by itself, so that one broken quotation mark costs one row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO, NamedTuple

from streams.cme.bounded import Source, Unreadable, rows
from streams.cme.refused import LIMITS, Ignored, Limits, Refused, shortened

COLUMNS = (
    "BizDt", "Sym", "ID", "StrkPx", "SecTyp", "MMY", "MatDt", "PutCall", "Exch", "Desc", "LastTrdDt", "BidPrice", "OpeningPrice",
    "SettlePrice", "SettleDelta", "HighLimit", "LowLimit", "DHighPrice", "DLowPrice", "HighBid", "LowBid", "PrevDayVol", "PrevDayOI",
    "FixingPrice", "UndlyExch", "UndlyID", "UndlySecTyp", "UndlyMMY", "BankBusDay",
)  # fmt: skip
NO_SETTLEMENT = 9_999_999.0
FUTURE, OPTION = "FUT", "OOF"
YEARS = range(1970, 2262)
"""Nanoseconds since the epoch fit 64 bits in these."""

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,12})?")
_WHOLE = re.compile(r"\d{1,15}(\.0{1,12})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MATURITY = re.compile(r"\d{6}(\d{2}|[wW][1-5])?")


class SettlementRow(NamedTuple):
    """One future or option at the end of a business day."""

    business_day: date
    symbol: str
    """Name of the product on Globex: BTC, P1E."""
    product_id: str
    """Its clearing code; futures and options of one product are matched by it."""
    option_sign: int
    """+1 call, -1 put, 0 future."""
    strike: float | None
    """USD per coin; None for futures."""
    maturity: str
    """MMY: YYYYMM, YYYYMMDD or YYYYMMwN."""
    maturity_day: date | None
    last_trade_day: date | None
    settlement: float | None
    """USD per coin; None: there is none that day."""
    settlement_delta: float | None
    """The clearing house's own delta, coin per coin."""
    previous_open_interest: float | None
    """Contracts, at the end of the business day before ``business_day``."""
    underlying_id: str
    """``product_id`` of the future that the option is on."""
    underlying_maturity: str
    """Its MMY."""

    @property
    def name(self) -> str:
        """What identifies it in its file."""
        if self.option_sign == 0:
            return f"{self.product_id} {self.maturity}"
        return f"{self.symbol} {self.maturity} {'C' if self.option_sign > 0 else 'P'}{self.strike:.12g}"


Row = SettlementRow | Refused | Ignored


def settlement_rows(source: bytes | BinaryIO, name: str, limits: Limits = LIMITS) -> Iterator[Row]:
    """One thing for every line after the header; bytes never raise.

    Parameters
    ----------
    source : bytes, or a binary file open for reading; zstd is recognised.
    name : what ``Refused`` calls it.
    """
    return rows(source, name, limits, _check_header, _row)


def _check_header(stream: Source) -> None:
    found = stream.line()
    if found is None:
        raise Unreadable("header", "nothing in it")
    line = found[0].removeprefix(b"\xef\xbb\xbf")
    try:
        columns = _cells(line)
    except Unreadable as error:
        raise Unreadable("header", error.detail) from error
    if tuple(columns) != COLUMNS:
        raise Unreadable(
            "header", f"begins with {shortened(line)}; wants the {len(COLUMNS)} columns BizDt, Sym, ... BankBusDay"
        )


def _row(line: bytes, is_whole: bool, name: str, position: int) -> Row:
    try:
        if not is_whole:
            raise Unreadable("line", f"begins with {shortened(line[:60])}")
        cells = _cells(line)
        if len(cells) != len(COLUMNS):
            raise Unreadable("columns", f"{len(cells)} of {len(COLUMNS)}: {shortened(line[:60])}")
        return _parsed(dict(zip(COLUMNS, cells, strict=True)))
    except Unreadable as error:
        return Refused(name, position, error.reason, error.detail)


def _cells(line: bytes) -> list[str]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("text", f"{error}"[:120]) from error
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise Unreadable("quotes", f"{error}: {shortened(text[:60])}"[:120]) from error
    return [cell.strip() for cell in rows[0]] if rows else []


def _parsed(cells: dict[str, str]) -> Row:
    kind = cells["SecTyp"]
    if kind not in (FUTURE, OPTION):
        if not kind:
            raise Unreadable("type", "SecTyp is empty")
        return Ignored(f"SecTyp {kind[:12]}")
    symbol, product_id = cells["Sym"], cells["ID"]
    if not symbol or not product_id:
        raise Unreadable("symbol", f"Sym {shortened(symbol)}, ID {shortened(product_id)}")
    sign, strike = (0, None) if kind == FUTURE else _option(cells)
    settlement = _number(cells, "SettlePrice")
    if settlement is not None and settlement < 0.0:
        raise Unreadable("price", f"SettlePrice {settlement}")
    return SettlementRow(
        business_day=_required_date(cells, "BizDt"),
        symbol=symbol,
        product_id=product_id,
        option_sign=sign,
        strike=strike,
        maturity=_maturity(cells, "MMY", is_required=True),
        maturity_day=_date(cells, "MatDt"),
        last_trade_day=_date(cells, "LastTrdDt"),
        settlement=None if settlement == NO_SETTLEMENT else settlement,
        settlement_delta=_number(cells, "SettleDelta"),
        previous_open_interest=_number(cells, "PrevDayOI", _WHOLE),
        underlying_id=cells["UndlyID"],
        underlying_maturity=_maturity(cells, "UndlyMMY", is_required=False),
    )


def _option(cells: dict[str, str]) -> tuple[int, float]:
    sign = {"1": 1, "0": -1}.get(cells["PutCall"])
    if sign is None:
        raise Unreadable("put-call", f"PutCall is {shortened(cells['PutCall'])}; 1 is a call, 0 a put")
    strike = _number(cells, "StrkPx")
    if strike is None or strike <= 0.0:
        raise Unreadable("strike", f"StrkPx is {shortened(cells['StrkPx'])}")
    return sign, strike


def _number(cells: dict[str, str], column: str, pattern: re.Pattern[str] = _NUMBER) -> float | None:
    text = cells[column]
    if not text:
        return None
    if not pattern.fullmatch(text):
        raise Unreadable("number", f"{column} is {shortened(text)}")
    return float(text)


def _date(cells: dict[str, str], column: str) -> date | None:
    text = cells[column]
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise Unreadable("date", f"{column} is {shortened(text)}")
    return found


def _required_date(cells: dict[str, str], column: str) -> date:
    found = _date(cells, column)
    if found is None:
        raise Unreadable("date", f"{column} is empty")
    return found


def _maturity(cells: dict[str, str], column: str, *, is_required: bool) -> str:
    text = cells[column]
    if (text or is_required) and not _MATURITY.fullmatch(text):
        raise Unreadable("date", f"{column} is {shortened(text)}")
    return text
