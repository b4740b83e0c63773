"""``python -m tests.recorded.expiry``: the recorded expiry of 13 April 2023, the venue's gamma and delta against ours.

Plays the hour of the expiring series, BTC and ETH, through simulator, websocket, Kafka and workers, reads what the topic
``greeks.v1`` holds of the two strikes nearest to the money, and draws docs/expiry-2023-04-13.svg.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

import schemas
from pricers import value_options
from schemas import Greeks
from streams import kafka, measure, topics
from streams.broker import LocalBroker
from streams.settings import kafka_bootstrap, state_dir
from tests.conftest import ROOT
from tests.recorded import run as recorded
from tests.recorded.checks import INTERVAL_S, SECONDS_PER_YEAR
from tests.recorded.svg import Curve, Panel, Point, chart

NAMES = {"BTC-13APR23-30000-C": (0.0, 0.001, 0.002, 0.003, 0.004), "ETH-13APR23-1925-C": (0.0, 0.03, 0.06, 0.09, 0.12)}
"""The strikes nearest to the money at the end, and the y ticks of their gamma, per USD."""
AT_THE_MONEY = "BTC, a strike at the estimate of the moment"
EXPIRY_NS = recorded.EXPIRY_13_APRIL_NS
SINCE, UNTIL = "2023-04-13T07:00:00Z", "2023-04-13T08:10:00Z"
N_FIXINGS, WINDOW_MIN, SHOWN_MIN = 450, -30.0, (-60.0, 0.0)
TABLE_MIN = (-40, -31, -25, -20, -15, -10, -5, -2)
OURS, VENUE, BETWEEN = "#0b6e4f", "#1d3557", "#c8553d"


class Numbers(NamedTuple):
    """What a formula says at a moment."""

    minutes: float
    gamma: float
    delta: float


def minutes(row: Greeks) -> float:
    """Minutes of log time, negative before the expiry."""
    return (row.ts_event_ns - EXPIRY_NS) / 60e9


def estimate(row: Greeks) -> float:
    """The delivery price as the venue estimates it: what is fixed, and the index for the rest; the forward before the window."""
    assert row.forward is not None
    return (row.running_sum + (N_FIXINGS - row.n_fixed) * row.forward) / N_FIXINGS


def venue_formula(row: Greeks, strike: float) -> Numbers:
    """A call as the venue has it: Black-76 at its own vol on the estimate; inside the window delta by what is left, gamma whole."""
    assert row.venue_sigma is not None and row.tau_years is not None
    total, at = row.venue_sigma * np.sqrt(row.tau_years), estimate(row)
    d1 = np.log(at / strike) / total + total / 2
    left = 1 - row.n_fixed / N_FIXINGS
    return Numbers(minutes(row), float(norm.pdf(d1) / (at * total)), float(left * norm.cdf(d1)))


def our_contract(row: Greeks, strike: float) -> Numbers:
    """The same call as the contract it is, at the venue's vol."""
    assert row.tau_years is not None
    seconds_left = row.tau_years * SECONDS_PER_YEAR
    value = value_options(
        forward=row.forward, strike=strike, sigma=row.venue_sigma, option_sign=1, interval_s=INTERVAL_S,
        next_fixing_s=seconds_left - (N_FIXINGS - row.n_fixed - 1) * INTERVAL_S, n_fixings=N_FIXINGS, n_fixed=row.n_fixed,
        running_sum=row.running_sum, payoff="inverse",
    )  # fmt: skip
    return Numbers(minutes(row), float(value.gamma), float(value.delta))


@dataclass
class Series:
    """Rows of one option in log time; minutes are negative before the expiry."""

    rows: list[Greeks] = field(default_factory=list)

    def curve(self, name: str) -> list[Point]:
        """(minutes, value) of a column, where it has a value."""
        return [(minutes(row), value) for row in self.rows if (value := getattr(row, name)) is not None]

    def venue(self, name: str) -> list[Point]:
        """The venue's number at the moment when it came, once each."""
        points: dict[tuple[float, float], Point] = {}
        for row in self.rows:
            value, age_ms = getattr(row, name), row.quote_age_ms
            if value is not None and age_ms is not None and row.ts_event_ns < EXPIRY_NS:
                came = minutes(row) - age_ms / 60_000.0
                points.setdefault((round(came, 2), value), (came, value))
        return sorted(points.values())

    def priced(self) -> list[Greeks]:
        """Rows before the end that have numbers of both."""
        return [row for row in self.rows if row.gamma_per_usd is not None and row.venue_sigma and minutes(row) < -0.05]


def read(bootstrap: str, namespace: str) -> dict[str, Series]:
    """The rows of ``NAMES``."""
    found = {name: Series() for name in NAMES}
    for message in measure.read_whole(bootstrap, topics.GREEKS, namespace):
        if (message.key() or b"").decode() in found and message.value() is not None:
            row = schemas.decode(message.value())
            if isinstance(row, Greeks):
                found[row.instrument_name].rows.append(row)
    return found


def thinned(points: Sequence[Point], least_x: float = 0.12) -> list[Point]:
    """Points at least so far apart in x: what a chart of this width can show."""
    kept: list[Point] = []
    for point in points:
        if not kept or point[0] - kept[-1][0] >= least_x:
            kept.append(point)
    return [*kept, points[-1]] if points and kept[-1] != points[-1] else kept


