"""Laws of the dealer side over any tape: bounds, mirrors, repeats, shards, checkpoints (K1, K2; DEFINITIONS 3.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas import Direction, Liquidation, OptionTrade
from streams.flow.side import WEIGHTS, KeptDraws, SideSettings, SideState, from_bytes, positions, step, to_bytes
from streams.flow.side.moves import Chances, Evidence, informed_move, plain_move, reweighed
from tests.dealer_side.records import CALL, PUT, contract, interest, trade

NAMES = (CALL, PUT, "ETH-27MAR26-3000-C")
KINDS: list[dict[str, Any]] = [
    {},
    {"mark": 0.06},
    {"combo_id": "C", "combo_trade_id": "1"},
    {"block_trade_id": "B1"},
    {"block_trade_id": "B2", "block_rfq_id": 2},
    {"liquidation": Liquidation.TAKER},
    {"liquidation": Liquidation.MAKER},
    {"liquidation": Liquidation.BOTH},
]
SETTINGS = SideSettings(n_draws=50)

TRADES = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(["buy", "sell"]), st.integers(1, 500), st.sampled_from(KINDS)
)
TICKERS = st.tuples(st.sampled_from(NAMES), st.integers(0, 2_000))
EVENTS = st.lists(st.one_of(TRADES, TICKERS), min_size=1, max_size=25)
GAPS_S = st.sampled_from([0.0, 0.1, 3.0])


@st.composite
def tapes(draw: st.DrawFn) -> list[Any]:
    """Any trades and tickers of three options, in order of time; a ticker need not agree with the trades."""
    records: list[Any] = [contract(name) for name in sorted(draw(st.sets(st.sampled_from(NAMES))))]
    at, seqs = 0.0, dict.fromkeys(NAMES, 0)
    for event in draw(EVENTS):
        at += draw(GAPS_S)
        if len(event) == 2:
            records.append(interest(event[1] / 10, at=at, name=event[0]))
        else:
            name, side, lots, more = event
            seqs[name] += draw(st.integers(1, 2))
            records.append(trade(side, lots / 10, at=at, seq=seqs[name], name=name, **more))
    return records


def fold(records: list[Any], settings: SideSettings = SETTINGS) -> SideState:
    state = SideState()
    for record in records:
        state = step(state, record, settings)
    return state


@given(tapes(), st.sampled_from(["flow_inferred", "flow_shrunk"]))
def test_the_position_and_every_draw_are_within_the_open_interest_after_every_record(tape, model):
    settings, state = replace(SETTINGS, side_model=model), SideState()
    for record in tape:
        state = step(state, record, settings)
        found = positions(state, NAMES, settings)
        known = ~np.isnan(found.open_interest_coin)
        bound = found.open_interest_coin[known] * (1 + 4e-16)
        assert np.all(np.abs(found.position_coin[known]) <= bound)
        assert np.all(np.abs(found.draws_coin[:, known]) <= bound)
        assert np.all(np.isnan(found.position_coin[~known]))
        assert np.all((found.coverage[known] >= 0) & (found.coverage[known] <= 1))


@given(tapes(), st.sampled_from(["flow_inferred", "flow_shrunk"]))
def test_kept_draws_give_the_same_numbers_to_the_bit(tape, model):
    settings, state, kept = replace(SETTINGS, side_model=model), SideState(), KeptDraws()
    for record in tape:
        state = step(state, record, settings)
        for mine, theirs in zip(
            positions(state, NAMES, settings), positions(state, NAMES, settings, kept), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@given(tapes())
def test_flow_is_conserved_trade_by_trade(tape):
    """The sum of -s q w by class equals what the holdings say: nothing is lost, nothing counted twice."""
    state = fold(tape)
    trades = [record for record in tape if isinstance(record, OptionTrade)]
    counted = sum(n for what, n in state.counters.items() if what.startswith("class_"))
    assert counted == len(trades)
    for name in NAMES:
        mine = [t for t in trades if t.instrument_name == name]
        if mine:
            assert abs(state.holdings[name].volume_coin - sum(t.amount_coin for t in mine)) <= 1e-9
            assert abs(state.holdings[name].flow_coin) <= state.holdings[name].signed_volume_coin * (1 + 1e-12)


def mirrored(record: Any) -> Any:
    if not isinstance(record, OptionTrade):
        return record
    return record._replace(direction=Direction.SELL if record.direction == Direction.BUY else Direction.BUY)


CERTAIN = replace(
    SETTINGS,
    side_model="flow_inferred",
    start_sd=0.0,
    p_close_sd=0.0,
    weights=tuple(w._replace(weight=-1.0 if w.weight < 0 else 1.0, p_neither=0.0, weight_sd=0.0) for w in WEIGHTS),
)


@given(tapes())
def test_a_mirrored_tape_mirrors_the_flow_and_where_the_dealer_is_certain_the_position(tape):
    plain = [record._replace(mark=None) if isinstance(record, OptionTrade) else record for record in tape]
    one, other = fold(plain), fold([mirrored(record) for record in plain])
    assert {n: h.flow_coin for n, h in one.holdings.items()} == {n: -h.flow_coin for n, h in other.holdings.items()}
    one, other = fold(plain, CERTAIN), fold([mirrored(record) for record in plain], CERTAIN)
    if all(h.unexplained_coin == 0.0 for h in one.holdings.values()):  # nobody knows who the unseen ones were
        found = [positions(state, NAMES, CERTAIN).position_coin for state in (one, other)]
        np.testing.assert_array_equal(found[0], -found[1])


draws_strategy = st.lists(st.integers(-200, 200), min_size=2, max_size=40).map(lambda xs: np.array(xs) / 10 + 0.013)
SHARES = st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0])


@given(draws_strategy, st.sampled_from([1, -1]), st.integers(1, 300), SHARES, st.randoms(use_true_random=False))
def test_moves_are_odd(draws, sign, lots, share, random):
    """Mirrored positions and sides give mirrored draws and the same likelihoods."""
    n = len(draws)
    makers = np.array([random.uniform(0.0, 0.9) for _ in range(n)])
    chances = Chances(makers, 0.1 * (1 - makers))
    evidence = Evidence(np.array([random.uniform(0.1, 0.9) for _ in range(n)]), random.uniform(0, 1), 0.03)
    uniforms = np.array([random.uniform(0.001, 0.999) for _ in range(n)])
    amount = lots / 10 + 0.007
    moved, foresaw = informed_move(draws, sign, amount, chances, share, evidence, uniforms)
    other, foresaw_other = informed_move(-draws, -sign, amount, chances, share, evidence, uniforms)
    assert np.array_equal(moved, -other) and np.array_equal(foresaw, foresaw_other)
    assert np.array_equal(
        plain_move(draws, sign, amount, chances, uniforms), -plain_move(-draws, -sign, amount, chances, uniforms)
    )


@given(draws_strategy, st.randoms(use_true_random=False))
def test_reweighing_keeps_ranks_and_the_weighted_mean(draws, random):
    """The mean to a step of the weighted distribution: (largest - smallest) / n at most."""
    weights = np.array([random.choice([0.1, 0.4, 0.97]) for _ in draws])
    found = reweighed(draws, weights)
    assert set(found) <= set(draws)
    assert np.all(np.diff(found[np.argsort(draws, kind="stable")]) >= 0)
    expected = float(weights @ draws / weights.sum())
    assert abs(float(np.mean(found)) - expected) <= np.ptp(draws) / len(draws) + 1e-12


@given(tapes())
def test_every_record_twice_changes_nothing_but_the_count_of_repeats(tape):
    once, twice = fold(tape), fold([record for record in tape for _ in range(2)])
    again = fold([*tape, *tape])
    for state in (twice, again):
        state.counters.pop("repeated", None)
        state.counters |= {key: n for key, n in once.counters.items() if not key.startswith("class_")}
        assert to_bytes(state) == to_bytes(once)


@given(tapes(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_interleaving_and_any_number_of_shards_give_the_same_holdings(tape, random, n_shards):
    whole = fold(tape)
    by_name: dict[str, list[Any]] = {}
    for record in tape:
        by_name.setdefault(record.instrument_name, []).append(record)
    order = [name for name, records in by_name.items() for _ in records]
    random.shuffle(order)
    queues = {name: iter(records) for name, records in by_name.items()}
    shards = [SideState() for _ in range(n_shards)]
    for name in order:
        i = NAMES.index(name) % n_shards
        shards[i] = step(shards[i], next(queues[name]), SETTINGS)
    together = SideState()
    for shard in shards:
        together.holdings |= shard.holdings
        for what, n in shard.counters.items():
            together.counters[what] = together.counters.get(what, 0) + n
    assert to_bytes(together) == to_bytes(whole)


@given(tapes(), st.integers(0, 30))
def test_a_checkpoint_anywhere_changes_nothing(tape, cut):
    resumed = from_bytes(to_bytes(fold(tape[:cut])), SETTINGS)
    for record in tape[cut:]:
        resumed = step(resumed, record, SETTINGS)
    assert to_bytes(resumed) == to_bytes(fold(tape))
