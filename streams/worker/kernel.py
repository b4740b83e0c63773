"""The kernel: everything that computes, one call at a time; in a thread, so that the event loop stays free for Kafka.

Except what is short: a few records are computed sooner than a thread is woken, and has given the interpreter's lock back.
Measured with four workers on two busy cores: a hand-over and back is 2 to 3 ms, a few quotes are 1 to 2.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Kernel:
    """One thread.  ``short_rows``: calls for so many records are made at once, in the loop, unless the thread computes.

    ``slow_share`` and ``slow_s`` are for tests: so many calls take up to so long, in the thread.
    """

    def __init__(
        self, short_rows: int = 0, *, slow_share: float = 0.0, slow_s: float = 0.0, slow_seed: int = 0
    ) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="kernel")
        self._random = random.Random(slow_seed)
        self._slow_share, self._slow_s = slow_share, slow_s
        self._short_rows = short_rows
        self._n_in_thread = 0
        self.busy_s = 0.0
        self.n_calls = 0
        self.n_short = 0
        """Of them in the loop."""

    def _timed(self, pause_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.perf_counter()
        if pause_s:
            time.sleep(pause_s)
        try:
            return function(*args, **kwargs)
        finally:
            self.busy_s += time.perf_counter() - began
            self.n_calls += 1

    def _pause_s(self) -> float:
        is_slow = self._slow_share and self._random.random() < self._slow_share
        return self._random.random() * self._slow_s if is_slow else 0.0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in the kernel thread and wait, without holding up the loop."""
        return await self._in_thread(self._pause_s(), function, *args, **kwargs)

    async def run_rows(self, n_rows: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call for so many records: here and now if they are few.  Never beside the thread: what it computes with is shared."""
        pause_s = self._pause_s()
        if n_rows > self._short_rows or self._n_in_thread or pause_s:
            return await self._in_thread(pause_s, function, *args, **kwargs)
        self.n_short += 1
        return self._timed(0.0, function, *args, **kwargs)

    async def _in_thread(self, pause_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        self._n_in_thread += 1
        call = loop.run_in_executor(self._executor, lambda: self._timed(pause_s, function, *args, **kwargs))
        # by the call, not by us: who waits for it may be cancelled while the thread still computes
        call.add_done_callback(self._left)
        return await asyncio.shield(call)

    def _left(self, _: Any) -> None:
        self._n_in_thread -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
