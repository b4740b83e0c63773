"""Settlement rules, the fixing grid and the window resolver (A21, A22, E-01, E-02)."""

from __future__ import annotations

import pytest

from pricers.settlement import DEFAULT_RULE_ID, NS_PER_S, RULES, grid_ns, n_due, next_fixing_s, window, window_start_ns

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
