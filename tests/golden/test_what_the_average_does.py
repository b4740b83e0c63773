"""What the settlement average does to price, gamma and implied vol: the documents' figures from our engines (E-01, E-03, E-13, E-16, E-76).

The tolerance of every figure is half a unit of its last printed digit. sigma is 70 %, the strike at the money unless said.
Engines: the closed form, and "qmc" where it is built; inside the window the path simulation too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pricers import ENGINES, Valuation, implied_vols, value_options
from pricers.paths import PathSettings, value_paths

FORWARD, SIGMA = 1e5, 0.7
YEAR_S, WINDOW_S, INTERVAL_S, N_FIXINGS = 31_536_000, 1800, 4.0, 450
SETTLEMENT = sorted(set(ENGINES) & {"closed_form", "qmc"})
DAY_S = 86_400


def before(seconds: float, strike: float = FORWARD, engine: str = "closed_form", **changes: Any) -> Valuation:
    """A call with ``seconds`` to go, before its window or at its start."""
    contract = {
        "forward": FORWARD, "sigma": SIGMA, "option_sign": 1, "next_fixing_s": seconds - WINDOW_S + INTERVAL_S,
        "interval_s": INTERVAL_S, "n_fixings": N_FIXINGS,
    }  # fmt: skip
    return value_options(**contract | changes, strike=strike, engine=engine)


def inside(n_left: int, strike: float = FORWARD) -> dict[str, Any]:
    """A call inside its window, all known fixings at the forward."""
    return {
        "forward": FORWARD, "strike": strike, "sigma": SIGMA, "option_sign": 1, "next_fixing_s": INTERVAL_S,
        "interval_s": INTERVAL_S, "n_fixings": N_FIXINGS, "n_fixed": N_FIXINGS - n_left,
        "running_sum": (N_FIXINGS - n_left) * FORWARD,
    }  # fmt: skip


@pytest.mark.parametrize("engine", SETTLEMENT)
@pytest.mark.parametrize(
    ("seconds", "price_pct", "gamma_pct", "wing_gamma_pct", "bias_points", "digits"),
    [
        (7 * DAY_S, -0.099, 0.099, -0.30, -0.07, (3, 3, 2, 2)),
        (DAY_S, -0.70, 0.70, -2.1, -0.49, (2, 2, 1, 2)),
        (7200, -8.7, 9.5, -27, -6.1, (1, 1, 0, 1)),
        (1860, -40, 68, -95, -28, (0, 0, 0, 0)),
    ],
    ids=["7 d", "1 d", "2 h", "31 min"],
)
def test_table_of_the_pricing_document(
    engine: str, seconds: float, price_pct: float, gamma_pct: float, wing_gamma_pct: float, bias_points: float,
    digits: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Price and gamma at the money, gamma at +2 deviations, and the bias of a European vol of the settlement price."""
    average, european = before(seconds, engine=engine), before(seconds, engine="european")
    wing = FORWARD * np.exp(2 * SIGMA * np.sqrt(seconds / YEAR_S))
    wing_gamma = before(seconds, wing, engine).gamma / before(seconds, wing, "european").gamma
    european_sigma = implied_vols(
        price_usd=average.price_usd, forward=FORWARD, strike=FORWARD, option_sign=1, next_fixing_s=seconds - 1796.0,
        interval_s=INTERVAL_S, n_fixings=N_FIXINGS, engine="european",
    ).sigma  # fmt: skip
    found = (
        100 * (average.price_usd / european.price_usd - 1),
        100 * (average.gamma / european.gamma - 1),
        100 * (wing_gamma - 1),
        100 * (european_sigma - SIGMA),
    )
    for value, printed, n_digits in zip(
        found, (price_pct, gamma_pct, wing_gamma_pct, bias_points), digits, strict=True
    ):
        assert abs(value - printed) <= 0.5 * 10.0**-n_digits, (float(value), printed)


@pytest.mark.parametrize("seconds", [7 * DAY_S, DAY_S, 7200, 1860])
def test_leading_effect_is_the_effective_time(seconds: float) -> None:
    """T_eff = T - 2W/3 + h/2, with an exact h² term below it: a European option of that life, at the money to the lognormal's own error."""
    effective = seconds - 2 * WINDOW_S / 3 + INTERVAL_S / 2
    european = before(effective, next_fixing_s=effective, interval_s=0.0, n_fixings=1, engine="european")
    average = before(seconds)
    # The dropped term is h/(6 n) of T_eff; the average's skew enters with sigma² W: both far below the effect itself.
    bound = INTERVAL_S / (6 * N_FIXINGS) / effective / 2 + SIGMA**2 * WINDOW_S / YEAR_S
    assert average.price_usd == pytest.approx(float(european.price_usd), rel=bound)


