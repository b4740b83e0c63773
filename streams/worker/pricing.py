"""The engine as a worker's fold: bytes decoded, folded, and the results encoded, all of it by the kernel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import schemas
from streams import engine, kafka_schemas, registry, topics
from streams import settings as settings_module
from streams.engine import EngineSettings, Located, State, Unreadable
from streams.engine import quotes as quotes_module
from streams.engine.columns import Row
from streams.engine.comparisons import Compared
from streams.worker import folds
from streams.worker.coverage import NOTHING, coverage_of, what_of
from streams.worker.folds import Outgoing, RawRecord

MAX_PAYLOAD = 64 * 1024
"""Bytes of an unreadable record that the dead letter keeps."""
MOST_KNOWN = 2_048
"""Broadcasts kept as read: as many as lie between the partitions that are furthest apart in a replay, a few MB."""
BROADCASTS = tuple(
    schemas.SINGLE_OBJECT[kind]
    for kind in (
        schemas.UnderlyingQuote,
        schemas.SettlementFixing,
        schemas.Clock,
        schemas.InstrumentSet,
        schemas.FeedGap,
    )
)
_ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("schemas", "pricers", "streams/engine")
_LIBRARIES = ("numba", "llvmlite", "numpy", "scipy")


@cache
def sources_hash(sources: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    """Ten hex digits of all that may change a byte of a result: ``sources`` (rooms of this project), compilers, libraries."""
    digest = hashlib.sha256(" ".join(f"{name}={version(name)}" for name in libraries).encode())
    for room in sources:
        for path in sorted((_ROOT / room).rglob("*")):
            if path.suffix in (".py", ".avsc"):
                digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:10]


def engine_version(sources: tuple[str, ...] = SOURCES) -> str:
    """The engine's own version and the hash of what makes its results.

    So that the promise "same version, same bytes" holds by itself, also between two states of a working tree.
    """
    return f"{engine.ENGINE_VERSION}-{sources_hash(sources, _LIBRARIES)}"


@cache
def cpu_features() -> str:
    """The CPU that LLVM compiles for, and a hash of its features: other instructions may round otherwise."""
    from llvmlite import binding

    features = binding.get_host_cpu_features().flatten()
    return f"{binding.get_host_cpu_name()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


class Seen:
    """Between the kernel, which alone may look into a state, and the loop, which asks once a second."""

    __slots__ = ("coverage", "is_asked")

    def __init__(self) -> None:
        self.coverage: folds.Coverage | None = None
        self.is_asked = False


class Reader:
    """Records of frames.  Quotes are read a batch at a time; what stands in every partition is read once a process."""

    def __init__(self, resolve: Any) -> None:
        self._resolve = resolve
        self._known: dict[bytes, schemas.Record] = {}

    def records(self, frames: Sequence[bytes]) -> list[schemas.Record | Unreadable]:
        """Malformed bytes become an Unreadable; an unknown schema of a well-formed frame stops the worker."""
        quotes = [frame for frame in frames if frame.startswith(quotes_module.FRAME)]
        if len(quotes) < quotes_module.N_LEAST:
            return [self._record(frame) for frame in frames]
        read = iter(quotes_module.read_quotes(quotes))
        return [
            (next(read) if frame.startswith(quotes_module.FRAME) else None) or self._record(frame) for frame in frames
        ]

    def _record(self, frame: bytes) -> schemas.Record | Unreadable:
        is_shared = frame.startswith(BROADCASTS)
        if is_shared and frame in self._known:
            return self._known[frame]
        try:
            record: schemas.Record = schemas.decode(frame, self._resolve)
        except schemas.DecodeError as error:
            return Unreadable(type(error).__name__, str(error), frame[:MAX_PAYLOAD])
        if is_shared:
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[frame] = record
        return record


@dataclass(frozen=True, slots=True)
class PricingFold:
    """The fold of one partition."""

    identity: engine.Identity
    settings: EngineSettings
    reader: Reader
    framing: schemas.Framing
    seen: Seen = field(default_factory=Seen, compare=False)

    def new_state(self) -> State:
        return engine.new_state(self.identity, self.settings)

    def step(self, state: State, records: Sequence[RawRecord]) -> tuple[State, list[Outgoing]]:
        clock_ns = state.clock_ns
        found = self.reader.records([raw.value or b"" for raw in records])
        located = [Located(raw.offset, record) for raw, record in zip(records, found, strict=True)]
        state, results = engine.step(state, located, self.settings)
        if self.seen.is_asked and state.clock_ns != clock_ns:
            self.seen.is_asked, self.seen.coverage = False, coverage_of(state, self.settings)
        return state, self._encoded(results)

    def _encoded(self, results: Sequence[engine.Result]) -> list[Outgoing]:
        """Results as bytes; the options' rows of a batch are encoded at once, also for the second topic that they go to."""
        out: list[Outgoing] = []
        framing, make = self.framing, tuple.__new__  # half the time of ``_make``
        for result in results:
            topic, key, content, ts_ns, source_offset, result_seq = result
            value: bytes | None = None
            what = NOTHING
            if type(content) is Row:
                value = content.value(framing)
                if topic == "greeks":
                    what = content.what
            elif content is not None:
                value = content.value(framing) if type(content) is Compared else schemas.encode(content, framing)
                what = what_of(result)
            out.append(make(Outgoing, (topic, key.encode(), value, ts_ns, source_offset, result_seq, what)))
        return out

    def snapshot(self, state: State) -> bytes:
        return engine.snapshot(state)

    def restore(self, data: bytes) -> State:
        return engine.restore(data, self.identity)

    def log_time_ns(self, state: State) -> int:
        return max(0, state.log_time_ns or 0)

    def is_ready(self, state: State) -> bool:
        return bool(state.is_ready)

    def coverage(self) -> folds.Coverage | None:
        """Asking has it made anew at the next Clock: who never asks (a replay) never pays, and a catch-up pays once a second."""
        self.seen.is_asked = True
        return self.seen.coverage


