"""State <-> bytes: JSON of plain lists, compressed.  Floats come back to the bit; equal states give equal bytes.

Not in it, because the rest gives it: timers, the nearest expiry, instruments by price index, facts of contracts.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

import orjson

from schemas import FutureQuote, Greeks, InstrumentSet, InstrumentState, OptionQuote, RowStatus, SigmaSource, TickStep
from streams.engine.columns import Row, head_of
from streams.engine.expiry import note_expiry
from streams.engine.located import BadSnapshot, Identity
from streams.engine.state import Fixings, Instrument, Point, Solved, State, Underlying, facts_of

STATE_FORMAT = 2
LEVEL = 1
"""zlib level: the state is written every two seconds, a tenth of the size costs a few ms."""

N = TypeVar("N", bound=tuple[Any, ...])

_SCALARS = (
    "offset", "log_time_ns", "clock_ns", "epoch", "seq", "is_ready", "snapshot_id", "waits_for",
)  # fmt: skip
_INSTRUMENT = (
    "name", "contract_ns", "quote_ns", "changed_ns", "traded_ns", "last_price", "last_forward", "last_ns", "is_last_new",
    "is_last_moved", "is_unseen", "is_cold", "has_solved", "calc_bid", "calc_ask", "calc_mark", "calc_last", "calc_forward",
    "mark_calc_ns", "due_mark_ns", "sigma", "sigma_source", "sigma_ns", "sigma_last", "sigma_last_status", "reject",
    "reject_detail", "reject_clears", "reject_ns", "good_ns",
)  # fmt: skip
_RECORDS = (OptionQuote, InstrumentState, FutureQuote, InstrumentSet, Greeks, Solved)


def _enum_fields(record_type: Any) -> dict[int, type[IntEnum]]:
    """Which fields of a record are enums, by place: JSON knows numbers only."""
    hints, found = get_type_hints(record_type), {}
    for i, name in enumerate(record_type._fields):
        for kind in (hints[name], *get_args(hints[name])):
            if isinstance(kind, type) and issubclass(kind, IntEnum):
                found[i] = kind
    return found


_ENUMS = {kind: _enum_fields(kind) for kind in _RECORDS}


def _plain(record: tuple[Any, ...] | None) -> list[Any] | None:
    return None if record is None else list(record)


def _record(kind: type[N], values: list[Any] | None) -> N | None:
    if values is None:
        return None
    for i, enum in _ENUMS[kind].items():  # type: ignore[index]
        if values[i] is not None:
            values[i] = enum(values[i])
    return kind._make(values)  # type: ignore[attr-defined,no-any-return]


def _listed(value: Any) -> Any:
    """NamedTuples as lists: orjson leaves subclasses of tuple to us."""
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no part of a state")


class _Keys(NamedTuple):
    """Top level of a snapshot."""

    scalars: list[Any]
    pending_set: list[Any] | None
    instruments: list[Any]
    underlyings: list[Any]
    seqs: dict[str, list[list[int]]]
    expired: dict[str, int]
    counters: dict[str, int]
    pending: list[Any]
    cleared: list[str]
    snapshot_names: list[str]


def snapshot(state: State) -> bytes:
    """The state as bytes; what it was given and restored from is the caller's to keep beside it."""
    document = _Keys(
        [getattr(state, name) for name in _SCALARS],
        _plain(state.pending_set),
        [
            [[getattr(inst, name) for name in _INSTRUMENT], inst.contract, inst.quote, inst.solved]
            for inst in state.instruments.values()
        ],
        [
            [
                u.price_index, u.index, u.dvol, list(u.futures.values()),
                [[expiry_ns, list(points.items())] for expiry_ns, points in u.forwards.items()],
                list(u.fixings.items()), u.is_moved,
            ]
            for u in state.underlyings.values()
        ],
        state.seqs,
        state.expired,
        state.counters,
        [row.record if isinstance(row, Row) else row for row in state.pending.values()],
        list(state.cleared),
        list(state.snapshot_names),
    )  # fmt: skip
    return zlib.compress(orjson.dumps(document, default=_listed), LEVEL)


def restore(data: bytes, identity: Identity) -> State:
    """The state of a snapshot.  Errors: BadSnapshot for bytes that are none of this state format."""
    try:
        return _state(_Keys(*orjson.loads(zlib.decompress(data))), identity)
    except (zlib.error, orjson.JSONDecodeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadSnapshot(f"{len(data)} bytes are no snapshot of state format {STATE_FORMAT}: {error}") from error


def _state(keys: _Keys, identity: Identity) -> State:
    state = State(identity)
    for name, value in zip(_SCALARS, keys.scalars, strict=True):
        setattr(state, name, value)
    pending_set = _record(InstrumentSet, keys.pending_set)
    if pending_set is not None:
        state.pending_set = pending_set._replace(
            count_by_partition=tuple(pending_set.count_by_partition), price_indices=tuple(pending_set.price_indices)
        )
    for fields, contract, quote, solved in keys.instruments:
        inst = _instrument(fields, contract, quote, solved)
        state.instruments[inst.name] = inst
        if inst.contract is not None:
            state.by_index.setdefault(inst.contract.price_index, {})[inst.name] = inst
        note_expiry(state, inst)
    for fields in keys.underlyings:
        state.underlyings[fields[0]] = _underlying(fields)
    state.seqs, state.expired, state.counters = keys.seqs, keys.expired, keys.counters
    for values in keys.pending:
        row = _record(Greeks, values)
        if row is not None:
            state.pending[row.instrument_name] = row
    state.cleared = dict.fromkeys(keys.cleared)
    state.snapshot_names = dict.fromkeys(keys.snapshot_names)
    state.is_scheduled = False
    return state


def _instrument(
    fields: list[Any], contract: list[Any] | None, quote: list[Any] | None, solved: list[Any]
) -> Instrument:
    inst = Instrument(fields[0])
    for name, value in zip(_INSTRUMENT, fields, strict=True):
        setattr(inst, name, value)
    inst.sigma_source, inst.reject = SigmaSource(inst.sigma_source), RowStatus(inst.reject)
    inst.sigma_last_status = RowStatus(inst.sigma_last_status)
    inst.contract = _record(InstrumentState, contract)
    if inst.contract is not None:
        steps = tuple(TickStep(*step) for step in inst.contract.tick_size_steps)
        inst.contract = inst.contract._replace(tick_size_steps=steps)
        inst.facts, inst.head = facts_of(inst.contract), head_of(inst.name, inst.contract)
    inst.quote = _record(OptionQuote, quote)
    inst.solved = _record(Solved, solved) or inst.solved
    return inst


def _underlying(fields: list[Any]) -> Underlying:
    price_index, index, dvol, futures, forwards, fixings, is_moved = fields
    underlying = Underlying(price_index, Point(*index) if index is not None else None, dvol, is_moved=is_moved)
    for values in futures:
        future = _record(FutureQuote, values)
        if future is not None:
            underlying.futures[future.instrument_name] = future
    for expiry_ns, points in forwards:
        underlying.forwards[expiry_ns] = {rank: Point(*point) for rank, point in points}
    underlying.fixings = {expiry_ns: Fixings(*values) for expiry_ns, values in fixings}
    return underlying
