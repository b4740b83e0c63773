"""Confluent framing on a real Kafka, with a stand-in for the schema registry (``tests/registry_stand_in.py``)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

import schemas
from schemas import Greeks, Watermark
from streams import doctor, kafka, measure, moments, registry, topics
from streams.engine import EngineSettings
from streams.ingest import core, lookback
from streams.ingest.log import ClaimWatch as Watch
from streams.ingest.log import LogProducer, Superseded, claim
from streams.reader import Reader
from streams.replay import Replay, ReplaySettings
from streams.worker import pricing
from streams.worker.folds import RawRecord
from tests import logs
from tests.broker import worker_runs as runs
from tests.chaos import harness, oracle
from tests.chaos.pricing_load import names_of, pricing_load
from tests.conftest import ROOT
from tests.registry_stand_in import StandInRegistry, stand_in_registry

N_RECORDS = 500
NAMES = {name for partition in range(16) for name in names_of(partition)}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInRegistry]:
    """The registry that SCHEMA_REGISTRY_URL names, for this process and those that it starts."""
    with stand_in_registry() as one:
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", one.url)
        yield one


def written(framing: schemas.Framing, first: int, last: int) -> list[runs.load.Written]:
    """Records of the engine's load, every second one in ``framing``, the others as a writer without a registry has them."""
    return [
        item._replace(value=schemas.encode(schemas.decode(item.value), framing)) if i % 2 else item
        for i, item in enumerate(pricing_load(3, last))
    ][first:]


def values(bootstrap: str, namespace: str, suffix: str = "") -> list[bytes]:
    name = topics.full_name(topics.GREEKS, namespace, suffix)
    edges = kafka.watermarks(bootstrap, name, range(16))
    found = [(m.partition(), m.offset(), m.value()) for m in kafka.read_range(bootstrap, name, edges)]
    return [value or b"" for _, _, value in sorted(found)]


