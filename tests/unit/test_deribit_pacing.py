"""Request credits: never more than the burst and the refill allow, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.deribit.pacing import Credits

S = 1_000_000_000


@given(st.lists(st.integers(0, 2 * S), max_size=60))
def test_credits_paid_never_exceed_burst_and_refill(waits):
    credits = Credits(burst=1_000, per_s=100)
    now, paid = 10 * S, 0
    credits.take(0, now)
    for wait in waits:
        now += wait
        paid += 300 * credits.take(300, now)
        assert paid <= 1_000 + 100 * (now - 10 * S) / S + 1e-6


def test_what_is_not_affordable_now_is_exactly_when_it_says():
    credits = Credits(burst=1_000, per_s=100)
    assert credits.take(1_000, 10 * S)
    ready = credits.ready_ns(300)
    assert ready - 13 * S in (0, 1)
    assert not credits.take(300, ready - S // 100)
    assert credits.take(300, ready)


def test_a_clock_that_steps_back_gives_nothing_and_does_not_stop_the_refill():
    credits = Credits(burst=1_000, per_s=100)
    assert credits.take(1_000, 1_000 * S)
    assert not credits.take(100, 10 * S)
    assert not credits.take(100, 10 * S + S // 2)
    assert credits.take(100, 11 * S)


def test_a_request_dearer_than_the_burst_waits_for_a_full_bucket_not_for_ever():
    credits = Credits(burst=100, per_s=100)
    assert credits.take(500, 10 * S)
    assert not credits.take(100, 11 * S)
    assert credits.take(100, 15 * S)
