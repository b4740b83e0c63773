"""Chaos runs on a real Kafka, one line each, against a single-threaded oracle; ends with status 1 if any is not right.

Without an option of its own an attack is left out; --all is all of them.  Everything is drawn from the seed and printed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from streams import kafka
from tests.chaos import full_disk, harness, ingest_run, schedule, services_run, table, watchers
from tests.chaos.broker import Breakable, own_broker
from tests.chaos.table import Line

EXAMPLES = """\
examples:
  python -m tests.chaos --seeds 10 --all                        everything, as make chaos does
  python -m tests.chaos --seeds 3 --engine                      kills, stops, joins, an end of the broker, on the real engine
  python -m tests.chaos --seeds 5 --only-services               dealer flow, CME, the merge and history
  python -m tests.chaos --seeds 0 --many --first 7              1 -> 16 -> 3 workers alone, with seed 7
  python -m tests.chaos --seeds 0 --clocks --network --readers  the attacks that come once a session
"""
WARM_WITHIN_S = 1_200.0
ONCE = {
    "numbers": "1 worker becomes 6, and 3",
    "many": "1 worker becomes 16 (about 200 MB each), and 3",
    "clocks": "event times minutes and hours off in the log; ingest on machines with wrong clocks that sleep",
    "network": "frames cut, repeated, mixed, lost, garbled and misdated on the way to ingest",
    "readers": "slow and sleeping readers of greeks.v1, greeks.latest.v1 compacted, while options expire",
    "full-disk": "the broker's disk is full for a while",
}


def line_of(attack: str, seed: int, outcome: harness.Outcome, faults: tuple[str, ...] = ()) -> Line:
    details = [
        schedule.as_text(outcome.events),
        f"restarts {outcome.restarts}, unexpected ends {outcome.unexpected_ends}, dropped {outcome.dropped}, abandoned "
        f"{outcome.abandoned}, holes {outcome.holes}, MB by worker {outcome.rss_mb}",
        *(finding.text for finding in outcome.findings),
    ]
    is_right = outcome.is_right and not faults
    if not is_right:
        details.append(outcome.log_tail)
    return Line(
        seed, attack, outcome.n_records, outcome.verdict, outcome.caught_up_s, outcome.recoveries, outcome.load_average,
        is_right, (*outcome.faults, *faults), details,
    )  # fmt: skip


def attack_workers(broker: Breakable, folder: Path, seed: int, options: argparse.Namespace) -> Line:
    """What the seed draws, against the workers and once the broker."""
    fold = harness.PRICING if options.engine or options.all else options.fold
    plan = harness.Plan(
        seed, options.duration, options.rate, options.workers, options.events, fold, is_slow=seed % 2 == 1,
        broker=broker, warm_within_s=WARM_WITHIN_S,
    )  # fmt: skip
    return line_of("workers", seed, harness.run(broker.bootstrap, plan, folder))


def attack_ingest(
    broker: Breakable,
    folder: Path,
    seed: int,
    *,
    name: str = "ingest",
    has_faults: bool = False,
    has_clocks: bool = False,
) -> Line:
    """Ingest killed, stopped, taken over; behind a bad network, on bad clocks."""
    namespace, logs = f"{name.replace(' ', '-')}-{seed}", folder / f"{name.replace(' ', '-')}-{seed}"
    logs.mkdir()
    kafka.create_topics(broker.bootstrap, namespace)
    outcome = ingest_run.run(broker.bootstrap, namespace, logs, seed, has_faults=has_faults, has_clocks=has_clocks)
    kafka.wipe(broker.bootstrap, namespace)
    return Line(
        seed, name, outcome.n_records, outcome.verdict, outcome.caught_up_s, outcome.recoveries, outcome.load_average,
        outcome.is_right, outcome.faults, [str(outcome)],
    )  # fmt: skip


def attack_services(broker: Breakable, folder: Path, seed: int, duration_s: float) -> Line:
    """Dealer flow, CME's marks, the merge and history: killed, stopped, asleep, taken over from."""
    namespace, logs = f"services-{seed}", folder / f"services-{seed}"
    logs.mkdir()
    kafka.create_topics(broker.bootstrap, namespace)
    outcome = services_run.run(broker.bootstrap, namespace, logs, seed, duration_s=duration_s)
    kafka.wipe(broker.bootstrap, namespace)
    return Line(
        seed, "services", outcome.n_records, outcome.verdict, outcome.caught_up_s, (), outcome.load_average,
        outcome.is_right, outcome.faults, [str(outcome)],
    )  # fmt: skip


