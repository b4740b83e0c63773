"""B21, K5, L6: merged exposure as records, and the share of futures open interest from files."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas import Flow, FlowMerged, FlowStrike
from streams.cme.book import Facts
from streams.cme.dbn import read_dbn
from streams.cme.futures_interest import FuturesInterest, days, newest_signals, readings, step
from streams.cme.merged import (
    Arrived,
    MarkBatch,
    MergeState,
    StrikeSet,
    Terms,
    are_strikes_ahead,
    first_needed,
    is_flow_ahead,
)
from streams.cme.merged import step as merge_step
from streams.cme.refused import Refused
from streams.cme.roots import CME
from streams.cme.share import ShareSettings
from streams.cme.venues_csv import VenueInterest, venue_rows
from streams.cme_service import merging
from streams.cme_service.merging import Assembly, Merging
from streams.cme_service.open_interest import read_share
from tests.cme_files import DAY_NS, csv_file, csv_row, dbn_file, open_interest
from tests.cme_world import DAY, FACTS, TAKEN, VECTOR, WEEK, F, K, future, marked
from tests.flow_records import flow, second, strike

NS = 10**9
NOW = TAKEN + 3600 * NS
TERMS = Terms(5 * DAY_NS, "0123456789abcdef")
MARKS = MarkBatch(NOW, tuple(marked(*VECTOR, open_interest(7, DAY, 20, event_ns=NOW), now=NOW)))


def run(records: list[Any], state: MergeState | None = None) -> tuple[MergeState, list[FlowMerged]]:
    state, out = state or MergeState(), []
    for offset, record in enumerate(records):
        state, found = merge_step(state, Arrived(offset, record), TERMS)
        out += found
    for one in out:
        assert schemas.decode(schemas.encode(one)) == one
    return state, out


def test_a_record_has_both_venues_and_both_kinds_of_sign_in_columns_of_their_own() -> None:
    _, (found,) = run([MARKS, *second(NOW), strike(NOW + NS, 1.0)])
    assert (found.currency, found.ts_event_ns, found.is_final) == ("BTC", NOW, True)
    assert found.deribit_trade_signed_usd_per_pct == 600_000.0
    assert found.deribit_assumption_signed_usd_per_pct == -200_000.0
    assert found.cme_trade_signed_usd_per_pct is None, "nobody says who CME's dealers are"
    (mark,) = MARKS.marks
    assert found.cme_assumption_signed_usd_per_pct == mark.gamma_usd_per_pct_assumption_signed
    assert (found.deribit_trade_side_models, found.deribit_assumption_side_models) == (("flow_shrunk",), ("all_short",))
    assert found.cme_side_models == ("naive_call_plus_put_minus",)
    assert (found.n_cme_marks, found.n_cme_without, found.deribit_side_coverage) == (1, 0, 0.4)
    assert (found.deribit_as_of_ns, found.cme_as_of_ns) == (NOW, TAKEN + 3600 * NS)
    assert found.settings_hash == TERMS.settings_hash and found.warnings == ()


def test_strikes_of_both_venues_are_in_terms_of_the_index() -> None:
    """Where the index would be if each contract's own forward were at its strike."""
    _, (found,) = run([MARKS, *second(NOW), strike(NOW + NS, 1.0)])
    expected = [90_000.0 / 1.005, K * 100_000.0 / F, 110_000.0 / 1.005]
    assert [one.strike_index for one in found.strikes] == pytest.approx(expected, rel=1e-15)
    assert found.strikes[1].deribit_trade_signed_usd_per_pct is None
    assert found.strikes[0].cme_assumption_signed_usd_per_pct is None


def test_a_strike_without_a_forward_is_in_no_column_and_is_said() -> None:
    lost = strike(NOW, 110_000.0, forward=None)
    _, (found,) = run([flow(NOW), strike(NOW, 90_000.0), lost, strike(NOW + NS, 1.0)])
    assert found.deribit_trade_signed_usd_per_pct == 270_000.0
    assert "1 strikes of Deribit have no forward: left out" in found.warnings


@pytest.mark.parametrize(
    ("age_ns", "says"),
    [
        (0, ""),
        (25 * 3600 * NS, "CME's marks are 25 h old"),
        (6 * DAY_NS, "older than 5 days"),
        (-1, "of a later moment"),
    ],
)
def test_marks_of_another_time_are_named_and_too_old_or_later_ones_left_out(age_ns: int, says: str) -> None:
    now = NOW + age_ns
    _, (found,) = run([MARKS, *second(now), strike(now + NS, 1.0)])
    is_used = 0 <= age_ns <= 5 * DAY_NS
    assert (found.cme_assumption_signed_usd_per_pct is not None) is is_used
    assert says in "; ".join(found.warnings)


