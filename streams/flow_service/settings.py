"""Settings of the service of dealer flow: one frozen object, read once by the command that starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streams import topics


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """Everything the service is told.  Nothing here changes a byte of a record but what a cold start has seen."""

    namespace: str = ""
    """Prefix of topics and groups; empty: the live venue's."""
    group: str = ""
    """Whose checkpoints these are; empty: the namespace's own (``greekstream-flow``)."""
    out_suffix: str = ""
    """Records go to side topics that end so (flow.v1.S), for an experiment beside the live service; with a group of its own."""
    history_hours: Annotated[float, "hours"] = 24.0
    """A cold start reads so much of trades.v1 for the dealers' positions; more costs minutes: each partition has a record a second."""
    chain_s: float = 65.0
    """... and so much of greeks.v1, in which the whole chain stands."""
    thresholds_from: str = ""
    """A folder of ``greekstream history``: a cold start takes the labels' thresholds from the dealer flow in it, of ``table_days`` at
    most, instead of waiting a day for the first; empty: it waits.  A start from a checkpoint never looks, so that it repeats itself."""
    checkpoint_s: float = 30.0
    """Interval of checkpoints: what a crash repeats (identical), against about 1 MB written each time."""
    history_minutes: int = 15
    """One checkpoint per so many minutes of log time is kept in the history."""
    ahead_s: float = 60.0
    """A partition read so far ahead of the last one waits: the bound on what is held in memory."""
    batch: Annotated[int, "records"] = 2_000
    """Read at most so many between two looks at the rest."""
    confirm_s: float = 30.0
    """Kafka confirms records within this, or the service stops, and goes on from its checkpoint."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        if self.checkpoint_s <= 0.0 or self.ahead_s <= 0.0 or self.batch < 1 or self.history_minutes < 1:
            raise ValueError("want a positive checkpoint_s, ahead_s, batch and history_minutes")
        if self.out_suffix and not self.group:
            raise ValueError(f"out_suffix {self.out_suffix!r} wants a group of its own: set group too")

    @property
    def group_name(self) -> str:
        return self.group or topics.group_name(self.namespace, "flow")

    def name(self, topic: topics.Topic) -> str:
        """A topic's full name, without the suffix."""
        return topics.full_name(topic, self.namespace)
