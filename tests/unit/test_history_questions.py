"""M2: chains of the past, implied vols over time, rank and percentile, realised vol, risk premium (DEFINITIONS 3.13)."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from schemas import FlowPressure, Kind, RowStatus
from streams.cli import main
from streams.history import asof, questions
from streams.history import volatility as vol
from streams.history.rows import Read, batches
from streams.history.store import Store
from streams.history.tables import TABLES
from tests.flow_records import flow
from tests.results_world import NS, START_NS, greeks

GREEKS = TABLES["greeks"]
CALL, PUT, ETH = "BTC-27MAR26-100000-C", "BTC-27MAR26-100000-P", "ETH-27MAR26-3000-C"
DAY_NS = 86_400 * NS
YEAR_S = 31_536_000.0


def table(reads: list[Read]) -> Any:
    return pa.Table.from_batches(list(batches(GREEKS, reads).values()), schema=questions.arrow_schema(GREEKS))


def read(name: str, at_s: float, *, offset: int = 0, epoch: int | None = 1, **fields: Any) -> Read:
    return Read(0, offset, epoch, greeks(name, START_NS + round(at_s * NS), offset=offset, **fields))


# --- as of ---


def test_the_chain_of_a_moment_has_the_newest_row_of_each_that_was_known_then() -> None:
    rows = table(
        [
            read(CALL, 0, sigma=0.5),
            read(CALL, 10, sigma=0.6),
            read(CALL, 20, sigma=0.7),
            read(PUT, 9, sigma=0.4),
            read(ETH, -100),
        ]
    )
    found = asof.chain_at(rows, START_NS + 15 * NS, 65.0)
    assert dict(zip(found["instrument_name"].to_pylist(), found["sigma"].to_pylist(), strict=True)) == {
        CALL: 0.6,
        PUT: 0.4,
    }
    assert asof.chain_at(rows, START_NS + 20 * NS, 0.0)["sigma"].to_pylist() == [0.7]
    assert asof.chain_at(rows, START_NS - 200 * NS, 65.0).num_rows == 0
    assert asof.chain_at(rows, START_NS, 200.0)["instrument_name"].to_pylist() == [CALL, ETH]


def test_of_one_moment_the_higher_epoch_counts_then_the_later_source_then_the_later_result() -> None:
    rows = table(
        [read(CALL, 0, epoch=2, offset=5, sigma=0.3), read(CALL, 0, epoch=1, offset=9, sigma=0.1), read(PUT, 0, offset=4, seq=1, sigma=0.8),
         read(PUT, 0, offset=4, seq=0, sigma=0.7), read(PUT, 0, epoch=None, offset=99, sigma=0.2)]
    )  # fmt: skip
    assert asof.chain_at(rows, START_NS, 65.0)["sigma"].to_pylist() == [0.3, 0.8]


def test_what_had_expired_is_in_no_chain() -> None:
    gone = read(CALL, 0)
    expiry_ns = gone.record.expiry_ns
    late = greeks(CALL, expiry_ns - NS)
    rows = table([Read(0, 0, 1, late), Read(0, 1, 1, greeks(PUT, expiry_ns - NS, status=RowStatus.EXPIRED))])
    assert asof.chain_at(rows, expiry_ns - 1, 65.0)["instrument_name"].to_pylist() == [CALL]
    assert asof.chain_at(rows, expiry_ns, 65.0).num_rows == 0
    perpetual = table([read("BTC-PERPETUAL", 0)])
    assert asof.chain_at(perpetual, START_NS, 65.0).num_rows == 1, "what never expires has no expiry to be past"


ROWS = st.lists(
    st.tuples(st.sampled_from([CALL, PUT, ETH]), st.integers(0, 8), st.integers(1, 2), st.integers(0, 3)), max_size=20
)  # fmt: skip


@given(ROWS, st.integers(0, 9))
def test_the_chain_is_what_a_dict_would_hold(rows: list[tuple[str, int, int, int]], moment: int) -> None:
    reads = [
        read(name, at, epoch=epoch, offset=offset, bid=float(i)) for i, (name, at, epoch, offset) in enumerate(rows)
    ]
    model: dict[str, tuple[int, int, int]] = {}
    for name, at, epoch, offset in rows:
        if at <= moment:
            model[name] = max(model.get(name, (-1, 0, 0)), (at, epoch, offset))
    found = asof.chain_at(table(reads), START_NS + moment * NS, 65.0).to_pylist()
    assert {
        row["instrument_name"]: ((row["ts_event_ns"] - START_NS) // NS, row["epoch"], row["source_offset"]) for row in found
    } == model  # fmt: skip


def test_of_a_second_of_flow_the_record_that_came_last_is_the_final_one() -> None:
    records = [flow(START_NS, is_final=False), flow(START_NS), flow(START_NS + 9 * NS), flow(START_NS, "ETH")]
    some = [Read(0, i, None, one) for i, one in enumerate(records)]
    whole = pa.Table.from_batches(list(batches(TABLES["flow"], some).values()))
    found = asof.newest_at(whole, TABLES["flow"].things, START_NS + NS, 65.0).to_pylist()
    assert [(row["currency"], row["is_final"]) for row in found] == [("BTC", True), ("ETH", True)]


def test_of_two_price_indices_the_coins_own_counts_else_the_one_with_the_most_rows() -> None:
    rows = table([read(CALL, 0), read("BTC_USDC-27MAR26-100000-C", 0), read("BTC_USDC-27MAR26-90000-C", 0)])
    assert questions.of_one_index(rows, "BTC")["price_index"].to_pylist() == ["btc_usd"]
    assert questions.of_one_index(rows.slice(1), "BTC")["price_index"].to_pylist() == ["btc_usdc"] * 2
    assert questions.of_one_index(rows.slice(0, 0), "BTC").num_rows == 0


def test_vols_over_time_are_the_last_of_each_interval_and_repeats_are_one() -> None:
    rows = table(
        [read(CALL, 1, sigma=0.5), read(CALL, 59, sigma=0.6), read(CALL, 59, sigma=0.6), read(CALL, 130, sigma=0.7)]
    )
    found = asof.last_of_each(rows, 60.0)
    assert [((until - START_NS) // NS, sigma) for until, sigma in zip(
        found["until_ns"].to_pylist(), found["sigma"].to_pylist(), strict=True
    )] == [(60, 0.6), (180, 0.7)]  # fmt: skip


# --- statistics ---


def test_rank_is_of_the_range_and_percentile_of_the_days() -> None:
    history = [0.40, 0.50, 0.60, 0.80]
    assert vol.iv_rank(history, 0.60) == pytest.approx(0.5, rel=1e-15)
    assert vol.iv_percentile(history, 0.60) == 0.5, "two of four days were lower; the day itself is not"
    assert vol.iv_rank(history, 0.90) == 1.0 and vol.iv_percentile(history, 0.90) == 1.0
    assert vol.iv_rank([0.5, 0.5], 0.5) is None and vol.iv_percentile([], 0.5) is None


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=20), st.floats(0.01, 3.0))
def test_rank_and_percentile_are_shares_and_rise_with_the_vol(history: list[float], sigma: float) -> None:
    for measure in (vol.iv_rank, vol.iv_percentile):
        found = measure(history, sigma)
        assert found is None or 0.0 <= found <= 1.0
    one, other = vol.iv_percentile(history, sigma), vol.iv_percentile(history, sigma * 2.0)
    assert one is not None and other is not None and one <= other


def test_at_the_money_is_between_the_strikes_around_the_forward() -> None:
    strikes, sigmas = [90.0, 90.0, 110.0, 110.0, 120.0], [0.5, 0.7, 0.4, 0.4, 9.0]
    weight = math.log(100 / 90) / math.log(110 / 90)
    assert vol.at_the_money_sigma(strikes, sigmas, 100.0) == pytest.approx(
        math.sqrt((1 - weight) * 0.36 + weight * 0.16), rel=1e-15
    )
    assert vol.at_the_money_sigma(strikes, sigmas, 110.0) == 0.4
    assert vol.at_the_money_sigma(strikes, sigmas, 89.0) is None and vol.at_the_money_sigma([], [], 1.0) is None


def test_constant_maturity_is_linear_in_total_variance_and_never_outside() -> None:
    """30 days between 20 days at 40 % and 60 days at 50 %: variance (3/4 0.16 20 + 1/4 0.25 60) / 30."""
    taus, sigmas = [60 / 365, 20 / 365], [0.5, 0.4]
    expected = math.sqrt((0.75 * 0.16 * 20 + 0.25 * 0.25 * 60) / 30)
    assert vol.constant_maturity_sigma(taus, sigmas, 30 / 365) == pytest.approx(expected, rel=1e-14)
    assert vol.constant_maturity_sigma(taus, sigmas, 20 / 365) == 0.4
    assert vol.constant_maturity_sigma(taus, sigmas, 19 / 365) is None
    assert vol.constant_maturity_sigma(taus, sigmas, 61 / 365) is None


def test_forward_vol_is_what_is_left_between_two_expiries() -> None:
    assert vol.forward_sigma(0.1, 0.4, 0.3, 0.5) == pytest.approx(math.sqrt((0.25 * 0.3 - 0.16 * 0.1) / 0.2), rel=1e-15)
    assert vol.forward_sigma(0.1, 0.9, 0.2, 0.5) is None, "a calendar arbitrage"
    assert vol.forward_sigma(0.2, 0.5, 0.2, 0.5) is None


def test_wings_are_read_at_their_delta() -> None:
    call = vol.sigma_at_delta([0.6, 0.3, 0.2], [0.40, 0.45, 0.50], 0.25)
    put = vol.sigma_at_delta([-0.2, -0.3], [0.6, 0.5], -0.25)
    assert (call, put) == (pytest.approx(0.475, rel=1e-15), pytest.approx(0.55, rel=1e-15))
    assert vol.sigma_at_delta([0.6], [0.4], 0.25) is None
    assert vol.risk_reversal(0.475, 0.55) == pytest.approx(-0.075, rel=1e-14)
    assert vol.butterfly(0.475, 0.55, 0.45) == pytest.approx(0.0625, rel=1e-14)


def test_bars_have_gaps_where_nothing_came() -> None:
    times = np.array([0, 10, 50, 130, 200], dtype=np.int64) * NS
    found = vol.bars(times, np.array([100.0, 110.0, 90.0, 95.0, np.nan]), 0, 240 * NS, 60.0)
    assert found.until_ns.tolist() == [60 * NS, 120 * NS, 180 * NS, 240 * NS]
    assert np.array_equal(found.high, [110, np.nan, 95, np.nan], equal_nan=True)
    assert np.array_equal(found.low, [90, np.nan, 95, np.nan], equal_nan=True)
    assert np.array_equal(found.close, [90, np.nan, 95, np.nan], equal_nan=True)
    assert vol.close_to_close(found, 60.0) == (None, 0, 3), "no return over a gap"


def test_realised_vol_of_a_price_that_jumps_by_the_same_each_step() -> None:
    """1 % an hour up or down: 0.01 sqrt(8 760) a year, whatever the signs."""
    step = 3600.0
    prices = 100.0 * np.exp(np.cumsum([0.0, *(0.01 * sign for sign in (1, 1, -1, 1, -1, -1, 1))]))
    times = (np.arange(8) * round(step) * NS).astype(np.int64)
    found = vol.close_to_close(vol.bars(times, prices, 0, 8 * round(step) * NS, step), step)
    # seven sums of one rounding each, and a root
    assert found.sigma == pytest.approx(0.01 * math.sqrt(8760.0), rel=1e-13)
    assert (found.n_used, found.n_missing) == (7, 0)


def test_parkinson_is_the_range_and_agrees_with_close_to_close_on_a_random_walk() -> None:
    bar = vol.Bars(np.array([1]), np.array([110.0]), np.array([100.0]), np.array([100.0]))
    expected = math.log(1.1) / math.sqrt(4 * math.log(2)) * math.sqrt(8760.0)
    assert vol.parkinson(bar, 3600.0).sigma == pytest.approx(expected, rel=1e-14)
    random = np.random.default_rng(7)
    n, per_bar, sigma = 4_000, 400, 0.6
    shocks = random.standard_normal(n * per_bar) * sigma * math.sqrt(300.0 / per_bar / YEAR_S)
    prices = 1e5 * np.exp(np.cumsum(shocks))
    times = (np.arange(n * per_bar) * round(300 / per_bar * NS)).astype(np.int64)
    bars = vol.bars(times, prices, 0, n * 300 * NS, 300.0)
    # close to close: sd 1 / sqrt(2 n) = 1.1 %; Parkinson: 0.64 / sqrt(2 n), and low by about 0.9 / sqrt(per_bar) = 4.5 % / 1.67
    assert vol.close_to_close(bars, 300.0).sigma == pytest.approx(sigma, rel=0.045)
    assert vol.parkinson(bars, 300.0).sigma == pytest.approx(sigma * (1 - 0.9 / math.sqrt(per_bar)), rel=0.03)


def test_a_premium_says_which_realised_vol_it_is_of() -> None:
    assert vol.risk_premium(0.6, 0.5, "trailing") == (pytest.approx(0.11, rel=1e-14), "trailing")
    with pytest.raises(ValueError, match="want trailing or forward"):
        vol.risk_premium(0.6, 0.5, "both")


# --- the folder, asked ---

EXPIRIES = ("8JAN26", "10JAN26", "16JAN26", "27MAR26")
NAMES = [f"BTC-{expiry}-{strike}-{kind}" for expiry in EXPIRIES for strike in (80_000, 100_000) for kind in "CP"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of one chain, its vol 50, 60 and 55 %, and a perpetual that moves by 1 % every five minutes of the last hour."""
    place = tmp_path_factory.mktemp("history")
    store = Store(place / "sim")
    progress, offset = store.begin(GREEKS, "id"), 0
    for day, sigma in ((-2, 0.5), (-1, 0.6), (0, 0.55)):
        reads = []
        for name in NAMES:
            delta = 0.5 if name.endswith("C") else -0.5
            row = greeks(name, START_NS + day * DAY_NS - 10 * NS, offset=offset, sigma=sigma, delta=delta, dvol=0.52)
            reads.append(Read(1, offset, 1, row))
            offset += 1
        for i in range(12 if day == 0 else 0):
            at_ns = START_NS - 3600 * NS + i * 300 * NS
            price = 90_000.0 * math.exp(0.01 * (i % 2))
            perpetual = greeks("BTC-PERPETUAL", at_ns, offset=offset, index_price=price, kind=Kind.PERPETUAL)
            reads.append(Read(2, offset, 1, perpetual))
            offset += 1
        rows = {part: [batch] for part, batch in batches(GREEKS, reads).items()}
        progress = store.flush(GREEKS, progress, rows, {1: ((0, offset),)})
    store.close()
    return place


