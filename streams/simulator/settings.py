"""Settings of the simulated venue: GREEKSTREAM_SIMULATE_<FIELD> and the options of ``greekstream simulate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

MAX_SPEED = "max"


@dataclass(frozen=True)
class SimulatorSettings:
    """The simulated venue: its synthetic market, or the recording that it plays, and how fast."""

    host: str = "127.0.0.1"
    """Address to listen on; the loopback, because the venue asks nobody who they are."""
    port: Annotated[int, "port"] = 0
    """Port to listen on; 0: a free one, printed at start."""
    seed: Annotated[int, "seed"] = 1
    """Of the market: the same seed and start give the same market."""
    rate: Annotated[float, "per second"] = 1_000.0
    """Option tickers of market time: the rate that the pipeline is measured at."""
    trade_rate: Annotated[float, "per second"] = 3.0
    """Trade events of market time."""
    parties_seed: Annotated[int, "seed"] = -1
    """Of who makes, who takes and who closes, drawn from ranges that nothing on the wire tells; -1: the usual shares."""
    currencies: tuple[str, ...] = ("BTC", "ETH")
    """BTC, ETH or both."""
    n_options: int = 1_500
    """Options to list: as many as the venue had of both coins in April 2023."""
    n_linear: int = 60
    """USDC options among them, so that both payoffs run."""
    truth: Path = Path()
    """File for the dealer's true book, JSON lines; empty: none."""
    recordings: tuple[str, ...] = ()
    """Files or folders to play instead of the synthetic market."""
    speed: str = "1"
    """Market seconds a second; ``max`` for a recording: as fast as it is read."""
    from_ns: int = 0
    """First moment of the recording to play; 0: its beginning."""
    until_ns: int = 0
    """First moment not to play; 0: its end."""
    is_waiting: bool = True
    """A recording starts at the first ticker subscription, so that nobody misses its beginning."""
    grace_s: float = 1.5
    """How long after the last new subscription a recording starts: a client subscribes in several requests."""
    linger_s: float = 2.0
    """How long to stay after a recording's end, so that the last frames are read."""
    start_ns: int = 0
    """The synthetic market's time at start; 0: now."""
    expire_in: Annotated[float, "s"] = 0.0
    """Start so long before an 08:00 UTC expiry; 0: not so."""
    seconds: Annotated[float, "s"] = 0.0
    """Stop after so long; 0: never."""
    fault_seed: Annotated[int, "seed"] = -1
    """Of a schedule of faults (cuts, pauses, repeats, wrong times); -1: none."""
    fault_every_s: Annotated[float, "s"] = 5.0
    """Between two of them, on average."""

    def check(self) -> None:
        """Raises ValueError with what would be right."""
        if self.speed == MAX_SPEED and not self.recordings:
            raise ValueError("--speed max is for a recording; a synthetic market takes a number")
        if self.speed != MAX_SPEED and not self._speed_or_0() > 0:
            raise ValueError(f"--speed {self.speed!r}: give a positive number, or max for a recording")
        if self.recordings and (self.start_ns or self.expire_in):
            raise ValueError("--start and --expire-in move a synthetic market; a recording has its own time (--from)")
        if self.start_ns and self.expire_in:
            raise ValueError("give --start or --expire-in, not both")
        if not self.currencies or not set(self.currencies) <= {"BTC", "ETH"}:
            raise ValueError(f"--currencies must be BTC, ETH or both, not {', '.join(self.currencies) or 'none'}")
        if self.rate < 0 or self.trade_rate < 0 or self.n_options < 20:
            raise ValueError("rates must not be negative and at least 20 options are needed")

    def _speed_or_0(self) -> float:
        try:
            return float(self.speed)
        except ValueError:
            return 0.0

    @property
    def speed_factor(self) -> float | None:
        """Market seconds a second; None: as fast as it is read."""
        return None if self.speed == MAX_SPEED else float(self.speed)
