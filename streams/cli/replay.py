"""``greekstream replay``: price the log again from a moment in the past."""

from __future__ import annotations

import json
import time

import click


@click.command()
@click.option("--since", required=True, help="ISO time (UTC), ms or ns since the epoch, or partition:offset,...")
@click.option("--until", default=None, help="Where to end, exclusive; the same forms. Default: the log's end now.")
@click.option("--namespace", default="", help="Prefix of topics and groups; empty for the live venue.")
@click.option("--group", default=None, metavar="NEW", help="Name of this replay; its side topics end in replay-NEW.")
@click.option("--reset", default=None, metavar="GROUP", help="Rewind this stopped group to --since instead.")
@click.option("--out-suffix", default=None, metavar="S", help="Side topics end in S: greeks.v1.S.")
@click.option("--speed", default="max", show_default=True, help="max, or a factor of real time (--since as a time).")
def command(
    since: str, until: str | None, namespace: str, group: str | None, reset: str | None, out_suffix: str | None, speed: str
) -> None:  # fmt: skip
    """Price the log again from a moment in the past.

    Starts from the newest checkpoint of the history at or before --since, folds silently up to it, and writes results to
    side topics: the same bytes as the live workers', who are not disturbed.  Without a usable checkpoint it starts cold and
    says so (is_cold).  --reset rewinds a group instead: its workers must be stopped; started again they go on from --since,
    under the next epoch.  The last line on stdout is one JSON object.  The worker's settings (GREEKSTREAM_WORKER_FOLD,
    GREEKSTREAM_ENGINE_...) count here too: with others the bytes differ, and the summary says so.

    Example: greekstream replay --since 2023-04-13T07:30:00Z --until 2023-04-13T08:05:00Z --namespace rec --out-suffix again
    """
    from streams import broker, moments
    from streams import settings as settings_module
    from streams.cli.worker import prepare_numba

    state_dir = settings_module.state_dir()
    prepare_numba(state_dir)
    import structlog

    from streams import logs, registry, replay, topics
    from streams.worker.folds import load_maker
    from streams.worker.settings import WorkerSettings

    logs.configure()
    worker = settings_module.load(WorkerSettings, "WORKER", namespace=namespace, group=reset)
    try:
        moment, end = moments.parse(since), moments.parse(until) if until else None
        factor = 0.0 if speed == "max" else float(speed)
        if factor and moment.time_ns is None:
            raise ValueError("--speed needs --since as a time")
        suffix = out_suffix or f"replay-{group or time.strftime('%Y%m%dt%H%M%S', time.gmtime())}"
        topics.check_namespace(suffix)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if reset and (group or out_suffix or until):
        raise click.UsageError(
            "--reset rewinds a group and writes no side topics: leave --group, --out-suffix, --until"
        )
    try:
        bootstrap = worker.bootstrap or broker.find_bootstrap(settings_module.kafka_bootstrap(), state_dir)
        settings = replay.ReplaySettings(
            bootstrap, moment, end, namespace, reset or "", suffix, factor, worker.cold_start_minutes
        )
        maker = load_maker(worker.fold, bootstrap=bootstrap, namespace=namespace)
        maker.warm_up()
        runner = replay.Replay(settings, maker, structlog.get_logger().info)
        summary = runner.reset() if reset else runner.run()
    except (replay.ReplayError, broker.BrokerError, registry.RegistryError, KeyError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(summary))
