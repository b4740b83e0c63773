"""Sentences of DESIGN and CONTRACT that a row could break unseen: who priced it, at which vol, in which tick, under which forward."""

from __future__ import annotations

import pytest

from pricers import Status, implied_vols, value_options
from schemas import Engine, ForwardSource, Greeks, RowStatus, SigmaSource, TickStep, TradeGreeks, Trigger
from streams.engine import EngineSettings
from tests.logs import EXPIRIES, FORWARD, NS, Log, future_of, ns, of_topic, rows

EXPIRY_NS = EXPIRIES["19APR23"] * NS
EXPIRING_NS = EXPIRIES["12APR23"] * NS
EXPIRING, EXPIRING_LINEAR = "BTC-12APR23-30000-C", "BTC_USDC-12APR23-30000-C"
TWIN = [name for name in Greeks._fields if name.startswith("european_") and name != "european_sigma"]


def inverse_sigma(premium_coin: float, forward: float, at_s: float) -> float:
    """The pricer's own answer for a premium of CALL in coin, at a forward and a moment."""
    first_s = (EXPIRY_NS - 449 * 4 * NS - ns(at_s)) / NS
    solved = implied_vols(
        price_usd=premium_coin * forward, forward=forward, strike=30_000.0, option_sign=1.0, payoff="inverse",
        next_fixing_s=first_s, interval_s=4.0, n_fixings=450,
    )  # fmt: skip
    return float(solved.sigma)


def test_a_number_beyond_the_range_of_the_closed_form_names_the_engine_that_made_it() -> None:
    """CONTRACT: FALLBACK is a QMC number, and the row says so, with its standard error."""
    name = "BTC-13APR23-30000-C"
    log = Log()
    log.clock(0)
    log.contract(name)
    log.set(n_here=1)
    log.quote(name, bid=0.1700, ask=0.1705, mark=None)
    log.trade(name, at=0.5, price=0.1705)
    results = log.run(EngineSettings(engine="closed_form"))
    row = rows(results)[-1]
    first_s = (EXPIRIES["13APR23"] * NS - 449 * 4 * NS - ns(0)) / NS
    value = value_options(
        forward=FORWARD, strike=30_000.0, sigma=row.sigma or 0.0, option_sign=1.0, payoff="inverse",
        next_fixing_s=first_s, interval_s=4.0, n_fixings=450, engine="closed_form",
    )  # fmt: skip
    assert value.status == Status.FALLBACK
    assert (row.status, row.engine) == (RowStatus.OK, Engine.QMC)
    assert row.std_error_usd is not None and 0.0 < row.std_error_usd < 1e-6 * FORWARD
    trade = of_topic(results, "trades")[-1].record
    assert isinstance(trade, TradeGreeks)
    assert (trade.status, trade.engine) == (RowStatus.OK, Engine.QMC)
    assert trade.std_error_usd is not None


@pytest.mark.parametrize("engine", ["qmc", "closed_form"])
def test_beyond_the_range_of_qmc_no_row_claims_to_be_its_work(engine: str) -> None:
    """Half a coin for an hour: draws stop at 13 800 %; what is there then is a formula, without a standard error."""
    log = Log()
    log.clock(0)
    log.contract(EXPIRING)
    log.set(n_here=1)
    log.quote(EXPIRING, bid=0.5800, ask=0.5900, mark=None)
    row = rows(log.run(EngineSettings(engine=engine)))[-1]
    assert row.sigma is not None and row.sigma > 138.0
    assert (row.status, row.engine, row.std_error_usd) == (RowStatus.OK, Engine.CLOSED_FORM, None)


def test_without_a_vol_a_determined_option_has_a_price_and_no_european_twin() -> None:
    """``european_*`` stands at the row's sigma: where that is null, so is the twin."""
    log = Log()
    log.clock(1_799)
    log.underlying(1_799)
    log.contract(EXPIRING)
    log.set(at=1_799, n_here=1)
    log.clock(3_595)
    log.underlying(3_595)
    log.fixing(3_596, EXPIRING_NS, 449, 449 * 30_200.0)
    log.quote(EXPIRING, at=3_597, bid=None, ask=None, mark=None)
    row = rows(log.run(), EXPIRING)[-1]
    mean = (449 * 30_200.0 + FORWARD) / 450
    assert (row.status, row.sigma, row.sigma_source) == (RowStatus.DETERMINED, None, SigmaSource.NONE)
    assert row.price_usd == pytest.approx((mean - 30_000.0) * FORWARD / mean, rel=1e-6)
    assert {name: getattr(row, name) for name in TWIN} == dict.fromkeys(TWIN)


