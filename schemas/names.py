"""The venue's instrument names, taken apart and put together.

    BTC-27MAR26-100000-C          inverse option             BTC-27MAR26       inverse future
    BTC_USDC-27MAR26-100000-C     linear option              BTC_USDC-27MAR26  linear future
    XRP_USDC-30JUN23-0d625-C      fractional strike, 0.625   BTC-PERPETUAL     perpetual
    BTC-CS-19MAY26-70000_75000    combo of options           BTC-FS-19MAY26_PERP  combo of futures
    ETH_USDC                      spot pair

The venue's own record of an instrument comes first; a name says only what these forms say.  Everything expires at 08:00 UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from schemas.enums import Kind, OptionType, Payoff
from schemas.errors import BadName

EXPIRY_HOUR_UTC = 8
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
LONGEST_NAME = 64

_DATE = r"(?P<day>[1-9]|[0-3][0-9])(?P<month>[A-Z]{3})(?P<year>[0-9]{2})"
_UNDERLYING = r"(?P<base>[A-Z][A-Z0-9]*)(?:_(?P<quote>[A-Z][A-Z0-9]*))?"
_OPTION = re.compile(rf"{_UNDERLYING}-{_DATE}-(?P<strike>[0-9]+(?:d[0-9]+)?)-(?P<type>[CP])")
_FUTURE = re.compile(rf"{_UNDERLYING}-(?:{_DATE}|(?P<perpetual>PERPETUAL))")
# A code such as CS, STRG, PBUT112 or COMBO, then legs: dates, PERP, strikes, in an order that differs by code.
_COMBO = re.compile(rf"{_UNDERLYING}-(?P<code>[A-Z]{{2,8}}[0-9]{{0,6}})-(?P<legs>[A-Z0-9_d-]+)")
_SPOT = re.compile(r"(?P<base>[A-Z][A-Z0-9]*)_(?P<quote>[A-Z][A-Z0-9]*)")
_FUTURE_COMBO_CODE = "FS"


class ParsedName(NamedTuple):
    """What a name says.  ``kind`` is None for a spot pair; a combo has the kind of its legs, no strike and no type."""

    kind: Kind | None
    base_currency: str
    quote_currency: (
        str  # of the price: the coin itself for inverse options, USD for inverse futures, USDC for linear ones
    )
    settlement_currency: str
    price_index: str
    payoff: Payoff
    option_type: OptionType | None
    strike: float | None  # USD per coin
    expiry_ns: int | None  # ns UTC; None: perpetual, spot, or a combo of several expiries
    is_combo: bool

    @property
    def is_spot(self) -> bool:
        return self.kind is None


@lru_cache(maxsize=65_536)
def parse(name: str) -> ParsedName:
    """Take an instrument name apart.

    Errors: BadName for any text that has none of the forms above, or names a day that does not exist.
    """
    if len(name) <= LONGEST_NAME:
        if found := _OPTION.fullmatch(name):
            strike = float(found["strike"].replace("d", "."))
            if strike > 0.0:
                option_type = OptionType.CALL if found["type"] == "C" else OptionType.PUT
                return _contract(found, Kind.OPTION, option_type, strike, _expiry_ns(name, found))
        elif found := _FUTURE.fullmatch(name):
            if found["perpetual"]:
                return _contract(found, Kind.PERPETUAL, None, None, None)
            return _contract(found, Kind.FUTURE, None, None, _expiry_ns(name, found))
        elif found := _COMBO.fullmatch(name):
            return _combo(name, found)
        elif found := _SPOT.fullmatch(name):
            base, quote = found["base"], found["quote"]
            index = f"{base}_{quote}".lower()
            return ParsedName(None, base, quote, quote, index, Payoff.LINEAR, None, None, None, False)
    raise BadName(f"{name!r:.80} is no instrument name (BTC-27MAR26-100000-C, BTC_USDC-PERPETUAL, ...)")


def _contract(
    found: re.Match[str], kind: Kind, option_type: OptionType | None, strike: float | None, expiry_ns: int | None
) -> ParsedName:
    base, quote = found["base"], found["quote"]
    if quote:
        index = f"{base}_{quote}".lower()
        return ParsedName(kind, base, quote, quote, index, Payoff.LINEAR, option_type, strike, expiry_ns, False)
    price_in = base if kind is Kind.OPTION else "USD"
    index = f"{base}_usd".lower()
    return ParsedName(kind, base, price_in, base, index, Payoff.INVERSE, option_type, strike, expiry_ns, False)


def _combo(name: str, found: re.Match[str]) -> ParsedName:
    kind = Kind.FUTURE if found["code"] == _FUTURE_COMBO_CODE else Kind.OPTION
    parts = re.split("[-_]", found["legs"])
    dates = [match for match in (re.fullmatch(_DATE, part) for part in parts) if match]
    expiries = {_expiry_ns(name, match) for match in dates}
    expiry_ns = expiries.pop() if len(expiries) == 1 and "PERP" not in parts else None
    return _contract(found, kind, None, None, expiry_ns)._replace(is_combo=True)


def _expiry_ns(name: str, found: re.Match[str]) -> int:
    try:
        day = date(2000 + int(found["year"]), MONTHS.index(found["month"]) + 1, int(found["day"]))
    except ValueError:
        raise BadName(f"{name!r:.80}: no such day {found['day']}{found['month']}{found['year']}") from None
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(midnight.timestamp()) * 1_000_000_000 + EXPIRY_HOUR_UTC * 3_600_000_000_000


def expiry_code(expiry_ns: int) -> str:
    """``27MAR26``: the day of an expiry as the venue writes it, without a leading zero."""
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=expiry_ns // 1_000_000_000)
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def option_name(underlying: str, expiry_ns: int, strike: float, option_type: OptionType) -> str:
    """Name of an option; ``underlying`` is what stands before the first dash (BTC, XRP_USDC)."""
    written = f"{strike:.10f}".rstrip("0").rstrip(".").replace(".", "d")
    return f"{underlying}-{expiry_code(expiry_ns)}-{written}-{'C' if option_type is OptionType.CALL else 'P'}"
