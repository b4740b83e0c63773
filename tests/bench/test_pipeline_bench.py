"""Speed of the pipeline on a real Kafka (DESIGN 8): a worker with and without pricing on the same log, replay, one spot move.

Run by ``make bench``.  Every figure stands beside its baseline of the same run; what the numbers themselves are worth is
measured in the pricers' benchmarks and in ``tests/recorded``.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import schemas
from pricers import warm_up
from schemas import ForwardQuote, ForwardSource
from streams import kafka, measure, topics
from streams.engine import EngineSettings, Located, State, snapshot
from streams.garbage import rare_collections
from streams.moments import Moment
from streams.partitioning import N_PARTITIONS
from streams.replay import Replay, ReplaySettings
from streams.stack import Stack
from streams.worker.folds import RawRecord, load_maker
from streams.worker.pricing import PricingMaker
from tests import logs
from tests.broker import worker_runs as runs

LOG_S = 40.0
"""Seconds of the simulated market at its demo rate, about 1 500 records each."""
FOLDS = {
    "unpriced": ("tests.bench.unpriced:make", "closed_form"),
    "closed_form": ("streams.worker.pricing:make", "closed_form"),
    "qmc": ("streams.worker.pricing:make", "qmc"),
}
RATES: dict[str, float] = {}


class Ticks(NamedTuple):
    """A recorded market log."""

    namespace: str
    messages: list[Any]
    n_option_ticks: int
    seconds: float


@pytest.fixture(scope="module")
def ticks(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ticks]:
    """The log that ingest writes of the simulated venue."""
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    kafka.create_topics(bootstrap, namespace)
    warm_up()
    with Stack(bootstrap, namespace, 0, tmp_path_factory.mktemp("venue")) as stack:
        stack.start_simulator()
        stack.start_ingest()
        time.sleep(LOG_S)
    messages = list(measure.read_whole(bootstrap, topics.TICKS, namespace))
    messages.sort(key=lambda message: message.timestamp()[1])  # stable: a partition's order is kept
    n_quotes = sum(isinstance(schemas.decode(message.value()), schemas.OptionQuote) for message in messages)
    seconds = (messages[-1].timestamp()[1] - messages[0].timestamp()[1]) / 1_000
    yield Ticks(namespace, messages, n_quotes, seconds)
    kafka.wipe(bootstrap, namespace)


def write_again(bootstrap: str, namespace: str, ticks: Ticks) -> None:
    producer = kafka.producer(bootstrap)
    source = topics.full_name(topics.TICKS, namespace)
    for message in ticks.messages:
        producer.produce(
            source, message.value(), message.key(), message.partition(), timestamp=message.timestamp()[1],
            headers=message.headers(),
        )  # fmt: skip
        producer.poll(0)
    assert producer.flush(60) == 0


def last_growth_s(bootstrap: str, namespace: str) -> float:
    """Monotonic time at which ``greeks.v1`` has grown for the last time, seen at most 50 ms later; by then nothing is left."""
    name = topics.full_name(topics.GREEKS, namespace)
    n_rows, grown_s, deadline = -1, 0.0, time.monotonic() + 300.0
    while n_rows < 1 or time.monotonic() - grown_s < 1.0 or measure.worker_lag(bootstrap, namespace):
        assert time.monotonic() < deadline, "the worker does not come to the end of the log"
        n_now = sum(end for _, end in kafka.watermarks(bootstrap, name, range(N_PARTITIONS)).values())
        if n_now != n_rows:
            n_rows, grown_s = n_now, time.monotonic()
        time.sleep(0.02)
    return grown_s


@pytest.mark.broker
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fold", FOLDS)
def test_one_worker_through_kafka(
    benchmark: Any, bootstrap: str, ticks: Ticks, tmp_path: Path, namespace: str, fold: str
) -> None:
    """Records a second that one worker takes from Faust, prices and has confirmed, while they are written as fast as goes.

    To the last row in Kafka: the commit of the last offset, which the round waits for, comes with the next checkpoint.
    """
    path, engine = FOLDS[fold]
    environ = {
        "GREEKSTREAM_WORKER_FOLD": path, "GREEKSTREAM_ENGINE_ENGINE": engine, "GREEKSTREAM_WORKER_CHECKPOINT_S": "1",
        # nothing but Faust's own path: a partition that waits for its turn is not caught up from the log
        "GREEKSTREAM_WORKER_IDLE_S": "3600", "GREEKSTREAM_WORKER_REPORT_S": "0.5",
    }  # fmt: skip
    kafka.found_group(bootstrap, topics.group_name(namespace), topics.full_name(topics.TICKS, namespace))
    with runs.fleet_of(bootstrap, namespace, 1, tmp_path, **environ) as fleet:
        seconds = 0.0

        def work_off() -> None:
            nonlocal seconds
            began = time.monotonic()
            write_again(bootstrap, namespace, ticks)
            seconds = last_growth_s(bootstrap, namespace) - began

        benchmark.pedantic(work_off, rounds=1)
        fleet.stop()
        figures = fleet.events("worker_stopped")[-1]
    assert figures["rows"] == len(ticks.messages), "every record came by way of Faust, once"
    RATES[fold] = len(ticks.messages) / seconds
    benchmark.extra_info.update(
        records=len(ticks.messages), option_ticks=ticks.n_option_ticks, results=figures["results"],
        records_per_s=RATES[fold], ratio_to_unpriced=RATES[fold] / RATES.get("unpriced", float("nan")),
    )  # fmt: skip


@pytest.mark.broker
@pytest.mark.timeout(600)
@pytest.mark.parametrize("audit", ["true", "false"])
@pytest.mark.parametrize("engine", ["closed_form", "qmc"])
def test_replay(
    benchmark: Any, bootstrap: str, ticks: Ticks, monkeypatch: pytest.MonkeyPatch, engine: str, audit: str
) -> None:
    """The replay runner over the same log: option ticks a second of its one core, and how much faster than the market;
    with and without the audits."""
    monkeypatch.setitem(os.environ, "GREEKSTREAM_ENGINE_ENGINE", engine)
    monkeypatch.setitem(os.environ, "GREEKSTREAM_ENGINE_AUDIT", audit)
    maker = load_maker("streams.worker.pricing:make", bootstrap=bootstrap, namespace=ticks.namespace)
    maker.warm_up()
    since = Moment(offsets=dict.fromkeys(range(N_PARTITIONS), 0))
    settings = ReplaySettings(bootstrap, since=since, namespace=ticks.namespace, suffix=f"{engine}-{audit}")
    cpu = time.process_time()
    summary = benchmark.pedantic(lambda: Replay(settings, maker, lambda *_, **__: None).run(), rounds=1)
    cpu = time.process_time() - cpu
    assert summary["records"] == len(ticks.messages)
    benchmark.extra_info.update(
        records=summary["records"], results=summary["results"], records_per_s=summary["records_per_s"],
        option_ticks_per_s=ticks.n_option_ticks / summary["seconds"], times_real_time=ticks.seconds / summary["seconds"],
        cpu_s=cpu,
    )  # fmt: skip


def moved(n_options: int, settings: EngineSettings) -> tuple[bytes, list[Located]]:
    """A partition of so many liquid options, and the records by which its forward moves 1 % at the next grid point."""
    names = [f"BTC-19APR23-{29_500 + 5 * i}-C" for i in range(n_options)]
    log = logs.Log().ready(*names)
    log.clock(1)
    state, _ = log.fold(settings)
    n_before = len(log.records)
    forward = ForwardQuote(
        logs.EXPIRIES["19APR23"] * logs.NS, logs.FORWARD * 1.01, ForwardSource.SYNTHETIC, logs.ns(1.1)
    )
    log.underlying(1.1, logs.FORWARD * 1.01, forwards=[forward])
    log.clock(2)
    return snapshot(state), log.located[n_before:]


@pytest.mark.parametrize("engine", ["closed_form", "qmc"])
def test_one_spot_move_of_a_thousand_options(benchmark: Any, engine: str) -> None:
    """From the bytes of the moved forward to those of the last row that it makes (N4: under a second)."""
    settings = EngineSettings(engine=engine)
    state, located = moved(1_000, settings)
    fold = PricingMaker(settings, "", schemas.packaged).fold(logs.IDENTITY.partition, logs.IDENTITY.log_id)
    records = [RawRecord(offset, schemas.encode(record), None) for offset, record in located]
    answers: list[int] = []

    def fresh() -> tuple[tuple[State], dict[str, Any]]:
        # a worker's timers are long set when its market moves
        return (fold.step(fold.restore(state), [])[0],), {}

    def move(state: State) -> None:
        answers.append(sum(result.topic == "greeks" for result in fold.step(state, records)[1]))

    with rare_collections():  # as the worker has it
        benchmark.pedantic(move, setup=fresh, rounds=20, warmup_rounds=2)
    assert min(answers) >= 1_000
    assert benchmark.stats["max"] < 1.0
    benchmark.extra_info.update(rows=answers[-1], us_per_row=1e6 * benchmark.stats["median"] / answers[-1])
