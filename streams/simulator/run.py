"""The simulator's shell: settings in, a listening venue, until its source ends, its time is up or it is told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .faults import Faults
from .listing import NS, next_expiry_ns
from .market import new_market
from .parties import USUAL, drawn
from .playback import RecordingSource, open_recording
from .server import Server, ServerSettings, listening
from .settings import SimulatorSettings
from .source import Source, SyntheticSource
from .truth import TruthFile

QUEUE_LIMIT_PLAYBACK = 2_000  # frames of a client; a recording waits for it


def start_time_ns(settings: SimulatorSettings, wall_ns: int) -> int:
    """Where the market's clock starts: given, so many seconds before an expiry, or now."""
    if settings.expire_in:
        return next_expiry_ns(wall_ns) - int(settings.expire_in * NS)
    return settings.start_ns or wall_ns


def synthetic(settings: SimulatorSettings, truth: TruthFile | None = None) -> SyntheticSource:
    """The seeded market of these settings, not yet running."""
    state = new_market(
        seed=settings.seed,
        start_ns=start_time_ns(settings, time.time_ns()),
        currencies=settings.currencies,
        n_options=settings.n_options,
        n_linear=settings.n_linear,
        rate=settings.rate,
        trade_rate=settings.trade_rate,
        parties=drawn(settings.parties_seed) if settings.parties_seed >= 0 else USUAL,
    )
    if truth is not None:
        truth.start(state)
    return SyntheticSource(state, speed=settings.speed_factor or 1.0, truth=truth)


async def simulate(
    settings: SimulatorSettings, stop: asyncio.Event, *, on_listening: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Serve until the source ends, ``settings.seconds`` have passed or ``stop`` is set; returns a summary."""
    truth = TruthFile(settings.truth) if settings.truth != Path() else None
    source: Source = open_recording(settings) if settings.recordings else synthetic(settings, truth)
    faults = Faults(settings.fault_seed if settings.fault_seed >= 0 else None, settings.fault_every_s)
    try:
        limits = ServerSettings(queue_limit=QUEUE_LIMIT_PLAYBACK) if settings.recordings else ServerSettings()
        async with listening(source, host=settings.host, port=settings.port, settings=limits, faults=faults) as server:
            listed = source.instruments("any", None, expired=False)
            hello: dict[str, Any] = {"url": server.url, "instruments": len(listed), "seed": settings.seed}
            if isinstance(source, RecordingSource):
                # Contracts made from names (tick 0.0005 coin, contract size 1), because the recording has no records of them.
                hello["instruments_inferred"] = source.contents.n_inferred
            on_listening(hello)
            return await _serve(source, server, settings, stop)
    finally:
        if truth is not None:
            truth.close()


async def _serve(source: Source, server: Server, settings: SimulatorSettings, stop: asyncio.Event) -> dict[str, Any]:
    run = asyncio.create_task(source.run(server))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({run, stopped}, timeout=settings.seconds or None, return_when=asyncio.FIRST_COMPLETED)
    summary: dict[str, Any] = {"is_complete": False}
    if run.done():
        summary = run.result()
        drained = asyncio.create_task(server.drained())
        await asyncio.wait({drained, stopped}, return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()
        await asyncio.wait({stopped}, timeout=settings.linger_s)
        server.close_all(1000, "end of recording")
    for task in (run, stopped):
        task.cancel()
    await asyncio.gather(run, stopped, return_exceptions=True)
    if isinstance(source, SyntheticSource):
        summary |= {"option_ticks": source.n_option_ticks, "trades": source.n_trades}
    return summary | {"frames": server.n_frames, "faults": server.faults.done}
