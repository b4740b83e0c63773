"""``greekstream merge``: CME's exposure beside Deribit's."""

from __future__ import annotations

import json
from pathlib import Path

import click

from streams.cli.session import asked_to_stop, clear_errors, find_bootstrap


@click.command()
@click.option("--open-interest", "paths", multiple=True, metavar="FILE|FOLDER",
              help="Open interest of futures, for CME's share: CME's own files, and a CSV of the other venues (docs/cme.md).")  # fmt: skip
@click.option("--from-start", is_flag=True, help="Without progress, begin where the topics do, not at their end.")
@click.option(
    "--until-end", is_flag=True, help="End where the topics end now; the last line on stdout is one JSON object."
)
@click.option("--namespace", default=None, metavar="NAME", help="Prefix of topics; empty for the live venue.")
def command(paths: tuple[str, ...], from_start: bool, until_end: bool, namespace: str | None) -> None:
    """Put CME's dealer gamma beside Deribit's: flow.v1, flow.strikes.v1 and cme.marks.v1 in, flow.merged.v1 out.

    USD per 1 % of the index, strikes of both venues in terms of the index, trade-signed and assumption-signed in columns of their own;
    nothing is added across venues or kinds of sign, and a column to which nobody contributed is null.  A record comes for every
    final set of strikes.  CME's side is of the newest marks that are not of a later moment: its open interest is daily.  With
    --open-interest each record carries CME's share of futures open interest, and what lasts above the threshold is logged.

    Example: greekstream merge --open-interest cme-files --open-interest venues.csv --namespace sim
    """
    import socket

    import structlog

    from streams import logs, metrics
    from streams import settings as settings_module
    from streams.cli.worker import prepare_numba

    prepare_numba(settings_module.state_dir())
    from streams.cme.quotes import MarkSettings
    from streams.cme.share import ShareSettings
    from streams.cme_service import figures
    from streams.cme_service.merging import Merging
    from streams.cme_service.output import PublishError
    from streams.cme_service.settings import MergeSettings
    from streams.settings_catalogue import at_start

    logs.configure(role="merge")
    settings = settings_module.load(MergeSettings, "MERGE", namespace=namespace, open_interest=paths or None)
    for path in settings.open_interest:
        if not Path(path).exists():
            raise click.UsageError(f"{path}: there is no such file or folder")
    share = settings_module.load(ShareSettings, "SHARE")
    divisor = settings_module.load(MarkSettings, "MARKS").open_interest_divisor
    page = figures.merge_page()
    metrics.serve(page, settings_module.load(metrics.MetricsSettings, "METRICS"))
    bootstrap = find_bootstrap()
    log = structlog.get_logger()
    log.info("settings", **at_start(merge=settings, share=share, bootstrap=bootstrap))
    with clear_errors(), asked_to_stop() as stop:
        try:
            merging = Merging(settings, share, divisor, bootstrap, socket.gethostname(), page, log.info)
            merging.run(until_end=until_end, from_start=from_start, stop=stop)
        except (PublishError, OSError) as error:
            raise click.ClickException(str(error)) from error
        if until_end:
            said = {
                "records": merging.n_records,
                "batches": merging.n_batches,
                "without_flow": merging.state.n_without_flow,
            }
            click.echo(json.dumps({"topic": merging.merged, **said}))
