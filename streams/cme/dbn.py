"""Databento's files: definitions, open interest and settlements, best bid and offer.

    for row in dbn_rows(file, "glbx-20260612.definition.dbn.zst"):
        ...

One thing for every record: ``Definition``, ``Statistic``, ``TopOfBook``, ``Refused`` or ``Ignored``.  Prices in the file are integers
of 1e-9; their greatest value means none.  All versions (1 to 3) come as the newest one.

References
----------
Databento, "Standards and conventions" and "Statistics": stat_type 3 is the settlement price, 9 the open interest; ``ts_ref`` is the
trade date that the figure is for.  Bits of ``stat_flags`` are those of CME's SettlPriceType (tag 731): 1 final, 2 actual, 4 rounded,
8 intraday; 255 is null, which has every bit set and means none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from databento_dbn import UNDEF_PRICE, UNDEF_STAT_QUANTITY, UNDEF_TIMESTAMP, DBNDecoder

from streams.cme.bounded import Source, Unreadable
from streams.cme.dbn_frames import (
    BBO_1M,
    BBO_1S,
    DEFINITION,
    NAMES,
    STATISTICS,
    Frame,
    Opened,
    frames,
    guarded,
    open_dbn,
)
from streams.cme.refused import LIMITS, Ignored, Limits, Refused, shortened

PRICE_SCALE = 1e9
NS_MAX = 2**63 - 1
SETTLEMENT_PRICE, OPEN_INTEREST = 3, 9
FINAL, ACTUAL, INTRADAY, NO_FLAGS = 1, 2, 8, 255
DELETED = 2
"""update_action of a statistic that is withdrawn."""
SPREADS = {"M": "mixed spread", "S": "future spread", "T": "option spread"}
OTHERS = {"B": "bond", "I": "index", "K": "stock", "X": "fx spot", "Y": "commodity spot"}


class Definition(NamedTuple):
    """What an option or future is, as the exchange has listed it."""

    instrument_id: int
    raw_symbol: str
    asset: str
    """Root of the product: BTC, P1E, MBT; of futures and options alike."""
    option_sign: int
    """+1 call, -1 put, 0 future."""
    strike: float | None
    """USD per coin; None for futures."""
    expiration_ns: int
    unit_of_measure_qty: float | None
    """The multiplier: coin per contract.  (``contract_multiplier`` is undefined in real records.)"""
    underlying_id: int | None
    """instrument_id of the future that the option is on; None where the record has 0."""
    underlying: str
    cfi: str
    """ISO 10962: third letter E European, A American."""
    currency: str
    is_deleted: bool
    ts_recv_ns: int


class Statistic(NamedTuple):
    """A settlement price or an open interest of a trade date."""

    instrument_id: int
    stat_type: int
    """SETTLEMENT_PRICE or OPEN_INTEREST."""
    trade_date_ns: int
    """ts_ref: the trade date's midnight UTC."""
    value: float | None
    """USD per coin, or contracts; None where the record withdraws it."""
    is_final: bool
    is_actual: bool
    ts_event_ns: int
    sequence: int


class TopOfBook(NamedTuple):
    """Best bid and offer at the end of an interval; None: that side is empty."""

    instrument_id: int
    bid: float | None
    ask: float | None
    bid_size: int
    ask_size: int
    ts_ns: int
    """End of the interval, ns UTC."""


Row = Definition | Statistic | TopOfBook | Refused | Ignored


class DbnRead(NamedTuple):
    """All of a file, sorted by kind; ``n_records`` is the sum of what is in it."""

    definitions: tuple[Definition, ...]
    statistics: tuple[Statistic, ...]
    tops: tuple[TopOfBook, ...]
    refused: tuple[Refused, ...]
    ignored: tuple[Ignored, ...]

    @property
    def n_records(self) -> int:
        return sum(len(part) for part in self)


def read_dbn(source: bytes | BinaryIO, name: str, limits: Limits = LIMITS) -> DbnRead:
    """``dbn_rows``, collected: for files that fit in memory."""
    rows = list(dbn_rows(source, name, limits))
    return DbnRead(
        tuple(row for row in rows if isinstance(row, Definition)),
        tuple(row for row in rows if isinstance(row, Statistic)),
        tuple(row for row in rows if isinstance(row, TopOfBook)),
        tuple(row for row in rows if isinstance(row, Refused)),
        tuple(row for row in rows if isinstance(row, Ignored)),
    )


def dbn_rows(source: bytes | BinaryIO, name: str, limits: Limits = LIMITS) -> Iterator[Row]:
    """Every record of a DBN stream, plain or zstd, in its order; bytes never raise.

    Parameters
    ----------
    source : bytes, or a binary file open for reading (an OSError of its ``read`` is the caller's).
    name : what ``Refused`` calls it.
    """
    position = 0
    try:
        stream = Source(source, limits)
        opened = open_dbn(stream, limits)
        decode = _decoder(opened)
        for frame in frames(stream, opened):
            position += 1
            if position > limits.max_rows:
                raise Unreadable("too-large", f"more than {limits.max_rows} records")
            yield _row(frame, decode, name, position)
    except Unreadable as error:
        # What was read before stays; position 0 is the source itself.
        yield Refused(name, position + 1 if position else 0, error.reason, error.detail)


