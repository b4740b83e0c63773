"""The fold itself: lanes in, finals out when every lane has passed a second, provisional records when one is late.

The seconds published are those that some lane has a Watermark of.  Second t holds, of each lane, every segment up to t; within it
records go in by partition, and in a partition in the order in which the worker made them (source offset, result number), both topics
together.  So finals do not depend on how the lanes interleave.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import merge

from schemas import Flow, FlowStrike, Greeks, Kind, RowStatus, SettlementFlow, TradeGreeks
from streams.flow.publish import FlowState, publish
from streams.flow.seeding import before
from streams.flow.side import advance
from streams.flow.side import step as step_side

from . import settlements
from .board import SecondBook, second_book
from .lanes import GREEKS, NEVER, NS_PER_S, TOPICS, Arrival, take
from .records import flow_record
from .state import Context, Final, State
from .strikes import strike_records

Record = Flow | FlowStrike | SettlementFlow


def step(state: State, arrival: Arrival, context: Context) -> tuple[State, list[Record]]:
    """Take one record in; the final records of the seconds that are over with it, oldest first.

    Idempotent: a record that comes again changes nothing.  After an overrun only the newest rows are kept (``state.reread``).

    Raises
    ------
    LaneError : a lane is no continuation of what was read from it.
    """
    lane = state.lanes.get((arrival.topic, arrival.partition))
    if lane is None:
        return state, []
    before = lane.place
    is_closed = take(lane, arrival)
    record = arrival.record
    if isinstance(record, Greeks) and lane.place != before:
        _keep(state.newest, record)
    if state.is_overrun:
        lane.closed.clear()
        lane.opened.clear()
        return state, []
    return state, _finals(state, context) if is_closed else []


def _finals(state: State, context: Context) -> list[Record]:
    last_ns = min(lane.mark.second_ns for lane in state.lanes.values())
    if last_ns <= state.final.second_ns:
        return []
    over = {segment.mark.second_ns for lane in state.lanes.values() for segment in lane.closed}
    found: list[Record] = []
    for second_ns in sorted(ns for ns in over if ns <= last_ns):
        found += _apply(state, second_ns, context)
        found += _published(state, second_ns, context)
    return found


def _apply(state: State, second_ns: int, context: Context) -> list[SettlementFlow]:
    """Take every lane's segment of a second into the final state; what settlement windows are over with it."""
    final = state.final
    before_ns = second_ns if final.second_ns == NEVER else final.second_ns
    for partition in context.partitions:
        segments = []
        for topic in TOPICS:
            lane = state.lanes[topic, partition]
            if lane.closed and lane.closed[0].mark.second_ns == second_ns:
                segment = lane.closed.popleft()
                final.marks[topic, partition] = segment.mark
                segments.append(segment.records)
        for record in merge(*segments, key=_place):
            if isinstance(record, Greeks):
                _keep(final.rows, record)
            final.side = step_side(final.side, record, context.side)
            settlements.take(final, record, before_ns, context)
    final.side = advance(final.side, second_ns)
    final.second_ns = second_ns
    if (
        final.began_ns == NEVER
        and final.rows
        and all((GREEKS, partition) in final.marks for partition in context.partitions)
    ):
        _begin(final, second_ns)
    for rows in (final.rows, state.newest):
        for name in [name for name, row in rows.items() if row.expiry_ns is not None and row.expiry_ns <= second_ns]:
            del rows[name]
    return settlements.end_second(final, second_ns, context)


def _begin(final: Final, second_ns: int) -> None:
    """Every partition's greeks have begun: finals go out, and what a cold start was given must not know of later than this."""
    final.began_ns = second_ns
    final.flow = {currency: before(state, second_ns) for currency, state in final.flow.items()}


def _place(record: Greeks | TradeGreeks) -> tuple[int, int]:
    return record.source_offset, record.result_seq


def _keep(rows: dict[str, Greeks], row: Greeks) -> None:
    if row.status == RowStatus.EXPIRED:
        rows.pop(row.instrument_name, None)
    else:
        rows[row.instrument_name] = row


def _is_due(second_ns: int, every_s: float) -> bool:
    """Whether a grid of so many seconds has a point there."""
    return second_ns % max(NS_PER_S, round(every_s) * NS_PER_S) == 0


def _published(state: State, second_ns: int, context: Context) -> list[Record]:
    """The final records of a second, by currency."""
    final, settings = state.final, context.flow
    if final.began_ns == NEVER or not _is_due(second_ns, settings.publish_every_s):
        return []
    found: list[Record] = []
    for currency in _currencies(final.rows):
        book = second_book(state, currency, second_ns, context, is_final=True)
        if book is None:
            continue
        flow, publication = publish(
            final.flow.get(currency, FlowState()), book.book, settings, vol=book.dvol, volume_24h_usd=book.volume_24h_usd,
            with_ladder=_is_due(second_ns, settings.ladder_every_s),
        )  # fmt: skip
        final.flow[currency] = flow
        found.append(flow_record(book, publication, flow, context))
        state.n_finals += 1
        if _is_due(second_ns, settings.strikes_every_s):
            found += strike_records(book, publication, context)
    return found


def provisional(state: State, context: Context) -> tuple[State, list[Record]]:
    """Records of the newest second that some lane has passed, where others are late by ``provisional_late_s`` or more.

    They rest on the newest rows, and on the positions of the last final second; nothing of them enters what is final.  At most one
    record a second and currency.
    """
    newest_ns = max(lane.mark.second_ns for lane in state.lanes.values())
    late_ns = newest_ns - int(context.flow.provisional_late_s * NS_PER_S)
    is_late = newest_ns != NEVER and any(
        lane.mark.second_ns < min(late_ns + 1, newest_ns) for lane in state.lanes.values()
    )
    if not is_late or newest_ns <= max(state.provisional_ns, state.final.second_ns):
        return state, []
    if not _is_due(newest_ns, context.flow.publish_every_s):
        return state, []
    state.provisional_ns = newest_ns
    return state, list(_provisional(state, newest_ns, context))


def _provisional(state: State, second_ns: int, context: Context) -> Iterable[Record]:
    for currency in _currencies(state.newest):
        book: SecondBook | None = second_book(state, currency, second_ns, context, is_final=False)
        if book is None:
            continue
        flow, publication = publish(
            state.final.flow.get(currency, FlowState()), book.book, context.flow, vol=book.dvol,
            volume_24h_usd=book.volume_24h_usd, with_ladder=False,
        )  # fmt: skip
        yield flow_record(book, publication, flow, context)


def _currencies(rows: dict[str, Greeks]) -> list[str]:
    return sorted({row.base_currency for row in rows.values() if row.kind == Kind.OPTION})
