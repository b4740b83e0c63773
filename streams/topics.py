"""The topics: one table says their names, keys, values, partitions, how long they keep what, and why.

Pure: nothing here talks to Kafka.  ``streams.kafka.create_topics`` makes them, ``greekstream topics`` prints them and
``greekstream doctor`` holds a broker against them.

Two profiles.  ``local`` keeps one namespace within 10 GB on a laptop: topics are bounded by size as well as by time.
``server`` keeps live namespaces by time alone.  Namespaces of recordings and simulations hold records of any date, so
they are kept by size in both, and accept any timestamp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas import (
    Audit,
    Checkpoint,
    Clock,
    CmeMark,
    DeadLetter,
    FeedGap,
    FeedStatus,
    Flow,
    FlowMerged,
    FlowStrike,
    Greeks,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    Reject,
    SettlementFixing,
    SettlementFlow,
    TradeGreeks,
    UnderlyingQuote,
    Watermark,
)
from streams.partitioning import N_PARTITIONS

MIB = 1024 * 1024
DAY_MS = 86_400_000
FOREVER = -1
LONG_MAX = 2**63 - 1

PROFILES = ("local", "server")
LIVE_NAMESPACES = ("", "testnet")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the table.  Sizes are bytes a partition, as they lie on the disk (zstd)."""

    name: str
    """Without namespace: ``<noun>.v<major>``."""
    key: str
    """What the key is, in words; instrument keys choose the partition (``streams.partitioning.partition_of``)."""
    values: tuple[type, ...]
    """Records that may stand here; empty where the value is no Avro record, or where it is still to come."""
    n_partitions: int
    cleanup: str
    """Kafka's cleanup.policy: ``delete``, ``compact`` or ``compact,delete``."""
    retention_ms: int
    """FOREVER for topics that compaction alone keeps small."""
    local_bytes: int
    """retention.bytes in profile ``local``; FOREVER where only compaction bounds it."""
    segment_bytes: int
    """segment.bytes in profile ``local``; ``server`` has 8 times that, but for the compacted ones."""
    written_by: str
    read_by: str
    why: str
    max_message_bytes: int = MIB
    is_later: bool = False
    """Belongs to a later capability: in the table, created on request only."""

    @property
    def short(self) -> str:
        """What the engine's results call it: ``greeks.v1`` -> ``greeks``, ``greeks.latest.v1`` -> ``latest``."""
        return _SHORT.get(self.name, self.name.rsplit(".v", 1)[0])

    @property
    def is_compacted(self) -> bool:
        return "compact" in self.cleanup


_SHORT = {
    "deribit.ticks.v1": "ticks",
    "greeks.latest.v1": "latest",
    "checkpoints.history.v1": "history",
    "feed.status.v1": "feed",
}

