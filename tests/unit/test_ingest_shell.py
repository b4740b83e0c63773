"""What ingest reads back at start, its settings, and its command."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from schemas import Clock, SettlementFixing, UnderlyingQuote
from streams import settings as settings_module
from streams.cli import main
from streams.deribit.client import MAINNET, TESTNET
from streams.ingest import core
from streams.ingest.lookback import Lookback
from streams.ingest.settings import IngestSettings
from streams.ingest.shell import N_TURNS, TURN_NS, Ingest
from streams.partitioning import N_PARTITIONS
from tests.ingest_world import CALL, NOON, OTHER, S, at, trade


def fixing(n_fixed: int, epoch: int = 1, running_sum: float = 0.0) -> SettlementFixing:
    return SettlementFixing(
        at("07:40:00"), epoch, 0, "btc_usd", at("08:00:00"), n_fixed, at("07:40:00"), 1.0, False, n_fixed, running_sum, 0, False, None
    )  # fmt: skip


def test_lookback_takes_the_newest_of_every_partition() -> None:
    lookback = Lookback()
    lookback.take(3, NOON + 5, Clock(NOON, 1, 0, None))
    lookback.take(4, NOON + S, Clock(NOON + S, 1, 1, None))  # a broadcast that a kill has cut off: partition 3 lacks it
    lookback.take(3, NOON + 7, trade(NOON, 5))
    lookback.take(3, NOON + 7, trade(NOON, 6))
    lookback.take(9, NOON + 2 * S, trade(NOON, 1, OTHER))
    lookback.take(3, NOON + 6, None)
    recovered = lookback.recovered()
    assert recovered.last_clock_ns == NOON + S
    assert recovered.log_times_ns == tuple(
        {3: NOON + 7, 4: NOON + S, 9: NOON + 2 * S}.get(p, 0) for p in range(N_PARTITIONS)
    )
    assert recovered.trade_seqs == {CALL: (5, 6), OTHER: (1,)}


def test_lookback_keeps_the_fixing_that_knows_most() -> None:
    lookback = Lookback()
    for record in (fixing(150), fixing(152, running_sum=9.0), fixing(151), fixing(152, epoch=2, running_sum=10.0)):
        lookback.take(0, NOON, record)
    assert [(f.n_fixed, f.running_sum) for f in lookback.recovered().fixings] == [(152, 10.0)]


def test_lookback_keeps_the_last_index_of_each_price_index() -> None:
    lookback = Lookback()
    for ts_ns, price in ((NOON, 1.0), (NOON + S, 2.0), (NOON + 2 * S, None), (NOON - S, 3.0)):
        lookback.take(0, NOON, UnderlyingQuote(ts_ns, 1, 0, "btc_usd", "BTC", False, price, None, (), ()))
    assert lookback.recovered().index_prices == {"btc_usd": (NOON + S, 2.0)}


def test_an_empty_log_has_nothing_to_go_on_from() -> None:
    recovered = Lookback().recovered()
    assert (recovered.last_clock_ns, recovered.log_times_ns) == (None, (0,) * N_PARTITIONS)


def test_the_network_is_a_setting_and_an_address_overrides_it() -> None:
    assert IngestSettings().address == MAINNET
    assert IngestSettings(network="testnet").address == TESTNET
    assert IngestSettings(network="testnet", url="ws://127.0.0.1:1").address == "ws://127.0.0.1:1"


def test_the_testnets_ticks_never_stand_in_the_live_venues_topics() -> None:
    environ = {"GREEKSTREAM_INGEST_NETWORK": "testnet"}
    assert settings_module.load(IngestSettings, "INGEST", environ).apart().namespace == "testnet"
    assert IngestSettings(network="testnet", namespace="mine").apart().namespace == "mine"
    assert IngestSettings(network="testnet", url="ws://127.0.0.1:1").apart().namespace == ""
    assert IngestSettings().apart() == IngestSettings()


@pytest.mark.parametrize("wrong", [{"network": "prod"}, {"clock": "sun"}, {"pressure": "drop"}])
def test_a_wrong_setting_is_refused_with_what_would_be_right(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="want"):
        IngestSettings(**wrong)  # type: ignore[arg-type]


def test_filters_reach_session_and_core_alike() -> None:
    settings = IngestSettings(currencies=("ETH",), expiries=("14APR23",), max_expiry_days=3.0, kinds=("option",))
    session = settings.session()
    assert (session.currencies, session.expiries, session.max_expiry_days, session.kinds) == (
        ("ETH",),
        ("14APR23",),
        3.0,
        ("option",),
    )
    assert settings.core().currencies == ("ETH",)


def test_secrets_are_not_printed() -> None:
    printed = settings_module.as_printable(IngestSettings(client_id="me", client_secret="mine"))
    assert "me" not in printed.values() and "mine" not in printed.values()


def test_the_command_refuses_raw_intervals_without_a_key_before_it_claims_anything() -> None:
    result = CliRunner().invoke(
        main,
        ["ingest", "--namespace", "x"],
        env={"GREEKSTREAM_INGEST_INTERVAL": "raw", "KAFKA_BOOTSTRAP": "127.0.0.1:1"},
    )
    assert result.exit_code == 2
    assert "DERIBIT_CLIENT_ID" in result.output


@pytest.mark.parametrize(
    ("apart_ns", "is_alone", "most_turns"),
    [
        (TURN_NS // 10, False, 100 // 10 * N_TURNS),  # a burst, on end
        (20 * TURN_NS, True, 101),  # each when the last is long done: the loop has its turns anyway
    ],
)
def test_a_burst_of_frames_gives_the_loop_a_few_turns_a_millisecond_and_frames_apart_give_none(
    apart_ns: int, is_alone: bool, most_turns: int
) -> None:
    clock: Any = SimpleNamespace(now_ns=lambda: NOON + n_read * apart_ns)
    nobody: Any = SimpleNamespace(n_queued=0, write=None, write_status=lambda record: None)
    ingest = Ingest(IngestSettings(), core.new_state(1), nobody, nobody, nobody, clock, nobody)
    n_read = n_turns = 0

    async def count_turns() -> None:
        nonlocal n_turns
        while True:
            await asyncio.sleep(0)
            n_turns += 1

    async def read() -> None:
        nonlocal n_read
        counter = asyncio.create_task(count_turns())
        for _ in range(100):
            n_read += 1
            await ingest.on_events([])
            if is_alone:
                await asyncio.sleep(0)
        counter.cancel()

    asyncio.run(read())
    assert 0.8 * most_turns <= n_turns <= most_turns
