"""From rows to the book.  B11, C48; E-04, E-10, E-66; USERS 16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas import (
    Engine,
    ForwardSource,
    Greeks,
    Kind,
    OptionType,
    Payoff,
    RowStatus,
    SigmaSource,
    Trigger,
)
from streams.deribit.channels import SessionSettings, channels_of
from streams.flow.board import NO_SIDE, book_of
from streams.flow.book import with_positions
from streams.flow.exposures import exposures
from streams.flow.settings import FlowSettings
from tests import logs
from tests.flow_world import EXPIRY_NS

NS_PER_S = 1_000_000_000
NOW_NS = EXPIRY_NS - 600 * NS_PER_S
"""Ten minutes before the expiry: 300 fixings are due."""
NOTHING = dict.fromkeys(Greeks._fields)
ZEROS = {
    "source_partition": 0, "source_offset": 0, "result_seq": 0, "n_fixings": 450, "n_fixed": 0, "running_sum": 0.0, "n_imputed": 0,
    "is_liquid": True, "is_stale": False, "is_cold": False, "is_pin_risk": False,
}  # fmt: skip


def row(name: str, **more: Any) -> Greeks:
    """A row of a call of this name, BTC-27DEC24-<strike>, as the workers write it."""
    currency, _, strike = name.partition("-")
    fields: dict[str, Any] = {
        **NOTHING, **ZEROS, "instrument_name": name, "kind": Kind.OPTION, "base_currency": currency, "price_index": "btc_usd",
        "payoff": Payoff.INVERSE,
        "option_type": OptionType.CALL, "strike": float(strike) if strike[:1].isdigit() else None, "expiry_ns": EXPIRY_NS,
        "contract_size": 1.0, "contract_size_unit": "coin", "premium_unit": "coin", "trigger": Trigger.QUOTE, "ts_event_ns": NOW_NS,
        "status": RowStatus.OK, "convention": "", "forward": 100_000.0, "forward_source": ForwardSource.QUOTE, "sigma": 0.5,
        "sigma_source": SigmaSource.BID_ASK_MID, "engine": Engine.QMC, "price_usd": 900.0, "delta": 0.4, "gamma_per_usd": 2e-5,
        "vega_usd_per_point": 40.0, "theta_usd_per_day": -100.0, "vanna_per_point": 0.01, "charm_per_day": -0.02,
        "volga_usd_per_point2": 0.4, "european_price_usd": 910.0, "european_delta": 0.41, "european_gamma_per_usd": 3e-5,
        "venue_delta": 0.39, "venue_gamma": 0.00002, "venue_vega": 39.0, "open_interest": 12.0, **more,
    }  # fmt: skip
    for status in ("sigma_bid_status", "sigma_ask_status", "sigma_mark_status", "sigma_last_status"):
        fields[status] = RowStatus.NO_QUOTE
    return Greeks(**fields)


def book(*rows: Greeks) -> Any:
    """The book of BTC of these rows."""
    return book_of(rows, base_currency="BTC", now_ns=NOW_NS, index_price=100_100.0)


def test_the_book_is_ordered_and_the_order_of_the_rows_is_of_no_matter() -> None:
    rows = [
        row("BTC-101000"), row("BTC-99000", option_type=OptionType.PUT), row("BTC-99000."),
        row("BTC-99000", expiry_ns=EXPIRY_NS + 86_400 * NS_PER_S),
    ]  # fmt: skip
    got = book(*rows)
    assert got.strikes.tolist() == [99_000, 99_000, 101_000, 99_000] and got.option_signs.tolist() == [1, -1, 1, 1]
    back = book(*rows[::-1])
    assert got.names == back.names and np.array_equal(got.average.delta, back.average.delta)
    assert got.series.tolist() == [0, 0, 0, 1] and got.side_model == NO_SIDE and np.isnan(got.position_coin).all()


def test_what_is_no_option_of_the_currency_or_has_expired_is_not_in_it() -> None:
    """E-53: futures carry delta 1 in the same topic and are no dealers' options."""
    kept = row("BTC-100000")
    others = [
        row("ETH-100000"), row("BTC-PERPETUAL", kind=Kind.PERPETUAL, strike=None, option_type=None, expiry_ns=None),
        row("BTC-100001", status=RowStatus.EXPIRED), row("BTC-100002", expiry_ns=NOW_NS),
        row("BTC-100003", kind=Kind.UNKNOWN, strike=None, expiry_ns=None, option_type=None),
    ]  # fmt: skip
    assert book(kept, *others).names == ("BTC-100000",)
    assert book().names == () and exposures(book(), FlowSettings()).coverage.n_options == 0


