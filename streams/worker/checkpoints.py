"""Which checkpoint a partition goes on from, and under which epoch.  Pure.

Epochs order the histories of a partition: every cold start, every reset and every change of settings, engine or CPU
opens the next.  Only the highest is read, so a late checkpoint of a worker that was stopped and woke changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas import Checkpoint
from streams import topics
from streams.worker.folds import Identity

FIRST_EPOCH = 1


class Found(NamedTuple):
    """A checkpoint record as it lies in its topic, not decoded: a state is large, and only one is wanted."""

    kafka_offset: int
    epoch: int
    offset: int
    value: bytes
    key: bytes = b""


class Bounds(NamedTuple):
    """A partition's log: first offset, and the offset that the next record will get."""

    start: int
    end: int


class Resume(NamedTuple):
    """Go on from a checkpoint.  ``opens_epoch``: its settings, engine or CPU differ, so the next epoch begins."""

    checkpoint: Checkpoint
    epoch: int
    opens_epoch: bool
    reason: str


class ColdStart(NamedTuple):
    """No usable checkpoint: fold silently from before the group's offset, under the next epoch."""

    epoch: int
    reason: str


def key_prefix(group: str, topic_name: str, partition: int) -> bytes:
    """What the key of every checkpoint of this partition begins with, whatever its epoch."""
    return topics.checkpoint_key(group, topic_name, partition, 0).removesuffix("0").encode()


def best(found: Iterable[Found]) -> Found | None:
    """Of the highest epoch, the checkpoint with the highest offset: a late one of a stopped twin may stand last."""
    return max(found, key=lambda item: (item.epoch, item.offset, -item.kafka_offset), default=None)


def opener(found: Iterable[Found], epoch: int) -> Found | None:
    """The first record under ``epoch``: of two workers that opened it at once, this one counts."""
    return min((item for item in found if item.epoch == epoch), key=lambda item: item.kafka_offset, default=None)


def why_unusable(checkpoint: Checkpoint, log_id: str, bounds: Bounds, state_format: int) -> str:
    """Empty if the log can be taken up after it; else what is wrong."""
    if checkpoint.log_id != log_id:
        return f"the topic was made anew (log_id {checkpoint.log_id}, now {log_id})"
    if checkpoint.offset < bounds.start - 1:
        return f"the log begins at {bounds.start}, past the checkpoint's offset {checkpoint.offset}"
    if checkpoint.offset >= bounds.end:
        return f"the log ends at {bounds.end}, before the checkpoint's offset {checkpoint.offset}"
    if checkpoint.state_format != state_format:
        return f"state format {checkpoint.state_format}, this engine reads {state_format}"
    return ""


def decide(checkpoint: Checkpoint | None, log_id: str, bounds: Bounds, identity: Identity) -> Resume | ColdStart:
    """What a worker does that has just been given the partition."""
    if checkpoint is None:
        return ColdStart(FIRST_EPOCH, "no checkpoint")
    problem = why_unusable(checkpoint, log_id, bounds, identity.state_format)
    if problem:
        return ColdStart(checkpoint.epoch + 1, problem)
    pairs = (
        ("settings", checkpoint.settings_hash, identity.settings_hash),
        ("engine", checkpoint.engine_version, identity.engine_version),
        ("CPU features", checkpoint.cpu_features, identity.cpu_features),
    )
    changes = [f"{name} {was} -> {now}" for name, was, now in pairs if was != now]
    if changes:
        return Resume(checkpoint, checkpoint.epoch + 1, True, "; ".join(changes))
    return Resume(checkpoint, checkpoint.epoch, False, "")


def is_history_due(last_ns: int, log_time_ns: int, every_ns: int) -> bool:
    """Whether log time has passed a grid point of the history since the last checkpoint kept there."""
    return log_time_ns // every_ns > last_ns // every_ns


def first_due_s(partition: int, n_partitions: int, now_s: float, every_s: float) -> float:
    """When a partition's next checkpoint is due: partitions are spread over the interval, so none waits for another."""
    phase_s = every_s * partition / n_partitions
    periods = (now_s - phase_s) // every_s + 1
    return phase_s + periods * every_s


def record(
    group: str,
    topic_name: str,
    partition: int,
    epoch: int,
    offset: int,
    log_id: str,
    log_time_ns: int,
    identity: Identity,
    state: bytes,
) -> Checkpoint:
    """A worker's checkpoint record (a fold's has a vector of offsets instead)."""
    return Checkpoint(
        group=group,
        topic=topic_name,
        partition=partition,
        epoch=epoch,
        offset=offset,
        offsets={},
        log_id=log_id,
        log_time_ns=log_time_ns,
        settings_hash=identity.settings_hash,
        engine_version=identity.engine_version,
        cpu_features=identity.cpu_features,
        state_format=identity.state_format,
        state=state,
    )
