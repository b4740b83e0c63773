"""Logs that something has gone wrong with: what is written twice, late, in another order, at another time, or to other partitions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from pricers import value_options
from schemas import (
    Clock,
    Engine,
    ForwardQuote,
    ForwardSource,
    Greeks,
    InstrumentState,
    InstrumentStatus,
    Kind,
    OptionQuote,
    OptionTrade,
    Payoff,
    Reject,
    RowStatus,
    SigmaSource,
    TradeGreeks,
    Trigger,
    Watermark,
)
from streams.engine import EngineSettings, Identity, Located, Result, new_state, snapshot, step
from streams.engine.settings import SECONDS_PER_YEAR
from tests.logs import EXPIRIES, FORWARD, IDENTITY, NS, Log, expiry_of, future_of, ns, rows
from tests.synthetic_log import everything

SETTINGS = EngineSettings(engine="closed_form")
GRID_NS = SETTINGS.underlying_grid_ms * 1_000_000
KEYED = (OptionQuote, OptionTrade, InstrumentState)
INPUTS = ("forward", "strike", "sigma", "tau_years", "n_fixings", "n_fixed", "running_sum")
GOOD = (RowStatus.OK, RowStatus.DETERMINED)


def told(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """What results say, without their place in the log."""
    place = {"source_partition": 0, "source_offset": 0, "result_seq": 0}
    found = []
    for r in results:
        fields = {key: 0 for key in place if r.record is not None and key in r.record._fields}
        key = "" if r.topic == "deadletter" else r.key  # which is the record's place
        found.append((r.topic, key, r.ts_ns, None if r.record is None else r.record._replace(**fields)))
    return found


def fold(records: Sequence[Any], identity: Identity = IDENTITY) -> list[Result]:
    located = [Located(offset, record) for offset, record in enumerate(records)]
    return step(new_state(identity, SETTINGS), located, SETTINGS)[1]


def check_row(row: Greeks) -> None:
    """Numbers are there or null, and everything that says why agrees with it."""
    assert (row.price_usd is not None) == (row.delta is not None) == (row.status in GOOD), row
    assert (row.forward is None) == (row.forward_source == ForwardSource.NONE), row
    assert (row.sigma is None) == (row.sigma_source == SigmaSource.NONE), row
    if row.kind == Kind.OPTION and row.status == RowStatus.OK:
        assert row.sigma is not None and row.sigma > 0.0 and row.forward is not None, row
    for age in (row.forward_age_ms, row.sigma_age_ms, row.quote_age_ms):
        assert age is None or age >= 0.0, row


def check(results: Sequence[Result]) -> None:
    """No nan, no infinity, nothing that contradicts itself; Kafka times never fall."""
    for result in results:
        for value in result.record or ():
            assert not isinstance(value, float) or math.isfinite(value), result
        if isinstance(result.record, Greeks):
            check_row(result.record)
    times = [r.ts_ns for r in results if r.topic == "greeks"]
    assert times == sorted(times)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.2, 1.0]))
def test_keyed_records_written_twice_change_nothing(seed: int, share: float) -> None:
    """Quotes, trades and contracts, before the engine is ready and after, refused ones too: rows, rejects, latest, watermarks."""
    draw = random.Random(seed)
    once = everything(seed, 500, start_s=3_560.0).records
    twice = [
        copy for record in once for copy in ([record] * (1 + (isinstance(record, KEYED) and draw.random() < share)))
    ]
    assert len(twice) > len(once)
    assert told(fold(twice)) == told(fold(once))


class Attack(NamedTuple):
    """Something done to the record at a place of the log."""

    kind: str
    place: int
    amount: int


attacks = st.lists(
    st.builds(
        Attack,
        st.sampled_from(["swap", "again_later", "drop", "clock_jump", "time_jump"]),
        st.integers(0, 10**6),
        st.one_of(
            st.integers(-120, 120), st.integers(-(2**62), 2**62), st.sampled_from([-86_400, 86_400, -3_600, 3_600])
        ),
    ),
    min_size=1,
    max_size=40,
)


def attacked(records: Sequence[Any], done: Sequence[Attack]) -> list[Any]:
    log = list(records)
    for kind, place, amount in done:
        i = place % len(log)
        j = min(max(0, i + amount % 61 - 30), len(log) - 1)
        record = log[i]
        if kind == "drop":
            del log[i]
        elif kind == "swap":
            log[i], log[j] = log[j], log[i]
        elif kind == "again_later":
            log.insert(max(i, j), record)
        elif "ts_event_ns" in getattr(record, "_fields", ()) and (kind == "time_jump") != isinstance(record, Clock):
            at_ns = min(max(record.ts_event_ns + amount * (NS if abs(amount) < 10**6 else 1), -(2**62)), 2**62)
            log[i] = record._replace(ts_event_ns=at_ns)
    return log


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10), done=attacks, cut=st.integers(0, 300), n_again=st.integers(0, 50))
def test_jumping_clocks_lost_late_and_repeated_records_never_raise_and_redelivery_changes_nothing(
    seed: int, done: list[Attack], cut: int, n_again: int
) -> None:
    """E-79.  Then the log is given in two pieces, of which the second begins with records that the state has seen."""
    records = attacked(everything(seed, 300, start_s=3_590.0).records, done)
    located = [Located(offset, record) for offset, record in enumerate(records)]
    state, whole = step(new_state(IDENTITY, SETTINGS), located, SETTINGS)
    check(whole)
    other, first = step(new_state(IDENTITY, SETTINGS), located[:cut], SETTINGS)
    before = snapshot(other)
    other, nothing = step(other, located[max(0, cut - n_again) : cut], SETTINGS)
    assert (nothing, snapshot(other)) == ([], before)
    other, second = step(other, located[max(0, cut - n_again) :], SETTINGS)
    assert first + second == whole
    assert snapshot(other) == snapshot(state)


# ------------------------------------------------------------------ a row and its inputs


@pytest.mark.parametrize("seed", [1, 2])
def test_a_row_can_be_made_again_from_its_own_inputs(seed: int) -> None:
    """C48, C49: forward, sigma, time, fixings and contract stand in the row; nothing else goes into its values."""
    found = [
        row
        for row in rows(everything(seed, 1_500).run())
        if row.kind == Kind.OPTION and row.engine == Engine.QMC and row.sigma is not None
    ]
    assert len(found) > 300 and any(row.n_fixed for row in found)
    for payoff in (Payoff.INVERSE, Payoff.LINEAR):
        group = [row for row in found if row.payoff == payoff]
        columns = {name: np.array([getattr(row, name) for row in group], float) for name in INPUTS}
        last_s = columns.pop("tau_years") * SECONDS_PER_YEAR
        n_left = columns["n_fixings"] - columns["n_fixed"]
        signs = [1.0 if row.option_type == schemas.OptionType.CALL else -1.0 for row in group]
        value = value_options(
            **columns, option_sign=signs, interval_s=4.0, next_fixing_s=last_s - 4.0 * (n_left - 1.0),
            payoff=payoff.name.lower(), engine="qmc",
        )  # fmt: skip
        # tau_years has 53 bits: seconds come back to 1e-10 of the week, which a price an hour before expiry feels in its ninth digit
        assert value.price_usd == pytest.approx([row.price_usd for row in group], rel=1e-8, abs=1e-9)
        assert value.delta == pytest.approx([row.delta for row in group], rel=1e-7, abs=1e-9)


# ------------------------------------------------------------------ one partition or sixteen

CHAIN = [
    f"{coin}-{word}-{strike}-{side}"
    for coin in ("BTC", "BTC_USDC")
    for word in ("12APR23", "19APR23")
    for strike, side in ((29_500, "P"), (30_000, "C"), (30_500, "C"))
]
FUTURES = ("BTC-PERPETUAL", "BTC-19APR23")
START_S, END_S = 3_580, 3_612
"""Around an expiry at 3 600: the end of its window is in it."""


class Event(NamedTuple):
    """A record of the chain's log, in order of event time: written to the partition of ``name``, or to all."""

    name: str | None
    write: Callable[[Log], Any]


