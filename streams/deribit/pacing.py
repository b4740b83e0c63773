"""How often to ask and when to come back: request credits as the venue counts them, and reconnect delays."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
_MASK = 2**64 - 1


class Credits:
    """A bucket of request credits that refills with time; never above its burst, never below zero when asked first.

    Origin of the defaults (settings): 3 000 of 30 000 per subscribe, refilled at 10 000/s, so about 3.3 subscribes a second.
    """

    def __init__(self, burst: int, per_s: int) -> None:
        self._burst, self._per_s = float(burst), float(per_s)
        self._level, self._at_ns = float(burst), 0

    def _refill(self, now_ns: int) -> None:
        elapsed_s = max(0, now_ns - self._at_ns) / NS_PER_S  # a clock that steps back gives nothing, and takes nothing
        self._level = min(self._burst, self._level + elapsed_s * self._per_s)
        self._at_ns = now_ns

    def take(self, cost: int, now_ns: int) -> bool:
        """Pay, if the level allows it."""
        self._refill(now_ns)
        if self._level < min(cost, self._burst):
            return False
        self._level -= cost
        return True

    def force(self, cost: int, now_ns: int) -> None:
        """Pay for what cannot wait (the answer to a test_request); the level may go below zero and others wait longer."""
        self._refill(now_ns)
        self._level -= cost

    def ready_ns(self, cost: int) -> int:
        """When ``take(cost)`` will succeed, ns UTC; in the past: now."""
        missing = max(0.0, min(cost, self._burst) - self._level)
        return self._at_ns + int(missing / self._per_s * NS_PER_S) + 1


class Backoff:
    """Reconnect delays: doubled with every failure in a row, each drawn from the upper half of its range by a seeded generator.

    Jitter, because every client of a venue that restarts would come back in the same second.
    """

    def __init__(self, first_s: float, max_s: float, seed: int) -> None:
        self._first_s, self._max_s = first_s, max_s
        self._state = (seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & _MASK
        self._n_failures = 0

    def next_s(self, floor_s: float = 0.0) -> float:
        """The delay before the next try, in [ceiling/2, ceiling), at least floor_s."""
        ceiling = min(self._max_s, self._first_s * 2.0 ** min(self._n_failures, 62))
        self._n_failures += 1
        return max(floor_s, ceiling * (0.5 + 0.5 * self._uniform()))

    def reset(self) -> None:
        """All is well again: the next failure starts from the first delay."""
        self._n_failures = 0

    def _uniform(self) -> float:
        # Knuth's MMIX linear congruential generator: enough to spread clients, and no hidden global state.
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 11) / 2.0**53
