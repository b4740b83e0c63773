"""Implied volatilities: round trips, statuses, bands, scipy's Brent as oracle (A11-A14, A24, C44, E-51, E-58, E-71)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from pricers import LIVE_ENGINES, ImpliedVol, Status, implied_vols, value_options

YEAR_S = 31_536_000
PAYOFFS = ["linear", "inverse"]
MOMENTS: dict[str, dict[str, Any]] = {
    "half a year": {"next_fixing_s": 182 * 86_400.0},
    "week": {"next_fixing_s": 7 * 86_400 - 1796.0},
    "two hours": {"next_fixing_s": 5404.0},
    "window opens": {"next_fixing_s": 4.0},
    "inside": {"next_fixing_s": 2.5, "n_fixed": 150, "running_sum": 150 * 99_700.0},
    "five minutes left": {"next_fixing_s": 3.0, "n_fixed": 375, "running_sum": 375 * 100_200.0},
    "fixings due": {"next_fixing_s": -9.0, "n_fixed": 150, "running_sum": 150 * 100_100.0},
    "one left": {"next_fixing_s": 2.0, "n_fixed": 449, "running_sum": 449 * 100_000.0},
}


def contract(moment: str, sigma: float, away: float, **changes: Any) -> dict[str, Any]:
    """An option ``away`` deviations of its live average from the money."""
    here = {"forward": 1e5, "interval_s": 4.0, "n_fixings": 450, **MOMENTS[moment], **changes}
    left = 450 - here.get("n_fixed", 0)
    deviation = sigma * np.sqrt((max(here["next_fixing_s"], 0.0) + 4.0 * left / 3) / YEAR_S)
    here["strike"] = (here.get("running_sum", 0.0) + left * 1e5 * np.exp(away * deviation)) / 450
    return here


@given(
    st.sampled_from(sorted(MOMENTS)),
    st.floats(0.03, 4.0),
    st.floats(-6, 6),
    st.sampled_from([1, -1]),
    st.sampled_from(PAYOFFS),
    st.sampled_from(sorted(LIVE_ENGINES)),
)
def test_volatility_of_a_price_is_the_one_it_was_made_with(
    moment: str, sigma: float, away: float, sign: int, payoff: str, engine: str
) -> None:
    """In the vol metric: as far as the price's own rounding allows, or 1e-9 of sigma. Out of the money: always to 1e-9."""
    option = {**contract(moment, sigma, away), "option_sign": sign, "payoff": payoff, "engine": engine}
    value = value_options(**option, sigma=sigma)
    if value.status == Status.DETERMINED:
        assert implied_vols(**option, price_usd=value.price_usd + 1.0).status == Status.DETERMINED
        return
    found = implied_vols(**option, price_usd=value.price_usd)
    mean = (
        1e5 if engine == "european" else (option.get("running_sum", 0.0) + (450 - option.get("n_fixed", 0)) * 1e5) / 450
    )
    is_out = sign * (option["strike"] - mean) > 0.0
    noise = 1e-9 * sigma + (
        0.0 if is_out else 64 * np.finfo(float).eps * max(1e5, option["strike"]) / max(abs(float(value.vega)), 1e-300)
    )
    if found.status not in (Status.OK, Status.FALLBACK):
        # The price's rounding hides all of its time value, or it falls with sigma (inverse put below its dip).
        # Far in the money it may fall all the way to the cap.
        assert found.status in (Status.BELOW_INTRINSIC, Status.NO_QUOTE) or (
            value.vega <= 0.0 and found.status == Status.CAPPED
        )
        assert np.isnan(found.sigma)
        assert value.vega <= 0.0 or noise > 1e-2 * sigma
    elif value.vega > 0.0:
        assert abs(found.sigma - sigma) <= noise or noise > 1e-2 * sigma
        assert found.price_at_sigma_usd == pytest.approx(float(value.price_usd), rel=1e-8, abs=1e-10)
    else:
        # Of two roots the one with positive vega.
        assert found.sigma > sigma
        assert found.price_at_sigma_usd == pytest.approx(float(value.price_usd), rel=1e-9)


