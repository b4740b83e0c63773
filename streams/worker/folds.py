"""What a worker asks of the pure core: a fold over one partition's log, bytes in and bytes out.

The worker knows no option and no price.  ``streams.worker.pricing`` makes these of ``streams.engine``; the chaos tests
also run a checksum, which shows any record lost, repeated or out of order at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class RawRecord(NamedTuple):
    """A record of the log as it came from Kafka."""

    offset: int
    value: bytes | None
    ingest_wall_ns: int | None
    """Header of the same name: when ingest wrote it, for the measurement of latency only."""


class Outgoing(NamedTuple):
    """A result, encoded.  Its identity is (log_id, partition, source_offset, result_seq)."""

    topic: str
    """Short name of ``streams.topics``: greeks, latest, rejects, trades, audit, deadletter."""
    key: bytes
    value: bytes | None
    """None: a tombstone."""
    ts_ns: int
    """Log time, which becomes the Kafka timestamp (in ms)."""
    source_offset: int
    result_seq: int
    what: tuple[int, ...] = ()
    """What it is counted under beside its topic; no part of the result."""


class Coverage(NamedTuple):
    """How much of a partition is priced, at one of its Clocks.  Options only."""

    log_time_ns: int
    waits_for: str
    """What a partition that prices nothing yet waits for; empty when it is ready."""
    n_listed: int
    n_priced: int
    """With a finite price and delta in the last 60 s of log time, as the Watermark has it."""
    rejected: dict[str, int]
    """Standing rejects by reason."""
    open_interest_listed_usd: float
    open_interest_priced_usd: float
    """Open interest at the index price; an option whose interest or index is not known weighs nothing."""
    log_events: dict[str, int]
    """What the engine has counted in the log, since the partition's cold start."""


class Fold(Protocol):
    """The core of one partition.  A state given to ``step`` is used up: only the returned one may be kept."""

    def new_state(self) -> Any: ...

    def step(self, state: Any, records: Sequence[RawRecord]) -> tuple[Any, list[Outgoing]]: ...

    def snapshot(self, state: Any) -> bytes: ...

    def restore(self, data: bytes) -> Any: ...

    def log_time_ns(self, state: Any) -> int:
        """0 before the first record that has one."""
        ...

    def is_ready(self, state: Any) -> bool: ...

    def coverage(self) -> Coverage | None:
        """As of a Clock stepped over since it was asked last; None before the first, and for a fold that knows none.

        Not of a state: this is asked by the loop, while the kernel thread may be using the state up.
        """
        ...


class Identity(NamedTuple):
    """What makes two folds of one log give the same bytes; a checkpoint carries it."""

    settings_hash: str
    engine_version: str
    cpu_features: str
    state_format: int


class FoldMaker(Protocol):
    """Makes the folds of a process: one per partition."""

    identity: Identity

    def fold(self, partition: int, log_id: str) -> Fold: ...

    def warm_up(self) -> None:
        """Compile and run every kernel once, so that the first batch does not pay for it."""
        ...


def load_maker(path: str, *, bootstrap: str, namespace: str) -> FoldMaker:
    """The maker named ``module:function``; the function is called with ``bootstrap`` and ``namespace``."""
    module, _, function = path.partition(":")
    maker: FoldMaker = getattr(importlib.import_module(module), function)(bootstrap=bootstrap, namespace=namespace)
    return maker
