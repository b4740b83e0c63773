"""Where the kernel computes: few records in the loop, more in the thread, and never both at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streams.worker.kernel import Kernel
from tests.agents.scripted import Bench


async def test_few_records_are_computed_in_the_loop_and_more_in_the_thread() -> None:
    kernel = Kernel(short_rows=32)
    here = threading.get_ident()
    assert await kernel.run_rows(32, threading.get_ident) == here
    assert await kernel.run_rows(33, threading.get_ident) != here
    assert await kernel.run(threading.get_ident) != here, "nobody has said how much it is"
    assert (kernel.n_calls, kernel.n_short) == (3, 1)


async def test_the_thread_computes_alone_also_when_nobody_waits_for_it_any_more() -> None:
    kernel = Kernel(short_rows=32)
    gate = threading.Event()
    long = asyncio.create_task(kernel.run(gate.wait, 5.0))
    await asyncio.sleep(0.01)
    short = asyncio.create_task(kernel.run_rows(1, threading.get_ident))
    await asyncio.sleep(0.01)
    assert not short.done(), "it waits for its turn in the thread"
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    later = asyncio.create_task(kernel.run_rows(1, threading.get_ident))
    await asyncio.sleep(0.01)
    assert not later.done(), "the call goes on, whoever has been cancelled"
    gate.set()
    assert {await short, await later} != {threading.get_ident()}
    await asyncio.sleep(0.01)
    assert await kernel.run_rows(1, threading.get_ident) == threading.get_ident()


async def test_a_call_slowed_down_for_a_test_does_not_hold_up_the_loop() -> None:
    kernel = Kernel(32, slow_share=1.0, slow_s=0.001, slow_seed=1)
    assert await kernel.run_rows(1, threading.get_ident) != threading.get_ident()


async def test_an_exception_reaches_the_caller_from_both() -> None:
    kernel = Kernel(short_rows=32)
    for n_rows in (1, 100):
        with pytest.raises(ZeroDivisionError):
            await kernel.run_rows(n_rows, divmod, 1, 0)


@pytest.mark.parametrize("short_rows", [0, 4, 64])
async def test_a_worker_gives_the_same_results_wherever_it_computes(short_rows: int) -> None:
    bench = Bench(short_rows=short_rows)
    bench.add_checkpoint(-1)
    for begin, end in ((0, 3), (3, 10), (10, 11), (9, 40), (40, 42)):
        await bench.work.take(bench.events(range(begin, end)))
    assert bench.results() == bench.oracle(0, 41)
    assert bool(bench.kernel.n_short) == (short_rows > 0)
