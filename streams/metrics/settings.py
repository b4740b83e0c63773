"""Where a process serves its metrics, and what counts as ready.  Environment: GREEKSTREAM_METRICS_<NAME>."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

MOST_WORKERS = 16
HIGHEST_PORT = 65_535


@dataclass(frozen=True)
class MetricsSettings:
    """One process's page; read by the command that starts it."""

    port: Annotated[int, "port"] = 0
    """0: none is served.  ``greekstream up`` serves its own here, its worker i at this + 1 + i, its ingest at this + 17,
    its dealer flow at this + 18, its cme and merge at this + 19 and + 20."""
    host: str = "127.0.0.1"
    """Address to bind to.  The page asks for no password: beyond loopback only where nothing else can reach it."""
    ready_coverage: Annotated[float, "fraction"] = 0.99
    """Ready needs so much of the chain priced, by count and by open interest.  As ``greekstream doctor`` has it."""
    ready_lag: Annotated[int, "records"] = 10_000
    """More records not applied than this, over a worker's partitions: catching up.  About 10 s of a busy venue."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        if not 0 <= self.port <= HIGHEST_PORT - MOST_WORKERS - 2:
            raise ValueError(f"port={self.port}: want 0 (none) to {HIGHEST_PORT - MOST_WORKERS - 2}")
        if not 0.0 <= self.ready_coverage <= 1.0:
            raise ValueError(f"ready_coverage={self.ready_coverage}: want 0 to 1")
        if self.ready_lag < 0:
            raise ValueError(f"ready_lag={self.ready_lag}: want 0 or more")


def port_of_worker(base: int, worker_id: int) -> int:
    """Port of a supervised worker; 0 where none is served."""
    return base + 1 + worker_id if base else 0


def port_of_ingest(base: int) -> int:
    """Port of an ingest beside its workers; 0 where none is served."""
    return base + 1 + MOST_WORKERS if base else 0


def port_of_flow(base: int) -> int:
    """Port of the service of dealer flow beside workers; 0 where none is served."""
    return base + 2 + MOST_WORKERS if base else 0


def port_of_cme(base: int) -> int:
    """Port of the service of CME's files beside workers; 0 where none is served."""
    return base + 3 + MOST_WORKERS if base else 0


def port_of_merge(base: int) -> int:
    """Port of the service that merges CME's exposure with Deribit's, beside workers; 0 where none is served."""
    return base + 4 + MOST_WORKERS if base else 0
