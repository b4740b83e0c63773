"""What can be seen of a broker from outside: whether it answers, which ports are free, what it takes of the disk."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

PORT_RANGE = range(20_000, 30_000)


def is_answering(bootstrap: str, timeout_s: float = 2.0, *, with_leaders: bool = False) -> bool:
    """Whether a client can connect and the cluster has a broker; ``with_leaders``: and each partition a leader."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    try:  # librdkafka waits and backs off where nothing listens; a plain connect says so at once
        socket.create_connection((host, int(port)), timeout=timeout_s).close()
        client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        metadata = client.list_topics(timeout=timeout_s)
    except (OSError, ValueError, KafkaException):
        return False
    leaders = [partition.leader for topic in metadata.topics.values() for partition in topic.partitions.values()]
    return bool(metadata.brokers) and (not with_leaders or all(leader >= 0 for leader in leaders))


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(n_ports: int) -> list[int]:
    """Distinct loopback ports that nobody listens on now, below those that the system gives to outgoing connections:
    while a broker is away, one of its own clients could otherwise be given the broker's port."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(PORT_RANGE, len(PORT_RANGE)):
        if is_free(port):
            ports.append(port)
        if len(ports) == n_ports:
            return ports
    raise OSError(f"no {n_ports} free ports between {PORT_RANGE.start} and {PORT_RANGE.stop}")


def tail(path: Path, n_lines: int = 12) -> str:
    """The last lines of a log, for an error message; empty when there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-n_lines:])
    return ""


def disk_bytes(folder: Path) -> int:
    """Bytes on the disk (sparse files count what they take)."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
    return total
