"""From a lost connection to the InstrumentSet that ends its outage (rules 1 and 6)."""

from __future__ import annotations

from schemas import OptionTrade
from streams.deribit import events as ev
from streams.ingest.core.listing import Snapshot
from streams.ingest.core.messages import NS_PER_S
from streams.ingest.core.recovery import ALL_FAMILIES, Stage, deadline_ns, families, feed_gap
from streams.ingest.core.state import Phase, State

SUBSCRIBE_WAIT_S = 60.0
"""When the venue never confirms every channel, recovery starts without the rest."""
TRADES_ONLY = ("trades.*",)


def connected(state: State, event: ev.Connected) -> None:
    state.is_connected, state.connected_since_ns = True, event.recv_ns
    state.stage = Stage.CONNECTING
    state.stage_deadline_ns = deadline_ns(state.timeline.now_ns, SUBSCRIBE_WAIT_S)
    state.time_due_ns = state.time_asked_ns = 0


def disconnected(state: State, event: ev.Disconnected) -> None:
    """Quotes seen so far are old from here on; a snapshot on its way is dropped (its successor follows the reconnect)."""
    if state.is_connected:
        state.counts.gaps += 1
        state.n_outages += 1
    state.is_connected, state.connected_since_ns = False, event.recv_ns
    if state.gap_from_ns is None and state.writer.clock_ns:
        state.gap_from_ns = min(state.writer.clock_ns, state.timeline.venue_ns)
    if state.gap_from_ns is not None and state.hole_from_ns is not None:
        state.gap_from_ns = min(state.gap_from_ns, state.hole_from_ns)  # its trades are asked for with the outage's
    state.gap_channels = tuple(sorted({*state.gap_channels, *families(event.channels)}))
    state.backfill.reset()
    state.snapshot = None
    state.stage = Stage.CONNECTING


def subscribed(state: State, event: ev.Subscribed) -> None:
    """Every channel is confirmed: what happens from here on is heard, what happened before is asked for."""
    if state.stage is Stage.CONNECTING:
        _begin(state)


def _begin(state: State) -> None:
    settings = state.settings
    state.stage = Stage.BY_TIME
    state.stage_deadline_ns = deadline_ns(state.timeline.now_ns, settings.backfill_timeout_s)
    state.gap_to_ns = state.timeline.latest_ns()
    if state.gap_from_ns is not None:
        from_ns = state.gap_from_ns - settings.backfill_overlap_s * NS_PER_S
        state.writer.outs += state.backfill.ask_by_time(settings.currencies, from_ns, state.gap_to_ns)
    proceed(state)


def proceed(state: State) -> None:
    """Go on to the next stage as soon as the present one is done, or its time is over."""
    now_ns = state.timeline.now_ns
    if (
        state.stage is Stage.CONNECTING
        and state.is_connected
        and now_ns >= state.stage_deadline_ns
        and state.listing.entries
    ):
        _begin(state)
    if state.is_connected:
        state.writer.outs += state.backfill.due(now_ns)
    is_late = now_ns >= state.stage_deadline_ns
    if state.stage is Stage.BY_TIME and (not state.backfill.is_timed or is_late):
        state.stage = Stage.BY_SEQUENCE
        state.writer.outs += state.backfill.ask_holes()
    if state.stage is Stage.BY_SEQUENCE and (state.backfill.is_idle or is_late) and state.phase is Phase.RUNNING:
        if not state.backfill.is_idle:
            state.backfill.give_up_all()
        _close_gap(state)
        state.stage = Stage.REQUOTING
        state.requote_venue_ns = state.timeline.venue_ns
        state.stage_deadline_ns = deadline_ns(now_ns, state.settings.requote_wait_s)
    if state.stage is Stage.REQUOTING and _is_requoted(state):
        begin_snapshot(state)
        state.stage = Stage.SNAPSHOT
    if state.stage is Stage.DONE and state.snapshot is None and state.listing.is_complete and not state.is_set_complete:
        begin_snapshot(state)  # a currency was listed late: engines wait for a set that is whole
    if state.stage is Stage.DONE and state.hole_from_ns is not None and state.backfill.is_idle:
        _close_hole(state)


def _close_gap(state: State) -> None:
    """FeedGap after the backfilled trades; at the very first start of a log there was nothing to lose."""
    counts = state.backfill.take_counts()
    state.hole_from_ns = None
    if state.gap_from_ns is None:
        return
    channels = state.gap_channels or ALL_FAMILIES
    entries = state.listing.entries
    # A quote from before the outage, written after its gap, would be taken as seen again.
    state.writer.forget_waiting(lambda name: name in entries and entries[name].quote_outage == state.n_outages)
    state.writer.broadcast(feed_gap(state.writer.clock_ns, channels, state.gap_from_ns, state.gap_to_ns, counts))
    state.gap_from_ns, state.gap_channels = None, ()


def _is_requoted(state: State) -> bool:
    """Every listed option has been seen again, or the wait is over: by our clock, or by the source's."""
    wait_ns = int(state.settings.requote_wait_s * NS_PER_S)
    if state.timeline.now_ns >= state.stage_deadline_ns or state.timeline.venue_ns >= state.requote_venue_ns + wait_ns:
        return bool(state.listing.entries)
    return state.listing.is_complete and bool(state.listing.entries) and state.listing.n_unseen(state.n_outages) == 0


def begin_snapshot(state: State) -> None:
    """Start to write every listed instrument and its last quote."""
    state.is_set_complete = state.listing.is_complete
    state.last_snapshot_id = max(state.last_snapshot_id + 1, state.writer.clock_ns)
    state.snapshot = Snapshot(state.last_snapshot_id, state.listing, state.n_outages)


def write_snapshot(state: State) -> None:
    """The next chunk; the InstrumentSet after the last."""
    if state.snapshot is None or state.phase is not Phase.RUNNING:
        return
    if state.snapshot.step(state.writer, state.settings.snapshot_chunk):
        state.snapshot = None
        if state.stage is Stage.SNAPSHOT:
            state.stage = Stage.DONE


def hole_seen(state: State, trade: OptionTrade) -> None:
    """A live trade's number has jumped.  While a backfill by time is out it may fill the hole; otherwise ask at once."""
    if state.hole_from_ns is None:
        state.hole_from_ns = min(trade.ts_event_ns, state.writer.clock_ns)
    if state.stage >= Stage.BY_SEQUENCE:
        state.writer.outs += state.backfill.ask_holes()


def gap_told(state: State, gap: ev.TradeGap) -> None:
    """The session noticed a jump: the same as noticing it here, unless the numbers are there by now."""
    if state.ledger.n_missing(gap.instrument_name, gap.first, gap.last) and state.stage >= Stage.BY_SEQUENCE:
        state.writer.outs += state.backfill.ask_holes()


def _close_hole(state: State) -> None:
    """A hole on a healthy connection has been filled, or given up: only trades were missing."""
    assert state.hole_from_ns is not None
    from_ns, state.hole_from_ns = state.hole_from_ns, None
    counts = state.backfill.take_counts()
    state.counts.gaps += 1
    state.writer.broadcast(feed_gap(state.writer.clock_ns, TRADES_ONLY, from_ns, state.writer.clock_ns, counts))
