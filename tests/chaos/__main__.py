"""``python -m tests.chaos --seeds 10``: chaos runs on a real Kafka, one line each; ends with 1 if any is not right."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from streams import kafka
from tests.chaos import full_disk, harness, ingest_run, schedule
from tests.chaos.broker import own_broker

HEADER = "seed   records events restarts published repeats missing differ states caught_up_s dropped abandoned holes"


def line(seed: int, outcome: harness.Outcome) -> str:
    v = outcome.verdict
    return (
        f"{seed:4d} {outcome.n_records:9d} {len(outcome.events):6d} {outcome.restarts:8d} {v.published:9d} {v.repeats:7d} "
        f"{len(v.missing):7d} {len(v.different) + len(v.foreign):6d} {'right' if not v.wrong_states else 'WRONG':>6s} "
        f"{outcome.caught_up_s:11.1f} {outcome.dropped:7d} {outcome.abandoned:9d} {outcome.holes:5d}"
    )


def attack_ingest(bootstrap: str, folder: Path, seed: int) -> bool:
    """The seed's run against ingest, printed; whether it is right."""
    namespace, logs = f"ingest-{seed}", folder / f"ingest-{seed}"
    logs.mkdir()
    kafka.create_topics(bootstrap, namespace)
    outcome = ingest_run.run(bootstrap, namespace, logs, seed)
    print(f"     {'right' if outcome.is_right else 'WRONG'}: {outcome}", flush=True)
    kafka.wipe(bootstrap, namespace)
    return outcome.is_right


def attack_numbers(bootstrap: str, folder: Path, seed: int) -> bool:
    """1 -> 6 -> 3 workers on the real engine, printed; whether it is right, and six have worked."""
    plan = harness.Plan(seed, 90.0, 150.0, n_workers=1, fold=harness.PRICING, events=schedule.ONE_SIX_THREE)
    outcome = harness.run(bootstrap, plan, folder)
    print(line(seed, outcome), flush=True)
    print(f"     1 -> 6 -> 3 workers: records worked off by each {outcome.rows_by_worker}", flush=True)
    return outcome.is_right and sum(n > 0 for n in outcome.rows_by_worker.values()) == 6


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many runs")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of writing")
    parser.add_argument("--rate", type=float, default=1_500.0, help="records a second")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--fold", default=harness.CHECKSUM, help="module:function of the fold; default: a checksum")
    parser.add_argument("--engine", action="store_true", help=f"the real engine: --fold {harness.PRICING}")
    parser.add_argument("--ingest", action="store_true", help="and, for each seed, a run in which ingest is the target")
    parser.add_argument("--numbers", action="store_true", help="and, once, a run in which 1 worker becomes 6, and 3")
    parser.add_argument("--full-disk", action="store_true", help="and, once, a run in which the broker's disk is full")
    options = parser.parse_args()
    n_wrong = 0
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, own_broker(Path(folder)) as broker:
        for seed in range(options.first, options.first + options.seeds):
            plan = harness.Plan(
                seed,
                options.duration,
                options.rate,
                options.workers,
                options.events,
                harness.PRICING if options.engine else options.fold,
                is_slow=seed % 2 == 1,
                broker=broker,
            )
            outcome = harness.run(broker.bootstrap, plan, Path(folder))
            n_wrong += not outcome.is_right
            print(line(seed, outcome), flush=True)
            print(
                f"     {schedule.as_text(outcome.events)}; unexpected ends {outcome.unexpected_ends}; rss {outcome.rss_mb}",
                flush=True,
            )
            if not outcome.is_right:
                print(
                    outcome.verdict.summary(),
                    outcome.verdict.missing[:5],
                    outcome.verdict.different[:5],
                    outcome.log_tail,
                )
            if options.ingest:
                n_wrong += not attack_ingest(broker.bootstrap, Path(folder), seed)
        if options.numbers:
            n_wrong += not attack_numbers(broker.bootstrap, Path(folder), options.first)
    if options.full_disk:
        n_wrong += full_disk.run(options.first) not in (0, full_disk.SKIPPED)
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
