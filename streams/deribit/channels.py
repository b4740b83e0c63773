"""Which contracts and channels the settings ask for: filters by settlement currency, kind and expiry, and the channels' names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from schemas import InstrumentState, Kind
from streams.deribit.fields import NS_PER_S, parsed_name

# Currencies whose coin-settled index has a volatility index (DVOL).
CURRENCIES_WITH_DVOL = ("BTC", "ETH")
INSTRUMENT_STATES = "instrument.state.any.any"
NS_PER_DAY = 86_400 * NS_PER_S


@dataclass(frozen=True)
class SessionSettings:
    """What to subscribe to and how politely.  Credits as the venue counts them."""

    currencies: tuple[str, ...] = ("BTC", "ETH")
    """Settlement currencies; USDC means the linear contracts."""
    kinds: tuple[str, ...] = ("option", "future")
    """option, future (perpetuals belong to future)."""
    expiries: tuple[str, ...] = ()
    """Of options, as in their names (14APR23); empty: all."""
    max_expiry_days: Annotated[float, "days"] = 0.0
    """Of options; 0: no limit."""
    interval: str = "100ms"
    """100ms or agg2; raw needs credentials."""
    client_id: str = ""
    """Optional key of the venue's API."""
    client_secret: str = ""
    """The key's secret; masked wherever settings are shown."""
    batch_channels: Annotated[int, "channels"] = 250
    """Of one subscribe request; the venue refuses more without an id."""
    credits_per_subscribe: Annotated[int, "credits"] = 3_000
    """What the venue takes for a subscribe request."""
    credits_per_request: Annotated[int, "credits"] = 500
    """What it takes for any other."""
    credits_burst: Annotated[int, "credits"] = 30_000
    """The most that an account saves up."""
    credits_per_s: Annotated[int, "credits per second"] = 10_000
    """How fast they come back."""
    heartbeat_s: int = 30
    """Interval of heartbeats; the venue wants 10 s at least."""
    silence_s: float = 75.0
    """Nothing received for so long means a dead connection: two heartbeats and a half."""
    refresh_s: float = 3_600.0
    """How often the list of instruments is asked for again, in case a notification was missed."""
    request_timeout_s: float = 10.0
    """A request without an answer for so long is asked again."""
    max_attempts: Annotated[int, "requests"] = 3
    """How often; then the failure is reported."""
    max_pending: Annotated[int, "requests"] = 32
    """Requests that wait for their answers at once."""
    max_queued: Annotated[int, "requests"] = 20_000
    """Requests that wait to be sent; beyond it new ones fail, so that memory stays bounded."""
    max_frame_bytes: int = 16 * 1024 * 1024
    """A larger frame is not read; the venue's largest is a list of instruments."""
    max_instruments: Annotated[int, "instruments"] = 20_000
    """Most that are kept: several times what the venue lists."""
    backoff_first_s: float = 1.0
    """Pause before the first reconnection; it doubles, with a random part, so that clients do not come back together."""
    backoff_max_s: float = 60.0
    """The longest pause."""
    seed: Annotated[int, "seed"] = 0
    """Of the random part of the pauses."""

    def __post_init__(self) -> None:
        if not set(self.kinds) <= {"option", "future"} or not self.kinds:
            raise ValueError(f"kinds={self.kinds}: want some of option, future")
        if self.interval not in ("100ms", "agg2", "raw"):
            raise ValueError(f"interval={self.interval!r}: want 100ms, agg2 or raw")
        if self.interval == "raw" and not (self.client_id and self.client_secret):
            raise ValueError("interval='raw' needs DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET; without them use 100ms")
        if not 1 <= self.batch_channels <= 250:
            raise ValueError(f"batch_channels={self.batch_channels}: want 1 to 250, more is refused without an id")
        if self.heartbeat_s < 10:
            raise ValueError(f"heartbeat_s={self.heartbeat_s}: the venue wants at least 10")


def passes(settings: SessionSettings, instrument_name: str, now_ns: int) -> bool:
    """Whether the filters let this contract through, told by its name; now_ns: venue time, 0 when not known yet."""
    named = parsed_name(instrument_name)
    if named is None or named.kind is None or named.is_combo or named.settlement_currency not in settings.currencies:
        return False
    if named.kind != Kind.OPTION:
        return "future" in settings.kinds
    if "option" not in settings.kinds or named.expiry_ns is None:
        return False
    if settings.expiries and instrument_name.split("-")[1] not in settings.expiries:
        return False
    far_ns = now_ns + int(settings.max_expiry_days * NS_PER_DAY)
    return not (settings.max_expiry_days and now_ns and named.expiry_ns > far_ns)


def ticker_channel(settings: SessionSettings, instrument_name: str) -> str:
    return f"ticker.{instrument_name}.{settings.interval}"


def static_channels(settings: SessionSettings) -> list[str]:
    """Channels that need no knowledge of instruments: changes of instruments, and the trades of each currency."""
    trades = [f"trades.{kind}.{ccy}.{settings.interval}" for ccy in settings.currencies for kind in settings.kinds]
    return [INSTRUMENT_STATES, *trades]


def channels_of(settings: SessionSettings, states: Iterable[InstrumentState]) -> list[str]:
    """The tickers of these contracts, and what belongs to their price indices, each once."""
    channels: dict[str, None] = {}
    for state in states:
        index = state.price_index
        channels[f"deribit_price_index.{index}"] = None
        if state.kind == Kind.OPTION:
            channels[f"estimated_expiration_price.{index}"] = None
            channels[f"markprice.options.{index}"] = None
        if state.settlement_currency in CURRENCIES_WITH_DVOL and index == f"{state.settlement_currency.lower()}_usd":
            channels[f"deribit_volatility_index.{index}"] = None
        channels[ticker_channel(settings, state.instrument_name)] = None
    return list(channels)
