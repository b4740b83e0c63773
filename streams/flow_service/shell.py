"""The service: a plain consumer that assigns itself all partitions of greeks.v1 and trades.v1, the pure fold, a producer.

In        greeks.v1, trades.v1 with their Watermarks, all partitions
Out       flow.v1, flow.strikes.v1: final records once each second of log time, provisional ones when a partition is late
          flow.settlements.v1: a record for each expiry, when its settlement window is over
State     one fold; bounded by the chain and by ``ahead_s`` of records
Order     a currency's finals in the order of their seconds
Delivery  at least once: a checkpoint is written after the records before it are confirmed; what a crash repeats is identical
Clock     none; time is the log's
Fails     never on data: what cannot be decoded goes to deadletter.v1.  Where a lane is no continuation (workers reset, topics made
          anew) it starts over by itself, cold and under the next epoch.  Records deleted before they were read stop it with a
          message; a new start finds its way
One       of a group: the one that has claimed it last (``streams.claims``); another ends when it sees that, before its next checkpoint
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
from streams.claims import ClaimWatch
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
from streams.flow_service.output import FlowServiceError, Output, Reset, Superseded
from streams.flow_service.settings import FoldSettings
from streams.flow_service.start import TOPIC_OF, Beginning, Start, epoch_of, vector
from streams.garbage import rare_collections
from streams.metrics import Page
from streams.registry import Wire
from streams.worker.checkpoints import is_history_due
from streams.worker.log_reader import PASSING

NS_PER_S = 1_000_000_000
NS_PER_MIN = 60_000_000_000
POLL_S = 0.1
LOOK_S = 1.0
CLAIM_CHECK_S = 0.25
"""As ingest's: how long two may write at once."""
NEVER_PASSED = 2**63
GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
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
    beginning: Beginning | None = None
    """Says where to begin anew; None: what is no continuation ends it."""
    watch: ClaimWatch | None = None
    """None: nobody else can be there."""

    def __post_init__(self) -> None:
        settings = self.settings
        self.output = Output(self.bootstrap, settings, self.wire, self.host, self.start.epoch)
        self.resolve = kafka.resolver(self.bootstrap, settings.namespace)
        self.short = {settings.name(topic): short for short, topic in TOPIC_OF.items()}
        self.is_stopping = False
        self.n_records = self.n_provisional = self.n_unreadable = self.n_checkpoints = self.checkpoint_bytes = 0
        self.n_over = 0
        """Times that it has started over."""
        self.step_s = 0.0
        self._look_due_s = self._claim_due_s = 0.0
        self._begin(self.start)

    def _begin(self, start: Start) -> None:
        """Stand where a start says."""
        self.start = start
        self.state: State = resumed(start.final, self.context)
        self.epoch = self.output.epoch = start.epoch
        self.next = dict(start.first)
        self.paused: set[tuple[str, int]] = set()
        self._checkpointed_ns = self._history_ns = start.final.second_ns
        self._slot = start.slot
        self._is_epoch_open = not start.is_new_epoch
        self._checkpoint_due_s = time.monotonic() + self.settings.checkpoint_s
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
            self._open(consumer)
            with rare_collections():
                while not (self.is_stopping or until()):
                    try:
                        self._turn(consumer)
                    except Reset as reset:
                        self._start_over(consumer, reset)
            self._leave(consumer)
        finally:
            consumer.close()

    def _leave(self, consumer: Any) -> None:
        try:
            self._checkpoint(consumer)
        except Reset as reset:  # the next start finds its way
            self.say("flow_not_checkpointed", why=str(reset))

    def _open(self, consumer: Any) -> None:
        """Read from where we stand; an epoch that is new has its first checkpoint before its first record."""
        self.paused = set()
        if not self._is_epoch_open:
            self._write_checkpoint()
            self._is_epoch_open = True
        consumer.assign([self._place(lane, first) for lane, first in self.next.items()])

    def _start_over(self, consumer: Any, reset: Reset) -> None:
        """What is read is no continuation: what was made of what came before is left in order, and all begins anew, cold."""
        if self.beginning is None:
            raise reset
        self.output.confirm()
        self._resume(consumer)  # who waits would wait for ever: librdkafka keeps a pause over an assignment
        marks = {lane: of.mark for lane, of in self.state.lanes.items()}
        self._begin(self.beginning.anew(self.start, marks, reset))
        self.n_over += 1
        self._open(consumer)

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
        if self.watch is not None and now_s >= self._claim_due_s:
            self._claim_due_s = now_s + CLAIM_CHECK_S
            self._give_way(self.watch.newer())
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
            self.state, records = step(self.state, Arrival(*lane, offset, epoch_of(message), record), self.context)
        except LaneError as problem:
            raise Reset(str(problem), lane, record if isinstance(record, Watermark) else None) from problem
        self.output.send(records)

    def _error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise FlowServiceError(f"records were deleted before they were read ({error}); start again")
        if error.code() in GONE:
            raise FlowServiceError(f"a topic is gone ({error}); start again")
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
                change([self._place(lane, 0) for lane in sorted(lanes)])
        self.paused = wait
        if not wait or self._last_read_s + PATIENCE_S > time.monotonic():
            return
        self.say("flow_overrun", final_ns=self.state.final.second_ns, waiting=len(wait))
        self.state = overrun(self.state)
        self._resume(consumer)

    def _resume(self, consumer: Any) -> None:
        """No lane waits any more."""
        if self.paused:
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
        """Nobody has taken over, and the topics are those that the state is of; what was sent is confirmed, then the state."""
        if self.watch is not None:
            try:
                self._give_way(self.watch.newer_by_now(self.settings.confirm_s))
            except (KafkaException, TimeoutError) as error:
                raise FlowServiceError(f"whether another has taken over cannot be seen: {error}") from error
        self._check_topics()
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

    def _give_way(self, found: tuple[int, Any] | None) -> None:
        if found is not None:
            raise Superseded(
                f"another service of dealer flow has taken over {self.settings.group_name}: {found[1].detail}. One of a group; stop "
                "the other one first to keep this one"
            )

    def _check_topics(self) -> None:
        """Reset where they were made anew under us: offsets alone would not always tell."""
        try:
            why = "" if self.beginning is None else self.beginning.why_other(self.start.log_id)
        except KafkaException as error:  # the checkpoint that is about to be written will tell whether Kafka is there
            self.say("flow_topics_not_asked", text=str(error))
            return
        except KeyError as error:
            raise FlowServiceError(f"{error.args[0]}: start again once it is there") from error
        if why:
            raise Reset(why)

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
