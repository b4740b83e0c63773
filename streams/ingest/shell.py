"""Ingest's shell: claim, look back, connect; then events into the core, and what comes out to Kafka and the venue."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from streams import kafka, loops, registry
from streams.deribit import channels, client
from streams.deribit.events import Connected, Event
from streams.deribit.session import Session
from streams.ingest import core, figures, lookback
from streams.ingest.log import ClaimWatch, IngestError, LogProducer, claim
from streams.ingest.settings import IngestSettings
from streams.metrics import Page

log = structlog.get_logger()
NS_PER_S = 1_000_000_000
TURN_NS, N_TURNS = 1_000_000, 5
"""How long frames are read on end, and how many turns the loop then gets: as many as records need until their request is sent,
and a little less than its answer needs.  A turn after each frame would send the first of a burst alone."""


class SteadyClock:
    """Wall time at the start plus monotonic time since: it never jumps, whatever is done to the machine's clock."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        return self._offset_ns + time.monotonic_ns()


class Ingest:
    """One claimed ingest between a session and a producer."""

    def __init__(
        self,
        settings: IngestSettings,
        state: core.State,
        session: Session,
        producer: LogProducer,
        watch: ClaimWatch,
        clock: SteadyClock,
        page: Page[figures.Figures],
    ) -> None:
        self._settings, self._session, self._producer, self._watch, self._clock = (
            settings,
            session,
            producer,
            watch,
            clock,
        )
        self._state = state
        self._is_pressed = False
        self._claim_due_ns = self._log_due_ns = 0
        self._reading_since_ns: int | None = None
        self._last: dict[str, int] = {}
        self._page, self._page_due_ns = page, 0
        self._n_frames = self._n_connections = 0
        self._n_by_kind: Counter[type] = Counter()
        self._lags_ms: Mapping[str, float] = {}

    async def on_events(self, events: list[Event]) -> None:
        """Events of one frame.  With ``pressure=wait`` this returns, and so the socket is read on, only when there is room.

        The venue's frames come by the hundred: they give the loop a turn now and then, so that the first are on their way to
        Kafka while the last are still read.
        """
        now_ns = self._clock.now_ns()
        self._n_frames += 1
        self._step(core.Tick(now_ns), now_ns)
        for event in events:
            self._n_connections += type(event) is Connected
            self._step(event, now_ns)
        if self._settings.pressure == "wait":
            while self._producer.n_queued > self._settings.queue_high:
                self._producer.check()
                await asyncio.sleep(0.002)
        if self._has_read_on(now_ns):
            for _ in range(N_TURNS):
                await asyncio.sleep(0)

    def _has_read_on(self, now_ns: int) -> bool:
        """Whether frames have come on end for TURN_NS: the loop, which forgets their beginning in its next turn, has had none."""
        if self._reading_since_ns is None:
            self._reading_since_ns = now_ns
            asyncio.get_running_loop().call_soon(self._forget_reading)
        return now_ns - self._reading_since_ns >= TURN_NS

    def _forget_reading(self) -> None:
        self._reading_since_ns = None

    def tick(self) -> None:
        """What is due by our clock: the core's timers, Kafka's reports, pressure, claims of others, the log line."""
        now_ns = self._clock.now_ns()
        self._producer.check()
        self._feel_pressure(now_ns)
        self._step(core.Tick(now_ns), now_ns)
        if now_ns >= self._claim_due_ns:
            self._claim_due_ns = now_ns + int(self._settings.claim_check_s * NS_PER_S)
            self._watch.check()
        if now_ns >= self._log_due_ns:
            self._log_due_ns = now_ns + int(self._settings.log_every_s * NS_PER_S)
            self._say(now_ns)
        if now_ns >= self._page_due_ns:
            self._page_due_ns = now_ns + NS_PER_S
            self._page.put(self._figures(now_ns))

    def _figures(self, now_ns: int) -> figures.Figures:
        return figures.gather(
            self._state,
            now_ns,
            n_queued=self._producer.n_queued,
            n_bytes=self._producer.n_bytes,
            lag_ms_by_channel=self._lags_ms,
            n_frames=self._n_frames,
            n_connections=self._n_connections,
            n_by_kind={kind.__name__: n for kind, n in self._n_by_kind.items()},
        )

    def _feel_pressure(self, now_ns: int) -> None:
        if self._settings.pressure == "wait":
            return
        n_room = self._settings.queue_high - self._producer.n_queued
        is_pressed = n_room < (self._settings.queue_high // 2 if self._is_pressed else 0)
        if is_pressed or self._is_pressed:
            self._is_pressed = is_pressed
            self._step(core.Pressure(max(0, n_room) if is_pressed else None), now_ns)

    async def stop(self) -> None:
        """Write what waits and have all of it confirmed."""
        now_ns = self._clock.now_ns()
        self._step(core.Stop(now_ns), now_ns)
        await self._producer.close(self._settings.flush_s)
        self._say(now_ns)

    def _step(self, event: Any, now_ns: int) -> None:
        self._state, outcomes = core.step(self._state, event)
        if outcomes:
            self._carry_out(outcomes, now_ns)

    def _carry_out(self, outcomes: Sequence[core.Outcome], wall_ns: int) -> None:
        write = self._producer.write
        for outcome in outcomes:
            if isinstance(outcome, core.Out):
                write(outcome, wall_ns)
                self._n_by_kind[type(outcome.record)] += 1
            elif isinstance(outcome, core.Status):
                if outcome.record.lag_ms_by_channel:
                    self._lags_ms = outcome.record.lag_ms_by_channel
                self._producer.write_status(outcome.record)
            elif isinstance(outcome, core.Fatal):
                raise IngestError(outcome.message)
            else:
                self._ask(outcome)

    def _ask(self, request: Any) -> None:
        session = self._session
        if isinstance(request, core.GetTime):
            session.get_time()
        elif isinstance(request, core.GetInstruments):
            session.get_instruments(request.currency)
        elif isinstance(request, core.GetDeliveryPrices):
            session.get_delivery_prices(request.price_index)
        elif isinstance(request, core.TradesBySequence):
            session.get_trades_by_sequence(request.instrument_name, request.first, request.last, request)
        elif isinstance(request, core.TradesByTime):
            session.get_trades_by_time(request.currency, request.kind, request.start_ms, request.end_ms, request)

    def _say(self, now_ns: int) -> None:
        """The canonical line: rates since the last one, totals of what should stay at zero."""
        counts, state = self._state.counts, self._state
        totals = {"events": counts.events, "records": counts.records, "quotes": counts.quotes, "trades": counts.trades}
        log.info(
            "ingest",
            epoch=state.writer.epoch,
            **{name: total - self._last.get(name, 0) for name, total in totals.items()},
            clock_ns=state.writer.clock_ns,
            listed=len(state.listing.entries),
            phase=state.phase.name.lower(),
            stage=state.stage.name.lower(),
            queued=self._producer.n_queued,
            waiting=state.writer.n_waiting,
            conflated=counts.conflated,
            clamped=counts.clamped,
            late=counts.late,
            gaps=counts.gaps,
            trades_backfilled=counts.trades_backfilled,
            trade_seq_missing=counts.trade_seq_missing,
            fixings_imputed=counts.fixings_imputed,
            unreadable=counts.unreadable,
            requests_failed=counts.requests_failed,
            mbytes=round(self._producer.n_bytes / 1e6, 1),
            venue_lag_ms=state.timeline.lag_ms(),
        )
        self._last = totals


async def _tick_for_ever(ingest: Ingest, every_s: float) -> None:
    while True:
        ingest.tick()
        await asyncio.sleep(every_s)


async def _serve(
    ingest: Ingest, session: Session, settings: IngestSettings, clock: SteadyClock, stop: asyncio.Event
) -> None:
    """Read the venue and tick, until asked to stop; an error of either ends both and is raised."""
    reader = asyncio.create_task(
        client.run(settings.address, session, ingest.on_events, stop=stop, now_ns=clock.now_ns)
    )
    ticker = asyncio.create_task(_tick_for_ever(ingest, settings.tick_ms / 1_000))
    try:
        done, _ = await asyncio.wait((reader, ticker), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (reader, ticker):
            task.cancel()
        await asyncio.gather(reader, ticker, return_exceptions=True)


async def _main(
    settings: IngestSettings,
    manners: channels.SessionSettings,
    bootstrap: str,
    page: Page[figures.Figures],
    clock: SteadyClock,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # not the main thread: its owner stops us
            loop.add_signal_handler(number, stop.set)
    host = socket.gethostname()
    kafka.create_topics(bootstrap, settings.namespace)
    kafka.publish_schemas(bootstrap, settings.namespace)
    wire = registry.wire(settings.namespace)
    epoch = claim(bootstrap, settings.namespace, host, wire.framing)
    # After the claim: whoever wrote before us has at most its last quarter of a second left.
    recovered = lookback.read(bootstrap, settings.namespace, settings.lookback_s, wire.framing)
    log.info(
        "ingest_claimed",
        epoch=epoch,
        namespace=settings.namespace,
        url=settings.address,
        last_clock_ns=recovered.last_clock_ns,
    )
    session_settings = settings.session(manners)
    session = Session(session_settings)
    state = core.new_state(
        epoch,
        settings.core(),
        recovered,
        lambda item, now_ns: channels.passes(session_settings, item.instrument_name, now_ns),
    )
    producer = LogProducer(bootstrap, settings.namespace, host, wire.framing, settings.linger_ms)
    await producer.start()
    watch = ClaimWatch(bootstrap, settings.namespace, epoch)
    ingest = Ingest(settings, state, session, producer, watch, clock, page)
    # What lives now lives to the end; a full collection over it would cost a hundred milliseconds.
    gc.collect()
    gc.freeze()
    try:
        await _serve(ingest, session, settings, clock, stop)
        await ingest.stop()
    finally:
        watch.close()
    log.info("ingest_stopped", epoch=epoch)


def run(
    settings: IngestSettings,
    manners: channels.SessionSettings,
    bootstrap: str,
    page: Page[figures.Figures] | None = None,
    clock: SteadyClock | None = None,
) -> None:
    """Ingest until SIGINT or SIGTERM, and leave the figures on the page; ``manners`` as ``IngestSettings.session`` takes them;
    ``clock`` is our own time, the machine's unless given.

    Raises IngestError (Superseded, DeliveryFailed) with a message for people.
    """
    loops.run(_main(settings, manners, bootstrap, page or figures.page(), clock or SteadyClock()))
