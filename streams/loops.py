"""The event loop of the live path's processes: uvloop, which does a turn in C.

A record's way is many short turns (sockets, threads that answer, tasks that go on), and they cost more than what is done in
them: measured, the same work on asyncio's own loop takes workers and ingest a quarter more of the processor.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def _uvloop() -> Any:
    """The module, or None where it does not exist (Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on uvloop."""
    found = _uvloop()
    with asyncio.Runner(loop_factory=found.new_event_loop if found is not None else None) as runner:
        return runner.run(main)


def run_process(main: Coroutine[Any, Any, T]) -> T:
    """The same, for the threads' loops as well (Faust makes one by asyncio's policy): for who has the process to himself."""
    found = _uvloop()
    if found is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.14 on; there is no other way into Faust
            asyncio.set_event_loop_policy(found.EventLoopPolicy())
    return asyncio.run(main)
