"""A fold that shows at once any record lost, repeated or out of order: each result carries the checksum of all before it."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence

from streams.worker.folds import Identity, Outgoing, RawRecord

NS_PER_MS = 1_000_000
WORK_S = 0.0
"""CPU per record, to make it cost something."""


class ChecksumFold:
    """State: [checksum, number of records, log time], used up by ``step`` as the engine's is: who gives a call up and keeps
    the state shows.  One result a record; a second one, a trade, for values that begin with T; a row of ``latest`` every
    tenth record."""

    def new_state(self) -> list[int]:
        return [0, 0, 0]

    def step(self, state: list[int], records: Sequence[RawRecord]) -> tuple[list[int], list[Outgoing]]:
        checksum, n_records, log_time_ns = state
        out = []
        for record in records:
            value = record.value or b""
            checksum, n_records = zlib.crc32(value, checksum), n_records + 1
            log_time_ns = max(log_time_ns, int(value[1:21]))
            body = json.dumps([record.offset, checksum, n_records]).encode()
            topics = ["greeks"] + ["trades"] * value.startswith(b"T") + ["latest"] * (n_records % 10 == 0)
            out += [Outgoing(topic, b"k", body, log_time_ns, record.offset, i) for i, topic in enumerate(topics)]
        if WORK_S:
            time.sleep(WORK_S * len(records))
        state[:] = checksum, n_records, log_time_ns
        return state, out

    def snapshot(self, state: list[int]) -> bytes:
        return json.dumps(state).encode()

    def restore(self, data: bytes) -> list[int]:
        checksum, n_records, log_time_ns = json.loads(data)
        return [checksum, n_records, log_time_ns]

    def log_time_ns(self, state: list[int]) -> int:
        return state[2]

    def is_ready(self, state: list[int]) -> bool:
        return True

    def coverage(self) -> None:
        return None


class ChecksumMaker:
    identity = Identity("checksum", "1", "any", 1)

    def fold(self, partition: int, log_id: str) -> ChecksumFold:
        return ChecksumFold()

    def warm_up(self) -> None:
        return None


def make(bootstrap: str, namespace: str) -> ChecksumMaker:
    return ChecksumMaker()


def record(log_time_ns: int, serial: int, is_trade: bool) -> bytes:
    """A record of this fold's log: kind, 20 digits of log time, anything."""
    return b"%s%020d %d" % (b"T" if is_trade else b"Q", log_time_ns, serial)