def test_a_tick_that_was_made_up_hides_no_change_of_a_quote() -> None:
    """A contract made from a name says 0.0005; the venue's tick below 0.0050 is 0.0001 since 2023."""
    log = Log()
    log.clock(0)
    log.contract(is_inferred=True)
    log.set(n_here=1)
    log.quote(bid=0.0010, ask=0.0012, mark=None)
    offset = log.quote(at=0.1, bid=0.0011, ask=0.0012, mark=None)
    log.quote(at=0.2, bid=0.0011 * (1 + 1e-15), ask=0.0012, mark=None)
    triggered = [(row.trigger, row.source_offset) for row in rows(log.run())]
    assert triggered[2:] == [(Trigger.QUOTE, offset)], "after the snapshot's row and the first quote's"


@pytest.mark.parametrize(("mark", "half_tick"), [(0.0330, 0.00025), (0.0040, 0.00005)])
def test_the_band_of_the_mark_is_that_of_the_tick_at_its_price(mark: float, half_tick: float) -> None:
    log = Log()
    log.clock(0)
    log.contract(tick_size=0.0001, tick_size_steps=(TickStep(0.005, 0.0005),))
    log.set(n_here=1)
    log.quote(bid=None, ask=None, mark=mark)
    row = rows(log.run())[-1]
    assert row.sigma_low == pytest.approx(inverse_sigma(mark - half_tick, FORWARD, 0.0), rel=1e-9)
    assert row.sigma_high == pytest.approx(inverse_sigma(mark + half_tick, FORWARD, 0.0), rel=1e-9)


@pytest.mark.parametrize(("channel", "n_rows"), [("trades.option.USDC.100ms", 2), ("trades.option.BTC.100ms", 3)])
def test_a_gap_of_a_currencys_trades_spans_the_contracts_of_that_currency(channel: str, n_rows: int) -> None:
    """USDC contracts trade on the channel of USDC, whatever their coin."""
    name = "BTC_USDC-19APR23-30000-C"
    log = Log().ready(name)
    log.trade(name, at=0.1, trade_seq=1)
    log.trade(name, at=0.2, trade_seq=3)
    log.gap(0.5, 0.1, 0.4, [channel])
    log.trade(name, at=0.6, trade_seq=2)
    found = [r for r in of_topic(log.run(), "trades") if r.key == name]
    assert len(found) == n_rows


def test_a_quote_is_solved_under_the_forward_it_was_made_at_and_priced_under_the_newest() -> None:
    """A vol of an unmoved quote under a moved forward is a wrong one (DESIGN 4, triggers 3 to 6)."""
    log = Log()
    log.clock(0)
    log.contract()
    log.set(n_here=1)
    log.underlying(0.9, futures=[future_of("BTC-19APR23", 0.9, 30_300.0)])
    log.quote(at=0.5, bid=0.0325, ask=0.0335, mark=0.033012345)
    row = rows(log.run())[-1]
    assert (row.forward, row.forward_source) == (30_300.0, ForwardSource.FUTURE)
    assert row.sigma_bid == pytest.approx(inverse_sigma(0.0325, FORWARD, 0.5), rel=1e-9)
    assert row.sigma_ask == pytest.approx(inverse_sigma(0.0335, FORWARD, 0.5), rel=1e-9)
    assert row.sigma_mark == pytest.approx(inverse_sigma(0.033012345, FORWARD, 0.5), rel=1e-9)
    assert row.price_usd is not None and row.delta is not None
    moved = 0.0330 * FORWARD + row.delta * 300.0 - 0.5 * (row.gamma_per_usd or 0.0) * 300.0**2
    assert row.price_usd == pytest.approx(moved, rel=5e-3)


