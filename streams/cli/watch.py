"""``greekstream watch``: the option chain of one expiry, live in the terminal."""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console
from rich.live import Live

from streams.cli.session import clear_errors, find_bootstrap, namespace_option, until_stopped
from streams.cli.watch_view import View, picture, plain
from streams.reader import Reader
from streams.reader.board import board, busiest_expiry, options_of, parse_expiry, price_index_of

REFRESH_S = 0.25
YOUNG_S = 20.0
"""A watch is young, and a silence short: a worker that is started with it, as a demo's, is restored and caught up by then."""


class Watch:
    """Follows a reader and makes views; keeps the expiry it has chosen until that has expired."""

    def __init__(self, reader: Reader, title: str, price_index: str, expiry_ns: int | None) -> None:
        self.reader, self.title, self.price_index = reader, title, price_index
        self.asked_ns = expiry_ns
        self._chosen_ns: int | None = None
        self._n_new, self._since_s, self._rate = 0, time.monotonic(), 0.0
        self._young_until_s = self._since_s + YOUNG_S

    def follow(self, until_s: float) -> None:
        """Read until then (monotonic seconds)."""
        while (left_s := until_s - time.monotonic()) > 0:
            self._n_new += len(self.reader.poll(min(left_s, REFRESH_S)))

    def view(self) -> View:
        now_s = time.monotonic()
        if now_s - self._since_s >= 1.0:
            self._rate, self._n_new, self._since_s = self._n_new / (now_s - self._since_s), 0, now_s
        table = self.reader.table
        rows = list(table.rows.values())
        options = options_of(rows, self.price_index)
        if self.asked_ns is None and not any(row.expiry_ns == self._chosen_ns for row in options):
            self._chosen_ns = busiest_expiry(options)
        silence = self.reader.staleness()
        return View(
            title=self.title,
            board=board(options, self.price_index, self.asked_ns or self._chosen_ns),
            log_time_ns=table.newest_log_time_ns or max((row.ts_event_ns for row in rows), default=None),
            coverage=table.coverage,
            n_rows=len(rows),
            rate=self._rate,
            stale_partitions=silence.partitions,
            silent_s=silence.silent_s,
            is_young=now_s < self._young_until_s and silence.silent_s < YOUNG_S,
        )


def run_live(watch: Watch, console: Console, deadline_s: float) -> None:
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        while time.monotonic() < deadline_s:
            live.update(picture(watch.view(), console.size.width, console.size.height), refresh=True)
            watch.follow(min(deadline_s, time.monotonic() + REFRESH_S))


def run_plain(watch: Watch, interval_s: float, deadline_s: float) -> None:
    while True:
        click.echo(plain(watch.view()) + "\n")
        sys.stdout.flush()
        if time.monotonic() >= deadline_s:
            return
        watch.follow(min(deadline_s, time.monotonic() + interval_s))


@click.command("watch")
@click.option("--currency", default="BTC", show_default=True, help="BTC, ETH (coin-settled) or BTC_USDC (linear).")
@click.option("--expiry", metavar="27MAR26", help="Expiry to show. [default: the one with the most liquid options]")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds. [default: Ctrl-C]")
@click.option("--interval", type=click.FloatRange(min=0.1), default=5.0, show_default=True,
              help="Seconds between snapshots where the output is no terminal.")  # fmt: skip
@namespace_option
def command(currency: str, expiry: str | None, seconds: float | None, interval: float, namespace: str) -> None:
    """The option chain of one expiry, live: calls left, puts right, strikes in the middle, the money marked.

    Each side has our price (USD per coin), delta and vol under the settlement-average contract, the venue's bid and ask in
    the contract's premium unit, the row's age in log time and its status.  Yellow: stale or old; dim: no numbers.  A wider
    terminal shows more columns.  Where the output is no terminal, a plain snapshot is printed per interval.

    Example: greekstream watch --currency BTC --namespace demo
    """
    try:
        expiry_ns = None if expiry is None else parse_expiry(expiry)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--expiry") from error
    bootstrap = find_bootstrap()
    deadline_s = time.monotonic() + (float("inf") if seconds is None else seconds)
    with clear_errors(), until_stopped(), Reader(bootstrap, namespace) as reader:
        reader.chain()
        watch = Watch(reader, reader.topic_name, price_index_of(currency), expiry_ns)
        console = Console()
        if console.is_terminal:
            run_live(watch, console, deadline_s)
        else:
            run_plain(watch, interval, deadline_s)
