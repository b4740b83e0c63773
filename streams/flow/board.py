"""From the newest row of each instrument to the book of a moment.  Pure: the caller keeps the rows, the log gives the time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pricers import settlement
from schemas import Greeks, Kind, OptionType, Payoff, RowStatus
from streams.flow.book import SECONDS_PER_YEAR, Array, Book, GreekColumns, Integers, greek_columns

NS_PER_S = 1_000_000_000
PLACE = {name: i for i, name in enumerate(Greeks._fields)}
NO_SIDE = "none"
"""Side model of a book without positions."""


def is_of_book(row: Greeks, base_currency: str, now_ns: int) -> bool:
    """Whether a row is of an option of the currency that has not expired at ``now_ns``; priced or not."""
    return (
        row.kind == Kind.OPTION
        and row.base_currency == base_currency
        and row.strike is not None
        and row.option_type is not None
        and row.expiry_ns is not None
        and row.expiry_ns > now_ns
        and row.status != RowStatus.EXPIRED
    )


def book_of(rows: Iterable[Greeks], *, base_currency: str, now_ns: int, index_price: float) -> Book:
    """The book of a currency's options, without positions (``with_positions`` adds them).

    The rows' greeks are taken as they are; an option whose row has none stays in the book with nan.  Forward, fixings and their sum
    are the newest that any option of the series has.
    """
    kept = [row for row in rows if is_of_book(row, base_currency, now_ns)]
    kept.sort(key=lambda row: (row.expiry_ns, row.price_index, row.strike, row.option_type, row.instrument_name))
    columns: list[Any] = list(zip(*kept, strict=True)) if kept else [()] * len(Greeks._fields)

    def numbers(name: str) -> Array:
        return np.array(columns[PLACE[name]], dtype=np.float64)

    expiry_ns = np.array(columns[PLACE["expiry_ns"]], dtype=np.int64)
    series, firsts = _series(kept)
    own_forward = numbers("forward")
    fixed, sums = _fixings(kept, series)
    rules = [_rule(row) for row in (kept[i] for i in firsts)]
    interval_s = np.array([rule.interval_s for rule in rules], dtype=np.float64)[series]
    n_fixings = np.array([rule.n_fixings for rule in rules], dtype=np.float64)[series]
    tau_s = (expiry_ns - now_ns) / NS_PER_S
    is_inverse = np.array([row.payoff == Payoff.INVERSE for row in kept], dtype=np.bool_)
    average, european, venue = _greeks(numbers, own_forward, is_inverse)
    unknown = np.full(len(kept), np.nan)
    return Book(
        now_ns=now_ns,
        index_price=index_price,
        names=tuple(columns[PLACE["instrument_name"]]),
        expiry_ns=expiry_ns,
        strikes=numbers("strike"),
        option_signs=np.array([1.0 if row.option_type == OptionType.CALL else -1.0 for row in kept]),
        is_inverse=is_inverse,
        multipliers=_multipliers(kept, index_price),
        forwards=_newest(own_forward, np.array(columns[PLACE["ts_event_ns"]], dtype=np.int64), series),
        sigmas=numbers("sigma"),
        venue_sigmas=numbers("venue_sigma"),
        tau_years=tau_s / SECONDS_PER_YEAR,
        n_fixings=n_fixings,
        n_fixed=fixed,
        running_sums=sums,
        next_fixing_s=tau_s - (n_fixings - fixed - 1.0) * interval_s,
        interval_s=interval_s,
        series=series,
        open_interest_coin=numbers("open_interest"),
        average=average,
        european=european,
        venue=venue,
        position_coin=unknown,
        draws_coin=np.zeros((0, len(kept))),
        side_model=NO_SIDE,
        side_coverage=None,
    )


def _series(rows: list[Greeks]) -> tuple[Integers, list[int]]:
    """Number of each row's (expiry, price index), and the first row of each; rows are ordered by them."""
    series = np.empty(len(rows), dtype=np.int64)
    firsts: list[int] = []
    last = None
    for i, row in enumerate(rows):
        if (row.expiry_ns, row.price_index) != last:
            last = (row.expiry_ns, row.price_index)
            firsts.append(i)
        series[i] = len(firsts) - 1
    return series, firsts


def _rule(row: Greeks) -> settlement.SettlementRule:
    """The rule a row's series settles by; where the book of rules has none, its last fixing alone."""
    rule = settlement.rule_of("option", row.base_currency, row.expiry_ns)
    return rule if rule is not None else settlement.RULES["last-fixing"]


def _fixings(rows: list[Greeks], series: Integers) -> tuple[Array, Array]:
    """Fixings known and their sum, of the series: those of the row that knows most."""
    best: dict[int, tuple[int, float]] = {}
    for place, row in zip(series.tolist(), rows, strict=True):
        if row.n_fixed > best.get(place, (0, 0.0))[0]:
            best[place] = (row.n_fixed, row.running_sum)
    pairs = [best.get(place, (0, 0.0)) for place in series.tolist()]
    return np.array([n for n, _ in pairs], dtype=np.float64), np.array([total for _, total in pairs], dtype=np.float64)


def _newest(values: Array, ts_ns: Integers, series: Integers) -> Array:
    """The newest finite value of each series, for each of its options; nan where it has none."""
    result = np.full(int(series.max()) + 1 if series.size else 0, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    # a stable sort by time: of several of one moment the last in the book's order stays
    for i in known[np.argsort(ts_ns[known], kind="stable")]:
        result[series[i]] = values[i]
    return result[series] if series.size else np.zeros(0)


def _multipliers(rows: list[Greeks], index_price: float) -> Array:
    """Coin per contract."""
    return np.array(
        [row.contract_size if row.contract_size_unit == "coin" else row.contract_size / index_price for row in rows],
        dtype=np.float64,
    )


def _greeks(numbers: Any, forward: Array, is_inverse: Any) -> tuple[GreekColumns, GreekColumns, GreekColumns]:
    """The columns of the three sources."""
    names = (
        "price_usd", "delta", "gamma_per_usd", "vega_usd_per_point", "theta_usd_per_day", "vanna_per_point",
        "charm_per_day", "volga_usd_per_point2",
    )  # fmt: skip
    average = greek_columns(forward=forward, is_inverse=is_inverse, **{name: numbers(name) for name in names})
    european = greek_columns(
        forward=forward, is_inverse=is_inverse, **{name: numbers(f"european_{name}") for name in names}
    )
    venue = greek_columns(
        forward=forward, is_inverse=is_inverse, price_usd=numbers("venue_price_usd"), delta=numbers("venue_delta"),
        gamma_per_usd=numbers("venue_gamma"), vega_usd_per_point=numbers("venue_vega"),
        theta_usd_per_day=numbers("venue_theta"),
    )  # fmt: skip
    return average, european, venue
