"""What is wrong with a running pipeline, and what to do about it.

Two halves: ``judge_...`` are pure functions from facts to findings; ``examine`` gathers the facts from Kafka and calls them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic

import schemas
from schemas import FeedStatus, Watermark
from streams import claims, kafka, topics
from streams.partitioning import N_PARTITIONS

OK, PROBLEM, UNKNOWN = "ok", "problem", "unknown"

LEAST_COVERAGE = 0.99
"""Priced over listed instruments below which something is wrong (DESIGN 7)."""
MOST_LAG = 10_000
"""Unacknowledged records of a group, all partitions: about 10 s of a busy venue; 2 s wait for their checkpoint anyway."""
MOST_CLOCK_S = 0.5
STALE_S = 5.0
"""Wall time without a watermark after which readers call the topic stale (DESIGN 5)."""
_TAIL = (300, 5_000, 100_000)
"""How far back from a partition's end watermarks are looked for, records; one is written every second."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    state: str
    """``ok``, ``problem`` or ``unknown`` (what it needs is missing)."""
    text: str
    remedy: str = ""
    """What to do; empty unless there is a problem."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A partition's newest watermark and when, by the worker's clock, it was made (s since the epoch)."""

    watermark: Watermark
    wall_s: float | None


def _option(namespace: str) -> str:
    return f" --namespace {namespace}" if namespace else ""


def _in_words(partitions: Sequence[int]) -> str:
    return ", ".join(str(partition) for partition in sorted(partitions))


def judge_topics(
    namespace: str, existing: Mapping[str, int], differences: Mapping[str, Mapping[str, tuple[str, str]]]
) -> list[Finding]:
    """Topics that are missing, and topics whose settings are not the table's."""
    wanted = [topics.full_name(topic, namespace) for topic in topics.NOW]
    missing = [name for name in wanted if name not in existing]
    findings = []
    if missing:
        remedy = f"greekstream topics --create{_option(namespace)}"
        findings.append(Finding("topics", PROBLEM, f"{len(missing)} missing: {', '.join(missing)}", remedy))
    for name, wrong in differences.items():
        said = "; ".join(f"{key} is {have}, should be {want}" for key, (have, want) in sorted(wrong.items()))
        if "partitions" in wrong:
            remedy = (
                f"stop all, delete {name} with Kafka's tools, then: greekstream topics --create{_option(namespace)}"
            )
        else:
            remedy = f"greekstream doctor --repair{_option(namespace)}"
        findings.append(Finding("topics", PROBLEM, f"{name}: {said}", remedy))
    return findings or [Finding("topics", OK, f"all {len(wanted)} are there as the table has them")]


def judge_clock(offset_s: float | None) -> Finding:
    """``offset_s``: broker minus this machine, seconds; None when it could not be measured."""
    if offset_s is None:
        return Finding("clock", UNKNOWN, "the broker's clock could not be read")
    text = f"the broker's clock is {1000 * offset_s:+.0f} ms from this machine's"
    if abs(offset_s) > MOST_CLOCK_S:
        return Finding(
            "clock", PROBLEM, text, "synchronise both clocks (chrony, ntpd); ages and latencies are wrong until then"
        )
    return Finding("clock", OK, text)


def judge_feed(namespace: str, status: FeedStatus | None) -> Finding:
    """The newest record of ``feed.status.v1``."""
    if status is None:
        return Finding(
            "feed", PROBLEM, "no ingest has ever claimed this namespace", f"greekstream ingest{_option(namespace)}"
        )
    lags = [f"{channel} {lag:.0f} ms" for channel, lag in sorted(status.lag_ms_by_channel.items())]
    text = f"{status.feed}: {status.state}, epoch {status.ingest_epoch}, {status.n_gaps} gaps, {status.n_conflated} conflated"
    text += f"; lag: {', '.join(lags)}" if lags else ""
    text += f"; {status.detail}" if status.detail else ""
    if status.state == "connected":
        return Finding("feed", OK, text)
    return Finding(
        "feed", PROBLEM, text, f"look into ingest's log, or start it: greekstream ingest{_option(namespace)}"
    )


def judge_group(
    namespace: str, group: str, state: str, n_members: int, lags: Mapping[int, int], most: int = MOST_LAG
) -> Finding:
    """State, members and lag (records by partition) of the workers' group."""
    lag = sum(lags.values())
    text = f"{group}: {state}, {n_members} members, {lag} records not acknowledged"
    if n_members == 0:
        return Finding("workers", PROBLEM, text, f"no worker runs; start them: greekstream up{_option(namespace)}")
    if lag > most:
        worst = max(lags, key=lambda partition: lags[partition])
        remedy = (
            f"wait if they have just started; else start more workers (sixteen at most): greekstream up --workers 16{_option(namespace)}"
            if lags[worst] < lag / 2
            else f"partition {worst} alone lags {lags[worst]}: look into the log of the worker that owns it"
        )
        return Finding("workers", PROBLEM, text, remedy)
    return Finding("workers", OK, text)


