"""``greekstream ingest``: the venue's websocket in, the partitioned market log out."""

from __future__ import annotations

import sys

import click

SUPERSEDED = 66
"""Exit status: another ingest has claimed the namespace.  A supervisor does not start this one again."""


def _several(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


@click.command()
@click.option("--url", default=None, help="Websocket of the venue or of a simulator; overrides --network.")
@click.option("--network", type=click.Choice(["mainnet", "testnet"]), default=None, help="Deribit's. Default: mainnet.")
@click.option(
    "--namespace", default=None, help="Prefix of the topics; empty for the live venue. Default of testnet: testnet."
)
@click.option(
    "--currencies",
    default=None,
    help="Settlement currencies, comma-separated (USDC: linear contracts). Default: BTC,ETH.",
)
@click.option("--expiries", default=None, help="Only options of these expiries, as in their names: 27MAR26,26JUN26.")
@click.option("--max-expiry-days", type=float, default=None, help="Only options that expire within so many days.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "venue"]),
    default=None,
    help="venue: a source faster than real time. Default: wall.",
)
@click.option(
    "--pressure",
    type=click.Choice(["conflate", "wait"]),
    default=None,
    help="When Kafka is slow: conflate quotes, or (recordings) stop reading. Default: conflate.",
)
def command(
    url: str | None,
    network: str | None,
    namespace: str | None,
    currencies: str | None,
    expiries: str | None,
    max_expiry_days: float | None,
    clock: str | None,
    pressure: str | None,
) -> None:
    """Write the market log: every quote, trade and instrument of the venue, in 16 partitions, with its own time.

    One ingest per namespace: it claims the namespace when it starts, and one that runs already then ends (exit status 66),
    so a standby takes over by starting.  A restart goes on from the log's end and fetches the trades that it missed.
    No key is needed; DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET, if set, unlock raw intervals.  Kafka is KAFKA_BOOTSTRAP,
    else the local broker.  Every other setting is an environment variable GREEKSTREAM_INGEST_<NAME>: see greekstream settings.
    With GREEKSTREAM_METRICS_PORT it serves /metrics, /health and /ready there.

    Example: greekstream ingest --network testnet --currencies BTC --max-expiry-days 14
    """
    import structlog

    from streams import broker, kafka, logs, metrics, registry
    from streams import settings as settings_module
    from streams.deribit.channels import SessionSettings
    from streams.ingest import figures, shell
    from streams.ingest.log import IngestError, Superseded
    from streams.ingest.settings import IngestSettings
    from streams.settings_catalogue import at_start

    logs.configure(role="ingest")
    try:
        settings = settings_module.load(
            IngestSettings, "INGEST", url=url, network=network, namespace=namespace, currencies=_several(currencies),
            expiries=_several(expiries), max_expiry_days=max_expiry_days, clock=clock, pressure=pressure,
        ).apart()  # fmt: skip
        manners = settings_module.load(SessionSettings, "DERIBIT")
        settings.session(manners)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    page = figures.page()
    metrics.serve(page, settings_module.load(metrics.MetricsSettings, "METRICS"))
    log = structlog.get_logger()
    try:
        bootstrap = broker.find_bootstrap(settings_module.kafka_bootstrap(), settings_module.state_dir())
        log.info("settings", **at_start(ingest=settings, deribit=settings.session(manners), bootstrap=bootstrap))
        shell.run(settings, manners, bootstrap, page)
    except Superseded as error:
        log.warning("ingest_superseded", text=str(error))
        print(error, file=sys.stderr)
        raise SystemExit(SUPERSEDED) from error
    except (IngestError, broker.BrokerError, registry.RegistryError, kafka.KafkaUnreachable) as error:
        log.error("ingest_failed", text=str(error))
        raise click.ClickException(str(error)) from error
