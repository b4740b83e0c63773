"""A venue's market (the recording, or a synthetic one) through session, ingest core, engines and the fold of dealer flow, in one
process: no socket, no Kafka.

The pure cores are those of the services; only the shells are left out.  Our own clock is one that goes on a millisecond a frame, so
that a run is a function of the recording and the settings alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from schemas import Clock, Flow, FlowStrike, Greeks, SettlementFlow, TradeGreeks, Watermark
from streams import engine
from streams.deribit import channels as session_channels
from streams.deribit.channels import SessionSettings
from streams.deribit.frames import Frame
from streams.deribit.recording import read
from streams.deribit.session import Session
from streams.engine import EngineSettings
from streams.flow.fold import Arrival, Context, new_state, step
from streams.ingest import core
from streams.partitioning import N_PARTITIONS
from streams.simulator import channels, methods, rpc
from streams.simulator.playback import RecordingSource
from streams.simulator.source import Source

NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000
SETTLE_MS, SILENT_MS, TICK_MS = 2_000, 300, 20
"""Of our own clock: for connecting, and for a second of silence, in which ingest asks for the venue's time three times and believes
the first answer at the second; a tick is as long as that of ingest's shell."""
ENGINE = EngineSettings(engine="closed_form", audit=False)

OnOut = Callable[[core.Out], None]


class Part(NamedTuple):
    """What is played of the recording: ``expiries`` as in the options' names, empty for all."""

    recording: Path
    currencies: tuple[str, ...]
    since_ns: int
    until_ns: int
    expiries: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        days = {f"{datetime.fromtimestamp(ns / NS_PER_S, UTC):%Y-%m-%d}" for ns in (self.since_ns, self.until_ns - 1)}
        return [self.recording / f"{coin.lower()}_{day}.jsonl.zst" for day in sorted(days) for coin in self.currencies]


class Venue:
    """The simulated venue's side of a connection: what its market publishes on the channels that were subscribed to."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.subscribed: dict[str, None] = {}
        self.frames: list[bytes] = []

    @property
    def n_ticker_followers(self) -> int:
        return sum(channel.startswith("ticker.") for channel in self.subscribed)

    def wants(self, channel: str) -> bool:
        return channel in self.subscribed

    def publish(self, channel: str, data: bytes) -> None:
        self.frames.append(rpc.notification_frame(channel, data))

    async def flush(self) -> None:
        """Frames are read as they are published."""

    def answer(self, frame: str) -> None:
        """Answer a request, behind what was published before it."""
        request, us = rpc.parse(frame), self.source.now_ms() * 1_000
        try:
            self.frames.append(rpc.result_frame(request.id, self._result(request), us, us))
        except rpc.RpcError as error:
            self.frames.append(rpc.error_frame(request.id, error, us, us))

    def _result(self, request: rpc.Request) -> Any:
        if request.method == "public/set_heartbeat":
            return "ok"
        if request.method not in ("public/subscribe", "public/unsubscribe"):
            return methods.answer(request.method, request.params, self.source)
        known = [name for name in request.params["channels"] if channels.parse(name) and self.source.has_channel(name)]
        for name in known:
            if request.method == "public/subscribe":
                self.subscribed[name] = None
            else:
                self.subscribed.pop(name, None)
        return known


class Ingest:
    """A session and an ingest core at a venue; records of the log go to ``on_out``."""

    def __init__(
        self,
        currencies: tuple[str, ...],
        venue: Venue,
        on_out: OnOut,
        *,
        expiries: tuple[str, ...] = (),
        epoch: int = 1,
    ) -> None:
        settings = SessionSettings(currencies=currencies, expiries=expiries)
        self._session, self._venue, self._on_out = Session(settings), venue, on_out
        self._now_ns = venue.source.now_ms() * NS_PER_MS
        self._state = core.new_state(
            epoch, core.CoreSettings(currencies=currencies, clock="venue"), None,
            lambda item, now_ns: session_channels.passes(settings, item.instrument_name, now_ns),
        )  # fmt: skip

    def connect(self) -> None:
        """Until every channel is confirmed."""
        self._send(self._session.connected(self._now_ns))
        self.wait(SETTLE_MS)

    def wait(self, ms: int) -> None:
        """Our clock goes on in silence."""
        for _ in range(0, ms, TICK_MS):
            self.read()
            self._now_ns += TICK_MS * NS_PER_MS
            self._take(core.Tick(self._now_ns))
            self._send(self._session.tick(self._now_ns))

    def read(self) -> None:
        """Every frame that the venue has for us."""
        while self._venue.frames:
            frames, self._venue.frames = self._venue.frames, []
            for frame in frames:
                self._now_ns += NS_PER_MS
                self._take(core.Tick(self._now_ns))
                events, requests = self._session.receive(frame, self._now_ns)
                for event in events:
                    self._take(event)
                self._send(requests)

    def stop(self) -> None:
        self._take(core.Stop(self._now_ns))

    def _send(self, requests: Iterable[str]) -> None:
        for request in requests:
            self._venue.answer(request)

    def _take(self, event: Any) -> None:
        self._state, outcomes = core.step(self._state, event)
        for outcome in outcomes:
            if isinstance(outcome, core.Out):
                self._on_out(outcome)
            elif isinstance(outcome, core.Fatal):
                raise RuntimeError(outcome.message)
            elif isinstance(outcome, core.GetTime):
                self._session.get_time()
            elif isinstance(outcome, core.GetInstruments):
                self._session.get_instruments(outcome.currency)
            elif isinstance(outcome, core.GetDeliveryPrices):
                self._session.get_delivery_prices(outcome.price_index)
            elif not isinstance(outcome, core.Status):
                raise AssertionError(f"nothing here loses trades, so there are no holes to ask for: {outcome}")


def with_silence(frames: Iterable[Frame], until_ns: int) -> Iterator[Frame]:
    """The frames, and in every silence a frame a second that says nothing: so time passes in the recording's holes as it did."""
    last_ns = until_ns
    for frame in frames:
        yield from _seconds(last_ns, frame.recv_ns)
        last_ns = frame.recv_ns
        yield frame
    yield from _seconds(last_ns, until_ns)


