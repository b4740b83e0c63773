"""``python -m tests.recorded.flow``: dealer flow of the recorded expiry of 13 April 2023, European beside settlement-average.

Plays 07:00 to 08:10 UTC, BTC and ETH, through the pure cores in one process, prints a table, and draws docs/flow-2023-04-13.svg.
There are no trades in the recording: the book is the naive convention on the recorded open interest.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from schemas import Flow, FlowExposure, FlowStrike, SettlementFlow
from streams.flow.fold import Context
from streams.flow.settings import FlowSettings, GreeksSource
from streams.moments import parse
from tests.conftest import ROOT
from tests.recorded.in_process import NS_PER_S, Part, Reading, flows
from tests.recorded.run import EXPIRY_13_APRIL_NS
from tests.recorded.svg import Curve, Panel, chart

SINCE, UNTIL = "2023-04-13T07:00:00Z", "2023-04-13T08:10:00Z"
LEAD_NS = 330 * NS_PER_S
"""Played before, so that the whole chain has come: the recording sweeps it once in five minutes."""
EVERY_S = 10.0
SHOWN_MIN, WINDOW_MIN = (-60.0, 10.0), -30.0
TABLE_MIN = (-60, -45, -31, -25, -20, -17, -15, -12, -10, -7, -5, -3, -2, -1, -0.5, 0, 1, 5, 9)
OURS, EUROPEAN, VENUE, COVERAGE = "#0b6e4f", "#c8553d", "#1d3557", "#6b4c9a"
AVERAGE = GreeksSource.SETTLEMENT_AVERAGE


class Pair(NamedTuple):
    """NGI of both models, USD per +1 %."""

    average: float | None
    other: float | None


@dataclass
class Series:
    """One currency in log time; minutes are negative before the expiry."""

    flows: dict[float, Flow] = field(default_factory=dict)
    expiring: dict[float, Pair] = field(default_factory=dict)
    """Of the series that expires at 08:00."""
    rest: dict[float, Pair] = field(default_factory=dict)
    """Of all others."""
    at_strike: dict[float, dict[float, Pair]] = field(default_factory=dict)
    """Of the expiring series, by strike."""

    settlements: list[SettlementFlow] = field(default_factory=list)

    def add(self, record: Flow | FlowStrike | SettlementFlow) -> None:
        at = minutes(record.ts_event_ns)
        if isinstance(record, Flow):
            self.flows[at] = record
            return
        if isinstance(record, SettlementFlow):
            self.settlements.append(record)
            return
        pair = Pair(record.ngi_usd, record.twin_ngi_usd)
        if record.expiry_ns == EXPIRY_13_APRIL_NS:
            self.at_strike.setdefault(at, {})[record.strike] = pair
        into = self.expiring if record.expiry_ns == EXPIRY_13_APRIL_NS else self.rest
        before = into.get(at, Pair(None, None))
        into[at] = Pair(added(before.average, pair.average), added(before.other, pair.other))


def added(one: float | None, other: float | None) -> float | None:
    """The sum of what is known; null where nothing is."""
    return other if one is None else one if other is None else one + other


def minutes(ts_ns: int) -> float:
    return (ts_ns - EXPIRY_13_APRIL_NS) / (60 * NS_PER_S)


def exposure(flow: Flow, source: str) -> FlowExposure:
    """In USD, of the book that the record stands for."""
    return next(one for one in flow.exposures if one.greeks_source == source and one.numeraire == "usd")


def played(part: Part, since_ns: int, every_s: float) -> tuple[dict[str, Series], dict[str, Series], int]:
    """By currency: settlement average and European; the venue's greeks; and how many rows of greeks they were made of."""
    average, venue = ({currency: Series() for currency in part.currencies} for _ in range(2))

    def taker(found: dict[str, Series]) -> Callable[[Flow | FlowStrike | SettlementFlow], None]:
        def take(record: Flow | FlowStrike | SettlementFlow) -> None:
            if record.ts_event_ns >= since_ns:
                found[record.currency].add(record)

        return take

    settings = FlowSettings(publish_every_s=every_s, ladder_every_s=600.0, strikes_every_s=every_s)
    theirs = replace(settings, greeks_source=GreeksSource.VENUE, publish_every_s=EVERY_S, strikes_every_s=EVERY_S)
    n_rows = flows(
        part, [Reading(Context(settings), taker(average)), Reading(Context(theirs), taker(venue))]
    )  # fmt: skip
    return average, venue, n_rows


