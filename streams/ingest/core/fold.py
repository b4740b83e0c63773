"""The fold: ``step(state, event) -> (state, outcomes)``.  Time is decided in ``clockwork``, outages in ``outages``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas import InstrumentState, InstrumentStatus, OptionQuote, OptionTrade
from streams.deribit import events as ev
from streams.deribit.quotes import status_of
from streams.ingest.core import clockwork, market, outages
from streams.ingest.core.messages import (
    NS_PER_MS,
    NS_PER_S,
    Outcome,
    Pressure,
    Stop,
    Tick,
)
from streams.ingest.core.state import State

LISTING_DELAY_NS = 2 * NS_PER_S
"""Instruments are listed in groups, each with its own message: ask for the list once they are all there."""
SUSPECT_WAIT_NS = NS_PER_S
LIST_AGAIN_NS = 10 * NS_PER_S
INDEX_SOURCE = "index/"


def step(state: State, event: ev.Event | Tick | Pressure | Stop) -> tuple[State, list[Outcome]]:
    """Take one event or tick of time; the state given in is used up, only the returned one is good.

    Never raises on data.  Each outcome is to be carried out in order: records produced, requests sent, Fatal obeyed.
    """
    outs = state.writer.outs
    if isinstance(event, Tick):
        state.timeline.pass_to(event.now_ns)
        if state.suspect is not None and event.now_ns - state.suspect_since_ns > SUSPECT_WAIT_NS:
            _release_suspect(state)
        clockwork.tick(state)
    else:
        state.counts.events += 1
        _receive(state, event)
    state.writer.outs = []
    return state, outs


def _receive(state: State, event: Any) -> None:
    handler = _HANDLERS.get(type(event))
    if handler is None:
        state.counts.ignored += 1
        return
    timed = _TIMES.get(type(event))
    if timed is not None:
        ts_ns, source = timed(event)
        _note_lag(state, event, ts_ns)
        if not state.timeline.observe(ts_ns, source):
            clockwork.advance(state)
            _release_suspect(state)
            state.suspect = event
            state.suspect_since_ns = state.timeline.now_ns
            return
        clockwork.advance(state)
        if state.suspect is not None:
            _release_suspect(state)
        clockwork.flush_changed(state, state.timeline.venue_ns)
    handler(state, event)
    if state.snapshot is not None:
        outages.write_snapshot(state)


def _release_suspect(state: State) -> None:
    """Write the event that was held back for its time; if nobody confirmed that, the writer bounds it."""
    suspect, state.suspect = state.suspect, None
    if suspect is not None:
        _HANDLERS[type(suspect)](state, suspect)


def _note_lag(state: State, event: Any, ts_ns: int) -> None:
    """Receive time minus event time, both by the venue's clock: ours may be wrong by hours, which is no lag."""
    timeline = state.timeline
    if timeline.is_wall:
        name = _CHANNELS[type(event)]
        counts = state.counts
        lag_ms = (timeline.now_ns - ts_ns) / NS_PER_MS + (timeline.offset_ms or 0.0)
        counts.lag_sum_ms[name] = counts.lag_sum_ms.get(name, 0.0) + lag_ms
        counts.lag_n[name] = counts.lag_n.get(name, 0) + 1


# ---- instruments


def _instruments(state: State, event: ev.InstrumentList) -> None:
    state.listing.currencies_seen.add(event.currency)
    for instrument in event.instruments:
        _instrument(state, instrument)


def _instrument(state: State, event: InstrumentState) -> None:
    timeline = state.timeline
    if timeline.is_started and event.ts_event_ns > timeline.estimate_ns():
        # An answer carries the time of the answering machine: for a recording that is years ahead of the market.
        event = event._replace(ts_event_ns=timeline.estimate_ns())
    written = state.listing.take(event, state.writer.clock_ns)
    if written is not None:
        state.announce(written)


