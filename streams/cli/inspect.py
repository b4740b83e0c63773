"""``greekstream inspect``: what is in a recording."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
import orjson

PROGRESS_EVERY_S = 5.0


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="One JSON object as the last line, instead of a table.")
def command(paths: tuple[Path, ...], is_json: bool) -> None:
    """Say what is in a recording: how many frames, which records they make, what is ignored, what cannot be read.

    PATH is a file or a folder: greekstream's own recordings (.jsonl.zst), raw websocket text (.txt), chains of order-book rows
    (.jsonl.zst), plain messages (.json, .jsonl).  Every frame is counted: under `records` by record name, under `ignored` by
    its kind (frames that we sent are `outgoing`, channels that we do not use are `book.*`, ...), or as `unreadable`.  `first` and
    `last` are receive times in ns UTC (of a chain: the venue's times).  `instruments` is the number of distinct instruments.
    Reads only; look at a recording before you play it with `greekstream simulate --recording`.

    Example: greekstream inspect recordings/btc.jsonl.zst --json
    """
    from streams.deribit.frames import RecordingError
    from streams.deribit.inspection import Inspection
    from streams.deribit.recording import read

    inspection = Inspection()
    progress = _Progress()
    try:
        for frame in read(*paths, on_progress=progress):
            inspection.add(frame)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    summary = inspection.summary()
    if is_json:
        click.echo(orjson.dumps(summary).decode())
    else:
        _print_table(summary)


class _Progress:
    """A line on stderr every five seconds; nothing for what is read faster than that."""

    def __init__(self) -> None:
        self._due = time.monotonic() + PROGRESS_EVERY_S
        self._n_calls = 0

    def __call__(self, path: Path, n_read: int) -> None:
        self._n_calls += 1
        if self._n_calls % 1_000 or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PROGRESS_EVERY_S
        share = n_read / max(1, path.stat().st_size)
        print(f"{path.name}: {share:.0%} read, {self._n_calls} lines", file=sys.stderr)


def _print_table(summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{summary['frames']} frames, {summary['instruments']} instruments")
    table.add_column("what")
    table.add_column("kind")
    table.add_column("count", justify="right")
    for group in ("records", "ignored"):
        for kind, count in summary[group].items():
            table.add_row(group, kind, str(count))
    table.add_row("unreadable", "", str(summary["unreadable"]))
    console = Console()
    console.print(table)
    console.print(f"received {_time(summary['first'])} to {_time(summary['last'])}")


def _time(ns: int | None) -> str:
    if ns is None:
        return "(not recorded)"
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 1_000_000_000)) + f".{ns % 1_000_000_000:09d}Z"
