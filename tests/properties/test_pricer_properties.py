"""What must hold of every value: STYLE 2.3, Black, settlement, average price and inverse (A3, A23, A35, A37, E-71)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pricers import LIVE_ENGINES, Status, Valuation, value_options
from pricers._inverse import inverse_shape
from pricers._linear import linear_shape
from pricers._qmc_settings import packed_draws_of
from pricers._valuation import value_batch

EPS = float(np.finfo(float).eps)
INTERVAL_S = 4.0
N = 450

PAYOFFS = st.sampled_from(["linear", "inverse"])
SIGNS = st.sampled_from([1, -1])
SIGMAS = st.floats(0.05, 4.0)


@st.composite
def moments(draw: st.DrawFn, least_remaining: int = 1) -> dict[str, Any]:
    """A moment in an expiry's life: before the window down to the last fixing, with what is known then."""
    forward = draw(st.floats(0.3, 2e5))
    if draw(st.booleans()):
        return {"forward": forward, "next_fixing_s": draw(st.floats(0.01, 3e7)), "n_fixed": 0, "running_sum": 0.0}
    n_fixed = draw(st.integers(1, N - least_remaining))
    past = forward * (1.0 + draw(st.floats(-0.02, 0.02)))
    return {
        "forward": forward,
        "next_fixing_s": draw(st.floats(-30.0, 4.0)),
        "n_fixed": n_fixed,
        "running_sum": n_fixed * past,
    }


def deviation(moment: dict[str, Any], sigma: float) -> float:
    """Total volatility of the average, roughly: for strikes that matter."""
    left = N - moment["n_fixed"]
    return float(sigma * np.sqrt((max(moment["next_fixing_s"], 0.0) + INTERVAL_S * left / 3) / 31_536_000) * left / N)


def mean_of_average(moment: dict[str, Any]) -> float:
    return float((moment["running_sum"] + (N - moment["n_fixed"]) * moment["forward"]) / N)


def price(moment: dict[str, Any], **changes: Any) -> Valuation:
    return value_options(**{"interval_s": INTERVAL_S, "n_fixings": N, **moment, **changes})


@given(moments(), SIGMAS, st.floats(-6, 6), PAYOFFS)
@example({"forward": 1.0, "next_fixing_s": -4.0, "n_fixed": 448, "running_sum": 448.0}, 1.0, 0.0, "linear")
def test_call_minus_put_is_the_forward_contract(moment: dict[str, Any], sigma: float, away: float, payoff: str) -> None:
    """Linear: E[A] - K. Inverse: F - K E[S_N/A], where E[S_N/A] is what a put of no past and huge strike shows, or call - put."""
    strike = mean_of_average(moment) * np.exp(away * deviation(moment, sigma))
    call = price(moment, strike=strike, sigma=sigma, option_sign=1, payoff=payoff)
    put = price(moment, strike=strike, sigma=sigma, option_sign=-1, payoff=payoff)
    scale = 64 * EPS * max(moment["forward"], strike)
    if payoff == "linear":
        assert abs(call.price_usd - put.price_usd - (mean_of_average(moment) - strike)) <= scale
        assert abs(call.delta - put.delta - (N - moment["n_fixed"]) / N) <= scale / moment["forward"]
        for name in ("gamma", "vega", "vanna", "volga", "charm_per_year", "theta_per_year"):
            assert getattr(call, name) == pytest.approx(float(getattr(put, name)), rel=1e-9, abs=1e-300), name
    else:
        # Linear in the strike: the same forward contract at another strike gives the same E[S_N / A].
        other = strike * 1.001
        pair = [price(moment, strike=other, sigma=sigma, option_sign=s, payoff=payoff).price_usd for s in (1, -1)]
        share = [
            (moment["forward"] - float(a - b)) / k
            for a, b, k in ((call.price_usd, put.price_usd, strike), (*pair, other))
        ]
        rounding = 16 * EPS * moment["forward"] / strike  # of prices near the forward, seen from a small strike
        assert abs(share[0] - share[1]) <= 1e-10 + 4e-10 * sigma + rounding


