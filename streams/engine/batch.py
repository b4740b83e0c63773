"""A batch of jobs in five passes: solve, choose sigmas in order, value, compare, write rows in order.  Where it was cut cannot be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from pricers import Valuation, implied_vols, units, value_options
from schemas import RowStatus, SigmaSource
from streams.engine.audits import audit
from streams.engine.forwards import LARGEST
from streams.engine.inputs import inputs_of
from streams.engine.jobs import Item, Iv, Job
from streams.engine.located import Identity, Result
from streams.engine.rows import Writer
from streams.engine.settings import EngineSettings
from streams.engine.solve import ASK, BID, LAST, MARK, solve
from streams.engine.state import Facts, Solved, State

USABLE = (RowStatus.OK, RowStatus.LOW_VEGA)
N_BEFORE_TWIN = 15
"""Columns up to european_sigma, which follows from the price; those after it stand at the row's sigma."""
NO_TWIN = (None,) * 8


def price(state: State, items: Sequence[Item], settings: EngineSettings, identity: Identity) -> list[Result]:
    """Results of the items, in their order."""
    jobs = [item for item in items if isinstance(item, Job)]
    if jobs:
        solve(jobs, settings)
        for job in jobs:
            choose_sigma(job, settings)
        _value(jobs, settings)
        audit(jobs, settings)
    writer = Writer(state, settings, identity)
    for item in items:
        writer.write(item)
    return writer.results


def choose_sigma(job: Job, settings: EngineSettings) -> None:
    """The sigma of a job, by the order of sources; a solving job also leaves its vols on the instrument.

    Order: mid of bid and ask vols (when they are close), the mark's, the last trade's (when the forward has not moved
    since), sticky.  The venue's own vol is never one.
    """
    inst = job.inst
    if job.refusal is not None:
        job.solved, job.sigma_last, job.sigma_last_status = inst.solved, inst.sigma_last, inst.sigma_last_status
        return
    if job.trade is not None:
        _trade_sigma(job)
        return
    if job.solves and job.ivs:
        if job.last_price is not None:
            inst.sigma_last, inst.sigma_last_status = job.ivs[LAST].sigma, job.ivs[LAST].status
        bid, ask, mark = job.ivs[BID], job.ivs[ASK], job.ivs[MARK]
        inst.solved = Solved(bid.sigma, bid.status, ask.sigma, ask.status, mark.sigma, mark.status, mark.low, mark.high)
        sigma, source, sigma_ns = _best(job, bid, ask, mark, settings)
        if sigma is not None:
            inst.sigma, inst.sigma_source, inst.sigma_ns = sigma, source, sigma_ns
            job.sigma, job.sigma_source, job.sigma_ns = sigma, source, sigma_ns
    if job.sigma is None and inst.sigma is not None:
        job.sigma, job.sigma_source, job.sigma_ns = inst.sigma, SigmaSource.STICKY, inst.sigma_ns
    job.solved, job.sigma_last, job.sigma_last_status = inst.solved, inst.sigma_last, inst.sigma_last_status


def _best(job: Job, bid: Iv, ask: Iv, mark: Iv, settings: EngineSettings) -> tuple[float | None, SigmaSource, int]:
    if bid.status in USABLE and ask.status in USABLE and bid.sigma is not None and ask.sigma is not None:
        mid, gap = 0.5 * (bid.sigma + ask.sigma), abs(ask.sigma - bid.sigma)
        if gap <= max(settings.sigma_gap, settings.sigma_gap_ratio * mid):
            return mid, SigmaSource.BID_ASK_MID, job.quote_ns
    if mark.status in USABLE and mark.sigma is not None:
        return mark.sigma, SigmaSource.MARK_PRICE, job.quote_ns
    inst = job.inst
    if job.is_last_fresh and inst.sigma_last is not None and inst.sigma_last_status in USABLE:
        return inst.sigma_last, SigmaSource.LAST_TRADE, job.last_ns
    return None, SigmaSource.NONE, 0


