"""A34: a record per settlement window: volume, taker flow and trades in it against the same time of other days."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pytest

import schemas
from schemas import Direction, Flow, Liquidation, SettlementFlow, TradeGreeks
from schemas.names import parse
from streams.flow.fold import Arrival, from_bytes, new_state, offsets, resumed, step, to_bytes
from streams.flow.fold.plain import plain, typed
from streams.flow.settings import FlowSettings
from streams.flow.settlements import (
    DAY_NS,
    Ended,
    Settlements,
    Sums,
    added,
    compared,
    end_second,
    known,
    learn,
    take,
)
from tests.flow_log import CONTEXT, EXPIRY_NS, NS, Lanes, Option, Writer, chain, interleaved, trade_of
from tests.results_world import greeks

SETTINGS = FlowSettings(settlement_share_min=0.0)
"""A window counts however few of its seconds the test lets pass."""
NEAR, FAR, LINEAR = "BTC-27MAR26-100000-C", "BTC-24APR26-100000-P", "BTC_USDC-27MAR26-100000-C"
MINUTE_NS = 60 * NS


def trade(name: str, at_ns: int, seq: int, sign: int, amount: float, **fields: Any) -> TradeGreeks:
    """Index 100 000, delta 0.5, gamma 1e-5; European delta 0.75, gamma 3e-5."""
    option = Option(name, "BTC", schemas.OptionType.CALL, 100_000.0, EXPIRY_NS, 0)
    given = {
        "index_price": 100_000.0, "delta": 0.5, "gamma_per_usd": 1e-5, "european_delta": 0.75,
        "european_gamma_per_usd": 3e-5, "liquidation": Liquidation.NONE,
    }  # fmt: skip
    return trade_of(option, at_ns, seq, sign > 0, amount, (0, seq, 0))._replace(**(given | fields))


def fold(
    trades: list[TradeGreeks], seconds: list[int], settings: FlowSettings = SETTINGS, state: Settlements | None = None
) -> tuple[Settlements, list[Ended]]:
    """Trades go in before the first second that is later than they are."""
    state, over, left = state or Settlements(), [], list(trades)
    for i, second_ns in enumerate(seconds):
        now_ns = seconds[max(0, i - 1)]
        while left and left[0].ts_event_ns < second_ns:
            one = left.pop(0)
            expiry_ns = parse(one.instrument_name).expiry_ns
            assert expiry_ns is not None
            state = take(learn(state, "BTC", expiry_ns, now_ns, settings), one, expiry_ns)
        state, ended = end_second(state, second_ns, settings)
        over += ended
    return state, over


def minutes(begin_ns: int, n: int) -> list[int]:
    return [begin_ns + i * MINUTE_NS for i in range(n)]


def test_a34_sums_of_a_window_are_those_worked_out_by_hand() -> None:
    """A34: of the expiring series, and of every option; coin, USD, delta and gamma."""
    at = EXPIRY_NS - 10 * MINUTE_NS
    trades = [
        trade(NEAR, at, 1, +1, 3.0),
        trade(NEAR, at + 1, 2, -1, 1.0, delta=0.25, block_trade_id="B1"),
        trade(LINEAR, at + 2, 1, -1, 4.0, index_price=None, forward=50_000.0, liquidation=Liquidation.TAKER),
        trade(FAR, at + 3, 7, +1, 8.0, delta=-0.5, european_delta=None),
        trade(FAR, at + 4, 8, 0, 2.0)._replace(direction=Direction.UNKNOWN),
        trade(FAR, at + 5, 9, +1, math.nan),
    ]
    _, (ended,) = fold(trades, minutes(EXPIRY_NS - 40 * MINUTE_NS, 42))
    near, every = ended.window.expiring, ended.window.every
    assert (near.n_trades, near.n_buys, near.n_sells, near.n_blocks, near.n_liquidations) == (3, 1, 2, 1, 1)
    assert (near.volume_coin, near.taker_net_coin) == (8.0, -2.0)
    assert near.volume_usd == 4.0 * 100_000.0 + 4.0 * 50_000.0
    assert near.taker_net_usd == 2.0 * 100_000.0 - 4.0 * 50_000.0
    assert near.taker_delta_coin == 3.0 * 0.5 - 1.0 * 0.25 - 4.0 * 0.5
    # one per cent of 100 000 is 1 000 USD, which moves a coin's delta by 0.01, worth 1 000 USD
    assert near.taker_gamma_usd == pytest.approx(2.0 * 1_000.0 - 4.0 * 250.0, rel=1e-12)
    assert near.european_taker_delta_coin == 0.75 * (3.0 - 1.0 - 4.0)
    assert near.european_taker_gamma_usd == pytest.approx(3.0 * (2.0 * 1_000.0 - 4.0 * 250.0), rel=1e-12)
    assert (every.n_trades, every.n_buys, every.n_sells, every.n_unreadable) == (5, 2, 2, 1)
    assert (every.volume_coin, every.taker_net_coin) == (18.0, 6.0)
    assert every.taker_delta_coin == near.taker_delta_coin - 4.0
    assert (every.n_without_greeks, every.n_without_european) == (0, 1)


def test_a34_a_window_has_its_end_and_not_its_begin_and_a_number_counts_once() -> None:
    begin = EXPIRY_NS - 30 * MINUTE_NS
    trades = [
        trade(NEAR, begin, 1, +1, 100.0), trade(NEAR, begin + 1, 2, +1, 1.0), trade(NEAR, begin + 2, 2, +1, 1.0),
        trade(NEAR, EXPIRY_NS, 3, +1, 10.0), trade(FAR, EXPIRY_NS + 1, 4, +1, 1_000.0),
    ]  # fmt: skip
    _, (ended,) = fold(trades, minutes(begin - MINUTE_NS, 33))
    assert ended.window.every.volume_coin == ended.window.expiring.volume_coin == 11.0


@pytest.mark.parametrize(("lag_s", "counts"), [(4.0, True), (7.0, False)])
def test_a34_a_trade_that_comes_late_counts_within_the_grace(lag_s: float, counts: bool) -> None:
    late = trade(NEAR, EXPIRY_NS - NS, 1, +1, 1.0)
    state = learn(Settlements(), "BTC", EXPIRY_NS, EXPIRY_NS - 10 * NS, SETTINGS)
    over: list[Ended] = []
    for second in range(-9, 12):
        if second == lag_s:
            state = take(state, late, EXPIRY_NS)
        state, ended = end_second(state, EXPIRY_NS + second * NS, SETTINGS)
        over += ended
    assert [ended.window.expiring.n_trades for ended in over] == [int(counts)]


def day_trades(volumes: list[float]) -> list[TradeGreeks]:
    """One trade of the far option in the slot of each day, the last on the day of the expiry."""
    first_ns = EXPIRY_NS - (len(volumes) - 1) * DAY_NS - MINUTE_NS
    return [trade(FAR, first_ns + i * DAY_NS, i + 1, +1, volume) for i, volume in enumerate(volumes)]


def slots(n_days: int, n_minutes: int = 33) -> list[int]:
    """A second each minute around the slot of each of these days, the last the day of the expiry."""
    return [at for i in reversed(range(n_days)) for at in minutes(EXPIRY_NS - i * DAY_NS - 31 * MINUTE_NS, n_minutes)]


def test_a34_other_days_are_those_with_the_same_time_seen_whether_anything_expired_or_not() -> None:
    state = learn(Settlements(), "BTC", EXPIRY_NS, EXPIRY_NS - 4 * DAY_NS, SETTINGS)
    trades = [*day_trades([1.0, 2.0, 6.0, 4.0])]
    # outside the slot: of no day
    trades.insert(2, trade(FAR, EXPIRY_NS - 2 * DAY_NS + MINUTE_NS, 99, +1, 500.0))
    state, (ended,) = fold(trades, slots(4), state=state)
    assert [day.every.volume_coin for day in ended.slot.days] == [1.0, 2.0, 6.0]
    assert [day.expiring for day in ended.slot.days] == [None] * 3, "nothing expired on those days"
    assert ended.window.every.volume_coin == 4.0 and ended.window.expiring.n_trades == 0
    assert compared(4.0, [1.0, 2.0, 6.0]) == (3, 3.0, math.sqrt(7.0), 4.0 / 3.0)
    assert [day.every.volume_coin for day in state.slots[0].days] == [1.0, 2.0, 6.0, 4.0]
    assert state.slots[0].days[-1].expiring is not None


def test_a34_a_day_of_which_too_little_was_seen_is_no_day_to_compare_with() -> None:
    strict = dataclasses.replace(SETTINGS, settlement_share_min=30 / 1_800)
    state = learn(Settlements(), "BTC", EXPIRY_NS, EXPIRY_NS - 2 * DAY_NS, strict)
    times = [at for at in slots(3) if not EXPIRY_NS - DAY_NS - 20 * MINUTE_NS <= at <= EXPIRY_NS - DAY_NS]
    _, (ended,) = fold(day_trades([1.0, 2.0, 3.0]), times, strict, state)
    assert [day.every.volume_coin for day in ended.slot.days] == [1.0]
    assert ended.seen_share == 30 / 1_800


def test_a34_days_older_than_the_setting_are_forgotten() -> None:
    short = dataclasses.replace(SETTINGS, settlement_days=2)
    state = learn(Settlements(), "BTC", EXPIRY_NS, EXPIRY_NS - 5 * DAY_NS, short)
    _, (ended,) = fold(day_trades([1.0, 2.0, 3.0, 4.0]), slots(4), short, state)
    assert [day.every.volume_coin for day in ended.slot.days] == [2.0, 3.0]


def test_a34_a_window_of_which_nothing_was_seen_is_no_window_and_one_with_a_gap_says_so() -> None:
    state = learn(Settlements(), "BTC", EXPIRY_NS, EXPIRY_NS - DAY_NS, SETTINGS)
    _, over = fold([], [EXPIRY_NS - 2 * 60 * MINUTE_NS, EXPIRY_NS + 60 * MINUTE_NS], state=state)
    assert over == []
    _, (ended,) = fold([], [EXPIRY_NS - 10 * MINUTE_NS, EXPIRY_NS + 60 * MINUTE_NS], state=state)
    assert ended.seen_share == 1 / 1_800


def test_a_sum_of_nothing_is_null_and_no_trade_is_zero() -> None:
    """E-10: never a silent zero."""
    without = trade(NEAR, EXPIRY_NS, 1, +1, 2.0, index_price=None, delta=None, european_gamma_per_usd=math.nan)
    blind = added(Sums(), without)
    for measure in ("volume_usd", "taker_net_usd", "taker_delta_coin", "taker_gamma_usd", "european_taker_delta_coin"):
        assert known(blind, measure) is None
        assert known(Sums(), measure) == 0.0
    assert known(blind, "volume_coin") == 2.0


def test_a_net_amount_has_no_ratio_to_a_mean_that_is_not_positive_and_one_day_has_no_deviation() -> None:
    assert compared(1.0, []) == (0, None, None, None)
    assert compared(1.0, [4.0]) == (1, 4.0, None, 0.25)
    assert compared(1.0, [-4.0, 2.0]) == (2, -1.0, math.sqrt(18.0), None)
    assert compared(None, [4.0]) == (1, 4.0, None, None)


@pytest.mark.parametrize("expiry_ns", [EXPIRY_NS - DAY_NS, EXPIRY_NS - 6 * NS])
def test_an_expiry_whose_window_is_over_makes_none(expiry_ns: int) -> None:
    assert learn(Settlements(), "BTC", expiry_ns, EXPIRY_NS, SETTINGS) == Settlements()


# -- through the fold ----------------------------------------------------------------------------------------------------

FOLD = CONTEXT._replace(
    flow=dataclasses.replace(CONTEXT.flow, settlement_share_min=0.0, publish_every_s=86_400.0), partitions=(0, 1)
)
"""No flow at 08:00: what is asked here is the settlement record alone."""
OPTIONS = [option._replace(partition=i % 2) for i, option in enumerate(o for o in chain() if o.currency == "BTC")]


def write(*, with_rows_from_ns: int = 0, n_days: int = 3) -> Lanes:
    """Two workers over the slots of some days: a row of every option at the begin of each, trades, a clock a minute."""
    writers, draw, seqs = [Writer(0), Writer(1)], random.Random(3), dict.fromkeys(OPTIONS, 0)
    for second_ns in slots(n_days):
        alive = [option for option in OPTIONS if option.expiry_ns > second_ns]
        if second_ns % 1_800 == 0 or (second_ns - EXPIRY_NS) % DAY_NS == DAY_NS - 31 * MINUTE_NS:
            for option in alive if second_ns >= with_rows_from_ns else ():
                writer = writers[option.partition]
                partition, offset, seq = writer.place()
                row = greeks(
                    option.name, second_ns, offset=offset, seq=seq, source_partition=partition, index_price=100_000.0,
                    open_interest=50.0, quote_age_ms=0.0, contract_size_unit="coin", base_currency="BTC",
                )  # fmt: skip
                writer.write("greeks", row)
        for option in draw.sample(alive, 2):
            seqs[option] += 1
            writer = writers[option.partition]
            one = trade_of(option, second_ns - NS, seqs[option], draw.random() < 0.5, 1.0, writer.place())
            writer.write("trades", one._replace(index_price=100_000.0, delta=0.5, gamma_per_usd=1e-5))
        for writer in writers:
            writer.clock(second_ns, len(OPTIONS) // 2)
    return {(topic, w.partition): w.arrivals[topic] for w in writers for topic in ("greeks", "trades")}


def run(arrivals: list[Arrival], state: Any = None) -> tuple[Any, list[SettlementFlow]]:
    state, out = state or new_state(FOLD), []
    for arrival in arrivals:
        state, records = step(state, arrival, FOLD)
        out += records
    assert not any(isinstance(record, Flow) for record in out)
    return state, out


def test_a34_one_record_for_each_expiry_when_its_window_is_over_the_same_however_the_lanes_interleave() -> None:
    found = write()
    _, (record,) = run(interleaved(found, random.Random(1)))
    assert (record.currency, record.expiry_ns, record.window_begin_ns) == ("BTC", EXPIRY_NS, EXPIRY_NS - 1_800 * NS)
    assert record.ts_event_ns == EXPIRY_NS + MINUTE_NS and record.seen_share == 30 / 1_800 and record.is_whole
    assert not record.is_cold
    expiring, every = record.flows
    assert (expiring.scope, every.scope) == ("expiring", "all")
    assert every.n_trades == 60 and 0 < expiring.n_trades < 60
    assert every.volume_usd == 60 * 100_000.0 and every.taker_delta_coin == 0.5 * every.taker_net_coin
    by = {(item.scope, item.measure): item for item in record.other_days}
    assert by["all", "n_trades"] == ("all", "n_trades", 60.0, 2, 60.0, 0.0, 1.0)
    assert by["expiring", "n_trades"].n_days == 0 and by["expiring", "n_trades"].mean is None
    for seed in range(3):
        assert run(interleaved(found, random.Random(seed)))[1] == [record]


def test_a34_a_fold_killed_inside_the_window_goes_on_from_its_checkpoint_with_the_same_record() -> None:
    found = write()
    whole, want = run(interleaved(found, random.Random(1)))
    early = {key: lane[: int(len(lane) * 0.85)] for key, lane in found.items()}
    state, before = run(interleaved(early, random.Random(2)))
    assert before == [] and state.final.settlements["BTC"].slots[0].window.every.n_trades > 0
    again = from_bytes(to_bytes(state.final), FOLD)
    rest = {key: lane[offsets(again).get(key, 0) :] for key, lane in found.items()}
    state, after = run(interleaved(rest, random.Random(3)), resumed(again, FOLD))
    assert after == want
    assert to_bytes(state.final) == to_bytes(whole.final)


def test_a34_a_first_day_is_cold_and_a_window_that_a_cold_start_reads_back_is_not_published_again() -> None:
    _, (first,) = run(interleaved(write(n_days=1), random.Random(1)))
    assert first.is_cold and {item.n_days for item in first.other_days} == {0}
    state, out = run(interleaved(write(with_rows_from_ns=EXPIRY_NS + DAY_NS), random.Random(1)))
    assert out == [], "no row of greeks has come yet: all this is the past"
    assert len(state.final.settlements["BTC"].slots[0].days) == 3, "but it counts as other days"


def test_the_state_of_settlements_survives_its_plain_form() -> None:
    state, _ = run(interleaved(write(), random.Random(1)))
    for one in state.final.settlements.values():
        assert typed(plain(one), Settlements) == one
