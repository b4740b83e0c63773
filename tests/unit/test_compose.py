"""docker-compose.yml and the Dockerfile against the Compose specification, and against the commands, options and settings
that the code really has.

The specification's own schema comes with the package check-jsonschema.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from streams.cli import main
from streams.settings import PLAIN_NAMES, SECRET_WORDS
from streams.supervisor import parse_workers
from tests.conftest import ROOT, skip_or_fail

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("greekstream:")}
ONE_SHOT = {"topics"}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")

# prefix of settings -> (module, class); what the commands themselves load
SETTINGS = {
    "INGEST": ("streams.ingest.settings", "IngestSettings"),
    "WORKER": ("streams.worker.settings", "WorkerSettings"),
    "SIMULATE": ("streams.simulator.settings", "SimulatorSettings"),
    "BROKER": ("streams.broker", "BrokerSettings"),
    "METRICS": ("streams.metrics.settings", "MetricsSettings"),
    "SUPERVISOR": ("streams.supervisor.settings", "SupervisorSettings"),
    "CME": ("streams.cme_service.settings", "CmeSettings"),
    "HISTORY": ("streams.history.settings", "HistorySettings"),
    "MERGE": ("streams.cme_service.settings", "MergeSettings"),
    "FLOW": ("streams.flow.settings", "FlowSettings"),
    "DEALER": ("streams.flow.side.settings", "SideSettings"),
    "FOLD": ("streams.flow_service.settings", "FoldSettings"),
}


def with_defaults(text: str) -> str:
    """The text as Compose sees it in an empty environment."""
    return VARIABLE.sub(lambda match: match[2] or "", text)


def parse_command(words: list[str]) -> click.Context:
    """Parse the words after ``greekstream`` with the real commands, without running them."""
    group: click.Group = main
    with click.Context(main, info_name="greekstream") as parent:
        while True:
            name, command, words = group.resolve_command(parent, words)
            assert command is not None
            context = command.make_context(name, list(words), parent=parent)
            rest = [*context._protected_args, *context.args]
            if not isinstance(command, click.Group) or (command.invoke_without_command and not rest):
                return context
            group, parent, words = command, context, rest


def compose_specification() -> dict[str, Any]:
    """Read from the package's folder: its code need not run (it wants a newer click than faust allows)."""
    spec = importlib.util.find_spec("check_jsonschema")
    assert spec is not None and spec.submodule_search_locations, "install the extra dev"
    path = Path(spec.submodule_search_locations[0]) / "builtin_schemas" / "vendor" / "compose-spec.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_file_meets_the_compose_specification() -> None:
    schema = compose_specification()
    validator = jsonschema.validators.validator_for(schema)(schema)
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(COMPOSE)]
    assert errors == []


def test_the_specification_check_can_fail() -> None:
    schema = compose_specification()
    validator = jsonschema.validators.validator_for(schema)(schema)
    for wrong in ({"services": {"x": {"imag": "y"}}}, {"services": {"x": {"healthcheck": {"tests": []}}}}):
        assert list(validator.iter_errors(wrong))


