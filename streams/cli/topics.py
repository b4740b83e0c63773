"""``greekstream topics``: create the topics, or show them with their records, sizes and lags."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from streams import broker, kafka, settings, topics
from streams.cli.session import clear_errors, find_bootstrap, namespace_option


def partition_bytes(data_dir: Path) -> dict[str, int]:
    """{topic: bytes on disk} of a local broker's data folder; {} where it cannot be read."""
    sizes: dict[str, int] = {}
    for folder in data_dir.glob("**/*-[0-9]*"):
        name, _, number = folder.name.rpartition("-")
        if number.isdigit() and folder.is_dir():
            blocks = (os.lstat(entry).st_blocks * 512 for entry in folder.iterdir())
            sizes[name] = sizes.get(name, 0) + sum(blocks)
    return sizes


def local_sizes(bootstrap: str) -> dict[str, int]:
    """Sizes by topic when ``bootstrap`` is the local broker (Kafka's admin protocol in librdkafka does not say); else {}."""
    state_dir = settings.state_dir()
    if broker.running_bootstrap(state_dir) != bootstrap:
        return {}
    try:
        return partition_bytes(Path(broker.LocalBroker(state_dir).status().data_dir))
    except OSError:  # segments come and go while we look
        return {}


def topic_rows(bootstrap: str, namespace: str, *, with_later: bool) -> list[dict[str, Any]]:
    """One dict a topic of the table: what is there of it."""
    present = kafka.topic_names(bootstrap)
    sizes = local_sizes(bootstrap)
    rows = []
    for topic in topics.ALL if with_later else topics.NOW:
        name = topics.full_name(topic, namespace)
        row: dict[str, Any] = {"topic": name, "exists": name in present, "partitions": present.get(name)}
        row |= {"records": None, "bytes": sizes.get(name), "cleanup": topic.cleanup, "key": topic.key, "why": topic.why}
        if name in present:
            edges = kafka.watermarks(bootstrap, name, range(present[name])).values()
            # Of a compacted topic this counts offsets, of which some records are gone.
            row["records"] = sum(end - first for first, end in edges)
        rows.append(row)
    return rows


def group_rows(bootstrap: str, namespace: str) -> list[dict[str, Any]]:
    """One dict a consumer group of the namespace and topic that it has committed to: state, members, lag in records."""
    prefix = f"{namespace}." if namespace else ""
    rows = []
    present = kafka.topic_names(bootstrap)
    ours = [name for topic in topics.ALL if (name := topics.full_name(topic, namespace)) in present]
    for group in kafka.list_groups(bootstrap):
        if not group.startswith(f"{prefix}greekstream"):
            continue
        state, n_members = kafka.group_state(bootstrap, group)
        n_topics = 0
        for name in ours:
            offsets = kafka.group_offsets(bootstrap, group, name, range(present[name]))
            if not offsets:
                continue
            n_topics += 1
            lags = kafka.lags(bootstrap, name, range(present[name]), offsets)
            worst = max(lags, key=lambda partition: lags[partition])
            rows.append(
                {
                    "group": group, "state": state, "members": n_members, "topic": name, "lag": sum(lags.values()),
                    "worst_partition": worst, "worst_lag": lags[worst],
                }
            )  # fmt: skip
        if not n_topics:
            rows.append({"group": group, "state": state, "members": n_members, "topic": None, "lag": None})
    return rows


def _size(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else f"{n_bytes / 2**20:.1f} MiB"


def _table(title: str, heads: list[str], rows: list[list[str]], numbers: set[int]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i in numbers else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    # A pipe has no width: nothing is cut there.
    console = console if console.is_terminal else Console(width=200)
    console.print(table)


def show(found: list[dict[str, Any]], groups: list[dict[str, Any]]) -> None:
    lines = [
        [
            row["topic"],
            f"{row['partitions']}" if row["exists"] else "missing",
            "-" if row["records"] is None else f"{row['records']:,}",
            _size(row["bytes"]),
            row["cleanup"],
            row["key"],
        ]
        for row in found
    ]
    _table("", ["topic", "partitions", "records", "on disk", "cleanup", "key"], lines, {1, 2, 3})
    lines = [
        [row["group"], row["state"], str(row["members"]), row["topic"] or "-",
         "-" if row["lag"] is None else f"{row['lag']:,}",
         f"{row['worst_partition']}: {row['worst_lag']:,}" if row["lag"] else "-"]
        for row in groups
    ]  # fmt: skip
    if lines:
        click.echo()
        _table("", ["group", "state", "members", "reads", "lag", "worst partition"], lines, {2, 4})


@click.command("topics")
@click.option("--create", is_flag=True, help="Make those that are missing first; what exists is left as it is.")
@click.option("--profile", type=click.Choice(topics.PROFILES), default="local", show_default=True,
              help="With --create: local keeps a namespace within 10 GB, server keeps by time.")  # fmt: skip
@click.option("--later", "with_later", is_flag=True, help="Show those of later capabilities too.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of tables.")
@namespace_option
def command(create: bool, profile: str, with_later: bool, is_json: bool, namespace: str) -> None:
    """The topics with their partitions, records and sizes, and how far each consumer group lags behind.

    Records of a compacted topic are counted by offsets, compacted ones included.  Sizes are known of the local broker only.
    The lag of the workers is what is not acknowledged yet: results of the last two seconds wait for their checkpoint.

    Example: greekstream topics --create --namespace demo
    """
    bootstrap = find_bootstrap()
    with clear_errors():
        made = kafka.create_topics(bootstrap, namespace, profile) if create else []
        found, groups = topic_rows(bootstrap, namespace, with_later=with_later), group_rows(bootstrap, namespace)
    if is_json:
        facts = {"bootstrap": bootstrap, "namespace": namespace, "created": made, "topics": found, "groups": groups}
        click.echo(json.dumps(facts))
        return
    if made:
        click.echo(f"made {len(made)}: {', '.join(made)}")
    show(found, groups)
    if not create and any(not row["exists"] for row in found):
        option = f" --namespace {namespace}" if namespace else ""
        click.echo(f"\nsome are missing; make them with: greekstream topics --create{option}")
