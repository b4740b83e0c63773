"""Inputs of the pricers for a batch of jobs, as matrices: what was caught of each at its moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricers.matrices import IMPLIED_ROWS, TOLERANCE, TOTAL_VOL_MAX, VALUE_ROWS
from streams.engine.jobs import Job
from streams.engine.settings import EngineSettings
from streams.engine.terms import annual

Floats = npt.NDArray[np.float64]

SIGMA_OF_DETERMINED = 0.5
"""Fed to the pricer when exercise is certain and no vol was ever known: the linear price does not depend on it."""


class Inputs(NamedTuple):
    """Of options that are not refused."""

    values: Floats
    """(11, n), as ``pricers.matrices.value_matrix`` takes them."""
    tau_s: Floats
    """(n,) seconds to the last fixing."""


def inputs_of(jobs: Sequence[Job], settings: EngineSettings) -> Inputs:
    """One column a job."""
    numbers: list[float] = []
    for job in jobs:
        facts, forward, fixings = job.facts, job.forward, job.fixings
        assert facts is not None and forward is not None and facts.rule is not None  # refused otherwise
        name = job.inst.name
        numbers += (
            forward.value, facts.strike, SIGMA_OF_DETERMINED if job.sigma is None else job.sigma, facts.sign,
            job.next_fixing_s, float(facts.rule.interval_s), facts.rule.n_fixings, fixings.n_fixed, fixings.running_sum,
            annual(name, settings.rate, settings.rates), annual(name, settings.carry, settings.carries),
            max(0.0, job.next_fixing_s + (facts.rule.n_fixings - fixings.n_fixed - 1) * facts.rule.interval_s),
        )  # fmt: skip
    columns = matrix(numbers, len(VALUE_ROWS) + 1)
    return Inputs(columns[:-1], columns[-1])


def matrix(numbers: Sequence[float], n_rows: int) -> Floats:
    """(n_rows, n), C-contiguous, of ``n_rows`` numbers for each of n."""
    return np.ascontiguousarray(np.array(numbers, dtype=np.float64).reshape(-1, n_rows).T)


def european_of(inputs: Inputs) -> Floats:
    """The same options as if their delivery price were the last fixing alone."""
    found = inputs.values.copy()
    found[4], found[5:7], found[7:9] = inputs.tau_s, 1.0, 0.0
    return found


def quoted_at(prices_usd: Floats, values: Floats) -> Floats:
    """Those options at these prices, as ``pricers.matrices.implied_matrix`` takes them; without a tick."""
    found = np.empty((len(IMPLIED_ROWS), prices_usd.size))
    found[0], found[1:3], found[3:11] = prices_usd, values[:2], values[3:]
    found[11], found[12], found[13], found[14] = np.nan, TOTAL_VOL_MAX, TOLERANCE, np.nan
    return found
