"""One number of a row against another of the same quantity, on its way to audit.v1.

Fourteen stand beside every ``time`` row, so they are written without a record each: what is the same for all of a row is made
bytes once.  ``schemas.encode`` of the record gives the same bytes (tests/properties/test_columns_properties.py).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import schemas
from schemas import Audit, AuditKind
from schemas.varints import put_int, put_long, put_text

LARGEST = 1e301
"""No difference of two numbers of a row is larger."""


class Quantity(NamedTuple):
    name: str
    """As the row's field."""
    unit: str


class Audited(NamedTuple):
    """The row that numbers are compared with."""

    instrument_name: str
    ts_event_ns: int
    source_partition: int
    source_offset: int
    body: bytes | None
    """The four as they stand in front of an Audit; None where the codec will say why not."""


def audited(name: str, ts_event_ns: int, partition: int, offset: int) -> Audited:
    try:
        body = put_text(name) + put_long(ts_event_ns) + put_int(partition) + put_long(offset)
    except (UnicodeEncodeError, OverflowError):
        return Audited(name, ts_event_ns, partition, offset, None)
    return Audited(name, ts_event_ns, partition, offset, body)


_three = struct.Struct("<BdBdBd").pack
_one = struct.Struct("<Bd").pack
_WORDS: dict[Quantity, tuple[bytes, bytes]] = {}


def _words(quantity: Quantity) -> tuple[bytes, bytes]:
    """Bytes of a quantity's name and of its unit."""
    words = _WORDS.get(quantity)
    if words is None:
        words = _WORDS[quantity] = (put_text(quantity.name), put_text(quantity.unit))
    return words


class Compared(NamedTuple):
    """Ours and the other's; null is what one of them does not say."""

    row: Audited
    result_seq: int
    kind: AuditKind
    quantity: Quantity
    ours: float | None
    other: float | None

    @property
    def record(self) -> Audit:
        ours, other = self.ours, self.other
        difference = ours - other if ours is not None and other is not None else None
        return Audit(
            *self.row[:4], self.result_seq, self.kind, self.quantity.name, ours, other, difference, self.quantity.unit
        )

    def value(self, framing: schemas.Framing) -> bytes:
        """Frame and body.  Errors: EncodeError."""
        row, seq, kind, quantity, ours, other = self
        body = row[4]
        if body is None or Audit not in framing:
            return schemas.encode(self.record, framing)
        if ours is not None and other is not None:
            difference = ours - other
            if not (-LARGEST < difference < LARGEST and -LARGEST < ours < LARGEST):
                return schemas.encode(self.record, framing)
            numbers = _three(2, ours, 2, other, 2, difference)
        else:
            number = ours if ours is not None else other
            if number is None or not -LARGEST < number < LARGEST:
                return schemas.encode(self.record, framing)
            numbers = _one(2, number) + b"\0\0" if ours is not None else b"\0" + _one(2, number) + b"\0"
        name, unit = _words(quantity)
        return b"".join((framing[Audit], body, put_int(seq), put_int(int(kind)), name, numbers, unit))
