"""Settings of a worker: one frozen object, read once by the command that starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streams import topics

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_MIN = 60 * NS_PER_S
PRICING = "streams.worker.pricing:make"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Everything a worker is told.  Nothing here may change a byte of a result: that is what the engine's own settings do."""

    bootstrap: str = ""
    """Kafka of this worker, host:port; empty: KAFKA_BOOTSTRAP, else the local broker."""
    worker_id: Annotated[int, "id"] = 0
    """0 to 15; the static membership id is ``<group>-w00`` .. ``w15``, given by the supervisor."""
    namespace: str = ""
    """Prefix of topics and groups; empty: the live venue's."""
    group: str = ""
    """Consumer group; empty: the namespace's own (``greekstream-workers``)."""
    max_rows: Annotated[int, "records"] = 512
    """A batch at most: the bound on how long one kernel call holds back what comes after it."""
    short_rows: Annotated[int, "records"] = 32
    """So many are computed in the event loop itself: a thread is handed what would hold up Kafka's answers for longer."""
    checkpoint_s: float = 2.0
    """Interval of a partition's checkpoints, staggered over it: what a crash repeats, against bytes written."""
    history_minutes: int = 15
    """One checkpoint per so many minutes of log time is kept in the history, where a rewind starts."""
    cold_start_minutes: int = 65
    """A cold start folds so much log silently: an hourly snapshot lies in it."""
    session_timeout_s: float = 10.0
    """After so long without a heartbeat the broker gives the partitions to others."""
    commit_s: float = 2.0
    """Interval at which acknowledged offsets are committed; more often than checkpoints come says nothing new."""
    idle_s: float = 2.0
    """An owned partition without an event for so long is compared with the log's end, and filled from the log."""
    stop_within_s: float = 12.0
    """A graceful stop that takes longer is cut off; what it left undone comes again, identical."""
    report_s: float = 1.0
    """Interval of the worker's line of figures."""
    fold: str = PRICING
    """``module:function`` that makes the pure core; tests put a checksum here."""
    slow_share: Annotated[float, "fraction"] = 0.0
    """Tests only: share of kernel calls that are slowed down."""
    slow_s: float = 0.0
    """Tests only: by how much at most."""
    slow_seed: Annotated[int, "seed"] = 0
    """Tests only: of the choice of those calls, so that a failure can be run again."""
    parent_pid: Annotated[int, "process id"] = 0
    """The supervisor's pid; a worker whose parent is another one stops (where the kernel does not tell it)."""
    report_fd: Annotated[int, "file descriptor"] = 0
    """A pipe to the supervisor, given by it; 0: none."""
    host: str = ""
    """Name in the results' ``host`` header; empty: the machine's."""

    @property
    def group_name(self) -> str:
        return self.group or topics.group_name(self.namespace)

    @property
    def member_id(self) -> str:
        """Static membership id: the same worker comes back with it, and no other worker notices."""
        return f"{self.group_name}-w{self.worker_id:02d}"

    @property
    def source_topic(self) -> str:
        return topics.full_name(topics.TICKS, self.namespace)
