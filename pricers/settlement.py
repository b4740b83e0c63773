"""How a series settles: rules as data, and where now is in the window. Integer nanoseconds throughout.

Fixing i of n (1-based) is due at ``expiry - (n - i) interval``: the last exactly at expiry.
"""

from __future__ import annotations

from typing import NamedTuple

NS_PER_S = 1_000_000_000


class SettlementRule(NamedTuple):
    """A way of making a delivery price, in force from a date on."""

    rule_id: str
    window_s: int
    """Length of the averaging window, s."""
    interval_s: int
    """Time between fixings, s."""
    n_fixings: int
    """Fixings in the window: window_s / interval_s."""
    source: str
    """Where the numbers come from."""
    valid_from_ns: int
    """First expiry to which the rule applies, ns UTC."""

    @property
    def interval_ns(self) -> int:
        """Time between fixings, ns."""
        return self.interval_s * NS_PER_S


class Window(NamedTuple):
    """An option's fixings seen from a moment."""

    next_fixing_s: float
    """Seconds to the first fixing whose value is not known; negative: it is due. Meaningless once all are fixed."""
    interval_s: float
    n_fixings: int
    n_fixed: int
    tau_s: float
    """Seconds to expiry; negative after it."""
    is_open: bool
    """Whether the averaging window has begun (and expiry is not past)."""


RULES: dict[str, SettlementRule] = {
    rule.rule_id: rule
    for rule in (
        SettlementRule(
            "deribit-30min-4s",
            1800,
            4,
            450,
            "Deribit support: index every 4 s over the last 30 min; recorded data of 2023 and 2026 show 450 ticks of 4 s",
            0,
        ),
        SettlementRule(
            "deribit-30min-6s",
            1800,
            6,
            300,
            "Deribit documentation, older page: index every 6 s over the last 30 min; kept for reading history that says so",
            0,
        ),
        SettlementRule("last-fixing", 0, 0, 1, "European: one fixing at expiry", 0),
    )
}

DEFAULT_RULE_ID = "deribit-30min-4s"


def grid_ns(expiry_ns: int, rule: SettlementRule, i: int) -> int:
    """Moment of fixing ``i``, 1 <= i <= n_fixings."""
    return expiry_ns - (rule.n_fixings - i) * rule.interval_ns


def window_start_ns(expiry_ns: int, rule: SettlementRule) -> int:
    """Begin of the averaging window: one interval before the first fixing."""
    return expiry_ns - rule.window_s * NS_PER_S


def n_due(expiry_ns: int, rule: SettlementRule, now_ns: int) -> int:
    """How many fixings lie at or before now."""
    if rule.interval_ns == 0:
        return rule.n_fixings if now_ns >= expiry_ns else 0
    left = expiry_ns - now_ns
    ahead = -(-left // rule.interval_ns) if left > 0 else 0
    return max(0, rule.n_fixings - ahead)


def next_fixing_s(expiry_ns: int, rule: SettlementRule, now_ns: int, n_fixed: int) -> float:
    """Seconds from now to fixing n_fixed + 1: negative if it is due, its value not being known yet."""
    return (grid_ns(expiry_ns, rule, n_fixed + 1) - now_ns) / NS_PER_S


def window(expiry_ns: int, rule: SettlementRule, now_ns: int, n_fixed: int = 0) -> Window:
    """Everything the pricers need to know of time: from expiry, rule, now and the count of known fixings (the fixing record's)."""
    return Window(
        next_fixing_s(expiry_ns, rule, now_ns, n_fixed),
        float(rule.interval_s),
        rule.n_fixings,
        n_fixed,
        (expiry_ns - now_ns) / NS_PER_S,
        window_start_ns(expiry_ns, rule) <= now_ns <= expiry_ns,
    )
