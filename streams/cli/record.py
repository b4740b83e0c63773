"""``greekstream record``: raw frames of the venue into a file."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson
import structlog

if TYPE_CHECKING:
    from streams.deribit.session import Session


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--url", default=None, help="Venue or simulator to record; default: Deribit's public websocket.")
@click.option("--testnet", is_flag=True, help="Deribit's test venue instead.")
@click.option("--currency", "currencies", multiple=True, help="Settlement currency (BTC, ETH, USDC); may be repeated.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(["option", "future"]), help="Default: both.")
@click.option("--expiry", "expiries", multiple=True, help="Only options of this expiry (14APR23); may be repeated.")
@click.option("--max-expiry-days", type=float, default=None, help="Only options that expire within so many days.")
@click.option("--interval", type=click.Choice(["100ms", "agg2", "raw"]), default=None, help="raw needs credentials.")
@click.option("--seconds", type=float, default=None, help="Stop after so long; default: until Ctrl-C.")
@click.option("--flush-s", type=float, default=1.0, show_default=True, help="What a killed recorder loses at most.")
def command(
    path: Path,
    url: str | None,
    testnet: bool,
    currencies: tuple[str, ...],
    kinds: tuple[str, ...],
    expiries: tuple[str, ...],
    max_expiry_days: float | None,
    interval: str | None,
    seconds: float | None,
    flush_s: float,
) -> None:
    """Write the venue's raw frames with their receive times to PATH (a new file; name it *.jsonl.zst).

    Subscribes as ingest does, answers heartbeats, reconnects after a loss, and writes every frame, sent ones too, as it came; so
    the recording can be played to the pipeline later, at any speed, with `greekstream simulate --recording PATH`.  What has been
    written survives a kill up to --flush-s.  Credentials come from DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET only, and are
    masked in the file.  The last line on stdout is a JSON object with path, frames and seconds.

    Example: greekstream record btc.jsonl.zst --currency BTC --max-expiry-days 30 --seconds 600
    """
    from streams import settings as settings_module
    from streams.deribit import client
    from streams.deribit.session import Session, SessionSettings

    if path.suffix != ".zst":
        raise click.UsageError(f"{path}: the file is zstd-compressed; name it *.jsonl.zst, else it cannot be read back")
    if path.exists():
        raise click.ClickException(f"{path} exists; a recording is never overwritten")
    try:
        settings = settings_module.load(
            SessionSettings,
            "DERIBIT",
            currencies=currencies or None,
            kinds=kinds or None,
            expiries=expiries or None,
            max_expiry_days=max_expiry_days,
            interval=interval,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _log_to_stderr()
    started = time.monotonic()
    source = url or (client.TESTNET if testnet else client.MAINNET)
    n_frames = asyncio.run(_record(path, source, Session(settings), seconds, flush_s))
    summary = {"path": str(path), "frames": n_frames, "seconds": round(time.monotonic() - started, 3)}
    click.echo(orjson.dumps(summary).decode())


async def _record(path: Path, url: str, session: Session, seconds: float | None, flush_s: float) -> int:
    from streams.deribit import client
    from streams.deribit.events import Event, RequestFailed
    from streams.deribit.frames import Writer

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(
            NotImplementedError
        ):  # no signal handlers on this platform's loop: Ctrl-C raises instead
            loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)

    async def on_events(events: list[Event]) -> None:
        for event in events:
            if isinstance(event, RequestFailed):
                client.log.warning("venue_refused", method=event.method, code=event.code, message=event.message)

    async def flush_in_silence(writer: Writer) -> None:
        while True:  # the writer flushes by itself only when another frame comes
            await asyncio.sleep(flush_s)
            writer.flush()

    with Writer(path, url=url, flush_s=flush_s) as writer:
        flusher = asyncio.create_task(flush_in_silence(writer))
        try:
            await client.run(url, session, on_events, stop=stop, on_frame=writer.write)
        finally:
            flusher.cancel()
        return writer.n_frames


def _log_to_stderr() -> None:
    """JSON lines on stderr; stdout is for the result alone."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