@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize("engine", sorted(LIVE_ENGINES))
@pytest.mark.parametrize("moment", MOMENTS)
def test_brent_finds_the_same_volatility(moment: str, engine: str, payoff: str) -> None:
    """A11: scipy's bracketing solver on the same model price, in and out of the money, prices not of our making."""
    for away in (-1.5, -0.2, 0.0, 0.8, 2.0):
        for sign in (1, -1):
            option = {**contract(moment, 0.8, away), "option_sign": sign, "payoff": payoff, "engine": engine}
            quote = round(float(value_options(**option, sigma=0.83).price_usd), 2) + 0.01

            def miss(sigma: float, option: dict[str, Any] = option, quote: float = quote) -> float:
                return float(value_options(**option, sigma=sigma).price_usd) - quote

            oracle = brentq(miss, 0.3, 4.0, xtol=1e-14, rtol=1e-14)
            found = implied_vols(**option, price_usd=quote)
            assert found.status == Status.OK
            assert found.sigma == pytest.approx(oracle, rel=1e-9)


@given(st.sampled_from(sorted(MOMENTS)), st.floats(-3, 3), st.sampled_from([1, -1]), st.floats(1e-6, 0.9))
def test_volatility_rises_with_the_price(moment: str, away: float, sign: int, part: float) -> None:
    option = {**contract(moment, 0.7, away), "option_sign": sign}
    prices = float(value_options(**option, sigma=0.7).price_usd) * np.array([1.0, 1.0 + 0.01 * part, 1.0 + part])
    found = implied_vols(**option, price_usd=prices)
    sigmas = found.sigma[np.isfinite(found.sigma)]
    assert np.all(np.diff(sigmas) >= 0.0)


@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_no_quote_is_no_volatility(payoff: str, bad: float) -> None:
    found = implied_vols(price_usd=bad, option_sign=1, payoff=payoff, **contract("week", 0.7, 0.0))
    assert found.status == Status.NO_QUOTE
    assert np.isnan(found.sigma)
    assert found.n_iterations == 0


def test_price_at_or_below_intrinsic_has_no_volatility() -> None:
    """Intrinsic is that of the average's mean, which the past has moved away from the forward."""
    option = {
        **MOMENTS["inside"],
        "forward": 1e5,
        "interval_s": 4.0,
        "n_fixings": 450,
        "strike": 99_000.0,
        "option_sign": 1,
    }
    mean = (150 * 99_700.0 + 300 * 1e5) / 450
    below, above = (implied_vols(price_usd=mean - 99_000.0 + d, **option) for d in (-0.01, 0.01))
    assert below.status == Status.BELOW_INTRINSIC
    assert above.status == Status.OK
    inverse = (mean - 99_000.0) * 1e5 / mean
    below, above = (implied_vols(price_usd=inverse + d, payoff="inverse", **option) for d in (-0.01, 0.01))
    assert (below.status, above.status) == (Status.BELOW_INTRINSIC, Status.OK)


@pytest.mark.parametrize("engine", ["closed_form", "european", "qmc"])
@given(forward_ticks=st.integers(1_000, 4_000_000), distance_ticks=st.integers(1, 900), sign=st.sampled_from([1, -1]))
def test_linear_price_exactly_at_intrinsic_has_no_volatility(
    engine: str, forward_ticks: int, distance_ticks: int, sign: int
) -> None:
    """F and K in ticks of 1/4, so that F - K is exact; what a rounding of K / F leaves of it is no time value (A14)."""
    forward, distance = forward_ticks / 4, min(distance_ticks, forward_ticks - 1) / 4
    option = {**contract("week", 0.7, 0.0), "forward": forward, "strike": forward - sign * distance}
    option["option_sign"] = sign
    assert implied_vols(price_usd=distance, engine=engine, **option).status == Status.BELOW_INTRINSIC
    worth = implied_vols(price_usd=distance + 1e-6 * forward, engine=engine, **option)
    assert worth.status in (Status.OK, Status.FALLBACK)


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_price_at_or_above_its_bound_has_no_volatility(payoff: str) -> None:
    option = {**contract("week", 0.7, 1.0), "payoff": payoff}
    for sign, bound in ((1, 1e5), (-1, option["strike"])):
        assert implied_vols(price_usd=bound, option_sign=sign, **option).status == Status.ABOVE_BOUND
        assert implied_vols(price_usd=np.inf, option_sign=sign, **option).status == Status.ABOVE_BOUND
        near = implied_vols(price_usd=0.999999 * bound, option_sign=sign, **option)
        assert near.status == Status.CAPPED
        assert np.isnan(near.sigma)


