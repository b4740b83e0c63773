"""CME's share of futures open interest, from files: CME's own, and one's own of the other venues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.cme.book import Facts
from streams.cme.futures_interest import FuturesInterest, days, newest_signals, readings, step
from streams.cme.refused import Refused, count
from streams.cme.share import ShareSettings, ShareSignal
from streams.cme.sources import CSV, kind_of, rows_of
from streams.cme.venues_csv import HEADER, VenueInterest, venue_rows
from streams.cme_service.files import facts_for, found


class ShareRead(NamedTuple):
    """What the files say."""

    signals: Mapping[str, ShareSignal]
    """By currency: the newest day on which every venue has a figure."""
    n_rows: Counter[str]
    examples: tuple[Refused, ...]


def read_share(paths: Sequence[Path], settings: ShareSettings, divisor: float) -> ShareRead:
    """Read all files and run the monitor over their days.  OSError where one cannot be read."""
    held, facts, n_rows = FuturesInterest(), Facts(), Counter[str]()
    venues: list[VenueInterest] = []
    examples: list[Refused] = []
    for path in found(paths):
        with path.open("rb") as file:
            kind = kind_of(file)
            if kind == CSV and file.read(len(HEADER)) == HEADER:
                file.seek(0)
                for line in venue_rows(file, path.name):
                    n_rows.update(count((line,)))
                    if isinstance(line, Refused):
                        examples.append(line)
                    else:
                        venues.append(line)
                continue
            file.seek(0)
            facts = facts_for(kind, facts)
            for row in rows_of(file, path.name, kind):
                n_rows.update(count((row,)))
                step(held, row, facts)
    cme = days(held, divisor, facts.table)
    return ShareRead(newest_signals(readings(cme, venues, settings), settings), n_rows, tuple(examples[:20]))
