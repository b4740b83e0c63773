"""Ingest under fire: killed, stopped, taken over by a second one, workers killed; every trade of the venue exactly once.

The events and the pauses between them come from the seed.  A simulated venue trades on meanwhile, so what an outage missed
has to be fetched again; its trade numbers have no hole, which tells a lost trade from one that never was.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import schemas
from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.processes import Child
from streams.supervisor import EXIT_SUPERSEDED
from streams.worker.folds import load_maker
from streams.worker.log_reader import LogReader
from tests.broker import worker_runs as runs
from tests.chaos import harness, oracle
from tests.chaos.fleet import Fleet
from tests.kafka_fixtures import eventually

TradeKey = tuple[str, int]
EVENTS = ("kill_ingest", "take_over", "stop_ingest", "kill_worker")
N_WORKERS = 2
MAX_OUTAGE_S = 4.0
TRADES_BETWEEN = 80


@dataclass
class Outcome:
    """What a run shows; right if nothing is missing, nothing differs and every trade is there once."""

    verdict: oracle.Verdict
    events: list[str]
    n_trades: int = 0
    not_published: set[TradeKey] = field(default_factory=set)
    not_once: dict[TradeKey, int] = field(default_factory=dict)
    holes: dict[str, list[int]] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        return self.verdict.is_right and not (self.not_published or self.not_once or self.holes) and self.n_trades > 0

    def __str__(self) -> str:
        return (
            f"{' '.join(self.events)}: {self.n_trades} trades, not published {len(self.not_published)}, not once "
            f"{len(self.not_once)}, holes {len(self.holes)}; {self.verdict.summary()}"
        )


def n_in(bootstrap: str, namespace: str, topic: topics.Topic) -> int:
    name = topics.full_name(topic, namespace)
    return sum(high for _, high in kafka.watermarks(bootstrap, name, range(topic.n_partitions)).values())


def trades_in_log(bootstrap: str, namespace: str) -> set[TradeKey]:
    """Distinct (instrument, trade_seq) of the log, repeats of a backfill taken once."""
    reader, source = LogReader(bootstrap), topics.full_name(topics.TICKS, namespace)
    found = set()
    for partition in range(N_PARTITIONS):
        bounds = reader.bounds(source, partition)
        for raw in reader.records(source, partition, bounds.start, bounds.end, bounds.end):
            record = schemas.decode(raw.value or b"")
            if isinstance(record, schemas.OptionTrade):
                found.add((record.instrument_name, record.trade_seq))
    return found


def trades_published(bootstrap: str, namespace: str) -> Counter[TradeKey]:
    """How many results, by the reader's rule (one an identity), each trade has."""
    by_identity = {item.identity: item.value for item in oracle.published(bootstrap, namespace, ["trades"])}
    records = [schemas.decode(value) for value in by_identity.values() if value]
    return Counter((r.instrument_name, r.trade_seq) for r in records if isinstance(r, schemas.TradeGreeks))


class Ingests:
    """The ingest processes of a run: one leads, and a new one takes over from it."""

    def __init__(self, url: str, bootstrap: str, namespace: str, folder: Path) -> None:
        self._arguments = ["ingest", "--url", url, "--namespace", namespace, "--currencies", "BTC"]
        self._environ, self._folder = {"KAFKA_BOOTSTRAP": bootstrap}, folder
        self.all: list[Child] = []

    def start(self) -> None:
        log = self._folder / f"ingest-{len(self.all)}.log"
        self.all.append(Child("ingest", self._arguments, log, environ=self._environ))

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
    else:
        fleet.kill(rng.randrange(N_WORKERS))


def run(bootstrap: str, namespace: str, folder: Path, seed: int) -> Outcome:
    """One run in a namespace whose topics are there; every event of EVENTS once, in the seed's order."""
    rng = random.Random(seed)
    events = rng.sample(EVENTS, len(EVENTS))
    market = ["--rate", "150", "--trade-rate", "20", "--options", "80", "--currencies", "BTC", "--seed", str(seed)]
    simulator = Child("simulate", ["simulate", "--port", "0", *market], folder / "simulate.log", is_talking=True)
    ingests: Ingests | None = None
    try:
        assert simulator.stdout is not None
        url = json.loads(simulator.stdout.readline())["url"]
        ingests = Ingests(url, bootstrap, namespace, folder)
        with runs.fleet_of(bootstrap, namespace, N_WORKERS, folder, GREEKSTREAM_WORKER_FOLD=harness.PRICING) as fleet:

            def more_trades(n_trades: int) -> None:
                goal = n_in(bootstrap, namespace, topics.TRADES) + n_trades
                eventually(lambda: fleet.tend() or n_in(bootstrap, namespace, topics.TRADES) >= goal, 120.0)

            ingests.start()
            more_trades(TRADES_BETWEEN)
            for event in events:
                time.sleep(rng.uniform(0.0, 2.0))
                strike(event, ingests, fleet, rng)
                more_trades(TRADES_BETWEEN)
            assert ingests.leader.is_alive(), ingests.leader.last_log_lines()
            ingests.leader.stop()
            eventually(lambda: fleet.tend() or fleet.n_restarts == 1)
            runs.wait_until_worked_off(bootstrap, namespace, 120.0)
            fleet.stop()
    finally:
        for child in [*(ingests.all if ingests else []), simulator]:
            child.stop()
    return judge(bootstrap, namespace, events)


def judge(bootstrap: str, namespace: str, events: list[str]) -> Outcome:
    """Hold what stands in the topics against the oracle and against the venue's numbering of trades."""
    maker = load_maker(harness.PRICING, bootstrap=bootstrap, namespace=namespace)
    verdict = oracle.check(bootstrap, namespace, maker, topics.group_name(namespace))
    published, logged = trades_published(bootstrap, namespace), trades_in_log(bootstrap, namespace)
    numbers = defaultdict(list)
    for name, number in logged:
        numbers[name].append(number)
    holes = {name: sorted(set(range(min(found), max(found) + 1)) - set(found)) for name, found in numbers.items()}
    return Outcome(
        verdict,
        events,
        len(logged),
        logged ^ set(published),
        {key: n for key, n in published.items() if n != 1},
        {name: missing for name, missing in holes.items() if missing},
    )