def judge_coverage(namespace: str, marks: Mapping[int, Mark], now_s: float) -> list[Finding]:
    """Newest watermark by partition: all there, fresh, ready, and most of the chain priced."""
    if not marks:
        return [
            Finding(
                "coverage",
                PROBLEM,
                "no watermark in greeks.v1: nothing has been priced",
                f"greekstream up{_option(namespace)}",
            )
        ]
    findings = []
    missing = sorted(set(range(N_PARTITIONS)) - set(marks))
    ages = {p: now_s - mark.wall_s for p, mark in marks.items() if mark.wall_s is not None}
    late = [p for p, age in ages.items() if age > STALE_S]
    unready = [p for p, mark in marks.items() if not mark.watermark.is_ready]
    if missing:
        text = f"partitions without a watermark: {_in_words(missing)}"
        findings.append(
            Finding("coverage", PROBLEM, text, f"is every partition owned? greekstream topics{_option(namespace)}")
        )
    if late:
        text = f"greeks.v1 is stale: partitions {_in_words(late)} had no watermark for up to {max(ages.values()):.0f} s"
        remedy = f"see that ingest and the workers run: greekstream ingest{_option(namespace)}, greekstream up{_option(namespace)}"
        findings.append(Finding("coverage", PROBLEM, text, remedy))
    if unready:
        text = f"partitions that wait for a complete snapshot: {_in_words(unready)}"
        findings.append(Finding("coverage", PROBLEM, text, "restart ingest: it writes a snapshot when it starts"))
    n_listed = sum(mark.watermark.n_listed for mark in marks.values())
    n_priced = sum(mark.watermark.n_priced for mark in marks.values())
    n_rejected = sum(mark.watermark.n_rejected for mark in marks.values())
    text = f"{n_priced} of {n_listed} listed instruments priced in the last minute, {n_rejected} rejected"
    if n_listed == 0 or n_priced < LEAST_COVERAGE * n_listed:
        remedy = f"ask for the reasons: greekstream why --statistics{_option(namespace)}"
        findings.append(Finding("coverage", PROBLEM, text, remedy))
    return findings or [Finding("coverage", OK, text)]


def judge_versions(marks: Mapping[int, Mark]) -> list[Finding]:
    """Partitions whose workers differ in what byte identity needs the same."""
    findings = []
    for field in ("engine_version", "settings_hash", "cpu_features", "wire_format"):
        partitions: dict[str, list[int]] = {}
        for partition, mark in marks.items():
            partitions.setdefault(str(getattr(mark.watermark, field)), []).append(partition)
        if len(partitions) > 1:
            text = f"{field} differs: " + "; ".join(
                f"{value} on partitions {_in_words(ps)}" for value, ps in partitions.items()
            )
            remedy = "fine during a rolling upgrade or on unlike hosts; otherwise restart the older workers with the same settings"
            findings.append(Finding("versions", PROBLEM, text, remedy))
    if findings or not marks:
        return findings
    first = next(iter(marks.values())).watermark
    return [
        Finding(
            "versions",
            OK,
            f"engine {first.engine_version}, settings {first.settings_hash}, {first.wire_format} everywhere",
        )
    ]


def clock_offset_s(bootstrap: str) -> float | None:
    """Broker's clock minus ours, seconds, to within half a round trip.

    A record in a topic of its own, which the broker stamps and which is deleted again: ours carry the producer's time.
    """
    name = f"greekstream-clock-{uuid.uuid4().hex[:12]}"
    config = {"message.timestamp.type": "LogAppendTime"}
    client = kafka.admin(bootstrap)
    stamps: list[int] = []
    try:
        client.create_topics([NewTopic(name, 1, config=config)])[name].result(10)
        producer = kafka.producer(bootstrap, linger_ms=0)
        offset_s = None
        for _ in range(2):  # the first waits for the connection and the producer's id
            began_s = time.time()
            producer.produce(
                name, b"?", on_delivery=lambda error, m: stamps.append(m.timestamp()[1]) if not error else None
            )
            producer.flush(10)
            ended_s = time.time()
            offset_s = stamps[-1] / 1000 - (began_s + ended_s) / 2 if stamps else None
        return offset_s
    except KafkaException:
        return None
    finally:
        client.delete_topics([name])[name].exception(10)