@dataclass(frozen=True)
class PricingMaker:
    """Folds of one process.  ``resolve`` finds writer schemas that the package lacks in ``schemas.v1``."""

    settings: EngineSettings
    namespace: str
    resolve: Any
    wire: registry.Wire = registry.SINGLE

    @cached_property
    def identity(self) -> folds.Identity:
        """The wire format is part of the settings' hash: bytes differ by it, so a change of it opens the next epoch."""
        settings_hash = settings_module.settings_hash(self.settings, *self.wire.facts)
        return folds.Identity(settings_hash, engine_version(), cpu_features(), engine.STATE_FORMAT)

    def fold(self, partition: int, log_id: str) -> PricingFold:
        ours = self.identity
        where = topics.full_name(topics.TICKS, self.namespace)
        identity = engine.Identity(
            partition, log_id, ours.settings_hash, ours.engine_version, ours.cpu_features, self.wire.name, where
        )
        return PricingFold(identity, self.settings, self.reader, self.wire.framing)

    @cached_property
    def reader(self) -> Reader:
        """One for all folds of the process."""
        return Reader(self.resolve)

    def warm_up(self) -> None:
        import pricers

        pricers.warm_up()
        engine.warm_up()


def make(bootstrap: str, namespace: str, settings: EngineSettings | None = None) -> PricingMaker:
    """The maker of a worker; engine settings from the environment (GREEKSTREAM_ENGINE_<FIELD>) unless given.

    With SCHEMA_REGISTRY_URL set it registers the schemas there, and its results carry the registry's ids.
    """
    settings = settings or settings_module.load(EngineSettings, "ENGINE")
    return PricingMaker(settings, namespace, kafka_schemas.resolver(bootstrap, namespace), registry.wire(namespace))
