"""Results of a moment and over time, from rows of history.  Pure: Arrow tables in, Arrow tables out.

Workers deliver at least once, so that two rows may be one result; and a reset writes a past again under a higher epoch.  Of rows of one
instrument and moment the one of the highest (epoch, source offset, result number) counts, as for every reader of the topics.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RANK = "_epoch"
IDENTITY = (RANK, "source_offset", "result_seq", "log_offset")
"""As far as the rows have them: dealer flow has no source of its own, and of its records of one second the later is the final one."""
NS_PER_S = 1_000_000_000
EXPIRED = "EXPIRED"


def newest_by(rows: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    """The newest row of each key, keys ascending: by event time, then identity."""
    if not rows.num_rows:
        return rows
    # who has no epoch is older than the epochs
    ranked = rows.append_column(RANK, pc.fill_null(rows["epoch"], -1))
    identity = [name for name in IDENTITY if name in ranked.column_names]
    order = (*keys, *(() if "ts_event_ns" in keys else ("ts_event_ns",)), *identity)
    ordered = rows.take(pc.sort_indices(ranked, sort_keys=[(name, "ascending") for name in order]))
    is_last = np.ones(ordered.num_rows, dtype=bool)
    same = np.ones(ordered.num_rows - 1, dtype=bool)
    for name in keys:
        column = ordered[name].combine_chunks()
        same &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    is_last[:-1] = ~same
    return ordered.filter(pa.array(is_last))


def newest_at(rows: pa.Table, keys: tuple[str, ...], time_ns: int, max_age_s: float) -> pa.Table:
    """The newest row of each key at a moment, none older than ``max_age_s`` then; later rows are not looked at."""
    times = rows["ts_event_ns"]
    inside = pc.and_(
        pc.less_equal(times, time_ns), pc.greater_equal(times, time_ns - round(max_age_s * NS_PER_S))
    )  # fmt: skip
    return newest_by(rows.filter(inside), keys)


def chain_at(rows: pa.Table, time_ns: int, max_age_s: float) -> pa.Table:
    """The chain as it was known at a moment: the newest row of each instrument that lived then.

    Parameters
    ----------
    rows : of the table ``greeks``; those later than the moment, or older than ``max_age_s`` at it, are not looked at.
    max_age_s : every instrument has a row a minute, so 65 s hold the whole chain; s of log time.
    """
    newest = newest_at(rows, ("instrument_name",), time_ns, max_age_s)
    over = pc.fill_null(pc.less_equal(newest["expiry_ns"], time_ns), False)
    return newest.filter(pc.invert(pc.or_(over, pc.equal(newest["status"], EXPIRED))))


def last_of_each(rows: pa.Table, every_s: float) -> pa.Table:
    """The last row of each instrument in each interval of log time, with the interval's end as ``until_ns``.

    Intervals begin at multiples of ``every_s`` since the epoch; one without a row is not there.
    """
    step_ns = round(every_s * NS_PER_S)
    times = rows["ts_event_ns"].to_numpy()
    until = (times // step_ns + 1) * step_ns
    found = newest_by(rows.append_column("until_ns", pa.array(until, pa.int64())), ("instrument_name", "until_ns"))
    return found.sort_by([("until_ns", "ascending"), ("instrument_name", "ascending")])
