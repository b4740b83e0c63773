"""Typed values <-> what JSON has: tuples of named fields, enums, dicts and numbers, to the bit.

A NamedTuple is the list of its fields, a dict the list of its pairs, a number that is not finite its name.  What comes back is
what the type says; anything else is a ValueError.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints


def plain(value: Any) -> Any:
    """The value in lists, texts and numbers."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, tuple | list):
        # Histories are long runs of numbers, and are written every half minute: those need no look at each.
        kinds = set(map(type, value))
        if kinds == {int} or (kinds == {float} and all(map(math.isfinite, value))):
            return list(value)
        return [plain(item) for item in value]
    raise TypeError(f"no plain form of a {type(value).__name__}")


def typed(data: Any, hint: Any) -> Any:
    """The value of a type from its plain form; ValueError where it is none."""
    try:
        return _typed(data, hint)
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{error} (wanted {hint})") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _typed(data: Any, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        inner = [kind for kind in arguments if kind is not NoneType]
        return None if data is None else _typed(data, inner[0])
    if origin is tuple:
        kinds = [arguments[0]] * len(data) if arguments[1:] == (...,) else arguments
        return tuple(_typed(item, kind) for item, kind in zip(data, kinds, strict=True))
    if origin is dict:
        return {_typed(key, arguments[0]): _typed(item, arguments[1]) for key, item in data}
    kind = origin or hint
    if hasattr(kind, "_fields"):
        bound = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=True)) if arguments else {}
        fields = zip(data, _hints(kind).values(), strict=True)
        return kind(*(_typed(item, _bound(field, bound)) for item, field in fields))
    if kind is float:
        return _float(data)
    if issubclass(kind, Enum):
        return kind(data)
    if type(data) is not kind:
        raise ValueError(f"{data!r} is no {kind.__name__}")
    return data


def _float(data: Any) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float | str):
        raise ValueError(f"{data!r} is no number")
    return float(data)


def _bound(hint: Any, bound: dict[Any, Any]) -> Any:
    """The hint with its type variables replaced."""
    if isinstance(hint, TypeVar):
        return bound.get(hint, hint)
    if get_origin(hint) in (UnionType, Union):
        inner = next(kind for kind in get_args(hint) if kind is not NoneType)
        return _bound(inner, bound) | None
    return hint
