"""Exposures: conventions, what is missing, and who is who.

DEFINITIONS 3.3; J1, J2, J10, J11; RULINGS E-10, E-19, E-28, E-61, E-65, E-67.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from streams.flow.book import Book, with_positions
from streams.flow.exposures import Metric, exposures
from streams.flow.settings import FlowSettings, GreeksSource
from tests.flow_world import DAY_S, Leg, book_of_legs, call, put

SETTINGS = FlowSettings()
EUROPEAN = FlowSettings(greeks_source=GreeksSource.EUROPEAN)
CHAIN = [
    make(size, strike, tau_s=days * DAY_S, sigma=sigma)
    for days, sigma in ((2, 0.55), (9, 0.5), (60, 0.6))
    for make, size, strike in (
        (call, 30, 110_000.0),
        (put, -50, 90_000.0),
        (call, -20, 100_000.0),
        (put, 10, 100_000.0),
    )
]


def scaled(leg: Leg, factor: float) -> Leg:
    """The same option where a coin costs ``factor`` times as many USD."""
    return leg._replace(strike=leg.strike * factor)


def test_e61_exposures_are_usd_and_not_coins() -> None:
    """E-61: in USD cents every USD number is a hundredfold, NGI_coin and the position's coins are what they were."""
    usd = exposures(book_of_legs(CHAIN), SETTINGS).totals
    cents = exposures(book_of_legs([scaled(leg, 100.0) for leg in CHAIN], index_price=1e7), SETTINGS).totals
    for name in ("ngi_usd", "vss_usd", "chl_24h_usd", "volg_usd", "dex_usd"):
        assert getattr(cents, name) == pytest.approx(100.0 * getattr(usd, name), rel=1e-9), name
    assert cents.ngi_coin == pytest.approx(usd.ngi_coin, rel=1e-9)
    assert usd.ngi_usd is not None and usd.ngi_coin == usd.ngi_usd / 100_000.0


def test_e65_a_positive_position_is_long_and_a_long_option_has_positive_gamma() -> None:
    """E-65: D = +1 everywhere, NGI > 0; D = -1 everywhere, NGI < 0; the label says which way round it is."""
    for make in (call, put):
        long = exposures(book_of_legs([make(1, 100_000.0)]), SETTINGS)
        short = exposures(book_of_legs([make(-1, 100_000.0)]), SETTINGS)
        assert long.totals.ngi_usd is not None and long.totals.ngi_usd > 0.0
        assert short.totals.ngi_usd == -long.totals.ngi_usd
        assert "positive position: dealers long" in long.label.sign_convention
        assert long.label.side_model == "test"


def test_e67_every_factor_of_ngi_is_in_it() -> None:
    """E-67: NGI is asserted by value, against the formula in plain Python, factor by factor."""
    leg = call(-3, 104_000.0, multiplier=10.0, sigma=0.6, tau_s=3 * DAY_S, forward=101_000.0)
    totals = exposures(book_of_legs([leg], index_price=100_500.0), EUROPEAN).totals
    s = 0.6 * math.sqrt(3 / 365)
    d1 = math.log(101_000 / 104_000) / s + s / 2
    gamma = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (101_000 * s)
    assert totals.ngi_usd == pytest.approx(-3 * 10 * gamma * 100_500**2 * 0.01, rel=1e-12)


def test_e28_the_assumed_side_decides_the_sign_and_not_a_factor_of_two() -> None:
    """E-28: of one gross, all long is +1, 40 % long and 60 % short is -0.2."""
    legs = [call(1, 100_000.0)] * 5
    all_long = exposures(book_of_legs(legs), SETTINGS).totals.ngi_usd
    mixed = [leg._replace(position=1 if i < 2 else -1) for i, leg in enumerate(legs)]
    assert all_long is not None
    assert exposures(book_of_legs(mixed), SETTINGS).totals.ngi_usd == pytest.approx(-0.2 * all_long, rel=1e-12)


def without(book: Book, place: int, field: str) -> Book:
    """The book with one option's number not known."""
    column = getattr(book.average, field).copy()
    column[place] = np.nan
    return book._replace(average=book.average._replace(**{field: column}))


def test_e10_missing_greeks_are_left_out_and_counted_and_never_zero() -> None:
    """E-10, USERS 4: without the gamma of one option, NGI is that of the others, and the coverage says what is missing."""
    whole = book_of_legs(CHAIN)
    place = 3
    got = exposures(without(whole, place, "gamma_per_usd"), SETTINGS)
    rest = np.delete(exposures(whole, SETTINGS).by_option[Metric.NGI], place)
    assert got.totals.ngi_usd == pytest.approx(float(rest.sum()), rel=1e-12)
    assert (got.coverage.n_options, got.coverage.n_used, got.coverage.n_missing) == (12, 11, 1)
    oi = whole.open_interest_coin
    assert got.coverage.open_interest_share == pytest.approx(1 - oi[place] / oi.sum())
    assert got.n_used == (11, 12, 12, 12, 12), "the other greeks are there"
    assert np.isnan(got.by_option[Metric.NGI, place])
    assert int(got.by_strike.n_missing.sum()) == 1


