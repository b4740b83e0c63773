"""Framing by a schema registry.  The registry is confluent_kafka's own ``mock://`` one, or a stand-in on the loopback."""

from __future__ import annotations

import json
import sys
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

import schemas
from schemas import SCHEMA_TEXT, Clock, DecodeError, Greeks, OptionQuote, UnknownSchema, Watermark
from streams import kafka, registry, settings, topics
from streams.engine import EngineSettings
from streams.worker import checkpoints
from streams.worker.checkpoints import Bounds, Resume
from streams.worker.folds import RawRecord
from streams.worker.pricing import PricingMaker
from tests import logs
from tests.registry_stand_in import stand_in_registry

CLOCK = Clock(1_700_000_000_000_000_000, 5, 7, 0.25)
NOWHERE = "http://user:pass-word@127.0.0.1:1"


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> registry.Registry:
    """An empty registry of the client's own kind, named by SCHEMA_REGISTRY_URL."""
    url = f"mock://{uuid.uuid4().hex}"
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", url)
    return registry.connect(url)


def client_of(one: registry.Registry) -> SchemaRegistryClient:
    return one._client


def test_the_address_is_a_plain_name_of_the_environment() -> None:
    assert settings.schema_registry_url({"SCHEMA_REGISTRY_URL": "http://r:8081"}) == "http://r:8081"
    assert settings.schema_registry_url({}) == settings.schema_registry_url({"SCHEMA_REGISTRY_URL": ""}) == ""


def test_without_a_registry_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    wire = registry.wire("sim")
    assert (wire.name, wire.framing) == ("avro-single-object", schemas.SINGLE_OBJECT)
    plain = PricingMaker(EngineSettings(), "sim", schemas.packaged)
    assert PricingMaker(EngineSettings(), "sim", schemas.packaged, wire).identity == plain.identity
    assert plain.identity.settings_hash == settings.settings_hash(EngineSettings())
    with pytest.raises(DecodeError, match="SCHEMA_REGISTRY_URL"):
        schemas.decode(b"\0\0\0\0\1body", kafka.resolver("127.0.0.1:1"))


def test_schemas_are_registered_by_topic_and_record(mock: registry.Registry) -> None:
    registry.wire("sim")
    found = set(client_of(mock).get_subjects())
    assert found == {
        f"sim.{topic.name}-greekstream.v1.{kind.__name__}"
        for topic in topics.NOW
        for kind in topic.values
        if kind.__name__ != "Checkpoint"
    }
    assert "sim.greeks.v1-greekstream.v1.Watermark" in found
    assert "sim.deribit.ticks.v1-greekstream.v1.OptionQuote" in found
    latest = client_of(mock).get_latest_version("sim.greeks.v1-greekstream.v1.Greeks")
    assert json.loads(latest.schema.schema_str or "") == json.loads(SCHEMA_TEXT[Greeks])
    registry.wire("sim", "again", (topics.GREEKS,))
    assert set(client_of(mock).get_subjects()) - found == {
        "sim.greeks.v1.again-greekstream.v1.Greeks",
        "sim.greeks.v1.again-greekstream.v1.Watermark",
    }


def test_a_frame_begins_with_the_registrys_id_and_every_kind_is_read_back(mock: registry.Registry) -> None:
    wire = registry.wire("sim")
    number = client_of(mock).get_latest_version("sim.deribit.ticks.v1-greekstream.v1.Clock").schema_id
    frame = schemas.encode(CLOCK, wire.framing)
    assert frame[:5] == b"\0" + int(number or 0).to_bytes(4, "big")
    assert frame[5:] == schemas.encode(CLOCK)[10:]
    assert wire.name == "avro-confluent"
    assert set(wire.framing) == {kind for topic in topics.NOW for kind in topic.values} - {schemas.Checkpoint}
    resolve = kafka.resolver("127.0.0.1:1", "sim")  # no Kafka is asked for either
    assert schemas.decode(frame, resolve) == schemas.decode(schemas.encode(CLOCK), resolve) == CLOCK


def test_a_schema_of_a_newer_writer_comes_from_the_registry(mock: registry.Registry) -> None:
    newer = json.loads(SCHEMA_TEXT[Clock])
    newer["fields"].append({"name": "venue", "type": "string", "default": ""})
    number = client_of(mock).register_schema("x-greekstream.v1.Clock", Schema(json.dumps(newer), "AVRO"))
    frame = b"\0" + number.to_bytes(4, "big") + schemas.encode(CLOCK)[10:] + b"\x06abc"
    assert schemas.decode(frame, kafka.resolver("127.0.0.1:1")) == CLOCK


def test_an_id_that_the_registry_does_not_know_is_an_unknown_schema(mock: registry.Registry) -> None:
    with pytest.raises(UnknownSchema, match="registry id 4711: not known to the schema registry at mock://"):
        schemas.decode(b"\0" + (4711).to_bytes(4, "big") + b"body", kafka.resolver("127.0.0.1:1"))


def test_a_schema_that_is_no_avro_is_an_unknown_schema() -> None:
    client = SimpleNamespace(get_schema=lambda _: Schema('syntax = "proto3"; message Clock {}', "PROTOBUF"))
    with pytest.raises(UnknownSchema, match="no Avro schema"):
        registry.Registry("http://r", client).schema(1)


def test_a_text_that_the_registry_has_written_anew_is_read_as_the_packaged_one() -> None:
    asked: list[int] = []

    def get_schema(number: int) -> Schema:
        asked.append(number)
        return Schema(json.dumps(json.loads(SCHEMA_TEXT[Clock]), indent=7), "AVRO")

    one = registry.Registry("http://r", SimpleNamespace(get_schema=get_schema))
    assert one.schema(3) == one.schema(3) == SCHEMA_TEXT[Clock]
    assert asked == [3], "each id is asked for once"


