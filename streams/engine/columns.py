"""Rows of a batch as columns: the ``Greeks`` of many options, written to bytes in one call instead of field by field.

A row's identity is bytes already (``RowHead``, once a contract), its numbers stand in flat lists, its values in the matrix that the
pricers' answers were put into.  Nothing is made of them until somebody asks: the shell for all bytes at once, a test or a
checkpoint for a record.  Both say the same (tests/properties/test_columns_properties.py, with fastavro as the reference).
"""

from __future__ import annotations

from array import array
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import numpy.typing as npt

import schemas
from pricers._jit import kernel
from schemas import Greeks, InstrumentState, Kind, OptionType, Payoff
from schemas.columns import Column, columns_of, head_encoder
from streams.engine.settings import CONVENTION

N_VALUES = 23
"""price_usd to european_volga_usd_per_point2."""
NULL = -(1 << 62)
"""Null among the whole numbers."""
MOST_VARINT, DOUBLE_BYTES = 10, 9


class RowHead(NamedTuple):
    """The first eleven fields of a row: what the instrument is."""

    instrument_name: str
    kind: Kind
    base_currency: str
    price_index: str
    payoff: Payoff
    option_type: OptionType | None
    strike: float | None
    expiry_ns: int | None
    contract_size: float
    contract_size_unit: str
    premium_unit: str


class Head(NamedTuple):
    """A row's first fields and their bytes; None where text in them is no UTF-8, which the encoder will say of the record."""

    fields: RowHead
    body: bytes | None


# In this file, because the compiled kernel's cache does not notice a change in another one.
TEXT, LONG, NULLABLE_LONG, FLAG, DOUBLE, NULLABLE_DOUBLE, VALUE, CONSTANT = range(8)
"""As ``Column``; and a nullable double of the values' matrix; and the partition, the same for all rows of a batch."""
_KINDS = {
    Column.TEXT: TEXT, Column.LONG: LONG, Column.NULLABLE_LONG: NULLABLE_LONG, Column.FLAG: FLAG, Column.DOUBLE: DOUBLE,
    Column.NULLABLE_DOUBLE: NULLABLE_DOUBLE,
}  # fmt: skip

_HINTS = get_type_hints(Greeks)
_COLUMNS = columns_of(Greeks, len(RowHead._fields))
_FIELDS = tuple(_COLUMNS)
_FIRST_VALUE = _FIELDS.index("price_usd")
_PLAN = [_KINDS[column] for column in _COLUMNS.values()]
_PLAN[_FIRST_VALUE : _FIRST_VALUE + N_VALUES] = [VALUE] * N_VALUES
_PLAN[_FIELDS.index("source_partition")] = CONSTANT
PLAN = np.array(_PLAN, dtype=np.int8)
N_FLOATS = sum(kind in (DOUBLE, NULLABLE_DOUBLE) for kind in _PLAN)
N_WHOLE = sum(kind in (LONG, NULLABLE_LONG, FLAG) for kind in _PLAN)
_WHOLE = [name for name, kind in zip(_FIELDS, _PLAN, strict=True) if kind in (LONG, NULLABLE_LONG, FLAG)]
_TRIGGER, _STATUS, _SOURCE = (_WHOLE.index(name) for name in ("trigger", "status", "sigma_source"))
_MOST_BYTES = MOST_VARINT * (N_WHOLE + 1) + DOUBLE_BYTES * (N_FLOATS + N_VALUES)
_NAN = float("nan")
_encode_head = head_encoder(Greeks, RowHead)


def head_of(name: str, contract: InstrumentState | None) -> Head:
    """The head of an instrument's rows; without a contract it has a name only."""
    fields = RowHead(name, Kind.UNKNOWN, "", "", Payoff.UNKNOWN, None, None, None, 0.0, "", "")
    if contract is not None:
        is_coin = contract.kind == Kind.OPTION and contract.payoff == Payoff.INVERSE
        fields = RowHead(
            name, contract.kind, contract.base_currency, contract.price_index, contract.payoff, contract.option_type,
            contract.strike, contract.expiry_ns, contract.contract_size, contract.contract_size_unit,
            "coin" if is_coin else "usd",
        )  # fmt: skip
    try:
        return Head(fields, _encode_head(fields))
    except schemas.compiled.FAILURES:
        return Head(fields, None)


