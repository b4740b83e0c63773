"""Merged exposure as records: a fold over final dealer flow, its strikes and batches of CME's marks; ``FlowMerged`` out.

    state, records = step(state, arrived, terms)

A record comes for every set of strikes (``FlowStrike`` of one currency and second) that is whole, as soon as the final ``Flow`` of
that second is there too: in whichever order the two topics are read, the same records come.  CME's side is of the newest batch whose
moment is not later than that second, so a batch that comes late changes what follows it and nothing before.

A set is whole when a later one of the same currency begins.  Bounded: per currency one set that grows, N_WAITING that wait and
N_FLOWS seconds of flow; N_BATCHES batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import CmeMark, Flow, FlowMerged, FlowMergedStrike, FlowStrike
from streams.cme.merge import DERIBIT, Columns, Exposure, Merged, exposures_of_marks, merge
from streams.cme.share import ShareSignal

NS_PER_S = 1_000_000_000
HOUR_NS = 3_600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
N_FLOWS = 600
"""Seconds of flow kept: sets of strikes come every few seconds, and the two topics are read together."""
N_WAITING = 120
"""Sets of strikes of one currency that wait for flow: who reads the topics stops reading strikes long before (``are_strikes_ahead``)."""
N_BATCHES = 8
USD = "usd"
EPOCH_DAY = 719_163
"""Ordinal of 1970-01-01."""


class Terms(NamedTuple):
    """What decides a merged record, apart from what comes."""

    marks_max_age_ns: int
    """Marks older than this at the second of the flow are left out."""
    settings_hash: str
    """Of the settings behind it; every record has it."""


class MarkBatch(NamedTuple):
    """Marks of one moment, all of them."""

    now_ns: int
    marks: tuple[CmeMark, ...]


class Arrived(NamedTuple):
    """A record of a topic with its offset there; of a batch, that of its last mark."""

    offset: int
    record: Flow | FlowStrike | MarkBatch


class StrikeSet(NamedTuple):
    """All strikes of one currency at one second; ``offset`` is that of the first."""

    ts_ns: int
    offset: int
    rows: dict[tuple[int, float], FlowStrike]
    """By expiry and strike; the first counts, a repeat after a crash is the same."""


@dataclass(slots=True)
class MergeState:
    """State of the fold; by currency where nothing else is said."""

    growing: dict[str, StrikeSet] = field(default_factory=dict)
    waiting: dict[str, dict[int, StrikeSet]] = field(default_factory=dict)
    """Whole, by second; their flow has not come."""
    flows: dict[str, dict[int, Arrived]] = field(default_factory=dict)
    """Final flow by second."""
    batches: tuple[MarkBatch, ...] = ()
    """Newest moments, ascending."""
    said_ns: dict[str, int] = field(default_factory=dict)
    """Second of the newest record; nothing at or before it comes again."""
    is_cold: bool = False
    """The fold began inside the strikes' topic: each currency's first set may be a part of one, and gives nothing."""
    begun: set[str] = field(default_factory=set)
    """Of a cold fold, currencies whose first set is over."""
    n_without_flow: int = 0
    """Sets of strikes whose second has no final flow."""
    signals: Mapping[str, ShareSignal] = field(default_factory=dict)
    """Of the share monitor; set from outside whenever it has read."""


def step(state: MergeState, arrived: Arrived, terms: Terms) -> tuple[MergeState, tuple[FlowMerged, ...]]:
    """Fold one record in; the state given in is used up."""
    record = arrived.record
    match record:
        case MarkBatch():
            kept = {batch.now_ns: batch for batch in state.batches} | {record.now_ns: record}
            state.batches = tuple(kept[now_ns] for now_ns in sorted(kept)[-N_BATCHES:])
            return state, ()
        case Flow():
            if not record.is_final:
                return state, ()
            of_currency = state.flows.setdefault(record.currency, {})
            of_currency[record.ts_event_ns] = arrived
            while len(of_currency) > N_FLOWS:
                del of_currency[min(of_currency)]
            return state, _due(state, record.currency, terms)
        case FlowStrike():
            found = _grown(state, record, arrived.offset, terms)
            return state, found


def _grown(state: MergeState, row: FlowStrike, offset: int, terms: Terms) -> tuple[FlowMerged, ...]:
    currency, ts_ns = row.currency, row.ts_event_ns
    if ts_ns <= state.said_ns.get(currency, -1):
        return ()
    growing = state.growing.get(currency)
    if growing is not None and ts_ns < growing.ts_ns:
        return ()  # of a writer that was stopped and woke
    if growing is not None and ts_ns == growing.ts_ns:
        growing.rows.setdefault((row.expiry_ns, row.strike), row)
        return ()
    state.growing[currency] = StrikeSet(ts_ns, offset, {(row.expiry_ns, row.strike): row})
    if growing is None:
        return ()
    if state.is_cold and currency not in state.begun:
        state.begun.add(currency)
        # nor does what is read of it again, after a restart, look like a whole one
        state.said_ns[currency] = growing.ts_ns
        return ()
    waiting = state.waiting.setdefault(currency, {})
    waiting[growing.ts_ns] = growing
    if len(waiting) > N_WAITING:
        del waiting[min(waiting)]
        state.n_without_flow += 1
    return _due(state, currency, terms)


def _due(state: MergeState, currency: str, terms: Terms) -> tuple[FlowMerged, ...]:
    """Records of the sets that wait and whose flow is there, in order; a set that later flow has passed is given up."""
    waiting, flows = state.waiting.get(currency, {}), state.flows.get(currency, {})
    newest_ns = max(flows, default=-1)
    found = []
    for ts_ns in sorted(waiting):
        if ts_ns > newest_ns:
            break
        strikes, arrived = waiting.pop(ts_ns), flows.get(ts_ns)
        if arrived is None:
            state.n_without_flow += 1
            continue
        assert isinstance(arrived.record, Flow)
        found.append(_merged(state, arrived.record, strikes, terms))
        state.said_ns[currency] = ts_ns
        for passed in [one for one in flows if one <= ts_ns]:
            del flows[passed]
    return tuple(found)


def are_strikes_ahead(state: MergeState) -> bool:
    """Whether no more strikes should be read before flow has come."""
    return any(len(waiting) >= N_WAITING // 2 for waiting in state.waiting.values())


def is_flow_ahead(state: MergeState) -> bool:
    """Whether no more flow should be read while there are strikes to be read."""
    return any(len(of_currency) >= N_FLOWS // 2 for of_currency in state.flows.values())


def first_needed(state: MergeState, next_flow: int, next_strike: int) -> tuple[int, int]:
    """Offsets of flow and strikes from which a fold that starts anew gives all that this one has still to give."""
    sets = [*state.growing.values()] + [one for waiting in state.waiting.values() for one in waiting.values()]
    strikes = min((one.offset for one in sets), default=next_strike)
    flows = (one.offset for of_currency in state.flows.values() for one in of_currency.values())
    return min(flows, default=next_flow), strikes


def _merged(state: MergeState, flow: Flow, strikes: StrikeSet, terms: Terms) -> FlowMerged:
    currency, now_ns = flow.currency, flow.ts_event_ns
    warnings = list(flow.warnings)
    ours, n_unplaced = _deribit(strikes.rows.values(), flow)
    if n_unplaced:
        warnings.append(f"{n_unplaced} strikes of Deribit have no forward: left out")
    if flow.numeraire != USD:
        warnings.append(f"Deribit's side is in the numeraire {flow.numeraire}, CME's in {USD}")
    marks, said = _live_marks(state.batches, currency, now_ns, terms)
    warnings += said
    signal = state.signals.get(currency)
    if signal is not None and signal.is_sustained:
        warnings.append(
            f"CME's share of futures open interest was above {signal.threshold:.0%} on {signal.n_above} of {signal.n_readings} days"
        )
    theirs = exposures_of_marks(marks, {currency: flow.index_price})
    found = next(iter(merge(ours, theirs.rows)), None) or _nothing(currency)
    day = None if signal is None else signal.day
    return FlowMerged(
        currency=currency,
        ts_event_ns=now_ns,
        is_final=flow.is_final,
        settings_hash=terms.settings_hash,
        index_price=flow.index_price,
        **found.totals._asdict(),
        deribit_trade_side_models=_models(row for row in ours if row.trade_signed_usd_per_pct is not None),
        deribit_assumption_side_models=_models(row for row in ours if row.assumption_signed_usd_per_pct is not None),
        cme_side_models=found.cme_side_models,
        deribit_as_of_ns=found.deribit_oldest_as_of_ns,
        cme_as_of_ns=found.cme_oldest_as_of_ns,
        deribit_side_coverage=flow.side_coverage,
        n_cme_marks=len(theirs.rows),
        n_cme_without=theirs.n_without,
        cme_share_of_futures_open_interest=None if signal is None else signal.share_of_futures_open_interest,
        cme_share_as_of_ns=None if day is None else (day.toordinal() - EPOCH_DAY) * DAY_NS,
        warnings=tuple(warnings),
        strikes=tuple(
            FlowMergedStrike(one.expiry_ns, one.strike_index, *one.columns) for one in found.strikes
        ),
    )  # fmt: skip


def _nothing(currency: str) -> Merged:
    """A currency to which neither venue has contributed."""
    return Merged(currency, Columns(None, None, None, None), (), (), (), None, None)


def _models(rows: Iterable[Exposure]) -> tuple[str, ...]:
    return tuple(sorted({row.side_model for row in rows}))


def _deribit(rows: Iterable[FlowStrike], flow: Flow) -> tuple[list[Exposure], int]:
    """Deribit's exposures with strikes in terms of the index, trade-signed and assumption-signed apart; and how many strikes have
    no forward to be shifted by.

    A strike lies in terms of the index where the index would be if the forward were at it: strike x index / forward.  CME's are
    shifted in the same way, by their own futures.
    """
    found, n_unplaced = [], 0
    as_of_ns = flow.ts_event_ns if flow.positions_as_of_ns is None else flow.positions_as_of_ns
    for row in rows:
        if row.forward is None or not row.forward > 0.0:
            n_unplaced += 1
            continue
        strike_index = row.strike * row.index_price / row.forward
        signs = (
            (row.trade_signed_ngi_usd, None, row.side_model),
            (None, row.assumption_signed_ngi_usd, row.naive_model),
        )
        found += [
            Exposure(DERIBIT, row.currency, row.expiry_ns, strike_index, trade, assumed, model, as_of_ns)
            for trade, assumed, model in signs
            if trade is not None or assumed is not None
        ]
    return found, n_unplaced


def _live_marks(
    batches: Iterable[MarkBatch], currency: str, now_ns: int, terms: Terms
) -> tuple[list[CmeMark], list[str]]:
    """Marks of a currency that has not expired, of the newest batch not later than now; and what is to be said of them."""
    usable = [batch for batch in batches if batch.now_ns <= now_ns]
    if not usable:
        later = any(True for _ in batches)
        return [], ["CME's marks are of a later moment: left out" if later else "there are no marks of CME"]
    newest = usable[-1]
    age_ns = now_ns - newest.now_ns
    if age_ns > terms.marks_max_age_ns:
        return [], [f"CME's marks are older than {terms.marks_max_age_ns / DAY_NS:g} days: left out"]
    live = [mark for mark in newest.marks if mark.base_currency == currency and mark.expiry_ns > now_ns]
    return live, [f"CME's marks are {age_ns // HOUR_NS} h old"] if age_ns >= HOUR_NS else []
