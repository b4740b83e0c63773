"""What ``greekstream audit`` says of records: exact quantiles, groups, limits, ranges."""

from __future__ import annotations

import pytest

from schemas import Audit, AuditKind
from streams.cli.audit import span_of
from streams.cli.audit_view import Differences, TooMany, lines, quantile
from tests.results_world import NS, START_NS, audit

CALL = "BTC-27MAR26-100000-C"
MINUTE_NS = 60 * NS


def filled(records: list[Audit], **options: bool) -> Differences:
    found = Differences(**options)
    for record in records:
        found.add(record)
    return found


def test_a_quantile_is_the_smallest_that_so_many_do_not_pass() -> None:
    hundred = [float(i) for i in range(1, 101)]
    assert [quantile(hundred, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50.0, 90.0, 99.0, 100.0]
    assert [quantile([7.0], share) for share in (0.5, 1.0)] == [7.0, 7.0]
    assert quantile([], 0.5) is None


def test_differences_count_by_their_size_and_what_lacks_a_side_is_counted_apart() -> None:
    """ours - other of 0.3, -0.1, 0.2: the median of the magnitudes is 0.2, the sign does not cancel."""
    found = filled([audit(CALL, ours=1.0, other=1.0 - d) for d in (0.3, -0.1, 0.2)] + [audit(CALL, ours=1.0)])
    (facts,) = found.distributions()
    assert (facts["kind"], facts["quantity"], facts["unit"]) == ("VENUE", "delta", "coin per coin")
    assert (facts["n"], facts["n_missing"]) == (3, 1)
    assert [facts[name] for name in ("median", "p90", "p99", "max")] == pytest.approx([0.2, 0.3, 0.3, 0.3])
    assert "expiry" not in facts and "minute" not in facts


def test_a_quantity_that_nobody_could_compare_has_no_quantiles() -> None:
    (facts,) = filled([audit(CALL, other=0.5)]).distributions()
    assert (facts["n"], facts["n_missing"], facts["median"], facts["max"]) == (0, 1, None, None)
    assert lines([facts])[-1].split()[:8] == ["VENUE", "delta", "0", "1", "-", "-", "-", "-"]


def test_groups_are_in_the_order_of_time_expiry_kind_and_quantity() -> None:
    late, linear = "BTC-25DEC26-100000-P", "BTC_USDC-3APR26-90000-C"
    records = [
        audit(late, START_NS, ours=1.0, other=2.0),
        audit(linear, START_NS, ours=1.0, other=2.0),
        audit(CALL, START_NS + MINUTE_NS, ours=1.0, other=2.0),
        audit(CALL, START_NS, kind=AuditKind.EUROPEAN, quantity="delta", ours=1.0, other=2.0),
        audit(CALL, START_NS, quantity="gamma_per_usd", ours=1.0, other=2.0),
        audit(CALL, START_NS + MINUTE_NS - 1, ours=1.0, other=2.0),
    ]
    both = filled(records, by_expiry=True, by_minute=True).distributions()
    first = "2026-01-09T07:30:00Z"
    assert [(f["minute"], f["expiry"], f["kind"], f["quantity"]) for f in both] == [
        (first, "BTC-27MAR26", "VENUE", "delta"),
        (first, "BTC-27MAR26", "VENUE", "gamma_per_usd"),
        (first, "BTC-27MAR26", "EUROPEAN", "delta"),
        (first, "BTC-25DEC26", "VENUE", "delta"),
        (first, "BTC_USDC-3APR26", "VENUE", "delta"),
        ("2026-01-09T07:31:00Z", "BTC-27MAR26", "VENUE", "delta"),
    ]
    assert [line for line in lines(both) if line.startswith("2026")] == [
        f"{first}  BTC-27MAR26", f"{first}  BTC-25DEC26", f"{first}  BTC_USDC-3APR26", "2026-01-09T07:31:00Z  BTC-27MAR26",
    ]  # fmt: skip
    assert [facts["n"] for facts in filled(records).distributions()] == [4, 1, 1]


def test_more_than_is_kept_is_refused_with_what_to_do() -> None:
    found = Differences(most=2)
    found.add(audit(CALL))
    found.add(audit(CALL))
    with pytest.raises(TooMany, match="more than 2 audits: choose a shorter range, or --kind and --currency"):
        found.add(audit(CALL))


def test_without_a_beginning_it_is_the_last_ten_minutes_up_to_the_newest_record() -> None:
    newest = START_NS + 3 * NS
    span = span_of(None, None, newest)
    assert span.since_ns <= newest - 599 * NS and newest < span.until_ns <= newest + NS
    assert span_of(None, START_NS, newest) == (START_NS - 600 * NS, START_NS)
    assert span_of(START_NS, None, newest)[0] == START_NS
    with pytest.raises(ValueError, match="the end must come after the beginning"):
        span_of(START_NS, START_NS, newest)
