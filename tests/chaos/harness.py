"""One chaos run: workers on a real Kafka, a log written while they are killed, and the oracle's verdict."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.processes import wait_until
from streams.worker.folds import FoldMaker, load_maker
from streams.worker.log_reader import LogReader
from tests.chaos import oracle, schedule
from tests.chaos.fleet import WARM_WITHIN_S, Fleet, Recovery
from tests.chaos.load import Written, checksum_load
from tests.chaos.pricing_load import expiring_load, jumping_load, pricing_load
from tests.chaos.watchers import Finding, Watcher

TEND_S = 0.05
CHECKSUM, PRICING = "tests.chaos.checksum:make", "streams.worker.pricing:make"
JUMPING, EXPIRING = "jumping", "expiring"
LOADS: dict[str, Callable[[int, int], Iterator[Written]]] = {
    CHECKSUM: checksum_load,
    PRICING: pricing_load,
    JUMPING: jumping_load,
    EXPIRING: expiring_load,
}
OPEN_S = 120.0
SETTLE_S, LONGEST_S = 600.0, 2_400.0
"""How long to wait for all workers to have their partitions, and how long the log of a run that waits can become."""


@dataclass
class Plan:
    """A run.  The fold's load gives the records in order; they are written at ``rate`` a second over ``duration_s``."""

    seed: int
    duration_s: float = 30.0
    rate: float = 1_500.0
    n_workers: int = 3
    n_events: int = 8
    fold: str = CHECKSUM
    is_slow: bool = False
    settle_s: float = 90.0
    broker: Any = None
    """A ``Breakable``, when the run may break its broker."""
    events: Sequence[schedule.Event] = ()
    """What happens, instead of what the seed draws."""
    load: str = ""
    """Of LOADS; empty: the fold's own."""
    watchers: Sequence[Callable[[str, str, int], Watcher]] = ()
    """Made of (bootstrap, namespace, seed) when the workers stand; each says at the end what it has found wrong."""
    warm_within_s: float = WARM_WITHIN_S

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for what it has done, and so lasts as long as that takes."""
        return any(event.kind == "settle" for event in self.events)

    def records(self) -> Iterator[Written]:
        """The log to write; one of a run that waits goes on as long as it does."""
        n_records = int((LONGEST_S if self.is_waiting else self.duration_s) * self.rate)
        return LOADS[self.load or self.fold](self.seed, n_records)


@dataclass
class Outcome:
    """What a run showed."""

    verdict: oracle.Verdict
    events: list[schedule.Event]
    n_records: int
    caught_up_s: float
    restarts: int
    unexpected_ends: list[tuple[int, int]]
    dropped: int
    abandoned: int
    holes: int
    rss_mb: dict[int, float]
    rows_by_worker: dict[int, int]
    log_tail: str
    recoveries: list[Recovery]
    findings: list[Finding]
    load_average: float
    """Of the machine, over the last minute, when the log had been written: the times beside it are to be read with it."""

    @property
    def faults(self) -> list[str]:
        return [fault for finding in self.findings for fault in finding.faults]

    @property
    def is_right(self) -> bool:
        return self.verdict.is_right and self.caught_up_s < float("inf") and not self.faults


def run(bootstrap: str, plan: Plan, work_dir: Path) -> Outcome:
    """Make a namespace, run the plan in it, compare, wipe it."""
    namespace = f"chaos-{plan.seed}-{uuid.uuid4().hex[:6]}"
    kafka.create_topics(bootstrap, namespace)
    maker = load_maker(plan.fold, bootstrap=bootstrap, namespace=namespace)
    environ = {"GREEKSTREAM_WORKER_FOLD": plan.fold, "GREEKSTREAM_WORKER_REPORT_S": "5"}
    if plan.is_slow:
        environ |= {"GREEKSTREAM_WORKER_SLOW_SHARE": "0.03", "GREEKSTREAM_WORKER_SLOW_S": "2"}
    try:
        with Fleet(bootstrap, namespace, work_dir / namespace, environ) as fleet:
            return _run_in(bootstrap, namespace, plan, fleet, maker)
    finally:
        # the first call over a connection that a restart of the broker has broken fails; a broker that is gone for good
        # is not what this run is about, and must not hide what is
        if wait_until(lambda: kafka.is_reachable(bootstrap), within_s=90.0, every_s=0.1):
            kafka.wipe(bootstrap, namespace)


def _run_in(bootstrap: str, namespace: str, plan: Plan, fleet: Fleet, maker: FoldMaker) -> Outcome:
    group = topics.group_name(namespace)
    fleet.warm_up(plan.warm_within_s)
    for worker_id in range(plan.n_workers):
        fleet.start(worker_id)
    opened = wait_until(lambda: _n_checkpointed(fleet) == N_PARTITIONS, within_s=OPEN_S, every_s=0.1)
    assert opened, f"the workers did not open every partition\n{fleet.tail()}"
    events = list(plan.events) or schedule.draw(
        plan.seed, plan.duration_s, plan.n_events, can_break_broker=plan.broker is not None
    )
    watchers = [make(bootstrap, namespace, plan.seed) for make in plan.watchers]
    n_records = _write_under_fire(bootstrap, namespace, plan, events, fleet)
    began, load_average = time.monotonic(), os.getloadavg()[0]
    reader = LogReader(bootstrap)
    caught_up = wait_until(lambda: _tended(fleet, reader, namespace, group), plan.settle_s, every_s=0.3)
    caught_up_s = time.monotonic() - began if caught_up else float("inf")
    sizes = fleet.rss_mb()
    fleet.stop()
    lines = fleet.events("work") + fleet.events("worker_stopped")
    expected, wrong_states = oracle.expectation(bootstrap, namespace, maker, group)
    verdict = oracle.judge(expected, wrong_states, oracle.published(bootstrap, namespace))
    return Outcome(
        verdict,
        events,
        n_records,
        round(caught_up_s, 1),
        fleet.n_restarts,
        fleet.unexpected_ends,
        _peak(lines, "dropped"),
        _peak(lines, "abandoned"),
        _peak(lines, "holes"),
        sizes,
        _peaks(lines, "rows"),
        fleet.tail(),
        fleet.recoveries(),
        [watcher.finish(expected) for watcher in watchers],
        round(load_average, 1),
    )


def _peaks(lines: list[dict[str, Any]], name: str) -> dict[int, int]:
    """By worker the highest count that it has reported (a lower bound: a kill cuts the last report)."""
    highest: dict[int, int] = {}
    for line in lines:
        highest[line["worker"]] = max(highest.get(line["worker"], 0), line[name])
    return highest


def _peak(lines: list[dict[str, Any]], name: str) -> int:
    return sum(_peaks(lines, name).values())


def _n_checkpointed(fleet: Fleet) -> int:
    fleet.tend()
    return len({line["partition"] for line in fleet.events("epoch_opened")})


def _tended(fleet: Fleet, reader: LogReader, namespace: str, group: str) -> bool:
    """Whether a confirmed checkpoint stands at the end of every partition's log."""
    fleet.tend()
    source = topics.full_name(topics.TICKS, namespace)
    for partition in range(N_PARTITIONS):
        newest = oracle.newest_checkpoint(reader, namespace, group, partition)
        if newest is None or newest[0] != reader.bounds(source, partition).end - 1:
            return False
    return True


