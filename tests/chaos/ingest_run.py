"""Ingest under fire: killed, stopped, put to sleep, taken over by a second one, on machines whose clocks are hours off, behind a
network that cuts, repeats, mixes and garbles; workers killed.  Every trade of the venue exactly once, and the venue's time.

The events and the pauses between them come from the seed.  A simulated venue trades on meanwhile, so what an outage missed
has to be fetched again; its trade numbers have no hole, which tells a lost trade from one that never was.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemas
from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.processes import Child, wait_until
from streams.supervisor import EXIT_SUPERSEDED
from streams.worker.folds import load_maker
from streams.worker.log_reader import LogReader
from tests.broker import worker_runs as runs
from tests.chaos import harness, oracle
from tests.chaos.fleet import Fleet, Recovery
from tests.kafka_fixtures import eventually

TradeKey = tuple[str, int]
EVENTS = ("kill_ingest", "take_over", "stop_ingest", "kill_worker")
CLOCK_EVENTS = ("sleep_ingest",)
SKEWS_S = (-86_400, -7_200, -300, 300, 7_200, 86_400)
N_WORKERS = 2
MAX_OUTAGE_S = 4.0
ASLEEP_S = (14.0, 20.0)
CLOCK_OFF_S, CLOCK_WITHIN_S = 8.0, 60.0
"""The log may be so far behind the venue: less than a sleep; and it may take so long after an event until it is no more than that:
a busy machine starts an ingest in half a minute."""
TRADES_BETWEEN = 80
N_LAST = 2_000
"""Records of a partition that surely hold its newest Clock: more than a minute of this market writes."""
FAULT_EVERY_S = 2.0
UNFINISHED_NS = 5_000_000_000
"""A hole that the venue's answer has not filled yet when ingest is stopped."""


@dataclass
class Outcome:
    """What a run shows; right if nothing is missing, nothing differs, every trade is there once, and the time is the venue's."""

    verdict: oracle.Verdict
    events: list[str]
    n_trades: int = 0
    not_published: set[TradeKey] = field(default_factory=set)
    not_once: dict[TradeKey, int] = field(default_factory=dict)
    holes: dict[str, list[int]] = field(default_factory=dict)
    faults_done: dict[str, int] | None = None
    """By the network, where it was told to make some."""
    clock_off_s: float = 0.0
    """How far the log's last Clock was from the venue's time some time after each event, the worst."""
    clocks_back: int = 0
    n_told_missing: int = 0
    """Trades that ingest itself says it has not got."""
    recoveries: list[Recovery] = field(default_factory=list)
    load_average: float = 0.0
    caught_up_s: float = 0.0
    n_records: int = 0

    @property
    def faults(self) -> list[str]:
        found = {
            f"{len(self.not_published)} trades of the log are not published": self.not_published,
            f"{len(self.not_once)} trades are not there once": self.not_once,
            f"holes in the trade numbers of {len(self.holes)} instruments, ingest says {self.n_told_missing}": self.holes,
            "no trade at all": not self.n_trades,
            f"the Clock stays {self.clock_off_s:.0f} s off the venue's time": self.clock_off_s > CLOCK_OFF_S,
            f"{self.clocks_back} Clocks go back": self.clocks_back,
            f"the network did not do all that it can: {self.faults_done}": self.faults_done is not None
            and not all(self.faults_done.values()),
        }
        return [text for text, is_so in found.items() if is_so]

    @property
    def is_right(self) -> bool:
        return self.verdict.is_right and not self.faults

    def __str__(self) -> str:
        return (
            f"{' '.join(self.events)}: {self.n_trades} trades, not published {len(self.not_published)}, not once "
            f"{len(self.not_once)}, holes {len(self.holes)}, Clock {self.clock_off_s:.1f} s off, network {self.faults_done}; "
            f"{self.verdict.summary()}; {'; '.join(self.faults) or 'no fault'}"
        )


def n_in(bootstrap: str, namespace: str, topic: topics.Topic) -> int:
    name = topics.full_name(topic, namespace)
    return sum(high for _, high in kafka.watermarks(bootstrap, name, range(topic.n_partitions)).values())


def trades_in_log(bootstrap: str, namespace: str) -> dict[TradeKey, int]:
    """Distinct (instrument, trade_seq) of the log, repeats of a backfill taken once; ns of the last Clock before each."""
    found: dict[TradeKey, int] = {}
    for partition in range(N_PARTITIONS):
        clock_ns = 0
        for record in records_of(bootstrap, namespace, partition, schemas.Clock, schemas.OptionTrade):
            if isinstance(record, schemas.Clock):
                clock_ns = record.ts_event_ns
            else:
                found.setdefault((record.instrument_name, record.trade_seq), clock_ns)
    return found


