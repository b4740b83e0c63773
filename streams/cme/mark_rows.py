"""From a priced option to its record: units, open interest, the assumed side; the only module that makes a ``CmeMark``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, SupportsInt

from pricers import Status, Valuation, units
from pricers.clocks import CALENDAR, Clock
from schemas import CmeMark, CmeSource, Engine, OptionType, RowStatus
from streams.cme.book import Book, settlement_ns
from streams.cme.contracts import Contract, Terms, Unpriced
from streams.cme.quotes import MarkSettings, Price, fresh_quote, settlement_day
from streams.cme.sides import dealer_sign

CONVENTION = "usd-per-coin/forward/act365"
ROW_STATUS = [RowStatus.OK if one is Status.FALLBACK else RowStatus[one.name] for one in sorted(Status)]


class Asked(NamedTuple):
    """What marks are wanted of."""

    book: Book
    now_ns: int
    index_price_by_currency: Mapping[str, float]
    settings: MarkSettings
    clock: Clock = CALENDAR


class Solved(NamedTuple):
    """A volatility and the price behind it."""

    sigma: float
    source: CmeSource
    status: RowStatus
    ns: int
    sigma_low: float
    """nan: no band."""
    sigma_high: float


class Priced(NamedTuple):
    """Values of one option."""

    tau_years: float
    values: Valuation
    status: RowStatus


@dataclass(slots=True)
class Job:
    """An option on its way to a mark."""

    option: Contract
    terms: Terms | None
    forward: Price | None
    refusal: Unpriced | None
    """Why it cannot be priced; None so far."""
    reasons: list[Unpriced] = field(default_factory=list)
    """Why this or that price gave no volatility."""
    solved: Solved | None = None
    priced: Priced | None = None


def row_status(status: SupportsInt) -> RowStatus:
    """The pricers' status on the wire."""
    return ROW_STATUS[int(status)]


def mark_of(job: Job, asked: Asked) -> CmeMark:
    """The record of a job, priced or not."""
    option, terms, solved = job.option, job.terms, job.solved
    outcome = job.refusal or _outcome(job)
    values = job.priced.values if job.priced is not None and outcome.status == RowStatus.OK else None
    future = None if terms is None else terms.future
    product = outcome.product if terms is None else terms.product
    currency = "" if product is None else product.base_currency
    index_price = _positive(asked.index_price_by_currency.get(currency))
    forward = job.forward
    quote = fresh_quote(asked.book, option.key, asked.now_ns, asked.settings)
    day = settlement_day(asked.book, option.key, asked.now_ns, asked.settings)
    settled = None if day is None else asked.book.settlements[option.key][day]
    interest = asked.book.interests.get(option.key)
    if interest is not None and interest.published_ns > asked.now_ns:
        interest = None
    contracts = None if interest is None else interest.contracts
    is_over = outcome.status in (RowStatus.EXPIRED, RowStatus.NOT_OPEN)
    position = None if is_over else _position(option, terms, contracts, asked.settings)
    gamma = None if values is None else _number(values.gamma)
    strike = option.strike if option.strike is not None else 0.0
    return CmeMark(
        product="" if product is None else product.code,
        instrument_name=option.name,
        instrument_id=option.instrument_id,
        root=option.root,
        family="" if terms is None else terms.family.value,
        base_currency=currency,
        option_type=OptionType.CALL if option.option_sign > 0 else OptionType.PUT,
        strike=strike,
        strike_index=None if index_price is None or forward is None else _number(strike * index_price / forward.usd),
        expiry_ns=option.expiry_ns,
        multiplier=None if terms is None else terms.multiplier,
        multiplier_source="" if terms is None else terms.multiplier_source,
        exercise_style=option.exercise_style,
        future_name="" if future is None else future.name,
        future_id=None if future is None else future.instrument_id,
        future_expiry_ns=None if future is None else future.expiry_ns,
        future_link="" if terms is None else terms.future_link,
        source=option.source,
        ts_event_ns=asked.now_ns,
        status=outcome.status,
        detail=outcome.detail,
        convention=CONVENTION,
        forward=None if forward is None else forward.usd,
        forward_source=CmeSource.NONE if forward is None else forward.source,
        forward_ns=None if forward is None else forward.ns,
        index_price=index_price,
        tau_years=None if job.priced is None else _number(job.priced.tau_years),
        bid=None if quote is None else quote.bid,
        ask=None if quote is None else quote.ask,
        quote_ns=None if quote is None else quote.ts_ns,
        settlement_price=None if settled is None else settled.price,
        settlement_ns=None if day is None else settlement_ns(day),
        is_settlement_final=None if settled is None else settled.is_final,
        open_interest_contracts=contracts,
        open_interest_divisor=asked.settings.open_interest_divisor,
        open_interest_as_of_ns=(interest.as_of_ns or None) if interest is not None else None,
        open_interest_published_ns=(interest.published_ns or None) if interest is not None else None,
        sigma=None if solved is None else solved.sigma,
        sigma_source=CmeSource.NONE if solved is None else solved.source,
        sigma_status=_sigma_status(job),
        sigma_ns=None if solved is None else solved.ns,
        sigma_low=None if solved is None else _number(solved.sigma_low),
        sigma_high=None if solved is None else _number(solved.sigma_high),
        engine=Engine.NONE if values is None else Engine.EUROPEAN,
        **_values(values),
        side_model=asked.settings.side_model,
        position_coin_trade_signed=None,
        position_coin_assumption_signed=position,
        gamma_usd_per_pct_trade_signed=None,
        gamma_usd_per_pct_assumption_signed=gamma_usd_per_pct(position, gamma, index_price),
    )


