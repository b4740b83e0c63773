"""The parts of the service of dealer flow that need no Kafka: checkpoints in pieces, where they are of use, readiness."""

from __future__ import annotations

import pytest

import schemas
from schemas import Checkpoint
from streams.flow.fold import STATE_FORMAT
from streams.flow_service import checkpoints, figures
from streams.flow_service.checkpoints import PIECE_BYTES, Identity, Stand
from streams.flow_service.figures import Figures
from streams.flow_service.settings import FoldSettings
from streams.metrics.table import FLOW

NS = 1_000_000_000
IDENTITY = Identity("0123456789abcdef", "1-x", "cpu")


def stand(second: int, *, epoch: int = 1, n_bytes: int = 2 * PIECE_BYTES + 7, **changes: object) -> Stand:
    state = bytes((second + i) % 251 for i in range(n_bytes))
    found = Stand(epoch, second * NS, {"greeks/0": 41, "trades/0": 7}, "a/b", *IDENTITY, STATE_FORMAT, state)
    return found._replace(**changes)  # type: ignore[arg-type]


def written(*stands: Stand) -> dict[str, Checkpoint]:
    """What a compacted topic has after these states: the last record of each key."""
    table: dict[str, Checkpoint] = {}
    for n, item in enumerate(stands):
        table |= dict(checkpoints.pieces("g", "flow.v1", item._replace(slot=n % 2)))
    return table


def test_a_state_comes_back_from_its_pieces_and_each_fits_a_record() -> None:
    one = stand(10)
    table = written(one)
    assert len(table) == 3
    assert all(len(schemas.encode(piece)) <= 512 * 1024 for piece in table.values())
    assert all(key.startswith(checkpoints.prefix("g")) for key in table)
    assert checkpoints.stands(table.items()) == [one]


@pytest.mark.parametrize("n_of_new", [0, 1, 2])
def test_a_state_that_was_not_written_to_its_end_leaves_the_one_before_whole(n_of_new: int) -> None:
    old, older, new = stand(20), stand(10), stand(30)
    table = written(older, old)
    table |= dict(checkpoints.pieces("g", "flow.v1", new)[:n_of_new])
    best = checkpoints.stands(table.items())[0]
    assert best == old._replace(slot=1) and checkpoints.other_slot(best.slot) == new.slot
    table |= dict(checkpoints.pieces("g", "flow.v1", new))
    assert [item.second_ns for item in checkpoints.stands(table.items())] == [30 * NS, 20 * NS]


def test_a_smaller_state_after_a_larger_one_is_not_mixed_with_its_last_pieces() -> None:
    small = stand(30, n_bytes=100)
    table = written(stand(10), stand(20), small)
    assert checkpoints.stands(table.items())[0] == small


def test_the_highest_epoch_is_best_whatever_its_second() -> None:
    table = written(stand(50, epoch=1), stand(20, epoch=2))
    assert checkpoints.stands(table.items())[0].epoch == 2
    assert checkpoints.next_epoch(table.items()) == 3
    assert checkpoints.next_epoch([]) == 1


def test_a_checkpoint_is_of_use_for_the_same_topics_and_while_the_records_behind_it_are_there() -> None:
    edges = {"greeks/0": (10, 100), "trades/0": (0, 8)}
    assert checkpoints.why_unusable(stand(1), "a/b", edges) == ""
    assert "made anew" in checkpoints.why_unusable(stand(1), "a/c", edges)
    assert "format" in checkpoints.why_unusable(stand(1, state_format=99), "a/b", edges)
    assert "greeks/0" in checkpoints.why_unusable(stand(1), "a/b", edges | {"greeks/0": (43, 100)})
    assert checkpoints.why_unusable(stand(1), "a/b", edges | {"greeks/0": (42, 100)}) == "", "the next one is there"
    assert "trades/0" in checkpoints.why_unusable(stand(1), "a/b", edges | {"trades/0": (0, 7)})
    assert "gone" in checkpoints.why_unusable(stand(1), "a/b", {"greeks/0": (0, 100)})


def test_what_may_change_a_byte_is_said_and_opens_an_epoch() -> None:
    assert checkpoints.changes(stand(1), IDENTITY) == ""
    assert checkpoints.changes(stand(1), IDENTITY._replace(settings_hash="x")) == "settings 0123456789abcdef -> x"
    assert checkpoints.why_unusable(stand(1, state_format=2), "a/b", {"greeks/0": (10, 100), "trades/0": (0, 8)}) == ""
    assert checkpoints.changes(stand(1, state_format=2), IDENTITY) == "state format 2 -> 3"


def test_side_topics_want_a_group_of_their_own() -> None:
    with pytest.raises(ValueError, match="group"):
        FoldSettings(out_suffix="again")
    assert FoldSettings(namespace="sim").group_name == "sim.greekstream-flow"
    assert FoldSettings(namespace="sim", group="mine", out_suffix="again").group_name == "mine"


def state_of(**changes: int) -> Figures:
    values = dict.fromkeys(Figures._fields, 0) | {"newest_ns": 100 * NS, "final_ns": 99 * NS}
    return Figures(**(values | changes))


def test_it_is_ready_while_finals_go_out_near_the_newest_second() -> None:
    assert figures.readiness(state_of()).is_ready
    assert "behind" in figures.readiness(state_of(final_ns=80 * NS)).reasons[0]
    assert "no second is final" in figures.readiness(state_of(final_ns=-1)).reasons[0]
    assert "workers" in figures.readiness(state_of(final_ns=-1, newest_ns=-1)).reasons[0]


def test_every_metric_of_the_table_is_served() -> None:
    assert {*figures.samples(state_of()), "ready"} == {metric.name for metric in FLOW}
    assert "final_timestamp_seconds" not in figures.samples(state_of(final_ns=-1)), "what is not known is absent"