def table(currency: str, average: Series, venue: Series) -> Iterable[str]:
    """A line a moment."""
    for wanted in TABLE_MIN:
        at = max((one for one in average.flows if one <= wanted), default=None)
        if at is None or at < wanted - 0.2:
            continue
        flow = average.flows[at]
        ours, european = exposure(flow, AVERAGE), exposure(flow, GreeksSource.EUROPEAN)
        cells = []
        for series in (average, venue):
            near = max((one for one in series.expiring if one <= at < 0), default=None)
            cells.append(None if near is None or near < at - 0.2 else series.expiring[near])
        own, theirs = cells
        when = datetime.fromtimestamp(flow.ts_event_ns / NS_PER_S, UTC)
        yield (
            f"| {currency} {when:%H:%M:%S} | {flow.index_price:.2f} | {number(ours.ngi_usd)} | {number(european.ngi_usd)} | "
            f"{number(own and own.average)} | {number(own and own.other)} | {number(theirs and theirs.other)} | "
            f"{ours.open_interest_share or 0.0:.4f} | {ours.n_missing} of {flow.n_options} | {'frozen' if flow.is_frozen else ''} | "
            f"{flow.side_model} {flow.side_coverage} {flow.is_cold_start} |"
        )


def number(value: float | None) -> str:
    return "-" if value is None else f"{value / 1e6:.4g}" if abs(value) >= 1 else f"{value / 1e6:.1g}"


def summary(currency: str, series: Series) -> Iterable[str]:
    """What holds of every second, and every warning with its first and last moment."""
    found = series.flows
    shares = [exposure(flow, AVERAGE).open_interest_share or 0.0 for flow in found.values()]
    yield f"{currency}: {len(found)} final records, {min(found):.2f} to {max(found):.2f} min"
    yield f"{currency}: open interest with greeks {min(shares):.4f} to {max(shares):.4f}"
    models = Counter((flow.side_model, flow.side_coverage, flow.is_cold_start) for flow in found.values())
    yield f"{currency}: side model, coverage, cold start: {models}"
    seen: dict[str, list[float]] = {}
    for at, flow in found.items():
        for warning in flow.warnings:
            text = " ".join("N" if word.isdigit() else word for word in warning.split())
            seen.setdefault(text, []).append(at)
    for text, times in seen.items():
        yield f"{currency}: {len(times)} records from {min(times):.2f} to {max(times):.2f} min: {text}"
    for name in ("regime", "scenario"):
        yield f"{currency}: {name} {Counter(getattr(flow, name) for flow in found.values())}"
    near = [at for at in series.at_strike if -16 < at < 0]
    for at in [one for one in near if round(one * 60) % 300 == 0] + near[-1:]:
        cells = sorted(series.at_strike[at].items(), key=lambda item: -abs(item[1].other or 0.0))[:3]
        yield f"{currency} {at:.2f} min, largest strikes (ours, European): " + "; ".join(
            f"{strike:g}: {number(pair.average)}, {number(pair.other)}" for strike, pair in cells
        )