def _instrument_change(state: State, event: ev.InstrumentChange) -> None:
    status = status_of(event.state)
    written = state.listing.change_status(event.instrument_name, status, event.ts_event_ns)
    if written is not None:
        state.announce(written)
    elif event.instrument_name not in state.listing.entries and status in (
        InstrumentStatus.CREATED, InstrumentStatus.STARTED, InstrumentStatus.OPEN,
    ):  # fmt: skip
        # The venue says a name only; its contract comes with the currency's list.
        currency = event.instrument_name.split("-")[0].partition("_")[2] or event.instrument_name.split("-")[0]
        if currency in state.settings.currencies:
            state.lists_due_ns.setdefault(currency, state.timeline.now_ns + LISTING_DELAY_NS)


def _delivery_prices(state: State, event: ev.DeliveryPrices) -> None:
    for price in event.prices:
        for instrument in state.awaiting_delivery.pop((price.price_index, price.expiry_ns), ()):
            status = InstrumentStatus.SETTLED
            state.writer.keep(
                instrument._replace(
                    delivery_price=price.price, status=status, ts_event_ns=max(price.expiry_ns, instrument.ts_event_ns)
                )
            )


# ---- conversation


def _trade_page(state: State, event: ev.TradePage) -> None:
    for trade in event.trades:
        market.take_trade(state, trade if trade.is_backfill else trade._replace(is_backfill=True))
    state.writer.outs += state.backfill.answer(event.request, event, state.timeline.now_ns)
    outages.proceed(state)


def _failed(state: State, event: ev.RequestFailed) -> None:
    state.counts.requests_failed += 1
    state.time_asked_ns = 0
    if event.method.endswith("get_instruments"):
        for currency in state.settings.currencies:
            if currency not in state.listing.currencies_seen:
                state.lists_due_ns.setdefault(currency, state.timeline.now_ns + LIST_AGAIN_NS)
    state.writer.outs += state.backfill.answer(event.request, None, state.timeline.now_ns)
    outages.proceed(state)


def _venue_time(state: State, event: ev.VenueTime) -> None:
    state.time_asked_ns = 0
    state.timeline.answer(event)
    clockwork.advance(state)
    if not state.timeline.has_suspect:
        _release_suspect(state)


def _gap(state: State, event: ev.TradeGap) -> None:
    outages.gap_told(state, event)


def _unreadable(state: State, event: ev.Unreadable) -> None:
    state.counts.unreadable += 1


def _stop(state: State, event: Stop) -> None:
    state.timeline.pass_to(event.now_ns)
    _release_suspect(state)
    clockwork.finish(state)
    state.writer.n_room = None
    state.writer.release()
    state.say("stopped")


def _pressure(state: State, event: Pressure) -> None:
    state.writer.n_room = event.n_room
    state.writer.release()


_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    OptionQuote: market.take_quote,
    OptionTrade: market.take_trade,
    InstrumentState: _instrument,
    ev.FutureTicker: market.take_future,
    ev.IndexPrice: market.take_index,
    ev.DeliveryEstimate: market.take_estimate,
    ev.VolatilityIndex: market.take_dvol,
    ev.MarkPrices: market.take_marks,
    ev.InstrumentChange: _instrument_change,
    ev.InstrumentList: _instruments,
    ev.TradePage: _trade_page,
    ev.DeliveryPrices: _delivery_prices,
    ev.VenueTime: _venue_time,
    ev.Connected: outages.connected,
    ev.Subscribed: outages.subscribed,
    ev.Disconnected: outages.disconnected,
    ev.TradeGap: _gap,
    ev.RequestFailed: _failed,
    ev.Unreadable: _unreadable,
    Stop: _stop,
    Pressure: _pressure,
}
# Events whose time says what time it is at the venue, and who says so.
_TIMES: dict[type, Callable[[Any], tuple[int, str]]] = {
    OptionQuote: lambda event: (event[0], event[2]),
    OptionTrade: lambda event: (event[0], event[2]),
    ev.FutureTicker: lambda event: (event[1], event[0]),
    ev.IndexPrice: lambda event: (event[1], INDEX_SOURCE + event[0]),
}
_CHANNELS = {
    OptionQuote: "ticker.option",
    OptionTrade: "trades",
    ev.FutureTicker: "ticker.future",
    ev.IndexPrice: "deribit_price_index",
}
