"""``python -m tests.chaos.skewed_ingest --skew -7200 --url URL ...``: ingest on a machine whose clock is wrong.

Its time is off by ``--skew`` seconds, and it stands still while the process is stopped (SIGSTOP), as the monotonic clock of a machine
does that sleeps or is moved to another host.
"""

from __future__ import annotations

import sys
import time

import click

from streams import logs, settings
from streams.deribit.channels import SessionSettings
from streams.ingest import shell
from streams.ingest.log import Superseded
from streams.ingest.settings import IngestSettings
from streams.supervisor import EXIT_SUPERSEDED

ASLEEP_S = 5.0
"""Nobody asks for the time for so long: the process was stopped.  Ingest asks fifty times a second."""


class SkewedClock(shell.SteadyClock):
    """Parameter: ``skew_s``, how far the machine's clock is off."""

    def __init__(self, skew_s: float) -> None:
        super().__init__()
        self._skew_ns = int(skew_s * 1e9)
        self._last_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        monotonic_ns = time.monotonic_ns()
        if monotonic_ns - self._last_ns > ASLEEP_S * 1e9:
            self._skew_ns -= monotonic_ns - self._last_ns
        self._last_ns = monotonic_ns
        return super().now_ns() + self._skew_ns


@click.command()
@click.option("--skew", "skew_s", type=float, required=True)
@click.option("--url", required=True)
@click.option("--namespace", required=True)
@click.option("--currencies", required=True)
def command(skew_s: float, url: str, namespace: str, currencies: str) -> None:
    logs.configure(role="ingest")
    ours = settings.load(
        IngestSettings, "INGEST", url=url, namespace=namespace, currencies=tuple(currencies.split(","))
    )
    manners = settings.load(SessionSettings, "DERIBIT")
    bootstrap = settings.kafka_bootstrap()
    assert bootstrap is not None, "set KAFKA_BOOTSTRAP"
    try:
        shell.run(ours, manners, bootstrap, clock=SkewedClock(skew_s))
    except Superseded:
        sys.exit(EXIT_SUPERSEDED)


if __name__ == "__main__":
    command()
