"""Flips: all roots, directions, status, variants, smile rules, bands.  DEFINITIONS 3.4; J1, J6, J7; E-64."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from streams.flow import flips
from streams.flow.book import with_positions
from streams.flow.flips import FlipStatus, SmileRule, Variant, flip_set, spot_ratios
from streams.flow.settings import FlowSettings, GreeksSource
from tests.flow_world import DAY_S, Leg, book_of_legs, call, put

S = 100_000.0
SETTINGS = FlowSettings(flip_tolerance_ratio=1e-9)
EUROPEAN = FlowSettings(greeks_source=GreeksSource.EUROPEAN, flip_tolerance_ratio=1e-9)
ALL = (SmileRule.STICKY_STRIKE, Variant.ALL)
TWO_LEGS = [call(100, 110_000.0), put(-100, 90_000.0)]
THREE = [put(-100, 90_000.0), call(150, 97_000.0), call(-120, 104_000.0), call(100, 112_000.0)]


def profile(legs: list[Leg], x: float) -> float:
    """G(x) of European legs in plain Python."""
    total = 0.0
    for leg in legs:
        s = leg.sigma * math.sqrt(leg.tau_s / 31_536_000)
        d1 = math.log(x / leg.strike) / s + s / 2
        total += leg.position * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (x * s) * x * x * 0.01
    return total


def scanned_roots(legs: list[Leg]) -> list[float]:
    """Zeros of the plain profile on a fine scan, an independent search."""
    grid = np.linspace(70_000.0, 130_000.0, 60_001)
    values = [profile(legs, float(x)) for x in grid]
    return [
        float(brentq(lambda x: profile(legs, x), float(a), float(b), xtol=1e-9))
        for (a, b), (fa, fb) in zip(pairwise(grid), pairwise(values), strict=True)
        if fa * fb < 0.0
    ]


@pytest.mark.parametrize(("legs", "n_roots"), [([call(1, 100_000.0), put(2, 95_000.0)], 0), (TWO_LEGS, 1), (THREE, 3)])
def test_books_with_no_one_and_three_roots(legs: list[Leg], n_roots: int) -> None:
    """All roots with their directions; against a fine scan of the profile in plain Python."""
    legs = [leg._replace(tau_s=3 * DAY_S) for leg in legs]
    found = flip_set(book_of_legs(legs), EUROPEAN).flips[ALL]
    roots = scanned_roots(legs)
    assert len(found.flips) == len(roots) == n_roots
    for flip, root in zip(found.flips, roots, strict=True):
        assert flip.level_usd == pytest.approx(root, abs=2e-9 * S)
        assert flip.to_long == (profile(legs, root + 1.0) > 0.0)
    assert found.gamma_at_index_usd == pytest.approx(profile(legs, S), rel=1e-9)


def test_e64_the_flip_is_the_zero_of_the_total_and_not_a_change_along_the_strikes() -> None:
    """E-64: the per-strike gamma changes sign between 90 000 and 110 000, and the answer is neither strike; the order of the legs is
    of no matter; with every sign + the status says so instead of null."""
    found = flip_set(book_of_legs(TWO_LEGS), EUROPEAN).flips[ALL]
    assert found.primary is not None
    assert found.primary.level_usd not in (90_000.0, 110_000.0)
    assert flip_set(book_of_legs(TWO_LEGS[::-1]), EUROPEAN).flips[ALL] == found
    long = flip_set(book_of_legs([call(1, 110_000.0), put(1, 90_000.0)]), EUROPEAN).flips[ALL]
    assert (
        long.status == FlipStatus.NONE_ALL_LONG and long.flips == () and long.primary is None and long.flip_pct is None
    )
    short = flip_set(book_of_legs([call(-1, 110_000.0), put(-1, 90_000.0)]), EUROPEAN).flips[ALL]
    assert short.status == FlipStatus.NONE_ALL_SHORT


def test_roots_above_the_index_count_as_much_as_those_below() -> None:
    """Known failure elsewhere: only roots below spot were kept, so that a short-gamma book had none."""
    book = book_of_legs([call(100, 110_000.0), put(-100, 101_000.0)])
    found = flip_set(book, EUROPEAN).flips[ALL]
    assert (
        found.primary is not None and found.primary.level_usd > S and found.flip_pct is not None and found.flip_pct > 0
    )
    assert found.gamma_at_index_usd is not None and found.gamma_at_index_usd < 0


def test_a_book_with_little_of_its_open_interest_priced_is_low_coverage() -> None:
    """E-10: flips found are listed, and the status is not ok; an empty book the same, without an exception."""
    legs = [*TWO_LEGS, call(1, 100_000.0, open_interest=1_000.0, sigma=math.nan)]
    found = flip_set(book_of_legs(legs), EUROPEAN).flips[ALL]
    assert found.status == FlipStatus.LOW_COVERAGE and len(found.flips) == 1
    assert found.coverage.open_interest_share == pytest.approx(200 / 1_200)
    empty = flip_set(book_of_legs([]), EUROPEAN).flips[ALL]
    assert empty.status == FlipStatus.LOW_COVERAGE and empty.flips == () and empty.gamma_at_index_usd is None


def test_variants_leave_out_the_next_expiry_or_all_but_the_next_week() -> None:
    """Each variant is the whole search on the smaller book."""
    near = [call(100, 103_000.0, tau_s=DAY_S), put(-150, 98_000.0, tau_s=DAY_S)]
    week = [call(-80, 106_000.0, tau_s=6 * DAY_S), put(90, 95_000.0, tau_s=6 * DAY_S)]
    far = [call(-300, 120_000.0, tau_s=40 * DAY_S), put(200, 85_000.0, tau_s=40 * DAY_S)]
    found = flip_set(book_of_legs(near + week + far), SETTINGS).flips
    for variant, legs in (
        (Variant.ALL, near + week + far),
        (Variant.EX_NEXT_EXPIRY, week + far),
        (Variant.NEAR, near + week),
    ):
        alone = flip_set(book_of_legs(legs), SETTINGS).flips[SmileRule.STICKY_STRIKE, Variant.ALL]
        here = found[SmileRule.STICKY_STRIKE, variant]
        assert here.status == FlipStatus.OK and len(here.flips) == len(alone.flips)
        for flip, other in zip(here.flips, alone.flips, strict=True):
            assert flip.level_usd == pytest.approx(other.level_usd, abs=2e-9 * S) and flip.to_long == other.to_long
    assert len({found[SmileRule.STICKY_STRIKE, variant].primary for variant in Variant}) == 3


def test_the_smile_rules_differ_on_a_skew_and_say_so() -> None:
    """Both are reported; on a flat smile they agree.  The skew is a straight line in ln(K/F), so that either flip can be had in plain
    Python: sticky moneyness moves each vol by its slope times the move."""
    slope, held = -0.6, {115_000.0: 100.0, 85_000.0: -60.0}
    strikes = sorted({*np.linspace(50_000.0, 180_000.0, 27).tolist(), *held})
    legs = [
        call(held.get(k, 1e-9), k, open_interest=1.0, tau_s=30 * DAY_S, sigma=0.6 + slope * math.log(k / S))
        for k in strikes
    ]
    got = flip_set(book_of_legs(legs), EUROPEAN)

    def moved(x: float, rate: float) -> float:
        return profile([leg._replace(sigma=leg.sigma - rate * math.log(x / S)) for leg in legs], x)

    for rule, rate in ((SmileRule.STICKY_STRIKE, 0.0), (SmileRule.STICKY_MONEYNESS, slope)):
        primary = got.flips[rule, Variant.ALL].primary
        assert primary is not None
        want = brentq(moved, primary.level_usd - 500, primary.level_usd + 500, args=(rate,))
        assert primary.level_usd == pytest.approx(want, abs=1e-7 * S)
    assert got.smile_gap_pct is not None and got.smile_gap_pct > 0.5 and got.smile_rules_differ
    flat = flip_set(book_of_legs(TWO_LEGS), EUROPEAN)
    assert flat.smile_gap_pct == 0.0 and not flat.smile_rules_differ
    at_index = [got.flips[rule, Variant.ALL].gamma_at_index_usd for rule in SmileRule]
    assert at_index[0] == at_index[1], "where spot has not moved the rules are one"


def test_the_band_covers_the_flips_of_the_draws_and_is_a_grid_step_wide_at_least() -> None:
    """USERS 2: sizes of the legs drawn around their own; the flip of each by the formula."""
    random = np.random.default_rng(11)
    sizes = np.stack([100 * np.exp(random.normal(0, 0.5, 400)), -100 * np.exp(random.normal(0, 0.5, 400))], axis=1)
    total = 0.5 * math.sqrt(7 / 365)
    # a phi(d1(K1)) = b phi(d1(K2))
    log_ratio = np.log(-sizes[:, 0] / sizes[:, 1])
    middle = math.log(math.sqrt(110_000 * 90_000)) - total**2 / 2
    exact = np.exp(middle - log_ratio * total**2 / math.log(110_000 / 90_000))
    band = flip_set(book_of_legs(TWO_LEGS, draws=sizes), EUROPEAN).flips[ALL].band_usd
    assert band is not None and band.n_draws == 400
    # between levels a zero is found by linear interpolation: a tenth of a step
    assert band.low == pytest.approx(float(np.percentile(exact, 10)), abs=0.1 * 0.0025 * S)
    assert band.high == pytest.approx(float(np.percentile(exact, 90)), abs=0.1 * 0.0025 * S)
    same = flip_set(book_of_legs(TWO_LEGS, draws=np.repeat([[100.0, -100.0]], 50, axis=0)), EUROPEAN).flips[ALL]
    assert same.band_usd is not None and same.primary is not None
    assert same.band_usd.high - same.band_usd.low == pytest.approx(0.0025 * S, rel=1e-6)
    assert same.band_usd.low < same.primary.level_usd < same.band_usd.high
    assert flip_set(book_of_legs(TWO_LEGS), EUROPEAN).flips[ALL].band_usd is None, "no draws, no band"


def test_draws_without_a_flip_are_counted() -> None:
    draws = np.array([[100.0, -100.0]] * 30 + [[100.0, 100.0]] * 70)
    found = flip_set(book_of_legs(TWO_LEGS, draws=draws), EUROPEAN).flips[ALL]
    assert found.band_usd is not None and (found.band_usd.n_draws, found.n_draws) == (30, 100)


def test_the_grid_is_as_defined_and_every_strike_is_on_it() -> None:
    """S x [0.70, 1.30], step 0.25 %, plus the strikes."""
    ratios = spot_ratios(book_of_legs([call(1, 101_234.0), call(1, 150_000.0)]), SETTINGS)
    assert ratios.size == 242 and ratios[0] == 0.7 and ratios[-1] == 1.3
    assert 1.01234 in ratios and np.all(np.diff(ratios) > 0) and np.diff(ratios).max() <= 0.0025 * (1 + 1e-9)


def test_a_flip_in_an_empty_tail_is_no_flip() -> None:
    """A day before the expiry the profile underflows far from its strikes; the setting says from what size on a lobe counts."""
    legs = [call(1, 100_000.0, tau_s=0.3 * DAY_S), call(-1e-5, 102_000.0, tau_s=0.5 * DAY_S)]
    none = dataclasses.replace(EUROPEAN, lobe_share=1e-2)
    every = dataclasses.replace(EUROPEAN, lobe_share=0.0)
    assert flip_set(book_of_legs(legs), none).flips[ALL].status == FlipStatus.NONE_ALL_LONG
    assert len(flip_set(book_of_legs(legs), every).flips[ALL].flips) == 2


def test_positions_not_known_are_in_no_profile() -> None:
    book = book_of_legs([*TWO_LEGS, call(1_000, 95_000.0)])
    position = np.where(book.strikes == 95_000.0, np.nan, book.position_coin)
    book = with_positions(book, position, side_model="test")
    found = flip_set(book, EUROPEAN).flips[ALL]
    assert found.coverage.n_missing == 1
    assert found.flips == flip_set(book_of_legs(TWO_LEGS), EUROPEAN).flips[ALL].flips


def test_how_many_options_are_valued_at_once_changes_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bands, both smile rules and all variants; an expiry inside its window among them."""
    legs = [
        call(100.0 - 37.0 * i, 94_000.0 + 1_000.0 * i, tau_s=tau_s, is_inverse=True)
        for tau_s in (900.0, 3 * DAY_S, 30 * DAY_S)
        for i in range(6)
    ]
    draws = np.random.default_rng(2).normal([leg.position for leg in legs], 10.0, (20, len(legs)))
    book = book_of_legs(legs, draws=draws)
    whole = flip_set(book, SETTINGS)
    monkeypatch.setattr(flips, "OPTIONS_AT_ONCE", 4)
    parts = flip_set(book, SETTINGS)
    for key, profile_ in whole.profiles.items():
        other = parts.profiles[key]
        # sums of 18 terms in another order, in double and in single precision
        size = np.abs(profile_.gamma_usd).max() + 1.0
        assert np.abs(profile_.gamma_usd - other.gamma_usd).max() <= 18 * 2.3e-16 * 10 * size
        assert np.abs(profile_.draws_usd - other.draws_usd).max() <= 18 * 1.2e-7 * 10 * size
        levels = [[flip.level_usd for flip in found.flips[key].flips] for found in (whole, parts)]
        assert levels[0] and levels[0] == pytest.approx(levels[1], rel=2e-9)
