"""What is listed: underlyings, expiries, strikes, names and the venue's instrument records.

Expiries are at 08:00 UTC: dailies, Fridays, last Fridays of months and of quarters, as the venue lists them.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

NS = 1_000_000_000
DAY_S = 86_400
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
PERPETUAL_EXPIRY_MS = 32_503_708_800_000
N_DAILIES, N_WEEKLIES, N_MONTHLIES, N_QUARTERLIES = 3, 4, 3, 4
LISTED_TICKS = 1.0  # worth less, an option is not listed any further out
SMALLEST_WIDTH = 0.5
SHORTEST_DAYS = 1 / 20
LISTING_WIDTH = 4.0  # strikes are listed to this many standard deviations of the tenor on either side


class Underlying(NamedTuple):
    """A price index and the contracts on it.  Ticks in premium units (coin for inverse, USD for linear)."""

    price_index: str
    prefix: str
    base: str
    quote: str
    settlement: str
    is_inverse: bool
    first_price: float
    first_sigma: float
    tick: float
    tick_steps: tuple[tuple[float, float], ...]
    min_amount: float
    future_tick: float
    future_contract_usd: float
    strike_step: float
    typical_amount: float


UNDERLYINGS = {
    "BTC": Underlying(
        "btc_usd",
        "BTC",
        "BTC",
        "USD",
        "BTC",
        True,
        92_000.0,
        0.46,
        0.0001,
        ((0.005, 0.0005),),
        0.1,
        0.5,
        10.0,
        500.0,
        5.0,
    ),
    "ETH": Underlying(
        "eth_usd",
        "ETH",
        "ETH",
        "USD",
        "ETH",
        True,
        3_100.0,
        0.66,
        0.0001,
        ((0.005, 0.0005),),
        1.0,
        0.05,
        1.0,
        25.0,
        60.0,
    ),
    "BTC_USDC": Underlying(
        "btc_usdc",
        "BTC_USDC",
        "BTC",
        "USDC",
        "USDC",
        False,
        92_000.0,
        0.46,
        1.0,
        ((100.0, 5.0),),
        0.01,
        0.5,
        0.001,
        500.0,
        1.0,
    ),
}


class Option(NamedTuple):
    name: str
    underlying: str
    expiry_ns: int
    strike: float
    sign: int
    creation_ns: int
    instrument_id: int


class Future(NamedTuple):
    """expiry_ns is None for a perpetual."""

    name: str
    underlying: str
    expiry_ns: int | None
    creation_ns: int
    instrument_id: int


def at(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS, UTC)


def to_ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS


def date_text(expiry_ns: int) -> str:
    day = at(expiry_ns)
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def next_expiry_ns(now_ns: int) -> int:
    """The first 08:00 UTC after ``now_ns``."""
    day = at(now_ns).replace(hour=8, minute=0, second=0)
    while to_ns(day) <= now_ns:
        day += timedelta(days=1)
    return to_ns(day)


def _last_friday(year: int, month: int) -> datetime:
    following = datetime(year + month // 12, month % 12 + 1, 1, 8, tzinfo=UTC)
    day = following - timedelta(days=1)
    return day - timedelta(days=(day.weekday() - 4) % 7)


def expiries(now_ns: int) -> dict[int, str]:
    """Expiry (ns UTC) -> settlement period ("day", "week", "month") of every series listed at ``now_ns``, rising."""
    first = at(next_expiry_ns(now_ns))
    listed: dict[int, str] = {}
    year, month, n_months, n_quarters = first.year, first.month, 0, 0
    while n_months < N_MONTHLIES or n_quarters < N_QUARTERLIES:
        friday = _last_friday(year, month)
        if friday >= first:
            if n_months < N_MONTHLIES or month % 3 == 0:
                listed[to_ns(friday)] = "month"
            n_months += 1
            n_quarters += month % 3 == 0
        year, month = year + month // 12, month % 12 + 1
    friday = first + timedelta(days=(4 - first.weekday()) % 7)
    for i in range(N_WEEKLIES):
        listed.setdefault(to_ns(friday + timedelta(days=7 * i)), "week")
    for i in range(N_DAILIES):
        listed.setdefault(to_ns(first + timedelta(days=i)), "day")
    return dict(sorted(listed.items()))


def _nice_step(spacing: float, smallest: float) -> float:
    """The largest of 1, 2, 2.5, 5 times a power of ten that is at most ``spacing``, and at least ``smallest``."""
    scale = 10.0 ** math.floor(math.log10(spacing))
    return max([smallest] + [m * scale for m in (1.0, 2.0, 2.5, 5.0) if m * scale <= spacing * (1 + 1e-9)])


def _listing_width(total_vol: float, tick: float) -> float:
    """Standard deviations to either side: LISTING_WIDTH, but not beyond where an option is worth LISTED_TICKS ticks (of
    ``tick`` forwards), by the normal model: what is listed has a price that means something, an hour before expiry too."""
    width = LISTING_WIDTH / (1.0 + 2.0 * total_vol)

    def value(n_sd: float) -> float:  # of an out-of-the-money option, in standard deviations
        return math.exp(-0.5 * n_sd * n_sd) / math.sqrt(2 * math.pi) - n_sd * float(ndtr(-n_sd))

    least = LISTED_TICKS * tick / total_vol
    if value(width) >= least:
        return width
    if value(SMALLEST_WIDTH) <= least:
        return SMALLEST_WIDTH
    return float(brentq(lambda n_sd: value(n_sd) - least, SMALLEST_WIDTH, width, xtol=1e-6))


def strikes(
    forward: float, sigma: float, tau_years: float, n: int, smallest_step: float, tick: float = 0.0
) -> list[float]:
    """About ``n`` round strikes around ``forward``, denser in USD for short tenors, with ``tick`` (the price's, in
    forwards) only where options are worth some; rising, distinct."""
    total_vol = sigma * math.sqrt(max(tau_years, SHORTEST_DAYS / 365))
    width = _listing_width(total_vol, tick)
    ladder = forward * np.exp(np.linspace(-width, width, n) * total_vol)
    spacing = ladder * (2.0 * width / max(n - 1, 1)) * total_vol
    rounded = {
        round(step * round(k / step), 6)
        for k, step in ((float(k), _nice_step(float(d), smallest_step)) for k, d in zip(ladder, spacing, strict=True))
    }
    return sorted(k for k in rounded if k > 0)


def strike_text(strike: float) -> str:
    """The venue writes a fraction with ``d`` for the point: 0.625 is 0d625."""
    return str(int(strike)) if strike == int(strike) else f"{strike:.6f}".rstrip("0").replace(".", "d")


def option_name(underlying: Underlying, expiry_ns: int, strike: float, sign: int) -> str:
    return f"{underlying.prefix}-{date_text(expiry_ns)}-{strike_text(strike)}-{'C' if sign > 0 else 'P'}"


def tick_size(underlying: Underlying, price: float) -> float:
    tick = underlying.tick
    for above, size in underlying.tick_steps:
        if price > above:
            tick = size
    return tick


def settlement_period(expiry_ns: int, creation_ns: int) -> str:
    days = (expiry_ns - creation_ns) / NS / DAY_S
    return "day" if days < 6 else "week" if days < 25 else "month"


def option_record(option: Option, state: str, period: str) -> dict[str, Any]:
    """The option as ``public/get_instruments`` gives it."""
    u = UNDERLYINGS[option.underlying]
    return {
        "price_index": u.price_index,
        "kind": "option",
        "instrument_name": option.name,
        "option_type": "call" if option.sign > 0 else "put",
        "strike": option.strike,
        "maker_commission": 0.0003,
        "taker_commission": 0.0003,
        "instrument_type": "reversed" if u.is_inverse else "linear",
        "expiration_timestamp": option.expiry_ns // 1_000_000,
        "creation_timestamp": option.creation_ns // 1_000_000,
        "is_active": state == "open",
        "state": state,
        "tick_size": u.tick,
        "tick_size_steps": [{"above_price": above, "tick_size": size} for above, size in u.tick_steps],
        "contract_size": 1.0,
        "instrument_id": option.instrument_id,
        "min_trade_amount": u.min_amount,
        "block_trade_commission": 0.0003,
        "block_trade_min_trade_amount": 25.0,
        "block_trade_tick_size": 0.0001,
        "settlement_currency": u.settlement,
        "settlement_period": period,
        "base_currency": u.base,
        "counter_currency": u.quote,
        "quote_currency": u.base if u.is_inverse else u.quote,
    }


def future_record(future: Future, state: str, period: str) -> dict[str, Any]:
    """The future or perpetual as ``public/get_instruments`` gives it."""
    u = UNDERLYINGS[future.underlying]
    is_perpetual = future.expiry_ns is None
    return {
        "price_index": u.price_index,
        "kind": "future",
        "instrument_name": future.name,
        "max_leverage": 50,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "instrument_type": "reversed" if u.is_inverse else "linear",
        "future_type": "reversed" if u.is_inverse else "linear",
        "expiration_timestamp": PERPETUAL_EXPIRY_MS if future.expiry_ns is None else future.expiry_ns // 1_000_000,
        "creation_timestamp": future.creation_ns // 1_000_000,
        "is_active": state == "open",
        "state": state,
        "tick_size": u.future_tick,
        "tick_size_steps": [],
        "contract_size": u.future_contract_usd,
        "instrument_id": future.instrument_id,
        "min_trade_amount": u.future_contract_usd,
        "block_trade_commission": 0.00025,
        "block_trade_min_trade_amount": 200_000,
        "block_trade_tick_size": 0.01,
        "max_liquidation_commission": 0.0075,
        "settlement_currency": u.settlement,
        "settlement_period": "perpetual" if is_perpetual else period,
        "base_currency": u.base,
        "counter_currency": u.quote,
        "quote_currency": u.quote,
    }
