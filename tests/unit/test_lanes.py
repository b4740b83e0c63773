"""The vectorised search (A11): its log and normal tail against mpmath, its lanes against scipy's search and their neighbours."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
from scipy.optimize import brentq

from pricers import Status, implied_vols, value_options
from pricers import _lanes as lane
from pricers._bits import fused
from pricers._lane_math import fast_log, upper_tail


@numba.njit
def logs(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = fast_log(x[i])


@numba.njit
def tails(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = upper_tail(x[i])


def test_log_is_good_to_two_ulp() -> None:
    generator = np.random.default_rng(1)
    near = 1.0 + generator.uniform(-0.4, 0.5, 500) * 10.0 ** -generator.integers(0, 12, 500)
    x = np.concatenate([np.exp(generator.uniform(-700, 700, 500)), near[near != 1.0]])
    found = np.empty_like(x)
    logs(x, found)
    for a, b in zip(x, found, strict=True):
        exact = mpmath.log(mpmath.mpf(float(a)))
        assert abs(mpmath.mpf(float(b)) / exact - 1) <= 2 * np.finfo(float).eps, a


def test_normal_tail_is_good_to_what_its_argument_carries() -> None:
    """x²/2 is rounded before it is an exponent: half an ulp of it, and a few of the polynomial."""
    x = np.concatenate([np.linspace(-37.0, 37.0, 1481), np.random.default_rng(2).uniform(-3, 3, 500)])
    found = np.empty_like(x)
    tails(x, found)
    with mpmath.workdps(30):
        for a, b in zip(x, found, strict=True):
            exact = mpmath.erfc(mpmath.mpf(float(a)) / mpmath.sqrt(2)) / 2
            allowed = (4.0 + 0.5 * a * a) * np.finfo(float).eps if a > 0 else 4 * np.finfo(float).eps
            assert abs(mpmath.mpf(float(b)) / exact - 1) <= allowed, a


@numba.njit
def fused_all(a: Any, b: Any, c: Any, out: Any) -> None:
    for i in range(a.size):
        out[i] = fused(a[i], b[i], c[i])


def test_a_fused_sum_is_rounded_once() -> None:
    """Where a product nearly cancels only its lost digits are left: two roundings would have none of them."""
    generator = np.random.default_rng(4)
    a, b = generator.uniform(1, 2, (2, 200))
    c = np.where(np.arange(200) % 2, -a * b, generator.uniform(-4, 4, 200))
    found = np.empty(200)
    fused_all(a, b, c, found)
    exact = [float(Fraction(x) * Fraction(y) + Fraction(z)) for x, y, z in zip(a, b, c, strict=True)]
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("loop", [lane.start, lane.evaluate_plain, lane.evaluate, lane.step])
def test_a_loop_over_lanes_handles_several_at_once(loop: Any) -> None:
    """A16: its divisions are vector instructions, and nothing in it is a call of one value (any processor has pairs of doubles)."""
    fresh = numba.njit(error_model="numpy")(loop.py_func)
    fresh.compile((numba.float64[::1],))
    (text,) = fresh.inspect_llvm().values()
    assert re.search(r"fdiv <\d+ x double>", text)
    assert not re.search(r"call double @(exp|log|erfc?|pow)\(", text)


def quotes(n: int, payoff: str) -> dict[str, Any]:
    """Options of seconds to years, in and out of the money, inside the window too, with the price of a known sigma."""
    generator = np.random.default_rng(20230413)
    seconds = np.sort(generator.choice([240.0, 1500.0, 3600.0, 86_400.0, 604_800.0, 31_536_000.0], n))
    n_fixed = np.where(seconds < 1800, (1800 - seconds) // 4, 0)
    sigma = generator.uniform(0.2, 1.5, n)
    options = {
        "forward": 1e5, "strike": 1e5 * np.exp(generator.uniform(-2.5, 2.5, n) * sigma * np.sqrt(seconds / 31_536_000)),
        "option_sign": generator.choice([-1.0, 1.0], n), "next_fixing_s": np.where(n_fixed > 0, 4.0, seconds - 1796.0),
        "interval_s": 4.0, "n_fixings": 450, "n_fixed": n_fixed, "running_sum": n_fixed * 1.0001e5, "payoff": payoff,
        "rate": generator.choice([0.0, 0.03], n), "carry": 0.0,
    }  # fmt: skip
    value = value_options(**options, sigma=sigma, engine="closed_form")
    is_solvable = (value.status == Status.OK) & (value.vega > 1e-6 * 1e5)
    options = {name: (v[is_solvable] if isinstance(v, np.ndarray) else v) for name, v in options.items()}
    return options | {"price_usd": value.price_usd[is_solvable], "known": sigma[is_solvable]}


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("engine", ["closed_form", "european", "qmc"])
def test_an_answer_does_not_depend_on_its_neighbours(engine: str, payoff: str) -> None:
    """Blocks of 64 in any cut and order: the same bits (determinism)."""
    options = quotes(300, payoff)
    options.pop("known")
    n = len(options["strike"])
    # Neighbours of every kind: other tolerances and limits, bad inputs, no quotes, quotes without a volatility.
    options["tolerance"] = np.random.default_rng(5).choice([1e-6, 1e-10, 1e-12], n)
    options["total_vol_max"] = np.random.default_rng(6).choice([0.05, 6.0], n)
    options["price_usd"][::17] = np.nan
    options["price_usd"][5::31] = 2e5
    options["strike"][7::41] = -1.0
    columns = {name: v for name, v in options.items() if isinstance(v, np.ndarray)}
    fixed = {name: v for name, v in options.items() if not isinstance(v, np.ndarray)}
    assert n > 2 * lane.LANES
    whole = implied_vols(**fixed, **columns, engine=engine, tick_usd=5.0)
    order = np.random.default_rng(3).permutation(n)
    for picked in (order[:7], order[7:100], order[100:]):
        part = implied_vols(**fixed, **{k: v[picked] for k, v in columns.items()}, engine=engine, tick_usd=5.0)
        for name in part._fields:
            assert getattr(part, name).tobytes() == getattr(whole, name)[picked].tobytes(), name


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_lanes_find_what_brent_finds(payoff: str) -> None:
    """A11, A14: scipy's bracketing search over value_options is the oracle; the price carries 4 ulp of the forward."""
    options = quotes(120, payoff)
    known = options.pop("known")
    found = implied_vols(**options, engine="closed_form")
    assert np.all(found.status == Status.OK)
    for i in range(0, len(known), 5):
        one = {k: (v[i] if isinstance(v, np.ndarray) else v) for k, v in options.items() if k != "price_usd"}
        here = value_options(**one, sigma=known[i], engine="closed_form")
        root = brentq(
            lambda s, one=one, i=i: float(value_options(**one, sigma=s, engine="closed_form").price_usd - options["price_usd"][i]),
            0.5 * known[i], 2.0 * known[i], xtol=1e-14, rtol=1e-13,
        )  # fmt: skip
        noise = 8 * np.finfo(float).eps * max(1e5, float(one["strike"])) / float(here.vega)
        assert abs(found.sigma[i] - root) <= 1e-10 * root + noise


def test_a_lane_that_asks_for_too_much_is_left_to_the_scalar_search() -> None:
    """Averages too wide for a lane, and a price that is almost nothing, in one block with a usual one: statuses as alone."""
    options: dict[str, Any] = {
        "forward": 1e5, "strike": [1e5, 1e5, 1e5, 3e5, 1e5], "option_sign": 1.0, "next_fixing_s": 4.0, "interval_s": 4.0,
        "n_fixings": 450, "price_usd": [200.0, 8000.0, 99_000.0, 1e-3, 1e-9], "engine": "closed_form",
    }  # fmt: skip
    found = implied_vols(**options)
    for i in range(5):
        alone = implied_vols(**{k: (v[i] if isinstance(v, list) else v) for k, v in options.items()})
        assert alone.status == found.status[i]
        assert alone.sigma.tobytes() == found.sigma[i].tobytes()
    assert list(found.status) == [Status.OK, Status.FALLBACK, Status.FALLBACK, Status.FALLBACK, Status.OK]
