"""What ``greekstream flow`` and ``greekstream levels`` show: text and rows made of records of dealer flow.  Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas import Flow, FlowExposure, FlowFlip, FlowLadderStep, FlowProfilePoint, FlowStrike
from streams.cli.session import iso

BAR_WIDTH = 24
N_STRIKES = 21
PROFILE_STEP_PCT = 2.0
PROFILE_REACH_PCT = 16.0
LADDER_HOURS = (0.0, 24.0)


class Picture(NamedTuple):
    """What one picture is made of."""

    flow: Flow
    """The newest record."""
    wide: Flow | None
    """The newest one with ladder and profile."""
    strikes: Sequence[FlowStrike]
    """Of the newest second that has them."""


class Level(NamedTuple):
    """A row of the export."""

    kind: str
    price_usd: float
    low_usd: float | None
    high_usd: float | None
    amount: float | None
    unit: str


def usd(value: float | None) -> str:
    """Millions of USD, signed; a dash for what is not known."""
    return "-" if value is None else f"{value / 1e6:+,.2f}M"


def price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f} %"


def bar(value: float | None, largest: float) -> str:
    """A signed bar around a middle line: to the left short, to the right long."""
    half = BAR_WIDTH // 2
    n = 0 if value is None or largest <= 0.0 else round(min(1.0, abs(value) / largest) * half)
    left, right = ("#" * n).rjust(half) if value is not None and value < 0 else " " * half, "#" * n
    return f"{left}|{(right if value is not None and value > 0 else '').ljust(half)}"


def text(picture: Picture) -> str:
    """The whole picture."""
    parts = [head(picture.flow), exposures(picture.flow), pressure(picture.flow), levels_text(picture.flow)]
    if picture.wide is not None:
        parts += [profile(picture.wide), ladder(picture.wide)]
    if picture.strikes:
        parts.append(by_strike(picture.strikes))
    return "\n\n".join(parts)


def head(flow: Flow) -> str:
    """What it is, as of when, and what it rests on."""
    state = "final" if flow.is_final else f"provisional, {len(flow.late_partitions)} partitions late"
    lines = [
        f"{flow.currency} dealer flow  {iso(flow.ts_event_ns)}  {state}  index {price(flow.index_price)}"
        + ("" if flow.dvol is None else f"  dvol {100.0 * flow.dvol:.1f} %"),
        f"side {flow.side_model} (side seen {share(flow.side_coverage)} of open interest)  greeks {flow.greeks_source}"
        f"  numeraire {flow.numeraire}  {flow.n_options} options",
        f"regime {flow.regime}  scenario {flow.scenario}: {flow.scenario_text}",
    ]
    return "\n".join([*lines, *(f"! {warning}" for warning in flow.warnings)])


def exposures(flow: Flow) -> str:
    """The exposures side by side: sources, numeraires, kinds of sign."""
    lines = [
        "USD; + = dealers long          NGI /1%           NGI band        VSS /pt     CHL /day         DEX   hedge +1%/-1%"
    ]
    for item in flow.exposures:
        sign = "trades" if item.is_trade_signed else "assumed"
        band = "-" if item.ngi_low_usd is None else f"{usd(item.ngi_low_usd)}..{usd(item.ngi_high_usd)}"
        hedge = f"{usd(item.hedge_1pct_up_usd)}/{usd(item.hedge_1pct_down_usd)}"
        what = f"{_short(item)} {item.numeraire:4} {sign}"
        lines.append(
            f"{what:25}{usd(item.ngi_usd):>13} {band:>18} {usd(item.vss_usd):>14} {usd(item.chl_24h_usd):>12}"
            f" {usd(item.dex_usd):>11}   {hedge}"
        )
    return "\n".join(lines)


def pressure(flow: Flow) -> str:
    """What dealers had to trade in the last minutes, and whether that was much: of the daily volume, and of the last thirty days."""
    lines = [
        "hedge pressure of the last, USD, + = dealers bought       gamma        vanna         time   % of 24 h   percentile"
    ]
    for item in flow.realised:
        parts = "".join(f"{usd(part):>13}" for part in (item.spot_usd, item.vol_usd, item.time_usd))
        of_day = "-" if item.hpp_pct_adv is None else f"{item.hpp_pct_adv:+.3f} %"
        rank = "-" if item.hpp_percentile is None else f"{item.hpp_percentile:.0f}"
        lines.append(f"  {item.minutes:4g} min {usd(item.hpp_usd):>39}{parts}{of_day:>12}{rank:>13}")
    return "\n".join(lines)


def _short(item: FlowExposure | FlowFlip) -> str:
    return {"settlement_average": "average", "european": "european"}.get(item.greeks_source, item.greeks_source)


def levels_text(flow: Flow) -> str:
    """Flips with direction, status and band, walls with what became of them, max pain."""
    lines = ["flips"]
    for flip in flow.flips:
        where = "-" if flip.primary_usd is None else f"{price(flip.primary_usd)} ({flip.flip_pct or 0.0:+.2f} %)"
        way = "" if flip.is_primary_to_long is None else (" to long" if flip.is_primary_to_long else " to short")
        band = "" if flip.band_low_usd is None else f"  band {price(flip.band_low_usd)}..{price(flip.band_high_usd)}"
        n_more = len(flip.levels) - 1
        more = f"  and {n_more} more" if n_more > 0 else ""
        lines.append(
            f"  {_short(flip):8} {flip.smile_rule:16} {flip.variant:15} {flip.status:15} {where}{way}{band}{more}"
        )
    lines.append("walls")
    for wall in flow.walls:
        amount = usd(wall.amount) + " per 1 %" if wall.amount_unit == "usd_per_pct" else f"{wall.amount:,.0f} coin"
        held = "" if wall.minutes_held is None else f"  held {wall.minutes_held:.0f} min"
        graded = "" if not wall.n_sessions else f", {wall.n_held} of {wall.n_sessions} sessions"
        lines.append(f"  {wall.kind:20} {price(wall.strike):>9}  {amount}{held}{graded}")
    pains = ", ".join(f"{iso(item.expiry_ns)[:10]} {price(item.strike)}" for item in flow.max_pain[:6])
    lines.append(f"max pain  {pains or '-'}")
    if flow.pin_strike is not None:
        lines.append(
            f"pin  {price(flow.pin_strike)} at {usd(flow.pin_gex_usd)}, {flow.pin_distance_sd or 0.0:+.2f} sd away"
        )
    return "\n".join(lines)


def profile(flow: Flow) -> str:
    """Dealers' gamma over spot, every 2 % within 16 %, with the flips between."""
    largest = max((abs(point.gamma_usd) for point in flow.profile if point.gamma_usd is not None), default=0.0)
    lines = [
        f"profile  gamma per 1 % if spot were there (as of {iso(flow.ts_event_ns)})    whole book      ex next expiry"
    ]
    marks = sorted(
        (level.level_usd, "flip to long" if level.is_to_long else "flip to short")
        for level in (flow.flips[0].levels if flow.flips else ())
    )
    last = None
    for point in _thinned(flow.profile, flow.index_price):
        lines += [
            f"  {price(level):>9}  --- {what}"
            for level, what in marks
            if last is not None and last < level <= point.level_usd
        ]
        here = "  <- index" if abs(point.level_usd / flow.index_price - 1.0) < PROFILE_STEP_PCT / 300.0 else ""
        lines.append(
            f"  {price(point.level_usd):>9} {bar(point.gamma_usd, largest)} {usd(point.gamma_usd):>12}"
            f" {usd(point.ex_next_expiry_usd):>14}{here}"
        )
        last = point.level_usd
    return "\n".join(lines)