def _seconds(after_ns: int, before_ns: int) -> Iterator[Frame]:
    return (Frame(ns, "out", "") for ns in range(after_ns + NS_PER_S, before_ns, NS_PER_S))


def play(part: Part, on_out: OnOut) -> None:
    """Ingest's log of a part of the recording, record by record."""

    def reader() -> Iterator[Frame]:
        return read(*part.files, since_ns=part.since_ns, until_ns=part.until_ns)

    source = RecordingSource(reader, speed=None, is_waiting=False, end_ns=part.until_ns)
    venue = Venue(source)
    ingest = Ingest(part.currencies, venue, on_out, expiries=part.expiries)
    ingest.connect()
    for frame in with_silence(reader(), part.until_ns):
        source.play(frame, venue)
        ingest.read()
        if frame.direction == "out":
            ingest.wait(SILENT_MS)
    ingest.stop()


@dataclass
class Workers:
    """Sixteen engines; what they write of greeks.v1 and trades.v1 goes on in the order in which it is written."""

    on_arrival: Callable[[Arrival], None]
    settings: EngineSettings = ENGINE
    n_rows: int = 0
    _log: list[list[engine.Located]] = field(default_factory=lambda: [[] for _ in range(N_PARTITIONS)])
    _offsets: list[int] = field(default_factory=lambda: [0] * N_PARTITIONS)
    _written: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._states = [
            engine.new_state(engine.Identity(p, "recording", "recorded", "1", "cpu", "avro", "ticks"), self.settings)
            for p in range(N_PARTITIONS)
        ]

    def take(self, out: core.Out) -> None:
        """One record of the log; priced a second at a time, which changes nothing."""
        for partition in range(N_PARTITIONS) if out.partition is None else (out.partition,):
            self._log[partition].append(engine.Located(self._offsets[partition], out.record))
            self._offsets[partition] += 1
        if isinstance(out.record, Clock):
            for partition in range(N_PARTITIONS):
                self._price(partition)

    def _price(self, partition: int) -> None:
        records, self._log[partition] = self._log[partition], []
        self._states[partition], results = engine.step(self._states[partition], records, self.settings)
        for result in results:
            if result.topic in ("greeks", "trades") and isinstance(
                record := result.record, Greeks | TradeGreeks | Watermark
            ):
                self.n_rows += not isinstance(record, Watermark)
                lane = (result.topic, partition)
                offset = self._written[lane] = self._written.get(lane, -1) + 1
                self.on_arrival(Arrival(*lane, offset, 1, record))


class Reading(NamedTuple):
    """A fold of dealer flow, and who gets its records, in order."""

    context: Context
    on_record: Callable[[Flow | FlowStrike | SettlementFlow], None]


def flows(part: Part, readings: Sequence[Reading], settings: EngineSettings = ENGINE) -> int:
    """The dealer flow of a part, read by one fold or several; how many rows of greeks it was made of."""
    states = [new_state(reading.context) for reading in readings]

    def on_arrival(arrival: Arrival) -> None:
        for i, reading in enumerate(readings):
            states[i], records = step(states[i], arrival, reading.context)
            for record in records:
                reading.on_record(record)

    workers = Workers(on_arrival, settings)
    play(part, workers.take)
    return workers.n_rows
