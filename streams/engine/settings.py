"""Every threshold of the engine, with its unit and its reason.  One frozen object; ``settings_hash`` of it is on every Watermark."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated

from pricers import LIVE_ENGINES
from streams.engine.terms import LARGEST, table_of

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
SECONDS_PER_YEAR = 31_536_000.0
"""365 days of 86 400 s: the venue's year (DEFINITIONS, Facts: 365.25 does not fit)."""
CONVENTION = "usd-per-coin/forward/act365"


LEAST = {"time_ms": 1, "underlying_grid_ms": 1, "n_trade_intervals_max": 1, "rate": -LARGEST, "carry": -LARGEST}
"""Periods are divided by, a list of one hole has one interval; everything else may be 0."""


@dataclass(frozen=True)
class EngineSettings:
    """Everything that can change a byte of a result, apart from the log.

    Environment: GREEKSTREAM_ENGINE_<FIELD>, or the file's table [engine]; read by the command that starts, never here.
    """

    engine: str = "qmc"
    """Arithmetic of the primary columns: ``qmc`` or ``closed_form``.  The row says which one made it."""
    rate: Annotated[float, "per year, continuous"] = 0.0
    """Discount rate of the whole payoff.  0: the venue's own convention."""
    carry: Annotated[float, "per year, continuous"] = 0.0
    """Drift of the index between now and the fixings beyond what the forward says."""
    rates: Annotated[tuple[str, ...], "per year, continuous"] = ()
    """``rate`` by underlying, or by underlying and expiry, which comes first: ``BTC=0.02,BTC-27MAR27=0.035``."""
    carries: Annotated[tuple[str, ...], "per year, continuous"] = ()
    """``carry`` in the same way."""

    mark_throttle_ms: int = 1_000
    """``mark`` and ``last`` come ten times a second and say little; bid and ask are never throttled (C11, C13)."""
    mark_change_ratio: float = 0.001
    """A smaller relative change of mark or last than this, against the last calculation's input, arms nothing (C12)."""
    underlying_grid_ms: int = 500
    """Distance of the grid points at which moved forwards reprice their liquid options."""
    underlying_move_ratio: float = 0.0001
    """1 bp: a smaller relative move of the forward since the option's last calculation changes less than its spread."""
    time_ms: int = 60_000
    """Everything is repriced once in this time, so that any 65 s of greeks.v1 hold the whole chain (C8)."""
    illiquid_offset_ms: int = 30_000
    """``illiquid`` comes this long after ``time``: an option without a market is at most 30 s old (C9)."""
    liquid_ms: int = 30_000
    """Traded or changed within this time: liquid (C7, E-75)."""
    liquid_spread_pct: float = 5.0
    """Premium spread over mid below which a two-sided, lively quote is liquid (C30)."""

    sigma_gap: Annotated[float, "vol, as a fraction"] = 0.03
    """Bid and ask vols at most 3 points apart: their mid is the best estimate there is."""
    sigma_gap_ratio: float = 0.05
    """... or at most 5 % of their mid apart, for vols far above 60 %."""
    mark_step_coin: Annotated[float, "coin"] = 0.0001
    """The venue publishes marks of coin premiums with 4 decimals (measured: all of 192 998 rows of April 2023)."""
    mark_step_usd: Annotated[float, "USD"] = 0.0001
    """The same for USDC premiums: a mark that is no multiple of the step is taken as published."""
    mark_forward_slack: Annotated[float, "fraction of the forward"] = 0.0005
    """5 bp: the forward stamped on a ticker and the one inside its mark are not of one instant (April 2023: 99.6 % of the
    in-the-money rows agree within it).  Used only where the mark of an in-the-money option is at its intrinsic value."""
    total_vol_max: Annotated[float, "vol times root of years"] = 6.0
    """Beyond this total vol of the remaining average an implied vol says nothing."""

    forward_stale_ms: int = 5_000
    """A forward older than this is flagged (C19)."""
    forward_known_ms: int = 600_000
    """A flagged forward of the expiry younger than this comes before the fresh index: a quiet series keeps its basis (up to
    3 % a year ahead), a long outage does not price off a forward of before it."""
    reject_stale: bool = False
    """True: stale inputs are a STALE_QUOTE reject instead of a flag."""
    n_overdue_fixings_max: int = 15
    """More grid points than this (one minute of them) past without a record: FIXING_MISSING instead of a guess."""
    pin_risk_sd: Annotated[float, "standard deviations"] = 0.5
    """Strike within this many standard deviations of the delivery price, on the last day: pin risk (C31)."""
    pin_risk_ms: int = 86_400_000
    """Pin risk is said only in this time before the expiry: a day before it, half a deviation is many strikes wide."""

    audit: bool = True
    """At each ``time`` the row's numbers against the venue's and the European ones go to audit.v1 (C51)."""
    audit_engine_every: Annotated[int, "times of an instrument"] = 16
    """... and once in so many of an instrument's ``time`` against the other engine's: QMC's closed form, the closed form's
    QMC.  One option in sixteen each minute costs little and has the whole chain every quarter of an hour.  0: never."""

    clock_lead_ms: int = 2_000
    """An event time is believed up to this far past the last Clock (rule 2 of the log)."""
    priced_ms: int = 60_000
    """Window of a Watermark's n_priced: one round of ``time_ms``."""
    trade_memory_ms: int = 3_600_000
    """Trade numbers of an expired instrument are kept this long, so that late repeats stay repeats (rule 8)."""
    n_trade_intervals_max: int = 256
    """Most holes kept per instrument; beyond it the oldest closes (and is counted): the checkpoint stays bounded."""
    n_unlisted_max: int = 256
    """Most instruments without a contract that a partition keeps; more are counted only."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right, before the first record instead of at it."""
        if self.engine not in LIVE_ENGINES:
            raise ValueError(f"engine {self.engine!r}: want one of {', '.join(LIVE_ENGINES)}")
        table_of(self.rates)
        table_of(self.carries)
        for field in fields(self):
            value, least = getattr(self, field.name), LEAST.get(field.name, 0)
            if isinstance(value, int | float) and not least <= value < math.inf:
                raise ValueError(f"{field.name} {value}: want a number of at least {least}")
