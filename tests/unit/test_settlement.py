"""Settlement rules, the fixing grid and the window resolver (A21, A22, E-01, E-02)."""

from __future__ import annotations

import pytest

from pricers.settlement import (
    DEFAULT_RULE_ID,
    DERIBIT,
    NS_PER_S,
    RULES,
    FixingRecord,
    RuleBook,
    RuleChoice,
    SettlementRule,
    grid_ns,
    n_due,
    next_fixing_s,
    resolve,
    rule_of,
    window,
    window_start_ns,
)
from schemas import Kind, names

EXPIRY = 1_681_372_800 * NS_PER_S  # 2023-04-13 08:00 UTC
RULE = RULES["deribit-30min-4s"]


def test_rules_are_whole() -> None:
    for rule_id, rule in RULES.items():
        assert rule.rule_id == rule_id
        assert rule.source
        assert rule.window_s == rule.interval_s * rule.n_fixings
        assert rule.n_fixings >= 1
    assert (RULES[DEFAULT_RULE_ID].window_s, RULES[DEFAULT_RULE_ID].n_fixings) == (1800, 450)


def test_last_fixing_is_at_expiry_and_the_first_one_interval_into_the_window() -> None:
    assert grid_ns(EXPIRY, RULE, 450) == EXPIRY
    assert grid_ns(EXPIRY, RULE, 1) == EXPIRY - 1796 * NS_PER_S
    assert window_start_ns(EXPIRY, RULE) == EXPIRY - 1800 * NS_PER_S


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.rule_id)
def test_due_fixings_are_those_of_the_grid_at_or_before_now(rule) -> None:  # type: ignore[no-untyped-def]
    for offset_ns in (
        -2 * 10**12,
        -1800 * NS_PER_S,
        -1796 * NS_PER_S,
        -1796 * NS_PER_S - 1,
        -5 * NS_PER_S + 3,
        -1,
        0,
        1,
        10**12,
    ):
        now = EXPIRY + offset_ns
        assert n_due(EXPIRY, rule, now) == sum(grid_ns(EXPIRY, rule, i) <= now for i in range(1, rule.n_fixings + 1))


def test_ticks_left_are_the_seconds_left_over_four_rounded_up() -> None:
    """DEFINITIONS, Facts: ticks left = ceil(seconds left / 4)."""
    for seconds, left in ((1800, 450), (1799, 450), (1796, 449), (1795.5, 449), (4, 1), (0.1, 1), (0, 0)):
        assert RULE.n_fixings - n_due(EXPIRY, RULE, EXPIRY - int(seconds * NS_PER_S)) == left


def test_next_fixing_is_negative_while_a_due_one_is_unknown() -> None:
    now = EXPIRY - 1000 * NS_PER_S
    assert n_due(EXPIRY, RULE, now) == 200
    assert next_fixing_s(EXPIRY, RULE, now, 200) == 4.0
    assert next_fixing_s(EXPIRY, RULE, now, 199) == 0.0
    assert next_fixing_s(EXPIRY, RULE, now, 150) == -196.0


def test_window_gives_all_that_pricing_needs() -> None:
    before = window(EXPIRY, RULE, EXPIRY - 7200 * NS_PER_S)
    assert before == (5404.0, 4.0, 450, 0, 7200.0, False)
    inside = window(EXPIRY, RULE, EXPIRY - 1_197_500_000_000, 150)
    assert (inside.next_fixing_s, inside.n_fixed, inside.is_open) == (1.5, 150, True)
    assert not window(EXPIRY, RULE, EXPIRY + 1, 450).is_open
    single = window(EXPIRY, RULES["last-fixing"], EXPIRY - 60 * NS_PER_S)
    assert (single.next_fixing_s, single.n_fixings) == (60.0, 1)


SHORT = SettlementRule("test-5min-4s", 300, 4, 75, "a window of 5 minutes, as reported once (E-02)", EXPIRY)
BOOK = RuleBook(
    {**RULES, SHORT.rule_id: SHORT},
    (
        RuleChoice(DEFAULT_RULE_ID),
        RuleChoice("deribit-30min-6s", kind="option", valid_from_ns=0),
        RuleChoice("deribit-30min-4s", kind="option", valid_from_ns=EXPIRY - 86_400 * NS_PER_S),
        RuleChoice("test-5min-4s", kind="option", base_currency="SOL"),
        RuleChoice("last-fixing", base_currency="XRP"),
    ),
).check()


