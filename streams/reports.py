"""A worker's report to its supervisor: one JSON line a second through a pipe that the supervisor has given it.

Not by the log, which belongs to operators, nor by HTTP, which may be off: a worker that is stopped, stuck or gone says
nothing here, and that alone is news.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson

MOST_BYTES = 64 * 1024
"""Unread bytes kept of a pipe: a writer of ours never leaves so many."""


@dataclass(frozen=True, slots=True)
class Report:
    """One moment of a worker, by itself.  Counts are since the start of its process."""

    worker: int
    generation: int
    n_events: int
    """Records that Faust has handed over."""
    is_catching_up: bool
    """A partition is being restored, or filled for longer than a moment."""
    handed: Mapping[int, int]
    """Owned and restored partitions: the last offset that Faust has handed over, or that the restore has made known."""
    n_handed: Mapping[int, int] = field(default_factory=dict)
    """Records that Faust has handed over of each, since its restore."""
    n_listed: int = 0
    n_priced: int = 0
    listed_usd: float = 0.0
    priced_usd: float = 0.0
    """Options, and their open interest in USD."""
    reasons: tuple[str, ...] = ()
    """Why it is not ready, coverage apart."""


def encode(report: Report) -> bytes:
    """One line."""
    return orjson.dumps(asdict(report), option=orjson.OPT_NON_STR_KEYS) + b"\n"


def decode(line: bytes) -> Report | None:
    """The report of a line; None for one that is none."""
    try:
        found: dict[str, Any] = orjson.loads(line)
        for name in ("handed", "n_handed"):
            found[name] = {int(partition): int(value) for partition, value in found[name].items()}
        found["reasons"] = tuple(found["reasons"])
        return Report(**{item.name: found[item.name] for item in fields(Report)})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def teller(fd: int) -> Callable[[Report], None]:
    """Writes reports into a pipe, and never waits: what finds no room, or no reader, is dropped.  0: there is no pipe."""
    if not fd:
        return lambda report: None
    os.set_blocking(fd, False)
    os.set_inheritable(fd, False)

    def tell(report: Report) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(fd, encode(report))  # below 4 KiB, so whole or not at all

    return tell


class Listener:
    """The supervisor's end of one process's pipe."""

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._rest = b""

    def started(self) -> None:
        """The child has its end: ours of it is closed, so that its death shows as the pipe's end."""
        os.close(self.write_fd)

    def newest(self) -> Report | None:
        """The newest whole report since the last call; None if there is none.  Never waits."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._read_fd, MOST_BYTES):
                self._rest = (self._rest + part)[-MOST_BYTES:]
        *lines, self._rest = self._rest.split(b"\n")
        return next((found for line in reversed(lines) if (found := decode(line)) is not None), None)

    def close(self) -> None:
        os.close(self._read_fd)
