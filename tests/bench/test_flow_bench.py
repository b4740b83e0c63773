"""One second of dealer flow over 1 500 options with 200 draws of the positions, on one core; its accuracy beside it.

Run by ``make bench``.
Budgets: exposures, profile, flips with both smile rules, all variants and bands <= 50 ms; the ladder, every 5 s, <= 100 ms.  The worst
moment is taken, inside the settlement window, where a twelfth of the book is repriced by the inverse payoff's own closed form.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pricers import scenarios, value_options
from streams.flow.book import Book
from streams.flow.exposures import exposures
from streams.flow.flips import SmileRule, Variant, flip_set
from streams.flow.pressure import ladder, one_pct
from streams.flow.publish import FlowState, publish
from streams.flow.settings import FlowSettings, GreeksSource
from tests.flow_world import DAY_S, Leg, book_of_legs

SETTINGS = FlowSettings()
S = 100_000.0
N_EXPIRIES, N_STRIKES, N_DRAWS = 12, 125, 200
BUDGET_MS, LADDER_BUDGET_MS = 50.0, 100.0
MOMENTS = {"inside the window": 900.0, "a day before": DAY_S + 600.0}
ROUNDS = 15


def board(first_tau_s: float) -> Book:
    """1 500 inverse options in twelve expiries, strikes as far apart as the venue lists them, and 200 possible dealer books.

    Positions: a part of a naive book (long calls, short puts), and as much of either sign, of what open interest a strike has.
    """
    random = np.random.default_rng(23)
    days = (2, 3, 4, 8, 15, 30, 60, 90, 180, 270, 360)
    legs = []
    for tau_s in (first_tau_s, *(day * DAY_S for day in days)):
        width = 0.5 * math.sqrt(tau_s / 31_536_000)
        step = 500.0 if tau_s <= 4 * DAY_S else 1_000.0 if tau_s <= 30 * DAY_S else 2_000.0
        for place in range(-31, 32):
            strike = S + place * step
            interest = 800.0 * math.exp(-0.5 * (place * step / S / max(width, 0.02)) ** 2) + 20.0
            for sign in (1, -1):
                sigma = 0.5 + 0.3 * math.log(strike / S) ** 2 - 0.05 * math.log(strike / S)
                position = interest * float(0.3 * sign + random.normal(0, 0.3))
                legs.append(
                    Leg(position, sign, strike, tau_s=tau_s, sigma=sigma, is_inverse=True, open_interest=interest)
                )
    legs = legs[: N_EXPIRIES * N_STRIKES]
    draws = random.normal(
        [leg.position for leg in legs], [0.2 * leg.open_interest for leg in legs], (N_DRAWS, len(legs))
    )
    return book_of_legs(legs, draws=draws)


def cpu_ms(work: Callable[[], Any]) -> float:
    """Processor time of this thread, ms: the least of many rounds."""
    work()
    spent = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        work()
        spent.append(1e3 * (time.thread_time() - begin))
    return min(spent)


def one_second(book: Book) -> None:
    """Exposures of both models, exact one per cent, all flips with bands, and the other model's flips."""
    ours = exposures(book, SETTINGS)
    exposures(book, SETTINGS, GreeksSource.EUROPEAN)
    one_pct(book, ours, SETTINGS)
    flip_set(book, SETTINGS)
    twin_flips(book)


def twin_flips(book: Book) -> None:
    """As ``publish`` has them."""
    flip_set(book, SETTINGS, GreeksSource.EUROPEAN, with_bands=False, rules=(SmileRule.STICKY_STRIKE,))


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_one_second_of_exposures_and_flips(benchmark: Any, moment: str) -> None:
    """Both models, both smile rules, three variants, bands of 200 draws; the accuracy is the profile's against the closed form."""
    scenarios.warm_up()
    book = board(MOMENTS[moment])
    spent = cpu_ms(lambda: one_second(book))
    parts = {
        "exposures_ms": cpu_ms(lambda: exposures(book, SETTINGS)),
        "flips_with_bands_ms": cpu_ms(lambda: flip_set(book, SETTINGS)),
        "flips_of_the_twin_ms": cpu_ms(lambda: twin_flips(book)),
    }
    benchmark.pedantic(one_second, args=(book,), rounds=3)
    found = flip_set(book, SETTINGS)
    profile = found.profiles[SmileRule.STICKY_STRIKE, Variant.ALL]
    place = profile.levels_usd.size // 2
    x = float(profile.levels_usd[place])
    own = book.position_coin * np.asarray(
        value_options(
            forward=book.forwards * x / S, strike=book.strikes, sigma=book.sigmas, option_sign=book.option_signs,
            next_fixing_s=book.next_fixing_s, interval_s=4.0, n_fixings=450, n_fixed=book.n_fixed,
            running_sum=book.running_sums, payoff="inverse", engine="closed_form",
        ).gamma
    ) * x * x * 0.01  # fmt: skip
    error = abs(float(profile.gamma_usd[place]) - float(own.sum())) / float(np.abs(own).sum())
    primary = found.flips[SmileRule.STICKY_STRIKE, Variant.ALL].primary
    n_flips = sum(len(flips.flips) for flips in found.flips.values())
    assert len(book.names) == N_EXPIRIES * N_STRIKES and primary is not None
    benchmark.extra_info.update(
        moment=moment,
        cpu_ms=spent,
        **parts,
        flips=n_flips,
        levels=int(profile.levels_usd.size),
        error_over_gross_ngi=error,
    )
    assert error <= 1e-4, "of the linear form against the inverse payoff, by gross NGI"
    assert spent <= BUDGET_MS


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_the_ladders_of_both_models(benchmark: Any, moment: str) -> None:
    """308 rungs of each of two models; the accuracy is a rung's against the closed form of the inverse payoff."""
    scenarios.warm_up()
    book = board(MOMENTS[moment])

    def both() -> None:
        ladder(book, SETTINGS)
        ladder(book, SETTINGS, GreeksSource.EUROPEAN)

    spent = cpu_ms(both)
    benchmark.pedantic(both, rounds=3)
    rungs = ladder(book, SETTINGS)
    deltas = [
        value_options(
            forward=book.forwards * ratio, strike=book.strikes, sigma=book.sigmas, option_sign=book.option_signs,
            next_fixing_s=book.next_fixing_s, interval_s=4.0, n_fixings=450, n_fixed=book.n_fixed,
            running_sum=book.running_sums, payoff="inverse", engine="closed_form",
        ).delta
        for ratio in (1.0, 1.01)
    ]  # fmt: skip
    want = -S * float((book.position_coin * (deltas[1] - deltas[0])).sum())
    gross = S * float(np.abs(book.position_coin * (deltas[1] - deltas[0])).sum())
    error = abs(float(rungs.hpp_usd[0, 3, rungs.spot_pct.tolist().index(1.0)]) - want) / gross
    benchmark.extra_info.update(moment=moment, cpu_ms=spent, rungs=int(rungs.hpp_usd.size), error_over_gross=error)
    assert error <= 1e-4
    assert spent <= LADDER_BUDGET_MS


def test_a_whole_publish(benchmark: Any) -> None:
    """Everything of one second with its folds, without the ladder: what the shell pays."""
    scenarios.warm_up()
    book = board(900.0)
    state = FlowState()

    def whole() -> None:
        publish(state, book, SETTINGS, vol=0.5, volume_24h_usd=2e10, with_ladder=False)

    benchmark.pedantic(whole, rounds=3, warmup_rounds=1)
    benchmark.extra_info.update(cpu_ms=cpu_ms(whole))