@given(moments(), SIGMAS, st.floats(-6, 6), SIGNS)
def test_linear_price_is_between_intrinsic_and_its_bound(
    moment: dict[str, Any], sigma: float, away: float, sign: int
) -> None:
    """E-71: the bound is the payoff's, w F for a call and w k F for a put, not the coin."""
    mean = mean_of_average(moment)
    strike = mean * np.exp(away * deviation(moment, sigma))
    found = price(moment, strike=strike, sigma=sigma, option_sign=sign)
    weight = (N - moment["n_fixed"]) / N
    effective = strike - moment["running_sum"] / N
    slack = 64 * EPS * max(mean, strike)
    assert found.price_usd >= max(sign * (mean - strike), 0.0) - slack
    assert found.price_usd <= (weight * moment["forward"] if sign > 0 else max(effective, 0.0)) + slack + max(
        mean - strike if effective <= 0.0 and sign > 0 else 0.0, 0.0
    )


@given(moments(), SIGMAS, st.floats(-4, 4), SIGNS)
def test_linear_price_never_falls_when_vol_rises_and_is_convex_in_strike(
    moment: dict[str, Any], sigma: float, away: float, sign: int
) -> None:
    dev = deviation(moment, sigma)
    strike = mean_of_average(moment) * np.exp(away * dev)
    found = price(moment, strike=strike, sigma=sigma * np.array([1.0, 1.01, 1.1]), option_sign=sign)
    slack = 64 * EPS * max(moment["forward"], strike)
    assert np.all(np.diff(found.price_usd) >= -slack)
    assert np.all(found.vega >= 0.0) and np.all(found.gamma >= 0.0)
    strikes = strike * (1.0 + min(0.3 * dev, 0.5) * np.array([-1.0, 0.0, 1.0]))
    low, mid, high = price(moment, strike=strikes, sigma=sigma, option_sign=sign).price_usd
    assert low + high - 2.0 * mid >= -4 * slack


@given(moments(), SIGMAS, st.floats(-4, 4), SIGNS, PAYOFFS, st.floats(1e-3, 1e3))
@example(
    {"forward": 1.25, "next_fixing_s": 0.0, "n_fixed": 449, "running_sum": 567.8271484375},
    1.0,
    0.0,
    1,
    "linear",
    0.984375,
)
@example({"forward": 1.0, "next_fixing_s": 1e-238, "n_fixed": 449, "running_sum": 449.0}, 1.0, 0.0, 1, "inverse", 1.0)
def test_price_is_homogeneous(
    moment: dict[str, Any], sigma: float, away: float, sign: int, payoff: str, factor: float
) -> None:
    strike = mean_of_average(moment) * np.exp(away * deviation(moment, sigma))
    one = price(moment, strike=strike, sigma=sigma, option_sign=sign, payoff=payoff)
    scaled = {**moment, "forward": factor * moment["forward"], "running_sum": factor * moment["running_sum"]}
    other = price(scaled, strike=factor * strike, sigma=sigma, option_sign=sign, payoff=payoff)
    # Rounding of the scaled inputs moves the strike ratio by an ulp or two: delta times that, and deep in the money the value itself.
    assert abs(other.price_usd / factor - one.price_usd) <= 256 * EPS * max(moment["forward"], strike)
    if not (
        away == 0.0 and one.status == Status.DETERMINED
    ):  # at the kink of a known payoff delta jumps with an ulp of the strike
        assert abs(other.delta - one.delta) <= 1e-9


@given(moments(least_remaining=2), SIGMAS, st.floats(-3, 3), SIGNS, PAYOFFS, st.floats(0.98, 1.02))
def test_fixing_split_leaves_the_payoff_unchanged(
    moment: dict[str, Any], sigma: float, away: float, sign: int, payoff: str, past: float
) -> None:
    """Knowing some fixings at exactly the forward now, all at once, is the same as having them due now."""
    strike = mean_of_average(moment) * np.exp(away * deviation(moment, sigma))
    if moment["next_fixing_s"] <= 0.0:
        return
    known = {**moment, "n_fixed": moment["n_fixed"] + 1, "running_sum": moment["running_sum"] + moment["forward"]}
    due = {**moment, "next_fixing_s": 0.0}
    a = price({**known, "next_fixing_s": INTERVAL_S}, strike=strike, sigma=sigma, option_sign=sign, payoff=payoff)
    b = price(due, strike=strike, sigma=sigma, option_sign=sign, payoff=payoff)
    assert abs(a.price_usd - b.price_usd) <= 256 * EPS * max(moment["forward"], strike)


