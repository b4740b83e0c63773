"""Marks: Black-76 of every listed option on its own future, with its open interest and an assumed side.

    marks(book, now_ns, {"BTC": 105_000.0, "ETH": 2_600.0}, facts, settings) -> one CmeMark per option

The volatility is solved where its price was made (book now, or settlement then, with the forward of that moment), and values are
taken at the forward of now.  What cannot be priced is a mark with its status and without numbers.

References
----------
Black, "The pricing of commodity contracts", 1976; as in DEFINITIONS 3.1 and ``pricers`` (engine "european").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers import Valuation, implied_vols, value_options
from pricers.clocks import SECONDS_PER_YEAR, time_to_expiry
from schemas import CmeMark, CmeSource, RowStatus
from streams.cme.book import Book, Facts
from streams.cme.contracts import Contract, Futures, Terms, Unpriced, futures_of, terms_of
from streams.cme.mark_rows import Asked, Job, Priced, Solved, mark_of, row_status
from streams.cme.quotes import MarkSettings, Pair, forward_now, pairs_of

USABLE = (RowStatus.OK, RowStatus.LOW_VEGA)
"""What the solver may say of a volatility that is used."""


class _Request(NamedTuple):
    """One price to be solved for one job."""

    job: Job
    pair: Pair


def marks(
    book: Book, now_ns: int, index_price_by_currency: Mapping[str, float], facts: Facts, settings: MarkSettings
) -> list[CmeMark]:
    """A mark of every option in the book, in order of product, expiry, strike, put before call, and name.

    A mark without a product is of an option that is no business of the table (an index option in a file of the whole exchange): not
    to be published, to be counted (``foreign``).

    Parameters
    ----------
    now_ns : the moment that they are of.  The book should hold nothing published later; of what it holds, later prices are not used.
    index_price_by_currency : USD per coin, of that moment; a currency that is missing leaves ``strike_index`` and exposures null.
    """
    asked = Asked(book, now_ns, index_price_by_currency, settings, facts.clock)
    futures = futures_of(book.contracts.values(), facts.table)
    jobs = [
        _job(option, futures, asked, facts)
        for option in book.contracts.values()
        if option.option_sign != 0
    ]  # fmt: skip
    live = [job for job in jobs if job.refusal is None]
    _solve(live, asked, facts)
    _value([job for job in live if job.solved is not None], asked)
    return sorted((mark_of(job, asked) for job in jobs), key=_order)


def foreign(found: Iterable[CmeMark]) -> Counter[str]:
    """How many marks are of no product of the table, by root."""
    return Counter(mark.root for mark in found if not mark.product)


def _order(mark: CmeMark) -> tuple[str, int, float, int, str]:
    return mark.product, mark.expiry_ns, mark.strike, -mark.option_type, mark.instrument_name


def _job(option: Contract, futures: Futures, asked: Asked, facts: Facts) -> Job:
    """An option with all that pricing needs, or with the first reason why not."""
    terms = terms_of(option, futures, facts.table)
    if asked.now_ns >= option.expiry_ns:
        # Asked of the time stamps: no fraction of a year tells it (E-55).
        placed = terms if isinstance(terms, Terms) else None
        return Job(option, placed, None, Unpriced(RowStatus.EXPIRED, "its expiry is past", terms.product))
    if isinstance(terms, Unpriced):
        return Job(option, None, None, terms)
    forward = forward_now(asked.book, terms.future_key, asked.now_ns, asked.settings)
    if isinstance(forward, Unpriced):
        return Job(option, terms, None, forward)
    return Job(option, terms, forward, None)


def _solve(jobs: Sequence[Job], asked: Asked, facts: Facts) -> None:
    """A volatility for each job: of the book's mid, else of the settlement, in the money of the other type's at the same strike.

    Call and put of a strike have one volatility and one price step; but the price of the one in the money is mostly its intrinsic
    value, which at the last digit of a settlement leaves any volatility or none.
    """
    requests: list[_Request] = []
    for job in jobs:
        assert job.terms is not None
        assert job.forward is not None
        for pair in pairs_of(
            asked.book, job.option.key, job.terms.future_key, job.forward, asked.now_ns, asked.settings
        ):  # fmt: skip
            if isinstance(pair, Unpriced):
                job.reasons.append(pair)
            else:
                requests.append(_Request(job, pair))
    twins: dict[tuple[str, int, float | None, int], Solved] = {}
    for request, solved in zip(requests, _solutions(requests, asked, facts), strict=True):
        job = request.job
        if solved.status in USABLE:
            job.solved = job.solved or solved
            if solved.source == CmeSource.SETTLEMENT:
                twins[_strike(job, 1)] = solved
        else:
            job.reasons.append(Unpriced(solved.status, f"{solved.source.name} {request.pair.price_usd}"))
    for job in jobs:
        twin = twins.get(_strike(job, -1))
        if twin is not None and (job.solved is None or _is_worse(job, twin)):
            job.solved = twin._replace(source=CmeSource.PARITY_TWIN)


def _is_worse(job: Job, twin: Solved) -> bool:
    """Whether a job's own settlement says less of its volatility than the other type's."""
    assert job.solved is not None
    assert job.forward is not None
    strike, sign = _known_strike(job.option), job.option.option_sign
    is_in_the_money = sign * (job.forward.usd - strike) > 0.0
    is_as_good = twin.status == RowStatus.OK or job.solved.status != RowStatus.OK
    return job.solved.source == CmeSource.SETTLEMENT and is_in_the_money and is_as_good


def _strike(job: Job, side: int) -> tuple[str, int, float | None, int]:
    """What call and put of one strike share, and the side: the option's own (1) or the other one's (-1)."""
    assert job.terms is not None
    return job.terms.future_key, job.option.expiry_ns, job.option.strike, side * job.option.option_sign


def _solutions(requests: Sequence[_Request], asked: Asked, facts: Facts) -> list[Solved]:
    """All volatilities in one call."""
    if not requests:
        return []
    options = [request.job.option for request in requests]
    pairs = [request.pair for request in requests]
    found = implied_vols(
        price_usd=[pair.price_usd for pair in pairs],
        forward=[pair.forward for pair in pairs],
        strike=[_known_strike(option) for option in options],
        option_sign=[option.option_sign for option in options],
        next_fixing_s=_seconds([pair.ns for pair in pairs], options, asked),
        interval_s=0.0,
        n_fixings=1,
        engine="european",
        rate=asked.settings.rate,
        tick_usd=[_tick(request, facts) for request in requests],
        total_vol_max=asked.settings.total_vol_max,
    )
    return [
        Solved(float(sigma), pair.source, row_status(status), pair.ns, float(low), float(high))
        for sigma, status, low, high, pair in zip(
            found.sigma, found.status, found.sigma_low, found.sigma_high, pairs, strict=True
        )
    ]


def _tick(request: _Request, facts: Facts) -> float:
    """Price tick of a request's product; nan (no band) where it is not known."""
    assert request.job.terms is not None
    tick = facts.table.ticks.get(request.job.terms.product.code)
    return float("nan") if tick is None else tick.at(request.pair.price_usd)