def test_an_option_that_has_expired_since_its_mark_is_nobodys() -> None:
    later = MarkBatch(WEEK - NS, tuple(mark._replace(ts_event_ns=WEEK - NS) for mark in MARKS.marks))
    _, (before, after) = run([later, *second(WEEK - 1), *second(WEEK), strike(WEEK + NS, 1.0)])
    assert before.cme_assumption_signed_usd_per_pct is not None
    assert after.cme_assumption_signed_usd_per_pct is None and after.n_cme_marks == 0


def test_of_two_batches_the_newest_that_is_not_later_counts_whichever_came_first() -> None:
    early = MarkBatch(NOW - DAY_NS, ())
    late = MarkBatch(NOW + DAY_NS, ())
    for batches in ([early, MARKS, late], [late, MARKS, early]):
        _, (found,) = run([*batches, *second(NOW), strike(NOW + NS, 1.0)])
        assert found.n_cme_marks == 1


def test_provisional_flow_is_no_flow() -> None:
    _, found = run([flow(NOW, is_final=False), *second(NOW)[1:], strike(NOW + NS, 1.0)])
    assert found == []


def test_a_set_whose_second_has_no_flow_is_given_up_and_counted() -> None:
    state, found = run([*second(NOW)[1:], *second(NOW + NS), strike(NOW + 2 * NS, 1.0)])
    assert [one.ts_event_ns for one in found] == [NOW + NS]
    assert state.n_without_flow == 1 and not state.waiting["BTC"]


def test_a_cold_fold_says_nothing_of_the_set_that_it_began_in() -> None:
    records = [*second(NOW)[:-1], *second(NOW + NS), strike(NOW + 2 * NS, 1.0)]
    _, found = run(records, MergeState(is_cold=True))
    assert [one.ts_event_ns for one in found] == [NOW + NS]


INTERLEAVED = [*second(NOW), *second(NOW + NS), *second(NOW, "ETH"), *second(NOW + NS, "ETH"), *second(NOW + 2 * NS)]


@given(st.lists(st.booleans(), min_size=len(INTERLEAVED), max_size=len(INTERLEAVED)))
def test_the_order_in_which_the_two_topics_are_read_changes_nothing(turns: list[bool]) -> None:
    topics: list[list[Any]] = [
        [record for record in INTERLEAVED if isinstance(record, kind)] for kind in (Flow, FlowStrike)
    ]
    mixed = [MARKS, *(topics[turn].pop(0) for turn in turns if topics[turn]), *topics[0], *topics[1]]
    _, expected = run([MARKS, *INTERLEAVED])
    _, found = run(mixed)
    assert [one for one in found if one.currency == "BTC"] == [one for one in expected if one.currency == "BTC"]
    assert [one for one in found if one.currency == "ETH"] == [one for one in expected if one.currency == "ETH"]
    assert len(found) == 3


@given(st.integers(0, len(INTERLEAVED)))
def test_a_crash_anywhere_loses_nothing_and_repeats_nothing(cut: int) -> None:
    """Offsets and what has been said are the progress; batches are read anew."""
    places = {kind: [i for i, one in enumerate(INTERLEAVED) if isinstance(one, kind)] for kind in (Flow, FlowStrike)}

    def fold(state: MergeState, begins: dict[Any, int], ends: int) -> list[FlowMerged]:
        out: list[FlowMerged] = []
        merge_step(state, Arrived(0, MARKS), TERMS)
        for i, record in enumerate(INTERLEAVED[:ends]):
            if i >= begins[type(record)]:
                out += merge_step(state, Arrived(i, record), TERMS)[1]
        return out

    start, whole = {Flow: 0, FlowStrike: 0}, len(INTERLEAVED)
    first = MergeState()
    before = fold(first, start, cut)
    following = {kind: next((i for i in at if i >= cut), whole) for kind, at in places.items()}
    flow_from, strikes_from = first_needed(first, following[Flow], following[FlowStrike])
    second_run = MergeState(said_ns=dict(first.said_ns))
    after = fold(second_run, {Flow: flow_from, FlowStrike: strikes_from}, whole)
    assert before + after == fold(MergeState(), start, whole)


