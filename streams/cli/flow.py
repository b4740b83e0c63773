"""``greekstream flow``: dealer flow in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import orjson
from rich.console import Console
from rich.live import Live
from rich.text import Text

import schemas
from streams.cli import flow_records, flow_view
from streams.cli.session import clear_errors, find_bootstrap, namespace_option, until_stopped

REFRESH_S = 1.0


@click.command("flow")
@click.option("--currency", default="BTC", show_default=True, help="BTC, ETH, ...")
@click.option("--watch", "is_live", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--seconds", type=click.FloatRange(min=0), help="With --watch: end after so many seconds.")
@click.option("--only-final", is_flag=True, help="Leave provisional records out.")
@click.option("--json", "is_json", is_flag=True, help="The newest record as one JSON object.")
@click.option("--suffix", default="", metavar="S", help="Side topics of a replay: flow.v1.S.")
@namespace_option
def command(
    currency: str, is_live: bool, seconds: float | None, only_final: bool, is_json: bool, suffix: str, namespace: str
) -> None:
    """Dealer flow of a currency: exposures, profile with flips and band, walls, ladder, scenario, gamma by strike.

    Reads what `greekstream flow-service` writes.  Positive positions: dealers are long; positive flows: dealers buy.  Settlement-average
    and European greeks stand side by side, positions from trades beside the naive convention; the head says the side model, its
    coverage, and every warning.

    Example: greekstream flow --currency BTC --namespace demo --watch
    """
    bootstrap = find_bootstrap()
    deadline_s = time.monotonic() + (float("inf") if seconds is None else seconds)

    def shown() -> flow_view.Picture:
        return flow_records.picture(bootstrap, namespace, suffix, currency, only_final=only_final)

    with clear_errors(), until_stopped():
        if is_json:
            fields = schemas.to_plain(shown().flow)
            click.echo(orjson.dumps({"record": "Flow", **fields}).decode())
        elif not is_live:
            click.echo(flow_view.text(shown()))
        else:
            _watch(shown, deadline_s)


def _watch(shown: Callable[[], flow_view.Picture], deadline_s: float) -> None:
    console = Console()
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while time.monotonic() < deadline_s:
            live.update(Text(flow_view.text(shown())), refresh=True)
            time.sleep(min(REFRESH_S, max(0.0, deadline_s - time.monotonic())))
