"""Results, checkpoints and their confirmation: one idempotent producer a worker.

Results go to the partition of the same number.  Each batch sent is a ticket, confirmed when Kafka has confirmed all of
its records; "flushed" means here that the tickets in question are confirmed.  A flush of the producer would wait for
whatever else is sent meanwhile, which at full rate never ends.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from streams import topics
from streams.partitioning import N_PARTITIONS
from streams.worker.folds import Outgoing, RawRecord

NS_PER_MS = 1_000_000
QUEUE_HIGH = 100_000
"""Messages on their way above which no new batch is begun: about 100 MB."""


PATIENT = (topics.LATEST.short, topics.AUDIT.short)
"""Topics whose records may follow the rows they tell of again some tenths of a second later: with each Clock a worker writes
hundreds of them at once, and quotes that come then would wait behind."""
SEQ_HEADERS = [("result_seq", str(seq).encode()) for seq in range(256)]


class DeliveryFailed(RuntimeError):
    """Kafka would not take a result: the worker stops, and what was not confirmed comes again."""


class BatchHeaders:
    """Headers of a batch's results: what is the same for all of them, made once."""

    __slots__ = ("_fixed", "_offset", "_offset_header")

    def __init__(self, epoch: int, calc_wall_ns: int, host: str) -> None:
        self._fixed = [
            ("epoch", str(epoch).encode()),
            ("calc_wall_ns", str(calc_wall_ns).encode()),
            ("host", host.encode()),
        ]
        self._offset, self._offset_header = -1, ("source_offset", b"-1")

    def of(self, result: Outgoing, ingest_wall_ns: int | None) -> list[tuple[str, bytes]]:
        """The headers of one result."""
        offset, seq = result.source_offset, result.result_seq
        if offset != self._offset:  # results of one record follow each other
            self._offset, self._offset_header = offset, ("source_offset", str(offset).encode())
        seq_header = SEQ_HEADERS[seq] if 0 <= seq < len(SEQ_HEADERS) else ("result_seq", str(seq).encode())
        headers = [*self._fixed, self._offset_header, seq_header]
        if ingest_wall_ns is not None:
            headers.append(("ingest_wall_ns", str(ingest_wall_ns).encode()))
        return headers


def why_not_delivered(error: Any, message: Any) -> str:
    """Empty if the report says that the record stands in the log, at an offset; else why not.

    After a SIGKILL of the broker librdkafka (2.16, idempotent, several requests in flight) reports success without an
    offset for a batch that overtaken by a later one was answered as a repeat: measured in 3 of 15 kills, 2 or 3 records
    each, and none of them was in the log.  A report without an offset therefore counts as a failure; at worst a record
    that does stand there is written again, identical.
    """
    if error is not None:
        return str(error)
    offset = message.offset()
    return "" if offset is not None and offset >= 0 else "reported as delivered, but without an offset"


class Ticket:
    """A number of records on their way.  Lives in the event loop."""

    __slots__ = ("_future", "_n_open", "_on_done", "error")

    def __init__(self, n_records: int, on_done: Any = None) -> None:
        self._n_open, self._on_done = n_records, on_done
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: str | None = None
        if not n_records:
            self._future.set_result(None)

    def landed(self, error: Any, message: Any) -> None:
        """Delivery report of one record."""
        problem = why_not_delivered(error, message)
        if problem:
            self.error = f"{message.topic()}[{message.partition()}]: {problem}"
        self._n_open -= 1
        if not self._n_open:
            if self._on_done is not None:
                self._on_done(self)
            if not self._future.done():
                self._future.set_result(None)

    @property
    def is_confirmed(self) -> bool:
        return self._future.done() and self.error is None

    async def confirmed(self) -> None:
        """Wait until all records are confirmed; DeliveryFailed when one is not."""
        await asyncio.shield(self._future)
        if self.error is not None:
            raise DeliveryFailed(self.error)


def patient_topics(namespace: str) -> list[str]:
    """Names of the topics whose records the outbox may keep a little."""
    return [topics.full_name(topics.BY_SHORT[short], namespace) for short in PATIENT]