def test_the_state_is_bounded() -> None:
    state, _ = run([flow(NOW + i * NS) for i in range(700)] + [MarkBatch(i, ()) for i in range(20)])
    assert (len(state.flows["BTC"]), len(state.batches)) == (600, 8)
    assert is_flow_ahead(state) and not are_strikes_ahead(state)
    behind, _ = run([strike(NOW + i * NS, 1.0) for i in range(300)])
    assert len(behind.waiting["BTC"]) == 120 and behind.n_without_flow == 179
    assert are_strikes_ahead(behind) and not is_flow_ahead(behind)
    assert isinstance(StrikeSet(1, 2, {}).rows, dict)


def test_a_batch_is_one_when_all_its_marks_are_there() -> None:
    (mark,) = MARKS.marks
    both = [mark, mark._replace(instrument_name="other")]

    def headers(seq: int, batch: bytes = b"a") -> dict[str, bytes]:
        return {"batch": batch, "result_seq": str(seq).encode(), "n_results": b"2"}

    assembly = Assembly()
    assert assembly.take(both[1], headers(1)) is None, "its beginning has been deleted"
    assert assembly.take(both[0], headers(0)) is None
    assert assembly.take(both[1], headers(1, b"b")) is None, "of another batch"
    assert assembly.take(both[0], headers(0)) is None, "begun anew"
    assert assembly.take(both[1], headers(1)) == MarkBatch(NOW, tuple(both))
    assert assembly.take(mark, {}) is None


def test_batches_of_two_writers_that_lie_between_each_other_are_both_whole() -> None:
    """K5: one writer that was asleep wakes while another writes."""
    (mark,) = MARKS.marks
    assembly, whole = Assembly(), []
    for batch, seq in ((b"a", 0), (b"b", 0), (b"a", 1), (b"b", 1), (b"c", 0), (b"a", 1)):
        headers = {"batch": batch, "result_seq": str(seq).encode(), "n_results": b"2"}
        whole.append(assembly.take(mark._replace(instrument_name=f"{batch!r} {seq}"), headers))
    names = [[one.instrument_name for one in found.marks] for found in whole if found is not None]
    assert names == [["b'a' 0", "b'a' 1"], ["b'b' 0", "b'b' 1"]] and whole[2] is not None and whole[3] is not None
    for i in range(20):
        assembly.take(mark, {"batch": str(i).encode(), "result_seq": b"0", "n_results": b"2"})
    assert assembly.take(mark, {"batch": b"c", "result_seq": b"1", "n_results": b"2"}) is None, "bounded"


def test_a_cold_fold_that_reads_its_first_set_again_after_a_restart_does_not_take_the_rest_of_it_for_a_whole_one() -> (
    None
):
    state, found = run([*second(NOW)[:-1], *second(NOW + NS)], MergeState(is_cold=True))
    again = MergeState(is_cold=True, begun=state.begun, said_ns=state.said_ns)
    _, more = run([second(NOW)[-1], *second(NOW + NS), strike(NOW + 2 * NS, 1.0)], again)
    assert found == [] and [one.ts_event_ns for one in more] == [NOW + NS]


# --- CME's share ---

SHARE = ShareSettings(n_days=4, n_days_above=3)


def interest(*records: Any) -> FuturesInterest:
    held = FuturesInterest()
    read = read_dbn(dbn_file(records), "x")
    for row in (*read.definitions, *read.statistics):
        step(held, row, Facts())
    return held


def test_futures_open_interest_is_coin_by_day_and_currency_options_apart() -> None:
    micro = future(4, "MBTM6", "MBT")
    records = (
        open_interest(3, DAY, 1000), micro, open_interest(4, DAY, 5000), *VECTOR, open_interest(7, DAY, 77),
        open_interest(3, DAY + DAY_NS, 1100),
    )  # fmt: skip
    found = days(interest(*records), 1.0, CME)
    assert found == [
        (date(2026, 6, 12), "BTC", 1000 * 5.0 + 5000 * 0.1, 2),
        (date(2026, 6, 13), "BTC", 5500.0, 1),
    ]
    assert days(interest(*records), 2.0, CME)[1].open_interest_coin == 2750.0


def test_the_newest_figure_of_a_day_counts_in_any_order_and_days_are_bounded() -> None:
    early, late = open_interest(3, DAY, 1, sequence=1), open_interest(3, DAY, 2, sequence=2)
    for some in ((early, late), (late, early, late)):
        assert days(interest(future(), *some), 1.0, CME)[0].open_interest_coin == 10.0
    many = [open_interest(3, DAY + i * DAY_NS, i) for i in range(100)]
    assert len(days(interest(future(), *many), 1.0, CME)) == 60


