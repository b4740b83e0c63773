"""Rows written as columns: byte for byte what the codec, and fastavro, write of the same records (N3: the row's cost)."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas import EncodeError, Greeks
from schemas.columns import columns_of
from streams.engine import EngineSettings, columns
from streams.engine.columns import N_VALUES, NULL, RowHead, Rows, head_of
from streams.engine.comparisons import Compared, Quantity, audited
from tests import logs
from tests.synthetic_log import everything

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBER = st.none() | FINITE | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, 0.1])
LONGS = st.integers(-(2**63), 2**63 - 1).filter(lambda v: v != NULL) | st.integers(-70, 9000)
INTS = st.integers(-(2**31), 2**31 - 1)
ENUMS = {
    "trigger": schemas.Trigger, "status": schemas.RowStatus, "forward_source": schemas.ForwardSource,
    "sigma_source": schemas.SigmaSource, "sigma_bid_status": schemas.RowStatus, "sigma_ask_status": schemas.RowStatus,
    "sigma_mark_status": schemas.RowStatus, "sigma_last_status": schemas.RowStatus, "engine": schemas.Engine,
}  # fmt: skip
WHOLE = {
    "source_offset": LONGS, "result_seq": INTS, "ts_event_ns": LONGS, "n_fixings": INTS, "n_fixed": INTS,
    "n_imputed": INTS, "is_liquid": st.booleans(), "is_stale": st.booleans(), "is_cold": st.booleans(),
    "is_pin_risk": st.booleans(), "last_good_ns": st.none() | LONGS,
}  # fmt: skip
TAIL = Greeks._fields[len(RowHead._fields) :]
VALUES = Greeks._fields[Greeks._fields.index("price_usd") :][:N_VALUES]
SCHEMA: Any = fastavro.parse_schema(json.loads(schemas.SCHEMA_TEXT[Greeks]))
FRAMINGS = (schemas.SINGLE_OBJECT, schemas.confluent_framing({Greeks: 70_000}))


@st.composite
def records(draw: st.DrawFn) -> Greeks:
    """A row with anything in it, after the head of one of three instruments."""
    name = draw(st.sampled_from([logs.CALL, "BTC_USDC-13APR23-30000-P", "Ä" * draw(st.integers(0, 90))]))
    contract = logs.contract_of(name) if name.count("-") == 3 else None
    fields = dict(zip(TAIL, [None] * len(TAIL), strict=True)) | {
        "source_partition": 3,
        "convention": columns.CONVENTION,
    }
    for field in TAIL:
        if field in ENUMS:
            fields[field] = draw(st.sampled_from(ENUMS[field]))
        elif field in WHOLE:
            fields[field] = draw(WHOLE[field])
        elif field not in ("source_partition", "convention"):
            fields[field] = draw(FINITE if field == "running_sum" else NUMBER)
    if draw(st.booleans()):
        fields |= dict.fromkeys(VALUES)
    return Greeks(*head_of(name, contract).fields, **fields)


def rows_of(found: list[Greeks]) -> Rows:
    """As the engine has them: values in a matrix, nothing where a row has none."""
    has_values = [any(getattr(row, name) is not None for name in VALUES) for row in found]
    values = np.array(
        [[getattr(row, name) for name in VALUES] for row, has in zip(found, has_values, strict=True) if has],
        dtype=np.float64,
    ).reshape(-1, N_VALUES)
    rows, n_valued = Rows(3, values), 0
    kinds = columns_of(Greeks, len(RowHead._fields))
    for row, has in zip(found, has_values, strict=True):
        contract = logs.contract_of(row.instrument_name) if row.strike is not None else None
        floats = [getattr(row, f) for f in TAIL if "DOUBLE" in kinds[f].name and f not in VALUES]
        whole = [getattr(row, f) for f in TAIL if f in ENUMS or f in WHOLE]
        whole = [NULL if v is None else v for v in whole]
        rows.add(head_of(row.instrument_name, contract), n_valued if has else -1, tuple(floats), tuple(whole))
        n_valued += has
    return rows


@given(st.lists(records(), max_size=5), st.sampled_from(FRAMINGS))
def test_columns_are_written_as_fastavro_writes_the_records(found: list[Greeks], framing: schemas.Framing) -> None:
    rows = rows_of(found)
    for i, row in enumerate(found):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, SCHEMA, schemas.to_plain(row))
        assert rows.value(i, framing) == framing[Greeks] + body.getvalue()
        assert rows.value(i, framing) == schemas.encode(row, framing)
        assert repr(rows.record(i)) == repr(row)


@pytest.mark.parametrize("seed", [4, 5])
def test_the_engines_rows_are_the_same_records_and_bytes_one_by_one_and_together(seed: int) -> None:
    """The kernel against the codec on what the engine really makes: refusals, windows, futures, trades beside them."""
    results = everything(seed, 1_500).run()
    written = [r for r in results if isinstance(r.content, columns.Row)]
    assert len(written) >= 500
    for result in written:
        assert isinstance(result.content, columns.Row)
        record = result.record
        assert result.content.value(schemas.SINGLE_OBJECT) == schemas.encode(record)
        assert schemas.decode(schemas.encode(record)) == record
        assert result.content.what == (record.trigger, record.status, record.sigma_source)
        assert result.topic == "latest" or (record.source_offset, record.result_seq) == result[4:6]


def test_comparisons_are_the_same_records_and_bytes_one_by_one() -> None:
    """C51 at its price: of every kind, with a null on either side."""
    settings = EngineSettings(audit_engine_every=1, engine="closed_form")
    found = [r for r in everything(4, 1_500).run(settings) if isinstance(r.content, Compared)]
    assert {(r.record.kind, r.record.ours is None, r.record.other is None) for r in found} >= {
        (kind, False, False) for kind in schemas.AuditKind if kind != schemas.AuditKind.UNKNOWN
    } | {(schemas.AuditKind.VENUE, False, True)}
    for result in found:
        assert isinstance(result.content, Compared)
        record = result.record
        assert result.content.value(schemas.SINGLE_OBJECT) == schemas.encode(record)
        assert schemas.decode(schemas.encode(record)) == record
        assert (record.source_offset, record.result_seq) == result[4:6]


@given(NUMBER, NUMBER, st.sampled_from(schemas.AuditKind), INTS)
def test_any_two_numbers_are_written_as_the_codec_writes_them(
    ours: float | None, other: float | None, kind: schemas.AuditKind, seq: int
) -> None:
    compared = Compared(audited("BTC-Ä", 5, 3, 70_000), seq, kind, Quantity("delta", "coin per coin"), ours, other)
    try:
        wanted = schemas.encode(compared.record)
    except EncodeError:
        with pytest.raises(EncodeError):
            compared.value(schemas.SINGLE_OBJECT)
        return
    assert compared.value(schemas.SINGLE_OBJECT) == wanted


@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_what_the_codec_refuses_columns_refuse_with_the_same_words(bad: float) -> None:
    rows = rows_of([r.record for r in logs.Log().ready().run() if isinstance(r.content, columns.Row)])
    rows.floats[0] = bad
    with pytest.raises(EncodeError, match=r"Greeks\.forward is"):
        rows.value(0, schemas.SINGLE_OBJECT)


def test_a_name_that_is_no_text_is_refused_by_the_codec_not_by_step() -> None:
    log = logs.Log().ready()
    log.quote("BTC-\ud800")
    result = log.run()[-2]
    assert result.key == "BTC-\ud800"
    assert isinstance(result.content, columns.Row)
    with pytest.raises(EncodeError):
        result.content.value(schemas.SINGLE_OBJECT)
