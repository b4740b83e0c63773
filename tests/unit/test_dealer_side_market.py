"""The dealer side on two small synthetic markets whose true book is known (K1, K2): the short form of tests.dealer_side.

The long form (``python -m tests.dealer_side``) has twenty markets.  Here every bound is what a
calibrated side would miss once in ten thousand runs of other seeds; the seeds are fixed, so a run tells a change of the code.
"""

from __future__ import annotations

import numpy as np
import pytest

from streams.flow.side import SideModel, SideSettings
from tests.dealer_side.measure import HIGH, LOW, Row, correlation, measure
from tests.dealer_side.tape import Tape, record

SEEDS = (301, 302)
SD_ONCE_IN_10_000 = 3.9  # two-sided
COINS = ("BTC",)
N_OPTIONS, SECONDS, EVERY_S = 60, 40, 8


@pytest.fixture(scope="module")
def tapes() -> list[Tape]:
    return [
        record(seed, n_options=N_OPTIONS, trade_rate=60.0, seconds=SECONDS, every_s=EVERY_S, coins=COINS)
        for seed in SEEDS
    ]


@pytest.fixture(scope="module")
def rows(tapes: list[Tape]) -> list[Row]:
    return [row for tape in tapes for row in measure(tape, SideSettings())]


def of(rows: list[Row], model: SideModel, *, first: int = 1) -> list[Row]:
    return [row for row in rows if row.model == model and row.i_moment >= first]


def test_the_bands_of_single_positions_cover_the_truth_as_often_as_they_say(rows, tapes):
    """80 %, give or take the chance of so many independent positions; legs of one block are not, which doubles the variance."""
    last = [row for row in of(rows, SideModel.FLOW_INFERRED) if row.i_moment == SECONDS // EVERY_S]
    assert len(last) == len(SEEDS) * len(COINS)
    n = len(SEEDS) * N_OPTIONS
    sd = (2 * (HIGH - LOW) * (1 - HIGH + LOW) / n) ** 0.5
    assert abs(np.mean([row.position_cover for row in last]) - (HIGH - LOW)) <= SD_ONCE_IN_10_000 * sd


def test_the_sign_of_ngi_is_right_four_times_in_five(rows):
    """Moments of one market are not independent: what counts is the number of markets and coins, with two moments each."""
    found = of(rows, SideModel.FLOW_SHRUNK)
    n = 2 * len(SEEDS) * len(COINS)
    share = np.mean([row.is_right for row in found])
    assert 0.8 - 2.0 * (0.8 * 0.2 / n) ** 0.5 <= share <= 1.0


def test_flow_is_nearer_to_the_truth_than_the_naive_convention(rows):
    """In NGI, and position by position."""
    errors = {
        model: float(np.sqrt(np.mean([(row.true - row.inferred) ** 2 for row in of(rows, model)])))
        for model in (SideModel.FLOW_SHRUNK, SideModel.NAIVE_CALL_PLUS_PUT_MINUS, SideModel.ALL_SHORT)
    }
    assert errors[SideModel.FLOW_SHRUNK] < 0.5 * errors[SideModel.NAIVE_CALL_PLUS_PUT_MINUS]
    assert errors[SideModel.FLOW_SHRUNK] < 0.25 * errors[SideModel.ALL_SHORT]
    means = {model: np.mean([r.position_correlation for r in of(rows, model, first=3)]) for model in list(errors)[:2]}
    assert means[SideModel.FLOW_SHRUNK] > means[SideModel.NAIVE_CALL_PLUS_PUT_MINUS] + 0.2
    assert correlation(of(rows, SideModel.FLOW_SHRUNK)) > 0.5


def test_coverage_rises_from_nothing_and_bands_narrow_with_it(rows):
    for seed in SEEDS:
        for coin in COINS:
            mine = [r for r in rows if (r.seed, r.coin, r.model) == (seed, coin, SideModel.FLOW_SHRUNK)]
            coverage = [row.coverage for row in mine]
            assert coverage[0] == 0.0 and coverage[-1] > 0.5
            assert mine[-1].high - mine[-1].low < mine[0].high - mine[0].low


def test_the_tape_says_nothing_of_the_truth(tapes):
    """The fold's records are contracts, tickers and trades as the venue gives them; the same seed is the same tape."""
    kinds = {type(item).__name__ for tape in tapes for item in tape.records}
    assert kinds == {"InstrumentState", "OptionQuote", "OptionTrade"}
    small = [record(7, n_options=20, trade_rate=9.0, seconds=2, every_s=1, coins=COINS) for _ in range(2)]
    assert small[0].records == small[1].records and small[0].truths == small[1].truths != {}
    assert tapes[0].parties != tapes[1].parties
