"""DBN's frames: which bytes are a record, and of which kind.  Fields are read by ``dbn``, with the format's own library.

    "DBN" | version u8 | length u32 | metadata | records           record: length in 4 bytes u8 | kind u8 | publisher u16 | ...

All little-endian.  The library takes a record's length byte at its word, and panics where the kind has another; so lengths are
checked here, before it sees them.

References
----------
Databento, "Databento Binary Encoding": layout of metadata and of the record header; sizes by version from its library's own
``size_hint`` (databento-dbn 0.70: definition 360, 400, 520 bytes in versions 1, 2, 3; statistics 64, 64, 80; bbo 80).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from databento_dbn import DBNDecoder, Metadata

from streams.cme.bounded import Source, Unreadable
from streams.cme.refused import Limits, shortened

MAGIC = b"DBN"
VERSIONS = (1, 2, 3)
HEADER_BYTES = 16
TS_OUT_BYTES = 8
"""A live session may append its own time stamp to every record; metadata says so."""
DEFINITION, STATISTICS, BBO_1S, BBO_1M = 19, 24, 195, 196
SIZES = {
    DEFINITION: {1: 360, 2: 400, 3: 520},
    STATISTICS: {1: 64, 2: 64, 3: 80},
    BBO_1S: dict.fromkeys(VERSIONS, 80),
    BBO_1M: dict.fromkeys(VERSIONS, 80),
}
"""Bytes of the records that are read, by version."""
NAMES = {
    0: "trades", 1: "mbp-1", 10: "mbp-10", 18: "status", 20: "imbalance", 21: "error", 22: "symbol-mapping", 23: "system",
    32: "ohlcv-1s", 33: "ohlcv-1m", 34: "ohlcv-1h", 35: "ohlcv-1d", 36: "ohlcv-eod", 160: "mbo",
}  # fmt: skip

Answer = TypeVar("Answer")


class Opened(NamedTuple):
    """What the metadata says that decides how records are read."""

    version: int
    has_ts_out: bool


class Frame(NamedTuple):
    """One record's bytes; ``is_sound``: the length is that of its kind."""

    kind: int
    data: bytes
    is_sound: bool


def open_dbn(source: Source, limits: Limits) -> Opened:
    """Read the head of a DBN stream.

    Raises
    ------
    Unreadable : header, metadata, too-large or truncated.
    """
    head = source.take(8)
    if head[:3] != MAGIC or len(head) < 8:
        raise Unreadable("header", f"begins with {shortened(head)}; DBN begins with b'DBN'")
    version, length = head[3], int.from_bytes(head[4:8], "little")
    if version not in VERSIONS:
        raise Unreadable("header", f"DBN version {version}; versions {', '.join(map(str, VERSIONS))} are read")
    if length > limits.max_metadata_bytes:
        raise Unreadable("too-large", f"metadata of {length} bytes; the limit is {limits.max_metadata_bytes}")
    body = source.take(length)
    if len(body) < length:
        raise Unreadable("truncated", f"metadata of {length} bytes, of which {len(body)} are there")
    found = guarded(lambda: DBNDecoder().write_and_decode(head + body), "metadata")
    if len(found) != 1 or not isinstance(found[0], Metadata):
        raise Unreadable("metadata", f"{length} bytes that make no metadata")
    return Opened(version, bool(found[0].ts_out))


def frames(source: Source, opened: Opened) -> Iterator[Frame]:
    """The records that follow, in order.

    Raises
    ------
    Unreadable : truncated or framing; nothing can be read after it.
    """
    extra = TS_OUT_BYTES if opened.has_ts_out else 0
    while first := source.take(1):
        length = first[0] * 4
        if length < HEADER_BYTES:
            raise Unreadable("framing", f"a record of {length} bytes; the shortest has {HEADER_BYTES}")
        data = first + source.take(length - 1)
        if len(data) < length:
            raise Unreadable("truncated", f"a record of {length} bytes, of which {len(data)} are there")
        size = SIZES.get(data[1])
        yield Frame(data[1], data, size is None or length == size[opened.version] + extra)


def guarded(call: Callable[[], Answer], reason: str) -> Answer:
    """The library's answer; Unreadable where it refuses.

    A panic of its native code arrives as an exception outside Python's usual tree; checked lengths leave no way to one that we
    know, but data must never stop a reader.
    """
    try:
        return call()
    except Exception as error:
        raise Unreadable(reason, f"{error}"[:120]) from error
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise Unreadable(reason, f"panic: {error}"[:120]) from None