def _value(jobs: Sequence[Job], asked: Asked) -> None:
    """Price and greeks of the solved ones, in one call."""
    if not jobs:
        return
    options = [job.option for job in jobs]
    seconds = _seconds([asked.now_ns] * len(jobs), options, asked)
    found = value_options(
        forward=[job.forward.usd for job in jobs if job.forward is not None],
        strike=[_known_strike(option) for option in options],
        sigma=[job.solved.sigma for job in jobs if job.solved is not None],
        option_sign=[option.option_sign for option in options],
        next_fixing_s=seconds,
        interval_s=0.0,
        n_fixings=1,
        engine="european",
        rate=asked.settings.rate,
    )
    for i, job in enumerate(jobs):
        one = Valuation(*(column[i] for column in found))
        job.priced = Priced(float(seconds[i]) / SECONDS_PER_YEAR, one, row_status(one.status))


def _known_strike(option: Contract) -> float:
    assert option.strike is not None  # readers refuse an option without one
    return option.strike


def _seconds(from_ns: Sequence[int], options: Sequence[Contract], asked: Asked) -> npt.NDArray[np.float64]:
    """Time to expiry as the pricers take it: seconds of a year of 365 days, under the facts' clock."""
    expiries = np.array([option.expiry_ns for option in options], dtype=np.int64)
    return np.asarray(time_to_expiry(asked.clock, np.array(from_ns, dtype=np.int64), expiries) * SECONDS_PER_YEAR)
