"""The pure parts of the chaos runs: their logs and schedules are the seed's, and those who judge notice what they are there for."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

import pytest

import schemas
from schemas import Clock, Greeks, RowStatus, UnderlyingQuote, Watermark
from streams.engine import EngineSettings
from streams.partitioning import N_PARTITIONS, partition_of
from streams.worker.folds import Outgoing, RawRecord
from streams.worker.pricing import PricingMaker
from tests.chaos import ingest_run, pricing_load, schedule, service_files, service_fleet, service_oracle, watchers
from tests.chaos.load import Written
from tests.chaos.oracle import Identity, Verdict
from tests.chaos.watchers import Lying
from tests.results_world import START_NS, greeks, watermark

S = 1_000_000_000
LOADS = [pricing_load.pricing_load, pricing_load.jumping_load, pricing_load.expiring_load]
EARLY, LATE = "BTC-9JAN26-90000-C", "BTC-27MAR26-90000-C"
EARLY_EXPIRY_NS = START_NS + 1_800 * S


def by_partition(records: Iterator[Written]) -> dict[int, list[Written]]:
    found: dict[int, list[Written]] = defaultdict(list)
    for record in records:
        found[record.partition].append(record)
    return found


# ---- logs


@pytest.mark.parametrize("load", LOADS)
def test_a_log_is_the_seeds_and_its_kafka_time_never_goes_back_and_its_broadcasts_are_the_same_everywhere(load) -> None:  # type: ignore[no-untyped-def]
    log = by_partition(load(3, 3_000))
    assert log == by_partition(load(3, 3_000)) != by_partition(load(4, 3_000))
    broadcasts = []
    for records in log.values():
        times = [record.log_time_ns for record in records]
        assert load is not pricing_load.jumping_load or times == sorted(times)
        decoded = [schemas.decode(record.value) for record in records]
        broadcasts.append([r for r in decoded if isinstance(r, Clock | UnderlyingQuote)])
    shortest = min(map(len, broadcasts))
    assert shortest > 15
    assert all(found[:shortest] == broadcasts[0][:shortest] for found in broadcasts)


def test_the_log_of_jumps_has_times_hours_off_clocks_that_go_back_and_hours_without_one() -> None:
    records = [schemas.decode(r.value) for r in pricing_load.jumping_load(3, 6_000) if r.partition == 0]
    clock_ns, off_s, pauses_s = 0, [], []
    for record in records:
        if isinstance(record, Clock):
            pauses_s.append((record.ts_event_ns - clock_ns) / S if clock_ns else 1.0)
            clock_ns = max(clock_ns, record.ts_event_ns)
        elif hasattr(record, "trade_seq") or hasattr(record, "bid"):
            off_s.append((record.ts_event_ns - clock_ns) / S)
    assert min(off_s) < -3_600 and max(off_s) > 3_600
    assert max(pauses_s) >= 7_200 and min(pauses_s) < 0


def test_every_name_of_the_expiring_log_is_in_its_partition() -> None:
    names = pricing_load.own_names()
    assert all(partition_of(name) == p for p, found in enumerate(names) for name in found)
    assert len({name for found in names for name in found}) == 4 * N_PARTITIONS


def test_with_jumping_clocks_any_cut_gives_the_same_bytes_and_log_time_never_goes_back() -> None:
    """C24: a wrong time is bounded and counted; whoever replays gets the same."""
    maker, rng = PricingMaker(EngineSettings(), "t", None), random.Random(1)
    log = by_partition(pricing_load.jumping_load(3, 6_000))
    expected: dict[Identity, Outgoing] = {}
    n_clamped = 0
    for partition in (0, 7):
        raws = [RawRecord(i, record.value, None) for i, record in enumerate(log[partition])]
        whole, cut = maker.fold(partition, "log"), maker.fold(partition, "log")
        whole_state, results = whole.step(whole.new_state(), raws)
        cut_state, begin, again = cut.new_state(), 0, []
        while begin < len(raws):
            end = begin + rng.randint(1, 200)
            cut_state, some = cut.step(cut.restore(cut.snapshot(cut_state)), raws[begin:end])
            again, begin = again + some, end
        assert again == results
        assert cut.snapshot(cut_state) == whole.snapshot(whole_state)
        n_clamped += whole_state.counters["clamped_times"]
        expected |= {Identity(r.topic, partition, r.source_offset, r.result_seq): r for r in results}
    assert n_clamped > 5
    finding = watchers.Times("", "", 0).finish(expected)
    assert finding.faults == [], finding


def test_who_checks_the_times_notices_one_that_goes_back() -> None:
    def out(offset: int, record: Greeks | Watermark) -> Outgoing:
        return Outgoing("greeks", b"k", schemas.encode(record), 0, offset, 0)

    rows = [
        watermark(0, START_NS),
        greeks(LATE, START_NS + 2 * S),
        greeks(LATE, START_NS + S),
        watermark(0, START_NS + 4_000 * S),
    ]
    results = {Identity("greeks", 0, i, 0): out(i, row) for i, row in enumerate(rows)}
    assert watchers.Times("", "", 0).finish(results).faults == ["times: 1 of 2 rows go back in time"]
    back = dict(results) | {Identity("greeks", 0, 4, 0): out(4, watermark(0, START_NS))}
    assert "times: the watermarks of partition 0 go back" in watchers.Times("", "", 0).finish(back).faults


# ---- schedules


def test_one_many_three_is_the_seeds_and_ends_with_three() -> None:
    events = schedule.one_many_three(16, 5)
    assert events == schedule.one_many_three(16, 5) != schedule.one_many_three(16, 6)
    kinds = [event.kind for event in events]
    assert (kinds.count("join"), kinds.count("retire"), kinds.count("kill"), kinds.count("settle")) == (15, 13, 3, 4)
    assert [e.at_s for e in events] == sorted(e.at_s for e in events)
    assert sorted(e.worker for e in events if e.kind == "retire") == list(range(3, 16))


# ---- readers


def lying(offset: int, identity: tuple[int, int, int], record: object, key: str = LATE) -> Lying:
    return Lying(0, offset, key, identity, record)


def test_what_a_reader_must_say_is_each_row_once_in_order_until_its_expiry() -> None:
    messages = [
        lying(0, (1, 5, 0), greeks(LATE, START_NS)),
        lying(1, (1, 5, 0), greeks(LATE, START_NS)),  # a repeat
        lying(2, (1, 4, 0), greeks(LATE, START_NS)),  # of a worker that woke
        lying(3, (2, 1, 0), greeks(LATE, START_NS + S)),  # a new epoch
        lying(4, (1, 6, 0), greeks(EARLY, START_NS), EARLY),
        lying(5, (1, 7, 0), watermark(0, EARLY_EXPIRY_NS), "watermark/0"),
        lying(6, (1, 8, 0), greeks(EARLY, EARLY_EXPIRY_NS - S), EARLY),  # late, its expiry is past
        lying(7, (1, 9, 0), greeks(EARLY, EARLY_EXPIRY_NS, status=RowStatus.EXPIRED), EARLY),
    ]
    told = watchers.told(messages)
    assert told.rows == {LATE: [(5, 0), (1, 0)], EARLY: [(6, 0)]}
    assert told.chain == {LATE: (1, 0)}
    assert told.n_dropped == 4


def test_holes_in_what_was_read_are_found() -> None:
    assert watchers.gaps([3, 4, 5], 3) == []
    assert watchers.gaps([5, 6, 9], 3) == [(3, 5), (7, 9)]


def test_latest_may_hold_the_last_row_before_each_clock_and_nothing_else() -> None:
    def result(topic: str, offset: int, key: str, value: bytes | None = b"x") -> tuple[Identity, Outgoing]:
        return Identity(topic, 0, offset, 0), Outgoing(topic, key.encode(), value, 0, offset, 0)

    expected = dict(
        [
            result("greeks", 1, "a"), result("greeks", 2, "a"), result("greeks", 3, "b"), result("greeks", 4, "watermark/0"),
            result("greeks", 5, "a"), result("greeks", 6, "watermark/0"), result("greeks", 7, "b"),
            result("latest", 2, "a"), result("latest", 3, "b"), result("latest", 5, "a"), result("latest", 6, "b", None),
        ]
    )  # fmt: skip
    assert watchers.conflated(expected) == {("a", (2, 0)), ("b", (3, 0)), ("a", (5, 0))}
    assert watchers.last_by_key(expected) == ({"a": (5, 0)}, {"b"})


# ---- ingest


def test_a_hole_in_the_trade_numbers_counts_unless_it_came_to_light_at_the_very_end() -> None:
    logged = {("a", 1): 0, ("a", 2): 10 * S, ("a", 5): 20 * S, ("b", 7): 20 * S, ("b", 9): 99 * S}
    assert ingest_run.holes_of(logged, 100 * S) == {"a": [3, 4]}
    assert ingest_run.holes_of(logged, 200 * S) == {"a": [3, 4], "b": [8]}


# ---- the services


def test_a_run_of_the_services_kills_each_and_takes_dealer_flow_over_and_is_the_seeds() -> None:
    events = service_fleet.draw(3, 20.0, 5)
    assert events == service_fleet.draw(3, 20.0, 5) != service_fleet.draw(4, 20.0, 5)
    what = {(event.service, event.kind) for event in events}
    assert {(service, "kill") for service in service_fleet.SERVICES} | {("flow", "twin")} <= what
    assert len(events) == 10 and [event.at_s for event in events] == sorted(event.at_s for event in events)


def test_the_oracle_of_the_services_notices_what_is_missing_different_foreign_and_said_again() -> None:
    ids = [Identity("Flow BTC", 0, second, 0) for second in range(4)]
    verdict = Verdict()
    found = [(ids[0], b"a"), (ids[0], b"a"), (ids[1], b"other"), (ids[3], b"d")]
    service_oracle.compare(verdict, dict(zip(ids[:3], (b"a", b"b", b"c"), strict=True)), found)
    assert (verdict.missing, verdict.different, verdict.foreign, verdict.repeats) == ([ids[2]], [ids[1]], [ids[3]], 1)
    assert not verdict.is_right


def test_marks_are_right_only_when_every_batch_is_whole_in_its_order_and_a_repeat_the_same() -> None:
    files = service_files.contents(3)
    assert [name for name, _ in files] == ["00.dbn", "01.dbn", "02.dbn"]
    expected = [[b"a0", b"a1"], [b"b0", b"b1"]]
    again = [(b"x", 0, b"a0"), (b"x", 0, b"a0"), (b"x", 1, b"a1"), (b"y", 0, b"b0"), (b"y", 1, b"b1")]

    def verdict_on(found: list[tuple[bytes, int, bytes]]) -> Verdict:
        verdict = Verdict()
        service_oracle.judge_marks(verdict, expected, found)
        return verdict

    assert verdict_on(again).is_right and verdict_on(again).repeats == 1
    assert not verdict_on(again[:-1]).is_right, "half of a batch"
    assert not verdict_on([*again[3:], *again[:3]]).is_right, "the wrong order"
    assert not verdict_on([*again, (b"y", 1, b"b2")]).is_right, "a repeat that differs"
