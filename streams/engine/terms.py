"""Rate and carry of an option: by underlying and expiry where the settings say so, else theirs for all (C35)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

NAME = re.compile(r"[A-Z][A-Z0-9_]*(-[1-9]\d?[A-Z]{3}\d\d)?")
"""As the venue writes it: BTC, BTC_USDC, BTC-5MAR27."""
LARGEST = 10.0
"""1 000 % a year: more is a slip of the pen."""


@lru_cache(maxsize=16)
def table_of(entries: tuple[str, ...]) -> Mapping[str, float]:
    """{name: value} of entries such as ``BTC=0.02`` and ``BTC-27MAR27=0.035``.  ValueError says what would be right."""
    table: dict[str, float] = {}
    for entry in entries:
        name, separator, text = (part.strip() for part in entry.partition("="))
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not separator or not NAME.fullmatch(name) or not abs(value) <= LARGEST:
            raise ValueError(
                f"{entry!r}: want NAME=NUMBER with an underlying or one of its expiries and a number per year of at most "
                f"{LARGEST:g}, such as BTC=0.02 or BTC-27MAR27=0.035"
            )
        if name in table:
            raise ValueError(f"{name!r} is given twice")
        table[name] = value
    return table


def _of(name: str, default: float, table: Mapping[str, float]) -> float:
    """The expiry's value, else the underlying's, else the default; ``name`` is an option's: BTC-27MAR27-120000-C."""
    underlying, _, rest = name.partition("-")
    series = f"{underlying}-{rest.partition('-')[0]}"
    return table.get(series, table.get(underlying, default))


def annual(name: str, default: float, entries: tuple[str, ...]) -> float:
    """The value for an option of this name."""
    return _of(name, default, table_of(entries)) if entries else default
