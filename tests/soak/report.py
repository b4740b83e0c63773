"""What the samples of a long run say: growth with its uncertainty, lag, rate, coverage; the verdict, and a chart.  Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from tests.recorded.svg import Curve, Panel, chart

SETTLE_S, SETTLE_PART = 600.0, 1 / 3
"""Before memory and lag are judged: ten minutes, in which caches fill, or a third of a shorter run."""
LEAST_JUDGED_S = 600.0
"""Of settled run; with less the growth is not judged, it would be noise."""
GROWTH_MB_PER_HOUR = 10.0
"""Of the mean worker: 4 % of its 250 MB."""
LARGEST_WORKER_MB = 250.0
LARGEST_LAG_S = 5.0
"""Records of so many seconds may wait in the median: a checkpoint is due every 2 s, a commit follows."""
LEAST_COVERAGE = 0.99
CONFIDENCE = 0.95
LEAST_SPAN = 0.01


@dataclass(frozen=True)
class Sample:
    """One moment; memory in MB, records of the log since its start, lag by partition in records not acknowledged."""

    at_s: float
    workers_mb: dict[int, float]
    ingest_mb: float
    broker_mb: float
    lags: tuple[int, ...]
    n_records: int
    coverage: float | None
    """Priced over listed options, of the newest watermarks; None before the first."""
    restarts: int
    watchdog_restarts: int
    cpu_pct: float

    def __str__(self) -> str:
        memory = sorted(self.workers_mb.values())
        coverage = "-" if self.coverage is None else f"{self.coverage:.1%}"
        return (
            f"{self.at_s / 60:5.1f} min: workers {memory[0]:.0f} to {memory[-1]:.0f} MB, ingest {self.ingest_mb:.0f}, broker "
            f"{self.broker_mb:.0f}; lag {sum(self.lags)} records, {max(self.lags)} in one partition; coverage {coverage}; restarts "
            f"{self.restarts}, by the watchdog {self.watchdog_restarts}; CPU {self.cpu_pct:.0f} %"
        )


class Slope(NamedTuple):
    """Growth per hour, and half the width of its 95 % interval."""

    per_hour: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.per_hour:+.1f} +- {self.half_width:.1f} MB/h"


def slope(at_s: Sequence[float], values: Sequence[float]) -> Slope | None:
    """Least squares of the minutes' means; None with fewer than five minutes.

    Neighbouring minutes resemble each other, so n of them count as n (1 - r) / (1 + r), r their residuals' correlation with
    the one before (first-order autoregression), in the standard error and in Student's t.
    """
    minutes = np.floor(np.asarray(at_s) / 60.0)
    taken = sorted(set(minutes))
    if len(taken) < 5:
        return None
    x = np.array([np.mean(np.asarray(at_s)[minutes == m]) for m in taken]) / 3600.0
    y = np.array([np.mean(np.asarray(values)[minutes == m]) for m in taken])
    per_hour, start = np.polyfit(x, y, 1)
    residuals = y - start - per_hour * x
    square = float(residuals @ residuals)
    r = max(0.0, float(residuals[1:] @ residuals[:-1]) / square) if square > 0.0 else 0.0
    n_free = max(1.0, len(x) * (1 - r) / (1 + r) - 2.0)
    error = math.sqrt(square / n_free / float(((x - x.mean()) ** 2).sum()))
    return Slope(float(per_hour), float(stats.t.ppf((1 + CONFIDENCE) / 2, n_free)) * error)


def settled(samples: Sequence[Sample]) -> list[Sample]:
    """Those after the first ten minutes, or after a third of a shorter run."""
    from_s = min(SETTLE_S, SETTLE_PART * samples[-1].at_s)
    return [s for s in samples if s.at_s >= from_s] or list(samples[-1:])


def mean_mb(sample: Sample) -> float:
    return float(np.mean(list(sample.workers_mb.values())))


def rates(samples: Sequence[Sample]) -> list[float]:
    """Records a second written to the log since the sample before; of the first since the start."""
    found, last_s, last = [], 0.0, 0
    for sample in samples:
        found.append((sample.n_records - last) / max(1e-9, sample.at_s - last_s))
        last_s, last = sample.at_s, sample.n_records
    return found


def verdict(
    samples: Sequence[Sample], *, is_through: bool, final_lag: int, final_coverage: float | None
) -> dict[str, Any]:
    """Numbers and judgements.  ``faults`` empty: all is well; ``final_coverage``: options with a price in the last minute's rows."""
    late = settled(samples)
    times = [s.at_s for s in late]
    growth = slope(times, [mean_mb(s) for s in late])
    worst = {
        i: slope(times, [s.workers_mb[i] for s in late])
        for i in late[-1].workers_mb
        if all(i in s.workers_mb for s in late)
    }
    steepest = max((s for s in worst.values() if s is not None), default=None)
    rate = (samples[-1].n_records - samples[0].n_records) / max(1e-9, samples[-1].at_s - samples[0].at_s)
    lags = [sum(s.lags) for s in late]
    largest_mb = max(max(s.workers_mb.values()) for s in late)
    is_judged = growth is not None and times[-1] - times[0] >= LEAST_JUDGED_S
    last = samples[-1]
    faults = [
        text
        for text, is_so in {
            f"workers grow by {growth}": is_judged and growth is not None and growth.per_hour + growth.half_width > GROWTH_MB_PER_HOUR,
            f"the largest worker has {largest_mb:.0f} MB, more than {LARGEST_WORKER_MB:.0f}": largest_mb > LARGEST_WORKER_MB,
            f"the median lag is {np.median(lags) / rate:.1f} s of records": np.median(lags) > LARGEST_LAG_S * rate,
            f"{final_lag} records are not acknowledged at the end": not is_through,
            f"{last.restarts} restarts, {last.watchdog_restarts} by the watchdog": last.restarts > 0,
            f"coverage {final_coverage} at the end": (final_coverage or 0.0) < LEAST_COVERAGE,
        }.items()
        if is_so
    ]  # fmt: skip
    return {
        "minutes": round(last.at_s / 60, 1), "judged_minutes": round((times[-1] - times[0]) / 60, 1), "workers": len(last.workers_mb),
        "records_per_s": round(rate, 1), "is_growth_judged": is_judged,
        "growth_mb_per_hour": None if growth is None else round(growth.per_hour, 2),
        "growth_half_width_95": None if growth is None else round(growth.half_width, 2),
        "steepest_worker_mb_per_hour": None if steepest is None else round(steepest.per_hour, 2),
        "mean_worker_mb": round(float(np.mean([mean_mb(s) for s in late])), 1), "largest_worker_mb": round(largest_mb, 1),
        "median_lag": int(np.median(lags)), "median_lag_s": round(float(np.median(lags)) / rate, 2), "max_lag": max(lags),
        "max_partition_lag": max(max(s.lags) for s in late), "final_lag": final_lag, "is_through": is_through,
        "coverage": None if final_coverage is None else round(final_coverage, 4),
        "least_coverage": min((s.coverage for s in late if s.coverage is not None), default=None),
        "restarts": last.restarts, "watchdog_restarts": last.watchdog_restarts,
        "cpu_pct": round(float(np.mean([s.cpu_pct for s in late])), 1), "faults": faults,
    }  # fmt: skip


