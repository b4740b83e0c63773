"""B21, K5: CME beside Deribit in columns of their own; L6, L7, E-26, E-27: the share monitor."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import RowStatus
from streams.cme.merge import CME, DERIBIT, Columns, Exposure, delta_equivalent_contracts, exposures_of_marks, merge
from streams.cme.share import PRIOR, ShareReading, ShareSettings, ShareSignal, ShareState, step
from tests.cme_files import open_interest, settlement
from tests.cme_world import DAY, TAKEN, VECTOR, WEEK, F, K, marked, only, option

NONE4 = Columns(None, None, None, None)


def exposure(
    venue: str, strike: float, *, trade: float | None = None, assumed: float | None = None, **more: object
) -> Exposure:
    given = Exposure(venue, "BTC", WEEK, strike, trade, assumed, "flow_shrunk" if trade is not None else "all_short", 7)
    return given._replace(**more)  # type: ignore[arg-type]


# --- merge ---


def test_venues_and_kinds_of_sign_have_columns_of_their_own_and_nothing_is_added_across() -> None:
    ours = [exposure(DERIBIT, 100.0, trade=5.0, as_of_ns=9), exposure(DERIBIT, 110.0, trade=-1.0, assumed=2.0)]
    theirs = [
        exposure(CME, 100.0, assumed=-30.0),
        exposure(CME, 100.0, assumed=-1.0),
        exposure(CME, 104.2, assumed=4.0),
    ]
    (found,) = merge(ours, theirs)
    assert found.totals == Columns(4.0, 2.0, None, -27.0)
    assert [(row.strike_index, row.columns) for row in found.strikes] == [
        (100.0, Columns(5.0, None, None, -31.0)),
        (104.2, Columns(None, None, None, 4.0)),
        (110.0, Columns(-1.0, 2.0, None, None)),
    ]
    assert (found.deribit_side_models, found.cme_side_models) == (("flow_shrunk",), ("all_short",))
    assert (found.deribit_oldest_as_of_ns, found.cme_oldest_as_of_ns) == (7, 7)


def test_a_venue_that_is_not_there_is_none_and_not_zero() -> None:
    assert merge([], []) == ()
    (alone,) = merge([exposure(DERIBIT, 100.0, trade=5.0)], [])
    assert alone.totals == NONE4._replace(deribit_trade_signed_usd_per_pct=5.0)
    assert (alone.cme_side_models, alone.cme_oldest_as_of_ns) == ((), None)
    names = [
        row.currency
        for row in merge([exposure(DERIBIT, 1.0, trade=1.0, currency="ETH")], [exposure(CME, 1.0, assumed=1.0)])
    ]
    assert names == ["BTC", "ETH"]


def test_an_exposure_under_another_venues_name_is_a_wrong_call() -> None:
    with pytest.raises(ValueError, match="an exposure of 'deribit' among those of 'cme'"):
        merge([], [exposure(DERIBIT, 1.0, trade=1.0)])


NUMBERS = st.one_of(st.none(), st.floats(-1e12, 1e12))


@given(st.lists(st.tuples(st.sampled_from([90.0, 100.0]), NUMBERS, NUMBERS), max_size=8), st.randoms())
def test_strikes_add_up_to_the_totals_in_any_order(
    rows: list[tuple[float, float | None, float | None]], random
) -> None:  # type: ignore[no-untyped-def]
    theirs = [exposure(CME, strike, trade=trade, assumed=assumed) for strike, trade, assumed in rows]
    mixed = list(theirs)
    random.shuffle(mixed)
    assert merge([], theirs) == merge([], mixed)
    for found in merge([], theirs):
        for column in ("cme_trade_signed_usd_per_pct", "cme_assumption_signed_usd_per_pct"):
            total = getattr(found.totals, column)
            parts = [getattr(row.columns, column) for row in found.strikes]
            known = [part for part in parts if part is not None]
            if total is None:
                assert not known
            else:
                assert math.isclose(total, math.fsum(known), rel_tol=1e-12, abs_tol=1e-12 * 8e12)


def test_marks_become_exposures_at_the_index_of_now_with_strikes_in_its_terms() -> None:
    records = (
        *VECTOR,
        open_interest(7, DAY, 20, event_ns=TAKEN),
        option(8, "P", K),
        open_interest(8, DAY, 3, event_ns=TAKEN),
    )
    found = marked(*records, index={"BTC": 98_000.0})
    rows = exposures_of_marks(found, {"BTC": 99_000.0})
    assert rows.n_without == 0, "the put has its twin's volatility"
    call = next(
        row
        for row in rows.rows
        if row.assumption_signed_usd_per_pct is not None and row.assumption_signed_usd_per_pct > 0
    )
    assert call.strike_index == pytest.approx(K * 98_000.0 / F, rel=1e-15)
    assert call.assumption_signed_usd_per_pct == pytest.approx(100.0 * 4.603183e-5 * 99_000.0**2 * 0.01, rel=2e-7)
    assert call.trade_signed_usd_per_pct is None
    assert (call.venue, call.side_model, call.as_of_ns) == (CME, "naive_call_plus_put_minus", TAKEN + 3600 * 10**9)
    (merged,) = merge([], rows.rows)
    assert merged.totals.cme_trade_signed_usd_per_pct is None


def test_marks_that_can_give_nothing_are_counted_and_expired_ones_are_not() -> None:
    no_interest = only(*VECTOR)
    assert exposures_of_marks([no_interest], {"BTC": F}) == ((), 1)
    whole = only(*VECTOR, open_interest(7, DAY, 20, event_ns=TAKEN))
    assert exposures_of_marks([whole], {}) == ((), 1)
    assert exposures_of_marks([whole._replace(open_interest_as_of_ns=None)], {"BTC": F}) == ((), 1)
    assert exposures_of_marks([whole._replace(status=RowStatus.EXPIRED)], {"BTC": F}) == ((), 0)


def test_delta_equivalents_count_what_has_a_delta_of_the_named_product() -> None:
    records = (
        *VECTOR,
        open_interest(7, DAY, 20, event_ns=TAKEN),
        option(8, "P", 50_000.0),
        open_interest(8, DAY, 9, event_ns=TAKEN),
    )
    found = marked(*records, settlement(9, DAY, 1.0))
    assert delta_equivalent_contracts(found, "BTC") == pytest.approx(20 * 0.251427, rel=2e-6)
    assert delta_equivalent_contracts(found, "MBT") == 0.0


# --- share monitor ---

START = date(2026, 6, 1)
SETTINGS = ShareSettings()


def reading(day: int, share: float, **more: float) -> ShareReading:
    others = (1.0 - share) * 100.0 / 3
    return ShareReading(
        START + timedelta(days=day), {"CME": share * 100.0, "Binance": others, "Bybit": others, "OKX": others} | more
    )


def run(readings: list[ShareReading], settings: ShareSettings = SETTINGS) -> list[ShareSignal]:
    state, signals = ShareState(), []
    for one in readings:
        state, signal = step(state, one, settings)
        signals.append(signal)
    return signals


def test_e26_the_trigger_is_ten_of_fourteen_days_and_fires_once() -> None:
    signals = run([reading(day, 0.40) for day in range(16)])
    assert [signal.is_sustained for signal in signals] == [False] * 9 + [True] * 7
    assert [signal.is_triggered for signal in signals] == [False] * 9 + [True] + [False] * 6
    assert signals[9].n_above == signals[9].n_readings == 10
    assert signals[15].n_readings == 14


def test_e26_a_spike_is_no_rise_and_ten_days_need_not_be_in_a_row() -> None:
    shares = [0.40, 0.30] * 9
    signals = run([reading(day, share) for day, share in enumerate(shares)])
    assert signals[-1].n_above == 7
    assert not any(signal.is_sustained for signal in signals)
    broken = run([reading(day, 0.30 if day in (3, 7, 11) else 0.40) for day in range(14)])
    assert (broken[-1].n_above, broken[-1].is_sustained) == (11, True)
    assert not any(signal.is_sustained for signal in run([reading(day, 0.35) for day in range(14)])), (
        "at it is not above it"
    )


def test_e26_it_ends_and_can_fire_again() -> None:
    signals = run([reading(day, 0.4 if day < 10 or day >= 20 else 0.2) for day in range(34)])
    assert [day for day, signal in enumerate(signals) if signal.is_triggered] == [9, 29]
    assert not signals[19].is_sustained


def test_e26_two_quantities_have_two_names_and_the_prior_says_so() -> None:
    (signal,) = run([reading(0, 0.25)])
    assert signal.share_of_futures_open_interest == pytest.approx(0.25, rel=1e-15)
    assert signal.share_of_hedging_prior == 0.35
    assert "E-27" in signal.prior_source
    assert signal.prior_as_of is None, "its source has no date"
    assert sum(share for _, share in PRIOR.share_by_place) == 1.0
    assert "OKX" in signal.venues


@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_a_day_without_one_of_the_venues_is_no_reading(bad: float) -> None:
    missing = ShareReading(START, {"CME": 40.0, "Binance": 10.0, "Bybit": 10.0})
    for one in (missing, reading(0, 0.4, OKX=bad)):
        (signal,) = run([one])
        assert signal.share_of_futures_open_interest is None
        assert (signal.missing_venues, signal.n_readings) == (("OKX",), 0)
    (empty,) = run([ShareReading(START, dict.fromkeys(SETTINGS.venues, 0.0))])
    assert empty.share_of_futures_open_interest is None
    fewer = run([missing], ShareSettings(venues=("CME", "Binance", "Bybit")))
    assert fewer[0].share_of_futures_open_interest == pytest.approx(40 / 60, rel=1e-15)


def test_readings_too_far_apart_do_not_make_a_rise() -> None:
    signals = run([reading(3 * day, 0.4) for day in range(14)])
    assert signals[-1].n_readings == 10, "27 days back at most"
    assert run([reading(4 * day, 0.4) for day in range(14)])[-1].is_sustained is False


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0.2, 0.4])), min_size=1, max_size=30))
def test_the_state_is_bounded_and_a_day_given_again_changes_nothing(days: list[tuple[int, float]]) -> None:
    by_day = dict(days)
    state = ShareState()
    for day, share in sorted(by_day.items()):
        state, _ = step(state, reading(day, share), SETTINGS)
        assert len(state.shares) <= SETTINGS.n_days
    last = max(by_day)
    again, signal = step(state, reading(last, by_day[last]), SETTINGS)
    assert again == state
    assert not signal.is_triggered


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"venues": ("Binance",)}, "'CME' among them"),
        ({"venues": ("CME", "CME")}, "each once"),
        ({"threshold": 35.0}, "between 0 and 1"),
        ({"n_days_above": 15}, "n_days_above 15"),
    ],
)
def test_settings_of_the_monitor_that_make_no_sense_are_refused(change, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        ShareSettings(**change)
