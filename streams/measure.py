"""Figures of a run, from what stands in Kafka: coverage, counts, rejects; and latency, from the workers' own reports.

For all but the latency the topics are the evidence: nothing asks ingest or the workers how they are doing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Message

import schemas
from schemas import Greeks, InstrumentState, Kind, Reject, TradeGreeks
from streams import kafka, topics
from streams.processes import wait_until
from streams.topics import Topic

COVERAGE_NS = 60_000_000_000
KEYED = (schemas.OptionQuote, schemas.OptionTrade, schemas.InstrumentState)


def read_whole(bootstrap: str, topic: Topic, namespace: str) -> Iterator[Message]:
    """Every message of a topic that stands there now, per partition in order; stops at today's end."""
    name = topics.full_name(topic, namespace)
    yield from kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, range(topic.n_partitions)))


def worker_lag(bootstrap: str, namespace: str) -> int:
    """Records of the log that the worker group has not acknowledged yet, over all partitions."""
    name = topics.full_name(topics.TICKS, namespace)
    partitions = range(topics.TICKS.n_partitions)
    acknowledged = kafka.group_offsets(bootstrap, topics.group_name(namespace), name, partitions)
    return sum(kafka.lags(bootstrap, name, partitions, acknowledged).values())


def wait_for_workers(bootstrap: str, namespace: str, within_s: float) -> bool:
    """True when the workers have acknowledged the whole log, results confirmed, within the time."""
    return wait_until(lambda: worker_lag(bootstrap, namespace) == 0, within_s, every_s=0.5)


@dataclass
class Figures:
    """What ``greekstream demo --json`` prints; see its help for the meaning of each."""

    records_in: int = 0
    results_out: int = 0
    instruments_listed: int = 0
    instruments_priced: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    not_priced: list[str] = field(default_factory=list)

    @property
    def coverage(self) -> float | None:
        return self.instruments_priced / self.instruments_listed if self.instruments_listed else None


def listed_options(states: dict[str, InstrumentState], log_time_ns: int) -> set[str]:
    """Options that are listed, open and not expired at this log time."""
    return {
        name
        for name, state in states.items()
        if state.kind == Kind.OPTION
        and (state.expiry_ns or 0) > log_time_ns
        and state.status.name not in ("CLOSED", "SETTLED", "TERMINATED")
    }


def collect(bootstrap: str, namespace: str, resolve: schemas.Resolve | None = None) -> Figures:
    """Read the namespace's topics once and count; "the last 60 s" end at the newest log time of any partition."""
    resolve = resolve or kafka.resolver(bootstrap, namespace)

    def decode(data: bytes) -> object:
        return schemas.decode(data, resolve)

    figures = Figures()
    states: dict[str, InstrumentState] = {}
    newest_ms: Counter[int] = Counter()
    for message in read_whole(bootstrap, topics.TICKS, namespace):
        newest_ms[message.partition()] = max(newest_ms[message.partition()], message.timestamp()[1])
        record = decode(message.value())
        if isinstance(record, KEYED):
            figures.records_in += 1
        if isinstance(record, InstrumentState):
            states[record.instrument_name] = record
    log_time_ns = max(newest_ms.values(), default=0) * 1_000_000
    priced: set[str] = set()
    for topic in (topics.GREEKS, topics.TRADES):
        for message in read_whole(bootstrap, topic, namespace):
            record = decode(message.value())
            if isinstance(record, Greeks):
                figures.results_out += 1
                is_finite = record.price_usd is not None and record.delta is not None
                if is_finite and record.ts_event_ns > log_time_ns - COVERAGE_NS:
                    priced.add(record.instrument_name)
            elif isinstance(record, TradeGreeks):
                figures.results_out += 1
    standing: dict[bytes, str] = {}
    for message in read_whole(bootstrap, topics.REJECTS, namespace):
        if message.value() is None:
            standing.pop(message.key(), None)
            continue
        record = decode(message.value())
        if isinstance(record, Reject):
            standing[message.key()] = record.status.name
    listed = listed_options(states, log_time_ns)
    figures.rejects = dict(sorted(Counter(standing.values()).items()))
    figures.instruments_listed = len(listed)
    figures.instruments_priced = len(listed & priced)
    figures.not_priced = sorted(listed - priced)
    return figures


def latencies(worker_log: Path, since_utc: str) -> Counter[int]:
    """Counts by latency bin that the workers have reported since a moment (ISO time), added up over workers and seconds.

    Each is the wall time from ingest's write of the record that made the result, or fired its timer, to the broker's
    confirmation (``streams.worker.latency``).
    """
    counts: Counter[int] = Counter()
    with worker_log.open(errors="replace") as lines:
        for line in lines:
            if '"latency_bins"' not in line:
                continue
            try:
                report = json.loads(line)
            except ValueError:  # a worker was killed in the middle of its line
                continue
            if report["timestamp"] >= since_utc:
                counts.update({int(number): n for number, n in report["latency_bins"].items()})
    return counts
