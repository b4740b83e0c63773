"""How a series settles: rules as data, which rule an instrument follows, and where now is in its window.

Integer nanoseconds throughout.  Fixing i of n (1-based) is due at ``expiry - (n - i) interval``: the last exactly at expiry.
How many fixings are known, and their sum, is the fixing record's word alone: a clock tells only how many are due.
"""

from __future__ import annotations

import math
from typing import NamedTuple

NS_PER_S = 1_000_000_000
SECONDS_PER_YEAR = 31_536_000


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


class RuleChoice(NamedTuple):
    """Which rule a group of instruments follows, from an expiry on.  None matches everything."""

    rule_id: str
    kind: str | None = None
    """Instrument kind as on the wire, in lower case: option, future."""
    base_currency: str | None = None
    valid_from_ns: int = 0
    """First expiry that this choice is for, ns UTC."""
    source: str = ""
    """Where it is said."""


class RuleBook(NamedTuple):
    """Rules, and who follows which: the most specific choice wins (currency before kind), among those the newest."""

    rules: dict[str, SettlementRule]
    choices: tuple[RuleChoice, ...]

    def check(self) -> RuleBook:
        """Itself, if it makes sense.

        Raises
        ------
        ValueError : a choice of an unknown rule, a rule whose window is not its fixings, or two choices for the same instruments
            from the same date; the message says what to change.
        """
        for rule_id, rule in self.rules.items():
            if rule_id != rule.rule_id or rule.n_fixings < 1 or rule.window_s != rule.interval_s * rule.n_fixings:
                raise ValueError(
                    f"rule {rule_id!r}: the key must be its rule_id, and window_s = interval_s * n_fixings: {rule}"
                )
        seen = set()
        for choice in self.choices:
            if choice.rule_id not in self.rules:
                raise ValueError(f"choice of {choice.rule_id!r}: no such rule; there are {', '.join(self.rules)}")
            who = (choice.kind, choice.base_currency, choice.valid_from_ns)
            if who in seen:
                raise ValueError(
                    f"two choices for kind, currency and date {who}: give one of them another valid_from_ns"
                )
            seen.add(who)
        return self


DERIBIT = RuleBook(
    RULES,
    (RuleChoice(DEFAULT_RULE_ID, source="30 minutes for every contract of the venue (E-01, E-02)"),),
).check()
"""The venue's book.  A shorter window where an option expires with a future, as once reported, would be one more choice."""


def rule_of(kind: str, base_currency: str, expiry_ns: int | None, book: RuleBook = DERIBIT) -> SettlementRule | None:
    """The rule that an instrument of this expiry follows; None for a perpetual, or where no choice or rule is in force yet."""
    if expiry_ns is None:
        return None
    best: tuple[bool, bool, int] | None = None
    found = None
    for choice in book.choices:
        if choice.kind not in (None, kind) or choice.base_currency not in (None, base_currency):
            continue
        rule = book.rules[choice.rule_id]
        if max(choice.valid_from_ns, rule.valid_from_ns) > expiry_ns:
            continue
        rank = (choice.base_currency is not None, choice.kind is not None, choice.valid_from_ns)
        if best is None or rank > best:
            best, found = rank, rule
    return found


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


class FixingRecord(NamedTuple):
    """What is known of a series' average: the newest ``SettlementFixing``, or nothing yet."""

    n_fixed: int = 0
    running_sum: float = 0.0
    """Sum of the fixings, USD per coin times count."""


NO_FIXINGS = FixingRecord()


class Settlement(NamedTuple):
    """All that pricing needs to know of an instrument's settlement at a moment."""

    rule: SettlementRule
    window: Window
    running_sum: float
    """USD per coin times count; the record's."""
    window_start_ns: int
    window_end_ns: int
    """The expiry."""
    start_offset_years: float
    """From now to the begin of the window, never negative; years of 365 days."""
    n_due: int
    """Fixings at or before now, known or not."""

    @property
    def n_overdue(self) -> int:
        """Fixings that are due and not known."""
        return max(0, self.n_due - self.window.n_fixed)


def resolve(
    kind: str,
    base_currency: str,
    expiry_ns: int | None,
    now_ns: int,
    fixings: FixingRecord = NO_FIXINGS,
    book: RuleBook = DERIBIT,
) -> Settlement | None:
    """Rule and window of an instrument at a moment (A21); None where it has no rule.

    ``n_fixed`` and ``running_sum`` are taken from the record as they are: a fixing that is due but not recorded stays to come,
    at a negative ``next_fixing_s``.

    Raises
    ------
    ValueError : a record that no window of this rule can have (more fixings than it takes, a sum without fixings or without end).
    """
    rule = rule_of(kind, base_currency, expiry_ns, book)
    if rule is None or expiry_ns is None:
        return None
    is_whole = 0 <= fixings.n_fixed <= rule.n_fixings and 0.0 <= fixings.running_sum < math.inf
    if not is_whole or (fixings.n_fixed > 0) != (fixings.running_sum > 0.0):
        raise ValueError(
            f"{fixings} is no record of {rule.rule_id}: want 0 to {rule.n_fixings} fixings and their positive sum"
        )
    start_ns = window_start_ns(expiry_ns, rule)
    return Settlement(
        rule,
        window(expiry_ns, rule, now_ns, fixings.n_fixed),
        fixings.running_sum,
        start_ns,
        expiry_ns,
        max(0, start_ns - now_ns) / (NS_PER_S * SECONDS_PER_YEAR),
        n_due(expiry_ns, rule, now_ns),
    )