def words(found: dict[str, Any]) -> str:
    """The verdict for people."""
    growth = (
        f"{found['growth_mb_per_hour']:+.1f} +- {found['growth_half_width_95']:.1f} MB/h (95 %)"
        if found["growth_mb_per_hour"] is not None
        else "not measurable in so short a time"
    )
    judged = (
        ""
        if found["is_growth_judged"]
        else f"; not judged: that needs {LEAST_JUDGED_S / 60:.0f} min after the first ten"
    )
    return (
        f"memory of the mean worker {growth}{judged}; largest worker {found['largest_worker_mb']} MB\n"
        f"lag {found['median_lag']} records in the median ({found['median_lag_s']} s of the log), {found['max_lag']} at most, "
        f"{found['final_lag']} at the end; {found['records_per_s']} records/s; coverage {found['coverage']}; "
        f"{found['restarts']} restarts, {found['watchdog_restarts']} by the watchdog\n"
        + ("\n".join(f"FAULT: {fault}" for fault in found["faults"]) or "well")
    )


def nice_ticks(low: float, high: float, n_most: int = 6) -> list[float]:
    """Round numbers that enclose low..high, at most about ``n_most`` of them; a flat curve gets a hundredth of its height."""
    missing = max(0.0, LEAST_SPAN * max(abs(high), 1.0) - (high - low)) / 2
    low, high = low - missing, high + missing
    step = 10.0 ** math.floor(math.log10((high - low) / n_most))
    step *= next(m for m in (1, 2, 5, 10, 20) if (high - low) / (m * step) <= n_most - 1)
    first = math.floor(low / step)
    return [round(i * step, 10) for i in range(first, max(first + 1, math.ceil(high / step)) + 1)]


