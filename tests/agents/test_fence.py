"""The fence: what may be worked on, and what an await came back from."""

from __future__ import annotations

from streams.worker.fence import Fence


def make() -> tuple[Fence, list[int]]:
    generation = [4]
    return Fence(lambda: generation[0]), generation


def test_nothing_is_admitted_before_an_assignment() -> None:
    fence, _ = make()
    assert not fence.admits(0, 4)


def test_a_record_of_an_owned_partition_and_the_present_generation_is_admitted() -> None:
    fence, _ = make()
    fence.assign([0, 2])
    assert fence.admits(2, 4)
    assert not fence.admits(1, 4), "not owned"
    assert not fence.admits(2, 3), "fetched before the rebalance"
    assert not fence.admits(2, None)


def test_between_revocation_and_assignment_the_old_generation_still_stands_and_nothing_is_admitted() -> None:
    fence, _ = make()
    fence.assign([0])
    fence.revoke()
    assert not fence.admits(0, 4)


def test_a_token_does_not_hold_after_a_revocation_even_under_the_same_generation() -> None:
    fence, _ = make()
    fence.assign([0])
    token = fence.token()
    assert fence.holds(token)
    fence.revoke()
    assert not fence.holds(token)
    fence.assign([0])
    assert not fence.holds(token), "the same generation came back, the states were dropped in between"


def test_a_token_does_not_hold_under_another_generation() -> None:
    fence, generation = make()
    fence.assign([0])
    token = fence.token()
    generation[0] = 5
    assert not fence.holds(token)
