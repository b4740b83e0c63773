"""The newest records of dealer flow, for the commands that show them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import schemas
from schemas import Flow, FlowStrike
from streams import kafka, topics
from streams.cli.flow_view import Picture
from streams.reader import TopicMissing
from streams.reader.source import window_starts
from streams.topics import Topic

WINDOW_S = 30.0
"""Ladder, profile and strikes come every few seconds of log time."""


class NoFlow(ValueError):
    """There is no record of the currency; the message says what to do."""


def newest(bootstrap: str, namespace: str, topic: Topic, suffix: str = "") -> list[Any]:
    """The records of the last seconds of a topic of dealer flow, in order."""
    name = topics.full_name(topic, namespace, suffix)
    names = kafka.topic_names(bootstrap)
    n_partitions = names.get(name)
    if n_partitions is None:
        option = f" --namespace {namespace}" if namespace else ""
        hint = ", or ask without --suffix" if suffix else elsewhere(names, topic)
        raise TopicMissing(f"no topic {name} at {bootstrap}; start: greekstream flow-service{option}{hint}")
    first = window_starts(bootstrap, name, range(n_partitions), WINDOW_S)
    ends = {p: end for p, (_, end) in kafka.watermarks(bootstrap, name, range(n_partitions)).items()}
    resolve = kafka.resolver(bootstrap, namespace)
    found = kafka.read_range(bootstrap, name, {p: (first[p], ends[p]) for p in ends})
    return [schemas.decode(message.value() or b"", resolve) for message in found]


def elsewhere(names: Iterable[str], topic: Topic) -> str:
    """Which namespaces have the topic, for one who named another or forgot to name any."""
    found = []
    for name in names:
        with contextlib.suppress(KeyError):
            namespace, _, _ = topics.split_name(name)
            if topics.full_name(topic, namespace) == name:
                found.append(f"--namespace {namespace}" if namespace else "no --namespace")
    return f", or ask with {' or '.join(sorted(found))}: there is one" if found else ""


def flows(bootstrap: str, namespace: str, suffix: str, *, only_final: bool) -> dict[str, list[Flow]]:
    """By currency, in the order of their seconds."""
    by_currency: dict[str, list[Flow]] = {}
    for record in newest(bootstrap, namespace, topics.FLOW, suffix):
        if isinstance(record, Flow) and (record.is_final or not only_final):
            by_currency.setdefault(record.currency, []).append(record)
    return {
        currency: sorted(found, key=lambda one: (one.ts_event_ns, one.is_final))
        for currency, found in by_currency.items()
    }


def of_currency(found: dict[str, list[Flow]], currency: str, namespace: str) -> list[Flow]:
    """One currency's; NoFlow where there are none."""
    if currency not in found:
        option = f" --namespace {namespace}" if namespace else ""
        there = f"; there are records of {', '.join(sorted(found))}" if found else ""
        raise NoFlow(f"no dealer flow of {currency}{there}; does it run? greekstream flow-service{option}")
    return found[currency]


def picture(bootstrap: str, namespace: str, suffix: str, currency: str, *, only_final: bool) -> Picture:
    """What one picture of a currency is made of."""
    own = of_currency(flows(bootstrap, namespace, suffix, only_final=only_final), currency, namespace)
    cells = [
        record
        for record in newest(bootstrap, namespace, topics.FLOW_STRIKES, suffix)
        if isinstance(record, FlowStrike) and record.currency == currency
    ]
    second_ns = max((cell.ts_event_ns for cell in cells), default=0)
    # a service that was restarted writes a second again: the same bytes
    strikes = {(cell.expiry_ns, cell.strike): cell for cell in cells if cell.ts_event_ns == second_ns}
    wide = next((record for record in reversed(own) if record.ladder), None)
    return Picture(own[-1], wide, list(strikes.values()))
