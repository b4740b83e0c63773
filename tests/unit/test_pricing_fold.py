"""The engine as a fold: bytes in, bytes out."""

from __future__ import annotations

import pytest

import schemas
from streams import engine
from streams.engine import EngineSettings, columns, quotes, values
from streams.worker import pricing
from streams.worker.folds import RawRecord
from streams.worker.pricing import MAX_PAYLOAD, PricingMaker, cpu_features, engine_version
from tests import logs


def maker(settings: EngineSettings | None = None) -> PricingMaker:
    return PricingMaker(settings or EngineSettings(), "sim", schemas.packaged)


def raw(log: logs.Log) -> list[RawRecord]:
    return [RawRecord(item.offset, schemas.encode(item.record), None) for item in log.located]


def test_results_are_the_engines_encoded() -> None:
    log = logs.Log().ready()
    log.clock(1)
    fold = maker().fold(3, "log-a")
    state, results = fold.step(fold.new_state(), raw(log))
    wanted = logs.Log.run(log)
    assert [(r.topic, r.key, r.source_offset, r.result_seq, r.ts_ns) for r in results] == [
        (r.topic, r.key.encode(), r.source_offset, r.result_seq, r.ts_ns) for r in wanted
    ]
    rows = [schemas.decode(r.value) for r in results if r.topic == "greeks" and r.value]
    assert [row.instrument_name for row in rows if isinstance(row, schemas.Greeks)] == [
        r.record.instrument_name for r in wanted if r.topic == "greeks" and isinstance(r.record, schemas.Greeks)
    ]
    assert fold.log_time_ns(state) == logs.ns(1)
    assert fold.is_ready(state)


def test_watermarks_carry_what_decides_the_bytes() -> None:
    log = logs.Log().ready()
    log.clock(1)
    fold = maker().fold(3, "log-a")
    _, results = fold.step(fold.new_state(), raw(log))
    marks = [schemas.decode(r.value) for r in results if r.value and r.key == b"watermark/3"]
    assert {(m.log_id, m.engine_version, m.cpu_features) for m in marks} == {
        ("log-a", engine_version(), cpu_features())
    }
    assert {m.settings_hash for m in marks} == {maker().identity.settings_hash}


def test_a_snapshot_goes_on_with_the_same_bytes() -> None:
    log = logs.Log().ready()
    log.clocks(1, 5)
    log.quote(at=5.5, bid=0.0330, ask=0.0340)
    log.clocks(6, 70)
    records = raw(log)
    fold = maker().fold(3, "log-a")
    _, whole = fold.step(fold.new_state(), records)
    state, first = fold.step(fold.new_state(), records[:10])
    _, second = fold.step(fold.restore(fold.snapshot(state)), records[10:])
    assert first + second == whole


def test_malformed_bytes_become_a_dead_letter_and_the_log_goes_on() -> None:
    log = logs.Log().ready()
    records = raw(log)
    junk = [
        RawRecord(records[-1].offset + 1, b"junk" * 20_000, None),
        RawRecord(records[-1].offset + 2, None, None),
    ]
    fold = maker().fold(3, "log-a")
    state, results = fold.step(fold.new_state(), records + junk)
    letters = [schemas.decode(r.value) for r in results if r.topic == "deadletter" and r.value]
    assert [letter.source_offset for letter in letters] == [junk[0].offset, junk[1].offset]
    assert len(letters[0].payload) <= MAX_PAYLOAD
    assert letters[0].source_topic == "sim.deribit.ticks.v1"
    assert state.offset == junk[1].offset


def test_an_unknown_schema_of_a_well_formed_frame_is_no_dead_letter() -> None:
    fold = maker().fold(3, "log-a")
    with pytest.raises(schemas.UnknownSchema):
        fold.step(fold.new_state(), [RawRecord(0, b"\xc3\x01" + bytes(8) + b"\x02", None)])


def test_nothing_is_compiled_by_the_first_batch_after_the_warm_up() -> None:
    """A compilation takes seconds, which a worker's first rows would wait for."""
    engine.warm_up()
    kernels = (columns._write_rows, values._fill, quotes._read_quotes)
    before = [list(kernel.signatures) for kernel in kernels]
    log = logs.Log().ready(*(f"BTC-19APR23-{strike}-C" for strike in range(30_000, 30_000 + 2 * quotes.N_LEAST)))
    fold = maker(EngineSettings(engine="closed_form")).fold(3, "log-a")
    _, results = fold.step(fold.new_state(), raw(log))
    assert sum(result.topic == "greeks" for result in results) >= 2 * quotes.N_LEAST
    assert [list(kernel.signatures) for kernel in kernels] == before
    assert all(before)


def test_what_stands_in_every_partition_is_read_once_and_the_oldest_is_forgotten() -> None:
    reader = pricing.Reader(schemas.packaged)
    log = logs.Log()
    log.clocks(0, pricing.MOST_KNOWN + 5)
    frames = [schemas.encode(record) for record in log.records]
    first = reader.records(frames[:3])
    assert first == log.records[:3]
    assert all(a is b for a, b in zip(reader.records(frames[:3]), first, strict=True))
    assert reader.records(frames) == log.records
    assert reader.records(frames[:1])[0] is not first[0]
    assert reader.records(frames[-1:]) == log.records[-1:]


def test_other_engine_settings_have_another_hash() -> None:
    assert maker().identity.settings_hash != maker(EngineSettings(rate=0.01)).identity.settings_hash
    assert maker().identity == maker().identity
