"""Which checkpoint a partition goes on from, under which epoch, and when one is due."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Checkpoint
from streams.worker.checkpoints import (
    Bounds,
    ColdStart,
    Found,
    Resume,
    best,
    decide,
    first_due_s,
    is_history_due,
    key_prefix,
    opener,
)
from streams.worker.folds import Identity

IDENTITY = Identity("settings", "engine-1", "avx2", 7)
BOUNDS = Bounds(100, 200)


def checkpoint(**changes: Any) -> Checkpoint:
    facts: dict[str, Any] = {
        "group": "g", "topic": "t", "partition": 3, "epoch": 4, "offset": 150, "offsets": {}, "log_id": "log",
        "log_time_ns": 0, "settings_hash": "settings", "engine_version": "engine-1", "cpu_features": "avx2",
        "state_format": 7, "state": b"",
    }  # fmt: skip
    return Checkpoint(**(facts | changes))


def found(kafka_offset: int, epoch: int, offset: int) -> Found:
    return Found(kafka_offset, epoch, offset, b"")


def test_best_is_the_highest_offset_of_the_highest_epoch_wherever_it_stands() -> None:
    late_of_a_twin, late_of_an_old_epoch = found(3, 2, 40), found(4, 1, 99)
    items = [found(0, 1, 90), found(1, 2, 10), found(2, 2, 50), late_of_a_twin, late_of_an_old_epoch]
    assert best(items) == found(2, 2, 50)
    assert best([]) is None


def test_the_first_record_under_an_epoch_opens_it() -> None:
    assert opener([found(5, 2, 10), found(3, 2, 99), found(1, 1, 5)], 2) == found(3, 2, 99)
    assert opener([found(1, 1, 5)], 2) is None


def test_the_same_worker_resumes_under_the_same_epoch() -> None:
    plan = decide(checkpoint(), "log", BOUNDS, IDENTITY)
    assert plan == Resume(checkpoint(), 4, False, "")


def test_without_a_checkpoint_the_first_epoch_opens_cold() -> None:
    assert decide(None, "log", BOUNDS, IDENTITY) == ColdStart(1, "no checkpoint")


@pytest.mark.parametrize("offset", [99, 150, 199])
def test_offsets_from_just_before_the_log_to_its_last_record_are_usable(offset: int) -> None:
    assert isinstance(decide(checkpoint(offset=offset), "log", BOUNDS, IDENTITY), Resume)


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"offset": 98}, "begins at 100"), ({"offset": 200}, "ends at 200"), ({"log_id": "x"}, "made anew"),
     ({"state_format": 6}, "state format")],
)  # fmt: skip
def test_an_unusable_checkpoint_starts_cold_under_the_next_epoch_and_says_why(
    changes: dict[str, Any], word: str
) -> None:
    plan = decide(checkpoint(**changes), "log", BOUNDS, IDENTITY)
    assert isinstance(plan, ColdStart)
    assert plan.epoch == 5
    assert word in plan.reason


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"settings_hash": "x"}, "settings"),
        ({"engine_version": "engine-0"}, "engine"),
        ({"cpu_features": "sse"}, "CPU"),
    ],
)
def test_other_settings_engine_or_cpu_go_on_from_the_state_under_the_next_epoch(
    changes: dict[str, Any], word: str
) -> None:
    plan = decide(checkpoint(**changes), "log", BOUNDS, IDENTITY)
    assert isinstance(plan, Resume)
    assert (plan.epoch, plan.opens_epoch) == (5, True)
    assert word in plan.reason


def test_the_key_prefix_does_not_take_partition_1_for_partition_11() -> None:
    assert key_prefix("g", "t", 1) == b"g/t/1/"


def test_history_is_due_once_a_quarter_of_an_hour_of_log_time() -> None:
    quarter = 15 * 60 * 10**9
    assert not is_history_due(5 * quarter, 6 * quarter - 1, quarter)
    assert is_history_due(5 * quarter, 6 * quarter, quarter)
    assert is_history_due(5 * quarter + 1, 9 * quarter, quarter)


@given(st.floats(0, 1e6), st.integers(0, 15))
def test_the_next_checkpoint_is_due_within_one_interval_and_partitions_are_spread(now_s: float, partition: int) -> None:
    due = first_due_s(partition, 16, now_s, 2.0)
    assert now_s < due <= now_s + 2.0 + 1e-6
    assert (due - 2.0 * partition / 16) % 2.0 == pytest.approx(0.0, abs=1e-6) or (
        due - 2.0 * partition / 16
    ) % 2.0 == pytest.approx(2.0, abs=1e-6)
