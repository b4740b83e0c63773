"""``python -m tests.soak --minutes 60``: the simulated market through sixteen workers for an hour; memory and lag, flat or not.

Every ten seconds: resident memory of each worker, of ingest and of the broker, and how many records the workers have not acknowledged.
Ends with one JSON object and, with ``--plot FILE``, a chart; status 1 if memory grew, lag did not stay, a worker was restarted, or the
chain was not priced at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from streams import kafka, measure, settings
from streams.broker import LocalBroker
from streams.stack import Stack
from tests.recorded.svg import Curve, Panel, chart

EVERY_S = 10.0
NAMESPACE = "soak"
SETTLED_PART = 1 / 3
"""Of the run, before memory is judged: caches fill, the first hourly snapshot is far."""
GROWTH_MB_PER_HOUR = 10.0
"""Of one worker, by a line through what follows: 4 % of its 250 MB; the noise of the line over an hour is below 1."""
LARGEST_LAG_S = 5.0
"""Records of so many seconds may wait at the end of a sample: a checkpoint is due every 2 s, a commit follows."""


@dataclass(frozen=True)
class Sample:
    """One moment; memory in MB by role, lag in records."""

    at_s: float
    workers_mb: tuple[float, ...]
    ingest_mb: float
    broker_mb: float
    lag: int
    cpu_pct: float


def resident_mb(processes: Sequence[psutil.Process]) -> tuple[float, ...]:
    """Of those that still run."""
    found = []
    for process in processes:
        try:
            found.append(process.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            continue
    return tuple(found)


def sample(stack: Stack, broker: LocalBroker, began_s: float) -> Sample:
    supervisor = psutil.Process(stack.children["workers"].process.pid)
    (ingest,) = resident_mb([psutil.Process(stack.children["ingest"].process.pid)])
    java = psutil.Process(broker.status().pid)
    return Sample(
        time.monotonic() - began_s,
        resident_mb(supervisor.children()),
        ingest,
        sum(resident_mb([java])),
        measure.worker_lag(stack.bootstrap, stack.namespace),
        psutil.cpu_percent(),
    )


def growth_mb_per_hour(samples: Sequence[Sample]) -> float:
    """Slope of the mean worker's memory, by least squares."""
    hours = np.array([s.at_s for s in samples]) / 3600.0
    memory = np.array([np.mean(s.workers_mb) for s in samples])
    return float(np.polyfit(hours, memory, 1)[0])


def plot(samples: Sequence[Sample]) -> str:
    """Memory of the largest worker, ingest and broker, and the lag, against minutes."""
    minutes = [s.at_s / 60 for s in samples]
    end = max(minutes)
    ticks = [(t, f"{t:g} min") for t in np.linspace(0, round(end), 5)]

    def panel(title: str, *curves: Curve) -> Panel:
        top = 1.1 * max(max(y for _, y in curve.points) for curve in curves) + 1e-9
        step = float(f"{top / 4:.1g}")
        return Panel(title, curves, (0.0, end), ticks, [step * i for i in range(6) if step * (i - 1) <= top])

    def curve(values: Sequence[float], colour: str) -> Curve:
        return Curve("one point every 10 s", list(zip(minutes, values, strict=True)), colour)

    return chart(
        [
            [
                panel(
                    "resident memory, largest worker, MB",
                    curve([max(s.workers_mb) for s in samples], "#1f5fa8"),
                ),
                panel("records not acknowledged", curve([float(s.lag) for s in samples], "#b3402a")),
            ],
            [
                panel("resident memory, ingest, MB", curve([s.ingest_mb for s in samples], "#3c7a3c")),
                panel("resident memory, broker, MB", curve([s.broker_mb for s in samples], "#777777")),
            ],
        ],
        "memory and lag of a long run",
    )


def run(minutes: float, n_workers: int, rate: float, state_dir: Path) -> tuple[list[Sample], dict[str, object]]:
    """The samples, and the verdict."""
    samples: list[Sample] = []
    with LocalBroker(state_dir, jars_dir=settings.state_dir() / "jars", dies_with_parent=True) as broker:
        kafka.create_topics(broker.bootstrap, NAMESPACE)
        simulate = ["--seed", "1", "--rate", str(rate)]
        with Stack(
            broker.bootstrap, NAMESPACE, n_workers, state_dir / "logs", simulate, ["--currencies", "BTC,ETH,USDC"]
        ) as stack:
            stack.start()
            began_s = time.monotonic()
            while (left_s := began_s + 60 * minutes - time.monotonic()) > 0:
                time.sleep(min(EVERY_S, left_s))
                stack.check()
                samples.append(sample(stack, broker, began_s))
                if len(samples) % 6 == 0:
                    print(f"{samples[-1].at_s / 60:.0f} min: {samples[-1]}", file=sys.stderr, flush=True)
            stack.stop_source()
            is_through = measure.wait_for_workers(broker.bootstrap, NAMESPACE, 120.0)
            restarts, watchdog_restarts = stack.restarts(), stack.watchdog_restarts()
        figures = measure.collect(broker.bootstrap, NAMESPACE)
    settled = samples[int(SETTLED_PART * len(samples)) :]
    records_per_s = figures.records_in / samples[-1].at_s
    lags = [s.lag for s in settled]
    verdict: dict[str, object] = {
        "minutes": minutes, "workers": n_workers, "cores": os.cpu_count(), "records_per_s": round(records_per_s, 1),
        "growth_mb_per_hour": round(growth_mb_per_hour(settled), 2), "largest_worker_mb": round(max(max(s.workers_mb) for s in settled), 1),
        "largest_lag": max(lags), "median_lag": int(np.median(lags)), "restarts": restarts, "watchdog_restarts": watchdog_restarts,
        "coverage": figures.coverage, "is_through": is_through, "cpu_pct": round(float(np.mean([s.cpu_pct for s in settled])), 1),
    }  # fmt: skip
    is_flat = growth_mb_per_hour(settled) <= GROWTH_MB_PER_HOUR and np.median(lags) <= LARGEST_LAG_S * 2 * records_per_s
    is_well = is_through and not restarts and (figures.coverage or 0.0) >= 0.99
    return samples, verdict | {"is_flat": bool(is_flat), "is_well": bool(is_well)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1_000.0, help="option ticks a second of the simulated market")
    parser.add_argument("--plot", type=Path, help="write a chart (SVG) here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greekstream-soak-") as folder:
        samples, verdict = run(options.minutes, options.workers, options.rate, Path(folder))
    if options.plot:
        options.plot.write_text(plot(samples))
    print(json.dumps(verdict))
    return 0 if verdict["is_flat"] and verdict["is_well"] else 1


if __name__ == "__main__":
    sys.exit(main())