def records_of(
    bootstrap: str, namespace: str, partition: int, *kinds: type[Any], n_last: int | None = None
) -> Iterator[Any]:
    """Every record of these kinds of a partition of the log, or of its last ``n_last`` records; the others are not decoded."""
    reader, source = LogReader(bootstrap), topics.full_name(topics.TICKS, namespace)
    heads = tuple(schemas.SINGLE_OBJECT[kind] for kind in kinds)
    bounds = reader.bounds(source, partition)
    begin = bounds.start if n_last is None else max(bounds.start, bounds.end - n_last)
    try:
        for raw in reader.records(source, partition, begin, bounds.end, bounds.end):
            assert raw.value is not None
            if raw.value.startswith(heads):
                yield schemas.decode(raw.value)
    finally:
        reader.close()


def holes_of(logged: dict[TradeKey, int], last_clock_ns: int) -> dict[str, list[int]]:
    """Missing trade numbers by instrument; one that came to light in the last seconds is for the next start to fetch."""
    numbers = defaultdict(list)
    for name, number in logged:
        numbers[name].append(number)
    holes: dict[str, list[int]] = {}
    for name, found in numbers.items():
        for low, high in itertools.pairwise(sorted(found)):
            if high > low + 1 and logged[name, high] < last_clock_ns - UNFINISHED_NS:
                holes.setdefault(name, []).extend(range(low + 1, high))
    return holes


def trades_published(bootstrap: str, namespace: str) -> Counter[TradeKey]:
    """How many results, by the reader's rule (one an identity), each trade has."""
    by_identity = {item.identity: item.value for item in oracle.published(bootstrap, namespace, ["trades"])}
    records = [schemas.decode(value) for value in by_identity.values() if value]
    return Counter((r.instrument_name, r.trade_seq) for r in records if isinstance(r, schemas.TradeGreeks))


class Ingests:
    """The ingest processes of a run: one leads, and a new one takes over from it.  With ``skews``, each on a machine of its own,
    whose clock is off by one of them."""

    def __init__(
        self, url: str, bootstrap: str, namespace: str, folder: Path, rng: random.Random, skews: tuple[int, ...]
    ) -> None:
        self._arguments = ["--url", url, "--namespace", namespace, "--currencies", "BTC"]
        self._environ, self._folder, self._rng, self._skews = {"KAFKA_BOOTSTRAP": bootstrap}, folder, rng, skews
        self.all: list[Child] = []

    def start(self) -> None:
        log = self._folder / f"ingest-{len(self.all)}.log"
        if self._skews:
            arguments = ["--skew", str(self._rng.choice(self._skews)), *self._arguments]
            module = "tests.chaos.skewed_ingest"
        else:
            arguments, module = ["ingest", *self._arguments], "streams.cli"
        self.all.append(Child("ingest", arguments, log, environ=self._environ, module=module))

    @property
    def leader(self) -> Child:
        return self.all[-1]

    def kill(self, outage_s: float) -> None:
        self.leader.process.send_signal(signal.SIGKILL)
        self.leader.process.wait()
        time.sleep(outage_s)
        self.start()

    def stop(self, outage_s: float) -> None:
        self.leader.stop()
        time.sleep(outage_s)
        self.start()

    def sleep(self, asleep_s: float) -> None:
        """The machine sleeps, and its clock with it."""
        self.leader.process.send_signal(signal.SIGSTOP)
        time.sleep(asleep_s)
        self.leader.process.send_signal(signal.SIGCONT)

    def take_over(self) -> None:
        """A second ingest: the first must see that it is superseded, and end."""
        old = self.leader
        self.start()
        eventually(lambda: not old.is_alive(), 60.0)
        assert old.process.returncode == EXIT_SUPERSEDED, old.last_log_lines()


def strike(event: str, ingests: Ingests, fleet: Fleet, rng: random.Random) -> None:
    if event == "kill_ingest":
        ingests.kill(rng.uniform(0.0, MAX_OUTAGE_S))
    elif event == "stop_ingest":
        ingests.stop(rng.uniform(0.0, MAX_OUTAGE_S))
    elif event == "take_over":
        ingests.take_over()
    elif event == "sleep_ingest":
        ingests.sleep(rng.uniform(*ASLEEP_S))
    else:
        fleet.kill(rng.randrange(N_WORKERS))


