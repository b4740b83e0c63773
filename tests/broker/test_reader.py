"""The reader on a real Kafka: the chain at once, the stream without a gap, what it drops and what it says."""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Iterator

import fastavro
import pytest
from confluent_kafka import TopicPartition

import schemas
from schemas import Greeks, TradeGreeks
from streams import kafka, topics
from streams.partitioning import partition_of
from streams.reader import Reader, TopicMissing
from tests.chaos.watchers import Watched, compared, gaps, lying
from tests.results_world import NS, START_NS, ResultWriter, blank, greeks, strip, watermark

NAMES = strip()
CALL = NAMES[0]


@pytest.fixture
def writer(bootstrap: str, namespace: str) -> ResultWriter:
    return ResultWriter(bootstrap, namespace)


def drained(reader: Reader, within_s: float = 10.0, n: int = 1) -> list[Greeks]:
    """At least ``n`` new rows, and whatever else comes within half a second after them."""
    found: list[Greeks] = []
    deadline = time.monotonic() + within_s
    while len(found) < n and time.monotonic() < deadline:
        found += reader.poll(0.1)
    quiet_until = time.monotonic() + 0.5
    while time.monotonic() < quiet_until:
        found += reader.poll(0.1)
    return found


def test_the_whole_chain_at_once_and_then_the_stream_without_a_gap(
    bootstrap: str, namespace: str, writer: ResultWriter
) -> None:
    for i, name in enumerate(NAMES):
        writer.write(greeks(name, START_NS - 200 * NS, offset=1, delta=0.1))  # before the window: need not be read
        writer.write(greeks(name, START_NS + i * NS, offset=2, delta=0.2))
    writer.write(greeks(CALL, START_NS + 30 * NS, offset=3, delta=0.3))
    writer.flush()
    with Reader(bootstrap, namespace) as reader:
        # Written between the making of the reader and its first read: part of the stream, if not of the chain.
        writer.write(greeks(CALL, START_NS + 31 * NS, offset=4, delta=0.4))
        writer.flush()
        chain = reader.chain()
        assert set(chain) == set(NAMES)
        assert {name: row.delta for name, row in chain.items() if name != CALL} == dict.fromkeys(NAMES[1:], 0.2)
        for offset in range(5, 105):
            writer.write(greeks(CALL, START_NS + 32 * NS, offset=offset))
        writer.flush()
        streamed = [row.source_offset for row in drained(reader, n=100)]
        seen_in_chain = chain[CALL].source_offset
        assert seen_in_chain in (3, 4)
        assert streamed == list(range(seen_in_chain + 1, 105))


def test_a_reader_too_slow_for_the_retention_counts_what_it_missed(
    bootstrap: str, namespace: str, writer: ResultWriter
) -> None:
    """The table is whole again with the next rows; the stream has a gap, and says how long it is."""
    partition = partition_of(CALL)
    writer.write(greeks(CALL, offset=1))
    writer.flush()
    with Reader(bootstrap, namespace) as reader:
        assert set(reader.chain()) == {CALL}
        reader._consumer.pause([TopicPartition(reader.topic_name, partition)])  # a consumer that has other things to do
        for offset in range(2, 12):
            writer.write(greeks(CALL, START_NS + offset * NS, offset=offset))
        writer.flush()
        trimmed = TopicPartition(reader.topic_name, partition, 7)  # offsets 1 to 6 of the topic are gone
        kafka.admin(bootstrap).delete_records([trimmed])[trimmed].result(20)
        assert reader.n_missed == 0
        reader._consumer.resume([TopicPartition(reader.topic_name, partition)])
        assert [row.source_offset for row in drained(reader, n=4)] == [8, 9, 10, 11]
        assert reader.n_missed == 6


