"""Logs for chaos runs: what is written while workers are killed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from streams.partitioning import N_PARTITIONS
from tests.chaos import checksum

FIRST_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000


class Written(NamedTuple):
    """A record for the log."""

    partition: int
    key: bytes
    value: bytes
    log_time_ns: int


def checksum_load(seed: int, n_records: int) -> Iterator[Written]:
    """Records of the checksum fold, spread over the partitions unevenly; one in ten a trade; an hour of log time."""
    rng = random.Random(seed)
    for serial in range(n_records):
        time_ns = FIRST_NS + HOUR_NS * serial // n_records
        partition = min(rng.randrange(N_PARTITIONS), rng.randrange(N_PARTITIONS))
        yield Written(partition, b"k", checksum.record(time_ns, serial, rng.random() < 0.1), time_ns)