def test_a_linear_series_has_the_index_and_the_fixings_of_its_own_price_index() -> None:
    log = Log()
    log.clock(1_799)
    log.underlying(1_799, index_price=30_000.0)
    log.underlying(1_799, index_price=30_050.0, price_index="btc_usdc")
    for name, bid in ((EXPIRING, 0.0015), (EXPIRING_LINEAR, 45.0)):
        log.contract(name)
        log.quote(name, at=1_799, bid=bid, ask=1.1 * bid, mark=1.05 * bid, index_price=None)
    log.set(at=1_799, n_here=2)
    log.clock(1_803)
    log.fixing(1_804, EXPIRING_NS, 1, 30_010.0)
    log.fixing(1_804, EXPIRING_NS, 1, 30_060.0, price_index="btc_usdc")
    found = [row for row in rows(log.run()) if row.trigger == Trigger.FIXING]
    assert [(r.instrument_name, r.forward, r.n_fixed, r.running_sum) for r in found] == [
        (EXPIRING, 30_000.0, 1, 30_010.0),
        (EXPIRING_LINEAR, 30_050.0, 1, 30_060.0),
    ]
    assert all(row.forward_source == ForwardSource.WINDOW_INDEX for row in found)


def quiet(log: Log, forward: float, at: float) -> None:
    """An option without book and mark, under a forward and an index that are broadcast."""
    log.underlying(at, index_price=forward, futures=[future_of("BTC-19APR23", at, forward)])
    log.quote(at=at, bid=None, ask=None, mark=None, underlying_price=forward, index_price=forward)


def test_a_trade_of_an_outage_is_solved_under_the_forward_of_its_own_moment() -> None:
    """Its index is on it, and the basis is that of now; the vol of a price under another forward is a wrong one."""
    log = Log().ready()
    log.clock(600)
    quiet(log, 30_300.0, 600.0)
    log.trade(at=1.0, price=0.0330, index_price=30_000.0, is_backfill=True)
    trade = of_topic(log.run(), "trades")[-1].record
    assert isinstance(trade, TradeGreeks)
    assert trade.forward == pytest.approx(30_000.0, rel=1e-12)
    assert trade.sigma_trade == pytest.approx(inverse_sigma(0.0330, 30_000.0, 1.0), rel=1e-9)


@pytest.mark.parametrize(("index_then", "source"), [(30_300.0, SigmaSource.LAST_TRADE), (30_000.0, SigmaSource.STICKY)])
def test_a_trade_of_an_outage_is_no_source_of_sigma_after_the_spot_has_moved(
    index_then: float, source: SigmaSource
) -> None:
    log = Log().ready()
    log.clock(600)
    quiet(log, 30_300.0, 600.0)
    log.trade(at=1.0, price=0.0330, index_price=index_then, is_backfill=True)
    log.quote(at=600.5, bid=0.0005, ask=None, mark=None, underlying_price=30_300.0)
    row = rows(log.run())[-1]
    assert (row.trigger, row.sigma_source) == (Trigger.QUOTE, source)


@pytest.mark.parametrize(("has_gap", "premium", "at_s"), [(False, 0.0200, 2.6), (True, 0.0331, 0.5)])
def test_a_last_price_that_changed_during_an_outage_has_no_date(has_gap: bool, premium: float, at_s: float) -> None:
    log = Log().ready()
    log.quote(at=0.5, bid=0.0325, ask=0.0335, last=0.0331)
    log.clocks(1, 2)
    if has_gap:
        log.gap(2.5, 1.0, 2.4, ["ticker.*"])
    log.quote(at=2.6, bid=0.0005, ask=None, mark=None, last=0.0200)
    row = rows(log.run())[-1]
    assert (row.trigger, row.sigma_source) == (Trigger.QUOTE, SigmaSource.LAST_TRADE)
    assert row.sigma_last == pytest.approx(inverse_sigma(premium, FORWARD, at_s), rel=1e-9)


@pytest.mark.parametrize(("stamped_at", "index_price"), [(1_801.0, 29_952.0), (1_799.9, 29_950.0)])
def test_a_row_says_the_newest_index_that_its_engine_knows(stamped_at: float, index_price: float) -> None:
    """Inside the window it is the forward as well: one row cannot have two indices."""
    log = Log()
    log.clock(1_800)
    log.contract(EXPIRING)
    log.set(at=1_800, n_here=1)
    log.underlying(1_800, index_price=29_950.0)
    log.quote(EXPIRING, at=stamped_at, index_price=29_952.0, bid=0.0015, ask=0.0016, mark=0.0015)
    row = rows(log.run())[-1]
    assert (row.forward, row.index_price) == (index_price, index_price)
