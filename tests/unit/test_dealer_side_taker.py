"""Taker and open interest rules for venues without a taker flag (K3)."""

from __future__ import annotations

import pytest

from streams.flow.side.taker import (
    COMPLEX_ACCURACY,
    QUOTE_ACCURACY,
    TICK_ACCURACY,
    UNKNOWN,
    Taker,
    TakerRule,
    inferred_taker,
    oi_change_flow,
    open_share,
)

QUOTE, TICK = TakerRule.QUOTE, TakerRule.TICK


@pytest.mark.parametrize(
    ("price", "bid", "ask", "last_prices", "expected"),
    [
        (0.052, 0.050, 0.052, (), (1, QUOTE)),  # at the ask
        (0.050, 0.050, 0.052, (), (-1, QUOTE)),  # at the bid
        (0.0515, 0.050, 0.052, (0.06,), (1, QUOTE)),  # above the mid: the quote comes first
        (0.053, 0.050, 0.052, (), (1, QUOTE)),  # through the ask
        (0.5, 0.25, 0.75, (0.4,), (1, TICK)),  # at the mid: an uptick
        (0.5, 0.25, 0.75, (0.6,), (-1, TICK)),
        (0.5, 0.25, 0.75, (0.4, 0.5, 0.5), (1, TICK)),  # zero-uptick: the newest other price
        (0.5, 0.25, 0.75, (0.4, 0.6, 0.5), (-1, TICK)),
        (0.5, None, 0.52, (0.4,), (1, TICK)),  # one side only
        (0.5, 0.49, None, (0.6,), (-1, TICK)),
        (0.5, 0.60, 0.40, (0.6,), (-1, TICK)),  # a crossed quote says nothing
        (0.5, 0.25, 0.75, (), (0, TakerRule.NONE)),
        (0.5, None, None, (0.5, 0.5), (0, TakerRule.NONE)),
    ],
)
def test_the_quote_rule_comes_before_the_tick_rule(price, bid, ask, last_prices, expected):
    found = inferred_taker(price, bid=bid, ask=ask, last_prices=last_prices)
    accuracy = {QUOTE: QUOTE_ACCURACY, TICK: TICK_ACCURACY, TakerRule.NONE: 0.5}
    assert found == Taker(*expected, accuracy[expected[1]])
    assert found.weight == pytest.approx(2 * accuracy[expected[1]] - 1, abs=1e-15)


def test_a_leg_of_a_complex_trade_keeps_its_sign_and_weighs_nothing():
    found = inferred_taker(0.052, bid=0.050, ask=0.052, is_complex=True)
    assert found == Taker(1, QUOTE, COMPLEX_ACCURACY) and found.weight == 0.0
    assert UNKNOWN.weight == 0.0 and UNKNOWN.sign == 0


@pytest.mark.parametrize("side", [1, -1])
def test_mirrored_prices_give_the_other_taker(side):
    found = inferred_taker(5.0 + side, bid=4.0, ask=6.0, last_prices=(5.0,))
    assert (found.sign, found.rule) == (side, QUOTE)
    found = inferred_taker(5.0, bid=None, ask=None, last_prices=(5.0 - side,))
    assert (found.sign, found.rule) == (side, TICK)


@pytest.mark.parametrize(
    ("volume", "change", "expected"),
    [
        (10.0, 10.0, (1.0, 0.0, 0.0, 0.0, 0.0)),
        (10.0, 0.0, (0.0, 1.0, 0.0, 1.0, 0.0)),
        (10.0, -10.0, (0.0, 0.0, 1.0, 0.0, 0.0)),
        (10.0, 4.0, (0.4, 0.6, 0.0, 0.6, 0.0)),
        (10.0, -4.0, (0.0, 0.6, 0.4, 0.6, 0.0)),
        (10.0, 12.0, (1.0, 0.0, 0.0, 0.0, 2.0)),
        (10.0, -12.5, (0.0, 0.0, 1.0, 0.0, 2.5)),
    ],
)
def test_volume_and_open_interest_bound_what_opened(volume, change, expected):
    """+q open and open, 0 open and close, -q close and close: dOI = (both - neither) volume."""
    found = open_share(volume, change)
    assert found is not None and found == pytest.approx(expected, abs=1e-15)
    assert found.both + found.one + found.neither == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("volume", [0.0, -1.0, float("nan")])
def test_nothing_traded_has_no_share(volume):
    assert open_share(volume, 1.0) is None


def test_open_interest_alone_gives_the_naive_side_of_its_change():
    assert [oi_change_flow(5.0, 1), oi_change_flow(5.0, -1), oi_change_flow(-5.0, 1)] == [5.0, -5.0, -5.0]