def thinned(points: Iterable[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """One of each ten seconds, of those that are known; millions of USD."""
    found = ((at, value) for at, value in points if value is not None and round(at * 60) % EVERY_S == 0)
    return [(round(at, 3), float(f"{value / 1e6:.4g}")) for at, value in found]


def ticks_of(values: Sequence[float]) -> list[float]:
    """Six y ticks around the values and 0, at the least round step that will do."""
    low, high = min(0.0, *values), max(0.0, *values)
    steps = (digit * 10.0**exponent for exponent in range(-3, 9) for digit in (1.0, 2.0, 2.5, 5.0))
    step = next(one for one in steps if (math.floor(low / one) + 5) * one >= high)
    return [round((math.floor(low / step) + i) * step, 6) for i in range(6)]


def panels(currency: str, average: Series, venue: Series) -> list[Panel]:
    """NGI of the expiring series, of all, and coverage."""
    x_ticks = [(-60, "07:00"), (-30, "07:30"), (0, "08:00")]
    before = {at: pair for at, pair in average.expiring.items() if at < 0}
    expiring = [
        Curve("settlement average", thinned((at, pair.average) for at, pair in before.items()), OURS, 2.2),
        Curve("European at the same vol", thinned((at, pair.other) for at, pair in before.items()), EUROPEAN, 1.4),
        Curve("the venue's gammas", thinned((at, pair.other) for at, pair in venue.expiring.items() if at < 0), VENUE, 1.0),
        Curve("open interest with greeks, %", (), COVERAGE, 1.4),
    ]  # fmt: skip

    def of_all(series: Series, source: str) -> list[tuple[float, float]]:
        return thinned((at, exposure(flow, source).ngi_usd) for at, flow in series.flows.items())

    whole = [
        Curve("settlement average", of_all(average, AVERAGE), OURS, 2.2),
        Curve("European at the same vol", of_all(average, GreeksSource.EUROPEAN), EUROPEAN, 1.4),
        Curve("the venue's gammas", of_all(venue, GreeksSource.VENUE), VENUE, 1.0),
    ]
    shares = [
        (round(at, 3), round(100 * (exposure(flow, AVERAGE).open_interest_share or 0.0), 2))
        for at, flow in average.flows.items()
        if round(at * 60) % EVERY_S == 0
    ]
    band = (WINDOW_MIN, 0.0)

    def panel(title: str, curves: Sequence[Curve], y_ticks: Sequence[float]) -> Panel:
        return Panel(f"{currency}: {title}", curves, SHOWN_MIN, x_ticks, y_ticks, band=band, size=(430, 230))

    def values(curves: Sequence[Curve]) -> list[float]:
        return [point[1] for curve in curves for point in curve.points]

    return [
        panel("NGI of the expiring series, M USD per +1 %", expiring, ticks_of(values(expiring))),
        panel("NGI of all options, M USD per +1 %", whole, ticks_of(values(whole))),
        panel("open interest with greeks, %", [Curve("coverage", shares, COVERAGE, 1.4)], (90, 92, 94, 96, 98, 100)),
    ]


def draw(found: dict[str, tuple[Series, Series]]) -> str:
    """The SVG: a column a currency."""
    columns = [panels(currency, *pair) for currency, pair in found.items()]
    title = "Dealer flow of 13 April 2023 under the naive convention; shaded: the settlement window"
    return chart([list(row) for row in zip(*columns, strict=True)], title)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recorded.flow", description=__doc__)
    parser.add_argument("--from", dest="since", default=SINCE)
    parser.add_argument("--until", default=UNTIL)
    parser.add_argument(
        "--every", type=float, default=EVERY_S, help="s between two records; 1 as the service does, ten times slower"
    )
    parser.add_argument("--currencies", default="BTC,ETH")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs" / "flow-2023-04-13.svg")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("GREEKSTREAM_SHARED", ROOT.parent / "shared"))
    recording = shared / "data" / "deribit" / "chain-2023-04"
    if not recording.is_dir():
        print(f"no recording at {recording}; set GREEKSTREAM_SHARED", file=sys.stderr)
        return 2
    since_ns, until_ns = (nanoseconds(text) for text in (arguments.since, arguments.until))
    part = Part(recording, tuple(arguments.currencies.split(",")), since_ns - LEAD_NS, until_ns)
    average, venue, n_rows = played(part, since_ns, arguments.every)
    print(f"{n_rows} rows of greeks")
    found = {currency: (average[currency], swapped(venue[currency])) for currency in part.currencies}
    for currency, pair in found.items():
        print("\n".join([*table(currency, *pair), *summary(currency, pair[0])]))
    arguments.svg.write_text(draw(found))
    return 0


def nanoseconds(text: str) -> int:
    time_ns = parse(text).time_ns
    if time_ns is None:
        raise SystemExit(f"{text}: want a time")
    return time_ns


def swapped(venue: Series) -> Series:
    """A series whose primary source is the venue, in the order of the others: settlement average first."""
    expiring = {at: Pair(pair.other, pair.average) for at, pair in venue.expiring.items()}
    return Series(venue.flows, expiring)


if __name__ == "__main__":
    sys.exit(main())