@pytest.mark.parametrize(
    ("seconds", "ratio", "n_digits"),
    [
        (30 * DAY_S, 1.0002, 4), (7 * DAY_S, 1.0010, 4), (DAY_S, 1.0070, 4), (DAY_S / 2, 1.014, 3),
        (DAY_S / 4, 1.029, 3), (7200, 1.095, 3), (3600, 1.224, 3), (WINDOW_S, 1.729, 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", SETTLEMENT)
def test_gamma_at_the_money_is_above_the_european_one(engine: str, seconds: float, ratio: float, n_digits: int) -> None:
    """E-03: "2 % haircut at 7 days" is wrong in size and in sign."""
    found = before(seconds, engine=engine).gamma / before(seconds, engine="european").gamma
    assert abs(found - ratio) <= 0.5 * 10.0**-n_digits


@pytest.mark.parametrize("n_left", [405, 337, 270, 225, 112, 45, 22])
def test_gamma_inside_the_window_is_sqrt_3_f_of_the_european_one(n_left: int) -> None:
    """Exactly sqrt(3) f / sqrt((1 + 1/n)(1 + 1/(2n))) for n fixings left, to the lognormal's own error, sigma² times the time left."""
    f = n_left / N_FIXINGS
    expected = np.sqrt(3) * f / np.sqrt((1 + 1 / n_left) * (1 + 0.5 / n_left))
    contract = inside(n_left)
    european = value_options(**contract, engine="european").gamma
    for engine in SETTLEMENT:
        bound = SIGMA**2 * n_left * INTERVAL_S / YEAR_S
        assert value_options(**contract, engine=engine).gamma / european == pytest.approx(expected, rel=bound), engine
    simulated = value_paths(**contract, paths=PathSettings(m_paths=9))
    assert simulated.values[3] / european == pytest.approx(
        expected, rel=1e-3 + 12 * simulated.std_errors[3] / simulated.values[3]
    )


def test_gamma_at_the_money_passes_the_european_one_at_a_share_of_0_577() -> None:
    """sqrt(3) f = 1 at f = 0.577 of the window; from there to zero, while the European one goes on growing."""
    shares = np.arange(450, 0, -1)
    contracts = [inside(int(n)) for n in shares]
    gamma = np.array([value_options(**c).gamma for c in contracts])
    european = np.array([value_options(**c, engine="european").gamma for c in contracts])
    crossing = shares[gamma < european][0] / N_FIXINGS
    assert crossing == pytest.approx(1 / np.sqrt(3), abs=1 / N_FIXINGS)  # between two fixings
    assert abs(crossing - 0.577) <= 1 / N_FIXINGS
    assert np.all(np.diff(european) > 0)
    assert gamma[-1] < 0.1 * gamma[0] < european[-1]


def test_window_start_is_0_577_of_the_vol() -> None:
    """3.11: at the window's start the effective vol is sigma / sqrt(3) ("about half")."""
    price = before(WINDOW_S).price_usd
    found = implied_vols(
        price_usd=price, forward=FORWARD, strike=FORWARD, option_sign=1, next_fixing_s=WINDOW_S, interval_s=0.0,
        n_fixings=1, engine="european",
    )  # fmt: skip
    assert (
        abs(found.sigma / SIGMA - 0.577) <= 1.5e-3
    )  # 450 fixings, not a continuum: sqrt(451 · 901 / 6) / 450 = 0.5783


@pytest.mark.parametrize(("n", "printed"), [(450, 0.33445), (300, 0.33500)])
def test_number_of_fixings_hardly_matters(n: int, printed: float) -> None:
    """E-01: variance factor of the window, from the price at its start."""
    price = before(WINDOW_S, next_fixing_s=WINDOW_S / n, interval_s=WINDOW_S / n, n_fixings=n).price_usd
    found = implied_vols(
        price_usd=price, forward=FORWARD, strike=FORWARD, option_sign=1, next_fixing_s=WINDOW_S, interval_s=0.0,
        n_fixings=1, engine="european",
    )  # fmt: skip
    assert abs((found.sigma / SIGMA) ** 2 - printed) <= 0.5e-5 + SIGMA**2 * WINDOW_S / YEAR_S / 12


def second_difference(contract: dict[str, Any], engine: str, bump: float) -> float:
    down, here, up = value_options(
        **contract | {"forward": FORWARD * (1 + np.array([-bump, 0.0, bump]))}, engine=engine
    ).price_usd
    return float((up - 2 * here + down) / (bump * FORWARD) ** 2)


@pytest.mark.parametrize(
    ("contract", "engine", "printed", "n_digits"),
    [
        (inside(450), "closed_form", 0.58, 2),
        (inside(450), "european", 0.78, 2),
        (inside(450) | {"next_fixing_s": 5404.0}, "closed_form", 0.92, 2),
        (inside(450) | {"next_fixing_s": 5404.0}, "european", 0.93, 2),
        (inside(225), "closed_form", 0.45, 2),
        (inside(45), "closed_form", 0.227, 3),  # printed 0.22: cut, not rounded
    ],
    ids=["30 min", "30 min, European", "2 h", "2 h, European", "half", "a tenth"],
)
def test_bump_of_one_per_cent_finds_a_part_of_the_gamma(
    contract: dict[str, Any], engine: str, printed: float, n_digits: int
) -> None:
    """E-13; and a bump of a tenth of the average's own deviation finds it all, but for b²/12 at the money."""
    gamma = value_options(**contract, engine=engine).gamma
    assert abs(second_difference(contract, engine, 0.01) / gamma - printed) <= 0.5 * 10.0**-n_digits
    n_left = N_FIXINGS - contract["n_fixed"]
    last = contract["next_fixing_s"] + (n_left - 1) * INTERVAL_S
    effective = last if engine == "european" else last - 2 / 3 * n_left * INTERVAL_S
    scaled = 0.1 * SIGMA * np.sqrt(effective / YEAR_S)
    assert second_difference(contract, engine, scaled) / gamma == pytest.approx(1 - 0.1**2 / 12, rel=1e-4)


def test_thirty_minutes_move_the_price_by_half_a_per_cent() -> None:
    """E-13: one deviation, 0.53 % at 70 %."""
    assert abs(100 * SIGMA * np.sqrt(WINDOW_S / YEAR_S) - 0.53) <= 0.5e-2


def test_gamma_of_the_source_document_belongs_to_another_price_of_the_coin() -> None:
    """E-16: 2.1e-4 is the gamma at 19 574 USD; at 100 000 it is 4.11e-5."""
    at_100_000 = before(7 * DAY_S, next_fixing_s=7 * DAY_S, interval_s=0.0, n_fixings=1, engine="european").gamma
    low = before(
        7 * DAY_S, 19_574.0, "european", forward=19_574.0, next_fixing_s=7 * DAY_S, interval_s=0.0, n_fixings=1
    ).gamma
    assert abs(at_100_000 - 4.11e-5) <= 0.5e-7
    assert abs(low - 2.1e-4) <= 0.5e-8


@pytest.mark.parametrize(("n_left", "linear", "inverse"), [(300, 0.667, 0.733), (75, 0.167, 0.333)])
@pytest.mark.parametrize("engine", [*SETTLEMENT, "paths"])
def test_delta_of_the_two_payoffs_inside_the_window(engine: str, n_left: int, linear: float, inverse: float) -> None:
    """PRICING: K/F = 0.8 with 20 and 5 minutes left."""
    for payoff, printed in (("linear", linear), ("inverse", inverse)):
        contract = inside(n_left, 0.8 * FORWARD)
        if engine == "paths":
            found = float(value_paths(**contract, payoff=payoff, paths=PathSettings(m_paths=8)).values[2])
        else:
            found = float(value_options(**contract, payoff=payoff, engine=engine).delta)
        assert abs(found - printed) <= 0.5e-3


@pytest.mark.parametrize("engine", SETTLEMENT)
def test_inverse_payoff_is_worth_a_little_more_before_the_window(engine: str) -> None:
    """PRICING: K (sigma² W / 6) N(d2) = 0.22 USD at 7 days, at the money."""
    excess = before(7 * DAY_S, engine=engine, payoff="inverse").price_usd - before(7 * DAY_S, engine=engine).price_usd
    assert abs(excess - 0.22) <= 0.5e-2


@pytest.mark.parametrize(
    ("n_left", "seconds", "points", "digits"), [(450, 7 * DAY_S, 0.1, 1), (450, 1860, 2.7, 1), (75, 300, 42, 0)]
)
def test_half_a_tick_in_vol_points(n_left: int, seconds: float, points: float, digits: int) -> None:
    """PRICING: 5 USD at the money."""
    contract = inside(n_left) | ({"next_fixing_s": seconds - 1796.0} if n_left == N_FIXINGS else {})
    assert abs(100 * 5.0 / value_options(**contract).vega - points) <= 0.5 * 10.0**-digits


@pytest.mark.parametrize(("n_left", "next_fixing_s", "sigma_pct"), [(450, 64.0, 222), (150, 4.0, 1175)])
def test_one_tick_two_per_cent_away_is_a_vol_of_hundreds_of_per_cent(
    n_left: int, next_fixing_s: float, sigma_pct: float
) -> None:
    """PRICING: 222 % at 31 minutes (221.48 here: a unit of its last digit), 1175 % at 10; a tick is 10 USD."""
    contract = inside(n_left, 1.02 * FORWARD) | {"next_fixing_s": next_fixing_s}
    del contract["sigma"]
    assert abs(100 * implied_vols(**contract, price_usd=10.0).sigma - sigma_pct) <= 1.0


def test_charm_inside_the_window_misses_the_delta_that_expires() -> None:
    """E-76: between two fixings charm moves delta by hundreds of times less than the fixing takes."""
    found = value_options(**inside(225, 0.995 * FORWARD))
    between = abs(float(found.charm_per_year)) * INTERVAL_S / YEAR_S
    assert abs(float(found.roll_delta_per_fixing)) > 100 * between
