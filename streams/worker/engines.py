"""The engines of a worker, one per owned partition, and the rule that a state takes only the next offset."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from streams.worker.delivery import Ticket
from streams.worker.folds import Fold, RawRecord


class Event(Protocol):
    """What is used of a Faust event."""

    message: Any


E = TypeVar("E", bound=Event)


class Run(NamedTuple):
    """Events of one partition whose offsets follow each other without a hole."""

    partition: int
    events: list[Any]

    @property
    def first(self) -> int:
        offset: int = self.events[0].message.offset
        return offset

    @property
    def last(self) -> int:
        offset: int = self.events[-1].message.offset
        return offset


def contiguous_runs(events: Iterable[E], admits: Callable[[int, int | None], bool]) -> list[Run]:
    """Admitted events by partition, in the order they came, cut wherever an offset is not the next one."""
    runs: dict[int, list[Run]] = defaultdict(list)
    for event in events:
        message = event.message
        if not admits(message.partition, message.generation_id):
            continue
        of_partition = runs[message.partition]
        if of_partition and of_partition[-1].last + 1 == message.offset:
            of_partition[-1].events.append(event)
        else:
            of_partition.append(Run(message.partition, [event]))
    return [run for of_partition in runs.values() for run in of_partition]


class Cut(NamedTuple):
    """What a state at ``offset`` does with a run: ``n_known`` events are at or below it; the rest follow, or there is
    a hole before them."""

    n_known: int
    has_hole: bool


def cut(offset: int, run: Run) -> Cut:
    """Contiguity: at or below the state's offset skip, its results are out; beyond the next one never go on."""
    n_known = min(len(run.events), max(0, offset + 1 - run.first))
    return Cut(n_known, run.first > offset + 1)


@dataclass(slots=True, eq=False)
class Engine:
    """One partition's fold with its state."""

    partition: int
    fold: Fold
    epoch: int
    state: Any
    offset: int
    """Last offset applied; the log's start - 1 or the cold start's, if none."""
    log_id: str
    checkpointed: int = -2
    """Offset of the last confirmed checkpoint under this epoch."""
    history_ns: int = 0
    """Log time of the last checkpoint put into the history."""
    held: list[Any] = field(default_factory=list)
    """Events whose results are out and which no checkpoint covers yet."""
    tickets: list[Ticket] = field(default_factory=list)
    """Results sent and not yet confirmed."""
    last_event_s: float = 0.0
    handed: int = -1
    """Last offset that Faust has handed over, or that a restore has made known.  Behind ``offset`` when the worker reads the
    log by itself because Faust does not."""
    n_handed: int = 0
    """Records that Faust has handed over since the restore, known ones too."""
    covered_s: float = 0.0
    """Monotonic time of the last confirmed checkpoint, or of the restore."""
    checkpoint_bytes: int = 0
    """Size of the newest checkpoint written by this process."""

    def hold(self, events: Iterable[Any]) -> None:
        self.held.extend(events)

    def release(self, offset: int) -> list[Any]:
        """Take out the held events at or below ``offset``."""
        done = [event for event in self.held if event.message.offset <= offset]
        self.held = [event for event in self.held if event.message.offset > offset]
        return done

    def unconfirmed(self) -> list[Ticket]:
        """Results still on their way; forgets those that have arrived."""
        self.tickets = [ticket for ticket in self.tickets if not ticket.is_confirmed]
        return list(self.tickets)


class Engines:
    """Engines by partition, with one lock a partition: whoever works with a state holds it across his awaits."""

    def __init__(self) -> None:
        self._engines: dict[int, Engine] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    def __iter__(self) -> Iterator[Engine]:
        return iter(list(self._engines.values()))

    def get(self, partition: int) -> Engine | None:
        return self._engines.get(partition)

    def put(self, engine: Engine) -> None:
        self._engines[engine.partition] = engine

    def drop(self, partition: int) -> None:
        self._engines.pop(partition, None)

    def drop_all(self) -> None:
        """On revocation: states and held events go, and what is held by a running call is abandoned by its fence."""
        self._engines.clear()

    def lock(self, partition: int) -> asyncio.Lock:
        return self._locks[partition]


def raw_of(message: Any) -> RawRecord:
    """A Faust message as the fold takes it."""
    return RawRecord(message.offset, message.value, ingest_wall_of(message.headers))


def ingest_wall_of(headers: Any) -> int | None:
    """The ``ingest_wall_ns`` header (decimal text) of a dict or list of headers, or None."""
    pairs: Sequence[Any] = list(headers.items()) if isinstance(headers, dict) else (headers or ())
    for name, value in pairs:
        if name == "ingest_wall_ns" and value is not None:
            try:
                return int(value)
            except ValueError:
                return None
    return None
