"""A broker that belongs to the test, so that it may be killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams import settings
from streams.broker import BrokerSettings, LocalBroker
from streams.processes import wait_until

SMALL_DISK, BLOCK = 256 * 1024 * 1024, 64 * 1024
"""Bytes: of a disk that a run may fill, and of a write."""


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
        self._ballast, self.n_full_disks = folder / "ballast", 0

    def restart(self, *, is_killed: bool) -> None:
        """End it, by SIGKILL or in an orderly way, and wait until it answers again."""
        pid = self._broker.status().pid
        if is_killed and pid is not None:
            os.kill(pid, signal.SIGKILL)
            # a start that still met the dying one would take it for the running broker
            assert wait_until(lambda: self._broker.status().pid is None, within_s=90.0), "the broker survived SIGKILL"
        else:
            self._broker.stop()
        address = self._broker.start()
        assert address == self.bootstrap, f"the broker came back at {address}, clients know {self.bootstrap}"

    def fill_disk(self) -> None:
        """Leave no byte on the disk of its data, as another program may.  Only ever on a small one (``small_disk``)."""
        assert shutil.disk_usage(self._broker.data_dir).total <= SMALL_DISK, "this disk is not ours to fill"
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while file.write(bytes(BLOCK)) == BLOCK:
                pass

    def free_disk(self) -> None:
        """Make room again, and start the broker, which has ended: its only log folder had failed."""
        assert wait_until(lambda: self._broker.status().pid is None, within_s=90.0), (
            "a full disk did not end the broker"
        )
        self.n_full_disks += 1
        self._ballast.unlink()
        assert self._broker.start() == self.bootstrap

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