@given(st.floats(0.01, 1e7), SIGMAS, st.floats(-4, 4), SIGNS, PAYOFFS)
def test_one_fixing_in_all_is_european(seconds: float, sigma: float, away: float, sign: int, payoff: str) -> None:
    strike = 1e5 * np.exp(away * sigma * np.sqrt(seconds / 31_536_000))
    single = {
        "forward": 1e5,
        "strike": strike,
        "sigma": sigma,
        "option_sign": sign,
        "next_fixing_s": seconds,
        "interval_s": 0.0,
    }
    average = value_options(**single, n_fixings=1, payoff=payoff, engine="closed_form")
    european = value_options(**single, n_fixings=1, payoff=payoff, engine="european")
    assert abs(average.price_usd - european.price_usd) <= 1e-12 * max(1e5, strike)  # a put is worth up to its strike
    for name in ("delta", "gamma", "vega", "vanna"):
        ours, black = float(getattr(average, name)), float(getattr(european, name))
        at_the_money = value_options(**{**single, "strike": 1e5}, n_fixings=1, engine="european")
        assert ours == pytest.approx(black, rel=1e-8, abs=1e-9 * abs(float(getattr(at_the_money, name))) + 1e-12), name


@given(moments(), SIGMAS, st.floats(-4, 4), SIGNS, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_average_is_worth_no_more_than_european(
    moment: dict[str, Any], sigma: float, away: float, sign: int, rate: float, shift: float
) -> None:
    """Before the window, on the same driftless forward; a rate discounts both alike."""
    if moment["n_fixed"]:
        return
    strike = moment["forward"] * np.exp(away * deviation(moment, sigma))
    average = price(moment, strike=strike, sigma=sigma, option_sign=sign, rate=rate)
    european = price(moment, strike=strike, sigma=sigma, option_sign=sign, rate=rate, engine="european")
    slack = 64 * EPS * max(moment["forward"], strike)
    assert average.price_usd <= european.price_usd + slack
    undiscounted = price(moment, strike=strike, sigma=sigma, option_sign=sign)
    last_s = moment["next_fixing_s"] + INTERVAL_S * (N - 1)
    assert average.price_usd == pytest.approx(
        float(undiscounted.price_usd) * np.exp(-rate * last_s / 31_536_000), rel=1e-12
    )


@given(st.floats(1.0, 30.0), st.floats(0.3, 1.5), st.floats(-1.5, 1.5))
def test_inverse_and_linear_differ_by_the_covariance_of_the_average_with_the_last_fixing(
    days: float, sigma: float, away: float
) -> None:
    """PRICING: before the window C_inv - C_lin is about K (sigma² W / 6) N(d2)."""
    from scipy.stats import norm

    total = sigma * np.sqrt(days / 365)
    strike = 1e5 * np.exp(away * total)
    moment = {"forward": 1e5, "next_fixing_s": days * 86_400 - 1796, "n_fixed": 0, "running_sum": 0.0}
    inverse, linear = (
        price(moment, strike=strike, sigma=sigma, option_sign=1, payoff=p).price_usd for p in ("inverse", "linear")
    )
    expected = strike * sigma**2 * (1800 / 31_536_000) / 6 * norm.cdf(-away - total / 2)
    assert inverse - linear == pytest.approx(expected, rel=0.05)


BATCH = st.lists(st.tuples(moments(), SIGMAS, st.floats(-4, 4), SIGNS), min_size=1, max_size=12)


def columns_of(rows: list[tuple[dict[str, Any], float, float, int]]) -> dict[str, Any]:
    batch: dict[str, Any] = {
        name: np.array([row[0][name] for row in rows])
        for name in ("forward", "next_fixing_s", "n_fixed", "running_sum")
    }
    batch["sigma"] = np.array([row[1] for row in rows])
    batch["strike"] = np.array([mean_of_average(m) * np.exp(away * deviation(m, s)) for m, s, away, _ in rows])
    batch["option_sign"] = np.array([row[3] for row in rows])
    return {**batch, "interval_s": INTERVAL_S, "n_fixings": N}


@given(BATCH, PAYOFFS, st.sampled_from(sorted(LIVE_ENGINES)), st.randoms(use_true_random=False))
def test_values_are_the_same_bits_in_any_batch_order_and_company(
    rows: list[tuple[dict[str, Any], float, float, int]], payoff: str, engine: str, random: Any
) -> None:
    batch = columns_of(rows)
    together = value_options(**batch, payoff=payoff, engine=engine)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = value_options(
        **{name: column[order] if np.ndim(column) else column for name, column in batch.items()},
        payoff=payoff,
        engine=engine,
    )
    for i in range(len(rows)):
        alone = value_options(
            **{name: column[i] if np.ndim(column) else column for name, column in batch.items()},
            payoff=payoff,
            engine=engine,
        )
        for name, whole, mixed, single in zip(Valuation._fields, together, shuffled, alone, strict=True):
            bits = {np.asarray(v).tobytes() for v in (whole[i], mixed[order.index(i)], single)}
            assert len(bits) == 1, name


@given(moments(), SIGMAS, st.floats(-3, 3), SIGNS, PAYOFFS)
def test_kernels_as_plain_python_give_the_compiled_values(
    moment: dict[str, Any], sigma: float, away: float, sign: int, payoff: str
) -> None:
    """The batch loop interpreted, its callees compiled; then a callee interpreted: same numbers to rounding of libm."""
    batch = columns_of([(moment, sigma, away, sign)])
    compiled = value_options(**batch, payoff=payoff, engine="closed_form")
    order = (
        "forward",
        "strike",
        "sigma",
        "option_sign",
        "next_fixing_s",
        "interval_s",
        "n_fixings",
        "n_fixed",
        "running_sum",
    )
    inputs = np.array([np.broadcast_to(batch[name], 1) for name in order] + [[0.0], [0.0]], dtype=float)
    values, status = np.empty((11, 1)), np.empty(1, dtype=np.int8)
    value_batch.py_func(inputs, 0 if payoff == "linear" else 1, 0, packed_draws_of(None), values, status)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(values[:, 0], np.array([column[0] for column in compiled[:-1]]))
    assert status[0] == compiled.status[0]


def test_shapes_as_plain_python_give_the_compiled_values() -> None:
    from pricers._contract import Split
    from pricers._fixings import unit_constants

    unit = unit_constants(1e-5, 4 / 31_536_000, 300, 0.0)
    for k in (0.99, 1.0, 1.01):
        np.testing.assert_allclose(linear_shape.py_func(k, 1.0, 0.7, unit), linear_shape(k, 1.0, 0.7, unit), rtol=1e-12)  # type: ignore[attr-defined]
        c = Split(k, 0.01, 0.5, 0.6, 1.0)
        np.testing.assert_allclose(
            inverse_shape.py_func(c, 1.0, 0.7, unit), inverse_shape(c, 1.0, 0.7, unit), rtol=1e-12
        )  # type: ignore[attr-defined]


@pytest.mark.parametrize(("hours", "price_change_pct"), [(168, -0.099), (24, -0.70), (2, -8.7)])
def test_what_the_average_does_at_the_money(hours: float, price_change_pct: float) -> None:
    """PRICING, "What the average does": ATM price against the European one, sigma 70 %."""
    moment = {"forward": 1e5, "next_fixing_s": hours * 3600 - 1796, "n_fixed": 0, "running_sum": 0.0}
    average, european = (
        price(moment, strike=1e5, sigma=0.7, option_sign=1, engine=e) for e in ("closed_form", "european")
    )
    change = 100 * (average.price_usd / european.price_usd - 1)
    assert change == pytest.approx(price_change_pct, rel=0.01)
    assert average.status == Status.OK


@pytest.mark.parametrize("left", [400, 300, 200, 100, 30])
def test_gamma_inside_the_window_is_root_three_times_the_share_left(left: int) -> None:
    """PRICING, DEFINITIONS 3.11: ATM gamma over the European one is sqrt(3) f; f remaining share, fixings due one by one."""
    moment = {"forward": 1e5, "next_fixing_s": 4.0, "n_fixed": N - left, "running_sum": (N - left) * 1e5}
    average, european = (
        price(moment, strike=1e5, sigma=0.7, option_sign=1, engine=e) for e in ("closed_form", "european")
    )
    f = left / N
    discrete = np.sqrt(left**2 / ((left + 1) * (left + 0.5) / 3))  # (n+1)(2n+1)/(6 n²) instead of 1/3
    assert average.gamma / european.gamma == pytest.approx(f * discrete, rel=1e-4)
    assert discrete == pytest.approx(np.sqrt(3), rel=1 / left)