class Delivery:
    """Sends; knows nothing of what it sends.

    Parameters: ``producer``, an ``Outbox``; ``host`` for the header; ``suffix`` of side topics; ``on_latency`` gets, per
    batch, each prompt result's ns from the ingest of its source to their confirmation, and ``on_failure`` a DeliveryFailed.
    """

    def __init__(
        self,
        producer: Any,
        namespace: str,
        host: str,
        *,
        suffix: str = "",
        on_latency: Any = None,
        on_failure: Any = None,
    ) -> None:
        self._producer = producer
        self._names = {short: topics.full_name(topic, namespace, suffix) for short, topic in topics.BY_SHORT.items()}
        self._host = host
        self._on_latency, self._on_failure = on_latency, on_failure
        self.sent: defaultdict[tuple[str, tuple[int, ...]], int] = defaultdict(int)
        """Results handed over, by topic and by what they are."""

    async def start(self) -> None:
        """Connect to Kafka."""
        await self._producer.start()

    @property
    def n_unconfirmed(self) -> int:
        """Records on their way."""
        return len(self._producer)

    async def room(self) -> None:
        """Wait until the producer has room for a batch's results."""
        while len(self._producer) > QUEUE_HIGH:
            await asyncio.sleep(0.005)

    def send(
        self,
        partition: int,
        epoch: int,
        results: Sequence[Outgoing],
        sources: Sequence[RawRecord],
        *,
        is_live: bool = True,
    ) -> tuple[Ticket, Ticket]:
        """Hand results over without an await: the ticket of the prompt ones, and that of the patient ones.

        ``sources`` are the records they were made of, whose ingest time goes into a header; a restore is not live and
        stays out of the worker's own figures of latency.
        """
        walls = {record.offset: record.ingest_wall_ns for record in sources if record.ingest_wall_ns is not None}
        now_ns = time.time_ns()
        prompt = [result for result in results if result.topic not in PATIENT]
        tickets = (
            Ticket(len(prompt), self._done(prompt, walls if is_live else {})),
            Ticket(len(results) - len(prompt), self._done((), {})),
        )
        fixed = BatchHeaders(epoch, now_ns, self._host)
        for result in results:
            headers = fixed.of(result, walls.get(result.source_offset))
            self.sent[result.topic, result.what] += 1
            self._produce(
                self._names[result.topic],
                partition,
                result.key,
                result.value,
                result.ts_ns // NS_PER_MS,
                headers,
                tickets[result.topic in PATIENT],
            )
        return tickets

    def send_checkpoint(
        self, topic: topics.Topic, partition: int, key: str, value: bytes | None, epoch: int, offset: int, ts_ns: int
    ) -> Ticket:
        """One checkpoint record; its epoch and offset stand in headers too, so that a restore need not decode all."""
        ticket = Ticket(1, self._done((), {}))
        headers = [("epoch", str(epoch).encode()), ("offset", str(offset).encode()), ("host", self._host.encode())]
        self._produce(self._names[topic.short], partition, key.encode(), value, ts_ns // NS_PER_MS, headers, ticket)
        return ticket

    def _produce(
        self, topic: str, partition: int, key: bytes, value: bytes | None, ts_ms: int, headers: Any, ticket: Ticket
    ) -> None:
        self._producer.produce(
            topic, value, key, partition, on_delivery=ticket.landed, timestamp=max(0, ts_ms), headers=headers
        )

    def _done(self, results: Sequence[Outgoing], walls: dict[int, int]) -> Any:
        waits = [wall for wall in (walls.get(result.source_offset) for result in results) if wall is not None]

        def done(ticket: Ticket) -> None:
            if ticket.error is not None:
                if self._on_failure is not None:
                    self._on_failure(DeliveryFailed(ticket.error))
            elif waits and self._on_latency is not None:
                now_ns = time.time_ns()
                self._on_latency([now_ns - wall_ns for wall_ns in waits])

        return done

    async def close(self, within_s: float = 5.0) -> int:
        """Flush what is left, and disconnect; returns how many records were not confirmed."""
        n_left: int = await self._producer.close(within_s)
        return n_left


assert topics.GREEKS.n_partitions == N_PARTITIONS, "results go to the partition of the same number"
