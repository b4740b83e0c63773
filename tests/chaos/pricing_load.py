"""Logs for the real engine: a few options a partition, a forward that walks, quotes, trades, clocks, broadcasts in order.

``pricing_load``   an ordinary day
``expiring_load``  half of the options expire in the run, each name in the partition that it hashes to
``jumping_load``   clocks that jump: event times minutes and hours off, seconds without a Clock, Clocks that go back
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import schemas
from schemas import Clock, InstrumentSet, OptionQuote, OptionTrade, UnderlyingQuote
from streams.partitioning import N_PARTITIONS, partition_of
from tests import logs
from tests.chaos.load import Written

S = 1_000_000_000
EPOCH = 1
PER_PARTITION = 4
LIVING, EXPIRING = "19APR23", "12APR23"
TO_EXPIRY_S = 45
"""Log time from the start of ``expiring_load`` to its expiry."""
LEAD_NS = 2 * S
"""Rule 2 of the log: how far a time may be past the last Clock."""
OFF_S = (-7_200, -600, -60, 60, 600, 7_200)
"""How far a bent time is off."""


def names_of(partition: int) -> list[str]:
    """The options of a partition; the engine takes whatever its log holds."""
    strikes = [27_000 + 500 * (partition % 4) + 2_000 * i for i in range(PER_PARTITION)]
    return [f"BTC-{LIVING}-{strikes[i]}-{'CP'[i % 2]}" for i in range(PER_PARTITION)]


def own_names(per_expiry: int = PER_PARTITION // 2) -> list[list[str]]:
    """By partition, options that hash to it: as many that expire in the run as that do not."""
    found: list[list[str]] = [[] for _ in range(N_PARTITIONS)]
    for day in (EXPIRING, LIVING):
        room = [per_expiry] * N_PARTITIONS
        for strike in range(29_000, 33_000, 10):
            name = f"BTC-{day}-{strike}-{'CP'[strike // 10 % 2]}"
            partition = partition_of(name)
            if room[partition]:
                room[partition] -= 1
                found[partition].append(name)
    assert all(len(names) == 2 * per_expiry for names in found)
    return found


class _Log:
    """All sixteen partitions as ingest writes them: broadcasts to each, keyed records to one."""

    def __init__(self, seed: int, names: Sequence[Sequence[str]]) -> None:
        self.rng, self.seq, self.forward, self.names = random.Random(seed), 0, logs.FORWARD, names
        self.trade_seq: dict[str, int] = {}

    def broadcast(self, ts_ns: int, kind: type, **fields: object) -> Iterator[Written]:
        self.seq += 1
        value = schemas.encode(kind(ts_event_ns=ts_ns, ingest_epoch=EPOCH, seq=self.seq, **fields))
        for partition in range(N_PARTITIONS):
            yield Written(partition, kind.__name__.encode(), value, ts_ns)

    def keyed(self, partition: int, ts_ns: int, record: schemas.Record, name: str) -> Written:
        return Written(partition, name.encode(), schemas.encode(record), ts_ns)

    def underlying(self, ts_ns: int) -> Iterator[Written]:
        self.forward *= 1 + self.rng.gauss(0, 2e-4)
        return self.broadcast(
            ts_ns, UnderlyingQuote, price_index="btc_usd", base_currency="BTC", is_complete=True,
            index_price=round(self.forward, 2), dvol=None, futures=(), forwards=(),
        )  # fmt: skip

    def start(self, ts_ns: int) -> Iterator[Written]:
        yield from self.broadcast(ts_ns, Clock, offset_ms=None)
        yield from self.underlying(ts_ns)
        for partition, names in enumerate(self.names):
            for name in names:
                yield self.keyed(partition, ts_ns, logs.contract_of(name, ts_event_ns=ts_ns), name)
                yield self.quote(partition, name, ts_ns, is_snapshot=True, snapshot_id=1)
        counts = tuple(map(len, self.names))
        yield from self.broadcast(
            ts_ns, InstrumentSet, snapshot_id=1, is_complete=True, count_by_partition=counts, price_indices=("btc_usd",)
        )

    def quote(self, partition: int, name: str, ts_ns: int, **fields: object) -> Written:
        mid = 0.02 + 0.03 * self.rng.random()
        ticks = round(mid / 0.0005)
        changes = {
            "bid": ticks * 0.0005,
            "ask": (ticks + 1) * 0.0005,
            "mark": round(mid, 4),
            "underlying_price": round(self.forward, 2),
            "index_price": round(self.forward, 2),
            "ts_event_ns": ts_ns,
        }
        return self.keyed(partition, ts_ns, logs.quote_of(name, **(changes | fields)), name)

    def trade(self, partition: int, name: str, ts_ns: int) -> Written:
        number = self.trade_seq[name] = self.trade_seq.get(name, 0) + 1
        return self.keyed(partition, ts_ns, logs.trade_of(name, ts_ns, number, 0.033), name)

    def second(self, ts_ns: int) -> Iterator[Written]:
        """What the second before this Clock brings, and the Clock."""
        yield from self.underlying(ts_ns - 700_000_000)
        for i in range(48):
            at_ns = ts_ns - 690_000_000 + i * 10_000_000
            partition = self.rng.randrange(N_PARTITIONS)
            name = self.rng.choice(self.names[partition])
            yield self.trade(partition, name, at_ns) if i % 6 == 5 else self.quote(partition, name, at_ns)
        yield from self.underlying(ts_ns - 200_000_000)
        yield from self.broadcast(ts_ns, Clock, offset_ms=None)


def _written(log: _Log, start_ns: int, pause_s: Callable[[], int] = lambda: 1) -> Iterator[Written]:
    """Second after second for ever; ``pause_s`` says how many pass until the next Clock."""
    ts_ns = start_ns
    yield from log.start(ts_ns)
    while True:
        ts_ns += pause_s() * S
        yield from log.second(ts_ns)


def _first(records: Iterator[Written], n_records: int) -> Iterator[Written]:
    return (record for record, _ in zip(records, range(n_records), strict=False))


def pricing_load(seed: int, n_records: int) -> Iterator[Written]:
    """``n_records`` in log order: per second a Clock, two forwards, 40 quotes and 8 trades over the partitions."""
    return _first(_written(_Log(seed, [names_of(p) for p in range(N_PARTITIONS)]), logs.START_NS), n_records)


def expiring_load(seed: int, n_records: int) -> Iterator[Written]:
    """The same; half of the options expire after 45 s of log time, and their quotes and trades go on coming."""
    start_ns = logs.EXPIRIES[EXPIRING] * S - TO_EXPIRY_S * S
    return _first(_written(_Log(seed, own_names()), start_ns), n_records)


def jumping_load(seed: int, n_records: int) -> Iterator[Written]:
    """The same, with one event time in thirty off by a minute to two hours, one Clock in thirty in the past, and now and then two
    hours or a minute without a Clock; Kafka's times by rule 2 of the log."""
    rng = random.Random(f"jumps {seed}")
    pauses = itertools.cycle((7_200, 60))
    left = rng.randint(10, 30)

    def pause_s() -> int:
        nonlocal left
        left -= 1
        if left:
            return 1
        left = rng.randint(10, 30)
        return next(pauses)

    log = _Log(seed, [names_of(p) for p in range(N_PARTITIONS)])
    return _first(_timed(_bent(_written(log, logs.START_NS, pause_s), rng)), n_records)


