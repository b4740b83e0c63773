"""What holds for any log: where it is cut, checkpointed or delivered twice cannot be seen in what comes out."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import typing
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from schemas import Audit, Greeks, Reject, TradeGreeks, Watermark
from streams.engine import EngineSettings, Located, LogHole, Result, new_state, restore, snapshot, step
from tests.logs import EXPIRIES, IDENTITY, NS, START_NS, Log, rows
from tests.synthetic_log import everything

SETTINGS = EngineSettings(
    audit_engine_every=3
)  # a log is minutes long: all of an option's turns but one would lie beyond it
N_RECORDS = 2_200


def as_bytes(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """Everything of every result, numbers to the last bit: what is written, where, with which identity."""
    return [
        (r.topic, r.key, r.ts_ns, r.source_offset, r.result_seq, None if r.record is None else schemas.encode(r.record))
        for r in results
    ]


def fold(log: Log, cuts: Sequence[int], is_restored: bool = False, n_again: int = 0) -> tuple[list[Result], bytes]:
    """Results of the log given in pieces, and the last state; between pieces restored, or the last records given again."""
    located = log.located
    state, out = new_state(log.identity, SETTINGS), []
    edges = [0, *sorted(set(cuts)), len(located)]
    for first, end in itertools.pairwise(edges):
        state, results = step(state, located[max(0, first - n_again) : end], SETTINGS)
        out += results
        if is_restored:
            state = restore(snapshot(state), log.identity)
    return out, snapshot(state)


class Folded(NamedTuple):
    """A log, and what comes out of it when it is given at once."""

    log: Log
    results: list[Result]
    whole: list[tuple[Any, ...]]
    """The results as bytes."""
    state: bytes


@pytest.fixture(scope="module")
def logs() -> dict[int, Folded]:
    made = {}
    for seed in (1, 2, 3):
        log = everything(seed, N_RECORDS)
        results, state = fold(log, [])
        made[seed] = Folded(log, results, as_bytes(results), state)
    return made


def test_the_synthetic_logs_have_everything_in_them(logs: dict[int, Folded]) -> None:
    """The other tests prove nothing if nothing happens."""
    results = [result for one in logs.values() for result in one.results]
    triggers = {row.trigger.name for row in rows(results)}
    assert triggers == {t.name for t in schemas.Trigger} - {"UNKNOWN"}
    statuses = {row.status.name for row in rows(results)}
    assert statuses >= {"OK", "DETERMINED", "EXPIRED", "NOT_OPEN", "NO_CONTRACT", "NO_QUOTE", "NO_SIGMA"}
    sources = {row.sigma_source.name for row in rows(results)}
    assert sources == {"BID_ASK_MID", "MARK_PRICE", "LAST_TRADE", "STICKY", "NONE"}
    trades = {r.record.status.name for r in results if isinstance(r.record, TradeGreeks)}
    assert trades >= {"OK", "NOT_READY", "EXPIRED", "NO_CONTRACT"}
    compared = {r.record.kind.name for r in results if isinstance(r.record, Audit)}
    assert compared == {"VENUE", "EUROPEAN", "ENGINE"}
    assert {r.topic for r in results} == {"greeks", "latest", "rejects", "trades", "audit", "deadletter"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_record_alone_gives_what_all_in_one_give(logs: dict[int, Folded], seed: int) -> None:
    log, _, whole, state = logs[seed]
    alone, last = fold(log, range(len(log.records)))
    assert as_bytes(alone) == whole
    assert last == state


@settings(max_examples=10, deadline=None)
@given(seed=st.sampled_from([1, 2, 3]), cuts=st.lists(st.integers(0, N_RECORDS), max_size=60))
def test_any_cut_into_batches_gives_the_same_bytes_in_the_same_order(
    logs: dict[int, Folded], seed: int, cuts: list[int]
) -> None:
    log, _, whole, state = logs[seed]
    results, last = fold(log, [c for c in cuts if c < len(log.records)])
    assert as_bytes(results) == whole
    assert last == state


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_restoring_after_each_record_gives_what_all_in_one_give(seed: int) -> None:
    log = everything(seed, 300, start_s=3_590.0)
    whole, state = fold(log, [])
    restored, last = fold(log, range(len(log.records)), is_restored=True)
    assert as_bytes(restored) == as_bytes(whole)
    assert last == state


@settings(max_examples=10, deadline=None)
@given(
    seed=st.sampled_from([1, 2, 3]), cuts=st.lists(st.integers(0, N_RECORDS), max_size=200), n_again=st.integers(0, 40)
)
def test_restoring_at_every_cut_and_delivering_records_again_changes_nothing(
    logs: dict[int, Folded], seed: int, cuts: list[int], n_again: int
) -> None:
    log, _, whole, state = logs[seed]
    results, last = fold(log, [c for c in cuts if c < len(log.records)], is_restored=True, n_again=n_again)
    assert as_bytes(results) == whole
    assert last == state


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_field_of_the_state_comes_back(seed: int) -> None:
    """C16: field by field, so that one which is forgotten, and seldom matters, is found; timers follow from the rest, and what is
    shown of a quote from the quote."""
    log = everything(seed, 1_500)
    state = new_state(log.identity, SETTINGS)
    for first in range(0, len(log.records), 50):
        state, _ = step(state, log.located[first : first + 50], SETTINGS)
        back = restore(snapshot(state), log.identity)
        for field in dataclasses.fields(state):
            if field.name not in ("timers", "is_scheduled", "instruments", "underlyings", "by_index", "next_expiry_ns"):
                assert getattr(back, field.name) == getattr(state, field.name), field.name
        assert list(back.instruments) == list(state.instruments)
        for name, inst in state.instruments.items():
            for field in dataclasses.fields(inst):
                if field.name != "shown" and (not field.name.startswith("due_") or field.name == "due_mark_ns"):
                    assert getattr(back.instruments[name], field.name) == getattr(inst, field.name), field.name
        assert list(back.underlyings) == list(state.underlyings)
        for price_index, underlying in state.underlyings.items():
            for field in dataclasses.fields(underlying):
                if field.name != "due_grid_ns":
                    assert getattr(back.underlyings[price_index], field.name) == getattr(underlying, field.name), (
                        field.name
                    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_number_on_any_record_is_nan_or_infinite(logs: dict[int, Folded], seed: int) -> None:
    for result in logs[seed].results:
        for value in result.record or ():
            assert not isinstance(value, float) or math.isfinite(value), result


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_result_seq_numbers_the_results_of_an_offset_without_a_hole(logs: dict[int, Folded], seed: int) -> None:
    seqs: dict[int, list[int]] = {}
    rows_by_identity = {}
    for r in logs[seed].results:
        if r.topic == "latest" and r.record is not None:  # keeps its row's identity
            assert rows_by_identity[r.source_offset, r.result_seq] == r.record
            continue
        seqs.setdefault(r.source_offset, []).append(r.result_seq)
        if isinstance(r.record, Greeks):
            rows_by_identity[r.source_offset, r.result_seq] = r.record
        if isinstance(r.record, Greeks | TradeGreeks | Reject | Watermark | Audit):
            assert (r.record.source_offset, r.record.result_seq) == (r.source_offset, r.result_seq)
    assert all(found == list(range(len(found))) for found in seqs.values())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_distinct_trade_gives_exactly_one_row(logs: dict[int, Folded], seed: int) -> None:
    """The synthetic gaps close holes, so that numbers from a hole may be missing: those the oracle leaves out as well."""
    log, results, _, _ = logs[seed]
    told = Counter((r.record.instrument_name, r.record.trade_seq) for r in results if isinstance(r.record, TradeGreeks))
    assert told and set(told.values()) == {1}
    given_ = {(r.instrument_name, r.trade_seq) for r in log.records if isinstance(r, schemas.OptionTrade)}
    assert set(told) <= given_
    if not any(isinstance(r, schemas.FeedGap) for r in log.records):
        assert set(told) == given_


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kafka_times_of_results_never_fall(logs: dict[int, Folded], seed: int) -> None:
    """Log time is a running maximum, whatever the event times say."""
    times = [r.ts_ns for r in logs[seed].results if r.topic == "greeks"]
    assert times == sorted(times)


# ------------------------------------------------------------------ records that nobody should send

FLOATS = (0.0, -1.0, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf, 0.05, 0.033, 1.0, 30_000.0)
LONGS = (-(2**63), 2**63 - 1, -1, 0, 1, 2, 3, 450, START_NS, START_NS + NS, START_NS + 2 * NS, EXPIRIES["19APR23"] * NS)
INTS = {"block_leg_count", "grid_index", "n_fixed", "n_imputed", "trades_recovered", "trade_seq_missing"}
"""32 bits on the wire, the others 64."""
NAMES = ("BTC-19APR23-30000-C", "BTC-PERPETUAL", "BTC-28APR23", "", "x" * 50, "BTC_USDC-13APR23-30000-C")
TEXTS = ("btc_usd", "btc_usdc", "deribit-30min-4s", "last-fixing", "coin", "BTC", "", "ticker.any.raw", "\u20ac")


def wild(kind: Any, draw: random.Random) -> Any:
    """Any record of a kind that its Avro schema allows, sense or nonsense."""
    hints = typing.get_type_hints(kind)
    fields: dict[str, Any] = {name: _wild(hints[name], draw) for name in kind._fields}
    for name in sorted(INTS & fields.keys()):
        fields[name] = draw.choice((-1, 0, 1, 449, 450, 451, 2**31 - 1, -(2**31)))
    if "instrument_name" in fields:
        fields["instrument_name"] = draw.choice(NAMES)
    return kind(**fields)


def _wild(hint: Any, draw: random.Random) -> Any:
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        inner = args[0]
        make = wild if hasattr(inner, "_fields") else _wild
        return tuple(make(inner, draw) for _ in range(draw.randrange(4)))
    if type(None) in args:
        return None if draw.random() < 0.2 else _wild(next(a for a in args if a is not type(None)), draw)
    if hint is float:
        return draw.choice((*FLOATS, draw.expovariate(1.0), draw.uniform(20_000.0, 40_000.0)))
    if hint is int:
        return draw.choice((*LONGS, draw.randrange(10), START_NS + draw.randrange(100 * NS)))
    if hint is str:
        return draw.choice(TEXTS)
    return draw.random() < 0.5 if hint is bool else draw.choice(list(hint))


KINDS = (
    schemas.OptionQuote, schemas.OptionTrade, schemas.InstrumentState, schemas.UnderlyingQuote, schemas.SettlementFixing,
    schemas.Clock, schemas.InstrumentSet, schemas.FeedGap, schemas.Watermark,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), n_records=st.integers(0, 40), is_ready=st.booleans(), is_likely=st.booleans())
def test_no_decodable_record_raises_and_no_nonsense_comes_out(
    seed: int, n_records: int, is_ready: bool, is_likely: bool
) -> None:
    """Wild records as they are, or with time, epoch and number that get them past the first checks."""
    draw, log = random.Random(seed), Log()
    if is_ready:
        log.ready("BTC-19APR23-30000-C", "BTC-PERPETUAL")
    for _ in range(n_records):
        record = wild(draw.choice(KINDS), draw)
        if is_likely:
            log.seq += 1
            likely = {"ts_event_ns": START_NS + draw.randrange(5 * NS), "ingest_epoch": log.epoch, "seq": log.seq}
            record = record._replace(**{key: value for key, value in likely.items() if key in record._fields})
        log.add(record)
    log.clocks(1, 3)
    state, results = step(new_state(IDENTITY, SETTINGS), log.located, SETTINGS)
    for result in results:
        for value in result.record or ():
            assert not isinstance(value, float) or math.isfinite(value), result
        assert result.record is None or schemas.decode(schemas.encode(result.record)) == result.record
    assert snapshot(restore(snapshot(state), IDENTITY)) == snapshot(state)


def test_a_hole_in_the_offsets_is_a_typed_error() -> None:
    log = Log().ready()
    state, _ = step(new_state(IDENTITY, SETTINGS), log.located[:3], SETTINGS)
    with pytest.raises(LogHole) as caught:
        step(state, log.located[4:], SETTINGS)
    assert (caught.value.at, caught.value.got) == (2, 4)


def test_records_at_or_below_the_offset_are_skipped() -> None:
    log = Log().ready()
    state, first = step(new_state(IDENTITY, SETTINGS), log.located, SETTINGS)
    state, again = step(state, [*log.located, Located(len(log.records), schemas.Clock(0, 1, 10**6, None))], SETTINGS)
    assert {r.topic for r in first} == {"greeks", "trades"}
    assert {r.source_offset for r in again if r.topic != "latest"} == {len(log.records)}
