"""Small books of dealer flow, made of legs: what each option is, and how much of it the dealers hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import Valuation, settlement, units, value_options
from streams.flow.book import SECONDS_PER_YEAR, Array, Book, GreekColumns, greek_columns, with_positions

NS_PER_S = 1_000_000_000
EXPIRY_NS = 1_735_286_400 * NS_PER_S
"""27 December 2024, 08:00 UTC: expiries are whole days before or after it."""
DAY_S = 86_400.0


class Leg(NamedTuple):
    """Some of one option."""

    position: float
    """Dealers', contracts of ``multiplier`` coin; + = long."""
    option_sign: int
    strike: float
    tau_s: float = 7 * DAY_S
    sigma: float = 0.5
    open_interest: float = np.nan
    """Coin; nan: the magnitude of the position."""
    is_inverse: bool = False
    multiplier: float = 1.0
    forward: float = np.nan
    """nan: the index."""
    average_so_far: float = np.nan
    """Of the fixings already taken; nan: the index."""


def call(position: float, strike: float, **more: Any) -> Leg:
    """Calls."""
    return Leg(position, 1, strike, **more)


def put(position: float, strike: float, **more: Any) -> Leg:
    """Puts."""
    return Leg(position, -1, strike, **more)


def columns_of(value: Valuation, forward: Array, is_inverse: npt.NDArray[np.bool_]) -> GreekColumns:
    """The pricers' greeks in the units of the wire."""
    return greek_columns(
        forward=forward, is_inverse=is_inverse, price_usd=value.price_usd, delta=value.delta, gamma_per_usd=value.gamma,
        vega_usd_per_point=units.vega_usd_per_point(value.vega),
        theta_usd_per_day=units.theta_usd_per_day(value.theta_per_year),
        vanna_per_point=units.vanna_per_point(value.vanna), charm_per_day=units.charm_per_day(value.charm_per_year),
        volga_usd_per_point2=units.volga_usd_per_point2(value.volga),
    )  # fmt: skip


def book_of_legs(
    legs: Sequence[Leg],
    *,
    index_price: float = 100_000.0,
    draws: npt.ArrayLike | None = None,
    engine: str = "closed_form",
) -> Book:
    """The book at the moment that lies ``tau_s`` before each leg's expiry; fixings due by then are taken."""
    rule = settlement.RULES[settlement.DEFAULT_RULE_ID]
    place = sorted(
        range(len(legs)), key=lambda i: (legs[i].tau_s, legs[i].is_inverse, legs[i].strike, -legs[i].option_sign)
    )
    kept = [legs[i] for i in place]

    def numbers(name: str) -> Array:
        return np.array([getattr(leg, name) for leg in kept], dtype=np.float64)

    tau_s, strikes, sigmas, signs = numbers("tau_s"), numbers("strike"), numbers("sigma"), numbers("option_sign")
    is_inverse = np.array([leg.is_inverse for leg in kept], dtype=np.bool_)
    forwards = np.where(np.isnan(numbers("forward")), index_price, numbers("forward"))
    averages = np.where(np.isnan(numbers("average_so_far")), index_price, numbers("average_so_far"))
    n_fixed = np.array([settlement.n_due(int(leg.tau_s * NS_PER_S), rule, 0) for leg in kept], dtype=np.float64)
    next_s = tau_s - (rule.n_fixings - n_fixed - 1) * rule.interval_s
    inputs: dict[str, Any] = {
        "forward": forwards, "strike": strikes, "sigma": sigmas, "option_sign": signs, "next_fixing_s": next_s,
        "interval_s": 4.0, "n_fixings": 450, "n_fixed": n_fixed, "running_sum": n_fixed * averages,
    }  # fmt: skip
    both = [value_options(**inputs, payoff=payoff, engine=engine) for payoff in ("linear", "inverse")]
    average = Valuation(*(np.where(is_inverse, inverse, linear) for linear, inverse in zip(*both, strict=True)))
    european = value_options(
        forward=forwards, strike=strikes, sigma=sigmas, option_sign=signs, next_fixing_s=tau_s, interval_s=0.0, n_fixings=1,
        engine="european",
    )  # fmt: skip
    theirs = columns_of(european, forwards, is_inverse)
    nothing = np.full(len(kept), np.nan)
    position = numbers("position") * numbers("multiplier")
    open_interest = np.where(np.isnan(numbers("open_interest")), np.abs(position), numbers("open_interest"))
    _, series = np.unique(np.stack([tau_s, is_inverse]), axis=1, return_inverse=True)
    book = Book(
        now_ns=EXPIRY_NS,
        index_price=index_price,
        names=tuple(
            f"{leg.tau_s:g}-{leg.strike:g}-{'C' if leg.option_sign > 0 else 'P'}-{i}" for i, leg in enumerate(kept)
        ),
        expiry_ns=EXPIRY_NS + (tau_s * NS_PER_S).astype(np.int64),
        strikes=strikes,
        option_signs=signs,
        is_inverse=is_inverse,
        multipliers=numbers("multiplier"),
        forwards=forwards,
        sigmas=sigmas,
        venue_sigmas=sigmas,
        tau_years=tau_s / SECONDS_PER_YEAR,
        n_fixings=np.full(len(kept), 450.0),
        n_fixed=n_fixed,
        running_sums=n_fixed * averages,
        next_fixing_s=next_s,
        interval_s=np.full(len(kept), 4.0),
        series=series.astype(np.int64),
        open_interest_coin=open_interest,
        average=columns_of(average, forwards, is_inverse),
        european=theirs,
        venue=theirs._replace(
            vanna_per_point=nothing,
            charm_per_day=nothing,
            volga_usd_per_point2=nothing,
            vanna_coin_per_point=nothing,
            charm_coin_per_day=nothing,
        ),
        position_coin=position,
        draws_coin=np.zeros((0, len(kept))),
        side_model="test",
        side_coverage=None,
    )
    if draws is None:
        return book
    return with_positions(book, position, np.asarray(draws)[:, place], side_model="test")
