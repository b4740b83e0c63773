"""The worker's loop with a scripted Kafka: fence, contiguity, restore, order of flush, checkpoint and acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from streams.supervisor.watchdog import Observation, Watchdog
from streams.worker import readouts, restore
from streams.worker.delivery import Delivery, DeliveryFailed
from streams.worker.figures import LONG_FILL_S, Watch, catching_up, gather
from streams.worker.folds import Coverage, Identity, Outgoing, RawRecord
from streams.worker.latency import Latencies
from tests.agents.scripted import CHECKPOINTS, GREEKS, HISTORY, NAMESPACE, Bench
from tests.chaos.checksum import ChecksumFold, ChecksumMaker


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen"
        await asyncio.sleep(0.001)


def offsets(events: list[Any]) -> list[int]:
    return [event.message.offset for event in events]


async def test_a_first_batch_opens_an_epoch_and_gives_the_oracles_results() -> None:
    bench = Bench()
    bench.reader.group_offset = 0
    await bench.work.take(bench.events(range(10)))
    assert bench.results() == bench.oracle(0, 9)
    assert bench.checkpoint_offsets() == [-1], "the epoch's first checkpoint stands before its first result"
    first_result = next(i for i, item in enumerate(bench.producer.sent) if item.topic == GREEKS)
    assert {item.topic for item in bench.producer.sent[:first_result]} == {CHECKPOINTS, HISTORY}


async def test_results_carry_their_identity_and_epoch_in_headers() -> None:
    bench = Bench()
    bench.add_checkpoint(4, epoch=6)
    await bench.work.take(bench.events([5]))
    sent = [item for item in bench.producer.sent if item.topic.endswith(("greeks.v1", "trades.v1"))]
    assert [(i.headers["epoch"], i.headers["source_offset"], i.headers["result_seq"]) for i in sent] == [
        (b"6", b"5", b"0"),
        (b"6", b"5", b"1"),
    ]
    assert all(item.partition == bench.partition for item in sent)
    assert {"calc_wall_ns", "host"} <= sent[0].headers.keys()


async def test_records_at_or_below_the_state_are_skipped_and_acknowledged_only_with_a_checkpoint() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.take(bench.events(range(15, 25)))
    assert bench.results() == bench.oracle(21, 24)
    acknowledged = await bench.work.checkpoint(bench.partition)
    assert offsets(acknowledged) == list(range(15, 25))


async def test_a_hole_before_the_first_record_is_filled_from_the_log() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.take(bench.events(range(60, 62)))
    assert bench.results() == bench.oracle(21, 61)


async def test_a_long_fill_leaves_checkpoints_behind_its_confirmed_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "FILL_CHECKPOINT_S", 0.0)
    monkeypatch.setattr(restore, "FOLD_ROWS", 16)
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(20)
    taking = asyncio.create_task(bench.work.take(bench.events(range(60, 62))))
    await eventually(lambda: bool(bench.results()))
    await asyncio.sleep(0.05)
    assert bench.checkpoint_offsets() == [20], "its results are not confirmed yet"
    while not taking.done():
        bench.producer.confirm()
        await asyncio.sleep(0)
    assert bench.results() == bench.oracle(21, 61)
    assert bench.checkpoint_offsets() == [20, 36, 52, 59]
    # who is ended now goes on from the last of them
    bench.producer.is_prompt = True
    bench.rebalance()
    n_before = len(bench.results())
    await bench.work.take(bench.events([62]))
    assert bench.results()[n_before:] == bench.oracle(60, 62)


async def test_a_rebalance_in_a_long_fill_leaves_no_further_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "FILL_CHECKPOINT_S", 0.0)
    monkeypatch.setattr(restore, "FOLD_ROWS", 16)
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(20)
    taking = asyncio.create_task(bench.work.take(bench.events(range(60, 62))))
    await eventually(lambda: bool(bench.results()))
    bench.rebalance()
    bench.producer.confirm()
    await asyncio.wait_for(taking, 5)
    assert bench.checkpoint_offsets() == [20]
    assert bench.results() == bench.oracle(21, 36)


async def test_a_hole_in_mid_stream_is_never_stepped_over() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    await bench.work.checkpoint(bench.partition)
    await bench.work.take(bench.events(range(9, 12)))
    assert dict(bench.results()) == dict(bench.oracle(0, 11))
    assert bench.work.counts.holes == 1
    assert offsets(await bench.work.checkpoint(bench.partition)) == [9, 10, 11]


async def test_held_events_survive_a_hole() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    await bench.work.take(bench.events(range(9, 12)))
    assert sorted(offsets(await bench.work.checkpoint(bench.partition))) == [0, 1, 2, 3, 4, 9, 10, 11]


async def test_a_redelivered_batch_changes_nothing() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(10)))
    await bench.work.take(bench.events(range(10)))
    assert bench.results() == bench.oracle(0, 9)


async def test_records_of_an_older_generation_are_dropped() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5), generation=0))
    assert bench.results() == []
    assert bench.work.counts.dropped == 5


async def test_after_a_rebalance_the_state_comes_from_the_checkpoint_and_repeats_are_identical() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(10)))
    await bench.work.checkpoint(bench.partition)
    await bench.work.take(bench.events(range(10, 20)))
    bench.rebalance()
    await bench.work.take(bench.events(range(15, 25)))
    assert bench.results() == bench.oracle(0, 19) + bench.oracle(10, 24)


async def test_a_revocation_drops_states_and_held_events_at_once() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    bench.work.on_revoked()
    assert bench.engine is None
    assert await bench.work.checkpoint(bench.partition) == []
    await bench.work.take(bench.events(range(5, 8)))
    assert bench.results() == bench.oracle(0, 4), "what is fetched before the next assignment is dropped"


class SlowMaker(ChecksumMaker):
    """Its fold calls a hook in the kernel thread, in the middle of a step."""

    def __init__(self) -> None:
        self.hook: Callable[[], None] | None = None

    def fold(self, partition: int, log_id: str) -> ChecksumFold:
        maker = self

        class Slow(ChecksumFold):
            def step(self, state: Any, records: Any) -> Any:
                if maker.hook is not None:
                    hook, maker.hook = maker.hook, None
                    hook()
                return super().step(state, records)

        return Slow()


async def test_a_batch_that_a_revocation_meets_in_the_kernel_is_abandoned() -> None:
    maker = SlowMaker()
    bench = Bench(maker=maker)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    loop = asyncio.get_running_loop()

    def revoke() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.to_thread(lambda: None), loop)
        done = asyncio.run_coroutine_threadsafe(_call(bench.rebalance), loop)
        done.result(5)

    maker.hook = revoke
    await bench.work.take(bench.events(range(5, 10)))
    assert bench.results() == bench.oracle(0, 4), "nothing of the abandoned batch is sent"
    assert bench.engine is None, "and its state is not stored"
    assert bench.work.counts.abandoned == 5
    await bench.work.take(bench.events(range(5, 10)))
    assert dict(bench.results()) == dict(bench.oracle(0, 9))


async def _call(function: Callable[[], None]) -> None:
    function()


async def test_a_rebalance_during_a_restore_stores_nothing() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    bench.reader.before_answer = bench.rebalance
    await bench.work.take(bench.events(range(21, 30)))
    assert bench.results() == []
    assert bench.engine is None


async def test_acknowledgement_waits_for_results_then_for_the_checkpoint() -> None:
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    bench.producer.confirm(GREEKS)
    task = asyncio.create_task(bench.work.checkpoint(bench.partition))
    await asyncio.sleep(0.05)
    assert bench.checkpoint_offsets() == [-1], "trades and latest rows are still on their way: no checkpoint yet"
    bench.producer.confirm()
    await eventually(lambda: bench.checkpoint_offsets() == [-1, 4])
    await asyncio.sleep(0.05)
    assert not task.done(), "the checkpoint itself is not confirmed"
    bench.producer.confirm()
    assert offsets(await task) == list(range(5))


async def test_the_snapshot_stands_before_the_flush_and_covers_only_what_it_saw() -> None:
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    task = asyncio.create_task(bench.work.checkpoint(bench.partition))
    await asyncio.sleep(0.02)
    await bench.work.take(bench.events(range(5, 9)))
    bench.producer.is_prompt = True
    bench.producer.confirm()
    assert offsets(await task) == list(range(5)), "the agent went on meanwhile; its events are not covered"
    assert offsets(await bench.work.checkpoint(bench.partition)) == [5, 6, 7, 8]


@pytest.mark.parametrize("is_during_results", [True, False])
async def test_a_rebalance_during_a_flush_acknowledges_nothing(is_during_results: bool) -> None:
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    task = asyncio.create_task(bench.work.checkpoint(bench.partition))
    await asyncio.sleep(0.02)
    if not is_during_results:
        bench.producer.confirm()
        await eventually(lambda: bench.checkpoint_offsets() == [-1, 4])
    bench.rebalance()
    bench.producer.confirm()
    assert await task == []
    assert bench.checkpoint_offsets() == ([-1] if is_during_results else [-1, 4])


async def test_a_result_that_kafka_refuses_stops_the_checkpoint() -> None:
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    bench.producer.confirm(error="broker says no")
    with pytest.raises(DeliveryFailed, match="broker says no"):
        await bench.work.checkpoint(bench.partition)
    assert bench.checkpoint_offsets() == [-1]


async def test_a_report_of_success_without_an_offset_is_no_confirmation() -> None:
    bench = Bench(is_prompt=False)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    bench.producer.confirm(offset=None)
    with pytest.raises(DeliveryFailed, match="without an offset"):
        await bench.work.checkpoint(bench.partition)
    assert bench.checkpoint_offsets() == [-1]


async def test_no_checkpoint_is_written_when_nothing_came() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    await bench.work.checkpoint(bench.partition)
    assert await bench.work.checkpoint(bench.partition) == []
    assert bench.checkpoint_offsets() == [-1, 4]


async def test_a_cold_start_folds_silently_from_65_minutes_before_the_groups_offset() -> None:
    bench = Bench()
    bench.reader.group_offset = 90
    await bench.work.take(bench.events(range(90, 95)))
    # one record a minute: the record before offset 90 has minute 89, and 65 minutes before it stands offset 24
    assert bench.results() == bench.oracle(90, 94, begin=24)
    assert bench.checkpoint_offsets() == [89]
    assert ("cold_start", "no checkpoint") in [(event, facts.get("reason")) for event, facts in bench.said]


async def test_a_log_whose_start_is_cut_off_makes_a_cold_start_under_the_next_epoch() -> None:
    bench = Bench()
    bench.add_checkpoint(10, epoch=3)
    bench.reader.start, bench.reader.group_offset = 50, 11
    await bench.work.take(bench.events(range(50, 55)))
    assert bench.results() == bench.oracle(50, 54, begin=50)
    assert [item.headers["epoch"] for item in bench.producer.of(GREEKS)] == [b"4"] * 5
    assert any(event == "cold_start" and "begins at 50" in facts["reason"] for event, facts in bench.said)


async def test_other_settings_open_the_next_epoch_and_go_on_from_the_state() -> None:
    class Other(ChecksumMaker):
        identity = Identity("other", "1", "any", 1)

    bench = Bench(maker=Other())
    bench.add_checkpoint(20, epoch=2, settings_hash="before")
    await bench.work.take(bench.events(range(21, 25)))
    assert bench.results() == bench.oracle(21, 24)
    assert bench.checkpoint_offsets() == [20, 20]
    assert {item.headers["epoch"] for item in bench.producer.of(GREEKS)} == {b"3"}


async def test_of_two_workers_that_open_an_epoch_at_once_the_first_counts() -> None:
    bench = Bench()
    bench.reader.group_offset = 90
    original = bench.producer.produce

    def late(topic: str, *args: Any, **kwargs: Any) -> None:
        if topic == CHECKPOINTS and not bench.producer.of(CHECKPOINTS):
            bench.add_checkpoint(95)  # the other's lands first; it stands elsewhere, with another state
        original(topic, *args, **kwargs)

    bench.producer.produce = late  # type: ignore[method-assign]
    await bench.work.take(bench.events(range(90, 99)))
    assert bench.results() == bench.oracle(96, 98), "goes on from the other's state"
    assert any(event == "epoch_lost" for event, _ in bench.said)


async def test_reconcile_restores_a_silent_partition_and_closes_a_tail_that_was_dropped() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.reconcile(bench.partition, idle_s=0.0)
    assert bench.results() == bench.oracle(21, 99)
    assert bench.work.is_restored()


async def test_events_that_come_after_a_fill_has_passed_them_are_acknowledged_without_another_checkpoint() -> None:
    bench = Bench(n_records=30)
    bench.add_checkpoint(20)
    await bench.work.reconcile(bench.partition, idle_s=0.0)
    await bench.work.checkpoint(bench.partition)
    await bench.work.take(bench.events(range(21, 30)))
    assert offsets(await bench.work.checkpoint(bench.partition)) == list(range(21, 30))
    assert bench.checkpoint_offsets() == [20, 29]


async def test_a_draining_worker_takes_nothing_more_but_checkpoints() -> None:
    bench = Bench()
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    bench.work.drain()
    await bench.work.take(bench.events(range(5, 10)))
    assert offsets(await bench.work.checkpoint(bench.partition)) == list(range(5))
    assert bench.results() == bench.oracle(0, 4)


async def test_a_stop_that_meets_a_batch_in_the_kernel_lets_it_finish_and_saves_it() -> None:
    maker = SlowMaker()
    bench = Bench(maker=maker)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    loop = asyncio.get_running_loop()
    saving: list[Any] = []

    def stop() -> None:
        bench.work.drain()
        saving.append(asyncio.ensure_future(bench.work.checkpoint(bench.partition)))

    maker.hook = lambda: asyncio.run_coroutine_threadsafe(_call(stop), loop).result(5)
    await bench.work.take(bench.events(range(5, 10)))
    assert offsets(await saving[0]) == list(range(10))
    assert bench.checkpoint_offsets()[-1] == 9
    assert bench.results() == bench.oracle(0, 9)


async def test_a_stop_in_a_long_fill_leaves_a_state_that_agrees_with_what_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restore, "FOLD_ROWS", 16)
    maker = SlowMaker()
    bench = Bench(maker=maker)
    bench.add_checkpoint(-1)
    await bench.work.take(bench.events(range(5)))
    loop = asyncio.get_running_loop()
    maker.hook = lambda: asyncio.run_coroutine_threadsafe(_call(bench.work.drain), loop).result(5)
    await bench.work.reconcile(bench.partition, -1.0)
    assert bench.results() == bench.oracle(0, 20), "the chunk in the kernel, and no further one"
    assert offsets(await bench.work.checkpoint(bench.partition)) == list(range(5))
    # another worker goes on from there
    bench.work.is_draining = bench.work.restorer.is_draining = False
    maker.hook = lambda: None
    bench.rebalance()
    await bench.work.take(bench.events([40]))
    assert bench.results() == bench.oracle(0, 40)


async def test_what_faust_has_handed_over_is_kept_apart_from_what_was_read_without_it() -> None:
    """A worker whose consumer is dead goes on by itself: only this difference shows it (the watchdog)."""
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.take(bench.events(range(21, 30)))
    assert (bench.engine.handed, bench.engine.offset, bench.work.counts.events) == (29, 29, 9)
    await bench.work.reconcile(bench.partition, idle_s=0.0)
    assert (bench.engine.handed, bench.engine.offset, bench.work.counts.events) == (29, 99, 9)
    await bench.work.take(bench.events(range(30, 40)))
    assert (bench.engine.handed, bench.engine.offset, bench.work.counts.events) == (39, 99, 19)
    assert bench.engine.n_handed == 19, "known ones too: they show that Faust is alive"


async def test_results_are_counted_by_topic_when_they_are_sent() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.take(bench.events(range(21, 31)))
    # every record one, every fifth a trade (25 and 30), every tenth a row of latest (the thirtieth record is offset 29)
    assert bench.delivery.sent == {("greeks", ()): 10, ("trades", ()): 2, ("latest", ()): 1}


async def test_what_the_engine_has_counted_before_this_process_saw_it_is_not_counted_again() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.take(bench.events([21]))
    watch = Watch(lambda partition: None)
    seen = []
    # a past of 100, two more, an earlier state after a restore, and three on from that
    for n_old in (100, 102, 40, 43):
        coverage = Coverage(0, "", 0, 0, {}, 0.0, 0.0, {"old_records": n_old})
        bench.engine.fold = SimpleNamespace(coverage=lambda found=coverage: found)
        watch.partitions(bench.work, 0.0)
        seen.append(watch.log_events().get("old_records", 0))
    assert seen == [0, 2, 2, 5]


@pytest.mark.parametrize("is_alive", [True, False])
async def test_a_worker_whose_consumer_is_dead_is_found_though_it_keeps_up_by_itself(is_alive: bool) -> None:
    bench = Bench(n_records=30)
    bench.add_checkpoint(20)
    await bench.work.take(bench.events(range(21, 30)))
    log, watch, watchdog, verdicts = bench.reader.logs[3], Watch(lambda _: None), Watchdog(5.0), []
    for second in range(8):
        log.append(log[-1])
        if is_alive:
            await bench.work.take(bench.events([len(log) - 1]))
        else:
            await bench.work.reconcile(bench.partition, idle_s=0.0)
        told = readouts.report(0, gather(bench.work, watch, Latencies(), 0), 10_000)
        verdicts.append(watchdog.is_dead(Observation(float(second), told, float(second), {3: len(log)})))
    assert bench.engine.offset == len(log) - 1, "applied is everything"
    assert any(verdicts) == (not is_alive)


async def test_after_a_restore_everything_up_to_its_end_counts_as_handed_over() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    await bench.work.reconcile(bench.partition, idle_s=0.0)
    assert (bench.engine.handed, bench.engine.offset) == (99, 99)


async def test_a_partition_in_restore_or_in_a_long_fill_is_catching_up() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    seen: list[tuple[int, ...]] = []
    look = lambda ahead_s: seen.append(catching_up(bench.work, time.monotonic() + ahead_s))  # noqa: E731
    look(0.0)
    bench.reader.before_answer = lambda: look(0.0)
    await bench.work.take(bench.events([60]))
    look(0.0)
    assert seen == [(3,), (3,), ()]
    original = bench.reader.records

    def records(*args: Any) -> Any:
        look(LONG_FILL_S - 1.0)
        look(LONG_FILL_S + 1.0)
        return original(*args)

    bench.reader.records = records  # type: ignore[method-assign]
    await bench.work.reconcile(bench.partition, idle_s=0.0)
    look(1_000.0)
    assert seen[3:5] == [(), (3,)] and seen[-1] == ()


async def test_a_checkpoints_age_is_that_of_the_oldest_work_it_does_not_cover() -> None:
    bench = Bench()
    bench.add_checkpoint(20)
    watch = Watch(lambda partition: 100)
    await bench.work.take(bench.events(range(21, 30)))
    soon = time.monotonic() + 7.0
    found = watch.partitions(bench.work, soon)[3]
    assert 7.0 <= found.checkpoint_age_s < 12.0, "nothing of it is covered since the restore"
    assert (found.lag, found.offset) == (100 - 1 - 29, 29)
    await bench.work.checkpoint(bench.partition)
    found = watch.partitions(bench.work, soon + 60.0)[3]
    assert found.checkpoint_age_s == 0.0, "all that was applied is covered"
    assert found.checkpoint_bytes == len(bench.producer.of(CHECKPOINTS)[-1].value or b"")


async def test_a_result_is_as_late_as_its_rows_and_what_is_told_again_of_them_later_is_not_counted() -> None:
    bench = Bench(is_prompt=False)
    counted: list[int] = []
    delivery = Delivery(bench.producer, NAMESPACE, "host", on_latency=counted.extend)
    made = [Outgoing(topic, b"k", b"v", 0, 5, seq) for seq, topic in enumerate(("greeks", "audit", "greeks", "latest"))]
    rows, told_again = delivery.send(3, 1, made, [RawRecord(5, b"", 1_000)])
    bench.producer.confirm(GREEKS)
    assert rows.is_confirmed
    assert len(counted) == 2
    assert not told_again.is_confirmed, "a checkpoint waits for them too"
    bench.producer.confirm()
    assert told_again.is_confirmed
    assert len(counted) == 2
