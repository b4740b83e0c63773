"""``greekstream worker``: one pricing worker, as the supervisor starts it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

import click


def source_hash(package: Path) -> str:
    """Sixteen hex digits over a package's sources."""
    digest = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def prepare_numba(state_dir: Path, package: Path | None = None) -> None:
    """Set Numba's environment; to be called before anything imports it.

    One thread: parallelism is partitions.  The kernels' cache is the one that ``pricers`` keeps beside its sources, shared
    by all that price; where that folder cannot be written (an installed package, another user) it lies in the state
    folder, keyed by the sources as well: Numba's own check knows a function's file only, not those of what it calls.
    """
    package = package or Path(__file__).resolve().parents[2] / "pricers"
    os.environ["NUMBA_NUM_THREADS"] = "1"
    if not os.access(package, os.W_OK):
        cache = state_dir / "numba" / source_hash(package)
        cache.mkdir(parents=True, exist_ok=True)
        os.environ["NUMBA_CACHE_DIR"] = str(cache)


@click.command()
@click.option("--id", "worker_id", type=click.IntRange(0, 15), default=0, show_default=True, help="Static id, 0 to 15.")
@click.option("--namespace", default=None, help="Prefix of topics and groups; empty for the live venue.")
@click.option("--group", default=None, help="Consumer group, if not the namespace's own.")
@click.option("--warm-up", "only_warm_up", is_flag=True, help="Compile every kernel into the cache and end.")
def command(worker_id: int, namespace: str | None, group: str | None, only_warm_up: bool) -> None:
    """One pricing worker: reads its partitions of deribit.ticks.v1, writes greeks.v1 and its companions.

    Workers of one group share the sixteen partitions; each has a static id, so that one that comes back takes up its own
    partitions at once.  `greekstream up` starts and supervises them; start one by hand to see its log, or to add one on
    another host.  Kafka is KAFKA_BOOTSTRAP, else the local broker.  Every setting of the worker is an environment
    variable GREEKSTREAM_WORKER_<NAME>: see greekstream settings.  With GREEKSTREAM_METRICS_PORT it serves /metrics, /health
    and /ready there.

    Example: greekstream worker --id 0 --namespace sim
    """
    from streams import settings as settings_module
    from streams.worker.imports import lean

    state_dir = settings_module.state_dir()
    prepare_numba(state_dir)
    with lean():
        import structlog

        from streams import broker, logs
        from streams.metrics import MetricsSettings, serve
        from streams.settings_catalogue import at_start
        from streams.worker import app, readouts
        from streams.worker.settings import PRICING, WorkerSettings

        settings = settings_module.load(WorkerSettings, "WORKER", worker_id=worker_id, namespace=namespace, group=group)
        said: dict[str, Any] = {}
        if settings.fold == PRICING:  # another is told nothing of pricing, and needs no Numba
            from streams.engine import EngineSettings

            said["engine"] = settings_module.load(EngineSettings, "ENGINE")  # now in one line, not by each restart
    metrics = settings_module.load(MetricsSettings, "METRICS")
    page = readouts.page(metrics)
    if not only_warm_up:
        serve(page, metrics)
    bootstrap = settings.bootstrap or broker.find_bootstrap(settings_module.kafka_bootstrap(), state_dir)
    settings = dataclasses.replace(settings, bootstrap=bootstrap)
    logs.configure()
    if only_warm_up:
        app.warm_maker(settings)
        return
    structlog.get_logger().info("settings", **at_start(worker=settings, **said))
    app.run(settings, state_dir, metrics, page)
