"""Ingest killed and restarted, a second ingest started, a worker killed: every trade of the venue exactly once."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import schemas
from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.processes import Child
from streams.supervisor import EXIT_SUPERSEDED
from streams.worker.folds import load_maker
from streams.worker.log_reader import LogReader
from tests.broker import worker_runs as runs
from tests.chaos import harness, oracle
from tests.kafka_fixtures import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.broker]


def n_in(bootstrap: str, namespace: str, topic: topics.Topic) -> int:
    name = topics.full_name(topic, namespace)
    return sum(high for _, high in kafka.watermarks(bootstrap, name, range(topic.n_partitions)).values())


def trades_in_log(bootstrap: str, namespace: str) -> set[tuple[str, int]]:
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


def trades_published(bootstrap: str, namespace: str) -> Counter[tuple[str, int]]:
    """How many results, by the reader's rule (one an identity), each trade has."""
    by_identity = {item.identity: item.value for item in oracle.published(bootstrap, namespace, ["trades"])}
    records = [schemas.decode(value) for value in by_identity.values() if value]
    return Counter((r.instrument_name, r.trade_seq) for r in records if isinstance(r, schemas.TradeGreeks))


def test_every_trade_exactly_once_whatever_happens_to_ingest(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    environ = {"KAFKA_BOOTSTRAP": bootstrap}
    arguments = ["--port", "0", "--rate", "150", "--trade-rate", "20", "--options", "80", "--currencies", "BTC"]
    simulator = Child("simulate", ["simulate", *arguments], tmp_path / "simulate.log", is_talking=True)
    ingests: list[Child] = []

    def start_ingest() -> Child:
        where = ["ingest", "--url", url, "--namespace", namespace, "--currencies", "BTC"]
        ingests.append(Child("ingest", where, tmp_path / f"ingest-{len(ingests)}.log", environ=environ))
        return ingests[-1]

    def more_trades(n_trades: int = 40) -> None:
        goal = n_in(bootstrap, namespace, topics.TRADES) + n_trades
        eventually(lambda: fleet.tend() or n_in(bootstrap, namespace, topics.TRADES) >= goal, 90.0)

    try:
        url = json.loads(simulator.stdout.readline())["url"]
        with runs.fleet_of(bootstrap, namespace, 2, tmp_path, GREEKSTREAM_WORKER_FOLD=harness.PRICING) as fleet:
            first = start_ingest()
            more_trades(200)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            time.sleep(2.0)  # an outage: the venue trades on, the restart has to fetch what was missed
            second = start_ingest()
            more_trades(200)
            fleet.kill(0)
            third = start_ingest()
            eventually(lambda: not second.is_alive(), 60.0)
            assert second.process.returncode == EXIT_SUPERSEDED, second.last_log_lines()
            more_trades(200)
            assert third.is_alive(), third.last_log_lines()
            third.stop()
            eventually(lambda: fleet.tend() or fleet.n_restarts == 1)
            runs.wait_until_worked_off(bootstrap, namespace, 90.0)
            fleet.stop()
    finally:
        for child in [*ingests, simulator]:
            child.stop()
    maker = load_maker(harness.PRICING, bootstrap=bootstrap, namespace=namespace)
    verdict = oracle.check(bootstrap, namespace, maker, topics.group_name(namespace))
    assert verdict.is_right, verdict.summary()
    published, logged = trades_published(bootstrap, namespace), trades_in_log(bootstrap, namespace)
    assert set(published) == logged
    assert set(published.values()) == {1}
    numbers = defaultdict(list)
    for name, number in logged:
        numbers[name].append(number)
    missing = {name: sorted(set(range(min(found), max(found) + 1)) - set(found)) for name, found in numbers.items()}
    assert not {name: gaps for name, gaps in missing.items() if gaps}, "the venue numbers trades without a hole"
    print(f"{len(logged)} trades of {len(numbers)} instruments, {verdict.summary()}")
