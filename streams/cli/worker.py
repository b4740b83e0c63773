"""``greekstream worker``: one pricing worker, as the supervisor starts it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import click


def source_hash(root: Path) -> str:
    """Sixteen hex digits over the sources that Numba compiles or that call what it compiles."""
    digest = hashlib.sha256()
    for room in ("pricers", "streams/engine"):
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def prepare_numba(state_dir: Path) -> Path:
    """Set Numba's environment; to be called before anything imports it.

    One thread: parallelism is partitions.  A cache folder per state of the sources: Numba's own check knows a function's
    file only, not those of the functions it calls.
    """
    cache = state_dir / "numba" / source_hash(Path(__file__).resolve().parents[2])
    cache.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    os.environ["NUMBA_CACHE_DIR"] = str(cache)
    return cache


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
    variable GREEKSTREAM_WORKER_<NAME>.

    Example: greekstream worker --id 0 --namespace sim
    """
    from streams import broker
    from streams import settings as settings_module

    state_dir = settings_module.state_dir()
    prepare_numba(state_dir)
    from streams.worker import app, logs
    from streams.worker.folds import load_maker
    from streams.worker.settings import WorkerSettings

    settings = settings_module.load(WorkerSettings, "WORKER", worker_id=worker_id, namespace=namespace, group=group)
    bootstrap = settings.bootstrap or broker.find_bootstrap(settings_module.kafka_bootstrap(), state_dir)
    settings = dataclasses.replace(settings, bootstrap=bootstrap)
    logs.configure()
    if only_warm_up:
        load_maker(settings.fold, bootstrap=settings.bootstrap, namespace=settings.namespace).warm_up()
        return
    app.run(settings, state_dir)