def test_inside_the_window_the_bound_is_the_share_that_is_left() -> None:
    """E-71: call w F, put w k F."""
    option = {**MOMENTS["inside"], "forward": 1e5, "interval_s": 4.0, "n_fixings": 450, "strike": 99_900.0}
    left = 99_900.0 - 150 * 99_700.0 / 450
    for sign, bound in ((1, 1e5 * 300 / 450), (-1, left)):
        assert implied_vols(price_usd=bound * (1 + 1e-12), option_sign=sign, **option).status == Status.ABOVE_BOUND
        assert implied_vols(price_usd=bound * 0.5, option_sign=sign, **option).status == Status.FALLBACK


@pytest.mark.parametrize("total_vol_max", [0.5, 1.0, 6.0])
def test_cap_is_on_total_volatility_of_the_average(total_vol_max: float) -> None:
    option = {**contract("five minutes left", 0.7, 0.0), "option_sign": 1}
    deviation = np.sqrt((3.0 + 4.0 * 75 / 3) / YEAR_S)
    wide = Status.OK if total_vol_max == 0.5 else Status.FALLBACK  # beyond what draws reach
    for part, expected in ((0.97, wide), (1.03, Status.CAPPED)):
        price = value_options(**option, sigma=part * total_vol_max / deviation).price_usd
        found = implied_vols(**option, price_usd=price, total_vol_max=total_vol_max)
        assert found.status == expected, part


def test_thousands_of_per_cent_in_the_last_minutes_are_volatilities() -> None:
    """PRICING: one 10 USD tick, 2 % out of the money: 222 % at 31 min, 1175 % at 10 min (call or put; 5 USD premium half a tick)."""
    for seconds, expected in ((1860.0, 2.22), (600.0, 11.75)):
        n_fixed = 0 if seconds > 1800 else 300
        found = implied_vols(
            price_usd=10.0, forward=1e5, strike=1.02e5, option_sign=1, next_fixing_s=seconds - 1796 if n_fixed == 0 else 4.0,
            interval_s=4.0, n_fixings=450, n_fixed=n_fixed, running_sum=n_fixed * 1e5,
        )  # fmt: skip
        assert found.sigma == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("payoff", PAYOFFS)
def test_band_is_the_volatility_of_the_price_half_a_tick_away(payoff: str) -> None:
    option = {**contract("two hours", 0.7, 0.5), "option_sign": 1, "payoff": payoff}
    price = float(value_options(**option, sigma=0.7).price_usd)
    found = implied_vols(**option, price_usd=price, tick_usd=10.0)
    for side, moved in ((found.sigma_low, price - 5.0), (found.sigma_high, price + 5.0)):
        assert side == pytest.approx(float(implied_vols(**option, price_usd=moved).sigma), rel=1e-9)
    assert found.sigma_low < found.sigma < found.sigma_high
    without = implied_vols(**option, price_usd=price)
    assert np.isnan(without.sigma_low) and np.isnan(without.sigma_high)