def plot(samples: Sequence[Sample], restarted: Sequence[float] = ()) -> str:
    """Memory, lag, rate and coverage against minutes, as SVG text; what is judged is unshaded."""
    minutes = [s.at_s / 60 for s in samples]
    end = max(minutes)
    judged_from = settled(samples)[0].at_s / 60
    step = nice_ticks(0.0, end)[1]
    x_ticks = [(step * i, f"{step * i:g} min") for i in range(int(end / step) + 1)]

    def curve(name: str, of: Callable[[Sample], float | None], colour: str, width: float = 1.5) -> Curve:
        values = [(m, of(s)) for m, s in zip(minutes, samples, strict=True)]
        return Curve(name, [(m, v) for m, v in values if v is not None], colour, width)

    def panel(title: str, curves: Sequence[Curve], low: float | None = None) -> Panel:
        found = [y for c in curves for _, y in c.points] or [0.0]
        ticks = nice_ticks(min(found) if low is None else low, max(found))
        return Panel(title, curves, (0.0, end), x_ticks, ticks, band=(0.0, judged_from))

    ids = sorted({i for s in samples for i in s.workers_mb})
    rate_of = dict(zip([s.at_s for s in samples], rates(samples), strict=True))
    rows = [
        [
            panel(
                "memory of the workers, MB",
                [
                    curve("largest / total", lambda s: max(s.workers_mb.values()), "#b3402a"),
                    curve("mean", mean_mb, "#1f5fa8", 2.0),
                    curve("smallest / one partition", lambda s: min(s.workers_mb.values()), "#3c7a3c"),
                ],
            ),
            panel("memory of each worker, MB", [curve(str(i), lambda s, i=i: s.workers_mb.get(i), "#1f5fa8", 0.8) for i in ids]),
        ],
        [
            panel(
                "records not acknowledged: all, and the worst partition",
                [
                    curve("all", lambda s: float(sum(s.lags)), "#b3402a"),
                    curve("worst", lambda s: float(max(s.lags)), "#3c7a3c"),
                ],
                0.0,
            ),
            panel("records a second into the log", [curve("rate", lambda s: rate_of[s.at_s], "#1f5fa8")], 0.0),
        ],
        [
            panel("priced options, % of the listed", [curve("coverage", lambda s: s.coverage and 100 * s.coverage, "#1f5fa8")]),
            panel(
                "memory of the broker (red) and of ingest (green), MB",
                [curve("broker", lambda s: s.broker_mb, "#b3402a"), curve("ingest", lambda s: s.ingest_mb, "#3c7a3c")],
                0.0,
            ),
        ],
    ]  # fmt: skip
    return chart(rows, "a long run: memory, lag, rate, coverage")