def gamma_usd_per_pct(
    position_coin: float | None, gamma_per_usd: float | None, index_price: float | None
) -> float | None:
    """Change of a position's delta for +1 % of the index, in USD at the index: D m gamma S² 0.01; null where a factor is missing.

    References
    ----------
    DEFINITIONS 3.3, NGI.
    """
    if position_coin is None or gamma_per_usd is None or index_price is None:
        return None
    return _number(position_coin * gamma_per_usd * index_price * index_price * 0.01)


def _outcome(job: Job) -> Unpriced:
    """Status of an option whose inputs were there."""
    note = "" if job.terms is None else job.terms.note
    if job.solved is None:
        said = "; ".join(f"{one.status.name}: {one.detail}" for one in job.reasons)
        return Unpriced(RowStatus.NO_SIGMA, said)
    if job.priced is None or not all(
        math.isfinite(float(v)) for v in (job.priced.values.price_usd, job.priced.values.gamma)
    ):
        status = RowStatus.NOT_CONVERGED if job.priced is None else job.priced.status
        usable = status not in (RowStatus.OK, RowStatus.DETERMINED)
        return Unpriced(status if usable else RowStatus.NOT_CONVERGED, f"the pricer says {status.name}")
    return Unpriced(RowStatus.OK, note)


def _sigma_status(job: Job) -> RowStatus:
    if job.solved is not None:
        return job.solved.status
    return job.reasons[0].status if job.reasons else RowStatus.NO_QUOTE


def _position(
    option: Contract, terms: Terms | None, contracts: float | None, settings: MarkSettings
) -> float | None:  # fmt: skip
    """Dealers' net position under the side model, in coin."""
    if terms is None or contracts is None:
        return None
    sign = dealer_sign(settings.side_model, option.option_sign)
    return _number(sign * contracts / settings.open_interest_divisor * terms.multiplier)


def _values(values: Valuation | None) -> dict[str, float | None]:
    """Value columns of the record: per point and per day."""
    if values is None:
        return dict.fromkeys(VALUE_COLUMNS)
    numbers = (
        values.price_usd,
        values.delta,
        values.gamma,
        units.vega_usd_per_point(values.vega),
        units.theta_usd_per_day(values.theta_per_year),
        units.rho_usd_per_pct(values.rho),
        units.vanna_per_point(values.vanna),
        units.charm_per_day(values.charm_per_year),
        units.volga_usd_per_point2(values.volga),
    )
    return {name: _number(number) for name, number in zip(VALUE_COLUMNS, numbers, strict=True)}


VALUE_COLUMNS = (
    "price_usd", "delta", "gamma_per_usd", "vega_usd_per_point", "theta_usd_per_day", "rho_usd_per_pct", "vanna_per_point",
    "charm_per_day", "volga_usd_per_point2",
)  # fmt: skip


def _number(value: object) -> float | None:
    """A finite number, or null: none else may cross a topic."""
    found = float(value)  # type: ignore[arg-type]
    return found if math.isfinite(found) else None


def _positive(value: float | None) -> float | None:
    return value if value is not None and 0.0 < value < math.inf else None