@pytest.mark.parametrize("payoff", PAYOFFS)
@pytest.mark.parametrize("moment", ["week", "two hours", "window opens", "inside", "five minutes left", "one left"])
def test_drawn_edges_of_bands_are_what_a_search_with_draws_finds(payoff: str, moment: str) -> None:
    """An edge of QMC is the closed form's, moved as draws move the quote's own vol; a search at the moved price is the reference.

    Draws move a vol by 1e-7 of itself and less; an inverse put's near its dip, where the price hardly depends on it, by 1e-6.
    Calls and puts up to three deviations away, quotes from a thousandth of a tick to many.
    """
    draw = np.random.default_rng(20)
    n = 120
    sigma, sign = np.exp(draw.uniform(np.log(0.2), np.log(2.0), n)), draw.choice([-1.0, 1.0], n)
    options = [contract(moment, s, away) for s, away in zip(sigma, draw.uniform(-3, 3, n), strict=True)]
    option = {**options[0], "strike": np.array([one["strike"] for one in options])}
    option |= {"option_sign": sign, "payoff": payoff}
    price = value_options(**option, sigma=sigma).price_usd
    errors: list[float] = []
    for tick in (0.5, 10.0, 50.0):
        found = implied_vols(**option, price_usd=price, tick_usd=tick)
        for edge, away in ((found.sigma_low, -0.5 * tick), (found.sigma_high, 0.5 * tick)):
            expected = implied_vols(**option, price_usd=price + away).sigma
            is_there = np.isfinite(found.sigma)
            assert np.array_equal(np.isfinite(edge[is_there]), np.isfinite(expected[is_there])), (tick, away)
            errors += (edge / expected - 1.0)[is_there & np.isfinite(expected)].tolist()
    assert len(errors) > n
    assert np.abs(errors).max() <= 1e-6
    assert np.median(np.abs(errors)) <= 1e-8


def test_the_upper_edge_far_above_the_quote_is_the_nearest_vol_that_gives_it() -> None:
    """Forty seconds left, 0.02 USD quoted and a tick of 50: an inverse put's price falls again at absurd vols, and none is at 4 000."""
    option: dict[str, Any] = {
        "forward": 1e5, "option_sign": -1, "next_fixing_s": 4.0, "interval_s": 4.0, "n_fixings": 450, "n_fixed": 440,
        "running_sum": 440e5, "payoff": "inverse", "strike": 1e5 * (1.0 + np.array([1.07e-5, 6.9e-5, -8.3e-5])),
    }  # fmt: skip
    for engine in ("qmc", "closed_form"):
        price = value_options(**option, sigma=np.array([0.23, 1.44, 1.75]), engine=engine).price_usd
        found = implied_vols(**option, price_usd=price, tick_usd=50.0, engine=engine)
        expected = implied_vols(**option, price_usd=price + 25.0, engine=engine)
        assert found.sigma_high == pytest.approx(expected.sigma, rel=1e-6)
        assert np.all((found.sigma_high > 40.0) & (found.sigma_high < 60.0))


def test_low_vega_gives_the_volatility_and_its_band() -> None:
    """Half a tick of 5 USD is 0.1 vol points at 7 d, 2.7 at 31 min and 42 at 5 min at the money: only the last is noise."""
    points = {}
    for moment, seconds, n_fixed in (("7 d", 7 * 86_400 - 1796, 0), ("31 min", 64, 0), ("5 min", 4, 375)):
        option = {
            "forward": 1e5, "strike": 1e5, "option_sign": 1, "next_fixing_s": seconds, "interval_s": 4.0, "n_fixings": 450,
            "n_fixed": n_fixed, "running_sum": n_fixed * 1e5,
        }  # fmt: skip
        found = implied_vols(**option, price_usd=value_options(**option, sigma=0.7).price_usd, tick_usd=10.0)
        points[moment] = (100 * float(found.sigma_high - found.sigma), Status(int(found.status)))
    assert points["7 d"] == (pytest.approx(0.09, abs=0.02), Status.OK)
    assert points["31 min"] == (pytest.approx(2.7, abs=0.1), Status.OK)
    assert points["5 min"][0] == pytest.approx(42, abs=1)
    assert points["5 min"][1] == Status.LOW_VEGA


def test_band_is_open_where_half_a_tick_reaches_intrinsic() -> None:
    option = {**contract("two hours", 0.7, 3.0), "option_sign": 1}
    found = implied_vols(**option, price_usd=4.0, tick_usd=10.0)
    assert np.isnan(found.sigma_low)
    assert found.sigma_high > found.sigma > 0.0


