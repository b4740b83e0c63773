"""Small numbers of a row: ages, spread, standard deviation of the delivery price, pin risk."""

from __future__ import annotations

import math

from pricers import units
from schemas import InstrumentState
from streams.engine.jobs import Job
from streams.engine.settings import NS_PER_MS, EngineSettings
from streams.engine.state import Facts


def age_ms(now_ns: int, then_ns: int) -> float:
    """Milliseconds since then, never negative."""
    return (now_ns - then_ns) / NS_PER_MS if now_ns > then_ns else 0.0


def tick_at(contract: InstrumentState, price: float) -> float:
    """The contract's tick at a premium, in its premium unit."""
    tick = contract.tick_size
    for step in contract.tick_size_steps:
        if price >= step.above_price:
            tick = max(tick, step.tick_size)
    return tick


def times(a: float | None, b: float | None) -> float | None:
    """Product, or null where a factor is missing or the product is no number."""
    if a is None or b is None:
        return None
    product = a * b
    return product if math.isfinite(product) else None


def spread_pct(bid: float | None, ask: float | None) -> float | None:
    """(ask - bid) / mid, per cent; null unless both sides are quoted."""
    if bid is None or ask is None or bid <= 0.0 or ask <= 0.0:
        return None
    spread = units.spread_pct(bid, ask)
    return spread if math.isfinite(spread) else None


def settlement_sd_usd(job: Job, facts: Facts, forward: float, sigma: float) -> float | None:
    """Standard deviation of the delivery price from now, USD; null without a rule."""
    rule = facts.rule
    if rule is None:
        return None
    sd = units.settlement_sd_usd(
        forward, sigma, rule.n_fixings, job.fixings.n_fixed, job.next_fixing_s, float(rule.interval_s)
    )
    return sd if math.isfinite(sd) else None


def is_pin_risk(
    job: Job,
    facts: Facts,
    forward: float,
    sigma: float,
    sd_usd: float | None,
    tau_years: float,
    settings: EngineSettings,
) -> bool:
    """On the last day, the strike within half a standard deviation of where it would deliver now (C31)."""
    if (
        sd_usd is None
        or facts.rule is None
        or not 0 <= facts.expiry_ns - job.now_ns <= settings.pin_risk_ms * NS_PER_MS
    ):
        return False
    known = job.fixings
    expected = units.expected_delivery_usd(forward, facts.rule.n_fixings, known.n_fixed, known.running_sum)
    if not expected > 0.0:
        return False
    is_in_window = job.now_ns >= facts.window_ns
    sd = sd_usd / expected if is_in_window else sigma * math.sqrt(tau_years)
    return abs(math.log(expected / facts.strike)) < settings.pin_risk_sd * sd
