"""The oracle: one thread folds the log with the same step; what the workers published is held against it.

It shares ``step`` with the workers and so proves delivery: nothing missing, repeats identical, states right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import schemas
from streams import topics
from streams.partitioning import N_PARTITIONS
from streams.worker import checkpoints
from streams.worker.folds import FoldMaker, Outgoing
from streams.worker.log_reader import LogReader

RESULT_TOPICS = ("greeks", "latest", "rejects", "trades", "audit", "deadletter")
ROWS = 2_000


class Identity(NamedTuple):
    """What a result is a result of."""

    topic: str
    partition: int
    source_offset: int
    result_seq: int


class Published(NamedTuple):
    """A result as it lies in its topic."""

    identity: Identity
    epoch: int
    key: bytes
    value: bytes | None
    ts_ms: int


@dataclass
class Verdict:
    """What a comparison found.  ``right`` when nothing is missing, foreign or different."""

    expected: int = 0
    published: int = 0
    repeats: int = 0
    missing: list[Identity] = field(default_factory=list)
    foreign: list[Identity] = field(default_factory=list)
    different: list[Identity] = field(default_factory=list)
    wrong_states: list[int] = field(default_factory=list)
    trades: int = 0
    trade_identities: int = 0
    epochs: dict[int, int] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        faults = (self.missing, self.foreign, self.different, self.wrong_states)
        return not any(faults) and self.expected > 0 and self.trades == self.trade_identities

    def summary(self) -> dict[str, object]:
        return {
            "expected": self.expected,
            "published": self.published,
            "repeats": self.repeats,
            "missing": len(self.missing),
            "foreign": len(self.foreign),
            "different": len(self.different),
            "wrong_states": self.wrong_states,
            "trades": self.trades,
            "epochs": self.epochs,
        }


def fold_log(
    maker: FoldMaker, reader: LogReader, topic: str, partition: int, begin: int, end: int
) -> tuple[list[Outgoing], bytes, int]:
    """(results, snapshot of the state, last offset) of one thread that takes the partition's log from ``begin`` on."""
    fold = maker.fold(partition, reader.log_id(topic))
    state, results, last = fold.new_state(), [], begin - 1
    while last + 1 < end:
        records = reader.records(topic, partition, last + 1, end, ROWS)
        if not records:
            break
        state, new = fold.step(state, records)
        results += new
        last = records[-1].offset
    return results, fold.snapshot(state), last


def published(
    bootstrap: str, namespace: str, short_names: Iterable[str] = RESULT_TOPICS, suffix: str = ""
) -> list[Published]:
    """Everything that stands in the result topics, in order of topic, partition and offset."""
    found, reader = [], LogReader(bootstrap)
    for short in short_names:
        name = topics.full_name(topics.BY_SHORT[short], namespace, suffix)
        for partition in range(N_PARTITIONS):
            bounds = reader.bounds(name, partition)
            found += [_published(short, m) for m in reader.read(name, partition, bounds.start, bounds.end, bounds.end)]
    return found


def _published(short: str, message: Any) -> Published:
    headers = dict(message.headers() or ())
    identity = Identity(short, message.partition(), int(headers["source_offset"]), int(headers["result_seq"]))
    return Published(identity, int(headers["epoch"]), message.key(), message.value(), message.timestamp()[1])


def compare(expected: Mapping[Identity, Outgoing], found: Iterable[Published]) -> Verdict:
    """Every published result against the oracle's of the same identity, byte for byte."""
    verdict, seen = Verdict(expected=len(expected)), Counter[Identity]()
    for item in found:
        verdict.published += 1
        verdict.epochs[item.epoch] = verdict.epochs.get(item.epoch, 0) + 1
        wanted = expected.get(item.identity)
        if wanted is None:
            verdict.foreign.append(item.identity)
        elif (item.key, item.value, item.ts_ms) != (wanted.key, wanted.value, wanted.ts_ns // 1_000_000):
            verdict.different.append(item.identity)
        seen[item.identity] += 1
    # the compacted topic may have lost older rows of a key by now: only its newest must be there
    verdict.missing = [identity for identity in expected if not seen[identity] and identity.topic != "latest"]
    verdict.repeats = verdict.published - len(seen)
    return verdict


def expectation(
    bootstrap: str, namespace: str, maker: FoldMaker, group: str
) -> tuple[dict[Identity, Outgoing], list[int]]:
    """(every result that one thread makes of the log, partitions whose newest checkpoint is not the state it ends in)."""
    reader = LogReader(bootstrap)
    source = topics.full_name(topics.TICKS, namespace)
    expected: dict[Identity, Outgoing] = {}
    wrong = []
    for partition in range(N_PARTITIONS):
        bounds = reader.bounds(source, partition)
        results, state, last = fold_log(maker, reader, source, partition, bounds.start, bounds.end)
        for result in results:
            expected[Identity(result.topic, partition, result.source_offset, result.result_seq)] = result
        if newest_checkpoint(reader, namespace, group, partition) != (last, state):
            wrong.append(partition)
    return expected, wrong


def judge(expected: Mapping[Identity, Outgoing], wrong_states: list[int], found: Iterable[Published]) -> Verdict:
    """The whole verdict: results, states, and every trade once."""
    verdict = compare(expected, found)
    verdict.wrong_states = wrong_states
    trades = [identity for identity in expected if identity.topic == "trades"]
    verdict.trades = len(trades)
    verdict.trade_identities = len(set(trades) - set(verdict.missing))
    return verdict


def check(bootstrap: str, namespace: str, maker: FoldMaker, group: str) -> Verdict:
    """The verdict on a namespace whose workers have come to the end of a log that they saw from its start."""
    return judge(*expectation(bootstrap, namespace, maker, group), published(bootstrap, namespace))


def newest_checkpoint(reader: LogReader, namespace: str, group: str, partition: int) -> tuple[int, bytes] | None:
    """(offset, state) of the checkpoint that a restore would take."""
    source = topics.full_name(topics.TICKS, namespace)
    prefix = checkpoints.key_prefix(group, source, partition)
    chosen = checkpoints.best(reader.checkpoints(topics.full_name(topics.CHECKPOINTS, namespace), partition, prefix))
    if chosen is None:
        return None
    record = schemas.decode(chosen.value)
    assert isinstance(record, schemas.Checkpoint)
    return record.offset, record.state
