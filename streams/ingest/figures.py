"""What ingest says of itself: metrics and readiness, made of its state where they are asked for.

The loop leaves a ``Figures`` once a second; nothing of it is changed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from streams.ingest.core.messages import NS_PER_S, Counts
from streams.ingest.core.recovery import Stage
from streams.ingest.core.state import Phase, State
from streams.metrics import Page, Readiness, Samples

STALE_S = 5.0
"""The venue sends something every second at least; older than this, nothing comes."""


@dataclass(frozen=True)
class Figures:
    """One moment of an ingest.  Times in ns, by ingest's own clock or, where named so, the venue's."""

    counts: Counts
    now_ns: int
    clock_ns: int
    is_connected: bool
    stage: Stage
    phase: Phase
    is_set_complete: bool
    n_listed: int
    n_waiting: int
    n_queued: int
    n_bytes: int
    venue_lag_ms: float | None
    lag_ms_by_channel: Mapping[str, float] = field(default_factory=dict)
    n_frames: int = 0
    n_connections: int = 0
    n_by_kind: Mapping[str, int] = field(default_factory=dict)


def gather(state: State, now_ns: int, **of_the_shell: Any) -> Figures:
    """The figures of this moment; called in the loop."""
    return Figures(
        counts=replace(state.counts, lag_sum_ms={}, lag_n={}),
        now_ns=now_ns,
        clock_ns=state.writer.clock_ns,
        is_connected=state.is_connected,
        stage=state.stage,
        phase=state.phase,
        is_set_complete=state.is_set_complete,
        n_listed=len(state.listing.entries),
        n_waiting=state.writer.n_waiting,
        venue_lag_ms=state.timeline.lag_ms(),
        **of_the_shell,
    )


def page() -> Page[Figures]:
    """Ingest's page, empty yet."""
    return Page("ingest", samples, readiness)


def readiness(figures: Figures) -> Readiness:
    """Ready: connected, its whole listing in the log, and the venue's events fresh."""
    reasons = []
    if not figures.is_connected:
        reasons.append("the venue is not connected")
    elif figures.stage is not Stage.DONE:
        reasons.append(f"catching up: {figures.stage.name.lower().replace('_', ' ')}")
    if figures.phase is not Phase.RUNNING:
        reasons.append(f"no Clock is written yet: {figures.phase.name.lower().replace('_', ' ')}")
    if not figures.is_set_complete:
        reasons.append("INSTRUMENT SET missing: no complete snapshot has been written")
    if figures.venue_lag_ms is not None and figures.venue_lag_ms > STALE_S * 1_000:
        reasons.append(f"stale: the newest event is {figures.venue_lag_ms / 1_000:.0f} s old")
    return Readiness(tuple(reasons))


def samples(figures: Figures) -> Samples:
    """Samples of the table ``INGEST``."""
    counts = figures.counts
    bare: dict[str, float] = {
        "frames_total": figures.n_frames,
        "events_total": counts.events,
        "written_bytes_total": figures.n_bytes,
        "conflated_total": counts.conflated,
        "clamped_total": counts.clamped,
        "late_total": counts.late,
        "unreadable_total": counts.unreadable,
        "unlisted_total": counts.unlisted,
        "gaps_total": counts.gaps,
        "reconnects_total": max(0, figures.n_connections - 1),
        "trades_backfilled_total": counts.trades_backfilled,
        "trades_repeated_total": counts.trades_repeated,
        "trade_sequence_missing_total": counts.trade_seq_missing,
        "fixings_imputed_total": counts.fixings_imputed,
        "requests_failed_total": counts.requests_failed,
        "queued_records": figures.n_queued,
        "waiting_records": figures.n_waiting,
        "instruments_listed": figures.n_listed,
        "connected": float(figures.is_connected),
    }
    found: dict[str, dict[tuple[str, ...], float]] = {name: {(): value} for name, value in bare.items()}
    found["records_total"] = {(kind,): n for kind, n in figures.n_by_kind.items()}
    found["lag_seconds"] = {(channel,): lag / 1e3 for channel, lag in figures.lag_ms_by_channel.items()}
    if figures.clock_ns > 0:
        found["clock_timestamp_seconds"] = {(): figures.clock_ns / NS_PER_S}
    if figures.venue_lag_ms is not None:
        found["venue_lag_seconds"] = {(): figures.venue_lag_ms / 1e3}
    return found
