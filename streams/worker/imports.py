"""What a worker's libraries would load at its start and never use.

Python's start-up is most of a worker's: every restart pays it, and a machine with sixteen workers sixteen times.  What is
left out here is optional to those who ask for it while pricing is loaded: each has a way of its own without.  Not so to others:
without scipy.linalg.cython_blas there is no scipy.linalg, so a fold that is not ours is loaded with all.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

ABSENT = ("rich", "cffi", "scipy.linalg.cython_blas")
"""structlog's coloured traces, while ours are JSON; calls of C by Numba; and its ``@`` of matrices, in no kernel of ours, for
which it loads the whole of scipy.linalg and numpy.f2py: 0.2 s and 20 MB."""
HTTP = "aiohttp", "aiohttp.client"
"""Faust's type of an HTTP client, which none of our apps makes: 0.1 s and 10 MB."""


@contextlib.contextmanager
def leaving_out() -> Iterator[None]:
    """Import without what is not used.  Afterwards all can be imported as ever."""
    stand_ins: dict[str, Any] = dict.fromkeys(ABSENT) | {name: _stand_in(name) for name in HTTP}
    ours = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(ours)
    try:
        yield
    finally:
        for name, module in ours.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """The same, and without looking for garbage, of which imports make next to none: looking takes 0.2 s.  Afterwards no
    collection looks at what is there now."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        with leaving_out():
            yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def _stand_in(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__dict__["ClientSession"] = type("ClientSession", (), {"__doc__": "Named by Faust, never made here."})
    return module
