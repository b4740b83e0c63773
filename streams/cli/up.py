"""``greekstream up``: the supervisor of the workers."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any

import click


@click.command()
@click.option(
    "--workers",
    default=None,
    help="How many (16 at most), or which: 0-7 here and 8-15 on a second host. Default: what the cores carry.",
)
@click.option("--namespace", default="", help="Prefix of topics and groups; empty for the live venue.")
@click.option("--group", default="", help="Consumer group, if not the namespace's own.")
@click.option(
    "--flow/--no-flow",
    "has_flow",
    default=True,
    show_default=True,
    help="Supervise the service of dealer flow too; there is one: not on a second host.",
)
@click.option(
    "--cme",
    "cme_folder",
    default=None,
    metavar="FOLDER",
    type=click.Path(),
    help="Supervise cme and merge too, on CME's files of this folder, now and as they come (docs/cme.md).",
)
@click.option("--ingest", "ingest_url", default=None, metavar="URL", help="Supervise ingest of this venue too.")
@click.option("--stop-within", type=float, default=15.0, show_default=True, help="Seconds a worker gets to stop in.")
def command(
    workers: str | None, namespace: str, group: str, has_flow: bool, cme_folder: str | None, ingest_url: str | None,
    stop_within: float,
) -> None:  # fmt: skip
    """Supervise the sixteen workers and dealer flow (and CME and ingest, if asked).

    Makes the topics that are missing, compiles the kernels once, starts one process a worker with a static id, starts
    again what dies (at once, then with growing pauses), and stops all of it on Ctrl-C or SIGTERM: each worker writes its
    checkpoints and leaves.  A worker whose lag grows for GREEKSTREAM_SUPERVISOR_WATCHDOG_S (30) seconds while it reads nothing
    is ended and started again; 0 turns that off.  With GREEKSTREAM_METRICS_PORT=N it serves /metrics, /health and /ready at N,
    worker i at N + 1 + i, ingest at N + 17, dealer flow at N + 18, cme and merge at N + 19 and N + 20.  Events are JSON lines on
    stderr, the workers' own among them.

    Example: greekstream up --workers 4 --namespace sim
    """
    if cme_folder is not None:
        _check_cme(cme_folder, has_flow)
    from streams import broker, kafka, kafka_schemas, logs, metrics, stack, supervisor, topics
    from streams import settings as settings_module
    from streams.settings_catalogue import at_start
    from streams.supervisor import readouts

    logs.configure()
    import structlog

    log = structlog.get_logger()
    if workers is None:
        n_workers, reason = stack.default_workers()
        ids = list(range(n_workers))
    else:
        try:
            ids = supervisor.parse_workers(workers)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        reason = f"asked for: {workers}"
    own = settings_module.load(supervisor.SupervisorSettings, "SUPERVISOR")
    metrics_settings = settings_module.load(metrics.MetricsSettings, "METRICS")
    page = readouts.page(metrics_settings)
    _serve(page, metrics_settings, ids, has_flow, bool(cme_folder), bool(ingest_url))
    bootstrap = broker.find_bootstrap(settings_module.kafka_bootstrap(), settings_module.state_dir())
    environ = {"KAFKA_BOOTSTRAP": bootstrap, "GREEKSTREAM_WORKER_PARENT_PID": str(os.getpid())}
    given = {
        "workers": ids,
        "namespace": namespace,
        "group": group,
        "has_flow": has_flow,
        "cme_folder": cme_folder,
        "ingest_url": ingest_url,
        "stop_within_s": stop_within,
    }
    log.info("settings", **at_start(up=given, bootstrap=bootstrap))
    # First: a setting that cannot be read ends it here, before anything is written.
    _warm_up(environ, namespace)
    made = kafka.create_topics(bootstrap, namespace)
    kafka_schemas.publish_schemas(bootstrap, namespace)
    kafka.found_group(bootstrap, group or topics.group_name(namespace), topics.full_name(topics.TICKS, namespace))
    log.info(
        "supervisor_started",
        workers=ids,
        reason=reason,
        bootstrap=bootstrap,
        namespace=namespace,
        topics_made=len(made),
    )
    slots = supervisor.slots_for(
        ids, namespace, group, ("--url", ingest_url) if ingest_url else (), metrics_settings.port, has_flow=has_flow,
        cme_folder=cme_folder or "",
    )  # fmt: skip
    ends = supervisor.LogEnds(bootstrap, topics.full_name(topics.TICKS, namespace)).start()
    vitals = supervisor.Vitals(ends, own.watchdog_s)
    parts = {"kill_after_s": own.kill_after_s, "vitals": vitals, "page": page}
    raise SystemExit(supervisor.Supervisor(slots, environ, stop_within_s=stop_within, **parts).run())


def _check_cme(folder: str, has_flow: bool) -> None:
    """What the two services need is looked for before anything starts: a child without it would die again and again."""
    if not has_flow:
        raise click.UsageError("--cme merges with dealer flow: leave out --no-flow")
    if not os.path.isdir(folder):
        raise click.UsageError(f"--cme {folder}: there is no such folder")
    missing = [name for name in ("databento_dbn", "exchange_calendars") if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(f"--cme needs {', '.join(missing)}; install it with: pip install 'greekstream[cme]'")


def _serve(page: Any, settings: Any, ids: list[int], has_flow: bool, has_cme: bool, has_ingest: bool) -> None:
    """Our page from now on; and the ports of the children are free, which is said here once and not by each of them."""
    from streams import metrics

    metrics.serve(page, settings)
    if settings.port:
        ports = [metrics.port_of_worker(settings.port, worker_id) for worker_id in ids]
        ports += [metrics.port_of_ingest(settings.port)] * has_ingest + [metrics.port_of_flow(settings.port)] * has_flow
        ports += [metrics.port_of_cme(settings.port), metrics.port_of_merge(settings.port)] * has_cme
        metrics.check_free(settings.host, ports)


def _warm_up(environ: dict[str, str], namespace: str) -> None:
    """Compile once, in one process: sixteen that compile the same at once would take sixteen times as long."""
    arguments = [sys.executable, "-m", "streams.cli", "worker", "--warm-up", "--namespace", namespace]
    done = subprocess.run(arguments, env={**os.environ, **environ}, stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        raise click.ClickException(f"the workers' warm-up failed (status {done.returncode}); see the lines above")