def test_a_reader_slower_than_the_topic_is_written_catches_up_without_a_gap(
    bootstrap: str, namespace: str, writer: ResultWriter
) -> None:
    """Every row once and in order, repeats and expired rows dropped; held against the topic by the chaos runs' own judge."""
    rng, expiring = random.Random(11), "BTC-9JAN26-90000-C"
    names = [*NAMES, expiring]
    with Watched(bootstrap, namespace, topics.GREEKS, window_s=65.0) as reader:
        written: list[Greeks] = []
        for offset in range(1, 3_001):
            time_ns = START_NS + offset * 1_000_000_000  # the expiry is after 1 800 of them
            row = greeks(rng.choice(names), time_ns, offset=offset)
            written.append(row)
            writer.write(row)
            if offset % 10 == 0:
                writer.write(rng.choice(written[-200:]), time_ns=time_ns)  # a worker that came back writes again
            if offset % 50 == 0:
                writer.write(watermark(partition_of(expiring), time_ns, offset=offset))
            if offset in (300, 600):
                writer.flush()
                reader.read(0.5)
        n_before = len(reader.rows)
        writer.flush()
        assert reader.drain(bootstrap)
        assert 0 < n_before < len(reader.rows) / 3, "it was not slow"
        assert compared(reader, lying(bootstrap, namespace, topics.GREEKS), "slow reader") == []
        assert all(gaps(offsets, 0) == [] for offsets in reader.offsets.values())
        assert reader.table.n_repeats > 100 and reader.table.n_expired > 10 and reader.n_missed == 0


def test_latest_is_one_table_for_who_followed_it_and_who_comes_late(
    bootstrap: str, namespace: str, writer: ResultWriter
) -> None:
    """Rows written late by a worker that woke, and rows of an expired instrument after its tombstone, change nothing."""
    expiring = "BTC-9JAN26-90000-C"
    living, past = greeks(CALL, offset=5), greeks(expiring, START_NS, offset=6)
    with Reader(bootstrap, namespace, topic=topics.LATEST, window_s=None) as follower:
        for row in (greeks(CALL, offset=2), past, living, greeks(CALL, offset=3)):
            writer.write(row, topics.LATEST)
        writer.write(None, topics.LATEST, key=expiring, time_ns=START_NS + 1800 * NS, identity=(9, 0))
        writer.write(past, topics.LATEST)
        writer.flush()
        drained(follower, n=3)
        assert follower.chain() == {CALL: living}
        with Reader(bootstrap, namespace, topic=topics.LATEST, window_s=None) as late:
            assert late.chain() == {CALL: living}


def test_the_window_is_65_seconds_before_each_partitions_own_newest_record(
    bootstrap: str, namespace: str, writer: ResultWriter
) -> None:
    late, early = NAMES[0], next(name for name in NAMES if partition_of(name) != partition_of(NAMES[0]))
    writer.write(greeks(late, START_NS + 10**5 * NS, offset=9))
    # A partition that lags a day behind the other has its own window.
    writer.write(greeks(early, START_NS - 66 * NS, offset=1))
    writer.write(greeks(early, START_NS - 64 * NS, offset=2, seq=1))
    writer.write(greeks(early, START_NS, offset=3))
    writer.flush()
    with Reader(bootstrap, namespace) as reader:
        read = [(row.instrument_name, row.source_offset) for row in drained(reader, n=3)]
    assert sorted(read) == sorted([(late, 9), (early, 2), (early, 3)])
    with Reader(bootstrap, namespace, window_s=None) as reader:
        assert len(drained(reader, n=4)) == 4


def test_repeats_old_epochs_and_expired_rows_are_dropped(bootstrap: str, namespace: str, writer: ResultWriter) -> None:
    expiring = "BTC-9JAN26-90000-C"
    writer.write(greeks(CALL, offset=5, delta=0.5), epoch=1)
    writer.write(greeks(CALL, offset=3, delta=0.3), epoch=2)
    writer.write(greeks(CALL, offset=6, delta=0.6), epoch=1)  # a worker that woke
    writer.write(greeks(CALL, offset=3, delta=0.3), epoch=2)  # a repeat after a crash
    writer.write(greeks(expiring, START_NS + 1799 * NS, offset=1))
    writer.write(greeks(expiring, START_NS + 1800 * NS, offset=2, status=schemas.RowStatus.EXPIRED))
    writer.flush()
    with Reader(bootstrap, namespace, window_s=None) as reader:
        read = [(row.instrument_name, row.delta) for row in drained(reader, n=3)]
        assert [one for one in read if one[0] == CALL] == [(CALL, 0.5), (CALL, 0.3)]
        assert set(reader.chain()) == {CALL}
        assert reader.table.n_repeats == 2
        assert reader.table.n_expired == 1


