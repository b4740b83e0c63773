"""What ``greekstream audit`` makes of the records: how large the differences are, by kind and quantity."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from schemas import Audit, AuditKind, BadName, names
from streams.cli.session import iso

NS_PER_MINUTE = 60_000_000_000
MOST_DIFFERENCES = 10_000_000
"""Kept at once, 8 bytes each: about six hours of the whole chain."""
SHARES = {"median": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
HEADS = ("kind", "quantity", "n", "missing", *SHARES, "unit")


class TooMany(ValueError):
    """The range holds more than is kept."""


class Group(NamedTuple):
    """What is counted together."""

    kind: AuditKind
    quantity: str
    unit: str
    expiry: str
    """``BTC-27MAR26``; empty: all together."""
    minute_ns: int
    """Start of the minute, ns UTC; -1: all together."""


class Differences:
    """Magnitudes of the differences of each group; exact, so bounded in number."""

    def __init__(self, *, by_expiry: bool = False, by_minute: bool = False, most: int = MOST_DIFFERENCES) -> None:
        self.by_expiry, self.by_minute, self.most = by_expiry, by_minute, most
        self.n_records = 0
        self._sizes: dict[Group, array[float]] = {}
        self._n_missing: dict[Group, int] = {}

    def add(self, record: Audit) -> None:
        """Count a record.  TooMany says what would be right."""
        if self.n_records >= self.most:
            raise TooMany(f"more than {self.most:,} audits: choose a shorter range, or --kind and --currency")
        self.n_records += 1
        group = Group(
            record.kind, record.quantity, record.unit,
            record.instrument_name.rsplit("-", 2)[0] if self.by_expiry else "",
            record.ts_event_ns // NS_PER_MINUTE * NS_PER_MINUTE if self.by_minute else -1,
        )  # fmt: skip
        if record.difference is None:
            self._n_missing[group] = self._n_missing.get(group, 0) + 1
        else:
            self._sizes.setdefault(group, array("d")).append(abs(record.difference))

    def distributions(self) -> list[dict[str, Any]]:
        """One object a group: count, how many lack a side, and the quantiles of |difference|, in ``unit``."""
        groups = sorted(self._sizes.keys() | self._n_missing.keys(), key=_order)
        return [self._distribution(group) for group in groups]

    def _distribution(self, group: Group) -> dict[str, Any]:
        sizes = sorted(self._sizes.get(group, ()))
        facts: dict[str, Any] = {"kind": group.kind.name, "quantity": group.quantity, "unit": group.unit}
        if self.by_expiry:
            facts["expiry"] = group.expiry
        if self.by_minute:
            facts["minute"] = iso(group.minute_ns, 0)
        facts |= {"n": len(sizes), "n_missing": self._n_missing.get(group, 0)}
        return facts | {name: quantile(sizes, share) for name, share in SHARES.items()}


def quantile(sizes: Sequence[float], share: float) -> float | None:
    """The smallest of the sorted numbers that this share of them does not pass; None of none."""
    return sizes[max(0, math.ceil(share * len(sizes)) - 1)] if sizes else None


def underlying(instrument_name: str) -> str:
    """What stands before the first dash: BTC, BTC_USDC."""
    return instrument_name.partition("-")[0]


def _order(group: Group) -> tuple[Any, ...]:
    """By moment, underlying and expiry, then as the engine writes them: kinds in their order, quantities by name."""
    series = group.expiry
    return (group.minute_ns, underlying(series), _expiry_ns(series), series, group.kind, group.quantity)


def _expiry_ns(series: str) -> int:
    try:
        return names.parse(series).expiry_ns or 0
    except BadName:
        return 0


def lines(distributions: Iterable[dict[str, Any]]) -> list[str]:
    """For people: a heading for each minute and expiry asked for, under it a line a kind and quantity."""
    out: list[str] = []
    heading: str | None = None
    for facts in distributions:
        now = "  ".join(facts[name] for name in ("minute", "expiry") if name in facts)
        if now != heading:
            out += ([""] if out else []) + ([now] if now else []) + [_line(HEADS)]
            heading = now
        counts = (f"{facts[name]:,}" for name in ("n", "n_missing"))
        numbers = ("-" if facts[name] is None else f"{facts[name]:.3g}" for name in SHARES)
        out.append(_line((facts["kind"], facts["quantity"], *counts, *numbers, facts["unit"])))
    return out


def _line(words: Sequence[str]) -> str:
    kind, quantity, *numbers, unit = words
    return f"{kind:<9}{quantity:<23}" + "".join(f"{number:>10}" for number in numbers) + f"  {unit}"
