"""A batch of jobs in five passes: solve, choose sigmas in order, value, compare, write rows in order.  Where it was cut cannot be seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pricers.matrices import implied_matrix, value_matrix
from schemas import RowStatus, SigmaSource
from streams.engine.audits import audit
from streams.engine.columns import N_VALUES
from streams.engine.inputs import european_of, inputs_of, quoted_at
from streams.engine.jobs import Item, Iv, Job
from streams.engine.located import Identity, Result
from streams.engine.rows import Writer
from streams.engine.settings import EngineSettings
from streams.engine.solve import ASK, BID, LAST, MARK, solve
from streams.engine.state import Facts, Solved, State
from streams.engine.values import values_of

USABLE = (RowStatus.OK, RowStatus.LOW_VEGA)
NO_NUMBERS = np.empty((0, N_VALUES))


def price(state: State, items: Sequence[Item], settings: EngineSettings, identity: Identity) -> list[Result]:
    """Results of the items, in their order."""
    jobs = [item for item in items if type(item) is Job]
    numbers = NO_NUMBERS
    if jobs:
        solve(jobs, settings)
        for job in jobs:
            choose_sigma(job, settings)
        numbers = _value(jobs, settings)
        audit(jobs, numbers, settings)
    writer = Writer(state, settings, identity, numbers)
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


def _value(jobs: Sequence[Job], settings: EngineSettings) -> npt.NDArray[np.float64]:
    """The numbers of all jobs that can be valued, which know their ``place`` in them; one call per payoff and model."""
    linear: list[Job] = []
    inverse: list[Job] = []
    for job in jobs:
        if job.refusal is None and job.facts is not None and (job.sigma is not None or is_determined(job, job.facts)):
            (inverse if job.facts.is_inverse else linear).append(job)
    found: list[npt.NDArray[np.float64]] = []
    n_before = 0
    for group, payoff in ((linear, "linear"), (inverse, "inverse")):
        if group:
            found.append(_value_payoff(group, payoff, n_before, settings))
            n_before += len(group)
    return NO_NUMBERS if not found else found[0] if len(found) == 1 else np.concatenate(found)


def _value_payoff(jobs: Sequence[Job], payoff: str, n_before: int, settings: EngineSettings) -> npt.NDArray[np.float64]:
    """Primary values and the European twin of options of one payoff, one row each; the jobs get what is asked of them."""
    inputs = inputs_of(jobs, settings)
    ours, status = value_matrix(inputs.values, payoff, settings.engine)
    european = european_of(inputs)
    twin, _ = value_matrix(european, "linear", "european")
    twin_sigma = implied_matrix(quoted_at(ours[0], european), "linear", "european").answers[0]
    has_sigma = np.array([job.sigma is not None for job in jobs])
    found = values_of(ours, twin, twin_sigma, inputs.values, has_sigma, payoff == "inverse")
    answers = zip(jobs, status.tolist(), found.marks.tolist(), found.sd_usd.tolist(), strict=True)
    for place, (job, code, marks, sd_usd) in enumerate(answers, n_before):
        job.place, job.value_status, job.marks, job.sd_usd = place, code, marks, sd_usd
    return found.numbers
