"""``greekstream audit``: how far our numbers are from the venue's, the Europeans' and the other engine's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

import schemas
from schemas import Audit, AuditKind, DecodeError
from streams import kafka, topics
from streams.cli.audit_view import Differences, lines, underlying
from streams.cli.session import Moment, clear_errors, find_bootstrap, iso, namespace_option
from streams.reader import TopicMissing

DEFAULT_NS = 600_000_000_000
NS_PER_MS = 1_000_000
KINDS = [kind.name for kind in AuditKind if kind is not AuditKind.UNKNOWN]


class Span(NamedTuple):
    """A range of log time, ns UTC: from ``since_ns`` on, before ``until_ns``."""

    since_ns: int
    until_ns: int

    def __str__(self) -> str:
        return f"{iso(self.since_ns)} to {iso(self.until_ns)}"


class Audits:
    """The records of a namespace's audit.v1 in a span, repeats of a crash left out."""

    def __init__(self, bootstrap: str, namespace: str, suffix: str = "") -> None:
        self.bootstrap, self.namespace = bootstrap, namespace
        self.name = topics.full_name(topics.AUDIT, namespace, suffix)
        n_partitions = kafka.topic_names(bootstrap).get(self.name)
        if n_partitions is None:
            option = f" --namespace {namespace}" if namespace else ""
            remedy = f"greekstream replay --out-suffix {suffix}" if suffix else "greekstream topics --create"
            raise TopicMissing(f"no topic {self.name} at {bootstrap}; make it with: {remedy}{option}")
        self.edges = kafka.watermarks(bootstrap, self.name, range(n_partitions))
        self.n_repeats = self.n_unreadable = 0
        self._newest: dict[int, tuple[int, int, int]] = {}

    def newest_ns(self) -> int | None:
        """Log time of the newest record; None while there is none."""
        last = {p: (end - 1, end) for p, (first, end) in self.edges.items() if end > first}
        times = [message.timestamp()[1] for message in kafka.read_range(self.bootstrap, self.name, last)]
        return max(times) * NS_PER_MS if times else None

    def read(self, span: Span) -> Iterator[Audit]:
        """Each comparison of the span once."""
        first = kafka.offsets_for_time(self.bootstrap, self.name, self.edges, span.since_ns // NS_PER_MS)
        end = kafka.offsets_for_time(self.bootstrap, self.name, self.edges, -(-span.until_ns // NS_PER_MS))
        ranges = {p: (first[p], min(end[p], self.edges[p][1])) for p in self.edges}
        resolve = kafka.resolver(self.bootstrap, self.namespace)
        for message in kafka.read_range(self.bootstrap, self.name, ranges):
            try:
                record = schemas.decode(message.value() or b"", resolve)
            except DecodeError:
                self.n_unreadable += 1
                continue
            is_new = isinstance(record, Audit) and self._is_new(message, record)
            if is_new and span.since_ns <= record.ts_event_ns < span.until_ns:
                yield record

    def _is_new(self, message: Any, record: Audit) -> bool:
        """A partition's results come in the order of (epoch, source offset, result_seq): what does not rise is a repeat."""
        headers = dict(message.headers() or ())
        place = (int(headers.get("epoch", b"0")), record.source_offset, record.result_seq)
        if place <= self._newest.get(message.partition(), (-1, -1, -1)):
            self.n_repeats += 1
            return False
        self._newest[message.partition()] = place
        return True


def span_of(since: int | None, until: int | None, newest_ns: int) -> Span:
    """What was asked for; without a beginning ten minutes, without an end up to the newest record."""
    until = newest_ns + NS_PER_MS if until is None else until
    since = until - DEFAULT_NS if since is None else since
    if since >= until:
        raise ValueError(f"nothing lies between {iso(since)} and {iso(until)}: the end must come after the beginning")
    return Span(since, until)


def summary(audits: Audits, span: Span, found: Differences, newest_ns: int) -> dict[str, Any]:
    return {
        "topic": audits.name, "since": iso(span.since_ns), "until": iso(span.until_ns), "newest": iso(newest_ns),
        "records": found.n_records, "repeats": audits.n_repeats, "unreadable": audits.n_unreadable,
        "distributions": found.distributions(),
    }  # fmt: skip


@click.command("audit")
@click.option(
    "--since", type=Moment(), help="From this moment of exchange time on. [default: ten minutes before the end]"
)
@click.option("--until", type=Moment(), help="Before this moment. [default: up to the newest record]")
@click.option("--kind", "kinds", type=click.Choice(KINDS, case_sensitive=False), multiple=True, help="Only these.")
@click.option("--currency", help="BTC, ETH (coin-settled) or BTC_USDC (linear). [default: all]")
@click.option("--by-expiry", is_flag=True, help="Each expiry by itself.")
@click.option("--by-minute", is_flag=True, help="Each minute by itself.")
@click.option("--suffix", default="", metavar="S", help="Of a replay's side topic: audit.v1.S.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object.")
@namespace_option
def command(
    since: int | None, until: int | None, kinds: tuple[str, ...], currency: str | None, by_expiry: bool, by_minute: bool,
    suffix: str, is_json: bool, namespace: str,
) -> None:  # fmt: skip
    """How far our numbers are from others, over a range of exchange time: median, 90 %, 99 % and largest |difference|.

    Workers compare each option once a minute (audit.v1).  VENUE: Black-76 at the venue's own vol and forward against the
    greeks it published with them.  EUROPEAN: our settlement-average numbers against the European ones at the same sigma: what
    the average changes.  ENGINE: QMC against the closed form, each option once in sixteen minutes.  `missing` counts
    comparisons of which one side has no number.

    Example: greekstream audit --namespace demo --since 2026-01-09T07:30:00Z --kind VENUE --by-expiry --json
    """
    bootstrap = find_bootstrap()
    wanted, coin = {AuditKind[kind.upper()] for kind in kinds}, currency and currency.upper()
    with clear_errors():
        audits = Audits(bootstrap, namespace, suffix)
        newest_ns = audits.newest_ns()
        if newest_ns is None:
            raise click.ClickException(
                f"{audits.name} is empty: workers write it once a minute for each option they price (unless "
                "GREEKSTREAM_ENGINE_AUDIT is false)"
            )
        span = span_of(since, until, newest_ns)
        found = Differences(by_expiry=by_expiry, by_minute=by_minute)
        for record in audits.read(span):
            if record.kind in (wanted or AuditKind) and (not coin or underlying(record.instrument_name) == coin):
                found.add(record)
        facts = summary(audits, span, found, newest_ns)
    if is_json:
        click.echo(json.dumps(facts))
    elif not found.n_records:
        click.echo(f"no such audits from {span}; the newest of {audits.name} is of {iso(newest_ns)}")
    else:
        click.echo(f"{found.n_records:,} audits from {span}; of |difference|:\n")
        click.echo("\n".join(lines(facts["distributions"])))