def asked(folder: Path, *words: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, ["history", *words, "--folder", str(folder), "--namespace", "sim", "--json"])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_shows_the_chain_of_a_moment(folder: Path) -> None:
    rows = asked(folder, "chain", "--at", "2026-01-08T07:30:00Z", "--currency", "BTC")
    assert [row["instrument_name"] for row in rows] == sorted(NAMES)
    assert {row["sigma"] for row in rows} == {0.6}
    assert {row["age_s"] for row in rows} == {10.0}
    assert asked(folder, "chain", "--at", "2026-01-08T07:30:00Z", "--currency", "ETH") == []


def test_any_table_can_be_asked_as_of_a_moment(folder: Path) -> None:
    words = ["history", "asof", "greeks", "--at", "2026-01-09T07:30:00Z"]
    done = CliRunner().invoke(main, [*words, "--folder", str(folder), "--namespace", "sim"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(NAMES), "expired ones too: only the chain knows what an expiry is"
    done = CliRunner().invoke(main, ["history", "asof", "greek", "--at", "0"])
    assert "want one of greeks, trades" in done.stderr


def test_the_command_shows_an_instruments_vols_over_time(folder: Path) -> None:
    rows = asked(folder, "vols", NAMES[0], "--since", "2026-01-07", "--until", "2026-01-10")
    assert [(row["time"], row["sigma"]) for row in rows] == [
        ("2026-01-07T07:29:50.000Z", 0.5), ("2026-01-08T07:29:50.000Z", 0.6), ("2026-01-09T07:29:50.000Z", 0.55),
    ]  # fmt: skip


def test_m2_the_command_says_rank_percentile_realised_vol_and_premium(folder: Path) -> None:
    (found,) = asked(folder, "stats", "--currency", "BTC", "--at", "2026-01-09T07:30:00Z", "--past-days", "5")
    assert found["sigma"] == pytest.approx(0.55, rel=1e-14)
    assert (found["rank"], found["percentile"], found["n_days"]) == (
        pytest.approx(0.5, rel=1e-12),
        pytest.approx(1 / 3),
        3,
    )
    assert found["dvol"] == 0.52
    # eleven moves of 1 % between twelve bars of five minutes
    realised = found["realised_close"]
    assert realised["n_used"] == 11
    assert realised["sigma"] == pytest.approx(0.01 * math.sqrt(YEAR_S / 300.0), rel=1e-9)
    premium = found["premium_trailing"]
    assert premium == {"variance": pytest.approx(0.55**2 - realised["sigma"] ** 2, rel=1e-12), "kind": "trailing"}
    assert found["premium_forward"] is None, "there is no chain of a month ago"


def test_the_forward_premium_is_of_the_vol_one_maturity_ago_against_what_came_since(folder: Path) -> None:
    (found,) = asked(
        folder, "stats", "--currency", "BTC", "--at", "2026-01-09T07:30:00Z", "--past-days", "2", "--days", "2"
    )
    assert found["n_days"] == 2
    realised = found["realised_close"]["sigma"]
    assert found["premium_forward"] == {"variance": pytest.approx(0.5**2 - realised**2, rel=1e-12), "kind": "forward"}
    assert found["premium_trailing"]["variance"] == pytest.approx(0.55**2 - realised**2, rel=1e-12)


def test_a_folder_without_the_table_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["history", "chain", "--at", "0", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [f"Error: no table greeks in {tmp_path / 'live'}; greekstream history writes it"]


def test_an_empty_answer_says_what_there_is_and_a_missing_table_where_it_is(folder: Path) -> None:
    """One who forgets --namespace, or asks of another day, is told."""

    def said(*words: str) -> str:
        done = CliRunner().invoke(main, ["history", *words, "--folder", str(folder)])
        return f"{done.exit_code} {done.stdout}{done.stderr}".replace(str(folder), "F")

    at, span = ("--at", "2026-01-07T07:31:30Z"), ("--since", "2025-01-01", "--until", "2025-01-02")
    sim = ("--namespace", "sim")
    assert said("chain", *at) == "1 Error: no table greeks in F/live; there is one with --namespace sim\n"
    assert said("ab", "--currency", "BTC", *span) == "1 Error: no table flow in F/live; greekstream history writes it\n"
    strikes = said("asof", "flow_strikes", *at, *sim)
    assert strikes == "1 Error: no table flow_strikes in F/sim; greekstream history --tables flow_strikes writes it\n"
    reach = "from 2026-01-07T07:29:50.000Z to 2026-01-09T07:29:50.001Z"
    for words in (("chain", *at), ("asof", "greeks", *at), ("vols", NAMES[0], *span)):
        assert said(*words, *sim) == f"0 no rows; F/sim has greeks {reach}\n"
    assert said("chain", *at, *sim, "--currency", "BTC") == f"0 no rows; F/sim has greeks of BTC {reach}\n"
    assert said("chain", *at, *sim, "--currency", "SOL") == "0 no rows; F/sim has no greeks of SOL\n"


def test_the_median_forward_of_an_expiry_is_used(folder: Path) -> None:
    rows = questions.chain(questions.History(folder / "sim"), START_NS, currency="BTC", columns=questions.VOLS)
    smiles = questions.smiles(rows, START_NS)
    assert [smile.forward for smile in smiles] == [statistics.median([90_000.0] * 4)] * 3
    assert [smile.sigma_atm for smile in smiles] == [pytest.approx(0.55, rel=1e-14)] * 3
    assert smiles[0].risk_reversal_25 is None, "no option lies beyond 25 delta"


def test_files_of_before_the_pressure_was_normalised_are_read_beside_new_ones(tmp_path: Path) -> None:
    """J5: what an older version has written has null there."""
    table, pressure = TABLES["flow"], FlowPressure(5.0, 0.1, None, -4e6, -4e6, None, None, -0.02, 97.0)
    store = Store(tmp_path)
    progress = store.begin(table, "log")
    for i in range(2):
        some = [Read(0, i, 1, flow(START_NS + i * NS, realised=(pressure,)))]
        parts = {part: [batch] for part, batch in batches(table, some).items()}
        progress = store.flush(table, progress, parts, {0: ((i, i + 1),)})
    store.close()
    old = min(tmp_path.rglob("*.parquet"))
    rows = pq.ParquetFile(old).read()
    place = rows.schema.get_field_index("realised")
    inner = list(rows.schema.field(place).type.value_type)[:-2]
    assert [one.name for one in inner][-1] == "time_usd"
    kind = pa.list_(pa.field("element", pa.struct(inner), False))
    values = [[{one.name: item[one.name] for one in inner} for item in row] for row in rows["realised"].to_pylist()]
    former = rows.set_column(place, pa.field("realised", kind, False), pa.array(values, kind))
    pq.write_table(former, old)
    found = questions.load(
        questions.History(tmp_path), table, START_NS, START_NS + 2 * NS, columns=("ts_event_ns", "realised")
    )
    (was,), (now,) = (row["realised"] for row in sorted(found.to_pylist(), key=lambda row: row["ts_event_ns"]))
    assert was == pressure._asdict() | {"hpp_pct_adv": None, "hpp_percentile": None}
    assert now == pressure._asdict()
