"""Pictures of the option chain: what ``greekstream watch`` shows, as rich's tables and as plain text.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas import Greeks, RowStatus, names
from streams.cli.session import age, iso
from streams.reader.board import Board, Line, around_the_money

OLD_ROW_S = 65.0
"""A row is due every 60 s of log time; older ones are shown as old."""
LINES_OF_FRAME = 9
"""Lines of the screen that are not strikes: header, heads of columns, footer."""
PLAIN_LINES = 21
SHORT_STATUS = {
    RowStatus.OK: "ok", RowStatus.NO_QUOTE: "no quote", RowStatus.BELOW_INTRINSIC: "below intr", RowStatus.ABOVE_BOUND: "above bnd",
    RowStatus.DETERMINED: "determined", RowStatus.LOW_VEGA: "low vega", RowStatus.BAD_INPUT: "bad input",
    RowStatus.NOT_CONVERGED: "no converg", RowStatus.NO_CONTRACT: "no contr", RowStatus.NO_FORWARD: "no forward",
    RowStatus.NO_SIGMA: "no sigma", RowStatus.STALE_QUOTE: "stale", RowStatus.CROSSED_QUOTE: "crossed",
    RowStatus.FIXING_MISSING: "no fixing", RowStatus.NOT_READY: "not ready", RowStatus.NOT_OPEN: "not open",
}  # fmt: skip


class View(NamedTuple):
    """All that one picture shows."""

    title: str
    board: Board | None
    log_time_ns: int | None
    coverage: float | None
    n_rows: int
    rate: float
    stale_partitions: tuple[int, ...]
    silent_s: float
    is_young: bool = False
    """Just begun: what is silent may have workers that are still starting."""


class Column(NamedTuple):
    head: str
    text: Callable[[Greeks, int], str]


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def premium(value: float | None, row: Greeks) -> str:
    """In the contract's own unit, in which the venue's ticks are: four decimals of a coin, or as many as a USD price has."""
    digits = 4 if row.premium_unit == "coin" else 2 if (value or 0.0) >= 10.0 else 4
    return number(value, digits)


def row_age(row: Greeks, log_time_ns: int) -> str:
    return f"{max(0.0, (log_time_ns - row.ts_event_ns) / 1e9):.0f}s"


def status(row: Greeks, _log_time_ns: int) -> str:
    text = SHORT_STATUS.get(row.status, row.status.name.lower())
    return f"{text} stale" if row.is_stale and row.status is RowStatus.OK else text


# In order of importance: the first are shown when the terminal is narrow.  The outer end of each side is the last.
COLUMNS = (
    Column("price $", lambda row, _: number(row.price_usd, 2)),
    Column("delta", lambda row, _: number(row.delta, 3)),
    Column("vol %", lambda row, _: number(None if row.sigma is None else 100.0 * row.sigma, 2)),
    Column("bid", lambda row, _: premium(row.bid, row)),
    Column("ask", lambda row, _: premium(row.ask, row)),
    Column("gamma", lambda row, _: "-" if row.gamma_per_usd is None else f"{row.gamma_per_usd:.1e}"),
    Column("vega $", lambda row, _: number(row.vega_usd_per_point, 2)),
    Column("theta $", lambda row, _: number(row.theta_usd_per_day, 1)),
)
EDGE = (Column("status", status), Column("age", row_age))
COLUMN_WIDTH, STRIKE_WIDTH, EDGE_WIDTH = 10, 12, 16


def columns_for(width: int) -> tuple[Column, ...]:
    """As many columns a side as the terminal is wide for, at least three."""
    n_fitting = (width - STRIKE_WIDTH - 2 * EDGE_WIDTH) // (2 * COLUMN_WIDTH)
    return COLUMNS[: max(3, min(len(COLUMNS), n_fitting))]


def header(view: View) -> list[str]:
    """The lines above the strikes: what, where the money is, how fresh it is."""
    if view.board is None:
        waiting = f"{view.title}: no options yet ({view.n_rows} rows so far); waiting"
        return [waiting, *freshness(view)]
    code = names.expiry_code(view.board.expiry_ns)
    left = f", {age((view.board.expiry_ns - view.log_time_ns) / 1e9)} left" if view.log_time_ns else ""
    forward = number(view.board.forward, 2)
    others = [names.expiry_code(expiry_ns) for expiry_ns in view.board.expiries_ns]
    return [
        f"{view.title}  {view.board.price_index} {code}{left}  forward {forward} USD  {len(view.board.lines)} strikes",
        *freshness(view),
        f"expiries: {' '.join(f'[{other}]' if other == code else other for other in others)}",
    ]


def freshness(view: View) -> list[str]:
    coverage = "-" if view.coverage is None else f"{100.0 * view.coverage:.1f} %"
    line = f"log time {iso(view.log_time_ns)}  coverage {coverage}  {view.n_rows} instruments  {view.rate:,.0f} rows/s"
    if view.stale_partitions:
        which = "all partitions" if len(view.stale_partitions) == 16 else f"partitions {list(view.stale_partitions)}"
        what = f"no watermark from {which} for {age(view.silent_s)}"
        if view.is_young:
            return [line, f"waiting: {what}; workers may still be starting or catching up"]
        return [line, f"STALE: {what}; is a worker down? (greekstream doctor)"]
    return [line]


def side_style(row: Greeks | None, view: View) -> str:
    if row is None or row.price_usd is None:
        return "dim"
    is_old = view.log_time_ns is not None and view.log_time_ns - row.ts_event_ns > OLD_ROW_S * 1e9
    return "yellow" if row.is_stale or is_old or row.source_partition in view.stale_partitions else ""


def cells(line: Line, columns: tuple[Column, ...], log_time_ns: int) -> tuple[list[str], list[str]]:
    """Texts of the call's side, from its edge inwards, and of the put's, from the strike outwards."""
    inner = [*columns, *EDGE[::-1]]
    call = [column.text(line.call, log_time_ns) if line.call else "" for column in reversed(inner)]
    put = [column.text(line.put, log_time_ns) if line.put else "" for column in inner]
    return call, put


def picture(view: View, width: int, height: int) -> RenderableType:
    """The view for a terminal of this size."""
    first, *rest = header(view)
    texts: list[RenderableType] = [Text(first, style="bold", no_wrap=True, overflow="ellipsis")]
    texts += [Text(text, style="bold red" if text.startswith("STALE") else "dim", no_wrap=True) for text in rest]
    if view.board is None:
        return Group(*texts)
    columns = columns_for(width)
    table = Table(box=None, padding=(0, 1), header_style="bold", expand=False)
    inner = [column.head for column in (*columns, *EDGE[::-1])]
    for head in reversed(inner):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("calls  strike  puts", justify="center", no_wrap=True, style="bold")
    for head in inner:
        table.add_column(head, justify="right", no_wrap=True)
    for line in around_the_money(view.board.lines, max(3, height - LINES_OF_FRAME)):
        call, put = cells(line, columns, view.log_time_ns or 0)
        styles = side_style(line.call, view), side_style(line.put, view)
        table.add_row(
            *(Text(text, style=styles[0]) for text in call),
            Text(strike_text(line), style="reverse" if line.is_atm else ""),
            *(Text(text, style=styles[1]) for text in put),
        )
    return Group(*texts, table)


def strike_text(line: Line) -> str:
    strike = f"{line.strike:,.10g}"
    return f"> {strike} <" if line.is_atm else strike


def plain(view: View, n_lines: int = PLAIN_LINES) -> str:
    """The view as plain text: for pipes and logs."""
    out = header(view)
    if view.board is not None:
        columns = COLUMNS[:5]
        inner = [column.head for column in (*columns, *EDGE[::-1])]
        rows = [(list(reversed(inner)), "strike", inner)]
        for line in around_the_money(view.board.lines, n_lines):
            call, put = cells(line, columns, view.log_time_ns or 0)
            rows.append((call, strike_text(line), put))
        for call, strike, put in rows:
            out.append(" ".join([*(f"{t:>10}" for t in call), f"{strike:^14}", *(f"{t:>10}" for t in put)]))
    return "\n".join(out)
