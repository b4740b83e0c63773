"""How many instruments have no greeks, by reason and series (C28): a count of the standing rejects, and of what is priced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import schemas
from schemas import Reject, Watermark
from streams import doctor, kafka, measure, topics
from streams.cli.session import iso
from streams.reader import TopicMissing


class Series(NamedTuple):
    """``underlying`` and ``expiry`` as in the instruments' names: BTC_USDC and 27MAR26, or PERPETUAL."""

    underlying: str
    expiry: str


def series_of(instrument_name: str) -> Series:
    underlying, _, rest = instrument_name.partition("-")
    return Series(underlying, rest.partition("-")[0])


def statistics(standing: Iterable[Reject], marks: Iterable[Watermark]) -> dict[str, Any]:
    """Standing rejects by reason, most frequent first, each by series; the counts of the newest watermarks beside them.

    ``n_listed``, ``n_priced`` (finite numbers in the last minute of log time) and ``n_rejected`` are the workers' own: the
    last differs from ``n_standing`` by what has changed since.
    """
    by_status: dict[str, list[Reject]] = {}
    for reject in standing:
        by_status.setdefault(reject.status.name, []).append(reject)
    marks = list(marks)
    return {
        "n_partitions": len(marks),
        "n_listed": sum(mark.n_listed for mark in marks),
        "n_priced": sum(mark.n_priced for mark in marks),
        "n_rejected": sum(mark.n_rejected for mark in marks),
        "n_standing": sum(map(len, by_status.values())),
        "reasons": [
            {
                "status": status,
                "n": len(rejects),
                "oldest_since_ns": min(reject.since_ns for reject in rejects),
                "by_series": _by_series(rejects),
            }
            for status, rejects in sorted(by_status.items(), key=lambda item: (-len(item[1]), item[0]))
        ],
    }


def _by_series(rejects: Iterable[Reject]) -> list[dict[str, Any]]:
    counts = Counter(series_of(reject.instrument_name) for reject in rejects)
    return [
        {"underlying": series.underlying, "expiry": series.expiry, "n": n}
        for series, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def in_words(found: Mapping[str, Any]) -> str:
    """A line of totals, then a line a reason, and under it one a series."""
    lines = [
        f"{found['n_priced']} of {found['n_listed']} listed instruments priced in the last minute of log time; "
        f"{found['n_standing']} stand rejected"
    ]
    for reason in found["reasons"]:
        lines.append(f"{reason['status']:16} {reason['n']:5}  the oldest since {iso(reason['oldest_since_ns'], 0)}")
        lines += [f"  {one['underlying']:9} {one['expiry']:9} {one['n']}" for one in reason["by_series"]]
    return "\n".join(lines)


def read(bootstrap: str, namespace: str) -> dict[str, Any]:
    """The statistics of a namespace as its topics stand now."""
    name = topics.full_name(topics.REJECTS, namespace)
    if name not in (present := kafka.topic_names(bootstrap)):
        option = f" --namespace {namespace}" if namespace else ""
        raise TopicMissing(f"no topic {name} at {bootstrap}; make it with: greekstream topics --create{option}")
    resolve = kafka.resolver(bootstrap, namespace)
    standing: dict[bytes, bytes | None] = {}
    for message in measure.read_whole(bootstrap, topics.REJECTS, namespace):
        standing[message.key()] = message.value()
    records = (schemas.decode(value, resolve) for value in standing.values() if value is not None)
    rejects = [record for record in records if isinstance(record, Reject)]
    is_there = topics.full_name(topics.GREEKS, namespace) in present
    marks = doctor.newest_marks(bootstrap, namespace) if is_there else {}
    return statistics(rejects, [mark.watermark for mark in marks.values()])