def test_a_docker_client_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode != 0
    ):
        skip_or_fail("no docker client with the compose plugin", "REQUIRE_COMPOSE")
    command = [
        str(docker),
        "compose",
        "--profile",
        "simulator",
        "--profile",
        "cme",
        "--profile",
        "history",
        "-f",
        str(FILE),
        "config",
        "--quiet",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_services_are_those_of_the_pipeline() -> None:
    assert set(SERVICES) == {
        "kafka",
        "topics",
        "ingest",
        "workers",
        "flow",
        "cme",
        "merge",
        "history",
        "clickhouse",
        "simulator",
        "ui",
        "prometheus",
        "grafana",
    }
    assert SERVICES["kafka"]["image"] == "apache/kafka:4.1.1"
    assert {service["image"] for service in OURS.values()} == {SERVICES["workers"]["image"]}, (
        "one image for every service"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].rpartition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


def test_our_image_has_the_version_of_the_project() -> None:
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert SERVICES["workers"]["image"] == f"greekstream:{version[1]}"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits_a_bounded_log_and_a_health_check_and_is_restarted(name: str) -> None:
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["restart"] in ("unless-stopped", "on-failure")
        assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_the_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert with_defaults(port).startswith("127.0.0.1:")
    assert "network_mode" not in SERVICES[name]


def test_what_a_service_waits_for_is_there_and_can_come_about() -> None:
    for name, service in SERVICES.items():
        for other, terms in service.get("depends_on", {}).items():
            if terms["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no", f"{name} waits for {other} to end, which is restarted"
            else:
                assert terms["condition"] == "service_healthy"
                assert "healthcheck" in SERVICES[other], f"{name} waits for the health of {other}"


def test_named_volumes_are_declared_and_used_and_what_is_mounted_of_ours_is_there_and_read_only() -> None:
    used = {tuple(volume.split(":")) for service in SERVICES.values() for volume in service.get("volumes", [])}
    ours = {volume for volume in used if volume[0].startswith("./")}
    assert {volume[0] for volume in used - ours} == set(COMPOSE["volumes"])
    for source, _, *mode in ours:
        assert (ROOT / source).exists(), source
        assert mode == ["ro"], source


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_health_check_of_ours_is_one_the_code_has(name: str) -> None:
    lines = [OURS[name]["command"]]
    probe = OURS[name].get("healthcheck", {}).get("test", ["CMD"])
    assert probe[0] == "CMD"
    if probe[1:2] == ["greekstream"]:
        lines.append(probe[2:])
    for line in lines:
        parse_command([with_defaults(word) for word in line])


def test_healthy_means_ready_and_is_asked_where_it_is_served() -> None:
    for name in ("ingest", "workers", "flow", "cme", "merge", "history"):
        (url,) = re.findall(r"http://\S+?(?=')", OURS[name]["healthcheck"]["test"][-1])
        assert url == f"http://127.0.0.1:{OURS[name]['environment']['GREEKSTREAM_METRICS_PORT']}/ready"


def test_a_command_that_the_code_does_not_have_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse_command(["topics", "--make"])


def test_sixteen_workers_run_and_have_time_to_stop() -> None:
    context = parse_command([with_defaults(word) for word in OURS["workers"]["command"]])
    assert parse_workers(context.params["workers"]) == list(range(16))
    assert int(OURS["workers"]["stop_grace_period"].removesuffix("s")) > context.params["stop_within"]


@pytest.mark.parametrize("name", OURS)
def test_every_environment_name_is_a_setting(name: str) -> None:
    for variable in OURS[name].get("environment", {}):
        if variable in (*PLAIN_NAMES, "GREEKSTREAM_STATE_DIR"):
            continue
        _, prefix, field = variable.split("_", 2)
        module, cls = SETTINGS[prefix]
        fields = {item.name for item in dataclasses.fields(getattr(importlib.import_module(module), cls))}
        assert field.lower() in fields, variable


def test_settings_classes_and_prefixes_are_those_that_the_commands_load() -> None:
    for prefix, (module, cls) in SETTINGS.items():
        flow = dict.fromkeys(("FLOW", "DEALER", "FOLD"), "flow_service")
        command = {"METRICS": "worker", "SUPERVISOR": "up", **flow}.get(prefix, prefix.lower())
        source = inspect.getsource(importlib.import_module(f"streams.cli.{command}"))
        assert re.search(rf'{cls},\s+"{prefix}"', source), f"{module}.{cls} is not loaded as {prefix}"


def test_an_empty_variable_means_the_default() -> None:
    """Compose passes ``${NAME:-}`` as an empty text; only fields for which that is what they mean may be given so."""
    for name, service in OURS.items():
        for variable, value in service.get("environment", {}).items():
            if with_defaults(value) == "" and variable.startswith("GREEKSTREAM_"):
                _, prefix, field = variable.split("_", 2)
                module, cls = SETTINGS[prefix]
                default = getattr(importlib.import_module(module), cls)()
                assert getattr(default, field.lower()) in ("", ()), f"{name}: {variable}"


def test_secrets_come_from_the_environment_only() -> None:
    n_secrets = 0
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable.lower() for word in SECRET_WORDS):
                n_secrets += 1
                assert VARIABLE.fullmatch(value), variable
                assert with_defaults(value) == "", f"{variable} has a default"
    assert n_secrets == 2


def test_every_variable_is_told_of_at_the_top_of_the_file() -> None:
    text = FILE.read_text()
    head = text[: text.index("name: greekstream")]
    told = {name for name, _ in VARIABLE.findall(text)}
    assert {name for name in told if name not in head} == set()


def test_h6_the_servers_tables_are_those_that_history_prints_and_their_files_lie_where_it_looks() -> None:
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["clickhouse"]["volumes"])
    printed = CliRunner().invoke(main, ["history", "--ddl"]).output
    assert (ROOT / "deploy/clickhouse/tables.sql").read_text() == printed, (
        "greekstream history --ddl > deploy/clickhouse/tables.sql"
    )
    assert mounts["./deploy/clickhouse/tables.sql"] == "/docker-entrypoint-initdb.d/tables.sql"
    (path,) = re.findall("<user_files_path>(.*)/</user_files_path>", (ROOT / "deploy/clickhouse/files.xml").read_text())
    assert mounts["state"] == path
    command = OURS["history"]["command"]
    folder = Path(command[command.index("--folder") + 1])
    own = dict(volume.split(":")[:2] for volume in OURS["workers"]["volumes"])
    loads = re.findall(r"file\('(\w+)/live/\w+/", printed)
    assert loads and set(loads) == {folder.relative_to(own["state"]).as_posix()}


