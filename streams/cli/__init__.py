"""The console script: one lazily imported command per module of this package.

A command module is imported only when its command runs, so that ``greekstream --help`` answers at once and
``greekstream broker`` works on a machine where Numba cannot compile.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

# Before NumPy is loaded: our matrices are small; threads for them would spin, take memory, and add up in another order elsewhere.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

COMMANDS = {
    # name: (module under streams.cli, one line of help)
    "demo": ("demo", "Everything at once: broker, simulated venue, ingest, workers, live chain."),
    "up": ("up", "Supervise the sixteen workers and dealer flow (and ingest, if asked)."),
    "broker": ("broker", "Start, stop or inspect a local Apache Kafka."),
    "topics": ("topics", "Create the topics, or show them with their lags."),
    "simulate": ("simulate", "A local venue that speaks Deribit's protocol."),
    "record": ("record", "Write raw venue frames with their receive times."),
    "inspect": ("inspect", "Say what is in a recording."),
    "ingest": ("ingest", "Venue websocket in, partitioned market log out."),
    "worker": ("worker", "One pricing worker."),
    "flow": ("flow", "Dealer flow in the terminal: exposures, flips, walls, ladder, scenario."),
    "levels": ("levels", "Flips, walls and max pain as CSV, for charts."),
    "flow-service": ("flow_service", "Dealer flow from greeks and trades: exposures, flips, ladder, labels."),
    "watch": ("watch", "The option chain, live, in the terminal."),
    "tail": ("tail", "Decoded records of a topic, one JSON object a line."),
    "replay": ("replay", "Price the log again from a moment in the past."),
    "price": ("price", "One option by every engine, side by side."),
    "iv": ("iv", "The implied volatility of one price, by every engine."),
    "why": ("why", "Why an instrument has no greeks."),
    "audit": ("audit", "How far our numbers are from the venue's and from European ones."),
    "uplift": ("uplift", "Do the averages' exposures predict better?  A plan made before, tested on data from after."),
    "settings": ("settings", "Every setting in force, and where it is from."),
    "cme": ("cme", "CME's option files in, marks with assumed dealer side out."),
    "merge": ("merge", "CME's dealer exposure beside Deribit's."),
    "history": ("history", "Results into Parquet, exactly once; chains, vols and statistics of the past."),
    "doctor": ("doctor", "What is wrong, and what to do about it."),
}


def _mendable() -> tuple[type[Exception], ...]:
    """Imported when something has gone wrong, not before."""
    from confluent_kafka import KafkaException

    from streams.broker import BrokerError
    from streams.broker_jars import JarsMissing
    from streams.broker_java import JavaMissing
    from streams.kafka import KafkaUnreachable
    from streams.metrics import MetricsError
    from streams.registry import RegistryError
    from streams.settings import SettingsError

    return (
        BrokerError, JarsMissing, JavaMissing, KafkaException, KafkaUnreachable, MetricsError, RegistryError, SettingsError,
    )  # fmt: skip


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"streams.cli.{COMMANDS[name][0]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """What the user can mend (a setting, no Kafka, no Java) is one line and exit status 1; the rest is a defect."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except Exception as error:
            if isinstance(error, _mendable()):
                raise click.ClickException(str(error)) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="greekstream")
@click.option("--config", metavar="FILE", help="TOML file of settings, instead of GREEKSTREAM_CONFIG.")
def main(config: str | None) -> None:
    """Deribit ticks in, implied volatilities and greeks of every listed option out, through Apache Kafka.

    Example: greekstream demo --seconds 60 --json
    """
    if config is not None:
        os.environ["GREEKSTREAM_CONFIG"] = config  # the environment, because the processes that we start read it too