def _decoder(opened: Opened) -> Callable[[bytes], list[Any]]:
    return DBNDecoder(has_metadata=False, ts_out=opened.has_ts_out, input_version=opened.version).write_and_decode


def _row(frame: Frame, decode: Callable[[bytes], list[Any]], name: str, position: int) -> Row:
    parse = _PARSERS.get(frame.kind)
    if parse is None:
        return Ignored(NAMES.get(frame.kind, f"record kind {frame.kind}"))
    try:
        if not frame.is_sound:
            raise Unreadable("length", f"{len(frame.data)} bytes of kind {frame.kind}")
        found = guarded(lambda: decode(frame.data), "record")
        if len(found) != 1:
            raise Unreadable("record", f"{len(found)} records of one")
        return guarded_fields(lambda: parse(found[0]))
    except Unreadable as error:
        return Refused(name, position, error.reason, error.detail)


def guarded_fields(parse: Callable[[], Row]) -> Row:
    """A record's fields; what the parser itself refuses keeps its reason, what the library cannot turn into text is "text"."""
    try:
        return parse()
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("text", f"{error}"[:120]) from error


def _definition(record: Any) -> Row:
    kind = str(record.instrument_class)
    if kind in SPREADS or kind in OTHERS:
        return Ignored(f"definition of a {SPREADS.get(kind) or OTHERS[kind]}")
    if kind not in ("C", "P", "F"):
        raise Unreadable("type", f"instrument class {shortened(kind)}")
    symbol = str(record.raw_symbol)
    if not symbol:
        raise Unreadable("symbol", f"instrument {record.instrument_id} has no raw_symbol")
    strike = _price(record.strike_price)
    if kind == "F":
        strike = None
    elif strike is None or strike <= 0.0:
        raise Unreadable("strike", f"{symbol}: strike {record.strike_price}")
    quantity = _price(record.unit_of_measure_qty)
    return Definition(
        instrument_id=record.instrument_id,
        raw_symbol=symbol,
        asset=str(record.asset),
        option_sign={"C": 1, "P": -1, "F": 0}[kind],
        strike=strike,
        expiration_ns=_time(record.expiration, "expiry", symbol),
        unit_of_measure_qty=quantity if quantity is not None and quantity > 0.0 else None,
        underlying_id=record.underlying_id or None,
        underlying=str(record.underlying),
        cfi=str(record.cfi),
        currency=str(record.currency),
        is_deleted=str(record.security_update_action) == "D",
        ts_recv_ns=_time(record.ts_recv, "time", symbol),
    )


def _statistic(record: Any) -> Row:
    kind = int(record.stat_type)
    if kind not in (SETTLEMENT_PRICE, OPEN_INTEREST):
        return Ignored(f"statistic {kind}")
    flags = 0 if record.stat_flags == NO_FLAGS else record.stat_flags
    who = f"instrument {record.instrument_id}"
    is_deleted = int(record.update_action) == DELETED
    value: float | None = None
    if kind == SETTLEMENT_PRICE:
        if flags & INTRADAY:
            return Ignored("intraday settlement")
        value = _price(record.price)
        if not is_deleted and (value is None or value < 0.0):
            raise Unreadable("price", f"{who}: settlement {record.price}")
    else:
        value = None if record.quantity == UNDEF_STAT_QUANTITY else float(record.quantity)
        if not is_deleted and (value is None or value < 0.0):
            raise Unreadable("quantity", f"{who}: open interest {record.quantity}")
    return Statistic(
        instrument_id=record.instrument_id,
        stat_type=kind,
        trade_date_ns=_time(record.ts_ref, "trade-date", who),
        value=None if is_deleted else value,
        is_final=bool(flags & FINAL),
        is_actual=bool(flags & ACTUAL),
        ts_event_ns=_time(record.ts_event, "time", who),
        sequence=record.sequence,
    )


def _top(record: Any) -> Row:
    level = record.levels[0]
    bid, ask = _price(level.bid_px), _price(level.ask_px)
    who = f"instrument {record.instrument_id}"
    if min(bid or 0.0, ask or 0.0) < 0.0:
        raise Unreadable("price", f"{who}: bid {bid}, ask {ask}")
    return TopOfBook(record.instrument_id, bid, ask, level.bid_sz, level.ask_sz, _time(record.ts_recv, "time", who))


_PARSERS: dict[int, Callable[[Any], Row]] = {
    DEFINITION: _definition,
    STATISTICS: _statistic,
    BBO_1S: _top,
    BBO_1M: _top,
}


def _price(raw: int) -> float | None:
    return None if raw == UNDEF_PRICE else raw / PRICE_SCALE


def _time(raw: int, reason: str, who: str) -> int:
    """A time stamp that a signed 64-bit number holds, as every record of ours does."""
    if raw == UNDEF_TIMESTAMP or not 0 < raw <= NS_MAX:
        raise Unreadable(reason, f"{who}: {raw}")
    return raw