def run(
    bootstrap: str, namespace: str, folder: Path, seed: int, *, has_faults: bool = False, has_clocks: bool = False
) -> Outcome:
    """One run in a namespace whose topics are there; every event of EVENTS once, in the seed's order.

    ``has_faults``: the network cuts, pauses, repeats, mixes, loses, garbles and misdates notifications all the while.
    ``has_clocks``: every ingest has another wrong clock, and one of them sleeps.
    """
    rng = random.Random(seed)
    kinds = EVENTS + CLOCK_EVENTS * has_clocks
    events = rng.sample(kinds, len(kinds))
    market = ["--rate", "150", "--trade-rate", "20", "--options", "80", "--currencies", "BTC", "--seed", str(seed)]
    if has_faults:
        market += ["--faults", str(seed), "--fault-every", str(FAULT_EVERY_S)]
    simulator = Child("simulate", ["simulate", "--port", "0", *market], folder / "simulate.log", is_talking=True)
    ingests: Ingests | None = None
    try:
        assert simulator.stdout is not None
        url = json.loads(simulator.stdout.readline())["url"]
        ingests = Ingests(url, bootstrap, namespace, folder, rng, SKEWS_S if has_clocks else ())
        with runs.fleet_of(bootstrap, namespace, N_WORKERS, folder, GREEKSTREAM_WORKER_FOLD=harness.PRICING) as fleet:

            def more_trades(n_trades: int) -> None:
                goal = n_in(bootstrap, namespace, topics.TRADES) + n_trades
                eventually(
                    lambda: fleet.tend() or n_in(bootstrap, namespace, topics.TRADES) >= goal, 120.0, runs.LOOK_EVERY_S
                )

            ingests.start()
            more_trades(TRADES_BETWEEN)
            clock_off_s = 0.0
            for event in events:
                time.sleep(rng.uniform(0.0, 2.0))
                strike(event, ingests, fleet, rng)
                more_trades(TRADES_BETWEEN)
                clock_off_s = max(clock_off_s, clock_off_of(bootstrap, namespace, fleet))
            assert ingests.leader.is_alive(), ingests.leader.last_log_lines()
            load_average, began_s = os.getloadavg()[0], time.monotonic()
            ingests.leader.stop()
            summary = summary_of(simulator) if has_faults else None
            eventually(lambda: fleet.tend() or fleet.n_restarts == 1, every_s=runs.LOOK_EVERY_S)
            runs.wait_until_worked_off(bootstrap, namespace, 120.0)
            caught_up_s = time.monotonic() - began_s
            fleet.stop()
            recoveries = fleet.recoveries()
    finally:
        for child in [*(ingests.all if ingests else []), simulator]:
            child.stop()
    outcome = judge(bootstrap, namespace, events)
    outcome.clocks_back = clocks_back(bootstrap, namespace)
    outcome.clock_off_s, outcome.recoveries = round(clock_off_s, 1), recoveries
    outcome.load_average, outcome.caught_up_s = round(load_average, 1), round(caught_up_s, 1)
    outcome.faults_done = summary["faults"] if summary else None
    return outcome


def clock_off_of(bootstrap: str, namespace: str, fleet: Fleet) -> float:
    """s from the log's last Clock to the venue's time, which is the true one: as soon as it is little, or in the end."""
    off_s = [float("inf")]

    def is_near() -> bool:
        fleet.tend()
        clocks = clocks_of(bootstrap, namespace, N_LAST)
        off_s[0] = abs(time.time() - clocks[-1] / 1e9) if clocks else off_s[0]
        return off_s[0] <= CLOCK_OFF_S

    wait_until(is_near, CLOCK_WITHIN_S, every_s=0.5)
    return off_s[0]


def summary_of(simulator: Child) -> dict[str, Any]:
    """End the venue; what it says at its end."""
    simulator.process.terminate()
    return dict(json.loads(simulator.stdout.read().splitlines()[-1]))


def clocks_of(bootstrap: str, namespace: str, n_last: int | None = None) -> list[int]:
    """ns of every Clock of partition 0, as they stand there, or of those among its last ``n_last`` records."""
    return [record.ts_event_ns for record in records_of(bootstrap, namespace, 0, schemas.Clock, n_last=n_last)]


def clocks_back(bootstrap: str, namespace: str) -> int:
    """How often a Clock of partition 0 is before the one that the same ingest wrote last.

    Of two ingests the one that is taken over from writes until it hears of it, so the other's first Clock, the last one that it
    found, may stand behind later ones; engines pass over what comes of the lower epoch after that.
    """
    by_epoch: dict[int, list[int]] = {}
    for record in records_of(bootstrap, namespace, 0, schemas.Clock):
        by_epoch.setdefault(record.ingest_epoch, []).append(record.ts_event_ns)
    return sum(b < a for clocks in by_epoch.values() for a, b in itertools.pairwise(clocks))


def judge(bootstrap: str, namespace: str, events: list[str]) -> Outcome:
    """Hold what stands in the topics against the oracle and against the venue's numbering of trades."""
    maker = load_maker(harness.PRICING, bootstrap=bootstrap, namespace=namespace)
    verdict = oracle.check(bootstrap, namespace, maker, topics.group_name(namespace))
    published, logged = trades_published(bootstrap, namespace), trades_in_log(bootstrap, namespace)
    gaps = records_of(bootstrap, namespace, 0, schemas.FeedGap)
    return Outcome(
        verdict,
        events,
        len(logged),
        set(logged) ^ set(published),
        {key: n for key, n in published.items() if n != 1},
        holes_of(logged, clocks_of(bootstrap, namespace)[-1]),
        n_told_missing=sum(gap.trade_seq_missing for gap in gaps),
        n_records=n_in(bootstrap, namespace, topics.TICKS),
    )