def _bent(records: Iterator[Written], rng: random.Random) -> Iterator[Written]:
    """Some times put wrong.  The sixteen copies of a broadcast stay equal, and a Clock is never put ahead: ingest sees to that."""
    copies: dict[bytes, bytes] = {}
    for record in records:
        if record.partition == 0 or record.value not in copies:
            copies = {record.value: _wrong(record.value, rng) if rng.random() < 1 / 30 else record.value}
        yield record._replace(value=copies[record.value])


def _wrong(value: bytes, rng: random.Random) -> bytes:
    record, off_s = schemas.decode(value), rng.choice(OFF_S)
    if isinstance(record, Clock):
        off_s = -abs(off_s)
    elif not isinstance(record, OptionQuote | OptionTrade | UnderlyingQuote):
        return value
    return schemas.encode(record._replace(ts_event_ns=record.ts_event_ns + off_s * S))


def _timed(records: Iterator[Written]) -> Iterator[Written]:
    """Log time by rule 2: a running maximum of Clocks, and of other times bounded by the last Clock."""
    times_ns, clock_ns = [0] * N_PARTITIONS, 0
    for record in records:
        decoded = schemas.decode(record.value)
        ts_ns = decoded.ts_event_ns  # type: ignore[union-attr]
        if isinstance(decoded, Clock):
            clock_ns = max(clock_ns, ts_ns)
        else:
            ts_ns = min(ts_ns, clock_ns + LEAD_NS)
        partition = record.partition
        times_ns[partition] = max(times_ns[partition], ts_ns)
        yield record._replace(log_time_ns=times_ns[partition])
