"""Arguments of the pricers for a batch of jobs, as arrays: what was caught of each at its moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.engine.jobs import Job
from streams.engine.settings import EngineSettings
from streams.engine.terms import annual

SIGMA_OF_DETERMINED = 0.5
"""Fed to the pricer when exercise is certain and no vol was ever known: the linear price does not depend on it."""


class Inputs(NamedTuple):
    """Keyword arguments of ``value_options``."""

    option: dict[str, Any]
    """forward, strike, option_sign, rate, carry: what every model asks for."""
    sigma: npt.NDArray[np.float64]
    window: dict[str, Any]
    """The fixings of the settlement average."""
    tau_s: npt.NDArray[np.float64]
    """Seconds to the last fixing."""
    columns: npt.NDArray[np.float64]
    """(10, n): forward, strike, sigma, sign, next_fixing_s, interval_s, n_fixings, n_fixed, running_sum, tau_s."""


def inputs_of(jobs: Sequence[Job], settings: EngineSettings) -> Inputs:
    """Inputs of options that are not refused."""
    numbers: list[float] = []
    for job in jobs:
        facts, forward, fixings = job.facts, job.forward, job.fixings
        assert facts is not None and forward is not None and facts.rule is not None  # refused otherwise
        numbers += (
            forward.value, facts.strike, SIGMA_OF_DETERMINED if job.sigma is None else job.sigma, facts.sign,
            job.next_fixing_s, float(facts.rule.interval_s), facts.rule.n_fixings, fixings.n_fixed, fixings.running_sum,
            max(0.0, job.next_fixing_s + (facts.rule.n_fixings - fixings.n_fixed - 1) * facts.rule.interval_s),
        )  # fmt: skip
    columns = np.ascontiguousarray(np.array(numbers, dtype=np.float64).reshape(len(jobs), -1).T)
    forward_usd, strike, sigma, sign, next_s, interval_s, n_fixings, n_fixed, running_sum, tau_s = columns
    names = [job.inst.name for job in jobs]
    option = {
        "forward": forward_usd, "strike": strike, "option_sign": sign,
        "rate": annual(names, settings.rate, settings.rates), "carry": annual(names, settings.carry, settings.carries),
    }  # fmt: skip
    window = {
        "next_fixing_s": next_s, "interval_s": interval_s, "n_fixings": n_fixings, "n_fixed": n_fixed,
        "running_sum": running_sum,
    }  # fmt: skip
    return Inputs(option, sigma, window, tau_s, columns)