def test_a_registry_that_cannot_be_had_is_said_so_without_its_password() -> None:
    def away(*_: object) -> Any:
        raise OSError("connection refused")

    one = registry.Registry(NOWHERE, SimpleNamespace(get_schema=away, register_schema=away))
    with pytest.raises(registry.RegistryError, match=r"http://127\.0\.0\.1:1: OSError: connection refused") as asked:
        one.schema(1)
    with pytest.raises(registry.RegistryError, match=r"does not take t-greekstream\.v1\.Clock") as told:
        one.register([("t", Clock)])
    assert "pass-word" not in str(asked.value) + str(told.value)
    with pytest.raises(registry.RegistryError, match="SCHEMA_REGISTRY_URL=nonsense"):
        registry.connect("nonsense")


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(registry.RegistryError, match=r"pip install 'greekstream\[registry\]'"):
        registry.wire("sim", url="http://never-connected")


def test_over_http_a_process_asks_for_no_id_that_it_was_given() -> None:
    with stand_in_registry() as server:
        wire = registry.wire("sim", url=server.url)
        assert server.subjects["sim.greeks.v1-greekstream.v1.Watermark"] == [
            int.from_bytes(wire.framing[Watermark][1:], "big")
        ]
        assert (
            server.subjects["sim.trades.v1-greekstream.v1.Watermark"]
            == (server.subjects["sim.greeks.v1-greekstream.v1.Watermark"])
        )
        frame = schemas.encode(CLOCK, wire.framing)
        resolve = kafka.resolver("127.0.0.1:1", registry=registry.connect(server.url).schema)
        assert schemas.decode(frame, resolve) == CLOCK
        assert server.asked == []
        # Another process has to ask, once.
        other = registry.Registry(server.url, SchemaRegistryClient.new_client({"url": server.url}))
        for _ in range(2):
            assert schemas.decode(frame, kafka.resolver("127.0.0.1:1", registry=other.schema)) == CLOCK
        assert server.asked == [int.from_bytes(frame[1:5], "big")]
        with pytest.raises(UnknownSchema, match="registry id 9"):
            other.schema(9)


# -- what a worker makes of it ------------------------------------------------------------------------------------------


def maker(wire: registry.Wire = registry.SINGLE) -> PricingMaker:
    return PricingMaker(EngineSettings(), "sim", kafka.resolver("127.0.0.1:1"), wire)


def priced(framing: schemas.Framing = schemas.SINGLE_OBJECT) -> list[RawRecord]:
    log = logs.Log().ready()
    log.clock(1)
    return [RawRecord(item.offset, schemas.encode(item.record, framing), None) for item in log.located]


def test_a_worker_reads_both_framings_and_writes_the_registrys(mock: registry.Registry) -> None:
    wire = registry.wire("sim")
    framed, plain = priced(wire.framing), priced()
    mixed = [one if i % 2 else other for i, (one, other) in enumerate(zip(framed, plain, strict=True))]
    fold = maker(wire).fold(3, "log-a")
    _, results = fold.step(fold.new_state(), mixed)
    _, wanted = (usual := maker().fold(3, "log-a")).step(usual.new_state(), plain)
    assert [r[:2] + r[3:] for r in results] == [r[:2] + r[3:] for r in wanted]
    assert all(r.value is None or r.value[:1] == b"\0" for r in results)
    rows = [schemas.decode(r.value, maker(wire).resolve) for r in results if r.value]
    assert [type(row) for row in rows].count(Greeks) > 0
    marks = [row for row in rows if isinstance(row, Watermark)]
    assert {mark.wire_format for mark in marks} == {"avro-confluent"}
    identity = maker(wire).identity
    usual_rows = [schemas.decode(r.value) for r in wanted if r.value]
    for row, other in zip(rows, usual_rows, strict=True):
        if isinstance(row, Watermark):
            other = other._replace(wire_format="avro-confluent", settings_hash=identity.settings_hash)
        assert row == other


def test_a_change_of_the_wire_format_or_of_the_ids_opens_the_next_epoch_and_the_state_goes_on(
    mock: registry.Registry,
) -> None:
    wire = registry.wire("sim")
    shifted = registry.wire("rec", url=mock_with_other_ids())
    assert shifted.framing[OptionQuote] != wire.framing[OptionQuote]
    makers = [maker(), maker(wire), maker(shifted)]
    hashes = {one.identity.settings_hash for one in makers}
    assert len(hashes) == 3
    assert maker(registry.wire("sim")).identity == makers[1].identity, "the same registry, the same identity"
    fold = makers[0].fold(3, "log-a")
    state, _ = fold.step(fold.new_state(), priced())
    data = fold.snapshot(state)
    where = ("g", "sim.deribit.ticks.v1", 3, 4, state.offset, "log-a", 0)
    record = checkpoints.record(*where, makers[0].identity, data)
    stored = schemas.decode(schemas.encode(record))  # checkpoints are single-object: read with no registry at all
    for one in makers[1:]:
        plan = checkpoints.decide(stored, "log-a", Bounds(0, state.offset + 1), one.identity)
        assert isinstance(plan, Resume)
        assert (plan.epoch, plan.opens_epoch) == (5, True)
        assert one.fold(3, "log-a").snapshot(one.fold(3, "log-a").restore(plan.checkpoint.state)) == data
    same = checkpoints.decide(stored, "log-a", Bounds(0, state.offset + 1), makers[0].identity)
    assert isinstance(same, Resume) and not same.opens_epoch


def mock_with_other_ids() -> str:
    """URL of a mock registry in which other schemas came first."""
    url = f"mock://{uuid.uuid4().hex}"
    client_of(registry.connect(url)).register_schema("other", Schema('"string"', "AVRO"))
    return url
