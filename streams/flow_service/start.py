"""Where the service begins: behind its best checkpoint, or some time before the end of its topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import schemas
from schemas import Checkpoint
from streams import kafka, topics
from streams.flow.fold import GREEKS, TRADES, BadCheckpoint, Context, Final, from_bytes, offsets
from streams.flow_service import checkpoints
from streams.flow_service.checkpoints import Identity, Stand
from streams.flow_service.seeds import seeds
from streams.flow_service.settings import FoldSettings
from streams.reader.source import window_starts
from streams.worker.log_reader import LogReader

TOPIC_OF = {GREEKS: topics.GREEKS, TRADES: topics.TRADES}
S_PER_HOUR = 3_600.0

Lane = tuple[str, int]
Say = Callable[..., None]


class Start(NamedTuple):
    """What the service goes on from."""

    final: Final
    epoch: int
    first: dict[Lane, int]
    """The first offset to read, by lane."""
    log_id: str
    """Ids of the topics read; a checkpoint is of use for these alone."""
    slot: int = 0
    """Where the first checkpoint goes."""
    is_new_epoch: bool = False
    """Its first checkpoint is written before its first record: no epoch is opened twice, and a cold start stays one if it is killed."""


def find(
    bootstrap: str, settings: FoldSettings, context: Context, identity: Identity, *, is_cold: bool, say: Say
) -> Start:
    """The start; ``is_cold`` asks for a cold one, under the next epoch."""
    names = {short: settings.name(topic) for short, topic in TOPIC_OF.items()}
    reader = LogReader(bootstrap)
    try:
        ids = [reader.log_id(names[short]) for short in sorted(names)]
        log_id = "/".join(ids)
        edges = {
            (short, partition): edge
            for short, name in names.items()
            for partition, edge in kafka.watermarks(bootstrap, name, context.partitions).items()
        }
        found = _pieces(reader, settings)
    finally:
        reader.close()
    if not is_cold:
        resumed = _resumed(found, log_id, edges, context, identity, say)
        if resumed is not None:
            return resumed
    first = _cold_offsets(bootstrap, settings, names, context)
    epoch = checkpoints.next_epoch(found)
    say("flow_cold_start", epoch=epoch, is_asked_for=is_cold, first={f"{s}/{p}": at for (s, p), at in first.items()})
    return Start(Final(flow=seeds(settings, context.flow, say)), epoch, first, log_id, is_new_epoch=True)


def _pieces(reader: LogReader, settings: FoldSettings) -> list[tuple[str, Checkpoint]]:
    group = settings.group_name
    name = settings.name(topics.CHECKPOINTS)
    items = reader.checkpoints(name, checkpoints.partition(group), checkpoints.prefix(group).encode())
    # of each key the last counts: what compaction has not taken yet is older
    found = {item.key.decode(): schemas.decode(item.value) for item in items}
    return [(key, record) for key, record in found.items() if isinstance(record, Checkpoint)]


def _resumed(
    found: list[tuple[str, Checkpoint]],
    log_id: str,
    edges: Mapping[Lane, tuple[int, int]],
    context: Context,
    identity: Identity,
    say: Say,
) -> Start | None:
    """The start behind the best checkpoint; None, and why is said, where that is of no use."""
    stands = checkpoints.stands(found)
    named = {f"{topic}/{partition}": edge for (topic, partition), edge in edges.items()}
    # Never one of an older epoch: what goes out under it is overruled by what this one has sent.
    for stand in [one for one in stands if one.epoch == stands[0].epoch]:
        problem = checkpoints.why_unusable(stand, log_id, named)
        if not problem:
            try:
                return _behind(stand, from_bytes(stand.state, context), found, edges, identity, say)
            except BadCheckpoint as error:
                problem = str(error)
        say("flow_checkpoint_unusable", epoch=stand.epoch, second_ns=stand.second_ns, why=problem)
    return None


def _behind(
    stand: Stand,
    final: Final,
    found: list[tuple[str, Checkpoint]],
    edges: Mapping[Lane, tuple[int, int]],
    identity: Identity,
    say: Say,
) -> Start:
    changed = checkpoints.changes(stand, identity)
    epoch = checkpoints.next_epoch(found) if changed else stand.epoch
    first = {lane: edge[0] for lane, edge in edges.items()}
    for name, offset in stand.offsets.items():
        topic, partition = name.rsplit("/", 1)
        first[topic, int(partition)] = offset + 1
    say("flow_resumes", epoch=epoch, second_ns=stand.second_ns, bytes=len(stand.state), changed=changed or None)
    return Start(final, epoch, first, stand.log_id, checkpoints.other_slot(stand.slot), bool(changed))


def _cold_offsets(
    bootstrap: str, settings: FoldSettings, names: Mapping[str, str], context: Context
) -> dict[Lane, int]:
    windows_s = {GREEKS: settings.chain_s, TRADES: settings.history_hours * S_PER_HOUR}
    n = len(context.partitions)
    return {
        (short, partition): at
        for short, name in names.items()
        for partition, at in window_starts(bootstrap, name, range(n), windows_s[short]).items()
    }


def vector(final: Final, first: Mapping[Lane, int]) -> dict[str, int]:
    """The offsets in a final state, as a checkpoint has them; of a lane that it has nothing of, what lies before its ``first``.

    While a cold start reads the trades of a day there is no greek in the state yet; they are read from where it began, not from the
    beginning of their topic.
    """
    behind = {**first, **offsets(final)}
    return {f"{topic}/{partition}": at - 1 for (topic, partition), at in sorted(behind.items())}
