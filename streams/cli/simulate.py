"""``greekstream simulate``: the local venue, fed by a synthetic market or by a recording."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from streams import loops
from streams.settings import SettingsError, load
from streams.simulator.settings import SimulatorSettings

EPILOG = """
Examples:

  greekstream simulate --port 8765

  greekstream simulate --expire-in 120 --truth truth.jsonl

  greekstream simulate --recording btc_2023-04-13.jsonl.zst --from 2023-04-13T07:00:00Z --speed max
"""


def _say(record: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(record).decode() + "\n")
    sys.stdout.flush()


def _time_ns(text: str | None, option: str) -> int | None:
    """ISO 8601, UTC where it names no zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time; write 2026-01-09T07:58:00Z", param_hint=option) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000) * 1_000_000


@click.command("simulate", epilog=EPILOG)
@click.option("--host", help="Address to listen on.  [127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [0]")
@click.option("--seed", type=int, help="Seed of the market: the same seed and start give the same market.  [1]")
@click.option("--rate", type=float, help="Option tickers per second.  [1000]")
@click.option("--trade-rate", type=float, help="Trade events per second.  [3]")
@click.option(
    "--parties", "parties_seed", type=int, help="Seed of who makes, takes and closes; -1: the usual shares.  [-1]"
)
@click.option("--currencies", help="BTC, ETH or both, with a comma.  [BTC,ETH]")
@click.option("--options", "n_options", type=int, help="Number of options to list.  [1500]")
@click.option("--truth", type=click.Path(path_type=Path), help="File for the dealer's true book, JSON lines.")
@click.option(
    "--recording", "recordings", multiple=True, type=click.Path(exists=True, path_type=Path), help="Play this."
)
@click.option("--speed", help="Market seconds a second; 'max' for a recording: as fast as it is read.  [1]")
@click.option("--from", "from_time", help="First moment of the recording to play (ISO 8601, UTC).")
@click.option("--until", "until_time", help="First moment not to play.")
@click.option(
    "--wait-for-subscriber/--no-wait", default=True, help="Start a recording at the first ticker subscription."
)
@click.option("--linger", "linger_s", type=float, help="Seconds to stay after a recording's end.  [2]")
@click.option("--start", "start_time", help="The market's time at start (ISO 8601, UTC); default: now.")
@click.option("--expire-in", type=float, help="Start this many seconds before an 08:00 UTC expiry.")
@click.option("--seconds", type=float, help="Stop after this many seconds.")
@click.option("--faults", "fault_seed", type=int, help="Seed of a schedule of faults (cuts, pauses, repeats...).")
@click.option("--fault-every", "fault_every_s", type=float, help="Seconds between two faults, on average.  [5]")
def command(
    recordings: tuple[Path, ...],
    currencies: str | None,
    start_time: str | None,
    from_time: str | None,
    until_time: str | None,
    wait_for_subscriber: bool,
    **given: Any,
) -> None:
    """A local venue that speaks Deribit's protocol, so that everything runs without a network or a key.

    Prints one JSON line {"url": ..., "instruments": ..., "seed": ...} when it listens, and one with a summary at the
    end.  Its market is synthetic (seeded, arbitrage-free smiles, trades against a dealer) or a recording.
    """
    try:
        settings = load(
            SimulatorSettings,
            "SIMULATE",
            currencies=None
            if currencies is None
            else tuple(c.strip().upper() for c in currencies.split(",") if c.strip()),
            recordings=tuple(str(path) for path in recordings) or None,
            start_ns=_time_ns(start_time, "--start"),
            from_ns=_time_ns(from_time, "--from"),
            until_ns=_time_ns(until_time, "--until"),
            is_waiting=wait_for_subscriber,
            **given,
        )
        settings.check()
    except (SettingsError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    try:
        sys.exit(loops.run(_run(settings)))
    except (ValueError, OSError) as error:  # no recording, nothing in the time asked for, a port that is taken
        raise click.ClickException(str(error)) from error


def _say_settings(settings: SimulatorSettings) -> None:
    """On stderr: the first line of stdout is the address.  Once it listens: before that, what is wrong stands alone."""
    import structlog

    from streams import logs
    from streams.settings_catalogue import at_start

    logs.configure(role="simulator")
    structlog.get_logger().info("settings", **at_start(simulate=settings))


async def _run(settings: SimulatorSettings) -> int:
    from streams.simulator.run import simulate

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    started_s = time.monotonic()

    def on_listening(hello: dict[str, Any]) -> None:
        _say_settings(settings)
        _say(hello)

    summary = await simulate(settings, stop, on_listening=on_listening)
    _say(summary | {"seconds": round(time.monotonic() - started_s, 1)})
    return 0
