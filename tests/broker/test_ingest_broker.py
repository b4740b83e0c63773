"""Ingest as a process between the simulated venue and a real Kafka: the rules of the log as they stand in the topic."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from websockets.sync.client import connect

from schemas import (
    Clock,
    FeedGap,
    FeedStatus,
    InstrumentSet,
    InstrumentState,
    OptionQuote,
    OptionTrade,
    SettlementFixing,
    decode,
)
from streams import kafka, topics
from streams.partitioning import N_PARTITIONS, partition_of
from streams.processes import Child
from tests.ingest_world import at, log_times_by_rule
from tests.kafka_fixtures import eventually

S, MS = 1_000_000_000, 1_000_000
BROADCASTS = ("UnderlyingQuote", "SettlementFixing", "Clock", "InstrumentSet", "FeedGap")


class Row(NamedTuple):
    key: str
    timestamp_ms: int
    headers: dict[str, bytes]
    record: Any


class Log:
    """The ticks as they stand, decoded; read on from look to look, so that waiting for something does not read it all again."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self._bootstrap, self._name = bootstrap, topics.full_name(topics.TICKS, namespace)
        self._next = dict.fromkeys(range(N_PARTITIONS), 0)
        self.rows: dict[int, list[Row]] = {partition: [] for partition in range(N_PARTITIONS)}

    def read(self) -> dict[int, list[Row]]:
        """Every partition up to its present end."""
        ends = kafka.watermarks(self._bootstrap, self._name, range(N_PARTITIONS))
        ranges = {partition: (self._next[partition], end) for partition, (_, end) in ends.items()}
        for message in kafka.read_range(self._bootstrap, self._name, ranges):
            headers = dict(message.headers() or [])
            row = Row((message.key() or b"").decode(), message.timestamp()[1], headers, decode(message.value()))
            self.rows[message.partition()].append(row)
        self._next = {partition: end for partition, (_, end) in ranges.items()}
        return self.rows


def read_log(bootstrap: str, namespace: str) -> dict[int, list[Row]]:
    """Every partition of the ticks, decoded."""
    return Log(bootstrap, namespace).read()


def statuses(bootstrap: str, namespace: str) -> list[tuple[int, FeedStatus]]:
    name = topics.full_name(topics.FEED_STATUS, namespace)
    messages = kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, [0]))
    return [(message.offset(), decode(message.value())) for message in messages]


def of_kind(log: dict[int, list[Row]], kind: type) -> list[Any]:
    return [row.record for rows in log.values() for row in rows if isinstance(row.record, kind)]


def check_rules(log: dict[int, list[Row]]) -> None:
    """What must hold in every log of one ingest after another, whatever happened between."""
    by_epoch: dict[int, dict[int, list[Any]]] = {}
    for partition, rows in log.items():
        for row in rows:
            kind = type(row.record).__name__
            assert set(row.headers) == {"ingest_wall_ns", "host"}
            if kind in BROADCASTS:
                by_epoch.setdefault(row.record.ingest_epoch, {}).setdefault(partition, []).append(row.record)
            else:
                assert row.key == row.record.instrument_name
                assert partition_of(row.key) == partition
        epochs = [row.record.ingest_epoch for row in rows]
        assert epochs == sorted(epochs)
        clocks = [row.record.ts_event_ns for row in rows if isinstance(row.record, Clock)]
        assert clocks == sorted(clocks)
        times_ms = [row.timestamp_ms for row in rows]
        for epoch in set(epochs):
            mine = [i for i, e in enumerate(epochs) if e == epoch]
            assert isinstance(rows[mine[0]].record, Clock), "an ingest's first record is a Clock"
            assert times_ms[mine[0] : mine[-1] + 1] == sorted(times_ms[mine[0] : mine[-1] + 1])
    last_epoch = max(by_epoch)
    for epoch, by_partition in by_epoch.items():
        longest = max(by_partition.values(), key=len)
        assert [record.seq for record in longest] == list(range(len(longest)))
        for records in by_partition.values():
            assert records == longest[: len(records)], "the same broadcasts in the same order in every partition"
            assert len(records) == len(longest) or epoch != last_epoch, (
                "only a killed ingest leaves a broadcast unfinished"
            )


