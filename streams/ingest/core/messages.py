"""What goes into the fold and what comes out of it, beside the venue's own events (``streams.deribit.events``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from schemas import (
    Clock,
    FeedGap,
    FeedStatus,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    SettlementFixing,
    UnderlyingQuote,
)

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_DAY = 86_400 * NS_PER_S

TickRecord = (
    OptionQuote | OptionTrade | InstrumentState | UnderlyingQuote | SettlementFixing | Clock | InstrumentSet | FeedGap
)


@dataclass(frozen=True)
class CoreSettings:
    """Numbers of the rules.  Times in seconds or milliseconds as the names say."""

    currencies: tuple[str, ...] = ("BTC", "ETH")
    """Settlement currencies, as ingest was told."""
    clock: str = "wall"
    """``wall``: a source in real time; in silence its last time runs on with our monotonic clock.  ``venue``: a source at any
    speed (a recording); only event times and its public/get_time move the clock."""
    clock_allowance_ms: int = 150
    """Clock t waits for an event this much past t: channels are sent in 100 ms batches, so another's event before t may still come."""
    quiet_allowance_ms: int = 700
    """The same where the time is only our estimate (silence)."""
    log_lead_s: int = 2
    """Rule 2: log time runs at most this far ahead of the last Clock."""
    outage_s: int = 10
    """Seconds without a Clock, in real time, after which the missing ones are not made up (rule 3)."""
    max_silence_s: int = 7_200
    """The same for a source at any speed: its recordings have holes of an hour, through which every second is written."""
    estimate_after_s: int = 60
    """Rule 7: grid points missed for longer than this are set from the venue's estimate."""
    catch_up_wait_s: int = 10
    """How long the first Clock waits, inside a settlement window, for the listing and the venue's estimate."""
    underlying_ms: int = 100
    """Rule on UnderlyingQuote: one record per this much exchange time and price index."""
    snapshot_every_s: int = 3_600
    """Rule 1: one lies in the 65 minutes that a cold start folds."""
    snapshot_phase_s: int = 120
    """Hourly snapshots start this long after the full hour: clear of the expiry at 08:00."""
    snapshot_chunk: Annotated[int, "instruments"] = 64
    """Of a snapshot, written per step, so that a snapshot holds no live quote back."""
    requote_wait_s: float = 3.0
    """After a (re)connection the snapshot waits this long for the first tickers: only quotes seen again belong in it (rule 1)."""
    backfill_overlap_s: int = 60
    """Trades are fetched from this long before the gap: the venue's times and ours differ, repeats are dropped."""
    backfill_timeout_s: float = 60.0
    """After so long without an answer the gap is closed with what is there, and says what is missing."""
    max_hole: Annotated[int, "trades"] = 5_000
    """Of one instrument, asked for at most to close one hole."""
    mark_fill_s: float = 10.0
    """A mark from markprice.options makes a quote at most this often, and only for an option without a ticker on this connection."""
    status_every_s: float = 2.0
    """How often feed.status.v1 gets a report."""
    time_request_s: float = 30.0
    """How often public/get_time measures the offset in real time; a source at any speed is asked whenever it is silent."""
    max_waiting: Annotated[int, "records"] = 50_000
    """Bound on held trades and instrument records; beyond it ingest stops rather than lose a trade."""
    feed: str = "deribit"
    """Name of the feed in feed.status.v1."""


# ---- in


class Tick(NamedTuple):
    """Time passes: ``now_ns`` is wall time at start plus monotonic time since, ns UTC.  Given before and after each batch of events."""

    now_ns: int


class Pressure(NamedTuple):
    """Room for this many quotes until the next word; None: no pressure, write at once."""

    n_room: int | None


class Stop(NamedTuple):
    """The process is about to end: write what waits."""

    now_ns: int


# ---- out


class Out(NamedTuple):
    """One record for deribit.ticks.v1.  ``partition`` None: to all sixteen, one seq.

    ``log_times_ns``: log time, which is also Kafka time: of its partition, or of each of the sixteen in order.
    """

    partition: int | None
    key: str
    record: TickRecord
    log_times_ns: tuple[int, ...]

    def log_time_ns(self, partition: int) -> int:
        """Log time of this record in one partition's log."""
        return self.log_times_ns[partition if self.partition is None else 0]


class Status(NamedTuple):
    """One record for feed.status.v1."""

    record: FeedStatus


class GetTime(NamedTuple):
    pass


class GetInstruments(NamedTuple):
    currency: str


class GetDeliveryPrices(NamedTuple):
    price_index: str


class TradesBySequence(NamedTuple):
    instrument_name: str
    first: int
    last: int


class TradesByTime(NamedTuple):
    currency: str
    kind: str
    start_ms: int
    end_ms: int


class Fatal(NamedTuple):
    """Going on would spoil the log; the shell ends the process with this message."""

    message: str


Request = GetTime | GetInstruments | GetDeliveryPrices | TradesBySequence | TradesByTime
Outcome = Out | Status | GetTime | GetInstruments | GetDeliveryPrices | TradesBySequence | TradesByTime | Fatal


class Recovered(NamedTuple):
    """What the last minute of the log said: where a restart goes on."""

    log_times_ns: tuple[int, ...]
    last_clock_ns: int | None = None
    fixings: tuple[SettlementFixing, ...] = ()
    trade_seqs: Mapping[str, tuple[int, ...]] = {}
    index_prices: Mapping[str, tuple[int, float]] = {}
    """price index -> (ts_event_ns, USD per coin)."""


@dataclass(slots=True)
class Counts:
    """What operators want to know; all since start."""

    events: int = 0
    records: int = 0
    quotes: int = 0
    trades: int = 0
    trades_repeated: int = 0
    trades_backfilled: int = 0
    trade_seq_missing: int = 0
    conflated: int = 0
    clamped: int = 0
    late: int = 0
    gaps: int = 0
    marks_ignored: int = 0
    marks_used: int = 0
    unlisted: int = 0
    """Tickers of instruments that are not listed: filtered out, expired, or no name at all."""
    unreadable: int = 0
    ignored: int = 0
    requests_failed: int = 0
    estimate_off: int = 0
    fixings_imputed: int = 0
    lag_sum_ms: dict[str, float] = field(default_factory=dict)
    lag_n: dict[str, int] = field(default_factory=dict)
