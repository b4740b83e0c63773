"""American options (C41) against QuantLib's engines, against differences, and their properties.

The references are two engines of QuantLib with nothing in common: the exercise boundary by fixed points with tanh-sinh
quadrature at far more nodes than its own "high precision" scheme, and finite differences.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricers import Status
from pricers.american import value_american
from tests.conftest import skip_or_fail

YEAR_S = 31_536_000.0
MARKETS = [
    # underlying, sigma, rate, yield, days
    (100.0, 0.25, 0.05, 0.05, 365),
    (100.0, 0.25, 0.05, 0.0, 365),
    (100.0, 0.25, 0.05, 0.10, 365),
    (100.0, 0.25, 0.05, -0.05, 365),
    (100.0, 0.25, 0.0, -0.05, 365),
    (110.0, 0.20, 0.02, 0.04, 1095),
    (80.0, 0.50, 0.07, 0.02, 365),
    (120.0, 1.20, 0.05, 0.03, 365),
    (95.0, 0.60, 0.10, 0.0, 73),
    (101.0, 0.80, 0.04, 0.04, 7),
    (100.0, 0.10, 0.01, 0.011, 730),
]
VALUE = 1e-9
"""Of the strike: the interpolation error of 20 nodes.  Measured 2e-10 at worst below, in the last market, where the yield passes
the rate by little and the boundary starts steeply; 1e-11 elsewhere, and falling with the fourth power of the nodes' number."""
ANYWHERE = 1e-8
"""Of the strike, for any market: 4e-9 at worst over 4 000 random ones (yields a third above the rate), with a factor of two."""
RATE = st.floats(-0.2, 0.3).map(lambda x: round(x, 4))


@pytest.fixture(scope="module")
def ql() -> Any:
    try:
        import warnings

        with warnings.catch_warnings():  # its SWIG types lack __module__: Python's complaint, not ours
            warnings.simplefilter("ignore", DeprecationWarning)
            import QuantLib
    except ImportError:
        skip_or_fail("QuantLib is not installed: pip install QuantLib", "REQUIRE_QUANTLIB")
    return QuantLib


def option(ql: Any, spot: float, sigma: float, rate: float, dividend: float, days: int, sign: int) -> tuple[Any, Any]:
    """An option of strike 100 and its process."""
    today, count = ql.Date(1, 1, 2024), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, dividend, count)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, rate, count)),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), sigma, count)),
    )
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if sign > 0 else ql.Option.Put, 100.0)
    return ql.VanillaOption(payoff, ql.AmericanExercise(today, today + days)), process


def spectral(ql: Any, *arguments: Any) -> float:
    """Price by QuantLib's fixed points with 30 nodes (its own scheme: 10) and 30 iterations, tanh-sinh to 1e-12.

    40 nodes and 1e-14 move no price of the first ten markets by more than 2e-12, and take twice as long."""
    one, process = option(ql, *arguments)
    one.setPricingEngine(ql.QdFpAmericanEngine(process, ql.QdFpTanhSinhIterationScheme(30, 30, 1e-12)))
    return float(one.NPV())


def ours(spot: float, sigma: float, rate: float, dividend: float, days: float, sign: int) -> Any:
    return value_american(
        forward=spot, strike=100.0, sigma=sigma, option_sign=sign, expiry_s=days * 86_400.0, rate=rate, carry=rate - dividend
    )  # fmt: skip


def sides(market: tuple[float, float, float, float, int], sign: int) -> tuple[float, float, float, float, int]:
    """The market for a put; for a call with rate and yield exchanged, so that early exercise matters on both sides."""
    spot, sigma, rate, dividend, days = market
    return market if sign < 0 else (spot, sigma, dividend, rate, days)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", MARKETS)
