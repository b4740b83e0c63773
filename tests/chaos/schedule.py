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


OF_ALL = ("join", "broker_kill", "broker_term", "fill_disk", "free_disk", "settle")
"""``settle`` waits, while the log is written on, until every running worker has its partitions: what follows is that much later."""


class Event(NamedTuple):
    """``worker``: which of the running ones (modulo their number); ignored by what is done to no one worker (``OF_ALL``)."""

    at_s: float
    kind: str
    worker: int = 0

    def __str__(self) -> str:
        return f"{self.at_s:.1f}s {self.kind}{'' if self.kind in OF_ALL else f' {self.worker}'}"


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


def one_many_three(n_most: int, seed: int) -> tuple[Event, ...]:
    """1 -> ``n_most`` -> 3 workers, each step when the last one is done; of all of them two, by the seed, are killed at once."""
    rng, three = random.Random(seed), 3
    killed = rng.sample(range(n_most), 2)
    return (
        *(Event(2.0 + i, "join") for i in range(n_most - 1)),
        Event(n_most + 2.0, "settle"),
        *(Event(n_most + 5.0, "kill", worker) for worker in killed),
        Event(n_most + 6.0, "settle"),
        *(Event(n_most + 9.0 + i / 2, "retire", n_most - 1 - i) for i in range(n_most - three)),
        Event(n_most + 9.0 + n_most / 2, "settle"),
        Event(n_most + 14.0 + n_most / 2, "kill", rng.randrange(three)),
        Event(n_most + 15.0 + n_most / 2, "settle"),
    )


FULL_DISK = (Event(6.0, "fill_disk"), Event(10.0, "kill", 0), Event(20.0, "free_disk"))
"""The broker's disk is full for 14 s; a worker dies meanwhile."""


def as_text(events: Sequence[Event]) -> str:
    return ", ".join(str(event).strip() for event in events)
