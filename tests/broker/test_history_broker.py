"""H6, M2: topics into Parquet on a real Kafka: each offset exactly once over restarts, an earlier past filled in later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import schemas
from streams import kafka, topics
from streams.history import figures
from streams.history.settings import HistorySettings
from streams.history.sink import Sink, SinkError
from streams.history.store import Store, files
from streams.history.tables import TABLES
from streams.moments import Moment
from streams.partitioning import partition_of
from tests.flow_records import flow
from tests.kafka_fixtures import eventually
from tests.results_world import NS, START_NS, greeks, watermark

CALL, ETH = "BTC-27MAR26-100000-C", "ETH-27MAR26-3000-C"


def write(bootstrap: str, namespace: str, records: list[Any]) -> None:
    producer = kafka.producer(bootstrap)
    for record in records:
        if isinstance(record, schemas.Flow):
            topic, key, partition, ts_ns = topics.FLOW, record.currency, 0, record.ts_event_ns
        elif isinstance(record, schemas.Watermark):
            topic, key, partition, ts_ns = topics.GREEKS, "watermark", record.partition, record.log_time_ns
        else:
            name = record.instrument_name
            topic, key, partition, ts_ns = topics.GREEKS, name, partition_of(name), record.ts_event_ns
        producer.produce(
            topics.full_name(topic, namespace), schemas.encode(record), key, partition, timestamp=ts_ns // 10**6,
            headers=[("epoch", b"1")],
        )  # fmt: skip
    assert producer.flush(20) == 0


def sunk(
    bootstrap: str, namespace: str, folder: Path, since: Moment | None = None, buffer_rows: int = 100
) -> dict[str, Any]:
    settings = HistorySettings(namespace, folder, ("greeks", "flow"), buffer_rows=buffer_rows)
    store = Store(settings.place)
    sink = Sink(settings, bootstrap, store, figures.page(), lambda *_, **__: None)
    sink.run(since, until_end=True)
    store.close()
    return sink.summary()


def test_every_record_is_in_once_over_restarts_and_backfills(bootstrap: str, namespace: str, tmp_path: Path) -> None:
    rows = [greeks(name, START_NS + i * NS) for i in range(6) for name in (CALL, ETH)]
    write(bootstrap, namespace, [*rows[:8], watermark(partition_of(CALL), START_NS), flow(START_NS)])
    late = Moment(time_ns=START_NS + 2 * NS)
    first = sunk(bootstrap, namespace, tmp_path, late, buffer_rows=3)
    assert (first["greeks"]["rows_written"], first["flow"]["rows_written"]) == (4, 0)
    write(bootstrap, namespace, rows[8:])
    again = sunk(bootstrap, namespace, tmp_path)
    assert (again["greeks"]["rows_written"], again["flow"]["rows_written"]) == (8, 1), "what came, and what lay before"
    assert sunk(bootstrap, namespace, tmp_path)["greeks"]["rows_written"] == 0

    place = tmp_path / namespace
    found = [row for path in files(place, TABLES["greeks"]) for row in pq.read_table(path).to_pylist()]
    places = sorted((row["log_partition"], row["log_offset"]) for row in found)
    assert places == sorted(set(places)) and len(found) == 12
    assert sorted((row["instrument_name"], row["ts_event_ns"]) for row in found) == sorted(
        (row.instrument_name, row.ts_event_ns) for row in rows
    )
    assert {row["epoch"] for row in found} == {1}
    (path,) = files(place, TABLES["flow"])
    assert pq.read_table(path)["index_price"].to_pylist() == [100_000.0]


def test_a_topic_made_anew_under_a_running_sink_ends_it_and_the_next_start_reads_all_of_it(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    """H6: its offsets would pass for those of the one before, and as many records be left out as that had."""
    write(bootstrap, namespace, [greeks(CALL, START_NS + i * NS) for i in range(5)])
    settings = HistorySettings(namespace, tmp_path, ("greeks", "flow"))
    store = Store(settings.place)
    sink = Sink(settings, bootstrap, store, figures.page(), lambda *_, **__: None)
    sink.run(None, until_end=True)
    name = topics.full_name(topics.GREEKS, namespace)
    for future in kafka.admin(bootstrap).delete_topics([name]).values():
        future.result(20)
    eventually(lambda: name not in kafka.topic_names(bootstrap))
    kafka.create_topics(bootstrap, namespace)
    eventually(lambda: name in kafka.topic_names(bootstrap))
    write(bootstrap, namespace, [greeks(CALL, START_NS + i * NS) for i in range(3)])
    lane = sink.lanes[name]
    with pytest.raises(SinkError, match="made anew"):
        sink._check_due_s = 0.0
        sink._flush_what_is_due()
    lane.take(partition_of(CALL), 5, None, 0)
    with pytest.raises(SinkError, match="made anew"):
        sink._flush(lane)
    store.close()
    assert sunk(bootstrap, namespace, tmp_path)["greeks"]["rows_written"] == 3
