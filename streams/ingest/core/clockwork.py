"""Time made visible: Clocks, fixings before them, the once-a-second facts, and what is due by our own clock (rules 3, 7, 8, 9)."""

from __future__ import annotations

from schemas import Clock, SettlementFixing
from streams.ingest.core import outages
from streams.ingest.core.fixings import DEFAULT_RULE, RULES, Window, window_start_ns
from streams.ingest.core.listing import next_snapshot_ns
from streams.ingest.core.messages import NS_PER_MS, NS_PER_S, Fatal, GetDeliveryPrices, GetInstruments, GetTime
from streams.ingest.core.recovery import Stage
from streams.ingest.core.state import Phase, State

BACKWARDS_NS = 60 * NS_PER_S
NO_TIME_WAIT_NS = 5 * NS_PER_S
QUIET_ASK_NS = 100 * NS_PER_MS
DELIVERY_DELAY_NS, DELIVERY_AGAIN_NS = 10 * NS_PER_S, 60 * NS_PER_S
DELIVERY_GIVE_UP_NS = 3_600 * NS_PER_S
TRADES_KNOWN_NS = 3_600 * NS_PER_S
"""Trade numbers of the expired are kept as long as the engines keep theirs: a trade repeated, or fetched, after the expiry is known."""
WORK_EVERY_NS = 5 * NS_PER_MS
"""A tick comes with every frame; its work is due less often, so that a burst of frames goes out as one underlying record."""
PRINTS_KEPT_NS = 60 * NS_PER_S


def second(ns: int) -> int:
    return ns - ns % NS_PER_S


def advance(state: State) -> None:
    """Close every second that is due by the believed venue time."""
    timeline, writer = state.timeline, state.writer
    if state.phase is Phase.RUNNING:
        due_ns = timeline.due_ns()
        if due_ns >= writer.clock_ns + NS_PER_S:
            settings = state.settings
            limit_s = settings.outage_s if timeline.is_wall else settings.max_silence_s
            if due_ns - writer.clock_ns > limit_s * NS_PER_S:
                _begin_catching_up(state)
            else:
                _close_up_to(state, due_ns)
    elif state.phase is Phase.STARTING and timeline.is_started:
        _open(state)
    if state.phase is Phase.CATCHING_UP:
        _catch_up(state)


def _open(state: State) -> None:
    """The first record after the claim is a Clock: of the log's last second, or, in a new log, of now."""
    venue_ns, last_ns = second(state.timeline.venue_ns), state.recovered.last_clock_ns
    if last_ns is not None and venue_ns < last_ns - BACKWARDS_NS:
        state.writer.outs.append(
            Fatal(
                f"the source's time, {venue_ns} ns, is {(last_ns - venue_ns) / NS_PER_S:.0f} s before the log's last Clock, and a "
                "log cannot go back: use another namespace, or wipe this one"
            )
        )
        return
    start_ns = window_start_ns(venue_ns)
    first_ns = last_ns if last_ns is not None else start_ns if start_ns is not None else venue_ns
    _write_clock(state, first_ns)
    if start_ns is None and venue_ns == first_ns:
        _run(state)
    else:
        _begin_catching_up(state)


def _begin_catching_up(state: State) -> None:
    state.phase = Phase.CATCHING_UP
    state.writer.is_holding = True
    state.catch_up_until_ns = state.timeline.now_ns + state.settings.catch_up_wait_s * NS_PER_S


def _catch_up(state: State) -> None:
    """What was due in the outage, then one Clock at the new time; short ones second by second."""
    writer, settings = state.writer, state.settings
    due_ns = max(second(state.timeline.due_ns()), writer.clock_ns)
    if state.timeline.now_ns < state.catch_up_until_ns and _is_waiting_for_facts(state, due_ns):
        return
    if due_ns - writer.clock_ns <= settings.outage_s * NS_PER_S:
        _close_up_to(state, due_ns)
        _run(state)  # what waited comes after the Clocks, or it would be bounded by the last one before the outage
        return
    _write_fixings(state, due_ns)
    _write_clock(state, due_ns)
    _after_clock(state)
    _run(state)