TICKS = Topic(
    "deribit.ticks.v1",
    "instrument; broadcasts: their kind",
    (
        OptionQuote,
        OptionTrade,
        InstrumentState,
        UnderlyingQuote,
        SettlementFixing,
        Clock,
        InstrumentSet,
        FeedGap,
    ),
    N_PARTITIONS,
    "delete",
    7 * DAY_MS,
    128 * MIB,
    16 * MIB,
    "ingest",
    "workers, recorders",
    "each partition is a complete, totally ordered market log; 7 days so that last week can be priced again",
)
GREEKS = Topic(
    "greeks.v1",
    "instrument; watermarks: watermark/<partition>",
    (Greeks, Watermark),
    N_PARTITIONS,
    "delete",
    7 * DAY_MS,
    144 * MIB,
    16 * MIB,
    "workers",
    "everyone",
    "the product; its last 65 s always hold the whole chain",
)
LATEST = Topic(
    "greeks.latest.v1",
    "instrument",
    (Greeks,),
    N_PARTITIONS,
    "compact",
    FOREVER,
    FOREVER,
    8 * MIB,
    "workers",
    "table-like and slow consumers",
    "the last row of each instrument, a tombstone at expiry: a table that can be read from its start",
)
REJECTS = Topic(
    "rejects.v1",
    "instrument",
    (Reject,),
    N_PARTITIONS,
    "compact,delete",
    7 * DAY_MS,
    8 * MIB,
    4 * MIB,
    "workers",
    "why, doctor",
    "why an instrument has no greeks; standing ones are written again every hour, so what is older than days is over",
)
TRADES = Topic(
    "trades.v1",
    "instrument; watermarks: watermark/<partition>",
    (TradeGreeks, Watermark),
    N_PARTITIONS,
    "delete",
    30 * DAY_MS,
    24 * MIB,
    8 * MIB,
    "workers",
    "flow",
    "every trade with the greeks of its moment; 30 days because flow is rebuilt from it",
)
AUDIT = Topic(
    "audit.v1",
    "instrument",
    (Audit,),
    N_PARTITIONS,
    "delete",
    30 * DAY_MS,
    24 * MIB,
    8 * MIB,
    "workers",
    "audit, A/B test",
    "ours against the venue, against Europeans and engine against engine, per instrument and minute",
)
CHECKPOINTS = Topic(
    "checkpoints.v1",
    "group/topic/partition/epoch",
    (Checkpoint,),
    N_PARTITIONS,
    "compact",
    FOREVER,
    FOREVER,
    4 * MIB,
    "workers, folds",
    "the same",
    "the acknowledgement: state and the offset it stands at; small segments, so that a restore reads little",
    max_message_bytes=2 * MIB,
)
CHECKPOINTS_HISTORY = Topic(
    "checkpoints.history.v1",
    "group/topic/partition/epoch",
    (Checkpoint,),
    N_PARTITIONS,
    "delete",
    7 * DAY_MS,
    48 * MIB,
    8 * MIB,
    "workers, folds",
    "replay",
    "one checkpoint per 15 min of log time, as long as the ticks live: where a rewind starts",
    max_message_bytes=2 * MIB,
)
DEADLETTER = Topic(
    "deadletter.v1",
    "none",
    (DeadLetter,),
    N_PARTITIONS,
    "delete",
    30 * DAY_MS,
    8 * MIB,
    4 * MIB,
    "everyone",
    "operators",
    "bytes that could not be decoded, with where they stood; the same number of partitions as what it is derived from",
)
FEED_STATUS = Topic(
    "feed.status.v1",
    "feed",
    (FeedStatus,),
    1,
    "compact",
    FOREVER,
    FOREVER,
    4 * MIB,
    "ingest, dealer flow",
    "doctor, readers",
    "claims: the offset of ingest's is the ingest epoch, so it has one partition and keeps its offsets",
)
SCHEMAS = Topic(
    "schemas.v1",
    "fingerprint, 16 hex digits",
    (),
    1,
    "compact",
    FOREVER,
    FOREVER,
    4 * MIB,
    "every writer",
    "readers",
    "writer schemas as JSON text: what an older reader needs to decode newer records",
)


def _later(
    name: str,
    key: str,
    written_by: str,
    values: tuple[type, ...] = (),
    read_by: str = "consumers",
    why: str = "a later capability",
) -> Topic:
    return Topic(
        name=name,
        key=key,
        values=values,
        n_partitions=1,
        cleanup="delete",
        retention_ms=30 * DAY_MS,
        local_bytes=32 * MIB,
        segment_bytes=8 * MIB,
        written_by=written_by,
        read_by=read_by,
        why=why,
        is_later=True,
    )


FLOW = Topic(
    "flow.v1",
    "currency",
    (Flow,),
    1,
    "delete",
    30 * DAY_MS,
    256 * MIB,
    32 * MIB,
    "flow",
    "consumers",
    "a few currencies, a record a second: one partition keeps them in the order of time; 30 days as the trades they rest on",
)
FLOW_STRIKES = Topic(
    "flow.strikes.v1",
    "currency",
    (FlowStrike,),
    1,
    "delete",
    30 * DAY_MS,
    256 * MIB,
    32 * MIB,
    "flow",
    "consumers",
    "the same by strike and expiry, every few seconds: its size is that of the chain",
)
FLOW_SETTLEMENTS = Topic(
    "flow.settlements.v1",
    "currency",
    (SettlementFlow,),
    1,
    "delete",
    365 * DAY_MS,
    8 * MIB,
    MIB,
    "flow",
    "consumers",
    "what was traded in each settlement window: a record an expiry, so that a year of them is small",
)
FLOW_MERGED = _later(
    "flow.merged.v1",
    "currency",
    "merge",
    (FlowMerged,),
    why="Deribit's and CME's dealer gamma side by side, every few seconds; nothing is added across venues",
)
CME_MARKS = _later(
    "cme.marks.v1",
    "product",
    "cme",
    (CmeMark,),
    read_by="merge",
    why="greeks and open interest of CME's options, the dealers' side assumed; one partition: a batch is read in its order",
)
SURFACE = _later("surface.v1", "expiry", "surface")
QUOTES = _later("quotes.v1", "instrument", "quoting")
FILLS = _later("fills.v1", "instrument", "quoting")
INVENTORY = _later("inventory.v1", "instrument", "quoting")
ALERTS = _later("alerts.v1", "instrument", "doctor")

FLOW_OUTPUTS = (FLOW, FLOW_STRIKES, FLOW_SETTLEMENTS)
"""What the service of dealer flow writes."""

