"""Everything that ingest remembers between two steps.  Mutable, used linearly: ``step`` takes it and gives it back."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any

from schemas import FeedStatus, InstrumentState
from streams.ingest.core.fixings import Window, rule_of
from streams.ingest.core.listing import Filter, Listing, Snapshot
from streams.ingest.core.messages import NS_PER_MS, NS_PER_S, CoreSettings, Counts, Recovered, Status
from streams.ingest.core.recovery import ALL_FAMILIES, Backfill, Stage
from streams.ingest.core.timeline import Timeline
from streams.ingest.core.trades import Ledger
from streams.ingest.core.writer import Writer
from streams.partitioning import N_PARTITIONS


class Phase(Enum):
    """STARTING: no Clock of this epoch yet.  CATCHING_UP: back from an outage, its one Clock not yet written.  RUNNING."""

    STARTING = 0
    CATCHING_UP = 1
    RUNNING = 2


class State:
    """One ingest's memory, bounded by what is listed."""

    def __init__(self, epoch: int, settings: CoreSettings, recovered: Recovered, is_wanted: Filter) -> None:
        self.settings = settings
        self.recovered = recovered
        self.counts = Counts()
        self.timeline = Timeline(settings)
        self.writer = Writer(epoch, recovered.log_times_ns, self.counts, settings.log_lead_s, settings.max_waiting)
        self.listing = Listing(settings.currencies, is_wanted)
        self.ledger = Ledger(dict(recovered.trade_seqs))
        self.ended: deque[tuple[int, str]] = deque()
        """(when its trade numbers go, instrument), of the expired."""
        self.backfill = Backfill(settings, self.ledger, self.counts)
        self.phase = Phase.STARTING
        self.catch_up_until_ns = 0
        self.slot_ns = settings.underlying_ms * NS_PER_MS
        self.slot = -1

        self.windows: dict[tuple[str, int], Window] = {}
        for fixing in recovered.fixings:
            rule = rule_of(fixing)
            if rule is not None:
                key = (fixing.price_index, fixing.expiry_ns)
                self.windows[key] = Window(fixing.price_index, fixing.expiry_ns, rule, fixing)
        for name, (ts_ns, price) in recovered.index_prices.items():
            self.listing.index(name).take_index(ts_ns, price)

        # The event whose time nobody has confirmed yet (sources faster than real time).
        self.suspect: Any = None
        self.suspect_since_ns = 0

        # The connection.
        self.stage = Stage.CONNECTING
        self.n_outages = 0
        self.gap_from_ns = recovered.last_clock_ns
        # A restart has missed whatever there is.
        self.gap_channels: tuple[str, ...] = ALL_FAMILIES if recovered.last_clock_ns is not None else ()
        self.gap_to_ns = 0
        self.hole_from_ns: int | None = None
        self.stage_deadline_ns = 0
        self.requote_venue_ns = 0
        self.is_connected = False
        self.connected_since_ns = 0

        # What is due when.
        self.snapshot: Snapshot | None = None
        self.last_snapshot_id = 0
        self.is_set_complete = False
        self.next_snapshot_ns: int | None = None
        self.lists_due_ns: dict[str, int] = {}
        self.awaiting_delivery: dict[tuple[str, int], list[InstrumentState]] = {}
        self.delivery_due_ns = 0
        self.work_due_ns = 0
        self.status_due_ns = 0
        self.time_asked_ns = 0
        self.time_due_ns = 0

    def bounded(self, ts_ns: int) -> int:
        """An event time as every comparison may use it (rule 2).  While the next Clock is awaited its time bounds, not the last one's."""
        bound_ns = self.writer.clock_ns
        if self.phase is not Phase.RUNNING:
            bound_ns = max(bound_ns, self.timeline.estimate_ns())
        return min(ts_ns, bound_ns + self.settings.log_lead_s * NS_PER_S) if bound_ns else ts_ns

    def announce(self, instrument: InstrumentState) -> None:
        """Write a new or changed instrument: before its first quote, so that no engine has to refuse that."""
        self.writer.keep(instrument)

    def say(self, word: str) -> None:
        """A FeedStatus with the lags since the last one."""
        counts = self.counts
        lags = {name: counts.lag_sum_ms[name] / n for name, n in counts.lag_n.items() if n}
        counts.lag_sum_ms.clear()
        counts.lag_n.clear()
        detail = (
            f"listed={len(self.listing.entries)} records={counts.records} quotes={counts.quotes} trades={counts.trades} "
            f"backfilled={counts.trades_backfilled} seq_missing={counts.trade_seq_missing} waiting={self.writer.n_waiting} "
            f"late={counts.late} unreadable={counts.unreadable} unlisted={counts.unlisted} "
            f"fixings_imputed={counts.fixings_imputed} estimate_off={counts.estimate_off} stage={self.stage.name.lower()}"
        )
        self.writer.outs.append(
            Status(
                FeedStatus(
                    self.settings.feed,
                    self.writer.epoch,
                    word,
                    self.connected_since_ns,
                    lags,
                    counts.conflated,
                    counts.clamped,
                    counts.gaps,
                    detail,
                )
            )
        )


def new_state(
    epoch: int,
    settings: CoreSettings | None = None,
    recovered: Recovered | None = None,
    is_wanted: Filter = lambda state, venue_ns: True,
) -> State:
    """A state for one claim.  epoch: offset of the claim; recovered: what the log's last minute said; is_wanted: the filters."""
    return State(epoch, settings or CoreSettings(), recovered or Recovered((0,) * N_PARTITIONS), is_wanted)
