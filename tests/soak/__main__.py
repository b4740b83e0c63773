"""The simulated market through sixteen workers for an hour: memory and lag, flat or not.

Every ten seconds: resident memory of each worker, of ingest and of the broker, records not acknowledged by partition, coverage,
restarts.  A line a minute on stderr; Ctrl-C ends the run and judges what there is.  At the end the verdict in words on stderr and as one
JSON object on stdout, and with --plot a chart.  Status 1 if memory grows, lag does not stay, a worker was restarted, or the
chain is not priced at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from schemas import Kind
from streams import kafka, measure, settings, topics
from streams.broker import LocalBroker
from streams.partitioning import N_PARTITIONS
from streams.reader import Reader
from streams.stack import Stack
from tests.soak import report
from tests.soak.report import Sample

EVERY_S = 10.0
SAY_EVERY = 6
NAMESPACE = "soak"
THROUGH_WITHIN_S = 120.0
EXAMPLES = """\
examples:
  python -m tests.soak --minutes 60 --workers 16 --plot .state/soak.svg      what make soak does
  python -m tests.soak --minutes 3 --workers 4 --rate 300 --plot soak.svg    a look at whether it works
"""


def resident_mb(processes: Sequence[psutil.Process]) -> dict[int, float]:
    """{pid: MB} of those that still run."""
    found = {}
    for process in processes:
        try:
            found[process.pid] = process.memory_info().rss / 1e6
        except psutil.NoSuchProcess:
            continue
    return found


def workers_mb(supervisor: psutil.Process) -> dict[int, float]:
    """{worker id: MB}, by the supervisor's children."""
    found = {}
    for process in supervisor.children():
        try:
            words = process.cmdline()
            found[int(words[words.index("--id") + 1])] = round(process.memory_info().rss / 1e6, 1)
        except (psutil.NoSuchProcess, ValueError, IndexError):  # gone, or not yet what it is to be
            continue
    return found


class Sampler:
    """Looks at a running stack.  Coverage is read from the watermarks of trades.v1, where little else stands."""

    def __init__(self, stack: Stack, broker: LocalBroker) -> None:
        self._stack, self._began_s = stack, time.monotonic()
        self._supervisor = psutil.Process(stack.children["workers"].process.pid)
        self._ingest = psutil.Process(stack.children["ingest"].process.pid)
        pid = broker.status().pid
        assert pid is not None, "the broker has ended"
        self._broker = psutil.Process(pid)
        self._marks = Reader(stack.bootstrap, stack.namespace, topic=topics.TRADES)
        self._source = topics.full_name(topics.TICKS, stack.namespace)
        psutil.cpu_percent()

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def sample(self) -> Sample:
        bootstrap, partitions = self._stack.bootstrap, range(N_PARTITIONS)
        while self._marks.poll(0.05):
            pass
        group = topics.group_name(self._stack.namespace)
        lags = kafka.lags(
            bootstrap, self._source, partitions, kafka.group_offsets(bootstrap, group, self._source, partitions)
        )
        ends = kafka.watermarks(bootstrap, self._source, partitions)
        return Sample(
            self.elapsed_s(),
            workers_mb(self._supervisor),
            sum(resident_mb([self._ingest]).values()),
            sum(resident_mb([self._broker]).values()),
            tuple(lags[p] for p in partitions),
            sum(end for _, end in ends.values()),
            self._marks.coverage,
            self._stack.restarts(),
            self._stack.watchdog_restarts(),
            psutil.cpu_percent(),
        )

    def close(self) -> None:
        self._marks.close()


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM; a second one ends the process as ever."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        stop.set()
        for each in before:
            signal.signal(each, signal.default_int_handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def coverage_by_rows(bootstrap: str) -> float | None:
    """Options with a price and a delta in the last minute's rows, over the listed ones of the watermarks."""
    with Reader(bootstrap, NAMESPACE) as reader:
        rows = [row for row in reader.chain().values() if row.kind is Kind.OPTION]
        n_listed = sum(mark.n_listed for mark in reader.watermarks.values())
    n_priced = sum(row.price_usd is not None and row.delta is not None for row in rows)
    return n_priced / n_listed if n_listed else None


def run(minutes: float, n_workers: int, rate: float, state_dir: Path) -> tuple[list[Sample], dict[str, Any]]:
    """The samples, and the verdict."""
    samples: list[Sample] = []
    simulate = ["--seed", "1", "--rate", str(rate)]
    ingest = ["--currencies", "BTC,ETH,USDC"]
    with LocalBroker(state_dir, jars_dir=settings.state_dir() / "jars", dies_with_parent=True) as broker:
        kafka.create_topics(broker.bootstrap, NAMESPACE)
        with Stack(broker.bootstrap, NAMESPACE, n_workers, state_dir / "logs", simulate, ingest) as stack:
            stack.start()
            sampler = Sampler(stack, broker)
            with asked_to_stop() as stop:
                while not stop.is_set() and (left_s := 60 * minutes - sampler.elapsed_s()) > 0:
                    stop.wait(min(EVERY_S, left_s))
                    stack.check()
                    samples.append(sampler.sample())
                    if len(samples) % SAY_EVERY == 0:
                        print(samples[-1], file=sys.stderr, flush=True)
                is_interrupted = stop.is_set()
                print("ending: the workers finish what is in the log", file=sys.stderr, flush=True)
                stack.stop_source()
                is_through = measure.wait_for_workers(broker.bootstrap, NAMESPACE, THROUGH_WITHIN_S)
                final_lag, coverage = (
                    measure.worker_lag(broker.bootstrap, NAMESPACE),
                    coverage_by_rows(broker.bootstrap),
                )
            sampler.close()
    found = report.verdict(samples, is_through=is_through, final_lag=final_lag, final_coverage=coverage)
    return samples, {"cores": os.cpu_count(), "option_ticks_per_s": rate, "is_interrupted": is_interrupted} | found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="[60]")
    parser.add_argument("--workers", type=int, default=16, help="[16]")
    parser.add_argument(
        "--rate", type=float, default=1_000.0, help="option ticks a second of the simulated market [1000]"
    )
    parser.add_argument("--plot", type=Path, help="write a chart (SVG) here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greekstream-soak-") as folder:
        samples, verdict = run(options.minutes, options.workers, options.rate, Path(folder))
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(report.plot(samples))
    print(report.words(verdict), file=sys.stderr)
    print(json.dumps(verdict))
    return 1 if verdict["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