NOW = (
    TICKS, GREEKS, LATEST, REJECTS, TRADES, AUDIT, CHECKPOINTS, CHECKPOINTS_HISTORY, DEADLETTER, FEED_STATUS, SCHEMAS,
    *FLOW_OUTPUTS,
)  # fmt: skip
LATER = (FLOW_MERGED, CME_MARKS, SURFACE, QUOTES, FILLS, INVENTORY, ALERTS)
ALL = NOW + LATER
_FIRST_WORDS = {topic.name.split(".")[0] for topic in ALL} | {"greekstream"}
BY_NAME = {topic.name: topic for topic in ALL}
BY_SHORT = {topic.short: topic for topic in ALL}


def check_namespace(namespace: str) -> str:
    """The namespace itself; ValueError when it cannot prefix a topic, or is the first word of a topic of the live one."""
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"namespace {namespace!r}: want lower-case letters, digits, - and _, at most 63 of them, no dot"
        )
    if namespace in _FIRST_WORDS:  # wiping namespace "greeks" would take greeks.v1
        raise ValueError(f"namespace {namespace!r} is the first word of a topic's name: choose another")
    return namespace


def full_name(topic: Topic, namespace: str = "", suffix: str = "") -> str:
    """Name on the broker: ``greeks.v1``, ``sim.greeks.v1``; with a suffix (replay's side topics) ``sim.greeks.v1.S``.

    ValueError for a namespace or a suffix that cannot stand in a name.
    """
    prefix = f"{check_namespace(namespace)}." if namespace else ""
    return f"{prefix}{topic.name}" + (f".{check_namespace(suffix)}" if suffix else "")


def split_name(name: str) -> tuple[str, Topic, str]:
    """(namespace, topic, suffix) of a name on the broker, or of a short name (``greeks``); KeyError if it is none."""
    if name in BY_SHORT:
        return "", BY_SHORT[name], ""
    parts = name.split(".")
    for start, namespace in ((0, ""), (1, parts[0])):
        for end, suffix in ((len(parts), ""), (len(parts) - 1, parts[-1])):
            topic = BY_NAME.get(".".join(parts[start:end]))
            if topic is not None:
                return namespace, topic, suffix
    raise KeyError(f"{name!r} is no topic of greekstream; known are: {', '.join(BY_NAME)}")


def group_name(namespace: str = "", role: str = "workers") -> str:
    """Consumer group: ``greekstream-workers``, ``sim.greekstream-workers``."""
    prefix = f"{check_namespace(namespace)}." if namespace else ""
    return f"{prefix}greekstream-{role}"


def checkpoint_key(group: str, topic_name: str, partition: int, epoch: int) -> str:
    """Key of a worker's checkpoint; ``topic_name`` with its namespace."""
    return f"{group}/{topic_name}/{partition}/{epoch}"


def is_kept_by_size(namespace: str, suffix: str = "") -> bool:
    """Whether records of any date may stand here: every namespace but the live ones, and replay's side topics."""
    return bool(suffix) or namespace not in LIVE_NAMESPACES


def config(topic: Topic, namespace: str = "", profile: str = "local", suffix: str = "") -> dict[str, str]:
    """The topic's configuration as Kafka wants it; all that matters is set, no broker's default shows through."""
    if profile not in PROFILES:
        raise ValueError(f"profile {profile!r}: want one of {', '.join(PROFILES)}")
    by_size = is_kept_by_size(namespace, suffix)
    scale = 1 if profile == "local" or topic.is_compacted else 8
    keeps_bytes = topic.local_bytes != FOREVER and (profile == "local" or by_size)
    values = {
        "cleanup.policy": topic.cleanup,
        "compression.type": "zstd",
        "retention.ms": FOREVER if by_size else topic.retention_ms,
        "retention.bytes": topic.local_bytes * scale if keeps_bytes else FOREVER,
        "segment.bytes": topic.segment_bytes * scale,
        "segment.ms": DAY_MS if topic.is_compacted else 7 * DAY_MS,
        "max.message.bytes": topic.max_message_bytes,
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": LONG_MAX if by_size else 3_600_000,
    }
    if topic.is_compacted:
        # One closed segment of repeats is enough to clean: the tables stay small, and a reader from the start is quick.
        values["min.cleanable.dirty.ratio"] = 0.2
        values["delete.retention.ms"] = DAY_MS
    return {name: str(value) for name, value in values.items()}


def local_bytes_at_most(topics: tuple[Topic, ...] = NOW) -> int:
    """Upper bound, bytes, of what delete-topics of one namespace keep on disk in profile ``local``.

    Kafka deletes whole segments, so that a partition holds up to one segment more than its limit.  Compacted topics
    are counted with three segments: the active one, one waiting to be cleaned, and the table itself.
    """
    per_partition = (
        (t.local_bytes + t.segment_bytes if t.local_bytes != FOREVER else 3 * t.segment_bytes) for t in topics
    )
    return sum(bytes_ * t.n_partitions for bytes_, t in zip(per_partition, topics, strict=True))
