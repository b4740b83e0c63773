"""``greekstream flow-service``: dealer flow from greeks and trades."""

from __future__ import annotations

import contextlib
import signal

import click


@click.command("flow-service")
@click.option("--namespace", default=None, help="Prefix of topics and groups; empty for the live venue.")
@click.option("--group", default=None, help="Whose checkpoints these are, if not the namespace's own.")
@click.option("--out-suffix", default=None, metavar="S", help="Side topics end in S: flow.v1.S. With --group.")
@click.option(
    "--cold", "is_cold", is_flag=True, help="Begin anew, under the next epoch, whatever checkpoints there are."
)
def command(namespace: str | None, group: str | None, out_suffix: str | None, is_cold: bool) -> None:
    """Dealer flow: reads greeks.v1 and trades.v1, writes flow.v1, flow.strikes.v1 and flow.settlements.v1.

    One record a second of log time and currency: exposures of the settlement-average and of European greeks side by side, in
    USD and coin, flips with bands, walls, hedge ladder, labels; signed by trades, and beside that by the naive convention.  A
    record is final when all partitions have passed its second: a replay gives the same bytes.  When a partition is late a
    provisional one goes out first.  For each expiry a record says what was traded while its price was averaged.  It
    checkpoints; what a crash repeats is identical.  `greekstream up` runs it.  Settings: GREEKSTREAM_FLOW_<NAME> (exposures),
    GREEKSTREAM_DEALER_<NAME> (sides), GREEKSTREAM_FOLD_<NAME> (this service).  With GREEKSTREAM_METRICS_PORT it serves /metrics,
    /health and /ready there.

    Example: greekstream flow-service --namespace sim
    """
    from streams import settings as settings_module
    from streams.cli.worker import prepare_numba

    state_dir = settings_module.state_dir()
    prepare_numba(state_dir)
    import structlog

    from streams import broker, logs, metrics, registry, topics
    from streams.claims import NotClaimed
    from streams.flow.settings import FlowSettings
    from streams.flow.side import SideSettings
    from streams.flow_service import figures, making
    from streams.flow_service.output import FlowServiceError, Superseded
    from streams.flow_service.settings import FoldSettings
    from streams.settings_catalogue import at_start
    from streams.supervisor.slots import EXIT_SUPERSEDED

    logs.configure(role="flow")
    log = structlog.get_logger()
    settings = settings_module.load(FoldSettings, "FOLD", namespace=namespace, group=group, out_suffix=out_suffix)
    flow, dealer = settings_module.load(FlowSettings, "FLOW"), settings_module.load(SideSettings, "DEALER")
    page = figures.page()
    metrics.serve(page, settings_module.load(metrics.MetricsSettings, "METRICS"))
    bootstrap = broker.find_bootstrap(settings_module.kafka_bootstrap(), state_dir)
    log.info("settings", **at_start(fold=settings, flow=flow, dealer=dealer, bootstrap=bootstrap))
    outputs = (*topics.FLOW_OUTPUTS, topics.DEADLETTER)
    wire = registry.wire(settings.namespace, settings.out_suffix, outputs)
    try:
        service = making.service(bootstrap, settings, flow, dealer, wire, is_cold=is_cold, say=log.info, page=page)
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # not the main thread: its owner stops us
                signal.signal(number, lambda *_: service.stop())
        service.run()
    except Superseded as error:
        log.warning("flow_superseded", text=str(error))
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_SUPERSEDED) from error
    except (FlowServiceError, NotClaimed) as error:
        log.error("flow_failed", text=str(error))
        raise click.ClickException(str(error)) from error
    log.info("flow_stopped", epoch=service.epoch, **service.figures()._asdict())
