"""CME's share of futures open interest, and when its rise has lasted (L6, E-26).

Two numbers that the source document runs together, each with its name:
    share_of_futures_open_interest   measured: CME over the listed venues, coin over coin, once a day
    share_of_hedging_prior           a prior with a date and a source (L7, E-27), never measured here

The trigger is on the first one only: on at least ``n_days_above`` of the last ``n_days`` readings it lay above the threshold.  A day on
which a venue of the list is missing is no reading: a share of fewer venues is another quantity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, NamedTuple


class HedgingPrior(NamedTuple):
    """Assumed mix of where option hedges go; shares of 1."""

    share_by_place: tuple[tuple[str, float], ...]
    cme_place: str
    as_of: date | None
    """None: the source has no date."""
    source: str

    @property
    def cme_share(self) -> float:
        return dict(self.share_by_place)[self.cme_place]


PRIOR = HedgingPrior(
    (("deribit market makers' perpetuals", 0.45), ("cme blocks", 0.35), ("rest", 0.20)),
    "cme blocks",
    None,
    "source document 002 (L7): 45/35/20, not derivable from its own figures (E-27); to be measured again every quarter",
)


@dataclass(frozen=True)
class ShareSettings:
    """What the monitor looks at; its first list includes OKX, which the source document's monitor leaves out (E-26)."""

    venues: tuple[str, ...] = ("CME", "Binance", "Bybit", "OKX")
    """Venues whose futures open interest is the denominator, perpetuals included."""
    cme: str = "CME"
    """The venue of the numerator."""
    threshold: Annotated[float, "fraction"] = 0.35
    """Share above which a day counts."""
    n_days: Annotated[int, "readings"] = 14
    """Readings looked back on."""
    n_days_above: Annotated[int, "readings"] = 10
    """Of them above the threshold: sustained."""
    span_max_days: int = 28
    """Calendar days that these readings may lie apart: CME has no reading on weekends and holidays."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right."""
        if self.cme not in self.venues or len(set(self.venues)) != len(self.venues):
            raise ValueError(f"venues {self.venues}: want each once, and {self.cme!r} among them")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold is {self.threshold}; want a share between 0 and 1")
        if not 1 <= self.n_days_above <= self.n_days <= self.span_max_days:
            raise ValueError(
                f"n_days_above {self.n_days_above}, n_days {self.n_days}, span_max_days {self.span_max_days}: want 1 or more, "
                "each at least the one before"
            )


class ShareReading(NamedTuple):
    """Open interest of futures at the end of one day."""

    day: date
    open_interest_coin_by_venue: Mapping[str, float]


class ShareState(NamedTuple):
    """State of the fold."""

    shares: tuple[tuple[date, float], ...] = ()
    """Newest ``n_days`` readings, by day."""
    is_sustained: bool = False


class ShareSignal(NamedTuple):
    """What a reading says."""

    day: date
    venues: tuple[str, ...]
    missing_venues: tuple[str, ...]
    """Of the list, without a usable figure that day: then the day is no reading."""
    share_of_futures_open_interest: float | None
    share_of_hedging_prior: float
    prior_as_of: date | None
    prior_source: str
    threshold: float
    n_above: int
    n_readings: int
    """At most n_days."""
    is_sustained: bool
    is_triggered: bool
    """It has become sustained with this reading."""


def step(
    state: ShareState, reading: ShareReading, settings: ShareSettings, prior: HedgingPrior = PRIOR
) -> tuple[ShareState, ShareSignal]:
    """Fold one day's reading in.

    Idempotent: a day given again replaces itself.  Bounded: n_days readings.  The shares kept do not depend on the order of days;
    ``is_triggered`` tells of a change between two calls.
    """
    usable = {
        venue: reading.open_interest_coin_by_venue[venue]
        for venue in settings.venues
        if 0.0 <= reading.open_interest_coin_by_venue.get(venue, math.nan) < math.inf
    }
    missing = tuple(venue for venue in settings.venues if venue not in usable)
    total = math.fsum(usable.values())
    share = usable[settings.cme] / total if not missing and 0.0 < total < math.inf else None
    shares = dict(state.shares)
    if share is not None:
        shares[reading.day] = share
    kept = _kept(shares, settings)
    n_above = sum(one > settings.threshold for _, one in kept)
    is_sustained = n_above >= settings.n_days_above
    signal = ShareSignal(
        reading.day, settings.venues, missing, share, prior.cme_share, prior.as_of, prior.source,
        settings.threshold, n_above, len(kept), is_sustained, is_sustained and not state.is_sustained,
    )  # fmt: skip
    return ShareState(kept, is_sustained), signal


def _kept(shares: Mapping[date, float], settings: ShareSettings) -> tuple[tuple[date, float], ...]:
    """The newest readings, within the span."""
    newest = sorted(shares.items())[-settings.n_days :]
    return tuple((day, share) for day, share in newest if (newest[-1][0] - day).days < settings.span_max_days)