def finish(state: State) -> None:
    """The end is near: the Clock after an outage waits for nothing more, so that what is held back is written."""
    if state.phase is Phase.CATCHING_UP:
        state.catch_up_until_ns = state.timeline.now_ns
        _catch_up(state)


def _is_waiting_for_facts(state: State, due_ns: int) -> bool:
    """Inside a settlement window: the listing says which series expire, the venue's estimate what their average is so far."""
    if window_start_ns(due_ns) is None:
        return False
    if not state.listing.is_complete:
        return True
    _find_windows(state, due_ns)
    for window in state.windows.values():
        if window.missed_ns(due_ns) <= state.settings.estimate_after_s * NS_PER_S or window.expiry_ns < due_ns:
            continue
        index = state.listing.index(window.price_index)
        fresh_ns = due_ns - 2 * state.settings.catch_up_wait_s * NS_PER_S
        if index.estimate is None or index.estimate.ts_event_ns < fresh_ns or index.index_ns < fresh_ns:
            return True
    return False


def _run(state: State) -> None:
    state.phase = Phase.RUNNING
    state.writer.is_holding = False
    state.writer.release()
    if state.next_snapshot_ns is None:
        settings = state.settings
        state.next_snapshot_ns = next_snapshot_ns(
            state.writer.clock_ns, settings.snapshot_every_s, settings.snapshot_phase_s
        )


