"""Single values of an Avro body: numbers, texts, blocks.  What the functions of compiled.py call.

Raise only IndexError, ValueError (UnicodeDecodeError included), TypeError, AttributeError and OverflowError; none reads or
allocates more than the data given to it is long.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

Decoder = Callable[[bytes, int], tuple[Any, int]]

_INT_LOW, _INT_HIGH = -(2**31), 2**31 - 1
_LONG_LOW, _LONG_HIGH = -(2**63), 2**63 - 1
_MAX_SHIFT = 63
_DOUBLE = struct.Struct("<d")


def long_bytes(value: int) -> bytes:
    """Zigzag varint of a 64-bit integer."""
    if not _LONG_LOW <= value <= _LONG_HIGH:
        raise OverflowError("does not fit 64 bits")
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_SMALL = {(z >> 1) ^ -(z & 1): bytes((z,)) for z in range(0x80)}
_SMALL |= {z >> 1: bytes(((z & 0x7F) | 0x80, z >> 7)) for z in range(0x80, 0x4000, 2)}
"""-64 .. 8191: what is in most fields."""


def put_long(value: int) -> bytes:
    """As ``long_bytes``; flags are no numbers here, and a float is refused."""
    return _SMALL.get(value) or long_bytes(value) if value.__class__ is int else long_bytes(value.__index__())


def put_int(value: int) -> bytes:
    """As ``put_long``, within 32 bits."""
    if not _INT_LOW <= value <= _INT_HIGH:
        raise OverflowError("does not fit 32 bits")
    return put_long(value)


def put_text(value: str) -> bytes:
    raw = value.encode()
    return put_long(len(raw)) + raw


def put_blob(value: bytes) -> bytes:
    if value.__class__ is not bytes:
        raise TypeError("want bytes")
    return put_long(len(value)) + value


def get_long(data: bytes, at: int) -> tuple[int, int]:
    """Value and the place after it."""
    byte = data[at]
    at += 1
    value = byte & 0x7F
    shift = 7
    while byte & 0x80:
        if shift > _MAX_SHIFT:
            raise ValueError("a number of more than ten bytes")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if value >> 64:
        raise ValueError("a number of more than 64 bits")
    return (value >> 1) ^ -(value & 1), at


def get_int(data: bytes, at: int) -> tuple[int, int]:
    value, at = get_long(data, at)
    if not _INT_LOW <= value <= _INT_HIGH:
        raise ValueError(f"an int of {value}")
    return value, at


def get_blob(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = get_long(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise ValueError(f"a text or blob of {size} bytes")
    return data[at:end], end


def get_text(data: bytes, at: int) -> tuple[str, int]:
    raw, at = get_blob(data, at)
    return raw.decode(), at


def get_items(data: bytes, at: int, item: Decoder) -> tuple[list[Any], int]:
    """Blocks of an array or map.  Every item takes at least one byte, so a false count ends at the end of the data."""
    items: list[Any] = []
    append = items.append
    while True:
        count, at = get_long(data, at)
        if count == 0:
            return items, at
        if count < 0:  # then the block's size in bytes follows, for readers who skip
            count = -count
            _, at = get_long(data, at)
        if count > len(data) - at:
            raise ValueError(f"a block of {count} items in {len(data) - at} bytes")
        for _ in range(count):
            value, at = item(data, at)
            append(value)


def put_double(value: float) -> bytes:
    if value - value != 0.0:
        raise ValueError("a number is not finite")
    return _DOUBLE.pack(value)


def get_double(data: bytes, at: int) -> tuple[float, int]:
    (value,) = _DOUBLE.unpack_from(data, at)
    if value - value != 0.0:
        raise ValueError("a number is not finite")
    return value, at + 8


def require_finite(pairs: list[tuple[str, float | None]]) -> None:
    for name, value in pairs:
        if value is not None and value - value != 0.0:
            raise ValueError(f"{name} is {value}")
