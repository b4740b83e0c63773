"""Settings of the simulated venue: GREEKSTREAM_SIMULATE_<FIELD> and the options of ``greekstream simulate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAX_SPEED = "max"


@dataclass(frozen=True)
class SimulatorSettings:
    """Rates per second of market time; times ns UTC, 0 for "not given"; ``speed`` a number or "max" (recordings)."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    rate: float = 1_000.0
    trade_rate: float = 3.0
    currencies: tuple[str, ...] = ("BTC", "ETH")
    n_options: int = 1_500
    n_linear: int = 60
    truth: Path = Path()
    recordings: tuple[str, ...] = ()
    speed: str = "1"
    from_ns: int = 0
    until_ns: int = 0
    is_waiting: bool = True
    grace_s: float = 1.5
    linger_s: float = 2.0
    start_ns: int = 0
    expire_in: float = 0.0
    seconds: float = 0.0
    fault_seed: int = -1

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
