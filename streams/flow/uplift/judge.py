"""The whole plan on the whole record, at the looks that the plan allows and at no other."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from streams.flow.uplift.family import adjusted, nominal_levels, rejected_at_look
from streams.flow.uplift.plan import Alternative, Compare, Plan, PlannedTest, Rule, digest
from streams.flow.uplift.record import Record
from streams.flow.uplift.samples import sampled_rows, samples_of
from streams.flow.uplift.trial import Ready, Trial, ready, run


class State(StrEnum):
    """How far the plan has come."""

    WAITING = "waiting"
    """For its first look: nothing is computed of the outcomes."""
    GOING_ON = "going_on"
    """A look is done, and another one may come."""
    DECIDED = "decided"


class Finding(StrEnum):
    """What a test says."""

    B_BETTER = "b_better"
    A_BETTER = "a_better"
    B_ADDS = "b_adds"
    NOTHING_FOUND = "nothing_found"
    """No difference: as good a result as any other, and stated as plainly."""
    CANNOT_BE_JUDGED = "cannot_be_judged"


class Result(NamedTuple):
    test: PlannedTest
    trial: Trial
    p_adjusted: float | None
    """Of a fixed sample; None: alpha is spent over looks, and ``level`` is what p is held against."""
    level: float | None
    finding: Finding
    look: int
    """The look at which it was decided, from 0."""
    dropped: dict[str, int]


class Verdict(NamedTuple):
    """All that a plan and its data say."""

    plan: Plan
    digest: str
    state: State
    n_rows: int
    first_ns: int
    last_ns: int
    n_units: tuple[int, ...]
    """Complete units that each test has."""
    look: int | None
    """The last look done, from 0; None: none."""
    results: tuple[Result, ...]


def _sides(test: PlannedTest) -> int:
    return 2 if test.alternative == Alternative.TWO_SIDED else 1


def _finding(test: PlannedTest, trial: Trial, is_rejected: bool) -> Finding:
    if trial.judged.p_value != trial.judged.p_value:
        return Finding.CANNOT_BE_JUDGED
    if not is_rejected:
        return Finding.NOTHING_FOUND
    if test.compare == Compare.COEFFICIENTS:
        return Finding.B_ADDS
    return Finding.B_BETTER if trial.judged.estimate > 0.0 else Finding.A_BETTER


def judge(plan: Plan, record: Record) -> Verdict:
    """What the record says of the plan.

    A look takes in the first so many units, whatever else is there: it says the same however often and however late it is asked for.
    Before the first look nothing but the count of units comes out.
    """
    rows = sampled_rows(record, plan)
    tests = [ready(samples_of(record, rows, test, plan), test) for test in plan.tests]
    n_units = tuple(each.n_units for each in tests)
    looks = [look for look, n in enumerate(plan.stop.looks) if min(n_units, default=0) >= n]
    verdict = Verdict(
        plan, digest(plan), State.WAITING, record.n_read, int(record.times_ns[0]), int(record.times_ns[-1]), n_units,
        None, (),
    )  # fmt: skip
    if not looks:
        return verdict
    decide = _fixed if plan.stop.rule == Rule.FIXED else _sequential
    state, look, results = decide(plan, tests, looks)
    return verdict._replace(state=state, look=look, results=results)


def _fixed(plan: Plan, tests: list[Ready], looks: list[int]) -> tuple[State, int, tuple[Result, ...]]:
    trials = [run(it, test, plan, plan.stop.looks[0]) for it, test in zip(tests, plan.tests, strict=True)]
    p_adjusted = adjusted([trial.judged.p_value for trial in trials], plan.correction)
    results = tuple(
        Result(test, trial, p, None, _finding(test, trial, p <= plan.alpha), 0, it.samples.dropped)
        for test, trial, p, it in zip(plan.tests, trials, p_adjusted, tests, strict=True)
    )
    return State.DECIDED, 0, results


def _sequential(plan: Plan, tests: list[Ready], looks: list[int]) -> tuple[State, int, tuple[Result, ...]]:
    sides = [_sides(test) for test in plan.tests]
    is_rejected = tuple(False for _ in plan.tests)
    results: list[Result | None] = [None] * len(plan.tests)
    look = 0
    for look in looks:
        trials = [run(it, test, plan, plan.stop.looks[look]) for it, test in zip(tests, plan.tests, strict=True)]
        p_values = [trial.judged.p_value for trial in trials]
        before = is_rejected
        is_rejected = rejected_at_look(p_values, before, plan.stop.spending, plan.alpha, plan.stop.looks, look, sides)
        left = max(is_rejected.count(False), 1)
        for i, (test, trial) in enumerate(zip(plan.tests, trials, strict=True)):
            if not before[i]:  # what is decided stays so
                level = nominal_levels(plan.stop.spending, plan.alpha / left, plan.stop.looks, sides[i])[look]
                finding = _finding(test, trial, is_rejected[i])
                results[i] = Result(test, trial, None, level, finding, look, tests[i].samples.dropped)
        if all(is_rejected):
            break
    is_over = all(is_rejected) or look == len(plan.stop.looks) - 1
    return State.DECIDED if is_over else State.GOING_ON, look, tuple(each for each in results if each is not None)
