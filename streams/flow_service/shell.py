"""The service: a plain consumer that assigns itself all partitions of greeks.v1 and trades.v1, the pure fold, a producer.

In        greeks.v1, trades.v1 with their Watermarks, all partitions
Out       flow.v1, flow.strikes.v1: final records once each second of log time, provisional ones when a partition is late
          flow.settlements.v1: a record for each expiry, when its settlement window is over
State     one fold; bounded by the chain and by ``ahead_s`` of records
Order     a currency's finals in the order of their seconds
Delivery  at least once: a checkpoint is written after the records before it are confirmed; what a crash repeats is identical
Clock     none; time is the log's
Fails     never on data: what cannot be decoded goes to deadletter.v1.  A lane that is no continuation (workers reset, topics
          made anew, records deleted before they were read) stops it with a message; a new start finds its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

import schemas
from schemas import DecodeError, Greeks, TradeGreeks, UnknownSchema, Watermark
from streams import kafka, topics
from streams.flow.fold import (
    STATE_FORMAT,
    Arrival,
    Context,
    LaneError,
    State,
    is_caught_up,
    offsets,
    overrun,
    provisional,
    reread,
    resumed,
    step,
    to_bytes,
)
from streams.flow_service import checkpoints
from streams.flow_service.checkpoints import Identity, Stand
from streams.flow_service.figures import Figures
from streams.flow_service.output import FlowServiceError, Output, Reset
from streams.flow_service.settings import FoldSettings
from streams.flow_service.start import TOPIC_OF, Start, vector
from streams.garbage import rare_collections
from streams.metrics import Page
from streams.registry import Wire
from streams.worker.checkpoints import is_history_due
from streams.worker.log_reader import PASSING

NS_PER_S = 1_000_000_000
NS_PER_MIN = 60_000_000_000
POLL_S = 0.1
LOOK_S = 1.0
NEVER_PASSED = 2**63
PATIENCE_S = 5.0
"""While some partitions wait, and nothing comes of the others for so long, those have nothing to read."""


@dataclass
class Service:
    """One run.  ``say(event, **facts)`` gets what is worth a line of the log; ``stop()`` asks it to end."""

    bootstrap: str
    settings: FoldSettings
    context: Context
    identity: Identity
    start: Start
    wire: Wire
    host: str
    say: Callable[..., None]
    page: Page[Figures] | None = None

    def __post_init__(self) -> None:
        settings = self.settings
        self.state: State = resumed(self.start.final, self.context)
        self.epoch = self.start.epoch
        self.output = Output(self.bootstrap, settings, self.wire, self.host, self.start.epoch)
        self.resolve = kafka.resolver(self.bootstrap, settings.namespace)
        self.short = {settings.name(topic): short for short, topic in TOPIC_OF.items()}
        self.next = dict(self.start.first)
        self.paused: set[tuple[str, int]] = set()
        self.is_stopping = False
        self.n_records = self.n_provisional = self.n_unreadable = self.n_checkpoints = self.checkpoint_bytes = 0
        self.step_s = 0.0
        self._checkpointed_ns = self.start.final.second_ns
        self._history_ns = self.start.final.second_ns
        self._slot = self.start.slot
        self._checkpoint_due_s = time.monotonic() + settings.checkpoint_s
        self._look_due_s = 0.0
        self._began_ns = NEVER_PASSED
        self._last_read_s = time.monotonic()

    def stop(self) -> None:
        """Ask the loop to end: it checkpoints and leaves."""
        self.is_stopping = True

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Until asked to stop, or until a condition, asked after every turn.

        Errors: FlowServiceError; KafkaUnreachable, KafkaException from the clients.
        """
        consumer = kafka.reader_consumer(
            self.bootstrap,
            group_id=self.settings.group_name,
            queued_max_messages_kbytes=32_768,
            auto_offset_reset="error",
        )
        try:
            self.paused = set()
            if self.start.is_new_epoch and not self.n_checkpoints:
                self._write_checkpoint()
            consumer.assign([self._place(lane, first) for lane, first in self.next.items()])
            with rare_collections():
                while not (self.is_stopping or until()):
                    self._turn(consumer)
            self._checkpoint(consumer)
        finally:
            consumer.close()

    def _turn(self, consumer: Any) -> None:
        """What is there, then what is due."""
        first = consumer.poll(POLL_S)
        messages = [] if first is None else [first, *consumer.consume(self.settings.batch, 0)]
        began = time.perf_counter()
        for message in messages:
            self._take(message)
        self.state, records = provisional(self.state, self.context)
        self.n_provisional += len(records)
        self.output.send(records)
        self.step_s += time.perf_counter() - began
        self.output.look()
        self._regulate(consumer)
        now_s = time.monotonic()
        if now_s >= self._checkpoint_due_s:
            self._checkpoint(consumer)
            self._checkpoint_due_s = time.monotonic() + self.settings.checkpoint_s
        if self.page is not None and now_s >= self._look_due_s:
            self._look_due_s = now_s + LOOK_S
            self.page.put(self.figures())

    def _place(self, lane: tuple[str, int], offset: int) -> TopicPartition:
        topic, partition = lane
        return TopicPartition(self.settings.name(TOPIC_OF[topic]), partition, offset)

    def _take(self, message: Message) -> None:
        """One message into the fold; the finals that it brings go out."""
        error = message.error()
        if error is not None:
            self._error(error)
            return
        lane = (self.short[str(message.topic())], int(message.partition() or 0))
        offset = int(message.offset() or 0)
        where = f"{message.topic()}[{lane[1]}]@{offset}"
        if offset > self.next[lane]:
            raise FlowServiceError(
                f"{where}: records from {self.next[lane]} on were deleted before they were read; start again"
            )
        self.next[lane] = offset + 1
        self.n_records += 1
        self._last_read_s = time.monotonic()
        try:
            record = schemas.decode(message.value() or b"", self.resolve)
        except DecodeError as problem:
            self.n_unreadable += 1
            self.output.send_unreadable(message, problem, self.state.final.second_ns)
            return
        except UnknownSchema as problem:
            raise FlowServiceError(f"{where}: {problem}: upgrade this service before the workers") from problem
        if not isinstance(record, Greeks | TradeGreeks | Watermark):
            return
        try:
            self.state, records = step(self.state, Arrival(*lane, offset, _epoch(message), record), self.context)
        except LaneError as problem:
            raise Reset(
                f"{problem}; begin anew with: greekstream flow-service --cold (its finals are of the new history)"
            ) from problem
        self.output.send(records)

    def _error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise FlowServiceError(f"records were deleted before they were read ({error}); start again")
        if not error.retriable() and error.code() not in (*PASSING, KafkaError._PARTITION_EOF):
            raise KafkaException(error)

    def _regulate(self, consumer: Any) -> None:
        """Lanes that are far ahead of the last one wait; so what is held in memory is bounded.

        Where the last one has nothing to read (its worker is away) the others go on without being kept, for the provisional
        records; once it is back, all are read again from behind what is final.
        """
        if self.state.is_overrun:
            if is_caught_up(self.state, self.settings.ahead_s / 2.0):
                self._reread(consumer)
            return
        seconds = {lane: of.mark.second_ns for lane, of in self.state.lanes.items() if of.mark.second_ns > 0}
        if not seconds:
            return
        self._began_ns = min(self._began_ns, *seconds.values())
        # A lane without any Watermark yet stands where the first of the others began.
        last_ns = min(seconds.values()) if len(seconds) == len(self.state.lanes) else self._began_ns
        bound_ns = last_ns + int(self.settings.ahead_s * NS_PER_S)
        wait = {lane for lane, second_ns in seconds.items() if second_ns > bound_ns}
        for lanes, change in ((wait - self.paused, consumer.pause), (self.paused - wait, consumer.resume)):
            if lanes:
                change(
                    [
                        TopicPartition(self.settings.name(TOPIC_OF[topic]), partition)
                        for topic, partition in sorted(lanes)
                    ]
                )
        self.paused = wait
        if not wait or self._last_read_s + PATIENCE_S > time.monotonic():
            return
        self.say("flow_overrun", final_ns=self.state.final.second_ns, waiting=len(wait))
        self.state = overrun(self.state)
        consumer.resume([self._place(lane, 0) for lane in sorted(self.paused)])
        self.paused = set()

    def _reread(self, consumer: Any) -> None:
        """Go on behind the last final second."""
        self.state = reread(self.state, self.context)
        self.next = self.start.first | offsets(self.state.final)
        self._last_read_s = time.monotonic()
        consumer.assign([self._place(lane, first) for lane, first in self.next.items()])
        self.say("flow_reread", final_ns=self.state.final.second_ns)

    def _checkpoint(self, consumer: Any) -> None:
        """Records confirmed, then the state, confirmed, then the group's offsets (which only tell others how far we are)."""
        final = self.state.final
        if final.second_ns <= self._checkpointed_ns:
            self.output.confirm()
            return
        self._write_checkpoint()
        marks = [self._place(lane, mark.offset + 1) for lane, mark in final.marks.items()]
        try:
            consumer.commit(offsets=marks, asynchronous=False)
        except KafkaException as error:  # nobody goes on from them: the checkpoint is what counts
            self.say("flow_offsets_not_committed", text=str(error))

    def _write_checkpoint(self) -> None:
        """What was sent is confirmed first, then the state."""
        final = self.state.final
        stand = Stand(
            self.epoch,
            final.second_ns,
            vector(final, self.start.first),
            self.start.log_id,
            *self.identity,
            STATE_FORMAT,
            to_bytes(final),
            self._slot,
        )
        self.output.confirm()
        targets = [topics.CHECKPOINTS]
        if is_history_due(self._history_ns, final.second_ns, self.settings.history_minutes * NS_PER_MIN):
            targets.append(topics.CHECKPOINTS_HISTORY)
            self._history_ns = final.second_ns
        found = checkpoints.pieces(self.settings.group_name, self.output.flow_topic, stand)
        for topic in targets:
            self.output.send_checkpoint(topic, found)
        self.output.confirm()
        self.n_checkpoints += 1
        self._slot = checkpoints.other_slot(self._slot)
        self.checkpoint_bytes = len(stand.state)
        self._checkpointed_ns = final.second_ns
        self.say(
            "flow_checkpoint", epoch=self.epoch, second_ns=stand.second_ns, bytes=len(stand.state), pieces=len(found)
        )

    def figures(self) -> Figures:
        """The figures of this moment."""
        lanes = self.state.lanes
        newest_ns = max(lane.mark.second_ns for lane in lanes.values())
        late = {partition for (_, partition), lane in lanes.items() if lane.mark.second_ns < newest_ns}
        return Figures(
            self.n_records, self.state.n_finals, self.n_provisional, self.n_unreadable,
            sum(lane.n_repeats for lane in lanes.values()), self.n_checkpoints, self.checkpoint_bytes,
            self.state.final.second_ns, newest_ns, len(late), self.step_s, len(self.paused),
        )  # fmt: skip


def _epoch(message: Any) -> int:
    """Of the worker's state; 0 for a record that other tools have written."""
    headers = dict(message.headers() or ())
    try:
        return int(headers["epoch"])
    except (KeyError, ValueError):
        return 0
