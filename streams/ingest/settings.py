"""What an ingest may be told.  Environment: GREEKSTREAM_INGEST_<NAME>; the command's options come first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from streams.deribit.channels import SessionSettings
from streams.deribit.client import MAINNET, TESTNET
from streams.ingest.core import CoreSettings

NETWORKS = {"mainnet": MAINNET, "testnet": TESTNET}


@dataclass(frozen=True)
class IngestSettings:
    """One ingest: what it reads of the venue, and how it writes it."""

    url: str = ""
    """Websocket of the venue or of a simulator; empty: that of ``network``."""
    network: str = "mainnet"
    """mainnet or testnet of Deribit."""
    namespace: str = ""
    """Prefix of the topics; empty: the live venue's (``testnet`` where the testnet is read)."""
    currencies: tuple[str, ...] = ("BTC", "ETH")
    """Settlement currencies: USDC means the linear contracts."""
    kinds: tuple[str, ...] = ("option", "future")
    """option, future (perpetuals belong to future): without futures a forward comes from quotes and parity alone."""
    expiries: tuple[str, ...] = ()
    """Of options, as in their names (27MAR26); empty: all."""
    max_expiry_days: Annotated[float, "days"] = 0.0
    """Of options; 0: no limit."""
    interval: str = "100ms"
    """100ms, agg2, or raw, which needs credentials: 100 ms is what anyone may have, and all that a quote's greeks need."""
    clock: str = "wall"
    """wall: a source in real time.  venue: a source at any speed (a recording), whose own time alone counts."""
    pressure: str = "conflate"
    """conflate: when Kafka is slow, quotes are replaced by newer ones (the venue does not wait).  wait: stop reading (a recording does)."""
    client_id: str = ""
    """Optional key of the venue's API: unlocks raw intervals."""
    client_secret: str = ""
    """The key's secret; masked wherever settings are shown."""
    queue_high: Annotated[int, "records"] = 20_000
    """Records waiting for Kafka above which there is pressure; at ten times the default ingest gives up."""
    linger_ms: int = 0
    """How long the first record of a request to Kafka waits for others.  What comes while one is on its way goes with the next anyway."""
    tick_ms: int = 20
    """How often timers, Kafka's reports and pressure are looked at: a fifth of the venue's 100 ms."""
    lookback_s: int = 60
    """How much of each partition's end is read at start (rule 6)."""
    claim_check_s: float = 0.25
    """How often another ingest's claim is looked for: how long two may write at once."""
    log_every_s: float = 1.0
    """Interval of the line of figures."""
    flush_s: float = 20.0
    """How long a stop waits for Kafka to confirm what was written; beyond it ingest fails rather than lose silently."""

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"network={self.network!r}: want one of {', '.join(NETWORKS)}")
        if self.clock not in ("wall", "venue"):
            raise ValueError(f"clock={self.clock!r}: want wall or venue")
        if self.pressure not in ("conflate", "wait"):
            raise ValueError(f"pressure={self.pressure!r}: want conflate or wait")

    def apart(self) -> IngestSettings:
        """With the namespace ``testnet`` where the testnet is read and none is given: its ticks never stand among the live
        venue's, whichever way the network was chosen."""
        is_bare_testnet = self.network == "testnet" and not self.namespace and not self.url
        return replace(self, namespace="testnet") if is_bare_testnet else self

    @property
    def address(self) -> str:
        """The venue's websocket."""
        return self.url or NETWORKS[self.network]

    def session(self, manners: SessionSettings | None = None) -> SessionSettings:
        """What the session is to subscribe to; ``manners`` has the rest: credits, silences, limits."""
        return replace(
            manners or SessionSettings(), currencies=self.currencies, kinds=self.kinds, expiries=self.expiries,
            max_expiry_days=self.max_expiry_days, interval=self.interval, client_id=self.client_id, client_secret=self.client_secret,
        )  # fmt: skip

    def core(self) -> CoreSettings:
        """The numbers of the rules."""
        return CoreSettings(currencies=self.currencies, clock=self.clock)
