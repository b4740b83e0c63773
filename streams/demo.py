"""The demo: broker, simulated venue, workers, ingest, live chain; then figures from what stands in Kafka; then nothing left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from streams import kafka, measure, topics
from streams.broker import LocalBroker
from streams.kafka_offsets import FORMER_MEMBERS_S
from streams.processes import Child, wait_until
from streams.stack import Stack, StackError
from streams.worker.latency import percentile_ms

__all__ = ["DemoOptions", "StackError", "Stopped", "run", "say"]

SETTLE_S = 15.0
"""Seconds after the first result (at most half of the run) before latency is counted: the first snapshot prices the whole
chain at once, and what was written while the workers compiled and joined is worked off first."""


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says; see ``greekstream demo --help``."""

    seconds: float | None
    workers: int
    namespace: str
    state_dir: Path
    recording: tuple[str, ...] = ()
    speed: str = "max"
    since: str | None = None
    until: str | None = None
    seed: int = 1
    rate: float | None = None
    is_json: bool = False
    is_kept: bool = False
    currency: str = "BTC"
    has_flow: bool = False


class Stopped(Exception):
    """Ctrl-C or SIGTERM: end the run in order."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into Stopped; ignore more of them while the children are being ended."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def simulate_arguments(options: DemoOptions) -> list[str]:
    if options.recording:
        arguments = [word for path in options.recording for word in ("--recording", path)]
        # it stays for the last clock: ingest, once through, asks the time
        arguments += ["--speed", options.speed, "--linger", "25"]
        arguments += ["--from", options.since] if options.since else []
        arguments += ["--until", options.until] if options.until else []
        return arguments
    return ["--seed", str(options.seed), *(["--rate", str(options.rate)] if options.rate else [])]


def ingest_arguments(options: DemoOptions) -> list[str]:
    currencies = ["--currencies", "BTC,ETH,USDC"]  # coin-settled and linear contracts: both payoffs
    if options.recording and options.speed != "1":
        return [*currencies, "--clock", "venue", "--pressure", "wait"]
    return currencies


@contextlib.contextmanager
def broker(bootstrap: str | None, state_dir: Path) -> Iterator[str]:
    """The given broker; else the local one, which ends with this demo if this demo has started it."""
    if bootstrap:
        yield bootstrap
        return
    say("a local Apache Kafka")
    with alone(state_dir), LocalBroker(state_dir, dies_with_parent=True, say=say) as local:
        yield local.bootstrap


@contextlib.contextmanager
def alone(state_dir: Path) -> Iterator[None]:
    """One demo a state folder: a second one would lose its broker when the first ends.  StackError says what to do.

    The kernel lets go of the lock of a dead one.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackError(
                f"another demo (pid {lock.read().strip() or 'unknown'}) runs in {state_dir}, and its Kafka ends with it; stop it, or give "
                "this one a folder of its own: GREEKSTREAM_STATE_DIR=.state/second greekstream demo"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def watch_while(stack: Stack, options: DemoOptions, until: Callable[[], bool]) -> None:
    """Show the chain in this terminal until the time is over; with --json show progress instead."""
    started = time.monotonic()
    watch: Child | None = None
    if not options.is_json:
        arguments = ["watch", "--namespace", options.namespace, "--currency", options.currency]
        watch = Child(
            "watch",
            arguments,
            stack.log_dir / "watch.log",
            environ={"KAFKA_BOOTSTRAP": stack.bootstrap},
            is_visible=True,
        )
    try:
        next_line = started + 10.0
        while not until():
            stack.check()
            if watch is not None and not watch.is_alive():
                return
            if options.is_json and time.monotonic() > next_line:
                say(f"{time.monotonic() - started:.0f} s")
                next_line += 10.0
            time.sleep(0.1)
    finally:
        if watch is not None:
            watch.stop(5.0)


def run(options: DemoOptions, bootstrap: str | None) -> dict[str, Any]:
    """Run the demo and return the figures.  Ends every process that it started, whatever happens."""
    is_live = not options.recording or options.speed == "1"
    with stopping_on_signals(), broker(bootstrap, options.state_dir) as address:
        kafka.wipe(address, options.namespace, group_wait_s=FORMER_MEMBERS_S)
        kafka.create_topics(address, options.namespace)
        stack = Stack(
            address,
            options.namespace,
            options.workers,
            options.state_dir / "logs" / options.namespace,
            simulate_arguments(options),
            ingest_arguments(options),
            say=say,
            has_flow=options.has_flow,
        )
        since_utc = ""
        try:
            with stack:
                try:
                    started = time.monotonic()
                    stack.start()
                    wait_for_first_result(stack)
                    say(f"first greeks {time.monotonic() - started:.1f} s after the start")
                    settle_s = SETTLE_S if options.seconds is None else min(SETTLE_S, options.seconds / 2)
                    since_utc = (datetime.now(UTC) + timedelta(seconds=settle_s)).isoformat()
                    watch_while(stack, options, ending(stack, options))
                except Stopped as stop:
                    say(f"{stop}: ending")
                stack.stop_source()
                if options.is_json and not measure.wait_for_workers(address, options.namespace, 60.0):
                    say("the workers are not through the log after 60 s: the figures are of what they have done")
                restarts = (stack.restarts(), stack.watchdog_restarts())
            if not options.is_json:
                return {}
            counts = measure.latencies(stack.log_dir / "workers.log", since_utc) if is_live else Counter()
            return report(options, address, counts, restarts)
        finally:
            if not options.is_kept:
                kafka.wipe(address, options.namespace)


def wait_for_first_result(stack: Stack, within_s: float = 120.0) -> None:
    """Until the first row stands in greeks.v1; StackError from a child that died meanwhile."""
    name = topics.full_name(topics.GREEKS, stack.namespace)

    def has_rows() -> bool:
        stack.check()
        return any(
            end > first
            for first, end in kafka.watermarks(stack.bootstrap, name, range(topics.GREEKS.n_partitions)).values()
        )

    if not wait_until(has_rows, within_s, every_s=0.3):
        say(f"no greeks after {within_s:.0f} s; logs are in {stack.log_dir}")


def ending(stack: Stack, options: DemoOptions) -> Callable[[], bool]:
    """The condition that ends the run: the time is over, or the recording is."""
    deadline = None if options.seconds is None else time.monotonic() + options.seconds

    def is_over() -> bool:
        if deadline is not None and time.monotonic() >= deadline:
            return True
        return bool(options.recording) and not stack.children["simulate"].is_alive()

    return is_over


def report(
    options: DemoOptions, bootstrap: str, latency_counts: Counter[int], restarts: tuple[int, int]
) -> dict[str, Any]:
    """The JSON object printed last."""
    say("counting")
    figures = measure.collect(bootstrap, options.namespace)
    p50, p99 = (percentile_ms(latency_counts, share) for share in (0.5, 0.99))
    return {
        "records_in": figures.records_in,
        "results_out": figures.results_out,
        "instruments_listed": figures.instruments_listed,
        "instruments_priced": figures.instruments_priced,
        "coverage": figures.coverage,
        "rejects": figures.rejects,
        "latency_ms_p50": None if p50 is None else round(p50, 2),
        "latency_ms_p99": None if p99 is None else round(p99, 2),
        "workers": options.workers,
        "restarts": restarts[0],
        "watchdog_restarts": restarts[1],
    }
