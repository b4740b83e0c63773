"""``greekstream cme``: CME's files in, marks of its options out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.session import Moment, asked_to_stop, clear_errors, find_bootstrap, iso

if TYPE_CHECKING:
    from streams.cme_service.run import Outcome, Reading

PROGRESS_EVERY_S = 5.0


@click.command()
@click.argument("paths", nargs=-1, metavar="FILE|FOLDER...", type=click.Path(path_type=Path))
@click.option("--follow", is_flag=True, help="Stay, and publish again whenever files come: a service.")
@click.option("--at", "at_ns", type=Moment(), default=None,
              help="Marks of this moment, from what was known by then. Default: of the newest price or open interest.")  # fmt: skip
@click.option("--index", "indices", multiple=True, metavar="BTC=USD",
              help="Index price of that moment. Default: the market log's of the same moment, if it has one.")  # fmt: skip
@click.option("--again", is_flag=True, help="Publish even if just this batch has been published before.")
@click.option("--namespace", default=None, metavar="NAME", help="Prefix of topics; empty for the live venue.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object as the last line, instead of tables.")
def command(
    paths: tuple[Path, ...], follow: bool, at_ns: int | None, indices: tuple[str, ...], again: bool, namespace: str | None,
    is_json: bool,
) -> None:  # fmt: skip
    """Publish greeks and open interest of CME's bitcoin and ether options to cme.marks.v1, from files.

    Reads Databento DBN (definition, statistics, bbo-1s, bbo-1m) and settlement CSV files, plain or zstd; of a folder all that end
    in .dbn, .dbn.zst, .csv or .csv.zst.  All files together give one mark per option, of one moment; the order of files does not
    matter.  The same files give the same bytes.  What cannot be read or priced is counted by its reason, and options of other
    products are not published.  Progress is recorded after Kafka has confirmed every mark.  Dealers' side is an assumption
    (GREEKSTREAM_MARKS_SIDE_MODEL), named in every record: docs/cme.md.  Needs the extra cme.

    Example: greekstream cme glbx-20260612.definition.dbn.zst glbx-20260612.statistics.dbn.zst --index BTC=105000 --namespace sim
    """
    if follow and (at_ns is not None or again):
        raise click.UsageError("--follow publishes what is new, of the newest moment: leave --at and --again")
    try:
        import databento_dbn  # noqa: F401
        import exchange_calendars  # noqa: F401
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}; install it with: pip install 'greekstream[cme]'") from error
    import socket

    import structlog

    from streams import logs, metrics
    from streams import settings as settings_module
    from streams.cli.worker import prepare_numba

    prepare_numba(settings_module.state_dir())
    from streams.cme.quotes import MarkSettings
    from streams.cme_service import figures, run
    from streams.cme_service.output import PublishError
    from streams.cme_service.publish import Publisher
    from streams.cme_service.settings import CmeSettings
    from streams.settings_catalogue import at_start

    settings = settings_module.load(CmeSettings, "CME", namespace=namespace, index_prices=indices or None)
    marks = settings_module.load(MarkSettings, "MARKS")
    paths = paths or ((Path(settings.folder),) if settings.folder else ())
    if not paths:
        raise click.UsageError("name the files or folders to read, or set GREEKSTREAM_CME_FOLDER")
    for path in paths:
        if not path.exists():
            raise click.UsageError(f"{path}: there is no such file or folder")
    bootstrap = find_bootstrap()
    with clear_errors():
        publisher = Publisher(bootstrap, settings.namespace, settings.profile, socket.gethostname())
        try:
            if follow:
                logs.configure(role="cme")
                page = figures.page()
                metrics.serve(page, settings_module.load(metrics.MetricsSettings, "METRICS"))
                log = structlog.get_logger()
                log.info("settings", **at_start(cme=settings, marks=marks, bootstrap=bootstrap))
                with asked_to_stop() as stop:
                    run.follow(paths, settings, marks, publisher, page, log.info, stop)
                return
            reading, outcome = run.once(paths, settings, marks, at_ns, publisher, again, _Progress())
        except (PublishError, OSError) as error:
            raise click.ClickException(str(error)) from error
    _show(reading, outcome, publisher.topic, is_json)


class _Progress:
    """A line on stderr every five seconds; nothing for what is read faster than that."""

    def __init__(self) -> None:
        self._due = time.monotonic() + PROGRESS_EVERY_S

    def __call__(self, path: Path, n_rows: int, n_bytes: int) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PROGRESS_EVERY_S
        print(f"{path.name}: {n_bytes / max(1, path.stat().st_size):.0%} read, {n_rows} rows", file=sys.stderr)


def _show(reading: Reading, outcome: Outcome, topic: str, is_json: bool) -> None:
    from streams.cme_service import run

    for read in reading.reads:
        for one in read.examples:
            print(f"refused {one.source}@{one.position} {one.reason}: {one.detail}", file=sys.stderr)
    facts = run.as_facts(outcome)
    if is_json:
        found = {"topic": topic, "files": [run.as_fact(read) for read in reading.reads]}
        click.echo(json.dumps({**found, "rows": dict(sorted(reading.n_rows.items())), **facts}))
        return
    _print_tables(reading, facts, topic)


def _print_tables(reading: Reading, facts: dict[str, Any], topic: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(reading.reads)} files")
    for head in ("what", "", "count"):
        table.add_column(head, justify="right" if head == "count" else "left")
    for what, n in sorted(reading.n_rows.items()):
        table.add_row("rows", what, str(n))
    for status, n in facts["marks_by_status"].items():
        table.add_row("marks", status, str(n))
    for root, n in facts["not_published"]["no_product_by_root"].items():
        table.add_row("not published", f"no product: {root}", str(n))
    if facts["not_published"]["ended_before"]:
        table.add_row("not published", "ended before", str(facts["not_published"]["ended_before"]))
    Console().print(table)
    prices = ", ".join(f"{currency} {price:g}" for currency, price in facts["index_prices"].items())
    said = f"as of {iso(facts['as_of_ns'])}, index {prices or 'not known: no exposures'}"
    if facts["is_published"]:
        click.echo(f"{facts['marks']} marks {said}, published to {topic} as batch {facts['batch']}")
    else:
        click.echo(f"{facts['marks']} marks {said}; not published: {facts['why_not']}")
