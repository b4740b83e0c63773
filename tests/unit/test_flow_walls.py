"""Walls, magnets, open-interest walls, max pain, and how they hold.  DEFINITIONS 3.5."""

from __future__ import annotations

import numpy as np
import pytest

from streams.flow.exposures import Metric, exposures
from streams.flow.persistence import Standing, step_standing
from streams.flow.settings import FlowSettings
from streams.flow.walls import max_pain, walls
from tests.flow_world import DAY_S, EXPIRY_NS, book_of_legs, call, put

SETTINGS = FlowSettings()
S = 100_000.0
HOUR_NS = 3_600 * 1_000_000_000
LEGS = [
    call(50, 102_000.0, open_interest=60), put(20, 97_000.0, open_interest=30), call(-5, 104_000.0, open_interest=400),
    put(-60, 98_000.0, open_interest=100), call(-70, 103_000.0, open_interest=80), put(90, 96_000.0, open_interest=90),
]  # fmt: skip


def test_walls_are_net_gamma_on_their_side_of_the_index() -> None:
    """The call wall is the most positive at or above, the put wall the most negative at or below; unconstrained ones beside them."""
    book = book_of_legs(LEGS)
    found = exposures(book, SETTINGS)
    net = dict(zip(found.by_strike.keys, found.by_strike.values[Metric.NGI], strict=True))
    got = walls(book, found, SETTINGS)
    assert got.call_wall is not None and got.call_wall.strike == 102_000.0 and got.call_wall.amount == net[102_000.0]
    assert got.put_wall is not None and got.put_wall.strike == 98_000.0 and got.put_wall.amount == net[98_000.0]
    assert (
        got.call_wall_anywhere is not None
        and got.call_wall_anywhere.strike == max(net, key=lambda k: net[k]) == 96_000.0
    )
    assert (
        got.put_wall_anywhere is not None
        and got.put_wall_anywhere.strike == min(net, key=lambda k: net[k]) == 103_000.0
    )


def test_the_open_interest_wall_is_another_thing_than_the_magnet() -> None:
    """Named separately: most open interest at 104 000, most gamma elsewhere."""
    book = book_of_legs([*LEGS, put(69, 103_000.0, open_interest=1.0)])
    got = walls(book, exposures(book, SETTINGS), SETTINGS)
    assert got.oi_wall is not None and (got.oi_wall.strike, got.oi_wall.amount) == (104_000.0, 400.0)
    assert got.call_oi_wall is not None and got.call_oi_wall.strike == 104_000.0
    assert got.put_oi_wall is not None and got.put_oi_wall.strike == 98_000.0
    assert got.magnet is not None and got.magnet.strike == 103_000.0, "call and put cancel in the net, not in magnitude"


def test_no_wall_where_no_strike_has_the_sign() -> None:
    book = book_of_legs([call(-1, 105_000.0), put(-1, 95_000.0)])
    got = walls(book, exposures(book, SETTINGS), SETTINGS)
    assert got.call_wall is None and got.call_wall_anywhere is None and got.put_wall is not None
    nothing = book_of_legs([])
    assert set(walls(nothing, exposures(nothing, SETTINGS), SETTINGS)) == {None}


def test_bands_of_the_walls_come_from_the_draws() -> None:
    """USERS 2: the strike's quantiles, by the plain loop; the open-interest wall has none."""
    draws = np.random.default_rng(7).normal([leg.position for leg in LEGS], 60.0, (100, len(LEGS)))
    book = book_of_legs(LEGS, draws=draws)
    found = exposures(book, SETTINGS)
    got = walls(book, found, SETTINGS)
    strikes = []
    for row in book.draws_coin * found.per_coin[Metric.NGI]:
        best = max((amount, -k) for amount, k in zip(row, book.strikes, strict=True) if k >= S)
        strikes.append(-best[1] if best[0] > 0 else np.nan)
    known = np.array(strikes)[~np.isnan(strikes)]
    assert got.call_wall is not None and got.call_wall.band_usd is not None
    band = got.call_wall.band_usd
    assert (band.low, band.high) == tuple(np.percentile(known, [10, 90])) and band.n_draws == known.size < 100
    assert got.oi_wall is not None and got.oi_wall.band_usd is None


