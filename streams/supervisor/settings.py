"""Settings of the supervisor.  Environment: GREEKSTREAM_SUPERVISOR_<NAME>."""

from __future__ import annotations

from dataclasses import dataclass

from streams.supervisor.vitals import WATCHDOG_S

LEAST_WATCHDOG_S = 5.0
KILL_AFTER_S = 5.0


@dataclass(frozen=True)
class SupervisorSettings:
    """What ``greekstream up`` may be told beside its options."""

    watchdog_s: float = WATCHDOG_S
    """A worker is ended when its lag has grown for so long while it read nothing.  0: never."""

    kill_after_s: float = KILL_AFTER_S
    """What the watchdog has given up gets so long for its checkpoints; a process that is stopped hears no SIGTERM at all."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        if self.watchdog_s and self.watchdog_s < LEAST_WATCHDOG_S:
            raise ValueError(f"watchdog_s={self.watchdog_s}: want 0 (never), or {LEAST_WATCHDOG_S:g} and more")
