"""Dealer flow, CME's marks, the merge and history under fire: killed, stopped, put to sleep and started again, while greeks and trades
are written and CME's files come; dealer flow is taken over from while it sleeps, and wakes.

What happens, to whom and when comes from the seed.  At the end the oracle's single pass over the same topics is held against what
stands in theirs (``service_oracle``).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemas
from schemas import Watermark
from streams import kafka, settings, topics
from streams.cme.merged import Terms
from streams.cme_service import merging
from streams.cme_service.settings import MergeSettings
from streams.flow.fold import Context
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from streams.flow_service.making import SOURCES
from streams.flow_service.settings import FoldSettings
from streams.partitioning import N_PARTITIONS
from streams.processes import wait_until
from streams.worker.pricing import engine_version
from tests.chaos import service_files
from tests.chaos import service_oracle as oracle
from tests.chaos.nursery import Nursery
from tests.chaos.oracle import Verdict
from tests.chaos.service_fleet import SERVICES, SETTLE_S, Event, Services, draw
from tests.flow_log import Lanes, lanes

ENVIRON = {
    "GREEKSTREAM_FLOW_WARM_UP_S": "5", "GREEKSTREAM_FLOW_PROFILE_STEP_RATIO": "0.02", "GREEKSTREAM_FLOW_STRIKES_EVERY_S": "1",
    "GREEKSTREAM_FLOW_LADDER_SPOT_PCT": "1", "GREEKSTREAM_FLOW_LADDER_VOL_POINTS": "1", "GREEKSTREAM_FLOW_LADDER_HOURS": "0,1",
    "GREEKSTREAM_DEALER_N_DRAWS": "20",
    "GREEKSTREAM_FOLD_CHAIN_S": "3600", "GREEKSTREAM_FOLD_CHECKPOINT_S": "0.7",
    "GREEKSTREAM_CME_POLL_S": "0.1", "GREEKSTREAM_CME_SETTLE_S": "0.2", "GREEKSTREAM_CME_INDEX_PRICES": "BTC=100000",
    "GREEKSTREAM_MERGE_CHECKPOINT_S": "0.7",
    "GREEKSTREAM_HISTORY_FLUSH_S": "0.5", "GREEKSTREAM_HISTORY_BUFFER_ROWS": "200",
}  # fmt: skip
"""A cheap second of dealer flow; everything is written down often, so that each kill meets something half done."""
TABLES = ("greeks", "trades", "flow", "flow_strikes", "flow_merged", "cme_marks")
MADE = (topics.FLOW_MERGED, topics.CME_MARKS)
"""Made by their services, but history is asked for them too."""
TEND_S = 0.05


@dataclass
class Outcome:
    """What a run showed."""

    verdict: Verdict
    events: list[Event]
    n_records: int
    caught_up_s: float
    load_average: float
    n_restarts: int
    used_s: float
    """Of the processor, by the services."""
    faults: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return self.verdict.is_right and not self.faults

    def __str__(self) -> str:
        v = self.verdict
        return (
            f"{', '.join(map(str, self.events))}; {self.n_restarts} restarts, {self.used_s:.1f} s of the processor; {v.summary()} "
            f"missing {v.missing[:3]} different {v.different[:3]} foreign {v.foreign[:3]}; {'; '.join(self.faults) or 'no fault'}"
        )


class Log:
    """Greeks and trades of all partitions, written bit by bit; the offsets are those that the lanes say."""

    def __init__(self, bootstrap: str, namespace: str, found: Lanes) -> None:
        self._producer, self._lanes = kafka.producer(bootstrap), found
        of = {"greeks": topics.GREEKS, "trades": topics.TRADES}
        self._names = {short: topics.full_name(topic, namespace) for short, topic in of.items()}
        self._written = dict.fromkeys(found, 0)

    def write(self, share: float) -> None:
        """Up to this share of each lane."""
        for (topic, partition), lane in self._lanes.items():
            end = min(len(lane), int(share * len(lane)))
            for one in lane[self._written[topic, partition] : end]:
                record: Any = one.record
                is_mark = isinstance(record, Watermark)
                ts_ns = record.log_time_ns if is_mark else record.ts_event_ns
                key = f"watermark-{partition}" if is_mark else record.instrument_name
                headers: list[tuple[str, str | bytes | None]] = [("epoch", str(one.epoch).encode())]
                self._producer.produce(
                    self._names[topic], schemas.encode(record), key, partition, timestamp=ts_ns // 10**6, headers=headers
                )  # fmt: skip
            self._written[topic, partition] = max(end, self._written[topic, partition])
        self._producer.poll(0)

    def finish(self) -> int:
        """All of it; how many records that are."""
        self.write(1.0)
        assert self._producer.flush(60.0) == 0, "the log could not be written"
        return sum(self._written.values())


def run(
    bootstrap: str, namespace: str, folder: Path, seed: int, *, duration_s: float = 30.0, n_seconds: int = 80, n_events: int = 14,
    n_files: int = 5,
) -> Outcome:  # fmt: skip
    """One run in a namespace whose topics are there: ``n_seconds`` of log time over ``duration_s``."""
    rng = random.Random(seed)
    found = lanes(seed, n_seconds, before_expiry_s=n_seconds / 2, n_partitions=N_PARTITIONS)
    expected, state = oracle.flow_pass(found, context_of())
    events, cme = draw(seed, duration_s, n_events), folder / "cme"
    cme.mkdir()
    history = folder / "history"
    kafka.create_topics(bootstrap, namespace, only=MADE)
    # a broker says a moment later than it answers that topics are there
    names = {topics.full_name(topic, namespace) for topic in (*topics.NOW, *MADE)}
    assert wait_until(lambda: names <= kafka.topic_names(bootstrap).keys(), SETTLE_S, every_s=0.1)
    commands = {
        "flow": ["flow-service"],
        "cme": ["cme", str(cme), "--follow"],
        "merge": ["merge", "--from-start"],
        "history": ["history", "--folder", str(history), "--tables", ",".join(TABLES)],
    }
    with Nursery({**ENVIRON, "KAFKA_BOOTSTRAP": bootstrap}, folder / "nursery.log") as nursery:
        commands = {name: [*words, "--namespace", namespace] for name, words in commands.items()}
        services = Services(nursery, commands, folder)
        files = Files(bootstrap, namespace, cme, n_files)
        n_records = _write_under_fire(Log(bootstrap, namespace, found), files, services, events, duration_s, rng)
        began_s, load_average = time.monotonic(), os.getloadavg()[0]
        wait = Waiting(services)
        is_done = wait.until(lambda: services.is_quiet and files.is_done())
        is_done &= wait.until(lambda: expected.keys() <= dict(oracle.flow_published(bootstrap, namespace)).keys())
        passes = oracle.merged_passes(bootstrap, namespace, terms_of())
        is_done &= wait.until(lambda: passes[-1].keys() <= dict(oracle.merged_published(bootstrap, namespace)).keys())
        caught_up_s = time.monotonic() - began_s
        services.stop(("flow", "cme", "merge"))
        n_rows = oracle.n_rows_expected(bootstrap, namespace, TABLES)
        is_done &= wait.until(lambda: oracle.n_rows_written(history / namespace, TABLES) >= n_rows)
        services.stop(("history",))
        faults = [*services.faults, *(() if is_done else ("not everything came in time",))]
        if not is_done:
            faults += [f"{name}: {services.tail(name)}" for name in SERVICES]
        used_s = nursery.used_s()
    verdict = Verdict()
    oracle.compare(verdict, expected, oracle.flow_published(bootstrap, namespace))
    if oracle.newest_state(bootstrap, FoldSettings(namespace=namespace)) != state:
        verdict.wrong_states.append(0)
    oracle.judge_marks(verdict, files.batches, oracle.marks_published(bootstrap, namespace))
    faults += oracle.judge_merged(verdict, passes, bootstrap, namespace)
    faults += oracle.judge_history(verdict, bootstrap, namespace, history, TABLES)
    return Outcome(
        verdict, events, n_records, round(caught_up_s, 1), round(load_average, 1), services.n_restarts, used_s, faults
    )  # fmt: skip


def context_of() -> Context:
    """What the flow service is told, as it makes it itself."""
    flow, side = settings.load(FlowSettings, "FLOW", ENVIRON), settings.load(SideSettings, "DEALER", ENVIRON)
    return Context(flow, side, settings.settings_hash(flow, side), engine_version(SOURCES))


def terms_of() -> Terms:
    """What the merge is told, likewise."""
    return merging.terms(MergeSettings())


class Files:
    """CME's files come one after the other, each when the marks of the one before stand in Kafka: so each has a batch of its own."""

    def __init__(self, bootstrap: str, namespace: str, folder: Path, n_files: int) -> None:
        self._bootstrap, self._namespace, self._folder = bootstrap, namespace, folder
        self._contents = service_files.contents(n_files)
        self.batches = service_files.batches(self._contents)
        self._n_come = 0

    def come(self, share: float) -> None:
        """One more, if it is due at this share of the run."""
        if self._n_come >= len(self._contents) or share * len(self._contents) < self._n_come or not self.are_whole():
            return
        name, data = self._contents[self._n_come]
        part = self._folder / f".{name}"
        part.write_bytes(data)
        part.rename(self._folder / name)
        self._n_come += 1

    def are_whole(self) -> bool:
        """Whether all batches of the files that have come stand in Kafka."""
        sizes = [len(one) for one in self.batches[: self._n_come]]
        return oracle.n_whole_batches(self._bootstrap, self._namespace, sizes) == self._n_come

    def is_done(self) -> bool:
        """Let the rest come."""
        self.come(1.0)
        return self._n_come == len(self._contents) and self.are_whole()


class Waiting:
    """Waits for what must come some time, and tends the services meanwhile."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def until(self, condition: Callable[[], bool]) -> bool:
        return wait_until(lambda: self._services.tend() or condition(), SETTLE_S, every_s=0.4)


def _write_under_fire(
    log: Log, files: Files, services: Services, events: Sequence[Event], duration_s: float, rng: random.Random
) -> int:
    """Write the log at its rate, unevenly, and let the events happen when they are due."""
    due, began_s, look_s, share = list(events), time.monotonic(), 0.0, 0.0
    while (elapsed_s := time.monotonic() - began_s) < duration_s or due:
        while due and due[0].at_s <= elapsed_s:
            services.happen(due.pop(0))
        if rng.random() < 0.3:
            share = max(share, elapsed_s / duration_s)
            log.write(min(1.0, share))
        if elapsed_s >= look_s:
            look_s = elapsed_s + 0.3
            files.come(elapsed_s / duration_s)
        services.tend()
        time.sleep(TEND_S)
    return log.finish()