def _write_under_fire(bootstrap: str, namespace: str, plan: Plan, events: list[schedule.Event], fleet: Fleet) -> int:
    """Write the log at its rate, and let the events happen when they are due."""
    producer = kafka.producer(bootstrap)
    source = topics.full_name(topics.TICKS, namespace)
    records = plan.records()
    due, began, n_written, next_id = list(events), time.monotonic(), 0, plan.n_workers
    is_done, waiting, late_s = False, Waiting(fleet), 0.0
    while not is_done or due:
        elapsed_s = time.monotonic() - began
        late_s += waiting.over()
        while due and not waiting and due[0].at_s + late_s <= elapsed_s:
            event = due.pop(0)
            if event.kind == "settle":
                waiting.begin()
            else:
                next_id = _happen(event, fleet, plan, next_id)
        is_done |= plan.is_waiting and not due and not waiting and elapsed_s >= plan.duration_s + late_s
        while not is_done and n_written < elapsed_s * plan.rate:
            record = next(records, None)
            if record is None:
                is_done = True
                break
            headers = [("ingest_wall_ns", str(time.time_ns()).encode())]
            producer.produce(
                source,
                record.value,
                record.key,
                record.partition,
                timestamp=record.log_time_ns // 1_000_000,
                headers=headers,
            )
            n_written += 1
        producer.poll(0)
        fleet.tend()
        time.sleep(TEND_S)
    assert producer.flush(60.0) == 0, "the log could not be written"
    return n_written


class Waiting:
    """The wait for all workers to have their partitions."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._since_s, self._look_s = fleet, 0.0, 0.0

    def __bool__(self) -> bool:
        return self._since_s > 0.0

    def begin(self) -> None:
        self._since_s = time.monotonic()

    def over(self) -> float:
        """Seconds waited when the wait has just ended, else 0.  To be called a few times a second; looks once."""
        now_s = time.monotonic()
        if not self or now_s < self._look_s:
            return 0.0
        self._look_s = now_s + 1.0
        if not self._fleet.is_settled():
            assert now_s - self._since_s < SETTLE_S, f"the workers do not settle\n{self._fleet.tail()}"
            return 0.0
        waited_s, self._since_s = now_s - self._since_s, 0.0
        return waited_s


def _happen(event: schedule.Event, fleet: Fleet, plan: Plan, next_id: int) -> int:
    """Do it; the next free worker id."""
    worker_id = fleet.ids[event.worker % len(fleet.ids)]
    if event.kind == "kill":
        fleet.kill(worker_id)
    elif event.kind == "term":
        fleet.terminate(worker_id)
    elif event.kind == "pause":
        fleet.freeze(worker_id, schedule.PAUSE_S)
    elif event.kind == "freeze":
        fleet.freeze(worker_id, schedule.FREEZE_S)
    elif event.kind == "retire":
        fleet.retire(worker_id)
    elif event.kind == "fill_disk":
        plan.broker.fill_disk()
    elif event.kind == "free_disk":
        plan.broker.free_disk()
    elif event.kind == "join":
        fleet.start(next_id)
        return next_id + 1
    else:
        plan.broker.restart(is_killed=event.kind == "broker_kill")
    return next_id
