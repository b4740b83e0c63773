"""``greekstream levels``: flips, walls and max pain, for charts."""

from __future__ import annotations

import click
import orjson

from streams.cli import flow_records, flow_view
from streams.cli.session import clear_errors, find_bootstrap, namespace_option


@click.command("levels")
@click.option("--currency", default=None, help="BTC, ETH, ... [default: all]")
@click.option("--csv", "form", flag_value="csv", default="csv", help="A row a level, with a header. The default.")
@click.option("--line", "form", flag_value="line", help="One line a currency, for an indicator's text input.")
@click.option("--json", "form", flag_value="json", help="One JSON object a line.")
@click.option("--suffix", default="", metavar="S", help="Side topics of a replay: flow.v1.S.")
@namespace_option
def command(currency: str | None, form: str, suffix: str, namespace: str) -> None:
    """Levels of the newest final second, for charts: index, flips with band, walls, magnet, open-interest walls, max pain.

    The CSV has symbol, time, kind, price, band, amount and unit, and what it rests on (side model, source of the greeks, share of open
    interest whose side was seen).  --line is a pair of name and price after the other, as text inputs of chart indicators take it.

    Example: greekstream levels --csv --namespace demo > levels.csv
    """
    bootstrap = find_bootstrap()
    with clear_errors():
        found = flow_records.flows(bootstrap, namespace, suffix, only_final=True)
        if currency is not None or not found:
            found = {name: flow_records.of_currency(found, name, namespace) for name in [currency or "any currency"]}
        newest = [found[name][-1] for name in sorted(found)]
    if form == "csv":
        click.echo(flow_view.as_csv(newest), nl=False)
    elif form == "line":
        click.echo("\n".join(map(flow_view.as_line, newest)))
    else:
        for flow in newest:
            for level in flow_view.levels(flow):
                click.echo(
                    orjson.dumps(
                        {"symbol": f"{flow.currency}USD", "ts_event_ns": flow.ts_event_ns, **level._asdict()}
                    ).decode()
                )