def _thinned(points: Sequence[FlowProfilePoint], index_price: float) -> list[FlowProfilePoint]:
    """One point for each step of the picture."""
    chosen: dict[int, FlowProfilePoint] = {}
    for point in points:
        away_pct = 100.0 * (point.level_usd / index_price - 1.0)
        step = round(away_pct / PROFILE_STEP_PCT)
        nearest = chosen.get(step)
        aim = index_price * (1.0 + step * PROFILE_STEP_PCT / 100.0)
        if abs(step) * PROFILE_STEP_PCT <= PROFILE_REACH_PCT and (
            nearest is None or abs(point.level_usd - aim) < abs(nearest.level_usd - aim)
        ):
            chosen[step] = point
    return [chosen[step] for step in sorted(chosen)]


def ladder(flow: Flow) -> str:
    """The hedge ladder: rows of spot moves, columns of vol moves, now and after a day; + = dealers buy."""
    blocks = []
    for hours in sorted({step.hours for step in flow.ladder}):
        if hours not in LADDER_HOURS:
            continue
        steps = {(step.spot_pct, step.vol_points): step for step in flow.ladder if step.hours == hours}
        vols = sorted({vol for _, vol in steps})
        lines = [
            f"hedge ladder after {hours:g} h, USD, + = dealers buy    vol " + " ".join(f"{vol:+11g} pt" for vol in vols)
        ]
        for spot in sorted({spot for spot, _ in steps}):
            cells = " ".join(f"{usd(_hpp(steps.get((spot, vol)))):>14}" for vol in vols)
            lines.append(f"  spot {spot:+5.1f} % {'':37}{cells}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _hpp(step: FlowLadderStep | None) -> float | None:
    return None if step is None else step.hpp_usd


def by_strike(strikes: Sequence[FlowStrike]) -> str:
    """Sums over the expiries of each strike, those nearest to the index."""
    index = strikes[0].index_price
    sums: dict[float, list[float]] = {}
    for cell in strikes:
        entry = sums.setdefault(cell.strike, [0.0, 0.0, 0.0, 0.0])
        values = (
            cell.ngi_usd,
            cell.assumption_signed_ngi_usd,
            cell.call_open_interest_coin,
            cell.put_open_interest_coin,
        )
        for i, value in enumerate(values):
            entry[i] += value or 0.0
    near = sorted(sorted(sums, key=lambda strike: abs(strike - index))[:N_STRIKES])
    largest = max((abs(sums[strike][0]) for strike in near), default=0.0)
    lines = [
        f"strike      gamma per 1 % ({strikes[0].side_model})    sum          {strikes[0].naive_model}     OI calls / puts"
    ]
    for strike in near:
        ngi, assumed, calls, puts = sums[strike]
        lines.append(
            f"{price(strike):>9}  {bar(ngi, largest)} {usd(ngi):>12} {usd(assumed):>14} {calls:>14,.0f} / {puts:,.0f}"
        )
    return "\n".join(lines)


def levels(flow: Flow) -> list[Level]:
    """Every level of a record: index, flips of the primary source, walls, max pain of the next expiries."""
    found = [Level("index", flow.index_price, None, None, None, "")]
    for flip in flow.flips[:1]:
        if flip.primary_usd is not None:
            way = "long" if flip.is_primary_to_long else "short"
            found.append(
                Level(
                    f"flip_to_{way}",
                    flip.primary_usd,
                    flip.band_low_usd,
                    flip.band_high_usd,
                    flip.gamma_at_index_usd,
                    "usd_per_pct",
                )
            )
        found += [
            Level(f"flip_other_to_{'long' if level.is_to_long else 'short'}", level.level_usd, None, None, None, "")
            for level in flip.levels
            if level.level_usd != flip.primary_usd
        ]
    found += [
        Level(wall.kind, wall.strike, wall.band_low_usd, wall.band_high_usd, wall.amount, wall.amount_unit)
        for wall in flow.walls
    ]
    found += [
        Level(f"max_pain_{iso(item.expiry_ns)[:10]}", item.strike, None, None, item.pain_usd, "usd")
        for item in flow.max_pain[:3]
    ]
    return found


def as_csv(flows: Iterable[Flow]) -> str:
    """All levels of some records, a row each, as of the record's second; empty cells are not known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["symbol", "time_utc", "kind", "price_usd", "band_low_usd", "band_high_usd", "amount", "unit", "side_model", "greeks_source",
         "side_coverage", "is_final"]
    )  # fmt: skip
    for flow in flows:
        for level in levels(flow):
            cells = (level.price_usd, level.low_usd, level.high_usd, level.amount)
            writer.writerow(
                [f"{flow.currency}USD", iso(flow.ts_event_ns), level.kind, *("" if v is None else f"{v:.10g}" for v in cells),
                 level.unit, flow.side_model, flow.greeks_source,
                 "" if flow.side_coverage is None else f"{flow.side_coverage:.6g}", str(flow.is_final).lower()]
            )  # fmt: skip
    return out.getvalue()


def as_line(flow: Flow) -> str:
    """One line for an indicator's text input: ``BTCUSD: call_wall, 110000, put_wall, 90000``."""
    return f"{flow.currency}USD: " + ", ".join(f"{level.kind}, {level.price_usd:.10g}" for level in levels(flow))
