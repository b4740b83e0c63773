"""Play a part of the recording through the whole path and hold what came out against the venue."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

import schemas
from schemas import Greeks, InstrumentState, OptionQuote, Reject, SettlementFixing
from streams import kafka, measure, topics
from streams.stack import Stack
from tests.recorded.checks import Check, Rows, WindowCheck, pricing_check, usable, venue_checks

EXPIRY_13_APRIL_NS = 1_681_372_800_000_000_000  # 2023-04-13 08:00 UTC
LINGER_S = "25"
"""The recording has a hole from 07:58:33: ingest learns from get_time, asked while nothing comes, that it is 08:10."""
PROGRESS_S = 60.0
TOLERANCE_USD = {"btc_usd": 3.0, "eth_usd": 1.0}
CHECKED = tuple(schemas.SINGLE_OBJECT[kind] for kind in (*measure.KEYED, SettlementFixing))
"""What the records of the log that are looked at begin with."""


@dataclass
class Outcome:
    checks: list[Check]
    records_in: int
    rows: int
    seconds: float
    rejects: dict[str, int]
    restarts: int


class Progress:
    """A line a minute: a run over both days is silent for half an hour otherwise."""

    def __init__(self, bootstrap: str, namespace: str, started_s: float) -> None:
        self._where, self._started_s, self._due_s = (bootstrap, namespace), started_s, started_s + PROGRESS_S

    def say(self) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s += PROGRESS_S
        with contextlib.suppress(KafkaException):  # it says how far it is when it can
            self._line()

    def _line(self) -> None:
        bootstrap, namespace = self._where
        name = topics.full_name(topics.TICKS, namespace)
        edges = kafka.watermarks(bootstrap, name, range(topics.TICKS.n_partitions))
        n_records = sum(end for _, end in edges.values())
        lag = measure.worker_lag(bootstrap, namespace)
        print(
            f"{time.monotonic() - self._started_s:5.0f} s: {n_records} records in the log, {lag} not acknowledged",
            flush=True,
        )


def play(
    bootstrap: str, namespace: str, recording: Path, log_dir: Path, *, since: str | None, until: str | None, n_workers: int,
    within_s: float, ingest: Sequence[str] = (),
) -> tuple[float, int]:  # fmt: skip
    """Run simulator, ingest (with these further arguments) and workers until the recording is through; (seconds, worker restarts)."""
    simulate = ["--recording", str(recording), "--speed", "max", "--linger", LINGER_S]
    simulate += ["--from", since] if since else []
    simulate += ["--until", until] if until else []
    started = time.monotonic()
    ingest = ["--clock", "venue", "--pressure", "wait", *ingest]
    with Stack(bootstrap, namespace, n_workers, log_dir, simulate, ingest) as stack:
        stack.start()
        deadline = started + within_s
        progress = Progress(bootstrap, namespace, started)
        while not stack.wait_for_source(1.0):
            stack.check()
            progress.say()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the recording was not through after {within_s:.0f} s; logs in {log_dir}")
        stack.stop_source()
        deadline = max(deadline, time.monotonic() + 60.0)
        while not measure.wait_for_workers(bootstrap, namespace, 1.0):
            progress.say()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the workers did not get through the log; logs in {log_dir}")
        return time.monotonic() - started, stack.restarts()


def hold_against_the_venue(bootstrap: str, namespace: str, seconds: float, restarts: int) -> Outcome:
    """Read the log and the results, and check them."""
    windows = {name: WindowCheck(name, tolerance) for name, tolerance in TOLERANCE_USD.items()}
    expiring: dict[str, str] = {}
    needed: set[str] = set()
    records_in = 0
    for message in measure.read_whole(bootstrap, topics.TICKS, namespace):
        if not message.value().startswith(CHECKED):
            continue  # the other broadcasts: most of the log, for they stand in every partition
        record = schemas.decode(message.value())
        records_in += isinstance(record, measure.KEYED)
        if isinstance(record, InstrumentState) and record.expiry_ns == EXPIRY_13_APRIL_NS:
            expiring[record.instrument_name] = record.price_index
        elif isinstance(record, SettlementFixing) and record.price_index in windows:
            if record.expiry_ns == EXPIRY_13_APRIL_NS:
                windows[record.price_index].on_fixing(message.partition(), record)
        elif isinstance(record, OptionQuote):
            if usable(record) and not record.is_snapshot:
                needed.add(record.instrument_name)
            if record.instrument_name in expiring:
                windows[expiring[record.instrument_name]].on_quote(message.partition(), record, EXPIRY_13_APRIL_NS)
    rows = Rows()
    for message in measure.read_whole(bootstrap, topics.GREEKS, namespace):
        if message.value().startswith(schemas.SINGLE_OBJECT[Greeks]):
            rows.add(schemas.decode(message.value()))
    rejects: dict[str, int] = {}
    for message in measure.read_whole(bootstrap, topics.REJECTS, namespace):
        if message.value() is not None:
            reject = schemas.decode(message.value())
            if isinstance(reject, Reject):
                rejects[reject.status.name] = rejects.get(reject.status.name, 0) + 1
    checks = [pricing_check(needed, rows), *venue_checks(rows)]
    checks += [window.check() for window in windows.values()]
    return Outcome(checks, records_in, rows.n_rows, seconds, rejects, restarts)


def run(
    bootstrap: str, namespace: str, recording: Path, log_dir: Path, *, since: str | None = None, until: str | None = None,
    n_workers: int = 4, within_s: float = 600.0,
) -> Outcome:  # fmt: skip
    """Play and check; the namespace's topics have to be there already."""
    seconds, restarts = play(
        bootstrap, namespace, recording, log_dir, since=since, until=until, n_workers=n_workers, within_s=within_s
    )
    return hold_against_the_venue(bootstrap, namespace, seconds, restarts)


def describe(outcome: Outcome) -> str:
    lines = [str(check) for check in outcome.checks]
    lines.append(
        f"{outcome.records_in} keyed records in, {outcome.rows} option rows out, {outcome.seconds:.0f} s, "
        f"rejects {outcome.rejects}, restarts {outcome.restarts}"
    )
    return "\n".join(lines)


def with_topics(bootstrap: str, namespace: str) -> None:
    kafka.wipe(bootstrap, namespace)
    kafka.create_topics(bootstrap, namespace)
