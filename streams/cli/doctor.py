"""``greekstream doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import dataclasses
import json

import click

from streams import doctor, kafka, settings, topics
from streams.broker import BrokerSettings, LocalBroker, running_bootstrap
from streams.broker_java import JavaMissing, find_java
from streams.doctor import OK, PROBLEM, Finding


def check_java(is_needed: bool) -> Finding:
    """The Java of the local broker."""
    if not is_needed:
        return Finding("java", OK, "not needed here: KAFKA_BOOTSTRAP is set")
    try:
        java = find_java(settings.load(BrokerSettings, "BROKER").java)
    except JavaMissing as error:
        return Finding("java", PROBLEM, "none that Apache Kafka runs on", str(error))
    return Finding("java", OK, f"Java {java.major}, {java.source}: {java.path}")


def broker_missing(given: str | None) -> Finding:
    """Why no Kafka answers."""
    if given is not None:
        text = f"nothing answers at KAFKA_BOOTSTRAP={given}"
        return Finding(
            "broker", PROBLEM, text, "start that Kafka, or unset KAFKA_BOOTSTRAP and: greekstream broker start"
        )
    status = LocalBroker(settings.state_dir()).status()
    text = {
        "stale": f"the local broker died without being stopped; its log: {status.log_path}",
        "starting": f"the local broker (pid {status.pid}) does not answer; its log: {status.log_path}",
    }.get(status.state, "the local broker does not run, and KAFKA_BOOTSTRAP is not set")
    return Finding("broker", PROBLEM, text, "greekstream broker start")


@click.command()
@click.option("--namespace", default="", help="Prefix of topics and groups; empty for the live venue.")
@click.option(
    "--profile",
    type=click.Choice(topics.PROFILES),
    default="local",
    show_default=True,
    help="What the topics were made for.",
)
@click.option(
    "--max-lag",
    type=click.IntRange(min=0),
    default=doctor.MOST_LAG,
    show_default=True,
    help="Unacknowledged records to put up with.",
)
@click.option("--only", multiple=True, type=click.Choice(doctor.CHECKS), help="Only this check (several times: these).")
@click.option(
    "--repair", is_flag=True, help="Set the settings of existing topics right first (never their partitions)."
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of lines.")
def command(namespace: str, profile: str, max_lag: int, only: tuple[str, ...], repair: bool, is_json: bool) -> None:
    """Say what is wrong, and what to do about it.

    It looks at Java, the broker, the topics and their settings, the broker's clock, ingest's last report, the workers'
    group and its lag, how much of the chain is priced, and whether all workers are of one version.  Exit status 1 when
    there is a problem.

    Example: greekstream doctor --namespace sim
    """
    given = settings.kafka_bootstrap()
    bootstrap = given or running_bootstrap(settings.state_dir())
    chosen = only or doctor.CHECKS
    findings = [check_java(given is None)] if "java" in chosen else []
    if bootstrap is None or not kafka.is_reachable(bootstrap, 5.0):
        findings.append(broker_missing(given))
    else:
        if repair:
            kafka.repair_topics(bootstrap, namespace, profile)
        findings += doctor.examine(bootstrap, namespace, profile, max_lag, chosen)
    is_ok = all(finding.state != PROBLEM for finding in findings)
    if is_json:
        facts = {"namespace": namespace, "bootstrap": bootstrap, "is_ok": is_ok}
        click.echo(json.dumps({**facts, "findings": [dataclasses.asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{finding.state:8} {finding.check:9} {finding.text}")
            if finding.remedy:
                click.echo(f"{'':18} -> {finding.remedy}")
    if not is_ok:
        raise SystemExit(1)
