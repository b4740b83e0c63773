"""How every kernel of this package is compiled: one place, with the reasons.

cache          compilation costs seconds; the shell keys ``NUMBA_CACHE_DIR`` by ``pricers.source_hash()``, because the disk
               cache does not notice a change in another file.
nogil          a worker prices in one thread while its event loop answers heartbeats in another.
error_model    "numpy": a division by zero is inf or nan, not an exception; the check would also block vectorisation.
fastmath       off: replay must be equal to the bit, whatever the batch, and nan is how a kernel says "no price".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile ``function`` on first use; its plain Python stays available as ``.py_func``."""
    return cast(Function, numba.njit(function, cache=True, nogil=True, error_model="numpy", fastmath=False))
