"""Faust's consumer with a shorter way for a record: what it does for each one costs more than most records compute.

Faust hands each record over in a task of its own, with three more to watch over it, so that a rebalance can end a hand-over
that waits.  It waits when the flow is stopped, or the agent's queue full; in neither case need a task be there before.
It asks for each record what is the same for all of a fetch, and whether the producer, which is never used here, is behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers.aiokafka import Consumer, Producer, Transport
from faust.transport.producer import ProducerBuffer
from mode.services import WaitResults

from streams.worker.same_loop import SameLoop

N_IN_TURN = 32
"""Records of a partition on end: a batch (``max_rows``) has some of each of sixteen."""


class RawSchema(faust.Schema[Any, Any]):
    """Bytes as they are: no codec is looked up for a key and a value that none would change."""

    def compile(self, app: Any, **_: Any) -> Any:
        """The function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(message.key, message.value, message.headers, message)

        return decode


def _in_turn(records: Mapping[Any, Sequence[Any]]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """(partition, its next records): ``N_IN_TURN`` of each that has some left, again and again."""
    for begin in range(0, max(map(len, records.values()), default=0), N_IN_TURN):
        for tp, of_partition in records.items():
            if begin < len(of_partition):
                yield tp, of_partition[begin : begin + N_IN_TURN]


class DirectConsumer(Consumer):
    """Hands a record over without a task while the flow is on, and fetches in this loop."""

    def _new_consumer_thread(self) -> SameLoop:
        return SameLoop(self, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        """The records of one fetch, some of each partition in turn; what is left of it is dropped when a rebalance begins.

        Not partition by partition: a fetch holds thousands of each (``app.FETCH_BYTES``, compressed), and where there is more to do
        than time, those that wait for theirs would pass for idle, and be read past Faust.
        """
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        if not self.flow_active:  # what has been fetched is dropped, and fetched again
            await self._seek_back()
            return
        generation = self.app.consumer_generation_id
        for tp, some in _in_turn(records):
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            for record in some:
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                yield tp, self._to_message(tp, record)

    async def _seek_back(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # as Faust: the rebalance that has stopped the flow seeks again
            self.log.warning("seek while the flow is stopped: %r", error)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:
        """Of Faust's two: the hand-over of one record, and the wait for the end of the flow.

        With a full queue the hand-over waits; a revocation clears the queue, which ends it as well.
        """
        if len(coros) != 2 or timeout is not None or not self.flow_active or not self.app.flow_control.is_active():
            return await super().wait_first(*coros, timeout=timeout)
        handing_over, end_of_flow = coros
        end_of_flow.close()
        await handing_over
        return WaitResults([handing_over], [None], False)


class IdleBuffer(ProducerBuffer):
    """What is to be sent by Faust's own producer: nothing, for results go through an outbox of ours."""

    async def wait_until_ebb(self) -> None:
        """Asked before each record; nothing is ever behind."""


class IdleProducer(Producer):
    """Faust's producer with that buffer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.buffer = IdleBuffer(loop=self.loop, beacon=self.beacon)
        self.buffer.app = self.app


class DirectTransport(Transport):
    """Kafka, through the consumer above."""

    Consumer = DirectConsumer
    Producer = IdleProducer
