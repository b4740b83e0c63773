"""Audits: a row's numbers against the venue's, the European twin's and the other engine's, once a minute (C51).

    VENUE     Black-76 at the venue's own vol, forward and moment, without a rate, against the greeks that it published with
              them.  Neither our vol nor our forward is in it: what is left is the venue's rounding, or a misunderstanding.
    EUROPEAN  the row's settlement-average numbers against Black-76 at the row's sigma: what the average changes.
    ENGINE    the row's numbers against the other engine's at the same inputs, each option once in ``audit_engine_every``.

A comparison is made where at least one of the two is a number; the one that is not is null.  Quantities have the names and
units of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pricers import Status, Valuation, units, value_options
from pricers.matrices import value_matrix
from schemas import AuditKind, Trigger
from streams.engine.columns import plain
from streams.engine.comparisons import Quantity
from streams.engine.forwards import LARGEST, is_price
from streams.engine.inputs import inputs_of
from streams.engine.jobs import Job
from streams.engine.settings import NS_PER_MS, NS_PER_S, EngineSettings

OTHER_ENGINE = {"qmc": "closed_form", "closed_form": "qmc"}
"""Rows of Europeans have none: the average is not in them."""


SIGMA = Quantity("sigma", "fraction")
PRICE = Quantity("price_usd", "USD")
DELTA = Quantity("delta", "coin per coin")
GAMMA = Quantity("gamma_per_usd", "per USD")
VEGA = Quantity("vega_usd_per_point", "USD per vol point")
THETA = Quantity("theta_usd_per_day", "USD per day")
RHO = Quantity("rho_usd_per_pct", "USD per 1 % of rate")
VANNA = Quantity("vanna_per_point", "per vol point")
CHARM = Quantity("charm_per_day", "per day")
VOLGA = Quantity("volga_usd_per_point2", "USD per vol point squared")
ROLL = Quantity("roll_delta_per_fixing", "per fixing")

VENUE = (DELTA, GAMMA, VEGA, THETA, RHO)
"""All that the venue publishes."""
EUROPEAN = (PRICE, DELTA, GAMMA, VEGA, THETA, VANNA, CHARM, VOLGA)
ENGINE = (PRICE, DELTA, GAMMA, VEGA, THETA, RHO, VANNA, CHARM, VOLGA, ROLL)
PLACE = {
    PRICE: 0, DELTA: 3, GAMMA: 4, VEGA: 5, THETA: 6, RHO: 7, VANNA: 8, CHARM: 9, VOLGA: 10, ROLL: 11,
}  # fmt: skip
"""Where a row of numbers has the quantity."""
EUROPEAN_SIGMA = 14
TWIN = slice(EUROPEAN_SIGMA + 1, None)
"""Where they have the twin's, in the order of EUROPEAN."""
EUROPEAN_PLACES, ENGINE_PLACES = ([PLACE[quantity] for quantity in kind] for kind in (EUROPEAN, ENGINE))
Numbers = Sequence[float | None]


def audit(jobs: Sequence[Job], numbers: npt.NDArray[np.float64], settings: EngineSettings) -> None:
    """Fill the comparisons of the jobs whose ``time`` it is; those without values have none.

    numbers : a row for each ``place`` of a job, nan where one does not apply.
    """
    if not settings.audit:
        return
    due = [job for job in jobs if job.trigger == Trigger.TIME and job.trade is None and job.place >= 0]
    if not due:
        return
    rows = plain(numbers[[job.place for job in due]])
    _against_the_venue(due)
    if settings.engine in OTHER_ENGINE:
        for job, row in zip(due, rows, strict=True):
            _against_the_european(job, row)
        sampled = [(job, row) for job, row in zip(due, rows, strict=True) if is_sampled(job, settings)]
        _against_the_other_engine(sampled, settings)


def is_sampled(job: Job, settings: EngineSettings) -> bool:
    """Whether this ``time`` is the one in ``audit_engine_every``: a hash of the name shifts each option's turn."""
    if not settings.audit_engine_every:
        return False
    minute = job.now_ns // (settings.time_ms * NS_PER_MS)
    return (crc32(job.inst.name.encode("utf-8", "surrogatepass")) + minute) % settings.audit_engine_every == 0


