"""The baseline of the pipeline's benchmark prices nothing: what is measured against it is the pricing, not a second pricing."""

from __future__ import annotations

import numpy as np
import pytest

from pricers.matrices import VALUE_ROWS, value_matrix
from streams.engine import EngineSettings
from streams.engine import batch as engine_batch
from tests import logs
from tests.bench import unpriced

NAME = "BTC-19APR23-30000-C"


@pytest.mark.parametrize("engine", ["closed_form", "qmc"])
def test_every_number_of_the_baseline_is_a_constant_and_the_rows_are_there(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    log = logs.Log().ready(NAME)
    log.quote(NAME, at=1.0, bid=0.0320)
    settings = EngineSettings(engine=engine)
    priced = [row for row in logs.rows(log.fold(settings)[1]) if row.instrument_name == NAME]
    unpriced.take_pricing_out(monkeypatch.setattr)
    found = [row for row in logs.rows(log.fold(settings)[1]) if row.instrument_name == NAME]
    assert len(found) == len(priced) > 0
    for row, real in zip(found, priced, strict=True):
        assert row.sigma_bid == row.sigma_ask == row.sigma == row.price_usd == unpriced.CONSTANT
        assert real.sigma_bid != real.sigma_ask
        assert real.price_usd != unpriced.CONSTANT


def test_the_constants_have_the_shape_of_the_pricers_answers() -> None:
    inputs = np.ones((len(VALUE_ROWS), 3))
    ours, theirs = unpriced._values(inputs), value_matrix(inputs, "linear", "european")
    assert [part.shape for part in ours] == [part.shape for part in theirs]
    assert [part.dtype for part in ours] == [part.dtype for part in theirs]


def test_a_name_that_is_gone_is_an_error_and_not_a_priced_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(engine_batch, "value_matrix")
    with pytest.raises(AttributeError):
        unpriced.take_pricing_out(unpriced._replace)
