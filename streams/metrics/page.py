"""The newest figures of a process.  Its loop puts them here once a second; the server's thread reads them.

Figures are immutable, and putting them is one assignment: no lock, and nobody waits for anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from streams.metrics.exposition import Samples

F = TypeVar("F")

STALL_S = 10.0
"""A loop that has put nothing for so long is stuck: it does so every second, and nothing in it may take a tenth of that."""


class Readiness(NamedTuple):
    """Whether the process does what it is for; if not, every reason why."""

    reasons: tuple[str, ...]
    coverage: float | None = None
    """Priced over listed options, by count."""
    open_interest_coverage: float | None = None

    @property
    def is_ready(self) -> bool:
        return not self.reasons


def ratio(part: float, whole: float) -> float | None:
    """Their ratio; None of nothing."""
    return part / whole if whole > 0 else None


def why_not_covered(coverage: float | None, open_interest_coverage: float | None, least: float) -> list[str]:
    """Reasons against readiness from coverage, by count and by open interest (None: nothing to cover)."""
    reasons = []
    for name, have in (("coverage", coverage), ("coverage by open interest", open_interest_coverage)):
        if have is not None and have < least:
            # downwards, so that 0.9899 does not read 0.990 < 0.99
            reasons.append(f"{name} {int(have * 1_000) / 1_000:.3f} < {least:g}")
    return reasons


class Page(Generic[F]):
    """Where a loop leaves its figures.

    Parameters: ``role`` of the table; ``samples`` and ``readiness`` make of figures what is served; they are called in the
    server's thread.
    """

    def __init__(
        self,
        role: str,
        samples: Callable[[F], Samples],
        readiness: Callable[[F], Readiness],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.role = role
        self._to_samples, self._to_readiness, self._clock = samples, readiness, clock
        self._newest: tuple[F, float] | None = None

    def put(self, figures: F) -> None:
        """Leave the newest figures, which nobody changes any more."""
        self._newest = (figures, self._clock())

    def why_unhealthy(self) -> str:
        """Empty while the loop turns."""
        newest = self._newest
        if newest is None:
            return "starting: the loop has not turned yet"
        age_s = self._clock() - newest[1]
        return f"the loop has not turned for {age_s:.0f} s" if age_s > STALL_S else ""

    def readiness(self) -> Readiness:
        """Not ready without health."""
        newest, sick = self._newest, self.why_unhealthy()
        if newest is None:
            return Readiness((sick,))
        found = self._to_readiness(newest[0])
        return found._replace(reasons=(sick, *found.reasons)) if sick else found

    def samples(self) -> Samples:
        """Samples of the role's table, ``ready`` included."""
        newest = self._newest
        made = {} if newest is None else dict(self._to_samples(newest[0]))
        return made | {"ready": {(): float(self.readiness().is_ready)}}
