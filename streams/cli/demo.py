"""``greekstream demo``: everything at once."""

from __future__ import annotations

import json
from pathlib import Path

import click

from streams import settings
from streams.stack import default_workers


@click.command("demo")
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Feed a recording (file or folder) instead of the synthetic market; may be given more than once.",
)
@click.option("--speed", default="max", show_default=True, help="Speed of a recording: max, or a factor of real time.")
@click.option("--from", "since", help="Start of the part of the recording to play, ISO time (UTC).")
@click.option("--until", help="End of the part of the recording to play, ISO time (UTC).")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help="How long to run after the first greeks (default: until Ctrl-C; 60 with --json).",
)
@click.option(
    "--workers", type=click.IntRange(1, 16), help="Worker processes (default: min(16, what the cores carry))."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the synthetic market.")
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    help="Option ticks a second of the synthetic market (default: the simulator's).",
)
@click.option("--currency", default="BTC", show_default=True, help="Currency of the chain shown.")
@click.option(
    "--namespace", default="demo", show_default=True, help="Prefix of topics and groups; wiped before and after."
)
@click.option(
    "--flow", "has_flow", is_flag=True, help="Dealer flow too: a tenth of a core; see it with greekstream flow."
)
@click.option("--keep", is_flag=True, help="Leave the topics when the demo ends.")
@click.option(
    "--json",
    "is_json",
    is_flag=True,
    help="No live chain: progress on stderr, one JSON object of figures last on stdout.",
)
def command(
    recordings: tuple[Path, ...], speed: str, since: str | None, until: str | None, seconds: float | None, workers: int | None,
    seed: int, rate: float | None, currency: str, namespace: str, has_flow: bool, keep: bool, is_json: bool,
) -> None:  # fmt: skip
    """Start Kafka, a simulated venue, workers and ingest, and show the live option chain.  Ctrl-C ends all of it.

    Needs no key, no network and no terminal.  The figures of --json: records_in (quotes, trades and instrument states that
    ingest wrote), results_out (rows of greeks.v1 and trades.v1), instruments_listed and instruments_priced (a finite price and
    delta in the last 60 s of log time), coverage (their ratio), rejects (standing ones by reason), latency_ms_p50 and _p99
    (from ingest's write of the tick to Kafka's confirmation of its result; null unless the source runs at speed 1), workers,
    restarts, watchdog_restarts (those of them that the supervisor's watchdog asked for).

    Example: greekstream demo --seconds 60 --json
    """
    from streams import demo

    count, reason = default_workers() if workers is None else (workers, f"{workers} workers")
    demo.say(reason)
    options = demo.DemoOptions(
        seconds=60.0 if seconds is None and is_json and not recordings else seconds,
        workers=count,
        namespace=namespace,
        state_dir=settings.state_dir(),
        recording=tuple(str(path) for path in recordings),
        speed=speed,
        since=since,
        until=until,
        seed=seed,
        rate=rate,
        is_json=is_json,
        is_kept=keep,
        currency=currency,
        has_flow=has_flow,
    )
    try:
        figures = demo.run(options, settings.kafka_bootstrap())
    except demo.Stopped:
        raise SystemExit(130) from None
    except demo.StackError as error:
        raise click.ClickException(str(error)) from error
    if is_json:
        click.echo(json.dumps(figures))