def test_e10_a_row_without_numbers_stays_in_the_book_as_not_known() -> None:
    """E-10: null is nan and never zero; it counts against the coverage, with its open interest."""
    bare = {
        name: None
        for name in ("price_usd", "delta", "gamma_per_usd", "vanna_per_point", "charm_per_day", "sigma", "forward")
    }
    got = book(row("BTC-100000"), row("BTC-101000", status=RowStatus.NO_SIGMA, open_interest=36.0, **bare))
    assert np.isnan(got.average.gamma_per_usd[1]) and np.isnan(got.sigmas[1])
    assert got.forwards.tolist() == [100_000.0, 100_000.0], "the series' forward is known from its neighbour"
    found = exposures(with_positions(got, [1.0, 1.0], side_model="all_long"), FlowSettings())
    assert found.coverage.n_missing == 1 and found.coverage.open_interest_share == 0.25
    assert found.label.side_model == "all_long"


def test_forward_and_fixings_are_the_newest_of_the_series() -> None:
    """Options of one series are repriced at one forward with one record of fixings, whoever's row came last."""
    old = row("BTC-99000", ts_event_ns=NOW_NS - 50 * NS_PER_S, forward=99_000.0, n_fixed=280, running_sum=280 * 1e5)
    new = row("BTC-100000", forward=100_050.0, n_fixed=299, running_sum=299 * 1e5)
    usdc = row("BTC-98000", price_index="btc_usdc", payoff=Payoff.LINEAR, forward=100_020.0)
    got = book(old, new, usdc)
    assert got.forwards.tolist() == [100_050.0, 100_050.0, 100_020.0]
    assert got.n_fixed.tolist() == [299, 299, 0] and got.running_sums.tolist() == [299e5, 299e5, 0.0]
    # fixing 300 is due now, fixing 1 was due 1 196 s ago
    assert got.next_fixing_s.tolist() == [0.0, 0.0, -1_196.0] and got.interval_s.tolist() == [4.0] * 3
    assert got.tau_years.tolist() == [600 / 31_536_000] * 3 and got.is_inverse.tolist() == [True, True, False]


def test_the_three_sources_stand_side_by_side() -> None:
    """E-04, E-19, E-73; J10: each with its coin numeraire at the row's own forward."""
    got = book(row("BTC-100000", forward=100_000.0), row("BTC-101000", price_index="x", payoff=Payoff.LINEAR))
    assert got.average.delta[0] == 0.4 and got.european.delta[0] == 0.41 and got.venue.delta[0] == 0.39
    assert got.average.delta_coin[0] == pytest.approx(0.4 - 0.009)
    assert got.average.gamma_coin_per_usd[0] == pytest.approx(2e-5 - 0.4e-5 + 900e-10)
    assert got.average.vanna_coin_per_point[0] == pytest.approx(0.01 - 40e-5)
    assert got.average.charm_coin_per_day[0] == pytest.approx(-0.02 + 100e-5)
    assert got.average.delta_coin[1] == 0.4, "the linear contract's premium is in USD"
    assert np.isnan(got.venue.vanna_per_point).all() and np.isnan(got.european.vanna_per_point).all()


def test_contract_sizes_are_in_coin() -> None:
    got = book(row("BTC-1", contract_size=10.0), row("BTC-2", contract_size=1_001.0, contract_size_unit="usd"))
    assert got.multipliers.tolist() == [10.0, 0.01]


def test_e66_coverage_comes_from_channels_that_exist() -> None:
    """E-66: every option has its ticker and none asks for ``book_summary``; an option without a row of numbers is counted as missing."""
    name = "BTC-27DEC24-100000-C"
    asked = channels_of(SessionSettings(), [logs.contract_of(name)])
    assert any(channel.startswith(f"ticker.{name}.") for channel in asked)
    assert not any("book_summary" in channel for channel in asked)
    got = exposures(book(row("BTC-100000", status=RowStatus.NO_QUOTE, gamma_per_usd=None)), FlowSettings())
    assert got.totals.ngi_usd is None and got.coverage.n_missing == 1
