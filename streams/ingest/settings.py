"""What an ingest may be told.  Environment: GREEKSTREAM_INGEST_<NAME>; the command's options come first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streams.deribit.channels import SessionSettings
from streams.deribit.client import MAINNET, TESTNET
from streams.ingest.core import CoreSettings

NETWORKS = {"mainnet": MAINNET, "testnet": TESTNET}


@dataclass(frozen=True)
class IngestSettings:
    """One ingest.  Empty ``url``: that of ``network``; empty ``namespace``: the live venue's topics."""

    url: str = ""
    network: str = "mainnet"
    namespace: str = ""
    currencies: tuple[str, ...] = ("BTC", "ETH")
    """Settlement currencies: USDC means the linear contracts."""
    kinds: tuple[str, ...] = ("option", "future")
    expiries: tuple[str, ...] = ()
    """Of options, as in their names (27MAR26); empty: all."""
    max_expiry_days: float = 0.0
    """Of options; 0: no limit."""
    interval: str = "100ms"
    clock: str = "wall"
    """wall: a source in real time.  venue: a source at any speed (a recording), whose own time alone counts."""
    pressure: str = "conflate"
    """conflate: when Kafka is slow, quotes are replaced by newer ones (the venue does not wait).  wait: stop reading (a recording does)."""
    client_id: str = ""
    client_secret: str = ""
    queue_high: int = 20_000
    """Records waiting for Kafka above which there is pressure; librdkafka's own bound is ten times that."""
    linger_ms: int = 5
    """How long Kafka's client collects records before it sends them: latency against requests."""
    tick_ms: int = 20
    lookback_s: int = 60
    """How much of each partition's end is read at start (rule 6)."""
    claim_check_s: float = 0.25
    log_every_s: float = 1.0
    flush_s: float = 20.0

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

    def session(self) -> SessionSettings:
        """What the session is to subscribe to."""
        return SessionSettings(
            currencies=self.currencies, kinds=self.kinds, expiries=self.expiries, max_expiry_days=self.max_expiry_days,
            interval=self.interval, client_id=self.client_id, client_secret=self.client_secret,
        )  # fmt: skip

    def core(self) -> CoreSettings:
        """The numbers of the rules."""
        return CoreSettings(currencies=self.currencies, clock=self.clock)
