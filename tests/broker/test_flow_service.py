"""Dealer flow on a real Kafka: a short run of the simulated venue, a kill, a restart, a rewind; the finals stay what they were."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas import Flow, FlowStrike
from streams import kafka, registry, topics
from streams.flow.settings import FlowSettings
from streams.flow.side import SideSettings
from streams.flow_service import shell
from streams.flow_service.settings import FoldSettings
from streams.processes import Child
from streams.stack import Stack
from streams.topics import Topic
from tests.kafka_fixtures import eventually

NS = 1_000_000_000
N_SECONDS = 8
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


def service(bootstrap: str, namespace: str, log_dir: Path, name: str) -> Child:
    environ = {"KAFKA_BOOTSTRAP": bootstrap, "GREEKSTREAM_FOLD_CHECKPOINT_S": "3"}
    return Child(name, ["flow-service", "--namespace", namespace], log_dir / f"{name}.log", environ=environ)


@pytest.mark.broker
@pytest.mark.slow
def test_finals_are_the_same_bytes_after_a_kill_a_restart_and_a_rewind(
    bootstrap: str, namespace: str, tmp_path: Path
) -> None:
    """DESIGN 5: only finals are history, deterministic and the same when they come again."""
    environ = {"GREEKSTREAM_ENGINE_ENGINE": "closed_form", "GREEKSTREAM_ENGINE_AUDIT": "false"}
    stack = Stack(
        bootstrap,
        namespace,
        2,
        tmp_path,
        simulate=("--rate", "100"),
        ingest=("--currencies", "BTC,ETH"),
        environ=environ,
    )

    def seconds() -> list[int]:
        return sorted({key[0] for key in finals(records(bootstrap, namespace, topics.FLOW))})

    with stack:
        stack.start()
        child = service(bootstrap, namespace, tmp_path, "first")
        try:
            eventually(lambda: len(seconds()) >= N_SECONDS and '"flow_checkpoint"' in child.log_path.read_text())
            os.kill(child.process.pid, signal.SIGKILL)
            child.process.wait(10)
            before = seconds()[-1]
            child = service(bootstrap, namespace, tmp_path, "second")
            eventually(lambda: seconds()[-1] >= before + N_SECONDS * NS)
            stack.stop_source()
        finally:
            status = child.stop(30.0)
        assert status == 0, child.last_log_lines()
    assert '"flow_resumes"' in child.log_path.read_text(), "it went on from its checkpoint"

    last = seconds()[-1]
    settings = FoldSettings(namespace=namespace, group=f"{namespace}.again", out_suffix="again")
    wire = registry.wire(namespace, "again", (topics.FLOW, topics.FLOW_STRIKES, topics.DEADLETTER))
    again = shell.service(
        bootstrap, settings, FlowSettings(), SideSettings(), wire, is_cold=False, say=lambda *_, **__: None
    )

    again.run(until=lambda: again.state.final.second_ns >= last)
    for topic in (topics.FLOW, topics.FLOW_STRIKES):
        live, rewound = (
            finals(records(bootstrap, namespace, topic)),
            finals(records(bootstrap, namespace, topic, "again")),
        )
        assert live and all(len(values) == 1 for values in live.values()), "repeats after the kill are identical"
        assert live == {key: value for key, value in rewound.items() if key in live}
        assert {key for key in rewound if key[0] <= last} == set(live)
    flows = [record for record, _ in records(bootstrap, namespace, topics.FLOW) if record.is_final]
    assert {record.currency for record in flows} == {"BTC", "ETH"}
    assert all(record.late_partitions == () and record.n_options > 100 for record in flows)
    newest = flows[-1]
    assert newest.exposures[0].ngi_usd is not None and newest.exposures[0].open_interest_share == pytest.approx(
        1.0, abs=0.05
    )
