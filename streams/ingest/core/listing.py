"""Every instrument that is listed, its last quote, and the snapshots made of them (rule 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas import InstrumentSet, InstrumentState, InstrumentStatus, Kind, OptionQuote
from streams.deribit.contracts import inferred_state
from streams.ingest.core.messages import NS_PER_S
from streams.ingest.core.underlyings import PriceIndex
from streams.ingest.core.writer import Writer
from streams.partitioning import N_PARTITIONS, partition_of

Filter = Callable[[InstrumentState, int], bool]
MAX_BAD_NAMES = 10_000
MAX_LISTED = 20_000
"""The whole venue lists a few thousand; names that somebody makes up stop here."""
MAX_INDICES = 64
_GONE = (InstrumentStatus.SETTLED, InstrumentStatus.TERMINATED)


class Entry:
    """One listed instrument.  ``quote_ns``: bounded time of its last quote; ``quote_outage``: the number of outages before it came."""

    __slots__ = ("index", "mark_ns", "quote", "quote_ns", "quote_outage", "state")

    def __init__(self, state: InstrumentState, index: PriceIndex) -> None:
        self.state, self.index = state, index
        self.quote: OptionQuote | None = None
        self.quote_outage = -1
        self.quote_ns = 0
        self.mark_ns = 0


class Listing:
    """Instruments by name, price indices by name."""

    def __init__(self, currencies: tuple[str, ...], is_wanted: Filter) -> None:
        self.entries: dict[str, Entry] = {}
        self.indices: dict[str, PriceIndex] = {}
        self.currencies_seen: set[str] = set()
        self._currencies = currencies
        self._is_wanted = is_wanted
        self._bad_names: set[str] = set()
        self.next_expiry_ns: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the venue has listed every currency that we were asked for."""
        return self.currencies_seen.issuperset(self._currencies)

    def index(self, name: str, base_currency: str = "") -> PriceIndex:
        """The price index of this name; made when it is new.  Beyond MAX_INDICES a new one is forgotten at once."""
        found = self.indices.get(name)
        if found is None:
            found = PriceIndex(name, base_currency or name.partition("_")[0].upper())
            if len(self.indices) < MAX_INDICES:
                self.indices[name] = found
        return found

    def take(self, state: InstrumentState, venue_ns: int) -> InstrumentState | None:
        """Learn a contract.  Returns the state to be written when it is new or has changed; None for known, unwanted or expired ones."""
        if state.expiry_ns is not None and state.expiry_ns <= venue_ns:
            return None
        known = self.entries.get(state.instrument_name)
        if not self._is_wanted(state, venue_ns) or (known is None and len(self.entries) >= MAX_LISTED):
            return None
        if known is not None:
            if state.is_inferred and not known.state.is_inferred:
                return None
            last = known.state
            # Answers to the same question differ in their time alone.
            if state._replace(ts_event_ns=0, ingest_epoch=0) == last._replace(ts_event_ns=0, ingest_epoch=0):
                return None
            known.state = state
            return state
        self.entries[state.instrument_name] = Entry(state, self.index(state.price_index, state.base_currency))
        if state.expiry_ns is not None and (self.next_expiry_ns is None or state.expiry_ns < self.next_expiry_ns):
            self.next_expiry_ns = state.expiry_ns
        return state

    def entry_of_ticker(
        self, name: str, ts_ns: int, clock_ns: int, *, is_option: bool
    ) -> tuple[Entry | None, InstrumentState | None]:
        """(entry, state to be written first).  An instrument that no list has named is made from its name; (None, None): it cannot."""
        entry = self.entries.get(name)
        if entry is not None or name in self._bad_names:
            return entry, None
        state = inferred_state(name, ts_ns)
        if state is None or (state.kind == Kind.OPTION) != is_option:
            if len(self._bad_names) < MAX_BAD_NAMES:
                self._bad_names.add(name)
            return None, None
        written = self.take(state, clock_ns)
        return self.entries.get(name), written

    def change_status(self, name: str, status: InstrumentStatus, ts_ns: int) -> InstrumentState | None:
        """The venue says only name and status; the state to be written, or None when nothing changes.

        What is gone before its expiry leaves the list; at the expiry the Clock ends it, and its delivery price is still to come.
        """
        entry = self.entries.get(name)
        if entry is None or entry.state.status == status:
            return None
        entry.state = entry.state._replace(status=status, ts_event_ns=ts_ns)
        written = entry.state
        if status in _GONE and (written.expiry_ns is None or ts_ns < written.expiry_ns):
            del self.entries[name]
        return written

    def expire(self, clock_ns: int) -> list[InstrumentState]:
        """Drop what has expired at a Clock; returns the states that were dropped."""
        gone = [
            e.state for e in self.entries.values() if e.state.expiry_ns is not None and e.state.expiry_ns <= clock_ns
        ]
        for state in gone:
            del self.entries[state.instrument_name]
        left = [e.state.expiry_ns for e in self.entries.values() if e.state.expiry_ns is not None]
        self.next_expiry_ns = min(left) if left else None
        if gone:
            for index in self.indices.values():
                index.drop_expired(clock_ns)
        return gone

    def option_expiries(self) -> set[tuple[str, int, str]]:
        """(price index, expiry, settlement rule) of every listed option."""
        return {
            (entry.state.price_index, entry.state.expiry_ns, entry.state.settlement_rule)
            for entry in self.entries.values()
            if entry.state.kind == Kind.OPTION and entry.state.expiry_ns is not None
        }

    def n_unseen(self, n_outages: int) -> int:
        """Listed options without a quote since the last outage."""
        return sum(1 for e in self.entries.values() if e.state.kind == Kind.OPTION and e.quote_outage != n_outages)


class Snapshot:
    """A snapshot on its way out, some instruments per step, closed by its InstrumentSet."""

    def __init__(self, snapshot_id: int, listing: Listing, n_outages: int) -> None:
        self.snapshot_id = snapshot_id
        self._listing, self._n_outages = listing, n_outages
        self._is_complete = listing.is_complete
        self._names: Iterator[str] = iter(tuple(listing.entries))
        self._counts = [0] * N_PARTITIONS
        self._indices: set[str] = set()

    def step(self, writer: Writer, n: int) -> bool:
        """Write the next n instruments; True when the InstrumentSet has closed it."""
        for _ in range(n):
            name = next(self._names, None)
            if name is None:
                self._close(writer)
                return True
            entry = self._listing.entries.get(name)
            if entry is None:  # expired meanwhile
                continue
            self._counts[partition_of(name)] += 1
            self._indices.add(entry.state.price_index)
            state = entry.state._replace(is_snapshot=True, snapshot_id=self.snapshot_id)
            writer.snapshot(state)
            # A quote from before the last outage would be taken as seen again.
            if entry.quote is not None and entry.quote_outage == self._n_outages:
                writer.snapshot(entry.quote._replace(is_snapshot=True, snapshot_id=self.snapshot_id))
        return False

    def _close(self, writer: Writer) -> None:
        writer.broadcast(
            InstrumentSet(
                writer.clock_ns,
                0,
                0,
                self.snapshot_id,
                self._is_complete,
                tuple(self._counts),
                tuple(sorted(self._indices)),
            )
        )


def next_snapshot_ns(clock_ns: int, every_s: int, phase_s: int) -> int:
    """The first scheduled snapshot after a Clock."""
    every_ns, phase_ns = every_s * NS_PER_S, phase_s * NS_PER_S
    return ((clock_ns - phase_ns) // every_ns + 1) * every_ns + phase_ns
