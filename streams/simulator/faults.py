"""Faults to order: what a venue and a network do to a client on a bad day, called in process or by a seeded schedule."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Frame = tuple[str, bytes]  # channel, notification
KINDS = ("drop", "pause", "duplicate", "reorder", "skip_trades", "malformed", "jump")
MEAN_INTERVAL_S = 5.0
PAUSE_S = (0.5, 3.0)
MAX_REPEAT = 20
JUMPS_MS = (60_000, 600_000, 3_600_000, 10_800_000)
"""A wrong time is off by one of these, ahead or back."""
MAX_JUMPS = 5
"""Notifications with one wrong time in a row: clients believe what many say."""
_TIMESTAMP = re.compile(rb'"timestamp":(\d{13})')


class Faults:
    """Every ``n`` counts notifications, over all connections.  ``seed``: let a schedule choose, one every 5 s on average, each
    kind once before any comes again."""

    def __init__(self, seed: int | None = None, mean_interval_s: float = MEAN_INTERVAL_S) -> None:
        self._rng = random.Random(seed)
        self._mean_interval_s = mean_interval_s
        self._next_s: float | None = None if seed is not None else float("inf")
        self._left = {"duplicate": 0, "reorder": 0, "skip_trades": 0, "malformed": 0, "jump": 0}
        self._jump_ms = 0
        self._bag: list[str] = []
        self._paused_until_s = 0.0
        self._is_drop_due = False
        self.done = dict.fromkeys(KINDS, 0)
        self.on_drop: Callable[[], None] = lambda: None

    def drop(self) -> None:
        """Cut every connection now, without a closing handshake."""
        self.done["drop"] += 1
        self.on_drop()

    def pause(self, seconds: float, now_s: float) -> None:
        """Send no notification until ``now_s`` + ``seconds`` (monotonic); they wait and arrive late, in order."""
        self.done["pause"] += 1
        self._paused_until_s = now_s + seconds

    def duplicate(self, n: int = 1) -> None:
        """Send the next n notifications twice."""
        self._left["duplicate"] += n

    def reorder(self, n: int = 2) -> None:
        """Mix the order of the next n notifications across channels; each channel keeps its own order."""
        self._left["reorder"] += n

    def skip_trades(self, n: int = 1) -> None:
        """Lose the next n trade notifications: a hole in ``trade_seq``."""
        self._left["skip_trades"] += n

    def malformed(self, n: int = 1) -> None:
        """Cut the next n notifications short, so that they are no JSON."""
        self._left["malformed"] += n

    def jump(self, by_ms: int, n: int = 1) -> None:
        """Send the next n notifications with times that are off by so much."""
        self._left["jump"] += n
        self._jump_ms = by_ms

    def is_paused(self, now_s: float) -> bool:
        return now_s < self._paused_until_s

    @property
    def is_quiet(self) -> bool:
        """No fault is waiting for a notification."""
        return not any(self._left.values())

    def schedule(self, now_s: float) -> None:
        """Let the seeded schedule act; ``now_s`` is monotonic."""
        if self._next_s is None:
            self._next_s = now_s + self._rng.expovariate(1.0 / self._mean_interval_s)
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._rng.expovariate(1.0 / self._mean_interval_s)
        if not self._bag:
            self._bag = self._rng.sample(KINDS, len(KINDS))
        kind = self._bag.pop()
        if kind == "drop":
            self.drop()
        elif kind == "pause":
            self.pause(self._rng.uniform(*PAUSE_S), now_s)
        elif kind == "jump":
            self.jump(self._rng.choice(JUMPS_MS) * self._rng.choice((-1, 1)), self._rng.randint(1, MAX_JUMPS))
        else:
            self._left[kind] += self._rng.randint(1, MAX_REPEAT)

    def apply(self, frames: Sequence[Frame]) -> list[bytes]:
        """The notifications as they are really sent."""
        kept: list[Frame] = []
        for channel, frame in frames:
            if channel.startswith("trades.") and self._take("skip_trades"):
                continue
            if self._left["jump"] and _TIMESTAMP.search(frame):
                self._take("jump")
                frame = _TIMESTAMP.sub(lambda found: b'"timestamp":%d' % (int(found[1]) + self._jump_ms), frame)
            if self._take("malformed"):
                frame = frame[: len(frame) // 2]
            kept.append((channel, frame))
            if self._take("duplicate"):
                kept.append((channel, frame))
        n = min(len(kept), self._left["reorder"])
        if n > 1:
            self._left["reorder"] -= n
            self.done["reorder"] += 1
            kept[:n] = self._mixed(kept[:n])
        return [frame for _, frame in kept]

    def _take(self, kind: str) -> bool:
        if not self._left[kind]:
            return False
        self._left[kind] -= 1
        self.done[kind] += 1
        return True

    def _mixed(self, frames: list[Frame]) -> list[Frame]:
        by_channel: dict[str, list[Frame]] = {}
        for frame in frames:
            by_channel.setdefault(frame[0], []).append(frame)
        order = [frame[0] for frame in frames]
        self._rng.shuffle(order)
        return [by_channel[channel].pop(0) for channel in order]