def plain(numbers: npt.NDArray[np.float64]) -> list[Any]:
    """Numbers as lists, nan as null."""
    found = numbers.astype(object)
    found[np.isnan(numbers)] = None
    listed: list[Any] = found.tolist()
    return listed


@kernel
def _put_long(out: npt.NDArray[np.uint8], at: int, value: int) -> int:
    """Zigzag varint; the place after it."""
    rest = np.uint64((value << 1) ^ (value >> 63))
    while rest > np.uint64(0x7F):
        out[at] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return at + 1


@kernel
def _write_rows(
    plan: npt.NDArray[np.int8], frame: npt.NDArray[np.uint8], heads: npt.NDArray[np.uint8],
    head_ends: npt.NDArray[np.int64], text: npt.NDArray[np.uint8], partition: int, floats: npt.NDArray[np.float64],
    whole: npt.NDArray[np.int64], values: npt.NDArray[np.float64], places: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64],
) -> bool:  # fmt: skip
    """Bodies of all rows, one after the other, into ``out``; False when a number is infinite, or nan where null cannot be."""
    bits = floats.view(np.uint64)
    value_bits = values.view(np.uint64)
    at, head = 0, 0
    for i in range(places.size):
        for byte in frame:
            out[at] = byte
            at += 1
        for j in range(head, head_ends[i]):
            out[at] = heads[j]
            at += 1
        head = head_ends[i]
        i_float, i_whole, i_value = 0, 0, 0
        for kind in plan:
            if kind in (NULLABLE_DOUBLE, DOUBLE, VALUE):
                if kind == VALUE:
                    is_null = places[i] < 0
                    number = np.nan if is_null else values[places[i], i_value]
                    word = np.uint64(0) if is_null else value_bits[places[i], i_value]
                    i_value += 1
                else:
                    number, word = floats[i, i_float], bits[i, i_float]
                    i_float += 1
                if np.isinf(number) or (kind == DOUBLE and np.isnan(number)):
                    return False
                if kind != DOUBLE:
                    out[at] = 0 if np.isnan(number) else 2
                    at += 1
                    if np.isnan(number):
                        continue
                for _ in range(8):
                    out[at] = np.uint8(word & np.uint64(0xFF))
                    word >>= np.uint64(8)
                    at += 1
            elif kind == TEXT:
                for byte in text:
                    out[at] = byte
                    at += 1
            elif kind == CONSTANT:
                at = _put_long(out, at, partition)
            else:
                number_whole = whole[i, i_whole]
                i_whole += 1
                if kind == FLAG:
                    out[at] = np.uint8(number_whole)
                    at += 1
                elif kind == NULLABLE_LONG and number_whole == NULL:
                    out[at] = 0
                    at += 1
                else:
                    if kind == NULLABLE_LONG:
                        out[at] = 2
                        at += 1
                    at = _put_long(out, at, number_whole)
        ends[i] = at
    return True


