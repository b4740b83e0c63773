"""The settlement window: European against settlement-average exposures, and the linear form against the inverse payoff.

DEFINITIONS 3.11; H7; USERS 1; E-76.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from pricers import value_options
from streams.flow.book import Book
from streams.flow.exposures import exposures
from streams.flow.flips import SmileRule, Variant, flip_set
from streams.flow.labels import strongest_pin
from streams.flow.pressure import ladder
from streams.flow.settings import FlowSettings, GreeksSource
from tests.flow_world import DAY_S, Leg, book_of_legs, call, put

S = 100_000.0
SETTINGS = FlowSettings()
ALL = (SmileRule.STICKY_STRIKE, Variant.ALL)


def ngi(book: Book, source: str) -> float:
    """NGI of a source."""
    found = exposures(book, SETTINGS, source).totals.ngi_usd
    assert found is not None
    return found


@pytest.mark.parametrize("is_inverse", [False, True])
def test_the_european_ngi_of_an_expiring_strike_explodes_and_ours_vanishes(is_inverse: bool) -> None:
    """3.11, H7: at the money ours over European is sqrt(3) f; below one from f = 0.577 on, 17 minutes before the end; too small a pin is
    seen before it, a false one after."""
    sizes = {}
    for minutes in (60, 30, 17.32, 10, 5, 1):
        book = book_of_legs([call(100, S, tau_s=minutes * 60.0, is_inverse=is_inverse)])
        sizes[minutes] = ngi(book, GreeksSource.SETTLEMENT_AVERAGE), ngi(book, GreeksSource.EUROPEAN)
    ours, european = (np.array(column) for column in zip(*sizes.values(), strict=True))
    assert np.all(np.diff(european) > 0) and european[-1] / european[1] == pytest.approx(
        math.sqrt(30), rel=0.25 * 1_800 / 31_536_000
    )
    assert np.all(np.diff(ours[1:]) < 0) and ours[-1] < 0.25 * ours[1]
    share = np.array([17.32, 10, 5, 1]) / 30
    # sums over fixings of 4 s instead of integrals: half a fixing of those left
    assert np.all(np.abs(ours[2:] / european[2:] / (math.sqrt(3) * share) - 1) < 1.0 / (450 * share))
    assert ours[0] > european[0] and ours[1] > european[1]


def test_a_strike_that_the_average_has_left_behind_is_no_pin_but_the_european_says_it_is() -> None:
    """USERS 1: spot comes back to the strike ten minutes before the end, the average stays 0.3 % above it."""
    leg = call(100, S, tau_s=600.0, average_so_far=100_450.0)
    book = book_of_legs([leg, put(-1, 99_000.0, tau_s=30 * DAY_S)])
    averaged = exposures(book, SETTINGS)
    european = exposures(book, SETTINGS, GreeksSource.EUROPEAN)
    assert averaged.totals.ngi_usd is not None and european.totals.ngi_usd is not None
    assert european.totals.ngi_usd > 100 * abs(averaged.totals.ngi_usd)
    assert strongest_pin(book, averaged, SETTINGS) is None


def test_the_two_models_flips_part_company_in_the_window() -> None:
    """H7: a European false flip around an expiring strike that is settled in all but name."""
    legs = [call(100, S, tau_s=120.0, average_so_far=100_450.0), call(-200, 101_000.0, tau_s=10 * DAY_S)]
    book = book_of_legs(legs)
    ours = flip_set(book, SETTINGS).flips[ALL]
    theirs = flip_set(book, SETTINGS, GreeksSource.EUROPEAN).flips[ALL]
    assert len(theirs.flips) == 2 and all(abs(flip.level_usd / S - 1) < 0.005 for flip in theirs.flips)
    assert [flip for flip in ours.flips if abs(flip.level_usd / S - 1) < 0.005] == []
    assert theirs.label.model == "european_equivalent" and ours.label.model == "settlement_average"


def chain(first_tau_s: float, is_inverse: bool) -> list[Leg]:
    """Six expiries of twelve strikes, positions of both signs."""
    random = np.random.default_rng(17)
    taus = (first_tau_s, first_tau_s + DAY_S, 3 * DAY_S, 10 * DAY_S, 45 * DAY_S, 200 * DAY_S)
    return [
        (call if random.random() < 0.5 else put)(
            float(random.normal(0, 50)), round(S * math.exp(random.normal(0, 1.2) * 0.5 * math.sqrt(tau_s / 31_536_000)), -2),
            tau_s=tau_s, sigma=float(random.uniform(0.4, 0.8)), is_inverse=is_inverse,
        )
        for tau_s in taus
        for _ in range(12)
    ]  # fmt: skip


def inverse_greek(book: Book, name: str, ratio: float, sigma_shift: float = 0.0, age_s: float = 0.0) -> np.ndarray:
    """A greek of the inverse payoff by the closed form, at a moved state before the window."""
    return np.asarray(
        getattr(
            value_options(
                forward=book.forwards * ratio, strike=book.strikes, sigma=book.sigmas + sigma_shift,
                option_sign=book.option_signs, next_fixing_s=book.next_fixing_s - age_s, interval_s=4.0, n_fixings=450,
                payoff="inverse", engine="closed_form",
            ),
            name,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("first_tau_s", "bound"), [(1_860.0, 1e-3), (3 * 3_600.0, 3e-4), (DAY_S, 1e-4)])
def test_the_linear_form_differs_from_the_inverse_payoff_by_little_of_ngi(first_tau_s: float, bound: float) -> None:
    """Profile and ladder before the window: the difference over the gross NGI (the ladder: times the move) is sigma sqrt(w) of the
    nearest expiry and its share of the book, less the further it is: 1e-3 a minute before the window, 1e-4 a day."""
    book = book_of_legs(chain(first_tau_s, is_inverse=True))
    profile = flip_set(book, SETTINGS).profiles[ALL]
    for place in range(0, profile.levels_usd.size, 20):
        x = float(profile.levels_usd[place])
        own = book.position_coin * inverse_greek(book, "gamma", x / S) * x * x * 0.01
        assert abs(profile.gamma_usd[place] - own.sum()) <= bound * max(np.abs(own).sum(), 0.1 * abs(own).max())
    rungs = ladder(book, SETTINGS)
    gross = np.abs(book.position_coin * inverse_greek(book, "gamma", 1.0)).sum() * S * S * 0.01
    now = inverse_greek(book, "delta", 1.0)
    for r, v in ((0, 3), (4, 6), (6, 0), (10, 3)):
        moved = inverse_greek(book, "delta", 1 + rungs.spot_pct[r] / 100, rungs.vol_points[v] / 100)
        want = -S * float((book.position_coin * (moved - now)).sum())
        size = abs(float(rungs.spot_pct[r])) + abs(float(rungs.vol_points[v]))
        assert abs(rungs.hpp_usd[0, v, r] - want) <= bound * gross * size


def test_inside_the_window_each_payoff_is_its_own() -> None:
    """Deep in the money, half of the fixings known: the coin amount of an inverse option is half known too, so that its delta in USD
    is not the linear one's."""
    for is_inverse in (False, True):
        book = book_of_legs([call(100, 90_000.0, tau_s=900.0, is_inverse=is_inverse), put(1, 99_900.0, tau_s=900.0)])
        profile = flip_set(book, SETTINGS).profiles[ALL]
        place = int(np.argmin(np.abs(profile.levels_usd - 1.05 * S)))
        x = float(profile.levels_usd[place])
        value = value_options(
            forward=x, strike=90_000.0, sigma=0.5, option_sign=1, next_fixing_s=4.0, interval_s=4.0, n_fixings=450,
            n_fixed=225, running_sum=225 * S, payoff="inverse" if is_inverse else "linear", engine="closed_form",
        )  # fmt: skip
        assert profile.gamma_usd[place] == pytest.approx(100 * float(value.gamma) * x * x * 0.01, rel=1e-4, abs=1.0)
        assert (abs(float(value.gamma)) > 1e-6) is is_inverse