def attack_numbers(broker: Breakable, folder: Path, seed: int, n_most: int) -> Line:
    """1 -> ``n_most`` -> 3 workers on the real engine; and all of them have worked."""
    events = schedule.one_many_three(n_most, seed)
    plan = harness.Plan(
        seed, events[-1].at_s + 5.0, 100.0, n_workers=1, fold=harness.PRICING, events=events, settle_s=180.0,
        warm_within_s=WARM_WITHIN_S,
    )  # fmt: skip
    outcome = harness.run(broker.bootstrap, plan, folder)
    n_worked = sum(n > 0 for n in outcome.rows_by_worker.values())
    idle = () if n_worked == n_most else (f"{n_worked} workers have worked, not {n_most}: {outcome.rows_by_worker}",)
    return line_of(f"1 -> {n_most} -> 3", seed, outcome, idle)


def attack_clocks(broker: Breakable, folder: Path, seed: int) -> Iterator[Line]:
    """Wrong times in the log; and wrong clocks of ingest's machines."""
    plan = harness.Plan(
        seed, 40.0, 300.0, n_workers=2, n_events=5, fold=harness.PRICING, load=harness.JUMPING,
        watchers=(watchers.Times,), warm_within_s=WARM_WITHIN_S,
    )  # fmt: skip
    yield line_of("times in the log", seed, harness.run(broker.bootstrap, plan, folder))
    yield attack_ingest(broker, folder, seed, name="clocks of ingest", has_clocks=True)


def attack_readers(broker: Breakable, folder: Path, seed: int) -> Line:
    """Readers that look on while workers die and join."""
    plan = harness.Plan(
        seed, 45.0, 400.0, n_workers=2, n_events=6, fold=harness.PRICING, load=harness.EXPIRING,
        watchers=(watchers.LatestReader, watchers.SlowReader, watchers.SleepingReader), warm_within_s=WARM_WITHIN_S,
    )  # fmt: skip
    return line_of("readers", seed, harness.run(broker.bootstrap, plan, folder))


def session(options: argparse.Namespace, say: Callable[[Line], None]) -> bool:
    """All runs that were asked for; whether the full disk, which prints for itself, was right."""

    def is_asked(name: str) -> bool:
        return options.all or getattr(options, name.replace("-", "_"))

    first = options.first
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, own_broker(Path(name)) as broker:
        folder = Path(name)
        for seed in range(first, first + options.seeds):
            if not options.only_services:
                say(attack_workers(broker, folder, seed, options))
            if is_asked("ingest"):
                say(attack_ingest(broker, folder, seed))
            if is_asked("services"):
                say(attack_services(broker, folder, seed, options.duration))
        if is_asked("network"):
            say(attack_ingest(broker, folder, first, name="network", has_faults=True))
        if is_asked("clocks"):
            for line in attack_clocks(broker, folder, first):
                say(line)
        if is_asked("readers"):
            say(attack_readers(broker, folder, first))
        for asked, n_most in (("numbers", 6), ("many", 16)):
            if is_asked(asked):
                say(attack_numbers(broker, folder, first, n_most))
    return not is_asked("full-disk") or full_disk.run(first) in (0, full_disk.SKIPPED)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=EXAMPLES + "\ncolumns:\n" + table.LEGEND,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=10, help="runs against the workers; 0: none [10]")
    parser.add_argument("--first", type=int, default=1, help="the first seed, and that of attacks that come once [1]")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of writing [30]")
    parser.add_argument("--rate", type=float, default=1_500.0, help="records a second [1500]")
    parser.add_argument("--workers", type=int, default=3, help="at the start [3]")
    parser.add_argument("--events", type=int, default=8, help="kills, stops, pauses, freezes and joins [8]")
    parser.add_argument("--fold", default=harness.CHECKSUM, help="module:function of the fold [a checksum]")
    parser.add_argument("--engine", action="store_true", help=f"the real engine: --fold {harness.PRICING}")
    parser.add_argument(
        "--ingest", action="store_true", help="for each seed, too, ingest is killed, stopped, taken over"
    )
    parser.add_argument(
        "--services", action="store_true", help="for each seed, too, dealer flow, CME, the merge and history are"
    )
    parser.add_argument("--only-services", action="store_true", help="for each seed nothing but --services")
    for name, text in ONCE.items():
        parser.add_argument(f"--{name}", action="store_true", help=f"once: {text}")
    parser.add_argument(
        "--all", action="store_true", help="the real engine, ingest, the services, and each attack that comes once"
    )
    options = parser.parse_args()
    options.services |= options.only_services
    lines: list[Line] = []

    def say(line: Line) -> None:
        lines.append(line)
        print(line.text(), flush=True)

    # what a client says when it is attacked is no news here
    logging.getLogger("streams.kafka").setLevel(logging.CRITICAL)
    print(table.HEADER, flush=True)
    is_right = session(options, say)
    print("\n".join(["", table.HEADER, *map(str, lines), table.LEGEND, table.summary(lines)]), flush=True)
    return 0 if is_right and all(line.is_right for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
