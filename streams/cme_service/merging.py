"""The shell of the merge: dealer flow, its strikes and CME's marks from their topics, ``flow.merged.v1`` out.

One plain consumer without a group.  Progress is a vector of offsets in ``checkpoints.v1``, written after Kafka has confirmed the
records that it covers, and once before the first of them; a start goes on from it, or, without one, at the topics' present end.

What a second was merged with depends on which marks had come by then, so a start looks up what has been said since the progress, and
says nothing twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

import schemas
from schemas import Checkpoint, CmeMark, DeadLetter, DecodeError, Flow, FlowMerged, FlowStrike
from streams import kafka, registry, topics
from streams.cme.merged import (
    Arrived,
    MarkBatch,
    MergeState,
    Terms,
    are_strikes_ahead,
    first_needed,
    is_flow_ahead,
    step,
)
from streams.cme.share import ShareSettings
from streams.cme_service import figures
from streams.cme_service.files import Stamp, found
from streams.cme_service.open_interest import read_share
from streams.cme_service.output import PARTITION, Output, PublishError, newest_progress
from streams.cme_service.settings import MergeSettings
from streams.metrics import Page
from streams.settings import settings_hash
from streams.worker.log_reader import PASSING

NS_PER_MS = 1_000_000
DAY_NS = 86_400_000_000_000
EPOCH, STATE_FORMAT = 1, 1
BATCH = 200
"""Records taken between two looks at which topic is ahead: fewer than half of what the fold keeps."""
DEADLETTER_BYTES = 64 * 1024
N_OPEN = 4
"""Batches of marks that have begun and are not whole: more are of writers that were killed."""


@dataclass(frozen=True)
class _Decides:
    """What decides a merged record, beside what it is merged from."""

    marks_max_age_days: float


def terms(settings: MergeSettings) -> Terms:
    """What decides a merged record, of these settings."""
    return Terms(round(settings.marks_max_age_days * DAY_NS), settings_hash(_Decides(settings.marks_max_age_days)))


class Assembly:
    """Marks of batches on their way, until all of one are there (headers ``batch``, ``result_seq``, ``n_results``).

    Of several writers each has batches of its own name, and they may lie between each other's.
    """

    def __init__(self) -> None:
        self._open: dict[bytes, list[CmeMark]] = {}

    def take(self, mark: CmeMark, headers: dict[str, bytes]) -> MarkBatch | None:
        """The batch, with its last mark; a batch that begins anew, or whose beginning is not there, is begun anew or left."""
        batch, seq, n = headers.get("batch", b""), int(headers.get("result_seq", -1)), int(headers.get("n_results", 0))
        if seq == 0:
            self._open.pop(batch, None)
            self._open[batch] = []
            if len(self._open) > N_OPEN:
                del self._open[next(iter(self._open))]
        marks = self._open.get(batch)
        if marks is None or seq != len(marks):
            return None
        marks.append(mark)
        if len(marks) < n:
            return None
        return MarkBatch(mark.ts_event_ns, tuple(self._open.pop(batch)))


class Merging:
    """One merge of one namespace.  ``say(event, **facts)`` gets what operators should know."""

    def __init__(
        self, settings: MergeSettings, share: ShareSettings, divisor: float, bootstrap: str, host: str,
        page: Page[figures.MergeFigures], say: Callable[..., None],
    ) -> None:  # fmt: skip
        self.settings, self._share, self._divisor = settings, share, divisor
        self._bootstrap, self._host, self._page, self._say = bootstrap, host, page, say
        namespace = settings.namespace
        needed = (topics.FLOW, topics.FLOW_STRIKES, topics.CME_MARKS, topics.FLOW_MERGED)
        kafka.create_topics(
            bootstrap, namespace, settings.profile,
            only=(*needed, topics.CHECKPOINTS, topics.DEADLETTER, topics.SCHEMAS),
        )  # fmt: skip
        kafka.publish_schemas(bootstrap, namespace)
        self._wire = registry.wire(namespace, only=(topics.FLOW_MERGED, topics.DEADLETTER))
        names = [topics.full_name(topic, namespace) for topic in needed]
        self.flow, self.strikes, self.marks, self.merged = names
        self._checkpoints = topics.full_name(topics.CHECKPOINTS, namespace)
        self._deadletter = topics.full_name(topics.DEADLETTER, namespace)
        self._group = topics.group_name(namespace, "merge")
        self._ids = {name: kafka.topic_id(bootstrap, name) for name in (self.flow, self.strikes)}
        self._resolve = kafka.resolver(bootstrap, namespace)
        self._output = Output(bootstrap)
        self._terms = terms(settings)
        self.state, self._assembly = MergeState(), Assembly()
        self._next: dict[str, int] = {}
        self._held: set[str] = set()
        self._stamps: dict[Path, Stamp] | None = None
        self._share_due_s = self._checkpoint_due_s = 0.0
        self.n_records = self.n_batches = 0
        self._is_new = False
        """Something stands in Kafka's hands, or has been read, that the progress does not say."""

    # -- where to begin ---------------------------------------------------------------------------------------------

    def begin(self, from_start: bool) -> None:
        """Take up the progress; read every batch of marks that there is."""
        edges = {name: self._edges(name) for name in (self.flow, self.strikes, self.marks)}
        known, is_anew = self._progress()
        for name in (self.flow, self.strikes):
            first, end = edges[name]
            fresh = first if from_start or is_anew else end
            wanted = fresh if known is None else known.offsets[f"{name}/{PARTITION}"]
            self._next[name] = min(max(wanted, first), end)
            if name == self.strikes:
                self.state.is_cold = wanted < first or (known is None and self._next[name] > 0)
        if known is not None:
            self._take_up(json.loads(known.state))
        for message in kafka.read_range(self._bootstrap, self.marks, {PARTITION: edges[self.marks]}):
            self._take(message)
        self._next[self.marks] = edges[self.marks][1]
        if known is None:
            # without it one that is killed before its first would begin at another end, and lose what lies between
            self._is_new = True
            self._record_progress(is_last=True)
        self._say(
            "begins", from_progress=known is not None, offsets=dict(self._next), batches=len(self.state.batches)
        )  # fmt: skip

    def _take_up(self, progress: dict[str, Any]) -> None:
        """What has been said, by the progress and since; and which currencies a cold fold still waits for a whole set of."""
        said_ns = {str(key): int(ns) for key, ns in progress["said_ns"].items()}
        end = self._edges(self.merged)[1]
        since_ms = min(said_ns.values(), default=0) // NS_PER_MS
        begin = kafka.offsets_for_time(self._bootstrap, self.merged, [PARTITION], since_ms)[PARTITION]
        for message in kafka.read_range(self._bootstrap, self.merged, {PARTITION: (begin, end)}):
            try:
                record = schemas.decode(message.value() or b"", self._resolve)
            except DecodeError:  # none of ours: with it no start would succeed
                continue
            if isinstance(record, FlowMerged):
                said_ns[record.currency] = max(record.ts_event_ns, said_ns.get(record.currency, record.ts_event_ns))
        self.state.said_ns = said_ns
        if not self.state.is_cold:
            # of whom something has been said, the first set is over
            self.state.is_cold = progress.get("is_cold", False)
            self.state.begun = {*progress.get("begun", ()), *said_ns}

    def _edges(self, name: str) -> tuple[int, int]:
        return kafka.watermarks(self._bootstrap, name, [PARTITION])[PARTITION]

    def _progress(self) -> tuple[Checkpoint | None, bool]:
        """The newest progress, if it is of these very topics; and whether it is of others, which these have been made anew after."""
        record = newest_progress(self._bootstrap, self._checkpoints, self._group)
        if record is None or record.state_format != STATE_FORMAT:
            return None, False
        is_ours = json.loads(record.state)["log_ids"] == self._ids
        return (record, False) if is_ours else (None, True)

    # -- the loop ---------------------------------------------------------------------------------------------------

    def run(self, *, until_end: bool = False, from_start: bool = False, stop: threading.Event | None = None) -> None:
        """Merge for ever, until where the topics end now, or until ``stop`` is set; the progress is then recorded.

        After an exception it is not: what it would have covered is read again by the next start.

        from_start : where there is no progress, begin where the topics do, not at their present end.
        """
        self.begin(from_start)
        stop = stop or threading.Event()
        ends = {name: self._edges(name)[1] for name in self._next}
        consumer = kafka.reader_consumer(self._bootstrap)
        try:
            consumer.assign([TopicPartition(name, PARTITION, offset) for name, offset in self._next.items()])
            while not stop.is_set() and not (until_end and all(self._next[name] >= end for name, end in ends.items())):
                self._look_at_open_interest()
                waited = consumer.consume(1, 0.2)
                for message in (*waited, *(consumer.consume(BATCH, 0.0) if waited else ())):
                    self._take(message)
                self._regulate(consumer)
                self._record_progress(is_last=False)
                self._put()
            self._record_progress(is_last=True)
        finally:
            consumer.close()

    def _regulate(self, consumer: Any) -> None:
        """Hold back the topic that is ahead: what the fold keeps is bounded, and a catch-up reads the two at any speed."""
        held = set()
        if are_strikes_ahead(self.state):
            held.add(self.strikes)
        elif is_flow_ahead(self.state):
            _, end = consumer.get_watermark_offsets(TopicPartition(self.strikes, PARTITION), cached=True)
            if self._next[self.strikes] < end:
                held.add(self.flow)
        for name in (self.flow, self.strikes):
            if (name in held) != (name in self._held):
                (consumer.pause if name in held else consumer.resume)([TopicPartition(name, PARTITION)])
        self._held = held

    def _take(self, message: Any) -> None:
        error = message.error()
        if error is not None:
            if error.retriable() or error.code() in (*PASSING, KafkaError._PARTITION_EOF):
                return
            raise KafkaException(error)
        name, offset = message.topic(), message.offset()
        arrived = self._arrived(message, name, offset)
        if arrived is not None:
            self.n_batches += isinstance(arrived.record, MarkBatch)
            self.state, records = step(self.state, arrived, self._terms)
            self._send(records, offset)
        self._next[name] = offset + 1
        self._is_new = True

    def _arrived(self, message: Any, name: str, offset: int) -> Arrived | None:
        try:
            record = schemas.decode(message.value() or b"", self._resolve)
        except DecodeError as error:
            self._bury(message, error)
            return None
        if isinstance(record, CmeMark) and name == self.marks:
            batch = self._assembly.take(record, dict(message.headers() or ()))
            return None if batch is None else Arrived(offset, batch)
        return Arrived(offset, record) if isinstance(record, Flow | FlowStrike) else None

    def _look_at_open_interest(self) -> None:
        paths = [Path(path) for path in self.settings.open_interest]
        if not paths or time.monotonic() < self._share_due_s:
            return
        self._share_due_s = time.monotonic() + self.settings.open_interest_poll_s
        stamps = found(paths)
        if stamps == self._stamps:
            return
        read = read_share(paths, self._share, self._divisor)
        self._stamps = stamps
        self.state.signals = read.signals
        for one in read.examples:
            self._say("refused", **one._asdict())
        for currency, signal in read.signals.items():
            self._say(
                "share", currency=currency, day=signal.day.isoformat(), share=signal.share_of_futures_open_interest,
                n_above=signal.n_above, n_readings=signal.n_readings, is_sustained=signal.is_sustained,
                is_triggered=signal.is_triggered,
            )  # fmt: skip

    # -- to Kafka ---------------------------------------------------------------------------------------------------

    def _send(self, records: Iterable[FlowMerged], offset: int) -> None:
        for seq, record in enumerate(records):
            headers: list[tuple[str, str | bytes | None]] = [
                ("epoch", str(EPOCH).encode()), ("source_offset", str(offset).encode()), ("result_seq", str(seq).encode()),
                ("calc_wall_ns", str(time.time_ns()).encode()), ("host", self._host.encode()),
            ]  # fmt: skip
            value = schemas.encode(record, self._wire.framing)
            self._output.produce(self.merged, record.currency.encode(), value, record.ts_event_ns // NS_PER_MS, headers)
            self.n_records += 1

    def _bury(self, message: Any, error: DecodeError) -> None:
        payload = bytes(message.value() or b"")[:DEADLETTER_BYTES]
        record = DeadLetter(
            message.topic(), message.partition(), message.offset(), error.reason, str(error)[:500], payload
        )  # fmt: skip
        self._output.produce(
            self._deadletter, b"", schemas.encode(record, self._wire.framing), message.timestamp()[1], []
        )

    def _record_progress(self, *, is_last: bool) -> None:
        """Results confirmed, then the progress, then that confirmed: a crash in between repeats, and loses nothing."""
        if not self._is_new or (not is_last and time.monotonic() < self._checkpoint_due_s):
            return
        self._check_topics()
        self._output.confirm(self.merged)
        flow, strikes = first_needed(self.state, self._next[self.flow], self._next[self.strikes])
        offsets = {f"{self.flow}/{PARTITION}": flow, f"{self.strikes}/{PARTITION}": strikes}
        cold = {"is_cold": self.state.is_cold, "begun": sorted(self.state.begun)}
        state = json.dumps({"said_ns": self.state.said_ns, "log_ids": self._ids, **cold}).encode()
        said_ns = max(self.state.said_ns.values(), default=0)
        record = Checkpoint(
            self._group, self.merged, PARTITION, EPOCH, self._next[self.strikes] - 1, offsets, self._ids[self.flow], said_ns,
            self._terms.settings_hash, "", "", STATE_FORMAT, state,
        )  # fmt: skip
        key = f"{self._group}/{EPOCH}".encode()
        self._output.produce(self._checkpoints, key, schemas.encode(record), said_ns // NS_PER_MS, [])
        self._output.confirm(self._checkpoints)
        self._is_new, self._checkpoint_due_s = False, time.monotonic() + self.settings.checkpoint_s

    def _check_topics(self) -> None:
        """PublishError where they were made anew: offsets of the new ones would be taken for those of the old."""
        try:
            now = {name: kafka.topic_id(self._bootstrap, name) for name in self._ids}
        except KafkaException as error:  # a broker that is away will not confirm either
            self._say("topics_not_asked", why=str(error))
            return
        except KeyError as error:
            raise PublishError(f"{error.args[0]}: start again once it is there") from error
        if now != self._ids:
            raise PublishError(
                "flow.v1 or flow.strikes.v1 was made anew: start again, and they are merged from their beginning"
            )

    def _put(self) -> None:
        state = self.state
        self._page.put(
            figures.MergeFigures(
                n_records=self.n_records,
                n_batches=self.n_batches,
                n_without_flow=state.n_without_flow,
                marks_ns=state.batches[-1].now_ns if state.batches else 0,
                said_ns=dict(state.said_ns),
                share={key: one.share_of_futures_open_interest or 0.0 for key, one in state.signals.items()},
            )
        )
