"""Samples of a test: one row of every so many seconds, what followed it, and the units that count.

A result of the first n units stays as it is when more data come: a unit counts once nothing of it can change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.flow.uplift.plan import Measure, Plan, PlannedTest, Term, Transform
from streams.flow.uplift.record import NS_PER_S, Array, DataError, Integers, Record

SECONDS_PER_YEAR = 31_536_000.0
Flags = npt.NDArray[np.bool_]


class Samples(NamedTuple):
    """Of one test: complete rows of complete units, in the order of time."""

    times_ns: Integers
    known_ns: Integers
    """When the outcome is known."""
    outcome: Array
    a: Array
    b: Array
    controls: Array
    """(n, k)."""
    units: Integers
    """0, 1, 2, ... rising."""
    dropped: dict[str, int]
    """Rows left out, by reason."""


def transformed(values: Array, transform: Transform) -> Array:
    """nan where it makes no sense: the logarithm of what is not above 0."""
    if transform == Transform.ABS:
        return np.asarray(np.abs(values))
    if transform == Transform.SIGN:
        return np.asarray(np.sign(values))
    if transform == Transform.LOG:
        return np.log(np.where(values > 0.0, values, np.nan))
    return values


def sampled_rows(record: Record, plan: Plan) -> Integers:
    """Rows of the samples: the first of each ``every_s`` seconds since ``begin`` that ``where`` lets through."""
    keep = record.times_ns >= plan.sampling.begin_ns
    for each in plan.sampling.where:
        values = record.columns[each.column]
        keep &= (values >= each.at_least) & (values < each.below)
    rows = np.flatnonzero(keep)
    cells = (record.times_ns[rows] - plan.sampling.begin_ns) // round(plan.sampling.every_s * NS_PER_S)
    return np.asarray(rows[np.diff(cells, prepend=-1) > 0], dtype=np.int64)


def outcome_at(record: Record, rows: Integers, test: PlannedTest, max_gap_s: float) -> tuple[Array, Flags]:
    """The outcome of each row (nan: none), and whether it is merely not known yet.

    ahead, log_return, abs_log_return: of the column at the first row at or after the horizon.  realised_vol: the root of the sum of
    squared log returns from row to row over the horizon, annualised with 365 days.
    """
    times, values = record.times_ns, record.columns[test.outcome_column]
    ends_ns = times[rows] + round(test.horizon_s * NS_PER_S)
    is_pending = ends_ns > times[-1]
    if test.measure == Measure.AS_RECORDED:
        own = values[rows]
        return own, is_pending & np.isnan(own)
    ends = np.minimum(np.searchsorted(times, ends_ns), times.size - 1)
    gap_ns = round(max_gap_s * NS_PER_S)
    is_holed = np.concatenate([[0], np.cumsum(np.diff(times) > gap_ns)])
    has_hole = is_holed[ends] > is_holed[rows]
    if test.measure == Measure.AHEAD:
        found = values[ends]
    else:
        logs = transformed(values, Transform.LOG)
        found = logs[ends] - logs[rows]
        if test.measure == Measure.ABS_LOG_RETURN:
            found = np.abs(found)
        elif test.measure == Measure.REALISED_VOL:
            moves = np.diff(logs, prepend=logs[:1])
            is_unknown = np.concatenate([[0], np.cumsum(np.isnan(moves[1:]))])
            squares = np.cumsum(np.nan_to_num(moves) ** 2)
            found = np.sqrt((squares[ends] - squares[rows]) * (SECONDS_PER_YEAR / test.horizon_s))
            found = np.where(is_unknown[ends] > is_unknown[rows], np.nan, found)
    return np.where(has_hole | is_pending, np.nan, found), is_pending


def _units(record: Record, rows: Integers, is_pending: Flags, plan: Plan) -> tuple[Integers, Flags]:
    """The unit of each row, and whether nothing of it can change."""
    if not plan.sampling.block_column:
        return np.arange(rows.size, dtype=np.int64), ~is_pending
    values = record.columns[plan.sampling.block_column]
    if np.isnan(values[rows]).any():
        raise DataError(f"{plan.sampling.block_column} is not known in some rows that are sampled: want it in each")
    begins = np.diff(values[rows], prepend=np.nan) != 0.0
    starts = values[rows][begins]
    if np.unique(starts).size != starts.size:
        raise DataError(
            f"{plan.sampling.block_column}: a value comes back after another; want blocks that follow each other"
        )
    units = np.cumsum(begins) - 1
    is_complete = ~(np.bincount(units, is_pending, starts.size) > 0)
    is_complete[starts == values[-1]] = False  # until the next one has begun
    return np.asarray(units, dtype=np.int64), np.asarray(is_complete[units], dtype=np.bool_)


def samples_of(record: Record, rows: Integers, test: PlannedTest, plan: Plan) -> Samples:
    """What a test sees of the rows sampled: both models on the same ones."""

    def term(each: Term) -> Array:
        return transformed(record.columns[each.column][rows], each.transform)

    outcome, is_pending = outcome_at(record, rows, test, plan.data.max_gap_s)
    a, b = term(test.predictor_a), term(test.predictor_b)
    controls = np.stack([term(each) for each in test.controls], axis=1) if test.controls else np.zeros((rows.size, 0))
    units, is_complete = _units(record, rows, is_pending, plan)
    reasons = {
        "not complete yet": ~is_complete,
        "no outcome": np.isnan(outcome),
        "no predictor of A": np.isnan(a),
        "no predictor of B": np.isnan(b),
        "no control": np.isnan(controls).any(axis=1),
    }
    keep, dropped = np.ones(rows.size, dtype=np.bool_), {}
    for reason, is_bad in reasons.items():
        if n := int((keep & is_bad).sum()):
            dropped[reason] = n
        keep &= ~is_bad
    times = record.times_ns[rows][keep]
    _, ranks = np.unique(units[keep], return_inverse=True)
    return Samples(
        times, times + round(test.horizon_s * NS_PER_S), outcome[keep], a[keep], b[keep], controls[keep],
        np.asarray(ranks, dtype=np.int64), dropped,
    )  # fmt: skip
