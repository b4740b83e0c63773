"""Why an option cannot be priced: the first reason, in the order in which a person would ask (C24, C26).

contract, rule, state, quote, forward, fixings, staleness; that an option is alive is asked before, where its records come in.
What only the arithmetic finds out (no vol, no convergence) is told by ``rows``.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas import RowStatus
from streams.engine.forwards import Forward
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import EXERCISE_STYLE, OPEN, Facts, Fixings, Instrument


class Refusal(NamedTuple):
    """Why something cannot be priced, in words for people, and what would end it."""

    status: RowStatus
    detail: str
    clears_when: str


def refusal_of(
    facts: Facts | None, inst: Instrument, forward: Forward | None, fixings: Fixings, now_ns: int, is_stale: bool,
    settings: EngineSettings, is_trade: bool,
) -> Refusal | None:  # fmt: skip
    """First reason, in the order in which a person would ask, why no number can be made."""
    contract = inst.contract
    if contract is None or facts is None:
        return Refusal(RowStatus.NO_CONTRACT, "no InstrumentState of this name yet", "its InstrumentState arrives")
    if facts.rule is None:
        what, name = "exercise style", contract.exercise_style
        if name == EXERCISE_STYLE:
            what, name = "settlement rule", contract.settlement_rule
        return Refusal(RowStatus.NO_CONTRACT, f"{what} {name!r} is not known", f"an upgrade knows this {what}")
    if not is_trade:
        if not facts.is_open:
            return Refusal(RowStatus.NOT_OPEN, f"the instrument is {contract.status.name}", "its state is OPEN again")
        if inst.quote is None:
            return Refusal(RowStatus.NO_QUOTE, "no quote yet", "its first quote arrives")
        if inst.quote.state not in OPEN:
            return Refusal(RowStatus.NOT_OPEN, f"its quote says {inst.quote.state.name}", "a quote says OPEN again")
    if forward is None:
        where = "index" if facts.window_ns <= now_ns else "forward"
        return Refusal(
            RowStatus.NO_FORWARD, f"no {where} of {contract.price_index}", f"an UnderlyingQuote brings the {where}"
        )
    if now_ns >= facts.first_grid_ns and facts.interval_ns:
        n_due = min((now_ns - facts.first_grid_ns) // facts.interval_ns + 1, facts.rule.n_fixings)
        if n_due - fixings.n_fixed > settings.n_overdue_fixings_max:
            detail = f"{n_due - fixings.n_fixed} grid points are past and have no fixing"
            return Refusal(RowStatus.FIXING_MISSING, detail, "a SettlementFixing arrives")
    if is_stale and settings.reject_stale and not is_trade:
        if inst.is_unseen:
            return Refusal(RowStatus.STALE_QUOTE, "quote lies before a feed gap", "its quote is seen again")
        detail = f"forward is {(now_ns - forward.ts_ns) // NS_PER_MS} ms old"
        return Refusal(RowStatus.STALE_QUOTE, detail, "a fresh forward arrives")
    return None
