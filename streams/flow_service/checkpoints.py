"""The fold's checkpoints: a state in pieces, for it is larger than a record may be.  Pure.

The pieces of one state have its second in common, and stand under keys of their own in one of two slots, used in turn: while one
state is written, the one before it stays whole.  Each start takes the pair that the state it goes on from is not in: what one that was
asleep still has to write tears nothing of its successor's.  A state whose pieces are not all there is none; what they hold is checked
by the checksum in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas import Checkpoint
from streams.flow.fold import READABLE, STATE_FORMAT
from streams.partitioning import partition_of

PIECE_BYTES = 400 * 1024
PAIR, N_PAIRS = 2, 2
"""Slots that one process uses in turn, and how many such pairs there are."""
FIRST_EPOCH = 1


class Stand(NamedTuple):
    """What a checkpoint says of itself, and the state's bytes."""

    epoch: int
    second_ns: int
    offsets: Mapping[str, int]
    """``topic/partition`` -> last offset in the state."""
    log_id: str
    settings_hash: str
    engine_version: str
    cpu_features: str
    state_format: int
    state: bytes
    slot: int = 0
    """Where it lies; the next one goes into the other."""


class Identity(NamedTuple):
    """What makes two folds of the same lanes give the same bytes."""

    settings_hash: str
    engine_version: str
    cpu_features: str


def partition(group: str) -> int:
    """All pieces of a group's checkpoints lie in one partition of checkpoints.v1."""
    return partition_of(group)


def prefix(group: str) -> str:
    """What the keys of a group's checkpoints begin with."""
    return f"{group}/flow/"


def pieces(group: str, topic_name: str, stand: Stand) -> list[tuple[str, Checkpoint]]:
    """(key, record) of each piece."""
    parts = [stand.state[at : at + PIECE_BYTES] for at in range(0, len(stand.state), PIECE_BYTES)]
    return [
        (
            f"{prefix(group)}{stand.epoch}/{stand.slot}/{i}",
            Checkpoint(
                group, topic_name, i, stand.epoch, len(parts), dict(stand.offsets) if i == 0 else {}, stand.log_id,
                stand.second_ns, stand.settings_hash, stand.engine_version, stand.cpu_features, stand.state_format, part,
            ),
        )
        for i, part in enumerate(parts)
    ]  # fmt: skip


def stands(found: Iterable[tuple[str, Checkpoint]]) -> list[Stand]:
    """The whole states among the pieces (key, record), best first: the highest epoch, of it the newest second."""
    by_state: dict[tuple[int, int, int, int], dict[int, Checkpoint]] = {}
    for key, piece in found:
        slot = int(key.split("/")[-2])
        by_state.setdefault((piece.epoch, piece.log_time_ns, piece.offset, slot), {})[piece.partition] = piece
    whole = []
    for (epoch, second_ns, n_pieces, slot), parts in by_state.items():
        if sorted(parts) != list(range(n_pieces)):
            continue
        first = parts[0]
        whole.append(
            Stand(
                epoch, second_ns, first.offsets, first.log_id, first.settings_hash, first.engine_version,
                first.cpu_features, first.state_format, b"".join(parts[i].state for i in range(n_pieces)), slot,
            )
        )  # fmt: skip
    return sorted(whole, key=lambda stand: (stand.epoch, stand.second_ns), reverse=True)


def next_epoch(found: Iterable[tuple[str, Checkpoint]]) -> int:
    """The one after the highest that anything was written under, whole or not."""
    return max((piece.epoch for _, piece in found), default=FIRST_EPOCH - 1) + 1


def other_slot(slot: int) -> int:
    """The other one of its pair."""
    return slot + 1 if slot % PAIR == 0 else slot - 1


def next_pair(slot: int) -> int:
    """The first slot of the pair that this one is not in."""
    return (slot // PAIR + 1) % N_PAIRS * PAIR


def why_unusable(stand: Stand, log_id: str, edges: Mapping[str, tuple[int, int]]) -> str:
    """Empty if the topics can be taken up behind it; else what is wrong.  ``edges``: (first offset, end) by topic/partition."""
    if stand.log_id != log_id:
        return f"the topics were made anew (ids {stand.log_id}, now {log_id})"
    if stand.state_format not in READABLE:
        return f"state format {stand.state_format}, this fold reads {STATE_FORMAT}"
    for name, offset in stand.offsets.items():
        if name not in edges:
            return f"{name} is gone"
        first, end = edges[name]
        if not first - 1 <= offset < end:
            return f"{name} has records {first} to {end - 1}, the checkpoint stands at {offset}"
    return ""


def changes(stand: Stand, identity: Identity) -> str:
    """In what the writer of the checkpoint differed from us; empty: in nothing."""
    pairs = (
        ("settings", stand.settings_hash, identity.settings_hash),
        ("engine", stand.engine_version, identity.engine_version),
        ("state format", stand.state_format, STATE_FORMAT),
        ("CPU features", stand.cpu_features, identity.cpu_features),
    )
    return "; ".join(f"{name} {was} -> {now}" for name, was, now in pairs if was != now)
