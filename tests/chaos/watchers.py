"""Who looks on while workers are killed: readers that are slow or asleep, a table-like one, one who checks the times.

A watcher is made when the workers stand, lives through the run, and says at its end what is wrong.  What a reader must have
said is worked out here once more, from the messages of the topic and from what the oracle expects.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

import schemas
from schemas import Greeks, RowStatus, Watermark
from streams import kafka, topics
from streams.partitioning import N_PARTITIONS
from streams.processes import wait_until
from streams.reader import Arrival, Reader, identity_of
from streams.topics import Topic
from streams.worker.folds import Outgoing
from tests.chaos.oracle import Identity

Place = tuple[int, int]
"""(source offset, result_seq)."""
DRAIN_S = 60.0
PACE = 20.0
"""Rows a second of the slow reader; a run writes several times as many, on a busy machine too."""
LEAST_BEHIND = 0.1
"""Of the topic, that a slow reader must be behind in the end; else nothing was tried."""


@dataclass
class Finding:
    """What a watcher saw, in words; ``faults`` empty when all is right."""

    text: str
    faults: list[str] = field(default_factory=list)


class Watcher(Protocol):
    def finish(self, expected: Mapping[Identity, Outgoing]) -> Finding:
        """Called when the workers have stopped; ends what the watcher has open."""


class Lying(NamedTuple):
    """A message as it lies in its topic, decoded."""

    partition: int
    offset: int
    key: str
    identity: tuple[int, int, int]
    record: Any


class Watched(Reader):
    """A reader that notes which messages it was given, and what it gave on."""

    def __init__(self, bootstrap: str, namespace: str, topic: Topic, window_s: float | None) -> None:
        self.offsets: dict[int, list[int]] = defaultdict(list)
        self.rows: list[Greeks] = []
        super().__init__(bootstrap, namespace, topic=topic, window_s=window_s)

    def _decoded(self, message: Message) -> Arrival | None:
        self.offsets[message.partition()].append(message.offset())
        return super()._decoded(message)

    def read(self, timeout_s: float) -> int:
        """One poll; how many rows it gave."""
        news = self.poll(timeout_s)
        self.rows += news
        return len(news)

    def drain(self, bootstrap: str) -> bool:
        """Read to the topic's present end."""
        ends = {
            p: end
            for p, (first, end) in kafka.watermarks(bootstrap, self.topic_name, range(N_PARTITIONS)).items()
            if end > first
        }

        def is_there() -> bool:
            self.read(0.1)
            return all(self._next[p] >= end for p, end in ends.items())

        return wait_until(is_there, DRAIN_S, every_s=0.0)


def lying(bootstrap: str, namespace: str, topic: Topic) -> list[Lying]:
    """Everything that stands in a topic, by partition and offset."""
    name, found = topics.full_name(topic, namespace), []
    for message in kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, range(topic.n_partitions))):
        value = message.value()
        record = None if value is None else schemas.decode(value)
        key = bytes(message.key() or b"").decode()
        identity = identity_of(dict(message.headers() or ()), record)
        found.append(Lying(message.partition(), message.offset(), key, identity, record))
    return sorted(found)


class Told(NamedTuple):
    """What a reader of these messages must say: rows by instrument, in order; the chain at the end; how many were dropped."""

    rows: dict[str, list[Place]]
    chain: dict[str, Place]
    n_dropped: int


def told(messages: Iterable[Lying]) -> Told:
    """The reader's rules once more: per instrument a row counts if its (epoch, offset, seq) is above all before it, and if the
    log time of its partition has not come to its expiry."""
    highest: dict[str, tuple[int, int, int]] = {}
    log_time_ns: dict[int, int] = defaultdict(int)
    rows: dict[str, list[Place]] = defaultdict(list)
    chain: dict[str, tuple[Place, int, int]] = {}
    n_dropped = 0
    for message in messages:
        record, key = message.record, message.key
        if message.identity <= highest.get(key, (-1, -1, -1)):
            n_dropped += 1
            continue
        highest[key] = message.identity
        if isinstance(record, Watermark):
            log_time_ns[message.partition] = record.log_time_ns
        elif record is None:
            chain.pop(key, None)
        elif record.expiry_ns is not None and record.expiry_ns <= max(
            record.ts_event_ns, log_time_ns[message.partition]
        ):
            chain.pop(key, None)
            n_dropped += 1
        else:
            rows[key].append(message.identity[1:])
            chain[key] = (message.identity[1:], message.partition, record.expiry_ns or 2**63)
    living = {key: place for key, (place, partition, expiry_ns) in chain.items() if expiry_ns > log_time_ns[partition]}
    return Told(dict(rows), living, n_dropped)