class Rows:
    """Rows of one batch.  Grown by ``add`` while the batch is written, then read only."""

    __slots__ = ("_bytes", "_framing", "floats", "heads", "partition", "places", "values", "whole")

    def __init__(self, partition: int, values: npt.NDArray[np.float64]) -> None:
        self.partition = partition
        self.values = values
        """(n, N_VALUES) in the order and units of the row; nan: null."""
        self.heads: list[Head] = []
        self.floats: list[float | None] = []
        """N_FLOATS a row: its doubles outside the head and the values, in the order of the fields."""
        self.whole: list[int] = []
        """N_WHOLE a row: everything else but the partition and the convention, in that order; NULL: null."""
        self.places: list[int] = []
        """Row of ``values``; -1: no numbers."""
        self._bytes: list[bytes] = []
        self._framing: schemas.Framing | None = None

    def add(self, head: Head, place: int, floats: tuple[float | None, ...], whole: tuple[int, ...]) -> Row:
        """One more row; ``whole`` begins with its source offset and result_seq."""
        self.heads.append(head)
        self.places.append(place)
        self.floats += floats
        self.whole += whole
        return Row(self, len(self.places) - 1)

    def record(self, i: int) -> Greeks:
        """The record of row i."""
        floats = iter(self.floats[i * N_FLOATS : (i + 1) * N_FLOATS])
        whole = iter(self.whole[i * N_WHOLE : (i + 1) * N_WHOLE])
        place = self.places[i]
        values = iter(plain(self.values[place]) if place >= 0 else [None] * N_VALUES)
        fields: list[Any] = list(self.heads[i].fields)
        for name, kind in zip(_FIELDS, _PLAN, strict=True):
            if kind in (DOUBLE, NULLABLE_DOUBLE):
                fields.append(next(floats))
            elif kind == VALUE:
                fields.append(next(values))
            elif kind == CONSTANT:
                fields.append(self.partition)
            elif kind == TEXT:
                fields.append(CONVENTION)
            elif kind == NULLABLE_LONG:
                number = next(whole)
                fields.append(None if number == NULL else number)
            else:
                kind_of = _HINTS[name]
                fields.append(kind_of(next(whole)))
        return Greeks._make(fields)

    def value(self, i: int, framing: schemas.Framing) -> bytes:
        """Frame and body of row i; all rows are written when the first is asked for."""
        if self._framing is not framing:
            self._bytes, self._framing = self._encoded(framing), framing
        return self._bytes[i]

    def _encoded(self, framing: schemas.Framing) -> list[bytes]:
        """As ``schemas.encode`` of the records, which is asked, and says why, where columns will not do."""
        bodies = [head.body for head in self.heads]
        if Greeks not in framing or None in bodies:
            return self._one_by_one(framing)
        n_rows = len(self.places)
        heads = b"".join(bodies)  # type: ignore[arg-type]
        frame = framing[Greeks]
        ends = np.empty(n_rows, dtype=np.int64)
        try:
            whole = np.frombuffer(array("q", self.whole), dtype=np.int64).reshape(n_rows, N_WHOLE)
            # NumPy takes None for nan as well, in twice the time
            numbers = array("d", [_NAN if number is None else number for number in self.floats])
            floats = np.frombuffer(numbers, dtype=np.float64).reshape(n_rows, N_FLOATS)
        except (OverflowError, TypeError, ValueError):
            return self._one_by_one(framing)
        out = np.empty(len(heads) + n_rows * (len(frame) + len(_CONVENTION) + _MOST_BYTES), dtype=np.uint8)
        head_ends = array("q", accumulate(len(body) for body in bodies if body is not None))
        is_fine = _write_rows(
            PLAN, np.frombuffer(frame, np.uint8), np.frombuffer(heads, np.uint8), np.frombuffer(head_ends, np.int64),
            _CONVENTION_BYTES, self.partition, floats, whole, self.values,
            np.frombuffer(array("q", self.places), np.int64), out, ends,
        )  # fmt: skip
        cuts = [0, *ends.tolist()]
        is_long = cuts[-1] > schemas.MAX_BYTES and any(end - at > schemas.MAX_BYTES for at, end in pairwise(cuts))
        if not is_fine or is_long:
            return self._one_by_one(framing)
        data = out[: cuts[-1]].tobytes()
        return [data[first:end] for first, end in pairwise(cuts)]

    def _one_by_one(self, framing: schemas.Framing) -> list[bytes]:
        return [schemas.encode(self.record(i), framing) for i in range(len(self.places))]


_CONVENTION = schemas.varints.put_text(CONVENTION)
_CONVENTION_BYTES = np.frombuffer(_CONVENTION, np.uint8)


class Row:
    """One row of ``Rows``; equal to a record that says the same."""

    __slots__ = ("_rows", "i")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, rows: Rows, i: int) -> None:
        self._rows, self.i = rows, i

    @property
    def record(self) -> Greeks:
        return self._rows.record(self.i)

    @property
    def source_offset(self) -> int:
        return self._rows.whole[self.i * N_WHOLE]

    @property
    def result_seq(self) -> int:
        return self._rows.whole[self.i * N_WHOLE + 1]

    @property
    def identity(self) -> tuple[int, int]:
        """Source offset and result_seq."""
        first = self.i * N_WHOLE
        return self._rows.whole[first], self._rows.whole[first + 1]

    @property
    def what(self) -> tuple[int, int, int]:
        """Trigger, status and source of the sigma, as numbers of Trigger, RowStatus and SigmaSource."""
        whole, first = self._rows.whole, self.i * N_WHOLE
        return whole[first + _TRIGGER], whole[first + _STATUS], whole[first + _SOURCE]

    def value(self, framing: schemas.Framing) -> bytes:
        """Frame and body.  Errors: EncodeError."""
        return self._rows.value(self.i, framing)

    def __eq__(self, other: object) -> bool:
        return self.record == (other.record if isinstance(other, Row) else other)

    def __repr__(self) -> str:
        return repr(self.record)
