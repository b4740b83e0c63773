"""Every number of the dealer-flow exposures with its unit and its reason.  One frozen object."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated


class GreeksSource(StrEnum):
    """Whose greeks the exposures are made of; the label stands in every result (J10, J11)."""

    SETTLEMENT_AVERAGE = "settlement_average"
    """Ours, of the contract as it settles."""
    EUROPEAN = "european"
    """Black-76 at the same vol, the average ignored: what others show."""
    VENUE = "venue"
    """The venue's own: delta, gamma, vega and theta alone; it publishes no vanna, charm or volga (E-19)."""
    AUTO = "auto"
    """Settlement-average within ``auto_hours`` of the expiry, European before (E-04)."""


class Numeraire(StrEnum):
    """What a dealer keeps flat by hedging."""

    USD = "usd"
    """His wealth in USD: he trades delta.  Comparable with what others show."""
    COIN = "coin"
    """His wealth in coin: he trades delta - V/F of coin-settled contracts.  Linear contracts have their premium in USD: delta."""


@dataclass(frozen=True)
class FlowSettings:
    """Everything that can change an exposure, apart from the book."""

    greeks_source: str = GreeksSource.SETTLEMENT_AVERAGE
    """One of GreeksSource.  The European numbers stand beside it whatever this says."""
    auto_hours: Annotated[float, "hours"] = 12.0
    """``auto``: half a day before the expiry the averaging changes gamma by 1.4 % (E-03); before, by less."""
    numeraire: str = Numeraire.USD
    """One of Numeraire."""

    profile_low_ratio: float = 0.70
    """The profile reaches from here ..."""
    profile_high_ratio: float = 1.30
    """... to here, of the index."""
    profile_step_ratio: float = 0.0025
    """Distance of its levels; every strike in between is one more.  No band of a flip is narrower than this."""
    flip_tolerance_ratio: float = 1e-6
    """A flip is refined to this, of the index: 0.1 USD at 100 000."""
    lobe_share: Annotated[float, "fraction of the profile's largest"] = 1e-6
    """Between two flips the profile must reach this, else both are the rounding of a tail that is empty."""
    smile_gap_pct: float = 0.5
    """The two smile rules' flips are said to differ when they are further apart than this."""
    near_days: float = 7.0
    """The variant "0-7 d"."""
    coverage_min: Annotated[float, "fraction of OI"] = 0.5
    """With greeks for less of the open interest than this the book says nothing of the whole: status low_coverage."""
    band_low_pct: float = 10.0
    """The band's lower quantile over the draws of the dealers' positions ..."""
    band_high_pct: float = 90.0
    """... and its upper one."""
    regime_publishes: Annotated[int, "publishes"] = 3
    """Inside the flip's band a regime changes only when it has been the other one so many times on end."""
    freeze_s: float = 300.0
    """So long before an expiry the levels stand still: strikes that roll off distort them (J9)."""

    ladder_spot_pct: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 5.0)
    """Spot moves of the hedge ladder, each up and down, and none."""
    ladder_vol_points: tuple[float, ...] = (1.0, 2.0, 5.0)
    """Its vol moves, likewise."""
    ladder_hours: tuple[float, ...] = (0.0, 1.0, 4.0, 24.0)
    """Its horizons."""
    realised_minutes: tuple[float, ...] = (1.0, 5.0, 15.0, 60.0)
    """Horizons of the realised hedge pressure."""
    realised_lag_s: float = 5.0
    """The state at a horizon's begin may be older than asked by so much; older, and there is no realised number."""

    table_days: float = 30.0
    """Percentiles are of so many days ..."""
    table_sample_s: float = 300.0
    """... of one sample each so many seconds: 8 640 in 30 days, kept apart for weekdays and weekends (J5)."""
    table_samples_min: Annotated[int, "samples"] = 288
    """Fewer than a day of them, and there is no percentile."""
    pin_pct: float = 80.0
    """Gamma at a strike near the index is a pin above this percentile ..."""
    short_pct: float = 20.0
    """... NGI is short below this one ..."""
    long_pct: float = 80.0
    """... and long above this one."""
    percentile_gap_pct: float = 5.0
    """A label that stands is left this much later than it was taken up."""
    label_publishes: Annotated[int, "publishes"] = 3
    """A new label must come up so many times on end."""
    short_volume_ratio: float = 0.1
    """NGI below minus this much of the median hourly volume is short whatever the percentiles say."""
    squeeze_ratio: float = 2.0
    """A vanna squeeze: the typical vol move forces so many times the flow of the typical spot move."""
    pin_sd: Annotated[float, "standard deviations"] = 0.5
    """How near a strike must be to pin: C31."""
    pin_hours: Annotated[float, "hours"] = 24.0
    """How near its expiry."""

    touch_pct: float = 0.1
    """A wall is touched when spot comes this near."""
    session_start_s: float = 28_800.0
    """Of the UTC day: sessions run from one 08:00 expiry to the next."""

    settlement_days: Annotated[int, "days"] = 30
    """What is traded in a settlement window is compared with the same time of so many days before."""
    settlement_share_min: Annotated[float, "fraction of the window's seconds"] = 0.95
    """A day of whose window less was seen is no day to compare with."""
    settlement_grace_s: float = 5.0
    """The record of a window goes out so long after its end: trades may come that much later than they were made."""

    publish_every_s: float = 1.0
    """A record of each currency on a grid of so many seconds of log time; whole seconds, 1 at least."""
    ladder_every_s: float = 5.0
    """The ladder on this grid: it costs as much as all the rest of a second."""
    strikes_every_s: float = 5.0
    """Records by strike and expiry on this grid: they are as many as the chain has strikes."""
    row_age_max_s: float = 130.0
    """Greeks of an older row are in no sum: every option has a row a minute, so two of them have failed to come."""
    warm_up_s: float = 65.0
    """So long after the first row the whole chain has come: records before say that it may not have."""
    provisional_late_s: float = 2.0
    """A provisional record goes out when a partition is so late; 0: with the first partition that passes a second."""

    def __post_init__(self) -> None:
        """Raises ValueError with what would be right, before the first book instead of at it."""
        for name, kind in (("greeks_source", GreeksSource), ("numeraire", Numeraire)):
            if getattr(self, name) not in list(kind):
                raise ValueError(f"{name} {getattr(self, name)!r}: want one of {', '.join(kind)}")
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, int | float) and not 0 <= number < math.inf for number in numbers):
                raise ValueError(f"{field.name} {value}: want numbers of at least 0")
        if not 0.0 < self.profile_low_ratio < 1.0 < self.profile_high_ratio or self.profile_step_ratio <= 0.0:
            raise ValueError("want 0 < profile_low_ratio < 1 < profile_high_ratio and a positive profile_step_ratio")
        if not 0.0 <= self.band_low_pct < self.band_high_pct <= 100.0:
            raise ValueError("want 0 <= band_low_pct < band_high_pct <= 100")
        if self.table_sample_s <= 0.0 or self.flip_tolerance_ratio <= 0.0:
            raise ValueError("want a positive table_sample_s and a positive flip_tolerance_ratio")
