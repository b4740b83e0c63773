"""How often the garbage collector looks at what a fold has made."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

YOUNG_OBJECTS = 50_000
"""New tuples and lists before the youngest are looked at (Python's own threshold: 700): a batch of a thousand records makes as
many, and lets nearly all of them go by itself."""


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