def quote_event(draw: random.Random, name: str, at: float, forward: float) -> Event:
    premium = max(abs(forward - 30_000.0) * 0.3, 15.0) + 900.0 * ("19APR" in name)
    unit = 1.0 if "_" in name else forward
    tick = 5.0 if "_" in name else 0.0005
    bid = max(1, round(premium / unit / tick) + draw.randint(-1, 1)) * tick
    fields: dict[str, Any] = {
        "bid": bid,
        "ask": bid + tick,
        "mark": bid + tick * draw.random(),
        "underlying_price": forward,
    }
    kind = draw.random()
    if kind < 0.4:
        fields |= {"bid": tick, "ask": 2 * tick}  # the book stands, the mark moves
    elif kind < 0.5:
        fields |= {"bid": None, "ask": None, "mark": None, "last": bid}
    elif kind < 0.55:
        fields |= {
            "state": InstrumentStatus.CLOSED,
            "bid": 3 * tick,
            "ask": 4 * tick,
        }  # another book: a trigger of its own
    return Event(name, lambda log: log.quote(name, at, index_price=forward, **fields))


def chain(seed: int) -> list[Event]:
    """Half a minute of twelve options and two futures: something every 40 ms, an underlying five times a second, a Clock a second."""
    draw, forward, events, fixed = random.Random(seed), FORWARD, [], []
    expiry_ns, seqs = EXPIRIES["12APR23"] * NS, dict.fromkeys(CHAIN, 0)
    events.append(Event(None, lambda log: log.clock(START_S)))
    for name in (*CHAIN, *FUTURES):
        events.append(Event(name, lambda log, name=name: log.contract(name, START_S)))
    events.append(
        Event(None, lambda log: log.set(START_S, n_here=sum(isinstance(r, InstrumentState) for r in log.records)))
    )
    for i in range(1, 25 * (END_S - START_S)):
        at = START_S + i / 25
        name = draw.choice(CHAIN)
        if i % 5 == 0:
            forward *= math.exp(draw.gauss(0.0, 1.5e-4))
            for index in ("btc_usd", "btc_usdc"):
                events.append(Event(None, underlying_writer(at, forward, index)))
        elif i % 25 == 1 and (at_s := round(at - 0.04)) % 4 == 0 and at_s <= 3_600:
            fixed.append(forward)
            n, total = 444 + len(fixed), 444 * FORWARD + sum(fixed)
            for index in ("btc_usd", "btc_usdc"):
                events.append(Event(None, lambda log, at_s=at_s, n=n, total=total, index=index: log.fixing(
                    at_s, expiry_ns, n, total, price_index=index)))  # fmt: skip
        elif i % 25 == 2:
            events.append(Event(None, lambda log, at=at: log.clock(math.floor(at))))
        elif draw.random() < 0.1:
            seqs[name] += 1
            events.append(Event(name, lambda log, name=name, at=at, seq=seqs[name]: log.trade(name, at, seq, 0.01)))
        elif (expiry_of(name) or 0) > ns(at):
            events.append(quote_event(draw, name, at, forward))
    return events


