"""The fold of dealer flow: what is final and when, what the records say of themselves, and where it refuses to go on.

J1, J3, J9-J11, K1, K4, H7: every record names its units, side model, numeraire, coverage and warnings.
"""

from __future__ import annotations

import math
import random
import zlib
from dataclasses import replace
from typing import Any

import orjson
import pytest

import schemas
from schemas import Flow, FlowStrike, Greeks, RowStatus
from streams.flow.fold import (
    Arrival,
    BadCheckpoint,
    OtherLog,
    State,
    WorkersReset,
    from_bytes,
    is_caught_up,
    new_state,
    offsets,
    overrun,
    provisional,
    reread,
    step,
    to_bytes,
)
from streams.flow.fold.lanes import Lane, take
from streams.flow.fold.plain import plain, typed
from streams.flow.fold.state import Context
from streams.flow.publish import FlowState
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from tests.flow_log import CONTEXT, EXPIRY_NS, NS, PARTITIONS, Lanes, interleaved, lanes
from tests.results_world import greeks, watermark

DAY_NS = 86_400 * NS


def fold(arrivals: list[Arrival], context: Context = CONTEXT, state: State | None = None) -> tuple[State, list[Any]]:
    """All records of these arrivals."""
    state = state or new_state(context)
    out: list[Any] = []
    for arrival in arrivals:
        state, records = step(state, arrival, context)
        out += records
    return state, out


@pytest.fixture(scope="module")
def found() -> Lanes:
    return lanes(1)


@pytest.fixture(scope="module")
def quiet() -> Lanes:
    """Nobody trades."""
    return lanes(2, 8, before_expiry_s=3_600.0, trades_a_second=0)


@pytest.fixture(scope="module")
def whole(found: Lanes) -> tuple[State, list[Any]]:
    return fold(interleaved(found, random.Random(0)))


def flows(records: list[Any], currency: str = "BTC") -> list[Flow]:
    return [record for record in records if isinstance(record, Flow) and record.currency == currency]


def clock(second: float, *, offset: int = 0, epoch: int = 1, log_id: str = "log", at: int = 0) -> Arrival:
    """A Watermark of partition 0 at so many seconds."""
    mark = watermark(0, int(second * NS), offset=at)._replace(log_id=log_id)
    return Arrival("greeks", 0, offset, epoch, mark)


def test_a_second_is_final_when_the_last_lane_has_passed_it_and_not_before(found: Lanes) -> None:
    late = ("trades", 2)
    rest = {key: lane for key, lane in found.items() if key != late}
    state, before = fold(interleaved(rest, random.Random(0)))
    assert before == []
    state, out = fold(found[late], state=state)
    assert flows(out) and all(record.is_final and record.late_partitions == () for record in flows(out))
    assert not any(lane.closed for lane in state.lanes.values()), "every second is taken"
    seconds = [record.ts_event_ns for record in flows(out)]
    assert seconds == sorted(set(seconds))


def test_a_final_record_comes_each_second_that_has_a_clock_and_for_each_currency(whole: Any) -> None:
    _, out = whole
    seconds = {currency: [record.ts_event_ns for record in flows(out, currency)] for currency in ("BTC", "ETH")}
    assert seconds["BTC"] == seconds["ETH"]
    # of 24 seconds those with number 5, 12 and 19 have no clock
    first = EXPIRY_NS - 11 * NS
    assert seconds["BTC"] == [first + i * NS for i in range(24) if i % 7 != 5]


def test_a_record_that_comes_again_changes_nothing(found: Lanes, whole: Any) -> None:
    state, _ = fold(interleaved(found, random.Random(0)))
    before = to_bytes(state.final)
    state, out = fold(interleaved(found, random.Random(5)), state=state)
    assert out == []
    assert to_bytes(state.final) == before