class Stage:
    """Simulator and ingests of one test, as child processes."""

    def __init__(self, bootstrap: str, namespace: str, folder: Path) -> None:
        self.bootstrap, self.namespace, self.folder = bootstrap, namespace, folder
        self.children: list[Child] = []
        self.url = ""

    def simulate(self, *arguments: str) -> Child:
        child = Child(
            "simulate", ["simulate", "--port", "0", *arguments], self.folder / "simulate.log", is_talking=True
        )
        self.children.append(child)
        self.url = json.loads(child.stdout.readline())["url"]
        return child

    def ingest(self, *arguments: str, **environ: str) -> Child:
        name = f"ingest-{uuid.uuid4().hex[:4]}"
        words = ["ingest", "--url", self.url, "--namespace", self.namespace, *arguments]
        child = Child(name, words, self.folder / f"{name}.log", environ={"KAFKA_BOOTSTRAP": self.bootstrap, **environ})
        self.children.append(child)
        return child

    def wait_for(self, condition: Any, child: Child, within_s: float = 90.0) -> Any:
        """The first true value of condition(log), unless the ingest dies first."""
        log = Log(self.bootstrap, self.namespace)

        def check() -> Any:
            assert child.is_alive(), child.last_log_lines()
            return condition(log.read())

        return eventually(check, within_s, every_s=0.5)

    def ask(self, method: str, **params: Any) -> Any:
        """One request to the venue, as an outsider."""
        with connect(self.url) as websocket:
            websocket.send(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).decode())
            return orjson.loads(websocket.recv())["result"]

    def tape(self) -> set[tuple[str, int]]:
        """(instrument, trade_seq) of every option trade that the venue remembers."""
        found: set[tuple[str, int]] = set()
        for currency in ("BTC", "ETH"):
            start_ms = 0
            while True:
                page = self.ask(
                    "public/get_last_trades_by_currency_and_time", currency=currency, kind="option", start_timestamp=start_ms,
                    end_timestamp=int(time.time() * 1e3) + 10**9, count=1000, sorting="asc",
                )  # fmt: skip
                found |= {(t["instrument_name"], t["trade_seq"]) for t in page["trades"]}
                if not page["has_more"]:
                    break
                start_ms = page["trades"][-1]["timestamp"]
        return found