def test_a_settlement_files_open_interest_is_of_the_business_day_before() -> None:
    held = FuturesInterest()
    row = csv_row("BTC", "BTC", date(2026, 6, 15), "202606", date(2026, 6, 26), kind="FUT", open_interest="40")
    from streams.cme.settlement_csv import settlement_rows

    for one in settlement_rows(csv_file([row]), "x"):
        step(held, one, FACTS)  # type: ignore[arg-type]
    assert days(held, 1.0, CME) == [(date(2026, 6, 12), "BTC", 200.0, 1)]


def test_venues_of_ones_own_file_are_read_line_by_line() -> None:
    lines = ("2026-06-12,btc,Binance,12.5", "2026-06-31,BTC,Bybit,1", ",BTC,x,1", "1,2", "2026-06-12,BTC,OKX,nan")
    text = "\n".join(("day,currency,venue,open_interest_coin", *lines)).encode()
    found = list(venue_rows(text, "v.csv"))
    assert found[0] == VenueInterest(date(2026, 6, 12), "BTC", "Binance", 12.5)
    assert [one.reason for one in found[1:] if isinstance(one, Refused)] == ["date", "date", "columns", "number"]
    (refused,) = venue_rows(b"a,b", "v.csv")
    assert isinstance(refused, Refused) and refused.reason == "header"


@given(st.binary(max_size=80))
def test_no_bytes_raise(tail: bytes) -> None:
    for _ in venue_rows(b"day,currency,venue,open_interest_coin\n" + tail, "v.csv"):
        pass


def test_l6_the_share_is_of_days_on_which_every_venue_has_a_figure_and_a_rise_lasts(tmp_path: Path) -> None:
    """CME has 400 coin against 3 x 200: 40 %."""
    start = date(2026, 6, 8)
    lines = ["day,currency,venue,open_interest_coin"]
    lines += [
        f"{start + timedelta(days=i)},BTC,{venue},200" for i in range(5) for venue in ("Binance", "Bybit", "OKX")
    ]  # fmt: skip
    (tmp_path / "venues.csv").write_text("\n".join(lines))
    records = [future(), *(open_interest(3, DAY + (i - 4) * DAY_NS, 80) for i in (0, 1, 2, 4, 5))]
    (tmp_path / "statistics.dbn").write_bytes(dbn_file(records))
    found = read_share([tmp_path], SHARE, 1.0)
    signal = found.signals["BTC"]
    assert signal.share_of_futures_open_interest == pytest.approx(0.4, rel=1e-15)
    assert (signal.day, signal.n_readings, signal.is_sustained) == (date(2026, 6, 12), 4, True)
    assert found.n_rows == {"Definition": 1, "Statistic": 5, "VenueInterest": 15}
    assert newest_signals(readings([], [], SHARE), SHARE) == {}


def test_the_record_carries_the_share_with_its_day(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(
        "day,currency,venue,open_interest_coin\n"
        + "".join(f"2026-06-12,BTC,{venue},100\n" for venue in ("CME", "Binance", "Bybit", "OKX"))
    )
    state = MergeState(signals=read_share([tmp_path], ShareSettings(), 1.0).signals)
    _, (found,) = run([*second(NOW), strike(NOW + NS, 1.0)], state)
    assert (found.cme_share_of_futures_open_interest, found.cme_share_as_of_ns) == (0.25, DAY)
    assert not any("share" in one for one in found.warnings)
    low = ShareSettings(threshold=0.2, n_days_above=1)
    state = MergeState(signals=read_share([tmp_path], low, 1.0).signals)
    _, (found,) = run([*second(NOW), strike(NOW + NS, 1.0)], state)
    assert "CME's share of futures open interest was above 20% on 1 of 1 days" in found.warnings


def test_a_start_passes_over_bytes_among_the_merged_records_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """K5: else none would ever succeed again."""
    _, (found,) = run([*second(NOW), strike(NOW + NS, 1.0)], MergeState())
    values = (b"", b"somebody's", schemas.encode(found))
    messages = [SimpleNamespace(value=lambda value=value: value) for value in values]
    monkeypatch.setattr(merging.kafka, "watermarks", lambda *_: {0: (0, len(values))})
    monkeypatch.setattr(merging.kafka, "offsets_for_time", lambda *_: {0: 0})
    monkeypatch.setattr(merging.kafka, "read_range", lambda *_: iter(messages))
    one: Any = object.__new__(Merging)
    one._bootstrap, one.merged, one._resolve, one.state = "nowhere:1", "flow.merged.v1", schemas.packaged, MergeState()
    one._take_up({"said_ns": {"BTC": NOW - NS}})
    assert one.state.said_ns == {"BTC": NOW}
