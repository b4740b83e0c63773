"""A broker that belongs to the test, so that it may be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams import settings
from streams.broker import BrokerSettings, LocalBroker
from streams.processes import wait_until


class Breakable:
    """A local Apache Kafka that can be stopped or killed, and started again at its port with its data."""

    def __init__(self, folder: Path) -> None:
        self._broker = LocalBroker(
            folder,
            None,
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
            assert wait_until(lambda: self._broker.status().pid is None, within_s=20.0), "the broker survived SIGKILL"
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
