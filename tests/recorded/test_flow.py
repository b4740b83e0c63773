"""Dealer flow of the last minutes of a recorded expiry: 13 April 2023, BTC, three expiries, read in place (A34, H7, J1, J9, J10, K4)."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from schemas import Flow, FlowStrike, SettlementFlow
from streams.flow.fold import Context
from streams.flow.settings import FlowSettings, GreeksSource
from tests.recorded.flow import exposure
from tests.recorded.in_process import NS_PER_S, Part, Reading, flows
from tests.recorded.run import EXPIRY_13_APRIL_NS as EXPIRY_NS

FROM_NS, UNTIL_NS = EXPIRY_NS - 180 * NS_PER_S, EXPIRY_NS + 8 * NS_PER_S
LEAD_NS = 125 * NS_PER_S
"""Over the last sweep of the recording, so that the chain is whole."""
AVERAGE, EUROPEAN = GreeksSource.SETTLEMENT_AVERAGE, GreeksSource.EUROPEAN


class Recorded:
    """Records of the last three minutes and a few seconds after."""

    def __init__(self, recording: Path) -> None:
        self.flows: dict[int, Flow] = {}
        self.strikes: dict[int, list[FlowStrike]] = {}
        self.windows: list[SettlementFlow] = []
        part = Part(recording, ("BTC",), FROM_NS - LEAD_NS, UNTIL_NS, ("13APR23", "28APR23", "30JUN23"))
        settings = FlowSettings(profile_step_ratio=0.02, ladder_every_s=600.0, strikes_every_s=1.0)
        self.n_rows = flows(part, [Reading(Context(settings), self.take)])

    def take(self, record: Flow | FlowStrike | SettlementFlow) -> None:
        if record.ts_event_ns < FROM_NS:
            return
        if isinstance(record, SettlementFlow):
            self.windows.append(record)
            return
        if isinstance(record, FlowStrike):
            self.strikes.setdefault(record.ts_event_ns, []).append(record)
        else:
            assert record.ts_event_ns not in self.flows, "one final a second"
            self.flows[record.ts_event_ns] = record

    def expiring_ngi(self, at_s: int) -> tuple[float, float]:
        """(settlement average, European) of the series that expires, so many seconds before."""
        own = [cell for cell in self.strikes[EXPIRY_NS - at_s * NS_PER_S] if cell.expiry_ns == EXPIRY_NS]
        assert own
        return math.fsum(cell.ngi_usd or 0.0 for cell in own), math.fsum(cell.twin_ngi_usd or 0.0 for cell in own)


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Recorded:
    return Recorded(shared / "data" / "deribit" / "chain-2023-04")


def test_j3_every_second_of_log_time_has_one_final_record_through_the_hole_at_the_end(recorded: Recorded) -> None:
    times = sorted(recorded.flows)
    assert times[0] == FROM_NS and EXPIRY_NS in times
    assert {after - before for before, after in itertools.pairwise(times)} == {NS_PER_S}
    assert all(flow.is_final and flow.late_partitions == () for flow in recorded.flows.values())


def test_k4_without_trades_the_book_is_the_named_naive_one_and_says_so(recorded: Recorded) -> None:
    for flow in recorded.flows.values():
        assert (flow.side_model, flow.naive_model) == ("naive_call_plus_put_minus",) * 2
        assert (flow.is_cold_start, flow.side_coverage, flow.signed_volume_coin) == (True, 0.0, 0.0)
        assert {one.side_model for one in flow.exposures} == {"naive_call_plus_put_minus"}
        assert not any(one.is_trade_signed or one.ngi_low_usd is not None for one in flow.exposures)
        assert any("no trade of a known side stands behind them" in warning for warning in flow.warnings)


def test_nearly_all_of_the_open_interest_has_greeks_each_second(recorded: Recorded) -> None:
    for flow in recorded.flows.values():
        shares = [one.open_interest_share for one in flow.exposures]
        assert all(share is not None and share > 0.9 for share in shares), shares
        assert flow.n_stale == 0 and flow.n_open_interest_unknown < 0.05 * flow.n_options


def test_j2_the_strikes_sum_to_the_total_each_second(recorded: Recorded) -> None:
    for at, flow in recorded.flows.items():
        for source, name in (
            (AVERAGE, "ngi_usd"),
            (EUROPEAN, "twin_ngi_usd"),
            (AVERAGE, "vss_usd"),
            (EUROPEAN, "twin_vss_usd"),
        ):
            cells = [value for cell in recorded.strikes[at] if (value := getattr(cell, name)) is not None]
            total = getattr(exposure(flow, source), name.removeprefix("twin_"))
            # two orders of addition of at most n numbers
            slack = 2 * flow.n_options * 2.0**-52 * math.fsum(map(abs, cells))
            assert abs(math.fsum(cells) - total) <= slack


def test_h7_the_averages_gamma_of_the_expiring_series_vanishes_and_the_european_one_does_not(
    recorded: Recorded,
) -> None:
    begin, late, end = (recorded.expiring_ngi(at_s) for at_s in (180, 10, 1))
    # Far from its strikes the average's gamma is the inverse payoff's, and falls with the fixings left: 45, 2 and 1 of them.
    assert abs(end[0]) <= 2 / 45 * abs(begin[0])
    assert abs(late[1]) > 10 * abs(begin[1]), "the European one grows to the end"
    assert all(abs(european) > 100 * abs(average) for average, european in (late, end))


def test_a34_a_window_of_which_no_trade_is_known_says_none_and_how_little_was_seen(recorded: Recorded) -> None:
    (window,) = recorded.windows
    assert (window.currency, window.expiry_ns, window.ts_event_ns) == ("BTC", EXPIRY_NS, EXPIRY_NS + 5 * NS_PER_S)
    assert 180 / 1_800 <= window.seen_share <= (180 + LEAD_NS / NS_PER_S + 1) / 1_800 and not window.is_whole
    assert window.is_cold and all(flow.n_trades == 0 and flow.volume_usd == 0.0 for flow in window.flows)


def test_j9_levels_stand_still_before_the_expiry_and_a_warning_says_so(recorded: Recorded) -> None:
    frozen = [flow for at, flow in recorded.flows.items() if FROM_NS < at < EXPIRY_NS]
    assert all(flow.is_frozen for flow in frozen)
    assert len({tuple((wall.kind, wall.strike, wall.amount) for wall in flow.walls) for flow in frozen}) == 1
    assert len({exposure(flow, AVERAGE).ngi_usd for flow in frozen}) > 10, "the exposures go on"
    after = recorded.flows[max(recorded.flows)]
    assert not after.is_frozen and after.next_expiry_ns == EXPIRY_NS + 15 * 86_400 * NS_PER_S
    assert after.n_options < frozen[-1].n_options
    assert all(cell.expiry_ns > EXPIRY_NS for cell in recorded.strikes[EXPIRY_NS])
