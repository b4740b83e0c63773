"""Which contracts and channels the settings ask for: filters by settlement currency, kind and expiry, and the channels' names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas import InstrumentState, Kind
from streams.deribit.fields import NS_PER_S, parsed_name

# Currencies whose coin-settled index has a volatility index (DVOL).
CURRENCIES_WITH_DVOL = ("BTC", "ETH")
INSTRUMENT_STATES = "instrument.state.any.any"
NS_PER_DAY = 86_400 * NS_PER_S


@dataclass(frozen=True)
class SessionSettings:
    """What to subscribe to and how politely.  Times in seconds; credits as the venue counts them.

    currencies: settlement currencies; USDC means the linear contracts.  kinds: option, future (perpetuals belong to future).
    expiries: of options, as in their names (14APR23); empty: all.  max_expiry_days: of options; 0: no limit.
    interval: 100ms or agg2; raw needs credentials.  silence_s: nothing received for so long means a dead connection.
    refresh_s: how often the list of instruments is asked for again, in case a notification was missed.
    """

    currencies: tuple[str, ...] = ("BTC", "ETH")
    kinds: tuple[str, ...] = ("option", "future")
    expiries: tuple[str, ...] = ()
    max_expiry_days: float = 0.0
    interval: str = "100ms"
    client_id: str = ""
    client_secret: str = ""
    batch_channels: int = 250
    credits_per_subscribe: int = 3_000
    credits_per_request: int = 500
    credits_burst: int = 30_000
    credits_per_s: int = 10_000
    heartbeat_s: int = 30
    silence_s: float = 75.0
    refresh_s: float = 3_600.0
    request_timeout_s: float = 10.0
    max_attempts: int = 3
    max_pending: int = 32
    max_queued: int = 20_000
    max_frame_bytes: int = 16 * 1024 * 1024
    max_instruments: int = 20_000
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    seed: int = 0

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