def test_max_pain_is_of_each_expiry_and_counts_what_is_missing() -> None:
    """Per expiry only, by a plain loop over the prices; an unknown open interest is counted."""
    near = [call(0, k, open_interest=k % 7 + 1, tau_s=DAY_S) for k in (95_000.0, 100_000.0, 104_000.0)]
    near += [put(0, k, open_interest=k % 5 + 2, tau_s=DAY_S) for k in (95_000.0, 104_000.0)]
    far = [call(0, 90_000.0, open_interest=5.0), put(0, 120_000.0, open_interest=float("nan"))]
    book = book_of_legs(near + far)
    oi = np.where(book.strikes == 120_000.0, np.nan, book.open_interest_coin)
    first, second = max_pain(book._replace(open_interest_coin=oi))
    pains = {
        price: sum(leg.open_interest * max(leg.option_sign * (price - leg.strike), 0.0) for leg in near)
        for price in (95_000.0, 100_000.0, 104_000.0)
    }
    assert first.strike == min(pains, key=lambda k: (pains[k], k)) and first.pain_usd == pains[first.strike]
    assert (second.strike, second.pain_usd, second.n_missing) == (90_000.0, 0.0, 1)
    assert max_pain(book._replace(open_interest_coin=np.full(7, np.nan))) == ()


def fold(prices: list[tuple[float, float, float]]) -> Standing:
    """(hours since 08:00, level, price) one after the other."""
    standing = Standing()
    for hours, level, price in prices:
        standing = step_standing(standing, EXPIRY_NS + int(hours * HOUR_NS), level, price, SETTINGS)
    return standing


def test_a_wall_is_held_since_it_last_moved() -> None:
    """Persistence: minutes held."""
    standing = fold([(0, 105e3, S), (1, 105e3, S), (2, 106e3, S), (3, 106e3, S)])
    assert standing.minutes_held(EXPIRY_NS + 5 * HOUR_NS) == 180.0
    assert Standing().minutes_held(0) is None


@pytest.mark.parametrize(
    ("prices", "touched", "held", "closed"),
    [
        ((S, 103e3), 0, 1, 1),
        ((104.9e3, 103e3), 1, 1, 1),
        ((105.5e3, 103e3), 1, 0, 1),
        ((105.5e3, 105.2e3), 1, 0, 0),
        ((95.5e3, 94e3), 0, 1, 1),
    ],
)
def test_a_session_is_graded_against_the_wall_of_its_begin(
    prices: tuple[float, float], touched: int, held: int, closed: int
) -> None:
    """Hit statistics: touched within 0.1 %, held, closed on its side; a level that moves during the session changes nothing."""
    first_day = [(0, 105e3, S), (1, 105e3, S)]
    day = [(24, 105e3, S), (30, 107e3, prices[0]), (47, 107e3, prices[1])]
    standing = fold([*first_day, *day])
    assert standing.n_sessions == 0, "the first day was not seen from its begin"
    standing = fold([*first_day, *day, (48, 107e3, S)])
    assert (standing.n_sessions, standing.n_touched, standing.n_held, standing.n_closed) == (1, touched, held, closed)


def test_a_wall_below_is_graded_from_above() -> None:
    day = [(24, 95e3, S), (30, 95e3, 94.5e3), (47, 95e3, 94.8e3)]
    standing = fold([(1, 95e3, S), *day, (48, 95e3, S)])
    assert (standing.n_sessions, standing.n_touched, standing.n_held, standing.n_closed) == (1, 1, 0, 0)


def test_a_day_that_was_not_seen_is_not_graded() -> None:
    standing = fold([(1, 105e3, S), (24, 105e3, S), (73, 105e3, S), (97, 105e3, S)])
    assert standing.n_sessions == 1, "the second day was; the third and the fourth were not seen from their begin"
