"""A moment in a log, as people type it: a time, or offsets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from streams.partitioning import N_PARTITIONS

NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000
_OFFSETS = re.compile(r"\d+:\d+(,\d+:\d+)*")


@dataclass(frozen=True)
class Moment:
    """Exchange time (ns UTC), or an offset by partition; one of the two."""

    time_ns: int | None = None
    offsets: dict[int, int] = field(default_factory=dict)

    @property
    def time_ms(self) -> int | None:
        """Kafka's timestamp of the first record at or after the moment is at least this."""
        return None if self.time_ns is None else -(-self.time_ns // NS_PER_MS)

    def __str__(self) -> str:
        if self.time_ns is None:
            return ",".join(f"{partition}:{offset}" for partition, offset in sorted(self.offsets.items()))
        seconds, ns = divmod(self.time_ns, NS_PER_S)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def parse(text: str) -> Moment:
    """``2023-04-13T07:30:00Z`` (UTC unless it says otherwise), ms or ns since the epoch, or ``partition:offset,...``.

    ValueError says what would be right.
    """
    text = text.strip()
    if _OFFSETS.fullmatch(text):
        pairs = [(int(partition), int(offset)) for partition, offset in (part.split(":") for part in text.split(","))]
        offsets = dict(pairs)
        if len(offsets) != len(pairs) or max(offsets) >= N_PARTITIONS:
            raise ValueError(f"{text!r}: each of the partitions 0 to {N_PARTITIONS - 1} once")
        return Moment(offsets=offsets)
    if text.isdigit():
        if 12 <= len(text) <= 14:
            return Moment(time_ns=int(text) * NS_PER_MS)
        if 18 <= len(text) <= 19:
            return Moment(time_ns=int(text))
        raise ValueError(f"{text!r}: a number is ms (13 digits) or ns (19 digits) since the epoch")
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r}: want an ISO time as 2023-04-13T07:30:00Z, ms or ns since the epoch, or partition:offset,..."
        ) from error
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return Moment(time_ns=int(when.timestamp()) * NS_PER_S + when.microsecond * 1000)