def test_c41_price_is_that_of_quantlibs_spectral_engine(ql: Any, market: Any, sign: int) -> None:
    given_market = sides(market, sign)
    found = ours(*given_market, sign)
    assert found.status == Status.OK
    assert abs(float(found.price) - spectral(ql, *given_market, sign)) <= VALUE * 100.0


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", MARKETS)
def test_c41_price_delta_and_gamma_are_those_of_finite_differences(ql: Any, market: Any, sign: int) -> None:
    """Second order in space and time: the error at (N, M) and at half of each gives a bound on it."""
    given_market = sides(market, sign)
    found = ours(*given_market, sign)
    results = []
    for n_times, n_points in ((200, 400), (400, 800)):
        one, process = option(ql, *given_market, sign)
        one.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, n_times, n_points))
        results.append((one.NPV(), one.delta(), one.gamma()))
    for name, coarse, fine in zip(("price", "delta", "gamma"), *results, strict=True):
        value = float(getattr(found, name))
        # First order at worst (the boundary falls between grid points): the finer grid's error is below the difference,
        # and below 2e-4 of the value whatever the luck of the two.
        assert abs(value - fine) <= max(2.0 * abs(fine - coarse), 2e-4 * abs(fine)), name


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", MARKETS[:8])
def test_c41_vega_and_rho_are_differences_of_quantlibs_prices(ql: Any, market: Any, sign: int) -> None:
    """Five-point differences at h = 0.0005: their truncation, h^4 f^(5)/30, and QuantLib's rounding, 1e-11/h, are below 1e-7.

    The rate moves at the yield held."""
    spot, sigma, rate, dividend, days = sides(market, sign)
    found = ours(spot, sigma, rate, dividend, days, sign)
    h = 0.0005

    def slope(price: Any) -> float:
        return (8.0 * (price(h) - price(-h)) - (price(2.0 * h) - price(-2.0 * h))) / (12.0 * h)

    vega = slope(lambda bump: spectral(ql, spot, sigma + bump, rate, dividend, days, sign))
    assert float(found.vega) == pytest.approx(vega, rel=1e-7, abs=1e-7)
    if min(rate, dividend) > 2.0 * h or sign > 0:
        rho = slope(lambda bump: spectral(ql, spot, sigma, rate + bump, dividend, days, sign))
        # Where the rate passes the yield the boundary's start has a kink, and with it the fifth derivative of QuantLib's price.
        assert float(found.rho) == pytest.approx(rho, rel=1e-5 if abs(rate - dividend) <= 2.0 * h else 1e-7, abs=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", [*MARKETS[:3], MARKETS[6]])
def test_c41_vanna_charm_and_volga_are_differences_of_quantlibs_prices(ql: Any, market: Any, sign: int) -> None:
    """Steps of 2 % of the deviation, of sigma, and of a day: truncations below 1e-7 of the value.  What is left is QuantLib's
    rounding, 1e-11 of the price, over the product of the steps."""
    spot, sigma, rate, dividend, days = sides(market, sign)
    found = ours(spot, sigma, rate, dividend, days, sign)
    hs, hv = 0.02 * spot * sigma * math.sqrt(days / 365.0), 0.02 * sigma

    def price(x: float, vol: float, when: int) -> float:
        return spectral(ql, x, vol, rate, dividend, when, sign)

    def mixed(other: Any, ho: float) -> float:
        """d² price / d x d other: the corners of two rectangles, of which the second, twice as large, takes out the third order."""

        def corners(k: int) -> float:
            high, low = other(k), other(-k)
            rise = price(spot + k * hs, *high) - price(spot - k * hs, *high)
            return (rise - price(spot + k * hs, *low) + price(spot - k * hs, *low)) / (4.0 * k * k * hs * ho)

        return (4.0 * corners(1) - corners(2)) / 3.0

    noise = 1e-11
    vanna = mixed(lambda k: (sigma + k * hv, days), hv)
    assert float(found.vanna) == pytest.approx(vanna, rel=1e-5, abs=2.0 * noise / (hs * hv) + 2e-6)
    near, far = (price(spot, sigma + j * hv, days) + price(spot, sigma - j * hv, days) for j in (1, 2))
    volga = (16.0 * near - far - 30.0 * price(spot, sigma, days)) / (12.0 * hv * hv)
    assert float(found.volga) == pytest.approx(volga, rel=1e-5, abs=6.0 * noise / hv**2 + 1e-4)
    by_day = mixed(lambda k: (sigma, days + k), 1.0)
    assert float(found.charm_per_year) == pytest.approx(-365.0 * by_day, rel=1e-5, abs=365.0 * noise / hs + 1e-7)


@pytest.mark.parametrize(
    ("sign", "rate", "dividend"), [(-1, 0.0, 0.03), (-1, -0.02, 0.01), (1, 0.05, 0.0), (1, 0.03, -0.02)]
)
def test_c41_where_early_exercise_is_worthless_all_greeks_are_blacks(sign: int, rate: float, dividend: float) -> None:
    """Derivatives of Black's formula in 30 digits by mpmath; a put at no rate and a call on no yield are never exercised early."""
    for spot, sigma, days in ((80.0, 0.5, 365.0), (100.0, 0.2, 30.0), (130.0, 1.1, 90.0)):
        found = ours(spot, sigma, rate, dividend, days, sign)

        def black(s: Any, vol: Any, when: Any) -> Any:
            root = mpmath.sqrt(when)
            plus = (mpmath.log(s / 100) + (rate - dividend + vol**2 / 2) * when) / (vol * root)
            at_spot = s * mpmath.exp(-dividend * when) * mpmath.ncdf(sign * plus)
            return sign * (at_spot - 100 * mpmath.exp(-rate * when) * mpmath.ncdf(sign * (plus - vol * root)))

        with mpmath.workdps(30):
            at = tuple(mpmath.mpf(x) for x in (spot, sigma, days / 365.0))
            expected = {
                "price": black(*at),
                "delta": mpmath.diff(black, at, (1, 0, 0)),
                "gamma": mpmath.diff(black, at, (2, 0, 0)),
                "vega": mpmath.diff(black, at, (0, 1, 0)),
                "theta_per_year": -mpmath.diff(black, at, (0, 0, 1)),
                "vanna": mpmath.diff(black, at, (1, 1, 0)),
                "charm_per_year": -mpmath.diff(black, at, (1, 0, 1)),
                "volga": mpmath.diff(black, at, (0, 2, 0)),
            }
        assert found.status == Status.OK
        for name, value in expected.items():
            # mpmath's step of 1e-10 leaves 1e-10 of a mixed derivative.
            assert float(getattr(found, name)) == pytest.approx(float(value), rel=1e-8, abs=1e-10), name


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", MARKETS[:10])
def test_c41_greeks_at_the_boundary_are_the_boundarys_own_movement(market: Any, sign: int) -> None:
    """Delta is pasted to its slope and vega to 0 along B(sigma, t): vanna = -gamma B_sigma, volga = gamma B_sigma², charm =
    -gamma B_t.  The distance of 1e-9 and the boundary's own error (see above) leave 1e-4."""
    spot, sigma, rate, dividend, days = sides(market, sign)

    def edge(vol: float, when: float) -> float:
        return float(ours(spot, vol, rate, dividend, when, sign).exercise_boundary)

    held = ours(edge(sigma, days) * (1.0 - sign * 1e-9), sigma, rate, dividend, days, sign)
    by_sigma = eighth(lambda x: edge(x, days), sigma, 0.01 * sigma)
    by_time = -365.0 * eighth(lambda x: edge(sigma, x), days, 0.005 * days)
    gamma = float(held.gamma)
    assert float(held.vanna) == pytest.approx(-gamma * by_sigma, rel=1e-4)
    assert float(held.volga) == pytest.approx(gamma * by_sigma**2, rel=1e-4)
    assert float(held.charm_per_year) == pytest.approx(-gamma * by_time, rel=1e-4)


@given(
    spot=st.floats(60.0, 160.0), sigma=st.floats(0.1, 1.5), rate=RATE.filter(lambda x: x >= 0.0),
    dividend=RATE.filter(lambda x: x >= 0.0), days=st.floats(2.0, 1500.0),
)  # fmt: skip
def test_c41_a_call_is_the_put_with_strike_and_underlying_exchanged(
    spot: float, sigma: float, rate: float, dividend: float, days: float
) -> None:
    """McDonald and Schroder (1998): C(S, K, r, q) = P(K, S, q, r); and both are homogeneous in S and K, so that their deltas share
    the price, their vannas vega and their charms theta, and S² gamma = K² gamma'."""
    call = ours(spot, sigma, rate, dividend, days, 1)
    put = value_american(
        forward=100.0, strike=spot, sigma=sigma, option_sign=-1, expiry_s=days * 86_400.0, rate=dividend, carry=dividend - rate
    )  # fmt: skip
    assert call.status == put.status
    if call.status != Status.OK:
        return
    bend = spot * spot * float(call.gamma)
    pairs = [
        (float(call.price), float(put.price), 100.0),
        (float(call.vega), float(put.vega), 100.0),
        (float(call.volga), float(put.volga), 100.0 / sigma),
        (bend, 100.0**2 * float(put.gamma), bend),
        (spot * float(call.delta) + 100.0 * float(put.delta), float(call.price), 100.0),
        (spot * float(call.vanna) + 100.0 * float(put.vanna), float(call.vega), 100.0 / sigma),
        (spot * float(call.charm_per_year) + 100.0 * float(put.charm_per_year), float(call.theta_per_year),
         bend * sigma**2 + 100.0),
    ]  # fmt: skip
    for i, (one, other, scale) in enumerate(pairs):
        # rate - (rate - dividend) is not dividend to the bit; volga divides that by sigma and more near the boundary.
        assert one == pytest.approx(other, rel=1e-9, abs=1e-10 * scale), i


def eighth(function: Any, at: float, h: float) -> float:
    """First derivative of eighth order."""
    weights = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
    return sum(w * (function(at + k * h) - function(at - k * h)) for k, w in weights) / h


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", MARKETS)
def test_c41_greeks_are_eighth_order_differences_of_the_price(market: Any, sign: int) -> None:
    """Truncation falls with h^8; what is left is the price's own smoothness, 1e-12 of 100, over the step."""
    spot, sigma, rate, dividend, days = sides(market, sign)
    found = ours(spot, sigma, rate, dividend, days, sign)
    width = spot * sigma * math.sqrt(days / 365.0)
    h = 0.02 * width
    boundary = float(found.exercise_boundary)
    h = min(h, 0.2 * abs(spot - boundary))
    delta = eighth(lambda x: float(ours(x, sigma, rate, dividend, days, sign).price), spot, h)
    gamma = eighth(lambda x: float(ours(x, sigma, rate, dividend, days, sign).delta), spot, h)
    vega = eighth(lambda x: float(ours(spot, x, rate, dividend, days, sign).price), sigma, 0.01 * sigma)
    theta = -365.0 * eighth(lambda x: float(ours(spot, sigma, rate, dividend, x, sign).price), days, 0.005 * days)
    vanna = eighth(lambda x: float(ours(x, sigma, rate, dividend, days, sign).vega), spot, h)
    volga = eighth(lambda x: float(ours(spot, x, rate, dividend, days, sign).vega), sigma, 0.01 * sigma)
    charm = -365.0 * eighth(lambda x: float(ours(spot, sigma, rate, dividend, x, sign).delta), days, 0.005 * days)
    assert float(found.delta) == pytest.approx(delta, abs=1e-10 * 100.0 / h)
    assert float(found.vanna) == pytest.approx(vanna, abs=1e-10 * 100.0 / (sigma * h))
    assert float(found.volga) == pytest.approx(volga, abs=1e-10 * 100.0 / sigma**2)
    assert float(found.charm_per_year) == pytest.approx(charm, rel=1e-6, abs=1e-10 * 365.0 / (0.005 * days))
    assert float(found.gamma) == pytest.approx(gamma, rel=1e-7, abs=1e-10 / h)
    assert float(found.vega) == pytest.approx(vega, rel=1e-8, abs=2e-10 * 100.0 / (0.01 * sigma))
    assert float(found.theta_per_year) == pytest.approx(theta, rel=1e-6, abs=2e-10 * 100.0 * 365.0 / (0.005 * days))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("market", MARKETS)
def test_value_matches_and_pastes_smoothly_at_the_boundary(market: Any, sign: int) -> None:
    """At the boundary now the price is the exercise value, delta is its slope and gamma jumps to 2 (rK - qB)/(sigma B)^2."""
    spot, sigma, rate, dividend, days = sides(market, sign)
    edge = float(ours(spot, sigma, rate, dividend, days, sign).exercise_boundary)
    held = ours(edge * (1.0 + sign * -1e-9), sigma, rate, dividend, days, sign)
    exercised = ours(edge * (1.0 + sign * 1e-9), sigma, rate, dividend, days, sign)
    assert (held.status, exercised.status) == (Status.OK, Status.DETERMINED)
    inside = edge * (1.0 + sign * -1e-9)
    assert float(held.price) == pytest.approx(sign * (inside - 100.0), abs=VALUE * 100.0)
    assert float(held.delta) == pytest.approx(sign, abs=1e-8)
    jump = -sign * 2.0 * (rate * 100.0 - dividend * edge) / (sigma * edge) ** 2
    assert float(held.gamma) == pytest.approx(jump, rel=1e-4)  # the boundary's own error, over the distance it moves in
    for name in ("gamma", "vega", "theta_per_year", "rho", "vanna", "charm_per_year", "volga"):
        assert float(getattr(exercised, name)) == 0.0, name
    assert float(exercised.price) == sign * (edge * (1.0 + sign * 1e-9) - 100.0)


@given(
    spot=st.floats(20.0, 500.0), sigma=st.floats(0.02, 3.0), rate=RATE, dividend=RATE, days=st.floats(0.1, 2000.0),
    sign=st.sampled_from([-1, 1]),
)  # fmt: skip
def test_price_is_above_intrinsic_and_european_value_and_every_failure_says_so(
    spot: float, sigma: float, rate: float, dividend: float, days: float, sign: int
) -> None:
    found = ours(spot, sigma, rate, dividend, days, sign)
    own, other = (rate, dividend) if sign < 0 else (dividend, rate)
    has_two_boundaries = other < own < 0.0
    assert (found.status == Status.BAD_INPUT) == has_two_boundaries
    if found.status in (Status.BAD_INPUT, Status.NOT_CONVERGED):
        assert all(math.isnan(float(value)) for value in found[:-1])
        return
    tau = days / 365.0
    deviation = sigma * math.sqrt(tau)
    d_plus = (math.log(spot / 100.0) + (rate - dividend) * tau) / deviation + 0.5 * deviation
    cdf = [0.5 * math.erfc(-sign * d / math.sqrt(2.0)) for d in (d_plus, d_plus - deviation)]
    european = sign * (spot * math.exp(-dividend * tau) * cdf[0] - 100.0 * math.exp(-rate * tau) * cdf[1])
    slack = ANYWHERE * (100.0 + spot * math.exp(max(0.0, -dividend * tau)))
    assert float(found.price) >= sign * (spot - 100.0) - slack
    assert float(found.price) >= european - slack
    assert float(found.early_exercise_premium) == pytest.approx(float(found.price) - european, abs=slack)
    assert float(found.gamma) >= 0.0 and float(found.vega) >= -slack
    assert -slack <= sign * float(found.delta) <= 1.0 + slack or dividend < 0.0
    if own <= 0.0 and other >= own:
        assert float(found.exercise_boundary) == (0.0 if sign < 0 else math.inf)
        assert abs(float(found.early_exercise_premium)) <= slack


@given(
    sigma=st.floats(0.05, 1.5), rate=st.floats(0.001, 0.2), dividend=st.floats(0.0, 0.2), days=st.floats(1.0, 1500.0)
)
def test_call_and_put_obey_the_american_parity_bounds(sigma: float, rate: float, dividend: float, days: float) -> None:
    """Hull, chapter on properties of stock options: S e^(-qT) - K <= C - P <= S - K e^(-rT) for rates and yields not negative."""
    spots = np.array([60.0, 90.0, 100.0, 115.0, 170.0])
    call, put = (ours(spots, sigma, rate, dividend, days, sign) for sign in (1, -1))
    has_both = ~np.isnan(call.price + put.price)
    assert has_both.sum() >= 4
    gap, tau = (call.price - put.price)[has_both], days / 365.0
    assert np.all(gap >= (spots * math.exp(-dividend * tau) - 100.0)[has_both] - 100.0 * ANYWHERE)
    assert np.all(gap <= (spots - 100.0 * math.exp(-rate * tau))[has_both] + 100.0 * ANYWHERE)


@given(
    sigma=st.floats(0.05, 2.0), rate=st.floats(0.005, 0.2), dividend=st.floats(-0.1, 0.2), days=st.floats(2.0, 1500.0)
)
def test_price_rises_with_time_and_vol_and_is_convex_in_the_underlying(
    sigma: float, rate: float, dividend: float, days: float
) -> None:
    spots = np.linspace(50.0, 160.0, 23)
    now, later, rougher = (
        ours(spots, sigma * factor, rate, dividend, time, -1).price
        for factor, time in ((1.0, days), (1.0, 1.1 * days), (1.1, days))
    )
    slack = 100.0 * ANYWHERE
    for one in (later - now, rougher - now, -np.diff(now), np.diff(now, 2)):
        assert np.all(one[~np.isnan(one)] >= -slack)
    assert np.isnan(now).sum() == 0


def test_the_perpetual_limit_is_mertons() -> None:
    """Merton (1973): boundary lambda K/(lambda - 1), lambda the negative root of sigma^2 l(l-1)/2 + (r-q) l = r."""
    rate, dividend, sigma = 0.08, 0.03, 0.3
    middle = (rate - dividend) / sigma**2 - 0.5
    root = -middle - math.sqrt(middle**2 + 2.0 * rate / sigma**2)
    boundary = 100.0 * root / (root - 1.0)
    price = (100.0 - boundary) * (100.0 / boundary) ** root
    # What is left of life after T is worth less than K e^(-rT): 1e-7 of the strike at 200 years.
    found = ours(100.0, sigma, rate, dividend, 200.0 * 365.0, -1)
    assert float(found.price) == pytest.approx(price, rel=1e-6)
    assert float(found.exercise_boundary) == pytest.approx(boundary, rel=1e-5)


def test_without_vol_or_time_the_best_known_moment_is_taken() -> None:
    """max over t of e^(-rt) K - e^(-qt) S: at once for r > q, at the end or between for q > r."""
    flat = ours(90.0, 0.0, 0.05, 0.0, 365, -1)
    assert (float(flat.price), float(flat.delta), flat.status) == (10.0, -1.0, Status.DETERMINED)
    times = np.linspace(0.0, 1.0, 200_001)
    for spot, rate, dividend in ((98.0, 0.02, 0.06), (60.0, 0.01, 0.9), (110.0, 0.02, 0.3), (101.0, -0.05, 0.02)):
        worth = 100.0 * np.exp(-rate * times) - spot * np.exp(-dividend * times)
        found = ours(spot, 0.0, rate, dividend, 365, -1)
        assert float(found.price) == pytest.approx(max(0.0, worth.max()), abs=1e-8)
        gamma = eighth(lambda x, r=rate, q=dividend: float(ours(x, 0.0, r, q, 365, -1).delta), spot, 1e-3 * spot)
        charm = -365.0 * eighth(
            lambda x, s=spot, r=rate, q=dividend: float(ours(s, 0.0, r, q, x, -1).delta), 365.0, 1.0
        )
        assert float(found.gamma) == pytest.approx(gamma, rel=1e-9, abs=1e-11)
        assert float(found.charm_per_year) == pytest.approx(charm, rel=1e-9, abs=1e-11)
    over = ours(90.0, 0.5, 0.05, 0.0, 0.0, -1)
    assert (float(over.price), float(over.delta), float(over.exercise_boundary)) == (10.0, -1.0, 100.0)


@pytest.mark.parametrize(
    "change",
    [{"forward": 0.0}, {"forward": math.nan}, {"strike": -1.0}, {"sigma": -0.1}, {"option_sign": 0}, {"expiry_s": -1.0},
     {"rate": math.inf}, {"carry": math.nan}],
)  # fmt: skip
def test_bad_input_is_a_status(change: dict[str, float]) -> None:
    sane = {
        "forward": 100.0,
        "strike": 100.0,
        "sigma": 0.5,
        "option_sign": -1,
        "expiry_s": YEAR_S,
        "rate": 0.05,
        "carry": 0.0,
    }
    found = value_american(**(sane | change))  # type: ignore[arg-type]
    assert found.status == Status.BAD_INPUT
    assert all(math.isnan(float(value)) for value in found[:-1])


def test_two_boundaries_are_a_status_never_a_number() -> None:
    """Negative rate and a yield below it: a put is exercised between two prices (Andersen and Lake, 2021)."""
    for sign, rate, dividend in ((-1, -0.01, -0.05), (1, -0.05, -0.01)):
        assert ours(100.0, 0.2, rate, dividend, 365, sign).status == Status.BAD_INPUT


def test_a_wrong_call_says_what_would_be_right() -> None:
    with pytest.raises(ValueError, match=r"forward \(2,\), strike \(3,\).*one shape"):
        value_american(forward=[1.0, 2.0], strike=[1.0, 2.0, 3.0], sigma=0.5, option_sign=1, expiry_s=1.0)


def test_a_batch_is_its_options_one_by_one() -> None:
    spots = np.array([[70.0, 100.0], [130.0, 90.0]])
    signs = np.array([[-1, 1], [1, -1]])
    batch = ours(spots, 0.4, 0.05, 0.07, 300, signs)  # type: ignore[arg-type]
    for index in np.ndindex(2, 2):
        one = ours(float(spots[index]), 0.4, 0.05, 0.07, 300, int(signs[index]))
        for name, column, value in zip(batch._fields, batch, one, strict=True):
            assert column[index] == value, name