def test_a_provisional_record_goes_out_when_a_partition_is_late_and_is_no_history(found: Lanes) -> None:
    """J3: provisional with its missing coverage at once, the final one follows and is what it would have been."""
    state = new_state(CONTEXT)
    early = {key: lane[: len(lane) // 2] for key, lane in found.items()}
    later = {key: lane[len(lane) // 2 :] for key, lane in found.items()}
    state, finals = fold(interleaved(early, random.Random(0)), state=state)
    only = [item for key in later if key[1] != 2 for item in later[key]]
    state, more = fold(only, state=state)
    state, records = provisional(state, CONTEXT)
    assert [record.currency for record in records] == ["BTC", "ETH"]
    record = records[0]
    assert isinstance(record, Flow) and not record.is_final and record.late_partitions == (2,)
    assert record.oldest_log_time_ns is not None and record.oldest_log_time_ns < record.ts_event_ns
    assert record.positions_as_of_ns == state.final.second_ns
    assert any("late" in text for text in record.warnings)
    assert provisional(state, CONTEXT)[1] == [], "one a second"
    state, last = fold([item for key in later if key[1] == 2 for item in later[key]], state=state)
    _, undisturbed = fold(interleaved(found, random.Random(9)))
    assert [schemas.encode(r) for r in finals + more + last] == [schemas.encode(r) for r in undisturbed]
    assert provisional(state, CONTEXT)[1] == [], "nobody is late"


def test_nothing_provisional_goes_out_for_a_lag_below_the_setting(found: Lanes) -> None:
    patient = CONTEXT._replace(flow=replace(CONTEXT.flow, provisional_late_s=3_600.0))
    late = [item for key, lane in found.items() for item in (lane[: len(lane) // 2] if key[1] == 2 else lane)]
    state, _ = fold(late, patient)
    assert provisional(state, patient)[1] == []
    assert len(provisional(state, CONTEXT)[1]) == 2


def test_a_partition_that_is_away_for_long_costs_no_final_and_no_memory(found: Lanes) -> None:
    """DESIGN 5: buffers are bounded; what was given up is read again from behind what is final."""
    early = {key: lane[: len(lane) // 2] for key, lane in found.items()}
    state, finals = fold(interleaved(early, random.Random(0)))
    state = overrun(state)
    rest = [item for key in found if key[1] != 2 for item in found[key][len(early[key]) :]]
    state, none = fold(rest, state=state)
    assert none == [] and not any(lane.closed or lane.opened for lane in state.lanes.values())
    assert len(provisional(state, CONTEXT)[1]) == 2 and not is_caught_up(state, 5.0)
    state, none = fold([item for key in found if key[1] == 2 for item in found[key][len(early[key]) :]], state=state)
    assert none == [] and is_caught_up(state, 5.0)
    state = reread(state, CONTEXT)
    again = {key: lane[offsets(state.final).get(key, 0) :] for key, lane in found.items()}
    state, more = fold(interleaved(again, random.Random(2)), state=state)
    _, undisturbed = fold(interleaved(found, random.Random(9)))
    assert [schemas.encode(r) for r in finals + more] == [schemas.encode(r) for r in undisturbed]


def test_without_trades_the_convention_is_named_coverage_is_zero_and_the_start_is_cold(quiet: Lanes) -> None:
    """K1: an assumption never passes for an observation."""
    _, out = fold(interleaved(quiet, random.Random(0)))
    for record in flows(out):
        assert record.side_model == record.naive_model == "naive_call_plus_put_minus"
        assert (record.side_coverage, record.is_cold_start, record.signed_volume_coin) == (0.0, True, 0.0)
        assert {item.is_trade_signed for item in record.exposures} == {False}
        assert all(item.ngi_low_usd is None and item.side_model == record.naive_model for item in record.exposures)
        assert any("convention naive_call_plus_put_minus" in text for text in record.warnings)
    strikes = [record for record in out if isinstance(record, FlowStrike)]
    assert strikes and {record.trade_signed_ngi_usd for record in strikes} == {None}
    assert all(record.assumption_signed_ngi_usd == record.ngi_usd for record in strikes)


def test_the_convention_is_the_one_that_the_settings_name(quiet: Lanes) -> None:
    short = CONTEXT._replace(side=SideSettings(n_draws=20, naive_model="all_short"))
    _, out = fold(interleaved(quiet, random.Random(0)), short)
    record = flows(out)[-1]
    assert record.side_model == "all_short"
    assert record.exposures[0].ngi_usd is not None and record.exposures[0].ngi_usd < 0.0


def test_exposures_are_the_formulas_over_the_newest_rows(quiet: Lanes) -> None:
    """J1, J2: NGI and DEX by hand, under the convention: calls long, puts short, all of the open interest."""
    _, out = fold(interleaved(quiet, random.Random(0)))
    record = flows(out)[-1]
    primary = record.exposures[0]
    newest: dict[str, Greeks] = {}
    for key, lane in quiet.items():
        if key[0] == "greeks":
            rows = sorted((a.record for a in lane if isinstance(a.record, Greeks)), key=lambda r: r.source_offset)
            newest |= {row.instrument_name: row for row in rows if row.base_currency == "BTC"}
    s = record.index_price
    sign = {1: 1.0, 2: -1.0}
    ngi = math.fsum(sign[r.option_type] * r.open_interest * r.gamma_per_usd * s * s * 0.01 for r in newest.values())  # type: ignore[index,operator]
    dex = math.fsum(sign[r.option_type] * r.open_interest * r.delta * s for r in newest.values())  # type: ignore[index,operator]
    gross = math.fsum(abs(r.open_interest * r.gamma_per_usd * s * s * 0.01) for r in newest.values())  # type: ignore[operator]
    eps = 2.3e-16
    assert abs((primary.ngi_usd or 0.0) - ngi) <= 8 * len(newest) * eps * gross
    assert abs((primary.dex_usd or 0.0) / dex - 1.0) <= 8 * len(newest) * eps * 10
    assert primary.ngi_coin == pytest.approx((primary.ngi_usd or 0.0) / s, rel=4 * eps)
    assert record.n_options == len(newest) == primary.n_used


def test_the_strikes_add_up_to_the_whole(whole: Any) -> None:
    """J8: by strike and expiry, the sums are those of the currency."""
    _, out = whole
    for second in {record.ts_event_ns for record in out if isinstance(record, FlowStrike)}:
        record = next(r for r in flows(out) if r.ts_event_ns == second)
        cells = [r for r in out if isinstance(r, FlowStrike) and (r.ts_event_ns, r.currency) == (second, "BTC")]
        gross = math.fsum(abs(r.ngi_usd or 0.0) for r in cells)
        total = math.fsum(r.ngi_usd for r in cells if r.ngi_usd is not None)
        assert abs(total - (record.exposures[0].ngi_usd or 0.0)) <= 1e-13 * gross
        assert sum(r.n_options for r in cells) == record.n_options
        assert len({(r.expiry_ns, r.strike) for r in cells}) == len(cells)
        for cell in cells:
            held = (cell.call_open_interest_coin or 0.0) + (cell.put_open_interest_coin or 0.0)
            assert abs(cell.position_coin or 0.0) <= held * (1.0 + 1e-12)


def test_both_models_both_numeraires_and_both_kinds_of_sign_stand_side_by_side(whole: Any) -> None:
    """H7, J10: settlement-average and European, usd and coin, trade-signed and assumed."""
    record = flows(whole[1])[-1]
    what = [(e.greeks_source, e.numeraire, e.is_trade_signed) for e in record.exposures]
    assert what[0] == ("settlement_average", "usd", True)
    assert sorted(what) == sorted(
        (source, numeraire, signed)
        for source in ("settlement_average", "european")
        for numeraire in ("usd", "coin")
        for signed in (True, False)
    )
    assert {e.model for e in record.exposures if e.greeks_source == "european"} == {"european_equivalent"}
    rules = [(f.greeks_source, f.smile_rule, f.variant) for f in record.flips]
    assert rules[0] == ("settlement_average", "sticky_strike", "all") and len(set(rules)) == len(rules) == 9
    for flip in record.flips:
        if flip.status == "ok" and flip.band_low_usd is not None and flip.band_high_usd is not None:
            assert flip.band_low_usd < flip.band_high_usd and flip.n_draws == 20


def test_levels_are_frozen_before_the_expiry_with_a_warning_and_move_again_after_it(whole: Any) -> None:
    """J9."""
    for record in flows(whole[1]):
        assert record.is_frozen == (record.ts_event_ns < EXPIRY_NS)
        assert record.is_frozen == any("frozen" in text for text in record.warnings)
        assert record.next_expiry_ns is not None and record.next_expiry_ns > record.ts_event_ns


def test_what_has_expired_is_in_no_book(whole: Any) -> None:
    state, out = whole
    assert all(record.expiry_ns > record.ts_event_ns for record in out if isinstance(record, FlowStrike))
    assert all((row.expiry_ns or 0) > EXPIRY_NS for row in state.final.rows.values())
    assert all(holding.contract.expiry_ns > EXPIRY_NS for holding in state.final.side.holdings.values())


def test_an_option_whose_row_is_too_old_is_counted_and_in_no_sum(quiet: Lanes) -> None:
    """E-10: never a silent zero, never yesterday's number."""
    hasty = CONTEXT._replace(flow=replace(CONTEXT.flow, row_age_max_s=2.0))
    _, out = fold(interleaved(quiet, random.Random(0)), hasty)
    record = flows(out)[-1]
    assert record.n_stale > 0
    assert record.exposures[0].n_missing == record.n_stale
    assert record.exposures[0].n_used == record.n_options - record.n_stale
    assert any("young enough" in text for text in record.warnings)


def test_the_ladder_is_there_on_its_grid_and_has_every_move(whole: Any) -> None:
    for record in flows(whole[1]):
        is_due = record.ts_event_ns // NS % 5 == 0
        assert len(record.ladder) == (2 * 3 * 3 if is_due else 0)
        for place in record.ladder:
            if (place.hours, place.vol_points, place.spot_pct) == (0.0, 0.0, 0.0):
                assert place.hpp_usd == 0.0


def test_of_several_watermarks_in_a_second_the_first_closes_it() -> None:
    lane = Lane()
    assert take(lane, clock(10.2, at=1))
    assert not take(lane, clock(10.9, at=2, offset=1))
    assert take(lane, clock(11.0, at=3, offset=2))
    assert [segment.mark.offset for segment in lane.closed] == [0, 2]


def test_a_watermark_of_another_log_stops_the_fold() -> None:
    lane = Lane()
    take(lane, clock(10.0, at=1))
    with pytest.raises(OtherLog, match="made anew"):
        take(lane, clock(11.0, at=2, log_id="other", offset=1))


@pytest.mark.parametrize(("back_s", "stops"), [(3.0, False), (600.0, True)])
def test_workers_that_were_set_back_stop_the_fold_and_workers_that_came_back_do_not(back_s: float, stops: bool) -> None:
    lane = Lane()
    take(lane, clock(10_000.0, at=100))
    again = clock(10_000.0 - back_s, at=50, epoch=2, offset=1)
    if stops:
        with pytest.raises(WorkersReset, match="set back"):
            take(lane, again)
    else:
        assert not take(lane, again) and lane.n_repeats == 1


def test_a_checkpoint_says_where_to_read_on(found: Lanes, whole: Any) -> None:
    state, _ = whole
    for key, first in offsets(state.final).items():
        before = found[key][:first]
        assert isinstance(before[-1].record, schemas.Watermark)
        assert before[-1].record.log_time_ns >= state.final.second_ns
    assert set(offsets(state.final)) == set(found)


def test_bytes_that_are_no_checkpoint_are_refused(whole: Any) -> None:
    data = to_bytes(whole[0].final)
    assert to_bytes(from_bytes(data, CONTEXT)) == data
    for bad in (b"", b"nothing", data[:-9], data[:40] + bytes(20) + data[60:]):
        with pytest.raises(BadCheckpoint):
            from_bytes(bad, CONTEXT)


def test_a_state_of_before_the_histories_of_the_pressure_is_read_and_they_begin_empty(whole: Any) -> None:
    """What stands in checkpoints when the service is renewed: nothing else of it is lost."""
    final = whole[0].final
    raw = zlib.decompress(to_bytes(final))
    end = 8 + int.from_bytes(raw[:8], "little")
    head = orjson.loads(raw[8:end])
    head |= {"format": 2, "flow": [[currency, state[:-1]] for currency, state in head["flow"]]}
    text = orjson.dumps(head)
    found = from_bytes(zlib.compress(len(text).to_bytes(8, "little") + text + raw[end:]), CONTEXT)
    assert {currency: state.pressures.hpp_usd for currency, state in found.flow.items()} == {"BTC": (), "ETH": ()}
    found.flow = {
        currency: state._replace(pressures=final.flow[currency].pressures) for currency, state in found.flow.items()
    }
    assert to_bytes(found) == to_bytes(final)


def test_every_number_of_a_flow_state_survives_its_plain_form(whole: Any) -> None:
    for state in (*whole[0].final.flow.values(), FlowState()):
        assert plain(typed(plain(state), FlowState)) == plain(state)
    for odd in ((float("inf"), -0.0, 5e-324, 0.1), (1.0, float("nan")), (-0.0, 5e-324, 0.1), ()):
        assert repr(typed(orjson.loads(orjson.dumps(plain(odd))), tuple[float, ...])) == repr(odd)
    assert plain((1, True, RowStatus.OK)) == [1, True, RowStatus.OK.value] and plain((2, 3)) == [2, 3]
    with pytest.raises(ValueError, match="no int"):
        typed("7", int)


def test_settings_that_no_fold_can_have_are_refused() -> None:
    with pytest.raises(ValueError, match="publish_every_s"):
        FlowSettings(publish_every_s=-1.0)


def test_a_row_that_ends_an_instrument_takes_it_out(found: Lanes) -> None:
    state, _ = fold(interleaved(found, random.Random(0)))
    assert not any(row.status == RowStatus.EXPIRED for row in (*state.final.rows.values(), *state.newest.values()))


def test_a_lane_of_no_partition_of_ours_is_left_alone() -> None:
    state, out = fold([Arrival("greeks", 99, 0, 1, watermark(99, NS))])
    assert out == [] and set(state.lanes) == {(topic, p) for topic in ("greeks", "trades") for p in PARTITIONS}


def test_there_is_no_final_before_every_partition_has_begun(found: Lanes) -> None:
    """A cold start reads each lane from a little before its own end; one that is hours behind has a past without the others."""
    behind = ("greeks", 2)
    first = {key: 0 if key[0] == "trades" or key == behind else len(lane) * 2 // 3 for key, lane in found.items()}
    late = {key: [a for a in lane if a.offset >= first[key]] for key, lane in found.items()}
    _, out = fold(interleaved(late, random.Random(0)))
    begun_ns = max(
        next(a.record.log_time_ns for a in lane if isinstance(a.record, schemas.Watermark)) // NS * NS
        for lane in late.values()
    )
    assert flows(out) and flows(out)[0].ts_event_ns == begun_ns
    assert flows(out)[0].is_warming_up, "and the whole chain may not be there yet"
    assert all(record.ts_event_ns >= begun_ns for record in out)


@pytest.mark.parametrize(
    ("coins", "expected_coin"), [((), None), ((0.0,), 0.0), ((1_500.0, 500.0, None, -1.0), 2_000.0)]
)
def test_k4_the_volume_is_of_the_currencys_perpetuals_in_dollars_of_its_index(
    coins: tuple[float | None, ...], expected_coin: float | None
) -> None:
    """K4: the measure of activity; a perpetual that nobody has traded counts as zero, none at all as not known."""
    found = lanes(3, 6, trades_a_second=0)
    lane = found["greeks", 0]
    at_ns = min(item.record.ts_event_ns for item in lane if isinstance(item.record, Greeks))
    names = ("BTC-PERPETUAL", "BTC_USDC-PERPETUAL", "BTC_USDT-PERPETUAL", "BTC_EURR-PERPETUAL")
    volumes = [("ETH-PERPETUAL", 7.0), *zip(names, coins, strict=False)]
    rows = [
        greeks(name, at_ns, seq=i, source_partition=0, base_currency=name[:3], volume_24h=coin, index_price=None)
        for i, (name, coin) in enumerate(volumes)
    ]
    found["greeks", 0] = [Arrival("greeks", 0, i, 1, row) for i, row in enumerate(rows)] + [
        item._replace(offset=item.offset + len(rows)) for item in lane
    ]
    _, out = fold(interleaved(found, random.Random(0)))
    newest = flows(out)[-1]
    quoted = [item.record for one in found.values() for item in one if getattr(item.record, "index_price", None)]
    known = [row for row in quoted if row.price_index == "btc_usd" and row.ts_event_ns <= newest.ts_event_ns]
    index = max(known, key=lambda row: row.ts_event_ns).index_price
    expected = None if expected_coin is None else pytest.approx(expected_coin * index, rel=4e-16)
    assert newest.volume_24h_usd == expected
