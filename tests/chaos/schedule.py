"""What happens to the workers, and when: drawn from a seed, printed, and the same every time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

KINDS = ("kill", "term", "pause", "freeze", "join", "broker_kill", "broker_term")
PAUSE_S = 3.0
"""Shorter than the session timeout: nobody notices."""
FREEZE_S = 14.0
"""Past the session timeout of 10 s: the partitions go to others, and the worker wakes up as a ghost."""


class Event(NamedTuple):
    """``worker``: which of the running ones (modulo their number); ignored by joins and the broker."""

    at_s: float
    kind: str
    worker: int

    def __str__(self) -> str:
        return f"{self.at_s:5.1f}s {self.kind}{'' if self.kind in ('join', 'broker_kill', 'broker_term') else f' {self.worker}'}"


def draw(seed: int, duration_s: float, n_events: int, *, can_break_broker: bool) -> list[Event]:
    """``n_events`` events between 4 s and ``duration_s``; at most one freeze a quarter of a minute, two joins, and one end
    of the broker.  A kill, a freeze and a join are always among them, for they are what breaks things."""
    rng = random.Random(seed)
    kinds = ["kill", "freeze", "join"]
    weights = {"kill": 4, "term": 3, "pause": 2, "freeze": 2, "join": 1}
    kinds += rng.choices(list(weights), list(weights.values()), k=max(0, n_events - len(kinds)))
    while kinds.count("join") > 2:
        kinds[kinds.index("join")] = "kill"
    while kinds.count("freeze") > max(1, duration_s // 15):
        kinds[kinds.index("freeze")] = "kill"
    if can_break_broker:
        kinds.append(rng.choice(("broker_kill", "broker_term")))
    rng.shuffle(kinds)
    times = sorted(rng.uniform(4.0, duration_s) for _ in kinds)
    return [Event(round(at_s, 1), kind, rng.randrange(8)) for at_s, kind in zip(times, kinds, strict=True)]


def as_text(events: Sequence[Event]) -> str:
    return ", ".join(str(event).strip() for event in events)