def _numbers(columns: Sequence[np.ndarray]) -> list[list[float | None]]:
    """Per option the numbers of all columns; null where one does not apply."""
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [[v if -LARGEST < v < LARGEST else None for v in row] for row in rows]


def _venue_columns(found: Valuation) -> list[np.ndarray]:
    """In the order and units of VENUE."""
    return [
        found.delta, found.gamma, units.vega_usd_per_point(found.vega), units.theta_usd_per_day(found.theta_per_year),
        units.rho_usd_per_pct(found.rho),
    ]  # fmt: skip


def _engine_columns(found: Valuation) -> list[np.ndarray]:
    """In the order and units of ENGINE."""
    return [
        found.price_usd, *_venue_columns(found), units.vanna_per_point(found.vanna),
        units.charm_per_day(found.charm_per_year), units.volga_usd_per_point2(found.volga), found.roll_delta_per_fixing,
    ]  # fmt: skip


def _venue_inputs(job: Job) -> tuple[float, ...] | None:
    """forward, strike, sigma, sign and seconds to expiry of the quote that the venue's greeks came with."""
    quote, facts = job.quote, job.facts
    if quote is None or facts is None or not is_price(quote.underlying_price) or not is_price(quote.mark_sigma):
        return None
    tau_s = (facts.expiry_ns - job.quote_ns) / NS_PER_S
    return (quote.underlying_price or 0.0, facts.strike, quote.mark_sigma or 0.0, facts.sign, max(0.0, tau_s))


def _against_the_venue(jobs: Sequence[Job]) -> None:
    inputs = [_venue_inputs(job) for job in jobs]
    known = [numbers for numbers in inputs if numbers is not None]
    ours: list[list[float | None]] = []
    if known:
        forward, strike, sigma, sign, tau_s = np.array(known, dtype=np.float64).T
        black = value_options(
            forward=forward, strike=strike, sigma=sigma, option_sign=sign, next_fixing_s=tau_s, interval_s=1.0, n_fixings=1,
            engine="european",
        )  # fmt: skip
        ours = _numbers(_venue_columns(black))
    answers = iter(ours)
    for job, numbers in zip(jobs, inputs, strict=True):
        own: Numbers = next(answers) if numbers is not None else (None,) * len(VENUE)
        quote = job.quote
        if quote is not None:
            published = (
                quote.venue_delta, quote.venue_gamma, quote.venue_vega, quote.venue_theta, quote.venue_rho,
            )  # fmt: skip
            job.audits += ((AuditKind.VENUE, VENUE, own, published),)


def _against_the_european(job: Job, values: Numbers) -> None:
    if job.sigma is None:
        return  # no vol was ever known, and none is needed: exercise is certain
    job.audits += (
        (AuditKind.EUROPEAN, (SIGMA,), (job.sigma,), (values[EUROPEAN_SIGMA],)),
        (AuditKind.EUROPEAN, EUROPEAN, [values[i] for i in EUROPEAN_PLACES], values[TWIN]),
    )


def _against_the_other_engine(rows: Sequence[tuple[Job, Numbers]], settings: EngineSettings) -> None:
    """One call per payoff.  Where the closed form hands over, there is one engine only and nothing to compare with."""
    for payoff in ("linear", "inverse"):
        group = [
            (job, row) for job, row in rows if job.facts is not None and job.facts.is_inverse == (payoff == "inverse")
        ]
        if not group:
            continue
        inputs = inputs_of([job for job, _ in group], settings).values
        values_of_other, statuses = value_matrix(inputs, payoff, OTHER_ENGINE[settings.engine])
        other = Valuation._make((*values_of_other, statuses))
        for (job, values), numbers, status in zip(
            group, _numbers(_engine_columns(other)), other.status.tolist(), strict=True
        ):
            is_same = Status.FALLBACK in (status, job.value_status)
            others = [None] * len(ENGINE) if is_same else numbers
            job.audits += ((AuditKind.ENGINE, ENGINE, [values[i] for i in ENGINE_PLACES], others),)
