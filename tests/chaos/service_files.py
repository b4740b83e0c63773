"""Files of CME for a run of the services, each of which makes another batch of marks; and the pure fold's batches of them."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import schemas
from streams.cme.batch import batch, newest_ns
from streams.cme.book import Book, Facts, step
from streams.cme.quotes import MarkSettings
from streams.cme.sources import kind_of, rows_of
from tests.cme_files import DAY_NS, dbn_file, definition, open_interest, settlement
from tests.flow_log import EXPIRY_NS

NS = 1_000_000_000
HOUR_NS = 3_600 * NS
OVER_NS = DAY_NS
INDEX_PRICES = {"BTC": 100_000.0}
STRIKES = (90_000.0, 100_000.0, 110_000.0)
TRADE_DAY_NS = EXPIRY_NS // DAY_NS * DAY_NS - 2 * DAY_NS
"""Two days before the log's: its settlements are known on the day between."""


def contents(n: int) -> list[tuple[str, bytes]]:
    """(name, bytes) of ``n`` files in the order in which they come; their moments rise, and all lie before the log begins."""
    ends_ns = EXPIRY_NS + 28 * DAY_NS
    listed = [definition(3, "BTCJ6", "BTC", "F", ends_ns, multiplier=5.0)]
    prices = [settlement(3, TRADE_DAY_NS, 100_000.0)]
    for i, strike in enumerate(STRIKES):
        for kind in "CP":
            number = 10 + 2 * i + (kind == "P")
            listed.append(
                definition(
                    number, f"BTCJ6 {kind}{strike:.0f}", "BTC", kind, ends_ns, multiplier=5.0, strike=strike, underlying_id=3
                )
            )  # fmt: skip
            prices.append(settlement(number, TRADE_DAY_NS, 6_000.0 + abs(strike - 100_000.0) * 0.6))
    found = [("00.dbn", dbn_file([*listed, *prices]))]
    for k in range(1, n):
        event_ns = EXPIRY_NS - 20 * HOUR_NS + k * HOUR_NS
        rows = [open_interest(10 + i, TRADE_DAY_NS, 20 * k + i, event_ns=event_ns) for i in range(2 * len(STRIKES))]
        found.append((f"{k:02d}.dbn", dbn_file(rows, "statistics")))
    return found


def batches(files: list[tuple[str, bytes]]) -> list[list[bytes]]:
    """Marks, as they are to stand in Kafka, of the first file, of the first two, and so on."""
    found = []
    for n in range(1, len(files) + 1):
        book, facts = Book(), Facts()
        for name, data in files[:n]:
            file = io.BytesIO(data)
            kind = kind_of(file)
            for row in rows_of(file, name, kind):
                step(book, row, facts)
        now_ns = newest_ns(book)
        assert now_ns is not None and datetime.fromtimestamp(now_ns // NS, UTC).year == 2026
        made = batch(book, now_ns, INDEX_PRICES, facts, MarkSettings(), OVER_NS)
        found.append([schemas.encode(mark) for mark in made.marks])
    return found