def _close_up_to(state: State, due_ns: int) -> None:
    writer = state.writer
    while writer.clock_ns + NS_PER_S <= due_ns:
        clock_ns = writer.clock_ns + NS_PER_S
        for index in state.listing.indices.values():
            index.find_parity(clock_ns, DEFAULT_RULE.window_ns)
            complete = index.complete(clock_ns // state.slot_ns)
            if complete is not None:
                writer.broadcast(complete)
        _write_fixings(state, clock_ns)
        _write_clock(state, clock_ns)
        _after_clock(state)


def _find_windows(state: State, clock_ns: int) -> None:
    """A window for every listed expiry whose settlement has begun."""
    if window_start_ns(clock_ns) is None:
        return
    for price_index, expiry_ns, rule_id in state.listing.option_expiries():
        rule = RULES.get(rule_id)  # a rule without a window has no grid points
        if rule is not None and expiry_ns - rule.window_ns < clock_ns and (price_index, expiry_ns) not in state.windows:
            state.windows[(price_index, expiry_ns)] = Window(price_index, expiry_ns, rule)


def _write_fixings(state: State, clock_ns: int) -> None:
    """Every grid point up to ``clock_ns`` that has no record yet, of all windows by grid time: each of them is log time."""
    _find_windows(state, clock_ns)
    due: list[SettlementFixing] = []
    for key, window in list(state.windows.items()):
        index = state.listing.index(window.price_index)
        for fixing in window.due(clock_ns, index, state.settings.estimate_after_s * NS_PER_S):
            due.append(fixing)
            state.counts.fixings_imputed += fixing.is_imputed
            state.counts.estimate_off += window.is_off(fixing, index.index_known_at(fixing.grid_ns))
        if window.is_done or window.expiry_ns <= clock_ns:
            del state.windows[key]
    for fixing in sorted(due, key=lambda fixing: (fixing.grid_ns, fixing.price_index, fixing.expiry_ns)):
        state.writer.broadcast(fixing)


def _write_clock(state: State, clock_ns: int) -> None:
    state.writer.broadcast(Clock(clock_ns, 0, 0, state.timeline.offset_ms if state.timeline.is_wall else None))


def _after_clock(state: State) -> None:
    clock_ns = state.writer.clock_ns
    for index in state.listing.indices.values():
        index.forget_prints(clock_ns - PRINTS_KEPT_NS)
    earliest_ns = state.listing.next_expiry_ns
    if earliest_ns is not None and earliest_ns <= clock_ns:
        _expire(state, clock_ns)
    while state.ended and state.ended[0][0] <= clock_ns:
        state.ledger.drop(state.ended.popleft()[1])
    if state.next_snapshot_ns is not None and clock_ns >= state.next_snapshot_ns:
        settings = state.settings
        state.next_snapshot_ns = next_snapshot_ns(clock_ns, settings.snapshot_every_s, settings.snapshot_phase_s)
        if state.snapshot is None and state.last_snapshot_id and state.stage is Stage.DONE:
            outages.begin_snapshot(state)


def _expire(state: State, clock_ns: int) -> None:
    """Rule 8: the engines need nothing but the Clock; downstream wants the delivery price, and new series have been listed."""
    for instrument in state.listing.expire(clock_ns):
        state.ended.append((clock_ns + TRADES_KNOWN_NS, instrument.instrument_name))
        assert instrument.expiry_ns is not None
        state.awaiting_delivery.setdefault((instrument.price_index, instrument.expiry_ns), []).append(instrument)
    now_ns = state.timeline.now_ns
    state.delivery_due_ns = now_ns + DELIVERY_DELAY_NS
    for currency in state.settings.currencies:
        state.lists_due_ns.setdefault(currency, now_ns + 2 * NS_PER_S)


def flush_changed(state: State, time_ns: int) -> None:
    """What has changed in each price index, at most once per 100 ms of exchange time.

    Called before the first event of a new 100 ms, and at ticks: so a burst (index, perpetual, futures) goes out as one record.
    """
    slot = time_ns // state.slot_ns
    if state.phase is not Phase.RUNNING or slot <= state.slot:
        return
    state.slot = slot
    for index in state.listing.indices.values():
        changed = index.changed(slot)
        if changed is not None:
            state.writer.broadcast(changed)


def tick(state: State) -> None:
    """What our own clock makes due."""
    now_ns, timeline, settings = state.timeline.now_ns, state.timeline, state.settings
    if now_ns < state.work_due_ns:
        return
    state.work_due_ns = now_ns + WORK_EVERY_NS
    if (
        not timeline.is_started
        and state.is_connected
        and now_ns - state.connected_since_ns > NO_TIME_WAIT_NS
        and timeline.is_wall
    ):
        timeline.start_unanswered()
    advance(state)
    flush_changed(state, timeline.estimate_ns())
    outages.proceed(state)
    if state.snapshot is not None:
        outages.write_snapshot(state)
    if state.is_connected:
        _ask(state, now_ns)
    if now_ns >= state.status_due_ns:
        state.status_due_ns = now_ns + int(settings.status_every_s * NS_PER_S)
        state.say("connected" if state.is_connected else "disconnected")


def _ask(state: State, now_ns: int) -> None:
    """Requests that time makes due: the venue's time, lists, delivery prices."""
    settings, outs = state.settings, state.writer.outs
    every_ns = (
        int(settings.time_request_s * NS_PER_S)
        if state.timeline.is_wall and state.timeline.is_started
        else QUIET_ASK_NS
    )
    is_lost = state.time_asked_ns and now_ns - state.time_asked_ns > 10 * NS_PER_S
    # an event far ahead of our time is wrong, or we are: the venue's own word decides, a second after the last one at the earliest
    is_doubted = state.timeline.is_contradicted and now_ns >= state.time_due_ns - every_ns + NS_PER_S
    if (now_ns >= state.time_due_ns or is_doubted) and (not state.time_asked_ns or is_lost):
        state.time_due_ns, state.time_asked_ns = now_ns + every_ns, now_ns
        outs.append(GetTime())
    for currency in [currency for currency, due_ns in state.lists_due_ns.items() if due_ns <= now_ns]:
        del state.lists_due_ns[currency]
        outs.append(GetInstruments(currency))
    if state.awaiting_delivery and now_ns >= state.delivery_due_ns:
        state.delivery_due_ns = now_ns + DELIVERY_AGAIN_NS
        for key in [key for key in state.awaiting_delivery if key[1] < state.writer.clock_ns - DELIVERY_GIVE_UP_NS]:
            del state.awaiting_delivery[key]
        outs.extend(GetDeliveryPrices(name) for name in sorted({key[0] for key in state.awaiting_delivery}))
