"""Rate and carry by underlying and expiry, from the settings to the row (C35, C37, E-60, E-74)."""

from __future__ import annotations

import math

import pytest

from schemas import Greeks
from streams import settings
from streams.engine import EngineSettings
from streams.engine.terms import annual
from streams.settings import SettingsError
from tests.logs import CALL, EXPIRIES, FORWARD, NS, START_NS, Log, rows

NAMES = ("BTC-27MAR27-120000-C", "BTC-26JUN27-90000-P", "ETH-27MAR27-4000-C", "BTC_USDC-27MAR27-90000-C")


def test_the_expiry_comes_before_the_underlying_and_that_before_the_default() -> None:
    entries = ("BTC=0.02", "BTC-27MAR27=0.035", "BTC_USDC=-0.01")
    assert [annual(name, 0.005, entries) for name in NAMES] == [0.035, 0.02, 0.005, -0.01]
    assert {annual(name, 0.005, ()) for name in NAMES} == {0.005}


@pytest.mark.parametrize(
    "entry",
    [
        "BTC",
        "BTC:0.02",
        "BTC=two",
        "=0.02",
        "BTC=nan",
        "BTC=inf",
        "BTC=11",
        "BTC-27MAR27-9-C=0",
        "BTC-05MAR27=0",
        "btc=0",
    ],
)
def test_what_cannot_be_meant_is_refused_with_an_example_before_the_first_record(entry: str) -> None:
    with pytest.raises(ValueError, match=r"BTC-27MAR27=0\.035"):
        EngineSettings(rates=(entry,))
    with pytest.raises(SettingsError, match=r"BTC-27MAR27=0\.035"):
        settings.load(EngineSettings, "ENGINE", {"GREEKSTREAM_ENGINE_CARRIES": f"ETH=0.01,{entry}"})
    with pytest.raises(ValueError, match="twice"):
        EngineSettings(carries=("BTC=0.1", "BTC=0.2"))


def test_the_environment_gives_them() -> None:
    given = {"GREEKSTREAM_ENGINE_CARRIES": "BTC=0.02, BTC-27MAR27=0.035", "GREEKSTREAM_ENGINE_RATES": "ETH=0.01"}
    loaded = settings.load(EngineSettings, "ENGINE", given)
    assert (loaded.carries, loaded.rates) == (("BTC=0.02", "BTC-27MAR27=0.035"), ("ETH=0.01",))


TENOR_YEARS = (EXPIRIES["19APR23"] * NS - START_NS) / NS / 31_536_000


def row_of(settings: EngineSettings, **quote: float) -> Greeks:
    log = Log()
    log.clock(0)
    log.underlying(index_price=quote.get("underlying_price", FORWARD))
    log.contract(CALL)
    log.quote(CALL, **quote)
    log.set(n_here=1)
    return rows(log.run(settings), CALL)[-1]


@pytest.mark.parametrize("name", ["BTC", "BTC-19APR23"])
def test_a_rate_discounts_the_whole_payoff_from_the_last_fixing_of_its_options_and_no_others(name: str) -> None:
    discount = math.exp(-0.05 * TENOR_YEARS)
    plain = row_of(EngineSettings(), bid=0.0325, ask=0.0335)
    ours = row_of(EngineSettings(rates=(f"{name}=0.05",)), bid=0.0325 * discount, ask=0.0335 * discount)
    # the solver's tolerance: 1e-10 of the price, a vol point of it is worth about 0.001
    assert ours.sigma_bid == pytest.approx(plain.sigma_bid, rel=1e-7)
    assert ours.sigma_ask == pytest.approx(plain.sigma_ask, rel=1e-7)
    assert ours.price_usd == pytest.approx(plain.price_usd * discount, rel=1e-7)
    assert ours.european_price_usd == pytest.approx(plain.european_price_usd * discount, rel=1e-6)
    assert row_of(EngineSettings(rates=("ETH=0.05", "BTC-28APR23=0.05"))) == row_of(EngineSettings())


def test_a_carry_lifts_the_mean_of_the_fixings() -> None:
    """E[S_t] = forward exp(carry t): over the last half hour of a week that is one factor, to 0.2 x 30 minutes = 6e-6."""
    lift = math.exp(0.2 * (TENOR_YEARS - 900 / 31_536_000))
    plain = row_of(EngineSettings(), bid=0.0325 / lift, ask=0.0335 / lift, underlying_price=FORWARD * lift)
    ours = row_of(EngineSettings(carries=("BTC=0.2",)), bid=0.0325, ask=0.0335)
    assert ours.sigma_bid == pytest.approx(plain.sigma_bid, rel=1e-4)
    assert ours.price_usd == pytest.approx(plain.price_usd, rel=1e-4)
    assert ours.sigma_bid < 0.99 * row_of(EngineSettings(), bid=0.0325, ask=0.0335).sigma_bid