def _trade_sigma(job: Job) -> None:
    """A trade is valued at the row's sigma of its moment; where there is none yet, at its own."""
    inst = job.inst
    own = job.ivs[LAST] if job.ivs else Iv(None, RowStatus.NO_QUOTE)
    job.sigma_last, job.sigma_last_status = own.sigma, own.status
    if job.sets_last:
        inst.sigma_last, inst.sigma_last_status = own.sigma, own.status
    if inst.sigma is not None:
        job.sigma, job.sigma_source, job.sigma_ns = inst.sigma, inst.sigma_source, inst.sigma_ns
    elif own.sigma is not None and own.status in USABLE:
        job.sigma, job.sigma_source, job.sigma_ns = own.sigma, SigmaSource.LAST_TRADE, job.now_ns


def is_determined(job: Job, facts: Facts) -> bool:
    """Whether the value needs no vol: every fixing is known or due, or the known ones alone carry the average past the strike."""
    rule = facts.rule
    if rule is None:
        return False
    n_left = rule.n_fixings - job.fixings.n_fixed
    if n_left <= 0 or job.next_fixing_s + (n_left - 1) * rule.interval_s <= 0.0:
        return True
    return job.fixings.running_sum >= rule.n_fixings * facts.strike


def _value(jobs: Sequence[Job], settings: EngineSettings) -> None:
    """Primary values, one call per payoff, and the European twin in one call for all."""
    linear: list[Job] = []
    inverse: list[Job] = []
    for job in jobs:
        if job.refusal is None and job.facts is not None and (job.sigma is not None or is_determined(job, job.facts)):
            (inverse if job.facts.is_inverse else linear).append(job)
    for group, payoff in ((linear, "linear"), (inverse, "inverse")):
        if group:
            _value_payoff(group, payoff, settings)


def _value_payoff(jobs: Sequence[Job], payoff: str, settings: EngineSettings) -> None:
    option, sigma, window, tau_s = inputs_of(jobs, settings)
    ours = value_options(**option, **window, sigma=sigma, payoff=payoff, engine=settings.engine)
    one = np.ones_like(tau_s)
    european = option | {"next_fixing_s": tau_s, "interval_s": one, "n_fixings": one, "engine": "european"}
    twin = value_options(**european, sigma=sigma)
    twin_sigma = implied_vols(**european, price_usd=ours.price_usd).sigma
    rows = _wire_values(ours, twin, twin_sigma.tolist(), option["forward"].tolist(), payoff == "inverse")
    for job, row, status in zip(jobs, rows, ours.status.tolist(), strict=True):
        job.values = row if job.sigma is not None else row[:N_BEFORE_TWIN] + NO_TWIN
        job.value_status = status


def _wire_values(
    ours: Valuation, twin: Valuation, twin_sigmas: list[float], forwards: list[float], is_inverse: bool
) -> Iterator[tuple[float | None, ...]]:
    """Per option the values and the twin, in the order and units of the wire; null where a number does not apply.

    Plain floats, not arrays: most batches of a live worker are a few rows, and there numpy's calls cost more than the rows.
    """
    primary = zip(*(column.tolist() for column in ours[:11]), strict=True)
    european = zip(*(column.tolist() for column in twin[:11]), strict=True)
    for forward, own, other, twin_sigma in zip(forwards, primary, european, twin_sigmas, strict=True):
        price_usd, std_error, delta, gamma, vega, theta, rho, vanna, charm, volga, roll = own
        row = (
            price_usd, units.price_coin(price_usd, forward), std_error, delta, gamma, units.vega_usd_per_point(vega),
            units.theta_usd_per_day(theta), units.rho_usd_per_pct(rho), units.vanna_per_point(vanna),
            units.charm_per_day(charm), units.volga_usd_per_point2(volga), roll,
            units.delta_coin(delta, price_usd, forward) if is_inverse else math.nan,
            units.gamma_coin_per_usd(gamma, delta, price_usd, forward) if is_inverse else math.nan,
            twin_sigma, other[0], other[2], other[3], units.vega_usd_per_point(other[4]),
            units.theta_usd_per_day(other[5]), units.vanna_per_point(other[7]), units.charm_per_day(other[8]),
            units.volga_usd_per_point2(other[9]),
        )  # fmt: skip
        yield tuple([v if -LARGEST < v < LARGEST else None for v in row])
