"""Dealer flow on a real Kafka: a short run of the simulated venue, a kill, a restart, a rewind; the finals stay what they were."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import schemas
from schemas import Flow, FlowStrike
from streams import kafka, registry, topics
from streams.cli import main
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from streams.flow_service import making
from streams.flow_service.settings import FoldSettings
from streams.stack import Stack
from streams.topics import Topic
from tests.kafka_fixtures import eventually

NS = 1_000_000_000
N_SECONDS = 5
"""Finals of so many seconds before the kill, and as many after the restart."""


def records(bootstrap: str, namespace: str, topic: Topic, suffix: str = "") -> list[tuple[Any, bytes]]:
    """(record, bytes) of all that stands in a topic."""
    name = topics.full_name(topic, namespace, suffix)
    found = [
        message.value() for message in kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, range(1)))
    ]
    return [(schemas.decode(value), value) for value in found]


def finals(found: list[tuple[Any, bytes]]) -> dict[tuple[Any, ...], set[bytes]]:
    """All byte strings that stand for each final second and currency (and strike)."""
    out: dict[tuple[Any, ...], set[bytes]] = {}
    for record, value in found:
        if isinstance(record, FlowStrike):
            out.setdefault((record.ts_event_ns, record.currency, record.expiry_ns, record.strike), set()).add(value)
        elif isinstance(record, Flow) and record.is_final:
            out.setdefault((record.ts_event_ns, record.currency), set()).add(value)
    return out


def events(path: Path, name: str) -> list[dict[str, Any]]:
    """Lines of a log of JSON lines with this event."""
    lines = (line for line in path.read_text(errors="replace").splitlines() if f'"{name}"' in line)
    return [fields for fields in map(json.loads, lines) if fields["event"] == name]


@pytest.mark.broker
@pytest.mark.slow
def test_finals_are_the_same_bytes_after_a_kill_a_restart_and_a_rewind(
    bootstrap: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 5: only finals are history, deterministic and the same when they come again."""
    environ = {
        "GREEKSTREAM_ENGINE_ENGINE": "closed_form", "GREEKSTREAM_ENGINE_AUDIT": "false", "GREEKSTREAM_FOLD_CHECKPOINT_S": "3",
    }  # fmt: skip
    stack = Stack(
        bootstrap,
        namespace,
        1,
        tmp_path,
        ("--rate", "100", "--options", "320"),
        ("--currencies", "BTC,ETH"),
        environ,
        has_flow=True,
    )
    log = tmp_path / "workers.log"

    def seconds() -> list[int]:
        return sorted({key[0] for key in finals(records(bootstrap, namespace, topics.FLOW))})

    with stack:
        stack.start()
        eventually(lambda: len(seconds()) >= N_SECONDS and events(log, "flow_checkpoint"))
        (started,) = (event for event in events(log, "worker_started") if event["name"] == "flow")
        os.kill(started["pid"], signal.SIGKILL)
        before = seconds()[-1]
        eventually(lambda: seconds()[-1] >= before + N_SECONDS * NS)
        stack.stop_source()
    (restarted,) = events(log, "worker_restarted")
    assert restarted["name"] == "flow" and events(log, "flow_resumes"), "it went on from its checkpoint"
    assert events(log, "flow_stopped"), "it stopped in order"

    last = seconds()[-1]
    # from where the first one began, the log's start, however long that is ago on a busy machine
    settings = FoldSettings(namespace=namespace, group=f"{namespace}.again", out_suffix="again", chain_s=3_600.0)
    wire = registry.wire(namespace, "again", (topics.FLOW, topics.FLOW_STRIKES, topics.DEADLETTER))
    again = making.service(
        bootstrap, settings, FlowSettings(), SideSettings(), wire, is_cold=False, say=lambda *_, **__: None
    )

    again.run(until=lambda: again.state.final.second_ns >= last)
    for topic in (topics.FLOW, topics.FLOW_STRIKES):
        live, rewound = (finals(records(bootstrap, namespace, topic, suffix)) for suffix in ("", "again"))
        assert live and all(len(values) == 1 for values in live.values()), "repeats after the kill are identical"
        assert live == {key: value for key, value in rewound.items() if key in live}
        assert {key for key in rewound if key[0] <= last} == set(live)
    flows = [record for record, _ in records(bootstrap, namespace, topics.FLOW) if record.is_final]
    assert {record.currency for record in flows} == {"BTC", "ETH"}
    assert all(record.late_partitions == () and record.n_options > 100 for record in flows)
    newest = flows[-1]
    # Zero too is an answer: a perpetual that nobody has traded since the simulated venue began.
    assert newest.volume_24h_usd is not None, "of the perpetuals' rows"
    assert newest.exposures[0].ngi_usd is not None and newest.exposures[0].open_interest_share == pytest.approx(
        1.0, abs=0.05
    )

    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)
    shown = CliRunner().invoke(main, ["flow", "--namespace", namespace, "--currency", "ETH"])
    assert shown.exit_code == 0, shown.output
    assert all(part in shown.output for part in ("ETH dealer flow", "flips", "profile", "hedge ladder", "strike  "))
    exported = CliRunner().invoke(main, ["levels", "--csv", "--namespace", namespace])
    assert exported.exit_code == 0, exported.output
    rows = list(csv.DictReader(io.StringIO(exported.output)))
    assert {row["symbol"] for row in rows} == {"BTCUSD", "ETHUSD"} and {row["is_final"] for row in rows} == {"true"}
    none = CliRunner().invoke(main, ["flow", "--namespace", namespace, "--currency", "SOL"])
    assert none.exit_code == 1 and "there are records of BTC, ETH" in none.output
