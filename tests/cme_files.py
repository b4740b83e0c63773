"""CME files for tests, written in the real layouts: DBN with databento's own library, settlement CSV with the standard one.

No public CME option chain of bitcoin or ether exists: what stands here is synthetic.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import databento_dbn as dbn
import zstandard

from streams.cme.settlement_csv import COLUMNS

PUBLISHER = 1  # GLBX.MDP3
DAY_NS = 86_400 * 10**9


def at_ns(*when: int) -> int:
    """A moment of UTC, ns."""
    return round(datetime(*when, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc, arg-type]


def scaled(value: float | None) -> int:
    """A price as the format writes it."""
    return dbn.UNDEF_PRICE if value is None else round(value * 1e9)


def definition(
    instrument_id: int, symbol: str, asset: str, kind: str, expiration_ns: int, *, multiplier: float | None,
    strike: float | None = None, underlying_id: int = 0, underlying: str = "", style: str = "E", recv_ns: int = 10**18,
    action: str = "A",
) -> dbn.InstrumentDefMsg:  # fmt: skip
    cfi = {"C": f"OC{style}FPS", "P": f"OP{style}FPS", "F": "FFIXSX"}.get(kind, "")
    return dbn.InstrumentDefMsg(
        PUBLISHER, instrument_id, recv_ns, recv_ns, scaled(None), scaled(1.0), symbol, asset,
        "FUT" if kind == "F" else "OOF", dbn.InstrumentClass.from_str(kind), dbn.SecurityUpdateAction.from_str(action),
        expiration=expiration_ns, unit_of_measure_qty=scaled(multiplier), strike_price=scaled(strike),
        underlying_id=underlying_id, underlying=underlying, cfi=cfi, currency="USD", exchange="XCME", unit_of_measure="IPNT",
    )  # fmt: skip


def statistic(
    instrument_id: int, stat_type: int, day_ns: int, *, price: float | None = None, quantity: int | None = None, flags: int = 0,
    event_ns: int | None = None, sequence: int = 0, is_deleted: bool = False,
) -> dbn.StatMsg:  # fmt: skip
    event = day_ns + DAY_NS if event_ns is None else event_ns
    action = dbn.StatUpdateAction.DELETE if is_deleted else dbn.StatUpdateAction.NEW
    return dbn.StatMsg(
        PUBLISHER, instrument_id, event, event, day_ns, scaled(price),
        dbn.UNDEF_STAT_QUANTITY if quantity is None else quantity, dbn.StatType.from_int(stat_type),
        sequence=sequence, update_action=action, stat_flags=flags,
    )  # fmt: skip


def settlement(instrument_id: int, day_ns: int, price: float, **more: Any) -> dbn.StatMsg:
    return statistic(instrument_id, 3, day_ns, price=price, **{"flags": 3, **more})


def open_interest(instrument_id: int, day_ns: int, quantity: int, **more: Any) -> dbn.StatMsg:
    return statistic(instrument_id, 9, day_ns, quantity=quantity, **more)


def top(instrument_id: int, ts_ns: int, bid: float | None, ask: float | None) -> dbn.BBOMsg:
    level = dbn.BidAskPair(scaled(bid), scaled(ask), 1, 1, 1, 1)
    # The library wants the one level itself, though its stub says a list.
    kind, no_trade = 196, (dbn.UNDEF_PRICE, 0, dbn.Side.NONE)
    return dbn.BBOMsg(kind, PUBLISHER, instrument_id, ts_ns, *no_trade, ts_ns, levels=level)  # type: ignore[arg-type]


def dbn_file(records: Iterable[Any], schema: str = "definition", *, is_compressed: bool = True) -> bytes:
    head = dbn.Metadata(
        dataset="GLBX.MDP3", start=0, stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.from_str(schema), symbols=["BTC.OPT"], version=3,
    )  # fmt: skip
    plain = bytes(head) + b"".join(bytes(record) for record in records)
    return zstandard.ZstdCompressor().compress(plain) if is_compressed else plain


def csv_row(
    symbol: str, product_id: str, day: date, maturity: str, last_trade_day: date, *, kind: str = "OOF", strike: str = "",
    put_call: str = "", settle: str = "9999999", open_interest: str = "0", underlying_id: str = "",
    underlying_maturity: str = "",
) -> dict[str, str]:  # fmt: skip
    return {
        "BizDt": day.isoformat(), "Sym": symbol, "ID": product_id, "StrkPx": strike, "SecTyp": kind, "MMY": maturity,
        "MatDt": last_trade_day.isoformat(), "PutCall": put_call, "Exch": "CME", "LastTrdDt": last_trade_day.isoformat(),
        "SettlePrice": settle, "PrevDayVol": "0", "PrevDayOI": open_interest,
        "UndlyExch": "CME" if underlying_id else "", "UndlyID": underlying_id, "UndlySecTyp": "FUT" if underlying_id else "",
        "UndlyMMY": underlying_maturity,
    }  # fmt: skip


def csv_file(rows: Sequence[dict[str, str]]) -> bytes:
    """The header is bare and every cell of a row is quoted, as in the real files; no line end at the end."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(rows)
    return (",".join(COLUMNS) + "\n" + out.getvalue()).rstrip("\n").encode()
