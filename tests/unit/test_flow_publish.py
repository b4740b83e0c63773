"""One publish from book to numbers: deterministic, both models beside each other, levels frozen before an expiry.  J3, J9, H7."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from streams.flow.book import Book
from streams.flow.exposures import exposures
from streams.flow.flips import SmileRule, Variant
from streams.flow.labels import Scenario
from streams.flow.publish import FlowState, Publication, publish, twin_of, without_profiles
from streams.flow.regime import Regime
from streams.flow.settings import FlowSettings, GreeksSource
from tests.flow_world import DAY_S, book_of_legs, call, put

SETTINGS = FlowSettings()
NS_PER_S = 1_000_000_000
DRAWS = np.random.default_rng(2).normal([40, -60, 20], 30, (50, 3))


def at(second: int, index_price: float = 100_000.0) -> Book:
    """The book of so many seconds after eight minutes before an expiry."""
    legs = [
        call(40, 100_500.0, tau_s=480.0 - second), put(-60, 97_000.0, tau_s=9 * DAY_S - second),
        call(20, 108_000.0, tau_s=9 * DAY_S - second),
    ]  # fmt: skip
    book = book_of_legs(legs, index_price=index_price, draws=DRAWS)
    shift = second * NS_PER_S
    return book._replace(now_ns=book.now_ns + shift, expiry_ns=book.expiry_ns + shift)


def run(seconds: range) -> tuple[FlowState, list[Publication]]:
    """Publish each of these seconds."""
    state, found = FlowState(), []
    for second in seconds:
        state, publication = publish(
            state, at(second), SETTINGS, vol=0.5, volume_24h_usd=2e10, with_ladder=second % 5 == 0
        )
        found.append(publication)
    return state, found


def test_the_same_books_give_the_same_bytes() -> None:
    """J3: deterministic; the state survives a pickle on the way."""
    state, found = run(range(3))
    again, repeated = run(range(3))
    assert pickle.dumps((state, found)) == pickle.dumps((again, repeated))
    half, _ = run(range(2))
    half = pickle.loads(pickle.dumps(half))
    _, last = publish(half, at(2), SETTINGS, vol=0.5, volume_24h_usd=2e10, with_ladder=False)
    assert pickle.dumps(last) == pickle.dumps(found[2])


def test_both_models_are_in_every_publication() -> None:
    """H7: NGI, VSS, flips and 1 % hedges of the other model each second, the ladders of both every few."""
    _, found = run(range(6))
    book = at(0)
    for publication in found:
        assert publication.exposures.label.model == "settlement_average"
        assert publication.twin_exposures.label.model == "european_equivalent"
        assert publication.twin_flips.flips[SmileRule.STICKY_STRIKE, Variant.ALL].band_usd is None
    assert publication.twin_one_pct.gex_1pct_local_usd == publication.twin_exposures.totals.ngi_usd
    assert [publication.ladder is not None for publication in found] == [True, False, False, False, False, True]
    assert found[0].twin_ladder is not None and found[0].twin_ladder.label.model == "european_equivalent"
    want = exposures(book, SETTINGS, GreeksSource.EUROPEAN)
    assert found[0].twin_exposures.totals == want.totals
    assert twin_of(GreeksSource.EUROPEAN) == twin_of(GreeksSource.VENUE) == GreeksSource.SETTLEMENT_AVERAGE
    assert twin_of(GreeksSource.AUTO) == GreeksSource.EUROPEAN


def test_j9_exposures_go_on_while_the_levels_stand_still() -> None:
    """J9: three minutes from the start of the run the freeze begins."""
    _, found = run(range(175, 186))
    moments = dict(zip(range(175, 186), found, strict=True))
    assert [moments[s].is_frozen for s in (175, 179, 180, 185)] == [False, False, True, True]
    assert (
        moments[185].levels == without_profiles(moments[179].live_levels)
        and moments[185].levels is not moments[185].live_levels
    )
    assert moments[185].exposures.totals.ngi_usd != moments[184].exposures.totals.ngi_usd
    assert any("frozen" in warning for warning in moments[185].warnings) and moments[179].warnings == ()


def test_the_minute_before_is_realised() -> None:
    state, found = FlowState(), []
    for second in (0, 60):
        state, publication = publish(
            state,
            at(second, 100_000.0 + second * 10),
            SETTINGS,
            vol=0.5 + second / 6e3,
            volume_24h_usd=None,
            with_ladder=False,
        )
        found.append(publication)
    minute = found[1].realised[0]
    ngi, vss = found[0].exposures.totals.ngi_usd, found[0].exposures.totals.vss_usd
    assert minute.move is not None and ngi is not None and vss is not None
    assert minute.spot_usd == pytest.approx(-ngi * 0.6) and minute.vol_usd == pytest.approx(-vss * 1.0)
    assert minute.time_usd is not None and abs(minute.time_usd) > 0 and found[1].realised[1].hpp_usd is None


def test_an_empty_book_is_unknown_and_no_exception() -> None:
    _, found = publish(FlowState(), book_of_legs([]), SETTINGS, vol=None, volume_24h_usd=None, with_ladder=True)
    assert found.reading.scenario == Scenario.UNKNOWN and found.levels.regime == Regime.UNKNOWN
    assert set(found.exposures.totals) == {None} and found.max_pain == ()
    assert found.ladder is not None and np.isnan(found.ladder.hpp_usd).all()
    assert found.one_pct.hedge_1pct_up_usd is None