def newest_marks(bootstrap: str, namespace: str) -> dict[int, Mark]:
    """The last watermark of each partition of ``greeks.v1``."""
    name = topics.full_name(topics.GREEKS, namespace)
    edges = kafka.watermarks(bootstrap, name, range(topics.GREEKS.n_partitions))
    resolve = kafka.resolver(bootstrap, namespace)
    marks: dict[int, Mark] = {}
    for n_back in _TAIL:
        ranges = {p: (max(first, end - n_back), end) for p, (first, end) in edges.items() if p not in marks}
        for message in kafka.read_range(bootstrap, name, ranges):
            if message.value() is None or not (message.key() or b"").startswith(b"watermark/"):
                continue
            record = schemas.decode(message.value(), resolve)
            if isinstance(record, Watermark):
                made = dict(message.headers() or ()).get("calc_wall_ns")
                marks[message.partition()] = Mark(record, int(made) / 1e9 if made else None)
        if all(first >= end - n_back or p in marks for p, (first, end) in edges.items()):
            break
    return marks


def newest_feed_status(bootstrap: str, namespace: str) -> FeedStatus | None:
    """The last report of ingest in ``feed.status.v1``; a claim only where nothing has been reported yet."""
    name = topics.full_name(topics.FEED_STATUS, namespace)
    first, end = kafka.watermarks(bootstrap, name, [0])[0]
    resolve = kafka.resolver(bootstrap, namespace)
    newest: FeedStatus | None = None
    for message in kafka.read_range(bootstrap, name, {0: (max(first, end - 1000), end)}):
        record = schemas.decode(message.value(), resolve) if message.value() is not None else None
        if not isinstance(record, FeedStatus) or record.feed.startswith(claims.FLOW_FEED):
            continue
        if record.state != "claimed" or newest is None or newest.state == "claimed":
            newest = record
    return newest


def group_lags(bootstrap: str, namespace: str, group: str) -> dict[int, int]:
    """Records of the log that the group has not acknowledged, by partition."""
    name = topics.full_name(topics.TICKS, namespace)
    committed = kafka.group_offsets(bootstrap, group, name, range(N_PARTITIONS))
    return kafka.lags(bootstrap, name, range(N_PARTITIONS), committed)


CHECKS = ("java", "broker", "topics", "clock", "feed", "workers", "coverage", "versions")


def examine(
    bootstrap: str, namespace: str = "", profile: str = "local", most_lag: int = MOST_LAG, only: Sequence[str] = CHECKS
) -> list[Finding]:
    """The checks of ``only`` that need Kafka, in the order in which one thing depends on another.

    A check that fails in a way nobody foresaw is a finding of its own: the others are still made.
    """
    existing = kafka.topic_names(bootstrap)
    findings = [Finding("broker", OK, f"Kafka answers at {bootstrap}")]
    group = topics.group_name(namespace)
    marks: dict[int, Mark] = {}

    def workers() -> Finding:
        state, n_members = kafka.group_state(bootstrap, group)
        return judge_group(namespace, group, state, n_members, group_lags(bootstrap, namespace, group), most_lag)

    def marked(judge: Callable[[Mapping[int, Mark]], list[Finding]]) -> list[Finding]:
        if not marks:
            marks.update(newest_marks(bootstrap, namespace))
        return judge(marks)

    # check: (the topic it reads, how it is made)
    table: dict[str, tuple[topics.Topic | None, Callable[[], Finding | list[Finding]]]] = {
        "topics": (
            None,
            lambda: judge_topics(namespace, existing, kafka.config_differences(bootstrap, namespace, profile)),
        ),
        "clock": (None, lambda: judge_clock(clock_offset_s(bootstrap))),
        "feed": (topics.FEED_STATUS, lambda: judge_feed(namespace, newest_feed_status(bootstrap, namespace))),
        "workers": (topics.TICKS, workers),
        "coverage": (topics.GREEKS, lambda: marked(lambda newest: judge_coverage(namespace, newest, time.time()))),
        "versions": (topics.GREEKS, lambda: marked(judge_versions)),
    }
    for name, (needed, make) in table.items():
        if name not in only:
            continue
        found: Finding | list[Finding]
        if needed is not None and topics.full_name(needed, namespace) not in existing:
            remedy = f"greekstream topics --create{_option(namespace)}"
            found = Finding(name, PROBLEM, f"topic {topics.full_name(needed, namespace)} is missing", remedy)
        else:
            try:
                found = make()
            except Exception as error:  # said, with its type, as a finding
                text = f"the check itself failed: {type(error).__name__}: {error}"
                found = Finding(name, PROBLEM, text, "report this")
        findings.extend([found] if isinstance(found, Finding) else found)
    return findings
