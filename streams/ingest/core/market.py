"""What the market says: quotes, marks, trades, indices, futures (rules 6 and 9)."""

from __future__ import annotations

from schemas import InstrumentStatus, OptionQuote, OptionTrade
from streams.deribit import events as ev
from streams.ingest.core import outages
from streams.ingest.core.listing import Entry
from streams.ingest.core.messages import NS_PER_S
from streams.ingest.core.recovery import Stage
from streams.ingest.core.state import State

_NO_QUOTE = OptionQuote(0, -1, "", False, None, *[None] * (len(OptionQuote._fields) - 6), InstrumentStatus.OPEN)  # type: ignore[call-arg, arg-type]


def _entry(state: State, name: str, ts_ns: int, *, is_option: bool) -> Entry | None:
    """The listed instrument of a ticker; None, and counted: not one of ours, expired, or no name at all."""
    entry, first = state.listing.entry_of_ticker(name, ts_ns, state.writer.clock_ns, is_option=is_option)
    if first is not None:
        state.announce(first)
    if entry is None:
        state.counts.unlisted += 1
    return entry


def take_quote(state: State, quote: OptionQuote) -> None:
    ts_ns = state.bounded(quote.ts_event_ns)
    entry = _entry(state, quote.instrument_name, ts_ns, is_option=True)
    if entry is None:
        return
    state.counts.quotes += 1
    if ts_ns < entry.quote_ns and entry.quote_outage == state.n_outages:
        state.counts.late += 1
        if state.writer.is_waiting(quote.instrument_name):
            state.counts.conflated += 1  # into the newer one that waits
            return
    else:
        entry.quote, entry.quote_ns, entry.quote_outage = quote, ts_ns, state.n_outages
        entry.index.take_quote(entry.state, quote, ts_ns)
    state.writer.quote(quote)


def take_marks(state: State, event: ev.MarkPrices) -> None:
    """Cheap coverage: a mark makes a quote only for a listed option that has had no ticker on this connection.

    The ticker of a subscribed option says every change of its mark, with its sizes and greeks; a quote put together from an old
    book and a new mark would make the book look fresh.  So such a quote has the mark alone: no bid, no ask.
    """
    settings = state.settings
    if state.stage < Stage.SNAPSHOT:
        return
    for mark in event.marks:
        entry = state.listing.entries.get(mark.instrument_name)
        has_ticker = entry is not None and entry.quote_outage == state.n_outages and entry.quote is not None
        ts_ns = state.bounded(mark.ts_event_ns)
        is_soon = entry is not None and ts_ns < entry.mark_ns + int(settings.mark_fill_s * NS_PER_S)
        if entry is None or has_ticker or is_soon:
            state.counts.marks_ignored += 1
            continue
        entry.mark_ns = ts_ns
        state.counts.marks_used += 1
        state.writer.quote(_mark_only(mark))


def _mark_only(mark: ev.MarkPrice) -> OptionQuote:
    return _NO_QUOTE._replace(
        ts_event_ns=mark.ts_event_ns, instrument_name=mark.instrument_name, mark=mark.mark, mark_sigma=mark.sigma
    )


def take_trade(state: State, trade: OptionTrade) -> None:
    is_new = state.ledger.add(trade.instrument_name, trade.trade_seq)
    if not is_new:
        state.counts.trades_repeated += 1
        return
    state.counts.trades += 1
    if trade.is_backfill:
        state.counts.trades_backfilled += 1
        state.backfill.n_recovered += 1
    state.writer.keep(trade)
    if not trade.is_backfill and state.ledger.has_holes(trade.instrument_name):
        outages.hole_seen(state, trade)


def take_index(state: State, event: ev.IndexPrice) -> None:
    state.listing.index(event.price_index).take_index(state.bounded(event.ts_event_ns), event.price)


def take_future(state: State, event: ev.FutureTicker) -> None:
    ts_ns = state.bounded(event.ts_event_ns)
    entry = _entry(state, event.instrument_name, ts_ns, is_option=False)
    if entry is not None:
        entry.index.take_future(event, entry.state.expiry_ns, ts_ns)


def take_dvol(state: State, event: ev.VolatilityIndex) -> None:
    state.listing.index(event.price_index).take_dvol(state.bounded(event.ts_event_ns), event.sigma)


def take_estimate(state: State, event: ev.DeliveryEstimate) -> None:
    state.listing.index(event.price_index).estimate = event._replace(ts_event_ns=state.bounded(event.ts_event_ns))
