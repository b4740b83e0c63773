"""Properties of dealer flow: the two-strike flip, signs of hedge pressure, scale, linearity, all roots.  DEFINITIONS 3.3, 3.4."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.flow.exposures import exposures
from streams.flow.flips import FlipStatus, SmileRule, Variant, flip_set
from streams.flow.pressure import one_pct
from streams.flow.settings import FlowSettings, GreeksSource
from tests.flow_world import DAY_S, Leg, book_of_legs, call, put

S = 100_000.0
SETTINGS = FlowSettings()
EUROPEAN = FlowSettings(greeks_source=GreeksSource.EUROPEAN)
ALL = (SmileRule.STICKY_STRIKE, Variant.ALL)


@given(
    high=st.floats(1.01, 1.25), low=st.floats(0.8, 0.99), days=st.floats(0.5, 90.0), sigma=st.floats(0.3, 1.2),
    size=st.floats(0.01, 1e4), signs=st.tuples(st.sampled_from([1, -1]), st.sampled_from([1, -1])), side=st.sampled_from([1.0, -1.0]),
)  # fmt: skip
def test_the_flip_of_two_strikes_is_their_geometric_mean_less_half_the_variance(
    high: float, low: float, days: float, sigma: float, size: float, signs: tuple[int, int], side: float
) -> None:
    """S* = sqrt(K1 K2) exp(-sigma² T/2), whatever the size, the option types and which of them is long."""
    variance = sigma * sigma * days / 365
    want = math.sqrt(high * low) * math.exp(-variance / 2)
    assume(0.71 < want < 1.29)
    # apart enough that the lobes are not rounding: (ln K1/K2)²/(8 variance) < ln(1e6)
    assume(math.log(high / low) ** 2 / (8 * variance) < 12.0)
    legs = [
        Leg(side * size, signs[0], high * S, tau_s=days * DAY_S, sigma=sigma),
        Leg(-side * size, signs[1], low * S, tau_s=days * DAY_S, sigma=sigma),
    ]
    found = flip_set(book_of_legs(legs), EUROPEAN).flips[ALL]
    assert found.status == FlipStatus.OK and len(found.flips) == 1
    assert found.flips[0].level_usd == pytest.approx(want * S, abs=1e-6 * S)
    assert found.flips[0].to_long == (side > 0)


legs_of = st.lists(
    st.tuples(
        st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3),
        st.sampled_from([1, -1]),
        st.floats(0.8, 1.2).map(lambda x: x * S),
        st.sampled_from([300.0, 1_500.0, 4_000.0, 3 * DAY_S, 40 * DAY_S]),
        st.floats(0.3, 1.0),
        st.booleans(),
    ).map(lambda it: Leg(*it[:5], is_inverse=it[5])),
    min_size=1,
    max_size=6,
)


@given(legs=legs_of)
@settings(max_examples=25)
def test_hedge_pressure_has_the_sign_of_minus_the_book(legs: list[Leg]) -> None:
    """All short: dealers buy when spot rises and sell when it falls; all long the opposite; and turning the book turns everything.

    An inverse option whose coin amount is partly known is left out: in the money it is worth (1 - K/A) F in USD, and a put's value
    (K/A - 1) F bends the other way there."""
    legs = [leg._replace(is_inverse=leg.is_inverse and leg.tau_s > 1_800.0) for leg in legs]
    long = [leg._replace(position=abs(leg.position)) for leg in legs]
    short = [leg._replace(position=-abs(leg.position)) for leg in legs]
    flows = {}
    for name, these in (("long", long), ("short", short)):
        book = book_of_legs(these)
        flows[name] = one_pct(book, exposures(book, SETTINGS), SETTINGS)
    up, down = flows["short"].hedge_1pct_up_usd, flows["short"].hedge_1pct_down_usd
    assert up is not None and down is not None
    slack = 1e-9 * S * sum(abs(leg.position) for leg in legs)
    assert up >= -slack and down <= slack
    assert flows["long"].hedge_1pct_up_usd == pytest.approx(-up, abs=slack)
    assert flows["long"].hedge_1pct_down_usd == pytest.approx(-down, abs=slack)
    ngi = flows["short"].gex_1pct_local_usd
    assert ngi is not None and ngi <= 0.0


@given(legs=legs_of, factor=st.floats(0.01, 100.0))
@settings(max_examples=15)
def test_exposures_are_linear_in_the_position_and_homogeneous_in_the_price(legs: list[Leg], factor: float) -> None:
    """E-61: c times the position is c times every sum; c times every price, c times every USD."""
    one = exposures(book_of_legs(legs), SETTINGS)
    more = exposures(book_of_legs([leg._replace(position=leg.position * factor) for leg in legs]), SETTINGS)
    dear = exposures(
        book_of_legs([leg._replace(strike=leg.strike * factor) for leg in legs], index_price=S * factor), SETTINGS
    )
    for metric, (a, b, c) in enumerate(
        zip(
            one.totals[:1] + one.totals[2:],
            more.totals[:1] + more.totals[2:],
            dear.totals[:1] + dear.totals[2:],
            strict=True,
        )
    ):
        assert a is not None and b is not None and c is not None
        gross = float(np.abs(one.by_option[metric]).sum())
        # greeks of a scaled price: the closed form's rounding
        assert b == pytest.approx(factor * a, abs=1e-12 * factor * gross)
        assert c == pytest.approx(factor * a, abs=1e-7 * factor * gross + 1e-9 * factor)


@given(legs=legs_of)
@settings(max_examples=25)
def test_between_two_flips_the_profile_keeps_its_sign(legs: list[Leg]) -> None:
    """Flips alternate in direction, and the profile has their sign on either side; without any it has one sign alone."""
    got = flip_set(book_of_legs(legs), SETTINGS)
    found, profile = got.flips[ALL], got.profiles[ALL]
    assert all(a.to_long != b.to_long for a, b in pairwise(found.flips))
    edges = [0.0, *(flip.level_usd for flip in found.flips), math.inf]
    assert edges == sorted(edges)
    first_long = not found.flips[0].to_long if found.flips else found.status == FlipStatus.NONE_ALL_LONG
    material = np.abs(profile.gamma_usd) > 1e-5 * np.abs(profile.gamma_usd).max()
    for i, (low, high) in enumerate(pairwise(edges)):
        here = material & (profile.levels_usd > low * (1 + 1e-8)) & (profile.levels_usd < high * (1 - 1e-8))
        assert np.all((profile.gamma_usd[here] > 0.0) == (first_long if i % 2 == 0 else not first_long))


def test_options_of_no_position_change_nothing() -> None:
    legs = [call(100, 110_000.0), put(-100, 90_000.0)]
    more = book_of_legs([*legs, call(0, 100_000.0), put(0, 95_000.0)])
    assert flip_set(more, EUROPEAN).flips[ALL].flips == flip_set(book_of_legs(legs), EUROPEAN).flips[ALL].flips
