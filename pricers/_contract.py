"""One option's contract at a moment: the split into known and unknown fixings, and whether its inputs make sense.

A settlement average splits into what is known and what is to come,

    A = (P + m F + F G M) / n,     G = sum over live fixings of exp(carry t_i),   E[M] = 1,

with P the sum of the ``n_fixed`` known fixings, m the fixings that are due but not known (they are worth the forward now) and M
the weighted mean of the live ones. Hence, with k the strike left for M,

    ±(A - K) = (F G / n) · ±(M - k),     k = (n K - P - m F) / (F G).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pricers._fixings import UnitConstants, unit_constants
from pricers._jit import kernel

SECONDS_PER_YEAR = 31_536_000.0  # 365 days of 86 400 s: the venue's year

SANE, INSANE = 0, 1


class Timing(NamedTuple):
    """When the fixings of an option come."""

    n_due: int  # due, not known
    n_live: int  # after now
    first_time: float  # of the live ones, years
    spacing: float  # years
    last_time: float  # years; 0 if all are fixed


class Split(NamedTuple):
    """Known and unknown part, in units of the live fixings' mean (F G / n)."""

    strike: float  # k
    due: float  # m / G: part of both k and past that moves with the forward
    past: float  # (P + m F) / (F G)
    weight: float  # G / n, undiscounted
    discount: float  # exp(-rate t_N)


@kernel
def is_sane(
    forward: float,
    strike: float,
    option_sign: float,
    next_fixing_s: float,
    interval_s: float,
    n_fixings: float,
    n_fixed: float,
    running_sum: float,
    rate: float,
    carry: float,
) -> bool:
    """Whether the inputs are finite, in their domain and consistent with each other."""
    total = (
        forward + strike + option_sign + next_fixing_s + interval_s + n_fixings + n_fixed + running_sum + rate + carry
    )
    if not math.isfinite(total):
        return False
    if forward <= 0.0 or strike < 0.0 or interval_s < 0.0 or running_sum < 0.0:
        return False
    if abs(option_sign) != 1.0:
        return False
    if n_fixings < 1.0 or n_fixed < 0.0 or n_fixed > n_fixings:
        return False
    if n_fixings != math.floor(n_fixings) or n_fixed != math.floor(n_fixed):
        return False
    return (n_fixed > 0.0) == (running_sum > 0.0)  # prices are positive: a sum of none is 0, a sum of some is not


@kernel
def timing(next_fixing_s: float, interval_s: float, n_remaining: int) -> Timing:
    """Split ``n_remaining`` fixings at max(0, next_fixing_s + j interval_s) into due and live."""
    if n_remaining == 0:
        return Timing(0, 0, 0.0, 0.0, 0.0)
    n_due = 0
    if next_fixing_s <= 0.0:
        if interval_s <= 0.0:
            n_due = n_remaining
        else:
            reached = math.floor(-next_fixing_s / interval_s) + 1.0
            n_due = n_remaining if reached >= n_remaining else int(reached)
            # The division rounds: the fixing is due exactly when its own time says so.
            if n_due < n_remaining and next_fixing_s + n_due * interval_s <= 0.0:
                n_due += 1
            elif next_fixing_s + (n_due - 1) * interval_s > 0.0:
                n_due -= 1
    n_live = n_remaining - n_due
    spacing = interval_s / SECONDS_PER_YEAR
    first = (next_fixing_s + n_due * interval_s) / SECONDS_PER_YEAR
    return Timing(n_due, n_live, first, spacing, first + spacing * (n_live - 1) if n_live > 0 else 0.0)


@kernel
def constants(t: Timing, carry: float) -> UnitConstants:
    """Unit constants of the live fixings; a harmless placeholder where there is none."""
    if t.n_live == 0:
        return unit_constants(1.0, 0.0, 1, 0.0)
    return unit_constants(t.first_time, t.spacing, t.n_live, carry)


@kernel
def single_constants(time: float, carry: float) -> UnitConstants:
    """Unit constants of a single fixing: the lognormal itself."""
    growth = math.exp(carry * time) if carry != 0.0 else 1.0
    return UnitConstants(
        time, math.sqrt(time), 0.0, 0.0, 0.0, 0.0, 0.0, time, 0.0, 0.0, 0.0, time, time, growth, 1.0, carry
    )


@kernel
def split(
    forward: float, strike: float, n_fixings: float, running_sum: float, rate: float, n_due: int, unit: UnitConstants
) -> Split:
    """The split above; there is at least one live fixing."""
    live = forward * unit.growth
    known = running_sum + n_due * forward
    return Split(
        (n_fixings * strike - known) / live,
        n_due / unit.growth,
        known / live,
        unit.growth / n_fixings,
        math.exp(-rate * unit.last_time) if rate != 0.0 else 1.0,
    )
