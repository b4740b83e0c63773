"""Runs and cuts: a partition's state takes only the next offset."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.engines import Cut, Run, contiguous_runs, cut, ingest_wall_of
from streams.worker.work import Inbox, jobs_of


def event(partition: int, offset: int, generation: int = 1) -> Any:
    return SimpleNamespace(message=SimpleNamespace(partition=partition, offset=offset, generation_id=generation))


def admits(partition: int, generation: int | None) -> bool:
    return generation == 1


def test_runs_keep_order_and_break_at_holes_and_steps_back() -> None:
    events = [event(0, 5), event(1, 9), event(0, 6), event(0, 8), event(0, 9), event(0, 2)]
    runs = contiguous_runs(events, admits)
    assert [(run.partition, run.first, run.last) for run in runs] == [(0, 5, 6), (0, 8, 9), (0, 2, 2), (1, 9, 9)]


def test_a_fenced_record_in_the_middle_breaks_the_run() -> None:
    runs = contiguous_runs([event(0, 5), event(0, 6, generation=0), event(0, 7)], admits)
    assert [(run.first, run.last) for run in runs] == [(5, 5), (7, 7)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 1))))
def test_runs_hold_every_admitted_event_once_in_its_partitions_order(items: list[tuple[int, int, int]]) -> None:
    events = [event(*item) for item in items]
    runs = contiguous_runs(events, admits)
    for partition in range(3):
        wanted = [e for e in events if e.message.partition == partition and e.message.generation_id == 1]
        assert [e for run in runs if run.partition == partition for e in run.events] == wanted
    for run in runs:
        offsets = [e.message.offset for e in run.events]
        assert offsets == list(range(run.first, run.last + 1))


@pytest.mark.parametrize(
    ("offset", "first", "last", "want"),
    [
        (9, 10, 12, Cut(0, False)),
        (10, 10, 12, Cut(1, False)),
        (12, 10, 12, Cut(3, False)),
        (40, 10, 12, Cut(3, False)),
        (8, 10, 12, Cut(0, True)),
        (-1, 0, 2, Cut(0, False)),
    ],
)
def test_cut_skips_what_is_known_and_never_steps_over_a_hole(offset: int, first: int, last: int, want: Cut) -> None:
    assert cut(offset, Run(0, [event(0, o) for o in range(first, last + 1)])) == want


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ([("host", b"a"), ("ingest_wall_ns", b"17")], 17),
        ({"ingest_wall_ns": b"17"}, 17),
        ([("ingest_wall_ns", b"soon")], None),
        ([("ingest_wall_ns", None)], None),
        (None, None),
    ],
)
def test_ingest_wall_is_read_from_either_form_of_headers(headers: Any, want: int | None) -> None:
    assert ingest_wall_of(headers) == want


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)), max_size=12), st.integers(1, 20))
def test_jobs_hold_every_run_once_each_partition_in_order_and_once_a_job(
    items: list[tuple[int, int]], n_rows: int
) -> None:
    runs = [Run(partition, [event(partition, i) for i in range(n)]) for partition, n in items]
    jobs = jobs_of(runs, n_rows)
    for partition in range(5):
        wanted = [run for run in runs if run.partition == partition]
        assert [run for job in jobs for run in job if run.partition == partition] == wanted
    for job in jobs:
        assert len({run.partition for run in job}) == len(job) > 0
        assert [run.partition for run in job] == sorted(run.partition for run in job), "locks are taken in one order"
        assert len(job) == 1 or sum(len(run.events) for run in job) <= n_rows


async def test_the_inbox_keeps_order_bounds_batches_and_holds_the_agent_back() -> None:
    inbox = Inbox(max_rows=4)

    async def hand_over(*items: int) -> None:
        """What the agent does."""
        for item in items:
            inbox.put(item)
            if inbox.is_full:
                await inbox.room()

    await hand_over(1, 2, 3)
    putting = asyncio.create_task(hand_over(4, 5, 6))
    await asyncio.sleep(0)
    assert not putting.done(), "more than a batch waits"
    assert await inbox.get() == [1, 2, 3, 4]
    await asyncio.wait_for(putting, 5)
    assert await inbox.get() == [5, 6]
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    assert not getting.done()
    await hand_over(7)
    assert await asyncio.wait_for(getting, 5) == [7]