def underlying_writer(at: float, forward: float, index: str) -> Callable[[Log], Any]:
    futures = [future_of(name, at, forward + 3.0) for name in FUTURES] if index == "btc_usd" else []
    points = [ForwardQuote(EXPIRIES["19APR23"] * NS, forward + 2.0, ForwardSource.SYNTHETIC, ns(at))]
    return lambda log: log.underlying(at, forward, futures, points, index)


def shards(events: Sequence[Event], n_shards: int, partition_of_shard: Callable[[int], int]) -> list[Result]:
    """The events over so many engines; their results one after the other."""
    results = []
    for shard in range(n_shards):
        log = Log(IDENTITY._replace(partition=partition_of_shard(shard)))
        for event in events:
            if event.name is None or crc32(event.name.encode()) % n_shards == shard:
                event.write(log)
        results += log.run(SETTINGS)
    return results


def by_instrument(results: Sequence[Result], *, has_grid: bool) -> dict[tuple[str, str], list[Any]]:
    """(topic, instrument) to what was told of it, in order.

    Without the grid's own rows, and without what a later row says of them: when numbers were last good.
    """
    found: dict[tuple[str, str], list[Any]] = {}
    for topic, key, ts_ns, record in told(results):
        if isinstance(record, Watermark) or topic == "latest":
            continue
        if isinstance(record, Greeks) and not has_grid:
            if record.trigger == Trigger.UNDERLYING:
                continue
            record = record._replace(last_good_ns=None)
        found.setdefault((topic, key), []).append((ts_ns, record))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_one_partition_or_sixteen_give_each_instrument_the_same_numbers(seed: int) -> None:
    """What may be promised, for records in order of event time (log time is the partition's, so a late record counts from there):

    every row but those of the underlying grid is the same to the bit, wherever its instrument lives (a change of state that no
    quote, trade or timer shows is shown by whichever trigger comes first, which may be the grid's); and where the grid's shift is
    the same, and a record comes in each of its periods, the grid's rows are the same as well.
    """
    events = chain(seed)
    one = shards(events, 1, lambda _: 0)
    same_shift = shards(events, 16, lambda _: 0)
    sixteen = shards(events, 16, lambda shard: shard)
    triggers = {row.trigger for row in rows(one)}
    assert triggers >= {Trigger.QUOTE, Trigger.MARK, Trigger.UNDERLYING, Trigger.FIXING, Trigger.TIME, Trigger.EXPIRY}
    assert {r.record.status for r in one if isinstance(r.record, TradeGreeks)} >= {RowStatus.OK, RowStatus.EXPIRED}
    assert any(isinstance(r.record, Reject) for r in one)
    assert by_instrument(same_shift, has_grid=True) == by_instrument(one, has_grid=True)
    assert by_instrument(sixteen, has_grid=False) == by_instrument(one, has_grid=False)
    for row in rows(sixteen):
        if row.trigger == Trigger.UNDERLYING:
            assert row.ts_event_ns % GRID_NS == GRID_NS * row.source_partition // 16