@pytest.fixture
def stage(bootstrap: str, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(bootstrap, namespace, tmp_path)
    yield made
    for child in reversed(made.children):
        child.stop()


SMALL = ("--options", "200", "--rate", "150", "--trade-rate", "20")


def n_sets(log: dict[int, list[Row]]) -> int:
    return sum(isinstance(row.record, InstrumentSet) for row in log[0])


def test_a_live_venue_becomes_a_log_that_keeps_the_rules(stage: Stage) -> None:
    stage.simulate(*SMALL)
    child = stage.ingest()
    stage.wait_for(lambda log: n_sets(log) and len([r for r in log[0] if isinstance(r.record, Clock)]) >= 8, child)
    assert child.stop() == 0
    log = read_log(stage.bootstrap, stage.namespace)
    check_rules(log)
    for rows in log.values():
        expected = [time_ns // MS for time_ns in log_times_by_rule([(0, row.record) for row in rows])]
        assert [row.timestamp_ms for row in rows] == expected, "Kafka time is log time (rule 2)"
    snapshot = [r for r in of_kind(log, InstrumentState) if r.is_snapshot]
    (closing,) = {r for r in of_kind(log, InstrumentSet)}
    assert closing.is_complete
    assert Counter(partition_of(r.instrument_name) for r in snapshot) == Counter(
        {p: n for p, n in enumerate(closing.count_by_partition) if n}
    )
    listed = {
        row["instrument_name"]
        for currency in ("BTC", "ETH")
        for kind in ("option", "future")
        for row in stage.ask("public/get_instruments", currency=currency, kind=kind, expired=False)
    }
    assert {r.instrument_name for r in snapshot} == listed
    quoted = {r.instrument_name for r in of_kind(log, OptionQuote)}
    assert quoted == {name for name in listed if name.endswith(("-C", "-P"))}, "whole-chain coverage"
    trades = Counter((r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade))
    assert trades and set(trades.values()) == {1}
    records = [record for _, record in statuses(stage.bootstrap, stage.namespace)]
    assert records[0].state == "claimed" and records[-1].state == "stopped"
    connected = [record for record in records if record.state == "connected"]
    assert {"ticker.option", "deribit_price_index"} <= {
        name for record in connected for name in record.lag_ms_by_channel
    }


def test_a_second_ingest_takes_over_and_the_first_ends(stage: Stage) -> None:
    stage.simulate(*SMALL)
    first = stage.ingest()
    stage.wait_for(n_sets, first)
    second = stage.ingest()
    assert eventually(first.process.poll, within_s=90.0) == 66
    assert "another ingest has taken over" in first.last_log_lines()
    stage.wait_for(lambda log: n_sets(log) >= 2, second)
    assert second.stop() == 0
    claims = [offset for offset, record in statuses(stage.bootstrap, stage.namespace) if record.state == "claimed"]
    log = read_log(stage.bootstrap, stage.namespace)
    assert {row.record.ingest_epoch for row in log[0]} == set(claims)
    assert len(claims) == 2
    trades = {(r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade)}
    assert_no_hole(stage, trades)


def last_clock_ns(log: Any) -> int:
    return max((row.record.ts_event_ns for row in log[0] if isinstance(row.record, Clock)), default=0)


def missing(stage: Stage, trades: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Of every instrument: trades that the venue remembers between the log's first and last of it, and the log has not."""
    tape = stage.tape()
    span: dict[str, tuple[int, int]] = {}
    for name, seq in trades:
        low, high = span.get(name, (seq, seq))
        span[name] = (min(low, seq), max(high, seq))
    between = {(name, seq) for name, seq in tape if name in span and span[name][0] <= seq <= span[name][1]}
    assert len(between) > 20
    return between - trades


def assert_no_hole(stage: Stage, trades: set[tuple[str, int]]) -> None:
    assert not missing(stage, trades)


def test_a_killed_ingest_comes_back_with_every_trade_it_missed_exactly_once(stage: Stage) -> None:
    stage.simulate(*SMALL)
    first = stage.ingest()
    stage.wait_for(lambda log: n_sets(log) and len(of_kind(log, OptionTrade)) > 20, first)
    first.process.kill()
    first.process.wait()
    before = read_log(stage.bootstrap, stage.namespace)
    last_clock_ns = max(r.ts_event_ns for r in of_kind(before, Clock))
    eventually(lambda: time.time_ns() > last_clock_ns + 14 * S, within_s=90.0)
    second = stage.ingest()
    stage.wait_for(lambda log: n_sets(log) >= 2, second)
    assert second.stop() == 0
    log = read_log(stage.bootstrap, stage.namespace)
    check_rules(log)
    trades = Counter((r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade))
    assert set(trades.values()) == {1}, "nothing twice: the log's last minute was read"
    backfilled = {(r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade) if r.is_backfill}
    assert len(backfilled) > 10
    assert_no_hole(stage, set(trades))
    (gap,) = set(of_kind(log, FeedGap))
    assert gap.from_ns == last_clock_ns
    assert gap.trade_seq_missing == 0
    assert gap.trades_recovered == len(backfilled)
    new_clocks = [
        row.record.ts_event_ns
        for row in log[0]
        if isinstance(row.record, Clock) and row.record.ingest_epoch == gap.ingest_epoch
    ]
    assert new_clocks[0] == last_clock_ns
    assert new_clocks[1] - new_clocks[0] > 10 * S, "the seconds of the outage have no Clock"
    # In order of the log: backfilled trades, FeedGap, snapshot, InstrumentSet.
    for rows in log.values():
        mine = [row.record for row in rows if row.record.ingest_epoch == gap.ingest_epoch]
        place = mine.index(gap)
        assert all(i < place for i, r in enumerate(mine) if isinstance(r, OptionTrade) and r.is_backfill)
        assert all(
            i > place for i, r in enumerate(mine) if r.__class__ in (InstrumentState, OptionQuote) and r.is_snapshot
        )


def test_under_pressure_quotes_conflate_and_nothing_else_is_lost(stage: Stage) -> None:
    stage.simulate("--options", "200", "--rate", "600", "--trade-rate", "40")
    # Whatever waits is pressure, and something waits for longer than the venue takes to tick an option again, a third of a second.
    child = stage.ingest(GREEKSTREAM_INGEST_QUEUE_HIGH="0", GREEKSTREAM_INGEST_LINGER_MS="400")
    stage.wait_for(lambda log: n_sets(log) and len([r for r in log[0] if isinstance(r.record, Clock)]) >= 8, child)
    assert child.stop() == 0
    log = read_log(stage.bootstrap, stage.namespace)
    check_rules(log)
    assert statuses(stage.bootstrap, stage.namespace)[-1][1].n_conflated > 0
    trades = Counter((r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade))
    assert set(trades.values()) == {1}
    assert_no_hole(stage, set(trades))
    for rows in log.values():
        newest: dict[str, int] = {}
        for row in rows:
            if isinstance(row.record, OptionQuote):
                assert row.record.ts_event_ns >= newest.get(row.key, 0), (
                    "a newer quote never stands before an older one"
                )
                newest[row.key] = row.record.ts_event_ns


def test_cuts_pauses_repeats_and_lost_trades_leave_a_log_without_holes(stage: Stage) -> None:
    """While the venue loses trades there may always be one that has just been asked for; one that is lost would never be filled."""

    def is_whole_after_gaps(log: Any) -> bool:
        is_hurt = len({gap.seq for gap in of_kind(log, FeedGap)}) >= 3
        return is_hurt and not missing(stage, {(r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade)})

    stage.simulate(*SMALL, "--faults", "7")
    child = stage.ingest()
    stage.wait_for(is_whole_after_gaps, child, within_s=120.0)
    assert child.stop() == 0
    log = read_log(stage.bootstrap, stage.namespace)
    check_rules(log)
    trades = Counter((r.instrument_name, r.trade_seq) for r in of_kind(log, OptionTrade))
    assert set(trades.values()) == {1}
    assert not any(gap.trade_seq_missing for gap in of_kind(log, FeedGap))


def test_a_recorded_settlement_runs_through_at_full_speed(stage: Stage, shared: Path) -> None:
    recording = shared / "data/deribit/chain-2023-04/btc_2023-04-13.jsonl.zst"
    source = stage.simulate(
        "--recording", str(recording), "--speed", "max", "--from", "2023-04-13T07:25:00Z", "--until", "2023-04-13T07:59:00Z"
    )  # fmt: skip
    child = stage.ingest("--currencies", "BTC", "--clock", "venue", "--pressure", "wait")
    assert eventually(lambda: source.process.poll() is not None, within_s=120.0)
    # What the source had sent when it ended is still read: on a busy machine minutes of the recording.
    stage.wait_for(lambda log: last_clock_ns(log) >= at("07:55:00"), child, within_s=120.0)
    assert child.stop() == 0
    log = read_log(stage.bootstrap, stage.namespace)
    check_rules(log)
    clocks = [row.record.ts_event_ns for row in log[0] if isinstance(row.record, Clock)]
    assert clocks == list(range(clocks[0], clocks[-1] + S, S)), "every second of the recording"
    assert clocks[-1] >= at("07:55:00")
    fixings = [row.record for row in log[0] if isinstance(row.record, SettlementFixing)]
    assert [f.grid_index for f in fixings] == list(range(1, len(fixings) + 1))
    assert len(fixings) >= (clocks[-1] - at("07:30:00")) // (4 * S)
    assert not any(f.is_from_estimate for f in fixings)
    assert 0 < fixings[-1].n_imputed < len(fixings)
    # The venue's own estimate = w avg + (1 - w) index; from our sampled and imputed points alone.
    quotes = [q for q in of_kind(log, OptionQuote) if "13APR23" in q.instrument_name and q.ts_event_ns > at("07:31:00")]
    assert quotes
    worst = 0.0
    for q in quotes:
        known = [f for f in fixings if f.grid_ns <= q.ts_event_ns]
        ours = (known[-1].running_sum + (450 - known[-1].n_fixed) * q.index_price) / 450
        worst = max(worst, abs(ours - q.estimated_delivery_price))
    print(
        f"\n{len(quotes)} estimates compared, worst difference {worst:.2f} USD; {fixings[-1].n_imputed} of {len(fixings)} points imputed"
    )
    assert worst < 3.0