def test_watermarks_tell_log_time_coverage_and_staleness(bootstrap: str, namespace: str, writer: ResultWriter) -> None:
    clock = [time.time()]
    for partition in range(16):
        written = int((clock[0] - 3600) * NS) if partition == 3 else None
        writer.write(watermark(partition, START_NS + partition, offset=1), wall_ns=written)
    writer.flush()
    with Reader(bootstrap, namespace, wall=lambda: clock[0]) as reader:
        assert reader.chain() == {}
        assert set(reader.watermarks) == set(range(16))
        assert reader.log_time_ns == START_NS + 15
        assert reader.coverage == pytest.approx(0.9)
        # Partition 3 was last written an hour ago: that this reader has only just come does not make it fresh.
        assert reader.staleness().partitions == (3,)
        clock[0] += 6.0
        assert reader.staleness().partitions == tuple(range(16))
        writer.write(watermark(3, START_NS + NS, offset=2))
        writer.flush()
        drained(reader)
        assert reader.staleness().partitions == tuple(p for p in range(16) if p != 3)


def test_values_that_are_no_record_are_counted_and_told(bootstrap: str, namespace: str, writer: ResultWriter) -> None:
    writer.write(None, key=CALL, value=b"\xc3\x01junk", time_ns=START_NS, identity=(1, 0))
    writer.write(greeks(CALL, offset=2))
    writer.flush()
    told: list[str] = []
    with Reader(bootstrap, namespace, on_unreadable=lambda message, error: told.append(error.reason)) as reader:
        assert set(reader.chain()) == {CALL}
        assert reader.n_unreadable == 1
    assert told == ["no-frame"]


def test_a_record_of_a_newer_writer_is_read_through_schemas_v1_and_stops_the_reader_without(
    bootstrap: str, namespace: str, writer: ResultWriter
) -> None:
    text = schemas.SCHEMA_TEXT[Greeks]
    newer = json.loads(text)
    newer["fields"].append({"name": "colour", "type": "string", "default": ""})
    row, out = greeks(CALL, offset=1), io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(newer), {**schemas.to_plain(row), "colour": "blue"})
    fingerprint = schemas.fingerprint_of(json.dumps(newer))
    writer.write(None, key=CALL, value=b"\xc3\x01" + fingerprint + out.getvalue(), time_ns=START_NS, identity=(1, 0))
    writer.flush()
    with Reader(bootstrap, namespace) as reader, pytest.raises(schemas.UnknownSchema, match="upgrade readers"):
        reader.chain()
    producer = kafka.producer(bootstrap)
    producer.produce(
        topics.full_name(topics.SCHEMAS, namespace), key=fingerprint.hex(), value=json.dumps(newer), partition=0
    )
    producer.flush(10)
    with Reader(bootstrap, namespace) as reader:
        assert reader.chain() == {CALL: row}


def test_trades_are_read_by_the_same_rules(bootstrap: str, namespace: str, writer: ResultWriter) -> None:
    trade = TradeGreeks(**(blank(TradeGreeks) | {"instrument_name": CALL, "ts_event_ns": START_NS, "trade_seq": 1}))
    for offset in (1, 2, 2, 3):
        writer.write(trade._replace(source_offset=offset, trade_seq=offset), topics.TRADES)
    writer.flush()
    with Reader(bootstrap, namespace, topic=topics.TRADES, window_s=None) as reader:
        assert [one.trade_seq for one in drained(reader, n=3)] == [1, 2, 3]


def test_a_missing_topic_says_how_to_make_it(bootstrap: str) -> None:
    with pytest.raises(TopicMissing, match="greekstream topics --create --namespace nothere"):
        Reader(bootstrap, "nothere")


def test_a_missing_broker_says_what_to_do() -> None:
    with pytest.raises(kafka.KafkaUnreachable, match="greekstream broker start"):
        Reader("127.0.0.1:9")


@pytest.fixture
def many(bootstrap: str, namespace: str, writer: ResultWriter) -> Iterator[int]:
    n_rows = 20_000
    for i in range(n_rows):
        writer.write(greeks(NAMES[i % len(NAMES)], START_NS + i * 1_000_000, offset=i))
    writer.flush()
    yield n_rows


def test_a_chain_is_there_in_seconds(bootstrap: str, namespace: str, many: int) -> None:
    started = time.monotonic()
    with Reader(bootstrap, namespace) as reader:
        assert len(reader.chain()) == len(NAMES)
    took_s = time.monotonic() - started
    # 65 s of 300 rows a second; generous: two cores are shared with the broker.
    assert took_s < 10.0
    print(f"chain out of {many} rows in {took_s:.2f} s")


def test_nothing_is_left_in_the_cluster_by_a_reader(bootstrap: str, namespace: str, writer: ResultWriter) -> None:
    before = kafka.list_groups(bootstrap)
    with Reader(bootstrap, namespace) as reader:
        reader.chain()
    assert kafka.list_groups(bootstrap) == before
