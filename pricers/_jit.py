"""How every kernel of this package is compiled: one place, with the reasons.

cache          compilation costs seconds. The disk cache does not notice a change in another file, so its folder is keyed by
               ``pricers.source_hash()``; a ``NUMBA_CACHE_DIR`` from the environment is left alone (key it the same way).
nogil          a worker prices in one thread while its event loop answers heartbeats in another.
error_model    "numpy": a division by zero is inf or nan, not an exception; the check would also block vectorisation.
fastmath       off: replay must be equal to the bit, whatever the batch, and nan is how a kernel says "no price".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from pricers.source import package_folder, source_hash

if not getattr(numba.config, "CACHE_DIR", ""):
    setattr(numba.config, "CACHE_DIR", str(package_folder() / "__pycache__" / source_hash()))  # noqa: B010 (numba makes its settings at run time)

constant = cast(Callable[[int], int], np.int64)
"""An integer of a module that is passed to kernels: a plain one is a type of its own to numba, and the callee compiled for each."""

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile ``function`` on first use; its plain Python stays available as ``.py_func``."""
    return cast(Function, numba.njit(function, cache=True, nogil=True, error_model="numpy", fastmath=False))


def inlined(function: Function) -> Function:
    """The same, and always made a part of its caller: a call left in a loop would keep it from vectorising."""
    return cast(
        Function, numba.njit(function, cache=True, nogil=True, error_model="numpy", fastmath=False, forceinline=True)
    )


def merged(function: Function) -> Function:
    """The same, as if its text stood in its one caller's: not compiled by itself.

    LLVM compiles what a kernel calls once more with every caller on the way up; a large kernel of one caller is spared one such round.
    """
    return cast(
        Function, numba.njit(function, cache=True, nogil=True, error_model="numpy", fastmath=False, inline="always")
    )