def test_e10_an_unknown_position_is_left_out_like_an_unknown_greek() -> None:
    book = book_of_legs(CHAIN)
    position = book.position_coin.copy()
    position[[0, 5]] = np.nan
    got = exposures(with_positions(book, position, side_model="test", side_coverage=0.4), SETTINGS)
    assert got.coverage.n_missing == 2 and got.coverage.side_coverage == 0.4
    assert got.totals.ngi_usd == pytest.approx(
        float(np.delete(exposures(book, SETTINGS).by_option[Metric.NGI], [0, 5]).sum()), rel=1e-12
    )


def test_nothing_known_is_none_and_not_zero() -> None:
    """E-10: an empty book, and one without a single greek."""
    for book in (book_of_legs([]), with_positions(book_of_legs(CHAIN), np.full(12, np.nan), side_model="test")):
        got = exposures(book, SETTINGS)
        assert set(got.totals) == {None} and got.ngi_band_usd is None
        assert got.coverage.n_used == 0


def test_e19_the_venue_has_no_vanna_and_says_so_by_none() -> None:
    """E-19, E-73: NGI and DEX from the venue's own greeks, the second orders are not there."""
    got = exposures(book_of_legs(CHAIN), SETTINGS, GreeksSource.VENUE)
    assert got.totals.vss_usd is None and got.totals.volg_usd is None and got.totals.chl_24h_usd is None
    assert got.totals.ngi_usd is not None and got.totals.dex_usd is not None
    assert got.n_used == (12, 0, 0, 0, 12)


def test_e04_auto_takes_the_average_near_the_expiry_and_the_european_before() -> None:
    """E-04, A29, A33: option by option, by the hours of the settings."""
    legs = [call(1, 100_000.0, tau_s=hours * 3_600.0) for hours in (1, 11, 13)]
    book = book_of_legs(legs)
    got = exposures(book, SETTINGS, GreeksSource.AUTO)
    unit = np.concatenate([book.average.gamma_per_usd[:2], book.european.gamma_per_usd[2:]])
    assert np.array_equal(got.by_option[Metric.NGI], unit * 100_000.0 * 100_000.0 * 0.01)
    assert got.label.model == "mixed"
    wider = dataclasses.replace(SETTINGS, auto_hours=24.0)
    assert exposures(book, wider, GreeksSource.AUTO).label.model == "settlement_average"


@pytest.mark.parametrize("source", [GreeksSource.EUROPEAN, GreeksSource.VENUE])
def test_j10_j11_european_numbers_say_that_they_are(source: GreeksSource) -> None:
    """J10, J11: labelled European-equivalent, with a warning; ours carries neither."""
    label = exposures(book_of_legs(CHAIN), SETTINGS, source).label
    assert label.model == "european_equivalent" and label.greeks_source == source
    assert label.warnings == ("flows assume European greeks: contracts settle on an average",)
    ours = exposures(book_of_legs(CHAIN), SETTINGS).label
    assert ours.model == "settlement_average" and ours.warnings == ()


def test_totals_are_the_sums_over_strikes_and_over_expiries() -> None:
    """J2: three ways of adding up the same book."""
    book = book_of_legs(CHAIN)
    got = exposures(book, SETTINGS)
    for metric, total in zip(Metric, (got.totals[0], *got.totals[2:]), strict=True):
        assert float(got.by_strike.values[metric].sum()) == pytest.approx(total, rel=1e-12)
        assert float(got.by_expiry.values[metric].sum()) == pytest.approx(total, rel=1e-12)
    assert np.all(got.by_strike.absolute_ngi >= np.abs(got.by_strike.values[Metric.NGI]))


def test_contracts_of_ten_coins_weigh_ten() -> None:
    """USERS 16: inverse and linear contracts of any size in one book, each by its own multiplier and payoff."""
    one = exposures(book_of_legs([call(10, 105_000.0), put(-4, 95_000.0, is_inverse=True)]), SETTINGS).totals
    ten = exposures(
        book_of_legs([call(1, 105_000.0, multiplier=10.0), put(-4, 95_000.0, is_inverse=True)]), SETTINGS
    ).totals
    assert ten == one
    coin = exposures(book_of_legs([call(1, 105_000.0)]), SETTINGS, numeraire="coin").totals
    usd = exposures(book_of_legs([call(1, 105_000.0)]), SETTINGS).totals
    assert coin == usd, "a premium in USD is no coin"


def test_band_of_ngi_is_the_quantiles_of_its_draws() -> None:
    """K1, USERS 2: against the plain loop over the draws."""
    draws = np.random.default_rng(3).normal(0.0, 20.0, (200, 12))
    book = book_of_legs(CHAIN, draws=draws)
    got = exposures(book, SETTINGS)
    sums = [math.fsum(row * got.per_coin[Metric.NGI]) for row in book.draws_coin]
    assert got.ngi_band_usd is not None and got.ngi_band_usd.n_draws == 200
    assert got.ngi_band_usd.low == pytest.approx(float(np.percentile(sums, 10)), rel=1e-9)
    assert got.ngi_band_usd.high == pytest.approx(float(np.percentile(sums, 90)), rel=1e-9)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="greeks_source"):
        FlowSettings(greeks_source="mine")
    with pytest.raises(ValueError, match="numeraire"):
        FlowSettings(numeraire="eur")
    with pytest.raises(ValueError, match="profile_low_ratio"):
        FlowSettings(profile_low_ratio=1.1)
    with pytest.raises(ValueError, match="at least 0"):
        FlowSettings(ladder_spot_pct=(-1.0,))
    with pytest.raises(ValueError, match="want \\(12,\\)"):
        with_positions(book_of_legs(CHAIN), np.zeros(3), side_model="test")
