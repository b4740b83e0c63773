"""The Faust agent: a thin hand that passes batches on.  It raises nothing itself: an exception inside an agent acknowledges."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import faust
from faust.utils import venusian
from mode.supervisors import CrashingSupervisor

from streams.worker.consumer import RawSchema
from streams.worker.work import Inbox


@contextlib.contextmanager
def _unnoted() -> Iterator[None]:
    """Faust notes for its search of modules (``autodiscover``, off here) where an agent was made, and looks at the file of
    every module there is for it: 0.1 s."""
    noted, venusian.attach = venusian.attach, lambda *_, **__: None
    try:
        yield
    finally:
        venusian.attach = noted


def attach(
    app: faust.App,
    source_topic: str,
    inbox: Inbox,
) -> Any:
    """Attach the pricing agent.

    In        deribit.ticks.v1: keyed quotes and trades, broadcasts in-band
    Out       greeks.v1 and its companions, to the partition of the same number
    State     one engine per partition, bounded by its listed instruments; restored from the best checkpoint and the log
    Order     a partition's records in offset order, without a hole; nothing promised between partitions
    Delivery  at least once: acknowledged only at a checkpoint, after results and state are confirmed; each result carries
              the identity of its input, so a reader can drop repeats
    Clock     none; time is the log's
    Fails     never on data: what cannot be priced carries a status.  An exception here is a defect (or a record of a
              newer schema); it stops the worker before anything of the batch is acknowledged.
    """
    ticks = app.topic(source_topic, schema=RawSchema())

    async def price(stream: Any) -> None:
        # not noack_take: it polls, and half of its interval is latency; the inbox makes the batches, and they grow with the load
        records = stream.noack()
        waiting = records.channel.queue
        async for event in records.events():
            inbox.put(event)
            # Faust gives one record a turn of the loop.  Those that are there already need none: of what it does to them,
            # the fence looks at the generation, and what is acknowledged is marked as such then.
            while not waiting.empty() and not inbox.is_full:
                inbox.put(waiting.get_nowait())
            if inbox.is_full:
                await inbox.room()

    # concurrency 1: with 2 Faust commits past a message in flight, which is then lost on SIGKILL (faust #606)
    agent = app.agent(ticks, name="price", concurrency=1, supervisor_strategy=CrashingSupervisor)
    with _unnoted():
        return agent(price)
