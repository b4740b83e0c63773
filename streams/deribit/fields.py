"""Checked reading of one field of a venue object: the right type and range, or FieldError; units become ours here.

JSON has been read by orjson, which admits no NaN, infinity or lone surrogate; objects built in Python are held to the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

from schemas.errors import BadName
from schemas.names import ParsedName, parse

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
# Venue times outside 2010-01-01 .. 2100-01-01 UTC are not times; the perpetual's "expiry" in the year 3000 is read apart.
FIRST_MS, LAST_MS = 1_262_304_000_000, 4_102_444_800_000
LONGEST_TEXT = 128
LARGEST_INT = 2**63 - 1

_NUMBERS_AND_NULL = frozenset((float, int, type(None)))

Object = Mapping[str, Any]


class FieldError(Exception):
    """A field that cannot be right.  Caught where a message becomes events: it turns into Unreadable."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        super().__init__(f"{field}: want {wanted}, got {value!r:.80}")


def number(data: Object, field: str) -> float | None:
    """A finite number, or None when the venue sends null or nothing."""
    return _number(data.get(field), field)


def _number(value: object, field: str) -> float | None:
    if value is None:
        return None
    if type(value) is float or type(value) is int:
        try:
            result = float(value)
        except OverflowError:
            raise FieldError(field, "an integer beyond float64", "a number") from None
        if isfinite(result):
            return result
    raise FieldError(field, value, "a finite number or null")


def positive_or_zero(data: Object, field: str) -> float | None:
    """A price, size or volume: a number that is not negative, or None."""
    return _positive_or_zero(data.get(field), field)


def _positive_or_zero(value: object, field: str) -> float | None:
    result = _number(value, field)
    if result is not None and result < 0.0:
        raise FieldError(field, result, "a number that is not negative")
    return result


def numbers(values: list[Any], fields: Sequence[str]) -> list[float | None]:
    """``number`` of many values at once; ``fields`` are their names."""
    plain = _plain_numbers(values)
    return plain if plain is not None else [_number(value, field) for value, field in zip(values, fields, strict=True)]


def positives_or_zeros(values: list[Any], fields: Sequence[str]) -> list[float | None]:
    """``positive_or_zero`` of many values at once; ``fields`` are their names."""
    plain = _plain_numbers(values)
    if plain is not None and min(filter(None, plain), default=0.0) >= 0.0:
        return plain
    return [_positive_or_zero(value, field) for value, field in zip(values, fields, strict=True)]


def _plain_numbers(values: list[Any]) -> list[float | None] | None:
    """The values as floats where all are numbers and their sum is finite, as nearly always; None: look at each."""
    kinds = set(map(type, values))
    if not kinds <= _NUMBERS_AND_NULL:
        return None
    try:
        if int in kinds:
            values = [float(value) if type(value) is int else value for value in values]
        return values if isfinite(sum(filter(None, values))) else None
    except OverflowError:
        return None


def positive(data: Object, field: str) -> float:
    """A number above zero that has to be there."""
    result = number(data, field)
    if result is None or result <= 0.0:
        raise FieldError(field, result, "a number above 0")
    return result


def sigma_from_pct(data: Object, field: str) -> float | None:
    """A vol, sent in per cent, as a fraction."""
    result = positive_or_zero(data, field)
    return None if result is None else result / 100.0


def integer(data: Object, field: str) -> int | None:
    """A whole number in 0 .. 2^63 - 1, or None."""
    value = data.get(field)
    if value is None:
        return None
    if type(value) is int and 0 <= value <= LARGEST_INT:
        return value
    raise FieldError(field, value, "a whole number in 0 .. 2^63 - 1 or null")


def required_integer(data: Object, field: str) -> int:
    """A whole number in 0 .. 2^63 - 1."""
    result = integer(data, field)
    if result is None:
        raise FieldError(field, None, "a whole number")
    return result


def ns_from_ms(data: Object, field: str = "timestamp") -> int:
    """A venue time, sent in ms UTC, as ns UTC."""
    value = data.get(field)
    if type(value) is int and FIRST_MS <= value <= LAST_MS:
        return value * NS_PER_MS
    raise FieldError(field, value, "ms UTC between 2010 and 2100")


def text(data: Object, field: str) -> str:
    """A string of 1 .. 128 characters."""
    value = data.get(field)
    if type(value) is str and 0 < len(value) <= LONGEST_TEXT:
        return value
    raise FieldError(field, value, f"a string of 1 to {LONGEST_TEXT} characters")


def optional_text(data: Object, field: str) -> str | None:
    """A string, or None; identifiers that the venue sends now as number, now as string, come as strings."""
    value = data.get(field)
    if value is None or value == "":
        return None
    if type(value) is int and 0 <= value <= LARGEST_INT:
        return str(value)
    return text(data, field)


def an_object(value: Any, what: str) -> Object:
    """The value, if it is a JSON object."""
    if type(value) is dict:
        return value
    raise FieldError(what, value, "an object")


def a_list(value: Any, what: str) -> list[Any]:
    """The value, if it is a JSON array."""
    if type(value) is list:
        return value
    raise FieldError(what, value, "an array")


@lru_cache(maxsize=65_536)
def parsed_name(instrument_name: str) -> ParsedName | None:
    """What the name alone says of a contract; None when it is no option, future, perpetual or combo of this venue."""
    try:
        return parse(instrument_name)
    except BadName:
        return None
