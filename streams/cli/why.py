"""``greekstream why``: why an instrument has no greeks, since when, and what would clear it; or how many have none."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import click

import schemas
from schemas import BadName, Greeks, Reject, RowStatus, names
from streams import kafka, topics
from streams.cli import why_statistics
from streams.cli.session import age, clear_errors, find_bootstrap, iso, namespace_option
from streams.partitioning import partition_of
from streams.reader import Reader, TopicMissing
from streams.topics import Topic


class Answer(NamedTuple):
    """``reject``: the standing one; ``row``: the newest of greeks.v1, of greeks.latest.v1 if it is older than its window."""

    instrument_name: str
    partition: int
    reject: Reject | None
    row: Greeks | None
    log_time_ns: int | None


def newest(bootstrap: str, namespace: str, topic: Topic, key: str) -> Any:
    """The last record with this key in its partition of the topic; None where there is none or a tombstone is last."""
    name, partition = topics.full_name(topic, namespace), partition_of(key)
    if name not in kafka.topic_names(bootstrap):
        option = f" --namespace {namespace}" if namespace else ""
        raise TopicMissing(f"no topic {name} at {bootstrap}; make it with: greekstream topics --create{option}")
    resolve = kafka.resolver(bootstrap, namespace)
    last = None
    for message in kafka.read_range(bootstrap, name, kafka.watermarks(bootstrap, name, [partition])):
        if message.key() == key.encode():
            last = message.value()
    return None if last is None else schemas.decode(last, resolve)


def find(bootstrap: str, namespace: str, instrument_name: str) -> Answer:
    reject = newest(bootstrap, namespace, topics.REJECTS, instrument_name)
    with Reader(bootstrap, namespace) as reader:
        row = reader.chain().get(instrument_name)
        log_time_ns = reader.log_time_ns
    if row is None:
        row = newest(bootstrap, namespace, topics.LATEST, instrument_name)
    return Answer(instrument_name, partition_of(instrument_name), reject, row, log_time_ns)


def in_words(answer: Answer) -> str:
    """One line: the state, since when, what clears it."""
    name, reject, row, now_ns = answer.instrument_name, answer.reject, answer.row, answer.log_time_ns
    if reject is not None:
        since = iso(reject.since_ns, 0) + (f" ({age((now_ns - reject.since_ns) / 1e9)})" if now_ns else "")
        good = f"; last good row {iso(row.last_good_ns, 0)}" if row is not None and row.last_good_ns else ""
        detail = f" ({reject.detail})" if reject.detail else ""
        return f"{name}: {reject.status.name} since {since}{detail}; clears when {reject.clears_when}{good}"
    if row is None:
        expiry_ns = names.parse(name).expiry_ns
        if expiry_ns is not None and now_ns is not None and expiry_ns <= now_ns:
            return f"{name}: expired {iso(expiry_ns, 0)}; expired instruments have no rows"
        return (
            f"{name}: no reject and no row in partition {answer.partition}; either it is not listed (or filtered out by "
            "ingest), or its worker has not seen a snapshot yet: see greekstream topics for the workers' lag"
        )
    row_age = age((now_ns - row.ts_event_ns) / 1e9) if now_ns is not None else "unknown age"
    if row.price_usd is not None and row.delta is not None:
        flags = [flag for flag in ("is_stale", "is_cold") if getattr(row, flag)]
        note = f", {' and '.join(flags)}" if flags else ""
        return (
            f"{name}: nothing is wrong: {row.status.name}, {row.price_usd:.2f} USD, sigma {_number(row.sigma)} "
            f"({row.sigma_source.name}), delta {row.delta:.4f}, {row_age} old{note}"
        )
    good = f"last good row {iso(row.last_good_ns, 0)}" if row.last_good_ns else "it never had numbers"
    what = "expired" if row.status is RowStatus.EXPIRED else f"{row.status.name} in its last row, {row_age} old"
    return f"{name}: {what}; no standing reject; {good}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


@click.command("why")
@click.argument("instrument", required=False)
@click.option("--statistics", "is_statistics", is_flag=True, help="Of all instruments: how many by reason and series.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object: the reject and the newest row, whole.")
@namespace_option
def command(instrument: str | None, is_statistics: bool, is_json: bool, namespace: str) -> None:
    """Why an instrument has no greeks: the reason, since when, and what would clear it.  One line.

    Reads the standing rejects (rejects.v1) and the instrument's newest row (greeks.v1, else greeks.latest.v1).  With
    --statistics it counts the standing rejects of all instruments instead, by reason, underlying and expiry.

    Example: greekstream why BTC-27MAR26-100000-C --namespace demo
    """
    if (instrument is None) != is_statistics:
        raise click.UsageError("give an INSTRUMENT, or --statistics")
    if instrument is None:
        bootstrap = find_bootstrap()
        with clear_errors():
            found = why_statistics.read(bootstrap, namespace)
        click.echo(json.dumps(found) if is_json else why_statistics.in_words(found))
        return
    try:
        names.parse(instrument)
    except BadName as error:
        raise click.BadParameter(str(error), param_hint="INSTRUMENT") from error
    bootstrap = find_bootstrap()
    with clear_errors():
        answer = find(bootstrap, namespace, instrument)
    if is_json:
        facts = {"instrument_name": instrument, "partition": answer.partition, "log_time_ns": answer.log_time_ns}
        facts |= {"reject": schemas.to_plain(answer.reject), "row": schemas.to_plain(answer.row)}
        click.echo(json.dumps({**facts, "text": in_words(answer)}))
        return
    click.echo(in_words(answer))