def test_kafka_is_reached_where_it_listens() -> None:
    environment = SERVICES["kafka"]["environment"]
    advertised = dict(part.split("://") for part in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(part.split("://") for part in environment["KAFKA_LISTENERS"].split(","))
    for service in OURS.values():
        if "KAFKA_BOOTSTRAP" in service.get("environment", {}):
            assert service["environment"]["KAFKA_BOOTSTRAP"] == advertised["INTERNAL"]
    assert SERVICES["ui"]["environment"]["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"] == advertised["INTERNAL"]
    assert advertised["INTERNAL"].endswith(listening["INTERNAL"])
    (published,) = SERVICES["kafka"]["ports"]
    _, host_port, port = with_defaults(published).split(":")
    assert listening["HOST"] == f":{port}"
    assert with_defaults(advertised["HOST"]) == f"localhost:{host_port}"
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@kafka{listening['CONTROLLER']}"


def dockerfile() -> list[list[str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def copied() -> list[str]:
    """Paths that the Dockerfile takes from the project."""
    lines = [[word for word in line if not word.startswith("--")] for line in dockerfile() if line[0] == "COPY"]
    from_stage = [any(word.startswith("--from") for word in line) for line in dockerfile() if line[0] == "COPY"]
    return [source for line, staged in zip(lines, from_stage, strict=True) if not staged for source in line[1:-1]]


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for source in copied():
        assert (ROOT / source).exists(), source
        is_ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!").rstrip("/")
            if any(fnmatch.fnmatch(part, pattern) for part in (source, source.split("/")[0])):
                is_ignored = not rule.startswith("!")
        assert not is_ignored, source
    assert {"schemas", "pricers", "streams", "constraints.txt", "pyproject.toml"} <= set(copied())


def test_the_image_has_the_extras_that_its_services_need() -> None:
    """Kafka has an image of its own; a registry and CME's files are read by ours."""
    (install,) = [line for line in dockerfile() if line[0] == "RUN" and any(word.endswith("/pip") for word in line)]
    extras = set(install[-1].strip("'.[]").split(","))
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert {"registry", "cme", "history"} <= extras <= known - {"broker", "dev"}


def test_the_image_runs_as_nobody_special_and_writes_only_where_it_may() -> None:
    lines = dockerfile()
    assert ["USER", "greekstream"] in lines
    state = next(
        word for line in lines if line[0] == "ENV" for word in line if word.startswith("GREEKSTREAM_STATE_DIR=")
    )
    for service in OURS.values():
        assert service["read_only"] is True
        assert f"state:{state.partition('=')[2]}" in service["volumes"]


def run_entrypoint(tmp_path: Path, program: str) -> subprocess.Popen[bytes]:
    (tmp_path / "greekstream").write_text(f"#!{sys.executable}\n{program}\n")
    (tmp_path / "greekstream").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.Popen(["sh", str(ROOT / "docker/entrypoint.sh"), "ingest", "--x"], env=environ)


@pytest.mark.parametrize(("status", "seen"), [(0, 0), (1, 1), (66, 0), (137, 137)])
def test_the_entry_point_passes_the_status_on_but_for_an_ingest_that_gave_way(
    tmp_path: Path, status: int, seen: int
) -> None:
    program = f"import sys; sys.exit({status} if sys.argv[1:] == ['ingest', '--x'] else 99)"
    assert run_entrypoint(tmp_path, program).wait(20) == seen


def test_the_entry_point_passes_a_stop_on_and_waits_for_its_child(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = f"""
import pathlib, signal, sys, time
def stop(*_):
    time.sleep(0.3)
    pathlib.Path({str(mark)!r}).write_text("stopped")
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({str(mark)!r}).write_text("ready")
while True:
    time.sleep(0.05)
"""
    process = run_entrypoint(tmp_path, program)
    deadline = time.monotonic() + 20
    while not (mark.exists() and mark.read_text() == "ready"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 7
    assert mark.read_text() == "stopped"