def place_of(row: Greeks) -> Place:
    return row.source_offset, row.result_seq


def compared(reader: Watched, messages: Sequence[Lying], who: str) -> list[str]:
    """What the reader said against what it had to say of the messages that it was given."""
    given = {(partition, offset) for partition, offsets in reader.offsets.items() for offset in offsets}
    should = told(m for m in messages if (m.partition, m.offset) in given)
    said: dict[str, list[Place]] = defaultdict(list)
    for row in reader.rows:
        said[row.instrument_name].append(place_of(row))
    faults = []
    if dict(said) != should.rows:
        wrong = [name for name in should.rows.keys() | said.keys() if said.get(name) != should.rows.get(name)]
        faults.append(f"{who}: {len(wrong)} instruments with other rows than the topic has, {wrong[:3]}")
    chain = {name: place_of(row) for name, row in reader.chain().items()}
    if chain != should.chain:
        faults.append(f"{who}: its chain is not the topic's: {len(chain)} of {len(should.chain)} instruments")
    n_dropped = reader.table.n_repeats + reader.table.n_expired
    if n_dropped != should.n_dropped:
        faults.append(f"{who}: dropped {n_dropped}, not {should.n_dropped}")
    return faults


def gaps(offsets: Iterable[int], first: int) -> list[tuple[int, int]]:
    """(first missing, next there) of every hole in what was read from ``first`` on."""
    found, want = [], first
    for offset in offsets:
        if offset != want:
            found.append((want, offset))
        want = offset + 1
    return found


class SlowReader:
    """Reads greeks.v1 slower than it is written, stops now and then, and catches up when the run is over."""

    def __init__(self, bootstrap: str, namespace: str, seed: int) -> None:
        self._bootstrap, self._namespace, self._rng = bootstrap, namespace, random.Random(f"slow {seed}")
        self._reader = Watched(bootstrap, namespace, topics.GREEKS, window_s=65.0)
        self._first = dict(self._reader._next)
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._read, name="slow-reader", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._hurry.is_set():
            n_rows = self._reader.read(0.2)
            self._hurry.wait(n_rows / PACE + (self._rng.random() < 0.1) * self._rng.uniform(1.0, 5.0))

    def finish(self, expected: Mapping[Identity, Outgoing]) -> Finding:
        self._hurry.set()
        self._thread.join(30.0)
        reader = self._reader
        ends = kafka.watermarks(self._bootstrap, reader.topic_name, range(N_PARTITIONS))
        n_behind = sum(end - reader._next[p] for p, (_, end) in ends.items())
        began = time.monotonic()
        faults = [] if reader.drain(self._bootstrap) else ["slow reader: does not come to the topic's end"]
        took_s = time.monotonic() - began
        messages = lying(self._bootstrap, self._namespace, topics.GREEKS)
        faults += compared(reader, messages, "slow reader")
        faults += [f"slow reader: hole in partition {p}" for p, o in reader.offsets.items() if gaps(o, self._first[p])]
        wanted = {(i.partition, i.source_offset, i.result_seq) for i in expected if i.topic == "greeks"}
        seen = {(m.partition, *m.identity[1:]) for m in messages}
        if wanted - seen:
            faults.append(f"slow reader: {len(wanted - seen)} results of the oracle are not in the topic")
        if n_behind < LEAST_BEHIND * len(messages):
            faults.append(f"slow reader: was {n_behind} behind only, so nothing was tried")
        table = reader.table
        if reader.n_missed or not table.n_repeats or not table.n_expired:
            faults.append(
                f"slow reader: missed {reader.n_missed}, repeats {table.n_repeats}, expired {table.n_expired}"
            )
        reader.close()
        return Finding(
            f"slow reader: {n_behind} messages behind at the end, caught up after {took_s:.1f} s; {len(reader.rows)} rows, "
            f"dropped {table.n_repeats} repeats and {table.n_expired} expired, missed {reader.n_missed}",
            faults,
        )