@pytest.mark.parametrize("away", [0.5, 1.5, 4.0])
def test_in_the_money_inverse_put_below_intrinsic_has_its_volatility(away: float) -> None:
    """CONTRACT: its value dips by up to K sigma² W / 6; the root with positive vega is the answer, below the minimum there is none."""
    option = {**contract("two hours", 0.7, away), "option_sign": -1, "payoff": "inverse"}
    sigmas = np.linspace(0.01, 4.0, 8000)
    prices = value_options(**option, sigma=sigmas).price_usd
    intrinsic = option["strike"] - 1e5
    lowest = int(np.argmin(prices))
    assert prices[lowest] < intrinsic
    between = implied_vols(**option, price_usd=0.5 * (prices[lowest] + intrinsic))
    assert between.status == Status.OK
    assert between.sigma > sigmas[lowest]
    assert value_options(**option, sigma=between.sigma).vega > 0.0
    under = implied_vols(**option, price_usd=prices[lowest] - 1e-4)
    assert under.status == Status.BELOW_INTRINSIC
    assert np.isnan(under.sigma)


def test_stale_price_and_moved_spot_give_another_volatility() -> None:
    """E-50: 7-day ATM, 60 %, stale price: spot +1 % gives 50.2 %, -1 % 69.0 %, +2 % 38.9 % (European)."""
    option = {
        "strike": 1e5,
        "option_sign": 1,
        "next_fixing_s": 7 * 86_400.0,
        "interval_s": 0.0,
        "n_fixings": 1,
        "engine": "european",
    }
    stale = value_options(**option, forward=1e5, sigma=0.6).price_usd
    found = implied_vols(**option, forward=[1.01e5, 0.99e5, 1.02e5], price_usd=stale)
    assert found.sigma == pytest.approx([0.502, 0.690, 0.389], abs=6e-4)


def test_price_five_of_a_thirty_day_option_is_43_8_percent() -> None:
    """E-58: ATM 100/100, 30 d, price 5: 43.8 % at no rate."""
    found = implied_vols(
        price_usd=5.0,
        forward=100.0,
        strike=100.0,
        option_sign=1,
        next_fixing_s=30 * 86_400.0,
        interval_s=0.0,
        n_fixings=1,
        engine="european",
    )
    assert found.sigma == pytest.approx(0.438, abs=6e-4)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(MOMENTS)),
            st.floats(0.1, 3.0),
            st.floats(-4, 4),
            st.sampled_from([1, -1]),
            st.floats(-20, 50),
        ),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from(PAYOFFS),
    st.sampled_from(sorted(LIVE_ENGINES)),
    st.randoms(use_true_random=False),
)
def test_volatilities_are_the_same_bits_in_any_batch_order_and_company(
    rows: list[tuple[str, float, float, int, float]], payoff: str, engine: str, random: Any
) -> None:
    options = [
        {"n_fixed": 0, "running_sum": 0.0, **contract(moment, sigma, away), "option_sign": sign}
        for moment, sigma, away, sign, _ in rows
    ]
    batch = {name: np.array([option[name] for option in options], dtype=float) for name in options[0]}
    prices = value_options(**batch, sigma=[row[1] for row in rows], payoff=payoff, engine=engine).price_usd + [
        row[4] for row in rows
    ]
    batch["price_usd"] = prices

    def solve(index: Any) -> ImpliedVol:
        return implied_vols(
            **{name: column[index] for name, column in batch.items()}, tick_usd=5.0, payoff=payoff, engine=engine
        )

    order = list(range(len(rows)))
    random.shuffle(order)
    together, shuffled = solve(slice(None)), solve(order)
    for i in range(len(rows)):
        alone = solve(i)
        for whole, mixed, single in zip(together, shuffled, alone, strict=True):
            assert whole[i].tobytes() == mixed[order.index(i)].tobytes() == single.tobytes()
