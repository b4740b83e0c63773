"""H7: the A/B record, European exposures beside the settlement average's, and that H8's plans take it as it is exported."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import schemas
from schemas import Flow, FlowExposure, FlowFlip, FlowPressure
from streams.cli import main
from streams.flow.ab import FIELDS, ab_row
from streams.flow.fold import new_state, step
from streams.flow.perpetual import flow_after, order_flow
from streams.flow.uplift import columns_of, parse_plan, read_record
from streams.history.rows import Read, batches
from streams.history.store import Store
from streams.history.tables import TABLES
from tests.flow_log import CONTEXT, EXPIRY_NS, NS, interleaved, lanes
from tests.flow_records import flow
from tests.results_world import blank
from tests.uplift_plans import EXAMPLE, example

AVERAGE, EUROPEAN = "settlement_average", "european"
NOT_YET = 3
SIDE, NAIVE = "flow_shrunk", "naive_call_plus_put_minus"


def exposure(source: str, ngi_usd: float | None, side_model: str = SIDE, numeraire: str = "usd") -> FlowExposure:
    fields = {
        "greeks_source": source, "numeraire": numeraire, "side_model": side_model, "ngi_usd": ngi_usd, "vss_usd": 7.0,
        "hedge_1pct_up_usd": -5.0, "hedge_1pct_down_usd": 4.0, "open_interest_share": 0.99,
    }  # fmt: skip
    return FlowExposure(**(blank(FlowExposure) | fields))


def flip(source: str, level: float | None, smile_rule: str = "sticky_strike", variant: str = "all") -> FlowFlip:
    fields = {"greeks_source": source, "smile_rule": smile_rule, "variant": variant, "primary_usd": level}
    return FlowFlip(**(blank(FlowFlip) | fields))


def second(**more: Any) -> Flow:
    """Everything twice or more, so that a wrong choice shows."""
    pressures = [
        FlowPressure(m, spot, None, None, None, None, None) for m, spot in ((1.0, 9.0), (5.0, -0.5), (15.0, 8.0))
    ]
    fields = {
        "greeks_source": AVERAGE, "twin_source": EUROPEAN, "side_model": SIDE, "next_expiry_ns": EXPIRY_NS, "live_primary_usd": 101_000.0,
        "realised": tuple(pressures), "is_cold_start": True,
        "exposures": (
            exposure(AVERAGE, -2e6), exposure(EUROPEAN, 3e6), exposure(AVERAGE, 1.0, numeraire="coin"),
            exposure(EUROPEAN, 1.0, numeraire="coin"), exposure(AVERAGE, 2.0, NAIVE), exposure(EUROPEAN, 2.0, NAIVE),
        ),
        "flips": (
            flip(AVERAGE, 99_000.0), flip(AVERAGE, 1.0, "sticky_moneyness"), flip(EUROPEAN, 1.0, variant="near"), flip(EUROPEAN, 96_000.0),
        ),
    }  # fmt: skip
    return flow(EXPIRY_NS - 90 * NS, **(fields | more))


def row(record: Flow) -> dict[str, Any]:
    return ab_row({name: schemas.to_plain(getattr(record, name)) for name in FIELDS})


def test_h7_a_row_has_both_models_of_the_same_book_side_by_side() -> None:
    found = row(second())
    assert (found["ngi_usd_settlement_average"], found["ngi_usd_european"]) == (-2e6, 3e6)
    assert (found["price_index"], found["seconds_to_expiry"], found["expiry_ns"]) == ("btc_usd", 90.0, EXPIRY_NS)
    assert (found["side_model"], found["is_cold_start"], found["is_warming_up"]) == (SIDE, 1, 0)
    assert (found["vss_usd_european"], found["hedge_1pct_up_usd_european"], found["hedge_1pct_down_usd_european"]) == (
        7.0, -5.0, 4.0,
    )  # fmt: skip


def test_h7_hedge_pressure_is_that_of_the_last_five_minutes_move_once_more() -> None:
    """Short gamma and spot half a per cent down: dealers sell 0.5 times their NGI; long gamma: they buy (DEFINITIONS 3.3)."""
    found = row(second())
    assert (found["hpp_usd_settlement_average"], found["hpp_usd_european"]) == (-2e6 * 0.5, 3e6 * 0.5)
    assert row(second(realised=()))["hpp_usd_european"] is None


def test_h7_flips_are_those_of_the_moment_not_the_frozen_ones() -> None:
    found = row(second())
    assert found["flip_pct_settlement_average"] == 101_000.0 / 100_000.0 - 1.0, "the published level stands at 99 000"
    assert found["flip_pct_european"] == 96_000.0 / 100_000.0 - 1.0
    swapped = row(second(greeks_source=EUROPEAN, twin_source=AVERAGE))
    assert swapped["flip_pct_european"] == 101_000.0 / 100_000.0 - 1.0
    assert swapped["flip_pct_settlement_average"] == 99_000.0 / 100_000.0 - 1.0
    assert row(second(live_primary_usd=None, flips=()))["flip_pct_european"] is None


def test_h7_what_is_not_known_is_null_and_never_zero() -> None:
    nothing = (exposure(AVERAGE, None), exposure(EUROPEAN, None))
    found = row(second(exposures=nothing))
    assert [found[f"{name}_{model}"] for name in ("ngi_usd", "hpp_usd") for model in (AVERAGE, EUROPEAN)] == [None] * 4
    assert found["dvol"] is None and found["flow_5min_usd"] is None


def test_h7_a_record_of_other_sources_is_no_ab_record() -> None:
    with pytest.raises(
        ValueError, match="venue and settlement_average: an A/B record wants european and settlement_average"
    ):
        row(second(greeks_source="venue", twin_source=AVERAGE))


# --- from history ---


@pytest.fixture(scope="module")
def finals() -> list[Flow]:
    """Dealer flow of two coins for some seconds around an expiry."""
    state, found = new_state(CONTEXT), []
    for arrival in interleaved(lanes(3, 10, before_expiry_s=7.0), random.Random(0)):
        state, records = step(state, arrival, CONTEXT)
        found += [record for record in records if isinstance(record, Flow)]
    return found


def history(place: Path, records: list[Flow]) -> Path:
    flows = TABLES["flow"]
    store = Store(place / "sim")
    rows = {
        part: [one] for part, one in batches(flows, [Read(0, i, None, one) for i, one in enumerate(records)]).items()
    }
    store.flush(flows, store.begin(flows, "id"), rows, {0: ((0, len(records)),)})
    store.close()
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, finals: list[Flow]) -> Path:
    """Each second with a provisional record around it; the first final once more, as after a crash."""
    some = [one for final in finals for one in (final._replace(is_final=False, index_price=1.0), final)]
    return history(
        tmp_path_factory.mktemp("ab"), [*some, finals[0], finals[-1]._replace(is_final=False, index_price=1.0)]
    )


def run(folder: Path, *more: str) -> Result:
    words = ["history", "ab", "--currency", "BTC", "--since", "2026-03-01", "--until", "2026-04-01", *more]
    return CliRunner().invoke(main, [*words, "--folder", str(folder), "--namespace", "sim"])


def test_h7_the_export_has_each_final_second_once_and_what_the_records_say(folder: Path, finals: list[Flow]) -> None:
    done = run(folder)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    own = [final for final in finals if final.currency == "BTC"]
    assert len(own) >= 6 and [int(one["ts_event_ns"]) for one in rows] == [final.ts_event_ns for final in own]
    for one, final in zip(rows, own, strict=True):
        for i, model in ((0, AVERAGE), (1, EUROPEAN)):
            assert final.exposures[i].greeks_source == model
            assert float(one[f"ngi_usd_{model}"]) == final.exposures[i].ngi_usd
            assert float(one[f"vss_usd_{model}"]) == final.exposures[i].vss_usd
        assert float(one["index_price"]) == final.index_price
    lines = [json.loads(line) for line in run(folder, "--json").stdout.splitlines()]
    assert [{key: "" if value is None else str(value) for key, value in line.items()} for line in lines] == rows


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_h8_the_example_plan_takes_the_exported_file(folder: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"ab.{kind}"
    path.write_text(run(folder, *(["--json"] if kind == "jsonl" else [])).stdout)
    plan = tmp_path / "plan.yaml"
    plan.write_text(EXAMPLE.read_text().replace("2026-12-01", "2026-03-01"))
    done = CliRunner().invoke(main, ["uplift", str(plan), str(path)])
    assert done.exit_code == NOT_YET, done.output
    assert "NOT YET: 0 of 60 blocks of expiry_ns" in done.output


def test_h8_the_columns_that_a_plan_names_are_read_as_numbers(folder: Path, finals: list[Flow]) -> None:
    plan = parse_plan(example())
    record = read_record(csv.DictReader(io.StringIO(run(folder).stdout)), plan)
    own = [final for final in finals if final.currency == "BTC"]
    assert set(record.columns) == set(columns_of(plan))
    assert record.times_ns.tolist() == [final.ts_event_ns for final in own]
    assert record.columns["ngi_usd_european"].tolist() == [final.exposures[1].ngi_usd for final in own]


def test_h7_an_export_of_nothing_is_empty_and_other_sources_are_one_line(
    folder: Path, finals: list[Flow], tmp_path: Path
) -> None:
    assert run(folder, "--until", "2026-03-02").stdout == ""
    other = [final._replace(greeks_source="auto") for final in finals]
    done = run(history(tmp_path, other))
    assert done.exit_code == 1 and done.stderr.startswith("Error: a record of BTC has greeks of auto and european")


# --- the perpetual's order flow ---


def perpetual(number: int, at_ns: int, side: str, usd: float, name: str = "BTC-PERPETUAL") -> dict[str, Any]:
    """A trade as the venue gives it."""
    return {
        "trade_id": str(number), "instrument_name": name, "timestamp": at_ns // 10**6, "direction": side, "amount": usd, "price": 9.0,
    }  # fmt: skip


def test_h8_order_flow_is_what_takers_bought_less_what_they_sold_in_the_five_minutes_after() -> None:
    """DEFINITIONS 3.8; begin exclusive, end inclusive, whatever the order of the rows and however often one comes."""
    at = EXPIRY_NS
    trades = [
        perpetual(1, at, "buy", 7_000.0),
        perpetual(2, at + NS, "sell", 500.0),
        perpetual(3, at + 300 * NS, "buy", 90.0),
        perpetual(4, at + 300 * NS + 10**6, "sell", 6.0),
        perpetual(5, at + NS, "buy", 1e9, name="ETH-PERPETUAL"),
    ]
    found = order_flow([*trades[::-1], trades[1]], "BTC")
    assert (found.n_other, found.n_repeats) == (1, 1)
    assert flow_after(found, at, 300.0) == 90.0 - 500.0
    assert flow_after(found, at + NS, 299.0) == 90.0
    assert flow_after(found, at + 2 * NS, 1.0) == 0.0, "known, and nothing was traded"
    assert flow_after(found, at - 1, 300.0) is None and flow_after(found, at + NS, 300.0) is None, "beyond the list"
    assert flow_after(order_flow([], "BTC"), at, 1.0) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"direction": "zero"}, "'zero'"), ({"amount": "x"}, "could not convert"), ({"amount": "nan"}, "is no number"),
     ({"timestamp": None}, "want timestamp")],
)  # fmt: skip
def test_h8_a_trade_that_cannot_be_read_is_told_with_its_number(changes: dict[str, Any], says: str) -> None:
    rows = [perpetual(1, EXPIRY_NS, "buy", 1.0), perpetual(2, EXPIRY_NS, "buy", 1.0) | changes]
    with pytest.raises(ValueError, match=r"trade 2: .*") as raised:
        order_flow(rows, "BTC")
    assert says in str(raised.value)


def test_h8_the_export_takes_the_perpetuals_trades_from_a_file(
    folder: Path, finals: list[Flow], tmp_path: Path
) -> None:
    own = [final.ts_event_ns for final in finals if final.currency == "BTC"]
    path = tmp_path / "trades.jsonl"
    trades = [
        perpetual(i, own[0] + i * NS, "buy" if i % 3 else "sell", 10.0 * i)
        for i in range((own[-1] - own[0]) // NS + 300)
    ]
    path.write_text("\n".join(map(json.dumps, trades)))
    done = run(folder, "--json", "--perpetual-trades", str(path))
    flows = [json.loads(line)["flow_5min_usd"] for line in done.stdout.splitlines()]
    want = []
    for at_ns in own:
        after = [one for one in trades if at_ns < one["timestamp"] * 10**6 <= at_ns + 300 * NS]
        want.append(sum((1 if one["direction"] == "buy" else -1) * one["amount"] for one in after))
    assert flows[:-1] == want[:-1] and flows[-1] is None, "the list ends a second too early for the last"
    assert (
        done.stderr == f"{path}: {len(trades)} trades of BTC-PERPETUAL; 0 of other instruments and 0 repeats left out\n"
    )
    path.write_text("{}\nnothing\n")
    assert (
        run(folder, "--perpetual-trades", str(path)).stderr
        == "Error: line 2 is no JSON: Expecting value: line 1 column 1 (char 0)\n"
    )
