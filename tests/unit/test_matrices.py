"""Engines on matrices: the public functions without their keywords, to the bit; bands only where they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pricers import LIVE_ENGINES, QmcSettings, Status, implied_vols, value_options
from pricers._qmc_desk import packed, unpacked
from pricers._qmc_settings import draws_of, packed_draws_of
from pricers.matrices import IMPLIED_ROWS, TOLERANCE, TOTAL_VOL_MAX, VALUE_ROWS, implied_matrix, value_matrix

N = 5
ROWS = {
    "forward": 1e5, "strike": np.linspace(9.95e4, 1.005e5, N), "sigma": np.linspace(0.4, 0.8, N), "option_sign": [1, -1, 1, -1, 1],
    "next_fixing_s": 5_000.0, "interval_s": 4.0, "n_fixings": 450, "n_fixed": 0, "running_sum": 0.0, "rate": 0.02, "carry": -0.01,
}  # fmt: skip


def matrix(rows: dict[str, object], order: tuple[str, ...]) -> np.ndarray:
    return np.array([np.broadcast_to(np.asarray(rows[name], dtype=np.float64), N) for name in order])


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("engine", LIVE_ENGINES)
def test_matrices_give_the_bits_that_keywords_give(engine: str, payoff: str) -> None:
    values, status = value_matrix(matrix(ROWS, VALUE_ROWS), payoff, engine)
    expected = value_options(**ROWS, payoff=payoff, engine=engine)  # type: ignore[arg-type]
    assert all(np.array_equal(ours, other, equal_nan=True) for ours, other in zip(values, expected, strict=False))
    assert np.array_equal(status, expected.status)

    quotes = {**ROWS, "price_usd": values[0], "tick_usd": 10.0}
    del quotes["sigma"]
    limits = {"total_vol_max": TOTAL_VOL_MAX, "tolerance": TOLERANCE, "band_usd": 10.0}
    found = implied_matrix(matrix(quotes | limits, IMPLIED_ROWS), payoff, engine)
    by_keyword = implied_vols(**quotes, payoff=payoff, engine=engine)  # type: ignore[arg-type]
    names = ("sigma", "sigma_low", "sigma_high", "price_at_sigma_usd")
    for answer, name in zip(found.answers, names, strict=True):
        assert np.array_equal(answer, getattr(by_keyword, name), equal_nan=True), name
    assert np.array_equal(found.status, by_keyword.status)
    assert found.answers[0] == pytest.approx(ROWS["sigma"], rel=1e-9)


def test_a_band_is_searched_where_it_is_asked_for_and_the_tick_alone_tells_low_vega() -> None:
    """Five minutes left, at the money: half a tick of 5 USD is 42 points."""
    five_minutes = {
        "forward": 1e5, "strike": 1e5, "option_sign": 1, "next_fixing_s": 4.0, "n_fixed": 375, "running_sum": 375e5, "interval_s": 4.0,
        "n_fixings": 450, "rate": 0.0, "carry": 0.0,
    }  # fmt: skip
    values, _ = value_matrix(matrix(five_minutes | {"sigma": 0.7}, VALUE_ROWS), "inverse", "qmc")
    limits = {"tick_usd": 10.0, "total_vol_max": TOTAL_VOL_MAX, "tolerance": TOLERANCE}
    is_asked = np.array([True, False, True, False, False])
    quotes = five_minutes | limits | {"price_usd": values[0], "band_usd": np.where(is_asked, 10.0, np.nan)}
    found = implied_matrix(matrix(quotes, IMPLIED_ROWS), "inverse", "qmc")
    assert set(found.status.tolist()) == {int(Status.LOW_VEGA)}
    assert np.array_equal(np.isfinite(found.answers[2]), is_asked)
    assert np.isfinite(found.answers[0]).all()


@pytest.mark.parametrize("settings", [None, QmcSettings(m_points=4, n_scrambles=2, n_dimensions=1)])
def test_packed_draws_are_the_draws(settings: QmcSettings | None) -> None:
    draws = draws_of(settings)
    found = unpacked(packed(draws))
    for level, expected in zip(found, draws, strict=True):
        assert all(np.array_equal(ours, other) for ours, other in zip(level, expected, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        packed_draws_of(settings)[0] = 0.0
