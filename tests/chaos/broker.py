"""A broker that belongs to the test, so that it may be killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams import settings
from streams.broker import BrokerSettings, LocalBroker
from tests.chaos.fleet import eventually


def _quiet_port() -> int:
    """A free port below those that the system gives to outgoing connections: while a broker is away, one of the clients
    that keep trying to reach it may be given the very port, and the broker could not come back to it."""
    for port in random.sample(range(20_000, 30_000), 200):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port between 20000 and 30000")


class Breakable:
    """A local Apache Kafka that can be stopped or killed, and started again at its port with its data."""

    def __init__(self, folder: Path) -> None:
        self._broker = LocalBroker(
            folder,
            _quiet_port(),
            jars_dir=settings.state_dir() / "jars",
            settings=BrokerSettings(heap_mb=512),
            dies_with_parent=True,
        )
        self.bootstrap = self._broker.start()

    def restart(self, *, is_killed: bool) -> None:
        """End it, by SIGKILL or in an orderly way, and wait until it answers again."""
        pid = self._broker.status().pid
        if is_killed and pid is not None:
            os.kill(pid, signal.SIGKILL)
            # a start that still met the dying one would take it for the running broker
            assert eventually(lambda: self._broker.status().pid is None, within_s=20.0), "the broker survived SIGKILL"
        else:
            self._broker.stop()
        address = self._broker.start()
        assert address == self.bootstrap, f"the broker came back at {address}, clients know {self.bootstrap}"

    def close(self) -> None:
        self._broker.stop()


@contextmanager
def own_broker(folder: Path) -> Iterator[Breakable]:
    """A breakable broker with its data under ``folder``; stopped at the end."""
    broker = Breakable(folder)
    try:
        yield broker
    finally:
        broker.close()
