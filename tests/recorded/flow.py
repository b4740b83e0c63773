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
"""Between two points of a curve but in the last minute, where each second has one, and between two of the venue's."""
SHOWN_MIN, WINDOW_MIN, LAST_MIN = (-60.0, 10.0), -30.0, (-2.0, 0.1)
TABLE_MIN = (-60, -45, -31, -25, -20, -17, -15, -12, -10, -7, -5, -3, -2, -1, -0.5, -1 / 60, 0, 1, 5, 9)
OURS, EUROPEAN, VENUE, COVERAGE = "#0b6e4f", "#c8553d", "#1d3557", "#6b4c9a"
AVERAGE = GreeksSource.SETTLEMENT_AVERAGE
Points = Iterable[tuple[float, float | None]]


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


def drawn(
    points: Iterable[tuple[float, float | None]], every_s: float = EVERY_S, since_min: float = SHOWN_MIN[0]
) -> list[tuple[float, float]]:
    """One of each so many seconds, all of the last minute, of those that are known; millions of USD."""
    found = (
        (at, value)
        for at, value in points
        if value is not None and at >= since_min and (round(at * 60) % every_s == 0 or -1.0 < at < 0.0)
    )  # fmt: skip
    return [(round(at, 3), float(f"{value / 1e6:.4g}")) for at, value in found]


def ticks_of(curves: Sequence[Curve], *, has_zero: bool = True) -> list[float]:
    """Some five y ticks around the values, and around 0 where that says something, at a round step."""
    values = [y for curve in curves for _, y in curve.points]
    low, high = (min(0.0, *values), max(0.0, *values)) if has_zero else (min(values), max(values))
    steps = (digit * 10.0**exponent for exponent in range(-3, 9) for digit in (1.0, 2.0, 2.5, 5.0))
    step = next(one for one in steps if math.ceil(high / one) - math.floor(low / one) <= 6)
    return [round(i * step, 6) for i in range(math.floor(low / step), math.ceil(high / step) + 1)]


def curves_of(ours: Points, european: Points, venue: Points, every_s: float, since_min: float) -> list[Curve]:
    """The three models."""
    return [
        Curve("settlement average", drawn(ours, every_s, since_min), OURS, 2.2),
        Curve("European at the same vol", drawn(european, every_s, since_min), EUROPEAN, 1.4),
        Curve("the venue's gammas", drawn(venue, EVERY_S, since_min), VENUE, 1.0),
    ]


def panels(currency: str, average: Series, venue: Series) -> list[Panel]:
    """NGI of the expiring series, its last two minutes second by second, NGI of all, and coverage."""
    hour, end = [(-60, "07:00"), (-30, "07:30"), (0, "08:00")], [(-2, "07:58"), (-1, "07:59"), (0, "08:00")]

    def expiring(every_s: float, since_min: float) -> list[Curve]:
        before = {at: pair for at, pair in average.expiring.items() if at < 0}
        theirs = ((at, pair.other) for at, pair in venue.expiring.items() if at < 0)
        ours, european = ([(at, pair[i]) for at, pair in before.items()] for i in (0, 1))
        return curves_of(ours, european, theirs, every_s, since_min)

    def of_all(series: Series, source: str) -> Points:
        return ((at, exposure(flow, source).ngi_usd) for at, flow in series.flows.items())

    whole = curves_of(
        of_all(average, AVERAGE), of_all(average, GreeksSource.EUROPEAN), of_all(venue, GreeksSource.VENUE), EVERY_S, SHOWN_MIN[0]
    )  # fmt: skip
    shares = [
        (round(at, 3), round(100 * (exposure(flow, AVERAGE).open_interest_share or 0.0), 2))
        for at, flow in average.flows.items()
        if round(at * 60) % EVERY_S == 0
    ]
    coverage = [Curve("open interest with greeks, %", shares, COVERAGE, 1.4)]
    wide, near = expiring(EVERY_S, SHOWN_MIN[0]), expiring(1.0, LAST_MIN[0])
    legend = Curve("open interest with greeks, %", (), COVERAGE, 1.4)
    band, last, title = (WINDOW_MIN, 0.0), (LAST_MIN[0], 0.0), "NGI of the expiring series"
    return [
        Panel(f"{currency}: {title}, M USD per +1 %", [*wide, legend], SHOWN_MIN, hour, ticks_of(wide), band, (430, 230)),
        Panel(f"{currency}: the same in its last two minutes, each second", near, LAST_MIN, end, ticks_of(near), last, (430, 230)),
        Panel(f"{currency}: NGI of all options, M USD per +1 %", whole, SHOWN_MIN, hour, ticks_of(whole, has_zero=False), band, (430, 190)),
        Panel(f"{currency}: open interest with greeks, %", coverage, SHOWN_MIN, hour, (92, 94, 96, 98, 100), band, (430, 140)),
    ]  # fmt: skip


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
        "--every", type=float, default=1.0, help="s between two records; 1 as the service does, 10 for a quick look"
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