def test_a_worker_reads_both_framings_and_everyone_reads_what_it_writes(
    bootstrap: str, namespace: str, tmp_path: Path, server: StandInRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = registry.wire(namespace)
    with runs.fleet_of(bootstrap, namespace, 1, tmp_path, GREEKSTREAM_WORKER_FOLD=harness.PRICING) as fleet:
        runs.write(bootstrap, namespace, written(wire.framing, 0, N_RECORDS))
        runs.wait_until_worked_off(bootstrap, namespace)
        assert set(fleet.stop().values()) == {0}
    live = values(bootstrap, namespace)
    assert {value[:1] for value in live} == {b"\0"}
    records = [schemas.decode(value, kafka.resolver(bootstrap, namespace)) for value in live]
    assert {mark.wire_format for mark in records if isinstance(mark, Watermark)} == {"avro-confluent"}
    assert {row.instrument_name for row in records if isinstance(row, Greeks)} == NAMES

    # Confluent's own deserializer, which has nothing of ours.
    greeks = topics.full_name(topics.GREEKS, namespace)
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": server.url}))
    where = SerializationContext(greeks, MessageField.VALUE)
    assert [deserialize(value, where) for value in live] == [schemas.to_plain(record) for record in records]
    assert f"{greeks}-greekstream.v1.Greeks" in server.subjects

    with Reader(bootstrap, namespace) as reader:
        assert set(reader.chain()) == NAMES
    figures = measure.collect(bootstrap, namespace)
    priced = {row.instrument_name for row in records if isinstance(row, Greeks) and row.delta is not None}
    assert (figures.instruments_listed, figures.instruments_priced) == (len(NAMES), len(priced))
    assert priced
    marks = doctor.newest_marks(bootstrap, namespace)
    assert {mark.watermark.wire_format for mark in marks.values()} == {"avro-confluent"}
    assert rows_of_the_plain_example(bootstrap, greeks) <= NAMES

    # Replay: the same bytes, in side topics with subjects of their own.
    maker = pricing.make(bootstrap, namespace)
    since = moments.parse(",".join(f"{partition}:0" for partition in range(16)))
    settings = ReplaySettings(bootstrap, since, namespace=namespace, suffix="again")
    summary = Replay(settings, maker, lambda *_, **__: None).run()
    assert summary["identity_differs"] is None
    assert values(bootstrap, namespace, "again") == live
    assert f"{greeks}.again-greekstream.v1.Watermark" in server.subjects

    # Without the registry the next worker goes on from the same state, under the next epoch.
    monkeypatch.delenv("SCHEMA_REGISTRY_URL")
    source = topics.full_name(topics.TICKS, namespace)
    began = {partition: end for partition, (_, end) in kafka.watermarks(bootstrap, source, range(16)).items()}
    with runs.fleet_of(bootstrap, namespace, 1, tmp_path / "later", GREEKSTREAM_WORKER_FOLD=harness.PRICING) as fleet:
        runs.write(bootstrap, namespace, written(schemas.SINGLE_OBJECT, N_RECORDS, N_RECORDS + 100))
        runs.wait_until_worked_off(bootstrap, namespace)
        opened = {line["partition"]: line["reason"] for line in fleet.events("epoch_opened")}
        assert fleet.events("cold_start") == []
        assert set(fleet.stop().values()) == {0}
    assert set(opened) == set(range(16))
    assert all(reason.startswith("settings ") for reason in opened.values())
    both = kafka.resolver(bootstrap, namespace, registry=registry.connect(server.url).schema)
    wanted = {key: value for key, value in folded(bootstrap, source, both).items() if key[1] >= began[key[0]]}
    assert wanted
    assert wanted == {
        item.identity[1:]: item.value for item in oracle.published(bootstrap, namespace, ["greeks"]) if item.epoch == 2
    }
    assert {value[:2] for value in wanted.values()} == {b"\xc3\x01"}
    with Reader(bootstrap, namespace, resolve=both) as reader:
        assert set(reader.chain()) == NAMES


def folded(bootstrap: str, source: str, resolve: schemas.Resolve) -> dict[tuple[int, int, int], bytes]:
    """{(partition, offset, result_seq): value} of ``greeks`` by one fold over the whole log, with no checkpoint and no registry."""
    raw: dict[int, list[RawRecord]] = {partition: [] for partition in range(16)}
    for message in kafka.read_range(bootstrap, source, kafka.watermarks(bootstrap, source, range(16))):
        raw[message.partition()].append(RawRecord(message.offset(), message.value(), None))
    maker = pricing.PricingMaker(EngineSettings(), source.partition(".")[0], resolve)
    found = {}
    for partition, records in raw.items():
        fold = maker.fold(partition, kafka.topic_id(bootstrap, source))
        _, results = fold.step(fold.new_state(), sorted(records))
        found |= {(partition, r.source_offset, r.result_seq): r.value or b"" for r in results if r.topic == "greeks"}
    return found


def rows_of_the_plain_example(bootstrap: str, topic: str) -> set[str]:
    """Names in the first rows that the example prints."""
    arguments = [sys.executable, str(ROOT / "examples" / "consume_greeks.py"), bootstrap, topic]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        return {process.stdout.readline().split()[0] for _ in range(20)}  # type: ignore[union-attr]
    except IndexError:
        raise AssertionError(process.stderr.read()) from None  # type: ignore[union-attr]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("server")
def test_ingests_claim_and_its_log_are_read_back_in_either_framing(bootstrap: str, namespace: str) -> None:
    framing = registry.wire(namespace).framing
    first = claim(bootstrap, namespace, "plain")
    watch = Watch(bootstrap, namespace, first)
    second = claim(bootstrap, namespace, "framed", framing)
    assert second > first
    with pytest.raises(Superseded, match="on framed claimed epoch"):
        runs.eventually(watch.check)
    watch.close()
    status = doctor.newest_feed_status(bootstrap, namespace)
    assert status is not None and status.feed.startswith("claim/framed/")

    async def write(writer_framing: schemas.Framing, seconds: tuple[int, ...]) -> None:
        producer = LogProducer(bootstrap, namespace, "here", writer_framing)
        await producer.start()
        for second_no in seconds:
            ts_ns = logs.START_NS + second_no * logs.NS
            trade = logs.trade_of("BTC-19APR23-30000-C", ts_ns, second_no, 0.03)
            producer.write(core.Out(5, "BTC-19APR23-30000-C", trade, (ts_ns,)), ts_ns)
            clock = schemas.Clock(ts_ns, 1, second_no, None)
            producer.write(core.Out(None, "Clock", clock, (ts_ns,) * 16), ts_ns)
        await producer.close(30.0)

    for writer_framing, seconds in ((schemas.SINGLE_OBJECT, (1, 2)), (framing, (3, 4))):
        asyncio.run(write(writer_framing, seconds))
    found = lookback.read(bootstrap, namespace, 60, framing)
    assert found.last_clock_ns == logs.START_NS + 4 * logs.NS
    assert tuple(found.trade_seqs["BTC-19APR23-30000-C"]) == (1, 2, 3, 4)