class SleepingReader:
    """Reads the chain, sleeps through the run; meanwhile retention takes half of what it has not read."""

    def __init__(self, bootstrap: str, namespace: str, seed: int) -> None:
        self._bootstrap, self._namespace = bootstrap, namespace
        self._reader = Watched(bootstrap, namespace, topics.GREEKS, window_s=65.0)
        self._first = dict(self._reader._next)
        wait_until(lambda: self._reader.read(0.5) > 0, within_s=5.0)
        self._parts = [TopicPartition(self._reader.topic_name, p) for p in range(N_PARTITIONS)]
        self._reader._consumer.pause(self._parts)

    def finish(self, expected: Mapping[Identity, Outgoing]) -> Finding:
        reader, name = self._reader, self._reader.topic_name
        messages = lying(self._bootstrap, self._namespace, topics.GREEKS)
        ends = kafka.watermarks(self._bootstrap, name, range(N_PARTITIONS))
        cuts = {p: (reader._next[p] + end) // 2 for p, (_, end) in ends.items()}
        deleted = kafka.admin(self._bootstrap).delete_records([TopicPartition(name, p, cut) for p, cut in cuts.items()])
        for future in deleted.values():
            future.result(30)
        reader._consumer.resume(self._parts)
        faults = [] if reader.drain(self._bootstrap) else ["sleeping reader: does not come to the topic's end"]
        holes = {p: gaps(offsets, self._first[p]) for p, offsets in reader.offsets.items()}
        n_taken = sum(after - before for found in holes.values() for before, after in found)
        faults += compared(reader, messages, "sleeping reader")
        if any(len(found) > 1 or (found and found[0][1] != cuts[p]) for p, found in holes.items()):
            faults.append("sleeping reader: a hole that retention has not made")
        if reader.n_missed != n_taken or not n_taken:
            faults.append(f"sleeping reader: counts {reader.n_missed} missed, retention took {n_taken}")
        reader.close()
        return Finding(f"sleeping reader: retention took {n_taken} messages, it counts {reader.n_missed}", faults)


class LatestReader:
    """Holds greeks.latest.v1 as a table while it is compacted as fast as Kafka can, and compares it with the oracle's."""

    def __init__(self, bootstrap: str, namespace: str, seed: int) -> None:
        self._bootstrap, self._namespace = bootstrap, namespace
        compact_soon(bootstrap, topics.full_name(topics.LATEST, namespace))
        self._reader = Watched(bootstrap, namespace, topics.LATEST, window_s=None)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="latest-reader", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            self._reader.read(0.2)

    def finish(self, expected: Mapping[Identity, Outgoing]) -> Finding:
        self._stop.set()
        self._thread.join(30.0)
        faults = [] if self._reader.drain(self._bootstrap) else ["latest: the follower does not come to its end"]
        wanted, tombstones = last_by_key(expected)
        messages = lying(self._bootstrap, self._namespace, topics.LATEST)
        with Watched(self._bootstrap, self._namespace, topics.LATEST, window_s=None) as fresh:
            for who, reader in (("the follower", self._reader), ("a new reader", fresh)):
                found = {name: place_of(row) for name, row in reader.chain().items()}
                if found != wanted:
                    wrong = [name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)]
                    faults.append(f"latest: {who} has another table, {len(wrong)} rows, {wrong[:3]}")
        self._reader.close()
        newest: dict[str, tuple[int, int, int]] = {}
        by_offset: dict[str, tuple[int, int, int]] = {}
        for message in messages:
            newest[message.key] = max(message.identity, newest.get(message.key, message.identity))
            by_offset[message.key] = message.identity
        standing = {m.key for m in messages if m.record is None and m.identity == newest[m.key]}
        if standing != tombstones or not tombstones:
            faults.append(f"latest: tombstones of {len(standing)} instruments, {len(tombstones)} have expired")
        allowed = conflated(expected)
        rows = {(m.key, m.identity[1:]) for m in messages if m.record is not None}
        if rows - allowed:
            faults.append(f"latest: {len(rows - allowed)} rows that are no last row before a Clock")
        n_rows = sum(i.topic == "greeks" and not out.key.startswith(b"watermark") for i, out in expected.items())
        n_late = sum(by_offset[key] != identity for key, identity in newest.items())
        _, ends = zip(
            *kafka.watermarks(self._bootstrap, self._reader.topic_name, range(N_PARTITIONS)).values(), strict=True
        )
        return Finding(
            f"latest: {sum(ends)} written for {n_rows} rows of greeks, {len(messages)} left by compaction; {len(wanted)} instruments, "
            f"{len(tombstones)} tombstones; {n_late} keys whose last message is an older row, until their next",
            faults,
        )


