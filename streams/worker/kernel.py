"""The kernel thread: everything that computes runs here, one call at a time, so that the event loop stays free for Kafka."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Kernel:
    """One thread.  ``slow_share`` and ``slow_s`` are for tests: so many calls take up to so long."""

    def __init__(self, slow_share: float = 0.0, slow_s: float = 0.0, slow_seed: int = 0) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="kernel")
        self._random = random.Random(slow_seed)
        self._slow_share, self._slow_s = slow_share, slow_s
        self.busy_s = 0.0
        self.n_calls = 0

    def _timed(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.perf_counter()
        if self._slow_share and self._random.random() < self._slow_share:
            time.sleep(self._random.random() * self._slow_s)
        try:
            return function(*args, **kwargs)
        finally:
            self.busy_s += time.perf_counter() - began
            self.n_calls += 1

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in the kernel thread and wait, without holding up the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._timed(function, *args, **kwargs))

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
