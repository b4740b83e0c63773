"""What is in a recording: counts of records and of ignored messages by kind.  Every frame is counted somewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from streams.deribit import events as ev
from streams.deribit.recording import Decoder, Frame

MOST_INSTRUMENTS = 100_000


class Inspection:
    """Running counts; ``add`` frames, then ``summary``."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._n_frames = self._n_unreadable = 0
        self._records: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._instruments: set[str] = set()
        self._first_ns: int | None = None
        self._last_ns: int | None = None

    def add(self, frame: Frame) -> None:
        """Count a frame.  An opened connection is no frame; first and last are of received frames, not of sent ones."""
        if frame.recv_ns and frame.direction in ("in", "http"):
            self._first_ns = frame.recv_ns if self._first_ns is None else min(self._first_ns, frame.recv_ns)
            self._last_ns = frame.recv_ns if self._last_ns is None else max(self._last_ns, frame.recv_ns)
        if frame.direction == "open":
            return
        self._n_frames += 1
        for event in self._decoder.events(frame):
            self._count(event)

    def _count(self, event: ev.Event) -> None:
        match event:
            case ev.Ignored(kind):
                self._ignored[kind] += 1
            case ev.Unreadable():
                self._n_unreadable += 1
            case ev.RequestFailed():
                self._ignored["error answer"] += 1
            case ev.InstrumentList(_, instruments, n_skipped):
                self._count_all("InstrumentState", instruments)
                self._skip("get_instruments row", n_skipped)
            case ev.TradePage(_, trades, _):
                self._count_all("OptionTrade", trades)
            case ev.BookSummaries(options, futures, n_skipped):
                self._count_all("BookSummary", (*options, *futures))
                self._skip("get_book_summary row", n_skipped)
            case ev.MarkPrices(_, marks):
                self._count_all("MarkPrice", marks)
            case ev.DeliveryPrices(_, prices):
                self._count_all("DeliveryPrice", prices)
            case _:
                self._count_all(type(event).__name__, (event,))

    def _count_all(self, kind: str, records: Iterable[object]) -> None:
        for record in records:
            self._records[kind] += 1
            name = getattr(record, "instrument_name", None)
            if name is not None and len(self._instruments) < MOST_INSTRUMENTS:
                self._instruments.add(name)

    def _skip(self, kind: str, n_skipped: int) -> None:
        if n_skipped:
            self._ignored[kind] += n_skipped

    def summary(self) -> dict[str, Any]:
        """frames, records and ignored by kind, unreadable, first and last receive time (ns UTC, None: not recorded), instruments."""
        return {
            "frames": self._n_frames,
            "records": dict(sorted(self._records.items())),
            "ignored": dict(sorted(self._ignored.items())),
            "unreadable": self._n_unreadable,
            "first": self._first_ns,
            "last": self._last_ns,
            "instruments": len(self._instruments),
        }
