"""What a fold has made, and how its memory goes back: Python's garbage collector, and the C library's arenas."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from collections.abc import Iterator

YOUNG_OBJECTS = 20_000
"""New tuples and lists before the youngest are looked at (Python's own threshold: 700): a batch of some hundred records makes as
many, and lets nearly all of them go by itself.  With 50 000 a worker holds 8 MB more, for 3 to 5 % of a fold's time."""
ARENAS = 2
M_ARENA_MAX = -8  # of mallopt, malloc.h


def few_arenas() -> bool:
    """Ask the C library for few arenas (glibc; elsewhere there is nothing to ask); whether it has agreed.  Before threads are started.

    It makes one a thread, up to eight a core, each with holes of its own: some 5 MB of a worker.  MALLOC_ARENA_MAX in the
    environment wins.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS) == 1)
    except (AttributeError, OSError, TypeError):
        return False


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Look seldom, and never again at what is there now.

    A fold makes tuples by the thousand that are gone with their batch, beside a state of tens of thousands that stays: with the
    usual threshold a quarter of its time goes into looking at them over and over.  Cycles, which alone need it, are few.

    Nothing is looked at before it is set aside either: that takes 0.1 s, and finds 1 300 objects after a worker's imports.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