@pytest.mark.parametrize("name", ["BTC-13APR23-30000-C", "ETH_USDC-13APR23-1900-P", "BTC-13APR23"])
def test_a21_the_venues_window_comes_from_the_name_and_now(name: str) -> None:
    """E-01: 1800 s, 4 s, 450 samples for every contract; the letters of a month are no window (E-02)."""
    parsed = names.parse(name)
    assert parsed.kind in (Kind.OPTION, Kind.FUTURE)
    found = resolve(parsed.kind.name.lower(), parsed.base_currency, parsed.expiry_ns, EXPIRY - 7 * 86_400 * NS_PER_S)
    assert found is not None
    assert (found.rule.window_s, found.rule.interval_s, found.rule.n_fixings) == (1800, 4, 450)
    assert (found.window_start_ns, found.window_end_ns) == (EXPIRY - 1800 * NS_PER_S, EXPIRY)
    assert found.start_offset_years == pytest.approx((7 * 86_400 - 1800) / 31_536_000, rel=1e-15)
    assert (found.window.n_fixed, found.running_sum, found.n_due, found.n_overdue) == (0, 0.0, 0, 0)


def test_a21_the_start_offset_is_never_negative() -> None:
    for offset_s in (-1801, -1800, -900, 0, 60):
        found = resolve("option", "BTC", EXPIRY, EXPIRY + offset_s * NS_PER_S)
        assert found is not None and found.start_offset_years == max(0, -1800 - offset_s) / 31_536_000


def test_a22_overrides_are_by_kind_currency_and_date_and_the_most_specific_wins() -> None:
    day = 86_400 * NS_PER_S

    def rule(kind: str, currency: str, expiry_ns: int | None) -> str | None:
        found = rule_of(kind, currency, expiry_ns, BOOK)
        return None if found is None else found.rule_id

    assert rule("future", "BTC", EXPIRY) == "deribit-30min-4s"
    assert rule("option", "BTC", EXPIRY - 2 * day) == "deribit-30min-6s", "expired before the choice of 4 s"
    assert rule("option", "BTC", EXPIRY - day) == "deribit-30min-4s"
    assert rule("option", "SOL", EXPIRY) == "test-5min-4s"
    assert rule("option", "SOL", EXPIRY - 2 * day) == "deribit-30min-6s", "the rule itself is not in force yet"
    assert rule("option", "XRP", EXPIRY) == "last-fixing", "a currency is more specific than a kind"
    assert rule("perpetual", "BTC", None) is None
    assert rule_of("option", "BTC", EXPIRY, RuleBook(RULES, (RuleChoice(DEFAULT_RULE_ID, kind="future"),))) is None
    assert resolve("perpetual", "BTC", None, EXPIRY) is None


def test_the_count_and_the_sum_are_the_fixing_records_alone() -> None:
    """200 fixings are due, 150 are recorded: what is not recorded stays to come, at a negative time."""
    now = EXPIRY - 1000 * NS_PER_S
    found = resolve("option", "BTC", EXPIRY, now, FixingRecord(150, 4_500_000.0))
    assert found is not None
    assert (found.window.n_fixed, found.running_sum, found.window.next_fixing_s) == (150, 4_500_000.0, -196.0)
    assert (found.n_due, found.n_overdue) == (200, 50)
    none = resolve("option", "BTC", EXPIRY, now)
    assert none is not None and (none.window.n_fixed, none.running_sum, none.n_overdue) == (0, 0.0, 200)
    ahead = resolve("option", "BTC", EXPIRY, now, FixingRecord(201, 6_030_000.0))
    assert ahead is not None and (ahead.window.n_fixed, ahead.n_overdue) == (201, 0), (
        "a clock that is behind takes none away"
    )


@pytest.mark.parametrize(
    "record",
    [
        FixingRecord(451, 1.0),
        FixingRecord(-1, 1.0),
        FixingRecord(0, 5.0),
        FixingRecord(3, 0.0),
        FixingRecord(3, float("inf")),
    ],
)
def test_a_record_that_cannot_be_says_so(record: FixingRecord) -> None:
    with pytest.raises(ValueError, match=r"no record of deribit-30min-4s: want 0 to 450 fixings"):
        resolve("option", "BTC", EXPIRY, EXPIRY, record)


def test_a_book_that_makes_no_sense_says_what_to_change() -> None:
    assert DERIBIT.check() is DERIBIT
    with pytest.raises(ValueError, match="no such rule; there are deribit-30min-4s"):
        RuleBook(RULES, (RuleChoice("deribit-1min"),)).check()
    with pytest.raises(ValueError, match="give one of them another valid_from_ns"):
        RuleBook(RULES, (RuleChoice("last-fixing"), RuleChoice(DEFAULT_RULE_ID))).check()
    with pytest.raises(ValueError, match=r"window_s = interval_s \* n_fixings"):
        RuleBook({"x": SettlementRule("x", 1800, 1, 450, "450 one-second prints in 30 minutes (E-01)", 0)}, ()).check()
