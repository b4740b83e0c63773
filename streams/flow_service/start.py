"""Where the service begins: behind its best checkpoint, or some time before the end of its topics; and where it begins anew, when what
it reads is no continuation of what it has read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import schemas
from schemas import Checkpoint
from streams import kafka, topics
from streams.flow.fold import GREEKS, TRADES, BadCheckpoint, Context, Final, Mark, from_bytes, offsets
from streams.flow.fold.lanes import NEVER, NS_PER_S, RESET_S
from streams.flow_service import checkpoints
from streams.flow_service.checkpoints import Identity, Stand
from streams.flow_service.output import Reset
from streams.flow_service.seeds import seeds
from streams.flow_service.settings import FoldSettings
from streams.reader.source import window_starts
from streams.worker.log_reader import LogReader

TOPIC_OF = {GREEKS: topics.GREEKS, TRADES: topics.TRADES}
S_PER_HOUR = 3_600.0
SCAN = 2_000
"""Messages read at once when only their epochs are looked at."""

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
    fresh: frozenset[Lane] = frozenset()
    """Lanes whose ``first`` is where their worker went on after it was set back: nothing of another history is read of them."""
    is_new_epoch: bool = False
    """Its first checkpoint is written before its first record: no epoch is opened twice, and a cold start stays one if it is killed."""


class Beginning:
    """Where a service of these settings begins."""

    def __init__(self, bootstrap: str, settings: FoldSettings, context: Context, identity: Identity, say: Say) -> None:
        self._bootstrap, self._settings, self._context, self._identity = bootstrap, settings, context, identity
        self._say = say
        self._names = {short: settings.name(topic) for short, topic in TOPIC_OF.items()}

    def find(self, *, is_cold: bool) -> Start:
        """The start; ``is_cold`` asks for a cold one, under the next epoch."""
        log_id, edges, found = self._look()
        if not is_cold:
            resumed = _resumed(found, log_id, edges, self._context, self._identity, self._say)
            if resumed is not None:
                return resumed
        return self._cold(log_id, edges, found, {}, "asked for" if is_cold else "no checkpoint is of use")

    def anew(self, start: Start, marks: Mapping[Lane, Mark], reset: Reset) -> Start:
        """A cold start of one that began at ``start``, has read each lane up to its mark, and cannot go on; why is said.

        Of each lane only what its worker has written since it was set back is read: what it has written under a higher epoch, and
        where there is nothing of that yet, what comes.
        """
        log_id, edges, found = self._look()
        if log_id != start.log_id:
            return self._cold(log_id, edges, found, {}, str(reset), start.epoch)
        floors, fresh = self._floors(start, marks, edges, reset)
        return self._cold(log_id, edges, found, floors, str(reset), start.epoch)._replace(fresh=fresh)

    def why_other(self, log_id: str) -> str:
        """Empty while the topics are those of this id; else what has become of them."""
        now = "/".join(kafka.topic_id(self._bootstrap, self._names[short]) for short in sorted(self._names))
        return "" if now == log_id else f"the topics were made anew (ids {log_id}, now {now})"

    def _look(self) -> tuple[str, dict[Lane, tuple[int, int]], list[tuple[str, Checkpoint]]]:
        """(ids of the topics, first offset and end of each lane, pieces of checkpoints)."""
        reader = LogReader(self._bootstrap)
        try:
            log_id = "/".join(reader.log_id(self._names[short]) for short in sorted(self._names))
            edges = {
                (short, partition): edge
                for short, name in self._names.items()
                for partition, edge in kafka.watermarks(self._bootstrap, name, self._context.partitions).items()
            }
            return log_id, edges, _pieces(reader, self._settings)
        finally:
            reader.close()

    def _cold(
        self,
        log_id: str,
        edges: Mapping[Lane, tuple[int, int]],
        found: list[tuple[str, Checkpoint]],
        floors: Mapping[Lane, int],
        why: str,
        epoch_before: int = 0,
    ) -> Start:
        windows = _cold_offsets(self._bootstrap, self._settings, self._names, self._context)
        first = {lane: max(at, floors.get(lane, 0)) for lane, at in windows.items()}
        epoch = max(checkpoints.next_epoch(found), epoch_before + 1)
        places = {f"{short}/{partition}": at for (short, partition), at in first.items()}
        self._say("flow_cold_start", epoch=epoch, why=why, first=places)
        final = Final(flow=seeds(self._settings, self._context.flow, self._say))
        return Start(final, epoch, first, log_id, is_new_epoch=True)

    def _floors(
        self, start: Start, marks: Mapping[Lane, Mark], edges: Mapping[Lane, tuple[int, int]], reset: Reset
    ) -> tuple[dict[Lane, int], frozenset[Lane]]:
        """(the first offset that may be read of each lane, those of them at which a new history was found)."""
        floors, fresh = dict(start.first), set(start.fresh)
        reader = LogReader(self._bootstrap)
        try:
            for lane, mark in marks.items():
                # all of it that is known is of the new history, or nothing is: if it is not, it will show itself
                if lane != reset.lane and (mark.offset == NEVER or lane in fresh or _is_behind(mark, reset)):
                    continue
                end = edges[lane][1]
                at = _new_epoch_at(reader, self._names[lane[0]], lane[1], mark.offset + 1, end, mark.epoch)
                floors[lane] = end if at is None else at
                if at is not None:
                    fresh.add(lane)
        finally:
            reader.close()
        return floors, frozenset(fresh)


def _is_behind(mark: Mark, reset: Reset) -> bool:
    """Whether a lane stands in the history that the Watermark of a reset is of, and not in the one before it."""
    by = reset.by
    return (
        by is not None and mark.log_id == by.log_id and mark.log_time_ns <= by.log_time_ns + round(RESET_S * NS_PER_S)
    )


def _new_epoch_at(reader: LogReader, name: str, partition: int, begin: int, end: int, epoch: int) -> int | None:
    """Offset of the first record from ``begin`` on that is of an epoch higher than this one; None where there is none."""
    while begin < end:
        messages = reader.read(name, partition, begin, end, SCAN)
        if not messages:
            break
        for message in messages:
            if epoch_of(message) > epoch:
                return int(message.offset())
        begin = messages[-1].offset() + 1
    return None


def epoch_of(message: Any) -> int:
    """Of the worker's state; 0 for a record that other tools have written."""
    headers = dict(message.headers() or ())
    try:
        return int(headers["epoch"])
    except (KeyError, ValueError):
        return 0


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
    return Start(final, epoch, first, stand.log_id, checkpoints.next_pair(stand.slot), is_new_epoch=bool(changed))


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
