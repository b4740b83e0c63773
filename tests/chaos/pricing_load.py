"""A log for the real engine: four options a partition, a walking forward, quotes, trades, clocks, broadcasts in order."""

from __future__ import annotations

import random
from collections.abc import Iterator

import schemas
from schemas import Clock, InstrumentSet, UnderlyingQuote
from streams.partitioning import N_PARTITIONS
from tests import logs
from tests.chaos.load import Written

S = 1_000_000_000
EPOCH = 1
PER_PARTITION = 4


def names_of(partition: int) -> list[str]:
    """The options of a partition; the engine takes whatever its log holds."""
    strikes = [27_000 + 500 * (partition % 4) + 2_000 * i for i in range(PER_PARTITION)]
    return [f"BTC-19APR23-{strike}-{'CP'[i % 2]}" for i, strike in enumerate(strikes)]


class _Log:
    """All sixteen partitions as ingest writes them: broadcasts to each, keyed records to one."""

    def __init__(self, seed: int) -> None:
        self.rng, self.seq, self.forward = random.Random(seed), 0, logs.FORWARD
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
        for partition in range(N_PARTITIONS):
            for name in names_of(partition):
                yield self.keyed(partition, ts_ns, logs.contract_of(name, ts_event_ns=ts_ns), name)
                yield self.quote(partition, name, ts_ns, is_snapshot=True, snapshot_id=1)
        counts = (PER_PARTITION,) * N_PARTITIONS
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


def pricing_load(seed: int, n_records: int) -> Iterator[Written]:
    """``n_records`` in log order: per second a Clock, two forwards, 40 quotes and 8 trades over the partitions."""
    log, n_out = _Log(seed), 0
    for second in range(1_000_000):
        ts_ns = logs.START_NS + second * S
        parts: list[Iterator[Written] | list[Written]] = [log.start(ts_ns) if second == 0 else _second(log, ts_ns)]
        for record in (item for part in parts for item in part):
            if n_out == n_records:
                return
            n_out += 1
            yield record


def _second(log: _Log, ts_ns: int) -> Iterator[Written]:
    yield from log.underlying(ts_ns - 700_000_000)
    for i in range(48):
        at_ns = ts_ns - 690_000_000 + i * 10_000_000
        partition = log.rng.randrange(N_PARTITIONS)
        name = log.rng.choice(names_of(partition))
        yield log.trade(partition, name, at_ns) if i % 6 == 5 else log.quote(partition, name, at_ns)
    yield from log.underlying(ts_ns - 200_000_000)
    yield from log.broadcast(ts_ns, Clock, offset_ms=None)