def compact_soon(bootstrap: str, topic_name: str) -> None:
    """Segments of a second of log time, cleaned as soon as Kafka looks."""
    values = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"}
    entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in values.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic_name, incremental_configs=entries)
    for future in kafka.admin(bootstrap).incremental_alter_configs([resource]).values():
        future.result(20)


def last_by_key(expected: Mapping[Identity, Outgoing]) -> tuple[dict[str, Place], set[str]]:
    """(instrument -> its last row in latest, instruments that end in a tombstone), of the oracle's results."""
    last: dict[str, tuple[Place, bool]] = {}
    for identity, out in expected.items():
        if identity.topic == "latest":
            place, key = (identity.source_offset, identity.result_seq), out.key.decode()
            last[key] = max((place, out.value is not None), last.get(key, (place, out.value is not None)))
    rows = {key: place for key, (place, is_row) in last.items() if is_row}
    return rows, set(last) - set(rows)


def conflated(expected: Mapping[Identity, Outgoing]) -> set[tuple[str, Place]]:
    """Of each instrument and each second that a Clock closes, the last row of greeks: all that latest may hold."""
    by_partition: dict[int, list[tuple[Place, str]]] = defaultdict(list)
    for identity, out in expected.items():
        if identity.topic == "greeks":
            by_partition[identity.partition].append(((identity.source_offset, identity.result_seq), out.key.decode()))
    allowed = set()
    for places in by_partition.values():
        second: dict[str, Place] = {}
        for place, key in sorted(places):
            if key.startswith("watermark"):
                allowed |= set(second.items())
                second = {}
            else:
                second[key] = place
    return allowed


class Times:
    """Log time never goes back, and no row is past the Clock by more than rule 2 allows, however wrong the event times are."""

    def __init__(self, bootstrap: str, namespace: str, seed: int) -> None:
        pass

    def finish(self, expected: Mapping[Identity, Outgoing]) -> Finding:
        faults, n_wrong, n_rows, spans = [], 0, 0, []
        by_partition: dict[int, list[tuple[Place, Any]]] = defaultdict(list)
        for identity, out in expected.items():
            if identity.topic == "greeks" and out.value is not None:
                place = identity.source_offset, identity.result_seq
                by_partition[identity.partition].append((place, schemas.decode(out.value)))
        for partition, placed in by_partition.items():
            marks = [record.log_time_ns for _, record in sorted(placed) if isinstance(record, Watermark)]
            if marks != sorted(marks):
                faults.append(f"times: the watermarks of partition {partition} go back")
            spans.append((marks[-1] - marks[0]) / 1e9)
            clock_ns = 0
            last_ns = 0
            for _, record in sorted(placed):
                if isinstance(record, Watermark):
                    clock_ns = record.log_time_ns
                elif clock_ns:
                    n_rows += 1
                    n_wrong += record.ts_event_ns < last_ns or record.status == RowStatus.UNKNOWN
                    last_ns = record.ts_event_ns
        if n_wrong or not n_rows:
            faults.append(f"times: {n_wrong} of {n_rows} rows go back in time")
        if min(spans) < 3_600:
            faults.append(f"times: no jump of hours was in the log, {min(spans):.0f} s at least")
        return Finding(f"times: {n_rows} rows in order over {max(spans) / 3600:.1f} h of log time", faults)
