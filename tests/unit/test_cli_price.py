"""``greekstream price`` and ``greekstream iv``: one option on the command line, every engine side by side."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from click.testing import CliRunner, Result
from scipy import stats

from pricers import ENGINES, Status
from streams.cli import main
from streams.cli.one_option import MEANINGS, chosen

NAME = "BTC-27MAR27-120000-C"
NOW = ("--now", "2027-01-01T08:00:00Z")
TAU = 85.0 / 365.0  # 1 January to 27 March 2027, 08:00 UTC both
OPTION = (NAME, "--forward", "100000", *NOW)
EUROPEAN = ("--engine", "european")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"COLUMNS": "200"})


def answer(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refusal(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def black76(forward: float, strike: float, sigma: float, tau: float, sign: int) -> tuple[float, float, float]:
    """Price, delta and vega at rate 0."""
    deviation = sigma * math.sqrt(tau)
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    price = sign * (forward * stats.norm.cdf(sign * d1) - strike * stats.norm.cdf(sign * (d1 - deviation)))
    delta, vega = sign * stats.norm.cdf(sign * d1), forward * stats.norm.pdf(d1) * math.sqrt(tau)
    return float(price), float(delta), float(vega)


@pytest.mark.parametrize(
    ("name", "forward", "strike", "sign"),
    [
        (NAME, 100_000.0, 120_000.0, 1),
        ("BTC-27MAR27-90000-P", 100_000.0, 90_000.0, -1),
        ("ETH_USDC-27MAR27-4000-C", 4100.0, 4000.0, 1),
    ],
)
def test_the_european_column_is_black_76(name: str, forward: float, strike: float, sign: int) -> None:
    found = answer("price", name, "--forward", str(forward), "--sigma", "0.6", *NOW)
    price, delta, vega = black76(forward, strike, 0.6, TAU, sign)
    european = found["engines"]["european"]
    assert (european["price_usd"], european["delta"], european["vega"]) == pytest.approx(
        (price, delta, vega), rel=1e-12
    )
    assert found["tau_years"] == pytest.approx(TAU, rel=1e-15)
    assert found["payoff"] == ("linear" if "USDC" in name else "inverse")


def test_all_engines_stand_side_by_side_with_error_and_time() -> None:
    found = answer("price", *OPTION, "--sigma", "60%")
    assert list(found["engines"]) == list(ENGINES)
    own = found["engines"]["closed_form"]
    # DEFINITIONS 3.11: the average takes 2/3 of the window off the time; 85 days ahead its effect is sigma-like in time.
    shortened, _, _ = black76(100_000.0, 120_000.0, 0.6, TAU - 1200.0 / 31_536_000.0, 1)
    # The inverse payoff is worth K sigma² W/6 N(d2) more: below 0.2 USD here (PRICING).
    assert own["price_usd"] == pytest.approx(shortened, abs=0.25)
    assert own["std_error"] is None and own["time_us"] > 0.0
    for engine, values in found["engines"].items():
        if engine != "european" and "error" not in values:
            slack = 6.0 * (values["std_error"] or 0.0) + 1e-6 * own["price_usd"]
            assert abs(values["price_usd"] - own["price_usd"]) <= slack, engine


def test_the_table_shows_every_engine_and_the_difference_to_the_closed_form() -> None:
    text = run("price", *OPTION, "--sigma", "0.6").output
    for word in (
        *ENGINES,
        "price, USD",
        "std error",
        "minus closed_form",
        "vega, USD per point",
        "delta, coin (net)",
        "status",
        "time",
    ):
        assert word in text
    price, _, _ = black76(100_000.0, 120_000.0, 0.6, TAU, 1)
    assert f"{price:,.10g}" in text
    linear = run("price", "ETH_USDC-27MAR27-4000-C", "--forward", "4100", "--sigma", "0.6", *NOW, *EUROPEAN).output
    assert "net" not in linear and "closed_form" not in linear


def test_inside_the_window_the_fixings_given_count() -> None:
    """Half the fixings known at 120 100: what is left has weight 1/2, so a call at 90 000 is certain: (mean - K) and delta 1/2."""
    words = ("ETH_USDC-27MAR27-2000-C", "--forward", "4000", "--sigma", "0.6", "--now", "2027-03-27T07:45:00Z")
    found = answer("price", *words, "--fixed", "225", "--running-sum", str(225 * 4100.0), "--engine", "closed_form")
    own = found["engines"]["closed_form"]
    assert (own["status"], own["delta"]) == ("DETERMINED", 0.5)
    assert own["price_usd"] == pytest.approx(4050.0 - 2000.0, rel=1e-14)
    assert (found["n_fixed"], found["next_fixing_s"], found["warning"]) == (225, 4.0, None)


def test_fixings_that_are_due_and_not_given_are_warned_of() -> None:
    words = ("price", "ETH_USDC-27MAR27-4000-C", "--forward", "4000", "--sigma", "0.6", "--now", "2027-03-27T07:45:00Z")
    result = run(*words, "--engine", "closed_form")
    assert result.exit_code == 0
    assert "225 fixings are due" in result.stderr and "--fixed 225 --running-sum" in result.stderr


def test_iv_finds_the_volatility_that_made_a_black_76_price() -> None:
    price, _, _ = black76(100_000.0, 120_000.0, 0.654321, TAU, 1)
    in_coin = answer("iv", *OPTION, "--price", repr(price / 100_000.0), *EUROPEAN)
    in_usd = answer("iv", *OPTION, "--price", repr(price), "--unit", "usd", *EUROPEAN)
    for found in (in_coin, in_usd):
        assert found["engines"]["european"]["sigma"] == pytest.approx(0.654321, rel=1e-10)
    assert (in_coin["unit"], in_usd["unit"]) == ("coin", "usd")


def test_iv_gives_the_band_of_the_tick() -> None:
    price, _, vega = black76(100_000.0, 120_000.0, 0.6, TAU, 1)
    found = answer("iv", *OPTION, "--price", repr(price / 100_000.0), "--tick", "0.0001", *EUROPEAN)["engines"][
        "european"
    ]
    half = 0.5 * 0.0001 * 100_000.0 / vega
    # Second order: volga / vega * half² / 2, far below 1 % of the band.
    assert (found["sigma_low"], found["sigma_high"]) == pytest.approx((0.6 - half, 0.6 + half), abs=0.01 * half)


def test_price_and_iv_undo_each_other_in_every_engine() -> None:
    priced = answer("price", *OPTION, "--sigma", "0.6")["engines"]
    for engine, values in priced.items():
        if "error" in values:
            continue
        back = answer("iv", *OPTION, "--price", repr(values["price_usd"]), "--unit", "usd", "--engine", engine)[
            "engines"
        ][engine]
        if "error" not in back:
            assert back["sigma"] == pytest.approx(0.6, rel=1e-8), engine


def test_a_price_without_volatility_says_why() -> None:
    output = run("iv", "BTC-27MAR27-50000-C", "--forward", "100000", *NOW, "--price", "0.49", *EUROPEAN).output
    assert "BELOW_INTRINSIC" in output and "at or below the model's least" in output
    too_much = answer("iv", *OPTION, "--price", "1.01", *EUROPEAN)["engines"]["european"]
    assert (too_much["sigma"], too_much["status"]) == (None, "ABOVE_BOUND")


def test_every_status_but_ok_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Status) - {Status.OK}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("price", "BTC-27MAR27-120000", "--forward", "1", "--sigma", "1"), "want a name such as BTC-27MAR27-120000-C"),
        (("price", "BTC-PERPETUAL", "--forward", "1", "--sigma", "1"), "BTC-PERPETUAL is no option; want a name such as"),
        (("price", "BTC-27MAR20-10000-C", "--forward", "1", "--sigma", "1"), "expired at 2020-03-27T08:00:00Z; give a moment before"),
        (("price", *OPTION), "Missing option '--sigma'"),
        (("price", NAME, "--sigma", "0.6"), "Missing option '--forward'"),
        (("price", *OPTION, "--sigma", "lots"), "want a fraction such as 0.6, or 60%"),
        (("price", *OPTION, "--sigma", "-1"), "want 0 or more"),
        (("price", NAME, "--forward", "-5", "--sigma", "1"), "want a positive number"),
        (("price", NAME, "--forward", "nan", "--sigma", "1"), "want a positive number"),
        (("price", *OPTION, "--sigma", "1", "--fixed", "3"), "--fixed 3 needs their sum: --running-sum, about 300000 at this forward"),
        (("price", *OPTION, "--sigma", "1", "--running-sum", "3"), "needs to know of how many fixings: --fixed N"),
        (("price", *OPTION, "--sigma", "1", "--fixed", "3", "--running-sum", "100000"), "give the sum of the fixings, not their mean"),
        (("price", *OPTION, "--sigma", "1", "--fixed", "3", "--running-sum", "300000"), "only 0 fixings are due"),
        (("price", *OPTION, "--sigma", "1", "--fixed", "451", "--running-sum", "45100000"), "want 0 to 450 fixings"),
        (("price", *OPTION, "--sigma", "1", "--engine", "magic"), "'magic' is unknown; there are closed_form"),
        (("price", *OPTION, "--sigma", "1", "--now", "soon"), "want one such as 2026-01-09T07:30:00Z"),
        (("iv", *OPTION), "Missing option '--price'"),
        (("iv", *OPTION, "--price", "0"), "want a positive number"),
        (("iv", *OPTION, "--price", "1", "--unit", "eur"), "'coin', 'usd'"),
    ],
)  # fmt: skip
def test_an_error_says_what_to_do(words: tuple[str, ...], says: str) -> None:
    assert says in refusal(*words)


def test_engines_are_chosen_by_name_in_their_own_order() -> None:
    assert chosen(("european", "closed_form")) == tuple(name for name in ENGINES if name in ("closed_form", "european"))
    assert chosen(("all",)) == chosen(("european", "all")) == tuple(ENGINES)


@pytest.mark.parametrize("name", ["price", "iv"])
def test_help_shows_an_example_that_runs(name: str) -> None:
    text = run(name, "--help").output
    line = next(line for line in text.splitlines() if "Example:" in line)
    words = line.split("greekstream ")[1].split()
    assert run(*words, *NOW, *EUROPEAN).exit_code == 0
