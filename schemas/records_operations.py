"""Records that keep the pipeline going: checkpoints, dead letters, claims and states of feeds.

Meaning and unit of every field: its ``doc`` in avsc/<Record>.avsc.  Times are ns UTC, vols are fractions, None is
"not known".
"""

from __future__ import annotations

from typing import NamedTuple


class Checkpoint(NamedTuple):
    """State of a partition or fold, and where in the log it stands."""

    group: str
    topic: str
    partition: int
    epoch: int
    offset: int
    offsets: dict[str, int]
    log_id: str
    log_time_ns: int
    settings_hash: str
    engine_version: str
    cpu_features: str
    state_format: int
    state: bytes


class DeadLetter(NamedTuple):
    """Bytes that could not be decoded, and where they lie."""

    source_topic: str
    source_partition: int
    source_offset: int
    reason: str
    detail: str
    payload: bytes


class FeedStatus(NamedTuple):
    """A claim, or the state of a feed.  Keyed by feed."""

    feed: str
    ingest_epoch: int
    state: str
    since_ns: int
    lag_ms_by_channel: dict[str, float]
    n_conflated: int
    n_clamped: int
    n_gaps: int
    detail: str
