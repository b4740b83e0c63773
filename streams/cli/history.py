"""``greekstream history``: results from their topics into Parquet, and what can be asked of it."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.session import Moment, asked_to_stop, clear_errors, find_bootstrap, iso

if TYPE_CHECKING:
    from streams.flow.perpetual import OrderFlow
    from streams.history.questions import History
    from streams.history.settings import HistorySettings

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), default=None, help="Where history lies. Default: history."
)
namespace_option = click.option(
    "--namespace", default=None, metavar="NAME", help="Prefix of topics; empty for the live venue."
)
json_option = click.option("--json", "is_json", is_flag=True, help="JSON, one object a line, instead of a table.")
at_option = click.option("--at", "at_ns", type=Moment(), required=True, help="ISO 8601, UTC where it says no zone.")
since_option = click.option(
    "--since", "since_ns", type=Moment(), required=True, help="ISO 8601, UTC where it says no zone."
)
until_option = click.option("--until", "until_ns", type=Moment(), required=True, help="Exclusive.")
one_coin_option = click.option("--currency", default="", metavar="BTC", help="Of this coin only.")
max_age_option = click.option(
    "--max-age", "max_age_s", type=float, default=65.0, show_default=True,
    help="Rows older than this at the moment are none; s.",
)  # fmt: skip
NS_PER_S = 1_000_000_000


def _settings(**given: Any) -> HistorySettings:
    """The section, and pyarrow is there."""
    from streams import settings as settings_module
    from streams.history.settings import HistorySettings

    found = settings_module.load(HistorySettings, "HISTORY", **given)
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}; install it with: pip install 'greekstream[history]'") from error
    return found


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    """What the folder can lack is one line and exit status 1."""
    from streams.history.store import StoreError

    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error


def _order_flow(path: Path, currency: str) -> OrderFlow:
    """Of the perpetual; what of the file was left out is said on stderr."""
    from streams.cli.uplift import rows_of, why
    from streams.flow.perpetual import order_flow

    try:
        with contextlib.ExitStack() as stack:
            found = order_flow(rows_of(path, stack), currency)
    except (OSError, ValueError, csv.Error) as error:
        raise click.ClickException(f"{path}: {why(error)}") from error
    left_out = f"{found.n_other} of other instruments and {found.n_repeats} repeats left out"
    click.echo(f"{path}: {found.time_ns.size} trades of {currency}-PERPETUAL; {left_out}", err=True)
    return found


def _tell_empty(history: History, table: str, currency: str = "") -> None:
    """Why there may be no row, on stderr: what there is is older, later, or of another coin."""
    from streams.history.tables import TABLES

    named = f"{table} of {currency}" if currency else table
    span = history.span_ns(TABLES[table], currency)
    has = f"no {named}" if span is None else f"{named} from {iso(span[0])} to {iso(span[1])}"
    click.echo(f"no rows; {history.place} has {has}", err=True)


def _show(rows: list[dict[str, Any]], heads: list[str], is_json: bool) -> None:
    if is_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for head in heads:
        table.add_column(head, justify="left" if head in ("instrument_name", "time", "status", "what") else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(head)) for head in heads))
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@click.group(invoke_without_command=True)
@folder_option
@click.option(
    "--tables",
    default=None,
    metavar="NAMES",
    help="What is written, comma-separated. Default: greeks,trades,flow,audit.",
)
@click.option("--since", default=None, metavar="TIME|OFFSETS",
              help="Where to begin: ISO time, ms or ns, or partition:offset,... Default: where the topics do.")  # fmt: skip
@click.option(
    "--until-end", is_flag=True, help="End where the topics end now; the last line on stdout is one JSON object."
)
@click.option("--ddl", "wants_ddl", is_flag=True, help="Print the tables as SQL for ClickHouse, and end.")
@namespace_option
@click.pass_context
def command(
    context: click.Context, folder: Path | None, tables: str | None, since: str | None, until_end: bool, wants_ddl: bool,
    namespace: str | None,
) -> None:  # fmt: skip
    """Write greeks, trades, flow and audits into Parquet files, by day and currency; ask them with the commands below.

    Each record is written exactly once, over crashes and restarts: it goes on where the folder's progress ends.  What a past start has
    left out can be filled in later with an earlier --since: what is in is passed over.  Anything that reads Parquet reads the
    files (pandas, DuckDB, ClickHouse: --ddl prints its tables).  Needs the extra history.

    Example: greekstream history --folder history --since 2026-01-09T07:00:00Z --namespace sim
    """
    if context.invoked_subcommand is not None:
        return
    names = None if tables is None else tuple(part.strip() for part in tables.split(",") if part.strip())
    settings = _settings(folder=folder, tables=names, namespace=namespace)
    if wants_ddl:
        from streams.history.ddl import ddl

        click.echo(ddl(), nl=False)
        return
    import structlog

    from streams import logs, metrics, moments
    from streams import settings as settings_module
    from streams.history import figures
    from streams.history.sink import Sink, SinkError
    from streams.history.store import Store, StoreError
    from streams.settings_catalogue import at_start

    try:
        moment = None if since is None else moments.parse(since)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    logs.configure(role="history")
    page = figures.page()
    metrics.serve(page, settings_module.load(metrics.MetricsSettings, "METRICS"))
    bootstrap = find_bootstrap()
    log = structlog.get_logger()
    log.info("settings", **at_start(history=settings, bootstrap=bootstrap))
    try:
        store = Store(settings.place)
        sink = Sink(settings, bootstrap, store, page, log.info)
        with clear_errors(), asked_to_stop() as stop:
            sink.run(moment, until_end=until_end, stop=stop)
        if until_end:
            click.echo(json.dumps({"folder": str(settings.place), "tables": sink.summary()}))
        store.close()
    except (StoreError, SinkError, OSError) as error:
        raise click.ClickException(str(error)) from error


@command.command("chain")
@at_option
@one_coin_option
@max_age_option
@folder_option
@namespace_option
@json_option
def chain(
    at_ns: int, currency: str, max_age_s: float, folder: Path | None, namespace: str | None, is_json: bool
) -> None:  # fmt: skip
    """The chain as it was known at a moment: the newest row of each instrument that lived then.

    Example: greekstream history chain --at 2026-01-09T07:45:00Z --currency BTC
    """
    settings = _settings(folder=folder, namespace=namespace)
    from streams.history import questions

    history = questions.History(settings.place)
    with _answers():
        rows = questions.chain(history, at_ns, currency=currency, max_age_s=max_age_s).to_pylist()
    if not rows:
        _tell_empty(history, "greeks", currency)
        return
    heads = ["instrument_name", "status", "forward", "bid", "ask", "mark", "sigma", "price_usd", "delta", "gamma_per_usd",
             "vega_usd_per_point", "open_interest", "age_s"]  # fmt: skip
    _show([{**row, "age_s": (at_ns - row["ts_event_ns"]) / NS_PER_S} for row in rows], heads, is_json)


@command.command("asof")
@click.argument("table")
@at_option
@one_coin_option
@max_age_option
@folder_option
@namespace_option
def as_of(
    table: str, at_ns: int, currency: str, max_age_s: float, folder: Path | None, namespace: str | None
) -> None:  # fmt: skip
    """Any table as of a moment, JSON, one object a line: its newest row of each instrument, or of each currency.

    TABLE is greeks, trades, flow, audit, flow_strikes, flow_settlements, flow_merged or cme_marks, as far as they are written.

    Example: greekstream history asof flow --at 2026-01-09T07:45:00Z --currency BTC
    """
    settings = _settings(folder=folder, namespace=namespace)
    from streams.history import questions
    from streams.history.tables import TABLES

    if table not in TABLES:
        raise click.UsageError(f"no table {table}: want one of {', '.join(TABLES)}")
    history = questions.History(settings.place)
    with _answers():
        rows = questions.newest(history, TABLES[table], at_ns, currency=currency, max_age_s=max_age_s)
    if not rows.num_rows:
        _tell_empty(history, table, currency)
    _show(rows.to_pylist(), [], True)


@command.command("ab")
@click.option("--currency", required=True, metavar="BTC", help="The coin.")
@since_option
@until_option
@click.option(
    "--perpetual-trades",
    "trades_path",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Trades of the coin's perpetual, rows as the venue has them: CSV, JSON lines, Parquet. For flow_5min_usd.",
)
@click.option("--json", "is_json", is_flag=True, help="JSON, one object a line, instead of CSV.")
@folder_option
@namespace_option
def ab(
    currency: str, since_ns: int, until_ns: int, trades_path: Path | None, is_json: bool, folder: Path | None, namespace: str | None
) -> None:  # fmt: skip
    """The A/B record of a coin's dealer flow: European exposures beside the settlement average's, a row each final second.

    CSV as `greekstream uplift` reads it: NGI, VSS, distance of the flip, hedge pressure of both models, and what they rest on.
    What is not known is empty; so is the perpetual's order flow without a file of its trades (docs/uplift.md).

    Example: greekstream history ab --currency BTC --since 2026-12-01 --until 2027-02-01 > ab.csv
    """
    settings = _settings(folder=folder, namespace=namespace)
    from streams.history import questions

    trades = None if trades_path is None else _order_flow(trades_path, currency)

    writer: csv.DictWriter[str] | None = None
    history, n_rows = questions.History(settings.place), 0
    with _answers():
        try:
            for row in questions.ab_rows(history, currency, since_ns, until_ns, trades):
                n_rows += 1
                if is_json:
                    click.echo(json.dumps(row))
                    continue
                if writer is None:
                    writer = csv.DictWriter(click.get_text_stream("stdout"), list(row), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(row)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
    if not n_rows:
        _tell_empty(history, "flow", currency)


@command.command("vols")
@click.argument("instrument")
@since_option
@until_option
@click.option(
    "--every", "every_s", type=float, default=60.0, show_default=True, help="Interval, s: its last row is shown."
)
@folder_option
@namespace_option
@json_option
def vols(
    instrument: str,
    since_ns: int,
    until_ns: int,
    every_s: float,
    folder: Path | None,
    namespace: str | None,
    is_json: bool,
) -> None:
    """An instrument's implied vols over time, by minute.

    Example: greekstream history vols BTC-27MAR26-100000-C --since 2026-01-09 --until 2026-01-10
    """
    if every_s <= 0.0:
        raise click.UsageError("--every wants a positive number of seconds")
    settings = _settings(folder=folder, namespace=namespace)
    from streams.history import questions

    history = questions.History(settings.place)
    with _answers():
        rows = questions.vols(history, instrument, since_ns, until_ns, every_s).to_pylist()
    if not rows:
        _tell_empty(history, "greeks")
        return
    heads = [
        "time",
        "status",
        "forward",
        "sigma",
        "sigma_bid",
        "sigma_ask",
        "sigma_mark",
        "european_sigma",
        "venue_sigma",
    ]
    _show([{**row, "time": iso(row["ts_event_ns"])} for row in rows], heads, is_json)


@command.command("stats")
@click.option("--currency", required=True, metavar="BTC", help="The coin.")
@at_option
@click.option(
    "--days", type=float, default=30.0, show_default=True, help="Maturity of the vol, and time of the realised one."
)
@click.option(
    "--past-days",
    "n_days",
    type=click.IntRange(1),
    default=364,
    show_default=True,
    help="Past that rank and percentile are of: 52 weeks.",
)
@click.option("--step", "step_s", type=float, default=300.0, show_default=True, help="Bars of the realised vol, s.")
@folder_option
@namespace_option
@json_option
def stats(
    currency: str,
    at_ns: int,
    days: float,
    n_days: int,
    step_s: float,
    folder: Path | None,
    namespace: str | None,
    is_json: bool,
) -> None:
    """Where a coin's vol stands: IV rank and percentile, realised vol, risk premium, trailing and forward.

    The vol is at the money at a constant maturity; rank and percentile are over the same time of each past day that history has, and
    their number is said.  The forward premium is of the vol one maturity ago.

    Example: greekstream history stats --currency BTC --at 2026-01-09T08:00:00Z
    """
    if days <= 0.0 or step_s <= 0.0:
        raise click.UsageError("--days and --step want positive numbers")
    settings = _settings(folder=folder, namespace=namespace)
    from streams.history import questions

    with _answers():
        found = questions.standing(
            questions.History(settings.place), currency, at_ns, days=days, n_days=n_days, step_s=step_s
        )
    facts: dict[str, Any] = found._asdict() | {"currency": currency}
    for name in ("realised_close", "realised_parkinson", "premium_trailing", "premium_forward"):
        facts[name] = None if facts[name] is None else facts[name]._asdict()
    if is_json:
        click.echo(json.dumps(facts))
        return
    lines = [
        (f"at the money, {days:g} d", found.sigma), ("dvol", found.dvol), ("IV rank", found.rank),
        ("IV percentile", found.percentile), ("days of these two", found.n_days),
        ("realised, close to close", found.realised_close.sigma), ("realised, Parkinson", found.realised_parkinson.sigma),
        ("bars used, missing", f"{found.realised_close.n_used}, {found.realised_close.n_missing}"),
        ("premium, trailing", found.premium_trailing and found.premium_trailing.variance),
        ("premium, forward", found.premium_forward and found.premium_forward.variance),
    ]  # fmt: skip
    _show([{"what": what, "value": value} for what, value in lines], ["what", "value"], False)
