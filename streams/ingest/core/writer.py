"""From records to Outs: epoch, seq, bounded log time (rule 2), and the waiting room of quotes under pressure (rule 6)."""

from __future__ import annotations

from collections.abc import Callable

from schemas import (
    Clock,
    FeedGap,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    SettlementFixing,
    UnderlyingQuote,
)
from streams.ingest.core.messages import NS_PER_S, Counts, Fatal, Out, Outcome
from streams.partitioning import N_PARTITIONS, partition_of

Keyed = OptionQuote | OptionTrade | InstrumentState
Broadcast = Clock | UnderlyingQuote | SettlementFixing | InstrumentSet | FeedGap
_OWN_TIME = (Clock, SettlementFixing)


class Writer:
    """Every record of the log passes here, in order.

    Until the first Clock of the epoch, and while ingest catches up after an outage, ``is_holding`` keeps keyed records back: ingest's first
    record is a Clock, and nothing is bounded by a Clock of an hour ago.  Quotes wait by instrument (a newer one replaces the older:
    conflation, counted); trades and instruments wait in order and are never dropped.
    """

    def __init__(
        self, epoch: int, log_times_ns: tuple[int, ...], counts: Counts, lead_s: int, max_waiting: int
    ) -> None:
        self.epoch = epoch
        self.seq = 0
        self.clock_ns = 0
        self.is_holding = True
        self.outs: list[Outcome] = []
        self.n_room: int | None = None
        self._log_times_ns = list(log_times_ns) or [0] * N_PARTITIONS
        self._counts = counts
        self._lead_ns = lead_s * NS_PER_S
        self._max_waiting = max_waiting
        self._held: list[OptionTrade | InstrumentState] = []
        self._waiting: dict[str, OptionQuote] = {}

    @property
    def n_waiting(self) -> int:
        return len(self._held) + len(self._waiting)

    def is_waiting(self, instrument_name: str) -> bool:
        """Whether a quote of this instrument waits for room."""
        return instrument_name in self._waiting

    def forget_waiting(self, is_wanted: Callable[[str], bool]) -> None:
        """Drop the waiting quotes of instruments that are not wanted; counted as conflated."""
        for name in [name for name in self._waiting if not is_wanted(name)]:
            del self._waiting[name]
            self._counts.conflated += 1

    def quote(self, quote: OptionQuote) -> None:
        """Write a quote now, or let it wait and conflate when there is no room."""
        if not self.is_holding and self.n_room is None and not self._waiting:
            self._keyed(quote)
            return
        # A replaced quote goes to the end: the others have waited longer.
        if self._waiting.pop(quote.instrument_name, None) is not None:
            self._counts.conflated += 1
        self._waiting[quote.instrument_name] = quote
        self.release()

    def keep(self, record: OptionTrade | InstrumentState) -> None:
        """Write a record that is never dropped: at once, whatever the pressure; only held back before the Clock."""
        if not self.is_holding:
            self._keyed(record)
            return
        self._held.append(record)
        if len(self._held) > self._max_waiting:
            self.outs.append(
                Fatal(
                    f"{len(self._held)} trades and instruments wait for a first Clock: the venue has given no usable time"
                )
            )

    def release(self) -> None:
        """Write what waits, as far as there is room; oldest first."""
        if self.is_holding:
            return
        for record in self._held:
            self._keyed(record)
        self._held.clear()
        while self._waiting and (self.n_room is None or self.n_room > 0):
            name = next(iter(self._waiting))
            self._keyed(self._waiting.pop(name))
            if self.n_room is not None:
                self.n_room -= 1

    def snapshot(self, record: OptionQuote | InstrumentState) -> None:
        """Write a record of a snapshot; it neither waits nor replaces a waiting quote."""
        self._keyed(record)

    def broadcast(self, record: Broadcast) -> None:
        """Write to all sixteen partitions under the next seq."""
        record = record._replace(ingest_epoch=self.epoch, seq=self.seq)
        self.seq += 1
        time_ns = record.ts_event_ns if isinstance(record, _OWN_TIME) else self._bounded(record.ts_event_ns)
        if isinstance(record, Clock):
            self.clock_ns = max(self.clock_ns, time_ns)
        times_ns = self._log_times_ns
        for partition in range(N_PARTITIONS):
            times_ns[partition] = max(times_ns[partition], time_ns)
        self.outs.append(Out(None, type(record).__name__, record, tuple(times_ns)))
        self._counts.records += 1

    def _bounded(self, ts_event_ns: int) -> int:
        bound_ns = self.clock_ns + self._lead_ns
        if ts_event_ns <= bound_ns:
            return ts_event_ns
        self._counts.clamped += 1
        return bound_ns

    def _keyed(self, record: Keyed) -> None:
        name = record.instrument_name
        partition = partition_of(name)
        time_ns = self._bounded(record[0])
        if time_ns > self._log_times_ns[partition]:
            self._log_times_ns[partition] = time_ns
        else:
            time_ns = self._log_times_ns[partition]
        # _replace of a record of 34 fields takes five times as long.
        stamped = type(record)._make((record[0], self.epoch, *record[2:]))
        self.outs.append(Out(partition, name, stamped, (time_ns,)))
        self._counts.records += 1
