"""What a user can mend is one line that says how, and exit status 1; a defect keeps its trace."""

from __future__ import annotations

import socket

import click
import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException

from streams import settings
from streams.broker import BrokerError
from streams.broker_jars import JarsMissing
from streams.broker_java import JavaMissing
from streams.cli import main
from streams.kafka import KafkaUnreachable
from streams.metrics import MetricsError
from streams.registry import RegistryError
from streams.settings import SettingsError

MENDABLE = [BrokerError, JarsMissing, JavaMissing, KafkaUnreachable, MetricsError, RegistryError, SettingsError]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """A command ``fails`` that raises what is put here."""
    errors: list[Exception] = []

    @click.command()
    def fails() -> None:
        raise errors[0]

    monkeypatch.setattr(type(main), "get_command", lambda *_: fails)
    return errors


@pytest.mark.parametrize(
    "error", [*(kind("do this") for kind in MENDABLE), KafkaException(KafkaError(KafkaError._TRANSPORT))]
)
def test_what_can_be_mended_is_one_line(fails: list[Exception], error: Exception) -> None:
    fails.append(error)
    done = CliRunner().invoke(main, ["fails"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("a defect"), ValueError("a defect"), KeyError("a defect")])
def test_a_defect_keeps_its_trace(fails: list[Exception], error: Exception) -> None:
    fails.append(error)
    done = CliRunner().invoke(main, ["fails"])
    assert done.exception is error


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("GREEKSTREAM_WORKER_MAX_ROWS", "many", "cannot be read as int"),
        ("GREEKSTREAM_ENGINE_ENGINE", "qcm", "want one of closed_form, european, qmc"),
        ("GREEKSTREAM_ENGINE_RATES", "BTC", "BTC-27MAR27=0.035"),
        ("GREEKSTREAM_ENGINE_RATE_", "0.1", "is no setting"),
    ],
)
def test_a_worker_refuses_a_wrong_setting_before_it_looks_for_kafka(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, says: str
) -> None:
    monkeypatch.setenv(name, text)
    monkeypatch.setattr(settings, "kafka_bootstrap", lambda *_: pytest.fail("too late"))
    done = CliRunner().invoke(main, ["worker", "--id", "3"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ") and says in done.output and "Traceback" not in done.output


@pytest.mark.parametrize(
    "command", [["worker", "--id", "3"], ["up", "--workers", "2"], ["flow-service"], ["ingest", "--namespace", "x"]]
)
def test_a_metrics_port_in_use_is_one_line_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(settings, "kafka_bootstrap", lambda *_: pytest.fail("too late"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("GREEKSTREAM_METRICS_PORT", str(other.getsockname()[1]))
        done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert done.output.startswith("Error: metrics cannot be served at 127.0.0.1:") and done.output.count("\n") == 1


def test_a_workers_port_in_use_ends_the_supervisor_before_it_starts_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "kafka_bootstrap", lambda *_: pytest.fail("too late"))
    checked: list[int] = []
    monkeypatch.setattr("streams.metrics.serve", lambda *_: None)
    monkeypatch.setattr("streams.metrics.check_free", lambda host, ports: checked.extend(ports))
    monkeypatch.setenv("GREEKSTREAM_METRICS_PORT", "9400")
    with pytest.raises(pytest.fail.Exception):
        CliRunner().invoke(main, ["up", "--workers", "0,3", "--ingest", "ws://127.0.0.1:1"], catch_exceptions=False)
    assert checked == [9401, 9404, 9417, 9418]
