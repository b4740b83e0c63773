"""Finals are a function of the lanes: how they interleave, where the fold was stopped and what came twice cannot be seen in them."""

from __future__ import annotations

import dataclasses
import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from streams.flow.fold import from_bytes, new_state, offsets, resumed, step, to_bytes
from tests import flow_log
from tests.flow_log import Lanes, interleaved, lanes

SEEDS = (11, 12)
CONTEXT = flow_log.CONTEXT._replace(
    flow=dataclasses.replace(
        flow_log.CONTEXT.flow, realised_minutes=(0.05, 0.1), table_sample_s=2.0, table_samples_min=2
    )
)
"""Horizons and histories that a log of 14 seconds fills."""


@cache
def log(seed: int) -> Lanes:
    return lanes(seed, 14, before_expiry_s=8.0)


def fold(found: Lanes, order: random.Random, n: int | None = None) -> tuple[list[bytes], bytes]:
    """Bytes of the finals and of the state, of the first ``n`` arrivals in one order."""
    state, out = new_state(CONTEXT), []
    for arrival in interleaved(found, order)[:n]:
        state, records = step(state, arrival, CONTEXT)
        out += [schemas.encode(record) for record in records]
    return out, to_bytes(state.final)


@cache
def reference(seed: int) -> tuple[list[bytes], bytes]:
    return fold(log(seed), random.Random(0))


@settings(max_examples=6, deadline=None)
@given(seed=st.sampled_from(SEEDS), order=st.randoms(use_true_random=False))
def test_finals_do_not_depend_on_how_the_partitions_interleave(seed: int, order: random.Random) -> None:
    assert fold(log(seed), order) == reference(seed)


@settings(max_examples=6, deadline=None)
@given(seed=st.sampled_from(SEEDS), order=st.randoms(use_true_random=False), share=st.floats(0.0, 1.0))
def test_a_fold_that_was_killed_goes_on_from_its_checkpoint_with_the_same_bytes(
    seed: int, order: random.Random, share: float
) -> None:
    found = log(seed)
    n = int(share * sum(map(len, found.values())))
    before, data = fold(found, order, n)
    final = from_bytes(data, CONTEXT)
    first = offsets(final)
    rest = {key: lane[first.get(key, 0) :] for key, lane in found.items()}
    state, after = resumed(final, CONTEXT), []
    for arrival in interleaved(rest, order):
        state, records = step(state, arrival, CONTEXT)
        after += [schemas.encode(record) for record in records]
    whole, last = reference(seed)
    assert before + after == whole
    assert to_bytes(state.final) == last


@pytest.mark.parametrize("seed", SEEDS)
def test_the_logs_have_an_expiry_trades_repeats_and_provisional_work_in_them(seed: int) -> None:
    """The other tests prove nothing if nothing happens."""
    finals = [schemas.decode(data) for data in reference(seed)[0]]
    flows = [record for record in finals if isinstance(record, schemas.Flow)]
    assert {flow.is_frozen for flow in flows} == {True, False}
    assert {flow.exposures[0].is_trade_signed for flow in flows} == {True, False}
    windows = [record for record in finals if isinstance(record, schemas.SettlementFlow)]
    assert [window.currency for window in windows] == ["BTC", "ETH"], "A34"
    assert all(window.flows[1].n_trades > 0 for window in windows)
    ranked = {one.hpp_percentile for flow in flows for one in flow.realised}
    assert None in ranked and len(ranked) > 2, "J5: histories of the pressure that begin, and that say something"
    state = from_bytes(reference(seed)[1], CONTEXT)
    assert {len(flow.pressures.hpp_usd) for flow in state.flow.values()} == {2}, "and that the checkpoint has"
    repeats = sum(
        len(lane) - len({(a.record.source_offset, a.record.result_seq) for a in lane}) for lane in log(seed).values()
    )
    assert repeats > 0