def panels(title: str, y_ticks: Sequence[float], ours: Sequence[Numbers], between: Sequence[Numbers],
           venue: tuple[Sequence[Point], Sequence[Point]]) -> tuple[Panel, Panel]:  # fmt: skip
    """Gamma and delta of one option; ``venue``: the gammas and the deltas that it published."""
    x_ticks = [(-60.0, "07:00"), (-45.0, "07:15"), (-30.0, "07:30"), (-15.0, "07:45"), (0.0, "08:00")]

    def panel(what: str, place: int, ticks: Sequence[float]) -> Panel:
        curves = (
            Curve("the venue's formula between its tickers", thinned([(n[0], n[place]) for n in between]), BETWEEN),
            Curve("the venue, as published", venue[place - 1], VENUE, is_dots=True),
            Curve("greekstream", thinned([(n[0], n[place]) for n in ours]), OURS, 2.5),
        )
        return Panel(f"{title}: {what}", curves, SHOWN_MIN, x_ticks, ticks, band=(WINDOW_MIN, 0.0), size=(380, 230))

    return panel("gamma, per USD", 1, y_ticks), panel("delta", 2, (0.0, 0.25, 0.5, 0.75, 1.0))


def listed(name: str, series: Series) -> tuple[Panel, Panel]:
    """What stands in the rows of a listed option."""
    rows = series.priced()
    ours = [Numbers(minutes(row), row.gamma_per_usd or 0.0, row.delta or 0.0) for row in rows]
    between = [venue_formula(row, row.strike or 0.0) for row in rows]
    return panels(name, NAMES[name], ours, between, (series.venue("venue_gamma"), series.venue("venue_delta")))


def at_the_money(series: Series) -> tuple[list[Numbers], list[Numbers]]:
    """Ours and the venue's formula for a strike that is always at the money: no listed option, the same index and fixings."""
    rows = series.priced()
    return [our_contract(row, estimate(row)) for row in rows], [venue_formula(row, estimate(row)) for row in rows]


def draw(found: dict[str, Series]) -> str:
    """The SVG: gamma above, delta below, one column an option."""
    columns = [listed(name, series) for name, series in found.items()]
    ours, between = at_the_money(next(iter(found.values())))
    columns.append(panels(AT_THE_MONEY, (0.0, 0.01, 0.02, 0.03, 0.04), ours, between, ((), ())))
    title = "13 April 2023, the last hour of the expiring series; shaded: the settlement window"
    return chart([[column[0] for column in columns], [column[1] for column in columns]], title)


def _tickers(series: Series) -> Iterable[Greeks]:
    """The row that each of the venue's tickers made, so that both numbers are of one moment."""
    seen = set()
    for row in series.priced():
        if row.quote_age_ms == 0.0 and row.venue_gamma is not None and row.ts_event_ns not in seen:
            seen.add(row.ts_event_ns)
            yield row


def table(found: dict[str, Series]) -> Iterable[str]:
    """The page's tables: a line a ticker of the venue, then a line a moment of the strike at the money."""
    for name, series in found.items():
        yield f"{name}: {len(series.rows)} rows"
        for row in _tickers(series):
            at = datetime.fromtimestamp(row.ts_event_ns / 1e9, UTC)
            alike = our_contract(row, row.strike or 0.0)
            yield (
                f"| {at:%H:%M:%S} | {row.forward:.2f} | {row.n_fixed} | {estimate(row):.2f} | {row.venue_sigma:.4f} | "
                f"{row.venue_gamma:.5f} | {row.gamma_per_usd:.2g} | {alike.gamma:.2g} | "
                f"{row.venue_delta:.3f} | {row.delta:.3f} | {row.sigma:.2f} |"
            )
    ours, between = at_the_money(next(iter(found.values())))
    for minute in TABLE_MIN:
        at = max(i for i, one in enumerate(ours) if one.minutes <= minute)
        yield f"| {-minute} min | {between[at].gamma:.4f} | {ours[at].gamma:.4f} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recorded.expiry", description=__doc__)
    parser.add_argument("--svg", type=Path, default=ROOT / "docs" / "expiry-2023-04-13.svg")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    shared = Path(os.environ.get("GREEKSTREAM_SHARED", ROOT.parent / "shared"))
    recording = shared / "data" / "deribit" / "chain-2023-04"
    if not recording.is_dir():
        print(f"no recording at {recording}; set GREEKSTREAM_SHARED", file=sys.stderr)
        return 2
    namespace, given = "rec-expiry", kafka_bootstrap()
    with contextlib.ExitStack() as stack:
        bootstrap = given or stack.enter_context(LocalBroker(state_dir(), say=print)).bootstrap
        recorded.with_topics(bootstrap, namespace)
        stack.callback(kafka.wipe, bootstrap, namespace)
        recorded.play(
            bootstrap, namespace, recording, state_dir() / "logs" / namespace, since=SINCE, until=UNTIL,
            n_workers=arguments.workers, within_s=1_800.0, ingest=("--expiries", "13APR23"),
        )  # fmt: skip
        found = read(bootstrap, namespace)
    arguments.svg.write_text(draw(found))
    print("\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
