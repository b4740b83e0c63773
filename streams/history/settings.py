"""Where history lies and how it is written.  Environment: GREEKSTREAM_HISTORY_<NAME>."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from schemas import Trigger
from streams import topics

KNOWN = ("greeks", "trades", "flow", "audit", "flow_strikes", "flow_settlements", "flow_merged", "cme_marks")
"""Names of ``streams.history.tables``, which needs pyarrow; a test holds the two together."""
LIVE = "live"
"""The folder of what has no namespace."""


@dataclass(frozen=True)
class HistorySettings:
    """Of ``greekstream history`` and the questions that it answers."""

    namespace: str = ""
    """Prefix of topics; empty for the live venue."""
    folder: Path = Path("history")
    """Where the files lie, in a folder for each namespace: anything that reads Parquet reads them."""
    tables: tuple[str, ...] = ("greeks", "trades", "flow", "audit")
    """What is written; others are flow_strikes, flow_settlements, flow_merged, cme_marks."""
    triggers: tuple[str, ...] = ()
    """Rows of greeks that are written, by what made them; empty: all.  ``TIME,SNAPSHOT,EXPIRY`` is one a minute of each instrument."""
    flush_s: float = 900.0
    """A file holds at most what came in this time: shorter means more and smaller files, longer means more read again after a crash."""
    buffer_rows: Annotated[int, "rows"] = 100_000
    """Rows of a table in memory at most, 0.1 GB of the widest; then they are written, whatever the time."""

    buffer_mb: Annotated[int, "MiB"] = 32
    """The same by bytes as they lie in Kafka: a record of dealer flow is many times as large as a row of greeks."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        topics.check_namespace(self.namespace)
        unknown = [name for name in self.tables if name not in KNOWN]
        if unknown or not self.tables:
            raise ValueError(f"tables {self.tables}: want some of {', '.join(KNOWN)}")
        unknown = [name for name in self.triggers if name not in Trigger.__members__]
        if unknown:
            raise ValueError(f"triggers {self.triggers}: want some of {', '.join(Trigger.__members__)}")
        for name in ("flush_s", "buffer_rows", "buffer_mb"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; want a positive number")

    @property
    def place(self) -> Path:
        """Folder of the namespace."""
        return self.folder / (self.namespace or LIVE)
