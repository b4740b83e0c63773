"""What a log's last minute says: where its time stands, which fixings are known, which trades are in it (rule 6)."""

from __future__ import annotations

from collections import defaultdict

from schemas import (
    SINGLE_OBJECT,
    Clock,
    DecodeError,
    Framing,
    OptionQuote,
    OptionTrade,
    SettlementFixing,
    UnderlyingQuote,
    decode,
)
from streams import kafka, topics
from streams.ingest.core import Recovered
from streams.partitioning import N_PARTITIONS

NS_PER_MS = 1_000_000


class Lookback:
    """Folds the records of the last minute, in any order of partitions."""

    def __init__(self) -> None:
        self.log_times_ns = [0] * N_PARTITIONS
        self.last_clock_ns: int | None = None
        self.n_records = 0
        self._fixings: dict[tuple[str, int], SettlementFixing] = {}
        self._seqs: dict[str, set[int]] = defaultdict(set)
        self._indices: dict[str, tuple[int, float]] = {}

    def take(self, partition: int, log_time_ns: int, record: object) -> None:
        """One record of a partition."""
        self.n_records += 1
        self.log_times_ns[partition] = max(self.log_times_ns[partition], log_time_ns)
        if isinstance(record, Clock):
            self.last_clock_ns = max(self.last_clock_ns or 0, record.ts_event_ns)
        elif isinstance(record, SettlementFixing):
            key = (record.price_index, record.expiry_ns)
            known = self._fixings.get(key)
            # A later epoch may have numbers that an earlier one lacked; within one, the newest holds all.
            if known is None or (record.n_fixed, record.ingest_epoch) > (known.n_fixed, known.ingest_epoch):
                self._fixings[key] = record
        elif isinstance(record, OptionTrade):
            self._seqs[record.instrument_name].add(record.trade_seq)
        elif isinstance(record, UnderlyingQuote) and record.index_price is not None:
            last = self._indices.get(record.price_index)
            if last is None or record.ts_event_ns >= last[0]:
                self._indices[record.price_index] = (record.ts_event_ns, record.index_price)

    def recovered(self) -> Recovered:
        """Where the next ingest goes on."""
        return Recovered(
            tuple(self.log_times_ns),
            self.last_clock_ns,
            tuple(self._fixings.values()),
            {name: tuple(sorted(seqs)) for name, seqs in self._seqs.items()},
            self._indices,
        )


def read(bootstrap: str, namespace: str, lookback_s: int, framing: Framing = SINGLE_OBJECT) -> Recovered:
    """The end of every partition of the namespace's ticks: the last ``lookback_s`` seconds of log time, and one record at least."""
    name = topics.full_name(topics.TICKS, namespace)
    partitions = range(N_PARTITIONS)
    ends = kafka.watermarks(bootstrap, name, partitions)
    lookback, resolve = Lookback(), kafka.resolver(bootstrap, namespace)
    quote_marks = (SINGLE_OBJECT[OptionQuote], framing[OptionQuote])
    last_ms = 0
    for message in kafka.read_range(
        bootstrap, name, {p: (end - 1, end) for p, (first, end) in ends.items() if end > first}
    ):
        last_ms = max(last_ms, message.timestamp()[1])
    if not last_ms:
        return lookback.recovered()
    starts = kafka.offsets_for_time(bootstrap, name, partitions, last_ms - lookback_s * 1_000)
    ranges = {p: (min(starts[p], max(end - 1, first)), end) for p, (first, end) in ends.items()}
    for message in kafka.read_range(bootstrap, name, ranges):
        value, partition = message.value(), message.partition()
        assert value is not None and partition is not None
        record: object = None
        if not value.startswith(quote_marks):  # quotes are many, and nothing of them is needed
            try:
                record = decode(value, resolve)
            except DecodeError:
                record = None  # the workers will put it into deadletter.v1; ingest can do without it
        lookback.take(partition, message.timestamp()[1] * NS_PER_MS, record)
    return lookback.recovered()
